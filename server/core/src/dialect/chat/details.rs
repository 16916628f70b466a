//! OpenRouter's `reasoning_details`, put together from the pieces in which they are streamed.
//!
//! Invariant: what comes out is what the upstream wants back: each detail whole, in order, nothing added. Pure.
//! Wire facts: OpenRouter's documentation: details of type `reasoning.text`, `reasoning.summary` and `reasoning.encrypted`, by index.

use serde_json::{Map, Value};

/// What only the account that thought it can read.
const SEALED: [&str; 2] = ["signature", "data"];
/// What comes in pieces.
const GROWING: [&str; 3] = ["text", "summary", "data"];

/// What a detail takes beside its words, in bytes.
const DETAIL_BYTES: usize = 512;

/// Details that are still arriving.
#[derive(Debug, Default)]
pub(super) struct Details {
    known: Vec<Map<String, Value>>,
    /// Whether one of them holds what only the account can read.
    is_sealed: bool,
    bytes: usize,
}

impl Details {
    /// Takes `pieces` in and returns the words among them.
    pub(super) fn push(&mut self, pieces: Vec<Map<String, Value>>) -> String {
        let mut words = String::new();
        for piece in pieces {
            self.is_sealed |= SEALED
                .iter()
                .any(|name| piece.get(*name).is_some_and(|value| !value.is_null()));
            self.bytes += piece.values().filter_map(Value::as_str).map(str::len).sum::<usize>();
            for name in ["text", "summary"] {
                words.push_str(piece.get(name).and_then(Value::as_str).unwrap_or_default());
            }
            let same = |known: &&mut Map<String, Value>| {
                ["type", "index"]
                    .iter()
                    .all(|name| known.get(*name) == piece.get(*name))
                    && piece.contains_key("index")
            };
            match self.known.last_mut().filter(same) {
                Some(known) => grow(known, piece),
                None => {
                    self.bytes += DETAIL_BYTES;
                    self.known.push(piece);
                }
            }
        }
        words
    }

    /// Whether one of them holds what only the account can read.
    pub(super) const fn is_sealed(&self) -> bool {
        self.is_sealed
    }

    /// How many bytes they take, about.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The details as a list in JSON, where they are sealed.
    pub(super) fn blob(&mut self) -> Option<String> {
        let details = std::mem::take(self);
        details.is_sealed.then(|| {
            details
                .known
                .into_iter()
                .map(Value::Object)
                .collect::<Value>()
                .to_string()
        })
    }
}

fn grow(known: &mut Map<String, Value>, piece: Map<String, Value>) {
    for (name, value) in piece {
        match (known.get_mut(&name), value) {
            (Some(Value::String(text)), Value::String(more)) if GROWING.contains(&name.as_str()) => {
                text.push_str(&more)
            }
            (_, Value::Null) => {}
            (_, value) => {
                known.insert(name, value);
            }
        }
    }
}
