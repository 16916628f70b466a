//! Errors: ours in the dialect of whom we answer, and an upstream's as it came.
//!
//! Invariant: the shapes are the official ones, so that SDKs raise their own exception classes; an upstream's error is read whatever
//! its shape and never longer than a few kilobytes. Pure.
//! Wire facts: the API references of OpenAI, Anthropic and Google, and how compatible services deviate.

mod further;
mod google;

pub use further::{further_of, scrub_further};

use super::Dialect;
use super::json::cut;
use serde_json::{Map, Value, json};

/// How much of an upstream's message is kept, in bytes.
const MESSAGE_BYTES_MAX: usize = 2048;
/// How much of any other part of it.
pub(super) const WORD_BYTES_MAX: usize = 128;

/// An error of ours, to be written in a dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorBody<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The type, in OpenAI's words; the other dialects derive theirs from the status.
    pub kind: &'a str,
    /// The code.
    pub code: Option<&'a str>,
    /// What happened, whose turn it is, what to do.
    pub message: &'a str,
    /// The field it is about.
    pub param: Option<&'a str>,
    /// The id of the request.
    pub request_id: &'a str,
    /// Members that only the upstream's dialect has, fit for a client.
    pub further: Option<&'a Map<String, Value>>,
}

/// An error that an upstream sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamError {
    /// The HTTP status, or what the body says it would be.
    pub status: Option<u16>,
    /// The code, such as `insufficient_quota`; it, the type and the field are not yet fit for a client: see
    /// [`scrub_word`](super::scrub_word).
    pub code: Option<String>,
    /// The type, such as `invalid_request_error`.
    pub kind: Option<String>,
    /// What it says; empty where it says nothing. Not yet fit for a client: see [`scrub`](super::scrub).
    pub message: String,
    /// The field it is about.
    pub param: Option<String>,
    /// What else it says of the request in members of its own, for a client of its dialect: see [`further_of`]; not yet fit for it.
    pub further: Option<Box<Map<String, Value>>>,
}

impl UpstreamError {
    /// What is made of a stream that has more of something than an answer can.
    pub(crate) fn boundless() -> Self {
        Self {
            status: Some(502),
            kind: Some("server_error".to_owned()),
            message: "The provider's answer has more parts than an answer can.".to_owned(),
            ..Self::default()
        }
    }
}

/// `error` as the JSON body of a reply in `dialect`.
#[must_use]
pub fn render_error(dialect: Dialect, error: &ErrorBody<'_>) -> String {
    let ErrorBody {
        status,
        kind,
        code,
        message,
        param,
        request_id,
        further,
    } = *error;
    let mut body = match dialect {
        Dialect::Chat | Dialect::Responses => {
            json!({"error": {"message": message, "type": kind, "param": param, "code": code}})
        }
        Dialect::Messages => json!({
            "type": "error",
            "error": {"type": messages_kind(status), "message": message},
            "request_id": request_id,
        }),
        Dialect::Generate => json!({"error": {"code": status, "message": message, "status": generate_kind(status)}}),
        // Nobody is answered in it.
        Dialect::Converse => json!({"message": message}),
    };
    if let (Some(told), Some(further)) = (body.get_mut("error").and_then(Value::as_object_mut), further) {
        for (name, value) in further {
            told.entry(name).or_insert_with(|| value.clone());
        }
    }
    body.to_string()
}

/// `error` as the event that ends a stream in `dialect`.
#[must_use]
pub fn render_stream_error(dialect: Dialect, error: &ErrorBody<'_>) -> String {
    match dialect {
        Dialect::Chat | Dialect::Generate | Dialect::Converse => {
            format!("data: {}\n\n", render_error(dialect, error))
        }
        Dialect::Messages => format!("event: error\ndata: {}\n\n", render_error(dialect, error)),
        Dialect::Responses => {
            let code = error.code.unwrap_or(error.kind);
            // Clients read the number as one that is always there, not as one that rises.
            let data = json!({
                "type": "error", "code": code, "message": error.message, "param": error.param, "sequence_number": 0,
            });
            format!("event: error\ndata: {data}\n\n")
        }
    }
}

/// Anthropic's type for a status.
const fn messages_kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        504 | 408 => "timeout_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}

/// Google's status word for a status.
const fn generate_kind(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        402 | 429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        501 => "UNIMPLEMENTED",
        502 | 503 | 529 => "UNAVAILABLE",
        504 | 408 => "DEADLINE_EXCEEDED",
        400..=498 => "INVALID_ARGUMENT",
        _ => "INTERNAL",
    }
}

