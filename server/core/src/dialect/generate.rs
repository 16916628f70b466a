//! The generate dialect: Google's generateContent.
//!
//! Invariant: what an upstream adds, leaves out or writes in another type does no harm. Pure.
//! Wire facts: Google's API reference and SDK types.

#![allow(dead_code, reason = "called by translate")]

mod decode_reply;
mod decode_request;
mod decode_stream;
mod encode_reply;
mod encode_request;
mod encode_stream;
mod family;
mod fields;
mod incoming;
mod opaque;
mod outgoing;
mod places;
mod schema;

#[allow(unused_imports, reason = "called by translate")]
pub(crate) use {
    decode_reply::decode_reply, decode_request::decode_request, decode_stream::Decoder, encode_reply::encode_reply,
    encode_request::encode_request, encode_stream::Encoder,
};

/// What stands in place of a signature that nobody has: Google takes it and looks no further.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// What follows the base URL of a provider where `model` is asked.
pub(crate) fn path(model: &str, stream: bool) -> String {
    use std::fmt::Write;
    let mut path = String::from("/models/");
    for byte in model.strip_prefix("models/").unwrap_or(model).bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte) {
            path.push(char::from(byte));
        } else {
            let _ = write!(path, "%{byte:02X}");
        }
    }
    path.push_str(if stream {
        ":streamGenerateContent?alt=sse"
    } else {
        ":generateContent"
    });
    path
}

#[cfg(test)]
mod tests;

pub(super) mod frame;
