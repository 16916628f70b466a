//! The counts in a `usageMetadata` of the generate dialect.
//!
//! Invariant: as in [`super`]. Pure.
//! Wire facts: Google's API reference: the prompt includes what was cached, tools' results count apart from it (what a search found
//! is not billed), and thoughts count apart from the candidates unless the total says that they are among them; a zero is left out.

use super::super::glimpse::tier_of;
use super::{Answer, Counts, Prompt, Unusable};
use crate::usage::{ServiceTier, Usage};
use serde_json::value::RawValue;

/// The counts of `usage`.
pub(crate) fn read(usage: &RawValue) -> Option<Usage> {
    counts(&Counts::of(usage), true).ok().flatten()
}

/// The service tier that `usage` tells of: Gemini's by its name, Vertex AI's by the kind of traffic.
pub(crate) fn tier(usage: &RawValue) -> Option<ServiceTier> {
    let usage = Counts::of(usage);
    let mut told = ["serviceTier", "trafficType"].into_iter();
    told.find_map(|name| tier_of(usage.member(name)))
}

/// The counts of `usage` where all that tools read is what searches found.
pub(crate) fn read_of_search(usage: &RawValue) -> Option<Usage> {
    counts(&Counts::of(usage), false).ok().flatten()
}

fn counts(usage: &Counts<'_>, bills_tools: bool) -> Result<Option<Usage>, Unusable> {
    let Some(asked) = usage.count("promptTokenCount")? else {
        return Ok(None);
    };
    let tools = usage.count_or_zero("toolUsePromptTokenCount")?;
    let whole = asked.checked_add(tools).ok_or(Unusable)?;
    let Some(answer) = answer(usage, asked, whole)? else {
        return Ok(None);
    };
    let whole = if bills_tools { whole } else { asked };
    let lists = ["promptTokensDetails", "toolUsePromptTokensDetails"];
    let prompt = if bills_tools { &lists[..] } else { &lists[..1] };
    let cached = usage.count_or_zero("cachedContentTokenCount")?;
    let is_split = usage.member("cacheTokensDetails").is_some();
    let cached_audio = of_modality(usage, &["cacheTokensDetails"], "AUDIO")?;
    let prompt = Prompt {
        whole,
        cached,
        cached_audio: is_split.then_some(cached_audio),
        audio: of_modality(usage, prompt, "AUDIO")?,
        image: of_modality(usage, prompt, "IMAGE")?.saturating_sub(of_modality(
            usage,
            &["cacheTokensDetails"],
            "IMAGE",
        )?),
        ..Prompt::default()
    };
    Ok(Some(answer.to(prompt.split())))
}

fn answer(usage: &Counts<'_>, asked: u64, prompt: u64) -> Result<Option<Answer>, Unusable> {
    let total = usage.count("totalTokenCount")?;
    let thoughts = usage.count_or_zero("thoughtsTokenCount")?;
    let whole = match (usage.count("candidatesTokenCount")?, total) {
        (Some(candidates), Some(total)) if prompt.checked_add(candidates) == Some(total) => candidates,
        (Some(candidates), _) => candidates.checked_add(thoughts).ok_or(Unusable)?,
        (None, Some(total)) if total >= asked => total.saturating_sub(prompt).max(thoughts),
        (None, _) => return Ok(None),
    };
    Ok(Some(Answer {
        whole,
        reasoning: thoughts,
        audio: of_modality(usage, &["candidatesTokensDetails"], "AUDIO")?,
        image: of_modality(usage, &["candidatesTokensDetails"], "IMAGE")?,
    }))
}

/// The tokens of `modality` in these lists.
fn of_modality(usage: &Counts<'_>, lists: &[&str], modality: &str) -> Result<u64, Unusable> {
    let mut sum: u64 = 0;
    for part in lists.iter().flat_map(|list| usage.list(list)) {
        if part.says("modality", modality) {
            let tokens = part.count_or_zero("tokenCount")?;
            sum = sum.checked_add(tokens).ok_or(Unusable)?;
        }
    }
    Ok(sum)
}
