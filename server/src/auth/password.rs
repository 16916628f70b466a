//! Passwords: the rules they follow and how they are hashed.
//!
//! Invariant: an unknown user costs the same hashing as a known one; at most half of the cores hash at once and few
//! wait, so that a flood of log-ins cannot starve the relay. argon2id, RFC 9106; parameters after OWASP.

use super::AuthError;
use crate::fields::Reason;
use argon2::password_hash::PasswordHasher;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, Version};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Semaphore;

/// The fewest characters of a password.
pub const MIN: usize = 8;
/// The most characters of a password.
pub const MAX: usize = 128;
/// Those that wait for a turn before others are sent away.
const QUEUE: usize = 64;
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const SALT: usize = 16;
const COMMON: &str = include_str!("common_passwords.txt");

/// Checks a new password of the user `email`: [`MIN`] to [`MAX`] characters and not among the first that are tried.
///
/// # Errors
/// The reason it is refused.
pub fn check(password: &str, email: &str) -> Result<(), Reason> {
    let length = password.chars().count();
    if length == 0 {
        return Err(Reason::Missing);
    }
    if length < MIN {
        return Err(Reason::TooShort { min: MIN });
    }
    if length > MAX {
        return Err(Reason::TooLong { max: MAX });
    }
    let lower = password.to_lowercase();
    let local = email.split('@').next().unwrap_or_default();
    let first = lower.chars().next();
    let is_one_letter = lower.chars().all(|letter| Some(letter) == first);
    if is_one_letter || lower == email || lower == local || COMMON.lines().any(|known| known == lower) {
        return Err(Reason::CommonPassword);
    }
    Ok(())
}

/// Hashes passwords on a bounded part of the machine.
pub struct Pool {
    turns: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    hashes: Arc<AtomicU64>,
}

impl Pool {
    /// A pool on half of the cores, at least one.
    #[must_use]
    pub fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let turns = (cores / 2).max(1);
        Self {
            turns: Arc::new(Semaphore::new(turns)),
            queue: Arc::new(Semaphore::new(turns + QUEUE)),
            hashes: Arc::new(AtomicU64::new(0)),
        }
    }

    /// How many hashes were computed since the start.
    #[must_use]
    pub fn hashes(&self) -> u64 {
        self.hashes.load(Ordering::Relaxed)
    }

    /// The hash of `password` to store, in PHC form.
    ///
    /// # Errors
    /// [`AuthError::Throttled`] when too many wait; [`AuthError::Hashing`] when the machine fails.
    pub async fn hash(&self, password: String) -> Result<String, AuthError> {
        let mut salt = [0_u8; SALT];
        getrandom::fill(&mut salt)?;
        let made = self.compute(password, salt.to_vec(), own_params()?).await?;
        Ok(made.to_string())
    }

    /// Whether `password` is what `stored` was made of. Without `stored`, for an unknown user, the same work ends in no.
    ///
    /// # Errors
    /// [`AuthError::Throttled`] when too many wait; [`AuthError::Hashing`] when the stored text is damaged.
    pub async fn verify(&self, password: String, stored: Option<String>) -> Result<bool, AuthError> {
        let Some(stored) = stored else {
            self.compute(password, vec![0; SALT], own_params()?).await?;
            return Ok(false);
        };
        let stored = PasswordHash::new(&stored).map_err(|_| AuthError::Hashing)?;
        let salt = stored.salt.as_ref().ok_or(AuthError::Hashing)?.to_vec();
        let params = Params::try_from(&stored).map_err(|_| AuthError::Hashing)?;
        let made = self.compute(password, salt, params).await?;
        // `Output` compares in constant time.
        Ok(stored.hash.is_some() && made.hash == stored.hash)
    }

    /// One hash, when it is its turn.
    async fn compute(&self, password: String, salt: Vec<u8>, params: Params) -> Result<PasswordHash, AuthError> {
        let place = Arc::clone(&self.queue).try_acquire_owned();
        let place = place.map_err(|_| AuthError::Throttled { retry_after_s: 1 })?;
        let turn = Arc::clone(&self.turns)
            .acquire_owned()
            .await
            .map_err(|_| AuthError::Hashing)?;
        let hashes = Arc::clone(&self.hashes);
        // The permits move along: the work goes on when its caller hangs up, and still counts.
        let work = tokio::task::spawn_blocking(move || {
            let _held = (place, turn);
            let made = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                .hash_password_with_salt(password.as_bytes(), &salt);
            hashes.fetch_add(1, Ordering::Relaxed);
            made
        });
        work.await
            .map_err(|_| AuthError::Hashing)?
            .map_err(|_| AuthError::Hashing)
    }
}

impl Default for Pool {
    fn default() -> Self {
        Self::new()
    }
}

fn own_params() -> Result<Params, AuthError> {
    Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|_| AuthError::Hashing)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn length_is_the_only_rule_of_composition() {
        for good in ["sunlit-otter", "abcdefg8", "пароль-зима", &"long words ".repeat(11)] {
            assert_eq!(check(good, "mara@example.com"), Ok(()), "{good}");
        }
        assert_eq!(check("", "mara@example.com"), Err(Reason::Missing));
        assert_eq!(check("seven77", "mara@example.com"), Err(Reason::TooShort { min: MIN }));
        assert_eq!(
            check(&"é1".repeat(65), "mara@example.com"),
            Err(Reason::TooLong { max: MAX })
        );
    }

    #[test]
    fn what_everybody_tries_first_is_refused_in_any_case() {
        for bad in [
            "password",
            "PassWord1",
            "12345678",
            "qwertyuiop",
            "iloveyou",
            "zzzzzzzzzz",
            "Mara.Lind",
        ] {
            assert_eq!(
                check(bad, "mara.lind@example.com"),
                Err(Reason::CommonPassword),
                "{bad}"
            );
        }
    }

    #[test]
    fn the_list_is_lower_case_and_has_no_entry_that_its_length_refuses() {
        assert!(COMMON.lines().count() > 300);
        for known in COMMON.lines() {
            assert!(known.chars().count() >= MIN && known == known.to_lowercase(), "{known}");
        }
    }

    #[tokio::test]
    async fn a_hash_opens_with_its_password_only_and_names_its_parameters() {
        let pool = Pool::new();
        let stored = pool.hash("sunlit-otter".into()).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(pool.verify("sunlit-otter".into(), Some(stored.clone())).await.unwrap());
        assert!(!pool.verify("sunlit-Otter".into(), Some(stored)).await.unwrap());
        assert!(!pool.verify("sunlit-otter".into(), None).await.unwrap());
        assert_eq!(pool.hashes(), 4);
    }

    #[tokio::test]
    async fn a_flood_is_sent_away_instead_of_queued() {
        let pool = Pool {
            queue: Arc::new(Semaphore::new(0)),
            ..Pool::new()
        };
        let sent_away = pool.hash("sunlit-otter".into()).await;
        assert!(matches!(sent_away, Err(AuthError::Throttled { .. })));
        assert_eq!(pool.hashes(), 0);
    }
}
