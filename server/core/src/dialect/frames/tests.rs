//! Frames made here by the encoding's rules, whole, cut anywhere and damaged.
#![allow(clippy::unwrap_used)]

use super::*;

/// The type of a header that is text.
const TEXT: u8 = 7;

/// A frame with text headers.
fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut head = Vec::new();
    for (name, value) in headers {
        head.push(u8::try_from(name.len()).unwrap());
        head.extend_from_slice(name.as_bytes());
        head.push(TEXT);
        head.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        head.extend_from_slice(value.as_bytes());
    }
    sealed(&head, payload)
}

fn sealed(head: &[u8], payload: &[u8]) -> Vec<u8> {
    let total = PRELUDE + head.len() + payload.len() + TRAILER;
    let mut made = u32::try_from(total).unwrap().to_be_bytes().to_vec();
    made.extend_from_slice(&u32::try_from(head.len()).unwrap().to_be_bytes());
    made.extend_from_slice(&crc32(&made).to_be_bytes());
    made.extend_from_slice(head);
    made.extend_from_slice(payload);
    made.extend_from_slice(&crc32(&made).to_be_bytes());
    made
}

fn event_frame(kind: &str, payload: &[u8]) -> Vec<u8> {
    let headers = [
        (":event-type", kind),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ];
    frame(&headers, payload)
}

fn read(bytes: &[u8]) -> Result<String, FrameError> {
    let (mut frames, mut out) = (Frames::default(), Vec::new());
    frames.push(bytes, &mut out)?;
    assert!(frames.is_whole());
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn the_checksum_is_the_known_one() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    assert_eq!(crc32(b""), 0);
}

#[test]
fn an_empty_frame_is_sixteen_bytes_as_published() {
    let published = [0, 0, 0, 16, 0, 0, 0, 0, 5, 194, 72, 235, 125, 152, 200, 255];
    assert_eq!(sealed(b"", b""), published);
}

#[test]
fn frames_become_events() {
    let native = STANDARD.encode(r#"{"type":"message_stop"}"#);
    let chunk = format!(r#"{{"bytes":"{native}","p":"abc"}}"#);
    let exception = |kind: &str| {
        vec![
            (":exception-type", kind.to_owned()),
            (":message-type", "exception".to_owned()),
        ]
    };
    let framed = |headers: Vec<(&str, String)>, payload: &[u8]| {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        frame(&headers, payload)
    };
    let error_headers = [
        (":error-code", "InternalError"),
        (":error-message", "broke"),
        (":message-type", "error"),
    ];
    for (bytes, expected) in [
        (
            event_frame("messageStart", br#"{"role":"assistant"}"#),
            "event: messageStart\ndata: {\"role\":\"assistant\"}\n\n",
        ),
        (event_frame("x", b"{\n}"), "event: x\ndata: {\ndata: }\n\n"),
        (event_frame("a\n\nb", b"1"), "data: 1\n\n"),
        (
            event_frame("chunk", chunk.as_bytes()),
            "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        ),
        (event_frame("chunk", b"{}"), "event: chunk\ndata: {}\n\n"),
        (
            framed(exception("throttlingException"), br#"{"message":"slow down"}"#),
            "event: error\ndata: {\"error\":{\"type\":\"throttlingException\",\"status_code\":429,\"message\":\"slow down\"}}\n\n",
        ),
        (
            framed(exception("modelStreamErrorException"), br#"{"originalMessage":"o"}"#),
            "event: error\ndata: {\"error\":{\"type\":\"modelStreamErrorException\",\"status_code\":424,\"message\":\"o\"}}\n\n",
        ),
        (
            frame(&error_headers, b""),
            "event: error\ndata: {\"error\":{\"type\":\"InternalError\",\"status_code\":500,\"message\":\"broke\"}}\n\n",
        ),
    ] {
        assert_eq!(read(&bytes).as_deref(), Ok(expected));
    }
}

#[test]
fn an_error_is_read_as_one() {
    let headers = [
        (":exception-type", "throttlingException"),
        (":message-type", "exception"),
    ];
    let text = read(&frame(&headers, br#"{"message":"slow down"}"#)).unwrap();
    let data = text.split_once("data: ").unwrap().1;
    let error = super::super::error::read_frame(data.trim().as_bytes());
    assert_eq!((error.status, error.message.as_str()), (Some(429), "slow down"));
    assert_eq!(error.kind.as_deref(), Some("throttlingException"));
}

#[test]
fn wherever_the_network_cuts_the_events_are_the_same() {
    let mut bytes = event_frame("messageStart", br#"{"role":"assistant"}"#);
    bytes.extend(event_frame("contentBlockDelta", br#"{"delta":{"text":"h\u00e9"}}"#));
    // A header of each type that is no text.
    let mut head = Vec::new();
    for (kind, value) in [
        (0_u8, &b""[..]),
        (1, b""),
        (2, b"1"),
        (3, b"12"),
        (4, b"1234"),
        (5, b"12345678"),
        (6, b"\0\x02ab"),
        (8, b"12345678"),
        (9, b"1234567812345678"),
    ] {
        head.extend_from_slice(&[1, b'h', kind]);
        head.extend_from_slice(value);
    }
    bytes.extend(sealed(&head, b"{}"));
    let whole = read(&bytes).unwrap();
    assert!(whole.ends_with("data: {}\n\n"));
    for cut in 0..=bytes.len() {
        let (mut frames, mut out) = (Frames::default(), Vec::new());
        frames.push(&bytes[..cut], &mut out).unwrap();
        frames.push(&bytes[cut..], &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), whole, "{cut}");
    }
    let (mut frames, mut out) = (Frames::default(), Vec::new());
    for byte in &bytes {
        frames.push(&[*byte], &mut out).unwrap();
    }
    assert_eq!(String::from_utf8(out).unwrap(), whole);
    frames.push(&bytes[..20], &mut Vec::new()).unwrap();
    assert!(!frames.is_whole());
}

#[test]
fn damage_is_noticed_wherever_it_is() {
    let bytes = event_frame("messageStop", br#"{"stopReason":"end_turn"}"#);
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        assert_eq!(read(&damaged), Err(FrameError::Checksum), "{at}");
    }
    for (total, headers) in [(15, 0), (1 << 30, 0), (200, 1 << 20), (20, 10)] {
        let mut bytes = u32::to_be_bytes(total).to_vec();
        bytes.extend_from_slice(&u32::to_be_bytes(headers));
        bytes.extend_from_slice(&crc32(&bytes).to_be_bytes());
        assert_eq!(read(&bytes), Err(FrameError::Length), "{total} {headers}");
    }
    for head in [
        &b"\x05a"[..],
        b"\x01a",
        b"\x01a\x0a",
        b"\x01a\x07\x00",
        b"\x01a\x07\x00\x09b",
    ] {
        assert_eq!(read(&sealed(head, b"")), Err(FrameError::Headers));
    }
}
