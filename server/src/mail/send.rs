//! Sending: what is due is claimed, handed to the mail server, and written down as sent, failed or to be tried later.
//!
//! Invariant: a mail is claimed by one process at a time, for [`CLAIM_MS`]; a process that dies between the mail server's yes
//! and its own note sends it twice, never not at all. Reads and writes `outbox`; raises and resolves alerts.

use super::{
    Mail, MailError,
    server::{Envelope, Refused, Server},
};
use crate::{
    alerts, clock,
    signals::{Heard, Listener},
};
use entity::outbox::{self, Column, Entity};
use gateway_core::id;
use sea_orm::{
    ColumnTrait as _, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    sea_query::{Expr, ExprTrait as _},
};
use std::time::Duration;

/// Where a new mail is told to every process.
pub const TOPIC: &str = "mail";
/// How often one looks that hears nothing.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long a process may take for one mail before another one tries it, in milliseconds.
const CLAIM_MS: i64 = 120_000;
/// The longest reason kept, in characters.
const REASON_MAX: usize = 300;
/// What the alert is about.
const SUBJECT: &str = "smtp";

/// What became of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The mail server took it.
    Sent,
    /// It did not this time, and why.
    Failed(String),
    /// It never will, and why.
    Refused(String),
    /// There is no mail server.
    NoServer,
    /// Another process tries it, or it is gone.
    Elsewhere,
}

impl Mail {
    /// Sends what is due until it is dropped; returns at once where there is no mail server.
    pub async fn run(self, mut listener: Listener) {
        let Some(server) = self.0.config.server.clone() else {
            return;
        };
        loop {
            if let Err(error) = self.send_due(&server).await {
                tracing::warn!(%error, "mails could not be looked for");
            }
            let told = async {
                match listener.next().await {
                    Heard::Said(_) | Heard::Missed => {}
                }
            };
            // Either way it is time to look.
            let _ = tokio::time::timeout(LOOK_EVERY, told).await;
        }
    }

    /// Sends one after the other until nothing is due or one has to wait: then the others would, too. One that is
    /// refused for good says nothing of the others.
    async fn send_due(&self, server: &Server) -> Result<(), MailError> {
        loop {
            let now_ms = clock::now_ms();
            let due = Entity::find()
                .filter(Column::NextAt.lte(now_ms))
                .filter(Column::ExpiresAt.gt(now_ms))
                .order_by_asc(Column::NextAt)
                .one(&self.0.db)
                .await?;
            let Some(row) = due else { return Ok(()) };
            if !self.claim(&row, now_ms).await? {
                continue;
            }
            if let Outcome::Failed(_) = self.try_once(server, row).await? {
                return Ok(());
            }
        }
    }

    /// Sends the mail `id` now, and tells what became of it.
    ///
    /// # Errors
    /// [`MailError::Secrets`], [`MailError::Database`].
    pub async fn send_now(&self, id: i64) -> Result<Outcome, MailError> {
        let Some(server) = &self.0.config.server else {
            return Ok(Outcome::NoServer);
        };
        let row = Entity::find_by_id(id).one(&self.0.db).await?;
        match row {
            Some(row) if self.claim(&row, clock::now_ms()).await? => self.try_once(server, row).await,
            _ => Ok(Outcome::Elsewhere),
        }
    }

    /// Whether this process is the one that tries the mail of `row`, as it was read.
    async fn claim(&self, row: &outbox::Model, now_ms: i64) -> Result<bool, DbErr> {
        let Some(next_at) = row.next_at else { return Ok(false) };
        let claimed = Entity::update_many()
            .col_expr(Column::NextAt, Expr::value(now_ms + CLAIM_MS))
            .col_expr(Column::Attempts, Expr::col(Column::Attempts).add(1))
            .filter(Column::Id.eq(row.id))
            .filter(Column::NextAt.eq(next_at))
            .filter(Column::SentAt.is_null())
            .exec(&self.0.db)
            .await?;
        Ok(claimed.rows_affected == 1)
    }

    async fn try_once(&self, server: &Server, row: outbox::Model) -> Result<Outcome, MailError> {
        let written = self.read(&row)?;
        let from = self.sender().await?;
        let envelope = Envelope {
            from: &from,
            to: &row.recipient,
            subject: &row.subject,
        };
        match server
            .send(&id::render(id::Kind::Mail, row.id), envelope, written)
            .await
        {
            Ok(()) => {
                self.note_sent(row.id).await?;
                alerts::resolve(&self.0.db, alerts::Kind::MailFailing, SUBJECT).await?;
                Ok(Outcome::Sent)
            }
            Err(refused) => {
                let reason = self.note_failed(&row, &refused).await?;
                if !refused.is_final {
                    let message = format!("The mail server {} does not take mail: {reason}", server.host());
                    alerts::raise(&self.0.db, alerts::Kind::MailFailing, SUBJECT, &message).await?;
                    return Ok(Outcome::Failed(reason));
                }
                Ok(Outcome::Refused(reason))
            }
        }
    }

    async fn note_sent(&self, id: i64) -> Result<(), DbErr> {
        Entity::update_many()
            .col_expr(Column::SentAt, Expr::value(clock::now_ms()))
            .col_expr(Column::NextAt, Expr::value(None::<i64>))
            .col_expr(Column::LastError, Expr::value(None::<String>))
            .col_expr(Column::Body, Expr::value(Vec::<u8>::new()))
            .filter(Column::Id.eq(id))
            .exec(&self.0.db)
            .await?;
        Ok(())
    }

    async fn note_failed(&self, row: &outbox::Model, refused: &Refused) -> Result<String, DbErr> {
        let reason: String = refused.reason.chars().take(REASON_MAX).collect();
        let next_at = (!refused.is_final).then(|| clock::now_ms() + clock::delivery_pause_ms(row.attempts));
        Entity::update_many()
            .col_expr(Column::NextAt, Expr::value(next_at))
            .col_expr(Column::LastError, Expr::value(reason.clone()))
            .filter(Column::Id.eq(row.id))
            .exec(&self.0.db)
            .await?;
        tracing::warn!(
            mail = id::render(id::Kind::Mail, row.id),
            kind = row.kind,
            reason,
            "a mail was not taken"
        );
        Ok(reason)
    }
}
