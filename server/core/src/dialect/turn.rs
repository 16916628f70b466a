//! What several dialects of upstreams want alike: turns that take turns, and ids of calls in their letters and of their length.
//!
//! Invariant: no two turns that follow each other are of one role; the same id always gives the same, different ones different ones. Pure.

use super::exchange::{Notes, Rules};
use serde::Serialize;
use std::borrow::Cow;

/// What stands where a turn must, but nobody said anything.
pub(super) const NOTHING: &str = ".";

/// Whose a turn is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    User,
    Assistant,
    System,
}

/// What somebody said at a time, in the blocks of a dialect.
#[derive(Debug, Serialize)]
pub(super) struct Turn<B> {
    pub(super) role: Role,
    pub(super) content: Vec<B>,
}

/// Adds `blocks` to the last turn where it is of `role`, else as a turn of their own.
pub(super) fn push<B>(turns: &mut Vec<Turn<B>>, role: Role, blocks: impl IntoIterator<Item = B>) {
    let mut blocks = blocks.into_iter().peekable();
    if blocks.peek().is_none() {
        return;
    }
    match turns.last_mut() {
        Some(turn) if turn.role == role => turn.content.extend(blocks),
        _ => turns.push(Turn {
            role,
            content: blocks.collect(),
        }),
    }
}

/// Keeps system turns where the model takes them, between a user's turn and the model's or last, and makes the others words of the user,
/// each block as `told` puts it.
pub(super) fn settle<B>(turns: Vec<Turn<B>>, rules: &Rules, notes: &mut Notes, told: fn(B) -> B) -> Vec<Turn<B>> {
    let mut settled = Vec::with_capacity(turns.len());
    let mut turns = turns.into_iter().peekable();
    let mut follows_user = false;
    while let Some(turn) = turns.next() {
        let is_between = follows_user && turns.peek().is_none_or(|next| next.role != Role::User);
        follows_user = turn.role == Role::User;
        if turn.role != Role::System || (rules.takes_system_anywhere && is_between) {
            push(&mut settled, turn.role, turn.content);
            continue;
        }
        notes.changed("a system message within the conversation", "said by the user, in a tag");
        push(&mut settled, Role::User, turn.content.into_iter().map(told));
    }
    settled
}

/// `text` of the system's, as the user says it.
pub(super) fn reminder(text: &str) -> String {
    format!("<system-reminder>\n{text}\n</system-reminder>")
}

/// The id of a call in at most `bytes_max` bytes, of which there must be 17 or more, that all are `allowed`.
pub(super) fn call_id(id: &str, bytes_max: usize, allowed: fn(u8) -> bool) -> Cow<'_, str> {
    const HASH_BYTES: usize = 17;
    if !id.is_empty() && id.len() <= bytes_max && id.bytes().all(allowed) {
        return Cow::Borrowed(id);
    }
    let room = bytes_max.saturating_sub(HASH_BYTES);
    let readable: String = id
        .bytes()
        .filter(|byte| is_word(*byte))
        .take(room)
        .map(char::from)
        .collect();
    Cow::Owned(format!("{readable}_{:016x}", hash(id)))
}

/// The letters that every dialect takes in an id.
pub(super) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// FNV-1a.
pub(super) fn hash(id: &str) -> u64 {
    id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_do_not_fit_are_changed_alike_and_the_others_stay() {
        let (first, second) = ("é.call_".repeat(20) + "1", "é.call_".repeat(20) + "2");
        for bytes_max in [40, 64] {
            let short = call_id(&first, bytes_max, is_word);
            assert_eq!(short.len(), bytes_max);
            assert_eq!(short, call_id(&first, bytes_max, |_| true));
            assert_ne!(short, call_id(&second, bytes_max, is_word));
            let fits = "c".repeat(bytes_max);
            assert_eq!(call_id(&fits, bytes_max, is_word), fits.as_str());
        }
        assert_eq!(call_id("a.b", 64, |_| true), "a.b");
        assert_ne!(call_id("a.b", 64, is_word), call_id("ab", 64, is_word));
        assert!(!call_id("", 64, |_| true).is_empty());
    }
}
