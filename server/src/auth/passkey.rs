//! Passkeys: keys that an authenticator keeps and that sign who has it in.
//!
//! Invariant: an answer counts once, for the challenge, the site and the purpose that it was made for, and only from whom the
//! authenticator has recognised; nothing that is kept opens anything. Reads and writes `passkey` and `spent_challenge`, reads `user` and `session`;
//! writes mails. Rules: Web Authentication Level 3, 7.1 and 7.2, without attestation.

mod cbor;
mod challenge;
mod verify;

pub use verify::{Created, Rp, Shown};

use super::{
    Auth, AuthError, Person, Session, SignedIn, Visitor,
    identity::{demand_session, enabled, lock},
    letters::notice,
};
use crate::{
    clock,
    fields::{FieldErrors, NAME_MAX, Reason},
    mail::Mail,
};
use challenge::Purpose;
use entity::{passkey, spent_challenge, user};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _, Set,
    SqlErr, TransactionTrait as _, TryInsertResult, sea_query::Expr,
};
use serde_json::{Value, json};

/// How many passkeys a user may have.
const PASSKEYS_MAX: u64 = 20;
/// How long a browser may take to ask its authenticator, in milliseconds.
const PATIENCE_MS: i64 = 5 * 60_000;

/// A passkey, as listed for its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasskeyRow {
    /// The row.
    pub passkey_id: i64,
    /// What its owner calls it.
    pub name: String,
    /// Unix milliseconds.
    pub created_at_ms: i64,
    /// Unix milliseconds.
    pub last_used_at_ms: Option<i64>,
}

impl Auth {
    /// The passkeys of `person`, oldest first.
    ///
    /// # Errors
    /// [`AuthError::Database`].
    pub async fn list_passkeys(&self, person: &Person) -> Result<Vec<PasskeyRow>, AuthError> {
        let rows = self.passkeys(person.user_id).await?;
        let listed = rows.into_iter().map(|row| PasskeyRow {
            passkey_id: row.id,
            name: row.name,
            created_at_ms: row.created_at,
            last_used_at_ms: row.last_used_at,
        });
        Ok(listed.collect())
    }

    /// What a browser is asked to make a passkey of `person` with, as `PublicKeyCredentialCreationOptions` in JSON.
    ///
    /// # Errors
    /// [`AuthError::Hashing`], [`AuthError::Database`].
    pub async fn passkey_creation(&self, rp: &Rp, person: &Person, now_ms: i64) -> Result<Value, AuthError> {
        let known = self.passkeys(person.user_id).await?;
        let challenge = self.challenge(Purpose::Create, person.user_id, now_ms)?;
        let algorithms = verify::ALGORITHMS.map(|algorithm| json!({"type": "public-key", "alg": algorithm}));
        Ok(json!({
            "challenge": challenge,
            "rp": {"id": rp.id, "name": "OurHub"},
            "user": {"id": verify::text(&handle(person.user_id)), "name": person.email, "displayName": person.email},
            "pubKeyCredParams": algorithms,
            "timeout": PATIENCE_MS,
            "attestation": "none",
            "authenticatorSelection": {
                "residentKey": "required", "requireResidentKey": true, "userVerification": "required",
            },
            "excludeCredentials": known.iter().map(descriptor).collect::<Vec<_>>(),
        }))
    }

    /// What a browser is asked to show a passkey with, as `PublicKeyCredentialRequestOptions` in JSON: any, or one of `person`.
    ///
    /// # Errors
    /// [`AuthError::Hashing`], [`AuthError::Database`].
    pub async fn passkey_request(&self, rp: &Rp, person: Option<&Person>, now_ms: i64) -> Result<Value, AuthError> {
        let (purpose, user_id) = purpose_of(person);
        let known = match person {
            Some(person) => self.passkeys(person.user_id).await?,
            None => Vec::new(),
        };
        Ok(json!({
            "challenge": self.challenge(purpose, user_id, now_ms)?,
            "rpId": rp.id,
            "timeout": PATIENCE_MS,
            "userVerification": "required",
            "allowCredentials": known.iter().map(descriptor).collect::<Vec<_>>(),
        }))
    }

