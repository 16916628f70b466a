//! How to call the gateway from the clients people use: the texts behind every snippet.
//!
//! Reads the public address from Leptos's context. Wire facts: each client's own documentation of its base URL.

use leptos::prelude::*;

use super::frame::copy;
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

/// One snippet per way to call from a program, with `key` and `model` filled in.
pub fn snippets_for(key: &str, model: &str) -> Vec<Snippet> {
    let url = public_url();
    vec![
        snippet("curl", curl(&url, key, model)),
        snippet("Python", python(&url, key, model)),
        snippet("Node", node(&url, key, model)),
        snippet("Anthropic SDK", anthropic(&url, key, model)),
        snippet("Google SDK", google(&url, key, model)),
    ]
}

/// One snippet per coding agent, with `key` and `model` filled in.
pub fn agents_for(key: &str, model: &str) -> Vec<Snippet> {
    let url = public_url();
    vec![
        snippet("Claude Code", claude_code(&url, key, model)),
        snippet("Codex", codex(&url, key, model)),
        snippet("Gemini CLI", gemini_cli(&url, key, model)),
        snippet("opencode", opencode(&url, key, model)),
    ]
}

/// A snippet with the button that copies it.
fn snippet(client: &'static str, code: String) -> Snippet {
    let copy = copy(code.clone(), "Copy");
    Snippet { client, code, copy }
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

fn anthropic(url: &str, key: &str, model: &str) -> String {
    format!(
        r#"from anthropic import Anthropic

client = Anthropic(
    base_url="{url}",
    api_key="{key}",
)
answer = client.messages.create(
    model="{model}",
    max_tokens=1024,
    messages=[{{"role": "user", "content": "Say hello"}}],
)
print(answer.content[-1].text)"#
    )
}

fn google(url: &str, key: &str, model: &str) -> String {
    format!(
        r#"from google import genai

client = genai.Client(
    http_options={{"base_url": "{url}"}},
    api_key="{key}",
)
answer = client.models.generate_content(
    model="{model}",
    contents="Say hello",
)
print(answer.text)"#
    )
}

fn claude_code(url: &str, key: &str, model: &str) -> String {
    format!(
        r#"export ANTHROPIC_BASE_URL="{url}"
export ANTHROPIC_API_KEY="{key}"
claude --model {model}"#
    )
}

fn codex(url: &str, key: &str, model: &str) -> String {
    format!(
        r#"# ~/.codex/config.toml
model = "{model}"
model_provider = "ourhub"

[model_providers.ourhub]
name = "OurHub"
base_url = "{url}/v1"
wire_api = "responses"
env_key = "OURHUB_API_KEY"

# in the shell
export OURHUB_API_KEY="{key}"
codex"#
    )
}

fn gemini_cli(url: &str, key: &str, model: &str) -> String {
    format!(
        r#"export GOOGLE_GEMINI_BASE_URL="{url}"
export GEMINI_API_KEY="{key}"
gemini --model {model}"#
    )
}

fn opencode(url: &str, key: &str, model: &str) -> String {
    format!(
        r#"// opencode.json; then: opencode --model ourhub/{model}
{{
  "$schema": "https://opencode.ai/config.json",
  "provider": {{
    "ourhub": {{
      "npm": "@ai-sdk/openai-compatible",
      "name": "OurHub",
      "options": {{
        "baseURL": "{url}/v1",
        "apiKey": "{key}"
      }},
      "models": {{ "{model}": {{}} }}
    }}
  }}
}}"#
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
    fn every_snippet_carries_the_key_and_the_model() {
        for snippet in snippets_for("sk-oh-test", "gpt-b")
            .iter()
            .chain(&agents_for("sk-oh-test", "gpt-b"))
        {
            for part in ["sk-oh-test", "gpt-b"] {
                assert!(snippet.code.contains(part), "{}: {part}", snippet.client);
            }
        }
    }

    #[test]
    fn what_opencode_reads_is_json_behind_its_comment() {
        let code = opencode("http://127.0.0.1:3000", "sk-oh-test", "gpt-b");
        let (comment, json) = code.split_once('\n').unwrap_or_default();
        assert!(comment.starts_with("//"));
        let read: Result<serde_json::Value, _> = serde_json::from_str(json);
        let url = read
            .ok()
            .and_then(|value| value.pointer("/provider/ourhub/options/baseURL").cloned());
        assert_eq!(url, Some("http://127.0.0.1:3000/v1".into()));
    }
}
