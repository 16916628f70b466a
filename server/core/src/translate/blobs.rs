//! What only the account that thought it can read: opened for that account, left out for any other.
//!
//! Invariant: no blob reaches an account or a model that did not make it. Pure.

use crate::dialect::exchange::{Item, Notes, Origin, Request, Thought, unpack};
use std::borrow::Cow;

/// `request` with the blobs of `origin` opened and all others left out.
pub(super) fn opened<'a>(request: &'a Request, origin: Origin, notes: &mut Notes) -> Cow<'a, Request> {
    let has_thoughts = request.items.iter().any(|item| matches!(item, Item::Thought(_)));
    if !has_thoughts {
        return Cow::Borrowed(request);
    }
    let mut opened = request.clone();
    opened.items.retain_mut(|item| match item {
        Item::Thought(thought) => open(thought, origin, notes),
        _ => true,
    });
    Cow::Owned(opened)
}

/// Opens the blob of `thought`; whether anything of the thought is left.
fn open(thought: &mut Thought, origin: Origin, notes: &mut Notes) -> bool {
    if let Some(packed) = thought.blob.take() {
        thought.blob = unpack(&packed)
            .filter(|(from, _)| *from == origin)
            .map(|(_, blob)| blob.to_owned());
        if thought.blob.is_none() {
            // Its id is a name for what the other account keeps.
            thought.id = None;
            notes.dropped("signatures of earlier thoughts", "another account made them");
        }
    }
    thought.blob.is_some() || (!thought.is_redacted && !thought.text.is_empty())
}
