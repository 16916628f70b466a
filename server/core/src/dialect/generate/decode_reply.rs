//! A whole reply of the generate dialect, as no dialect has it.
//!
//! Invariant: a whole reply says the same as a stream of one chunk. Pure.
//! Wire facts: Google's `GenerateContentResponse`.

use super::super::exchange::{Assembler, Reply, Unreadable};
use super::decode_stream::Decoder;

/// The reply in `body`.
pub(crate) fn decode_reply(body: &[u8]) -> Result<Reply, Unreadable> {
    let mut events = Vec::new();
    let mut decoder = Decoder::default();
    decoder.push(None, body, &mut events);
    decoder.finish(&mut events);
    let mut assembler = Assembler::default();
    events.into_iter().for_each(|event| assembler.push(event));
    match assembler.finish() {
        Ok(reply) if !reply.choices.is_empty() => Ok(reply),
        _ => Err(Unreadable),
    }
}
