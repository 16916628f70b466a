//! The counts in the `usage` objects of the messages dialect, of which a stream sends several, each with a part.
//!
//! Invariant: as in [`super`]; counts are cumulative, so that the largest of a kind holds. `iterations` are not read: the passes they
//! tell of beyond the totals belong to features that are refused. Pure.
//! Wire facts: Anthropic's API reference and SDK types: `input_tokens` leaves the cache out; what is written without a time to live
//! is kept for five minutes.

use super::super::glimpse::tier_of;
use super::{Counts, Unusable, written};
use crate::usage::{ServiceTier, Usage};
use serde_json::value::RawValue;

/// The service tier that `usage` tells of.
pub(crate) fn tier(usage: &RawValue) -> Option<ServiceTier> {
    tier_of(Counts::of(usage).member("service_tier"))
}

/// What the `usage` objects of one reply say together.
///
/// A stream's first one already counts a token or so of output: of a stream that was cut before `message_delta`, the sum tells too
/// little, and the caller estimates the output instead.
#[derive(Debug, Default)]
pub(crate) struct Cumulative {
    input: Option<u64>,
    cache_read: Option<u64>,
    cache_write: Option<u64>,
    written_short: Option<u64>,
    written_long: Option<u64>,
    output: Option<u64>,
    reasoning: Option<u64>,
    searches: Option<u64>,
    is_unusable: bool,
}

impl Cumulative {
    /// Takes in `usage`: that of a whole reply, of `message_start` or of `message_delta`; whether it changes what the output is counted
    /// as: it tells the output, or spoils the counts.
    pub(crate) fn see(&mut self, usage: &RawValue) -> bool {
        let usage = Counts::of(usage);
        self.is_unusable |= self.add(&usage).is_err();
        self.is_unusable || matches!(usage.count("output_tokens"), Ok(Some(_)))
    }

    /// The counts; `None` where input or output were not told, or a count was none.
    pub(crate) fn usage(&self) -> Option<Usage> {
        if self.is_unusable {
            return None;
        }
        let (cache_write, cache_write_long) = written(self.cache_write, self.written_short, self.written_long).ok()?;
        let output = self.output?;
        let usage = Usage {
            input: self.input?,
            cache_read: self.cache_read.unwrap_or(0),
            cache_write,
            cache_write_long,
            output,
            reasoning: self.reasoning.unwrap_or(0).min(output),
            searches: self.searches.unwrap_or(0),
            ..Usage::default()
        };
        let prompt = [usage.input, usage.cache_read, cache_write, cache_write_long];
        let is_countable = prompt.into_iter().try_fold(0, u64::checked_add).is_some();
        is_countable.then_some(usage)
    }

    fn add(&mut self, usage: &Counts<'_>) -> Result<(), Unusable> {
        let by_ttl = usage.details("cache_creation");
        let details = usage.details("output_tokens_details");
        let hosted = usage.details("server_tool_use");
        for (kind, found) in [
            (&mut self.input, usage.count("input_tokens")?),
            (&mut self.cache_read, usage.count("cache_read_input_tokens")?),
            (&mut self.cache_write, usage.count("cache_creation_input_tokens")?),
            (&mut self.written_short, by_ttl.count("ephemeral_5m_input_tokens")?),
            (&mut self.written_long, by_ttl.count("ephemeral_1h_input_tokens")?),
            (&mut self.output, usage.count("output_tokens")?),
            (&mut self.reasoning, details.count("thinking_tokens")?),
            (&mut self.searches, hosted.count("web_search_requests")?),
        ] {
            *kind = (*kind).max(found);
        }
        Ok(())
    }
}
