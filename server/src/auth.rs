//! Who somebody is: signing up and in, sessions, management tokens, links that prove an address,
//! second factors, passkeys, accounts elsewhere, the first admin.
//!
//! Invariant: an unknown user gets the same answer for the same work as a wrong password; a revoked session or token
//! opens nothing after [`cache::FRESH_MS`], and hardly ever so long: see [`Changed`]. Reads and writes `user`, `session`, `management_token`, `proof`, `second_factor`,
//! `recovery_code`, `identity`, `passkey`, `spent_challenge`, `setting`; writes mails and
//! the first `team` and `member` of a new user; calls the services that vouch for users.

use crate::{fields::FieldErrors, guard::Guard, mail::MailError, secrets::MasterKey, signals::Listener};
use cache::Cache;
use credential::Pepper;
use password::Pool;
use provider::Providers;
use sea_orm::{DatabaseConnection, DbErr};
use session::CookieKeys;
use std::net::IpAddr;
use std::sync::Arc;
use throttle::Throttle;

pub mod cache;
mod changed;
pub mod credential;
mod email;
mod factor;
mod identity;
mod jws;
mod letters;
mod log_in;
mod passkey;
pub mod password;
mod pending;
mod policy;
mod proof;
mod provider;
mod reset;
mod session;
mod setup;
mod sign_up;
pub mod throttle;
mod token;
mod totp;
mod users;

pub use changed::{Changed, TOPIC};
pub use email::{normalize as normalize_email, parse as parse_email};
pub use factor::{Enrolment, Factor};
pub use identity::{Entered, Found, IdentityRow, Linked, drop_ways_in};
pub use passkey::{Created, PasskeyRow, Rp, Shown};
pub use policy::{SignUpMode, SignUpPolicy};
pub use provider::{Provider, ProviderError, ProviderKind, Returned, SettingError, Ticket, Vouched};
pub use session::{ABSOLUTE_MS, CONFIRMED_MS, IDLE_MS, Session, SessionRow, SignedIn};
pub use sign_up::{NewUser, Ready, UserMade};
pub use token::{TOKEN_PREFIX, TokenMade, TokenRow};
pub use users::{UserRow, lock_admins};

/// A user who has shown who they are, by a session or a management token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The user.
    pub user_id: i64,
    /// In lower case.
    pub email: String,
    /// Platform admin.
    pub is_admin: bool,
}

/// Where a request to sign up or in comes from, and when.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// The peer, or what a trusted proxy says it is.
    pub address: IpAddr,
    /// The client's own description.
    pub user_agent: String,
    /// Unix milliseconds.
    pub now_ms: i64,
}

/// What this area is told at the start.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// How often somebody may try.
    pub limits: throttle::Limits,
    /// Services that may vouch for users.
    pub providers: Vec<Provider>,
    /// Which addresses may be reached to ask them.
    pub guard: Guard,
}

