//! What an upstream says: its response object and the items of an output.
//!
//! Invariant: members that are missing or of another type read as absent; items that nobody knows give nothing. Pure.
//! Wire facts: OpenAI's API reference and SDK types; compatible services leave out ids, statuses and counts.

use super::super::counts;
use super::super::exchange::{Call, CallKind, Citation, Finish, Logprob, Output, Thought};
use crate::usage::Usage;
use serde::Deserialize;
use serde_json::Number;
use serde_json::value::RawValue;

/// A response: whole, or as far as it has come.
#[derive(Default, Deserialize)]
pub(super) struct Response<'a> {
    #[serde(borrow)]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) model: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) created_at: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) status: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) incomplete_details: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) output: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) usage: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) service_tier: Option<&'a RawValue>,
}

impl Response<'_> {
    /// The items of the output; `None` where there is no list.
    pub(super) fn items(&self) -> Option<Vec<&RawValue>> {
        serde_json::from_str(self.output?.get()).ok()
    }

    /// When it was made; some services write fractions of a second.
    pub(super) fn created_s(&self) -> Option<i64> {
        let text = self.created_at?.get();
        text.split('.').next()?.parse().ok()
    }

    /// What was used.
    pub(super) fn usage(&self) -> Option<Usage> {
        counts::responses::read(self.usage?)
    }

    /// Why it ended, whose output has calls or has not; `None` where it has not.
    pub(super) fn finish(&self, has_calls: bool) -> Option<Finish> {
        match text(self.status).as_deref() {
            Some("in_progress" | "queued") => None,
            Some("incomplete") => Some(self.incomplete()),
            Some("failed") => Some(Finish::Failed(self.code().unwrap_or_else(|| "server_error".to_owned()))),
            Some("cancelled") => Some(Finish::Failed("cancelled".to_owned())),
            _ if has_calls => Some(Finish::ToolCalls),
            _ => Some(Finish::Stop),
        }
    }

    fn incomplete(&self) -> Finish {
        let details: Incomplete<'_> = read(self.incomplete_details);
        match text(details.reason).as_deref() {
            Some("content_filter") => Finish::ContentFilter(None),
            Some("steered") => Finish::Stop,
            _ => Finish::Length,
        }
    }

    /// The code of its error.
    pub(super) fn code(&self) -> Option<String> {
        let error: Failure<'_> = read(self.error);
        text(error.code).or_else(|| text(error.kind))
    }

    /// The class of service.
    pub(super) fn tier(&self) -> Option<String> {
        text(self.service_tier)
    }
}

#[derive(Default, Deserialize)]
struct Incomplete<'a> {
    #[serde(borrow)]
    reason: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Failure<'a> {
    #[serde(borrow)]
    code: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
}

/// An item of an output.
#[derive(Default, Deserialize)]
pub(super) struct Item<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    call_id: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    namespace: Option<&'a RawValue>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    summary: Option<&'a RawValue>,
    #[serde(borrow)]
    encrypted_content: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    output_format: Option<&'a RawValue>,
}

impl Item<'_> {
    /// Its id at the provider.
    pub(super) fn id(&self) -> Option<String> {
        text(self.id)
    }

    /// The call that it is, with what it says of the arguments.
    pub(super) fn call(&self) -> Option<Call> {
        let (kind, input) = match text(self.kind)?.as_str() {
            "function_call" => (CallKind::Function, self.arguments),
            "custom_tool_call" => (CallKind::Custom, self.input),
            _ => return None,
        };
        Some(Call {
            id: text(self.call_id).or_else(|| self.id()).unwrap_or_default(),
            name: text(self.name)?,
            namespace: text(self.namespace).filter(|namespace| !namespace.is_empty()),
            arguments: input.map(verbatim).unwrap_or_default(),
            kind,
        })
    }

    /// What it says, each with its place within the item.
    pub(super) fn outputs(&self) -> Vec<(u64, Output)> {
        let only = |output: Option<Output>| output.map(|output| (0, output)).into_iter().collect();
        match text(self.kind).unwrap_or_default().as_str() {
            "message" => self.message(),
            "reasoning" => only(self.thought().map(Output::Thought)),
            "function_call" | "custom_tool_call" => only(self.call().map(Output::Call)),
            "image_generation_call" => only(self.image()),
            _ => Vec::new(),
        }
    }

    fn message(&self) -> Vec<(u64, Output)> {
        (0..)
            .zip(list(self.content))
            .filter_map(|(at, part)| Some((at, read::<Part<'_>>(Some(part)).output()?)))
            .collect()
    }

    /// The thought that it is; `None` where nothing of it is told.
    fn thought(&self) -> Option<Thought> {
        let summary = words(self.summary);
        let is_summary = !summary.is_empty();
        let thought = Thought {
            id: self.id(),
            text: if is_summary { summary } else { words(self.content) },
            is_summary,
            blob: text(self.encrypted_content).filter(|blob| !blob.is_empty()),
            is_redacted: false,
        };
        (!thought.text.is_empty() || thought.blob.is_some()).then_some(thought)
    }

    fn image(&self) -> Option<Output> {
        let format = text(self.output_format);
        Some(Output::Image {
            media_type: format!("image/{}", format.as_deref().unwrap_or("png")),
            base64: text(self.result).filter(|base64| !base64.is_empty())?,
        })
    }
}

/// A part of a message.
#[derive(Default, Deserialize)]
pub(super) struct Part<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow)]
    annotations: Option<&'a RawValue>,
    #[serde(borrow)]
    logprobs: Option<&'a RawValue>,
}

