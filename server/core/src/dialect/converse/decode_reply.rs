//! A whole reply of Converse.
//!
//! Invariant: content of a kind that is not known is left out, the rest keeps its order. Pure.
//! Wire facts: the AWS SDKs' model of the Bedrock runtime.

use super::super::counts;
use super::super::exchange::{Call, CallKind, Choice, Output, Reply, Thought, Unreadable};
use super::finish;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(borrow)]
    output: Wrapped<'a>,
    #[serde(borrow, default)]
    stop_reason: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    service_tier: Option<Tier<'a>>,
}

#[derive(Deserialize)]
struct Wrapped<'a> {
    #[serde(borrow)]
    message: Message<'a>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    content: Vec<Content<'a>>,
}

/// How a reply was served.
#[derive(Deserialize)]
pub(super) struct Tier<'a> {
    /// Its name.
    #[serde(borrow, rename = "type")]
    pub(super) name: Cow<'a, str>,
}

/// One of these members is there.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Content<'a> {
    #[serde(default)]
    text: Option<String>,
    #[serde(borrow, default)]
    tool_use: Option<ToolUse<'a>>,
    #[serde(default)]
    reasoning_content: Option<Reasoning>,
    #[serde(default)]
    image: Option<Image>,
    #[serde(default)]
    citations_content: Option<Cited>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolUse<'a> {
    tool_use_id: String,
    name: String,
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reasoning {
    #[serde(default)]
    reasoning_text: Option<Signed>,
    #[serde(default)]
    redacted_content: Option<String>,
}

#[derive(Deserialize)]
struct Signed {
    #[serde(default)]
    text: String,
    #[serde(default)]
    signature: Option<String>,
}

#[derive(Deserialize)]
struct Image {
    format: String,
    source: Bytes,
}

#[derive(Deserialize)]
struct Bytes {
    bytes: String,
}

#[derive(Deserialize)]
struct Cited {
    #[serde(default)]
    content: Vec<CitedText>,
}

#[derive(Deserialize)]
struct CitedText {
    #[serde(default)]
    text: String,
}

/// The reply in `body`.
pub(crate) fn decode_reply(body: &[u8]) -> Result<Reply, Unreadable> {
    let wire: Wire<'_> = serde_json::from_slice(body).map_err(|_| Unreadable)?;
    let output = wire.output.message.content.into_iter().filter_map(output).collect();
    Ok(Reply {
        choices: vec![Choice {
            index: 0,
            output,
            finish: wire.stop_reason.as_deref().map(finish),
        }],
        usage: wire.usage.and_then(counts::converse::read),
        service_tier: wire.service_tier.map(|tier| tier.name.into_owned()),
        ..Reply::default()
    })
}

fn output(content: Content<'_>) -> Option<Output> {
    let text = |text| Output::Text {
        text,
        citations: Vec::new(),
        logprobs: Vec::new(),
    };
    if let Some(words) = content.text {
        return Some(text(words));
    }
    if let Some(call) = content.tool_use {
        return Some(Output::Call(Call {
            id: call.tool_use_id,
            name: call.name,
            namespace: None,
            arguments: call.input.map_or("{}", RawValue::get).to_owned(),
            kind: CallKind::Function,
        }));
    }
    if let Some(reasoning) = content.reasoning_content {
        return Some(Output::Thought(thought(reasoning)));
    }
    if let Some(image) = content.image {
        return Some(Output::Image {
            media_type: format!("image/{}", image.format),
            base64: image.source.bytes,
        });
    }
    let cited = content.citations_content?;
    Some(text(cited.content.into_iter().map(|part| part.text).collect()))
}

