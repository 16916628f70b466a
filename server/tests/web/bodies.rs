//! What JSON bodies may leave out or set to null: on POST both are as if nothing was said, on PATCH null clears.

use crate::harness::{self, Hub, User};
use serde_json::{Value, json};

/// Every field that may be null, of each thing that is made by POST, with the rest of a body that is good.
fn new_things() -> [(&'static str, Value, Vec<&'static str>); 4] {
    let key = json!({"name": "ci"});
    let account = json!({"label": "first", "provider": "ollama", "base_url": "http://127.0.0.1:9/v1"});
    let model = json!({"id": "house/model", "prices": {"input": "1", "output": "2"}});
    [
        (
            "/teams/current/keys",
            key,
            vec![
                "member",
                "models",
                "region",
                "cap_day",
                "cap_month",
                "cap_total",
                "rpm",
                "tpm",
                "max_in_flight",
                "clamp",
                "hosted_tools",
                "expires_at",
                "allowed_ips",
            ],
        ),
        (
            "/accounts",
            account,
            vec![
                "dialect",
                "secret",
                "priority",
                "weight",
                "region",
                "proxy_url",
                "models",
                "rpm",
                "tpm",
                "max_in_flight",
            ],
        ),
        ("/models", model, vec!["dialects", "context", "max_output"]),
        (
            "/aliases",
            json!({"name": "house", "targets": ["house/model"]}),
            vec!["on_context_too_long", "on_content_filter", "region", "replaces_model"],
        ),
    ]
}

/// What differs between any two things that are made.
const OWN: [&str; 6] = ["id", "name", "key", "last_four", "created_at", "price_since"];

fn without_own(mut made: Value) -> Value {
    let fields = made.as_object_mut().unwrap();
    OWN.iter().for_each(|field| drop(fields.remove(*field)));
    made
}

#[tokio::test(flavor = "multi_thread")]
async fn null_in_a_new_thing_is_as_if_it_were_absent() {
    let hub = harness::spawn().await;
    let admin = hub.user("admin@example.com", true).await;
    for (path, body, fields) in new_things() {
        let plain = hub.post(path, &admin, body.clone()).await;
        assert_eq!(plain.status, 201, "{path} {plain:?}");
        let plain = without_own(plain.json());
        for field in fields {
            let mut body = body.clone();
            body[field] = Value::Null;
            if path == "/models" {
                body["id"] = json!(format!("house/{field}"));
            }
            if path == "/aliases" {
                body["name"] = json!(format!("house-{field}"));
            }
            let made = hub.post(path, &admin, body).await;
            assert_eq!(made.status, 201, "{path} {field} {made:?}");
            assert_eq!(without_own(made.json()), plain, "{path} {field}");
        }
    }
    let upstream = json!({
        "label": "named", "provider": "ollama", "base_url": "http://127.0.0.1:9/v1",
        "models": [{"model": "gpt-5", "upstream_model": null}],
    });
    assert_eq!(hub.post("/accounts", &admin, upstream).await.status, 201);
}

/// Everything that null clears: where, the field, what is set before, and what is there after.
async fn clearable(hub: &Hub, admin: &User) -> Vec<(String, &'static str, Value, Value)> {
    let key = hub
        .post("/teams/current/keys", admin, json!({"name": "ci"}))
        .await
        .json();
    let key = format!("/teams/current/keys/{}", key["id"].as_str().unwrap());
    let account = json!({
        "label": "first", "provider": "openai", "base_url": "http://127.0.0.1:9/v1", "secret": "sk-0123456789",
    });
    let account = hub.post("/accounts", admin, account).await.json();
    let account = format!("/accounts/{}", account["id"].as_str().unwrap());
    let member = format!("/teams/current/members/{}", admin.id);
    let team = "/teams/current".to_owned();
    let none = Value::Null;
    let mut table = vec![
        (key.clone(), "member", json!(admin.id), none.clone()),
        (key.clone(), "models", json!(["gpt-*"]), json!([])),
        (key.clone(), "region", json!("eu"), none.clone()),
        (key.clone(), "clamp", json!(false), json!(true)),
        (key.clone(), "hosted_tools", json!(true), json!(false)),
        (key.clone(), "allowed_ips", json!(["10.0.0.0/8"]), json!([])),
        (key.clone(), "expires_at", json!("2099-01-01T00:00:00Z"), none.clone()),
        (account.clone(), "priority", json!(7), json!(0)),
        (account.clone(), "weight", json!(3), json!(100)),
        (account.clone(), "region", json!("eu"), none.clone()),
        (account.clone(), "models", json!([{"model": "gpt-5"}]), json!(["*"])),
    ];
    for (path, fields) in [
        (
            &key,
            ["cap_day", "cap_month", "cap_total", "rpm", "tpm", "max_in_flight"].as_slice(),
        ),
        (&account, &["rpm", "tpm", "max_in_flight"]),
        (&team, &["cap_day", "cap_month", "rpm", "tpm"]),
        (&member, &["cap_day", "cap_month"]),
    ] {
        for field in fields {
            let value = if field.starts_with("cap_") {
                json!("12.50")
            } else {
                json!(60)
            };
            table.push((path.clone(), field, value, none.clone()));
        }
    }
    table
}

#[tokio::test(flavor = "multi_thread")]
async fn null_in_a_patch_clears_every_field_that_can_be_without_a_value() {
    let hub = harness::spawn().await;
    let admin = hub.user("admin@example.com", true).await;
    for (path, field, value, cleared) in clearable(&hub, &admin).await {
        let set = hub.patch(&path, &admin, json!({field: value})).await;
        assert_eq!(set.status, 200, "{path} {field} {set:?}");
        let shown = set.json();
        let id = shown[field].pointer("/id").unwrap_or(&shown[field]);
        assert_eq!(id, &value, "{path} {field} is set");
        let kept = hub.patch(&path, &admin, json!({})).await;
        assert_eq!(kept.json()[field], shown[field], "{path} {field}: absent keeps");
        let done = hub.patch(&path, &admin, json!({field: null})).await;
        assert_eq!((done.status, &done.json()[field]), (200, &cleared), "{path} {field}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_cleared_with_the_key_at_hand() {
    let hub = harness::spawn().await;
    let admin = hub.user("admin@example.com", true).await;
    let account = json!({
        "label": "first", "provider": "openai", "base_url": "http://127.0.0.1:9/v1", "secret": "sk-0123456789",
        "proxy_url": "http://127.0.0.1:10",
    });
    let made = hub.post("/accounts", &admin, account).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert!(made.json()["proxy_url"].is_string());
    let path = format!("/accounts/{}", made.json()["id"].as_str().unwrap());
    let alone = hub.patch(&path, &admin, json!({"proxy_url": null})).await;
    assert_eq!(alone.status, 400, "another way to the provider demands the secret anew");
    let change = json!({"proxy_url": null, "secret": "sk-0123456789"});
    let cleared = hub.patch(&path, &admin, change).await;
    assert_eq!(
        (cleared.status, &cleared.json()["proxy_url"]),
        (200, &Value::Null),
        "{cleared:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_longer_than_any_is_refused_and_nothing_of_it_is_done() {
    let hub = harness::spawn().await;
    let cookie = hub.sign_up("a@example.com").await;
    let long = format!("name=laptop&models={}", "x".repeat(300 << 10));
    let form = hub.bare_form("create_key", &cookie, &long);
    // It may be told so before it has sent all.
    if let Ok(refused) = form.header("sec-fetch-site", "same-origin").send().await {
        assert_eq!(refused.status(), 413);
    }
    assert!(hub.page("/keys", &cookie).await.text.contains("No keys yet"));
}
