//! The form of what a client gets besides an answer: signs of life and errors, in its dialect.
//!
//! Invariant: whatever is put between the pieces of a stream leaves it readable for the dialect's SDKs. Pure.
//! Wire facts: events may be comments anywhere; Anthropic's SDKs know `ping` events; between elements of a JSON array there may be
//! white space.

use crate::error::Told;
use gateway_core::dialect::Dialect;

/// What a stream is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// Server-sent events.
    #[default]
    Events,
    /// The elements of one JSON array, as Google sends where nobody asks for events.
    Array,
    /// Sound as it is spoken, with nothing between.
    Sound,
}

/// How a client is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub dialect: Dialect,
    pub shape: Shape,
}

impl Form {
    /// Of a stream.
    pub const fn content_type(self) -> &'static str {
        match self.shape {
            Shape::Events => "text/event-stream; charset=utf-8",
            Shape::Array => "application/json; charset=utf-8",
            Shape::Sound => "application/octet-stream",
        }
    }

    /// What a stream sends while it waits; nothing where all that is sent is heard.
    pub const fn sign_of_life(self) -> &'static [u8] {
        match (self.shape, self.dialect) {
            (Shape::Array, _) => b"\n",
            (Shape::Sound, _) => b"",
            (Shape::Events, Dialect::Messages) => b"event: ping\ndata: {\"type\": \"ping\"}\n\n",
            (Shape::Events, _) => b": waiting for the upstream\n\n",
        }
    }

    /// The end of a stream that went wrong, nothing where its connection must be cut instead; of which something was sent before where it `has_begun`.
    pub fn failed(self, told: &Told, request_id: i64, has_begun: bool) -> String {
        match self.shape {
            Shape::Sound => String::new(),
            Shape::Events => told.render_event(self.dialect, request_id),
            Shape::Array => {
                let before = if has_begun { ",\n" } else { "[" };
                format!("{before}{}]", told.render(self.dialect, request_id))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::error::RelayError;

    #[test]
    fn an_array_stays_json_wherever_it_fails() {
        let form = Form {
            dialect: Dialect::Generate,
            shape: Shape::Array,
        };
        let told = RelayError::TimedOut.told(0);
        let life = std::str::from_utf8(form.sign_of_life()).unwrap();
        for (sent, has_begun) in [("", false), ("[{\"candidates\":[]}", true)] {
            let whole = format!("{life}{sent}{life}{}", form.failed(&told, 1, has_begun));
            let list: Vec<serde_json::Value> = serde_json::from_str(&whole).unwrap();
            assert_eq!(list.last().unwrap()["error"]["status"], "DEADLINE_EXCEEDED", "{whole}");
        }
    }
}
