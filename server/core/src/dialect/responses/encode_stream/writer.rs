//! Events of the responses dialect on the wire.
//!
//! Invariant: each event is whole, carries its type twice as the API does, and the number after that of the event before. Pure.

use serde::Serialize;
use serde_json::{Value, json};

/// Writes events one after another.
#[derive(Debug, Default)]
pub(super) struct Writer {
    sequence: u64,
}

/// Where a piece belongs, and the piece.
#[derive(Serialize)]
pub(super) struct Piece<'a> {
    /// The type of the event.
    #[serde(rename = "type")]
    pub(super) kind: &'a str,
    /// Of which item.
    pub(super) item_id: &'a str,
    /// Where the item stands.
    pub(super) output_index: usize,
    /// Which part of a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_index: Option<usize>,
    /// Which paragraph of a thought.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) summary_index: Option<usize>,
    /// The piece.
    pub(super) delta: &'a str,
    /// For words: how likely they were, which is told when they are done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) logprobs: Option<[u8; 0]>,
}

/// A piece with its number.
#[derive(Serialize)]
struct Numbered<'a> {
    #[serde(flatten)]
    piece: &'a Piece<'a>,
    sequence_number: u64,
}

impl Writer {
    /// Appends an event of type `kind` with `body` to `out`.
    pub(super) fn write(&mut self, kind: &str, mut body: Value, out: &mut Vec<u8>) {
        body["type"] = json!(kind);
        body["sequence_number"] = json!(self.sequence);
        self.append(kind, &body, out);
    }

    /// Appends a piece to `out`.
    pub(super) fn piece(&mut self, piece: &Piece<'_>, out: &mut Vec<u8>) {
        let sequence_number = self.sequence;
        let numbered = Numbered { piece, sequence_number };
        self.append(piece.kind, &numbered, out);
    }

    fn append(&mut self, kind: &str, data: &impl Serialize, out: &mut Vec<u8>) {
        let before = out.len();
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\ndata: ");
        if serde_json::to_writer(&mut *out, data).is_err() {
            out.truncate(before);
            return;
        }
        out.extend_from_slice(b"\n\n");
        self.sequence = self.sequence.saturating_add(1);
    }
}