    /// Keeps the passkey that a browser made for the user of `session`; the row.
    ///
    /// # Errors
    /// [`AuthError::PasskeyRefused`], [`AuthError::LinkRefused`] where the session has ended meanwhile, [`AuthError::Invalid`] for the field `name`, [`AuthError::Mail`],
    /// [`AuthError::Database`].
    pub async fn add_passkey(
        &self,
        mail: &Mail,
        (rp, session): (&Rp, &Session),
        (name, created): (&str, &Created),
        now_ms: i64,
    ) -> Result<i64, AuthError> {
        let (name, person) = (named(name)?, &session.person);
        let made = verify::creation(rp, created).ok_or(AuthError::PasskeyRefused)?;
        let tag = self.demand_challenge(Purpose::Create, person.user_id, &made.challenge, now_ms)?;
        let transaction = self.0.db.begin().await?;
        lock(&transaction, person.user_id).await?;
        demand_session(&transaction, session).await?;
        spend(&transaction, tag, now_ms).await?;
        let known = passkey::Entity::find().filter(passkey::Column::UserId.eq(person.user_id));
        if known.count(&transaction).await? >= PASSKEYS_MAX {
            let words = format!("You have {PASSKEYS_MAX} passkeys. Remove one first.");
            return Err(FieldErrors::one("name", Reason::Said(words)).into());
        }
        let id = clock::new_id();
        let words = format!("A passkey called “{name}” signs you in from now on.");
        let row = passkey::ActiveModel {
            id: Set(id),
            user_id: Set(person.user_id),
            name: Set(name),
            credential_id: Set(made.credential_id),
            public_key: Set(made.public_key),
            sign_count: Set(i64::from(made.sign_count)),
            created_at: Set(now_ms),
            last_used_at: Set(None),
        };
        let inserted = passkey::Entity::insert(row).exec_without_returning(&transaction).await;
        inserted.map_err(|error| match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => AuthError::PasskeyRefused,
            _ => AuthError::Database(error),
        })?;
        mail.enqueue(&transaction, &notice(&person.email, &words, now_ms), now_ms)
            .await?;
        transaction.commit().await?;
        Ok(id)
    }

    /// Forgets the passkey `passkey_id` of `person`; what it was called.
    ///
    /// # Errors
    /// [`AuthError::NotFound`], [`AuthError::LastWayIn`], [`AuthError::Mail`], [`AuthError::Database`].
    pub async fn remove_passkey(
        &self,
        mail: &Mail,
        person: &Person,
        passkey_id: i64,
        now_ms: i64,
    ) -> Result<String, AuthError> {
        let transaction = self.0.db.begin().await?;
        lock(&transaction, person.user_id).await?;
        let theirs = passkey::Entity::find_by_id(passkey_id)
            .filter(passkey::Column::UserId.eq(person.user_id))
            .one(&transaction)
            .await?;
        let row = theirs.ok_or(AuthError::NotFound)?;
        passkey::Entity::delete_by_id(row.id).exec(&transaction).await?;
        self.demand_way_in(&transaction, person.user_id).await?;
        let words = format!("The passkey called “{}” does not sign you in any more.", row.name);
        mail.enqueue(&transaction, &notice(&person.email, &words, now_ms), now_ms)
            .await?;
        transaction.commit().await?;
        Ok(row.name)
    }

    /// Opens a session for whoever's passkey was `shown`. An authenticator that recognises its owner is two factors in one, so no
    /// code is asked for.
    ///
    /// # Errors
    /// [`AuthError::PasskeyRefused`], [`AuthError::Suspended`], [`AuthError::Throttled`], [`AuthError::Hashing`],
    /// [`AuthError::Database`].
    pub async fn log_in_by_passkey(&self, rp: &Rp, shown: &Shown, visitor: &Visitor) -> Result<SignedIn, AuthError> {
        let person = self.recognise(rp, None, shown, visitor).await?;
        self.open_session(&self.0.db, person, visitor).await
    }

    /// Replaces `session` by a new one by a passkey of its user; see [`Auth::step_up`].
    ///
    /// # Errors
    /// As [`Auth::log_in_by_passkey`].
    pub async fn step_up_by_passkey(
        &self,
        rp: &Rp,
        session: &Session,
        shown: &Shown,
        visitor: &Visitor,
    ) -> Result<SignedIn, AuthError> {
        let person = self.recognise(rp, Some(&session.person), shown, visitor).await?;
        self.renew(session, person, visitor).await
    }

    /// Whose passkey was `shown`, once it holds; with `expected`, theirs alone.
    async fn recognise(
        &self,
        rp: &Rp,
        expected: Option<&Person>,
        shown: &Shown,
        visitor: &Visitor,
    ) -> Result<Person, AuthError> {
        let attempt = self.count_attempt(&format!("passkey {}", shown.account()), visitor)?;
        let credential_id = verify::bytes(&shown.id).ok_or(AuthError::PasskeyRefused)?;
        let row = passkey::Entity::find()
            .filter(passkey::Column::CredentialId.eq(credential_id))
            .one(&self.0.db)
            .await?;
        let row = row.ok_or(AuthError::PasskeyRefused)?;
        let (purpose, user_id) = purpose_of(expected);
        let is_theirs = expected.is_none_or(|person| person.user_id == row.user_id);
        let is_handle = shown.user.is_empty() || verify::bytes(&shown.user) == Some(handle(row.user_id));
        if !is_theirs || !is_handle {
            return Err(AuthError::PasskeyRefused);
        }
        let held = verify::assertion(rp, shown, &row.public_key).ok_or(AuthError::PasskeyRefused)?;
        let tag = self.demand_challenge(purpose, user_id, &held.challenge, visitor.now_ms)?;
        spend(&self.0.db, tag, visitor.now_ms).await?;
        self.count_use(&row, i64::from(held.sign_count), visitor.now_ms).await?;
        let user = user::Entity::find_by_id(row.user_id).one(&self.0.db).await?;
        self.give_back(attempt);
        enabled(user.ok_or(AuthError::PasskeyRefused)?)
    }

    /// Moves the counter on: one that does not grow is of a copy.
    async fn count_use(&self, row: &passkey::Model, count: i64, now_ms: i64) -> Result<(), AuthError> {
        let mut used = passkey::Entity::update_many()
            .col_expr(passkey::Column::SignCount, Expr::value(count))
            .col_expr(passkey::Column::LastUsedAt, Expr::value(now_ms))
            .filter(passkey::Column::Id.eq(row.id));
        if count > 0 || row.sign_count > 0 {
            used = used.filter(passkey::Column::SignCount.lt(count));
        }
        match used.exec(&self.0.db).await?.rows_affected {
            1 => Ok(()),
            _ => Err(AuthError::PasskeyRefused),
        }
    }

    async fn passkeys(&self, user_id: i64) -> Result<Vec<passkey::Model>, AuthError> {
        let rows = passkey::Entity::find()
            .filter(passkey::Column::UserId.eq(user_id))
            .order_by_asc(passkey::Column::Id);
        Ok(rows.all(&self.0.db).await?)
    }

    /// Deletes challenges past their time; to be called every minute or so.
    ///
    /// # Errors
    /// [`AuthError::Database`].
    pub async fn prune_challenges(&self, now_ms: i64) -> Result<(), AuthError> {
        let past = spent_challenge::Column::ExpiresAt.lte(now_ms);
        spent_challenge::Entity::delete_many()
            .filter(past)
            .exec(&self.0.db)
            .await?;
        Ok(())
    }
}

