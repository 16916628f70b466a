//! Mail on the admin pages and over the API: who may see what, and what is said when it does not leave.

use crate::{
    harness::{self, Hub},
    smtp::Smtp,
};
use reqwest::Method;
use sea_orm::{ConnectionTrait as _, Statement};
use serde_json::{Value, json};
use server::{
    auth::CONFIRMED_MS,
    clock,
    mail::{Message, Paragraph},
};

async fn enqueue(hub: &Hub) -> String {
    let message = Message {
        kind: "invitation",
        to: "mara@example.com".to_owned(),
        subject: "Join us".to_owned(),
        body: vec![Paragraph::link("Join", "/invite/canary-7")],
        expires_at_ms: clock::now_ms() + 60_000,
    };
    let id = hub
        .app
        .mail
        .enqueue(&hub.app.db, &message, clock::now_ms())
        .await
        .unwrap();
    gateway_core::id::render(gateway_core::id::Kind::Mail, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_mail_server_admins_read_the_outbox_and_copy_its_links_after_their_password() {
    let hub = harness::spawn().await;
    let admin = hub.sign_up("first@example.com").await;
    assert!(
        hub.page("/admin/mail", &admin)
            .await
            .text
            .contains("Nothing was written yet")
    );
    let id = enqueue(&hub).await;
    let list = hub.page("/admin/mail", &admin).await.text;
    for words in [
        "No mail server is set.",
        "Join us",
        "mara@example.com",
        "Waits for a mail server",
    ] {
        assert!(list.contains(words), "{words}");
    }
    assert!(!list.contains("canary-7"), "a list shows no links");
    let path = format!("/admin/mail/{id}");
    let shown = hub.page(&path, &admin).await;
    assert!(
        shown
            .text
            .contains(&format!("http://{}/invite/canary-7", hub.app.edge.listen)),
        "{}",
        shown.text
    );
    let log = server::audit::list(&hub.app.db, None, None, 1).await.unwrap();
    assert_eq!(
        (log[0].action.as_str(), log[0].target.as_str()),
        ("mail.read", id.as_str())
    );
    assert!(!log[0].detail.to_string().contains("canary-7"));

    let at = clock::now_ms() - CONFIRMED_MS;
    let statement = format!("UPDATE session SET created_at = {at}");
    let backend = hub.app.db.get_database_backend();
    hub.app
        .db
        .execute_raw(Statement::from_string(backend, statement))
        .await
        .unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let asked = hub.page(&path, &admin).await;
    assert!(asked.location().starts_with("/confirm?to="), "{asked:?}");
    assert!(!asked.text.contains("canary-7"));

    let gone = hub.form("discard_mail", &admin, &format!("id={id}")).await;
    assert_eq!(gone.location(), "/admin/mail");
    assert!(
        hub.page("/admin/mail", &admin)
            .await
            .text
            .contains("Nothing was written yet")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_admins_sees_mail() {
    let hub = harness::spawn().await;
    let admin = hub.user("first@example.com", true).await;
    let id = enqueue(&hub).await;
    let other = hub.user("other@example.com", false).await;
    let cookie = hub.sign_up("third@example.com").await;
    for path in ["/admin/mail".to_owned(), format!("/admin/mail/{id}")] {
        let page = hub.page(&path, &cookie).await;
        assert!(
            page.status == 403 && !page.text.contains("canary-7"),
            "{path}: {page:?}"
        );
    }
    let one = format!("/mail/outbox/{id}");
    let retry = format!("{one}/retry");
    let calls = [
        (Method::GET, "/mail", Value::Null),
        (Method::PATCH, "/mail", json!({"sender": "eve@example.com"})),
        (Method::POST, "/mail/test", Value::Null),
        (Method::GET, "/mail/outbox", Value::Null),
        (Method::GET, &one, Value::Null),
        (Method::POST, &retry, Value::Null),
        (Method::DELETE, &one, Value::Null),
    ];
    for (method, path, body) in calls {
        let answer = hub.api(method.clone(), path, &other.token, body).await;
        assert_eq!(answer.status, 403, "{method} {path}");
    }
    let list = hub.get("/mail/outbox", &admin).await.json();
    assert_eq!(list["data"][0]["state"], "waits");
    let read = hub.get(&one, &admin).await;
    assert!(
        read.status == 200 && read.json()["subject"] == "Join us" && !read.text.contains("canary-7"),
        "a token reads no links: {read:?}"
    );
    let log = server::audit::list(&hub.app.db, None, None, 9).await.unwrap();
    assert!(log.iter().all(|line| line.action != "mail.read"), "nobody read it");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_test_button_tells_whether_the_mail_server_takes_mail_and_the_sender_is_checked() {
    let smtp = Smtp::start().await;
    let hub = harness::spawn_with(&["--smtp-url", &smtp.url()]).await;
    let cookie = hub.sign_up("first@example.com").await;
    let wrong = hub
        .form("update_mail", &cookie, "sender=nobody%0d%0aBcc:+eve@example.com")
        .await;
    let (flash, _) = wrong.cookie("ourhub-flash").unwrap();
    let page = hub.page("/admin/mail", &format!("{cookie}; {flash}")).await.text;
    assert!(page.contains("is not an e-mail address"), "{page}");
    let saved = hub
        .form("update_mail", &cookie, "sender=Hub+%3Chub%40example.com%3E")
        .await;
    assert_eq!(saved.location(), "/admin/mail");

    hub.form("test_mail", &cookie, "").await;
    let mails = smtp.wait(1).await;
    assert!(
        mails[0].contains("From: Hub <hub@example.com>") && mails[0].contains("To: first@example.com"),
        "{}",
        mails[0]
    );
    smtp.refuse(Some("451 not now"));
    let failed = hub.form("test_mail", &cookie, "").await;
    let (flash, _) = failed.cookie("ourhub-flash").unwrap();
    let page = hub.page("/admin/mail", &format!("{cookie}; {flash}")).await.text;
    assert!(
        page.contains("did not take the test") && page.contains("not now"),
        "{page}"
    );
    let alerts = hub.page("/admin/alerts", &cookie).await.text;
    assert!(
        alerts.contains("does not take mail") && alerts.contains("href=\"/admin/mail\""),
        "{alerts}"
    );
}
