//! Links that are mailed to prove an address.
//!
//! Invariant: a link works once, only the newest of its purpose works, and none after its time; only a keyed hash of it is
//! stored. Reads and writes `proof`.

use super::{Auth, AuthError, credential::random_base62};
use crate::clock;
use entity::proof::{self, Column, Entity};
use sea_orm::{ColumnTrait as _, Condition, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, Set};

const TOKEN: usize = 32;
/// The longest token that is looked up, in bytes.
const TOKEN_MAX: usize = 64;

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A new password.
    Password,
    /// A new user.
    SignUp,
    /// A new address of a user.
    Email,
}

impl Purpose {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::SignUp => "sign_up",
            Self::Email => "email",
        }
    }

    /// How long a link works, in milliseconds.
    pub(super) const fn life_ms(self) -> i64 {
        const HOUR_MS: i64 = 3_600_000;
        match self {
            Self::Password => HOUR_MS,
            Self::SignUp | Self::Email => 24 * HOUR_MS,
        }
    }
}

/// Whose address a link is to prove.
pub(super) struct Subject<'a> {
    pub(super) purpose: Purpose,
    pub(super) user_id: Option<i64>,
    pub(super) email: &'a str,
    pub(super) password_hash: Option<String>,
}

impl Auth {
    /// The token of a new link, in the transaction `db`; those before it work no more.
    pub(super) async fn issue(
        &self,
        db: &impl ConnectionTrait,
        subject: Subject<'_>,
        now_ms: i64,
    ) -> Result<String, AuthError> {
        let token = random_base62(TOKEN)?;
        let of_the_same = match subject.user_id {
            Some(user_id) => Column::UserId.eq(user_id),
            None => Column::Email.eq(subject.email),
        };
        Entity::delete_many()
            .filter(Column::Purpose.eq(subject.purpose.as_str()))
            .filter(of_the_same)
            .exec(db)
            .await?;
        let row = proof::ActiveModel {
            id: Set(clock::new_id()),
            purpose: Set(subject.purpose.as_str().to_owned()),
            user_id: Set(subject.user_id),
            email: Set(subject.email.to_owned()),
            password_hash: Set(subject.password_hash),
            token_hash: Set(self.0.pepper.hash_text(&token).to_vec()),
            created_at: Set(now_ms),
            expires_at: Set(now_ms + subject.purpose.life_ms()),
        };
        Entity::insert(row).exec_without_returning(db).await?;
        Ok(token)
    }

    /// What the link with `token` proves, while it works.
    ///
    /// # Errors
    /// [`AuthError::LinkRefused`], [`AuthError::Database`].
    pub(super) async fn find_proof(
        &self,
        purpose: Purpose,
        token: &str,
        now_ms: i64,
    ) -> Result<proof::Model, AuthError> {
        if token.len() > TOKEN_MAX {
            return Err(AuthError::LinkRefused);
        }
        // A keyed hash is looked up, so that the time a look-up takes tells nothing about the token.
        let found = Entity::find()
            .filter(Column::TokenHash.eq(self.0.pepper.hash_text(token).to_vec()))
            .filter(Column::Purpose.eq(purpose.as_str()))
            .filter(Column::ExpiresAt.gt(now_ms))
            .one(&self.0.db)
            .await?;
        found.ok_or(AuthError::LinkRefused)
    }

    /// Deletes links past their time; to be called every minute or so.
    ///
    /// # Errors
    /// [`AuthError::Database`].
    pub async fn prune_links(&self, now_ms: i64) -> Result<(), AuthError> {
        let past = Entity::delete_many().filter(Column::ExpiresAt.lte(now_ms));
        past.exec(&self.0.db).await?;
        Ok(())
    }
}

/// Uses up the link of `row`, in the transaction `db`.
///
/// # Errors
/// [`AuthError::LinkRefused`] where another one was first; [`AuthError::Database`].
pub(super) async fn spend(db: &impl ConnectionTrait, row: &proof::Model) -> Result<(), AuthError> {
    let spent = Entity::delete_by_id(row.id).exec(db).await?;
    match spent.rows_affected {
        1 => Ok(()),
        _ => Err(AuthError::LinkRefused),
    }
}

/// Makes every link of `user_id` useless, in the transaction `db`: what they were mailed for has changed.
pub(super) async fn void_links(db: &impl ConnectionTrait, user_id: i64) -> Result<(), DbErr> {
    Entity::delete_many()
        .filter(Condition::all().add(Column::UserId.eq(user_id)))
        .exec(db)
        .await?;
    Ok(())
}
