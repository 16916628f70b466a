//! New secrets: the first of a key, and those that replace it.
//!
//! Invariant: a key has one secret that does not end, and at most one more that still opens it; caps and limits are the
//! key's and outlive any secret. Writes `key_secret`.

use super::manage::{Change, demand};
use super::{KEY_PREFIX, KeyError, KeyMade, Keys, PEPPER_VERSION};
use crate::auth::Changed;
use crate::auth::credential::{self, Fresh};
use crate::fields::{FieldErrors, Reason};
use crate::teams::TeamScope;
use entity::key_secret;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Set, TransactionTrait};

/// How long the old secret goes on by default, in seconds.
pub const OVERLAP_DEFAULT_S: i64 = 24 * 3_600;
/// How long the old secret may go on, in seconds.
pub const OVERLAP_MAX_S: i64 = 30 * 24 * 3_600;

impl Keys {
    /// Makes a new secret for a key; the old one opens it for `overlap_s` seconds more, 0 to [`OVERLAP_MAX_S`].
    ///
    /// # Errors
    /// [`KeyError::NotFound`], [`KeyError::Forbidden`], [`KeyError::Revoked`], [`KeyError::Invalid`] for the field
    /// `overlap_s`, [`KeyError::Randomness`], [`KeyError::Database`].
    pub async fn rotate(
        &self,
        scope: &TeamScope,
        key_id: i64,
        overlap_s: i64,
        now_ms: i64,
    ) -> Result<KeyMade, KeyError> {
        if !(0..=OVERLAP_MAX_S).contains(&overlap_s) {
            let reason = Reason::OutOfRange {
                value: overlap_s,
                min: 0,
                max: OVERLAP_MAX_S,
            };
            return Err(FieldErrors::one("overlap_s", reason).into());
        }
        demand(scope, &self.find(scope, key_id).await?, Change::Tighten)?;
        let transaction = self.0.db.begin().await?;
        // The one of the rotation before ends now, the one in use at the end of the overlap.
        key_secret::Entity::update_many()
            .col_expr(key_secret::Column::ExpiresAt, Expr::value(now_ms))
            .filter(key_secret::Column::KeyId.eq(key_id))
            .filter(key_secret::Column::ExpiresAt.gt(now_ms))
            .exec(&transaction)
            .await?;
        key_secret::Entity::update_many()
            .col_expr(key_secret::Column::ExpiresAt, Expr::value(now_ms + overlap_s * 1_000))
            .filter(key_secret::Column::KeyId.eq(key_id))
            .filter(key_secret::Column::ExpiresAt.is_null())
            .exec(&transaction)
            .await?;
        let shown = self.add_secret(&transaction, key_id, now_ms).await?;
        Changed::Key(key_id).tell(&transaction).await?;
        transaction.commit().await?;
        self.forget_key(key_id);
        Ok(KeyMade {
            row: self.get(scope, key_id).await?,
            shown,
        })
    }

    /// Stores a new secret of the key `key_id` and returns its text.
    pub(super) async fn add_secret(
        &self,
        db: &impl ConnectionTrait,
        key_id: i64,
        now_ms: i64,
    ) -> Result<String, KeyError> {
        let fresh = Fresh::random(KEY_PREFIX)?;
        let presented = credential::parse(KEY_PREFIX, &fresh.shown).ok_or(KeyError::Randomness)?;
        let row = key_secret::ActiveModel {
            public_id: Set(fresh.public_id.clone()),
            key_id: Set(key_id),
            secret_hash: Set(self.0.pepper.hash(&presented).to_vec()),
            pepper_version: Set(PEPPER_VERSION),
            last_four: Set(fresh.last_four.clone()),
            created_at: Set(now_ms),
            expires_at: Set(None),
        };
        key_secret::Entity::insert(row).exec_without_returning(db).await?;
        Ok(fresh.shown)
    }
}
