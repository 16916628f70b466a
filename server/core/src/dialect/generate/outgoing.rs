//! What a client of this dialect is sent, a chunk of a stream or a whole reply, as it stands there.
//!
//! Invariant: what is absent is left out. Pure.
//! Wire facts: Google's `GenerateContentResponse`, and which parts its SDKs take for valid.

use super::super::exchange::{Call, CallKind, Citation, Finish, Logprob};
use super::places::Places;
use crate::usage::Usage;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::HashMap;

/// A chunk of a stream, or a whole reply.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Chunk<'a> {
    pub candidates: Vec<Candidate<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage_metadata: Option<Value>,
    pub model_version: &'a str,
    pub response_id: &'a str,
}

/// An answer, or a piece of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate<'a> {
    pub content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grounding_metadata: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs_result: Option<Value>,
    pub index: u32,
}

/// What was said.
#[derive(Serialize)]
pub(super) struct Content<'a> {
    pub parts: Vec<Part<'a>>,
    pub role: &'static str,
}

/// A part.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub thought: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function_call: Option<FunctionCall>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inline_data: Option<InlineData>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thought_signature: Option<String>,
}

/// A call.
#[derive(Debug, Serialize)]
pub(super) struct FunctionCall {
    id: String,
    name: String,
    args: Box<RawValue>,
}

/// A picture.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InlineData {
    mime_type: String,
    data: String,
}

impl<'a> Part<'a> {
    /// Words.
    pub(super) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self {
            text: Some(text.into()),
            ..Self::default()
        }
    }

    /// A thought in words.
    pub(super) fn thought(text: impl Into<Cow<'a, str>>) -> Self {
        Self {
            thought: true,
            ..Self::text(text)
        }
    }

    /// `call`, whole.
    pub(super) fn call(call: Call) -> Self {
        let name = call.full_name().into_owned();
        let args = match call.kind {
            CallKind::Custom => json!({"input": call.arguments}).to_string(),
            CallKind::Function => object(call.arguments),
        };
        let args = RawValue::from_string(args).unwrap_or_default();
        Self {
            function_call: Some(FunctionCall {
                id: call.id,
                name,
                args,
            }),
            ..Self::default()
        }
    }

    /// A picture.
    pub(super) fn image(mime_type: String, data: String) -> Self {
        Self {
            inline_data: Some(InlineData { mime_type, data }),
            ..Self::default()
        }
    }

    /// The same with `signature`.
    pub(super) fn signed(self, thought_signature: Option<String>) -> Self {
        Self {
            thought_signature,
            ..self
        }
    }

    /// Whether it is words that carry no signature yet.
    pub(super) fn takes_signature(&self) -> bool {
        self.text.is_some() && !self.thought && self.thought_signature.is_none()
    }
}

/// `arguments` where they are a JSON object; otherwise an object that holds them.
fn object(arguments: String) -> String {
    let is_object = arguments.trim_start().starts_with('{') && serde_json::from_str::<&RawValue>(&arguments).is_ok();
    if is_object {
        arguments
    } else if arguments.trim().is_empty() {
        "{}".to_owned()
    } else {
        json!({"_raw": arguments}).to_string()
    }
}

/// Why an answer ended, and the same in words where there are any.
pub(super) fn finish(finish: &Finish) -> (&'static str, Option<&str>) {
    const FAILURES: [&str; 8] = [
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
        "MALFORMED_RESPONSE",
        "NO_IMAGE",
        "PUP_LIMITED_DISABLED",
        "OTHER",
    ];
    match finish {
        Finish::Stop | Finish::StopSequence(_) | Finish::ToolCalls => ("STOP", None),
        Finish::Length => ("MAX_TOKENS", None),
        Finish::ContentFilter(message) => ("SAFETY", message.as_deref()),
        Finish::Failed(word) => match FAILURES.iter().find(|known| *known == word) {
            Some(known) => (known, None),
            None => ("OTHER", Some(word)),
        },
    }
}

