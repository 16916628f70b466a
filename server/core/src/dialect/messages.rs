//! The messages dialect: Anthropic's Messages.
//!
//! Invariant: what an upstream adds, leaves out or writes in another type does no harm. Pure.
//! Wire facts: Anthropic's API reference and SDK types.

mod block;
mod content;
mod decode_reply;
mod decode_request;
mod decode_stream;
mod encode_reply;
mod encode_request;
mod encode_stream;
mod object;
mod stop;
mod tokens;

pub(crate) use decode_reply::decode_reply;
pub(crate) use decode_request::decode_request;
pub(crate) use decode_stream::Decoder;
pub(crate) use encode_reply::encode_reply;
pub(crate) use encode_request::encode_request;
pub(crate) use encode_stream::Encoder;

pub(super) mod frame;
