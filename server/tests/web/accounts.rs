//! The account form: how the key is sent where only the operator knows, and which key is stored.

use crate::harness::{self, Hub};
use serde_json::{Value, json};

const URL: &str = "base_url=http%3A%2F%2F127.0.0.1%3A9%2Fv1";

async fn account(hub: &Hub, admin: &harness::User, at: usize) -> Value {
    hub.get("/accounts", admin).await.json()["data"][at].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_of_an_unknown_provider_says_how_the_key_is_sent() {
    let hub = harness::spawn().await;
    let cookie = hub.sign_up("first@example.com").await;
    let admin = hub.user("api@example.com", true).await;
    let form = |page: &'static str| hub.page(page, &cookie);
    assert!(!form("/admin/accounts/new/openai").await.text.contains("auth_scheme"));
    let empty = form("/admin/accounts/new/custom").await.text;
    assert!(empty.contains("name=\"auth_scheme\"") && empty.contains("value=\"bearer\""));

    let new = format!("provider=custom&label=own&secret=sk-canary-abcdefgh-1234&{URL}");
    let refused = hub
        .form("create_account", &cookie, &format!("{new}&auth_scheme=content-type"))
        .await;
    assert_eq!(refused.location(), "/admin/accounts/new/custom");
    let (flash, _) = refused.cookie("ourhub-flash").unwrap();
    let shown = hub.page(refused.location(), &format!("{cookie}; {flash}")).await.text;
    assert!(shown.contains("auth_scheme-error") && shown.contains("value=\"content-type\""));
    let made = hub
        .form("create_account", &cookie, &format!("{new}&auth_scheme=X-Api-Key"))
        .await;
    assert_eq!(made.location(), "/admin/accounts", "{made:?}");
    let stored = account(&hub, &admin, 0).await;
    assert_eq!(
        (&stored["auth_scheme"], &stored["last_four"]),
        (&json!("x-api-key"), &json!("1234"))
    );

    // The list and the page tell which key it is.
    let page = format!("/admin/accounts/{}", stored["id"].as_str().unwrap());
    let listed = hub.page("/admin/accounts", &cookie).await.text;
    let opened = hub.page(&page, &cookie).await.text;
    assert!(listed.contains("key …1234") && opened.contains("key …1234, sent in x-api-key"));
    assert!(opened.contains("value=\"x-api-key\""));
    assert!(!listed.contains("canary") && !opened.contains("canary"));

    let change = format!("id={}&provider=custom&label=own&{URL}", stored["id"].as_str().unwrap());
    for (typed, expected) in [("&auth_scheme=api-key", "api-key"), ("&auth_scheme=", "bearer")] {
        let saved = hub.form("update_account", &cookie, &format!("{change}{typed}")).await;
        assert_eq!(saved.location(), "/admin/accounts", "{saved:?}");
        assert_eq!(account(&hub, &admin, 0).await["auth_scheme"], expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_of_a_known_provider_leaves_how_the_key_is_sent_alone() {
    let hub = harness::spawn().await;
    let cookie = hub.sign_up("first@example.com").await;
    let admin = hub.user("api@example.com", true).await;
    let body = json!({
        "label": "azure", "provider": "openai", "base_url": "http://127.0.0.1:9/v1", "secret": "sk-0123456789",
        "auth_scheme": "api-key",
    });
    let id = hub.post("/accounts", &admin, body).await.json()["id"].clone();
    let id = id.as_str().unwrap();
    let page = hub.page(&format!("/admin/accounts/{id}"), &cookie).await.text;
    assert!(page.contains("name=\"auth_scheme\"") && page.contains("value=\"api-key\""));
    let form = format!("id={id}&provider=openai&label=renamed&{URL}");
    assert_eq!(hub.form("update_account", &cookie, &form).await.status, 302);
    let stored = account(&hub, &admin, 0).await;
    assert_eq!(
        (&stored["label"], &stored["auth_scheme"]),
        (&json!("renamed"), &json!("api-key"))
    );
}
