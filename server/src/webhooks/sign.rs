//! The signature of a delivery: HMAC-SHA-256 of the time and the body, under the team's secret.
//!
//! Invariant: who has the secret can tell that a body is ours and when it was sent. Pure.

use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt::Write as _;

/// The header that carries it.
pub const SIGNATURE: &str = "x-ourhub-signature";

/// `t=<Unix seconds>,v1=<hex>` for `body`: the hex is of HMAC-SHA-256 over `<Unix seconds>.<body>`.
#[must_use]
pub fn signature(secret: &str, at_s: i64, body: &str) -> String {
    let Ok(mut mac) = <Hmac<Sha256> as hmac::digest::KeyInit>::new_from_slice(secret.as_bytes()) else {
        // It takes keys of any length.
        return String::new();
    };
    mac.update(format!("{at_s}.{body}").as_bytes());
    let mut text = format!("t={at_s},v1=");
    for byte in mac.finalize().into_bytes() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_what_other_libraries_compute() {
        // printf '1700000000.{}' | openssl dgst -sha256 -hmac whsec_test
        let expected = "t=1700000000,v1=35495024f4ef3f94e5a93e22221544c4b75e9a42300cd965ab81cb85cd994e91";
        assert_eq!(signature("whsec_test", 1_700_000_000, "{}"), expected);
        assert_ne!(signature("whsec_other", 1_700_000_000, "{}"), expected);
        assert_ne!(signature("whsec_test", 1_700_000_001, "{}"), expected);
    }
}
