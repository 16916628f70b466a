//! A team's own upstream accounts: who adds them, what they may reach, and what is told of them.

use crate::harness::{self, Hub, User};
use reqwest::Method;
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};
use server::{auth::CONFIRMED_MS, clock};

async fn refused(hub: &Hub, user: &User, change: Value) -> Value {
    let mut new = json!({"label": "own", "provider": "custom", "secret": "sk-canary-1234", "base_url": "https://api.example.com/v1"});
    for (name, value) in change.as_object().unwrap() {
        new[name] = value.clone();
    }
    let answer = hub.post("/teams/current/accounts", user, new).await;
    assert_eq!(answer.status, 400, "{change}: {answer:?}");
    answer.json()["error"]["fields"][0]["field"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_reaches_public_addresses_by_https_alone_whatever_the_operator_may() {
    // On a loopback listener the operator's own accounts may be on this machine.
    let hub = harness::spawn().await;
    let admin = hub.user("admin@example.com", true).await;
    let mara = hub.user("mara@example.com", false).await;
    let local = json!({"label": "local", "provider": "custom", "base_url": "http://127.0.0.1:9/v1"});
    assert_eq!(hub.post("/accounts", &admin, local.clone()).await.status, 201);
    for url in [
        "http://127.0.0.1:9/v1",
        "https://127.0.0.1/v1",
        "https://0x7f.1/v1",
        "https://2130706433/v1",
        "https://[::1]/v1",
        "https://[::ffff:10.0.0.1]/v1",
        "https://169.254.169.254/v1",
        "https://192.168.1.1/v1",
        "http://api.example.com/v1",
        "http://8.8.8.8/v1",
    ] {
        assert_eq!(
            refused(&hub, &mara, json!({"base_url": url})).await,
            "base_url",
            "{url}"
        );
    }
    for proxy in [
        "http://10.0.0.1:3128",
        "socks5://127.0.0.1:1080",
        "socks5h://0x7f.1:1080",
    ] {
        assert_eq!(
            refused(&hub, &mara, json!({"proxy_url": proxy})).await,
            "proxy_url",
            "{proxy}"
        );
    }
    // A name is looked at when it resolves: this one leads to this machine.
    let named = json!({"label": "named", "provider": "custom", "secret": "sk-x", "base_url": "https://localhost:9/v1"});
    let added = hub.post("/teams/current/accounts", &mara, named).await.json();
    let path = format!("/teams/current/accounts/{}", added["id"].as_str().unwrap());
    let tested = hub.post(&format!("{path}/test"), &mara, Value::Null).await.json();
    assert_eq!(tested["ok"], false, "{tested}");
    assert!(
        tested["message"].as_str().unwrap().contains("neither public nor"),
        "{tested}"
    );
    let moved = json!({"base_url": "http://127.0.0.1:9/v1", "secret": "sk-y"});
    assert_eq!(hub.patch(&path, &mara, moved).await.status, 400);
    // No preset of a provider on this machine is offered.
    let cookie = hub.sign_up("jonas@example.com").await;
    let choice = hub.page("/team/accounts/new", &cookie).await.text;
    assert!(
        choice.contains("/team/accounts/new/openai") && !choice.contains("/new/ollama"),
        "{choice}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_own_account_is_added_changed_and_deleted_by_its_team_and_in_its_log_without_the_secret() {
    for hub in harness::everywhere().await {
        let admin = hub.user("admin@example.com", true).await;
        let cookie = hub.sign_up("mara@example.com").await;
        let empty = hub.page("/team/accounts", &cookie).await.text;
        assert!(
            empty.contains("No upstream account yet") && empty.contains("you pay the provider"),
            "{empty}"
        );
        let body = "whose=team&provider=openai&label=Our+own&secret=sk-canary-abcdefgh-9876";
        let made = hub.form("create_account", &cookie, body).await;
        assert_eq!(made.location(), "/team/accounts", "{made:?}");
        let listed = hub.page("/team/accounts", &cookie).await.text;
        assert!(listed.contains("Our own") && listed.contains("key …9876"), "{listed}");
        assert!(listed.contains("not taken off the balance"), "{listed}");
        // The platform's admin has another list, and none of its alerts is about it.
        let platform = hub.get("/accounts", &admin).await;
        assert_eq!(platform.json()["data"], json!([]), "{platform:?}");
        let id = listed.split("/team/accounts/acc_").nth(1).unwrap();
        let id = format!("acc_{}", id.split(['"', '/']).next().unwrap());
        for path in [
            format!("/accounts/{id}"),
            format!("/teams/{}/accounts/{id}", admin.team),
        ] {
            assert_eq!(hub.get(&path, &admin).await.status, 404, "{path}");
        }
        let change = format!("whose=team&id={id}&provider=openai&label=Renamed");
        assert_eq!(
            hub.form("update_account", &cookie, &change).await.location(),
            "/team/accounts"
        );
        let switch = format!("whose=team&id={id}&disabled=true");
        assert_eq!(
            hub.form("set_account_disabled", &cookie, &switch).await.location(),
            "/team/accounts"
        );
        let gone = hub
            .form("delete_account", &cookie, &format!("whose=team&id={id}"))
            .await;
        assert_eq!(gone.location(), "/team/accounts", "{gone:?}");
        assert!(!hub.page("/team/accounts", &cookie).await.text.contains("Renamed"));
        let log = hub.page("/audit", &cookie).await.text;
        for act in ["account.create", "account.update", "account.delete"] {
            assert!(log.contains(act), "{act}: {log}");
        }
        let all = server::audit::list(&hub.app.db, None, None, 100).await.unwrap();
        assert!(!format!("{all:?}").contains("canary"));
        let off = hub.form("set_uses_platform", &cookie, "uses_platform=false").await;
        assert_eq!(off.location(), "/team/accounts", "{off:?}");
        let said = hub.page("/team/accounts", &cookie).await.text;
        assert!(said.contains("every call is refused"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_an_own_account_is_entered_and_changed_by_who_typed_the_password_lately() {
    let hub = harness::spawn().await;
    let cookie = hub.sign_up("mara@example.com").await;
    let long_ago = clock::now_ms() - CONFIRMED_MS;
    let statement = format!("UPDATE session SET created_at = {long_ago}");
    hub.app.db.execute_unprepared(&statement).await.unwrap();
    let body = "whose=team&provider=openai&label=own&secret=sk-canary-abcdefgh-9876";
    let asked = hub.form("create_account", &cookie, body).await;
    assert!(asked.location().starts_with("/confirm"), "{asked:?}");
    let mara = hub.user("other@example.com", false).await;
    let listed = hub
        .api(Method::GET, "/teams/current/accounts", &mara.token, Value::Null)
        .await;
    assert_eq!(listed.json()["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_has_fifty_accounts_at_most() {
    let hub = harness::spawn().await;
    let mara = hub.user("mara@example.com", false).await;
    let new = json!({"label": "own", "provider": "openai", "secret": "sk-x"});
    for _ in 0..50 {
        assert_eq!(
            hub.post("/teams/current/accounts", &mara, new.clone()).await.status,
            201
        );
    }
    assert_eq!(hub.post("/teams/current/accounts", &mara, new).await.status, 409);
}
