//! Alerts about caps: when half, four fifths or all of one is spent, its team is told; of a prepaid balance, when it will not last and
//! when it is used up.
//!
//! Invariant: each share of each cap is told once a period, a low balance once for what was paid in, whatever process notices it, and only to people of the team, so many
//! times a day. Reads and writes `cap_alert` and
//! `alert_address`, reads `bucket` and whose caps they are; puts mails and deliveries into their outboxes.

mod scan;

use crate::{
    auth::parse_email,
    fields::{FieldErrors, Reason},
    mail::MailError,
    teams::{self, Right, TeamError, TeamScope},
};
use entity::{alert_address, cap_alert};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set,
    TransactionTrait,
};

pub use entity::cap_alert::Model as CapAlert;
pub use scan::{scan, scan_wallets};

/// The shares of a cap that are told, in percent.
pub const MARKS: [i32; 3] = [50, 80, 100];
/// A balance that lasts for fewer days is low.
pub const LOW_DAYS: i64 = 3;
/// The kind of alerts about balances, with the mark 80 for a low one and 100 for one that is used up.
pub const WALLET: &str = "wallet";
/// Addresses that a team may name.
const ADDRESSES_MAX: usize = 20;

/// Rows noticed in one UTC day, up to three an alert, after which the team is told nothing more that day: whoever changes a cap
/// over and over fills no mailbox.
pub const ROWS_A_DAY: u64 = 60;

/// Why something about alerts fails.
#[derive(Debug, thiserror::Error)]
pub enum CapAlertError {
    /// The person may not, or there is no such team.
    #[error(transparent)]
    Team(#[from] TeamError),
    /// What was typed breaks a rule.
    #[error(transparent)]
    Invalid(#[from] FieldErrors),
    /// A mail cannot be put into the outbox.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// Up to `limit` alerts of the team noticed before the one with the id `after`, newest first.
///
/// # Errors
/// [`CapAlertError::Team`], [`CapAlertError::Database`].
pub async fn list(
    db: &DatabaseConnection,
    scope: &TeamScope,
    after: Option<i64>,
    limit: u64,
) -> Result<Vec<CapAlert>, CapAlertError> {
    scope.demand(Right::Read)?;
    Ok(cap_alert::Entity::find()
        .filter(cap_alert::Column::TeamId.eq(scope.team_id()))
        .filter(cap_alert::Column::Id.lt(after.unwrap_or(i64::MAX)))
        .order_by_desc(cap_alert::Column::Id)
        .limit(limit)
        .all(db)
        .await?)
}

/// Who is to be written to about the team's caps, while they are in it; none: its owners.
///
/// # Errors
/// [`CapAlertError::Team`], [`CapAlertError::Database`].
pub async fn addresses(db: &DatabaseConnection, scope: &TeamScope) -> Result<Vec<String>, CapAlertError> {
    scope.demand(Right::Read)?;
    Ok(read_addresses(db, scope.team_id()).await?)
}

/// Has `typed`, addresses of people of the team, be written to about its caps; none: its owners. Returns who was before, and who is.
///
/// # Errors
/// [`CapAlertError::Team`], [`CapAlertError::Invalid`] for the field `emails`, [`CapAlertError::Database`].
pub async fn set_addresses(
    db: &DatabaseConnection,
    scope: &TeamScope,
    typed: &[String],
) -> Result<(Vec<String>, Vec<String>), CapAlertError> {
    scope.demand(Right::ManageTeam)?;
    let after = check(typed)?;
    let known = teams::emails(db, scope.team_id()).await?;
    if let Some(other) = after.iter().find(|email| !known.contains(email)) {
        let words = format!("{other} is nobody of the team, and only its people are written to. Invite them first.");
        return Err(FieldErrors::one("emails", Reason::Said(words)).into());
    }
    let before = read_addresses(db, scope.team_id()).await?;
    let transaction = db.begin().await?;
    alert_address::Entity::delete_many()
        .filter(alert_address::Column::TeamId.eq(scope.team_id()))
        .exec(&transaction)
        .await?;
    let rows = after.iter().map(|email| alert_address::ActiveModel {
        team_id: Set(scope.team_id()),
        email: Set(email.clone()),
    });
    if !after.is_empty() {
        alert_address::Entity::insert_many(rows)
            .exec_without_returning(&transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok((before, after))
}

fn check(typed: &[String]) -> Result<Vec<String>, FieldErrors> {
    let mut errors = FieldErrors::default();
    let mut emails = Vec::new();
    for text in typed {
        match parse_email(text) {
            Ok(email) if emails.contains(&email) => {}
            Ok(email) => emails.push(email),
            Err(reason) => errors.note("emails", Err(reason)),
        }
    }
    if emails.len() > ADDRESSES_MAX {
        errors.note("emails", Err(Reason::TooMany { max: ADDRESSES_MAX }));
    }
    errors.finish()?;
    emails.sort_unstable();
    Ok(emails)
}

async fn read_addresses(db: &impl ConnectionTrait, team_id: i64) -> Result<Vec<String>, DbErr> {
    let rows = alert_address::Entity::find()
        .filter(alert_address::Column::TeamId.eq(team_id))
        .order_by_asc(alert_address::Column::Email)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| row.email).collect())
}
