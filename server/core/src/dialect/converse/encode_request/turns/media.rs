//! Texts, pictures and documents.
//!
//! Invariant: a medium that Bedrock cannot take is refused by name, never left out. Pure.
//! Wire facts: the formats and names of documents in the AWS SDKs' model of the Bedrock runtime.

use super::super::super::super::exchange::{PartKind, Source, Untranslatable};
use super::{Block, Bytes, Document, Image};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::borrow::Cow;

/// How long a document's name may be, in letters.
const NAME_MAX: usize = 200;

/// The block for `kind`; `None` for an empty text, which is refused.
pub(super) fn block(kind: &PartKind) -> Result<Option<Block<'_>>, Untranslatable> {
    Ok(Some(match kind {
        PartKind::Text(text) | PartKind::Refusal(text) if text.is_empty() => return Ok(None),
        PartKind::Text(text) | PartKind::Refusal(text) => Block::Text(Cow::Borrowed(text)),
        PartKind::Image { source, .. } => image(source)?,
        PartKind::File { source, name } => document(source, name.as_deref())?,
        PartKind::Audio(_) => {
            return Err(Untranslatable::no_counterpart(
                "input_audio",
                "models on Bedrock take no sound this way",
            ));
        }
    }))
}

fn image(source: &Source) -> Result<Block<'_>, Untranslatable> {
    let refused = |why| Err(Untranslatable::no_counterpart("image_url", why));
    let (media_type, base64) = match source {
        Source::Data { media_type, base64 } => (media_type.as_str(), base64),
        Source::Url(_) => return refused("Bedrock fetches nothing; send the image itself, as a data URL"),
        Source::Text(_) => return refused("a text is no image"),
        Source::Id(_) => return refused("the file is at another provider"),
    };
    let format = match media_type {
        "image/png" => "png",
        "image/jpeg" | "image/jpg" => "jpeg",
        "image/gif" => "gif",
        "image/webp" => "webp",
        _ => return refused("Bedrock takes PNG, JPEG, GIF and WebP"),
    };
    let bytes = Cow::Borrowed(base64.as_str());
    let source = Bytes { bytes };
    Ok(Block::Image(Image { format, source }))
}

fn document<'a>(source: &'a Source, name: Option<&str>) -> Result<Block<'a>, Untranslatable> {
    let refused = |why| Err(Untranslatable::no_counterpart("file", why));
    let (format, bytes) = match source {
        Source::Text(text) => ("txt", Cow::Owned(STANDARD.encode(text))),
        Source::Url(_) => return refused("Bedrock fetches nothing; send the file itself"),
        Source::Id(_) => return refused("the file is at another provider"),
        Source::Data { media_type, base64 } => match format(media_type) {
            Some(format) => (format, Cow::Borrowed(base64.as_str())),
            None => return refused("Bedrock takes PDF, CSV, Word, Excel, HTML, plain text and Markdown"),
        },
    };
    Ok(Block::Document(Document {
        format,
        name: title(name.unwrap_or_default()),
        source: Bytes { bytes },
    }))
}

fn format(media_type: &str) -> Option<&'static str> {
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    Some(match media_type {
        "application/pdf" => "pdf",
        "text/csv" => "csv",
        "application/msword" => "doc",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => "docx",
        "application/vnd.ms-excel" => "xls",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => "xlsx",
        "text/html" => "html",
        "text/plain" => "txt",
        "text/markdown" => "md",
        _ => return None,
    })
}

/// `name` in what Bedrock takes in names: letters, digits, hyphens, brackets, and single spaces for the rest.
fn title(name: &str) -> String {
    let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '(' | ')' | '[' | ']');
    let spaced: String = name
        .chars()
        .take(NAME_MAX)
        .map(|letter| if is_allowed(letter) { letter } else { ' ' })
        .collect();
    let words: Vec<&str> = spaced.split_whitespace().collect();
    if words.is_empty() {
        "document".to_owned()
    } else {
        words.join(" ")
    }
}
