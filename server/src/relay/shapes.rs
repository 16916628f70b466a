//! Models and aliases as each dialect lists them.
//!
//! Invariant: the shapes are the official ones, so that SDKs read them; everything is on one page; an alias promises no more than every
//! model that it stands for keeps. Pure. Wire facts: the API references of OpenAI, Anthropic and Google.

use crate::catalog::{AliasInfo, ModelInfo};
use gateway_core::dialect::Dialect;
use gateway_core::pricing::{Markup, PerMillion};
use serde_json::{Value, json};
use std::sync::Arc;

/// Who owns an alias, in a list.
const ALIAS: &str = "alias";

/// What is listed of a name.
pub(super) struct Listed {
    id: String,
    owned_by: String,
    mode: String,
    context: Option<u64>,
    max_output: Option<u64>,
    since_ms: i64,
    prices: Option<PerMillion>,
    /// What an alias stands for.
    targets: Option<Vec<String>>,
}

impl Listed {
    /// `model`, by its own name, at its price with `markup`.
    pub fn model(model: &ModelInfo, markup: Markup, now_ms: i64) -> Self {
        let price = model.price_at(now_ms);
        Self {
            id: model.id.clone(),
            owned_by: if model.provider.is_empty() {
                "custom".to_owned()
            } else {
                model.provider.clone()
            },
            mode: model.mode.clone(),
            context: model.context,
            max_output: model.max_output,
            since_ms: price.map_or(0, |row| row.effective_at_ms),
            prices: price.map(|row| row.sheet.marked_up(markup).per_million()),
            targets: None,
        }
    }

    /// `alias`, which stands for `models`: as long as the shortest of them. Its price is that of whichever answers.
    pub fn alias(alias: &AliasInfo, models: &[Arc<ModelInfo>]) -> Self {
        Self {
            id: alias.name.clone(),
            owned_by: ALIAS.to_owned(),
            mode: models.first().map(|model| model.mode.clone()).unwrap_or_default(),
            context: models.iter().filter_map(|model| model.context).min(),
            max_output: models.iter().filter_map(|model| model.max_output).min(),
            since_ms: alias.created_at_ms,
            prices: None,
            targets: Some(models.iter().map(|model| model.id.clone()).collect()),
        }
    }
}

/// `names`, as they are listed to a client of `dialect`.
pub(super) fn list(dialect: Dialect, names: &[Listed]) -> Value {
    let shaped: Vec<Value> = names.iter().map(|name| one(dialect, name)).collect();
    match dialect {
        Dialect::Messages => {
            let id = |name: Option<&Value>| name.map_or(Value::Null, |name| name["id"].clone());
            json!({
                "first_id": id(shaped.first()),
                "last_id": id(shaped.last()),
                "has_more": false,
                "data": shaped,
            })
        }
        Dialect::Generate => json!({ "models": shaped }),
        _ => json!({ "object": "list", "data": shaped }),
    }
}

/// One of them.
pub(super) fn one(dialect: Dialect, listed: &Listed) -> Value {
    match dialect {
        Dialect::Messages => json!({
            "type": "model",
            "id": listed.id,
            "display_name": listed.id,
            "created_at": super::listing::rfc3339(listed.since_ms),
            "max_input_tokens": listed.context,
            "max_tokens": listed.max_output,
        }),
        Dialect::Generate => generate(listed),
        _ => {
            let mut shape = json!({
                "id": listed.id,
                "object": "model",
                "created": listed.since_ms / 1_000,
                "owned_by": listed.owned_by,
                "context_window": listed.context,
                "max_output_tokens": listed.max_output,
                "prices_usd_per_million_tokens": listed.prices,
            });
            if let Some(targets) = &listed.targets {
                shape["stands_for"] = json!(targets);
            }
            shape
        }
    }
}

fn generate(listed: &Listed) -> Value {
    let methods: &[&str] = match listed.mode.as_str() {
        "embedding" => &["embedContent", "batchEmbedContents"],
        "image" | "speech" | "transcription" | "rerank" | "moderation" => &[],
        _ => &["generateContent", "streamGenerateContent", "countTokens"],
    };
    let mut shape = json!({
        "name": format!("models/{}", listed.id),
        "baseModelId": listed.id,
        "version": "1",
        "displayName": listed.id,
        "supportedGenerationMethods": methods,
    });
    for (name, limit) in [
        ("inputTokenLimit", listed.context),
        ("outputTokenLimit", listed.max_output),
    ] {
        if let Some(limit) = limit {
            shape[name] = Value::from(limit);
        }
    }
    shape
}
