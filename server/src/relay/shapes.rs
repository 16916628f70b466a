//! Models as each dialect lists them.
//!
//! Invariant: the shapes are the official ones, so that SDKs read them; everything is on one page. Pure.
//! Wire facts: the API references of OpenAI, Anthropic and Google.

use crate::catalog::ModelInfo;
use gateway_core::dialect::Dialect;
use serde_json::{Value, json};

/// `models`, as they are listed to a client of `dialect` at `now_ms`.
pub(super) fn list(dialect: Dialect, models: &[impl AsRef<ModelInfo>], now_ms: i64) -> Value {
    let shaped: Vec<Value> = models
        .iter()
        .map(|model| one(dialect, model.as_ref(), now_ms))
        .collect();
    match dialect {
        Dialect::Messages => {
            let id = |model: Option<&Value>| model.map_or(Value::Null, |model| model["id"].clone());
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
pub(super) fn one(dialect: Dialect, model: &ModelInfo, now_ms: i64) -> Value {
    let since_ms = model.price_at(now_ms).map_or(0, |row| row.effective_at_ms);
    match dialect {
        Dialect::Messages => json!({
            "type": "model",
            "id": model.id,
            "display_name": model.id,
            "created_at": super::listing::rfc3339(since_ms),
            "max_input_tokens": model.context,
            "max_tokens": model.max_output,
        }),
        Dialect::Generate => {
            let methods: &[&str] = match model.mode.as_str() {
                "embedding" => &["embedContent", "batchEmbedContents"],
                "image" | "speech" | "transcription" | "rerank" => &[],
                _ => &["generateContent", "streamGenerateContent", "countTokens"],
            };
            let mut shape = json!({
                "name": format!("models/{}", model.id),
                "baseModelId": model.id,
                "version": "1",
                "displayName": model.id,
                "supportedGenerationMethods": methods,
            });
            for (name, limit) in [
                ("inputTokenLimit", model.context),
                ("outputTokenLimit", model.max_output),
            ] {
                if let Some(limit) = limit {
                    shape[name] = Value::from(limit);
                }
            }
            shape
        }
        _ => json!({
            "id": model.id,
            "object": "model",
            "created": since_ms / 1_000,
            "owned_by": if model.provider.is_empty() { "custom" } else { &model.provider },
            "context_window": model.context,
            "max_output_tokens": model.max_output,
            "prices_usd_per_million_tokens": model.price_at(now_ms).map(|row| row.sheet.per_million()),
        }),
    }
}