impl Part<'_> {
    /// What it says.
    pub(super) fn output(&self) -> Option<Output> {
        match text(self.kind)?.as_str() {
            "output_text" | "text" => Some(Output::Text {
                text: text(self.text).unwrap_or_default(),
                citations: list(self.annotations).into_iter().filter_map(citation).collect(),
                logprobs: logprobs(self.logprobs),
            }),
            "refusal" => Some(Output::Refusal(text(self.refusal).unwrap_or_default())),
            _ => None,
        }
    }
}

#[derive(Default, Deserialize)]
struct Annotation<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    url: Option<&'a RawValue>,
    #[serde(borrow)]
    title: Option<&'a RawValue>,
    #[serde(borrow)]
    filename: Option<&'a RawValue>,
    #[serde(borrow)]
    start_index: Option<&'a RawValue>,
    #[serde(borrow)]
    end_index: Option<&'a RawValue>,
}

/// Where words are from; `None` for what is no source.
pub(super) fn citation(raw: &RawValue) -> Option<Citation> {
    let annotation: Annotation<'_> = read(Some(raw));
    let place = |raw: Option<&RawValue>| raw?.get().parse().ok();
    match text(annotation.kind)?.as_str() {
        "url_citation" => Some(Citation {
            url: text(annotation.url),
            title: text(annotation.title),
            quote: None,
            start: place(annotation.start_index),
            end: place(annotation.end_index),
        }),
        "file_citation" | "container_file_citation" => Some(Citation {
            title: text(annotation.filename),
            start: place(annotation.start_index),
            end: place(annotation.end_index),
            ..Citation::default()
        }),
        _ => None,
    }
}

#[derive(Deserialize)]
struct Likelihood {
    token: String,
    logprob: Number,
    #[serde(default)]
    top_logprobs: Vec<Alternative>,
}

#[derive(Deserialize)]
struct Alternative {
    token: String,
    logprob: Number,
}

/// How likely tokens were.
pub(super) fn logprobs(raw: Option<&RawValue>) -> Vec<Logprob> {
    let read = |raw: &RawValue| serde_json::from_str::<Likelihood>(raw.get()).ok();
    let all = list(raw).into_iter().filter_map(read);
    all.map(|found| Logprob {
        token: found.token,
        logprob: found.logprob,
        top: found
            .top_logprobs
            .into_iter()
            .map(|one| (one.token, one.logprob))
            .collect(),
    })
    .collect()
}

#[derive(Default, Deserialize)]
struct Words<'a> {
    #[serde(borrow)]
    text: Option<&'a RawValue>,
}

/// The words of parts, with blank lines between.
fn words(parts: Option<&RawValue>) -> String {
    let texts = list(parts)
        .into_iter()
        .filter_map(|part| text(read::<Words<'_>>(Some(part)).text));
    texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n\n")
}

/// What `raw` is; empty where it is not.
pub(super) fn read<'a, T: Default + Deserialize<'a>>(raw: Option<&'a RawValue>) -> T {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or_default()
}

/// The elements of `raw`.
fn list(raw: Option<&RawValue>) -> Vec<&RawValue> {
    read(raw)
}

/// The string that `raw` is.
pub(super) fn text(raw: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(raw?.get()).ok()
}

/// The string that `raw` is, or what stands there: some services write arguments as an object.
pub(super) fn verbatim(raw: &RawValue) -> String {
    match raw.get() {
        "null" => String::new(),
        other => text(Some(raw)).unwrap_or_else(|| other.to_owned()),
    }
}
