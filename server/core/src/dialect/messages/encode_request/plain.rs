//! Plain text that came in base64.
//!
//! Invariant: what is not base64 of UTF-8 has no text. Pure.
//! Wire facts: RFC 4648; Google's clients write its second alphabet too, and some leave the padding out.

use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, Engine, GeneralPurpose, GeneralPurposeConfig};

/// The text in `base64`.
pub(super) fn text(base64: &str) -> Option<String> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let read = |alphabet: &Alphabet| GeneralPurpose::new(alphabet, config).decode(base64).ok();
    String::from_utf8(read(&STANDARD).or_else(|| read(&URL_SAFE))?).ok()
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn text_comes_out() {
        for (base64, expected) in [
            ("", Some("")),
            ("aGk=", Some("hi")),
            ("aGk", Some("hi")),
            ("w7zDvw==", Some("üÿ")),
            ("Pz8_", Some("???")),
            ("/w==", None),
            ("a b", None),
        ] {
            assert_eq!(text(base64).as_deref(), expected, "{base64}");
        }
    }
}
