//! Rewriting a request for its upstream: only the values that are ours, spliced into the client's own bytes.
//!
//! Invariant: every byte outside the rewritten values stays as the client wrote it; where nothing changes, neither does a byte. Pure.

use super::json::without;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::ops::Range;

/// Which field carries the limit on the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxOutputField {
    /// `max_completion_tokens`, which OpenAI's reasoning models demand.
    #[default]
    MaxCompletionTokens,
    /// `max_tokens`, the only one that many compatible services know.
    MaxTokens,
}

impl MaxOutputField {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MaxCompletionTokens => "max_completion_tokens",
            Self::MaxTokens => "max_tokens",
        }
    }
}

/// Where in a request's bytes the values stand that we may rewrite.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// The values that name the model, quotes and all; none where only the path does.
    pub(super) models: Vec<ModelPlace>,
    /// The same, unescaped.
    pub(super) model_name: String,
    /// Whether the model has no place yet though it belongs into the body.
    pub(super) is_model_absent: bool,
    /// The limit's field and value, `null` too, where a client chooses the field.
    pub(super) max_output: Option<(MaxOutputField, Range<usize>)>,
    /// The limit in a dialect that has one field for it.
    pub(super) limit: Limit,
    /// What asks for usage in a stream; `None` where the answer is not streamed.
    pub(super) usage: Option<UsageOption>,
    /// The member that asks for a cost.
    pub(super) cost_option: Option<Range<usize>>,
    /// Where `stream_options` stand as a member.
    pub(super) stream_options: Option<Range<usize>>,
    /// Members and elements that never go upstream.
    pub(super) removed: Vec<Range<usize>>,
    /// Limits of our own, and where they stand.
    pub(super) limits: Vec<(Range<usize>, String)>,
    /// The value that says how speech is streamed.
    pub(super) stream_format: Option<Range<usize>>,
    /// The closing brace.
    pub(super) end: usize,
}

/// A value that names the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ModelPlace {
    pub place: Range<usize>,
    /// Whether it is written as Google's resource, `models/x`.
    pub is_resource: bool,
}

/// Where the limit on the output stands, or would.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Limit {
    /// In one of chat's two fields.
    #[default]
    Chosen,
    /// The answer has no output.
    Never,
    /// The value of the limit.
    At(Range<usize>),
    /// A field that is not there yet.
    Absent(&'static str),
    /// Google's settings are not there, or `null`.
    NoSettings(Option<Range<usize>>),
    /// In Google's settings, just after the opening brace, and whether others follow.
    Inside { at: usize, is_empty: bool },
}

/// How a streamed request stands to `stream_options.include_usage`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum UsageOption {
    /// Already true.
    Asked,
    /// There is no `stream_options`.
    Absent,
    /// The value of `stream_options` is `null`.
    Null(Range<usize>),
    /// There are options: just after the opening brace, and whether others follow.
    Inside { at: usize, is_empty: bool },
    /// The value is `false` or `null`.
    Off(Range<usize>),
}

/// What to change in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewrite<'a> {
    /// The upstream's name of the model.
    pub model: &'a str,
    /// The limit on the output in tokens, where ours is to stand instead of the client's.
    pub max_output: Option<u64>,
    /// The field for it where the client named none.
    pub max_output_field: MaxOutputField,
    /// Whether the stream shall carry usage; `false` leaves the client's choice.
    pub include_usage: bool,
    /// Whether `usage`, which asks us for a cost, goes upstream too.
    pub keep_cost_option: bool,
}

impl Body {
    /// The field in which the client set a limit on the output, or wrote `null` for it.
    #[must_use]
    pub fn max_output_field(&self) -> Option<MaxOutputField> {
        self.max_output.as_ref().map(|(field, _)| *field)
    }

    /// Takes the client's `stream_options` out and adds none, for an upstream that does not know them.
    pub fn omit_stream_options(&mut self) {
        self.usage = None;
        self.removed.extend(self.stream_options.take());
    }

