//! Webhooks: one address a team, told by signed requests what happens in it.
//!
//! Invariant: only public addresses are called, whatever the name resolves to when it is called; the secret is made here,
//! shown once, and sealed for the address it signs for. Reads and writes `webhook` and `delivery`.

mod deliver;
mod sign;

use crate::{
    accounts::Guard,
    auth::credential::random_base62,
    clock,
    fields::FieldErrors,
    secrets::{Binding, MasterKey, Secret, SecretsError},
    teams::{Right, TeamError, TeamScope},
};
use entity::{delivery, webhook};
use ipnet::IpNet;
use reqwest::Url;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, Set, TransactionTrait, sea_query::OnConflict,
};
use serde_json::Value;
use std::sync::Arc;

pub use entity::delivery::Model as Delivery;
pub use sign::{SIGNATURE, signature};

/// How every secret starts.
pub const SECRET_PREFIX: &str = "whsec_";
/// Letters and digits behind the prefix.
const SECRET_LENGTH: usize = 40;
/// A test is refused while so many deliveries to the team wait.
pub const WAITING_MAX: u64 = 5;
/// The longest URL.
const URL_MAX: usize = 500;

/// Why something about webhooks fails.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The person may not, or there is no such team.
    #[error(transparent)]
    Team(#[from] TeamError),
    /// The team has no webhook.
    #[error("not found")]
    NotFound,
    /// [`WAITING_MAX`] deliveries wait.
    #[error("too many deliveries wait")]
    Busy,
    /// What was typed breaks a rule.
    #[error(transparent)]
    Invalid(#[from] FieldErrors),
    /// The system gives no randomness.
    #[error("the machine failed to draw randomness")]
    Randomness,
    /// The secret cannot be sealed or opened.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// The handle of this area; clones share everything.
#[derive(Clone)]
pub struct Webhooks(Arc<Inner>);

struct Inner {
    db: DatabaseConnection,
    master: MasterKey,
    guard: Guard,
}

impl Webhooks {
    /// The handle on `db`; besides public addresses, those in `allow` may be called.
    #[must_use]
    pub fn new(db: DatabaseConnection, master: MasterKey, allow: Vec<IpNet>) -> Self {
        let guard = Guard::new(allow);
        Self(Arc::new(Inner { db, master, guard }))
    }

    /// The URL of the team's webhook, if it has one.
    ///
    /// # Errors
    /// [`WebhookError::Team`], [`WebhookError::Database`].
    pub async fn url(&self, scope: &TeamScope) -> Result<Option<String>, WebhookError> {
        scope.demand(Right::ManageTeam)?;
        let row = webhook::Entity::find_by_id(scope.team_id()).one(&self.0.db).await?;
        Ok(row.map(|row| row.url))
    }

    /// Has the team told at `url`; returns the secret that signs, which is shown once and another each time.
    ///
    /// # Errors
    /// [`WebhookError::Team`], [`WebhookError::Invalid`] for the field `url`, [`WebhookError::Randomness`],
    /// [`WebhookError::Secrets`], [`WebhookError::Database`].
    pub async fn set(&self, scope: &TeamScope, url: &str, now_ms: i64) -> Result<String, WebhookError> {
        scope.demand(Right::ManageTeam)?;
        let url = self.check(url)?;
        let random = random_base62(SECRET_LENGTH).map_err(|_| WebhookError::Randomness)?;
        let secret = format!("{SECRET_PREFIX}{random}");
        let origin = url.origin().ascii_serialization();
        let sealed = self
            .0
            .master
            .seal(&Secret::new(secret.clone()), &binding(scope.team_id(), &origin))?;
        let row = webhook::ActiveModel {
            team_id: Set(scope.team_id()),
            url: Set(url.to_string()),
            secret: Set(sealed),
            created_at: Set(now_ms),
        };
        let mut newer = OnConflict::column(webhook::Column::TeamId);
        newer.update_columns([
            webhook::Column::Url,
            webhook::Column::Secret,
            webhook::Column::CreatedAt,
        ]);
        webhook::Entity::insert(row)
            .on_conflict(newer)
            .exec_without_returning(&self.0.db)
            .await?;
        Ok(secret)
    }

    /// Tells the team nothing more by webhook; returns where it was told.
    ///
    /// # Errors
    /// [`WebhookError::Team`], [`WebhookError::NotFound`], [`WebhookError::Database`].
    pub async fn remove(&self, scope: &TeamScope) -> Result<String, WebhookError> {
        scope.demand(Right::ManageTeam)?;
        let transaction = self.0.db.begin().await?;
        let row = webhook::Entity::find_by_id(scope.team_id()).one(&transaction).await?;
        let row = row.ok_or(WebhookError::NotFound)?;
        webhook::Entity::delete_by_id(row.team_id).exec(&transaction).await?;
        delivery::Entity::delete_many()
            .filter(delivery::Column::TeamId.eq(row.team_id))
            .exec(&transaction)
            .await?;
        transaction.commit().await?;
        Ok(row.url)
    }

    /// Puts a test into the outbox.
    ///
    /// # Errors
    /// [`WebhookError::Team`], [`WebhookError::NotFound`], [`WebhookError::Busy`], [`WebhookError::Database`].
    pub async fn test(&self, scope: &TeamScope, now_ms: i64) -> Result<(), WebhookError> {
        scope.demand(Right::ManageTeam)?;
        let waiting = delivery::Entity::find()
            .filter(delivery::Column::TeamId.eq(scope.team_id()))
            .filter(delivery::Column::NextAt.is_not_null());
        if waiting.count(&self.0.db).await? >= WAITING_MAX {
            return Err(WebhookError::Busy);
        }
        let what = serde_json::json!({"message": "This is a test."});
        match self
            .enqueue(&self.0.db, (scope.team_id(), "test"), what, now_ms)
            .await?
        {
            true => Ok(()),
            false => Err(WebhookError::NotFound),
        }
    }

    /// The last deliveries to the team, newest first.
    ///
    /// # Errors
    /// [`WebhookError::Team`], [`WebhookError::Database`].
    pub async fn deliveries(&self, scope: &TeamScope, limit: u64) -> Result<Vec<Delivery>, WebhookError> {
        scope.demand(Right::ManageTeam)?;
        Ok(delivery::Entity::find()
            .filter(delivery::Column::TeamId.eq(scope.team_id()))
            .order_by_desc(delivery::Column::Id)
            .limit(limit)
            .all(&self.0.db)
            .await?)
    }

    /// Has the team told of `event`, in the transaction `db`; whether it has a webhook.
    ///
    /// # Errors
    /// [`DbErr`] where the database does not answer.
    pub async fn enqueue(
        &self,
        db: &impl ConnectionTrait,
        (team_id, event): (i64, &str),
        what: Value,
        now_ms: i64,
    ) -> Result<bool, DbErr> {
        if webhook::Entity::find_by_id(team_id).one(db).await?.is_none() {
            return Ok(false);
        }
        let id = clock::new_id();
        let body = deliver::body(id, (team_id, event), what, now_ms);
        let row = delivery::ActiveModel {
            id: Set(id),
            team_id: Set(team_id),
            event: Set(event.to_owned()),
            body: Set(body.to_string()),
            created_at: Set(now_ms),
            attempts: Set(0),
            next_at: Set(Some(now_ms)),
            sent_at: Set(None),
            last_error: Set(None),
        };
        delivery::Entity::insert(row).exec_without_returning(db).await?;
        Ok(true)
    }

    fn check(&self, typed: &str) -> Result<Url, FieldErrors> {
        let mut errors = FieldErrors::default();
        if typed.len() > URL_MAX {
            errors.refuse("url", format!("This is too long. Use at most {URL_MAX} characters."));
            return Err(errors);
        }
        self.0.guard.base_url(typed).map_err(|refusal| {
            errors.refuse("url", refusal.to_string());
            errors
        })
    }
}

const fn binding(team_id: i64, origin: &str) -> Binding<'_> {
    Binding {
        table: "webhook",
        row: team_id,
        column: "secret",
        origin,
    }
}
