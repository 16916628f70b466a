//! What a request for rerank, images or sound can be billed for.
//!
//! Invariant: tokens and units are bounded from above; what has no bound is refused by name. Pure.
//! Wire facts: Cohere's search units (a query over up to 100 documents, each of up to 500 tokens), OpenAI's tokens of images.

use super::super::bound::{AUDIO_BYTES_PER_TOKEN, IMAGE_TOKENS_MAX, MESSAGE_TOKENS};
use super::super::envelope::{CHOICES_MAX, Envelope, PeekError};
use super::super::json::{Elements, Members, is_null};
use super::super::operation::Operation;
use super::{Media, Wanted, sound};
use crate::usage::Usage;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Documents of one search.
const DOCUMENTS_PER_SEARCH: u64 = 100;
/// Tokens of a document, the query among them, above which it counts as several.
const DOCUMENT_TOKENS: u64 = 500;
/// Of those, what a long query leaves at least.
const DOCUMENT_TOKENS_MIN: u64 = 100;
/// Tokens of an image of at most [`PIXELS`], by its quality: about twice what the known families take.
const LOW_TOKENS: u64 = 1_024;
const MEDIUM_TOKENS: u64 = 4_096;
const HIGH_TOKENS: u64 = 16_384;
const HIGHEST_TOKENS: u64 = 65_536;
/// Pixels of the largest of the usual sizes.
const PIXELS: u64 = 1_536 * 1_024;
/// What is assumed of a side that nobody states.
const SIDE_MAX: u64 = 8_192;
/// Tokens of an image on its way, at most.
const PARTIAL_TOKENS: u64 = 256;
const PARTIALS_MAX: u64 = 10;
/// Tokens of sound for a byte of text, at most: slow speech, and a margin.
const SPEECH_TOKENS_PER_BYTE: u64 = 8;
const SPEECH_TOKENS_MIN: u64 = 512;
/// Tokens of a second of sound, at most.
const SOUND_TOKENS_PER_SECOND: u64 = 32;
/// The shortest sound that a provider bills, in seconds.
const SECONDS_MIN: u64 = 10;
/// Tokens of text heard in a second, at most.
const HEARD_TOKENS_PER_SECOND: u64 = 16;

/// The value of a field, in JSON or in a form.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum Given<'a> {
    Raw(&'a RawValue),
    Text(&'a str),
    /// A file of so many bytes, and those it begins with.
    File {
        bytes: u64,
        head: &'a [u8],
    },
}

/// Fields by name.
pub(in super::super) type Fields<'a> = [(Cow<'a, str>, Given<'a>)];

impl Given<'_> {
    fn is_null(&self) -> bool {
        matches!(self, Self::Raw(raw) if is_null(raw))
    }

    fn text(&self, field: &'static str) -> Result<Cow<'_, str>, PeekError> {
        let wrong = PeekError::WrongType {
            field,
            expected: "a string",
        };
        match self {
            Self::Raw(raw) => serde_json::from_str(raw.get()).map(Cow::Owned).map_err(|_| wrong),
            Self::Text(text) => Ok(Cow::Borrowed(text)),
            Self::File { .. } => Err(wrong),
        }
    }

    fn whole(&self, field: &'static str, expected: &'static str, most: u64) -> Result<u64, PeekError> {
        let number = match self {
            Self::Raw(raw) => raw.get().parse().ok(),
            Self::Text(text) => text.trim().parse().ok(),
            Self::File { .. } => None,
        };
        number
            .filter(|number| *number <= most)
            .ok_or(PeekError::WrongType { field, expected })
    }

    /// How many images it is.
    fn images(&self, field: &'static str) -> Result<u64, PeekError> {
        let Self::Raw(raw) = self else { return Ok(1) };
        match raw.get().as_bytes().first() {
            Some(b'"' | b'{') => Ok(1),
            Some(b'[') => match serde_json::from_str(raw.get()) {
                Ok(Elements(elements)) => Ok(elements.len() as u64),
                Err(_) => Err(not_images(field)),
            },
            _ => Err(not_images(field)),
        }
    }
}

const fn not_images(field: &'static str) -> PeekError {
    PeekError::WrongType {
        field,
        expected: "an image or a list of images",
    }
}

fn find<'a>(fields: &'a Fields<'_>, name: &str) -> Option<&'a Given<'a>> {
    let found = fields.iter().find(|(known, _)| known == name);
    found.map(|(_, given)| given).filter(|given| !given.is_null())
}

