//! A new password for who forgot theirs, and a new e-mail address.
//!
//! Invariant: whether an address is known is told by no answer, neither by its words nor by its time; a new password ends every
//! session, every management token and every other link, and, where the address was not proven before, every passkey and linked account; a new address is proven before it counts, and the old one is told.
//! Reads and writes `user`, `proof`, `session` and `management_token`; writes mails.

use super::{
    Auth, AuthError, Changed, Person, Session, Visitor, email,
    identity::{drop_ways_in, prove},
    letters,
    log_in::{check_new, store_hash},
    proof::{Purpose, Subject, spend, void_links},
    session::end_others,
    token::revoke_tokens,
};
use crate::{
    fields::{FieldErrors, Reason},
    mail::Mail,
};
use entity::user;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, SqlErr, TransactionTrait as _,
    sea_query::Expr,
};

impl Auth {
    /// Counts that `typed` is asked for a link, before anything is looked up; the address. To be followed by
    /// [`Auth::send_reset`], whose outcome and time nobody is told.
    ///
    /// # Errors
    /// [`AuthError::Invalid`] for the field `email`, [`AuthError::Throttled`].
    pub fn ask_reset(&self, typed: &str, visitor: &Visitor) -> Result<String, AuthError> {
        let email = email::parse(typed).map_err(|reason| FieldErrors::one("email", reason))?;
        self.count_link(&email, visitor)?;
        Ok(email)
    }

    /// Counts a link that is to be mailed to `email`.
    ///
    /// # Errors
    /// [`AuthError::Throttled`].
    pub fn count_link(&self, email: &str, visitor: &Visitor) -> Result<(), AuthError> {
        let counted = self.0.throttle.mail_link(visitor.address, email, visitor.now_ms);
        counted.map_err(|retry_after_s| AuthError::Throttled { retry_after_s })?;
        Ok(())
    }

    /// Mails the user of `email`, where there is one, a link to a new password; who it is.
    ///
    /// # Errors
    /// [`AuthError::Hashing`], [`AuthError::Mail`], [`AuthError::Database`].
    pub async fn send_reset(&self, mail: &Mail, email: &str, now_ms: i64) -> Result<Option<Person>, AuthError> {
        let user = self.find_user(email).await?.filter(|user| user.disabled_at.is_none());
        let Some(user) = user else { return Ok(None) };
        let subject = Subject {
            purpose: Purpose::Password,
            user_id: Some(user.id),
            email,
            password_hash: None,
        };
        let transaction = self.0.db.begin().await?;
        let token = self.issue(&transaction, subject, now_ms).await?;
        let letter = letters::new_password(email, &token, now_ms);
        mail.enqueue(&transaction, &letter, now_ms).await?;
        transaction.commit().await?;
        Ok(Some(user.into()))
    }

    /// Sets the password `new` by a link, and ends all sessions and management tokens of the user.
    ///
    /// # Errors
    /// [`AuthError::LinkRefused`], [`AuthError::Invalid`] for the field `password`, [`AuthError::Hashing`],
    /// [`AuthError::Mail`], [`AuthError::Database`].
    pub async fn reset_password(&self, mail: &Mail, token: &str, new: &str, now_ms: i64) -> Result<Person, AuthError> {
        let proof = self.find_proof(Purpose::Password, token, now_ms).await?;
        check_new(new, &proof.email)?;
        let hash = self.0.passwords.hash(new.to_owned()).await?;
        let transaction = self.0.db.begin().await?;
        spend(&transaction, &proof).await?;
        let user = find_enabled(&transaction, proof.user_id).await?;
        store_hash(&transaction, user.id, hash).await?;
        let is_proven = user.email_verified_at.is_some();
        if !is_proven {
            // Whoever signed up with this address may have been somebody else, and must not keep a way in.
            drop_ways_in(&transaction, user.id).await?;
        }
        prove(&transaction, user.id, now_ms).await?;
        void_links(&transaction, user.id).await?;
        end_others(&transaction, user.id, None, now_ms).await?;
        revoke_tokens(&transaction, user.id, now_ms).await?;
        let others = match is_proven {
            true => "Passkeys and linked accounts still sign you in: look at Settings, Security.",
            false => "Passkeys and linked accounts were removed, because this address had not been proven.",
        };
        let words = format!(
            "Your password was changed by a link from your mail. Every browser was signed out, and your management tokens were \
             revoked. {others}"
        );
        let letter = letters::notice(&user.email, &words, now_ms);
        mail.enqueue(&transaction, &letter, now_ms).await?;
        transaction.commit().await?;
        self.forget_user(user.id);
        Ok(user.into())
    }

