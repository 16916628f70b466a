//! A request for Converse and ConverseStream; model and stream stand in the path.
//!
//! Invariant: turns alternate and begin with the user's; a field that the model refuses is left out with a note. Pure.
//! Wire facts: the AWS SDKs' model of the Bedrock runtime; Anthropic's and Amazon's pages on their models there.

mod thinking;
mod tools;
mod turns;

use super::super::exchange::{Format, Notes, Request, Rules, Sampling, Target, Untranslatable};
use serde::Serialize;
use serde_json::{Number, Value, json};
use std::borrow::Cow;
use turns::{Block, Turn};

/// How many marks of the cache a request may have.
const MARKS_MAX: usize = 4;

/// Whose model it is, as far as requests differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Maker {
    Anthropic,
    Amazon,
    Other,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    messages: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Block<'a>>,
    #[serde(skip_serializing_if = "Inference::is_empty")]
    inference_config: Inference<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<tools::Config<'a>>,
    #[serde(skip_serializing_if = "Value::is_null")]
    output_config: Value,
    #[serde(skip_serializing_if = "Value::is_null")]
    additional_model_request_fields: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<Value>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Inference<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<Cow<'a, Number>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<&'a Number>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<&'a str>,
}

impl Inference<'_> {
    fn is_empty(&self) -> bool {
        self.max_tokens.is_none()
            && self.temperature.is_none()
            && self.top_p.is_none()
            && self.stop_sequences.is_empty()
    }
}

/// `request` for `target`; `notes` says what of it was left out or carried otherwise.
pub(crate) fn encode_request(
    request: &Request,
    target: &Target<'_>,
    notes: &mut Notes,
) -> Result<Vec<u8>, Untranslatable> {
    if request.choices.is_some_and(|choices| choices > 1) {
        return Err(Untranslatable::no_counterpart("n", "it gives one answer a request"));
    }
    let (rules, maker) = (target.rules, maker(target.model));
    let mut conversation = turns::collect(request, rules, notes)?;
    let max_tokens = target.max_output.or(request.max_output);
    let max_tokens = max_tokens.map(|asked| rules.max_output.map_or(asked, |most| asked.min(most)));
    let plan = thinking::plan(request, target, maker, max_tokens, notes);
    let mut output_config = plan.output_config;
    conversation
        .system
        .extend(form(&request.format, rules, &mut output_config, notes));
    let mut extra = plan.fields;
    let mut inference_config = sampling(&request.sampling, rules, plan.is_on, notes);
    inference_config.max_tokens = max_tokens;
    inference_config.stop_sequences = stop(&request.stop, notes);
    if let Some(top_k) = &request.sampling.top_k {
        match maker {
            Maker::Anthropic if rules.takes_sampling && !plan.is_on => extra["top_k"] = json!(top_k),
            Maker::Amazon => extra["inferenceConfig"] = json!({"topK": top_k}),
            _ => notes.dropped("top_k", "the model does not take it"),
        }
    }
    let mut tool_config = tools::config(request, rules, plan.is_on, notes);
    let mut none = Vec::new();
    let tools = tool_config.as_mut().map_or(&mut none, tools::Config::tools_mut);
    mark(tools, &mut conversation, maker, notes);
    note_the_rest(request, notes);
    let wire = Wire {
        messages: conversation.turns,
        system: conversation.system,
        inference_config,
        tool_config,
        output_config,
        additional_model_request_fields: extra,
        service_tier: service_tier(request, notes),
    };
    serde_json::to_vec(&wire).map_err(|_| Untranslatable::wrong("body", "what can be written as JSON"))
}

/// By the model's id, an inference profile's or an ARN of either.
fn maker(model: &str) -> Maker {
    if model.contains("anthropic.") || model.contains("claude") {
        Maker::Anthropic
    } else if model.contains("amazon.") || model.contains("nova") {
        Maker::Amazon
    } else {
        Maker::Other
    }
}

