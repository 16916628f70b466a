//! AWS's binary event stream, turned into the server-sent events that everything else reads.
//!
//! Invariant: a frame is given out whole or not at all, and only where both of its checksums fit; a frame that claims to be too long is
//! an error before it fills the memory; no frame's name or text can end an event early. Pure.
//! Wire facts: AWS's event stream encoding, the AWS SDKs' limits, and Bedrock's ConverseStream and InvokeModelWithResponseStream.

use super::sse::EVENT_BYTES_MAX;
use aws_smithy_eventstream::frame::read_message_from;
use aws_smithy_types::event_stream::Message;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use crc32fast::hash as crc32;
use serde::Deserialize;
use serde_json::json;
use std::borrow::Cow;

/// How long the headers of a frame may be, in bytes.
const HEADERS_MAX: usize = 128 << 10;
/// Total length, length of the headers, and their checksum.
const PRELUDE: usize = 12;
/// The checksum at the end.
const TRAILER: usize = 4;

/// Why a stream of frames cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// It claims to be longer than any frame may be, or shorter than it must.
    #[error("a frame of the upstream's stream has an impossible length")]
    Length,
    /// A checksum does not fit.
    #[error("a frame of the upstream's stream is damaged")]
    Checksum,
    /// Its headers are none.
    #[error("a frame of the upstream's stream has unreadable headers")]
    Headers,
}

/// The frames of a stream that is still arriving.
#[derive(Debug, Default)]
pub struct Frames {
    /// What came after the last whole frame.
    pending: Vec<u8>,
}

impl Frames {
    /// Takes `bytes` in, and appends an event to `out` for each frame that is now whole.
    ///
    /// # Errors
    /// [`FrameError`]; the stream cannot go on, and what was appended before stands.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        self.pending.extend_from_slice(bytes);
        let mut rest = self.pending.as_slice();
        let taken = loop {
            match first(rest) {
                Ok(Some((message, after))) => {
                    Frame::of(&message).render(out);
                    rest = after;
                }
                Ok(None) => break Ok(rest.len()),
                Err(error) => break Err(error),
            }
        };
        let kept = taken?;
        let whole = self.pending.len() - kept;
        self.pending.drain(..whole);
        Ok(())
    }

    /// Whether nothing of a frame waits for more: at the end of a stream it was not cut.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.pending.is_empty()
    }
}

/// The message at the start of `bytes` and what follows its frame; `None` where that is not whole.
///
/// The length is believed only once its own checksum fits, so that no damaged one is waited for.
fn first(bytes: &[u8]) -> Result<Option<(Message, &[u8])>, FrameError> {
    let Some((prelude, _)) = bytes.split_at_checked(PRELUDE) else {
        return Ok(None);
    };
    let number = |at: usize| be32(prelude.get(at..at + 4).unwrap_or_default());
    let (total, headers) = (number(0) as usize, number(4) as usize);
    if number(8) != crc32(&prelude[..8]) {
        return Err(FrameError::Checksum);
    }
    if headers > HEADERS_MAX || total > EVENT_BYTES_MAX || total < PRELUDE + headers + TRAILER {
        return Err(FrameError::Length);
    }
    let Some((frame, after)) = bytes.split_at_checked(total) else {
        return Ok(None);
    };
    let message = read_message_from(frame).map_err(|_| {
        // It reads the headers first: where they are none, that may be the damage.
        let (checked, checksum) = frame.split_at(total - TRAILER);
        match be32(checksum) == crc32(checked) {
            true => FrameError::Headers,
            false => FrameError::Checksum,
        }
    })?;
    Ok(Some((message, after)))
}

/// One frame, as far as it means anything here.
#[derive(Debug, Default)]
struct Frame<'a> {
    /// `event`, `exception` or `error`.
    message: &'a str,
    /// The type of the event or exception, or the code of the error.
    name: &'a str,
    /// What an error says in its headers.
    said: Option<&'a str>,
    payload: &'a [u8],
}

impl<'a> Frame<'a> {
    fn of(message: &'a Message) -> Self {
        let mut frame = Self {
            payload: message.payload(),
            ..Self::default()
        };
        for header in message.headers() {
            let Ok(text) = header.value().as_string() else {
                continue;
            };
            match header.name().as_str() {
                ":message-type" => frame.message = text.as_str(),
                ":event-type" | ":exception-type" | ":error-code" => frame.name = text.as_str(),
                ":error-message" => frame.said = Some(text.as_str()),
                _ => {}
            }
        }
        frame
    }

    /// Appends the event that it stands for.
    fn render(&self, out: &mut Vec<u8>) {
        match self.message {
            "exception" | "error" => self.render_error(out),
            _ if self.name == "chunk" => self.render_chunk(out),
            _ => event(self.name, self.payload, out),
        }
    }

    /// InvokeModel wraps the native event of the model's maker.
    fn render_chunk(&self, out: &mut Vec<u8>) {
        #[derive(Deserialize)]
        struct Chunk<'a> {
            #[serde(borrow)]
            bytes: Cow<'a, str>,
        }
        #[derive(Deserialize)]
        struct Native<'a> {
            #[serde(borrow, rename = "type")]
            kind: Option<Cow<'a, str>>,
        }
        let chunk = serde_json::from_slice::<Chunk<'_>>(self.payload).ok();
        let Some(native) = chunk.and_then(|chunk| STANDARD.decode(&*chunk.bytes).ok()) else {
            return event("chunk", self.payload, out);
        };
        let kind = serde_json::from_slice::<Native<'_>>(&native)
            .ok()
            .and_then(|native| native.kind);
        event(kind.as_deref().unwrap_or_default(), &native, out);
    }

    fn render_error(&self, out: &mut Vec<u8>) {
        #[derive(Default, Deserialize)]
        struct Said {
            #[serde(alias = "Message")]
            message: Option<String>,
            #[serde(rename = "originalMessage")]
            original: Option<String>,
        }
        let said: Said = serde_json::from_slice(self.payload).unwrap_or_default();
        let message = said.message.or(said.original).filter(|text| !text.is_empty());
        let message = message
            .or_else(|| self.said.map(str::to_owned))
            .unwrap_or_else(|| self.name.to_owned());
        let error = json!({"error": {"type": self.name, "status_code": status(self.name), "message": message}});
        event("error", error.to_string().as_bytes(), out);
    }
}

/// The HTTP status that an exception in a stream stands for.
fn status(exception: &str) -> u16 {
    let begins = |name: &str| {
        exception
            .get(..name.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(name))
    };
    let known = [
        ("throttling", 429),
        ("modelNotReady", 429),
        ("validation", 400),
        ("serviceQuota", 400),
        ("accessDenied", 403),
        ("resourceNotFound", 404),
        ("modelTimeout", 408),
        ("modelStreamError", 424),
        ("modelError", 424),
        ("serviceUnavailable", 503),
    ];
    known
        .into_iter()
        .find_map(|(name, status)| begins(name).then_some(status))
        .unwrap_or(500)
}

/// Appends an event; its data may have line ends.
fn event(name: &str, data: &[u8], out: &mut Vec<u8>) {
    if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()) {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.push(b'\n');
    }
    for line in data.split(|byte| matches!(byte, b'\n' | b'\r')) {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    out.push(b'\n');
}

/// Four bytes as a number; 0 where there are not four.
fn be32(bytes: &[u8]) -> u32 {
    bytes.try_into().map_or(0, u32::from_be_bytes)
}

#[cfg(test)]
mod tests;
