//! `multipart/form-data`, read as it arrives: where each field stands, and the values of those that are no files.
//!
//! Invariant: however the network cut the bytes, the same is read; what parsers might read differently (a name given twice in one header, a
//! folded line, a transfer encoding) is refused; what is not rewritten passes byte for byte. Pure.
//! Wire facts: RFC 7578, RFC 2046 and how browsers and the SDKs write it.

use super::super::envelope::PeekError;
use super::sound::Head;
use bytes::Bytes;
use std::ops::Range;

/// How long a part's headers may be, in bytes.
const HEAD_MAX: usize = 8 << 10;
/// How long the values that are no files may be together, in bytes.
const TEXT_MAX: usize = 1 << 20;
/// How many parts a form may have.
const PARTS_MAX: usize = 256;
/// How long a boundary may be, by RFC 2046.
const BOUNDARY_MAX: usize = 70;
/// Names of fields that are files, whether they say so or not.
const FILES: [&str; 5] = ["file", "image", "image[]", "mask", "markup"];

/// A form that has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Multipart {
    boundary: String,
    /// Where the first boundary begins.
    start: u64,
    /// Where the line end before the closing boundary begins.
    end: u64,
    pub(super) parts: Vec<Part>,
}

/// A field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    pub name: String,
    pub is_file: bool,
    /// Where its value stands.
    pub place: Range<u64>,
    /// Its value, where it is no file.
    pub text: String,
    /// What it begins with, where it is one.
    pub head: Head,
}

/// A piece of a form on its way to an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// What is ours.
    Own(Bytes),
    /// A range of the client's bytes.
    Kept(Range<u64>),
}

/// Where the reading stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Preamble,
    /// Behind a boundary: the end of its line, or of the form.
    Boundary,
    Head,
    Value,
    Over,
}

/// Reads a form piece by piece.
#[derive(Debug)]
pub struct Scanner {
    delimiter: Vec<u8>,
    state: State,
    /// What was not taken yet, and where in the body it begins.
    unread: Vec<u8>,
    at: u64,
    /// Bytes of a delimiter that stand before the body, so that the first one is found like the others.
    ahead: u64,
    value: Vec<u8>,
    texts: usize,
    form: Multipart,
}

const fn bad(reason: &'static str) -> PeekError {
    PeekError::Form { reason }
}

/// The boundary that the content type of a form names; `None` where it is of another kind, or names none.
#[must_use]
pub fn boundary_of(content_type: &str) -> Option<String> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let parameters = parameters_of(parameters).ok()?;
    let mut boundaries = parameters.into_iter().filter(|(name, _)| name == "boundary");
    let (_, boundary) = boundaries.next()?;
    let is_fit =
        (1..=BOUNDARY_MAX).contains(&boundary.len()) && boundary.bytes().all(|byte| (b' '..0x7f).contains(&byte));
    (is_fit && boundaries.next().is_none()).then_some(boundary)
}

impl Scanner {
    /// For a form whose parts are kept apart by `boundary`.
    #[must_use]
    pub fn new(boundary: String) -> Self {
        let delimiter = format!("\r\n--{boundary}").into_bytes();
        Self {
            delimiter,
            state: State::Preamble,
            unread: b"\r\n".to_vec(),
            at: 0,
            ahead: 2,
            value: Vec::new(),
            texts: 0,
            form: Multipart {
                boundary,
                start: 0,
                end: 0,
                parts: Vec::new(),
            },
        }
    }