/// Of many who show one answer at once, one is first.
async fn spend(db: &impl ConnectionTrait, tag: Vec<u8>, now_ms: i64) -> Result<(), AuthError> {
    let row = spent_challenge::ActiveModel {
        tag: Set(tag),
        expires_at: Set(now_ms + challenge::LIFE_MS),
    };
    let inserted = spent_challenge::Entity::insert(row)
        .on_conflict_do_nothing()
        .exec_without_returning(db)
        .await?;
    match inserted {
        TryInsertResult::Inserted(1) => Ok(()),
        _ => Err(AuthError::PasskeyRefused),
    }
}

fn purpose_of(person: Option<&Person>) -> (Purpose, i64) {
    match person {
        Some(person) => (Purpose::Confirm, person.user_id),
        None => (Purpose::LogIn, 0),
    }
}

/// What authenticators call the user: nothing that people read.
fn handle(user_id: i64) -> Vec<u8> {
    user_id.to_be_bytes().to_vec()
}

fn descriptor(row: &passkey::Model) -> Value {
    json!({"type": "public-key", "id": verify::text(&row.credential_id)})
}

fn named(typed: &str) -> Result<String, FieldErrors> {
    let name = typed.trim();
    let reason = match name.chars().count() {
        0 => Reason::Missing,
        length if length > NAME_MAX => Reason::TooLong { max: NAME_MAX },
        _ if name.contains(char::is_control) => Reason::Unprintable,
        _ => return Ok(name.to_owned()),
    };
    Err(FieldErrors::one("name", reason))
}
