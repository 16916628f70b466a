//! Parts of messages, as blocks.
//!
//! Invariant: no block of text is blank; a medium that the provider cannot take is refused by name. Pure.
//! Wire facts: Anthropic's "Vision" and "PDF support".

use super::super::super::exchange::{Notes, Part, PartKind, Source, Untranslatable};
use super::super::block::{Block, Source as Wire};
use super::marks::mark;
use std::borrow::Cow;

/// `text` as a block without a mark; `None` where it is blank.
pub(super) fn text(text: Cow<'_, str>) -> Option<Block<'_>> {
    (!text.trim().is_empty()).then_some(Block::Text {
        text,
        citations: Vec::new(),
        cache_control: None,
    })
}

/// `part` as a block; `None` where there is nothing in it.
pub(super) fn block<'a>(part: &'a Part, notes: &mut Notes) -> Result<Option<Block<'a>>, Untranslatable> {
    let cache_control = mark(part.cache.as_deref(), notes);
    Ok(match &part.kind {
        PartKind::Text(words) | PartKind::Refusal(words) => text(Cow::Borrowed(words)).map(|mut block| {
            if let Some(mark) = super::marks::of(&mut block) {
                *mark = cache_control;
            }
            block
        }),
        PartKind::Image { source, .. } => Some(Block::Image {
            source: image(source)?,
            cache_control,
        }),
        PartKind::File { source, name } => Some(Block::Document {
            source: document(source)?,
            title: name.as_deref().filter(|name| !name.is_empty()),
            cache_control,
        }),
        PartKind::Audio(_) => {
            return Err(Untranslatable::no_counterpart(
                "input_audio",
                "the model takes no sound",
            ));
        }
    })
}

fn image(source: &Source) -> Result<Wire<'_>, Untranslatable> {
    let refused = |why| Err(Untranslatable::no_counterpart("image", why));
    match source {
        Source::Url(url) if url.starts_with("https://") || url.starts_with("http://") => Ok(Wire::Url { url }),
        Source::Url(_) => refused("its address must begin with https"),
        Source::Data { media_type, base64 } => match media_type.as_str() {
            "image/jpeg" | "image/jpg" => Ok(Wire::Base64 {
                media_type: "image/jpeg",
                data: base64,
            }),
            "image/png" | "image/gif" | "image/webp" => Ok(Wire::Base64 {
                media_type,
                data: base64,
            }),
            _ => refused("only JPEG, PNG, GIF and WebP are taken"),
        },
        Source::Id(_) => refused("a file is known only to the provider that holds it"),
        Source::Text(_) => refused("it is text"),
    }
}

fn document(source: &Source) -> Result<Wire<'_>, Untranslatable> {
    let refused = |why| Err(Untranslatable::no_counterpart("file", why));
    match source {
        Source::Url(url) if url.starts_with("https://") || url.starts_with("http://") => Ok(Wire::Url { url }),
        Source::Url(_) => refused("its address must begin with https"),
        Source::Data { media_type, base64 } if media_type == "application/pdf" => Ok(Wire::Base64 {
            media_type,
            data: base64,
        }),
        Source::Data { media_type, base64 } if media_type.starts_with("text/") => match super::plain::text(base64) {
            Some(text) => Ok(plain(Cow::Owned(text))),
            None => refused("it is not text in UTF-8"),
        },
        Source::Data { .. } => refused("only PDF and plain text are taken"),
        Source::Text(text) => Ok(plain(Cow::Borrowed(text))),
        Source::Id(_) => refused("a file is known only to the provider that holds it"),
    }
}

const fn plain(data: Cow<'_, str>) -> Wire<'_> {
    Wire::Text {
        media_type: "text/plain",
        data,
    }
}
