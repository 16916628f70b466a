//! Pictures, sound and files as parts.
//!
//! Invariant: what is here goes as it is; what is elsewhere goes by its address only where Google fetches it. Pure.
//! Wire facts: Google's `Blob` and `FileData`; public https addresses from Gemini 2.5 on, with the media type on Vertex.

use super::super::super::exchange::{Notes, PartKind, Source, Untranslatable};
use super::super::family::Family;
use serde_json::{Map, Value, json};

/// Endings of addresses and the media types they stand for.
const ENDINGS: [(&str, &str); 22] = [
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("webp", "image/webp"),
    ("gif", "image/gif"),
    ("bmp", "image/bmp"),
    ("heic", "image/heic"),
    ("heif", "image/heif"),
    ("pdf", "application/pdf"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
    ("html", "text/html"),
    ("csv", "text/csv"),
    ("json", "application/json"),
    ("wav", "audio/wav"),
    ("mp3", "audio/mp3"),
    ("flac", "audio/flac"),
    ("ogg", "audio/ogg"),
    ("aac", "audio/aac"),
    ("mp4", "video/mp4"),
    ("webm", "video/webm"),
    ("mov", "video/mov"),
];

/// Where it goes.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// To which model.
    pub family: Family,
    /// Whether on Vertex.
    pub is_vertex: bool,
}

/// `kind`, which is no words, as a part at `place`.
pub(super) fn encode(kind: &PartKind, place: Place, notes: &mut Notes) -> Result<Map<String, Value>, Untranslatable> {
    let (what, source) = match kind {
        PartKind::Image { source, detail } => {
            if detail.as_deref().is_some_and(|detail| detail != "auto") {
                notes.dropped("detail", "Google decides how closely to look");
            }
            ("an image", source)
        }
        PartKind::Audio(source) => ("sound", source),
        PartKind::File { source, .. } => ("a file", source),
        PartKind::Text(text) | PartKind::Refusal(text) => {
            return Ok(Map::from_iter([("text".to_owned(), text.as_str().into())]));
        }
    };
    let (name, value) = match source {
        Source::Data { media_type, base64 } => ("inlineData", json!({"mimeType": media_type, "data": base64})),
        Source::Text(text) => ("text", text.as_str().into()),
        Source::Url(address) => {
            notes.changed(what, "the provider fetches it from its address");
            ("fileData", by_address(what, address, place)?)
        }
        Source::Id(id) if id.starts_with("gs://") || id.starts_with("https://") => {
            ("fileData", by_address(what, id, place)?)
        }
        Source::Id(_) => {
            let why = "the id of a file means nothing to another provider";
            return Err(Untranslatable::no_counterpart(what, why));
        }
    };
    Ok(Map::from_iter([(name.to_owned(), value)]))
}

fn by_address(what: &str, address: &str, place: Place) -> Result<Value, Untranslatable> {
    let is_open = address.starts_with("https://");
    if !is_open && !address.starts_with("gs://") {
        let why = "only https addresses are fetched";
        return Err(Untranslatable::no_counterpart(what, why));
    }
    if is_open && place.family.is_old() && !place.is_vertex {
        let why = "this model takes no addresses; send the data itself";
        return Err(Untranslatable::no_counterpart(what, why));
    }
    match media_type(address) {
        Some(media_type) => Ok(json!({"mimeType": media_type, "fileUri": address})),
        None if place.is_vertex => {
            let why = "its address does not tell its media type; send the data itself";
            Err(Untranslatable::no_counterpart(what, why))
        }
        None => Ok(json!({"fileUri": address})),
    }
}

fn media_type(address: &str) -> Option<&'static str> {
    let path = address.split(['?', '#']).next()?;
    let (_, ending) = path.rsplit_once('.')?;
    let found = ENDINGS.iter().find(|(known, _)| ending.eq_ignore_ascii_case(known));
    found.map(|(_, media_type)| *media_type)
}
