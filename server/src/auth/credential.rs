//! The text of keys and management tokens: prefix, 8 public characters, 32 secret ones, 6 of a checksum.
//!
//! Invariant: a typo is refused before anything is looked up; a secret leaves this module only as its keyed hash
//! or, once, in the text shown to its owner. Reads the system's randomness, otherwise pure.

use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

const PUBLIC: usize = 8;
const SECRET: usize = 32;
const CHECKSUM: usize = 6;
const LAST_FOUR: usize = 4;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A well-formed credential, as somebody presents it.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    /// Names the row.
    pub public_id: &'a str,
    /// The part that is hashed: public id and secret, so that a hash opens only its own row.
    hashed: &'a str,
}

/// A credential just made.
pub struct Fresh {
    /// The whole text, shown once.
    pub shown: String,
    /// Names the row.
    pub public_id: String,
    /// The end of the text, shown in lists.
    pub last_four: String,
}

impl Fresh {
    /// A random credential that starts with `prefix`.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn random(prefix: &str) -> Result<Self, getrandom::Error> {
        let mut shown = String::from(prefix);
        shown.push_str(&random_base62(PUBLIC + SECRET)?);
        let checksum = checksum(&shown);
        shown.extend(checksum.map(char::from));
        let public_id = shown[prefix.len()..prefix.len() + PUBLIC].to_owned();
        let last_four = shown[shown.len() - LAST_FOUR..].to_owned();
        Ok(Self {
            shown,
            public_id,
            last_four,
        })
    }
}

/// `text` taken apart, or `None` where the prefix, the length, a character or the checksum is off.
#[must_use]
pub fn parse<'a>(prefix: &str, text: &'a str) -> Option<Presented<'a>> {
    let rest = text.strip_prefix(prefix)?;
    let is_shaped = rest.len() == PUBLIC + SECRET + CHECKSUM && rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_shaped {
        return None;
    }
    let (body, sum) = text.split_at(text.len() - CHECKSUM);
    if checksum(body) != sum.as_bytes() {
        return None;
    }
    let hashed = &body[prefix.len()..];
    Some(Presented {
        public_id: &hashed[..PUBLIC],
        hashed,
    })
}

/// The key of the keyed hashes under which secrets are stored.
pub struct Pepper([u8; 32]);

impl Pepper {
    /// The pepper for one purpose, from the master key.
    #[must_use]
    pub fn derive(master: &[u8; 32], purpose: &str) -> Self {
        Self(keyed_hash(master, purpose.as_bytes()))
    }

    /// The hash to store.
    #[must_use]
    pub fn hash(&self, presented: &Presented<'_>) -> [u8; 32] {
        self.hash_text(presented.hashed)
    }

    /// The hash of any other secret text.
    #[must_use]
    pub fn hash_text(&self, text: &str) -> [u8; 32] {
        keyed_hash(&self.0, text.as_bytes())
    }

    /// Whether `presented` is what `stored` was made of; takes the same time either way.
    #[must_use]
    pub fn matches(&self, presented: &Presented<'_>, stored: &[u8]) -> bool {
        self.hash(presented).ct_eq(stored).into()
    }

    /// The bare key, for libraries that sign with it.
    #[must_use]
    pub(super) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// HMAC-SHA-256.
fn keyed_hash(key: &[u8; 32], text: &[u8]) -> [u8; 32] {
    // A 32-byte key is its own HMAC block (padded with zeros), so this constructor has no failing case.
    let mut block = [0_u8; 64];
    block[..32].copy_from_slice(key);
    let mut mac = <Hmac<Sha256> as hmac::digest::KeyInit>::new(&block.into());
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// `length` random letters and digits, each equally likely.
///
/// # Errors
/// The system gives no randomness.
pub fn random_base62(length: usize) -> Result<String, getrandom::Error> {
    /// The largest multiple of 62 in a byte: what lies above would favour the first digits.
    const FAIR: u8 = 248;
    let mut text = String::with_capacity(length);
    let mut bytes = [0_u8; 64];
    while text.len() < length {
        getrandom::fill(&mut bytes)?;
        let fair = bytes.iter().filter(|byte| **byte < FAIR);
        let letters = fair.map(|byte| char::from(BASE62[usize::from(byte % 62)]));
        text.extend(letters.take(length - text.len()));
    }
    Ok(text)
}

/// The CRC-32 of `text` in base 62.
fn checksum(text: &str) -> [u8; CHECKSUM] {
    let mut rest = crc32(text.as_bytes());
    let mut digits = [b'0'; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[(rest % 62) as usize];
        rest /= 62;
    }
    digits
}

/// CRC-32 as in zlib and Ethernet (reflected polynomial 0xEDB88320).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        let [low, ..] = crc.to_le_bytes();
        (crc >> 8) ^ CRC_OF_BYTE[usize::from(low ^ byte)]
    })
}

const CRC_OF_BYTE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut crc, mut bit) = (byte as u32, 0);
        while bit < 8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 * (crc & 1));
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const PREFIX: &str = "sk-oh-";

    #[test]
    fn the_checksum_is_the_crc32_everybody_knows() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn the_keyed_hash_is_hmac_sha_256() {
        // RFC 4231 has no 32-byte key; this value is Python's hmac.new(bytes(range(32)), b"abc", "sha256").
        let key: [u8; 32] = std::array::from_fn(|index| u8::try_from(index).unwrap());
        let hex: String = keyed_hash(&key, b"abc")
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(hex, "f0133729c4163dede81e21cd47839256da58171238c8a0d874397c73b14e1e47");
    }

    #[test]
    fn what_was_made_is_accepted() {
        let fresh = Fresh::random(PREFIX).unwrap();
        assert_eq!(fresh.shown.len(), PREFIX.len() + 46);
        let presented = parse(PREFIX, &fresh.shown).unwrap();
        assert_eq!(presented.public_id, fresh.public_id);
        assert!(fresh.shown.ends_with(&fresh.last_four));
    }

    #[test]
    fn every_single_typo_is_refused() {
        let shown = Fresh::random(PREFIX).unwrap().shown;
        for position in 0..shown.len() {
            for other in ["0", "Z", "-", "é"] {
                let mut typo = shown.clone();
                typo.replace_range(position..=position, other);
                assert!(typo == shown || parse(PREFIX, &typo).is_none(), "{typo}");
            }
        }
        assert!(parse(PREFIX, &shown[..shown.len() - 1]).is_none());
        assert!(parse(PREFIX, &format!("{shown}0")).is_none());
        assert!(parse("mt-oh-", &shown).is_none());
        assert!(parse(PREFIX, "").is_none());
    }

    #[test]
    fn only_the_right_secret_under_the_right_pepper_matches() {
        let pepper = Pepper::derive(&[7; 32], "keys");
        let (mine, other) = (Fresh::random(PREFIX).unwrap(), Fresh::random(PREFIX).unwrap());
        let mine = parse(PREFIX, &mine.shown).unwrap();
        let other = parse(PREFIX, &other.shown).unwrap();
        let stored = pepper.hash(&mine);
        assert!(pepper.matches(&mine, &stored));
        assert!(!pepper.matches(&other, &stored));
        assert!(!Pepper::derive(&[7; 32], "tokens").matches(&mine, &stored));
        assert!(!pepper.matches(&mine, &stored[..31]));
    }
}
