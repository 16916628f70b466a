//! What upstreams write into a usage, and what it counts as.

#![allow(clippy::unwrap_used)]

use super::*;

fn raw(json: &str) -> &RawValue {
    serde_json::from_str(json).unwrap()
}

fn chat(json: &str) -> Option<Usage> {
    chat::read(raw(json), false)
}

fn messages(parts: &[&str]) -> Option<Usage> {
    let mut counts = messages::Cumulative::default();
    for part in parts {
        counts.see(raw(part));
    }
    counts.usage()
}

/// `usage` as counts by name, those that are zero left out.
fn check(found: Option<Usage>, expected: &str) {
    let found = found.map(|usage| {
        let mut counts: Vec<String> = crate::usage::Kind::all()
            .filter(|kind| usage.count(*kind) > 0)
            .map(|kind| format!("{} {}", kind.as_str(), usage.count(kind)))
            .collect();
        if usage.reasoning > 0 {
            counts.push(format!("reasoning {}", usage.reasoning));
        }
        counts.join(", ")
    });
    assert_eq!(found.as_deref(), Some(expected));
}

#[test]
fn counts_that_are_no_counts_give_no_usage() {
    for json in [
        "{}",
        "[]",
        "7",
        "null",
        r#"{"prompt_tokens":5}"#,
        r#"{"completion_tokens":5}"#,
        r#"{"prompt_tokens":-5,"completion_tokens":1}"#,
        r#"{"prompt_tokens":5,"completion_tokens":-1}"#,
        r#"{"prompt_tokens":5.5,"completion_tokens":1}"#,
        r#"{"prompt_tokens":5e3,"completion_tokens":1}"#,
        r#"{"prompt_tokens":"5","completion_tokens":1}"#,
        r#"{"prompt_tokens":18446744073709551616,"completion_tokens":1}"#,
        r#"{"prompt_tokens":5,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":-1}}"#,
        r#"{"prompt_tokens":5,"completion_tokens":1,"completion_tokens_details":{"audio_tokens":0.5}}"#,
        r#"{"prompt_tokens":9,"total_tokens":5}"#,
    ] {
        assert_eq!(chat(json), None, "{json}");
        let in_responses = json.replace("prompt", "input").replace("completion", "output");
        assert_eq!(responses::read(raw(&in_responses)), None, "{in_responses}");
    }
    for json in [
        "{}",
        "7",
        r#"{"input_tokens":5}"#,
        r#"{"output_tokens":5}"#,
        r#"{"input_tokens":-5,"output_tokens":1}"#,
        r#"{"input_tokens":5,"output_tokens":1.5}"#,
        r#"{"input_tokens":5,"output_tokens":1,"cache_creation":{"ephemeral_1h_input_tokens":-1}}"#,
        r#"{"input_tokens":18446744073709551615,"output_tokens":1,"cache_read_input_tokens":1}"#,
    ] {
        assert_eq!(messages(&[json]), None, "{json}");
    }
    for json in [
        "{}",
        r#"{"promptTokenCount":5}"#,
        r#"{"candidatesTokenCount":5,"totalTokenCount":5}"#,
        r#"{"promptTokenCount":-1,"totalTokenCount":5}"#,
        r#"{"promptTokenCount":9,"totalTokenCount":5}"#,
        r#"{"promptTokenCount":1,"candidatesTokenCount":1,"promptTokensDetails":[{"modality":"AUDIO","tokenCount":-1}]}"#,
        r#"{"promptTokenCount":18446744073709551615,"toolUsePromptTokenCount":1,"candidatesTokenCount":1}"#,
    ] {
        assert_eq!(generate::read(raw(json)), None, "{json}");
    }
    for json in [
        "{}",
        r#"{"inputTokens":5}"#,
        r#"{"outputTokens":5}"#,
        r#"{"inputTokens":5,"outputTokens":-1}"#,
        r#"{"inputTokens":5,"outputTokens":1,"cacheDetails":[{"ttl":"1h","inputTokens":1.5}]}"#,
        r#"{"inputTokens":18446744073709551615,"outputTokens":1,"cacheWriteInputTokens":1}"#,
    ] {
        assert_eq!(converse::read(raw(json)), None, "{json}");
    }
}

