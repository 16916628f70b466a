//! Where in a request a value stands, which decides what it counts.
//!
//! Invariant: only what an upstream reads as media counts as media; the same names anywhere else are text. Pure.
//! Wire facts: the API references of OpenAI, Anthropic and Google for messages, content parts and tools.

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
    AudioKind,
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
    /// Responses: the list of items, an item, its kind and id, a content, a part of it and its kind, tools within an item.
    Items,
    Item,
    ItemKind,
    ItemId,
    ItemContent,
    ItemPart,
    ItemPartKind,
    ItemTools,
    ItemTool,
    ItemToolType,
    /// Messages: the list of turns, a turn, its blocks, a block and its kind, where media come from, their data.
    Turns,
    Turn,
    Blocks,
    Block,
    BlockKind,
    Source,
    Uncounted,
    BlockCacheMark,
    LongTtl,
    /// Google's: the list of contents, a content, its parts, a part, what a function answered, media in a part.
    GoogleContents,
    GoogleContent,
    GoogleParts,
    GooglePart,
    GoogleAnswer,
    Blob,
    BlobKind,
    BlobData,
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
            (Self::Audio, "format") => Self::AudioKind,
            (Self::File, "file_data") => Self::FileData,
            (Self::File, "filename") => Self::Text,
            (Self::File, _) => Self::Unsized,
            (Self::CacheMark, "ttl") => Self::Ttl,
            (Self::Tool, "type") => Self::ToolType,
            (Self::Tool | Self::Tools, _) => Self::Json,
            (Self::Json | Self::Aside | Self::CacheMark, _) => self,
            _ => self.newer_member(name),
        }
    }

    /// The same for the dialects after chat.
    fn newer_member(self, name: &str) -> Self {
        match (self, name) {
            (Self::Item | Self::Turn | Self::GoogleContents | Self::GoogleContent, "role") => Self::Role,
            (Self::Item, "type") => Self::ItemKind,
            (Self::Item, "id") => Self::ItemId,
            (Self::Item | Self::ItemTool, "tools") => Self::ItemTools,
            (Self::ItemTool | Self::ItemTools, "type") => Self::ItemToolType,
            (Self::ItemTool | Self::ItemTools | Self::ItemToolType, _) => Self::Json,
            (Self::Item, "content" | "output" | "summary") => Self::ItemContent,
            (Self::ItemPart | Self::ItemContent, "type") => Self::ItemPartKind,
            (Self::ItemPart | Self::ItemContent, "image_url") => Self::Image,
            (Self::ItemPart | Self::ItemContent, "input_audio") => Self::Audio,
            (Self::ItemPart | Self::ItemContent, "file_data" | "file_id" | "file_url") => Self::Unsized,
            (Self::Turn, "content") | (Self::Block | Self::Source, "content") => Self::Blocks,
            (Self::Block, "type") => Self::BlockKind,
            (Self::Block, "source") => Self::Source,
            (Self::Block, "input") => Self::Json,
            (Self::Block, "cache_control") => Self::BlockCacheMark,
            (Self::Source, "data") => Self::Uncounted,
            (Self::BlockCacheMark, "ttl") => Self::LongTtl,
            (Self::GoogleContents | Self::GoogleContent, "parts") => Self::GoogleParts,
            (Self::GoogleParts | Self::GooglePart, _) => google_part(name),
            (Self::GoogleAnswer, "parts") => Self::GoogleParts,
            (Self::GoogleAnswer, _) => Self::Json,
            (Self::Blob, "mimeType" | "mime_type") => Self::BlobKind,
            (Self::Blob, "data") => Self::BlobData,
            (Self::Uncounted, _) => Self::Uncounted,
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
            Self::Tool | Self::ToolType | Self::ItemTool | Self::ItemToolType => Self::Json,
            Self::ItemTools => Self::ItemTool,
            Self::Items => Self::Item,
            Self::ItemContent => Self::ItemPart,
            Self::Turns => Self::Turn,
            Self::Blocks => Self::Block,
            Self::GoogleContents => Self::GoogleContent,
            Self::GoogleParts => Self::GooglePart,
            Self::Aside | Self::Json | Self::Uncounted | Self::Unsized => self,
            _ => Self::Text,
        }
    }

    /// Whether a message, with its framing, stands here.
    pub(super) const fn is_message(self) -> bool {
        matches!(self, Self::Message | Self::Item | Self::Turn | Self::GoogleContent)
    }

    /// Whether a list stands here that must have an element.
    pub(super) const fn is_never_empty(self) -> bool {
        matches!(
            self,
            Self::Messages | Self::Input | Self::InputItem | Self::Turns | Self::GoogleContents
        )
    }

    /// What must stand here, where something must.
    pub(super) const fn expected(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Messages => Some(("messages", "a list of messages")),
            Self::Message => Some(("messages", "a list of objects")),
            Self::Tool => Some(("tools", "a list of objects")),
            Self::ToolType => Some(("tools.type", "a string")),
            Self::Ttl | Self::LongTtl => Some(("ttl", "a string")),
            Self::Items => Some(("input", "a string or a list of items")),
            Self::Item => Some(("input", "a list of objects")),
            Self::Turns => Some(("messages", "a list of messages")),
            Self::Turn => Some(("messages", "a list of objects")),
            Self::GoogleContents => Some(("contents", "a list of contents")),
            Self::GoogleContent => Some(("contents", "a list of objects")),
            Self::Input | Self::InputItem | Self::InputToken => {
                Some(("input", "a string, a list of strings, or lists of token numbers"))
            }
            _ => None,
        }
    }
}

/// The place of the member `name` of a part of Google's; what is not known has no size.
fn google_part(name: &str) -> Place {
    match name {
        "text" | "thought" | "thoughtSignature" | "thought_signature" => Place::Text,
        "inlineData" | "inline_data" => Place::Blob,
        "functionCall" | "function_call" | "executableCode" | "executable_code" => Place::Json,
        "codeExecutionResult" | "code_execution_result" => Place::Json,
        "functionResponse" | "function_response" => Place::GoogleAnswer,
        "mediaResolution" | "media_resolution" | "partMetadata" | "part_metadata" => Place::Aside,
        "videoMetadata" | "video_metadata" => Place::Aside,
        _ => Place::Unsized,
    }
}
