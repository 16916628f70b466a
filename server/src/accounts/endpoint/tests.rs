//! Addresses, bodies and credentials of every provider, and tokens from a stand-in of Google's endpoint.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::accounts::client::Clients;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde_json::{Value, json};
use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
};

/// A key made for these tests.
const KEY: &str = include_str!("test_key.pem");
/// Its modulus, in the encoding of RFC 7518.
const MODULUS: &str = "jdeIooX10QV0zeMyAGtJcbDcOfMHqQ315ybhbGhd3IC2GsLpOWpilHKM7VO1t0MGnrICj_BAr060O-pGmUlNXn_fnkrNZH7RX9OoUELzpJYQleIHRrOcx33tTwCwdaOMYiaeQMWloRgkMf21XE3NRZ3NtMFOitJitt49oiOgSRhYRPg5m295PLc7H0bnSJd4ORdhzQrwHvUx7BFJh8wvye50Dbz6fdy_TdFJWo2KiXNjao9ShvHTU39sGS9oal1qEowwZpj0dyr4oefNrjaCbBAu6lpRw-YPvkWjaYEHmw0UeSkrMJsyReM9viez87wGlsL1lPsu0YeHBhumampSRw";

fn guard() -> Guard {
    Guard::new(vec!["127.0.0.0/8".parse().unwrap()])
}

fn way(provider: &str, auth_scheme: &str, base_url: &str, secret: &str) -> Way {
    let reached = Reached {
        provider,
        auth_scheme,
        base_url: &Url::parse(base_url).unwrap(),
        secret: &Secret::new(secret.to_owned()),
    };
    let client = Clients::new(guard(), std::time::Duration::from_secs(5))
        .get(None)
        .unwrap();
    Way::new(reached, client, &guard()).unwrap()
}

fn ask(dialect: Dialect, operation: Operation, model: &str, is_stream: bool) -> Ask<'_> {
    Ask {
        dialect,
        operation,
        model,
        is_stream,
    }
}

#[test]
fn every_provider_is_asked_where_it_listens() {
    use Dialect::{Chat, Converse, Generate, Messages, Responses};
    const VERTEX: &str = "https://eu-aiplatform.example/v1/projects/p/locations/l";
    const BEDROCK: &str = "https://bedrock-runtime.eu-central-1.amazonaws.com";
    const AZURE: &str = "https://r.openai.azure.com/openai";
    let google = "https://generativelanguage.googleapis.com/v1beta";
    let dated = format!("{AZURE}/deployments?api-version=2024-10-21");
    let named = format!("{AZURE}/deployments/d?api-version=2024-10-21");
    let v1 = format!("{AZURE}/v1");
    for (provider, base, dialect, operation, is_stream, expected) in [
        (
            "openai",
            "https://a.example/v1",
            Chat,
            Operation::Chat,
            true,
            "https://a.example/v1/chat/completions",
        ),
        (
            "openai",
            "https://a.example/v1",
            Responses,
            Operation::Responses,
            true,
            "https://a.example/v1/responses",
        ),
        (
            "anthropic",
            "https://a.example/v1",
            Messages,
            Operation::Messages,
            true,
            "https://a.example/v1/messages",
        ),
        (
            "gemini",
            google,
            Generate,
            Operation::Generate,
            false,
            &format!("{google}/models/m%3A1:generateContent"),
        ),
        (
            "gemini",
            google,
            Generate,
            Operation::Generate,
            true,
            &format!("{google}/models/m%3A1:streamGenerateContent?alt=sse"),
        ),
        (
            "azure",
            &v1,
            Chat,
            Operation::Chat,
            true,
            &format!("{AZURE}/v1/chat/completions"),
        ),
        (
            "azure",
            &dated,
            Chat,
            Operation::Chat,
            true,
            &format!("{AZURE}/deployments/m%3A1/chat/completions?api-version=2024-10-21"),
        ),
        (
            "azure",
            &named,
            Chat,
            Operation::Embeddings,
            false,
            &format!("{AZURE}/deployments/d/embeddings?api-version=2024-10-21"),
        ),
        (
            "vertex",
            VERTEX,
            Generate,
            Operation::Generate,
            true,
            &format!("{VERTEX}/publishers/google/models/m%3A1:streamGenerateContent?alt=sse"),
        ),
        (
            "vertex",
            VERTEX,
            Messages,
            Operation::Messages,
            false,
            &format!("{VERTEX}/publishers/anthropic/models/m%3A1:rawPredict"),
        ),
        (
            "vertex",
            VERTEX,
            Messages,
            Operation::Messages,
            true,
            &format!("{VERTEX}/publishers/anthropic/models/m%3A1:streamRawPredict"),
        ),
        (
            "bedrock",
            BEDROCK,
            Converse,
            Operation::Chat,
            false,
            &format!("{BEDROCK}/model/m%3A1/converse"),
        ),
        (
            "bedrock",
            BEDROCK,
            Converse,
            Operation::Chat,
            true,
            &format!("{BEDROCK}/model/m%3A1/converse-stream"),
        ),
        (
            "bedrock",
            BEDROCK,
            Messages,
            Operation::Messages,
            true,
            &format!("{BEDROCK}/model/m%3A1/invoke-with-response-stream"),
        ),
    ] {
        let base = Url::parse(base).unwrap();
        let url = Place::of(provider, &base).url(&base, &ask(dialect, operation, "m:1", is_stream));
        assert_eq!(url.as_str(), expected);
    }
}

