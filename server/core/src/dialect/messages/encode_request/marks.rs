//! Marks of what is to be cached.
//!
//! Invariant: at most four are sent, none for a time that the provider does not know. Pure.
//! Wire facts: Anthropic's "Prompt caching".

use super::super::super::exchange::Notes;
use super::super::block::{Block, Mark};

/// How many marks a request may have.
const MARKS_MAX: usize = 4;

/// The mark that the client's `word` stands for.
pub(super) fn mark(word: Option<&str>, notes: &mut Notes) -> Option<Mark> {
    match word? {
        "" | "5m" => Some(Mark::SHORT),
        "1h" => Some(Mark::LONG),
        _ => {
            notes.dropped("a cache mark", "its time is not 5m or 1h");
            None
        }
    }
}

/// Where `block` bears its mark, if it can.
pub(super) fn of<'b>(block: &'b mut Block<'_>) -> Option<&'b mut Option<Mark>> {
    match block {
        Block::Text { cache_control, .. }
        | Block::Image { cache_control, .. }
        | Block::Document { cache_control, .. }
        | Block::ToolResult { cache_control, .. } => Some(cache_control),
        Block::Thinking { .. } | Block::RedactedThinking { .. } | Block::ToolUse { .. } => None,
    }
}

/// Of `marks`, in the order of the prompt, keeps the last, which cover the most.
pub(super) fn limit(marks: Vec<&mut Option<Mark>>, notes: &mut Notes) {
    let mut marks: Vec<_> = marks.into_iter().filter(|mark| mark.is_some()).collect();
    let excess = marks.len().saturating_sub(MARKS_MAX);
    for mark in marks.iter_mut().take(excess) {
        **mark = None;
        notes.dropped("a cache mark", "there may be four");
    }
}
