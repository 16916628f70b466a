//! Mail, for platform admins: the sender, the outbox, a test.
//!
//! Invariant: lists never hold what a mail says; it is read one by one.

#[cfg(feature = "ssr")]
use super::flash::{self, Done};
use super::{ApiError, Page, PageQuery, Time, patch};
use async_trait::async_trait;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// How mail leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailView {
    /// The mail server's host; none where none is set: then mails stay in the outbox.
    pub server: Option<String>,
    /// Who mails come from.
    pub sender: String,
    /// Where links in mails lead.
    pub public_url: String,
    /// Whether who signs up must open a mailed link first.
    pub verify_sign_ups: bool,
}

/// A change of how mail leaves.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MailPatch {
    /// Who mails come from; null: the default.
    #[serde(deserialize_with = "patch::present", skip_serializing_if = "Option::is_none")]
    pub sender: Option<Option<String>>,
    /// Whether who signs up must open a mailed link first.
    #[serde(deserialize_with = "patch::required", skip_serializing_if = "Option::is_none")]
    pub verify_sign_ups: Option<bool>,
}

/// A mail of the outbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailRow {
    /// The id.
    pub id: String,
    /// What it is for, such as invitation.
    pub kind: String,
    /// To whom.
    pub recipient: String,
    /// Its subject.
    pub subject: String,
    /// When it was written.
    pub created_at: Time,
    /// How often it was tried.
    pub attempts: i32,
    /// waits, sent or failed.
    pub state: String,
    /// When it is tried next, while it waits.
    pub next_at: Option<Time>,
    /// When the mail server took it.
    pub sent_at: Option<Time>,
    /// Why the last try failed.
    pub last_error: Option<String>,
}

/// A mail with what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailRead {
    /// Its row.
    #[serde(flatten)]
    pub row: MailRow,
    /// What it says; none once it was sent or is too old.
    pub text: Option<String>,
}

/// What became of a test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailTested {
    /// Whether the mail server took it.
    pub sent: bool,
    /// What happened, for people.
    pub message: String,
}

/// What the server offers about mail; admins.
#[async_trait]
pub trait Mails {
    /// How mail leaves.
    async fn mail_settings(&self) -> Result<MailView, ApiError>;
    /// Changes how mail leaves.
    async fn update_mail(&self, change: MailPatch) -> Result<MailView, ApiError>;
    /// Sends a mail to whoever asks.
    async fn test_mail(&self) -> Result<MailTested, ApiError>;
    /// The outbox, newest first.
    async fn list_mails(&self, page: PageQuery) -> Result<Page<MailRow>, ApiError>;
    /// One mail with what it says: its links let in whoever has them.
    async fn mail(&self, id: &str) -> Result<MailRead, ApiError>;
    /// Has one tried at once.
    async fn retry_mail(&self, id: &str) -> Result<(), ApiError>;
    /// Throws one away.
    async fn discard_mail(&self, id: &str) -> Result<(), ApiError>;
}

/// How mail leaves.
#[server(prefix = "/fn", endpoint = "mail_settings", input = leptos::server_fn::codec::GetUrl)]
pub async fn mail_settings() -> Result<MailView, ApiError> {
    super::backend()?.mail_settings().await
}

/// The outbox.
#[server(prefix = "/fn", endpoint = "list_mails", input = leptos::server_fn::codec::GetUrl)]
pub async fn list_mails(page: PageQuery) -> Result<Page<MailRow>, ApiError> {
    super::backend()?.list_mails(page).await
}

/// One mail.
#[server(prefix = "/fn", endpoint = "mail", input = leptos::server_fn::codec::GetUrl)]
pub async fn mail(id: String) -> Result<MailRead, ApiError> {
    super::backend()?.mail(&id).await
}

/// The form with the sender; a box that is not ticked is not sent.
#[server(prefix = "/fn", endpoint = "update_mail")]
pub async fn update_mail(
    #[server(default)] sender: String,
    #[server(default)] verify_sign_ups: bool,
) -> Result<(), ApiError> {
    let typed = flash::typed([("sender", &sender), ("verify_sign_ups", &verify_sign_ups.to_string())]);
    let sender = Some(sender).filter(|sender| !sender.trim().is_empty());
    let change = MailPatch {
        sender: Some(sender),
        verify_sign_ups: Some(verify_sign_ups),
    };
    let result = super::backend()?.update_mail(change).await;
    flash::finish(
        "/admin/mail",
        typed,
        result.map(|_| Done::to("/admin/mail").saying("Mail settings saved.")),
    )
}

/// The test button.
#[server(prefix = "/fn", endpoint = "test_mail")]
pub async fn test_mail() -> Result<(), ApiError> {
    let result = super::backend()?.test_mail().await;
    let result = result.and_then(|tested| match tested.sent {
        true => Ok(Done::to("/admin/mail").saying(tested.message)),
        false => Err(ApiError::because(super::Code::Conflict, tested.message)),
    });
    flash::finish("/admin/mail", flash::typed([]), result)
}

/// The button that has one tried at once.
#[server(prefix = "/fn", endpoint = "retry_mail")]
pub async fn retry_mail(id: String) -> Result<(), ApiError> {
    let result = super::backend()?.retry_mail(&id).await;
    flash::finish(
        "/admin/mail",
        flash::typed([]),
        result.map(|()| Done::to("/admin/mail").saying("It is tried again.")),
    )
}

/// The button that throws one away.
#[server(prefix = "/fn", endpoint = "discard_mail")]
pub async fn discard_mail(id: String) -> Result<(), ApiError> {
    let result = super::backend()?.discard_mail(&id).await;
    flash::finish(
        "/admin/mail",
        flash::typed([]),
        result.map(|()| Done::to("/admin/mail").saying("Mail thrown away.")),
    )
}
