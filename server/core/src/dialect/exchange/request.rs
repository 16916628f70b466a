//! A request in no dialect.
//!
//! Invariant: texts, ids and JSON are the client's own; nothing is invented on decoding, and what an encoder leaves out it notes. Pure.

use serde_json::{Map, Number, Value};
use std::borrow::Cow;
use std::collections::HashSet;

/// A request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// The model asked for.
    pub model: String,
    /// Whether the answer is streamed.
    pub stream: bool,
    /// Whether a stream of the chat dialect shall end with usage.
    pub include_usage: bool,
    /// Instructions, messages, thoughts, calls and their outcomes, in order.
    pub items: Vec<Item>,
    /// What the model may call.
    pub tools: Vec<Tool>,
    /// What of it it must call.
    pub tool_choice: ToolChoice,
    /// Whether several calls may come at once.
    pub parallel_tools: Option<bool>,
    /// The limit on the output of each choice, in tokens.
    pub max_output: Option<u64>,
    /// How many answers; `None` is one.
    pub choices: Option<u64>,
    /// How the next token is chosen.
    pub sampling: Sampling,
    /// Texts at which the answer ends.
    pub stop: Vec<String>,
    /// The form of the answer.
    pub format: Format,
    /// How long-winded: `low`, `medium`, `high`.
    pub verbosity: Option<String>,
    /// How much to think.
    pub reasoning: Option<Reasoning>,
    /// Names what a cache may share.
    pub cache_key: Option<String>,
    /// The end user, to the provider.
    pub user: Option<String>,
    /// Which class of service.
    pub service_tier: Option<String>,
    /// The client's own labels.
    pub metadata: Option<Map<String, Value>>,
    /// Whether likelihoods of tokens are wanted, and of how many alternatives.
    pub logprobs: Option<u64>,
    /// Settings that no other dialect has, by their names in the client's; they are left out.
    pub untold: Vec<&'static str>,
}

/// How the next token is chosen. Numbers are as the client wrote them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sampling {
    /// 0 to 2.
    pub temperature: Option<Number>,
    /// 0 to 1.
    pub top_p: Option<Number>,
    /// A whole number.
    pub top_k: Option<Number>,
    /// −2 to 2.
    pub presence_penalty: Option<Number>,
    /// −2 to 2.
    pub frequency_penalty: Option<Number>,
    /// For the same answer again.
    pub seed: Option<Number>,
    /// Token ids and how much more likely each shall be.
    pub logit_bias: Option<Value>,
}

/// One thing that was said or done.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// Somebody's words.
    Message(Message),
    /// What a model thought before what follows.
    Thought(Thought),
    /// A model's call of a tool.
    Call(Call),
    /// What a call brought.
    Outcome(Outcome),
}

/// Whose words a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The platform's.
    System,
    /// The application's.
    Developer,
    /// The person's.
    User,
    /// The model's.
    Assistant,
}

/// Somebody's words.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Whose.
    pub role: Role,
    /// The words, pictures, files.
    pub parts: Vec<Part>,
    /// A name for whose; the chat dialect alone has it.
    pub name: Option<String>,
}

/// A part of a message or of a call's outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// What it is.
    pub kind: PartKind,
    /// Whether the prompt up to here is to be cached, and how long: the client's word, such as `5m`; empty where it named no time.
    pub cache: Option<String>,
}

/// What a part is.
#[derive(Clone, Debug, PartialEq)]
pub enum PartKind {
    /// Text.
    Text(String),
    /// A model's refusal, sent back.
    Refusal(String),
    /// A picture and how closely to look: `low`, `high`, `auto`, `original`.
    Image {
        /// Where it is.
        source: Source,
        /// How closely to look.
        detail: Option<String>,
    },
    /// Sound.
    Audio(Source),
    /// A PDF, a text, a video.
    File {
        /// Where it is.
        source: Source,
        /// Its name.
        name: Option<String>,
    },
}

/// Where a medium is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Elsewhere.
    Url(String),
    /// Here.
    Data {
        /// Such as `image/png`.
        media_type: String,
        /// In base64.
        base64: String,
    },
    /// Here, as text (Anthropic's plain text documents).
    Text(String),
    /// At a provider, by its id there, which no other provider knows.
    Id(String),
}

/// What a model thought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Thought {
    /// The provider's id, in the responses dialect.
    pub id: Option<String>,
    /// In words; may be empty.
    pub text: String,
    /// Whether the words sum up what was thought.
    pub is_summary: bool,
    /// What only the account that thought it can read: a signature or the thought itself. Towards a client it is packed with its
    /// [`Origin`](super::Origin).
    pub blob: Option<String>,
    /// Whether the blob is the thought itself and the words are withheld.
    pub is_redacted: bool,
}

/// A model's call of a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// What its outcome refers to.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The namespace of the tool, where it has one (responses).
    pub namespace: Option<String>,
    /// JSON of the arguments for a function; free text for a custom tool.
    pub arguments: String,
    /// Which of both.
    pub kind: CallKind,
}

impl Call {
    /// The name of the tool in a dialect without namespaces.
    #[must_use]
    pub fn full_name(&self) -> Cow<'_, str> {
        full_name(self.namespace.as_deref(), &self.name)
    }
}

/// What a tool takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CallKind {
    /// A JSON object.
    #[default]
    Function,
    /// Free text.
    Custom,
}