    /// Takes in what came next.
    ///
    /// # Errors
    /// [`PeekError::Form`] where this is no form.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), PeekError> {
        if self.state == State::Over {
            return Ok(());
        }
        self.unread.extend_from_slice(bytes);
        while self.step()? {}
        Ok(())
    }

    /// The form.
    ///
    /// # Errors
    /// [`PeekError::Form`] where its end is missing.
    pub fn finish(self) -> Result<Multipart, PeekError> {
        if self.state == State::Over {
            Ok(self.form)
        } else {
            Err(bad("its closing boundary is missing"))
        }
    }

    /// Where in the body byte `offset` of what is unread stands.
    const fn place(&self, offset: usize) -> u64 {
        (self.at + offset as u64).saturating_sub(self.ahead)
    }

    fn take(&mut self, bytes: usize) {
        self.unread.drain(..bytes);
        self.at += bytes as u64;
    }

    /// Reads on; whether there may be more to read.
    fn step(&mut self) -> Result<bool, PeekError> {
        match self.state {
            State::Preamble | State::Value => self.until_boundary(),
            State::Boundary => self.boundary(),
            State::Head => self.head(),
            State::Over => {
                self.unread.clear();
                Ok(false)
            }
        }
    }

    fn until_boundary(&mut self) -> Result<bool, PeekError> {
        let found = memchr::memmem::find(&self.unread, &self.delimiter);
        let value_end = found.unwrap_or_else(|| (self.unread.len() + 1).saturating_sub(self.delimiter.len()));
        let place = self.place(value_end);
        if self.state == State::Value {
            let part = self.form.parts.last_mut();
            if let Some(part) = part {
                part.place.end = place;
                if part.is_file {
                    part.head.push(&self.unread[..value_end]);
                } else {
                    self.texts += value_end;
                    if self.texts > TEXT_MAX {
                        return Err(bad("its values that are no files are longer than 1 MiB"));
                    }
                    self.value.extend_from_slice(&self.unread[..value_end]);
                }
            }
        }
        self.take(value_end);
        if found.is_none() {
            return Ok(false);
        }
        if self.state == State::Value {
            self.close()?;
        } else {
            // The line end of the first boundary may be the one that we put before the body.
            self.form.start = self.place(2);
        }
        self.form.end = place;
        let delimiter = self.delimiter.len();
        self.take(delimiter);
        self.state = State::Boundary;
        Ok(true)
    }

    /// A value is over.
    fn close(&mut self) -> Result<(), PeekError> {
        let value = std::mem::take(&mut self.value);
        let Some(part) = self.form.parts.last_mut() else {
            return Ok(());
        };
        part.text = String::from_utf8(value).map_err(|_| bad("a value that is no file is not UTF-8"))?;
        if part.text.contains(&format!("--{}", self.form.boundary)) {
            return Err(bad("a value holds the boundary"));
        }
        Ok(())
    }

    fn boundary(&mut self) -> Result<bool, PeekError> {
        let blanks = self
            .unread
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t'))
            .count();
        let rest = &self.unread[blanks..];
        if rest.len() < 2 {
            return if blanks > HEAD_MAX {
                Err(bad("a boundary is not followed by a line end"))
            } else {
                Ok(false)
            };
        }
        if blanks == 0 && rest.starts_with(b"--") {
            self.state = State::Over;
            return Ok(true);
        }
        if !rest.starts_with(b"\r\n") {
            return Err(bad("a boundary is not followed by a line end"));
        }
        // The line end stays: where a part has no headers it is the first half of the empty line.
        self.take(blanks);
        self.state = State::Head;
        Ok(true)
    }

    fn head(&mut self) -> Result<bool, PeekError> {
        let Some(end) = memchr::memmem::find(&self.unread, b"\r\n\r\n") else {
            return if self.unread.len() > HEAD_MAX {
                Err(bad("the headers of a part are too long"))
            } else {
                Ok(false)
            };
        };
        if end > HEAD_MAX {
            return Err(bad("the headers of a part are too long"));
        }
        if self.form.parts.len() >= PARTS_MAX {
            return Err(bad("it has more than 256 parts"));
        }
        let head = String::from_utf8_lossy(&self.unread[..end]).into_owned();
        let mut part = part_of(&head)?;
        self.take(end + 4);
        part.place = self.place(0)..self.place(0);
        self.form.parts.push(part);
        self.state = State::Value;
        Ok(true)
    }
}