fn thought(reasoning: Reasoning) -> Thought {
    match (reasoning.reasoning_text, reasoning.redacted_content) {
        (Some(signed), _) => Thought {
            text: signed.text,
            blob: signed.signature.filter(|signature| !signature.is_empty()),
            ..Thought::default()
        },
        (None, redacted) => Thought {
            is_redacted: redacted.is_some(),
            blob: redacted,
            ..Thought::default()
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::super::exchange::Finish;
    use super::*;
    use crate::usage::Usage;

    fn only(content: &str) -> Vec<Output> {
        let body =
            format!(r#"{{"output":{{"message":{{"role":"assistant","content":[{content}]}}}},"stopReason":"x"}}"#);
        decode_reply(body.as_bytes()).unwrap().choices.remove(0).output
    }

    #[test]
    fn every_kind_of_content_has_its_place() {
        let text = |text: &str| Output::Text {
            text: text.to_owned(),
            citations: Vec::new(),
            logprobs: Vec::new(),
        };
        let call = |arguments: &str| {
            Output::Call(Call {
                id: "tooluse_1".to_owned(),
                name: "f".to_owned(),
                arguments: arguments.to_owned(),
                ..Call::default()
            })
        };
        for (content, expected) in [
            (r#"{"text":"hi"}"#, vec![text("hi")]),
            (r#"{"text":"a"},{"news":{}},{"text":"b"}"#, vec![text("a"), text("b")]),
            (
                r#"{"toolUse":{"toolUseId":"tooluse_1","name":"f","input":{"b":1.50,"a":2}}}"#,
                vec![call(r#"{"b":1.50,"a":2}"#)],
            ),
            (r#"{"toolUse":{"toolUseId":"tooluse_1","name":"f"}}"#, vec![call("{}")]),
            (
                r#"{"reasoningContent":{"reasoningText":{"text":"hm","signature":"s"}}}"#,
                vec![Output::Thought(Thought {
                    text: "hm".to_owned(),
                    blob: Some("s".to_owned()),
                    ..Thought::default()
                })],
            ),
            (
                r#"{"reasoningContent":{"redactedContent":"AAAA"}}"#,
                vec![Output::Thought(Thought {
                    blob: Some("AAAA".to_owned()),
                    is_redacted: true,
                    ..Thought::default()
                })],
            ),
            (
                r#"{"image":{"format":"png","source":{"bytes":"AA=="}}}"#,
                vec![Output::Image {
                    media_type: "image/png".to_owned(),
                    base64: "AA==".to_owned(),
                }],
            ),
            (
                r#"{"citationsContent":{"content":[{"text":"x"},{"text":"y"}],"citations":[]}}"#,
                vec![text("xy")],
            ),
        ] {
            assert_eq!(only(content), expected, "{content}");
        }
    }

    #[test]
    fn what_ended_it_and_what_it_used() {
        let body = br#"{"output":{"message":{"content":[]}},"stopReason":"max_tokens","serviceTier":{"type":"flex"},
            "usage":{"inputTokens":3,"outputTokens":5,"totalTokens":8,"cacheReadInputTokens":7},"metrics":{"latencyMs":1}}"#;
        let reply = decode_reply(body).unwrap();
        assert_eq!(reply.choices[0].finish, Some(Finish::Length));
        assert_eq!(reply.service_tier.as_deref(), Some("flex"));
        let expected = Usage {
            input: 3,
            cache_read: 7,
            output: 5,
            ..Usage::default()
        };
        assert_eq!(reply.usage, Some(expected));
        for (word, expected) in [
            ("end_turn", Finish::Stop),
            ("tool_use", Finish::ToolCalls),
            ("stop_sequence", Finish::StopSequence(String::new())),
            ("model_context_window_exceeded", Finish::Length),
            ("guardrail_intervened", Finish::ContentFilter(None)),
            ("content_filtered", Finish::ContentFilter(None)),
            ("malformed_tool_use", Finish::Failed("malformed_tool_use".to_owned())),
            ("later_word", Finish::Stop),
        ] {
            assert_eq!(finish(word), expected, "{word}");
        }
    }

    #[test]
    fn what_is_no_reply_is_unreadable() {
        for body in [
            "",
            "{}",
            "[]",
            r#"{"output":{}}"#,
            r#"{"output":{"message":{"content":7}}}"#,
        ] {
            assert_eq!(decode_reply(body.as_bytes()), Err(Unreadable), "{body}");
        }
    }
}
