//! What browsers and authenticators answer, and whether it holds.
//!
//! Invariant: an answer holds for one site alone, and only where the authenticator has recognised its owner; a key is of a kind
//! whose signatures are checked here. Pure. Rules: Web Authentication Level 3; keys as in RFC 9053.

use super::cbor::{self, Item};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

const ES256: i64 = -7;
const EDDSA: i64 = -8;
const RS256: i64 = -257;
/// The signatures that are checked, the best liked first.
pub(super) const ALGORITHMS: [i64; 3] = [ES256, EDDSA, RS256];
/// The longest name of a passkey, in bytes.
const CREDENTIAL_MAX: usize = 1_023;
/// The longest part of an answer, in bytes.
const PART_MAX: usize = 16 << 10;
/// Bytes of the data of an authenticator before what is only there for a new key.
const HEAD: usize = 37;
const IS_PRESENT: u8 = 1;
const IS_RECOGNISED: u8 = 1 << 2;
const HAS_KEY: u8 = 1 << 6;

/// The site that passkeys are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rp {
    /// Its name, without scheme and port.
    pub id: String,
    /// What browsers call it.
    pub origin: String,
}

impl Rp {
    /// The site at `origin`; none for an address in digits, for which browsers have no passkeys.
    #[must_use]
    pub fn of(origin: &str) -> Option<Self> {
        let (_, authority) = origin.split_once("://")?;
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => host,
            _ => authority,
        };
        let is_address = host.starts_with('[') || host.parse::<std::net::IpAddr>().is_ok();
        (!host.is_empty() && !is_address).then(|| Self {
            id: host.to_owned(),
            origin: origin.to_owned(),
        })
    }
}

/// A new passkey, as a browser tells it; every part in base64url.
#[derive(Clone, Debug, Deserialize)]
pub struct Created {
    /// `clientDataJSON`
    client: String,
    /// `attestationObject`
    attestation: String,
}

/// A passkey that was shown, as a browser tells it; every part in base64url.
#[derive(Clone, Debug, Deserialize)]
pub struct Shown {
    /// `rawId`
    pub(super) id: String,
    /// `clientDataJSON`
    client: String,
    /// `authenticatorData`
    data: String,
    /// `signature`
    signature: String,
    /// `userHandle`; may be empty.
    #[serde(default)]
    pub(super) user: String,
}

impl Shown {
    /// What tries with it are counted under.
    pub(super) fn account(&self) -> &str {
        &self.id[..self.id.floor_char_boundary(64)]
    }
}

/// What a new passkey's answer holds.
pub(super) struct Made {
    pub(super) challenge: Vec<u8>,
    pub(super) credential_id: Vec<u8>,
    pub(super) public_key: Vec<u8>,
    pub(super) sign_count: u32,
}

/// What a shown passkey's answer holds.
pub(super) struct Held {
    pub(super) challenge: Vec<u8>,
    pub(super) sign_count: u32,
}

/// What a browser adds to what the authenticator signs.
#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(default, rename = "crossOrigin")]
    is_cross_origin: bool,
}

/// `bytes` in base64url.
pub(super) fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of a part.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    if text.len() > PART_MAX {
        return None;
    }
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()
}

