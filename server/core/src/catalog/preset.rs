//! Presets: what to fill in for a well-known provider.
//!
//! Invariant: a base URL ends before what an operation appends to it, such as `/chat/completions`, and has no trailing slash. Pure.
//! Wire facts: the providers' API references.

use crate::dialect::{Dialect, Operation};

/// How a key is sent, where that is more than the name of a header.
pub mod auth {
    /// `Authorization: Bearer …`.
    pub const BEARER: &str = "bearer";
    /// A Google service account's key file, exchanged for a token.
    pub const SERVICE_ACCOUNT: &str = "service_account";
    /// AWS's Signature Version 4; a key without a colon is one of Bedrock's own and sent as bearer.
    pub const SIGV4: &str = "sigv4";
}

/// A provider as the form for a new account knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// Its id in rows and in the catalogue.
    pub id: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// The dialects it speaks, the preferred one first.
    pub dialects: &'static [Dialect],
    /// What an operation's path is appended to; empty where only the operator knows.
    pub base_url: &'static str,
    /// What a base URL looks like where only the operator knows it.
    pub base_url_example: &'static str,
    /// How its keys are sent: a word of [`auth`], or the header that carries it alone.
    pub auth: &'static str,
    /// What its key looks like, where that needs saying.
    pub key_hint: &'static str,
    /// Whether its models must be named one by one, since their names there are its own or the operator's.
    pub names_models: bool,
    /// Whether it answers nobody without a key.
    pub needs_key: bool,
    /// Where its keys are made, or its manual; empty where there is no such page.
    pub docs: &'static str,
    /// Whether it serves the models that the catalogue says it makes and no others; aggregators and servers of one's own serve any.
    pub serves_own_only: bool,
    /// Whether it leaves reasoning tokens out of its output count, so that they must be added.
    pub reasoning_excluded: bool,
    /// Whether it knows `usage` in a request, which asks for a cost.
    pub takes_cost_option: bool,
    /// Whether it knows `stream_options`; where it does not, it refuses them, and tells the usage of every stream.
    pub takes_stream_options: bool,
    /// What it serves, besides its dialects, of the operations that have a form of their own.
    pub media: &'static [Operation],
    /// Whether its plain JSON of what was heard says its length or its tokens.
    pub tells_what_was_heard: bool,
    /// Whether it sends speech in events, which tell its tokens, where that is asked for.
    pub speaks_in_events: bool,
    /// The shortest sound that it bills, in seconds.
    pub seconds_min: u64,
    /// The field that limits the output: `max_completion_tokens` or `max_tokens`.
    pub max_output_field: &'static str,
}

const HOSTED: Preset = Preset {
    id: "",
    name: "",
    dialects: &[Dialect::Chat],
    base_url: "",
    base_url_example: "",
    auth: auth::BEARER,
    key_hint: "",
    names_models: false,
    needs_key: true,
    docs: "",
    serves_own_only: false,
    reasoning_excluded: false,
    takes_cost_option: false,
    takes_stream_options: true,
    media: &[],
    tells_what_was_heard: false,
    speaks_in_events: false,
    seconds_min: 0,
    max_output_field: "max_tokens",
};

/// What OpenAI serves of the operations that have a form of their own.
const OPENAIS: &[Operation] = &[
    Operation::ImageGenerations,
    Operation::ImageEdits,
    Operation::Speech,
    Operation::Transcriptions,
    Operation::Translations,
];

