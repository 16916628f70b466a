//! Making and changing keys.
//!
//! Invariant: a member manages keys of their own, and loosens none that somebody else made for them; a revoked key never
//! changes. What changes is checked anew at the next request in every process. Writes `api_key` and `key_secret`.

use super::{KeyError, KeyMade, KeyPatch, KeyRow, KeySettings, Keys};
use crate::auth::Changed;
use crate::clock;
use crate::fields::{FieldErrors, Reason};
use crate::teams::{Right, Role, TeamScope};
use entity::{api_key, member, user};
use sea_orm::sea_query::{Expr, ExprTrait, SimpleExpr};
use sea_orm::{ActiveModelTrait, ActiveValue, ColumnTrait, EntityTrait, QueryFilter, Set, TransactionTrait};

/// What is done to a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Takes rights away or leaves them as they are.
    Tighten,
    /// May give rights.
    Loosen,
}

impl Keys {
    /// Makes a key. For who manages only their own keys, it becomes theirs.
    ///
    /// # Errors
    /// [`KeyError::Forbidden`], [`KeyError::Invalid`] by field, [`KeyError::Randomness`], [`KeyError::Database`].
    pub async fn create(&self, scope: &TeamScope, mut settings: KeySettings, now_ms: i64) -> Result<KeyMade, KeyError> {
        if !scope.may(Right::ManageKeys) {
            let is_own = settings.member_id.is_none_or(|member_id| member_id == scope.user_id());
            if !is_own || !scope.may(Right::ManageOwnKeys) {
                return Err(KeyError::Forbidden);
            }
            settings.member_id = Some(scope.user_id());
        }
        settings.check(true, now_ms)?;
        self.check_member(scope, settings.member_id).await?;
        let key_id = clock::new_id();
        let row = api_key::ActiveModel {
            id: Set(key_id),
            team_id: Set(scope.team_id()),
            created_at: Set(now_ms),
            created_by: Set(scope.user_id()),
            disabled_at: Set(None),
            revoked_at: Set(None),
            last_used_at: Set(None),
            ..settings.to_columns()
        };
        let transaction = self.0.db.begin().await?;
        row.insert(&transaction).await?;
        let shown = self.add_secret(&transaction, key_id, now_ms).await?;
        transaction.commit().await?;
        Ok(KeyMade {
            row: self.get(scope, key_id).await?,
            shown,
        })
    }

    /// Changes a key's settings; returns it as it was and as it is.
    ///
    /// # Errors
    /// [`KeyError::NotFound`], [`KeyError::Forbidden`], [`KeyError::Revoked`], [`KeyError::Invalid`] by field,
    /// [`KeyError::Database`].
    pub async fn update(
        &self,
        scope: &TeamScope,
        key_id: i64,
        patch: KeyPatch,
        now_ms: i64,
    ) -> Result<(KeyRow, KeyRow), KeyError> {
        let is_renamed_only = patch
            == KeyPatch {
                name: patch.name.clone(),
                ..KeyPatch::default()
            };
        let change = if is_renamed_only {
            Change::Tighten
        } else {
            Change::Loosen
        };
        let before = self.find(scope, key_id).await?;
        demand(scope, &before, change)?;
        let before = self.get(scope, key_id).await?;
        let mut after = patch.apply(&before.settings);
        if after.member_id != before.settings.member_id && !scope.may(Right::ManageKeys) {
            return Err(KeyError::Forbidden);
        }
        after.check(after.expires_at_ms != before.settings.expires_at_ms, now_ms)?;
        if after.member_id != before.settings.member_id {
            self.check_member(scope, after.member_id).await?;
        }
        let columns = api_key::ActiveModel {
            id: ActiveValue::Unchanged(key_id),
            ..after.to_columns()
        };
        let transaction = self.0.db.begin().await?;
        let changed = api_key::Entity::update_many()
            .set(columns)
            .filter(api_key::Column::Id.eq(key_id))
            .filter(api_key::Column::RevokedAt.is_null())
            .exec(&transaction)
            .await?;
        Changed::Key(key_id).tell(&transaction).await?;
        transaction.commit().await?;
        self.forget_key(key_id);
        if changed.rows_affected == 0 {
            return Err(KeyError::Revoked);
        }
        Ok((before, self.get(scope, key_id).await?))
    }

