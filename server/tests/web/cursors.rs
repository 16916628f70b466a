//! Lists in pages go on where they were, whatever became of the last row seen.

use crate::harness::{self, Hub, User};
use reqwest::Method;
use serde_json::{Value, json};
use server::alerts;

/// The values of `field` on the page of `path` after `after`, and the next cursor.
async fn page(
    hub: &Hub,
    admin: &User,
    (path, field): (&str, &str),
    after: Option<&str>,
) -> (Vec<String>, Option<String>) {
    let after = after.map(|after| format!("&after={after}")).unwrap_or_default();
    let answer = hub.get(&format!("{path}?limit=2{after}"), admin).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    let rows = answer["data"].as_array().unwrap();
    let values = rows.iter().map(|row| row[field].as_str().unwrap().to_owned());
    (values.collect(), answer["next"].as_str().map(str::to_owned))
}

/// Five rows of each list whose order is not that of the ids alone.
async fn furnish(hub: &Hub, admin: &User) {
    for (label, priority) in [("e", 1), ("c", 0), ("b", -1), ("d", 0), ("a", -1)] {
        let account = json!({
            "label": label, "provider": "ollama", "base_url": "http://127.0.0.1:9/v1", "priority": priority,
        });
        let made = hub.post("/accounts", admin, account).await;
        assert_eq!(made.status, 201, "{made:?}");
        let subject = format!("model-{label}");
        alerts::raise(&hub.app.db, alerts::Kind::Overrun, &subject, "It cost too much.")
            .await
            .unwrap();
        hub.join(&format!("{label}@example.com"), &admin.team).await;
    }
}

async fn remove(hub: &Hub, admin: &User, path: &str, id: &str) {
    if path.ends_with("/members") {
        hub.leave(id, &admin.team).await;
    } else {
        let gone = hub
            .api(Method::DELETE, &format!("{path}/{id}"), &admin.token, Value::Null)
            .await;
        assert_eq!(gone.status, 204, "{path} {gone:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_goes_on_after_a_row_that_is_gone() {
    for hub in harness::everywhere().await {
        let admin = hub.user("admin@example.com", true).await;
        furnish(&hub, &admin).await;
        for list in [
            ("/accounts", "id"),
            ("/alerts", "id"),
            ("/teams/current/members", "user_id"),
        ] {
            let path = list.0;
            let whole = hub.get(path, &admin).await.json();
            let whole: Vec<&str> = whole["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row[list.1].as_str().unwrap())
                .collect();
            assert!(whole.len() >= 5, "{path} {whole:?}");
            let (seen, next) = page(&hub, &admin, list, None).await;
            assert_eq!(seen, whole[..2], "{path}");
            remove(&hub, &admin, path, &seen[1]).await;
            let (rest, next) = page(&hub, &admin, list, next.as_deref()).await;
            assert_eq!(rest, whole[2..4], "{path}: nothing is repeated or left out");
            let (last, _) = page(&hub, &admin, list, next.as_deref()).await;
            assert_eq!(last, whole[4..], "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_cursor_is_refused_by_name() {
    let hub = harness::spawn().await;
    let admin = hub.user("admin@example.com", true).await;
    for path in [
        "/accounts",
        "/alerts",
        "/teams/current/members",
        "/teams",
        "/teams/current/keys",
        "/requests",
    ] {
        for cursor in ["x", "7", "7.x", "x.acc_0000000000001", "."] {
            let answer = hub.get(&format!("{path}?after={cursor}"), &admin).await;
            assert_eq!(
                (answer.status, &answer.json()["error"]["fields"][0]["field"]),
                (400, &json!("after")),
                "{path} {cursor}"
            );
        }
    }
}