/// Why somebody is not let in, or a change to a user is refused.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// What was typed breaks a rule.
    #[error(transparent)]
    Invalid(#[from] FieldErrors),
    /// Unknown user, wrong password, wrong code or disabled user: which of them is not told.
    #[error("e-mail address, password or code is wrong")]
    WrongCredentials,
    /// The e-mail address belongs to a user already.
    #[error("the e-mail address is taken")]
    EmailTaken,
    /// Too many attempts.
    #[error("too many attempts, the next in {retry_after_s} s")]
    Throttled {
        /// Seconds until the next attempt may be let through.
        retry_after_s: u64,
    },
    /// Not everybody may sign up, or nobody may.
    #[error("sign-up is {}", .0.name())]
    SignUpRefused(SignUpMode),
    /// The setup link is wrong or used, or there is an admin.
    #[error("the setup link is not valid")]
    SetupRefused,
    /// The link is wrong, used, too old, or another user's.
    #[error("the link is not valid")]
    LinkRefused,
    /// There is a second factor already.
    #[error("a second factor is on")]
    FactorIsOn,
    /// A service that vouches for users did not vouch.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// Somebody has an account with the address that the service vouches for, and has not proven it here.
    #[error("the address belongs to a user who has not linked {0}")]
    LinkFirst(String),
    /// The service does not say that they logged in there just now, and they have another way to say that it is them.
    #[error("{0} does not say when they logged in")]
    NotAnew(String),
    /// The account elsewhere opens a user already.
    #[error("the account elsewhere belongs to a user already")]
    IdentityTaken,
    /// Nothing would be left that signs them in.
    #[error("nothing else signs them in")]
    LastWayIn,
    /// The passkey is not known, or what it signed does not hold.
    #[error("the passkey's answer does not hold")]
    PasskeyRefused,
    /// They proved who they are, and may not sign in.
    #[error("the user is disabled")]
    Suspended,
    /// No such user, session or token of this person.
    #[error("not found")]
    NotFound,
    /// Only for platform admins.
    #[error("only platform admins may do this")]
    Forbidden,
    /// Hashing, signing or randomness failed.
    #[error("the machine failed to hash, sign or draw randomness")]
    Hashing,
    /// A mail could not be put into the outbox.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbErr),
}

impl From<getrandom::Error> for AuthError {
    fn from(_: getrandom::Error) -> Self {
        Self::Hashing
    }
}

/// The handle of this area; clones share everything.
#[derive(Clone)]
pub struct Auth(Arc<Inner>);

struct Inner {
    db: DatabaseConnection,
    passwords: Pool,
    throttle: Throttle,
    cookie_keys: CookieKeys,
    pepper: Pepper,
    /// What apps' secrets are sealed under.
    seals: MasterKey,
    providers: Providers,
    sessions: Cache<i64, Option<Arc<session::Stored>>>,
    tokens: Cache<String, Option<Arc<token::Stored>>>,
}

impl Auth {
    /// The handle on `db`; `master` is the key from which the cookie key and the pepper are derived.
    #[must_use]
    pub fn new(db: DatabaseConnection, master: &[u8; 32], config: Config) -> Self {
        Self(Arc::new(Inner {
            db,
            passwords: Pool::new(),
            throttle: Throttle::new(config.limits),
            cookie_keys: CookieKeys::derive(master),
            pepper: Pepper::derive(master, "ourhub management token v1"),
            seals: MasterKey::of(*Pepper::derive(master, "ourhub second factor v1").bytes()),
            providers: Providers::new(config.providers, config.guard),
            sessions: Cache::new(),
            tokens: Cache::new(),
        }))
    }

    /// How many password hashes were computed since the start: a metric, and the proof of equal work.
    #[must_use]
    pub fn password_hashes(&self) -> u64 {
        self.0.passwords.hashes()
    }

    /// Forgets counts of attempts that are too old to matter; to be called about every minute.
    pub fn tidy(&self, now_ms: i64) {
        self.0.throttle.tidy(now_ms);
    }

    /// Makes every cached answer about `user_id` be asked for again.
    pub fn forget_user(&self, user_id: i64) {
        self.forget(|person| person.user_id == user_id);
    }

    fn forget(&self, is_stale: impl Fn(&Person) -> bool) {
        self.0
            .sessions
            .forget(|known| known.as_ref().is_none_or(|stored| is_stale(&stored.session.person)));
        self.0
            .tokens
            .forget(|known| known.as_ref().is_none_or(|stored| is_stale(&stored.person)));
    }

    /// Forgets what other processes change, told on [`TOPIC`]; runs until it is dropped.
    pub async fn watch(self, mut listener: Listener) {
        loop {
            match Changed::hear(&mut listener).await {
                Changed::User(user_id) => self.forget_user(user_id),
                Changed::Anybody => self.forget(|_| true),
                Changed::Key(_) | Changed::Team(_) => {}
            }
        }
    }
}
