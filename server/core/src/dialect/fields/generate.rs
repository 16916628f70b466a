//! The fields of Google's generateContent, and of what counts and embeds beside it, in lower camel case.
//!
//! Invariant: what changes the price is in the ceiling or refused by name; a name in snake case is the same field. Pure.
//! Wire facts: Google's API reference and SDK types; the JSON mapping of protocol buffers.

use super::super::place::Place;
use super::{Field, Priced, Table, priced};

const PRICED: &[Priced] = &[
    // A part of the prompt that nobody here has seen, and that is billed by the hour too.
    priced("cachedContent", &[]),
    // Reads the prompt once more.
    priced("continuationToken", &[]),
];

/// An answer.
pub(super) const GENERATE: Table = Table {
    content: Some("contents"),
    owned: &[
        ("model", Field::Model),
        ("contents", Field::Content(Place::GoogleContents)),
        ("systemInstruction", Field::Walked(Place::GoogleContent)),
        ("generationConfig", Field::Generation),
        ("tools", Field::Tools),
        ("toolConfig", Field::ToolChoice),
        ("serviceTier", Field::ServiceTier),
        ("store", Field::Store),
    ],
    priced: PRICED,
    aside: &["labels", "safetySettings"],
};
/// A count, which is free.
pub(super) const COUNT: Table = Table {
    content: None,
    owned: &[("model", Field::Model), ("generateContentRequest", Field::Counted)],
    priced: &[],
    aside: &[],
};
/// A vector.
pub(super) const EMBED: Table = Table {
    content: Some("content"),
    owned: &[
        ("model", Field::Model),
        ("content", Field::Content(Place::GoogleContent)),
        ("serviceTier", Field::ServiceTier),
    ],
    priced: PRICED,
    aside: &["outputDimensionality", "taskType"],
};
/// Many of them.
pub(super) const BATCH_EMBED: Table = Table {
    content: Some("requests"),
    owned: &[
        ("model", Field::Model),
        ("requests", Field::Requests),
        ("serviceTier", Field::ServiceTier),
    ],
    priced: PRICED,
    aside: &[],
};
