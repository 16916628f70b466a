//! How the answer is to be made.
//!
//! Invariant: numbers stay as the client wrote them; an answer that no other dialect can give is refused. Pure.
//! Wire facts: Google's `GenerationConfig` and `ThinkingConfig`.

use super::super::super::exchange::{Effort, Format, Reasoning, Request, Thinking, Untranslatable};
use super::super::fields::Fields;
use super::super::schema::json_schema;

/// Takes `config` into `request`.
pub(super) fn read(mut config: Fields, request: &mut Request) -> Result<(), Untranslatable> {
    request.choices = config.count("candidateCount")?;
    request.max_output = config.count("maxOutputTokens")?;
    request.stop = config.texts("stopSequences")?;
    let sampling = &mut request.sampling;
    sampling.temperature = config.number("temperature")?;
    sampling.top_p = config.number("topP")?;
    sampling.top_k = config.number("topK")?;
    sampling.seed = config.number("seed")?;
    sampling.presence_penalty = config.number("presencePenalty")?;
    sampling.frequency_penalty = config.number("frequencyPenalty")?;
    let alternatives = config.count("logprobs")?;
    if config.flag("responseLogprobs")? == Some(true) {
        request.logprobs = Some(alternatives.unwrap_or(0));
    }
    for (path, modality) in config.list("responseModalities") {
        let is_text = |text: &str| text.is_empty() || text.eq_ignore_ascii_case("text");
        if !modality.as_str().is_some_and(is_text) {
            return Err(Untranslatable::no_counterpart(path, "the answer would be text only"));
        }
    }
    request.format = format(&mut config)?;
    if let Some(thinking) = config.object("thinkingConfig")? {
        request.reasoning = Some(reasoning(thinking)?);
    }
    Ok(())
}

fn format(config: &mut Fields) -> Result<Format, Untranslatable> {
    let media_type = config.text("responseMimeType")?.unwrap_or_default();
    let whole = config
        .take("responseJsonSchema")
        .or_else(|| config.take("_responseJsonSchema"));
    let schema = config.take("responseSchema").map(json_schema);
    match (media_type.as_str(), whole.or(schema)) {
        ("application/json", None) => Ok(Format::JsonObject),
        ("application/json", Some(schema)) => Ok(Format::JsonSchema {
            name: String::new(),
            description: None,
            schema,
            strict: None,
        }),
        ("" | "text/plain", _) => Ok(Format::Text),
        _ => Err(Untranslatable::no_counterpart(
            config.path("responseMimeType"),
            "the answer would be text or JSON only",
        )),
    }
}

fn reasoning(mut config: Fields) -> Result<Reasoning, Untranslatable> {
    let mut reasoning = Reasoning::default();
    if let Some(budget) = config.number("thinkingBudget")? {
        match budget.as_i64() {
            Some(0) => reasoning.thinking = Some(Thinking::Off),
            Some(-1) => reasoning.thinking = Some(Thinking::Adaptive),
            Some(tokens @ 1..) => {
                reasoning.thinking = Some(Thinking::On);
                reasoning.budget = Some(tokens.unsigned_abs());
            }
            _ => {
                let path = config.path("thinkingBudget");
                return Err(Untranslatable::wrong(path, "a number of tokens, 0 or -1"));
            }
        }
    }
    if let Some(level) = config.text("thinkingLevel")? {
        let level = level.to_ascii_lowercase();
        reasoning.effort = Effort::parse(&level);
        if reasoning.effort.is_none() && !matches!(level.as_str(), "" | "thinking_level_unspecified") {
            let path = config.path("thinkingLevel");
            return Err(Untranslatable::wrong(path, "minimal, low, medium, high or xhigh"));
        }
    }
    let shown = config.flag("includeThoughts")?;
    reasoning.summary = shown.map(|shown| if shown { "auto" } else { "omitted" }.to_owned());
    Ok(reasoning)
}
