//! One's own data: downloaded, and deleted.

use crate::harness;
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn ones_own_data_are_one_file_without_secrets_or_anybody_else() {
    let hub = harness::spawn().await;
    hub.user("eve@example.com", true).await;
    let cookie = hub.sign_up("mara@example.com").await;
    hub.form("create_key", &cookie, "name=laptop").await;
    hub.form("create_token", &cookie, "").await;
    let file = hub.page("/profile.json", &cookie).await;
    assert!(file.header("content-disposition").contains("profile.json"));
    let data: Value = file.json();
    assert_eq!(data["user"]["email"], "mara@example.com");
    assert_eq!(data["teams"][0]["role"], "owner");
    assert_eq!(data["teams"][0]["keys_made"][0]["name"], "laptop");
    assert_eq!(data["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(data["management_tokens"].as_array().unwrap().len(), 1);
    let done: Vec<_> = data["done"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["action"].as_str().unwrap())
        .collect();
    assert!(
        done.contains(&"key.create") && done.contains(&"token.create"),
        "{done:?}"
    );
    for secret in ["eve@example.com", "argon2", "mt-oh-", "sk-oh-"] {
        assert!(!file.text.contains(secret), "{secret}");
    }
    assert_eq!(hub.page("/profile.json", "").await.location(), "/login");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_deleted_after_its_address_was_typed_and_is_out_at_once() {
    let hub = harness::spawn().await;
    hub.user("root@example.com", true).await;
    let cookie = hub.sign_up("mara@example.com").await;
    let wrong = hub.form("delete_self", &cookie, "email=mara").await;
    assert_eq!(wrong.location(), "/settings/delete");
    assert_eq!(hub.page("/overview", &cookie).await.status, 200);
    let gone = hub.form("delete_self", &cookie, "email=Mara@example.com").await;
    assert_eq!(gone.location(), "/", "{gone:?}");
    assert!(gone.cookie("ourhub").unwrap().1.contains("Max-Age=0"));
    assert_eq!(hub.page("/overview", &cookie).await.location(), "/login");
    let log = server::audit::list(&hub.app.db, None, None, 1).await.unwrap();
    assert_eq!(log[0].action, "user.delete");
    assert!(!log[0].detail.to_string().contains("mara@"), "{:?}", log[0]);
}