/// The key that `created` is about, if it was made for `rp`. Who made the authenticator is not asked.
pub(super) fn creation(rp: &Rp, created: &Created) -> Option<Made> {
    let (challenge, _) = client_data(rp, "webauthn.create", &created.client)?;
    let object = bytes(&created.attestation)?;
    let (object, _) = cbor::read(&object)?;
    let Some(Item::Bytes(data)) = object.get(&Item::Text("authData")) else {
        return None;
    };
    let (flags, sign_count) = head(rp, data)?;
    if flags & HAS_KEY == 0 {
        return None;
    }
    // The model's id, then the length of the credential's.
    let rest = data.get(HEAD + 16..)?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (credential_id, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let (key, after) = cbor::read(rest)?;
    PublicKey::of(&key)?;
    let is_named = !credential_id.is_empty() && credential_id.len() <= CREDENTIAL_MAX;
    is_named.then(|| Made {
        challenge,
        credential_id: credential_id.to_vec(),
        public_key: rest[..rest.len() - after.len()].to_vec(),
        sign_count,
    })
}

/// What `shown` holds, if it was signed for `rp` with the key of `public_key`.
pub(super) fn assertion(rp: &Rp, shown: &Shown, public_key: &[u8]) -> Option<Held> {
    let (challenge, client) = client_data(rp, "webauthn.get", &shown.client)?;
    let mut signed = bytes(&shown.data)?;
    let (_, sign_count) = head(rp, &signed)?;
    signed.extend_from_slice(&Sha256::digest(&client));
    let (key, _) = cbor::read(public_key)?;
    let is_signed = PublicKey::of(&key)?.has_signed(&signed, &bytes(&shown.signature)?);
    is_signed.then_some(Held { challenge, sign_count })
}

/// The challenge in what the browser added, and that whole.
fn client_data(rp: &Rp, kind: &str, part: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let raw = bytes(part)?;
    let data: ClientData = serde_json::from_slice(&raw).ok()?;
    let is_ours = data.kind == kind && data.origin == rp.origin && !data.is_cross_origin;
    let challenge = bytes(&data.challenge)?;
    is_ours.then_some((challenge, raw))
}

/// Flags and counter of an authenticator that is there for `rp` and has recognised its owner.
fn head(rp: &Rp, data: &[u8]) -> Option<(u8, u32)> {
    let (site, rest) = data.split_at_checked(32)?;
    let (flags, rest) = rest.split_first()?;
    let count = u32::from_be_bytes(*rest.first_chunk::<4>()?);
    let needed = IS_PRESENT | IS_RECOGNISED;
    let name = Sha256::digest(rp.id.as_bytes());
    let is_ours = *site == name[..] && flags & needed == needed;
    is_ours.then_some((*flags, count))
}

/// A key whose signatures can be checked.
enum PublicKey<'a> {
    /// Both coordinates on P-256.
    Es256(&'a [u8], &'a [u8]),
    /// On Ed25519.
    EdDsa(&'a [u8]),
    /// Modulus and exponent.
    Rs256(&'a [u8], &'a [u8]),
}

impl<'a> PublicKey<'a> {
    /// The key in `map`: its kind, algorithm and curve fit each other.
    fn of(map: &Item<'a>) -> Option<Self> {
        let part = |key: i64, length: usize| map.bytes(key).filter(|bytes| bytes.len() == length);
        match (map.int(1)?, map.int(3)?) {
            (2, ES256) if map.int(-1) == Some(1) => Some(Self::Es256(part(-2, 32)?, part(-3, 32)?)),
            (1, EDDSA) if map.int(-1) == Some(6) => Some(Self::EdDsa(part(-2, 32)?)),
            (3, RS256) => Some(Self::Rs256(map.bytes(-1)?, map.bytes(-2)?)),
            _ => None,
        }
    }

    fn has_signed(&self, message: &[u8], sign: &[u8]) -> bool {
        match self {
            Self::Es256(x, y) => {
                let point = [&[4], *x, *y].concat();
                let key = UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, point);
                key.verify(message, sign).is_ok()
            }
            Self::EdDsa(key) => UnparsedPublicKey::new(&signature::ED25519, key)
                .verify(message, sign)
                .is_ok(),
            Self::Rs256(n, e) => RsaPublicKeyComponents { n, e }
                .verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, sign)
                .is_ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_site_is_named_without_its_port_and_never_by_an_address() {
        for (origin, id) in [
            ("https://hub.example.com", Some("hub.example.com")),
            ("https://hub.example.com:8443", Some("hub.example.com")),
            ("http://localhost:3000", Some("localhost")),
            ("http://127.0.0.1:3000", None),
            ("http://[::1]:3000", None),
            ("https://192.0.2.7", None),
            ("hub.example.com", None),
        ] {
            assert_eq!(Rp::of(origin).map(|rp| rp.id).as_deref(), id, "{origin}");
        }
    }

    #[test]
    fn a_key_of_another_kind_than_its_algorithm_is_none() {
        let coordinate = [7_u8; 32];
        let key = |kind, algorithm, curve| {
            Item::Map(vec![
                (Item::Int(1), Item::Int(kind)),
                (Item::Int(3), Item::Int(algorithm)),
                (Item::Int(-1), Item::Int(curve)),
                (Item::Int(-2), Item::Bytes(&coordinate)),
                (Item::Int(-3), Item::Bytes(&coordinate)),
            ])
        };
        assert!(PublicKey::of(&key(2, ES256, 1)).is_some() && PublicKey::of(&key(1, EDDSA, 6)).is_some());
        for (kind, algorithm, curve) in [(2, EDDSA, 6), (1, ES256, 1), (2, ES256, 2), (2, RS256, 1), (2, -37, 1)] {
            assert!(
                PublicKey::of(&key(kind, algorithm, curve)).is_none(),
                "{kind} {algorithm} {curve}"
            );
        }
    }

    #[test]
    fn a_signature_of_ed25519_is_checked() {
        use ring::signature::{Ed25519KeyPair, KeyPair as _};
        let pair = Ed25519KeyPair::from_seed_unchecked(&[5; 32]).unwrap();
        let key = PublicKey::EdDsa(pair.public_key().as_ref());
        let sign = pair.sign(b"message");
        assert!(key.has_signed(b"message", sign.as_ref()) && !key.has_signed(b"massage", sign.as_ref()));
    }
}