    /// Mails a link to the address that `session`'s user wants; whose it is already is told to them alone.
    ///
    /// # Errors
    /// [`AuthError::Invalid`] for the field `email`, [`AuthError::Throttled`], [`AuthError::Hashing`], [`AuthError::Mail`],
    /// [`AuthError::Database`].
    pub async fn ask_email(
        &self,
        mail: &Mail,
        session: &Session,
        typed: &str,
        visitor: &Visitor,
    ) -> Result<String, AuthError> {
        let person = &session.person;
        let email = email::parse(typed).map_err(|reason| FieldErrors::one("email", reason))?;
        if email == person.email {
            let same = Reason::Said("This is your address already.".to_owned());
            return Err(FieldErrors::one("email", same).into());
        }
        self.count_link(&email, visitor)?;
        let now_ms = visitor.now_ms;
        let is_taken = self.find_user(&email).await?.is_some();
        let transaction = self.0.db.begin().await?;
        let letter = if is_taken {
            letters::email_wanted(&email, now_ms)
        } else {
            let subject = Subject {
                purpose: Purpose::Email,
                user_id: Some(person.user_id),
                email: &email,
                password_hash: None,
            };
            let token = self.issue(&transaction, subject, now_ms).await?;
            letters::confirm_email(&email, &person.email, &token, now_ms)
        };
        mail.enqueue(&transaction, &letter, now_ms).await?;
        transaction.commit().await?;
        Ok(email)
    }

    /// Has the user of `session` log in with the address that the link proves; the address before and the new one.
    ///
    /// # Errors
    /// [`AuthError::LinkRefused`], also for another user's link; [`AuthError::EmailTaken`], [`AuthError::Mail`],
    /// [`AuthError::Database`].
    pub async fn confirm_email(
        &self,
        mail: &Mail,
        session: &Session,
        token: &str,
        now_ms: i64,
    ) -> Result<(String, String), AuthError> {
        let person = &session.person;
        let proof = self.find_proof(Purpose::Email, token, now_ms).await?;
        if proof.user_id != Some(person.user_id) {
            return Err(AuthError::LinkRefused);
        }
        let transaction = self.0.db.begin().await?;
        spend(&transaction, &proof).await?;
        let user = find_enabled(&transaction, proof.user_id).await?;
        let changed = user::Entity::update_many()
            .col_expr(user::Column::Email, Expr::value(proof.email.clone()))
            .col_expr(user::Column::EmailVerifiedAt, Expr::value(now_ms))
            .filter(user::Column::Id.eq(user.id))
            .exec(&transaction)
            .await;
        changed.map_err(|error| match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => AuthError::EmailTaken,
            _ => AuthError::Database(error),
        })?;
        void_links(&transaction, user.id).await?;
        let words = format!(
            "You log in with {} from now on, no longer with {}.",
            proof.email, user.email
        );
        let letter = letters::notice(&user.email, &words, now_ms);
        mail.enqueue(&transaction, &letter, now_ms).await?;
        Changed::User(user.id).tell(&transaction).await?;
        transaction.commit().await?;
        self.forget_user(user.id);
        Ok((user.email, proof.email))
    }
}

async fn find_enabled(db: &impl ConnectionTrait, user_id: Option<i64>) -> Result<user::Model, AuthError> {
    let found = user::Entity::find_by_id(user_id.unwrap_or_default()).one(db).await?;
    let enabled = found.filter(|user| user.disabled_at.is_none());
    enabled.ok_or(AuthError::LinkRefused)
}
