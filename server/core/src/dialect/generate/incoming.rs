//! What Google sends, a chunk of a stream or a whole reply, as it stands there.
//!
//! Invariant: texts are borrowed where they hold no escapes; what is not needed is not read. Pure.
//! Wire facts: Google's `GenerateContentResponse`; enums may come as numbers.

use super::super::exchange::{Citation, Finish, Logprob};
use super::places::Places;
use serde::Deserialize;
use serde_json::Number;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A text.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// A chunk of a stream, or a whole reply.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Chunk<'a> {
    /// The answers.
    #[serde(borrow)]
    pub candidates: Option<Vec<Candidate<'a>>>,
    /// Why there are none.
    #[serde(borrow)]
    pub prompt_feedback: Option<Feedback<'a>>,
    /// What was used until now.
    #[serde(borrow)]
    pub usage_metadata: Option<&'a RawValue>,
    /// The model that answers.
    #[serde(borrow)]
    pub model_version: Option<Text<'a>>,
    /// The id of the reply.
    #[serde(borrow)]
    pub response_id: Option<Text<'a>>,
    /// When it was made, on Vertex.
    #[serde(borrow)]
    pub create_time: Option<Text<'a>>,
    /// What went wrong.
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
}

/// What became of the prompt.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Feedback<'a> {
    /// Why it was blocked.
    #[serde(borrow)]
    pub block_reason: Option<&'a RawValue>,
    /// The same in words.
    #[serde(borrow)]
    pub block_reason_message: Option<Text<'a>>,
}

/// An answer, or a piece of it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate<'a> {
    /// Which, from 0.
    pub index: Option<u32>,
    /// What was said.
    #[serde(borrow)]
    pub content: Option<Content<'a>>,
    /// Why it ended.
    #[serde(borrow)]
    pub finish_reason: Option<&'a RawValue>,
    /// The same in words.
    #[serde(borrow)]
    pub finish_message: Option<Text<'a>>,
    /// Pages it stands on.
    #[serde(borrow)]
    pub grounding_metadata: Option<&'a RawValue>,
    /// Pages it repeats.
    #[serde(borrow)]
    pub citation_metadata: Option<&'a RawValue>,
    /// How likely its tokens were.
    #[serde(borrow)]
    pub logprobs_result: Option<&'a RawValue>,
}

/// What was said.
#[derive(Debug, Deserialize)]
pub(super) struct Content<'a> {
    /// In order.
    #[serde(borrow)]
    pub parts: Option<Vec<Part<'a>>>,
}

/// A part; code that Google ran, and what came of it, are passed over.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part<'a> {
    /// Words.
    #[serde(borrow)]
    pub text: Option<Text<'a>>,
    /// Whether they are a thought.
    pub thought: Option<bool>,
    /// What only Google can read.
    #[serde(borrow)]
    pub thought_signature: Option<Text<'a>>,
    /// A call.
    #[serde(borrow)]
    pub function_call: Option<FunctionCall<'a>>,
    /// A picture.
    #[serde(borrow)]
    pub inline_data: Option<InlineData<'a>>,
}

/// A call.
#[derive(Debug, Deserialize)]
pub(super) struct FunctionCall<'a> {
    /// Its id, from newer models.
    #[serde(borrow)]
    pub id: Option<Text<'a>>,
    /// The tool.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// The arguments, an object.
    #[serde(borrow)]
    pub args: Option<&'a RawValue>,
}

/// A medium.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InlineData<'a> {
    /// Such as `image/png`.
    #[serde(borrow)]
    pub mime_type: Text<'a>,
    /// In base64.
    #[serde(borrow)]
    pub data: Text<'a>,
}

/// The word for why an answer ended or a prompt was blocked; `None` where it says nothing.
pub(super) fn word(raw: &RawValue) -> Option<String> {
    if let Ok(Text(word)) = serde_json::from_str(raw.get()) {
        let is_empty = word.is_empty() || word.ends_with("_UNSPECIFIED");
        return (!is_empty).then(|| word.into_owned());
    }
    // The numbers on which both of Google's services agree.
    match raw.get().parse::<u32>().ok()? {
        0 => None,
        1 => Some("STOP".to_owned()),
        2 => Some("MAX_TOKENS".to_owned()),
        3 => Some("SAFETY".to_owned()),
        4 => Some("RECITATION".to_owned()),
        _ => Some("OTHER".to_owned()),
    }
}

