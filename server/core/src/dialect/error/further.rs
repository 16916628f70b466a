//! What an upstream's error says of the client's request in members that only its provider has.
//!
//! Invariant: only members that are known to be about the request are read, and what names an account, a project, a host or a cost is
//! left out wherever it stands; every text is scrubbed before a client sees it. Pure.
//! Wire facts: Groq's `failed_generation`, OpenRouter's `metadata`, Google's `details`, Azure's `innererror`.

use super::super::scrub::scrub;
use serde_json::{Map, Value};

/// The members of an error that are about the request.
const KNOWN: [&str; 5] = [
    "failed_generation",
    "metadata",
    "details",
    "innererror",
    "content_filter_result",
];
/// Parts of names whose values are an operator's matter, not the client's.
const PRIVATE: [&str; 18] = [
    "key", "secret", "organi", "org_", "account", "project", "consumer", "tenant", "resource", "user", "cost",
    "credit", "balance", "billing", "header", "host", "url", "endpoint",
];
/// What the type of one of Google's details begins with: the SDKs tell them apart by it.
const GOOGLE_TYPE: &str = "type.googleapis.com/google.rpc.";
/// How long all of it may be, in bytes: what a model failed to make may be long.
const BYTES_MAX: usize = 32 << 10;

/// The members of the error in `body` that are about the request, not yet fit for a client; none where there are none, or too much.
#[must_use]
pub fn further_of(body: &[u8]) -> Option<Box<Map<String, Value>>> {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let outer = value.get(0).unwrap_or(&value);
    let error = outer.get("error")?.as_object()?;
    let known = error
        .iter()
        .filter(|(name, value)| KNOWN.contains(&name.as_str()) && !value.is_null());
    let known: Map<String, Value> = known.map(|(name, value)| (name.clone(), value.clone())).collect();
    let bytes = serde_json::to_string(&known).map_or(usize::MAX, |text| text.len());
    (!known.is_empty() && bytes <= BYTES_MAX).then(|| Box::new(known))
}

/// `further` as a client may see it: without `secrets`, and without what is private by its name or looks like it.
#[must_use]
pub fn scrub_further(further: &Map<String, Value>, secrets: &[&str]) -> Map<String, Value> {
    let members = further.iter().filter(|(name, _)| is_public(name, secrets));
    members
        .map(|(name, value)| {
            let value = match value {
                Value::String(text) if name == "@type" && is_google_type(text) => value.clone(),
                _ => scrubbed(value, secrets),
            };
            (name.clone(), value)
        })
        .collect()
}

fn scrubbed(value: &Value, secrets: &[&str]) -> Value {
    match value {
        Value::String(text) => scrub(text, secrets).into(),
        Value::Array(list) => list.iter().map(|item| scrubbed(item, secrets)).collect(),
        Value::Object(members) => scrub_further(members, secrets).into(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn is_public(name: &str, secrets: &[&str]) -> bool {
    let lower = name.to_ascii_lowercase();
    !PRIVATE.iter().any(|part| lower.contains(part)) && scrub(name, secrets) == name
}

fn is_google_type(text: &str) -> bool {
    let name = text.strip_prefix(GOOGLE_TYPE);
    name.is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_alphabetic()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(body: &Value) -> Value {
        scrub_further(
            &further_of(body.to_string().as_bytes()).unwrap_or_default(),
            &["Canary-7"],
        )
        .into()
    }

    #[test]
    fn what_is_about_the_request_stays() {
        for error in [
            json!({ "failed_generation": "<function=f{\"a\": 1}</function>" }),
            json!({ "metadata": { "reasons": ["violence"], "flagged_input": "a bad …", "raw": "{\"detail\":\"no\"}" } }),
            json!({ "details": [{ "@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": [{ "field": "contents[0].parts", "description": "must not be empty" }] }] }),
            json!({ "innererror": { "code": "ResponsibleAIPolicyViolation",
                "content_filter_result": { "hate": { "filtered": true, "severity": "high" } } } }),
        ] {
            let mut whole = json!({ "message": "m", "type": "t", "code": 400, "param": null });
            whole.as_object_mut().into_iter().for_each(|whole| {
                whole.extend(error.as_object().cloned().unwrap_or_default());
            });
            assert_eq!(told(&json!({ "error": whole, "user_id": "user_1" })), error);
            assert_eq!(told(&json!([{ "error": whole }])), error);
        }
    }

    #[test]
    fn what_is_the_operators_goes_wherever_it_stands() {
        let error = json!({
            "failed_generation": "Canary-7 at https://api.example.com",
            "request_id": "r",
            "metadata": {
                "provider_name": "Acme",
                "user_id": "u",
                "Canary-7": 1,
                "headers": { "X-RateLimit-Limit": "5" },
                "cost": 7.5,
                "raw": "org-AbC123 at 10.0.0.7:8080 with sk-live-1",
                "list": [{ "api_key": "k", "text": "Canary-7" }],
            },
            "details": [{
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "domain": "googleapis.com",
                "metadata": { "consumer": "projects/123456789", "service": "aiplatform.googleapis.com", "name": "projects/p-1/x" },
            }, { "@type": "type.googleapis.com/evil.Canary-7" }],
        });
        assert_eq!(
            told(&json!({ "error": error })),
            json!({
                "failed_generation": "[removed] at [removed]",
                "metadata": {
                    "provider_name": "Acme",
                    "raw": "[removed] at [removed] with [removed]",
                    "list": [{ "text": "[removed]" }],
                },
                "details": [{
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "domain": "[removed]",
                    "metadata": { "service": "[removed]", "name": "[removed]" },
                }, { "@type": "[removed].[removed]" }],
            })
        );
    }

    #[test]
    fn of_another_envelope_or_too_much_nothing_is_told() {
        for body in [
            json!({ "error": "m", "metadata": { "a": 1 } }),
            json!({ "object": "error", "details": [1] }),
            json!({ "error": { "failed_generation": "a".repeat(BYTES_MAX) } }),
            json!("error"),
        ] {
            assert_eq!(told(&body), json!({}));
        }
        assert!(further_of(b"<html>").is_none());
    }
}