/// `usage` in Google's counts: the prompt with what was cached, the answer without what was thought.
pub(super) fn usage(usage: &Usage, service_tier: Option<&str>) -> Value {
    let answer = usage.answer();
    let cached = usage.cache_read.saturating_add(usage.cache_read_audio);
    let mut counts = json!({
        "promptTokenCount": usage.prompt(),
        "candidatesTokenCount": answer.saturating_sub(usage.reasoning),
        "totalTokenCount": usage.prompt().saturating_add(answer),
    });
    let mut put = |name: &str, value: Value| {
        counts[name] = value;
    };
    if cached > 0 {
        put("cachedContentTokenCount", cached.into());
    }
    if usage.reasoning > 0 {
        put("thoughtsTokenCount", usage.reasoning.into());
    }
    put(
        "promptTokensDetails",
        details(
            usage.prompt(),
            usage.audio_input.saturating_add(usage.cache_read_audio),
            usage.image_input,
        ),
    );
    if usage.audio_output > 0 || usage.image_output > 0 {
        let visible = answer.saturating_sub(usage.reasoning);
        put(
            "candidatesTokensDetails",
            details(visible, usage.audio_output, usage.image_output),
        );
    }
    if let Some(tier) = service_tier {
        put("serviceTier", if tier == "default" { "standard" } else { tier }.into());
    }
    counts
}

fn details(all: u64, audio: u64, image: u64) -> Value {
    let text = all.saturating_sub(audio).saturating_sub(image);
    let kinds = [("TEXT", text), ("AUDIO", audio), ("IMAGE", image)];
    let some = kinds.into_iter().filter(|(_, count)| *count > 0);
    some.map(|(modality, count)| json!({"modality": modality, "tokenCount": count}))
        .collect()
}

/// `citations` of a text as pages that it stands on.
pub(super) fn grounding(citations: &[Citation], places: &Places) -> Option<Value> {
    let mut places_of = HashMap::new();
    let mut chunks: Vec<Value> = Vec::new();
    let mut supports = Vec::new();
    for citation in citations.iter().filter(|citation| citation.url.is_some()) {
        let (url, title) = (&citation.url, &citation.title);
        let at = *places_of.entry((url, title)).or_insert(chunks.len());
        if at == chunks.len() {
            chunks.push(json!({"web": {"uri": url, "title": title}}));
        }
        if let Some(end) = citation.end {
            let start = places.bytes(citation.start.unwrap_or(0));
            supports.push(json!({
                "segment": {"startIndex": start, "endIndex": places.bytes(end)},
                "groundingChunkIndices": [at],
            }));
        }
    }
    (!chunks.is_empty()).then(|| json!({"groundingChunks": chunks, "groundingSupports": supports}))
}

/// How likely tokens were.
pub(super) fn logprobs(logprobs: &[Logprob]) -> Option<Value> {
    let pair = |token: &str, logprob: &serde_json::Number| json!({"token": token, "logProbability": logprob});
    let chosen: Vec<Value> = logprobs
        .iter()
        .map(|found| pair(&found.token, &found.logprob))
        .collect();
    let top: Vec<Value> = logprobs
        .iter()
        .map(|found| {
            let candidates: Vec<Value> = found.top.iter().map(|(token, logprob)| pair(token, logprob)).collect();
            json!({"candidates": candidates})
        })
        .collect();
    (!chosen.is_empty()).then(|| json!({"chosenCandidates": chosen, "topCandidates": top}))
}

/// Whether the client wants to see thoughts: in this dialect it says so.
pub(super) fn shows_thoughts(request: &super::super::exchange::Request) -> bool {
    let summary = request
        .reasoning
        .as_ref()
        .and_then(|reasoning| reasoning.summary.as_deref());
    summary.is_some_and(|word| word != "omitted")
}
