//! Whether a key's tools may run at the provider: off at first, in form, page, API and the audit log alike.

use crate::harness;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn the_key_form_lets_tools_run_at_the_provider_only_where_it_was_ticked() {
    let hub = harness::spawn().await;
    let cookie = hub.sign_up("a@example.com").await;
    let checked = |page: &str| {
        let at = page.find("name=\"hosted_tools\"").unwrap_or_else(|| panic!("{page}"));
        let start = page[..at].rfind('<').unwrap();
        let end = at + page[at..].find('>').unwrap();
        page[start..end].contains("checked")
    };
    let new = hub.page("/keys/new", &cookie).await.text;
    assert!(!checked(&new));
    assert!(
        new.contains("Let the provider search the web and run its tools. Holds much more per request while it runs."),
        "{new}"
    );
    let made = hub.form("create_key", &cookie, "name=ci&clamp=on").await;
    let page = made.location().strip_suffix("/created").unwrap().to_owned();
    let id = page.rsplit('/').next().unwrap();
    assert!(!checked(&hub.page(&page, &cookie).await.text));
    for (ticked, is_on) in [("&hosted_tools=on", true), ("", false)] {
        let body = format!("id={id}&name=ci&clamp=on{ticked}");
        assert_eq!(hub.form("update_key", &cookie, &body).await.location(), "/keys");
        assert_eq!(checked(&hub.page(&page, &cookie).await.text), is_on);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_sets_it_and_the_audit_log_says_so() {
    let hub = harness::spawn().await;
    let user = hub.user("a@example.com", false).await;
    let made = hub
        .post("/teams/current/keys", &user, json!({"name": "ci"}))
        .await
        .json();
    assert_eq!(made["hosted_tools"], false);
    let path = format!("/teams/current/keys/{}", made["id"].as_str().unwrap());
    for (value, is_on) in [(json!(true), true), (json!(null), false), (json!(true), true)] {
        let changed = hub.patch(&path, &user, json!({"hosted_tools": value})).await.json();
        assert_eq!(changed["hosted_tools"], is_on, "{changed}");
    }
    let kept = hub.patch(&path, &user, json!({"name": "ci 2"})).await.json();
    assert_eq!(kept["hosted_tools"], true);
    let log = server::audit::list(&hub.app.db, None, None, 50).await.unwrap();
    let changes: Vec<String> = log.iter().map(|row| row.detail.to_string()).collect();
    let told = changes.iter().filter(|detail| detail.contains("hosted_tools"));
    assert!(told.count() >= 3, "{changes:?}");
}