fn text<'a>(fields: &'a Fields<'_>, name: &'static str) -> Result<Option<Cow<'a, str>>, PeekError> {
    find(fields, name).map(|given| given.text(name)).transpose()
}

fn needed<'a>(fields: &'a Fields<'_>, name: &'static str) -> Result<Cow<'a, str>, PeekError> {
    text(fields, name)?.ok_or(PeekError::Missing { field: name })
}

/// Writes into `envelope` what `fields` can be billed for. Returns the tokens of the input.
pub(in super::super) fn judge(
    operation: Operation,
    fields: &Fields<'_>,
    envelope: &mut Envelope,
) -> Result<u64, PeekError> {
    let (tokens, media) = match operation {
        Operation::Rerank => rerank(fields)?,
        Operation::Speech => speech(fields)?,
        _ if operation.is_heard() => heard(fields)?,
        _ => images(operation, fields, envelope)?,
    };
    // What is read out comes as it is spoken, whether in events or not.
    envelope.stream |= operation == Operation::Speech;
    envelope.media = Some(media);
    Ok(tokens)
}

fn rerank(fields: &Fields<'_>) -> Result<(u64, Media), PeekError> {
    let query = needed(fields, "query")?.len() as u64;
    let documents = find(fields, "documents").ok_or(PeekError::Missing { field: "documents" })?;
    let wrong = PeekError::WrongType {
        field: "documents",
        expected: "a list of texts, or of objects of texts, and not empty",
    };
    let Given::Raw(raw) = documents else { return Err(wrong) };
    let Ok(Elements(documents)) = serde_json::from_str(raw.get()) else {
        return Err(wrong);
    };
    let each = DOCUMENT_TOKENS.saturating_sub(query).max(DOCUMENT_TOKENS_MIN);
    let (mut tokens, mut parts) = (0_u64, 0_u64);
    for document in &documents {
        if !is_text(document) {
            return Err(wrong);
        }
        let bytes = document.get().len() as u64;
        parts = parts.saturating_add(bytes.div_ceil(each).max(1));
        tokens = tokens.saturating_add(bytes + query + MESSAGE_TOKENS);
    }
    if documents.is_empty() {
        return Err(wrong);
    }
    let searches = |documents: u64| Usage {
        searches: documents.div_ceil(DOCUMENTS_PER_SEARCH),
        ..Usage::default()
    };
    let media = Media {
        most: searches(parts),
        least: searches(documents.len() as u64),
        ..Media::default()
    };
    Ok((tokens, media))
}

/// Whether a document is a text, or an object of nothing else: the tokens of pictures do not follow from their bytes.
fn is_text(document: &RawValue) -> bool {
    let text = document.get();
    match text.as_bytes().first() {
        Some(b'"') => true,
        Some(b'{') => serde_json::from_str(text).is_ok_and(|Members(members)| {
            let is_flat = |(name, value): &(Cow<'_, str>, &RawValue)| {
                !name.contains("image") && !name.contains("url") && !value.get().starts_with(['{', '['])
            };
            members.iter().all(is_flat)
        }),
        _ => false,
    }
}

fn images(operation: Operation, fields: &Fields<'_>, envelope: &mut Envelope) -> Result<(u64, Media), PeekError> {
    let mut tokens = needed(fields, "prompt")?.len() as u64 + MESSAGE_TOKENS;
    let mut given = 0_u64;
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        let field = match &**name {
            "image" | "image[]" => "image",
            "images" | "image_url" | "mask" | "markup" => "images",
            _ if matches!(value, Given::File { .. }) => "images",
            _ => continue,
        };
        given = given.saturating_add(value.images(field)?);
    }
    if operation == Operation::ImageEdits && given == 0 {
        return Err(PeekError::Missing { field: "image" });
    }
    tokens = tokens.saturating_add(given.saturating_mul(IMAGE_TOKENS_MAX));
    envelope.images = given;
    if let Some(n) = find(fields, "n") {
        let expected = "a whole number from 1 to 128";
        envelope.choices = n.whole("n", expected, CHOICES_MAX)?;
        if envelope.choices == 0 {
            return Err(PeekError::WrongType { field: "n", expected });
        }
    }
    let partials = match find(fields, "partial_images") {
        Some(count) => count.whole("partial_images", "a whole number from 0 to 10", PARTIALS_MAX)?,
        None => 0,
    };
    let quality = match text(fields, "quality")?.as_deref() {
        Some("low") => LOW_TOKENS,
        Some("medium" | "standard") => MEDIUM_TOKENS,
        None | Some("auto" | "high" | "hd") => HIGH_TOKENS,
        _ => HIGHEST_TOKENS,
    };
    let times = match text(fields, "size")?.as_deref() {
        None | Some("auto") => 1,
        Some(size) => pixels(size).div_ceil(PIXELS),
    };
    let used = Usage {
        images: envelope.choices,
        ..Usage::default()
    };
    let media = Media {
        most: used,
        least: used,
        output_bound: quality.saturating_mul(times) + partials * PARTIAL_TOKENS,
        ..Media::default()
    };
    Ok((tokens, media))
}

