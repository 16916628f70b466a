//! Logging in, and changing a password.
//!
//! Invariant: unknown, disabled and wrong all cost one hash and give one answer; so does a wrong code. Reads `user`, writes `user`,
//! `session`, `proof` and mails.

use super::proof::void_links;
use super::provider::Vouched;
use super::session::end_others;
use super::throttle::Attempt;
use super::{Auth, AuthError, Person, Session, SignedIn, Visitor, email, letters, password};
use crate::{fields::FieldErrors, mail::Mail};
use entity::user;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, TransactionTrait};

impl Auth {
    /// Opens a session for the user of `email`, who has no second factor, when `password` is theirs.
    ///
    /// # Errors
    /// As [`Auth::log_in_with`].
    pub async fn log_in(&self, email: &str, password: &str, visitor: &Visitor) -> Result<SignedIn, AuthError> {
        self.log_in_with(email, password, "", visitor).await
    }

    /// Opens a session for the user of `email` when `password` is theirs and, where they have a second factor, `code` too.
    /// Which of them is wrong is not told: a code is looked at only behind a right password, and neither answer nor work
    /// shows that it was.
    ///
    /// # Errors
    /// [`AuthError::WrongCredentials`], [`AuthError::Throttled`], [`AuthError::Hashing`], [`AuthError::Database`].
    pub async fn log_in_with(
        &self,
        email: &str,
        password: &str,
        code: &str,
        visitor: &Visitor,
    ) -> Result<SignedIn, AuthError> {
        let (user, attempt) = self.check_password(email, password, visitor).await?;
        if !self.passes_factor(user.id, code, visitor.now_ms).await? {
            return Err(AuthError::WrongCredentials);
        }
        self.0.throttle.give_back(attempt);
        self.open_session(&self.0.db, user.into(), visitor).await
    }

    /// Replaces `session` by a new one when `password`, or where one is typed `code`, is right, before something grave is
    /// done: see [`Session::is_confirmed`].
    ///
    /// # Errors
    /// As [`Auth::log_in_with`].
    pub async fn step_up(
        &self,
        session: &Session,
        password: &str,
        code: &str,
        visitor: &Visitor,
    ) -> Result<SignedIn, AuthError> {
        let person = &session.person;
        let attempt = if code.trim().is_empty() {
            self.check_password(&person.email, password, visitor).await?.1
        } else {
            let attempt = self.count_attempt(&person.email, visitor)?;
            if !self.has_code(person.user_id, code, visitor.now_ms).await? {
                return Err(AuthError::WrongCredentials);
            }
            attempt
        };
        self.0.throttle.give_back(attempt);
        self.renew(session, person.clone(), visitor).await
    }

    /// Replaces `session` by a new one when `vouched` opens the account of its user; see [`Auth::step_up`]. Who is signed in there
    /// anyway proves nothing: unless the service says that they logged in just now, it confirms only who has nothing else.
    ///
    /// # Errors
    /// [`AuthError::WrongCredentials`], [`AuthError::NotAnew`], [`AuthError::Hashing`], [`AuthError::Database`].
    pub async fn step_up_vouched(
        &self,
        session: &Session,
        vouched: &Vouched,
        visitor: &Visitor,
    ) -> Result<SignedIn, AuthError> {
        if !self.is_theirs(&session.person, vouched).await? {
            return Err(AuthError::WrongCredentials);
        }
        if !vouched.is_anew && self.confirms_otherwise(&session.person).await? {
            return Err(AuthError::NotAnew(self.provider_label(vouched.provider)));
        }
        self.renew(session, session.person.clone(), visitor).await
    }

    /// Whether `person` has a password, a passkey or an app to say with that it is them.
    ///
    /// # Errors
    /// [`AuthError::Database`].
    pub async fn confirms_otherwise(&self, person: &Person) -> Result<bool, AuthError> {
        Ok(self.has_password(person).await?
            || self.has_factor(person.user_id).await?
            || !self.list_passkeys(person).await?.is_empty())
    }

