//! The codes of authenticator apps: TOTP (RFC 6238) with SHA-1, six digits and steps of 30 seconds, as every app does it.
//!
//! Invariant: a code is accepted for its own step and the one before and after. Pure.

use ring::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key, sign};

/// The length of a step, in milliseconds.
const STEP_MS: i64 = 30_000;
/// Steps that a clock may be off.
const DRIFT: i64 = 1;
const DIGITS: usize = 6;
const LIMIT: u32 = 1_000_000;
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The step for which `typed` is the code of `secret` at `now_ms`, or `None`.
pub(super) fn matching_step(secret: &[u8], typed: &str, now_ms: i64) -> Option<i64> {
    let is_shaped = typed.len() == DIGITS && typed.bytes().all(|digit| digit.is_ascii_digit());
    let typed: u32 = typed.parse().ok().filter(|_| is_shaped)?;
    let now = now_ms.div_euclid(STEP_MS);
    (now - DRIFT..=now + DRIFT)
        .rev()
        .find(|step| code(secret, *step) == typed)
}

/// The code of `secret` at `step`.
fn code(secret: &[u8], step: i64) -> u32 {
    let key = Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = sign(&key, &step.to_be_bytes());
    let bytes = tag.as_ref();
    let at = usize::from(bytes.last().copied().unwrap_or_default() & 15);
    let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
    (u32::from_be_bytes(four.unwrap_or_default()) & 0x7fff_ffff) % LIMIT
}

/// What an app reads from a QR code.
pub(super) fn uri(secret: &str, email: &str, issuer: &str) -> String {
    let (email, issuer) = (percent(email), percent(issuer));
    format!("otpauth://totp/{issuer}:{email}?secret={secret}&issuer={issuer}")
}

/// `text` as it stands in an address: letters, digits and what has no meaning there stay.
fn percent(text: &str) -> String {
    let mut written = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => written.push(char::from(byte)),
            other => written.push_str(&format!("%{other:02X}")),
        }
    }
    written
}

/// `bytes` in base32 without padding (RFC 4648); five bytes are eight letters.
pub(super) fn base32(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(5) {
        let mut five = [0_u8; 5];
        five[..chunk.len()].copy_from_slice(chunk);
        let value = five.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
        let letters = (chunk.len() * 8).div_ceil(5);
        for at in 0..letters {
            text.push(char::from(BASE32[(value >> (35 - 5 * at) & 31) as usize]));
        }
    }
    text
}

/// The bytes of a base32 text, or `None`.
pub(super) fn from_base32(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut value, mut bits) = (Vec::new(), 0_u32, 0_u32);
    for letter in text.bytes() {
        let digit = BASE32.iter().position(|known| *known == letter)?;
        value = (value << 5 | digit as u32) & 0xfff;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((value >> bits) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret of RFC 6238's test vectors.
    const SECRET: &[u8] = b"12345678901234567890";

    #[test]
    fn codes_are_those_of_the_standard() {
        for (seconds, eight_digits) in [
            (59, 94_287_082),
            (1_111_111_109, 7_081_804),
            (1_111_111_111, 14_050_471),
            (1_234_567_890, 89_005_924),
            (2_000_000_000, 69_279_037),
            (20_000_000_000, 65_353_130),
        ] {
            assert_eq!(code(SECRET, seconds / 30), eight_digits % LIMIT, "{seconds}");
        }
    }

    #[test]
    fn a_code_works_one_step_early_and_one_step_late() {
        let typed = "081804";
        let at = 1_111_111_109_000_i64;
        let step = at / STEP_MS;
        for off in [-1, 0, 1] {
            assert_eq!(matching_step(SECRET, typed, at + off * STEP_MS), Some(step), "{off}");
        }
        for off in [-2, 2] {
            assert_eq!(matching_step(SECRET, typed, at + off * STEP_MS), None, "{off}");
        }
        for wrong in ["", "81804", "0081804", "08180a", "+81804"] {
            assert_eq!(matching_step(SECRET, wrong, at), None, "{wrong}");
        }
    }

    #[test]
    fn a_secret_is_written_as_apps_read_it() {
        for (bytes, text) in [("", ""), ("f", "MY"), ("foo", "MZXW6"), ("foobar", "MZXW6YTBOI")] {
            assert_eq!(base32(bytes.as_bytes()), text);
            assert_eq!(from_base32(text).as_deref(), Some(bytes.as_bytes()));
        }
        assert_eq!(from_base32("M1"), None);
        assert_eq!(
            uri("ABC", "a+b@x.y", "hub.x:3000"),
            "otpauth://totp/hub.x%3A3000:a%2Bb%40x.y?secret=ABC&issuer=hub.x%3A3000"
        );
    }
}