/// The pixels of a size such as `1024x1536`.
fn pixels(size: &str) -> u64 {
    let sides = size.split_once('x');
    let sides = sides.and_then(|(width, height)| Some((width.parse::<u64>().ok()?, height.parse::<u64>().ok()?)));
    let (width, height) = sides.unwrap_or((SIDE_MAX, SIDE_MAX));
    width.saturating_mul(height).max(1)
}

fn speech(fields: &Fields<'_>) -> Result<(u64, Media), PeekError> {
    let input = needed(fields, "input")?;
    let instructions = text(fields, "instructions")?.map_or(0, |text| text.len() as u64);
    let wanted = match (
        text(fields, "stream_format")?.as_deref(),
        text(fields, "response_format")?.as_deref(),
    ) {
        (Some("sse"), _) => Wanted::Json,
        (_, Some("opus")) => Wanted::Sound("audio/opus"),
        (_, Some("aac")) => Wanted::Sound("audio/aac"),
        (_, Some("flac")) => Wanted::Sound("audio/flac"),
        (_, Some("wav")) => Wanted::Sound("audio/wav"),
        (_, Some("pcm")) => Wanted::Sound("audio/pcm"),
        _ => Wanted::Sound("audio/mpeg"),
    };
    let used = Usage {
        characters: input.chars().count() as u64,
        ..Usage::default()
    };
    let bytes = input.len() as u64;
    let media = Media {
        most: used,
        least: used,
        output_bound: bytes
            .saturating_mul(SPEECH_TOKENS_PER_BYTE)
            .saturating_add(SPEECH_TOKENS_MIN),
        wanted,
    };
    Ok((bytes.saturating_add(instructions).saturating_add(MESSAGE_TOKENS), media))
}

fn heard(fields: &Fields<'_>) -> Result<(u64, Media), PeekError> {
    match find(fields, "file") {
        Some(Given::File { .. }) => {}
        Some(_) => {
            return Err(PeekError::WrongType {
                field: "file",
                expected: "a file",
            });
        }
        None => return Err(PeekError::Missing { field: "file" }),
    }
    let (mut bytes, mut seconds) = (0_u64, 0_u64);
    for (_, given) in fields {
        if let Given::File { bytes: size, head } = *given {
            bytes = bytes.saturating_add(size);
            seconds = seconds.saturating_add(sound::seconds(size, head)?);
        }
    }
    let prompt = text(fields, "prompt")?.map_or(0, |text| text.len() as u64);
    let wanted = match text(fields, "response_format")?.as_deref() {
        None | Some("json" | "") => Wanted::Json,
        Some("text") => Wanted::Text,
        Some("srt") => Wanted::Srt,
        Some("vtt") => Wanted::Vtt,
        Some(_) => Wanted::Detailed,
    };
    let seconds = seconds.max(SECONDS_MIN);
    let most = Usage {
        seconds,
        ..Usage::default()
    };
    let media = Media {
        most,
        least: Usage::default(),
        output_bound: seconds.saturating_mul(HEARD_TOKENS_PER_SECOND),
        wanted,
    };
    let by_time = seconds.saturating_mul(SOUND_TOKENS_PER_SECOND);
    let tokens = bytes
        .div_ceil(AUDIO_BYTES_PER_TOKEN)
        .max(by_time)
        .saturating_add(prompt);
    Ok((tokens.saturating_add(MESSAGE_TOKENS), media))
}