/// The part that `head` begins.
fn part_of(head: &str) -> Result<Part, PeekError> {
    let mut disposition = None;
    for line in head.split("\r\n").filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or(bad("a header of a part has no colon"))?;
        if name.starts_with([' ', '\t']) || name.ends_with([' ', '\t']) {
            return Err(bad("a header of a part is folded"));
        }
        if name.eq_ignore_ascii_case("content-disposition") && disposition.replace(value).is_some() {
            return Err(bad("a part has two dispositions"));
        }
        let is_encoding = name.eq_ignore_ascii_case("content-transfer-encoding");
        let known = ["binary", "8bit", "7bit"];
        if is_encoding && !known.iter().any(|known| value.trim().eq_ignore_ascii_case(known)) {
            return Err(bad("a part has a transfer encoding"));
        }
    }
    let disposition = disposition.ok_or(bad("a part has no Content-Disposition"))?;
    let (kind, parameters) = disposition.split_once(';').ok_or(bad("a part has no name"))?;
    if !kind.trim().eq_ignore_ascii_case("form-data") {
        return Err(bad("a part is no form-data"));
    }
    let mut part = Part::default();
    let mut is_named = false;
    for (name, value) in parameters_of(parameters)? {
        match name.as_str() {
            "name" if is_named => return Err(bad("a part has two names")),
            "name*" => return Err(bad("the name of a part is encoded")),
            "name" => {
                is_named = true;
                part.name = value;
            }
            "filename" | "filename*" => part.is_file = true,
            _ => {}
        }
    }
    if !is_named || part.name.is_empty() {
        return Err(bad("a part has no name"));
    }
    part.is_file |= FILES.contains(&part.name.as_str());
    Ok(part)
}

/// Parameters of a header, their names in lower case.
fn parameters_of(text: &str) -> Result<Vec<(String, String)>, PeekError> {
    let unreadable = || bad("the parameters of a header cannot be read");
    let mut found = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').ok_or_else(unreadable)?;
        let name = name.trim().to_ascii_lowercase();
        if name.is_empty() || name.contains([';', '"', ' ']) {
            return Err(unreadable());
        }
        let after = after.trim_start();
        let (value, behind) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted).ok_or_else(unreadable)?,
            None => {
                let end = after.find(';').unwrap_or(after.len());
                (after[..end].trim().to_owned(), &after[end..])
            }
        };
        found.push((name, value));
        let behind = behind.trim_start();
        rest = match behind.strip_prefix(';') {
            Some(more) => more.trim_start(),
            None if behind.is_empty() => behind,
            None => return Err(unreadable()),
        };
    }
    Ok(found)
}

