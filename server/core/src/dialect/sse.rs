//! Server-sent events: a byte stream cut into whole events, wherever the network cut it.
//!
//! Invariant: the blocks given out, one after another, are the bytes put in; a line, or an event that never ends, cannot fill the memory.
//! Pure. Wire facts: WHATWG HTML, "Server-sent events"; lines end in LF or CRLF, as all known upstreams write them.

use bytes::{Bytes, BytesMut};
use std::borrow::Cow;
use std::ops::Range;

/// How long a line may be, in bytes.
pub const LINE_BYTES_MAX: usize = 1 << 20;
/// How long an event may be, in bytes.
pub const EVENT_BYTES_MAX: usize = 4 << 20;
/// How long both may be where events hold whole images, in bytes.
const LARGE_BYTES_MAX: usize = 64 << 20;

/// An upstream sent a line over [`LINE_BYTES_MAX`] or an event over [`EVENT_BYTES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of the upstream's stream is too long")]
pub struct LineTooLong;

/// The events of a stream that is still arriving.
#[derive(Debug)]
pub(crate) struct Events {
    line_max: usize,
    event_max: usize,
    /// What came after the last whole event.
    pending: BytesMut,
    /// How far `pending` was searched.
    searched: usize,
    /// Where in `pending` its last line starts.
    line: usize,
}

impl Default for Events {
    fn default() -> Self {
        Self::new(LINE_BYTES_MAX, EVENT_BYTES_MAX)
    }
}

impl Events {
    /// Those that may hold whole images.
    pub(crate) fn large() -> Self {
        Self::new(LARGE_BYTES_MAX, LARGE_BYTES_MAX)
    }

    fn new(line_max: usize, event_max: usize) -> Self {
        Self {
            line_max,
            event_max,
            pending: BytesMut::new(),
            searched: 0,
            line: 0,
        }
    }

    /// Takes `chunk` in, and returns all events that are now whole, as one block; the rest is held back.
    ///
    /// # Errors
    /// [`LineTooLong`] where what is held back exceeds the limits; the stream cannot go on.
    pub(crate) fn push(&mut self, chunk: Bytes) -> Result<Bytes, LineTooLong> {
        if self.pending.is_empty() {
            let whole = self.search(&chunk)?;
            self.pending.extend_from_slice(&chunk[whole..]);
            return Ok(chunk.slice(..whole));
        }
        self.pending.extend_from_slice(&chunk);
        let pending = std::mem::take(&mut self.pending);
        let whole = self.search(&pending);
        self.pending = pending;
        Ok(self.pending.split_to(whole?).freeze())
    }

    /// What was held back when the stream ended.
    pub(crate) fn rest(self) -> Bytes {
        self.pending.freeze()
    }

    /// The end of the last whole event in `bytes`; remembers, relative to it, where to go on.
    fn search(&mut self, bytes: &[u8]) -> Result<usize, LineTooLong> {
        let mut whole = 0;
        let mut line = self.line;
        for newline in memchr::memchr_iter(b'\n', &bytes[self.searched..]) {
            let newline = self.searched + newline;
            if newline - line > self.line_max {
                return Err(LineTooLong);
            }
            if is_blank(&bytes[line..newline]) {
                whole = newline + 1;
            }
            line = newline + 1;
        }
        if bytes.len() - line > self.line_max || bytes.len() - whole > self.event_max {
            return Err(LineTooLong);
        }
        self.searched = bytes.len() - whole;
        self.line = line - whole;
        Ok(whole)
    }
}

fn is_blank(line: &[u8]) -> bool {
    line.is_empty() || line == b"\r"
}

/// The events of `block`, each with the blank line that ends it.
pub(crate) fn split(block: &Bytes) -> impl Iterator<Item = Bytes> {
    let mut rest = block.clone();
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut line = 0;
        for newline in memchr::memchr_iter(b'\n', &rest) {
            if is_blank(&rest[line..newline]) {
                return Some(rest.split_to(newline + 1));
            }
            line = newline + 1;
        }
        Some(std::mem::take(&mut rest))
    })
}

