//! HTTP/1.1 as an upstream is spoken to: the head of a request, the head of an answer, and where its body ends.
//!
//! Invariant: what can be read in two ways is refused, and after it, or where the end is not certain, the connection is not used
//! again. Pure. RFC 9112.

use bytes::{Buf, Bytes, BytesMut};
use httparse::{EMPTY_HEADER, Status};
use reqwest::{
    Method, Request,
    header::{ACCEPT, CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING},
};
use std::io::Write as _;

/// The longest head of an answer, in bytes.
const HEAD_MAX: usize = 64 << 10;
/// The most headers of an answer.
const HEADERS_MAX: usize = 128;
/// The longest line with a chunk's size, in bytes.
const SIZE_LINE_MAX: usize = 4 << 10;
/// The longest trailers, in bytes.
const TRAILERS_MAX: usize = 16 << 10;

/// What came is not HTTP/1.1 as we take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an HTTP/1.1 answer")]
pub(super) struct Malformed;

/// The head of `request`, whose body has `length` bytes.
pub(super) fn head_of(request: &Request, length: usize) -> Vec<u8> {
    let url = request.url();
    let mut head = Vec::with_capacity(512);
    head.extend_from_slice(request.method().as_str().as_bytes());
    head.push(b' ');
    head.extend_from_slice(url.path().as_bytes());
    if let Some(query) = url.query() {
        head.push(b'?');
        head.extend_from_slice(query.as_bytes());
    }
    head.extend_from_slice(b" HTTP/1.1\r\n");
    put(&mut head, &HOST, url.authority().as_bytes());
    if !request.headers().contains_key(ACCEPT) {
        put(&mut head, &ACCEPT, b"*/*");
    }
    for (name, value) in request.headers() {
        if name != CONTENT_LENGTH {
            put(&mut head, name, value.as_bytes());
        }
    }
    if length > 0 || request.method() != Method::GET {
        // Writing to a Vec does not fail.
        let _ = write!(head, "content-length: {length}\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

fn put(head: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    head.extend_from_slice(name.as_str().as_bytes());
    head.extend_from_slice(b": ");
    head.extend_from_slice(value);
    head.extend_from_slice(b"\r\n");
}

/// The head of an answer.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
    /// Whether the connection may be used again once the body has ended.
    pub(super) keeps: bool,
}

/// Takes the head of an answer out of `unread`; none as long as it is not whole. What servers say before the answer itself
/// (status 1xx) is passed over.
///
/// # Errors
/// [`Malformed`], also where the connection is to become another protocol's.
pub(super) fn read_head(unread: &mut BytesMut) -> Result<Option<Head>, Malformed> {
    loop {
        let mut headers = [EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        let length = match response.parse(unread) {
            Ok(Status::Complete(length)) if length <= HEAD_MAX => length,
            Ok(Status::Partial) if unread.len() < HEAD_MAX => return Ok(None),
            _ => return Err(Malformed),
        };
        let status = response.code.ok_or(Malformed)?;
        let is_current = response.version == Some(1);
        let head = match status {
            101 => return Err(Malformed),
            100..=199 => None,
            200.. => Some(head(status, is_current, response.headers)?),
            _ => return Err(Malformed),
        };
        unread.advance(length);
        if head.is_some() {
            return Ok(head);
        }
    }
}

/// The head with `status` and `raw` headers; `is_current` says that it is of HTTP/1.1.
fn head(status: u16, is_current: bool, raw: &[httparse::Header<'_>]) -> Result<Head, Malformed> {
    let mut headers = HeaderMap::with_capacity(raw.len());
    for header in raw {
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| Malformed)?;
        let value = HeaderValue::from_bytes(header.value).map_err(|_| Malformed)?;
        headers.append(name, value);
    }
    let is_chunked = has_token(&headers, &TRANSFER_ENCODING, "chunked");
    let length = content_length(&headers)?;
    let body = match (status, length) {
        (204 | 304, _) => Body::Sized(0),
        _ if is_chunked => Body::Chunked(Chunked::Size),
        // Another coding ends with the connection, whatever the length says.
        _ if headers.contains_key(TRANSFER_ENCODING) => Body::UntilClose,
        (_, Some(length)) => Body::Sized(length),
        (_, None) => Body::UntilClose,
    };
    let is_ambiguous = is_chunked && length.is_some();
    let is_last = has_token(&headers, &CONNECTION, "close") || body == Body::UntilClose;
    Ok(Head {
        status,
        headers,
        body,
        keeps: is_current && !is_last && !is_ambiguous,
    })
}

/// Whether the list in the header `name` has `token`.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let lists = headers.get_all(name).into_iter().filter_map(|list| list.to_str().ok());
    lists
        .flat_map(|list| list.split(','))
        .any(|found| found.trim().eq_ignore_ascii_case(token))
}

/// The length that is told, if it is told once, or the same again.
fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Malformed> {
    let mut length = None;
    for told in headers.get_all(CONTENT_LENGTH) {
        for told in told.to_str().map_err(|_| Malformed)?.split(',') {
            let told = told.trim();
            let is_number = !told.is_empty() && told.bytes().all(|digit| digit.is_ascii_digit());
            let told = told.parse().ok().filter(|_| is_number).ok_or(Malformed)?;
            if length.replace(told).is_some_and(|before| before != told) {
                return Err(Malformed);
            }
        }
    }
    Ok(length)
}

/// What is left of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes.
    Sized(u64),
    /// Chunks.
    Chunked(Chunked),
    /// Whatever comes before the connection ends.
    UntilClose,
}

/// What comes next of a body in chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunked {
    /// The line with the size of a chunk.
    Size,
    /// So many bytes of a chunk.
    Data(u64),
    /// The end of the line behind a chunk.
    DataEnd,
    /// Trailers.
    Trailers,
    /// Nothing.
    Over,
}

