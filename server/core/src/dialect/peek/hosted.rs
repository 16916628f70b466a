//! Tools that run at the provider and may stay in the request: which they are, and what they can come to.
//!
//! Invariant: a tool stays only where its searches and the readings of the prompt between have a bound that the provider keeps or that
//! is held; where the client sets none, ours goes upstream. Pure.
//! Wire facts: OpenAI's `max_tool_calls` counts the calls of all tools that run there; Anthropic's `max_uses` counts those of one,
//! answers a further one with an error, which is read too, and pauses a turn after ten rounds; Google knows no limit, and bills
//! neither what a search found nor another reading for it.

use super::super::envelope::{PeekError, Running};
use super::super::json::{is_null, place_in};
use super::super::operation::{Hosted, Operation};
use super::Reader;
use super::tools::{Inside, READINGS, TYPED_TOOL_TOKENS};
use super::value::whole_from;
use crate::dialect::bound::TOOL_TOKENS;
use serde_json::value::RawValue;
use std::ops::Range;

/// The calls that are allowed where the client sets no limit, and the searches that are held for where there can be none.
const CALLS: u64 = 10;
/// The most calls that a client can ask for.
const CALLS_MAX: u64 = 1_000_000;
const CALLS_EXPECTED: &str = "a whole number up to 1000000";
const MAX_USES: &str = "max_uses";
const MAX_TOOL_CALLS: &str = "max_tool_calls";
/// The only one of chat: each answer of such a model takes one search.
const SEARCH_OPTIONS: &str = "web_search_options";

/// What stays of a request that runs at the provider.
#[derive(Default)]
pub(super) struct Found {
    /// The kinds, as they are written.
    pub kinds: Vec<String>,
    /// Whether one of them searches for a fee.
    has_fee: bool,
    /// Whether the prompt is read again, with results, once one of them has run.
    is_read_again: bool,
    /// The uses that the tools allow, where each has a limit of its own.
    uses: u64,
    notes: Vec<String>,
}

/// Whether a tool of `kind` that runs at the provider has a fee for each search; `None` where it may not stay.
fn fee(operation: Operation, kind: &str) -> Option<bool> {
    match operation {
        Operation::Responses if kind.starts_with("web_search") => Some(true),
        Operation::Responses if kind == "mcp" => Some(false),
        Operation::Messages if kind.starts_with("web_search_") => Some(true),
        Operation::Messages if kind.starts_with("web_fetch_") => Some(false),
        Operation::Generate if kind == "googleSearch" => Some(true),
        Operation::Generate if matches!(kind, "urlContext" | "codeExecution") => Some(false),
        Operation::Chat if kind == SEARCH_OPTIONS => Some(true),
        _ => None,
    }
}

