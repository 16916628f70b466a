//! Operations: what a request asks for, and where it is asked for.
//!
//! Invariant: every operation belongs to one dialect, has one name in rows and one path. Pure.
//! Wire facts: the API references of OpenAI, Anthropic and Google.

use super::Dialect;
use crate::usage::Kind;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt::Write as _;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// An answer to messages, from OpenAI's Chat Completions.
    Chat,
    /// Vectors of texts, as OpenAI gives them.
    Embeddings,
    /// The continuation of a text: OpenAI's older Completions.
    Completions,
    /// Whether a text is harmful, at OpenAI.
    Moderations,
    /// An answer from OpenAI's Responses.
    Responses,
    /// A conversation of OpenAI's Responses made shorter.
    Compact,
    /// How many tokens OpenAI's Responses would read.
    CountResponses,
    /// An answer from Anthropic's Messages.
    Messages,
    /// How many tokens Anthropic's Messages would read.
    CountTokens,
    /// An answer from Google's generateContent.
    Generate,
    /// How many tokens Google's generateContent would read.
    CountGenerate,
    /// The vector of a text, as Google gives it.
    EmbedContent,
    /// The vectors of many texts, as Google gives them.
    BatchEmbedContents,
    /// Documents in the order in which they fit a query, as Cohere and Jina give them.
    Rerank,
    /// Images made from a text, at OpenAI.
    ImageGenerations,
    /// Images made from others, at OpenAI.
    ImageEdits,
    /// A text read out, at OpenAI.
    Speech,
    /// Sound written down, at OpenAI.
    Transcriptions,
    /// Sound written down in English, at OpenAI.
    Translations,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 19] = [
        Self::Chat,
        Self::Embeddings,
        Self::Completions,
        Self::Moderations,
        Self::Responses,
        Self::Compact,
        Self::CountResponses,
        Self::Messages,
        Self::CountTokens,
        Self::Generate,
        Self::CountGenerate,
        Self::EmbedContent,
        Self::BatchEmbedContents,
        Self::Rerank,
        Self::ImageGenerations,
        Self::ImageEdits,
        Self::Speech,
        Self::Transcriptions,
        Self::Translations,
    ];

    /// Its name in rows and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Embeddings => "embeddings",
            Self::Completions => "completions",
            Self::Moderations => "moderations",
            Self::Responses => "responses",
            Self::Compact => "compact",
            Self::CountResponses => "count_responses",
            Self::Messages => "messages",
            Self::CountTokens => "count_tokens",
            Self::Generate => "generate",
            Self::CountGenerate => "count_generate",
            Self::EmbedContent => "embed_content",
            Self::BatchEmbedContents => "batch_embed_contents",
            Self::Rerank => "rerank",
            Self::ImageGenerations => "image_generations",
            Self::ImageEdits => "image_edits",
            Self::Speech => "speech",
            Self::Transcriptions => "transcriptions",
            Self::Translations => "translations",
        }
    }

    /// The operation called `text`, or `None` where there is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.as_str() == text)
    }

    /// The dialect it belongs to.
    #[must_use]
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::Chat
            | Self::Embeddings
            | Self::Completions
            | Self::Moderations
            | Self::Rerank
            | Self::ImageGenerations
            | Self::ImageEdits
            | Self::Speech
            | Self::Transcriptions
            | Self::Translations => Dialect::Chat,
            Self::Responses | Self::Compact | Self::CountResponses => Dialect::Responses,
            Self::Messages | Self::CountTokens => Dialect::Messages,
            Self::Generate | Self::CountGenerate | Self::EmbedContent | Self::BatchEmbedContents => Dialect::Generate,
        }
    }

    /// Whether its provider charges nothing for it: it has no price and no output.
    #[must_use]
    pub const fn is_free(self) -> bool {
        matches!(self, Self::Moderations) || self.is_count()
    }

    /// Whether it only counts the tokens of a prompt.
    #[must_use]
    pub const fn is_count(self) -> bool {
        matches!(self, Self::CountResponses | Self::CountTokens | Self::CountGenerate)
    }

    /// Whether it gives vectors.
    #[must_use]
    pub const fn is_embedding(self) -> bool {
        matches!(self, Self::Embeddings | Self::EmbedContent | Self::BatchEmbedContents)
    }

    /// Whether it is asked and answered in a form of its own, which nothing translates, and may be priced by other units than tokens.
    #[must_use]
    pub const fn is_media(self) -> bool {
        matches!(self, Self::Rerank | Self::Speech) || self.is_image() || self.is_heard()
    }

    /// Whether it gives images.
    #[must_use]
    pub const fn is_image(self) -> bool {
        matches!(self, Self::ImageGenerations | Self::ImageEdits)
    }

    /// Whether it writes sound down.
    #[must_use]
    pub const fn is_heard(self) -> bool {
        matches!(self, Self::Transcriptions | Self::Translations)
    }

    /// The unit, other than tokens, by which it may be priced.
    #[must_use]
    pub const fn unit(self) -> Option<Kind> {
        match self {
            Self::Rerank => Some(Kind::Searches),
            Self::ImageGenerations | Self::ImageEdits => Some(Kind::Images),
            Self::Speech => Some(Kind::Characters),
            Self::Transcriptions | Self::Translations => Some(Kind::Seconds),
            _ => None,
        }
    }

    /// Whether it is sent as `multipart/form-data`: the edits of images may be, what is heard always is.
    #[must_use]
    pub const fn takes_form(self) -> bool {
        matches!(self, Self::ImageEdits) || self.is_heard()
    }

    /// Whether its answer has output tokens.
    #[must_use]
    pub const fn has_output(self) -> bool {
        !self.is_free() && !self.is_embedding() && !self.is_media()
    }

    /// Whether a request may limit them.
    #[must_use]
    pub const fn takes_limit(self) -> bool {
        self.has_output() && !matches!(self, Self::Compact)
    }

    /// What follows the base URL of a provider; where the model is a part of the path, what stands before the model.
    #[must_use]
    pub const fn path_suffix(self) -> &'static str {
        match self {
            Self::Chat => "/chat/completions",
            Self::Embeddings => "/embeddings",
            Self::Completions => "/completions",
            Self::Moderations => "/moderations",
            Self::Responses => "/responses",
            Self::Compact => "/responses/compact",
            Self::CountResponses => "/responses/input_tokens",
            Self::Messages => "/messages",
            Self::CountTokens => "/messages/count_tokens",
            Self::Rerank => "/rerank",
            Self::ImageGenerations => "/images/generations",
            Self::ImageEdits => "/images/edits",
            Self::Speech => "/audio/speech",
            Self::Transcriptions => "/audio/transcriptions",
            Self::Translations => "/audio/translations",
            Self::Generate | Self::CountGenerate | Self::EmbedContent | Self::BatchEmbedContents => "/models",
        }
    }

    /// What follows the base URL of a provider that is asked for `model`, percent-encoded.
    #[must_use]
    pub fn path(self, model: &str, stream: bool) -> Cow<'static, str> {
        let suffix = self.path_suffix();
        let Some(method) = self.method(stream) else {
            return Cow::Borrowed(suffix);
        };
        let mut path = format!("{suffix}/");
        for byte in model.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte) {
                path.push(char::from(byte));
            } else {
                // Writing into a text cannot fail.
                let _ = write!(path, "%{byte:02X}");
            }
        }
        path.push(':');
        path.push_str(method);
        Cow::Owned(path)
    }

    /// What the URL asks for besides.
    #[must_use]
    pub const fn query(self, stream: bool) -> Option<&'static str> {
        match self {
            Self::Generate if stream => Some("alt=sse"),
            _ => None,
        }
    }

    /// What stands behind the model in a path of Google's.
    const fn method(self, stream: bool) -> Option<&'static str> {
        match self {
            Self::Generate if stream => Some("streamGenerateContent"),
            Self::Generate => Some("generateContent"),
            Self::CountGenerate => Some("countTokens"),
            Self::EmbedContent => Some("embedContent"),
            Self::BatchEmbedContents => Some("batchEmbedContents"),
            _ => None,
        }
    }
}

