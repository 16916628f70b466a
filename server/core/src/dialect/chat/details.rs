//! OpenRouter's `reasoning_details`, put together from the pieces in which they are streamed.
//!
//! Invariant: what comes out is what the upstream wants back: each detail whole, in order, nothing added. Pure.
//! Wire facts: OpenRouter's documentation: details of type `reasoning.text`, `reasoning.summary` and `reasoning.encrypted`, by index.

use serde_json::{Map, Value};

/// What only the account that thought it can read.
const SEALED: [&str; 2] = ["signature", "data"];
/// What comes in pieces.
const GROWING: [&str; 3] = ["text", "summary", "data"];

/// Details that are still arriving.
#[derive(Debug, Default)]
pub(super) struct Details(Vec<Map<String, Value>>);

impl Details {
    /// Takes `pieces` in and returns the words among them.
    pub(super) fn push(&mut self, pieces: Vec<Map<String, Value>>) -> String {
        let mut words = String::new();
        for piece in pieces {
            for name in ["text", "summary"] {
                words.push_str(piece.get(name).and_then(Value::as_str).unwrap_or_default());
            }
            let same = |known: &&mut Map<String, Value>| {
                ["type", "index"]
                    .iter()
                    .all(|name| known.get(*name) == piece.get(*name))
                    && piece.contains_key("index")
            };
            match self.0.last_mut().filter(same) {
                Some(known) => grow(known, piece),
                None => self.0.push(piece),
            }
        }
        words
    }

    /// Whether one of them holds what only the account can read.
    pub(super) fn is_sealed(&self) -> bool {
        let is_there = |detail: &Map<String, Value>, name: &str| detail.get(name).is_some_and(|value| !value.is_null());
        let sealed = |detail: &Map<String, Value>| SEALED.iter().any(|name| is_there(detail, name));
        self.0.iter().any(sealed)
    }

    /// The details as a list in JSON, where they are sealed.
    pub(super) fn blob(&mut self) -> Option<String> {
        let is_sealed = self.is_sealed();
        let details = std::mem::take(&mut self.0);
        is_sealed.then(|| details.into_iter().map(Value::Object).collect::<Value>().to_string())
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
