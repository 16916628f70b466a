//! One tenant with another's ids: every route of the management API and every page answers as if there were nothing.

use crate::harness::{self, Hub, User};
use reqwest::Method;
use serde_json::{Value, json};
use server::http::management::ROUTES;

#[tokio::test(flavor = "multi_thread")]
async fn the_ids_of_one_team_open_nothing_to_another_on_any_route() {
    let hub = harness::spawn().await;
    let (alice, bob) = (
        hub.user("alice@example.com", false).await,
        hub.user("bob@example.com", false).await,
    );
    let made = hub
        .post("/teams/current/keys", &alice, json!({"name": "alice's key"}))
        .await
        .json();
    let key = made["id"].as_str().unwrap();
    let invited = hub
        .post("/teams/current/invitations", &alice, json!({"role": "viewer"}))
        .await
        .json();
    let invitation = invited["id"].as_str().unwrap();
    let new = json!({"label": "alice's account", "provider": "openai", "secret": "sk-alice-canary"});
    let added = hub.post("/teams/current/accounts", &alice, new).await.json();
    let account = added["id"].as_str().unwrap();
    let mut tried = 0;
    for (method, path) in ROUTES.iter().filter(|(_, path)| path.contains("{team}")) {
        for (team, note) in [(alice.team.as_str(), "her team"), ("current", "his team, her key")] {
            if team == "current" && !path.contains("{id}") && !path.contains("{user}") {
                continue;
            }
            let id = match path {
                path if path.contains("/invitations") => invitation,
                path if path.contains("/accounts") => account,
                _ => key,
            };
            let filled = path
                .replace("{team}", team)
                .replace("{id}", id)
                .replace("{user}", &alice.id);
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let answer = hub
                .api(method.clone(), &filled, &bob.token, body_of(&method, path))
                .await;
            let is_admins = path.ends_with("/grants") || path.ends_with("/adjustments");
            let is_hidden = answer.status == 404 || is_admins && answer.status == 403;
            assert!(is_hidden, "{method} {path} ({note}): {answer:?}");
            assert!(!answer.text.contains("alice"), "{method} {path} ({note}): {answer:?}");
            tried += 1;
        }
    }
    assert!(tried > 20, "{tried}");
    let invitations = hub.get("/teams/current/invitations", &alice).await.json();
    assert_eq!(invitations["data"][0]["state"], "open");
    assert_eq!(invitations["data"].as_array().unwrap().len(), 1);
    assert_is_untouched(&hub, &alice, key).await;
}

/// A body that would change something, were it allowed.
fn body_of(method: &Method, path: &str) -> Value {
    match (method.as_str(), path) {
        ("POST", path) if path.ends_with("/transfer") => json!({"user": "usr_0000000000001"}),
        ("POST", path) if path.ends_with("/invitations") => json!({"role": "member"}),
        ("POST", path) if path.ends_with("/accounts") => json!({"label": "x", "provider": "openai", "secret": "sk-x"}),
        ("PATCH", path) if path.contains("/accounts/") => json!({"label": "bob's"}),
        ("POST", path) if path.ends_with("/keys") => json!({"name": "bob's"}),
        ("POST", path) if path.ends_with("/aliases") => json!({"name": "fast", "targets": ["gpt-5"]}),
        ("PATCH", path) if path.contains("/aliases/") => json!({"targets": ["gpt-5"]}),
        ("POST", path) if path.ends_with("/grants") => json!({"amount": "1", "reason": "x"}),
        ("POST", path) if path.ends_with("/adjustments") => json!({"amount": "1", "reason": "x"}),
        ("POST", path) if path.ends_with("/payments") => json!({"amount": "10"}),
        ("POST", path) if path.ends_with("/redemptions") => json!({"code": "OH-00000-00000-00000-00000"}),
        ("POST", path) if path.ends_with("/rotate") => json!({"overlap_s": 0}),
        ("PATCH", path) if path.ends_with("/auto-top-up") => json!({"is_on": false}),
        ("PUT", path) if path.ends_with("/webhook") => json!({"url": "https://hooks.invalid/"}),
        ("PUT", _) => json!({"emails": ["bob@example.com"]}),
        ("PATCH", path) if path.ends_with("{user}") => json!({"role": "viewer"}),
        ("PATCH", _) => json!({"name": "bob's"}),
        _ => Value::Null,
    }
}

