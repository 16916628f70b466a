//! Signing up where addresses are to be proven first: nobody is a user before their link was opened.
//!
//! Invariant: a known address gets the same answer for the same hashing as an unknown one; who opens the link must know the
//! password that was chosen, so that nobody is led into an account that somebody else made in their name.
//! Reads and writes `proof` and the setting `verify_sign_ups`; writes what [`super::sign_up`] does, and mails.

use super::{
    Auth, AuthError, NewUser, SignedIn, UserMade, Visitor, letters, password,
    proof::{Purpose, Subject, spend},
    sign_up::{Admin, Ready, insert},
};
use crate::mail::Mail;
use entity::setting;
use sea_orm::{DbErr, EntityTrait as _, Set, TransactionTrait as _, sea_query::OnConflict};

/// The setting that is there when addresses are to be proven.
const SETTING: &str = "verify_sign_ups";

impl Auth {
    /// Whether who signs up must prove their address first.
    ///
    /// # Errors
    /// [`DbErr`] where the database does not answer.
    pub async fn verifies_sign_ups(&self) -> Result<bool, DbErr> {
        Ok(setting::Entity::find_by_id(SETTING).one(&self.0.db).await?.is_some())
    }

    /// Says whether who signs up must prove their address first.
    ///
    /// # Errors
    /// [`DbErr`] where the database does not answer.
    pub async fn set_verifies_sign_ups(&self, on: bool) -> Result<(), DbErr> {
        if !on {
            setting::Entity::delete_by_id(SETTING).exec(&self.0.db).await?;
            return Ok(());
        }
        let row = setting::ActiveModel {
            name: Set(SETTING.to_owned()),
            value: Set("on".to_owned()),
        };
        let mut same = OnConflict::column(setting::Column::Name);
        same.update_column(setting::Column::Value);
        setting::Entity::insert(row)
            .on_conflict(same)
            .exec_without_returning(&self.0.db)
            .await?;
        Ok(())
    }

    /// Mails a link that finishes the sign-up; to whom has an account, that they have one.
    ///
    /// # Errors
    /// [`AuthError::SignUpRefused`] unless everybody may, [`AuthError::Invalid`] by field, [`AuthError::Throttled`],
    /// [`AuthError::Hashing`], [`AuthError::Mail`], [`AuthError::Database`].
    pub async fn begin_sign_up(&self, mail: &Mail, new: NewUser<'_>, visitor: &Visitor) -> Result<(), AuthError> {
        let ready = self.admit(new, visitor, false).await?;
        self.count_link(&ready.email, visitor)?;
        let now_ms = visitor.now_ms;
        let is_known = self.find_user(&ready.email).await?.is_some();
        let transaction = self.0.db.begin().await?;
        let letter = if is_known {
            letters::known_already(&ready.email, now_ms)
        } else {
            let subject = Subject {
                purpose: Purpose::SignUp,
                user_id: None,
                email: &ready.email,
                password_hash: Some(ready.password_hash),
            };
            let token = self.issue(&transaction, subject, now_ms).await?;
            letters::confirm_sign_up(&ready.email, &token, now_ms)
        };
        mail.enqueue(&transaction, &letter, now_ms).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Makes the user whose address the link proves, when `password` is the one they chose, and signs them in.
    ///
    /// # Errors
    /// [`AuthError::LinkRefused`], [`AuthError::SignUpRefused`], [`AuthError::WrongCredentials`], [`AuthError::EmailTaken`],
    /// [`AuthError::Throttled`], [`AuthError::Hashing`], [`AuthError::Database`].
    pub async fn finish_sign_up(
        &self,
        token: &str,
        password: &str,
        visitor: &Visitor,
    ) -> Result<(SignedIn, UserMade), AuthError> {
        let proof = self.find_proof(Purpose::SignUp, token, visitor.now_ms).await?;
        self.sign_up_policy().await?.demand(&proof.email, false)?;
        if password.chars().count() > password::MAX {
            return Err(AuthError::WrongCredentials);
        }
        let counted = self.0.throttle.log_in(visitor.address, &proof.email, visitor.now_ms);
        let attempt = counted.map_err(|retry_after_s| AuthError::Throttled { retry_after_s })?;
        let stored = proof.password_hash.clone();
        if !self.0.passwords.verify(password.to_owned(), stored).await? {
            return Err(AuthError::WrongCredentials);
        }
        self.0.throttle.give_back(attempt);
        let transaction = self.0.db.begin().await?;
        spend(&transaction, &proof).await?;
        let ready = Ready {
            email: proof.email,
            password_hash: proof.password_hash.unwrap_or_default(),
            is_proven: true,
            identity: None,
        };
        let made = insert(&transaction, ready, Admin::No, visitor.now_ms).await?;
        let signed_in = self.open_session(&transaction, made.person.clone(), visitor).await?;
        transaction.commit().await?;
        Ok((signed_in, made))
    }
}