#[test]
fn counts_of_any_size_are_disjoint() {
    let found = chat(
        r#"{"prompt_tokens":18446744073709551615,"completion_tokens":18446744073709551615,
            "prompt_tokens_details":{"cached_tokens":18446744073709551615,"cache_write_tokens":18446744073709551615},
            "completion_tokens_details":{"reasoning_tokens":18446744073709551615}}"#,
    );
    let expected = Usage {
        cache_read: u64::MAX,
        output: u64::MAX,
        reasoning: u64::MAX,
        ..Usage::default()
    };
    assert_eq!(found, Some(expected));
}

#[test]
fn reasoning_outside_of_the_completion_is_added() {
    let json = raw(r#"{"prompt_tokens":10,"completion_tokens":3,"completion_tokens_details":{"reasoning_tokens":40}}"#);
    check(chat::read(json, true), "input 10, output 43, reasoning 40");
    check(chat::read(json, false), "input 10, output 3, reasoning 3");
    let huge = r#"{"prompt_tokens":1,"completion_tokens":2,"completion_tokens_details":{"reasoning_tokens":18446744073709551615}}"#;
    assert_eq!(chat::read(raw(huge), true), None);
}

#[test]
fn sound_and_images_of_a_chat_are_parts_of_what_is_sent_and_produced() {
    check(
        chat(
            r#"{"prompt_tokens":100,"completion_tokens":50,"prompt_tokens_details":{"audio_tokens":60,"image_tokens":10,
                "cached_tokens":20},"completion_tokens_details":{"audio_tokens":30,"image_tokens":5,"reasoning_tokens":9}}"#,
        ),
        "input 10, cache_read 20, audio_input 60, image_input 10, output 15, audio_output 30, image_output 5, reasoning 9",
    );
    // What is cached is sound only as far as there is no room for it elsewhere, or as far as it is told.
    check(
        chat(
            r#"{"prompt_tokens":100,"completion_tokens":1,"prompt_tokens_details":{"audio_tokens":90,"cached_tokens":40}}"#,
        ),
        "cache_read 10, cache_read_audio 30, audio_input 60, output 1",
    );
    check(
        chat(
            r#"{"prompt_tokens":100,"completion_tokens":1,"prompt_tokens_details":{"audio_tokens":50,"cached_tokens":40,
                "cached_tokens_details":{"audio_tokens":25,"text_tokens":15}}}"#,
        ),
        "input 35, cache_read 15, cache_read_audio 25, audio_input 25, output 1",
    );
    check(
        chat(
            r#"{"prompt_tokens":10,"completion_tokens":4,"prompt_tokens_details":{"image_tokens":900},"completion_tokens_details":{"audio_tokens":9}}"#,
        ),
        "image_input 10, audio_output 4",
    );
}

