//! Heads and bodies as servers send them: well formed, in pieces, ambiguous and hostile.

#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

fn read(text: &str) -> Result<Option<Head>, Malformed> {
    read_head(&mut BytesMut::from(text))
}

fn good(text: &str) -> Head {
    read(text).unwrap().unwrap()
}

/// The whole of `body`, whose bytes come `at_once` at a time; whether it has ended.
fn drain(mut body: Body, bytes: &[u8], at_once: usize) -> Result<(Vec<u8>, bool, usize), Malformed> {
    let (mut unread, mut whole) = (BytesMut::new(), Vec::new());
    for part in bytes.chunks(at_once) {
        unread.extend_from_slice(part);
        while let Some(piece) = body.take(&mut unread)? {
            assert!(!piece.is_empty());
            whole.extend_from_slice(&piece);
        }
    }
    Ok((whole, body.is_over(), unread.len()))
}

#[test]
fn a_request_names_its_host_its_length_and_our_headers_once_each() {
    let url = "https://api.example.com:8443/v1/chat?api-version=1".parse().unwrap();
    let mut request = Request::new(Method::POST, url);
    request
        .headers_mut()
        .insert("authorization", HeaderValue::from_static("Bearer sk"));
    request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(99_u32));
    assert_eq!(
        String::from_utf8(head_of(&request, 3)).unwrap(),
        "POST /v1/chat?api-version=1 HTTP/1.1\r\nhost: api.example.com:8443\r\naccept: */*\r\nauthorization: Bearer sk\r\n\
         content-length: 3\r\n\r\n"
    );
    let plain = Request::new(Method::GET, "https://[2606:4700::1]:443".parse().unwrap());
    assert_eq!(
        String::from_utf8(head_of(&plain, 0)).unwrap(),
        "GET / HTTP/1.1\r\nhost: [2606:4700::1]\r\naccept: */*\r\n\r\n"
    );
}

#[test]
fn a_head_is_read_once_it_is_whole_and_what_follows_is_left() {
    let text = "HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\ncontent-length: 2\r\n\r\n";
    for end in 0..text.len() {
        assert!(read(&text[..end]).unwrap().is_none(), "{end}");
    }
    let mut unread = BytesMut::from(&*format!("{text}{{}}"));
    let head = read_head(&mut unread).unwrap().unwrap();
    assert_eq!((head.status, head.body, head.keeps), (429, Body::Sized(2), true));
    assert_eq!(head.headers["retry-after"], "7");
    assert_eq!(&unread[..], b"{}");
}

#[test]
fn what_is_said_before_the_answer_is_passed_over() {
    let head = good(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    );
    assert_eq!((head.status, head.headers.len()), (200, 1));
    assert!(read("HTTP/1.1 101 Switching\r\nupgrade: websocket\r\n\r\n").is_err());
}

#[test]
fn where_a_body_ends_is_read_as_the_standard_says() {
    let ends = |headers: &str| {
        let head = good(&format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\n"));
        (head.body, head.keeps)
    };
    let chunks = Body::Chunked(Chunked::Size);
    assert_eq!(ends("content-length: 5"), (Body::Sized(5), true));
    assert_eq!(
        ends("content-length: 5, 5\r\ncontent-length: 5"),
        (Body::Sized(5), true)
    );
    assert_eq!(ends("Transfer-Encoding: Chunked"), (chunks, true));
    assert_eq!(ends("transfer-encoding: gzip"), (Body::UntilClose, false));
    assert_eq!(ends("x: y"), (Body::UntilClose, false));
    assert_eq!(
        ends("content-length: 5\r\nconnection: keep-alive, Close"),
        (Body::Sized(5), false)
    );
    // Smuggling begins where two parties choose differently between these.
    assert_eq!(ends("content-length: 5\r\ntransfer-encoding: chunked"), (chunks, false));
    assert!(!good("HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\n").keeps);
    for status in ["204 None", "304 Same"] {
        let head = good(&format!("HTTP/1.1 {status}\r\ncontent-length: 5\r\n\r\n"));
        assert_eq!(head.body, Body::Sized(0));
    }
}

#[test]
fn what_is_no_answer_is_refused() {
    for text in [
        "HTTP/2 200\r\n\r\n",
        "\x16\x03\x01\x02\x00",
        "<html>",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5, 6\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: \r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nname : value\r\n\r\n",
        "HTTP/1.1 200 OK\r\nna me: value\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: b\r\n folded\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: b\0c\r\n\r\n",
    ] {
        assert!(read(text).is_err(), "{text:?}");
    }
    let many = "a: b\r\n".repeat(HEADERS_MAX + 1);
    assert!(read(&format!("HTTP/1.1 200 OK\r\n{many}\r\n")).is_err());
    let long = "b".repeat(HEAD_MAX);
    assert!(read(&format!("HTTP/1.1 200 OK\r\na: {long}")).is_err());
    let much = "b".repeat(HEAD_MAX - 100);
    assert!(
        read(&format!("HTTP/1.1 200 OK\r\na: {much}\r\n\r\n"))
            .unwrap()
            .is_some()
    );
}

#[test]
fn chunks_are_put_together_however_they_are_cut() {
    let chunks = Body::Chunked(Chunked::Size);
    let bytes = b"5\r\nhello\r\n1;a=\"b\"\r\n,\r\n006\r\n world\r\n0\r\nx-usage: 5\r\ny: z\r\n\r\n";
    for at_once in 1..=bytes.len() {
        let whole = drain(chunks, bytes, at_once).unwrap();
        assert_eq!(whole, (b"hello, world".to_vec(), true, 0), "{at_once}");
    }
    assert_eq!(drain(chunks, b"0\r\n\r\nHTTP/1.1", 99).unwrap(), (Vec::new(), true, 8));
    assert!(!drain(chunks, b"5\r\nhello\r\n0\r\n", 99).unwrap().1);
    for bytes in [
        &b"x\r\n"[..],
        b"-1\r\n",
        b"5\r\nhelloxx",
        b"\r\n",
        b"10000000000000000\r\n",
        &[b'0'; SIZE_LINE_MAX + 1],
        &[&b"0\r\n"[..], &[b'x'; TRAILERS_MAX + 1]].concat(),
    ] {
        assert!(drain(chunks, bytes, 7).is_err(), "{bytes:?}");
    }
}

#[test]
fn no_more_than_its_length_is_taken_of_a_body() {
    assert_eq!(
        drain(Body::Sized(3), b"abcdef", 99).unwrap(),
        (b"abc".to_vec(), true, 3)
    );
    assert_eq!(
        drain(Body::Sized(9), b"abcdef", 2).unwrap(),
        (b"abcdef".to_vec(), false, 0)
    );
    assert_eq!(
        drain(Body::UntilClose, b"abcdef", 4).unwrap(),
        (b"abcdef".to_vec(), false, 0)
    );
}

proptest! {
    #[test]
    fn whatever_comes_is_read_or_refused(bytes: Vec<u8>, at_once in 1..9_usize, is_chunked: bool) {
        let body = if is_chunked { Body::Chunked(Chunked::Size) } else { Body::Sized(40) };
        let _ = drain(body, &bytes, at_once);
        let _ = read_head(&mut BytesMut::from(&bytes[..]));
    }
}
