//! The second factor: an authenticator app, and recovery codes that stand in for it.
//!
//! Invariant: a code works once, whichever processes it is shown to at once; the app's secret is sealed and shown until the
//! first right code only; recovery codes are stored as keyed hashes and shown once.
//! Reads and writes `second_factor` and `recovery_code`, reads `user`; writes mails.

use super::{Auth, AuthError, Person, letters, totp};
use crate::{
    fields::{FieldErrors, Reason},
    mail::Mail,
    secrets::{Binding, Secret},
};
use entity::{recovery_code, second_factor, user};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, Set,
    TransactionTrait as _,
    sea_query::{Expr, ExprTrait as _, OnConflict},
};

/// Bytes of an app's secret, as RFC 4226 asks for.
const SECRET: usize = 20;
/// How many recovery codes there are.
const CODES: usize = 10;
/// Letters of one; five bits each.
const LETTERS: usize = 10;
/// Without those that look like digits.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// The longest code that is looked at, in bytes.
const TYPED_MAX: usize = 40;

/// What is known of a user's second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Factor {
    /// There is none.
    Off,
    /// An app was begun with, and no code was shown yet.
    Begun,
    /// A code is asked for at log-in.
    On {
        /// Since when, in Unix milliseconds.
        since_ms: i64,
        /// Recovery codes that are left.
        codes_left: u64,
    },
}

/// What an app is set up with.
pub struct Enrolment {
    /// The secret, to be typed.
    pub secret: Secret,
    /// The same as an address, to be drawn as a QR code.
    pub uri: Secret,
}

impl Auth {
    /// The second factor of `person`.
    ///
    /// # Errors
    /// [`AuthError::Database`].
    pub async fn factor(&self, person: &Person) -> Result<Factor, AuthError> {
        let row = self.find_factor(person.user_id).await?;
        Ok(match row.map(|row| row.confirmed_at) {
            None => Factor::Off,
            Some(None) => Factor::Begun,
            Some(Some(since_ms)) => Factor::On {
                since_ms,
                codes_left: recovery_code::Entity::find()
                    .filter(recovery_code::Column::UserId.eq(person.user_id))
                    .count(&self.0.db)
                    .await?,
            },
        })
    }

    /// Draws a new secret for an app; nothing is asked for at log-in before [`Auth::confirm_factor`].
    ///
    /// # Errors
    /// [`AuthError::FactorIsOn`], [`AuthError::Hashing`], [`AuthError::Database`].
    pub async fn begin_factor(&self, person: &Person, now_ms: i64) -> Result<(), AuthError> {
        if matches!(self.factor(person).await?, Factor::On { .. }) {
            return Err(AuthError::FactorIsOn);
        }
        let mut secret = [0_u8; SECRET];
        getrandom::fill(&mut secret)?;
        let secret = Secret::new(totp::base32(&secret));
        let sealed = self.0.seals.seal(&secret, &binding(person.user_id));
        let row = second_factor::ActiveModel {
            user_id: Set(person.user_id),
            secret: Set(sealed.map_err(|_| AuthError::Hashing)?),
            created_at: Set(now_ms),
            confirmed_at: Set(None),
            last_step: Set(0),
        };
        let mut newer = OnConflict::column(second_factor::Column::UserId);
        newer
            .update_columns([second_factor::Column::Secret, second_factor::Column::CreatedAt])
            .action_and_where(Expr::col((second_factor::Entity, second_factor::Column::ConfirmedAt)).is_null());
        second_factor::Entity::insert(row)
            .on_conflict(newer)
            .exec_without_returning(&self.0.db)
            .await?;
        Ok(())
    }

    /// What the app of `person` is set up with, on the server called `issuer`; until its first right code.
    ///
    /// # Errors
    /// [`AuthError::NotFound`], [`AuthError::Hashing`], [`AuthError::Database`].
    pub async fn enrolment(&self, person: &Person, issuer: &str) -> Result<Enrolment, AuthError> {
        let row = self.find_factor(person.user_id).await?;
        let row = row
            .filter(|row| row.confirmed_at.is_none())
            .ok_or(AuthError::NotFound)?;
        let secret = self.open_secret(&row)?;
        let uri = Secret::new(totp::uri(secret.expose(), &person.email, issuer));
        Ok(Enrolment { secret, uri })
    }

