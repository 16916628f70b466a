//! The counts in a `usage` of the chat dialect.
//!
//! Invariant: as in [`super`]. Pure.
//! Wire facts: OpenAI's API reference, and where DeepSeek, Groq, Mistral, OpenRouter, Together and xAI put the same counts.

use super::{Answer, Counts, Prompt, Unusable, written};
use crate::usage::Usage;
use serde_json::value::RawValue;

/// Where services put the prompt tokens read from a cache, besides the details of the prompt.
const CACHE_READ: [&str; 3] = ["prompt_cache_hit_tokens", "num_cached_tokens", "cached_tokens"];

/// The counts of `usage`; of one whose completion tokens leave reasoning out where `reasoning_excluded`.
pub(crate) fn read(usage: &RawValue, reasoning_excluded: bool) -> Option<Usage> {
    counts(&Counts::of(usage), reasoning_excluded).ok().flatten()
}

/// The counts of the `usage` of embeddings.
pub(crate) fn read_embeddings(usage: &RawValue) -> Option<Usage> {
    embedding_counts(&Counts::of(usage)).ok().flatten()
}

fn counts(usage: &Counts<'_>, reasoning_excluded: bool) -> Result<Option<Usage>, Unusable> {
    let total = usage.count("total_tokens")?;
    let Some(whole) = usage.count("prompt_tokens")? else {
        return Ok(None);
    };
    let completion = usage.count("completion_tokens")?;
    let Some(completion) = completion.or_else(|| total?.checked_sub(whole)) else {
        return Ok(None);
    };
    let details = usage.details("completion_tokens_details");
    let reasoning = details.count_or_zero("reasoning_tokens")?;
    let answer = Answer {
        whole: if reasoning_excluded {
            completion.checked_add(reasoning).ok_or(Unusable)?
        } else {
            completion
        },
        reasoning,
        audio: details.count_or_zero("audio_tokens")?,
        image: details.count_or_zero("image_tokens")?,
    };
    Ok(Some(answer.to(prompt(usage, whole)?.split())))
}

fn embedding_counts(usage: &Counts<'_>) -> Result<Option<Usage>, Unusable> {
    let total = usage.count("total_tokens")?;
    let Some(whole) = usage.count("prompt_tokens")?.or(total) else {
        return Ok(None);
    };
    let details = usage.details("prompt_tokens_details");
    let prompt = Prompt {
        whole,
        audio: details.count_or_zero("audio_tokens")?,
        image: details.count_or_zero("image_tokens")?,
        ..Prompt::default()
    };
    Ok(Some(prompt.split()))
}

fn prompt(usage: &Counts<'_>, whole: u64) -> Result<Prompt, Unusable> {
    let details = usage.details("prompt_tokens_details");
    let spelt_otherwise = usage.details("prompt_token_details");
    let mut cached = details.count_or_zero("cached_tokens")?;
    cached = cached.max(spelt_otherwise.count_or_zero("cached_tokens")?);
    for name in CACHE_READ {
        cached = cached.max(usage.count_or_zero(name)?);
    }
    let by_ttl = details.details("cache_write_tokens_details");
    let (written, written_long) = written(
        details.count("cache_write_tokens")?,
        by_ttl.count("ttl_30m_tokens")?,
        by_ttl.count("ttl_12h_tokens")?,
    )?;
    Ok(Prompt {
        whole,
        cached,
        cached_audio: details.details("cached_tokens_details").count("audio_tokens")?,
        written,
        written_long,
        audio: details.count_or_zero("audio_tokens")?,
        image: details.count_or_zero("image_tokens")?,
    })
}
