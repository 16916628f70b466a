//! Where pictures, sounds and files of the responses dialect are.
//!
//! Invariant: what is a `data:` URL is taken apart and put together again to the same; anything else stays a URL. Pure.
//! Wire facts: OpenAI's API reference: pictures and files as URLs or `data:` URLs, sound as base64 beside its format.

use super::super::exchange::{PartKind, Source};
use serde_json::{Value, json};

/// What `url` names: itself, or what stands in it; `None` where it is a `data:` URL that is not in base64.
pub(super) fn source(url: String) -> Option<Source> {
    let Some(rest) = url.strip_prefix("data:") else {
        return Some(Source::Url(url));
    };
    let (head, base64) = rest.split_once(',')?;
    let media_type = head.strip_suffix(";base64")?;
    let media_type = media_type.split(';').next().unwrap_or_default();
    Some(Source::Data {
        media_type: media_type.to_owned(),
        base64: base64.to_owned(),
    })
}

/// A file in base64, called `name`: as a `data:` URL or without its type.
pub(super) fn file(data: String, name: Option<&str>) -> Option<Source> {
    if data.starts_with("data:") {
        return source(data);
    }
    let ending = name.and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending);
    let media_type = match ending {
        Some("txt") => "text/plain",
        Some("md") => "text/markdown",
        Some("csv") => "text/csv",
        Some("json") => "application/json",
        Some("html") => "text/html",
        _ => "application/pdf",
    };
    Some(Source::Data {
        media_type: media_type.to_owned(),
        base64: data,
    })
}

/// Sound in `format`.
pub(super) fn audio(base64: String, format: &str) -> Source {
    let media_type = match format {
        "mp3" => "audio/mpeg".to_owned(),
        format => format!("audio/{format}"),
    };
    Source::Data { media_type, base64 }
}

/// The part of an input that `kind` makes; `None` where there is none like it.
pub(super) fn encode(kind: &PartKind) -> Option<Value> {
    match kind {
        PartKind::Text(text) => Some(json!({"type": "input_text", "text": text})),
        PartKind::Refusal(_) => None,
        PartKind::Image { source, detail } => {
            let detail = detail.as_deref().unwrap_or("auto");
            Some(json!({"type": "input_image", "image_url": url(source)?, "detail": detail}))
        }
        PartKind::Audio(source) => {
            let Source::Data { media_type, base64 } = source else {
                return None;
            };
            let format = match media_type.as_str() {
                "audio/mpeg" | "audio/mp3" => "mp3",
                "audio/wav" | "audio/x-wav" | "audio/wave" => "wav",
                _ => return None,
            };
            Some(json!({"type": "input_audio", "input_audio": {"data": base64, "format": format}}))
        }
        PartKind::File {
            source: Source::Text(text),
            ..
        } => Some(json!({"type": "input_text", "text": text})),
        PartKind::File { source, name } => {
            let mut part = json!({"type": "input_file"});
            let field = if matches!(source, Source::Url(_)) {
                "file_url"
            } else {
                part["filename"] = json!(name.as_deref().unwrap_or("document.pdf"));
                "file_data"
            };
            part[field] = Value::String(url(source)?);
            Some(part)
        }
    }
}

fn url(source: &Source) -> Option<String> {
    match source {
        Source::Url(url) => Some(url.clone()),
        Source::Data { media_type, base64 } => Some(format!("data:{media_type};base64,{base64}")),
        Source::Text(_) | Source::Id(_) => None,
    }
}
