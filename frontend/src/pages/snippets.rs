//! How to call the gateway from the clients people use: the texts behind every snippet.
//!
//! Reads the public address from Leptos's context. Wire facts: each client's own documentation of its base URL.

use leptos::prelude::*;

use crate::api::models::ModelView;
use crate::shell::Assets;
use crate::ui::Snippet;

/// Where clients reach the gateway, without a slash at the end.
pub fn public_url() -> String {
    use_context::<Assets>()
        .map(|assets| assets.public_url)
        .unwrap_or_default()
}

/// Models that most accounts of their provider reach, and that cost little: the first of them that is served is shown.
const WELL_KNOWN: [&str; 6] = [
    "gpt-6-luna",
    "gpt-4o-mini",
    "claude-haiku-4-5",
    "gemini-2.5-flash",
    "deepseek-flash",
    "mistral-small-latest",
];

/// A model to show in a snippet: one that is served and that `patterns` allow.
pub fn example_model(models: &[ModelView], patterns: &[String]) -> String {
    let allowed = |id: &str| {
        patterns.is_empty()
            || patterns.iter().any(|pattern| {
                pattern
                    .strip_suffix('*')
                    .map_or(pattern == id, |start| id.starts_with(start))
            })
    };
    let usable = |model: &&ModelView| model.mode == "chat" && model.prices.is_some() && allowed(&model.id);
    let rank = |model: &&ModelView| {
        let known = WELL_KNOWN.iter().position(|name| *name == model.id);
        (!model.is_served, known.unwrap_or(WELL_KNOWN.len()))
    };
    let best = models.iter().filter(usable).min_by_key(rank);
    best.map_or_else(|| WELL_KNOWN[0].to_owned(), |model| model.id.clone())
}

/// One snippet per client, with `key` and `model` filled in.
pub fn snippets_for(key: &str, model: &str) -> Vec<Snippet> {
    let url = public_url();
    vec![
        Snippet {
            client: "curl",
            code: curl(&url, key, model),
        },
        Snippet {
            client: "Python",
            code: python(&url, key, model),
        },
        Snippet {
            client: "Node",
            code: node(&url, key, model),
        },
    ]
}

fn curl(url: &str, key: &str, model: &str) -> String {
    format!(
        r#"curl {url}/v1/chat/completions \
  -H "Authorization: Bearer {key}" \
  -H "Content-Type: application/json" \
  -d '{{"model": "{model}", "messages": [{{"role": "user", "content": "Say hello"}}]}}'"#
    )
}

fn python(url: &str, key: &str, model: &str) -> String {
    format!(
        r#"from openai import OpenAI

client = OpenAI(
    base_url="{url}/v1",
    api_key="{key}",
)
answer = client.chat.completions.create(
    model="{model}",
    messages=[{{"role": "user", "content": "Say hello"}}],
)
print(answer.choices[0].message.content)"#
    )
}

fn node(url: &str, key: &str, model: &str) -> String {
    format!(
        r#"import OpenAI from "openai";

const client = new OpenAI({{
  baseURL: "{url}/v1",
  apiKey: "{key}",
}});
const answer = await client.chat.completions.create({{
  model: "{model}",
  messages: [{{ role: "user", content: "Say hello" }}],
}});
console.log(answer.choices[0].message.content);"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(id: &str, is_served: bool) -> ModelView {
        ModelView {
            id: id.to_owned(),
            provider: String::new(),
            mode: "chat".to_owned(),
            context: None,
            max_output: None,
            capabilities: Vec::new(),
            prices: Some(crate::api::models::Prices::default()),
            price_since: None,
            next_price: None,
            long_context_from: None,
            is_served,
            is_builtin: true,
        }
    }

    #[test]
    fn the_example_is_a_model_that_is_served_and_allowed() {
        let models = [model("claude-a", false), model("gpt-b", true), model("claude-c", true)];
        assert_eq!(example_model(&models, &[]), "gpt-b");
        assert_eq!(example_model(&models, &["claude-*".to_owned()]), "claude-c");
        assert_eq!(example_model(&models, &["claude-a".to_owned()]), "claude-a");
        assert_eq!(example_model(&[], &[]), "gpt-6-luna");
        let known = [
            model("aya", true),
            model("gpt-4o-mini", true),
            model("gpt-6-luna", false),
        ];
        assert_eq!(example_model(&known, &[]), "gpt-4o-mini");
    }

    #[test]
    fn the_examples_are_known_have_a_price_and_stay() {
        let known = gateway_core::catalog::builtin().unwrap_or_default();
        for name in WELL_KNOWN {
            let found = known.iter().find(|model| model.id == name);
            assert!(
                found.is_some_and(|model| model.sheet.is_some() && model.retires.is_none()),
                "{name}"
            );
        }
    }

    #[test]
    fn every_snippet_carries_the_key() {
        for snippet in snippets_for("sk-oh-test", "gpt-b") {
            assert!(snippet.code.contains("sk-oh-test"), "{}", snippet.client);
        }
    }
}
