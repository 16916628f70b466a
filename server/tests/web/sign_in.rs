//! Signing in by a service elsewhere: what it says is checked, whom it opens, and what bad answers lead to.

use crate::{
    app::code,
    harness::{Answer, Hub, PASSWORD},
    issuer::{Issuer, Signed, State, hub_with_issuer},
};
use entity::{identity, user};
use sea_orm::{ConnectionTrait as _, EntityTrait as _, PaginatorTrait as _};
use serde_json::{Value, json};
use server::{
    auth::{CONFIRMED_MS, ProviderKind},
    clock,
};

const ENTER: &str = "/login/with/oidc";

/// The page that an answer led to, with what was left for it.
async fn follow(hub: &Hub, answer: &Answer, cookie: &str) -> String {
    let flash = answer
        .cookie("ourhub-flash")
        .map(|(flash, _)| flash)
        .unwrap_or_default();
    hub.page(answer.location(), &format!("{cookie}; {flash}")).await.text
}

async fn users(hub: &Hub) -> u64 {
    user::Entity::find().count(&hub.app.db).await.unwrap()
}

async fn identities(hub: &Hub) -> u64 {
    identity::Entity::find().count(&hub.app.db).await.unwrap()
}

fn session(answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{answer:?}");
    answer.cookie("ourhub").unwrap_or_else(|| panic!("{answer:?}")).0
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_an_issuer_vouches_for_signs_up_then_in_as_the_same_user_even_after_its_keys_changed() {
    let (hub, issuer) = hub_with_issuer(&[]).await;
    let page = hub.page("/login", "").await.text;
    assert!(page.contains("Continue with Example") && !page.contains("Google") && !page.contains("GitHub"));
    issuer.vouch("s-1", "Mara@Example.com");
    let first = issuer.go(&hub, ENTER, "").await;
    assert_eq!(first.location(), "/overview");
    let security = hub.page("/settings/security", &session(&first)).await.text;
    assert!(
        security.contains("mara@example.com") && security.contains("Mail me a link"),
        "{security}"
    );
    let user = user::Entity::find().one(&hub.app.db).await.unwrap().unwrap();
    assert!(user.password_hash.is_empty() && user.email_verified_at.is_some());
    // The address there may change: the account does not.
    issuer.vouch("s-1", "mara@elsewhere.example");
    issuer.rotate();
    let again = issuer.go(&hub, ENTER, "").await;
    assert_eq!(again.location(), "/overview", "{}", follow(&hub, &again, "").await);
    assert_eq!((users(&hub).await, identities(&hub).await), (1, 1));
    let empty = hub.form("log_in", "", "email=mara@example.com&password=").await;
    assert!(
        empty.location() == "/login" && empty.cookie("ourhub").is_none(),
        "no password is none"
    );
    let log = server::audit::list(&hub.app.db, None, None, 5).await.unwrap();
    let actions: Vec<_> = log.iter().map(|line| line.action.as_str()).collect();
    assert_eq!(actions, ["identity.link", "user.sign_up"]);
}

/// What is wrong, how the issuer is made to say it, and what the page says.
type Case = (&'static str, fn(&mut State), &'static str);

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_hold_signs_nobody_in_and_says_why() {
    let (hub, issuer) = hub_with_issuer(&[]).await;
    let cases: [Case; 22] = [
        (
            "issuer",
            |state| state.claims["iss"] = json!("https://evil.example"),
            "another issuer made it",
        ),
        (
            "audience",
            |state| state.claims["aud"] = json!("other"),
            "it is for another application",
        ),
        (
            "audiences",
            |state| state.claims["aud"] = json!(["hub-at-the-issuer", "other"]),
            "for another application",
        ),
        (
            "party",
            |state| state.claims["azp"] = json!("other"),
            "it is for another application",
        ),
        (
            "nonce",
            |state| state.claims["nonce"] = json!("other"),
            "it answers another question",
        ),
        (
            "no nonce",
            |state| state.claims["nonce"] = Value::Null,
            "it answers another question",
        ),
        (
            "expired",
            |state| state.claims["exp"] = json!(clock::now_ms() / 1_000 - 61),
            "its time is over",
        ),
        ("no end", |state| state.claims["exp"] = Value::Null, "it cannot be read"),
        (
            "future",
            |state| state.claims["iat"] = json!(clock::now_ms() / 1_000 + 600),
            "it is from the future",
        ),
        (
            "not yet",
            |state| state.claims["nbf"] = json!(clock::now_ms() / 1_000 + 600),
            "it is from the future",
        ),
        ("nobody", |state| state.claims["sub"] = json!(""), "it names nobody"),
        (
            "not proven",
            |state| state.claims["email_verified"] = json!(false),
            "has not proven your e-mail",
        ),
        (
            "not said",
            |state| state.claims["email_verified"] = Value::Null,
            "has not proven your e-mail",
        ),
        (
            "no address",
            |state| state.claims["email"] = Value::Null,
            "has not proven your e-mail",
        ),
        (
            "no address at all",
            |state| state.claims["email"] = json!("nobody"),
            "has not proven your e-mail",
        ),
        (
            "another key",
            |state| state.signed = Signed::ByAnother,
            "its signature is wrong",
        ),
        (
            "our secret",
            |state| state.signed = Signed::ByOurSecret,
            "not signed with a public key",
        ),
        (
            "unsigned",
            |state| state.signed = Signed::Not,
            "not signed with a public key",
        ),
        (
            "old code",
            |state| state.instead = Some((400, r#"{"error":"invalid_grant"}"#.into())),
            "did not take",
        ),
        (
            "ill",
            |state| state.instead = Some((503, "{}".into())),
            "does not answer at this moment",
        ),
        (
            "no JSON",
            |state| state.instead = Some((200, "<html>".into())),
            "it cannot be read",
        ),
        (
            "too long",
            |state| state.instead = Some((200, " ".repeat(300 << 10))),
            "it is too long",
        ),
    ];
    for (name, make, said) in cases {
        issuer.vouch("s-1", "mara@example.com");
        make(&mut issuer.state.lock().unwrap());
        let answer = issuer.go(&hub, ENTER, "").await;
        assert_eq!((answer.status, answer.location()), (303, "/login"), "{name}");
        assert!(answer.cookie("ourhub").is_none(), "{name}");
        let page = follow(&hub, &answer, "").await;
        assert!(page.contains(said), "{name}: {page}");
        assert!(!page.contains("canary"), "{name}");
        let mut state = issuer.state.lock().unwrap();
        (state.signed, state.instead) = (Signed::Well, None);
    }
    assert_eq!(
        (users(&hub).await, identities(&hub).await),
        (0, 0),
        "nothing is half done"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_counts_for_the_browser_that_asked_and_once() {
    let (hub, issuer) = hub_with_issuer(&[]).await;
    issuer.vouch("s-1", "mara@example.com");
    let mine = issuer.ask(&hub, ENTER, "").await;
    let theirs = issuer.ask(&hub, ENTER, "").await;
    let stray = "fits no log-in that began in this browser";
    for cookies in ["", theirs.cookie.as_str(), "ourhub-away=forged"] {
        let refused = mine.come_with(&hub, cookies).await;
        assert!(
            refused.cookie("ourhub").is_none() && follow(&hub, &refused, "").await.contains(stray),
            "{cookies}"
        );
    }
    let mut denied = issuer.ask(&hub, ENTER, "").await;
    let state = denied
        .back
        .query_pairs()
        .find(|(name, _)| name == "state")
        .unwrap()
        .1
        .into_owned();
    denied
        .back
        .set_query(Some(&format!("error=access_denied&state={state}")));
    let refused = denied.come(&hub, "").await;
    assert!(follow(&hub, &refused, "").await.contains("was told not to sign you in"));
    let mut mixed = issuer.ask(&hub, ENTER, "").await;
    mixed.back.query_pairs_mut().append_pair("iss", "https://evil.example");
    let refused = mixed.come(&hub, "").await;
    assert!(follow(&hub, &refused, "").await.contains("another issuer answered"));
    let mut elsewhere = issuer.ask(&hub, ENTER, "").await;
    elsewhere.back.set_path("/login/with/google/back");
    let refused = elsewhere.come(&hub, "").await;
    assert!(
        follow(&hub, &refused, "").await.contains(stray),
        "asked of another service"
    );
    let opened = mine.come(&hub, "").await;
    let kept = opened.cookie("ourhub-away").unwrap();
    assert!(!session(&opened).is_empty() && kept.0 == "ourhub-away=" && kept.1.contains("Max-Age=0"));
    let replayed = mine.come(&hub, "").await;
    assert!(replayed.cookie("ourhub").is_none(), "the code was used");
    assert_eq!(hub.page("/login/with/github", "").await.location(), "/login");
    let gone = hub.page("/login/with/none", "").await;
    assert!(follow(&hub, &gone, "").await.contains("not"), "no such service");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_is_down_or_calls_itself_otherwise_is_told_of() {
    let (hub, issuer) = hub_with_issuer(&[]).await;
    issuer.state.lock().unwrap().discovery = json!({"issuer": "https://evil.example"});
    let refused = hub.page(ENTER, "").await;
    assert!(
        follow(&hub, &refused, "")
            .await
            .contains("it calls itself by another name")
    );
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let words = [
        "--oidc-client-id",
        "hub",
        "--oidc-client-secret",
        "s",
        "--oidc-issuer",
        closed.as_str(),
    ];
    let down = crate::harness::spawn_with(&words).await;
    let refused = down.page(ENTER, "").await;
    assert!(
        follow(&down, &refused, "")
            .await
            .contains("does not answer at this moment")
    );
    let mut inner = words.to_vec();
    inner.extend(["--upstream-allow", "10.0.0.0/8"]);
    let guarded = crate::harness::spawn_with(&inner).await;
    let refused = guarded.page(ENTER, "").await;
    assert!(
        follow(&guarded, &refused, "").await.contains("may not be called"),
        "inner addresses are not asked"
    );
    let named = issuer.url.replace("127.0.0.1", "localhost");
    inner[5] = named.as_str();
    let guarded = crate::harness::spawn_with(&inner).await;
    let refused = guarded.page(ENTER, "").await;
    let page = follow(&guarded, &refused, "").await;
    assert!(
        page.contains("does not answer at this moment"),
        "nor is a name that leads to one: {page}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_leads_elsewhere_or_does_not_say_who_answers_signs_nobody_in() {
    for (about, said) in [
        (
            json!({"authorization_response_iss_parameter_supported": true}),
            "it does not say who answers",
        ),
        (json!({"jwks_uri": "/moved"}), "does not answer at this moment"),
    ] {
        let (hub, issuer) = hub_with_issuer(&[]).await;
        let mut about = about;
        if let Some(path) = about["jwks_uri"].as_str() {
            about["jwks_uri"] = json!(format!("{}{path}", issuer.url));
        }
        issuer.state.lock().unwrap().discovery = about;
        issuer.vouch("s-1", "mara@example.com");
        let refused = issuer.go(&hub, ENTER, "").await;
        let page = follow(&hub, &refused, "").await;
        assert!(refused.cookie("ourhub").is_none() && page.contains(said), "{page}");
        assert_eq!(users(&hub).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_alone_links_only_who_has_proven_it_here() {
    let (hub, issuer) = hub_with_issuer(&[]).await;
    let squatter = hub.sign_up("mara@example.com").await;
    issuer.vouch("s-1", "mara@example.com");
    let refused = issuer.go(&hub, ENTER, "").await;
    let page = follow(&hub, &refused, "").await;
    assert!(
        refused.cookie("ourhub").is_none() && page.contains("then link Example"),
        "{page}"
    );
    assert_eq!(identities(&hub).await, 0);
    let _ = squatter;

    let mail = &hub.app.mail;
    hub.app
        .auth
        .send_reset(mail, "mara@example.com", clock::now_ms())
        .await
        .unwrap();
    let newest = mail.list(None, 1).await.unwrap();
    let text = mail.open(newest[0].id).await.unwrap().1.unwrap().text;
    let token = text.split("token=").nth(1).unwrap().split_whitespace().next().unwrap();
    hub.app
        .auth
        .reset_password(mail, token, PASSWORD, clock::now_ms())
        .await
        .unwrap();
    let opened = issuer.go(&hub, ENTER, "").await;
    session(&opened);
    assert_eq!((users(&hub).await, identities(&hub).await), (1, 1));
    let told = mail.list(None, 1).await.unwrap();
    let text = mail.open(told[0].id).await.unwrap().1.unwrap().text;
    assert!(text.contains("An account at Example"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_linked_by_who_is_signed_in_and_the_last_way_in_stays() {
    let (hub, issuer) = hub_with_issuer(&[]).await;
    let mara = hub.sign_up("mara@example.com").await;
    let eve = hub.sign_up("eve@example.com").await;
    issuer.vouch("s-1", "other@example.com");
    let foreign = hub.page("/settings/link/oidc", &mara).await;
    assert_eq!(
        foreign.location(),
        "/settings/security",
        "a link elsewhere begins nothing"
    );
    assert!(foreign.cookie("ourhub-away").is_none());
    let way = issuer.ask(&hub, "/settings/link/oidc", &mara).await;
    let stolen = way.come(&hub, &eve).await;
    assert!(
        follow(&hub, &stolen, &eve).await.contains("fits no log-in"),
        "not for another user"
    );
    let way = issuer.ask(&hub, "/settings/link/oidc", &mara).await;
    let linked = way.come(&hub, &mara).await;
    assert!(
        follow(&hub, &linked, &mara)
            .await
            .contains("Example signs you in from now on")
    );
    let taken = issuer.go(&hub, "/settings/link/oidc", &eve).await;
    assert!(
        follow(&hub, &taken, &eve)
            .await
            .contains("signs in a user here already")
    );
    let opened = issuer.go(&hub, ENTER, "").await;
    let row = identity::Entity::find().one(&hub.app.db).await.unwrap().unwrap();
    let id = gateway_core::id::render(gateway_core::id::Kind::Identity, row.id);
    let foreign = hub.form("unlink", &eve, &format!("id={id}")).await;
    assert!(foreign.location() == "/settings/security" && identities(&hub).await == 1);
    let gone = hub.form("unlink", &session(&opened), &format!("id={id}")).await;
    assert!(follow(&hub, &gone, &mara).await.contains("Unlinked"));
    assert_eq!(identities(&hub).await, 0);

    issuer.vouch("s-2", "nora@example.com");
    let nora = session(&issuer.go(&hub, ENTER, "").await);
    let row = identity::Entity::find().one(&hub.app.db).await.unwrap().unwrap();
    let id = gateway_core::id::render(gateway_core::id::Kind::Identity, row.id);
    let kept = hub.form("unlink", &nora, &format!("id={id}")).await;
    assert!(follow(&hub, &kept, &nora).await.contains("Nothing else signs you in"));
    assert_eq!(identities(&hub).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_not_linked_long_after_the_password_neither_where_it_begins_nor_where_it_ends() {
    let (hub, issuer) = hub_with_issuer(&[]).await;
    let mara = hub.sign_up("mara@example.com").await;
    issuer.vouch("s-1", "mara@example.com");
    let way = issuer.ask(&hub, "/settings/link/oidc", &mara).await;
    let older = format!("UPDATE session SET created_at = created_at - {CONFIRMED_MS}");
    hub.app.db.execute_unprepared(&older).await.unwrap();
    let person = hub.app.auth.find_person("mara@example.com").await.unwrap();
    hub.app.auth.forget_user(person.user_id);
    way.come(&hub, &mara).await;
    assert_eq!(identities(&hub).await, 0);
    let begin = hub.client.get(hub.url("/settings/link/oidc"));
    let begin = begin.header("sec-fetch-site", "same-origin").header("cookie", &mara);
    let asked = hub.send(begin).await;
    assert!(asked.location().starts_with("/confirm"), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_up_modes_and_invitations_hold_for_whom_an_issuer_vouches_for() {
    let (hub, issuer) = hub_with_issuer(&[]).await;
    let root = hub.user("root@example.com", true).await;
    let before = users(&hub).await;
    let policy = json!({"mode": "invited", "domains": ["example.com"]});
    let set = hub.patch("/settings/sign-up", &root, policy).await;
    assert_eq!(set.status, 200, "{set:?}");
    issuer.vouch("s-1", "mara@example.com");
    let refused = issuer.go(&hub, ENTER, "").await;
    assert!(
        follow(&hub, &refused, "")
            .await
            .contains("Only who is invited may sign up here")
    );
    assert_eq!(users(&hub).await, before);
    let path = format!("/teams/{}/invitations", root.team);
    let made = hub
        .post(&path, &root, json!({"role": "member", "email": "mara@example.com"}))
        .await;
    let page = made.json()["path"].as_str().unwrap().to_owned();
    let token = page.trim_start_matches("/invite/");
    let enter = format!("{ENTER}?invite={token}");
    assert!(hub.page(&page, "").await.text.contains(&enter));
    issuer.vouch("s-2", "eve@example.com");
    let other = issuer.go(&hub, &enter, "").await;
    assert!(
        follow(&hub, &other, "")
            .await
            .contains("This invitation is for another address")
    );
    issuer.vouch("s-1", "mara@example.com");
    let joined = issuer.go(&hub, &enter, "").await;
    let cookie = session(&joined);
    assert!(follow(&hub, &joined, &cookie).await.contains("You are in the team."));
    assert!(hub.page("/team", &cookie).await.text.contains("root@example.com"));
    assert_eq!(users(&hub).await, before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_asked_of_who_set_up_an_app_and_a_service_confirms_who_is_signed_in() {
    let (hub, issuer) = hub_with_issuer(&[]).await;
    let mara = hub.sign_up("mara@example.com").await;
    issuer.vouch("s-1", "mara@example.com");
    issuer.go(&hub, "/settings/link/oidc", &mara).await;
    hub.form("begin_factor", &mara, "").await;
    let page = hub.page("/settings/authenticator", &mara).await.text;
    let secret = page
        .split("<code class=\"secret__value\">")
        .nth(1)
        .unwrap()
        .split('<')
        .next()
        .unwrap();
    let now_ms = clock::now_ms();
    hub.form("confirm_factor", &mara, &format!("code={}", code(secret, now_ms)))
        .await;

    let asked = issuer.go(&hub, ENTER, "").await;
    assert_eq!(asked.location(), "/login/code");
    assert!(asked.cookie("ourhub").is_none());
    let (kept, _) = asked.cookie("ourhub-away").unwrap();
    assert_eq!(hub.form("finish_log_in", "", "code=1").await.location(), "/login/code");
    let wrong = hub.form("finish_log_in", &kept, "code=000000").await;
    assert!(follow(&hub, &wrong, &kept).await.contains("This code is wrong"));
    let next = code(secret, now_ms + 30_000);
    let opened = hub.form("finish_log_in", &kept, &format!("code={next}")).await;
    assert_eq!(opened.location(), "/overview", "{opened:?}");

    let (mara, _) = opened.cookie("ourhub").unwrap();
    assert!(
        hub.page("/confirm?to=/team", &mara)
            .await
            .text
            .contains("/confirm/with/oidc?to=")
    );
    let now_s = now_ms / 1_000;
    // Somebody else there, who logged in just now: their address is not who they are.
    issuer.say(json!({"sub": "s-9", "email": "mara@example.com", "email_verified": true, "auth_time": now_s}));
    let other = issuer.go(&hub, "/confirm/with/oidc?to=/team", &mara).await;
    assert!(other.cookie("ourhub").is_none() && other.location().starts_with("/confirm?to="));
    for (time_s, said) in [
        (Value::Null, "does not say that you logged in there just now"),
        (json!(now_s - 3_600), "nobody logged in there anew"),
    ] {
        issuer.say(json!({"sub": "s-1", "email": "mara@example.com", "email_verified": true, "auth_time": time_s}));
        let stale = issuer.go(&hub, "/confirm/with/oidc?to=/team", &mara).await;
        assert!(follow(&hub, &stale, &mara).await.contains(said), "{said}");
        assert!(stale.cookie("ourhub").is_none());
    }
    issuer.say(json!({"sub": "s-1", "email": "mara@example.com", "email_verified": true, "auth_time": now_s}));
    let leave = hub.client.get(hub.url("/confirm/with/oidc?to=/team"));
    let leave = leave.header("sec-fetch-site", "same-origin").header("cookie", &mara);
    let asked = hub.send(leave).await;
    assert!(asked.location().contains("prompt=login&max_age=0"), "{asked:?}");
    let renewed = issuer.go(&hub, "/confirm/with/oidc?to=/team", &mara).await;
    assert_eq!(renewed.location(), "/team");
    assert_ne!(session(&renewed), mara);
    assert_eq!(hub.app.auth.providers()[0].kind, ProviderKind::Oidc);
}

/// The authenticator app's secret of a new one that is on from now on.
async fn set_up_app(hub: &Hub, cookie: &str, now_ms: i64) -> String {
    hub.form("begin_factor", cookie, "").await;
    let page = hub.page("/settings/authenticator", cookie).await.text;
    let shown = page.split("<code class=\"secret__value\">").nth(1).unwrap();
    let secret = shown.split('<').next().unwrap().to_owned();
    let typed = format!("code={}", code(&secret, now_ms));
    hub.form("confirm_factor", cookie, &typed).await;
    secret
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_links_an_account_of_who_has_an_app_after_the_code_alone() {
    let (hub, issuer) = hub_with_issuer(&[]).await;
    let mara = hub.sign_up("mara@example.com").await;
    let proven = "UPDATE \"user\" SET email_verified_at = 1";
    hub.app.db.execute_unprepared(proven).await.unwrap();
    let now_ms = clock::now_ms();
    let secret = set_up_app(&hub, &mara, now_ms).await;
    issuer.vouch("s-1", "mara@example.com");
    let asked = issuer.go(&hub, ENTER, "").await;
    assert_eq!(asked.location(), "/login/code");
    assert_eq!(identities(&hub).await, 0, "nothing is linked before the code");
    let (kept, _) = asked.cookie("ourhub-away").unwrap();
    let next = code(&secret, now_ms + 30_000);
    let opened = hub.form("finish_log_in", &kept, &format!("code={next}")).await;
    assert_eq!(opened.location(), "/overview", "{opened:?}");
    assert_eq!(identities(&hub).await, 1);
    let log = server::audit::list(&hub.app.db, None, None, 1).await.unwrap();
    let user = user::Entity::find().one(&hub.app.db).await.unwrap().unwrap();
    assert_eq!(
        (log[0].action.as_str(), log[0].actor.user_id),
        ("identity.link", Some(user.id))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_tells_of_addresses_elsewhere_alone_is_asked_there_and_only_about_the_signed_one() {
    let (hub, issuer) = hub_with_issuer(&[]).await;
    {
        let mut state = issuer.state.lock().unwrap();
        state.discovery = json!({"userinfo_endpoint": format!("{}/info", issuer.url)});
        state.info = json!({"sub": "s-1", "email": "eve@example.com", "email_verified": true});
    }
    issuer.say(json!({"sub": "s-1", "email": "mara@example.com"}));
    let other = issuer.go(&hub, ENTER, "").await;
    let page = follow(&hub, &other, "").await;
    assert!(page.contains("has not proven your e-mail"), "{page}");
    issuer.state.lock().unwrap().info = json!({"sub": "s-2", "email": "mara@example.com", "email_verified": true});
    let other = issuer.go(&hub, ENTER, "").await;
    let page = follow(&hub, &other, "").await;
    assert!(page.contains("it is about somebody else"), "{page}");
    issuer.state.lock().unwrap().info["sub"] = json!("s-1");
    session(&issuer.go(&hub, ENTER, "").await);
    let user = user::Entity::find().one(&hub.app.db).await.unwrap().unwrap();
    assert_eq!(user.email, "mara@example.com");
}

/// A stranger's browser cannot be made to show what this one kept.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_on_the_way_is_sealed_and_no_script_reads_it() {
    let (hub, issuer): (Hub, Issuer) = hub_with_issuer(&[]).await;
    let left = hub.page(ENTER, "").await;
    let (kept, attributes) = left.cookie("ourhub-away").unwrap();
    assert!(
        attributes.contains("HttpOnly") && attributes.contains("SameSite=Lax"),
        "{attributes}"
    );
    let asked = reqwest::Url::parse(left.location()).unwrap();
    let state = asked
        .query_pairs()
        .find(|(name, _)| name == "state")
        .unwrap()
        .1
        .into_owned();
    assert!(!kept.contains(&state) && state.len() >= 43);
    assert!(
        !left.location().contains("canary"),
        "the secret is not sent through the browser"
    );
    let _ = issuer;
}