#[test]
fn embeddings_count_what_was_sent() {
    check(chat::read_embeddings(raw(r#"{"total_tokens":8}"#)), "input 8");
    check(
        chat::read_embeddings(raw(
            r#"{"prompt_tokens":8,"total_tokens":8,"prompt_tokens_details":{"image_tokens":5}}"#,
        )),
        "input 3, image_input 5",
    );
    assert_eq!(chat::read_embeddings(raw("{}")), None);
}

#[test]
fn responses_tell_what_is_written_by_time_to_live() {
    let of = |details: &str| {
        let json = format!(r#"{{"input_tokens":100,"output_tokens":7,"input_tokens_details":{details}}}"#);
        responses::read(raw(&json))
    };
    check(
        of(
            r#"{"cached_tokens":10,"cache_write_tokens":60,"cache_write_tokens_details":{"ttl_30m_tokens":20,"ttl_12h_tokens":40}}"#,
        ),
        "input 30, cache_read 10, cache_write 20, cache_write_long 40, output 7",
    );
    check(of(r#"{"cache_write_tokens":60}"#), "input 40, cache_write 60, output 7");
    check(
        of(r#"{"cache_write_tokens_details":{"ttl_12h_tokens":40}}"#),
        "input 60, cache_write_long 40, output 7",
    );
    check(of("null"), "input 100, output 7");
    check(
        responses::read(raw(
            r#"{"input_tokens":4,"total_tokens":9,"output_tokens_details":{"reasoning_tokens":2}}"#,
        )),
        "input 4, output 5, reasoning 2",
    );
}

#[test]
fn messages_count_the_cache_apart_and_a_stream_adds_up() {
    let start = r#"{"input_tokens":10,"cache_read_input_tokens":200,"cache_creation_input_tokens":70,
        "cache_creation":{"ephemeral_5m_input_tokens":30,"ephemeral_1h_input_tokens":40},"output_tokens":1,"service_tier":"standard"}"#;
    let delta = r#"{"output_tokens":25,"output_tokens_details":{"thinking_tokens":5}}"#;
    let expected = "input 10, cache_read 200, cache_write 30, cache_write_long 40, output 25, reasoning 5";
    check(messages(&[start, delta]), expected);
    check(
        messages(&[start, r#"{"input_tokens":null,"output_tokens":9}"#, delta]),
        expected,
    );
    // Some services know the prompt at the end only.
    check(
        messages(&[
            r#"{"input_tokens":0,"output_tokens":0}"#,
            r#"{"input_tokens":10,"cache_creation_input_tokens":3,"output_tokens":25,"iterations":[{"input_tokens":9000,"output_tokens":9}]}"#,
        ]),
        "input 10, cache_write 3, output 25",
    );
    assert_eq!(messages(&[start, r#"{"output_tokens":-1}"#, delta]), None);
    assert_eq!(messages(&[]), None);
}

#[test]
fn generate_adds_thoughts_unless_the_total_has_them_among_the_candidates() {
    for (json, expected) in [
        (
            r#"{"promptTokenCount":10,"candidatesTokenCount":20,"thoughtsTokenCount":5,"totalTokenCount":35}"#,
            "input 10, output 25, reasoning 5",
        ),
        (
            r#"{"promptTokenCount":10,"candidatesTokenCount":20,"thoughtsTokenCount":5,"totalTokenCount":30}"#,
            "input 10, output 20, reasoning 5",
        ),
        (
            r#"{"promptTokenCount":10,"candidatesTokenCount":20,"thoughtsTokenCount":5,"toolUsePromptTokenCount":7,"totalTokenCount":42}"#,
            "input 17, output 25, reasoning 5",
        ),
        (
            r#"{"promptTokenCount":10,"candidatesTokenCount":20,"thoughtsTokenCount":5,"toolUsePromptTokenCount":7,"totalTokenCount":37}"#,
            "input 17, output 20, reasoning 5",
        ),
        (
            r#"{"promptTokenCount":10,"candidatesTokenCount":20,"cachedContentTokenCount":4}"#,
            "input 6, cache_read 4, output 20",
        ),
        // Cut short while thinking: nothing else was produced.
        (
            r#"{"promptTokenCount":10,"thoughtsTokenCount":5,"totalTokenCount":15}"#,
            "input 10, output 5, reasoning 5",
        ),
        (r#"{"promptTokenCount":10,"totalTokenCount":10}"#, "input 10"),
    ] {
        check(generate::read(raw(json)), expected);
    }
}

#[test]
fn generate_tells_modalities() {
    check(
        generate::read(raw(
            r#"{"promptTokenCount":100,"candidatesTokenCount":50,"totalTokenCount":150,"cachedContentTokenCount":30,
                "promptTokensDetails":[{"modality":"TEXT","tokenCount":20},{"modality":"AUDIO","tokenCount":60},{"modality":"IMAGE","tokenCount":20}],
                "cacheTokensDetails":[{"modality":"AUDIO","tokenCount":25},{"modality":"IMAGE","tokenCount":5}],
                "candidatesTokensDetails":[{"modality":"AUDIO","tokenCount":40},{"modality":"IMAGE"},{"modality":"TEXT","tokenCount":10}]}"#,
        )),
        "input 20, cache_read 5, cache_read_audio 25, audio_input 35, image_input 15, output 10, audio_output 40",
    );
    check(
        generate::read(raw(
            r#"{"promptTokenCount":100,"candidatesTokenCount":5,"cachedContentTokenCount":30,"promptTokensDetails":[{"modality":"AUDIO","tokenCount":90},7]}"#,
        )),
        "cache_read 10, cache_read_audio 20, audio_input 70, output 5",
    );
}

#[test]
fn converse_counts_the_cache_apart() {
    check(
        converse::read(raw(
            r#"{"inputTokens":10,"outputTokens":5,"totalTokens":95,"cacheReadInputTokens":20,"cacheWriteInputTokens":60,
                "cacheDetails":[{"ttl":"5m","inputTokens":25},{"ttl":"1h","inputTokens":35}]}"#,
        )),
        "input 10, cache_read 20, cache_write 25, cache_write_long 35, output 5",
    );
    check(
        converse::read(raw(r#"{"inputTokens":10,"outputTokens":5,"cacheWriteInputTokens":60}"#)),
        "input 10, cache_write 60, output 5",
    );
}