static PRESETS: [Preset; 17] = [
    Preset {
        id: "openai",
        name: "OpenAI",
        dialects: &[Dialect::Chat, Dialect::Responses],
        base_url: "https://api.openai.com/v1",
        docs: "https://platform.openai.com/api-keys",
        serves_own_only: true,
        media: OPENAIS,
        tells_what_was_heard: true,
        speaks_in_events: true,
        max_output_field: "max_completion_tokens",
        ..HOSTED
    },
    Preset {
        id: "anthropic",
        name: "Anthropic",
        dialects: &[Dialect::Messages],
        base_url: "https://api.anthropic.com/v1",
        auth: "x-api-key",
        docs: "https://console.anthropic.com/settings/keys",
        serves_own_only: true,
        ..HOSTED
    },
    Preset {
        id: "gemini",
        name: "Google Gemini",
        dialects: &[Dialect::Generate],
        base_url: "https://generativelanguage.googleapis.com/v1beta",
        auth: "x-goog-api-key",
        docs: "https://aistudio.google.com/apikey",
        serves_own_only: true,
        ..HOSTED
    },
    Preset {
        id: "azure",
        name: "Azure OpenAI",
        dialects: &[Dialect::Chat, Dialect::Responses],
        base_url_example: "https://my-resource.openai.azure.com/openai/v1",
        auth: "api-key",
        key_hint: "A key of the resource. Another address that works: https://my-resource.openai.azure.com/openai/deployments?api-version=2024-10-21.",
        names_models: true,
        docs: "https://portal.azure.com",
        media: OPENAIS,
        tells_what_was_heard: true,
        speaks_in_events: true,
        max_output_field: "max_completion_tokens",
        ..HOSTED
    },
    Preset {
        id: "vertex",
        name: "Google Vertex AI",
        dialects: &[Dialect::Generate, Dialect::Messages],
        base_url_example: "https://europe-west4-aiplatform.googleapis.com/v1/projects/my-project/locations/europe-west4",
        auth: auth::SERVICE_ACCOUNT,
        key_hint: "The whole JSON file of a service account's key, from { to }.",
        names_models: true,
        docs: "https://console.cloud.google.com/iam-admin/serviceaccounts",
        ..HOSTED
    },
    Preset {
        id: "bedrock",
        name: "Amazon Bedrock",
        dialects: &[Dialect::Converse, Dialect::Messages],
        base_url_example: "https://bedrock-runtime.eu-central-1.amazonaws.com",
        auth: auth::SIGV4,
        key_hint: "A Bedrock API key, or ACCESS_KEY_ID:SECRET_ACCESS_KEY, with :SESSION_TOKEN behind where they are temporary.",
        names_models: true,
        docs: "https://console.aws.amazon.com/bedrock",
        ..HOSTED
    },
    Preset {
        id: "cohere",
        name: "Cohere",
        base_url: "https://api.cohere.ai/compatibility/v1",
        docs: "https://dashboard.cohere.com/api-keys",
        serves_own_only: true,
        media: &[Operation::Rerank],
        ..HOSTED
    },
    Preset {
        id: "mistral",
        name: "Mistral",
        base_url: "https://api.mistral.ai/v1",
        docs: "https://console.mistral.ai/api-keys",
        serves_own_only: true,
        takes_stream_options: false,
        media: &[Operation::Speech, Operation::Transcriptions],
        tells_what_was_heard: true,
        ..HOSTED
    },
    Preset {
        id: "groq",
        name: "Groq",
        base_url: "https://api.groq.com/openai/v1",
        docs: "https://console.groq.com/keys",
        media: &[Operation::Speech, Operation::Transcriptions, Operation::Translations],
        seconds_min: 10,
        max_output_field: "max_completion_tokens",
        ..HOSTED
    },
    Preset {
        id: "deepseek",
        name: "DeepSeek",
        base_url: "https://api.deepseek.com/v1",
        docs: "https://platform.deepseek.com/api_keys",
        serves_own_only: true,
        ..HOSTED
    },
    Preset {
        id: "xai",
        name: "xAI",
        base_url: "https://api.x.ai/v1",
        docs: "https://console.x.ai",
        serves_own_only: true,
        media: &[Operation::ImageGenerations, Operation::ImageEdits],
        reasoning_excluded: true,
        ..HOSTED
    },
    Preset {
        id: "openrouter",
        name: "OpenRouter",
        base_url: "https://openrouter.ai/api/v1",
        docs: "https://openrouter.ai/settings/keys",
        takes_cost_option: true,
        ..HOSTED
    },
    Preset {
        id: "together",
        name: "Together",
        base_url: "https://api.together.ai/v1",
        docs: "https://api.together.ai/settings/api-keys",
        media: &[
            Operation::Rerank,
            Operation::ImageGenerations,
            Operation::Speech,
            Operation::Transcriptions,
            Operation::Translations,
        ],
        ..HOSTED
    },
    Preset {
        id: "fireworks",
        name: "Fireworks",
        base_url: "https://api.fireworks.ai/inference/v1",
        docs: "https://app.fireworks.ai/settings/users/api-keys",
        media: &[Operation::Rerank],
        ..HOSTED
    },
    Preset {
        id: "ollama",
        name: "Ollama",
        base_url: "http://127.0.0.1:11434/v1",
        docs: "https://docs.ollama.com",
        needs_key: false,
        ..HOSTED
    },
    Preset {
        id: "vllm",
        name: "vLLM",
        base_url: "http://127.0.0.1:8000/v1",
        docs: "https://docs.vllm.ai",
        needs_key: false,
        media: &[Operation::Rerank, Operation::Transcriptions, Operation::Translations],
        ..HOSTED
    },
    Preset {
        id: "custom",
        name: "Other, OpenAI-compatible",
        dialects: &[Dialect::Chat, Dialect::Responses, Dialect::Messages, Dialect::Generate],
        needs_key: false,
        media: &[
            Operation::Rerank,
            Operation::ImageGenerations,
            Operation::ImageEdits,
            Operation::Speech,
            Operation::Transcriptions,
            Operation::Translations,
        ],
        ..HOSTED
    },
];

/// Every preset, in the order in which they are offered.
#[must_use]
pub fn presets() -> &'static [Preset] {
    &PRESETS
}

/// The preset of provider `id`, or `None` where there is none.
#[must_use]
pub fn preset(id: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.id == id)
}
