//! The chat dialect: OpenAI's Chat Completions and what is compatible with it.
//!
//! Invariant: what an upstream adds, leaves out or writes in another type does no harm. Pure.
//! Wire facts: OpenAI's API reference and SDK types, and the documented deviations of compatible services.

mod chunk;
mod decode_message;
mod decode_reply;
mod decode_request;
mod decode_stream;
mod details;
mod encode_message;
mod encode_reply;
mod encode_request;
mod encode_stream;
mod encode_tools;
pub(super) mod frame;
mod order;
mod provider;
mod spoken;
#[cfg(test)]
mod tests;

pub(crate) use decode_reply::decode_reply;
pub(crate) use decode_request::decode_request;
pub(crate) use decode_stream::Decoder;
pub(crate) use encode_reply::encode_reply;
pub(crate) use encode_request::encode_request;
pub(crate) use encode_stream::Encoder;
