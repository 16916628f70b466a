//! What a model takes and refuses, beyond its dialect.
//!
//! Invariant: a model nobody knows is taken to do everything, so that its provider decides. Pure.
//! Wire facts: the providers' model pages, November 2026; see `Rules::of`.

use crate::catalog::{Capability, Flag, ModelSpec};

/// What a model takes and refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Temperature and its kin.
    pub takes_sampling: bool,
    /// To be forced to call a tool.
    pub takes_forced_tool: bool,
    /// A prompt that ends in the assistant's turn.
    pub takes_prefill: bool,
    /// System messages in the middle of a conversation.
    pub takes_system_anywhere: bool,
    /// A JSON schema for its answer.
    pub takes_json_schema: bool,
    /// How it is told to think.
    pub thinking: ThinkingRule,
    /// In the chat dialect, tools only without reasoning; with it the responses dialect must be spoken.
    pub tools_need_responses: bool,
    /// In the chat dialect, tools with effort `none` only.
    pub tools_need_effort_none: bool,
    /// The most it can answer, in tokens.
    pub max_output: Option<u64>,
}

/// How a model is told to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThinkingRule {
    /// It does not.
    Never,
    /// By a number of tokens.
    Budget,
    /// By an effort in words, and it may be told not to.
    Effort,
    /// By an effort in words, and it always does.
    Always,
    /// Nobody knows: as the client says.
    Unknown,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            takes_sampling: true,
            takes_forced_tool: true,
            takes_prefill: true,
            takes_system_anywhere: false,
            takes_json_schema: true,
            thinking: ThinkingRule::Unknown,
            tools_need_responses: false,
            tools_need_effort_none: false,
            max_output: None,
        }
    }
}

impl Rules {
    /// The rules of `model`, as far as the catalogue knows it.
    #[must_use]
    pub fn of(model: &ModelSpec) -> Self {
        Self {
            takes_sampling: !model.is(Flag::NoSamplingParams),
            takes_forced_tool: !model.is(Flag::NoForcedTool),
            takes_prefill: !model.is(Flag::NoPrefill),
            takes_system_anywhere: model.is(Flag::SystemMidConversation),
            takes_json_schema: model.has(Capability::JsonSchema),
            thinking: if model.has(Capability::Reasoning) {
                thinking(&model.id)
            } else {
                ThinkingRule::Never
            },
            tools_need_responses: model.is(Flag::ToolsNeedResponses),
            tools_need_effort_none: model.is(Flag::ToolsNeedEffortNone),
            max_output: model.max_output,
        }
    }
}

/// How a thinking model called `id` is told to: by its family, as the providers' model pages say.
fn thinking(id: &str) -> ThinkingRule {
    const BUDGET: &[&str] = &[
        "claude-haiku-4-5",
        "claude-sonnet-4",
        "claude-opus-4-0",
        "claude-opus-4-1",
        "claude-opus-4-5",
        "claude-3",
        "gemini-2",
    ];
    const ALWAYS: &[&str] = &[
        "claude-fable",
        "claude-mythos",
        "claude-opus-5-5",
        "claude-sonnet-5-5",
        "gemini-3",
        "gemini-4",
    ];
    let begins = |list: &[&str]| list.iter().any(|start| id.starts_with(start));
    if begins(BUDGET) && !id.starts_with("claude-sonnet-4-6") {
        ThinkingRule::Budget
    } else if begins(ALWAYS) {
        ThinkingRule::Always
    } else {
        ThinkingRule::Effort
    }
}
