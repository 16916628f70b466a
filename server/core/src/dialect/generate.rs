//! The generate dialect: Google's generateContent.
//!
//! Invariant: what an upstream adds, leaves out or writes in another type does no harm. Pure.
//! Wire facts: Google's API reference and SDK types.

mod decode_reply;
mod decode_request;
mod decode_stream;
mod encode_reply;
mod encode_request;
mod encode_stream;
mod family;
mod fields;
mod incoming;
pub(super) mod opaque;
mod outgoing;
mod places;
mod schema;

pub(crate) use {
    decode_reply::decode_reply, decode_request::decode_request, decode_stream::Decoder, encode_reply::encode_reply,
    encode_request::encode_request, encode_stream::Encoder,
};

/// What stands in place of a signature that nobody has: Google takes it and looks no further.
pub(super) const NO_SIGNATURE: &str = "skip_thought_signature_validator";

#[cfg(test)]
mod tests;

pub(super) mod frame;
