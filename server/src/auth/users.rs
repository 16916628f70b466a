//! Users, as platform admins see them.
//!
//! Invariant: only platform admins get in; nobody can disable themselves, and one after the other does, so an enabled admin is
//! always left. Reads and writes `user`.

use super::{Auth, AuthError, Changed, Person, email};
use entity::user;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, TransactionTrait,
};
use std::collections::HashMap;

/// A user, as listed for platform admins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRow {
    /// The user.
    pub person: Person,
    /// Unix milliseconds.
    pub created_at_ms: i64,
    /// Unix milliseconds; may not sign in since.
    pub disabled_at_ms: Option<i64>,
}

impl From<user::Model> for UserRow {
    fn from(row: user::Model) -> Self {
        Self {
            created_at_ms: row.created_at,
            disabled_at_ms: row.disabled_at,
            person: row.into(),
        }
    }
}

impl Auth {
    /// The addresses of `users`, by id, for lists whose readers may see them.
    ///
    /// # Errors
    /// [`AuthError::Database`].
    pub async fn emails(&self, users: Vec<i64>) -> Result<HashMap<i64, String>, AuthError> {
        let rows = user::Entity::find()
            .filter(user::Column::Id.is_in(users))
            .all(&self.0.db)
            .await?;
        Ok(rows.into_iter().map(|row| (row.id, row.email)).collect())
    }

    /// The user with the address `text`, as typed.
    ///
    /// # Errors
    /// [`AuthError::Database`].
    pub async fn user_called(&self, text: &str) -> Result<Option<i64>, AuthError> {
        let found = user::Entity::find()
            .filter(user::Column::Email.eq(email::normalize(text)))
            .one(&self.0.db)
            .await?;
        Ok(found.map(|user| user.id))
    }

    /// Up to `limit` users made before the one with the id `after`, newest first; with `search`, those whose address contains it.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`], [`AuthError::Database`].
    pub async fn list_users(
        &self,
        admin: &Person,
        search: Option<&str>,
        after: Option<i64>,
        limit: u64,
    ) -> Result<Vec<UserRow>, AuthError> {
        if !admin.is_admin {
            return Err(AuthError::Forbidden);
        }
        let mut found = user::Entity::find().filter(user::Column::Id.lt(after.unwrap_or(i64::MAX)));
        if let Some(search) = search {
            found = found.filter(user::Column::Email.contains(email::normalize(search)));
        }
        let rows = found
            .order_by_desc(user::Column::Id)
            .limit(limit)
            .all(&self.0.db)
            .await?;
        Ok(rows.into_iter().map(UserRow::from).collect())
    }

    /// The user `user_id`, suspended or not.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`], [`AuthError::NotFound`], [`AuthError::Database`].
    pub async fn user(&self, admin: &Person, user_id: i64) -> Result<UserRow, AuthError> {
        if !admin.is_admin {
            return Err(AuthError::Forbidden);
        }
        let row = user::Entity::find_by_id(user_id).one(&self.0.db).await?;
        row.map(UserRow::from).ok_or(AuthError::NotFound)
    }

    /// The user `user_id`, if they may sign in.
    ///
    /// # Errors
    /// [`AuthError::Database`].
    pub async fn user_by_id(&self, user_id: i64) -> Result<Option<Person>, AuthError> {
        let row = user::Entity::find_by_id(user_id).one(&self.0.db).await?;
        Ok(row.filter(|user| user.disabled_at.is_none()).map(Person::from))
    }

    /// Keeps the user `user_id` out from now on; their sessions, tokens and keys open nothing.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`] unless an admin does it, and to another; [`AuthError::NotFound`]; [`AuthError::Database`].
    pub async fn disable_user(&self, admin: &Person, user_id: i64, now_ms: i64) -> Result<(), AuthError> {
        self.set_disabled(admin, user_id, Some(now_ms)).await
    }

    /// Lets the user `user_id` in again.
    ///
    /// # Errors
    /// As [`Auth::disable_user`].
    pub async fn enable_user(&self, admin: &Person, user_id: i64) -> Result<(), AuthError> {
        self.set_disabled(admin, user_id, None).await
    }

    async fn set_disabled(&self, admin: &Person, user_id: i64, disabled_at: Option<i64>) -> Result<(), AuthError> {
        if !admin.is_admin || admin.user_id == user_id {
            return Err(AuthError::Forbidden);
        }
        let transaction = self.0.db.begin().await?;
        if !lock_admins(&transaction, admin).await? {
            return Err(AuthError::Forbidden);
        }
        let changed = user::Entity::update_many()
            .col_expr(user::Column::DisabledAt, Expr::value(disabled_at))
            .filter(user::Column::Id.eq(user_id))
            .exec(&transaction)
            .await?;
        Changed::User(user_id).tell(&transaction).await?;
        transaction.commit().await?;
        self.forget_user(user_id);
        if changed.rows_affected == 1 {
            Ok(())
        } else {
            Err(AuthError::NotFound)
        }
    }
}

/// Keeps platform admins as they are until the transaction `db` ends, so that no two put each other out at once; whether
/// `person` is one who may sign in.
///
/// # Errors
/// The database failed.
pub async fn lock_admins(db: &impl ConnectionTrait, person: &Person) -> Result<bool, DbErr> {
    // A write that changes nothing takes the lock.
    user::Entity::update_many()
        .col_expr(user::Column::IsAdmin, Expr::value(true))
        .filter(user::Column::IsAdmin.eq(true))
        .exec(db)
        .await?;
    let row = user::Entity::find_by_id(person.user_id).one(db).await?;
    Ok(row.is_some_and(|user| user.is_admin && user.disabled_at.is_none()))
}