async fn assert_is_untouched(hub: &Hub, alice: &User, key: &str) {
    let read = hub.get(&format!("/teams/current/keys/{key}"), alice).await.json();
    assert_eq!(
        (&read["name"], &read["state"]),
        (&json!("alice's key"), &json!("active"))
    );
    assert_eq!(read["last_four"].as_array().unwrap().len(), 1);
    let team = hub.get("/teams/current", alice).await.json();
    assert_eq!(
        (&team["name"], &team["members"], &team["balance"]),
        (&json!("alice"), &json!(1), &json!("0.00"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_forms_show_and_change_nothing_of_another_team() {
    let hub = harness::spawn().await;
    let admin = hub.user("admin@example.com", true).await;
    let alice = hub.user("alice@example.com", false).await;
    let made = hub
        .post("/teams/current/keys", &alice, json!({"name": "alice-key"}))
        .await
        .json();
    let key = made["id"].as_str().unwrap();
    let bob = hub.sign_up("bob@example.com").await;
    let invited = hub
        .post("/teams/current/invitations", &alice, json!({"role": "viewer"}))
        .await
        .json();
    let invitation = invited["id"].as_str().unwrap();
    for page in [
        format!("/team/{}/remove", alice.id),
        format!("/team/{}/hand-over", alice.id),
        format!("/keys/{key}"),
        format!("/keys/{key}/rotate"),
        format!("/keys/{key}/revoke"),
    ] {
        let answer = hub.page(&page, &bob).await;
        assert_eq!(answer.status, 404, "{page}");
        assert!(!answer.text.contains("alice"), "{page}");
    }
    for page in [
        "/admin/accounts",
        "/admin/teams",
        "/admin/requests",
        "/admin/audit",
        "/admin/sign-up",
        "/admin/users",
        "/admin/accounts/new/openai",
    ] {
        let answer = hub.page(page, &bob).await;
        assert_eq!(answer.status, 403, "{page}");
        assert!(!answer.text.contains("alice"), "{page}");
    }
    for (form, body) in [
        ("revoke_key", format!("id={key}")),
        ("rotate_key", format!("id={key}")),
        ("set_key_disabled", format!("id={key}&disabled=true")),
        ("update_key", format!("id={key}&name=bobs")),
        ("update_member", format!("user={}&role=viewer", alice.id)),
        ("remove_member", format!("user={}&team={}", alice.id, alice.team)),
        ("hand_over", format!("user={}&team={}", alice.id, alice.team)),
        ("leave_team", format!("team={}", alice.team)),
        ("switch_team", format!("team={}", alice.team)),
        ("revoke_invitation", format!("id={invitation}")),
        ("act_as", format!("user={}", alice.id)),
        ("set_user_suspended", format!("user={}&suspended=true", alice.id)),
        ("delete_user", format!("user={}", alice.id)),
        ("update_sign_up_policy", "mode=closed".to_owned()),
        ("set_team_suspended", format!("team={}&suspended=true", alice.team)),
        ("grant", format!("team={}&amount=5&reason=x", alice.team)),
    ] {
        let answer = hub.form(form, &bob, &body).await;
        assert_eq!(answer.status, 302, "{form}");
        assert!(answer.cookie("ourhub-flash").is_some(), "{form} says why");
    }
    assert_is_untouched_by_forms(&hub, &alice, key).await;
    assert_eq!(
        hub.get(&format!("/teams/{}/keys/{key}", alice.team), &admin)
            .await
            .status,
        200,
        "admins see all"
    );
}

async fn assert_is_untouched_by_forms(hub: &Hub, alice: &User, key: &str) {
    let read = hub.get(&format!("/teams/current/keys/{key}"), alice).await.json();
    assert_eq!((&read["name"], &read["state"]), (&json!("alice-key"), &json!("active")));
    let team = hub.get("/teams/current", alice).await.json();
    assert_eq!(
        (&team["suspended_at"], &team["balance"]),
        (&Value::Null, &json!("0.00"))
    );
}
