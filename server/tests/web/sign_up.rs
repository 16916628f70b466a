//! Who may sign up: each mode on the page, in the form, by invitation and over the management API.

use crate::harness::{self, Hub, PASSWORD, User};
use serde_json::json;

async fn set(hub: &Hub, admin: &User, body: serde_json::Value) {
    let answer = hub.patch("/settings/sign-up", admin, body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Whether `email` gets in by the plain form, and by an invitation.
async fn gets_in(hub: &Hub, owner: &User, email: &str) -> (bool, bool) {
    let plain = hub
        .form("sign_up", "", &format!("email=plain-{email}&password={PASSWORD}"))
        .await;
    let invited = hub
        .post("/teams/current/invitations", owner, json!({"role": "member"}))
        .await
        .json();
    let token = invited["path"]
        .as_str()
        .unwrap()
        .trim_start_matches("/invite/")
        .to_owned();
    let form = format!("email=guest-{email}&password={PASSWORD}&token={token}");
    let guest = hub.form("sign_up_invited", "", &form).await;
    (plain.cookie("ourhub").is_some(), guest.cookie("ourhub").is_some())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mode_lets_in_whom_it_says() {
    for hub in harness::everywhere().await {
        let admin = hub.user("admin@example.com", true).await;
        let owner = hub.user("owner@example.com", false).await;
        assert_eq!(hub.get("/settings/sign-up", &owner).await.json()["mode"], "open");
        assert_eq!(gets_in(&hub, &owner, "a@example.com").await, (true, true));
        set(&hub, &admin, json!({"mode": "invited"})).await;
        assert_eq!(gets_in(&hub, &owner, "b@example.com").await, (false, true));
        let page = hub.page("/signup", "").await.text;
        assert!(
            page.contains("Only who is invited") && !page.contains("name=\"password\""),
            "{page}"
        );
        set(&hub, &admin, json!({"domains": ["corp.example"]})).await;
        assert_eq!(gets_in(&hub, &owner, "c@example.com").await, (false, false));
        assert_eq!(gets_in(&hub, &owner, "c@corp.example").await, (false, true));
        set(&hub, &admin, json!({"mode": "closed"})).await;
        assert_eq!(gets_in(&hub, &owner, "d@corp.example").await, (false, false));
        set(&hub, &admin, json!({"mode": "open"})).await;
        assert_eq!(gets_in(&hub, &owner, "e@example.com").await, (false, false));
        assert_eq!(gets_in(&hub, &owner, "e@corp.example").await, (true, true));
        set(&hub, &admin, json!({"domains": null})).await;
        assert_eq!(gets_in(&hub, &owner, "f@example.com").await, (true, true));
        let log = server::audit::list(&hub.app.db, None, None, 200).await.unwrap();
        assert_eq!(log.iter().filter(|row| row.action == "setting.sign_up").count(), 5);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_platform_admins_say_who_may_sign_up_and_make_teams_where_not_everybody_may() {
    let hub = harness::spawn().await;
    let admin = hub.user("admin@example.com", true).await;
    let owner = hub.user("owner@example.com", false).await;
    let refused = hub.patch("/settings/sign-up", &owner, json!({"mode": "closed"})).await;
    assert_eq!(refused.status, 403);
    for (body, field) in [
        (json!({"mode": "secret"}), "mode"),
        (json!({"domains": ["not a domain"]}), "domains"),
    ] {
        let wrong = hub.patch("/settings/sign-up", &admin, body).await;
        assert_eq!(
            (wrong.status, &wrong.json()["error"]["fields"][0]["field"]),
            (400, &json!(field))
        );
    }
    assert_eq!(hub.post("/teams", &owner, json!({"name": "Second"})).await.status, 201);
    set(&hub, &admin, json!({"mode": "invited"})).await;
    assert_eq!(hub.post("/teams", &owner, json!({"name": "Third"})).await.status, 403);
    assert_eq!(hub.post("/teams", &admin, json!({"name": "Third"})).await.status, 201);

    let cookie = hub
        .form("log_in", "", &format!("email=admin@example.com&password={PASSWORD}"))
        .await;
    let (cookie, _) = cookie.cookie("ourhub").unwrap();
    let wrong = hub
        .form(
            "update_sign_up_policy",
            &cookie,
            "mode=open&domains=corp.example+no_where",
        )
        .await;
    assert_eq!(wrong.location(), "/admin/sign-up");
    let (flash, _) = wrong.cookie("ourhub-flash").unwrap();
    let page = hub.page("/admin/sign-up", &format!("{cookie}; {flash}")).await.text;
    assert!(page.contains("id=\"domains-error\""), "{page}");
    hub.form("update_sign_up_policy", &cookie, "mode=open&domains=corp.example+B.org")
        .await;
    let policy = hub.get("/settings/sign-up", &owner).await.json();
    assert_eq!(policy, json!({"mode": "open", "domains": ["corp.example", "b.org"]}));
}
