//! Why an answer ended, in Anthropic's words.
//!
//! Invariant: an answer with calls is told to have ended for them, one without is not. Pure.
//! Wire facts: Anthropic's API reference, "Handling stop reasons".

use super::super::exchange::{Ask, Finish};
use super::content::Text;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The end that `reason` stands for, with the text it ended at and the details beside it.
pub(super) fn decode(reason: &str, sequence: Option<&str>, details: Option<&RawValue>) -> Finish {
    match reason {
        "max_tokens" | "model_context_window_exceeded" | "compaction" => Finish::Length,
        "stop_sequence" => Finish::StopSequence(sequence.unwrap_or_default().to_owned()),
        "tool_use" => Finish::ToolCalls,
        "refusal" => Finish::ContentFilter(details.and_then(explanation)),
        _ => Finish::Stop,
    }
}

fn explanation(details: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Details<'a> {
        #[serde(borrow)]
        explanation: Option<Text<'a>>,
        #[serde(borrow)]
        category: Option<Text<'a>>,
    }
    let details: Details<'_> = serde_json::from_str(details.get()).ok()?;
    let Text(text) = details.explanation.or(details.category)?;
    Some(text.into_owned())
}

/// The members of a message, or of its last delta, that say why it ended.
#[derive(Debug, Serialize)]
pub(super) struct Stop<'a> {
    stop_reason: &'static str,
    stop_sequence: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_details: Option<Details<'a>>,
}

#[derive(Debug, Serialize)]
struct Details<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    category: Option<&'a str>,
    explanation: Option<&'a str>,
}

impl<'a> Stop<'a> {
    /// `finish` of an answer to `ask`, with calls or without.
    pub(super) fn of(finish: Option<&'a Finish>, has_calls: bool, ask: &'a Ask) -> Self {
        let plain = |stop_reason| Self {
            stop_reason,
            stop_sequence: None,
            stop_details: None,
        };
        match finish {
            Some(Finish::Length) => plain("max_tokens"),
            Some(Finish::StopSequence(text)) => Self {
                stop_sequence: match (text.as_str(), ask.request.stop.as_slice()) {
                    ("", [only]) => Some(only),
                    ("", _) => None,
                    (text, _) => Some(text),
                },
                ..plain("stop_sequence")
            },
            Some(Finish::ContentFilter(explanation)) => Self {
                stop_details: Some(Details {
                    kind: "refusal",
                    category: None,
                    explanation: explanation.as_deref(),
                }),
                ..plain("refusal")
            },
            None | Some(Finish::Stop | Finish::ToolCalls | Finish::Failed(_)) if has_calls => plain("tool_use"),
            None | Some(Finish::Stop | Finish::ToolCalls | Finish::Failed(_)) => plain("end_turn"),
        }
    }
}
