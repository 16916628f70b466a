//! The second factor as browsers set it up and are asked for it.

use crate::{
    app::code,
    harness::{self, Hub, PASSWORD},
};
use reqwest::Method;
use sea_orm::{ConnectionTrait as _, Statement};
use serde_json::Value;
use server::{auth::CONFIRMED_MS, clock};
use std::time::Duration;

async fn run(hub: &Hub, statement: &str) {
    let backend = hub.app.db.get_database_backend();
    let statement = Statement::from_string(backend, statement.to_owned());
    hub.app.db.execute_raw(statement).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
}

/// The page that a form led to, with what it left there.
async fn follow(hub: &Hub, answer: &harness::Answer, cookie: &str) -> String {
    let flash = answer
        .cookie("ourhub-flash")
        .map(|(flash, _)| flash)
        .unwrap_or_default();
    hub.page(answer.location(), &format!("{cookie}; {flash}")).await.text
}

/// What stands in `page` between `start` and `end`.
fn between<'a>(page: &'a str, start: &str, end: &str) -> &'a str {
    let rest = page.split(start).nth(1).unwrap_or_else(|| panic!("no {start}: {page}"));
    rest.split(end).next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_set_up_by_its_qr_code_and_asked_for_at_the_next_log_in() {
    let hub = harness::spawn().await;
    let admin = hub.user("root@example.com", true).await;
    let cookie = hub.sign_up("mara@example.com").await;
    let begun = hub.form("begin_factor", &cookie, "").await;
    assert_eq!(begun.location(), "/settings/authenticator");
    let page = hub.page("/settings/authenticator", &cookie).await.text;
    assert!(page.contains("<path d=\"M4 4h1v1h-1z"), "the QR code is drawn here");
    let secret = between(&page, "<code class=\"secret__value\">", "<").to_owned();
    let wrong = hub.form("confirm_factor", &cookie, "code=12345").await;
    assert!(follow(&hub, &wrong, &cookie).await.contains("This code is wrong"));
    let typed = code(&secret, clock::now_ms());
    let on = hub.form("confirm_factor", &cookie, &format!("code={typed}")).await;
    assert_eq!(on.location(), "/settings/recovery");
    let shown = follow(&hub, &on, &cookie).await;
    let codes: Vec<&str> = between(&shown, "<code>", "</code>")
        .lines()
        .map(|line| line.trim().trim_start_matches("<!>"))
        .collect();
    let codes: Vec<&str> = codes.into_iter().filter(|code| code.len() == 11).collect();
    assert_eq!(codes.len(), 10, "{shown}");
    let again = hub.page("/settings/recovery", &cookie).await.text;
    assert!(!again.contains(codes[0]), "codes are shown once");
    assert_eq!(
        hub.page("/settings/authenticator", &cookie).await.status,
        404,
        "and so is the secret"
    );

    let body = format!("email=mara@example.com&password={PASSWORD}");
    let mut refusals = Vec::new();
    for further in ["", "&code=000000"] {
        let refused = hub.form("log_in", "", &format!("{body}{further}")).await;
        assert!(refused.location() == "/login" && refused.cookie("ourhub").is_none());
        refusals.push(follow(&hub, &refused, "").await);
    }
    let wrong = hub
        .form("log_in", "", "email=mara@example.com&password=wrong-otter")
        .await;
    refusals.push(follow(&hub, &wrong, "").await);
    let said = |page: &String| {
        between(page, "<main", "</main>")
            .split("req_")
            .next()
            .unwrap()
            .to_owned()
    };
    assert!(
        refusals.iter().all(|page| said(page) == said(&refusals[0])),
        "a right password shows"
    );
    let opened = hub.form("log_in", "", &format!("{body}&code={}", codes[0])).await;
    let (here, _) = opened.cookie("ourhub").unwrap();
    assert!(
        hub.page("/settings/security", &here)
            .await
            .text
            .contains("9 recovery codes left")
    );

    run(
        &hub,
        &format!("UPDATE session SET created_at = {}", clock::now_ms() - CONFIRMED_MS),
    )
    .await;
    for form in ["disable_factor", "renew_codes"] {
        let asked = hub.form(form, &here, "").await;
        assert!(asked.location().starts_with("/confirm?to="), "{form}: {asked:?}");
    }
    let question = hub.page("/confirm?to=/settings/security", &here).await.text;
    assert!(question.contains("Or a code of your authenticator app"));
    let body = format!("code={}&to=/settings/security", codes[1]);
    let confirmed = hub.form("confirm", &here, &body).await;
    let (here, _) = confirmed.cookie("ourhub").unwrap_or_else(|| panic!("{confirmed:?}"));
    let off = hub.form("disable_factor", &here, "").await;
    assert!(
        follow(&hub, &off, &here)
            .await
            .contains("No code is asked for any more")
    );
    let log = server::audit::list(&hub.app.db, None, None, 2).await.unwrap();
    let actions: Vec<_> = log.iter().map(|line| line.action.as_str()).collect();
    assert_eq!(actions, ["factor.disable", "factor.enable"]);
    let _ = admin;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_resets_the_app_of_another_user_who_is_told_and_nobody_else_may() {
    let hub = harness::spawn().await;
    let admin = hub.user("root@example.com", true).await;
    let mara = hub.user("mara@example.com", false).await;
    let cookie = hub
        .form("log_in", "", &format!("email=mara@example.com&password={PASSWORD}"))
        .await;
    let (cookie, _) = cookie.cookie("ourhub").unwrap();
    hub.form("begin_factor", &cookie, "").await;
    let page = hub.page("/settings/authenticator", &cookie).await.text;
    let secret = between(&page, "<code class=\"secret__value\">", "<").to_owned();
    let typed = code(&secret, clock::now_ms());
    hub.form("confirm_factor", &cookie, &format!("code={typed}")).await;
    let path = format!("/users/{}/second-factor", mara.id);
    let own = hub.api(Method::DELETE, &path, &mara.token, Value::Null).await;
    assert_eq!(own.status, 403);
    let reset = hub.api(Method::DELETE, &path, &admin.token, Value::Null).await;
    assert_eq!(reset.status, 204, "{reset:?}");
    let again = hub.api(Method::DELETE, &path, &admin.token, Value::Null).await;
    assert_eq!(again.status, 404);
    let mails = hub.app.mail.list(None, 1).await.unwrap();
    let text = hub.app.mail.open(mails[0].id).await.unwrap().1.unwrap().text;
    assert!(
        mails[0].recipient == "mara@example.com" && text.contains("An admin turned off"),
        "{text}"
    );
    let opened = hub
        .form("log_in", "", &format!("email=mara@example.com&password={PASSWORD}"))
        .await;
    assert_eq!(opened.location(), "/overview");
}