    /// Asks for codes from now on, when `typed` is the app's; the recovery codes, to be shown once.
    ///
    /// # Errors
    /// [`AuthError::Invalid`] for the field `code`, [`AuthError::NotFound`], [`AuthError::Hashing`], [`AuthError::Mail`],
    /// [`AuthError::Database`].
    pub async fn confirm_factor(
        &self,
        mail: &Mail,
        person: &Person,
        typed: &str,
        now_ms: i64,
    ) -> Result<Vec<String>, AuthError> {
        let row = self.find_factor(person.user_id).await?;
        let row = row
            .filter(|row| row.confirmed_at.is_none())
            .ok_or(AuthError::NotFound)?;
        let secret = totp::from_base32(self.open_secret(&row)?.expose()).ok_or(AuthError::Hashing)?;
        let step = totp::matching_step(&secret, &plain(typed), now_ms).ok_or_else(wrong_code)?;
        let transaction = self.0.db.begin().await?;
        let confirmed = second_factor::Entity::update_many()
            .col_expr(second_factor::Column::ConfirmedAt, Expr::value(now_ms))
            .col_expr(second_factor::Column::LastStep, Expr::value(step))
            .filter(second_factor::Column::UserId.eq(person.user_id))
            .filter(second_factor::Column::ConfirmedAt.is_null())
            .filter(second_factor::Column::Secret.eq(row.secret))
            .exec(&transaction)
            .await?;
        if confirmed.rows_affected != 1 {
            return Err(AuthError::NotFound);
        }
        let codes = self.replace_codes(&transaction, person.user_id).await?;
        let words = "An authenticator app is asked for from now on when you log in.";
        let letter = letters::notice(&person.email, words, now_ms);
        mail.enqueue(&transaction, &letter, now_ms).await?;
        transaction.commit().await?;
        Ok(codes)
    }

    /// New recovery codes in place of those before, to be shown once.
    ///
    /// # Errors
    /// [`AuthError::NotFound`] without a second factor; [`AuthError::Hashing`], [`AuthError::Database`].
    pub async fn renew_codes(&self, person: &Person) -> Result<Vec<String>, AuthError> {
        if !matches!(self.factor(person).await?, Factor::On { .. }) {
            return Err(AuthError::NotFound);
        }
        let transaction = self.0.db.begin().await?;
        let codes = self.replace_codes(&transaction, person.user_id).await?;
        transaction.commit().await?;
        Ok(codes)
    }

    /// Asks for no code of the user `user_id` any more, and tells them so in `words`; who it is.
    ///
    /// # Errors
    /// [`AuthError::NotFound`] without a second factor; [`AuthError::Mail`], [`AuthError::Database`].
    pub async fn remove_factor(
        &self,
        mail: &Mail,
        user_id: i64,
        words: &str,
        now_ms: i64,
    ) -> Result<Person, AuthError> {
        let user = user::Entity::find_by_id(user_id).one(&self.0.db).await?;
        let person = Person::from(user.ok_or(AuthError::NotFound)?);
        let transaction = self.0.db.begin().await?;
        let removed = second_factor::Entity::delete_by_id(user_id).exec(&transaction).await?;
        if removed.rows_affected != 1 {
            return Err(AuthError::NotFound);
        }
        drop_codes(&transaction, user_id).await?;
        let letter = letters::notice(&person.email, words, now_ms);
        mail.enqueue(&transaction, &letter, now_ms).await?;
        transaction.commit().await?;
        Ok(person)
    }

    /// Whether the user `user_id` has no second factor, or `typed` is a code of theirs, which it uses up.
    pub(super) async fn passes_factor(&self, user_id: i64, typed: &str, now_ms: i64) -> Result<bool, AuthError> {
        let row = self
            .find_factor(user_id)
            .await?
            .filter(|row| row.confirmed_at.is_some());
        match row {
            None => Ok(true),
            Some(row) => self.spend_code(&row, typed, now_ms).await,
        }
    }

