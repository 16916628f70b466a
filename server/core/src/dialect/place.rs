//! Where in a request a value stands, which decides what it counts.
//!
//! Invariant: only what an upstream reads as media counts as media; the same names anywhere else are text. Pure.
//! Wire facts: OpenAI's API reference for messages, content parts and tools.

/// Where in a request a value stands, and so what it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// No part of the prompt: checked, not counted.
    Aside,
    /// JSON that a provider may render into the prompt.
    Json,
    /// The list of tools, a tool, and its type.
    Tools,
    Tool,
    ToolType,
    /// The list of messages, a message, its role and its content.
    Messages,
    Message,
    Role,
    Content,
    /// A part of a content.
    Part,
    PartType,
    /// Text of a message.
    Text,
    Image,
    ImageUrl,
    Audio,
    AudioData,
    File,
    FileData,
    /// What is elsewhere or has no size: a file by its id, a video, earlier sound.
    Unsized,
    /// A mark of what to cache.
    CacheMark,
    Ttl,
    /// What is to be embedded: the whole, an item, a number of an item.
    Input,
    InputItem,
    InputToken,
}

impl Place {
    /// The place of the member `name`.
    pub(super) fn member(self, name: &str) -> Self {
        match (self, name) {
            (Self::Message, "content") => Self::Content,
            (Self::Message, "role") => Self::Role,
            (Self::Message, "audio") => Self::Unsized,
            (Self::Part, "type") => Self::PartType,
            (Self::Part, "image_url") => Self::Image,
            (Self::Part, "input_audio") => Self::Audio,
            (Self::Part, "file") => Self::File,
            (Self::Message | Self::Part | Self::Tool, "cache_control" | "prompt_cache_breakpoint") => Self::CacheMark,
            (Self::Part, name) if name.ends_with("_url") => Self::Unsized,
            (Self::Image, "url") => Self::ImageUrl,
            (Self::Audio, "data") => Self::AudioData,
            (Self::File, "file_data") => Self::FileData,
            (Self::File, "filename") => Self::Text,
            (Self::File, _) => Self::Unsized,
            (Self::CacheMark, "ttl") => Self::Ttl,
            (Self::Tool, "type") => Self::ToolType,
            (Self::Tool | Self::Tools, _) => Self::Json,
            (Self::Json | Self::Aside | Self::CacheMark, _) => self,
            _ => Self::Text,
        }
    }

    /// The place of an element.
    pub(super) const fn element(self) -> Self {
        match self {
            Self::Tools => Self::Tool,
            Self::Messages => Self::Message,
            Self::Content => Self::Part,
            Self::Input => Self::InputItem,
            Self::InputItem => Self::InputToken,
            Self::Tool | Self::ToolType => Self::Json,
            Self::Aside | Self::Json => self,
            _ => Self::Text,
        }
    }

    /// What must stand here, where something must.
    pub(super) const fn expected(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Messages => Some(("messages", "a list of messages")),
            Self::Message => Some(("messages", "a list of objects")),
            Self::Tool => Some(("tools", "a list of objects")),
            Self::ToolType => Some(("tools.type", "a string")),
            Self::Ttl => Some(("ttl", "a string")),
            Self::Input | Self::InputItem | Self::InputToken => {
                Some(("input", "a string, a list of strings, or lists of token numbers"))
            }
            _ => None,
        }
    }
}