    /// Switches a key off until [`Keys::enable`].
    ///
    /// # Errors
    /// [`KeyError::NotFound`], [`KeyError::Forbidden`], [`KeyError::Revoked`], [`KeyError::Database`].
    pub async fn disable(&self, scope: &TeamScope, key_id: i64, now_ms: i64) -> Result<(), KeyError> {
        let first = Expr::col(api_key::Column::DisabledAt).if_null(now_ms);
        self.set(scope, key_id, Change::Tighten, (api_key::Column::DisabledAt, first))
            .await
    }

    /// Switches a key on again.
    ///
    /// # Errors
    /// As [`Keys::disable`].
    pub async fn enable(&self, scope: &TeamScope, key_id: i64) -> Result<(), KeyError> {
        let none = Expr::value(Option::<i64>::None);
        self.set(scope, key_id, Change::Loosen, (api_key::Column::DisabledAt, none))
            .await
    }

    /// Revokes a key for good.
    ///
    /// # Errors
    /// As [`Keys::disable`].
    pub async fn revoke(&self, scope: &TeamScope, key_id: i64, now_ms: i64) -> Result<(), KeyError> {
        self.set(
            scope,
            key_id,
            Change::Tighten,
            (api_key::Column::RevokedAt, Expr::value(now_ms)),
        )
        .await
    }

    async fn set(
        &self,
        scope: &TeamScope,
        key_id: i64,
        change: Change,
        (column, value): (api_key::Column, SimpleExpr),
    ) -> Result<(), KeyError> {
        demand(scope, &self.find(scope, key_id).await?, change)?;
        let transaction = self.0.db.begin().await?;
        let changed = api_key::Entity::update_many()
            .col_expr(column, value)
            .filter(api_key::Column::Id.eq(key_id))
            .filter(api_key::Column::RevokedAt.is_null())
            .exec(&transaction)
            .await?;
        Changed::Key(key_id).tell(&transaction).await?;
        transaction.commit().await?;
        self.forget_key(key_id);
        if changed.rows_affected == 1 {
            Ok(())
        } else {
            Err(KeyError::Revoked)
        }
    }

    /// Refuses an owner who is no member of the team or may not use keys in it.
    async fn check_member(&self, scope: &TeamScope, member_id: Option<i64>) -> Result<(), KeyError> {
        let Some(user_id) = member_id else { return Ok(()) };
        let member = member::Entity::find_by_id((scope.team_id(), user_id))
            .one(&self.0.db)
            .await?;
        let user = user::Entity::find_by_id(user_id).one(&self.0.db).await?;
        let may_use = member.as_ref().is_some_and(may_use_keys) && user.is_some_and(|user| user.disabled_at.is_none());
        if may_use {
            Ok(())
        } else {
            Err(FieldErrors::one("member", Reason::NoSuchMember).into())
        }
    }
}

/// Whether a member's role lets them have keys.
pub(super) fn may_use_keys(member: &member::Model) -> bool {
    Role::parse(&member.role).is_some_and(|role| role.has(Right::ManageOwnKeys))
}

/// Refuses who may not make this change to this key, and any change to a revoked key.
pub(super) fn demand(scope: &TeamScope, row: &api_key::Model, change: Change) -> Result<(), KeyError> {
    let is_own = scope.may(Right::ManageOwnKeys) && row.member_id == Some(scope.user_id());
    let is_made_by_others = row.created_by != scope.user_id();
    let may = scope.may(Right::ManageKeys) || is_own && !(is_made_by_others && change == Change::Loosen);
    if !may {
        return Err(KeyError::Forbidden);
    }
    if row.revoked_at.is_some() {
        Err(KeyError::Revoked)
    } else {
        Ok(())
    }
}
