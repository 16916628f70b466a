//! The signed statement of an issuer: its key, its signature, and what must hold of it.
//!
//! Invariant: signed by a public key of the issuer with an algorithm that fits it, for us, now, and for the one question that was
//! asked. Pure. Rules: OpenID Connect Core 1.0, 3.1.3.7.

use super::{Provider, ProviderError};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, errors::ErrorKind, jwk::Jwk, jwk::PublicKeyUse};
use serde::Deserialize;
use serde_json::Value;
use subtle::ConstantTimeEq as _;

/// Algorithms with public keys: with any other, whoever knows our client id or secret could sign.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];
/// How far the issuer's clock may be off, in seconds.
const LEEWAY_S: i64 = 60;
/// How long somebody who is to log in anew may take, in seconds.
const ANEW_S: i64 = 600;
/// The longest statement, in bytes.
const TEXT_MAX: usize = 16 << 10;
/// The longest name of an account, in bytes.
const SUBJECT_MAX: usize = 255;

/// What a statement says.
#[derive(Deserialize)]
pub(super) struct Claims {
    pub(super) sub: String,
    aud: Value,
    #[serde(default)]
    azp: Option<String>,
    iat: i64,
    #[serde(default)]
    nonce: Option<String>,
    #[serde(default)]
    pub(super) email: Option<String>,
    #[serde(default)]
    pub(super) email_verified: Value,
    /// When they logged in there, in Unix seconds.
    #[serde(default)]
    pub(super) auth_time: Option<i64>,
    /// The domain that Google hosts for their organisation.
    #[serde(default)]
    pub(super) hd: Option<String>,
}

/// What must hold of a statement.
pub(super) struct Expected<'a> {
    pub(super) provider: &'a Provider,
    pub(super) nonce: &'a str,
    /// Whether they were to log in anew.
    pub(super) is_anew: bool,
    pub(super) now_s: i64,
}

impl Expected<'_> {
    /// How the statement `text` says that it is signed.
    pub(super) fn header(&self, text: &str) -> Result<Header, ProviderError> {
        if text.len() > TEXT_MAX {
            return Err(self.provider.invalid("it is too long"));
        }
        let header = jsonwebtoken::decode_header(text).ok();
        let header = header.filter(|header| ALGORITHMS.contains(&header.alg));
        header.ok_or_else(|| self.provider.invalid("it is not signed with a public key"))
    }

    /// What the statement `text` says, once it holds.
    pub(super) fn open(&self, text: &str, header: &Header, key: &Jwk) -> Result<Claims, ProviderError> {
        let invalid = |reason| self.provider.invalid(reason);
        let key = DecodingKey::from_jwk(key).map_err(|_| invalid("its key cannot be read"))?;
        let mut validation = Validation::new(header.alg);
        validation.leeway = LEEWAY_S.unsigned_abs();
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.provider.issuer]);
        validation.set_audience(&[&self.provider.client_id]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let opened = jsonwebtoken::decode::<Claims>(text, &key, &validation);
        let claims = opened.map_err(|error| invalid(reason(error.kind())))?.claims;
        let is_ours_alone = match &claims.aud {
            Value::Array(names) if names.len() > 1 => claims.azp.is_some(),
            _ => true,
        };
        if !is_ours_alone
            || claims
                .azp
                .as_ref()
                .is_some_and(|party| *party != self.provider.client_id)
        {
            return Err(invalid("it is for another application"));
        }
        if claims.iat > self.now_s + LEEWAY_S {
            return Err(invalid("it is from the future"));
        }
        let nonce = claims.nonce.as_deref().unwrap_or_default();
        if !bool::from(nonce.as_bytes().ct_eq(self.nonce.as_bytes())) {
            return Err(invalid("it answers another question"));
        }
        let since_s = self.now_s - ANEW_S - LEEWAY_S;
        if self.is_anew && claims.auth_time.is_some_and(|time_s| time_s < since_s) {
            return Err(invalid("nobody logged in there anew"));
        }
        if claims.sub.is_empty() || claims.sub.len() > SUBJECT_MAX {
            return Err(invalid("it names nobody"));
        }
        Ok(claims)
    }
}

/// The key that `header` names: by its id, or the only one that fits where it names none.
pub(super) fn find_key<'a>(keys: &'a [Jwk], header: &Header) -> Option<&'a Jwk> {
    let mut fitting = keys.iter().filter(|key| fits(key, header));
    let first = fitting.next()?;
    // Two that fit: which is meant is not guessed.
    (header.kid.is_some() || fitting.next().is_none()).then_some(first)
}

fn fits(key: &Jwk, header: &Header) -> bool {
    let common = &key.common;
    let is_named = header.kid.is_none() || common.key_id == header.kid;
    let is_for_signing = !matches!(common.public_key_use, Some(PublicKeyUse::Encryption));
    let is_family = DecodingKey::from_jwk(key).is_ok_and(|key| key.family() == header.alg.family());
    let is_algorithm = common
        .key_algorithm
        .is_none_or(|algorithm| algorithm.to_string() == format!("{:?}", header.alg));
    is_named && is_for_signing && is_family && is_algorithm
}

/// Whether the issuer says yes: some say so as a text.
pub(super) fn is_true(value: &Value) -> bool {
    matches!(value, Value::Bool(true)) || value.as_str() == Some("true")
}

const fn reason(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidIssuer => "another issuer made it",
        ErrorKind::InvalidAudience => "it is for another application",
        ErrorKind::ExpiredSignature => "its time is over",
        ErrorKind::ImmatureSignature => "it is from the future",
        ErrorKind::InvalidSignature => "its signature is wrong",
        _ => "it cannot be read",
    }
}
