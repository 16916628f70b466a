//! How the answer is to be made.
//!
//! Invariant: what the client did not say is not said; what the model refuses is left out and noted. Pure.
//! Wire facts: Google's `GenerationConfig`; thinking by budget in Gemini 2.5, by level from Gemini 3 on; penalties only before, or on Vertex.

use super::super::super::exchange::{Effort, Format, Notes, Reasoning, Request, Target, Thinking, ThinkingRule};
use super::super::family::Family;
use super::tools::plain_schema;
use serde_json::{Map, Value};

/// How many texts an answer may end at.
const STOPS_MAX: usize = 5;

/// Members of an object that come one by one.
#[derive(Default)]
struct Config(Map<String, Value>);

impl Config {
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    fn put_some<T: Clone + Into<Value>>(&mut self, name: &str, value: Option<&T>) {
        if let Some(value) = value {
            self.put(name, value.clone());
        }
    }

    fn finish(self) -> Option<Value> {
        (!self.0.is_empty()).then_some(Value::Object(self.0))
    }
}

/// The `generationConfig` of `request`.
pub(super) fn encode(request: &Request, target: &Target<'_>, family: Family, notes: &mut Notes) -> Option<Value> {
    let mut config = Config::default();
    config.put_some("maxOutputTokens", target.max_output.or(request.max_output).as_ref());
    config.put_some("candidateCount", request.choices.as_ref());
    sampling(&mut config, request, target, family, notes);
    stop(&mut config, request, notes);
    if let Some(alternatives) = request.logprobs {
        config.put("responseLogprobs", true);
        if alternatives > 0 {
            config.put("logprobs", alternatives);
        }
    }
    format(&mut config, request, target, notes);
    if let Some(reasoning) = &request.reasoning {
        config.put_some("thinkingConfig", thinking(reasoning, target, family, notes).as_ref());
    }
    for (what, is_there) in [
        ("verbosity", request.verbosity.is_some()),
        ("the cache key", request.cache_key.is_some()),
        ("the user", request.user.is_some()),
        ("metadata", request.metadata.is_some()),
    ] {
        if is_there {
            notes.dropped(what, "Google has no field for it");
        }
    }
    config.finish()
}

fn sampling(config: &mut Config, request: &Request, target: &Target<'_>, family: Family, notes: &mut Notes) {
    let sampling = &request.sampling;
    let takes_penalties = !family.is_third() || target.provider.contains("vertex");
    for (name, value, is_taken) in [
        ("temperature", &sampling.temperature, target.rules.takes_sampling),
        ("topP", &sampling.top_p, target.rules.takes_sampling),
        ("topK", &sampling.top_k, target.rules.takes_sampling),
        ("presencePenalty", &sampling.presence_penalty, takes_penalties),
        ("frequencyPenalty", &sampling.frequency_penalty, takes_penalties),
        ("seed", &sampling.seed, true),
    ] {
        if is_taken {
            config.put_some(name, value.as_ref());
        } else if value.is_some() {
            notes.dropped(name, "this model does not take it");
        }
    }
    if sampling.logit_bias.is_some() {
        notes.dropped("logit_bias", "Google has no field for it");
    }
}

fn stop(config: &mut Config, request: &Request, notes: &mut Notes) {
    let mut stops = request.stop.clone();
    stops.retain(|stop| !stop.is_empty());
    if stops.len() > STOPS_MAX {
        stops.truncate(STOPS_MAX);
        notes.dropped("some stop sequences", "Google takes five");
    }
    if !stops.is_empty() {
        config.put("stopSequences", stops);
    }
}

fn format(config: &mut Config, request: &Request, target: &Target<'_>, notes: &mut Notes) {
    match &request.format {
        Format::Text => {}
        Format::JsonObject => config.put("responseMimeType", "application/json"),
        Format::JsonSchema { schema, .. } => {
            config.put("responseMimeType", "application/json");
            if target.rules.takes_json_schema {
                config.put("responseJsonSchema", plain_schema(schema));
            } else {
                notes.changed("the schema of the answer", "this model answers with any JSON");
            }
        }
    }
}

