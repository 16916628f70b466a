//! Logging in, and changing a password.
//!
//! Invariant: unknown, disabled and wrong all cost one hash and give one answer. Reads `user`, writes `user` and
//! `session`.

use super::session::end_others;
use super::{Auth, AuthError, Person, Session, SignedIn, Visitor, email, password};
use crate::fields::FieldErrors;
use entity::user;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, TransactionTrait};

impl Auth {
    /// Opens a session for the user of `email` when `password` is theirs.
    ///
    /// # Errors
    /// [`AuthError::WrongCredentials`], [`AuthError::Throttled`], [`AuthError::Hashing`], [`AuthError::Database`].
    pub async fn log_in(&self, email: &str, password: &str, visitor: &Visitor) -> Result<SignedIn, AuthError> {
        let user = self.check_password(email, password, visitor).await?;
        self.open_session(&self.0.db, user.into(), visitor).await
    }

    /// Replaces `session` by a new one when `password` is right, before something grave is done: see
    /// [`Session::is_confirmed`].
    ///
    /// # Errors
    /// As [`Auth::log_in`].
    pub async fn step_up(&self, session: &Session, password: &str, visitor: &Visitor) -> Result<SignedIn, AuthError> {
        let signed_in = self.log_in(&session.person.email, password, visitor).await?;
        self.log_out(session, visitor.now_ms).await?;
        Ok(signed_in)
    }

    /// Sets a new password when `current` is right, ends all sessions of the user and opens a new one.
    ///
    /// # Errors
    /// [`AuthError::WrongCredentials`], [`AuthError::Invalid`] for the field `password`, [`AuthError::Throttled`],
    /// [`AuthError::Hashing`], [`AuthError::Database`].
    pub async fn change_password(
        &self,
        session: &Session,
        current: &str,
        new: &str,
        visitor: &Visitor,
    ) -> Result<SignedIn, AuthError> {
        let person = &session.person;
        check_new(new, &person.email)?;
        self.check_password(&person.email, current, visitor).await?;
        let hash = self.0.passwords.hash(new.to_owned()).await?;
        let transaction = self.0.db.begin().await?;
        store_hash(&transaction, person.user_id, hash).await?;
        end_others(&transaction, person.user_id, None, visitor.now_ms).await?;
        let signed_in = self.open_session(&transaction, person.clone(), visitor).await?;
        transaction.commit().await?;
        self.forget_user(person.user_id);
        Ok(signed_in)
    }

    /// Sets the password of the user of `email` and ends their sessions, for the command line.
    ///
    /// # Errors
    /// [`AuthError::NotFound`], [`AuthError::Invalid`] for the field `password`, [`AuthError::Hashing`],
    /// [`AuthError::Database`].
    pub async fn set_password(&self, email: &str, new: &str, now_ms: i64) -> Result<Person, AuthError> {
        let person = self.find_person(email).await?;
        check_new(new, &person.email)?;
        let hash = self.0.passwords.hash(new.to_owned()).await?;
        let transaction = self.0.db.begin().await?;
        store_hash(&transaction, person.user_id, hash).await?;
        end_others(&transaction, person.user_id, None, now_ms).await?;
        transaction.commit().await?;
        self.forget_user(person.user_id);
        Ok(person)
    }

    async fn check_password(&self, email: &str, password: &str, visitor: &Visitor) -> Result<user::Model, AuthError> {
        let email = email::normalize(email);
        // Nobody has one this long; refused alike for known and unknown users, before anything is kept of it.
        if email.len() > 1_024 || password.chars().count() > password::MAX {
            return Err(AuthError::WrongCredentials);
        }
        let counted = self.0.throttle.log_in(visitor.address, &email, visitor.now_ms);
        let attempt = counted.map_err(|retry_after_s| AuthError::Throttled { retry_after_s })?;
        let user = self.find_user(&email).await?;
        let stored = user.as_ref().map(|user| user.password_hash.clone());
        let is_right = self.0.passwords.verify(password.to_owned(), stored).await?;
        match user {
            Some(user) if is_right && user.disabled_at.is_none() => {
                self.0.throttle.give_back(attempt);
                Ok(user)
            }
            _ => Err(AuthError::WrongCredentials),
        }
    }

    async fn find_user(&self, email: &str) -> Result<Option<user::Model>, DbErr> {
        user::Entity::find()
            .filter(user::Column::Email.eq(email))
            .one(&self.0.db)
            .await
    }

    /// The user of `email`, for the command line.
    ///
    /// # Errors
    /// [`AuthError::NotFound`], [`AuthError::Database`].
    pub async fn find_person(&self, email: &str) -> Result<Person, AuthError> {
        let user = self.find_user(&email::normalize(email)).await?;
        user.map(Person::from).ok_or(AuthError::NotFound)
    }
}

fn check_new(password: &str, email: &str) -> Result<(), FieldErrors> {
    password::check(password, email).map_err(|reason| FieldErrors::one("password", reason))
}

async fn store_hash(db: &impl ConnectionTrait, user_id: i64, hash: String) -> Result<(), DbErr> {
    user::Entity::update_many()
        .col_expr(user::Column::PasswordHash, Expr::value(hash))
        .filter(user::Column::Id.eq(user_id))
        .exec(db)
        .await?;
    Ok(())
}
