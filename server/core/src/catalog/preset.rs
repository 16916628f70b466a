//! Presets: what to fill in for a well-known provider.
//!
//! Invariant: a base URL ends before `/chat/completions` and has no trailing slash. Pure.
//! Wire facts: the providers' API references.

/// A provider as the form for a new account knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// Its id in rows and in the catalogue.
    pub id: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// The dialect it speaks.
    pub dialect: &'static str,
    /// What `/chat/completions` is appended to; empty where only the operator knows.
    pub base_url: &'static str,
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
    /// The field that limits the output: `max_completion_tokens` or `max_tokens`.
    pub max_output_field: &'static str,
}

const HOSTED: Preset = Preset {
    id: "",
    name: "",
    dialect: "chat",
    base_url: "",
    needs_key: true,
    docs: "",
    serves_own_only: false,
    reasoning_excluded: false,
    takes_cost_option: false,
    max_output_field: "max_tokens",
};

static PRESETS: [Preset; 11] = [
    Preset {
        id: "openai",
        name: "OpenAI",
        base_url: "https://api.openai.com/v1",
        docs: "https://platform.openai.com/api-keys",
        serves_own_only: true,
        max_output_field: "max_completion_tokens",
        ..HOSTED
    },
    Preset {
        id: "mistral",
        name: "Mistral",
        base_url: "https://api.mistral.ai/v1",
        docs: "https://console.mistral.ai/api-keys",
        serves_own_only: true,
        ..HOSTED
    },
    Preset {
        id: "groq",
        name: "Groq",
        base_url: "https://api.groq.com/openai/v1",
        docs: "https://console.groq.com/keys",
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
        ..HOSTED
    },
    Preset {
        id: "fireworks",
        name: "Fireworks",
        base_url: "https://api.fireworks.ai/inference/v1",
        docs: "https://app.fireworks.ai/settings/users/api-keys",
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
        ..HOSTED
    },
    Preset {
        id: "custom",
        name: "Other, OpenAI-compatible",
        needs_key: false,
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
