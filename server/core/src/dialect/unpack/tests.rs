//! Packed blobs within requests of four dialects: opened for their own account, gone for any other, and the rest byte for byte.

#![allow(clippy::unwrap_used)]
use super::super::exchange::pack;
use super::*;

const ORIGIN: u64 = 7;

/// `template` with `OWN` and `OTHER` packed as clients of `dialect` keep them.
fn filled(template: &str, dialect: Dialect) -> String {
    let seal = |origin: Origin, blob: &str| {
        let packed = pack(origin, blob);
        if dialect == Dialect::Generate {
            opaque::seal(&packed)
        } else {
            packed
        }
    };
    let own = Origin {
        dialect,
        account: ORIGIN,
    };
    let other = Origin {
        dialect: Dialect::Converse,
        ..own
    };
    let blob = if dialect == Dialect::Chat {
        r#"[{\"a\":1.0},{\"b\":2}]"#
    } else {
        "c2VjcmV0"
    };
    template
        .replace("OWN", &seal(own, blob))
        .replace("OTHER", &seal(other, "c2VjcmV0"))
}

#[test]
fn a_request_keeps_every_byte_but_what_was_packed() {
    for (dialect, template, expected) in [
        (
            Dialect::Messages,
            r#"{ "messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":[ {"type":"thinking","thinking":"a","signature":"OTHER"}, {"type":"redacted_thinking","data":"OWN"},{"type":"thinking","thinking":"b","signature":"native"},{"type":"server_tool_use","id":"s","name":"web_search","input":{"x":1.0}},{"type":"thinking","thinking":"c","signature":"OWN"}]},{"role":"assistant","content":[{"type":"redacted_thinking","data":"OTHER"}]}], "context_management":{"edits":[]}}"#,
            r#"{ "messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":[  {"type":"redacted_thinking","data":"c2VjcmV0"},{"type":"thinking","thinking":"b","signature":"native"},{"type":"server_tool_use","id":"s","name":"web_search","input":{"x":1.0}},{"type":"thinking","thinking":"c","signature":"c2VjcmV0"}]}], "context_management":{"edits":[]}}"#,
        ),
        (
            Dialect::Responses,
            r#"{"input":[{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"redacted.OTHER"},{"type":"reasoning","id":"rs_2","summary":[],"encrypted_content":"gAAA"},{"type":"reasoning","id":"rs_3","summary":[],"encrypted_content":"redacted.OWN"},{"type":"reasoning","id":"rs_4","summary":[],"encrypted_content":"OTHER"}],"tools":[{"type":"web_search"}]}"#,
            r#"{"input":[{"type":"reasoning","id":"rs_2","summary":[],"encrypted_content":"gAAA"},{"type":"reasoning","id":"rs_3","summary":[],"encrypted_content":"c2VjcmV0"}],"tools":[{"type":"web_search"}]}"#,
        ),
        (
            Dialect::Generate,
            r#"{"contents":[{"role":"model","parts":[{"text":"a","thought":true,"thoughtSignature":"OTHER"},{"text":"b","thoughtSignature":"OTHER"},{"functionCall":{"name":"f"},"thoughtSignature":"OTHER"},{"functionCall":{"name":"g"},"thought_signature":"OWN"},{"text":"","thoughtSignature":"OTHER"}]},{"role":"model","parts":[{"text":"","thoughtSignature":"OTHER"}]}],"labels":{"a":"b"}}"#,
            r#"{"contents":[{"role":"model","parts":[{"text":"b"},{"functionCall":{"name":"f"},"thoughtSignature":"skip_thought_signature_validator"},{"functionCall":{"name":"g"},"thought_signature":"c2VjcmV0"}]}],"labels":{"a":"b"}}"#,
        ),
        (
            Dialect::Chat,
            r#"{"messages":[{"role":"assistant","content":"a","reasoning_details":[{"data":"OTHER","index":0}]},{"role":"assistant","reasoning_details":[{"signature":"OTHER"},{"data":"OWN"},{"data":"native"}],"content":"b"}],"plugins":[1.0]}"#,
            r#"{"messages":[{"role":"assistant","content":"a"},{"role":"assistant","reasoning_details":[{"a":1.0},{"b":2},{"data":"native"}],"content":"b"}],"plugins":[1.0]}"#,
        ),
    ] {
        let origin = Origin {
            dialect,
            account: ORIGIN,
        };
        let (body, notes) = opened_in_place(filled(template, dialect).as_bytes(), origin, Natives::Kept).unwrap();
        assert_eq!(String::from_utf8(body).unwrap(), expected, "{dialect:?}");
        assert_eq!(
            notes,
            ["dropped signatures of earlier thoughts: another account made them"]
        );
    }
}

