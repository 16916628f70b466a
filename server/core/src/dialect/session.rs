//! What a client itself calls its conversation.
//!
//! Invariant: a name that many conversations share, such as a user's, names none; the number of a name is the same on every machine and in
//! every release. Pure.
//! Wire facts: OpenAI's `prompt_cache_key`; the headers that Codex, OpenCode and Claude Code send; Claude Code's `metadata.user_id`.

use super::bound::mixed;
use serde::Deserialize;
use std::borrow::Cow;

/// Headers that name a conversation, the most precise first.
pub const SESSION_HEADERS: [&str; 7] = [
    "x-session-affinity",
    "thread-id",
    "session-id",
    "session_id",
    "conversation_id",
    "x-session-id",
    "x-claude-code-session-id",
];
/// How long such a name may be, in bytes; longer ones are none.
const NAME_BYTES_MAX: usize = 512;
/// What stands before the conversation in what older releases of Claude Code call their user.
const MARK: &str = "_session_";

/// The number of the conversation that a client calls `name`; never 0, which is none.
#[must_use]
pub fn session(name: &str) -> Option<u64> {
    let name = name.trim();
    (1..=NAME_BYTES_MAX)
        .contains(&name.len())
        .then(|| mixed(SEED, name).max(1))
}

/// Apart from the numbers of first messages.
const SEED: u64 = 0x5e55_1011;

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow, default)]
    user_id: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct User<'a> {
    #[serde(borrow, default)]
    session_id: Option<Cow<'a, str>>,
}

/// The number of the conversation that `metadata`, in Anthropic's dialect, names; most name a user alone.
pub(super) fn session_in(metadata: &str) -> Option<u64> {
    let metadata: Metadata<'_> = serde_json::from_str(metadata).ok()?;
    let user = metadata.user_id?;
    if let Ok(User { session_id }) = serde_json::from_str::<User<'_>>(&user) {
        return session(&session_id?);
    }
    let (_, name) = user.split_once(MARK)?;
    session(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_no_conversation_but_a_session_is() {
        let one = session("cb85066d");
        assert_eq!(
            session_in(r#"{"user_id":"{\"device_id\":\"d\",\"session_id\":\"cb85066d\"}"}"#),
            one
        );
        assert_eq!(
            session_in(r#"{"user_id":"user_9_account__session_cb85066d","other":[1]}"#),
            one
        );
        for none in [
            r#"{"user_id":"somebody"}"#,
            r#"{"user_id":"{\"device_id\":\"d\"}"}"#,
            r#"{"user_id":null}"#,
            r#"{"user_id":7}"#,
            "{}",
            "null",
            "[]",
        ] {
            assert_eq!(session_in(none), None, "{none}");
        }
    }

    #[test]
    fn names_have_numbers_that_stay() {
        assert_eq!(session(" a "), session("a"));
        assert_ne!(session("a"), session("b"));
        assert_eq!(session(""), None);
        assert_eq!(session(&"a".repeat(NAME_BYTES_MAX + 1)), None);
    }
}