    /// Opens a new session for `person` in place of `session`.
    pub(super) async fn renew(
        &self,
        session: &Session,
        person: Person,
        visitor: &Visitor,
    ) -> Result<SignedIn, AuthError> {
        let signed_in = self.open_session(&self.0.db, person, visitor).await?;
        self.log_out(session, visitor.now_ms).await?;
        Ok(signed_in)
    }

    /// Sets the second of `passwords` when the first is right, ends all sessions of the user and opens a new one.
    ///
    /// # Errors
    /// [`AuthError::WrongCredentials`], [`AuthError::Invalid`] for the field `password`, [`AuthError::Throttled`],
    /// [`AuthError::Hashing`], [`AuthError::Mail`], [`AuthError::Database`].
    pub async fn change_password(
        &self,
        mail: &Mail,
        session: &Session,
        (current, new): (&str, &str),
        visitor: &Visitor,
    ) -> Result<SignedIn, AuthError> {
        let person = &session.person;
        check_new(new, &person.email)?;
        let (_, attempt) = self.check_password(&person.email, current, visitor).await?;
        self.0.throttle.give_back(attempt);
        let hash = self.0.passwords.hash(new.to_owned()).await?;
        let transaction = self.0.db.begin().await?;
        store_hash(&transaction, person.user_id, hash).await?;
        void_links(&transaction, person.user_id).await?;
        end_others(&transaction, person.user_id, None, visitor.now_ms).await?;
        let letter = letters::notice(&person.email, "Your password was changed.", visitor.now_ms);
        mail.enqueue(&transaction, &letter, visitor.now_ms).await?;
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
        void_links(&transaction, person.user_id).await?;
        end_others(&transaction, person.user_id, None, now_ms).await?;
        transaction.commit().await?;
        self.forget_user(person.user_id);
        Ok(person)
    }

    pub(super) fn give_back(&self, attempt: Attempt) {
        self.0.throttle.give_back(attempt);
    }

    pub(super) fn count_attempt(&self, email: &str, visitor: &Visitor) -> Result<Attempt, AuthError> {
        let counted = self.0.throttle.log_in(visitor.address, email, visitor.now_ms);
        counted.map_err(|retry_after_s| AuthError::Throttled { retry_after_s })
    }

    /// The user of `email`, when `password` is theirs, and the attempt, to be given back once all is right.
    async fn check_password(
        &self,
        email: &str,
        password: &str,
        visitor: &Visitor,
    ) -> Result<(user::Model, Attempt), AuthError> {
        let email = email::normalize(email);
        // Nobody has one this long; refused alike for known and unknown users, before anything is kept of it.
        if email.len() > 1_024 || password.chars().count() > password::MAX {
            return Err(AuthError::WrongCredentials);
        }
        let attempt = self.count_attempt(&email, visitor)?;
        let user = self.find_user(&email).await?;
        // Who has none is as unknown.
        let stored = user.as_ref().map(|user| user.password_hash.clone());
        let stored = stored.filter(|hash| !hash.is_empty());
        let is_right = self.0.passwords.verify(password.to_owned(), stored).await?;
        match user {
            Some(user) if is_right && user.disabled_at.is_none() => Ok((user, attempt)),
            _ => Err(AuthError::WrongCredentials),
        }
    }

    pub(super) async fn find_user(&self, email: &str) -> Result<Option<user::Model>, DbErr> {
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

pub(super) fn check_new(password: &str, email: &str) -> Result<(), FieldErrors> {
    password::check(password, email).map_err(|reason| FieldErrors::one("password", reason))
}

pub(super) async fn store_hash(db: &impl ConnectionTrait, user_id: i64, hash: String) -> Result<(), DbErr> {
    user::Entity::update_many()
        .col_expr(user::Column::PasswordHash, Expr::value(hash))
        .filter(user::Column::Id.eq(user_id))
        .exec(db)
        .await?;
    Ok(())
}
