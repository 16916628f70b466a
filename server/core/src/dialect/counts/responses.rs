//! The counts in a `usage` of the responses dialect.
//!
//! Invariant: as in [`super`]. Pure.
//! Wire facts: OpenAI's API reference and SDK types.

use super::{Answer, Counts, Prompt, Unusable, written};
use crate::usage::Usage;
use serde_json::value::RawValue;

/// The counts of `usage`.
pub(crate) fn read(usage: &RawValue) -> Option<Usage> {
    counts(&Counts::of(usage)).ok().flatten()
}

fn counts(usage: &Counts<'_>) -> Result<Option<Usage>, Unusable> {
    let total = usage.count("total_tokens")?;
    let Some(whole) = usage.count("input_tokens")? else {
        return Ok(None);
    };
    let output = usage.count("output_tokens")?;
    let Some(output) = output.or_else(|| total?.checked_sub(whole)) else {
        return Ok(None);
    };
    let details = usage.details("input_tokens_details");
    let by_ttl = details.details("cache_write_tokens_details");
    let (written, written_long) = written(
        details.count("cache_write_tokens")?,
        by_ttl.count("ttl_30m_tokens")?,
        by_ttl.count("ttl_12h_tokens")?,
    )?;
    let prompt = Prompt {
        whole,
        cached: details.count_or_zero("cached_tokens")?,
        cached_audio: details.details("cached_tokens_details").count("audio_tokens")?,
        written,
        written_long,
        audio: details.count_or_zero("audio_tokens")?,
        image: details.count_or_zero("image_tokens")?,
    };
    let details = usage.details("output_tokens_details");
    let answer = Answer {
        whole: output,
        reasoning: details.count_or_zero("reasoning_tokens")?,
        audio: details.count_or_zero("audio_tokens")?,
        image: details.count_or_zero("image_tokens")?,
    };
    Ok(Some(answer.to(prompt.split())))
}
