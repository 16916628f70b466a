//! The counts in a `usage` of Bedrock's Converse.
//!
//! Invariant: as in [`super`]. Pure.
//! Wire facts: the AWS SDK's model of Converse: `inputTokens` leaves the cache out; what is written without a time to live is kept for
//! five minutes.

use super::{Counts, Unusable, written};
use crate::usage::Usage;
use serde_json::value::RawValue;

/// The counts of `usage`.
pub(crate) fn read(usage: &RawValue) -> Option<Usage> {
    counts(&Counts::of(usage)).ok().flatten()
}

fn counts(usage: &Counts<'_>) -> Result<Option<Usage>, Unusable> {
    let (Some(input), Some(output)) = (usage.count("inputTokens")?, usage.count("outputTokens")?) else {
        return Ok(None);
    };
    let cache_read = usage.count_or_zero("cacheReadInputTokens")?;
    let (mut short, mut long): (u64, u64) = (0, 0);
    for part in usage.list("cacheDetails") {
        let tokens = part.count_or_zero("inputTokens")?;
        let sum = if part.says("ttl", "1h") { &mut long } else { &mut short };
        *sum = sum.checked_add(tokens).ok_or(Unusable)?;
    }
    let (cache_write, cache_write_long) = written(usage.count("cacheWriteInputTokens")?, Some(short), Some(long))?;
    let parts = [input, cache_read, cache_write, cache_write_long];
    parts.into_iter().try_fold(0, u64::checked_add).ok_or(Unusable)?;
    Ok(Some(Usage {
        input,
        cache_read,
        cache_write,
        cache_write_long,
        output,
        ..Usage::default()
    }))
}
