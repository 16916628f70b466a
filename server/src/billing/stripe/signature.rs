//! Whether a webhook comes from Stripe: its signature and its age.
//!
//! Invariant: the secret is never empty or short, so that nobody signs with an empty one; the comparison takes the same time
//! whatever differs. Pure.

use crate::secrets::Secret;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// How old a signature may be, in seconds; as far ahead may Stripe's clock be.
const TOLERANCE_S: i64 = 300;
/// The fewest characters of a secret.
const SECRET_MIN: usize = 16;
/// Signatures that are looked at: while a secret is replaced, Stripe signs with two.
const SIGNATURES_MAX: usize = 8;

/// What webhooks are signed with: never empty, never short.
#[derive(Clone)]
pub struct WebhookSecret(Secret);

/// Why a webhook is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is no header that can be read.
    #[error("the signature cannot be read")]
    Unreadable,
    /// Nobody who knows the secret signed this.
    #[error("the signature is wrong")]
    Wrong,
    /// It was signed too long ago, or in the future.
    #[error("the signature is too old")]
    Stale,
}

impl WebhookSecret {
    /// The secret `typed`.
    ///
    /// # Errors
    /// What would be right.
    pub fn parse(typed: &str) -> Result<Self, &'static str> {
        let typed = typed.trim();
        let is_whole = typed.len() >= SECRET_MIN && typed.bytes().all(|letter| letter.is_ascii_graphic());
        if is_whole {
            Ok(Self(Secret::new(typed.to_owned())))
        } else {
            Err(
                "this is empty or too short to be a signing secret; copy the one that begins with whsec_ from Stripe's dashboard, \
                 under Webhooks, for the address …/webhooks/stripe",
            )
        }
    }

    /// Whether `header` signs `body` with this secret, not long ago.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn check(&self, header: &str, body: &[u8], now_ms: i64) -> Result<(), SignatureError> {
        let (mut signed_at, mut signatures) = (None, Vec::new());
        for (name, value) in header.split(',').filter_map(|part| part.trim().split_once('=')) {
            match name {
                "t" if signed_at.is_none() => signed_at = Some(value),
                "t" => return Err(SignatureError::Unreadable),
                "v1" if signatures.len() < SIGNATURES_MAX => signatures.extend(bytes(value)),
                _ => {}
            }
        }
        let signed_at = signed_at.ok_or(SignatureError::Unreadable)?;
        let at_s: i64 = signed_at.parse().map_err(|_| SignatureError::Unreadable)?;
        if signatures.is_empty() {
            return Err(SignatureError::Unreadable);
        }
        let is_right = |signature: &[u8; 32]| {
            let Ok(mut mac) = <Hmac<Sha256> as Mac>::new_from_slice(self.0.expose().as_bytes()) else {
                return false;
            };
            mac.update(signed_at.as_bytes());
            mac.update(b".");
            mac.update(body);
            mac.verify_slice(signature).is_ok()
        };
        if !signatures.iter().any(is_right) {
            return Err(SignatureError::Wrong);
        }
        let age_s = (now_ms / 1_000).saturating_sub(at_s);
        if age_s.abs() > TOLERANCE_S {
            return Err(SignatureError::Stale);
        }
        Ok(())
    }
}

/// The 32 bytes written in hexadecimal.
fn bytes(hex: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SECRET: &str = "whsec_0123456789abcdef";
    const NOW_MS: i64 = 1_790_000_000_000;
    const BODY: &[u8] = b"{\"id\":\"evt_1\"}";

    fn signed(secret: &str, at_s: i64, body: &[u8]) -> String {
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{at_s}.").as_bytes());
        mac.update(body);
        let hex: String = mac
            .finalize()
            .into_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("t={at_s},v1={hex}")
    }

    #[test]
    fn only_what_the_secret_signed_lately_is_taken() {
        let secret = WebhookSecret::parse(SECRET).unwrap();
        let check = |header: &str| secret.check(header, BODY, NOW_MS);
        let now_s = NOW_MS / 1_000;
        let good = signed(SECRET, now_s, BODY);
        assert_eq!(check(&good), Ok(()));
        assert_eq!(check(&signed(SECRET, now_s - TOLERANCE_S, BODY)), Ok(()));
        let other = signed("whsec_another_secret", now_s, BODY);
        let both = format!("{},v1={}", other, good.split("v1=").nth(1).unwrap());
        assert_eq!(check(&both), Ok(()), "while a secret is replaced");
        for (header, error) in [
            (other.clone(), SignatureError::Wrong),
            (signed("", now_s, BODY), SignatureError::Wrong),
            (signed(SECRET, now_s, b"{}"), SignatureError::Wrong),
            (signed(SECRET, now_s - TOLERANCE_S - 1, BODY), SignatureError::Stale),
            (signed(SECRET, now_s + TOLERANCE_S + 1, BODY), SignatureError::Stale),
            (good.replace("v1=", "v0="), SignatureError::Unreadable),
            (format!("t=1,{good}"), SignatureError::Unreadable),
            (String::new(), SignatureError::Unreadable),
            (good.replace("t=", "t=x"), SignatureError::Unreadable),
        ] {
            assert_eq!(check(&header), Err(error), "{header}");
        }
    }
}
