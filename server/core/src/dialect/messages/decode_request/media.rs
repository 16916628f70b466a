//! Blocks of words and media, as parts.
//!
//! Invariant: the mark of a block stands on the last part that came of it. Pure.

use super::super::super::exchange::{Part, PartKind, Source, Untranslatable};
use super::super::object::{Content, Object, Place};
use super::cache;

/// The part in `block`, which must be text.
pub(super) fn text(block: &Object<'_, '_>) -> Result<Part, Untranslatable> {
    if block.word("type")? != "text" {
        return Err(block.at("type").wrong("“text”"));
    }
    Ok(Part {
        kind: PartKind::Text(block.required_text("text")?),
        cache: cache(block)?,
    })
}

/// Adds what `block` holds to `parts`.
pub(super) fn parts(block: &Object<'_, '_>, parts: &mut Vec<Part>) -> Result<(), Untranslatable> {
    let before = parts.len();
    match block.word("type")?.as_ref() {
        "text" => parts.push(text(block)?),
        "image" => parts.push(image(block)?),
        "document" => document(block, parts)?,
        "search_result" => parts.push(search_result(block)?),
        "tool_reference" => parts.push(Part::text(block.required_text("tool_name")?)),
        // What was said before, summed up.
        "compaction" => parts.extend(block.text("content")?.map(Part::text)),
        _ => return Err(block.place.no_counterpart("blocks of this type are Anthropic's own")),
    }
    if let (Some(mark), Some(last)) = (cache(block)?, parts[before..].last_mut()) {
        last.cache = Some(mark);
    }
    Ok(())
}

fn image(block: &Object<'_, '_>) -> Result<Part, Untranslatable> {
    let source = source_of(block)?;
    Ok(Part::from(PartKind::Image {
        source: source_in(&source)?,
        detail: None,
    }))
}

/// The object that says where the medium of `block` is.
fn source_of<'b, 'de>(block: &'b Object<'_, 'de>) -> Result<Object<'b, 'de>, Untranslatable> {
    block
        .object("source")?
        .ok_or_else(|| block.at("source").wrong("an object"))
}

fn source_in(source: &Object<'_, '_>) -> Result<Source, Untranslatable> {
    match source.word("type")?.as_ref() {
        "base64" => Ok(Source::Data {
            media_type: source.required_text("media_type")?,
            base64: source.required_text("data")?,
        }),
        "url" => Ok(Source::Url(source.required_text("url")?)),
        "text" => Ok(Source::Text(source.required_text("data")?)),
        "file" => Ok(Source::Id(source.required_text("file_id")?)),
        _ => Err(source.at("type").wrong("“base64”, “url”, “text”, “content” or “file”")),
    }
}

fn document(block: &Object<'_, '_>, parts: &mut Vec<Part>) -> Result<(), Untranslatable> {
    let source = source_of(block)?;
    let name = block.text("title")?;
    parts.extend(
        block
            .text("context")?
            .filter(|context| !context.is_empty())
            .map(Part::text),
    );
    let file = |source, name| Part::from(PartKind::File { source, name });
    if source.word("type")? != "content" {
        parts.push(file(source_in(&source)?, name));
        return Ok(());
    }
    match source.content("content")? {
        Some(Content::Text(text)) => parts.push(file(Source::Text(text), name)),
        Some(Content::List(list)) => {
            let (text, images) = blocks_of(&source, list)?;
            if !text.is_empty() {
                parts.push(file(Source::Text(text), name));
            }
            parts.extend(images);
        }
        None => return Err(source.at("content").wrong("a string or a list of blocks")),
    }
    Ok(())
}

/// The words and the pictures among `list`, the content of `outer`.
fn blocks_of(
    outer: &Object<'_, '_>,
    list: Vec<&serde_json::value::RawValue>,
) -> Result<(String, Vec<Part>), Untranslatable> {
    let place = outer.at("content");
    let mut words = Vec::new();
    let mut images = Vec::new();
    for (index, raw) in list.into_iter().enumerate() {
        let block = Object::read(raw, Place::Element(&place, index))?;
        match block.word("type")?.as_ref() {
            "text" => words.push(block.required_text("text")?),
            "image" => images.push(image(&block)?),
            _ => return Err(block.at("type").wrong("“text” or “image”")),
        }
    }
    Ok((words.join("\n"), images))
}

fn search_result(block: &Object<'_, '_>) -> Result<Part, Untranslatable> {
    let (words, _) = blocks_of(block, block.list("content")?)?;
    let title = block.text("title")?.unwrap_or_default();
    let source = block.text("source")?.unwrap_or_default();
    Ok(Part::text(format!("{title}\n{source}\n\n{words}")))
}
