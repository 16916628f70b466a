//! Customers' API keys: what they may do, who may change them, and the check each request passes.
//!
//! Invariant: a key's rights are, at each request, the intersection with its owner's and its team's; a secret is shown
//! once and stored as a keyed hash. Reads and writes `api_key` and `key_secret`; reads `team`, `member`, `user`.

use crate::auth::Changed;
use crate::auth::cache::Cache;
use crate::auth::credential::Pepper;
use crate::fields::FieldErrors;
use crate::signals::Listener;
use entity::{api_key, key_secret};
use parking_lot::Mutex;
use sea_orm::{ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QueryOrder};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

mod address;
mod caller;
mod list;
mod manage;
mod rotate;
mod settings;
mod verify;

pub use caller::{Caller, KeyRefusal};
pub use rotate::{OVERLAP_DEFAULT_S, OVERLAP_MAX_S};
pub use settings::{KeyPatch, KeySettings, Rates};

/// How every key starts.
pub const KEY_PREFIX: &str = "sk-oh-";
/// Which pepper new secrets are hashed with.
const PEPPER_VERSION: i32 = 1;

/// Why something about a key is refused to the person who asks.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The team has no such key.
    #[error("not found")]
    NotFound,
    /// The person's role does not include it, or not for this key.
    #[error("this role may not do it")]
    Forbidden,
    /// A revoked key stays as it is.
    #[error("the key is revoked")]
    Revoked,
    /// What was typed breaks a rule.
    #[error(transparent)]
    Invalid(#[from] FieldErrors),
    /// The system gives no randomness.
    #[error("the machine failed to draw randomness")]
    Randomness,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbErr),
}

impl From<getrandom::Error> for KeyError {
    fn from(_: getrandom::Error) -> Self {
        Self::Randomness
    }
}

/// A key, as shown to its team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRow {
    /// The key.
    pub key_id: i64,
    /// Who owns and pays.
    pub team_id: i64,
    /// What people set.
    pub settings: KeySettings,
    /// Newest first; two while a rotation overlaps.
    pub secrets: Vec<SecretRow>,
    /// Unix milliseconds.
    pub created_at_ms: i64,
    /// The user who made it.
    pub created_by: i64,
    /// Unix milliseconds; can be undone.
    pub disabled_at_ms: Option<i64>,
    /// Unix milliseconds; for good.
    pub revoked_at_ms: Option<i64>,
    /// Unix milliseconds, to the minute.
    pub last_used_at_ms: Option<i64>,
}

/// One secret of a key, without the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretRow {
    /// The eight characters after the prefix.
    pub public_id: String,
    /// The end of its text.
    pub last_four: String,
    /// Unix milliseconds.
    pub created_at_ms: i64,
    /// Unix milliseconds; opens nothing since.
    pub expires_at_ms: Option<i64>,
}

/// Whether a key opens anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It does.
    Live,
    /// Switched off, to be switched on again.
    Disabled,
    /// Past its end.
    Expired,
    /// For good.
    Revoked,
}

impl KeyRow {
    /// Whether the key opens anything at `now_ms`, as far as the key itself goes.
    #[must_use]
    pub fn state(&self, now_ms: i64) -> KeyState {
        if self.revoked_at_ms.is_some() {
            return KeyState::Revoked;
        }
        if self.disabled_at_ms.is_some() {
            return KeyState::Disabled;
        }
        match self.settings.expires_at_ms {
            Some(end) if end <= now_ms => KeyState::Expired,
            _ => KeyState::Live,
        }
    }
}

/// A key whose secret was just made.
pub struct KeyMade {
    /// The key.
    pub row: KeyRow,
    /// The whole text, shown once.
    pub shown: String,
}

/// The handle of this area; clones share everything.
#[derive(Clone)]
pub struct Keys(Arc<Inner>);

struct Inner {
    db: DatabaseConnection,
    pepper: Pepper,
    cache: Cache<verify::PublicId, Option<Arc<verify::Stored>>>,
    /// Keys used since the last [`Keys::flush_used`] whose row says otherwise.
    used: Mutex<HashSet<i64>>,
}

impl Keys {
    /// The handle on `db`; `master` is the key from which the pepper is derived.
    #[must_use]
    pub fn new(db: DatabaseConnection, master: &[u8; 32]) -> Self {
        Self(Arc::new(Inner {
            db,
            pepper: Pepper::derive(master, "ourhub key v1"),
            cache: Cache::new(),
            used: Mutex::new(HashSet::new()),
        }))
    }

    /// Makes every cached answer about the team `team_id` be asked for again, after its settings or members changed.
    pub fn forget_team(&self, team_id: i64) {
        self.0
            .cache
            .forget(|known| known.as_ref().is_some_and(|stored| stored.team_id() == team_id));
    }

    /// Makes every cached answer about keys of the user `user_id` be asked for again, after they were suspended or deleted.
    pub fn forget_user(&self, user_id: i64) {
        self.forget(Changed::User(user_id));
    }

    fn forget(&self, changed: Changed) {
        self.0
            .cache
            .forget(|known| known.as_ref().is_none_or(|stored| stored.hangs_on(changed)));
    }

    /// Forgets what other processes change, told on [`crate::auth::TOPIC`]; runs until it is dropped.
    pub async fn watch(self, mut listener: Listener) {
        loop {
            let changed = Changed::hear(&mut listener).await;
            self.forget(changed);
        }
    }

    fn forget_key(&self, key_id: i64) {
        self.0
            .cache
            .forget(|known| known.as_ref().is_some_and(|stored| stored.key_id() == key_id));
    }

    /// The secrets of the keys `ids`, newest first.
    async fn secrets(&self, ids: Vec<i64>) -> Result<HashMap<i64, Vec<SecretRow>>, DbErr> {
        let rows = key_secret::Entity::find()
            .filter(key_secret::Column::KeyId.is_in(ids))
            .order_by_desc(key_secret::Column::CreatedAt)
            .all(&self.0.db)
            .await?;
        let mut secrets: HashMap<i64, Vec<SecretRow>> = HashMap::new();
        for row in rows {
            secrets.entry(row.key_id).or_default().push(SecretRow {
                public_id: row.public_id,
                last_four: row.last_four,
                created_at_ms: row.created_at,
                expires_at_ms: row.expires_at,
            });
        }
        Ok(secrets)
    }
}

impl KeyRow {
    fn new(row: api_key::Model, secrets: Vec<SecretRow>) -> Result<Self, DbErr> {
        Ok(Self {
            key_id: row.id,
            team_id: row.team_id,
            created_at_ms: row.created_at,
            created_by: row.created_by,
            disabled_at_ms: row.disabled_at,
            revoked_at_ms: row.revoked_at,
            last_used_at_ms: row.last_used_at,
            settings: KeySettings::try_from(row)?,
            secrets,
        })
    }
}