    /// Whether the user `user_id` has a second factor.
    pub(super) async fn has_factor(&self, user_id: i64) -> Result<bool, AuthError> {
        let row = self.find_factor(user_id).await?;
        Ok(row.is_some_and(|row| row.confirmed_at.is_some()))
    }

    /// Whether `typed` is a code of a second factor of the user `user_id`, which it uses up.
    pub(super) async fn has_code(&self, user_id: i64, typed: &str, now_ms: i64) -> Result<bool, AuthError> {
        let row = self
            .find_factor(user_id)
            .await?
            .filter(|row| row.confirmed_at.is_some());
        match row {
            None => Ok(false),
            Some(row) => self.spend_code(&row, typed, now_ms).await,
        }
    }

    async fn spend_code(&self, row: &second_factor::Model, typed: &str, now_ms: i64) -> Result<bool, AuthError> {
        if typed.len() > TYPED_MAX {
            return Ok(false);
        }
        let typed = plain(typed);
        let secret = totp::from_base32(self.open_secret(row)?.expose()).ok_or(AuthError::Hashing)?;
        if let Some(step) = totp::matching_step(&secret, &typed, now_ms) {
            // One statement: of many who show the same code at once, one is first.
            let spent = second_factor::Entity::update_many()
                .col_expr(second_factor::Column::LastStep, Expr::value(step))
                .filter(second_factor::Column::UserId.eq(row.user_id))
                .filter(second_factor::Column::LastStep.lt(step))
                .exec(&self.0.db)
                .await?;
            return Ok(spent.rows_affected == 1);
        }
        if typed.len() != LETTERS {
            return Ok(false);
        }
        let key = (row.user_id, self.code_hash(row.user_id, &typed));
        let spent = recovery_code::Entity::delete_by_id(key).exec(&self.0.db).await?;
        Ok(spent.rows_affected == 1)
    }

    async fn replace_codes(&self, db: &impl ConnectionTrait, user_id: i64) -> Result<Vec<String>, AuthError> {
        drop_codes(db, user_id).await?;
        let codes = (0..CODES).map(|_| random_code()).collect::<Result<Vec<_>, _>>()?;
        let rows = codes.iter().map(|code| recovery_code::ActiveModel {
            user_id: Set(user_id),
            code_hash: Set(self.code_hash(user_id, code)),
        });
        recovery_code::Entity::insert_many(rows)
            .exec_without_returning(db)
            .await?;
        let half = LETTERS / 2;
        Ok(codes
            .iter()
            .map(|code| format!("{}-{}", &code[..half], &code[half..]))
            .collect())
    }

    async fn find_factor(&self, user_id: i64) -> Result<Option<second_factor::Model>, DbErr> {
        second_factor::Entity::find_by_id(user_id).one(&self.0.db).await
    }

    fn open_secret(&self, row: &second_factor::Model) -> Result<Secret, AuthError> {
        let opened = self.0.seals.open(&row.secret, &binding(row.user_id));
        opened.map_err(|_| AuthError::Hashing)
    }

    fn code_hash(&self, user_id: i64, code: &str) -> Vec<u8> {
        self.0.pepper.hash_text(&format!("recovery {user_id} {code}")).to_vec()
    }
}

/// Deletes the recovery codes of `user_id`, in the transaction `db`.
pub(super) async fn drop_codes(db: &impl ConnectionTrait, user_id: i64) -> Result<(), DbErr> {
    recovery_code::Entity::delete_many()
        .filter(recovery_code::Column::UserId.eq(user_id))
        .exec(db)
        .await?;
    Ok(())
}

fn random_code() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; LETTERS];
    getrandom::fill(&mut bytes)?;
    Ok(bytes
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte & 31)]))
        .collect())
}

/// A code without what people put into it.
fn plain(typed: &str) -> String {
    let kept = typed.chars().filter(|letter| !letter.is_whitespace() && *letter != '-');
    kept.collect::<String>().to_lowercase()
}

fn wrong_code() -> AuthError {
    let words = "This code is wrong, was used, or is too old. Type the one that the app shows now.";
    FieldErrors::one("code", Reason::Said(words.to_owned())).into()
}

const fn binding(user_id: i64) -> Binding<'static> {
    Binding {
        table: "second_factor",
        row: user_id,
        column: "secret",
        origin: "",
    }
}
