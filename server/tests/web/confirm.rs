//! The password once more: a browser that logged in long ago changes no secret, price, balance or role before it.

use crate::{
    crawl::call,
    harness::{self, Hub, PASSWORD},
    shapes,
    stripe::Stripe,
};
use reqwest::Method;
use sea_orm::{ConnectionTrait as _, DatabaseBackend, Statement};
use serde_json::{Value, json};
use server::{auth::CONFIRMED_MS, clock};
use std::collections::BTreeSet;

/// Server functions that show or change a secret, money, or who may do what: they ask.
const GRAVE: [&str; 39] = [
    "act_as",
    "add_passkey",
    "add_price",
    "adjust",
    "ask_email",
    "begin_factor",
    "confirm_factor",
    "create_account",
    "create_codes",
    "create_model",
    "create_token",
    "delete_account",
    "delete_markup",
    "delete_self",
    "delete_user",
    "disable_factor",
    "enrolment",
    "grant",
    "hand_over",
    "invite",
    "mail",
    "open_portal",
    "redeem",
    "remove_card",
    "remove_member",
    "remove_passkey",
    "renew_codes",
    "reset_factor",
    "revoke_token",
    "set_auto_top_up",
    "set_markup",
    "set_team_suspended",
    "set_user_suspended",
    "set_webhook",
    "unlink",
    "update_account",
    "update_mail",
    "update_member",
    "update_sign_up_policy",
];
/// Those that change something and do not.
const LIGHT: [&str; 45] = [
    "accept_invitation",
    "ask_reset",
    "change_password",
    "confirm",
    "confirm_by_passkey",
    "confirm_email",
    "create_alias",
    "create_key",
    "create_team",
    "delete_alias",
    "discard_mail",
    "dismiss_alert",
    "end_act_as",
    "end_other_sessions",
    "end_session",
    "finish_log_in",
    "finish_sign_up",
    "leave_team",
    "log_in",
    "log_in_by_passkey",
    "log_out",
    "reconcile",
    "redeem_setup",
    "remove_webhook",
    "reset_password",
    "retry_mail",
    "revoke_code",
    "revoke_invitation",
    "revoke_key",
    "rotate_key",
    "set_account_disabled",
    "set_alert_addresses",
    "set_key_disabled",
    "set_theme",
    "set_uses_platform",
    "sign_up",
    "sign_up_invited",
    "switch_team",
    "test_account",
    "test_mail",
    "test_webhook",
    "top_up",
    "update_alias",
    "update_key",
    "update_team",
];

const ACCOUNT: &str = "provider=openai&label=main&secret=sk-canary-1234&base_url=http%3A%2F%2F127.0.0.1%3A9%2Fv1";

/// Somebody who signed up ten minutes ago, on `hub`, as its owner.
async fn old_admin(hub: &Hub) -> String {
    let cookie = hub.sign_up("first@example.com").await;
    let at = clock::now_ms() - CONFIRMED_MS;
    let statement = format!("UPDATE session SET created_at = {at}");
    let db = &hub.app.db;
    let backend: DatabaseBackend = db.get_database_backend();
    db.execute_raw(Statement::from_string(backend, statement))
        .await
        .unwrap();
    cookie
}

