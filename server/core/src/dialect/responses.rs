//! The responses dialect: OpenAI's Responses.
//!
//! Invariant: what an upstream adds, leaves out or writes in another type does no harm. Pure.
//! Wire facts: OpenAI's API reference and SDK types.

mod decode_reply;
mod decode_request;
mod decode_stream;
mod encode_reply;
mod encode_request;
mod encode_stream;
pub(super) mod frame;
mod incoming;
mod media;
mod outgoing;
mod tool;

pub(crate) use decode_reply::decode_reply;
pub(crate) use decode_request::decode_request;
pub(crate) use decode_stream::Decoder;
pub(crate) use encode_reply::encode_reply;
pub(crate) use encode_request::encode_request;
pub(crate) use encode_stream::Encoder;

/// What stands before the blob of a thought whose words are withheld, so that it is told from one without words.
pub(super) const REDACTED: &str = "redacted.";