/// What the word for an answer's end means.
pub(super) fn finish(word: String, message: Option<String>, has_called: bool) -> Finish {
    match word.as_str() {
        "STOP" if has_called => Finish::ToolCalls,
        "STOP" => Finish::Stop,
        "MAX_TOKENS" | "CONTINUATION" => Finish::Length,
        "SAFETY" | "RECITATION" | "LANGUAGE" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "MODEL_ARMOR"
        | "ESCALATION" => Finish::ContentFilter(message.or(Some(word))),
        _ if word.starts_with("IMAGE_") => Finish::ContentFilter(message.or(Some(word))),
        _ => Finish::Failed(word),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Grounding {
    grounding_chunks: Option<Vec<GroundingChunk>>,
    grounding_supports: Option<Vec<Support>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GroundingChunk {
    web: Option<Page>,
    maps: Option<Page>,
    retrieved_context: Option<Page>,
}

#[derive(Clone, Deserialize)]
struct Page {
    uri: Option<String>,
    title: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Support {
    segment: Option<Segment>,
    grounding_chunk_indices: Option<Vec<usize>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Segment {
    start_index: Option<u64>,
    end_index: Option<u64>,
}

/// How many bytes of pages are repeated, one for each place that stands on it.
const PAGES_BYTES_MAX: usize = 4 << 20;

/// The pages an answer stands on; those that nothing hangs on, too.
pub(super) fn grounding(raw: &RawValue, places: &Places) -> Vec<Citation> {
    let Ok(found) = serde_json::from_str::<Grounding>(raw.get()) else {
        return Vec::new();
    };
    let page = |chunk: GroundingChunk| chunk.web.or(chunk.maps).or(chunk.retrieved_context);
    let chunks = found.grounding_chunks.unwrap_or_default();
    let pages: Vec<Option<Page>> = chunks.into_iter().map(page).collect();
    let mut is_used = vec![false; pages.len()];
    let mut citations = Vec::new();
    let mut bytes = 0;
    for support in found.grounding_supports.unwrap_or_default() {
        let Some(segment) = support.segment else { continue };
        for index in support.grounding_chunk_indices.unwrap_or_default() {
            let Some(Some(page)) = pages.get(index) else { continue };
            is_used[index] = true;
            bytes += [&page.uri, &page.title]
                .into_iter()
                .flatten()
                .map(String::len)
                .sum::<usize>();
            if bytes > PAGES_BYTES_MAX {
                continue;
            }
            citations.push(Citation {
                start: Some(places.characters(segment.start_index.unwrap_or(0))),
                end: segment.end_index.map(|end| places.characters(end)),
                ..cite(page.clone())
            });
        }
    }
    let unused = pages.into_iter().zip(is_used).filter(|(_, is_used)| !is_used);
    citations.extend(unused.filter_map(|(page, _)| page).map(cite));
    citations
}

fn cite(page: Page) -> Citation {
    Citation {
        url: page.uri,
        title: page.title,
        ..Citation::default()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recitations {
    #[serde(alias = "citations")]
    citation_sources: Option<Vec<Recitation>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recitation {
    start_index: Option<u64>,
    end_index: Option<u64>,
    uri: Option<String>,
    title: Option<String>,
}

/// The pages an answer repeats.
pub(super) fn recitations(raw: &RawValue, places: &Places) -> Vec<Citation> {
    let found: Option<Recitations> = serde_json::from_str(raw.get()).ok();
    let sources = found.and_then(|found| found.citation_sources).unwrap_or_default();
    let citation = |source: Recitation| Citation {
        url: source.uri,
        title: source.title,
        quote: None,
        start: source
            .end_index
            .map(|_| places.characters(source.start_index.unwrap_or(0))),
        end: source.end_index.map(|end| places.characters(end)),
    };
    sources.into_iter().map(citation).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Logprobs {
    chosen_candidates: Option<Vec<Likely>>,
    top_candidates: Option<Vec<Top>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Likely {
    token: Option<String>,
    log_probability: Option<Number>,
}

#[derive(Deserialize)]
struct Top {
    candidates: Option<Vec<Likely>>,
}

/// How likely tokens were.
pub(super) fn logprobs(raw: &RawValue) -> Vec<Logprob> {
    let Ok(found) = serde_json::from_str::<Logprobs>(raw.get()) else {
        return Vec::new();
    };
    let pair = |likely: Likely| Some((likely.token?, likely.log_probability?));
    let mut tops = found.top_candidates.unwrap_or_default().into_iter();
    let mut logprobs = Vec::new();
    for chosen in found.chosen_candidates.unwrap_or_default() {
        let top = tops.next().and_then(|top| top.candidates).unwrap_or_default();
        if let Some((token, logprob)) = pair(chosen) {
            logprobs.push(Logprob {
                token,
                logprob,
                top: top.into_iter().filter_map(pair).collect(),
            });
        }
    }
    logprobs
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::{json, value::to_raw_value};

    #[test]
    fn a_page_that_everything_stands_on_is_not_repeated_without_end() {
        let uri = "u".repeat(100_000);
        let found = |indices: usize| {
            let support = json!({"segment": {"endIndex": 1}, "groundingChunkIndices": vec![0; indices]});
            let raw = json!({"groundingChunks": [{"web": {"uri": uri}}], "groundingSupports": [support]});
            grounding(&to_raw_value(&raw).unwrap(), &Places::default()).len()
        };
        assert_eq!(found(40), 40);
        assert_eq!(found(100_000), PAGES_BYTES_MAX / uri.len());
    }
}