#[test]
fn a_claude_elsewhere_is_asked_in_the_words_of_the_place() {
    let body = br#"{"model":"m","stream":true,"max_tokens":5,"messages":[{"n":1.50}]}"#;
    let said = |place: Place, dialect| {
        let body = place.body(&ask(dialect, Operation::Messages, "m", true), body.to_vec());
        String::from_utf8(body).unwrap()
    };
    assert_eq!(
        said(Place::Vertex, Dialect::Messages),
        r#"{"anthropic_version":"vertex-2023-10-16","max_tokens":5,"messages":[{"n":1.50}],"stream":true}"#
    );
    assert_eq!(
        said(Place::Bedrock, Dialect::Messages),
        r#"{"anthropic_version":"bedrock-2023-05-31","max_tokens":5,"messages":[{"n":1.50}]}"#
    );
    assert_eq!(said(Place::Plain, Dialect::Messages).as_bytes(), body);
    assert_eq!(said(Place::Bedrock, Dialect::Converse).as_bytes(), body);
}

#[test]
fn what_is_spoken_depends_on_place_and_model() {
    use Dialect::{Chat, Converse, Generate, Messages, Responses};
    assert_eq!(spoken("openai", Chat), [Chat, Responses]);
    assert_eq!(spoken("custom", Messages), [Messages]);
    assert_eq!(spoken("nobody", Chat), [Chat]);
    for (place, model, expected) in [
        (Place::Plain, "m", &[Chat][..]),
        (Place::Vertex, "gemini-2.5-pro", &[Generate]),
        (Place::Vertex, "claude-haiku-4-5@20251001", &[Messages]),
        (
            Place::Bedrock,
            "eu.anthropic.claude-haiku-4-5-20251001-v1:0",
            &[Converse, Messages],
        ),
        (Place::Bedrock, "amazon.nova-pro-v1:0", &[Converse]),
    ] {
        assert_eq!(place.dialects(model, &[Chat]), expected, "{model}");
    }
}

#[tokio::test]
async fn keys_are_sent_as_each_provider_wants_them() {
    let post = async |way: &Way, dialect| {
        let request = way
            .post(ask(dialect, Operation::Chat, "m", false), b"{}".to_vec())
            .await;
        request.unwrap()
    };
    let bedrock = "https://bedrock-runtime.eu-central-1.amazonaws.com";
    let own = way("bedrock", auth::SIGV4, bedrock, "ABSKkey");
    assert_eq!(
        post(&own, Dialect::Converse).await.headers()["authorization"],
        "Bearer ABSKkey"
    );
    let signed = way("bedrock", auth::SIGV4, bedrock, "AKIA:secret");
    let signed = post(&signed, Dialect::Converse).await;
    let value = signed.headers()["authorization"].to_str().unwrap();
    assert!(value.contains("/eu-central-1/bedrock/aws4_request") && value.contains("content-type;host;x-amz-date"));
    let anthropic = way("anthropic", "x-api-key", "https://a.example/v1", "k");
    let asked = post(&anthropic, Dialect::Messages).await;
    assert_eq!(asked.headers()["x-api-key"], "k");
    assert_eq!(asked.headers()["anthropic-version"], VERSION);
}