/// Sends the form, is asked for the password, gives it; the cookie of the new session and the page with what was typed.
async fn confirmed(hub: &Hub, cookie: &str, (form, body, page): (&str, &str, &str)) -> (String, String) {
    let asked = hub.form(form, cookie, body).await;
    assert_eq!(asked.status, 302, "{form}: {asked:?}");
    let (path, to) = asked.location().split_once("?to=").unwrap();
    assert_eq!(path, "/confirm", "{form}");
    let (flash, _) = asked.cookie("ourhub-flash").unwrap();
    let question = hub.page(asked.location(), &format!("{cookie}; {flash}")).await;
    assert!(question.text.contains("Confirm it is you"), "{}", question.text);
    let typed = question.text.split("name=\"typed\" value=\"").nth(1).unwrap();
    let typed = typed.split('"').next().unwrap().replace("&quot;", "\"");
    let fields = |password: &str| {
        let typed = typed.replace('%', "%25").replace('&', "%26").replace('+', "%2B");
        format!("password={password}&to={to}&typed={typed}")
    };
    let wrong = hub.form("confirm", cookie, &fields("sunlit-otter-43")).await;
    assert!(wrong.location().starts_with("/confirm?to="), "{wrong:?}");
    let right = hub.form("confirm", cookie, &fields(PASSWORD)).await;
    assert_eq!(right.location(), page, "{right:?}");
    let (renewed, _) = right.cookie("ourhub").unwrap();
    let (flash, _) = right.cookie("ourhub-flash").unwrap();
    let back = hub.page(page, &format!("{renewed}; {flash}")).await;
    assert!(back.text.contains("It is you."), "{form}");
    assert_eq!(
        hub.page("/overview", cookie).await.location(),
        "/login",
        "the old session ended"
    );
    (renewed, back.text)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_saved_after_the_password_and_its_key_is_kept_but_never_shown() {
    let hub = harness::spawn().await;
    let old = old_admin(&hub).await;
    let (cookie, page) = confirmed(&hub, &old, ("create_account", ACCOUNT, "/admin/accounts/new/openai")).await;
    let admin = hub.user("api@example.com", true).await;
    assert_eq!(
        hub.get("/accounts", &admin).await.json()["data"],
        json!([]),
        "nothing was saved"
    );
    assert!(page.contains("value=\"main\"") && !page.contains("sk-canary"), "{page}");
    let kept = page
        .split("name=\"kept\" value=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();

    let elsewhere = ACCOUNT
        .replace("sk-canary-1234", "")
        .replace("127.0.0.1%3A9", "127.0.0.1%3A10");
    let refused = hub
        .form("create_account", &cookie, &format!("{elsewhere}&kept={kept}"))
        .await;
    assert_eq!(
        refused.location(),
        "/admin/accounts/new/openai",
        "a kept key is good for one address"
    );
    let again = ACCOUNT.replace("sk-canary-1234", "");
    let saved = hub
        .form("create_account", &cookie, &format!("{again}&kept={kept}"))
        .await;
    assert_eq!(saved.location(), "/admin/accounts", "{saved:?}");
    let accounts = hub.get("/accounts", &admin).await.json();
    assert_eq!(accounts["data"][0]["last_four"], "1234");
    let other = hub.sign_up("other@example.com").await;
    let stolen = hub
        .form("create_account", &other, &format!("{again}&kept={kept}"))
        .await;
    assert_eq!(stolen.location(), "/admin/accounts/new/openai");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accounts_new_key_asks_for_the_password_and_its_label_does_not() {
    let hub = harness::spawn().await;
    let old = old_admin(&hub).await;
    let admin = hub.user("api@example.com", true).await;
    let body = json!({"label": "main", "provider": "openai", "base_url": "http://127.0.0.1:9/v1", "secret": "sk-x"});
    let made = hub.post("/accounts", &admin, body).await.json();
    let id = made["id"].as_str().unwrap();
    let form = format!("id={id}&{}", ACCOUNT.replace("label=main", "label=renamed"));
    let renamed = hub
        .form("update_account", &old, &form.replace("sk-canary-1234", ""))
        .await;
    assert_eq!(renamed.location(), "/admin/accounts", "{renamed:?}");
    let page = format!("/admin/accounts/{id}");
    let (cookie, _) = confirmed(&hub, &old, ("update_account", &form, &page)).await;
    assert_eq!(hub.get("/accounts", &admin).await.json()["data"][0]["last_four"], "");
    let saved = hub.form("update_account", &cookie, &form).await;
    assert_eq!(saved.location(), "/admin/accounts", "{saved:?}");
    assert_eq!(
        hub.get("/accounts", &admin).await.json()["data"][0]["last_four"],
        "1234"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_and_a_role_ask_for_the_password_and_caps_do_not() {
    let hub = harness::spawn().await;
    let old = old_admin(&hub).await;
    let other = hub.user("other@example.com", true).await;
    let members = hub.get("/teams", &other).await.json();
    let team = |of: &Value| of["id"].as_str().unwrap().to_owned();
    let own = members["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(team)
        .find(|id| *id != other.team)
        .unwrap();
    let grant = format!("team={own}&amount=25&reason=welcome");
    let (cookie, page) = confirmed(&hub, &old, ("grant", &grant, "/admin/teams")).await;
    assert!(
        page.contains("value=\"25\"") && page.contains("role=\"dialog\""),
        "the drawer is open again"
    );
    let balance = format!("/teams/{own}/balance");
    assert_eq!(hub.get(&balance, &other).await.json()["balance"], "0.00");
    assert_eq!(hub.form("grant", &cookie, &grant).await.location(), "/admin/teams");
    assert_eq!(hub.get(&balance, &other).await.json()["balance"], "25.00");

    let hub = harness::spawn().await;
    let old = old_admin(&hub).await;
    let team = hub.page("/team", &old).await.text;
    let user = team.split("edit=usr_").nth(1).unwrap().split('"').next().unwrap();
    let caps = format!("user=usr_{user}&role=owner&cap_day=5");
    assert_eq!(hub.form("update_member", &old, &caps).await.location(), "/team");
    let role = format!("user=usr_{user}&role=member");
    let (cookie, _) = confirmed(&hub, &old, ("update_member", &role, "/team")).await;
    let refused = hub.form("update_member", &cookie, &role).await;
    assert_eq!(
        refused.location(),
        "/team",
        "the last owner stays one, but nobody asks for a password"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_led_elsewhere_and_tokens_and_keys_are_never_asked() {
    let hub = harness::spawn().await;
    let old = old_admin(&hub).await;
    let made = hub.form("create_key", &old, "name=laptop").await;
    assert!(made.location().ends_with("/created"), "{made:?}");
    for elsewhere in [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "%0d%0ax:y",
        "",
    ] {
        let body = format!("password={PASSWORD}&to={elsewhere}");
        let cookie = hub
            .form("log_in", "", &format!("email=first@example.com&password={PASSWORD}"))
            .await;
        let (cookie, _) = cookie.cookie("ourhub").unwrap();
        assert_eq!(
            hub.form("confirm", &cookie, &body).await.location(),
            "/overview",
            "{elsewhere}"
        );
    }
    let admin = hub.user("api@example.com", true).await;
    let grant = json!({"amount": "5", "reason": "test"});
    let path = format!("/teams/{}/grants", admin.team);
    assert_eq!(hub.api(Method::POST, &path, &admin.token, grant).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_sign_up_who_mails_come_from_and_who_is_put_out_ask_for_the_password() {
    let hub = harness::spawn().await;
    let old = old_admin(&hub).await;
    let other = hub.user("other@example.com", true).await;
    let suspend = format!("user={}&suspended=true", other.id);
    for (form, body) in [
        ("set_user_suspended", suspend.as_str()),
        ("update_mail", "sender=eve%40example.com"),
        ("update_sign_up_policy", "mode=closed"),
    ] {
        let asked = hub.form(form, &old, body).await;
        assert!(asked.location().starts_with("/confirm?to="), "{form}: {asked:?}");
    }
    let mail = hub.get("/mail", &other).await;
    assert!(mail.status == 200 && !mail.text.contains("eve@"), "{mail:?}");
    let policy = hub.get("/settings/sign-up", &other).await;
    assert!(!policy.text.contains("closed"), "{policy:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_function_that_concerns_a_secret_money_or_a_role_asks_for_the_password() {
    let stripe = Stripe::start().await;
    let words = stripe.words();
    let hub = harness::spawn_with(&words.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let old = old_admin(&hub).await;
    let other = hub.user("other@example.com", false).await;
    let first = hub.app.auth.find_person("first@example.com").await.unwrap();
    let token = hub.app.auth.create_token(&first, clock::now_ms()).await.unwrap().shown;
    let own = json!({"label": "own", "provider": "openai", "secret": "sk-canary-1234"});
    let own = hub
        .api(Method::POST, "/teams/current/accounts", &token, own)
        .await
        .json();
    let ids = [&other.id, &other.team, own["id"].as_str().unwrap()];
    let teams = hub.api(Method::GET, "/teams", &token, Value::Null).await.json();
    let is_own = |team: &&Value| team["id"] != other.team.as_str();
    let team = teams["data"].as_array().unwrap().iter().find(is_own).unwrap()["id"]
        .as_str()
        .unwrap();

    // The grave ones first: they are refused, so nothing is gone that those after them look for.
    let mut functions = shapes::functions();
    functions.sort_by_key(|function| !GRAVE.contains(&function.name.as_str()));
    let (mut asking, mut silent) = (BTreeSet::new(), BTreeSet::from(["log_out"]));
    for function in functions.iter().filter(|function| function.name != "log_out") {
        let mut is_asked = false;
        for id in &ids[..if function.takes_ids() { ids.len() } else { 1 }] {
            let body = function.body(id).replace("role=viewer", "role=admin");
            let body = body.replace(&format!("team={id}"), &format!("team={team}"));
            is_asked |= call(&hub, function, &old, &body).await.0 == "unconfirmed";
        }
        let name = function.name.as_str();
        if is_asked {
            asking.insert(name);
        } else if !function.is_read {
            silent.insert(name);
        }
    }
    assert_eq!(hub.page("/overview", &old).await.status, 200, "it is the same session");
    assert_eq!(asking, BTreeSet::from(GRAVE));
    assert_eq!(
        silent,
        BTreeSet::from(LIGHT),
        "whatever is new is grave or light: say which"
    );
}