/// The text up to the closing quote, and what is behind that.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &quoted[at + 1..])),
            // Windows' own paths have backslashes too, which are no escapes.
            '\\' if quoted[at + 1..].starts_with(['"', '\\']) => value.push(letters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

impl Multipart {
    /// The content type of what [`Multipart::rewritten`] gives.
    #[must_use]
    pub fn content_type(&self) -> String {
        format!("multipart/form-data; boundary=\"{}\"", self.boundary)
    }

    /// The values of the fields called `name`.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.parts.iter().filter(move |part| part.name == name);
        named.map(|part| part.text.as_str())
    }

    /// The form with other values in some fields, which are added where they are not there.
    #[must_use]
    pub fn rewritten(&self, values: &[(&str, &str)]) -> Vec<Piece> {
        let mut edits: Vec<(&Part, &str)> = Vec::new();
        let mut added = String::new();
        for (name, value) in values {
            match self.parts.iter().find(|part| part.name == *name) {
                Some(part) => edits.push((part, value)),
                None => added.push_str(&format!(
                    "\r\n--{}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}",
                    self.boundary
                )),
            }
        }
        edits.sort_by_key(|(part, _)| part.place.start);
        let mut pieces = Vec::new();
        let mut at = self.start;
        for (part, value) in edits {
            pieces.push(Piece::Kept(at..part.place.start));
            pieces.push(Piece::Own(Bytes::from(value.to_owned())));
            at = part.place.end;
        }
        pieces.push(Piece::Kept(at..self.end));
        pieces.push(Piece::Own(Bytes::from(format!("{added}\r\n--{}--\r\n", self.boundary))));
        pieces
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const BODY: &str = "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n\
        --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a \\\"b\\\".wav\"\r\nContent-Type: audio/wav\r\n\r\n\
        RIFF\r\n--not it\r\n\x00--b\r\n\
        --b \r\ncontent-disposition: form-data; name=prompt\r\n\r\n\r\n\
        --b--\r\nepilogue";

    fn read(body: &[u8], size: usize) -> Result<Multipart, PeekError> {
        let mut scanner = Scanner::new("b".to_owned());
        for piece in body.chunks(size) {
            scanner.push(piece)?;
        }
        scanner.finish()
    }

    fn joined(body: &[u8], pieces: Vec<Piece>) -> String {
        let bytes = pieces.into_iter().flat_map(|piece| match piece {
            Piece::Own(bytes) => bytes.to_vec(),
            Piece::Kept(range) => {
                let at = |place: u64| usize::try_from(place).unwrap();
                body[at(range.start)..at(range.end)].to_vec()
            }
        });
        String::from_utf8(bytes.collect()).unwrap()
    }

    #[test]
    fn a_form_is_read_the_same_however_it_is_cut() {
        let whole = read(BODY.as_bytes(), BODY.len()).unwrap();
        let value =
            |part: &Part| &BODY[usize::try_from(part.place.start).unwrap()..usize::try_from(part.place.end).unwrap()];
        let seen: Vec<_> = whole
            .parts
            .iter()
            .map(|part| (part.name.as_str(), part.is_file, value(part)))
            .collect();
        assert_eq!(
            seen,
            [
                ("model", false, "whisper-1"),
                ("file", true, "RIFF\r\n--not it\r\n\0--b"),
                ("prompt", false, "")
            ]
        );
        assert_eq!(whole.parts[0].text, "whisper-1");
        for size in 1..BODY.len() {
            assert_eq!(read(BODY.as_bytes(), size).unwrap(), whole, "pieces of {size}");
        }
        let ahead = format!("preamble\r\n{BODY}");
        let after = read(ahead.as_bytes(), 3).unwrap();
        assert_eq!(
            joined(ahead.as_bytes(), after.rewritten(&[])),
            joined(BODY.as_bytes(), whole.rewritten(&[]))
        );
    }

    #[test]
    fn only_the_values_that_are_ours_change() {
        let form = read(BODY.as_bytes(), 7).unwrap();
        let sent = joined(
            BODY.as_bytes(),
            form.rewritten(&[("response_format", "json"), ("model", "large")]),
        );
        let expected = BODY.replace("whisper-1", "large").replace(
            "\r\n--b--\r\nepilogue",
            "\r\n--b\r\nContent-Disposition: form-data; name=\"response_format\"\r\n\r\njson\r\n--b--\r\n",
        );
        assert_eq!(sent, expected);
        assert_eq!(read(sent.as_bytes(), 11).unwrap().parts.len(), 4);
        assert_eq!(
            joined(BODY.as_bytes(), form.rewritten(&[])),
            BODY.replace("epilogue", "")
        );
    }

    #[test]
    fn what_parsers_may_read_differently_is_refused() {
        let part = |head: &str| format!("--b\r\n{head}\r\n\r\nx\r\n--b--");
        for body in [
            String::new(),
            "--b".to_owned(),
            "--b--x".replace("--b", "--c"),
            "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx".to_owned(),
            "--bx\r\n".to_owned(),
            part("X: y"),
            part("Content-Disposition: form-data"),
            part("Content-Disposition: attachment; name=a"),
            part("Content-Disposition: form-data; name=a; name=b"),
            part("Content-Disposition: form-data; name*=utf-8''a"),
            part("Content-Disposition: form-data; name=\"a"),
            part("Content-Disposition: form-data; name=\"\""),
            part("Content-Disposition: form-data; name=a\r\n b"),
            part("Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b"),
            part("Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64"),
            "--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx\n--b\r\n--b--".to_owned(),
        ] {
            for size in [1, 4_096] {
                let refused = read(body.as_bytes(), size);
                assert!(matches!(refused, Err(PeekError::Form { .. })), "{body:?} {refused:?}");
            }
        }
        assert!(read(&[b"--b\r\n".as_slice(), &[b'x'; HEAD_MAX + 9]].concat(), 100).is_err());
    }

    #[test]
    fn a_content_type_names_the_boundary() {
        for (content_type, boundary) in [
            ("multipart/form-data; boundary=abc", Some("abc")),
            ("Multipart/Form-Data; charset=utf-8; Boundary=\"a c\"", Some("a c")),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=", None),
            ("multipart/form-data; boundary=a; boundary=b", None),
            ("multipart/mixed; boundary=abc", None),
            ("application/json; boundary=abc", None),
        ] {
            assert_eq!(boundary_of(content_type).as_deref(), boundary, "{content_type}");
        }
    }
}