/// The error in `body`, the reply of an upstream with `status`: in OpenAI's envelope, Mistral's flat one, FastAPI's `detail`, a bare
/// string, Google's list; or in none of them, with nothing but the status.
#[must_use]
pub fn read_error(status: u16, body: &[u8]) -> UpstreamError {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    UpstreamError {
        status: Some(status),
        ..read_value(&value)
    }
}

/// The error in `data`, a frame of a stream or a reply with status 200.
pub(crate) fn read_frame(data: &[u8]) -> UpstreamError {
    read_value(&serde_json::from_slice(data).unwrap_or_default())
}

fn read_value(value: &Value) -> UpstreamError {
    let outer = value.get(0).unwrap_or(value);
    // A failed answer of OpenAI's Responses holds its error, in a stream one level down.
    let outer = outer
        .get("response")
        .filter(|answer| answer.is_object())
        .unwrap_or(outer);
    let inner = outer.get("error").filter(|error| !error.is_null()).unwrap_or(outer);
    // Beside an error that is a bare string stand the parts that others put inside.
    let source = if inner.is_object() { inner } else { outer };
    let part = |names: &[&str]| names.iter().find_map(|name| word(source.get(name)?));
    let google = google::details(inner);
    let code = inner
        .pointer("/details/error_code")
        .and_then(word)
        .or(google.code)
        .or_else(|| part(&["code"]))
        .or_else(|| outer.get("__type").and_then(word).map(|name| bedrock_name(&name)));
    // Google's `status` is a word; the number is its code.
    let stated = [part(&["status_code"]), part(&["status"]), code.clone()];
    UpstreamError {
        status: stated
            .into_iter()
            .flatten()
            .filter_map(|status| status.parse().ok())
            .find(|status| (400..600).contains(status)),
        kind: part(&["type"])
            .filter(|kind| !is_event(kind))
            .or_else(|| part(&["status"]))
            .filter(|kind| kind.parse::<u16>().is_err()),
        message: google::with_delay(
            cut(
                &message(inner).or_else(|| message(outer)).unwrap_or_default(),
                MESSAGE_BYTES_MAX,
            ),
            google.delay.as_deref(),
        ),
        param: part(&["param"]),
        code,
        further: None,
    }
}

/// Whether `kind` names an event of a stream, not an error.
fn is_event(kind: &str) -> bool {
    kind == "error" || kind.starts_with("response.")
}

/// The name of an exception of Bedrock's, such as `ThrottlingException`, without where it comes from.
fn bedrock_name(name: &str) -> String {
    name.rsplit('#').next().unwrap_or(name).to_owned()
}

/// The text of an error, wherever it is.
fn message(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(list) => list.iter().find_map(message),
        Value::Object(_) => ["message", "Message", "detail", "msg", "error"]
            .iter()
            .find_map(|name| message(value.get(name)?)),
        _ => None,
    }
}