/// A token endpoint that answers `status` and `body` `times` times, and the statements it was sent.
fn endpoint(status: &'static str, body: &'static str, times: usize) -> (String, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap());
    let asked = std::thread::spawn(move || {
        let answer = |_| {
            let (mut socket, _) = listener.accept().unwrap();
            let (mut text, mut bytes) = (String::new(), [0; 8192]);
            while !text.contains("assertion=") {
                let length = socket.read(&mut bytes).unwrap();
                text.push_str(&String::from_utf8_lossy(&bytes[..length]));
            }
            let length = body.len();
            let reply = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
            socket.write_all(reply.as_bytes()).unwrap();
            text.split_once("assertion=").unwrap().1.to_owned()
        };
        (0..times).map(answer).collect()
    });
    (url, asked)
}

fn key_file(token_uri: &str) -> String {
    let file =
        json!({"client_email": "a@p.example", "private_key": KEY, "private_key_id": "k1", "token_uri": token_uri});
    file.to_string()
}

#[tokio::test]
async fn one_token_serves_many_requests_and_its_statement_is_signed() {
    let (url, asked) = endpoint("200 OK", r#"{"access_token":"t1","expires_in":3599}"#, 1);
    let way = way("vertex", auth::SERVICE_ACCOUNT, "https://a.example/v1", &key_file(&url));
    let posts = (0..5).map(|_| way.post(ask(Dialect::Generate, Operation::Generate, "m", false), b"{}".to_vec()));
    for request in futures_util::future::join_all(posts).await {
        assert_eq!(request.unwrap().headers()["authorization"], "Bearer t1");
    }
    let statements = asked.join().unwrap();
    let (message, signature) = statements[0].rsplit_once('.').unwrap();
    let read = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let key = RsaPublicKeyComponents {
        n: read(MODULUS),
        e: vec![1, 0, 1],
    };
    key.verify(&RSA_PKCS1_2048_8192_SHA256, message.as_bytes(), &read(signature))
        .unwrap();
    let (header, claims) = message.split_once('.').unwrap();
    let [header, claims]: [Value; 2] = [header, claims].map(|part| serde_json::from_slice(&read(part)).unwrap());
    assert_eq!(header["alg"], "RS256");
    assert_eq!(header["kid"], "k1");
    assert_eq!(claims["iss"], "a@p.example");
    assert_eq!(claims["aud"], url);
    let printed = format!("{way:?}");
    assert!(!printed.contains("t1") && !printed.contains("PRIVATE"), "{printed}");
}

#[tokio::test]
async fn a_refused_statement_is_a_bad_key_and_is_not_repeated() {
    let (url, asked) = endpoint(
        "400 Bad Request",
        r#"{"error":"invalid_grant","error_description":"Invalid JWT"}"#,
        1,
    );
    let way = way("vertex", auth::SERVICE_ACCOUNT, "https://a.example/v1", &key_file(&url));
    let post = way.post(ask(Dialect::Generate, Operation::Generate, "m", false), b"{}".to_vec());
    let reason = post.await.unwrap_err();
    assert_eq!(reason.fault(), Fault::BadKey);
    assert!(reason.to_string().contains("invalid_grant"), "{reason}");
    asked.join().unwrap();
}

#[test]
fn a_key_file_names_googles_endpoint_or_none() {
    let refused = |text: &str| ServiceAccount::parse(text, &Guard::default()).unwrap_err().to_string();
    assert!(refused("sk-123").contains("JSON file"));
    assert!(refused(&key_file("http://127.0.0.1:1/token")).contains("token_uri"));
    assert!(refused(&key_file("https://evil.example/token")).contains("token_uri"));
    assert!(refused(&json!({"client_email": "a", "private_key": "x"}).to_string()).contains("private key"));
    let google = key_file("https://oauth2.googleapis.com/token");
    assert!(ServiceAccount::parse(&google, &Guard::default()).is_ok());
}