/// The data of `event`, its lines joined; `None` where there is none, as in a comment that keeps the connection alive.
pub(crate) fn data(event: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut lines = data_lines(event);
    let mut found = Cow::Borrowed(&event[lines.next()?]);
    for place in lines {
        let joined = found.to_mut();
        joined.push(b'\n');
        joined.extend_from_slice(&event[place]);
    }
    Some(found)
}

/// The name of `event`, where it has one.
pub(crate) fn name(event: &[u8]) -> Option<&str> {
    let mut lines = event.split(|byte| *byte == b'\n');
    let value = lines.find_map(|line| line.strip_prefix(b"event:"))?;
    std::str::from_utf8(value.trim_ascii()).ok()
}

/// Where in `event` byte `at` of its data stands.
pub(super) fn place_of(event: &[u8], at: usize) -> Option<usize> {
    let mut passed = 0;
    for place in data_lines(event) {
        if at <= passed + place.len() {
            return Some(place.start + at - passed);
        }
        passed += place.len() + 1;
    }
    None
}

/// Where the values of the data lines of `event` stand.
fn data_lines(event: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        while start < event.len() {
            let end = memchr::memchr(b'\n', &event[start..]).map_or(event.len(), |at| start + at);
            let line = event[start..end].strip_suffix(b"\r").unwrap_or(&event[start..end]);
            let line_end = start + line.len();
            start = end + 1;
            let Some(value) = line.strip_prefix(b"data") else {
                continue;
            };
            let value = match value {
                [] => value,
                [b':', b' ', value @ ..] | [b':', value @ ..] => value,
                _ => continue,
            };
            return Some(line_end - value.len()..line_end);
        }
        None
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn blocks(chunks: &[&[u8]]) -> (Vec<u8>, Vec<u8>) {
        let mut events = Events::default();
        let mut given = Vec::new();
        for chunk in chunks {
            given.extend_from_slice(&events.push(Bytes::copy_from_slice(chunk)).unwrap());
        }
        (given, events.rest().to_vec())
    }

    #[test]
    fn whole_events_are_given_and_the_rest_is_held_back() {
        let stream = b": hi\n\ndata: 1\r\n\r\nevent: x\ndata:2\ndata: 3\n\ndata: un";
        for cut in 0..=stream.len() {
            let (given, rest) = blocks(&[&stream[..cut], &stream[cut..]]);
            assert_eq!(given, &stream[..stream.len() - 8], "{cut}");
            assert_eq!(rest, b"data: un", "{cut}");
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(
            blocks(&bytes),
            (stream[..stream.len() - 8].to_vec(), b"data: un".to_vec())
        );
    }

    #[test]
    fn data_in_every_spelling() {
        for (event, expected) in [
            (": keep-alive\n\n", None),
            ("data: a\n\n", Some("a")),
            ("data:a\r\n\r\n", Some("a")),
            ("data:  a\n\n", Some(" a")),
            ("event: x\nid: 7\ndata: a\ndata: b\ndata\n\n", Some("a\nb\n")),
            ("database: a\n\n", None),
            ("data: a", Some("a")),
        ] {
            let found = data(event.as_bytes()).map(|data| String::from_utf8(data.into_owned()).unwrap());
            assert_eq!(found.as_deref(), expected, "{event:?}");
        }
    }

    #[test]
    fn data_of_many_lines_is_joined_in_one_pass() {
        let lines = EVENT_BYTES_MAX / 8;
        let joined = data("data: x\n".repeat(lines).as_bytes()).unwrap().into_owned();
        assert_eq!(joined.len(), 2 * lines - 1);
    }

    #[test]
    fn a_line_without_end_is_an_error() {
        let mut events = Events::default();
        let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
        let pushed: Vec<_> = (0..17).map(|_| events.push(chunk.clone())).collect();
        assert!(pushed[..16].iter().all(Result::is_ok));
        assert_eq!(pushed[16], Err(LineTooLong));
    }

    #[test]
    fn an_event_without_end_is_an_error() {
        let mut events = Events::default();
        let chunk = Bytes::from("data: x\n".repeat(64 * 1024));
        assert!((0..9).any(|_| events.push(chunk.clone()).is_err()));
    }
}
