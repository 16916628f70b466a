//! Challenges: what an authenticator signs, so that its answer is for us, now, and for one purpose.
//!
//! Invariant: nothing is kept of a challenge until it was answered; one of another purpose, user or time is not ours.
//! Reads the system's randomness, otherwise pure.

use super::super::{Auth, AuthError};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use subtle::ConstantTimeEq as _;

/// How long a page with a challenge may be open, in milliseconds.
pub(super) const LIFE_MS: i64 = 15 * 60_000;
const TIME: usize = 8;
const RANDOM: usize = 16;
const TAG: usize = 32;

/// What an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A new passkey of a user.
    Create,
    /// Whoever has the passkey signs in.
    LogIn,
    /// A user who is signed in says that it is them.
    Confirm,
}

impl Auth {
    /// A new challenge, in base64url.
    pub(super) fn challenge(&self, purpose: Purpose, user_id: i64, now_ms: i64) -> Result<String, AuthError> {
        let mut bytes = [0_u8; TIME + RANDOM + TAG];
        bytes[..TIME].copy_from_slice(&now_ms.to_be_bytes());
        getrandom::fill(&mut bytes[TIME..TIME + RANDOM])?;
        let tag = self.tag(purpose, user_id, &bytes[..TIME + RANDOM]);
        bytes[TIME + RANDOM..].copy_from_slice(&tag);
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The tag of `challenge`, which is one of ours for this purpose and user, and not too old.
    pub(super) fn demand_challenge(
        &self,
        purpose: Purpose,
        user_id: i64,
        challenge: &[u8],
        now_ms: i64,
    ) -> Result<Vec<u8>, AuthError> {
        if challenge.len() != TIME + RANDOM + TAG {
            return Err(AuthError::PasskeyRefused);
        }
        let (start, tag) = challenge.split_at(TIME + RANDOM);
        let made_ms = start.first_chunk().map(|bytes| i64::from_be_bytes(*bytes));
        let is_ours: bool = self.tag(purpose, user_id, start).as_slice().ct_eq(tag).into();
        let age_ms = made_ms.and_then(|made_ms| now_ms.checked_sub(made_ms));
        if is_ours && age_ms.is_some_and(|age_ms| (0..LIFE_MS).contains(&age_ms)) {
            return Ok(tag.to_vec());
        }
        Err(AuthError::PasskeyRefused)
    }

    fn tag(&self, purpose: Purpose, user_id: i64, start: &[u8]) -> [u8; TAG] {
        let start = URL_SAFE_NO_PAD.encode(start);
        let text = format!("passkey {purpose:?} {user_id} {start}");
        self.0.pepper.hash_text(&text)
    }
}
