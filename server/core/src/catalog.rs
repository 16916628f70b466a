//! Catalogue: the models known from the start, with limits, abilities and prices, and the presets of well-known providers.
//!
//! Invariant: a model whose price is not certain carries none, so that it is refused and never free. Pure: it reads
//! `data/catalog.json` and `data/service_tiers.json`, compiled in.

mod preset;

pub use preset::{Preset, auth, preset, presets};

use crate::pricing::{PriceSheet, Tariff};
use crate::usage::ServiceTier;
use serde::{Deserialize, Serialize, de::Error as _};
use std::collections::HashMap;

/// Prompt tokens that a provider may add on its own: role framing, tool preambles, hidden system text.
pub const INPUT_CONSTANT: u64 = 1_024;

/// What a model produces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Text, in a conversation.
    Chat,
    /// Vectors.
    Embedding,
    /// Images.
    Image,
    /// Sound, from text.
    Speech,
    /// Text, from sound.
    Transcription,
    /// The order of documents.
    Rerank,
    /// Whether a text is harmful.
    Moderation,
    /// Anything else.
    Other,
}

/// What a model can take or do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Images in the prompt.
    Vision,
    /// Function tools.
    Tools,
    /// Several tool calls in one turn.
    ParallelTools,
    /// Answers that follow a JSON schema.
    JsonSchema,
    /// Thinking before the answer.
    Reasoning,
    /// PDF files in the prompt.
    Pdf,
    /// Cheaper repeated prompts.
    PromptCaching,
    /// Sound in the prompt.
    AudioIn,
    /// Sound in the answer.
    AudioOut,
    /// Video in the prompt.
    VideoIn,
    /// Web search on the provider's side.
    WebSearch,
}

/// What is peculiar about a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flag {
    /// Refuses temperature and its kin.
    NoSamplingParams,
    /// Refuses to be forced to call a tool.
    NoForcedTool,
    /// Refuses a prompt that ends in the assistant's turn.
    NoPrefill,
    /// Takes system messages in the middle of a conversation.
    SystemMidConversation,
    /// Function tools work in the responses dialect only.
    ToolsNeedResponses,
    /// In the chat dialect, function tools work with reasoning effort `none` only.
    ToolsNeedEffortNone,
    /// The provider is cheaper at some hours; the price here is the dear one.
    PeakPrice,
    /// May have been shut down already.
    MayBeGone,
    /// Sound costs more per token than the price says.
    AudioPricedApart,
    /// Images cost more than the price says.
    ImagePricedApart,
    /// Video costs more per token than the price says.
    VideoPricedApart,
    /// Every call costs a fee besides its tokens.
    FeePerCall,
}

/// A model as a provider serves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// The name on the wire.
    pub id: String,
    /// The provider's id, such as `openai`.
    pub provider: String,
    /// What it produces.
    pub mode: Mode,
    /// The longest prompt it takes, in tokens.
    #[serde(default)]
    pub context: Option<u64>,
    /// The longest answer it gives, in tokens.
    #[serde(default)]
    pub max_output: Option<u64>,
    /// Today's prices; without them the model is refused.
    #[serde(default)]
    pub sheet: Option<PriceSheet>,
    /// Other names of the same model at the same price.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// What it can take or do.
    #[serde(default)]
    pub capabilities: Vec<Capability>,
    /// What is peculiar about it.
    #[serde(default)]
    pub flags: Vec<Flag>,
    /// The day the provider shuts it down, as `2026-12-11`.
    #[serde(default)]
    pub retires: Option<String>,
    /// Announced prices and the Unix milliseconds from which they hold, in order.
    #[serde(default)]
    pub scheduled: Vec<(i64, PriceSheet)>,
    /// Prompt tokens to add to every bound for what the provider adds.
    #[serde(default = "input_constant")]
    pub input_constant: u64,
    /// The dialects it is served in: `chat`, `responses`, `messages`, `generate`, `embeddings`.
    pub dialects: Vec<String>,
}

#[derive(Deserialize)]
struct File {
    models: Vec<ModelSpec>,
}

/// What models cost in other service tiers, by model.
#[derive(Deserialize)]
struct TierFile {
    models: HashMap<String, HashMap<ServiceTier, Tariff>>,
}

const fn input_constant() -> u64 {
    INPUT_CONSTANT
}

impl ModelSpec {
    /// Whether it can do `capability`.
    #[must_use]
    pub fn has(&self, capability: Capability) -> bool {
        self.capabilities.contains(&capability)
    }

    /// Whether `flag` is set.
    #[must_use]
    pub fn is(&self, flag: Flag) -> bool {
        self.flags.contains(&flag)
    }

    /// The prices that hold at `now_ms`, or `None` where they are unknown.
    #[must_use]
    pub fn sheet_at(&self, now_ms: i64) -> Option<&PriceSheet> {
        let mut latest_first = self.scheduled.iter().rev();
        latest_first
            .find(|(from_ms, _)| *from_ms <= now_ms)
            .map(|(_, sheet)| sheet)
            .or(self.sheet.as_ref())
    }
}

/// The models known from the start.
///
/// # Errors
/// Never with the data file that is compiled in: a test reads it.
pub fn builtin() -> Result<Vec<ModelSpec>, serde_json::Error> {
    let File { mut models } = serde_json::from_str(include_str!("../data/catalog.json"))?;
    let TierFile { models: mut tariffs } = serde_json::from_str(include_str!("../data/service_tiers.json"))?;
    for model in &mut models {
        let Some(mut sheet) = model.sheet.take() else {
            continue;
        };
        for (tier, tariff) in tariffs.remove(&model.id).into_iter().flatten() {
            sheet = sheet.with_tariff(tier, tariff).map_err(serde_json::Error::custom)?;
        }
        model.sheet = Some(sheet);
    }
    Ok(models)
}

#[cfg(test)]
mod tests;