/// What a call brought.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// The call.
    pub call_id: String,
    /// The tool's name, where the dialect says it; otherwise the call has it.
    pub name: Option<String>,
    /// What came back.
    pub parts: Vec<Part>,
    /// Whether the tool failed.
    pub is_error: bool,
    /// What was called.
    pub kind: CallKind,
}

/// Something a model may call.
#[derive(Clone, Debug, PartialEq)]
pub enum Tool {
    /// A function with named arguments.
    Function {
        /// Its name.
        name: String,
        /// The namespace it stands in (responses).
        namespace: Option<String>,
        /// What it does.
        description: Option<String>,
        /// JSON schema of its arguments.
        parameters: Option<Value>,
        /// Whether arguments must follow the schema.
        strict: Option<bool>,
        /// As in [`Part::cache`].
        cache: Option<String>,
    },
    /// A tool that takes free text.
    Custom {
        /// Its name.
        name: String,
        /// The namespace it stands in (responses).
        namespace: Option<String>,
        /// What it does.
        description: Option<String>,
        /// The grammar of its input, in OpenAI's words.
        format: Option<Value>,
    },
    /// A tool that runs at the provider, as it was written.
    Hosted {
        /// Its type, such as `web_search`.
        kind: String,
        /// The whole of it.
        raw: Value,
    },
}

/// What must be called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// As the model likes; also where the client says nothing.
    #[default]
    Auto,
    /// Nothing.
    None,
    /// Something.
    Required,
    /// This tool.
    Tool(String),
    /// Some of these, or at least one of them.
    Allowed {
        /// Names.
        names: Vec<String>,
        /// Whether one must be called.
        is_required: bool,
    },
}

/// The form of an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Format {
    /// Text.
    #[default]
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON that follows a schema.
    JsonSchema {
        /// What the form is called; empty where the client gave none.
        name: String,
        /// What it is for.
        description: Option<String>,
        /// The schema.
        schema: Value,
        /// Whether it must be followed to the letter.
        strict: Option<bool>,
    },
}

/// How much to think.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reasoning {
    /// In words.
    pub effort: Option<Effort>,
    /// In tokens.
    pub budget: Option<u64>,
    /// Whether at all, where the client said so.
    pub thinking: Option<Thinking>,
    /// Whether the thoughts shall be shown: a word such as `auto`, `summarized`, `omitted`.
    pub summary: Option<String>,
}

/// Whether to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thinking {
    /// No.
    Off,
    /// Yes.
    On,
    /// As the model sees fit.
    Adaptive,
}

/// How much to think, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// Not at all.
    None,
    /// Hardly.
    Minimal,
    /// A little.
    Low,
    /// Some.
    Medium,
    /// A lot.
    High,
    /// More.
    XHigh,
    /// As much as possible.
    Max,
}

impl Effort {
    const ALL: [Self; 7] = [
        Self::None,
        Self::Minimal,
        Self::Low,
        Self::Medium,
        Self::High,
        Self::XHigh,
        Self::Max,
    ];

    /// The word for it in the OpenAI and Anthropic dialects.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::XHigh => "xhigh",
            Self::Max => "max",
        }
    }

    /// The effort called `text`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|effort| effort.as_str() == text)
    }

    /// The effort that a budget of so many tokens comes to.
    #[must_use]
    pub const fn of_budget(tokens: u64) -> Self {
        match tokens {
            0 => Self::None,
            1..1024 => Self::Minimal,
            1024..2048 => Self::Low,
            2048..4096 => Self::Medium,
            _ => Self::High,
        }
    }

    /// Tokens to think with, for models that want a number.
    #[must_use]
    pub const fn budget(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Minimal | Self::Low => 1024,
            Self::Medium => 2048,
            Self::High => 4096,
            Self::XHigh => 8192,
            Self::Max => 16_384,
        }
    }
}

impl Part {
    /// A part of `text` without a mark.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::from(PartKind::Text(text.into()))
    }

    /// Its text, where it is text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match &self.kind {
            PartKind::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl From<PartKind> for Part {
    fn from(kind: PartKind) -> Self {
        Self { kind, cache: None }
    }
}

impl Tool {
    /// What a call of it is told by; the type for one that runs at the provider.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Function { name, .. } | Self::Custom { name, .. } => name,
            Self::Hosted { kind, .. } => kind,
        }
    }

    /// The namespace it stands in.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        match self {
            Self::Function { namespace, .. } | Self::Custom { namespace, .. } => namespace.as_deref(),
            Self::Hosted { .. } => None,
        }
    }

    /// What a call of it is told by in a dialect without namespaces.
    #[must_use]
    pub fn full_name(&self) -> Cow<'_, str> {
        full_name(self.namespace(), self.name())
    }
}

/// The name of the tool `name` of `namespace` in a dialect without namespaces.
#[must_use]
pub(crate) fn full_name<'a>(namespace: Option<&str>, name: &'a str) -> Cow<'a, str> {
    match namespace {
        Some(namespace) => Cow::Owned(format!("{namespace}__{name}")),
        None => Cow::Borrowed(name),
    }
}

impl Request {
    /// The tools that may be called, where the client chose some; all of them otherwise.
    pub(crate) fn offered(&self) -> impl Iterator<Item = &Tool> {
        let allowed: Option<HashSet<&str>> = match &self.tool_choice {
            ToolChoice::Allowed { names, .. } => Some(names.iter().map(String::as_str).collect()),
            _ => None,
        };
        self.tools.iter().filter(move |tool| {
            allowed
                .as_ref()
                .is_none_or(|names| names.contains(tool.name()) || names.contains(&*tool.full_name()))
        })
    }
}
