//! Who may do what in a team, cell by cell: through the management API, through the pages' forms, and with a key.

use crate::harness::{self, Hub, PASSWORD, User};
use reqwest::Method;
use serde_json::{Value, json};

/// Owner, admin, member, viewer, and somebody who is not in the team.
const ROLES: [&str; 5] = ["owner", "admin", "member", "viewer", "stranger"];

/// One act: its words, the call, and a letter for each role: `y` it is done, `-` refused as forbidden, `0` nothing is found.
struct Act(&'static str, Method, &'static str, Value, &'static str);

/// What is acted upon: somebody in the team with a key, and an invitation.
struct Scene {
    hub: Hub,
    owner: User,
    target: User,
    key: String,
    invitation: String,
    people: Vec<(User, String)>,
}

impl Scene {
    async fn new() -> Self {
        let hub = harness::spawn().await;
        let owner = hub.user("first@example.com", false).await;
        let target = hub.join("target@example.com", &owner.team).await;
        let path = format!("/teams/{}", owner.team);
        let body = json!({"name": "targets", "member": target.id});
        let made = hub.post(&format!("{path}/keys"), &owner, body).await.json();
        let invited = hub
            .post(&format!("{path}/invitations"), &owner, json!({"role": "viewer"}))
            .await
            .json();
        let mut people = Vec::new();
        for role in ROLES {
            let email = format!("{role}@example.com");
            let user = if role == "stranger" {
                hub.user(&email, false).await
            } else {
                let user = hub.join(&email, &owner.team).await;
                let member = format!("{path}/members/{}", user.id);
                let set = hub.patch(&member, &owner, json!({"role": role})).await;
                assert_eq!(set.status, 200, "{set:?}");
                user
            };
            let entered = hub
                .form("log_in", "", &format!("email={email}&password={PASSWORD}"))
                .await;
            let (session, _) = entered.cookie("ourhub").unwrap();
            // A cookie that says the team is shown; to a stranger it is worth nothing.
            people.push((user, session));
        }
        let text = |value: &Value| value["id"].as_str().unwrap().to_owned();
        Self {
            key: text(&made),
            invitation: text(&invited),
            hub,
            owner,
            target,
            people,
        }
    }

    fn fill(&self, text: &str) -> String {
        text.replace("{team}", &self.owner.team)
            .replace("{key}", &self.key)
            .replace("{invitation}", &self.invitation)
            .replace("{target}", &self.target.id)
    }

    /// What comes of a form, for who shows the team: `ok`, or the code of the refusal.
    async fn form(&self, who: usize, name: &str, body: &str) -> String {
        let (user, session) = &self.people[who];
        let cookie = format!("{session}; ourhub-team={}.{}", user.id, self.owner.team);
        let request = self
            .hub
            .client
            .post(self.hub.url(&format!("/fn/{name}")))
            .header("accept", "application/json")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("cookie", cookie)
            .header("sec-fetch-site", "same-origin")
            .body(self.fill(body));
        let answer = self.hub.send(request).await;
        if answer.status == 302 {
            return "ok".to_owned();
        }
        answer.json()["code"].as_str().unwrap().to_owned()
    }
}

/// What is looked at.
fn looks() -> Vec<Act> {
    [
        "/teams/{team}",
        "/teams/{team}/members",
        "/teams/{team}/keys",
        "/teams/{team}/keys/{key}",
        "/teams/{team}/overview",
        "/teams/{team}/usage",
        "/teams/{team}/requests",
        "/teams/{team}/balance",
        "/teams/{team}/ledger",
        "/teams/{team}/alerts",
        "/teams/{team}/alert-addresses",
    ]
    .into_iter()
    .map(|path| Act("look", Method::GET, path, Value::Null, "yyyy0"))
    .collect()
}

/// What is changed, and what is looked at by those who may change it.
fn changes() -> Vec<Act> {
    vec![
        Act(
            "look into the audit log",
            Method::GET,
            "/teams/{team}/audit",
            Value::Null,
            "yy--0",
        ),
        Act(
            "list invitations",
            Method::GET,
            "/teams/{team}/invitations",
            Value::Null,
            "yy--0",
        ),
        Act(
            "make a key",
            Method::POST,
            "/teams/{team}/keys",
            json!({"name": "own"}),
            "yyy-0",
        ),
        Act(
            "make another’s key",
            Method::POST,
            "/teams/{team}/keys",
            json!({"name": "x", "member": "{target}"}),
            "yy--0",
        ),
        Act(
            "change another’s key",
            Method::PATCH,
            "/teams/{team}/keys/{key}",
            json!({"rpm": 5}),
            "yy--0",
        ),
        Act(
            "disable another’s key",
            Method::PATCH,
            "/teams/{team}/keys/{key}",
            json!({"disabled": true}),
            "yy--0",
        ),
        Act(
            "rotate another’s key",
            Method::POST,
            "/teams/{team}/keys/{key}/rotate",
            Value::Null,
            "yy--0",
        ),
        Act(
            "change the team",
            Method::PATCH,
            "/teams/{team}",
            json!({"cap_day": "5"}),
            "yy--0",
        ),
        Act(
            "set the webhook",
            Method::PUT,
            "/teams/{team}/webhook",
            json!({"url": "https://hooks.invalid/hook"}),
            "yy--0",
        ),
        Act(
            "look at the webhook",
            Method::GET,
            "/teams/{team}/webhook",
            Value::Null,
            "yy--0",
        ),
        Act(
            "test the webhook",
            Method::POST,
            "/teams/{team}/webhook/test",
            Value::Null,
            "yy--0",
        ),
        Act(
            "say who is written to",
            Method::PUT,
            "/teams/{team}/alert-addresses",
            json!({"emails": []}),
            "yy--0",
        ),
        Act(
            "list own accounts",
            Method::GET,
            "/teams/{team}/accounts",
            Value::Null,
            "yy--0",
        ),
        Act(
            "add an own account",
            Method::POST,
            "/teams/{team}/accounts",
            json!({"label": "own", "provider": "openai", "secret": "sk-x"}),
            "yy--0",
        ),
        Act(
            "do without the platform’s accounts",
            Method::PATCH,
            "/teams/{team}",
            json!({"uses_platform": false}),
            "yy--0",
        ),
        Act(
            "limit a member",
            Method::PATCH,
            "/teams/{team}/members/{target}",
            json!({"rpm": 10}),
            "yy--0",
        ),
        Act(
            "cap a member",
            Method::PATCH,
            "/teams/{team}/members/{target}",
            json!({"cap_day": "1"}),
            "yy--0",
        ),
        Act(
            "give a role",
            Method::PATCH,
            "/teams/{team}/members/{target}",
            json!({"role": "viewer"}),
            "yy--0",
        ),
        Act(
            "invite",
            Method::POST,
            "/teams/{team}/invitations",
            json!({"role": "admin"}),
            "yy--0",
        ),
        Act(
            "invite an owner",
            Method::POST,
            "/teams/{team}/invitations",
            json!({"role": "owner"}),
            "y---0",
        ),
        Act(
            "open the pages at Stripe, where none are",
            Method::POST,
            "/teams/{team}/portal",
            Value::Null,
            "00--0",
        ),
        Act(
            "suspend the team",
            Method::PATCH,
            "/teams/{team}",
            json!({"suspended": true}),
            "----0",
        ),
        Act(
            "grant money",
            Method::POST,
            "/teams/{team}/grants",
            json!({"amount": "1", "reason": "x"}),
            "----0",
        ),
        Act(
            "make an owner",
            Method::PATCH,
            "/teams/{team}/members/{target}",
            json!({"role": "owner"}),
            "y---0",
        ),
        Act(
            "unmake an owner",
            Method::PATCH,
            "/teams/{team}/members/{target}",
            json!({"role": "member"}),
            "y---0",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_may_what_the_table_says_over_the_management_api() {
    let scene = Scene::new().await;
    for Act(name, method, path, body, cells) in looks().into_iter().chain(changes()) {
        for (who, expected) in cells.chars().enumerate().collect::<Vec<_>>().into_iter().rev() {
            // The target is an owner again for whoever comes next.
            if name == "unmake an owner" {
                let owner = format!("/teams/{}/members/{}", scene.owner.team, scene.target.id);
                scene.hub.patch(&owner, &scene.owner, json!({"role": "owner"})).await;
            }
            let body = serde_json::from_str(&scene.fill(&body.to_string())).unwrap();
            let token = &scene.people[who].0.token;
            let answer = scene.hub.api(method.clone(), &scene.fill(path), token, body).await;
            let told = match answer.status {
                200 | 201 | 204 => 'y',
                403 => '-',
                404 => '0',
                _ => '?',
            };
            // What only platform admins do is forbidden before anything is looked up.
            let is_hidden = told == expected || (cells.starts_with('-') && expected == '0' && told == '-');
            assert!(is_hidden, "{name} {path} as {}: {answer:?}", ROLES[who]);
        }
    }
    for (name, path, method, cells) in [
        (
            "take an invitation back",
            "/teams/{team}/invitations/{invitation}",
            &Method::DELETE,
            "yy--0",
        ),
        (
            "revoke another’s key",
            "/teams/{team}/keys/{key}",
            &Method::DELETE,
            "yy--0",
        ),
        (
            "remove a member",
            "/teams/{team}/members/{target}",
            &Method::DELETE,
            "yy--0",
        ),
    ] {
        // From the stranger up: the first who may, does it.
        for who in [4, 3, 2] {
            let answer = scene
                .hub
                .api(
                    method.clone(),
                    &scene.fill(path),
                    &scene.people[who].0.token,
                    Value::Null,
                )
                .await;
            let expected = if cells.as_bytes()[who] == b'0' { 404 } else { 403 };
            assert_eq!(answer.status, expected, "{name} as {}", ROLES[who]);
        }
        let answer = scene
            .hub
            .api(method.clone(), &scene.fill(path), &scene.people[1].0.token, Value::Null)
            .await;
        assert_eq!(answer.status, 204, "{name} as admin: {answer:?}");
    }
    let handed = scene.fill("{\"user\": \"{target}\"}");
    for who in [1, 2, 3, 4] {
        let body = serde_json::from_str(&handed).unwrap();
        let path = format!("/teams/{}/transfer", scene.owner.team);
        let answer = scene
            .hub
            .api(Method::POST, &path, &scene.people[who].0.token, body)
            .await;
        assert_eq!(answer.status, if who == 4 { 404 } else { 403 }, "{}", ROLES[who]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_may_what_the_table_says_through_forms() {
    let scene = Scene::new().await;
    for (form, body, cells) in [
        ("create_key", "name=own", "yyy-0"),
        ("create_key", "name=x&member={target}", "yy--0"),
        ("update_key", "id={key}&name=x&rpm=5", "yy--0"),
        ("set_key_disabled", "id={key}&disabled=true", "yy--0"),
        ("rotate_key", "id={key}", "yy--0"),
        ("update_team", "name=Team&time_zone=UTC&cap_day=5", "yy--0"),
        ("update_member", "user={target}&role=member&cap_day=5", "yy--0"),
        ("update_member", "user={target}&role=viewer", "yy--0"),
        ("set_webhook", "url=https://hooks.invalid/hook", "yy--0"),
        ("set_alert_addresses", "emails=target@example.com", "yy--0"),
        ("set_uses_platform", "uses_platform=true", "yy--0"),
        (
            "create_account",
            "whose=team&label=own&provider=openai&secret=sk-x",
            "yy--0",
        ),
        ("create_account", "label=own&provider=openai&secret=sk-x", "----0"),
        ("invite", "role=admin", "yy--0"),
        ("invite", "role=owner", "y---0"),
        ("set_team_suspended", "team={team}&suspended=true", "----0"),
        ("grant", "team={team}&amount=1&reason=x", "----0"),
        ("update_sign_up_policy", "mode=closed", "----0"),
        ("set_markup", "team=&model=&percent=5", "----0"),
        ("update_member", "user={target}&role=owner", "y---0"),
    ] {
        for (who, expected) in cells.chars().enumerate().collect::<Vec<_>>().into_iter().rev() {
            let told = scene.form(who, form, body).await;
            let expected = match expected {
                'y' => ["ok", "ok"],
                '-' => ["forbidden", "forbidden"],
                _ => ["not_found", "forbidden"],
            };
            assert!(
                expected.contains(&told.as_str()),
                "{form} {body} as {}: {told}",
                ROLES[who]
            );
        }
    }
    for (form, body) in [
        ("revoke_invitation", "id={invitation}"),
        ("hand_over", "user={target}&team={team}"),
        ("remove_member", "user={target}&team={team}"),
        ("revoke_key", "id={key}"),
    ] {
        for who in [4, 3, 2] {
            let told = scene.form(who, form, body).await;
            assert_eq!(
                told,
                if who == 4 { "not_found" } else { "forbidden" },
                "{form} as {}",
                ROLES[who]
            );
        }
    }
    let told = scene.form(1, "hand_over", "user={target}&team={team}").await;
    assert_eq!(told, "forbidden", "an admin hands no team over");
    assert_eq!(scene.form(1, "revoke_key", "id={key}").await, "ok");
    assert_eq!(scene.form(0, "hand_over", "user={target}&team={team}").await, "ok");
    assert_eq!(
        scene.form(0, "remove_member", "user={target}&team={team}").await,
        "forbidden",
        "an admin now"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_page_is_for_the_roles_of_the_table() {
    let scene = Scene::new().await;
    for (page, cells) in [
        ("/overview", "yyyy0"),
        ("/keys", "yyyy0"),
        ("/usage", "yyyy0"),
        ("/billing", "yyyy0"),
        ("/team", "yyyy0"),
        ("/settings", "yyyy0"),
        ("/alerts", "yyyy0"),
        ("/audit", "yy--0"),
        ("/team/accounts", "yy--0"),
        ("/team/accounts/new", "yy--0"),
        ("/team/invite", "yy--0"),
        ("/team/{target}/remove", "yy--0"),
    ] {
        for (who, expected) in cells.chars().enumerate() {
            let (user, session) = &scene.people[who];
            let cookie = format!("{session}; ourhub-team={}.{}", user.id, scene.owner.team);
            let answer = scene.hub.page(&scene.fill(page), &cookie).await;
            let status = match expected {
                'y' => 200,
                '-' => 403,
                _ => 404,
            };
            assert_eq!(answer.status, status, "{page} as {}", ROLES[who]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_may_what_its_owner_may_at_that_moment() {
    let scene = Scene::new().await;
    let (hub, team) = (&scene.hub, &scene.owner.team);
    let calls = async |key: &str| {
        let request = hub.client.get(hub.url("/v1/models")).bearer_auth(key);
        hub.send(request).await.status
    };
    let member = format!("/teams/{team}/members/{}", scene.people[2].0.id);
    for (who, role) in ROLES.iter().enumerate().take(3) {
        let user = &scene.people[who].0;
        let body = json!({"name": "own", "member": user.id});
        let made = hub.post(&format!("/teams/{team}/keys"), user, body).await.json();
        assert_eq!(calls(made["key"].as_str().unwrap()).await, 200, "{role}");
    }
    let viewer = json!({"name": "x", "member": scene.people[3].0.id});
    let refused = hub.post(&format!("/teams/{team}/keys"), &scene.owner, viewer).await;
    assert_eq!(refused.status, 400, "a viewer has no key: {refused:?}");

    let made = hub
        .post(&format!("/teams/{team}/keys"), &scene.people[2].0, json!({"name": "k"}))
        .await;
    let key = made.json()["key"].as_str().unwrap().to_owned();
    for (role, status) in [
        ("viewer", 403),
        ("member", 200),
        ("admin", 200),
        ("viewer", 403),
        ("member", 200),
    ] {
        assert_eq!(
            hub.patch(&member, &scene.owner, json!({"role": role})).await.status,
            200
        );
        assert_eq!(calls(&key).await, status, "as {role}, at once");
    }
    let removed = hub.api(Method::DELETE, &member, &scene.owner.token, Value::Null).await;
    assert_eq!((removed.status, calls(&key).await), (204, 403), "removed, at once");
}