impl Body {
    /// Whether nothing of it is missing.
    pub(super) const fn is_over(self) -> bool {
        matches!(self, Self::Sized(0) | Self::Chunked(Chunked::Over))
    }

    /// Takes the next piece out of `unread`: none where more must be read first, or nothing is missing.
    ///
    /// # Errors
    /// [`Malformed`].
    pub(super) fn take(&mut self, unread: &mut BytesMut) -> Result<Option<Bytes>, Malformed> {
        match self {
            Self::Sized(left) => Ok(piece(unread, left)),
            Self::UntilClose => Ok(piece(unread, &mut { u64::MAX })),
            Self::Chunked(next) => {
                while next.advance(unread)? {}
                let Chunked::Data(left) = next else { return Ok(None) };
                let piece = piece(unread, left);
                if *left == 0 {
                    *next = Chunked::DataEnd;
                    // What stands behind the last piece is mostly there as well; what is wrong with it is told next time.
                    while matches!(next.advance(unread), Ok(true)) {}
                }
                Ok(piece)
            }
        }
    }
}

impl Chunked {
    /// Passes over one thing that is no data; whether it was all there.
    fn advance(&mut self, unread: &mut BytesMut) -> Result<bool, Malformed> {
        let (length, next) = match self {
            // The parser takes a line without a number for zero, which would be the end.
            Self::Size if unread.first().is_some_and(|first| !first.is_ascii_hexdigit()) => return Err(Malformed),
            Self::Size => match httparse::parse_chunk_size(unread) {
                Ok(Status::Complete((length, 0))) => (length, Self::Trailers),
                Ok(Status::Complete((length, size))) => (length, Self::Data(size)),
                Ok(Status::Partial) if unread.len() < SIZE_LINE_MAX => return Ok(false),
                _ => return Err(Malformed),
            },
            Self::DataEnd => match unread.get(..2) {
                Some(b"\r\n") => (2, Self::Size),
                Some(_) => return Err(Malformed),
                None => return Ok(false),
            },
            Self::Trailers if unread.starts_with(b"\r\n") => (2, Self::Over),
            Self::Trailers => match memchr::memmem::find(unread, b"\r\n\r\n") {
                Some(at) => (at + 4, Self::Over),
                None if unread.len() < TRAILERS_MAX => return Ok(false),
                None => return Err(Malformed),
            },
            Self::Data(_) | Self::Over => return Ok(false),
        };
        unread.advance(length);
        *self = next;
        Ok(true)
    }
}

/// What there is of the next `left` bytes.
fn piece(unread: &mut BytesMut, left: &mut u64) -> Option<Bytes> {
    let length = usize::try_from(*left).map_or(unread.len(), |left| left.min(unread.len()));
    *left -= length as u64;
    (length > 0).then(|| unread.split_to(length).freeze())
}

#[cfg(test)]
mod tests;
