//! The outbox and the mail server, on every database there is.

use crate::{
    harness::{Place, places},
    smtp::Smtp,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sea_orm::{EntityTrait as _, TransactionTrait as _};
use server::{
    alerts, clock,
    mail::{Config, Mail, Message, Outcome, Paragraph, Server, State},
    secrets::MasterKey,
    signals::Signals,
};
use std::{net::TcpListener, time::Duration};

const HOUR_MS: i64 = 3_600_000;

/// The mail of one process on the place's database, with the mail server at `url`.
pub fn process(place: &Place, url: Option<&str>) -> Mail {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = Config {
        server: url.map(|url| Server::parse(url).unwrap()),
        public_url: "https://hub.example.com".to_owned(),
    };
    let master = MasterKey::parse(&STANDARD.encode([9_u8; 32])).unwrap();
    Mail::new(place.db.clone(), master, config)
}

fn message(subject: &str) -> Message {
    Message {
        kind: "invitation",
        to: "mara@example.com".to_owned(),
        subject: subject.to_owned(),
        body: vec![Paragraph::text("Come in."), Paragraph::link("Join", "/invite/canary-7")],
        expires_at_ms: clock::now_ms() + HOUR_MS,
    }
}

/// The address of a mail server that is not there.
fn nobody() -> String {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    format!("smtp://{address}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_appears_with_its_transaction_and_what_it_says_is_sealed_until_it_is_sent_then_gone() {
    for place in places().await {
        let smtp = Smtp::start().await;
        let mail = process(&place, Some(&smtp.url()));
        let transaction = place.db.begin().await.unwrap();
        mail.enqueue(&transaction, &message("undone"), clock::now_ms())
            .await
            .unwrap();
        transaction.rollback().await.unwrap();
        assert_eq!(mail.list(None, 10).await.unwrap(), []);

        let id = mail
            .enqueue(&place.db, &message("Join us"), clock::now_ms())
            .await
            .unwrap();
        let row = entity::outbox::Entity::find_by_id(id)
            .one(&place.db)
            .await
            .unwrap()
            .unwrap();
        assert!(!String::from_utf8_lossy(&row.body).contains("canary-7"));
        assert_eq!(mail.send_now(id).await.unwrap(), Outcome::Sent);
        let mails = smtp.mails();
        assert_eq!(mails.len(), 1);
        for part in [
            "From: OurHub <ourhub@hub.example.com>",
            "To: mara@example.com",
            "Subject: Join us",
            "https://hub.example.com/invite/canary-7",
            "<p>Come in.</p>",
        ] {
            assert!(mails[0].contains(part), "{part}: {}", mails[0]);
        }
        let (row, written) = mail.open(id).await.unwrap();
        assert!(matches!(row.state, State::Sent(_)) && written.is_none(), "{row:?}");
        assert_eq!(mail.send_now(id).await.unwrap(), Outcome::Elsewhere, "it was sent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_mail_server_is_down_mails_wait_and_admins_see_why_and_another_process_sends_them() {
    for place in places().await {
        let down = process(&place, Some(&nobody()));
        let id = down
            .enqueue(&place.db, &message("Join us"), clock::now_ms())
            .await
            .unwrap();
        let Outcome::Failed(reason) = down.send_now(id).await.unwrap() else {
            panic!("nobody took it")
        };
        let (row, written) = down.open(id).await.unwrap();
        let later = clock::now_ms() + 10_000;
        assert!(matches!(row.state, State::Waits(at) if at > later), "{row:?}");
        assert_eq!((row.attempts, row.last_error), (1, Some(reason.clone())));
        assert!(written.is_some_and(|written| written.text.contains("canary-7")));
        let open = alerts::list_open(&place.db).await.unwrap();
        assert!(open.len() == 1 && open[0].message.contains(&reason), "{open:?}");

        let smtp = Smtp::start().await;
        let restarted = process(&place, Some(&smtp.url()));
        restarted.retry(id, clock::now_ms()).await.unwrap();
        let running = tokio::spawn(restarted.clone().run(Signals::default().on("mail")));
        smtp.wait(1).await;
        while !alerts::list_open(&place.db).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        running.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_processes_send_each_mail_once() {
    for place in places().await {
        let smtp = Smtp::start().await;
        let processes: Vec<Mail> = (0..4).map(|_| process(&place, Some(&smtp.url()))).collect();
        for number in 0..12 {
            let message = message(&format!("number {number}"));
            processes[0]
                .enqueue(&place.db, &message, clock::now_ms())
                .await
                .unwrap();
        }
        let running: Vec<_> = processes
            .iter()
            .map(|mail| tokio::spawn(mail.clone().run(Signals::default().on("mail"))))
            .collect();
        smtp.wait(12).await;
        let is_sent = |row: &server::mail::Row| matches!(row.state, State::Sent(_));
        while !processes[0].list(None, 20).await.unwrap().iter().all(is_sent) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for task in running {
            task.abort();
        }
        let mut subjects: Vec<_> = smtp
            .mails()
            .iter()
            .map(|mail| {
                mail.split("Subject: ")
                    .nth(1)
                    .unwrap()
                    .lines()
                    .next()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        subjects.sort();
        subjects.dedup();
        assert_eq!((smtp.mails().len(), subjects.len()), (12, 12));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_who_is_refused_for_good_is_given_up_and_nobody_is_alarmed() {
    for place in places().await {
        let smtp = Smtp::start().await;
        smtp.refuse(Some("550 no such user"));
        let mail = process(&place, Some(&smtp.url()));
        let id = mail
            .enqueue(&place.db, &message("Join us"), clock::now_ms())
            .await
            .unwrap();
        assert!(
            matches!(mail.send_now(id).await.unwrap(), Outcome::Refused(reason) if reason.contains("no such user"))
        );
        assert_eq!(mail.open(id).await.unwrap().0.state, State::Failed);
        assert_eq!(alerts::list_open(&place.db).await.unwrap(), []);
        smtp.refuse(None);
        mail.retry(id, clock::now_ms()).await.unwrap();
        assert_eq!(mail.send_now(id).await.unwrap(), Outcome::Sent);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_repeats_its_password_is_quoted_without_it() {
    for place in places().await {
        let smtp = Smtp::start().await;
        // As it was set, and as it was sent: "\0hub\0canary-7-otter" in base64.
        smtp.refuse(Some("451 AGh1YgBjYW5hcnktNy1vdHRlcg== is canary-7-otter, which is old"));
        let mail = process(&place, Some(&format!("smtp://hub:canary-7-otter@{}", smtp.address)));
        let id = mail
            .enqueue(&place.db, &message("Join us"), clock::now_ms())
            .await
            .unwrap();
        let Outcome::Failed(reason) = mail.send_now(id).await.unwrap() else {
            panic!("it was taken")
        };
        assert!(reason.contains("which is old"), "{reason}");
        assert!(!reason.contains("canary-7") && !reason.contains("AGh1YgBj"), "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_that_are_refused_for_good_keep_no_other_waiting() {
    for place in places().await {
        let smtp = Smtp::start().await;
        let mail = process(&place, Some(&smtp.url()));
        let now = clock::now_ms();
        for at in now - 40..now {
            let message = Message {
                to: "nobody@example.com".to_owned(),
                ..message("Join us")
            };
            mail.enqueue(&place.db, &message, at).await.unwrap();
        }
        mail.enqueue(&place.db, &message("Join us"), now).await.unwrap();
        let running = tokio::spawn(mail.run(Signals::default().on("mail")));
        // One a look would take longer than this waits.
        assert!(smtp.wait(1).await[0].contains("To: mara@example.com"));
        running.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_past_its_time_is_not_sent_and_what_it_says_is_deleted() {
    for place in places().await {
        let smtp = Smtp::start().await;
        let mail = process(&place, Some(&smtp.url()));
        let id = mail
            .enqueue(&place.db, &message("Join us"), clock::now_ms())
            .await
            .unwrap();
        mail.tidy(clock::now_ms() + HOUR_MS).await.unwrap();
        let (row, written) = mail.open(id).await.unwrap();
        assert_eq!((row.state, written), (State::Failed, None));
        assert!(mail.retry(id, clock::now_ms()).await.is_err());
        mail.tidy(clock::now_ms() + 31 * 24 * HOUR_MS).await.unwrap();
        assert!(mail.open(id).await.is_err());
        assert!(smtp.mails().is_empty());
    }
}
