//! A whole chat reply, in no dialect.
//!
//! Invariant: a whole reply reads as the stream of one chunk that it is, so that both deviate alike. Pure.

use super::super::exchange::{Assembler, Reply, Unreadable};
use super::decode_stream::Decoder;

/// The reply in `body`.
///
/// # Errors
/// [`Unreadable`] where it holds no answer.
pub(crate) fn decode_reply(body: &[u8]) -> Result<Reply, Unreadable> {
    let mut decoder = Decoder::default();
    let mut events = Vec::new();
    decoder.push(None, body, &mut events);
    decoder.finish(&mut events);
    let mut assembler = Assembler::default();
    events.into_iter().for_each(|event| assembler.push(event));
    let reply = assembler.finish().map_err(|_| Unreadable)?;
    if reply.choices.is_empty() {
        return Err(Unreadable);
    }
    Ok(reply)
}
