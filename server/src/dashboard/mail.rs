//! Mail: platform admins see the outbox, read single mails and say who mails come from.
//!
//! Invariant: what a mail says is shown in a browser alone, after the password, since its links let in whoever has them, and to
//! no token; whoever read it is in the audit log. Reads and writes what `mail` does.

use super::{Change, Principal, Refusal, Who, view};
use crate::mail::{Message, Outcome, Paragraph, Row, State};
use async_trait::async_trait;
use frontend::api::{
    ApiError, Page, PageQuery, Time,
    mail::{MailPatch, MailRead, MailRow, MailTested, MailView, Mails},
};
use gateway_core::id::{self, Kind};
use serde_json::json;

/// How long a test may wait for a mail server, in milliseconds.
const TEST_LIFE_MS: i64 = 24 * 3_600_000;

#[async_trait]
impl Mails for Principal {
    async fn mail_settings(&self) -> Result<MailView, ApiError> {
        self.answer(self.read_mail_settings().await)
    }

    async fn update_mail(&self, change: MailPatch) -> Result<MailView, ApiError> {
        self.answer(self.change_mail(change).await)
    }

    async fn test_mail(&self) -> Result<MailTested, ApiError> {
        self.answer(self.send_test().await)
    }

    async fn list_mails(&self, page: PageQuery) -> Result<Page<MailRow>, ApiError> {
        self.answer(self.read_outbox(&page).await)
    }

    async fn mail(&self, id: &str) -> Result<MailRead, ApiError> {
        self.answer(self.read_mail(id).await)
    }

    async fn retry_mail(&self, id: &str) -> Result<(), ApiError> {
        self.answer(self.try_mail(id).await)
    }

    async fn discard_mail(&self, id: &str) -> Result<(), ApiError> {
        self.answer(self.drop_mail(id).await)
    }
}

impl Principal {
    async fn read_mail_settings(&self) -> Result<MailView, Refusal> {
        self.admin()?;
        let mail = &self.app.mail;
        Ok(MailView {
            server: mail.server().map(str::to_owned),
            sender: mail.sender().await?,
            public_url: mail.public_url().to_owned(),
            verify_sign_ups: self.app.auth.verifies_sign_ups().await?,
        })
    }

    async fn change_mail(&self, change: MailPatch) -> Result<MailView, Refusal> {
        self.admin()?;
        self.demand_confirmed()?;
        let before = self.read_mail_settings().await?;
        if let Some(sender) = change.sender {
            self.app.mail.set_sender(sender.as_deref().unwrap_or_default()).await?;
        }
        if let Some(on) = change.verify_sign_ups {
            self.app.auth.set_verifies_sign_ups(on).await?;
        }
        let after = self.read_mail_settings().await?;
        let shown = |view: &MailView| json!({"sender": view.sender, "verify_sign_ups": view.verify_sign_ups});
        self.record(Change {
            action: "mail.update",
            target: "mail",
            before: shown(&before),
            after: shown(&after),
            ..Change::default()
        })
        .await?;
        Ok(after)
    }

    async fn send_test(&self) -> Result<MailTested, Refusal> {
        let to = self.admin()?.email.clone();
        let mail = &self.app.mail;
        let message = Message {
            kind: "test",
            to: to.clone(),
            subject: "A test from OurHub".to_owned(),
            body: vec![
                Paragraph::text("Mail works: this is the test that you asked for."),
                Paragraph::link("Mail settings", "/admin/mail"),
            ],
            expires_at_ms: self.now_ms() + TEST_LIFE_MS,
        };
        let id = mail.enqueue(&self.app.db, &message, self.now_ms()).await?;
        let (sent, message) = match mail.send_now(id).await? {
            Outcome::Sent => (true, format!("The mail server took the test for {to}.")),
            Outcome::Elsewhere => (true, format!("The test for {to} is on its way.")),
            Outcome::Failed(reason) | Outcome::Refused(reason) => {
                (false, format!("The mail server did not take the test: {reason}"))
            }
            Outcome::NoServer => (
                false,
                "No mail server is set, so the test stays in the outbox.".to_owned(),
            ),
        };
        self.record(Change {
            action: "mail.test",
            target: &id::render(Kind::Mail, id),
            after: json!({"sent": sent}),
            ..Change::default()
        })
        .await?;
        Ok(MailTested { sent, message })
    }

    async fn read_outbox(&self, query: &PageQuery) -> Result<Page<MailRow>, Refusal> {
        self.admin()?;
        let after = view::after(query, Kind::Mail)?;
        let rows = self.app.mail.list(after, view::limit(query)).await?;
        let page = view::page(query, rows, |row| id::render(Kind::Mail, row.id));
        Ok(Page {
            data: page.data.into_iter().map(mail_row).collect(),
            next: page.next,
        })
    }

    async fn read_mail(&self, id: &str) -> Result<MailRead, Refusal> {
        self.admin()?;
        self.demand_confirmed()?;
        let (row, written) = self.app.mail.open(super::parse(Kind::Mail, id)?).await?;
        let written = written.filter(|_| matches!(self.who, Who::Browser(_)));
        if written.is_some() {
            self.record_mail("mail.read", id, &row).await?;
        }
        Ok(MailRead {
            row: mail_row(row),
            text: written.map(|written| written.text),
        })
    }

    async fn try_mail(&self, id: &str) -> Result<(), Refusal> {
        self.admin()?;
        let mail_id = super::parse(Kind::Mail, id)?;
        self.app.mail.retry(mail_id, self.now_ms()).await?;
        let (row, _) = self.app.mail.open(mail_id).await?;
        self.record_mail("mail.retry", id, &row).await
    }

    async fn drop_mail(&self, id: &str) -> Result<(), Refusal> {
        self.admin()?;
        let row = self.app.mail.discard(super::parse(Kind::Mail, id)?).await?;
        self.record_mail("mail.discard", id, &row).await
    }

    async fn record_mail(&self, action: &'static str, id: &str, row: &Row) -> Result<(), Refusal> {
        self.record(Change {
            action,
            target: id,
            before: json!({"kind": row.kind, "recipient": row.recipient}),
            ..Change::default()
        })
        .await
    }
}

fn mail_row(row: Row) -> MailRow {
    let (state, next_at, sent_at) = match row.state {
        State::Waits(at) => ("waits", Some(Time(at)), None),
        State::Sent(at) => ("sent", None, Some(Time(at))),
        State::Failed => ("failed", None, None),
    };
    MailRow {
        id: id::render(Kind::Mail, row.id),
        kind: row.kind,
        recipient: row.recipient,
        subject: row.subject,
        created_at: Time(row.created_at_ms),
        attempts: row.attempts,
        state: state.to_owned(),
        next_at,
        sent_at,
        last_error: row.last_error,
    }
}
