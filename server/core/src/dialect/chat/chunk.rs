//! A chunk of a chat stream, or a whole reply, which has the same members.
//!
//! Invariant: members whose type differs between services stay raw until somebody looks at them, so that none spoils the others. Pure.
//! Wire facts: OpenAI's SDK types, and the deltas that DeepSeek, Groq, Mistral, OpenRouter and vLLM add to them.

use super::super::exchange::{Citation, Finish, Logprob};
use super::super::json::is_null;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Number;
use serde_json::value::RawValue;

/// A chunk or a whole reply.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Chunk<'a> {
    #[serde(borrow)]
    pub id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub object: Option<&'a RawValue>,
    #[serde(borrow)]
    pub model: Option<&'a RawValue>,
    #[serde(borrow)]
    pub created: Option<&'a RawValue>,
    #[serde(borrow)]
    pub choices: Option<Vec<ChoiceChunk<'a>>>,
    #[serde(borrow)]
    pub usage: Option<&'a RawValue>,
    #[serde(borrow)]
    pub x_groq: Option<&'a RawValue>,
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
    #[serde(borrow)]
    pub service_tier: Option<&'a RawValue>,
    #[serde(borrow)]
    pub citations: Option<&'a RawValue>,
}

/// What it says of one answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ChoiceChunk<'a> {
    #[serde(borrow)]
    pub index: Option<&'a RawValue>,
    #[serde(borrow)]
    pub delta: Option<Said<'a>>,
    /// Of a whole reply; some services put one into the last chunk of a stream too.
    #[serde(borrow)]
    pub message: Option<Said<'a>>,
    #[serde(borrow)]
    pub logprobs: Option<&'a RawValue>,
    #[serde(borrow)]
    pub finish_reason: Option<&'a RawValue>,
    #[serde(borrow)]
    pub stop_reason: Option<&'a RawValue>,
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
}

/// What a model said, thought and called.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Said<'a> {
    #[serde(borrow)]
    pub content: Option<&'a RawValue>,
    #[serde(borrow)]
    pub refusal: Option<&'a RawValue>,
    #[serde(borrow)]
    pub reasoning_content: Option<&'a RawValue>,
    #[serde(borrow)]
    pub reasoning: Option<&'a RawValue>,
    #[serde(borrow)]
    pub reasoning_details: Option<&'a RawValue>,
    #[serde(borrow)]
    pub tool_calls: Option<&'a RawValue>,
    #[serde(borrow)]
    pub function_call: Option<&'a RawValue>,
    #[serde(borrow)]
    pub images: Option<&'a RawValue>,
    #[serde(borrow)]
    pub annotations: Option<&'a RawValue>,
}

/// A part of a call.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CallChunk<'a> {
    #[serde(borrow)]
    pub index: Option<&'a RawValue>,
    #[serde(borrow)]
    pub id: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    pub kind: Option<&'a RawValue>,
    #[serde(borrow)]
    pub function: Option<FunctionChunk<'a>>,
    #[serde(borrow)]
    pub custom: Option<FunctionChunk<'a>>,
}

/// A part of what is called and with what.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FunctionChunk<'a> {
    #[serde(borrow)]
    pub name: Option<&'a RawValue>,
    #[serde(borrow, alias = "input")]
    pub arguments: Option<&'a RawValue>,
}

/// `raw` as `T`, where it is one.
pub(super) fn read<T: DeserializeOwned>(raw: Option<&RawValue>) -> Option<T> {
    serde_json::from_str(raw?.get()).ok()
}

/// `raw`, unless it is `null`.
pub(super) fn some(raw: Option<&RawValue>) -> Option<&RawValue> {
    raw.filter(|raw| !is_null(raw))
}

/// A text that is not empty.
pub(super) fn text(raw: Option<&RawValue>) -> Option<String> {
    read::<String>(raw).filter(|text| !text.is_empty())
}

/// The words of a call's arguments: a text, or JSON that was not put into one.
pub(super) fn arguments(raw: Option<&RawValue>) -> Option<String> {
    let raw = some(raw)?;
    if raw.get().starts_with('"') {
        text(Some(raw))
    } else {
        Some(raw.get().to_owned())
    }
}

/// A piece of content: words, or words of a thought (Mistral).
#[derive(Debug)]
pub(super) enum Piece {
    Text(String),
    Thought(String),
}

