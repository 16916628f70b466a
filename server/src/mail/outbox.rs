//! The outbox: mails put in, listed, opened, tried again, thrown away.
//!
//! Invariant: a body is readable only under the master key, and gone once the mail was sent or is too old.
//! Reads and writes `outbox`.

use super::{
    Mail, MailError,
    message::{Message, Paragraph, Written, write},
    send::TOPIC,
};
use crate::{
    clock,
    secrets::{Binding, Secret},
    signals,
};
use entity::outbox::{self, Column, Entity};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, Condition, ConnectionTrait, EntityTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, sea_query::Expr,
};

/// How long rows are kept, in milliseconds.
const KEEP_MS: i64 = 30 * 24 * 3_600_000;
/// The longest subject kept, in characters.
const SUBJECT_MAX: usize = 200;

/// A mail of the outbox, without what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The row.
    pub id: i64,
    /// What it is for.
    pub kind: String,
    /// To whom.
    pub recipient: String,
    /// Its subject.
    pub subject: String,
    /// Unix milliseconds.
    pub created_at_ms: i64,
    /// How often it was tried.
    pub attempts: i32,
    /// What became of it.
    pub state: State,
    /// Why the last try failed.
    pub last_error: Option<String>,
}

/// What became of a mail; times are in Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is tried at this time, or as soon as there is a mail server.
    Waits(i64),
    /// The mail server took it.
    Sent(i64),
    /// It was given up: the mail server refuses it for good, or it is too old.
    Failed,
}

impl From<outbox::Model> for Row {
    fn from(row: outbox::Model) -> Self {
        let state = match (row.sent_at, row.next_at) {
            (Some(at), _) => State::Sent(at),
            (None, Some(at)) => State::Waits(at),
            (None, None) => State::Failed,
        };
        Self {
            id: row.id,
            kind: row.kind,
            recipient: row.recipient,
            subject: row.subject,
            created_at_ms: row.created_at,
            attempts: row.attempts,
            state,
            last_error: row.last_error,
        }
    }
}

impl Mail {
    /// Puts `message` into the outbox, in the transaction `db`; its id.
    ///
    /// # Errors
    /// [`MailError::Secrets`], [`MailError::Database`].
    pub async fn enqueue<C: ConnectionTrait>(&self, db: &C, message: &Message, now_ms: i64) -> Result<i64, MailError> {
        let id = clock::new_id();
        let body = serde_json::to_string(&message.body).unwrap_or_default();
        let row = outbox::ActiveModel {
            id: Set(id),
            kind: Set(message.kind.to_owned()),
            recipient: Set(message.to.clone()),
            subject: Set(message.subject.chars().take(SUBJECT_MAX).collect()),
            body: Set(self.0.master.seal(&Secret::new(body), &binding(id))?),
            created_at: Set(now_ms),
            expires_at: Set(message.expires_at_ms),
            attempts: Set(0),
            next_at: Set(Some(now_ms)),
            sent_at: Set(None),
            last_error: Set(None),
        };
        Entity::insert(row).exec_without_returning(db).await?;
        signals::tell_all(db, TOPIC, "new").await?;
        Ok(id)
    }

    /// Up to `limit` mails made before the one with the id `after`, newest first.
    ///
    /// # Errors
    /// [`MailError::Database`].
    pub async fn list(&self, after: Option<i64>, limit: u64) -> Result<Vec<Row>, MailError> {
        let rows = Entity::find()
            .filter(Column::Id.lt(after.unwrap_or(i64::MAX)))
            .order_by_desc(Column::Id)
            .limit(limit)
            .all(&self.0.db)
            .await?;
        Ok(rows.into_iter().map(Row::from).collect())
    }

    /// The mail `id`, and what it says, while that is kept.
    ///
    /// # Errors
    /// [`MailError::NotFound`], [`MailError::Secrets`], [`MailError::Database`].
    pub async fn open(&self, id: i64) -> Result<(Row, Option<Written>), MailError> {
        let row = Entity::find_by_id(id).one(&self.0.db).await?;
        let row = row.ok_or(MailError::NotFound)?;
        let written = match row.body.is_empty() {
            true => None,
            false => Some(self.read(&row)?),
        };
        Ok((row.into(), written))
    }

    /// What the mail of `row` says.
    pub(super) fn read(&self, row: &outbox::Model) -> Result<Written, MailError> {
        let body = self.0.master.open(&row.body, &binding(row.id))?;
        let body: Vec<Paragraph> = serde_json::from_str(body.expose()).unwrap_or_default();
        Ok(write(&body, &self.0.config.public_url))
    }

    /// Has the mail `id` tried at once, given up or not; a try that is under way is not waited for.
    ///
    /// # Errors
    /// [`MailError::NotFound`] where it was sent or what it said is gone; [`MailError::Database`].
    pub async fn retry(&self, id: i64, now_ms: i64) -> Result<(), MailError> {
        let due = Entity::update_many()
            .col_expr(Column::NextAt, Expr::value(now_ms))
            .filter(Column::Id.eq(id))
            .filter(Column::SentAt.is_null())
            .filter(Column::Body.ne(Vec::<u8>::new()))
            .filter(Column::ExpiresAt.gt(now_ms))
            .exec(&self.0.db)
            .await?;
        if due.rows_affected == 0 {
            return Err(MailError::NotFound);
        }
        signals::tell_all(&self.0.db, TOPIC, "new").await?;
        Ok(())
    }

    /// Throws the mail `id` away; what it was.
    ///
    /// # Errors
    /// [`MailError::NotFound`], [`MailError::Database`].
    pub async fn discard(&self, id: i64) -> Result<Row, MailError> {
        let row = Entity::find_by_id(id).one(&self.0.db).await?;
        let deleted = Entity::delete_by_id(id).exec(&self.0.db).await?;
        let row = row.filter(|_| deleted.rows_affected == 1);
        row.map(Row::from).ok_or(MailError::NotFound)
    }

    /// Deletes every mail to `recipient`, in the transaction `db`.
    ///
    /// # Errors
    /// [`MailError::Database`].
    pub async fn forget<C: ConnectionTrait>(&self, db: &C, recipient: &str) -> Result<(), MailError> {
        Entity::delete_many()
            .filter(Column::Recipient.eq(recipient))
            .exec(db)
            .await?;
        Ok(())
    }

    /// Gives up what is too old to be sent, and deletes rows past their time; to be called every minute or so.
    ///
    /// # Errors
    /// [`MailError::Database`].
    pub async fn tidy(&self, now_ms: i64) -> Result<(), MailError> {
        let is_useless = Condition::any()
            .add(Column::ExpiresAt.lte(now_ms))
            .add(Column::SentAt.is_not_null());
        Entity::update_many()
            .col_expr(Column::Body, Expr::value(Vec::<u8>::new()))
            .col_expr(Column::NextAt, Expr::value(None::<i64>))
            .filter(is_useless)
            .filter(Column::Body.ne(Vec::<u8>::new()))
            .exec(&self.0.db)
            .await?;
        Entity::delete_many()
            .filter(Column::CreatedAt.lt(now_ms - KEEP_MS))
            .exec(&self.0.db)
            .await?;
        Ok(())
    }
}

const fn binding(id: i64) -> Binding<'static> {
    Binding {
        table: "outbox",
        row: id,
        column: "body",
        origin: "",
    }
}
