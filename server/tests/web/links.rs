//! Links that are mailed, as browsers follow them; and one's own account.

use crate::harness::{self, Hub, PASSWORD};
use reqwest::Method;
use sea_orm::{ConnectionTrait as _, Statement};
use serde_json::json;
use server::{auth::CONFIRMED_MS, clock};
use std::time::Duration;

/// The path of the link in the newest mail to `email`, once there is one.
async fn link_to(hub: &Hub, email: &str) -> String {
    for _ in 0..200 {
        let rows = hub.app.mail.list(None, 20).await.unwrap();
        if let Some(row) = rows.iter().find(|row| row.recipient == email) {
            let text = hub.app.mail.open(row.id).await.unwrap().1.unwrap().text;
            let url = text.lines().find(|line| line.contains("token=")).unwrap();
            let path = url.strip_prefix(hub.app.mail.public_url());
            return path.unwrap_or_else(|| panic!("it leads elsewhere: {url}")).to_owned();
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("no mail to {email}")
}

fn token(path: &str) -> &str {
    path.split_once("?token=").unwrap().1
}

async fn flash_of(hub: &Hub, answer: &harness::Answer, cookie: &str) -> String {
    let flash = answer
        .cookie("ourhub-flash")
        .map(|(flash, _)| flash)
        .unwrap_or_default();
    hub.page(answer.location(), &format!("{cookie}; {flash}")).await.text
}

#[tokio::test(flavor = "multi_thread")]
async fn who_forgot_their_password_gets_a_link_whatever_host_was_named_and_others_see_the_same_page() {
    let hub = harness::spawn_with(&["--public-url", "https://hub.example.com"]).await;
    let mara = hub.user("mara@example.com", false).await;
    let mut pages = Vec::new();
    for email in ["mara@example.com", "nobody@example.com"] {
        let form = hub.bare_form("ask_reset", "", &format!("email={email}"));
        let form = form
            .header("sec-fetch-site", "same-origin")
            .header("host", "evil.example");
        let asked = hub.send(form).await;
        assert_eq!((asked.status, asked.location()), (302, "/forgot"), "{asked:?}");
        pages.push(
            flash_of(&hub, &asked, "")
                .await
                .split("<main")
                .nth(1)
                .unwrap()
                .split("</main>")
                .next()
                .unwrap()
                .to_owned(),
        );
    }
    assert_eq!(pages[0], pages[1]);
    let path = link_to(&hub, "mara@example.com").await;
    let page = hub.page(&path, "").await;
    assert!(
        page.status == 200 && page.text.contains("Choose a new password"),
        "{page:?}"
    );
    let weak = hub
        .form("reset_password", "", &format!("token={}&password=short", token(&path)))
        .await;
    assert_eq!(weak.location(), path, "the link stands in the page again");
    let body = format!("token={}&password=a-new-long-password", token(&path));
    let done = hub.form("reset_password", "", &body).await;
    assert_eq!(done.location(), "/login", "{done:?}");
    assert!(done.cookie("__Host-ourhub").is_none(), "a link logs nobody in");
    assert_eq!(hub.get("/teams", &mara).await.status, 401, "her tokens are revoked");
    let used = hub.form("reset_password", "", &body).await;
    assert!(flash_of(&hub, &used, "").await.contains("This link was used"));
    let log = server::audit::list(&hub.app.db, None, None, 10).await.unwrap();
    let actions: Vec<_> = log.iter().map(|line| line.action.as_str()).collect();
    assert_eq!(actions, ["user.reset_password", "user.ask_reset"]);
    assert!(log.iter().all(|line| line.target == mara.id));
    assert_eq!(
        hub.app.mail.list(None, 10).await.unwrap().len(),
        2,
        "nobody else was written to"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn where_addresses_are_proven_who_signs_up_is_in_after_the_link() {
    let hub = harness::spawn().await;
    let admin = hub.user("first@example.com", true).await;
    hub.patch("/mail", &admin, json!({"verify_sign_ups": true})).await;
    let mut answers = Vec::new();
    for email in ["first@example.com", "new@example.com"] {
        let answer = hub
            .form("sign_up", "", &format!("email={email}&password=a-new-long-password"))
            .await;
        assert!(answer.cookie("ourhub").is_none(), "{answer:?}");
        answers.push((answer.status, answer.location().to_owned(), answer.text.clone()));
    }
    assert_eq!(answers[0], answers[1]);
    let path = link_to(&hub, "new@example.com").await;
    assert_eq!(hub.page(&path, "").await.status, 200);
    let wrong = hub
        .form(
            "finish_sign_up",
            "",
            &format!("token={}&password={PASSWORD}", token(&path)),
        )
        .await;
    assert!(
        flash_of(&hub, &wrong, "")
            .await
            .contains("not the password that you chose")
    );
    let body = format!("token={}&password=a-new-long-password", token(&path));
    let done = hub.form("finish_sign_up", "", &body).await;
    let (cookie, _) = done.cookie("ourhub").unwrap();
    assert_eq!(hub.page("/overview", &cookie).await.status, 200);
    assert_eq!(hub.page("/admin/mail", &cookie).await.status, 403);
}

/// Makes every session one whose password was entered long ago.
async fn age(hub: &Hub) {
    let at = clock::now_ms() - CONFIRMED_MS;
    let backend = hub.app.db.get_database_backend();
    let statement = Statement::from_string(backend, format!("UPDATE session SET created_at = {at}"));
    hub.app.db.execute_raw(statement).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_and_tokens_ask_for_the_password_and_a_token_is_shown_once() {
    let hub = harness::spawn().await;
    let old = hub.sign_up("first@example.com").await;
    age(&hub).await;
    for (form, body) in [
        ("ask_email", "email=new@example.com"),
        ("create_token", ""),
        ("revoke_token", "id=tok_0000000000001"),
    ] {
        let asked = hub.form(form, &old, body).await;
        assert!(asked.location().starts_with("/confirm?to="), "{form}: {asked:?}");
    }
    let confirmed = hub
        .form("confirm", &old, &format!("password={PASSWORD}&to=/settings/security"))
        .await;
    let (cookie, _) = confirmed.cookie("ourhub").unwrap();
    let made = hub.form("create_token", &cookie, "").await;
    let shown = flash_of(&hub, &made, &cookie).await;
    let made = shown
        .split("<code class=\"secret__value\">")
        .nth(1)
        .unwrap()
        .split('<')
        .next()
        .unwrap();
    let teams = hub.api(Method::GET, "/teams", made, serde_json::Value::Null).await;
    assert_eq!(teams.status, 200, "{teams:?}");
    let page = hub.page("/settings/security", &cookie).await.text;
    assert!(!page.contains(made), "it is shown once");
    let id = page
        .split("name=\"id\" value=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    hub.form("revoke_token", &cookie, &format!("id={id}")).await;
    let refused = hub.api(Method::GET, "/teams", made, serde_json::Value::Null).await;
    assert_eq!(refused.status, 401);

    let sent = hub.form("ask_email", &cookie, "email=new@example.com").await;
    assert_eq!(sent.location(), "/settings/profile");
    let path = link_to(&hub, "new@example.com").await;
    assert_eq!(hub.page(&path, "").await.location(), "/login");
    let page = hub.page(&path, &cookie).await.text;
    assert!(page.contains("Use the new address?"));
    let body = format!("token={}", token(&path));
    hub.form("confirm_email", &cookie, &body).await;
    assert!(
        hub.page("/settings/profile", &cookie)
            .await
            .text
            .contains("new@example.com")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn all_other_browsers_are_signed_out_by_one_button() {
    let hub = harness::spawn().await;
    let here = hub.sign_up("first@example.com").await;
    let body = format!("email=first@example.com&password={PASSWORD}");
    let (other, _) = hub.form("log_in", "", &body).await.cookie("ourhub").unwrap();
    assert!(
        hub.page("/settings/sessions", &here)
            .await
            .text
            .contains("Sign out all others")
    );
    let done = hub.form("end_other_sessions", &here, "").await;
    assert_eq!(done.location(), "/settings/sessions");
    assert_eq!(hub.page("/overview", &other).await.location(), "/login");
    let page = hub.page("/settings/sessions", &here).await.text;
    assert!(!page.contains("Sign out all others"), "nobody else is left");
}
