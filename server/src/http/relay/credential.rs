//! The key that a request carries, in whichever of the places where its dialect's SDKs put one.
//!
//! Invariant: every dialect takes its own place and `Authorization: Bearer`; a key is read, never logged, and a query never leaves here.
//! Pure.
//! Wire facts: the SDKs of OpenAI, Azure, Anthropic (whose newer ones send Bearer) and Google.

use crate::keys::KEY_PREFIX;
use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderMap};
use gateway_core::dialect::Dialect;

/// The headers besides `Authorization` in which keys come, the dialect's own first.
const fn places(dialect: Dialect) -> [&'static str; 2] {
    match dialect {
        Dialect::Messages => ["x-api-key", "api-key"],
        Dialect::Generate => ["x-goog-api-key", "x-api-key"],
        _ => ["api-key", "x-api-key"],
    }
}

/// The key in `request`, which speaks `dialect`. Where several are sent, one that looks like ours is meant.
pub(super) fn read(dialect: Dialect, request: &HttpRequest) -> Option<String> {
    let headers = request.headers();
    let own = places(dialect).into_iter().filter_map(|name| text(headers, name));
    let in_query = (dialect == Dialect::Generate)
        .then(|| in_query(request.query_string()))
        .flatten();
    let sent: Vec<String> = own.chain(bearer(headers)).chain(in_query).collect();
    let ours = sent.iter().find(|key| key.starts_with(KEY_PREFIX));
    ours.or_else(|| sent.first()).cloned()
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

/// As OpenAI's clients send it.
fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim().to_owned())
}

/// As Google's oldest examples send it.
fn in_query(query: &str) -> Option<String> {
    let members = query.split('&').filter_map(|member| member.split_once('='));
    let mut keys = members.filter(|(name, value)| *name == "key" && !value.is_empty());
    keys.next().map(|(_, value)| value.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn each_dialect_takes_its_own_place_and_bearer() {
        let own = [
            (Dialect::Chat, "api-key"),
            (Dialect::Responses, "api-key"),
            (Dialect::Messages, "x-api-key"),
            (Dialect::Generate, "x-goog-api-key"),
        ];
        for (dialect, place) in own {
            let request = TestRequest::default()
                .insert_header((place, "sk-oh-1"))
                .to_http_request();
            assert_eq!(read(dialect, &request).as_deref(), Some("sk-oh-1"), "{place}");
            let request = TestRequest::default()
                .insert_header(("authorization", "bearer sk-oh-2"))
                .insert_header((place, "another-kind-of-key"))
                .to_http_request();
            assert_eq!(read(dialect, &request).as_deref(), Some("sk-oh-2"), "{place}");
        }
    }

    #[test]
    fn a_query_is_read_for_google_alone() {
        let request = TestRequest::with_uri("/v1beta/models?pageSize=5&key=sk-oh-3").to_http_request();
        assert_eq!(read(Dialect::Generate, &request).as_deref(), Some("sk-oh-3"));
        assert_eq!(read(Dialect::Chat, &request), None);
        for uri in ["/v1beta/models?key=", "/v1beta/models?keys=1", "/v1beta/models"] {
            let request = TestRequest::with_uri(uri).to_http_request();
            assert_eq!(read(Dialect::Generate, &request), None, "{uri}");
        }
    }

    #[test]
    fn another_kind_of_key_is_told_apart_from_none() {
        let request = TestRequest::default()
            .insert_header(("x-api-key", "sk-ant-1"))
            .to_http_request();
        assert_eq!(read(Dialect::Messages, &request).as_deref(), Some("sk-ant-1"));
        assert_eq!(read(Dialect::Messages, &TestRequest::default().to_http_request()), None);
    }
}
