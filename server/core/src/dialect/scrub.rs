//! Scrubbing: what of an upstream's words may reach a client.
//!
//! Invariant: no key, organisation, address or host of ours is left; words about the client's own input stay. Pure.

use super::error::WORD_BYTES_MAX;

/// What stands for a word that was removed.
const REMOVED: &str = "[removed]";
/// How keys, organisations and projects begin at the providers.
const PREFIXES: &[&str] = &[
    "sk-",
    "sk_",
    "org-",
    "org_",
    "proj_",
    "gsk_",
    "xai-",
    "pplx-",
    "fw_",
    "hf_",
    "r8_",
    "tgp_",
    "AIza",
    "AKIA",
    "ASIA",
    "arn:",
    "eyJ",
    "projects/",
    "organizations/",
];
/// Letters and digits in a row that are no word of any language.
const KEY_LETTERS: usize = 32;
/// The last labels of a host's name: those that providers and proxies use.
const TOP_LABELS: &[&str] = &[
    "ai",
    "app",
    "biz",
    "cloud",
    "cn",
    "co",
    "com",
    "corp",
    "dev",
    "edu",
    "eu",
    "gov",
    "home",
    "info",
    "internal",
    "io",
    "lan",
    "local",
    "localdomain",
    "net",
    "org",
    "svc",
    "tech",
    "us",
    "xyz",
];

/// `message` without `secrets`, and without whatever looks like a key, an organisation, an address or a host.
#[must_use]
pub fn scrub(message: &str, secrets: &[&str]) -> String {
    let mut text = message.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, REMOVED);
    }
    let mut scrubbed = String::with_capacity(text.len());
    for piece in text.split_inclusive(is_gap) {
        let word = piece.trim_end_matches(is_gap);
        let (before, rest) = word.split_at(word.len() - word.trim_start_matches(is_mark).len());
        let core = rest.trim_end_matches(is_mark);
        if is_private(core) {
            scrubbed.push_str(before);
            scrubbed.push_str(REMOVED);
            scrubbed.push_str(&rest[core.len()..]);
        } else {
            scrubbed.push_str(word);
        }
        scrubbed.push_str(&piece[word.len()..]);
    }
    scrubbed
}

/// `word`, a code, a type or a field of an upstream's error, where it is one and says nothing that [`scrub`] takes away. What was
/// cut is none: the rest of a secret might stand at its end.
#[must_use]
pub fn scrub_word(word: Option<String>, secrets: &[&str]) -> Option<String> {
    let is_plain = |word: &String| {
        let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.[]$:/".contains(&byte);
        word.len() < WORD_BYTES_MAX && word.bytes().all(is_known)
    };
    word.filter(is_plain).filter(|word| scrub(word, secrets) == **word)
}

/// What separates words.
fn is_gap(letter: char) -> bool {
    letter.is_whitespace()
        || matches!(
            letter,
            '"' | '\'' | '`' | '<' | '>' | ',' | ';' | '=' | '|' | '(' | ')' | '{' | '}' | '[' | ']'
        )
}

/// What may stand around a word.
fn is_mark(letter: char) -> bool {
    matches!(letter, '.' | ':' | '!' | '?')
}

fn is_private(word: &str) -> bool {
    word.contains("://")
        || PREFIXES
            .iter()
            .any(|prefix| word.len() > prefix.len() && word.starts_with(prefix))
        || word.split(|letter: char| !letter.is_ascii_alphanumeric()).any(is_key)
        || is_host(word)
}

/// A long row of letters and digits, both among it.
fn is_key(run: &str) -> bool {
    run.len() >= KEY_LETTERS
        && run.bytes().any(|byte| byte.is_ascii_digit())
        && run.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// Whether a word is a host, an address of the network or a mailbox; with a port or a path, too.
fn is_host(word: &str) -> bool {
    let word = word.rsplit_once('@').map_or(word, |(_, host)| host);
    let host = word.split(['/', '?', '#']).next().unwrap_or(word);
    let (host, port) = host
        .rsplit_once(':')
        .map_or((host, None), |(host, port)| (host, Some(port)));
    if host.eq_ignore_ascii_case("localhost") || host.parse::<core::net::IpAddr>().is_ok() || is_ipv6(word) {
        return true;
    }
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let labels: Vec<&str> = host.split('.').collect();
    let are_labels = labels.iter().all(|label| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    });
    let last = labels
        .last()
        .map(|label| label.to_ascii_lowercase())
        .unwrap_or_default();
    let is_named = labels.len() > 1 && TOP_LABELS.contains(&last.as_str());
    are_labels && (is_named || (port.is_some_and(is_number) && labels.len() > 1))
}

fn is_ipv6(word: &str) -> bool {
    word.contains("::") && word.parse::<core::net::Ipv6Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_is_removed() {
        for (message, expected) in [
            (
                "Incorrect API key provided: sk-proj-abcd********wxyz.",
                "Incorrect API key provided: [removed].",
            ),
            (
                "You can find it at https://platform.openai.com/account/api-keys.",
                "You can find it at [removed].",
            ),
            (
                "Rate limit reached in organization org-AbC123 on tokens",
                "Rate limit reached in organization [removed] on tokens",
            ),
            (
                "connect to api.internal-gw.example.com:8443 failed",
                "connect to [removed] failed",
            ),
            (
                "upstream 10.0.0.7:8080 refused, then [fe80::1]",
                "upstream [removed] refused, then [[removed]]",
            ),
            ("mail ops@acme.io (or `z.ai`)", "mail [removed] (or `[removed]`)"),
            ("key=0123456789abcdef0123456789abcdef;", "key=[removed];"),
            ("the account Canary-7 is blocked", "the account [removed] is blocked"),
            (
                "localhost:11434 gone; arn:aws:iam::1:role/x",
                "[removed] gone; [removed]",
            ),
        ] {
            assert_eq!(scrub(message, &["Canary-7", ""]), expected, "{message}");
        }
    }

    #[test]
    fn a_code_or_a_field_stays_and_whatever_else_was_put_there_goes() {
        let of = |word: &str| scrub_word(Some(word.to_owned()), &["Canary-7", ""]);
        for word in [
            "context_length_exceeded",
            "INVALID_ARGUMENT",
            "400",
            "messages[0].content",
            "$.messages.0.role",
            "image.source.base64.data",
        ] {
            assert_eq!(of(word).as_deref(), Some(word));
        }
        for word in [
            "Canary-7",
            "the_Canary-7_is_wrong",
            "sk-live",
            "Bearer sk-live",
            "api.example.com",
            "key\r\nhost",
            "ключ",
            &"a".repeat(WORD_BYTES_MAX),
        ] {
            assert_eq!(of(word), None, "{word}");
        }
        assert_eq!(scrub_word(None, &[]), None);
    }

    #[test]
    fn words_about_the_input_stay() {
        for message in [
            "Invalid value for 'messages[0].content': expected a string, but got null.",
            "The model `gpt-4.1-mini` does not exist, e.g. use llama-3.3-70b or gemini-2.5-flash.",
            "This model's maximum context length is 128000 tokens. However, your messages resulted in 131,072 tokens.",
            "Unknown parameter: 'tools[0].function.parameters.properties.a'.",
            "meta-llama/Llama-3.3-70B-Instruct: no such thing.",
            "",
        ] {
            assert_eq!(scrub(message, &[]), message);
        }
    }
}