impl<'de> Reader<'_, 'de> {
    /// Whether a tool of `kind` may run; it is noted where it does.
    fn runs(&mut self, kind: &str) -> bool {
        let Some(has_fee) = fee(self.asked.operation, kind) else {
            return false;
        };
        let runs = match self.asked.hosted {
            Hosted::None => false,
            Hosted::WithoutFee => !has_fee,
            Hosted::WithFee => true,
        };
        if runs {
            self.hosted.kinds.push(kind.to_owned());
            self.hosted.has_fee |= has_fee;
        }
        runs
    }

    /// Whether the tool of `kind` with `members` stays, though it runs at the provider.
    ///
    /// # Errors
    /// [`PeekError::Duplicate`] where its kind is ambiguous.
    pub(super) fn may_run(&mut self, kind: &str, members: Inside<'_, 'de>) -> Result<bool, PeekError> {
        Ok(self.runs(kind) && once(members, "type")?.is_some())
    }

    /// Takes in a tool that stays.
    pub(super) fn hosted_tool(
        &mut self,
        kind: &str,
        tool: &'de RawValue,
        members: Inside<'_, 'de>,
    ) -> Result<(), PeekError> {
        self.hosted.is_read_again = true;
        self.count.tokens = self.count.tokens.saturating_add(TOOL_TOKENS + TYPED_TOOL_TOKENS);
        if self.asked.operation != Operation::Messages || fee(Operation::Messages, kind) != Some(true) {
            return Ok(());
        }
        let start = place_in(self.text, tool.get()).start + 1;
        let given = once(members, MAX_USES)?;
        let uses = match given.filter(|raw| !is_null(raw)) {
            Some(raw) => whole_from(raw, "tools.max_uses", CALLS_EXPECTED, 0..=CALLS_MAX)?,
            None => {
                let absent = (start..start, format!(r#""{MAX_USES}":{CALLS},"#));
                self.limit_of_ours(given, absent, MAX_USES);
                CALLS
            }
        };
        self.hosted.uses = self.hosted.uses.saturating_add(uses);
        Ok(())
    }

    /// Whether the member `name` of a tool of Google's stays, though it runs at the provider.
    pub(super) fn google_runs(&mut self, name: &str) -> bool {
        let runs = self.runs(name);
        self.hosted.is_read_again |= runs && fee(Operation::Generate, name) == Some(false);
        runs
    }

    /// Whether the field `name` asks a model that always searches how to, and may.
    pub(super) fn is_search_option(&mut self, name: &str) -> bool {
        name == SEARCH_OPTIONS && self.runs(name)
    }

    /// What everything that stays can come to, once all of it was read.
    pub(super) fn running(&mut self) -> Result<(), PeekError> {
        if self.hosted.kinds.is_empty() {
            return Ok(());
        }
        let mut running = match self.asked.operation {
            Operation::Chat => Running {
                searches: 1,
                readings: 1,
                untold: 1,
                ..Running::default()
            },
            Operation::Responses => {
                let calls = self.calls()?;
                Running {
                    searches: calls,
                    readings: calls.saturating_add(1),
                    ..Running::default()
                }
            }
            Operation::Messages => Running {
                searches: self.hosted.uses,
                readings: READINGS,
                ..Running::default()
            },
            _ => Running {
                searches: CALLS,
                readings: if self.hosted.is_read_again { READINGS } else { 1 },
                ..Running::default()
            },
        };
        if !self.hosted.has_fee {
            running.searches = 0;
        }
        if self.is_read_again && self.asked.operation == Operation::Responses {
            // A search for tools may be no call that is counted.
            running.readings = running.readings.saturating_add(READINGS);
        }
        running.notes = std::mem::take(&mut self.hosted.notes);
        self.envelope.hosted = Some(running);
        Ok(())
    }

    /// The calls that Responses may run.
    fn calls(&mut self) -> Result<u64, PeekError> {
        let given = self.kept.tool_calls;
        if let Some(raw) = given.filter(|raw| !is_null(raw)) {
            return whole_from(raw, MAX_TOOL_CALLS, CALLS_EXPECTED, 0..=CALLS_MAX);
        }
        let end = self.text.trim_ascii_end().len() - 1;
        let absent = (end..end, format!(r#","{MAX_TOOL_CALLS}":{CALLS}"#));
        self.limit_of_ours(given, absent, MAX_TOOL_CALLS);
        Ok(CALLS)
    }

    /// Sets the limit `name`: in the place of a `null` that was `given`, or as `absent` says.
    fn limit_of_ours(&mut self, given: Option<&'de RawValue>, absent: (Range<usize>, String), name: &str) {
        let edit = given.map_or(absent, |raw| (place_in(self.text, raw.get()), CALLS.to_string()));
        self.body.limits.push(edit);
        let note = format!("{name} set to {CALLS}: a tool runs at the provider");
        if !self.hosted.notes.contains(&note) {
            self.hosted.notes.push(note);
        }
    }
}

/// The member `name`, which may stand once.
fn once<'de>(members: Inside<'_, 'de>, name: &'static str) -> Result<Option<&'de RawValue>, PeekError> {
    let mut found = members
        .iter()
        .filter(|(known, _)| known == name)
        .map(|(_, value)| *value);
    let first = found.next();
    match found.next() {
        None => Ok(first),
        Some(_) => Err(PeekError::Duplicate {
            field: format!("tools.{name}"),
        }),
    }
}

#[cfg(test)]
mod tests;