fn sampling<'a>(sampling: &'a Sampling, rules: &Rules, is_thinking: bool, notes: &mut Notes) -> Inference<'a> {
    let mut inference = Inference::default();
    let refused = if !rules.takes_sampling {
        Some("the model does not take it")
    } else if is_thinking {
        Some("the model does not take it while it thinks")
    } else {
        None
    };
    if let Some(temperature) = &sampling.temperature {
        match refused {
            Some(why) => notes.dropped("temperature", why),
            None if temperature.as_f64().is_some_and(|number| number > 1.0) => {
                notes.changed("temperature", "1, the most it takes");
                inference.temperature = Some(Cow::Owned(Number::from(1)));
            }
            None => inference.temperature = Some(Cow::Borrowed(temperature)),
        }
    }
    match (&sampling.top_p, refused) {
        (Some(_), Some(why)) => notes.dropped("top_p", why),
        (Some(_), None) if inference.temperature.is_some() => {
            notes.dropped("top_p", "many models take it or temperature, not both");
        }
        (top_p, _) => inference.top_p = top_p.as_ref(),
    }
    for (name, is_there) in [
        ("presence_penalty", sampling.presence_penalty.is_some()),
        ("frequency_penalty", sampling.frequency_penalty.is_some()),
        ("seed", sampling.seed.is_some()),
        ("logit_bias", sampling.logit_bias.is_some()),
    ] {
        if is_there {
            notes.dropped(name, "Bedrock has nothing like it");
        }
    }
    inference
}

fn stop<'a>(stop: &'a [String], notes: &mut Notes) -> Vec<&'a str> {
    let usable = |text: &&'a str| !text.trim().is_empty();
    let kept: Vec<_> = stop.iter().map(String::as_str).filter(usable).collect();
    if kept.len() < stop.len() {
        notes.dropped("a stop text", "it is only white space");
    }
    kept
}

/// The form of the answer: in `config` where the model takes a schema, else as an instruction.
fn form<'a>(format: &'a Format, rules: &Rules, config: &mut Value, notes: &mut Notes) -> Option<Block<'a>> {
    match format {
        Format::Text => None,
        Format::JsonObject => {
            notes.changed("response_format", "an instruction, since Bedrock has only schemas");
            let text = "Answer with one JSON object and nothing else.";
            Some(Block::Text(Cow::Borrowed(text)))
        }
        Format::JsonSchema { schema, .. } if !rules.takes_json_schema => {
            notes.changed("response_format", "an instruction, since the model takes no schema");
            let text = format!("Answer with one JSON value that follows this JSON schema, and nothing else:\n{schema}");
            Some(Block::Text(Cow::Owned(text)))
        }
        Format::JsonSchema {
            name,
            description,
            schema,
            ..
        } => {
            let mut inner = json!({"schema": schema.to_string()});
            if !name.is_empty() {
                inner["name"] = json!(name);
            }
            if let Some(description) = description {
                inner["description"] = json!(description);
            }
            config["textFormat"] = json!({"type": "json_schema", "structure": {"jsonSchema": inner}});
            None
        }
    }
}

/// Keeps the marks that the model takes, and of too many the last, which cover the most.
fn mark(tools: &mut Vec<tools::Tool<'_>>, conversation: &mut turns::Conversation<'_>, maker: Maker, notes: &mut Notes) {
    let blocks = || {
        conversation
            .system
            .iter()
            .chain(conversation.turns.iter().flat_map(|turn| &turn.content))
    };
    let count = tools.iter().filter(|tool| tool.is_mark()).count() + blocks().filter(|block| block.is_mark()).count();
    let most = if maker == Maker::Other { 0 } else { MARKS_MAX };
    let mut excess = count.saturating_sub(most);
    if excess > 0 {
        notes.dropped("a mark of the cache", "the model takes fewer");
    }
    let mut keep = |is_mark: bool| {
        let goes = is_mark && excess > 0;
        excess -= usize::from(goes);
        !goes
    };
    tools.retain(|tool| keep(tool.is_mark()));
    conversation.system.retain(|block| keep(block.is_mark()));
    for turn in &mut conversation.turns {
        turn.content.retain(|block| keep(block.is_mark()));
    }
}

fn service_tier(request: &Request, notes: &mut Notes) -> Option<Value> {
    let tier = request.service_tier.as_deref()?;
    match tier {
        "priority" | "default" | "flex" | "reserved" => Some(json!({"type": tier})),
        "auto" => None,
        _ => {
            notes.dropped("service_tier", "Bedrock has no such class");
            None
        }
    }
}

fn note_the_rest(request: &Request, notes: &mut Notes) {
    for (name, is_there) in [
        ("parallel_tool_calls", request.parallel_tools == Some(false)),
        ("verbosity", request.verbosity.is_some()),
        ("prompt_cache_key", request.cache_key.is_some()),
        ("user", request.user.is_some()),
        ("metadata", request.metadata.is_some()),
        ("logprobs", request.logprobs.is_some()),
    ] {
        if is_there {
            notes.dropped(name, "Bedrock has nothing like it");
        }
    }
}

#[cfg(test)]
mod tests;
