//! How much to think, as each maker's models on Bedrock are told.
//!
//! Invariant: a budget is at least what the model takes and below the limit of the answer, or there is none. Pure.
//! Wire facts: Anthropic's and OpenAI's pages on their models on Bedrock; `effort` of the output configuration.

use super::super::super::exchange::{Effort, Item, Notes, Reasoning, Request, Role, Target, Thinking, ThinkingRule};
use super::Maker;
use serde_json::{Value, json};

/// The smallest budget that Claude takes.
const BUDGET_MIN: u64 = 1024;

/// What a request says about thinking.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// For `additionalModelRequestFields`; null where there is nothing.
    pub(super) fields: Value,
    /// For `outputConfig`; null where there is nothing.
    pub(super) output_config: Value,
    /// Whether the model thinks in a way that forbids to choose how the next token is chosen.
    pub(super) is_on: bool,
}

/// The plan for `request`.
pub(super) fn plan(
    request: &Request,
    target: &Target<'_>,
    maker: Maker,
    max_tokens: Option<u64>,
    notes: &mut Notes,
) -> Plan {
    let mut plan = Plan::default();
    let Some(reasoning) = &request.reasoning else {
        return plan;
    };
    let is_off = reasoning.thinking == Some(Thinking::Off)
        || reasoning.effort == Some(Effort::None)
        || reasoning.budget == Some(0);
    let effort = reasoning.effort.or_else(|| reasoning.budget.map(Effort::of_budget));
    if target.rules.thinking == ThinkingRule::Never {
        if !is_off {
            notes.dropped("reasoning", "the model does not think");
        }
        return plan;
    }
    if maker != Maker::Anthropic {
        match effort.filter(|_| target.model.contains("openai.")) {
            Some(effort) => plan.fields["reasoning_effort"] = json!(plain(effort)),
            None if !is_off => notes.dropped("reasoning", "the model has its own ways to be told"),
            None => {}
        }
        return plan;
    }
    let is_budget = target.rules.thinking == ThinkingRule::Budget
        || (target.rules.thinking == ThinkingRule::Unknown && reasoning.budget.is_some());
    match target.rules.thinking {
        _ if is_off && target.rules.thinking == ThinkingRule::Always => {
            notes.changed("reasoning", "the least, since the model always thinks");
            plan.output_config["effort"] = json!("low");
        }
        _ if is_off => {}
        _ if is_budget => by_budget(request, reasoning, max_tokens, &mut plan, notes),
        rule => {
            if rule != ThinkingRule::Always {
                plan.fields["thinking"] = json!({"type": "adaptive"});
            }
            if let Some(effort) = effort {
                plan.output_config["effort"] = json!(claude(effort));
            }
            plan.is_on = true;
        }
    }
    plan
}

fn by_budget(request: &Request, reasoning: &Reasoning, max_tokens: Option<u64>, plan: &mut Plan, notes: &mut Notes) {
    let asked = reasoning.budget.or_else(|| reasoning.effort.map(Effort::budget));
    let budget = asked.unwrap_or(Effort::Medium.budget()).max(BUDGET_MIN);
    let budget = max_tokens.map_or(budget, |most| budget.min(most.saturating_sub(1)));
    if budget < BUDGET_MIN {
        notes.dropped("reasoning", "the limit of the answer leaves no room for it");
    } else if is_amid_calls_without_thought(request) {
        notes.dropped("reasoning", "the calls before came without thoughts of this account");
    } else {
        plan.fields["thinking"] = json!({"type": "enabled", "budget_tokens": budget});
        plan.is_on = true;
    }
}

/// Whether the conversation ends with outcomes of calls before which no thought of this account stands.
fn is_amid_calls_without_thought(request: &Request) -> bool {
    let turn = request.items.iter().rev().take_while(|item| match item {
        Item::Message(message) => message.role == Role::Assistant,
        Item::Thought(_) | Item::Call(_) | Item::Outcome(_) => true,
    });
    let (mut has_call, mut has_thought) = (false, false);
    for item in turn {
        has_call |= matches!(item, Item::Call(_));
        has_thought |= matches!(item, Item::Thought(thought) if thought.blob.is_some());
    }
    has_call && !has_thought
}

/// The words that Claude knows.
const fn claude(effort: Effort) -> &'static str {
    match effort {
        Effort::None | Effort::Minimal | Effort::Low => "low",
        other => other.as_str(),
    }
}

/// The three words that every model knows.
const fn plain(effort: Effort) -> &'static str {
    match effort {
        Effort::None | Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High | Effort::XHigh | Effort::Max => "high",
    }
}