/// The class of service, where Google's API has it in the body.
pub(super) fn service_tier(request: &Request, target: &Target<'_>, notes: &mut Notes) -> Option<Value> {
    let tier = match request.service_tier.as_deref()? {
        "auto" => return None,
        "default" | "standard" | "standard_only" => "standard",
        "flex" => "flex",
        "priority" => "priority",
        _ => {
            notes.dropped("the service tier", "Google has none of this name");
            return None;
        }
    };
    if target.provider.contains("vertex") {
        notes.dropped("the service tier", "Vertex has no field for it");
        return None;
    }
    Some(tier.into())
}

/// How a model is told to think.
enum Way {
    Not,
    Budget,
    Level,
}

fn way(target: &Target<'_>, family: Family) -> Way {
    match target.rules.thinking {
        ThinkingRule::Never => Way::Not,
        ThinkingRule::Budget => Way::Budget,
        ThinkingRule::Effort | ThinkingRule::Always => Way::Level,
        ThinkingRule::Unknown if family.is_old() => Way::Not,
        ThinkingRule::Unknown if family.generation.is_some() && !family.is_third() => Way::Budget,
        ThinkingRule::Unknown => Way::Level,
    }
}

fn thinking(reasoning: &Reasoning, target: &Target<'_>, family: Family, notes: &mut Notes) -> Option<Value> {
    let is_off = reasoning.thinking == Some(Thinking::Off)
        || reasoning.effort == Some(Effort::None)
        || (reasoning.budget == Some(0) && reasoning.effort.is_none());
    let mut config = Config::default();
    match way(target, family) {
        Way::Not => {
            if !is_off {
                notes.dropped("reasoning", "this model does not think");
            }
            return None;
        }
        Way::Budget => config.put_some("thinkingBudget", budget(reasoning, is_off, family, notes).as_ref()),
        Way::Level => config.put_some("thinkingLevel", level(reasoning, is_off, family, notes).as_ref()),
    }
    if is_shown(reasoning) && !is_off {
        config.put("includeThoughts", true);
    }
    config.finish()
}

/// Whether the client wants to see thoughts: it says so, or it asked for some and does not say.
fn is_shown(reasoning: &Reasoning) -> bool {
    match reasoning.summary.as_deref() {
        Some(word) => !matches!(word, "omitted" | "none" | "off"),
        None => {
            reasoning.effort.is_some()
                || reasoning.budget.is_some()
                || matches!(reasoning.thinking, Some(Thinking::On | Thinking::Adaptive))
        }
    }
}

/// Tokens to think with; −1 leaves it to the model.
fn budget(reasoning: &Reasoning, is_off: bool, family: Family, notes: &mut Notes) -> Option<i64> {
    let (least, most) = match (family.is_lite, family.is_flash) {
        (true, _) => (512, 24_576),
        (false, true) => (1, 24_576),
        (false, false) => (128, 32_768),
    };
    if is_off && family.is_flash {
        return Some(0);
    }
    if is_off {
        notes.changed("reasoning", "this model always thinks, a little at least");
        return Some(least);
    }
    let asked = reasoning.budget.or_else(|| reasoning.effort.map(Effort::budget));
    match asked {
        Some(tokens) => {
            let taken = i64::try_from(tokens).unwrap_or(most).clamp(least, most);
            if reasoning.budget.is_some() && u64::try_from(taken) != Ok(tokens) {
                notes.changed("the budget of reasoning", "brought into the model's bounds");
            }
            Some(taken)
        }
        None if reasoning.thinking == Some(Thinking::Adaptive) => Some(-1),
        None => None,
    }
}

fn level(reasoning: &Reasoning, is_off: bool, family: Family, notes: &mut Notes) -> Option<&'static str> {
    let lowest = if family.is_flash { "minimal" } else { "low" };
    if is_off {
        notes.changed("reasoning", "this model always thinks: at its lowest level");
        return Some(lowest);
    }
    let effort = reasoning.effort.or_else(|| reasoning.budget.map(Effort::of_budget))?;
    Some(match effort {
        Effort::None | Effort::Minimal => lowest,
        Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::XHigh | Effort::Max if family.thinks_more => "xhigh",
        Effort::XHigh | Effort::Max => "high",
    })
}