/// A string or number as a short text.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(cut(text, WORD_BYTES_MAX).to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ERROR: ErrorBody<'static> = ErrorBody {
        status: 429,
        kind: "rate_limit_error",
        code: Some("rate_limit_exceeded"),
        message: "This key has reached its limit of 60 requests a minute.",
        param: None,
        request_id: "req_1",
        further: None,
    };

    #[test]
    fn members_of_its_own_stand_beside_those_of_every_error_and_replace_none() {
        let further = json!({"details": [1], "message": "other"});
        let error = ErrorBody {
            further: further.as_object(),
            ..ERROR
        };
        for dialect in [Dialect::Chat, Dialect::Responses, Dialect::Messages, Dialect::Generate] {
            let told: Value = serde_json::from_str(&render_error(dialect, &error)).unwrap();
            assert_eq!(told["error"]["message"], ERROR.message, "{dialect:?}");
            assert_eq!(told["error"]["details"], json!([1]), "{dialect:?}");
        }
    }

    #[test]
    fn every_dialect_has_its_official_shape() {
        let rendered = |dialect| serde_json::from_str::<Value>(&render_error(dialect, &ERROR)).unwrap();
        let openai = json!({"error": {
            "message": ERROR.message, "type": "rate_limit_error", "param": null, "code": "rate_limit_exceeded"
        }});
        assert_eq!(rendered(Dialect::Chat), openai);
        assert_eq!(rendered(Dialect::Responses), openai);
        assert_eq!(
            rendered(Dialect::Messages),
            json!({"type": "error", "error": {"type": "rate_limit_error", "message": ERROR.message}, "request_id": "req_1"})
        );
        assert_eq!(
            rendered(Dialect::Generate),
            json!({"error": {"code": 429, "message": ERROR.message, "status": "RESOURCE_EXHAUSTED"}})
        );
    }

    #[test]
    fn a_stream_ends_with_one_whole_event() {
        for dialect in Dialect::ALL {
            let event = render_stream_error(
                dialect,
                &ErrorBody {
                    message: "two\nlines \"quoted\"",
                    ..ERROR
                },
            );
            assert!(event.ends_with("\n\n"), "{dialect:?}");
            assert_eq!(event.matches("\n\n").count(), 1, "{dialect:?}");
            let (_, data) = event.split_once("data: ").unwrap();
            serde_json::from_str::<Value>(data).unwrap();
        }
    }

    #[test]
    fn out_of_money_in_every_dialect() {
        assert_eq!(messages_kind(402), "billing_error");
        assert_eq!(generate_kind(429), "RESOURCE_EXHAUSTED");
        assert_eq!(messages_kind(400), "invalid_request_error");
        assert_eq!(generate_kind(400), "INVALID_ARGUMENT");
        assert_eq!(messages_kind(500), "api_error");
        assert_eq!(generate_kind(500), "INTERNAL");
    }

    #[test]
    fn errors_in_every_shape() {
        for (body, code, kind, message, param) in [
            (
                r#"{"error":{"message":"m","type":"invalid_request_error","param":"n","code":"c"}}"#,
                Some("c"),
                Some("invalid_request_error"),
                "m",
                Some("n"),
            ),
            (
                r#"{"error":{"message":"m","code":402,"metadata":{}},"user_id":"u"}"#,
                Some("402"),
                None,
                "m",
                None,
            ),
            (r#"{"code":"bad key","error":"m"}"#, Some("bad key"), None, "m", None),
            (
                r#"{"object":"error","message":"m","type":"t","param":null,"code":"3505"}"#,
                Some("3505"),
                Some("t"),
                "m",
                None,
            ),
            (
                r#"{"detail":[{"loc":["body","n"],"msg":"m","type":"x"}]}"#,
                None,
                None,
                "m",
                None,
            ),
            (r#"{"detail":"m"}"#, None, None, "m", None),
            (
                r#"[{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED"}}]"#,
                Some("429"),
                Some("RESOURCE_EXHAUSTED"),
                "m",
                None,
            ),
            (
                r#"{"type":"error","error":{"type":"rate_limit_error","message":"m","details":{"error_code":"enforced"}}}"#,
                Some("enforced"),
                Some("rate_limit_error"),
                "m",
                None,
            ),
            (
                r#"{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}"#,
                Some("API_KEY_INVALID"),
                Some("INVALID_ARGUMENT"),
                "m",
                None,
            ),
            (
                r#"{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"RequestsPerDayPerModel"}]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"38s"}]}}"#,
                Some("daily_quota_exceeded"),
                Some("RESOURCE_EXHAUSTED"),
                "m Please retry in 38s.",
                None,
            ),
            (
                r#"{"__type":"com.amazon#ThrottlingException","message":"m"}"#,
                Some("ThrottlingException"),
                None,
                "m",
                None,
            ),
            ("<html>bad gateway</html>", None, None, "", None),
            ("", None, None, "", None),
            ("\"m\"", None, None, "m", None),
        ] {
            let read = read_error(418, body.as_bytes());
            let found = (
                read.code.as_deref(),
                read.kind.as_deref(),
                read.message.as_str(),
                read.param.as_deref(),
            );
            assert_eq!(found, (code, kind, message, param), "{body}");
            assert_eq!(read.status, Some(418));
        }
    }

    #[test]
    fn a_frame_states_its_status() {
        for (body, status) in [
            (r#"{"error":{"code":502,"message":"m"},"choices":[]}"#, Some(502)),
            (r#"{"error":{"code":"tool_use_failed","status_code":400}}"#, Some(400)),
            (r#"{"error":{"code":7}}"#, None),
            (
                r#"{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}"#,
                Some(503),
            ),
        ] {
            assert_eq!(read_frame(body.as_bytes()).status, status, "{body}");
        }
    }
}