/// Which of the tools that run at the provider may stay in a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hosted {
    /// None.
    #[default]
    None,
    /// Those that cost what the model reads of them, and no fee.
    WithoutFee,
    /// Those whose searches have a fee, too.
    WithFee,
}

/// What is asked for, as far as the path says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The operation.
    pub operation: Operation,
    /// The model, where the path names it.
    pub model: Option<&'a str>,
    /// Whether the path asks for a stream.
    pub stream: bool,
    /// Which tools may run at the provider.
    pub hosted: Hosted,
}

impl From<Operation> for Asked<'_> {
    fn from(operation: Operation) -> Self {
        Self {
            operation,
            model: None,
            stream: false,
            hosted: Hosted::None,
        }
    }
}

impl<'a> Asked<'a> {
    /// What `segment`, the decoded end of a path of Google's such as `gemini-x:streamGenerateContent`, asks for.
    #[must_use]
    pub fn of_method(segment: &'a str) -> Option<Self> {
        let (model, method) = segment.rsplit_once(':')?;
        let known = |stream| {
            Operation::ALL
                .into_iter()
                .find(|operation| operation.method(stream) == Some(method))
        };
        let whole = known(false).map(|operation| (operation, false));
        let (operation, stream) = whole.or_else(|| known(true).map(|operation| (operation, true)))?;
        Some(Self {
            operation,
            model: Some(model),
            stream,
            hosted: Hosted::None,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_and_back() {
        for (at, operation) in Operation::ALL.into_iter().enumerate() {
            assert_eq!(Operation::parse(operation.as_str()), Some(operation));
            assert_eq!(serde_json::json!(operation), operation.as_str());
            assert_eq!(operation as usize, at);
        }
        assert_eq!(Operation::parse(""), None);
    }

    #[test]
    fn a_path_names_the_model_where_google_wants_it() {
        for (operation, stream, path) in [
            (Operation::Chat, true, "/chat/completions"),
            (Operation::CountTokens, false, "/messages/count_tokens"),
            (Operation::Generate, false, "/models/a%2Fb%3Fc:generateContent"),
            (Operation::Generate, true, "/models/a%2Fb%3Fc:streamGenerateContent"),
            (Operation::CountGenerate, false, "/models/a%2Fb%3Fc:countTokens"),
            (
                Operation::BatchEmbedContents,
                false,
                "/models/a%2Fb%3Fc:batchEmbedContents",
            ),
        ] {
            assert_eq!(operation.path("a/b?c", stream), path);
        }
        assert_eq!(Operation::Generate.query(true), Some("alt=sse"));
        assert_eq!(Operation::Generate.query(false), None);
    }

    #[test]
    fn a_path_of_googles_says_what_is_asked() {
        let asked = Asked::of_method("models:x:streamGenerateContent").unwrap();
        assert_eq!(
            (asked.operation, asked.model, asked.stream),
            (Operation::Generate, Some("models:x"), true)
        );
        assert_eq!(
            Asked::of_method("x:embedContent").map(|asked| asked.operation),
            Some(Operation::EmbedContent)
        );
        for segment in ["x", "x:", "x:predict", ""] {
            assert_eq!(Asked::of_method(segment), None, "{segment}");
        }
    }
}
