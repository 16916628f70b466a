//! How much the model is to think, in the way it is told to.
//!
//! Invariant: a budget is smaller than the limit on the output; a model is not told what it refuses. Pure.
//! Wire facts: Anthropic's "Extended thinking", "Adaptive thinking" and "Effort".

use super::super::super::exchange::{
    Effort, Notes, Reasoning, Request, Role as Speaker, Target, Thinking, ThinkingRule,
};
use super::super::super::exchange::{Item, Message};
use super::super::super::turn::Role;
use super::super::block::Block;
use super::turns::Turn;
use serde::Serialize;
use serde_json::Value;

/// The smallest budget.
const BUDGET_MIN: u64 = 1024;

/// What is said of thinking, and of the form of the answer, which stands in the same member.
#[derive(Debug, Default, Serialize)]
pub(super) struct Plan {
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Told>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<Config>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Told {
    Enabled {
        budget_tokens: u64,
    },
    Adaptive {
        #[serde(skip_serializing_if = "Option::is_none")]
        display: Option<&'static str>,
    },
    Disabled,
}

#[derive(Debug, Default, Serialize)]
struct Config {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Form>,
}

#[derive(Debug, Serialize)]
struct Form {
    #[serde(rename = "type")]
    kind: &'static str,
    schema: Value,
}

impl Plan {
    /// Whether the model was told to think.
    pub(super) const fn is_on(&self) -> bool {
        matches!(self.thinking, Some(Told::Enabled { .. } | Told::Adaptive { .. }))
    }

    /// Adds the schema that the answer must follow.
    pub(super) fn format(&mut self, schema: Option<Value>) {
        if let Some(schema) = schema {
            self.output_config.get_or_insert_default().format = Some(Form {
                kind: "json_schema",
                schema,
            });
        }
    }
}

/// What to say of thinking to `target`, which may answer in `max_tokens` and is sent `turns`.
pub(super) fn plan(
    request: &Request,
    target: &Target<'_>,
    max_tokens: u64,
    turns: &[Turn<'_>],
    notes: &mut Notes,
) -> Plan {
    let Some(reasoning) = &request.reasoning else {
        return Plan::default();
    };
    let is_off = reasoning.thinking == Some(Thinking::Off)
        || reasoning.effort == Some(Effort::None)
        || (reasoning.budget == Some(0) && reasoning.effort.is_none());
    let is_asked = reasoning.thinking.is_some() || reasoning.effort.is_some() || reasoning.budget.is_some();
    let by_budget = |notes: &mut Notes| budget(reasoning, max_tokens, notes).filter(|_| fits(request, turns, notes));
    match target.rules.thinking {
        _ if !is_asked => Plan::default(),
        ThinkingRule::Never if is_off => Plan::default(),
        ThinkingRule::Never => {
            notes.dropped("reasoning", "the model does not think");
            Plan::default()
        }
        ThinkingRule::Budget if is_off => Plan::default(),
        ThinkingRule::Always if is_off => {
            notes.dropped("reasoning", "the model always thinks");
            Plan::default()
        }
        ThinkingRule::Effort | ThinkingRule::Unknown if is_off => Plan {
            thinking: Some(Told::Disabled),
            output_config: None,
        },
        // Other makers that speak the dialect know budgets only.
        ThinkingRule::Unknown
            if target.model.contains("claude")
                && (reasoning.effort.is_some() || reasoning.thinking == Some(Thinking::Adaptive)) =>
        {
            adaptive(reasoning, target, notes)
        }
        ThinkingRule::Budget | ThinkingRule::Unknown => Plan {
            thinking: by_budget(notes).map(|budget_tokens| Told::Enabled { budget_tokens }),
            output_config: None,
        },
        ThinkingRule::Effort | ThinkingRule::Always => adaptive(reasoning, target, notes),
    }
}

fn adaptive(reasoning: &Reasoning, target: &Target<'_>, notes: &mut Notes) -> Plan {
    let effort = reasoning.effort.or(reasoning.budget.map(Effort::of_budget));
    let effort = effort.map(|effort| match effort {
        Effort::None | Effort::Minimal | Effort::Low => Effort::Low,
        // The first models with efforts do not know this one.
        Effort::XHigh if target.model.contains("-4-6") => {
            notes.changed("effort", "high is the nearest that the model knows");
            Effort::High
        }
        other => other,
    });
    let display = reasoning.summary.as_deref().map(|word| match word {
        "omitted" | "none" => "omitted",
        _ => "summarized",
    });
    Plan {
        thinking: Some(Told::Adaptive { display }),
        output_config: effort.map(|effort| Config {
            effort: Some(effort.as_str()),
            format: None,
        }),
    }
}

fn budget(reasoning: &Reasoning, max_tokens: u64, notes: &mut Notes) -> Option<u64> {
    let effort = reasoning.effort.unwrap_or(Effort::Medium);
    let budget = reasoning.budget.unwrap_or(effort.budget()).max(BUDGET_MIN);
    if budget >= max_tokens {
        notes.dropped("reasoning", "the limit on the output leaves no room for it");
        return None;
    }
    Some(budget)
}

/// Whether thinking with a budget may be turned on after `turns`: their last answer must not have called tools without a thought, nor
/// is the next one begun.
fn fits(request: &Request, turns: &[Turn<'_>], notes: &mut Notes) -> bool {
    let last = turns.iter().rev().find(|turn| turn.role == Role::Assistant);
    let is_thoughtless = last.is_some_and(|turn| {
        let calls = turn.content.iter().any(|block| matches!(block, Block::ToolUse { .. }));
        let begins = matches!(
            turn.content.first(),
            Some(Block::Thinking { .. } | Block::RedactedThinking { .. })
        );
        calls && !begins
    });
    let is_begun = matches!(
        request.items.last(),
        Some(Item::Message(Message {
            role: Speaker::Assistant,
            ..
        }))
    );
    if is_thoughtless {
        notes.dropped(
            "reasoning",
            "the calls before came without thoughts that this account knows",
        );
    } else if is_begun {
        notes.dropped("reasoning", "the answer is begun already");
    }
    !is_thoughtless && !is_begun
}
