//! Plain text that came in base64.
//!
//! Invariant: what is not base64 of UTF-8 has no text. Pure.
//! Wire facts: RFC 4648, both alphabets, with padding or without.

/// The text in `base64`.
pub(super) fn text(base64: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(base64.len() / 4 * 3);
    let mut bits: u32 = 0;
    let mut count = 0;
    for letter in base64.trim_end_matches('=').bytes() {
        bits = (bits << 6) | value(letter)?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).ok()?);
        }
    }
    String::from_utf8(bytes).ok()
}

fn value(letter: u8) -> Option<u32> {
    let value = match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    Some(u32::from(value))
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
