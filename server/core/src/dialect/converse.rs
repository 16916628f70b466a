//! The converse dialect: Amazon Bedrock's Converse and ConverseStream. Only upstreams speak it; no client does.
//!
//! Invariant: what an upstream adds, leaves out or writes in another type does no harm. Pure.
//! Wire facts: the AWS SDKs' model of the Bedrock runtime.

mod decode_reply;
mod decode_stream;
mod encode_request;

pub(crate) use {decode_reply::decode_reply, decode_stream::Decoder, encode_request::encode_request};

use super::exchange::Finish;

/// Why an answer ended, by Bedrock's word for it. A word that came later is taken for a complete answer.
fn finish(word: &str) -> Finish {
    match word {
        "tool_use" => Finish::ToolCalls,
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "stop_sequence" => Finish::StopSequence(String::new()),
        "content_filtered" | "guardrail_intervened" => Finish::ContentFilter(None),
        "malformed_model_output" | "malformed_tool_use" => Finish::Failed(word.to_owned()),
        _ => Finish::Stop,
    }
}
