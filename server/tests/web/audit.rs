//! The audit log on pages and over the management API: each team sees its own part, filters and pages work.

use crate::harness::{self, PASSWORD};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_team_reads_its_own_part_with_filters_page_by_page() {
    for hub in harness::everywhere().await {
        let (alice, bob) = (
            hub.user("alice@example.com", false).await,
            hub.user("bob@example.com", false).await,
        );
        let mut keys = Vec::new();
        for name in ["one", "two", "three"] {
            let made = hub
                .post("/teams/current/keys", &alice, json!({"name": name}))
                .await
                .json();
            keys.push(made["id"].as_str().unwrap().to_owned());
        }
        hub.patch("/teams/current", &alice, json!({"cap_day": "5"})).await;
        hub.patch("/teams/current", &bob, json!({"name": "bobs"})).await;
        let read = async |query: &str| hub.get(&format!("/teams/current/audit{query}"), &alice).await.json();
        let actions = |page: &Value| -> Vec<String> {
            let rows = page["data"].as_array().unwrap().iter();
            rows.map(|row| row["action"].as_str().unwrap().to_owned()).collect()
        };
        let all = read("").await;
        assert_eq!(actions(&all), ["team.update", "key.create", "key.create", "key.create"]);
        let first = &all["data"][0];
        assert_eq!(
            [
                &first["actor"]["name"],
                &first["team"]["name"],
                &first["before"]["cap_day"]
            ],
            [&json!("alice@example.com"), &json!("alice"), &Value::Null]
        );
        let page = read("?limit=3").await;
        let rest = read(&format!("?limit=3&after={}", page["next"].as_str().unwrap())).await;
        assert_eq!(
            (actions(&page).len(), actions(&rest).len(), &rest["next"]),
            (3, 1, &Value::Null)
        );
        for (query, count) in [
            ("?action=key".to_owned(), 3),
            ("?action=ke".to_owned(), 0),
            ("?action=team.update".to_owned(), 1),
            (format!("?target={}", keys[1]), 1),
            ("?actor=Alice@example.com".to_owned(), 4),
            (format!("?actor={}", bob.id), 0),
            ("?actor=nobody@example.com".to_owned(), 0),
            ("?from=2099-01-01".to_owned(), 0),
            ("?to=2099-01-01".to_owned(), 4),
        ] {
            assert_eq!(actions(&read(&query).await).len(), count, "{query}");
        }
        assert_eq!(hub.get("/teams/current/audit?colour=red", &alice).await.status, 400);
        assert_eq!(hub.get("/audit", &alice).await.status, 403);
        let admin = hub.user("admin@example.com", true).await;
        let everything = hub.get("/audit?action=team", &admin).await.json();
        assert_eq!(actions(&everything), ["team.update", "team.update"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_show_what_changed_and_keep_their_filters() {
    let hub = harness::spawn().await;
    let cookie = hub.sign_up("first@example.com").await;
    hub.form("update_team", &cookie, "name=Harbor&time_zone=UTC&cap_day=5")
        .await;
    let page = hub.page("/audit?action=team", &cookie).await.text;
    for said in [
        "team.update",
        "name",
        "first → Harbor",
        "none → $5.00",
        "first@example.com",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert!(!page.contains("user.sign_up"), "{page}");
    let all = hub.page("/admin/audit", &cookie).await;
    assert!(
        all.status == 200 && all.text.contains("user.sign_up") && all.text.contains("Harbor"),
        "{}",
        all.text
    );
    hub.user("other@example.com", false).await;
    let other = hub
        .form("log_in", "", &format!("email=other@example.com&password={PASSWORD}"))
        .await;
    let (other, _) = other.cookie("ourhub").unwrap();
    assert_eq!(hub.page("/admin/audit", &other).await.status, 403);
    let own = hub.page("/audit", &other).await.text;
    assert!(own.contains("No change to show") && !own.contains("Harbor"), "{own}");
}