#[test]
fn a_conversation_of_which_nothing_is_left_is_an_empty_one() {
    let body = filled(
        r#"{"input":[{"type":"reasoning","encrypted_content":"OTHER"}],"model":"m"}"#,
        Dialect::Responses,
    );
    let origin = Origin {
        dialect: Dialect::Responses,
        account: ORIGIN,
    };
    let (body, _) = opened_in_place(body.as_bytes(), origin, Natives::Kept).unwrap();
    assert_eq!(body, br#"{"input":[],"model":"m"}"#);
}

#[test]
fn a_request_that_only_mentions_a_mark_stays_as_it_is() {
    for body in [
        r#"{"messages":[{"role":"user","content":"oh1.chat.07.x"}]}"#,
        r#"{"messages":[{"role":"user","content":[{"type":"text","text":"b2gxLm"}]}]}"#,
        r#"{"messages":"oh1."}"#,
        r#"{"messages":[{"content":[{"type":"thinking","signature":"oh1.x"},"oh1.",null]}]}"#,
        r#"["oh1."]"#,
        r#"{"a":"oh1."#,
        "",
    ] {
        for dialect in [Dialect::Chat, Dialect::Responses, Dialect::Messages, Dialect::Generate] {
            let origin = Origin {
                dialect,
                account: ORIGIN,
            };
            assert_eq!(opened_in_place(body.as_bytes(), origin, Natives::Kept), None, "{body}");
        }
    }
}

#[test]
fn what_was_never_packed_goes_too_where_another_account_made_it() {
    for (dialect, body, expected) in [
        (
            Dialect::Messages,
            r#"{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":[{"type":"thinking","thinking":"a","signature":"EqR"},{"type":"text","text":"b"}, {"type":"redacted_thinking","data":"EmF"}]}],"max_tokens":9}"#,
            r#"{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":[{"type":"text","text":"b"}]}],"max_tokens":9}"#,
        ),
        (
            Dialect::Responses,
            r#"{"input":[{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"gAAA"},{"type":"reasoning","id":"rs_2","summary":[],"encrypted_content":null},{"role":"user","content":"Hi"}]}"#,
            r#"{"input":[{"type":"reasoning","id":"rs_2","summary":[],"encrypted_content":null},{"role":"user","content":"Hi"}]}"#,
        ),
        (
            Dialect::Generate,
            r#"{"contents":[{"parts":[{"functionCall":{"name":"f"},"thoughtSignature":"Cg=="},{"functionCall":{"name":"g"},"thoughtSignature":"skip_thought_signature_validator"},{"text":"a","thoughtSignature":"Cg=="}]}]}"#,
            r#"{"contents":[{"parts":[{"functionCall":{"name":"f"},"thoughtSignature":"skip_thought_signature_validator"},{"functionCall":{"name":"g"},"thoughtSignature":"skip_thought_signature_validator"},{"text":"a"}]}]}"#,
        ),
        (
            Dialect::Chat,
            r#"{"messages":[{"role":"assistant","content":"a","reasoning_details":[{"type":"reasoning.text","text":"x","signature":null},{"type":"reasoning.encrypted","data":"gAAA"}]}]}"#,
            r#"{"messages":[{"role":"assistant","content":"a","reasoning_details":[{"type":"reasoning.text","text":"x","signature":null}]}]}"#,
        ),
    ] {
        let origin = Origin {
            dialect,
            account: ORIGIN,
        };
        let (cut, notes) = opened_in_place(body.as_bytes(), origin, Natives::Cut).unwrap();
        assert_eq!(String::from_utf8(cut).unwrap(), expected, "{dialect:?}");
        assert_eq!(notes.len(), 1);
        assert_eq!(opened_in_place(body.as_bytes(), origin, Natives::Kept), None);
        assert_eq!(opened_in_place(expected.as_bytes(), origin, Natives::Cut), None);
    }
}

#[test]
fn a_refusal_of_foreign_thoughts_is_told_from_others() {
    let error = |code: Option<&str>, message: &str| UpstreamError {
        code: code.map(str::to_owned),
        message: message.to_owned(),
        ..UpstreamError::default()
    };
    for (code, message) in [
        (Some("invalid_encrypted_content"), "The content could not be read."),
        (None, "messages.1.content.0: Invalid `signature` in `thinking` block"),
        (
            None,
            "The `thinking` or `redacted_thinking` blocks in the latest turn cannot be modified.",
        ),
        (None, "Corrupted thought signature."),
        (
            None,
            "Encrypted content organization_id did not match the target organization.",
        ),
    ] {
        assert!(is_of_foreign_thoughts(&error(code, message)), "{message}");
    }
    for message in [
        "Function call is missing a thought_signature.",
        "Invalid signature of the webhook",
        "`thinking` must come before `tool_use`",
        "Invalid value for max_tokens",
    ] {
        assert!(!is_of_foreign_thoughts(&error(None, message)), "{message}");
    }
}
