//! Base64 in the fields of this dialect that hold bytes: signatures that clients keep for us, and media.
//!
//! Invariant: what was sealed opens to the same; a value that is not ours stays as it came. Pure.
//! Wire facts: protobuf's JSON reads and writes bytes in base64, of either alphabet; Google's SDKs refuse anything else there.

use super::super::exchange::unpack;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, Engine, GeneralPurpose, GeneralPurposeConfig};
use std::borrow::Cow;

/// Padded or not, and whatever the bits are that stand for nothing.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// `blob` as a client is to keep it: what we packed is no base64 and becomes some.
pub(in super::super) fn seal(blob: &str) -> String {
    if unpack(blob).is_some() {
        STANDARD.encode(blob)
    } else {
        blob.to_owned()
    }
}

/// What a client kept, as it was before [`seal`].
pub(in super::super) fn open(signature: String) -> String {
    decode(&signature)
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .filter(|text| unpack(text).is_some())
        .unwrap_or(signature)
}

/// `base64` of either alphabet in the usual one, padded.
pub(super) fn usual(base64: String) -> String {
    if base64.len().is_multiple_of(4) && !base64.contains(['-', '_']) {
        return base64;
    }
    let mut text = base64.replace('-', "+").replace('_', "/");
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.replace('-', "+").replace('_', "/");
    LENIENT.decode(text).ok()
}

/// Whether `signature` stands for none, as it is or in base64 once more.
pub(super) fn is_none(signature: &str) -> bool {
    let stands_for_none =
        |text: &[u8]| text == super::NO_SIGNATURE.as_bytes() || text == b"context_engineering_is_the_way_to_go";
    let plain: Cow<'_, [u8]> = decode(signature).map_or(Cow::Borrowed(signature.as_bytes()), Cow::Owned);
    stands_for_none(signature.as_bytes()) || stands_for_none(&plain)
}

#[cfg(test)]
mod tests {
    use super::super::super::Dialect;
    use super::super::super::exchange::{Origin, pack};
    use super::*;

    #[test]
    fn what_was_sealed_opens_to_the_same() {
        for blob in ["", "a", "ab", "abc", "a.b.c==", "ü?>"] {
            let origin = Origin {
                dialect: Dialect::Messages,
                account: 0xfe,
            };
            let packed = pack(origin, blob);
            let sealed = seal(&packed);
            assert!(decode(&sealed).is_some(), "{sealed}");
            assert_eq!(open(sealed.clone()), packed);
            let by_an_sdk = sealed.replace('+', "-").replace('/', "_").replace('=', "");
            assert_eq!(open(by_an_sdk), packed);
        }
    }

    #[test]
    fn what_is_not_ours_stays_as_it_came() {
        for signature in ["", "CvYDAY89a1+x", "not base64!", "b2gx"] {
            assert_eq!(seal(signature), signature);
            assert_eq!(open(signature.to_owned()), signature);
        }
    }

    #[test]
    fn media_come_in_the_usual_alphabet() {
        for (given, expected) in [
            ("", ""),
            ("AAAA", "AAAA"),
            ("-_-_", "+/+/"),
            ("AA", "AA=="),
            ("AA==", "AA=="),
        ] {
            assert_eq!(usual(given.to_owned()), expected);
        }
    }

    #[test]
    fn a_signature_that_stands_for_none() {
        assert!(is_none(super::super::NO_SIGNATURE));
        assert!(is_none(&STANDARD.encode(super::super::NO_SIGNATURE)));
        assert!(!is_none("CvYDAY89a1+x"));
    }
}
