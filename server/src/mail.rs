//! Mail: what the server writes to people, kept in an outbox until a mail server takes it.
//!
//! Invariant: a mail appears with the change it tells of or not at all, and survives a restart; one process at a time tries
//! one mail; links lead to the public URL, never to a host that a request named; a body stays sealed and is deleted once it
//! is of no use. Reads and writes `outbox` and the setting `mail_sender`; connects to the mail server.

mod message;
mod outbox;
mod send;
mod server;

pub use message::{Message, Paragraph, Written};
pub use outbox::{Row, State};
pub use send::{Outcome, TOPIC};
pub use server::{Server, ServerError};

use crate::{
    fields::{FieldErrors, Reason},
    secrets::{MasterKey, SecretsError},
};
use entity::setting;
use lettre::message::Mailbox;
use sea_orm::{ActiveValue::Set, DatabaseConnection, DbErr, EntityTrait as _, sea_query::OnConflict};
use std::sync::Arc;

/// The setting with the sender's address.
const SENDER: &str = "mail_sender";
/// The longest sender, in bytes.
const SENDER_MAX: usize = 254;

/// What this area is told at the start.
#[derive(Clone, Debug)]
pub struct Config {
    /// The mail server; none: mails stay in the outbox.
    pub server: Option<Server>,
    /// What people type to reach OurHub, without a trailing slash.
    pub public_url: String,
}

/// Why something about mail fails.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// What was typed breaks a rule.
    #[error(transparent)]
    Invalid(#[from] FieldErrors),
    /// No such mail, or it cannot be sent any more.
    #[error("not found")]
    NotFound,
    /// The body cannot be sealed or opened.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// The handle of this area; clones share everything.
#[derive(Clone, Debug)]
pub struct Mail(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    db: DatabaseConnection,
    master: MasterKey,
    config: Config,
}

impl Mail {
    /// The handle on `db`; bodies are sealed under `master`.
    #[must_use]
    pub fn new(db: DatabaseConnection, master: MasterKey, config: Config) -> Self {
        Self(Arc::new(Inner { db, master, config }))
    }

    /// The mail server's host, where there is one.
    #[must_use]
    pub fn server(&self) -> Option<&str> {
        self.0.config.server.as_ref().map(Server::host)
    }

    /// Where links lead.
    #[must_use]
    pub fn public_url(&self) -> &str {
        &self.0.config.public_url
    }

    /// Who mails come from: what an admin set, else an address at the public URL's host.
    ///
    /// # Errors
    /// [`MailError::Database`].
    pub async fn sender(&self) -> Result<String, MailError> {
        let row = setting::Entity::find_by_id(SENDER).one(&self.0.db).await?;
        Ok(row.map_or_else(|| self.default_sender(), |row| row.value))
    }

    /// Has mails come from `typed`, such as `OurHub <hub@example.com>`; nothing typed: the default.
    ///
    /// # Errors
    /// [`MailError::Invalid`] for the field `sender`, [`MailError::Database`].
    pub async fn set_sender(&self, typed: &str) -> Result<String, MailError> {
        let typed = typed.trim();
        if typed.is_empty() {
            setting::Entity::delete_by_id(SENDER).exec(&self.0.db).await?;
            return Ok(self.default_sender());
        }
        let is_plain = typed.len() <= SENDER_MAX && !typed.chars().any(char::is_control);
        if !is_plain || typed.parse::<Mailbox>().is_err() {
            return Err(FieldErrors::one("sender", Reason::NotAnEmail(typed.to_owned())).into());
        }
        let row = setting::ActiveModel {
            name: Set(SENDER.to_owned()),
            value: Set(typed.to_owned()),
        };
        let mut newer = OnConflict::column(setting::Column::Name);
        newer.update_column(setting::Column::Value);
        setting::Entity::insert(row)
            .on_conflict(newer)
            .exec_without_returning(&self.0.db)
            .await?;
        Ok(typed.to_owned())
    }

    fn default_sender(&self) -> String {
        let url = &self.0.config.public_url;
        let host = url.split_once("://").map_or(url.as_str(), |(_, host)| host);
        let host = match host.starts_with('[') {
            true => "localhost",
            false => host.split(':').next().unwrap_or("localhost"),
        };
        format!("OurHub <ourhub@{host}>")
    }
}
