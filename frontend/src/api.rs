//! The port between the dashboard and the server: what a signed-in person may ask for, and the shapes of the answers.
//!
//! Invariant: the same [`Backend`] serves the pages and the REST management API, so there is one permission layer. The view
//! models are the JSON of `/api/v1`: money as decimal strings, times in RFC 3339, ids as strings. Reads and writes nothing itself.

pub mod accounts;
pub mod alerts;
pub mod aliases;
pub mod audit;
pub mod billing;
pub mod cap_alerts;
pub mod codes;
pub mod error;
pub mod factor;
pub mod flash;
pub mod form;
pub mod health;
pub mod invitations;
pub mod keys;
pub mod mail;
pub mod membership;
pub mod models;
pub mod page;
pub mod payments;
pub mod profile;
pub mod revenue;
pub mod session;
pub mod sign_in;
pub mod sign_up;
pub mod statement;
pub mod team;
pub mod theme;
pub mod time;
pub mod usage;
pub mod users;
pub mod webhooks;

pub use error::{ApiError, Code, FieldError};
pub use flash::Flash;
pub use gateway_core::money::Nano;
pub use page::{Page, PageQuery};
pub use time::{Moment, Time};

/// In place of a team's id: the team of whoever asks.
pub const CURRENT_TEAM: &str = "current";

/// Everything one principal (a session or a management token) may ask of the server. Implemented by the server, because
/// the server depends on this package and not the other way round.
pub trait Backend:
    session::Sessions
    + keys::Keys
    + usage::UsageReads
    + billing::Billing
    + codes::Codes
    + payments::Payments
    + revenue::Revenues
    + statement::Statements
    + team::Teams
    + invitations::Invitations
    + accounts::Accounts
    + models::Models
    + aliases::Aliases
    + alerts::Alerts
    + audit::AuditReads
    + cap_alerts::CapAlerts
    + sign_up::SignUps
    + users::Users
    + webhooks::Webhooks
    + health::HealthReads
    + mail::Mails
    + factor::Factors
    + profile::Profiles
    + sign_in::SignIns
    + Send
    + Sync
{
}

impl<T> Backend for T where
    T: session::Sessions
        + keys::Keys
        + usage::UsageReads
        + billing::Billing
        + codes::Codes
        + payments::Payments
        + revenue::Revenues
        + statement::Statements
        + team::Teams
        + invitations::Invitations
        + accounts::Accounts
        + models::Models
        + aliases::Aliases
        + alerts::Alerts
        + audit::AuditReads
        + cap_alerts::CapAlerts
        + sign_up::SignUps
        + users::Users
        + webhooks::Webhooks
        + health::HealthReads
        + mail::Mails
        + factor::Factors
        + profile::Profiles
        + sign_in::SignIns
        + Send
        + Sync
{
}

/// The principal's backend, put into Leptos's context by the server for each request.
///
/// # Errors
/// [`Code::Internal`] where the server did not provide one.
#[cfg(feature = "ssr")]
pub fn backend() -> Result<std::sync::Arc<dyn Backend>, ApiError> {
    leptos::prelude::use_context::<std::sync::Arc<dyn Backend>>().ok_or_else(|| ApiError::new(Code::Internal))
}

/// An id with the name people know it by.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Named {
    /// The id.
    pub id: String,
    /// The name.
    pub name: String,
}

/// Deserializers of bodies that may say null: in a PATCH absent leaves a value and null clears it, in a POST both are none.
pub mod patch {
    use serde::{Deserialize, Deserializer};

    /// A field of something new; null is as if it were absent. Use with `#[serde(default, deserialize_with = "patch::optional")]`.
    ///
    /// # Errors
    /// Those of the field's own type.
    pub fn optional<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: Deserialize<'de> + Default,
        D: Deserializer<'de>,
    {
        Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
    }

    /// A field that was present, null or not. Use with `#[serde(default, deserialize_with = "patch::present")]`.
    ///
    /// # Errors
    /// Those of the field's own type.
    pub fn present<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
    where
        T: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Option::<T>::deserialize(deserializer).map(Some)
    }

    /// A field that was present; null is the type's own default, such as an empty list.
    ///
    /// # Errors
    /// Those of the field's own type.
    pub fn or_default<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        T: Deserialize<'de> + Default,
        D: Deserializer<'de>,
    {
        Option::<T>::deserialize(deserializer).map(|value| Some(value.unwrap_or_default()))
    }

    /// A field that was present and cannot be cleared: null is refused.
    ///
    /// # Errors
    /// Those of the field's own type.
    pub fn required<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        T: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        T::deserialize(deserializer).map(Some)
    }
}