/// The pieces of a content, whether it is a text or a list of parts.
pub(super) fn content(raw: Option<&RawValue>) -> Vec<Piece> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Part<'a> {
        #[serde(borrow)]
        text: Option<&'a RawValue>,
        #[serde(borrow)]
        thinking: Option<&'a RawValue>,
    }
    let Some(raw) = raw else { return Vec::new() };
    if let Some(text) = text(Some(raw)) {
        return vec![Piece::Text(text)];
    }
    let parts: Vec<Part<'_>> = serde_json::from_str(raw.get()).unwrap_or_default();
    let piece = |part: Part<'_>| match some(part.thinking) {
        Some(thinking) => Some(Piece::Thought(super::decode_message::thinking_words(read(Some(
            thinking,
        ))))),
        None => text(part.text).map(Piece::Text),
    };
    parts.into_iter().filter_map(piece).collect()
}

/// Where words are from, in OpenAI's annotations.
pub(super) fn annotations(raw: Option<&RawValue>) -> Vec<Citation> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Annotation<'a> {
        #[serde(borrow)]
        url_citation: Option<Source<'a>>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Source<'a> {
        #[serde(borrow)]
        url: Option<&'a RawValue>,
        #[serde(borrow)]
        title: Option<&'a RawValue>,
        #[serde(borrow)]
        content: Option<&'a RawValue>,
        #[serde(borrow)]
        start_index: Option<&'a RawValue>,
        #[serde(borrow)]
        end_index: Option<&'a RawValue>,
    }
    let Some(raw) = some(raw) else { return Vec::new() };
    let list: Vec<Annotation<'_>> = serde_json::from_str(raw.get()).unwrap_or_default();
    let citation = |source: Source<'_>| {
        let (start, end) = (read(source.start_index), read(source.end_index));
        // OpenRouter writes 0 to 0 where it does not know.
        let is_known = end.is_some_and(|end: u64| end > 0);
        Citation {
            url: text(source.url),
            title: text(source.title),
            quote: text(source.content),
            start: start.filter(|_| is_known),
            end: end.filter(|_| is_known),
        }
    };
    let sources = list.into_iter().filter_map(|annotation| annotation.url_citation);
    sources.map(citation).collect()
}

/// How likely each token of the content was.
pub(super) fn logprobs(raw: Option<&RawValue>) -> Vec<Logprob> {
    #[derive(Deserialize)]
    struct Logprobs {
        content: Vec<Token>,
    }
    #[derive(Deserialize)]
    struct Token {
        token: String,
        logprob: Number,
        #[serde(default)]
        top_logprobs: Option<Vec<Top>>,
    }
    #[derive(Deserialize)]
    struct Top {
        token: String,
        logprob: Number,
    }
    let tokens = read::<Logprobs>(some(raw))
        .map(|found| found.content)
        .unwrap_or_default();
    let logprob = |token: Token| Logprob {
        token: token.token,
        logprob: token.logprob,
        top: token
            .top_logprobs
            .unwrap_or_default()
            .into_iter()
            .map(|top| (top.token, top.logprob))
            .collect(),
    };
    tokens.into_iter().map(logprob).collect()
}

/// The pictures of OpenRouter's `images`, where they are here and not elsewhere: media type and base64.
pub(super) fn images(raw: Option<&RawValue>) -> Vec<(String, String)> {
    #[derive(Deserialize)]
    struct Image {
        image_url: Address,
    }
    #[derive(Deserialize)]
    struct Address {
        url: String,
    }
    let images: Vec<Image> = read(some(raw)).unwrap_or_default();
    let data = |image: Image| match super::decode_message::source_of(image.image_url.url) {
        super::super::exchange::Source::Data { media_type, base64 } => Some((media_type, base64)),
        _ => None,
    };
    images.into_iter().filter_map(data).collect()
}

/// Why an answer ended, by the word for it; `stopped_at` is vLLM's word for where.
pub(super) fn finish(reason: &str, stopped_at: Option<String>, has_calls: bool) -> Finish {
    match reason {
        "length" | "model_length" | "max_tokens" | "MAX_TOKENS" => Finish::Length,
        "tool_calls" | "function_call" | "tool_use" => Finish::ToolCalls,
        "content_filter" | "safety" => Finish::ContentFilter(None),
        "error" | "insufficient_system_resource" | "malformed_function_call" => Finish::Failed(reason.to_owned()),
        _ if has_calls => Finish::ToolCalls,
        _ => stopped_at.map_or(Finish::Stop, Finish::StopSequence),
    }
}