    /// The bytes for the upstream: `original`, of which this body was made, with what `rewrite` changes.
    #[must_use]
    pub fn rewrite(&self, original: &[u8], rewrite: &Rewrite<'_>) -> Vec<u8> {
        let mut edits: Vec<(Range<usize>, String)> = Vec::with_capacity(4);
        let mut appended = String::new();
        edits.extend_from_slice(&self.limits);
        if rewrite.model != self.model_name {
            for model in &self.models {
                let prefix = if model.is_resource { "models/" } else { "" };
                let name = serde_json::json!(format!("{prefix}{}", rewrite.model));
                edits.push((model.place.clone(), name.to_string()));
            }
            if self.is_model_absent {
                appended = format!(r#","model":{}"#, serde_json::json!(rewrite.model));
            }
        }
        if let Some(limit) = rewrite.max_output {
            self.limit(limit, rewrite.max_output_field, &mut edits, &mut appended);
        }
        let mut removed = self.removed.clone();
        removed.extend(self.cost_option.clone().filter(|_| !rewrite.keep_cost_option));
        if !removed.is_empty() {
            let cuts = without(original, removed).into_iter();
            edits.extend(cuts.map(|cut| (cut, String::new())));
        }
        if rewrite.include_usage {
            match &self.usage {
                None | Some(UsageOption::Asked) => {}
                Some(UsageOption::Absent) => appended.push_str(r#","stream_options":{"include_usage":true}"#),
                Some(UsageOption::Null(place)) => edits.push((place.clone(), r#"{"include_usage":true}"#.to_owned())),
                Some(UsageOption::Off(place)) => edits.push((place.clone(), "true".to_owned())),
                Some(UsageOption::Inside { at, is_empty }) => {
                    let comma = if *is_empty { "" } else { "," };
                    edits.push((*at..*at, format!(r#""include_usage":true{comma}"#)));
                }
            }
        }
        if !appended.is_empty() {
            edits.push((self.end..self.end, appended));
        }
        splice(original, edits)
    }

    /// A request for speech: `original` for the upstream's `model`, and for its sound in events.
    #[must_use]
    pub fn rewrite_to_events(&self, original: &[u8], model: &str) -> Vec<u8> {
        let mut edits: Vec<(Range<usize>, String)> = Vec::with_capacity(2);
        if model != self.model_name {
            let name = serde_json::json!(model).to_string();
            edits.extend(self.models.iter().map(|known| (known.place.clone(), name.clone())));
        }
        let events = r#""sse""#.to_owned();
        edits.push(match &self.stream_format {
            Some(place) => (place.clone(), events),
            None => (self.end..self.end, format!(r#","stream_format":{events}"#)),
        });
        splice(original, edits)
    }

    fn limit(&self, limit: u64, field: MaxOutputField, edits: &mut Vec<(Range<usize>, String)>, appended: &mut String) {
        const NAME: &str = "maxOutputTokens";
        let append = |appended: &mut String, field: &str| {
            // Writing into a text cannot fail.
            let _ = write!(appended, r#","{field}":{limit}"#);
        };
        match (&self.limit, &self.max_output) {
            (Limit::At(place), _) | (Limit::Chosen, Some((_, place))) => edits.push((place.clone(), limit.to_string())),
            (Limit::Chosen, None) => append(appended, field.as_str()),
            (Limit::Absent(field), _) => append(appended, field),
            (Limit::NoSettings(Some(place)), _) => edits.push((place.clone(), format!(r#"{{"{NAME}":{limit}}}"#))),
            (Limit::NoSettings(None), _) => {
                let _ = write!(appended, r#","generationConfig":{{"{NAME}":{limit}}}"#);
            }
            (Limit::Inside { at, is_empty }, _) => {
                let comma = if *is_empty { "" } else { "," };
                edits.push((*at..*at, format!(r#""{NAME}":{limit}{comma}"#)));
            }
            (Limit::Never, _) => {}
        }
    }
}

/// `original` with each place replaced by its text; the places do not overlap.
pub(super) fn splice(original: &[u8], mut edits: Vec<(Range<usize>, String)>) -> Vec<u8> {
    edits.sort_unstable_by_key(|(place, _)| place.start);
    let added: usize = edits.iter().map(|(_, text)| text.len()).sum();
    let mut bytes = Vec::with_capacity(original.len() + added);
    let mut done = 0;
    for (place, text) in edits {
        bytes.extend_from_slice(&original[done..place.start]);
        bytes.extend_from_slice(text.as_bytes());
        done = place.end;
    }
    bytes.extend_from_slice(&original[done..]);
    bytes
}
