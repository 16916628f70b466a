//! What we charge for hand-written usages, against the bill as each provider makes it out.
//!
//! The bills are computed in another way than ours: a whole at the full price, then what is given or taken for its parts, with prices
//! copied here by hand, those of a long prompt where it is one.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::{catalog, money::Nano, pricing};
use serde_json::Value;

/// Pico-USD a token; zero where it does not occur.
#[derive(Clone, Copy, Default)]
struct Price {
    input: i128,
    output: i128,
    read: i128,
    write: i128,
    long: i128,
    sound_in: i128,
    sound_out: i128,
    sound_read: i128,
}

const fn price(input: i128, output: i128, read: i128) -> Price {
    Price {
        input,
        output,
        read,
        write: 0,
        long: 0,
        sound_in: 0,
        sound_out: 0,
        sound_read: 0,
    }
}

const fn writing(input: i128, output: i128, read: i128, write: i128, long: i128) -> Price {
    Price {
        write,
        long,
        ..price(input, output, read)
    }
}

/// The number at `path`, zero where there is none.
fn at(usage: &Value, path: &str) -> i128 {
    usage.pointer(path).and_then(Value::as_u64).unwrap_or(0).into()
}

/// The whole prompt and answer, less for what was read from a cache, more for what was written to one, for sound in and out.
fn openai(names: [&str; 2], price: Price, usage: &Value) -> i128 {
    let [prompt, answer] = names;
    let detail = |of: &str, name: &str| at(usage, &format!("/{of}_tokens_details/{name}"));
    let twelve_hours = detail(prompt, "cache_write_tokens_details/ttl_12h_tokens");
    at(usage, &format!("/{prompt}_tokens")) * price.input - detail(prompt, "cached_tokens") * (price.input - price.read)
        + detail(prompt, "cache_write_tokens") * (price.write - price.input)
        + twelve_hours * (price.long - price.write)
        + detail(prompt, "audio_tokens") * (price.sound_in - price.input)
        + at(usage, &format!("/{answer}_tokens")) * price.output
        + detail(answer, "audio_tokens") * (price.sound_out - price.output)
}

/// A chat's bill.
fn chat_bill(price: Price, usage: &Value) -> i128 {
    openai(["prompt", "completion"], price, usage)
}

/// A response's bill.
fn responses_bill(price: Price, usage: &Value) -> i128 {
    openai(["input", "output"], price, usage)
}

/// As a chat, and reasoning on top.
fn xai_bill(price: Price, usage: &Value) -> i128 {
    chat_bill(price, usage) + at(usage, "/completion_tokens_details/reasoning_tokens") * price.output
}

/// Hits and misses are told apart.
fn deepseek_bill(price: Price, usage: &Value) -> i128 {
    at(usage, "/prompt_cache_hit_tokens") * price.read
        + at(usage, "/prompt_cache_miss_tokens") * price.input
        + at(usage, "/completion_tokens") * price.output
}

/// Counters that do not overlap; all that is written at the price of five minutes, and the hour's surcharge.
fn anthropic_bill(price: Price, usage: &Value) -> i128 {
    at(usage, "/input_tokens") * price.input
        + at(usage, "/cache_read_input_tokens") * price.read
        + at(usage, "/cache_creation_input_tokens") * price.write
        + at(usage, "/cache_creation/ephemeral_1h_input_tokens") * (price.long - price.write)
        + at(usage, "/output_tokens") * price.output
}

/// As Anthropic, by Bedrock's names; the hour is the second of the details.
fn converse_bill(price: Price, usage: &Value) -> i128 {
    at(usage, "/inputTokens") * price.input
        + at(usage, "/cacheReadInputTokens") * price.read
        + at(usage, "/cacheWriteInputTokens") * price.write
        + at(usage, "/cacheDetails/1/inputTokens") * (price.long - price.write)
        + at(usage, "/outputTokens") * price.output
}

/// The total is all there is: what is not prompt was produced. Sound is the first of the details.
fn google_bill(price: Price, usage: &Value) -> i128 {
    let prompt = at(usage, "/promptTokenCount") + at(usage, "/toolUsePromptTokenCount");
    let (sound, sound_read) = (
        at(usage, "/promptTokensDetails/0/tokenCount"),
        at(usage, "/cacheTokensDetails/0/tokenCount"),
    );
    let text_read = at(usage, "/cachedContentTokenCount") - sound_read;
    (prompt - sound - text_read) * price.input
        + text_read * price.read
        + sound_read * price.sound_read
        + (sound - sound_read) * price.sound_in
        + (at(usage, "/totalTokenCount") - prompt) * price.output
}

fn read_chat(usage: &RawValue) -> Option<Usage> {
    chat::read(usage, false)
}

fn read_xai(usage: &RawValue) -> Option<Usage> {
    chat::read(usage, true)
}

fn read_messages(usage: &RawValue) -> Option<Usage> {
    let mut counts = messages::Cumulative::default();
    counts.see(usage);
    counts.usage()
}

type Read = fn(&RawValue) -> Option<Usage>;
type Bill = fn(Price, &Value) -> i128;

/// Each usage of `rows`, with the price that holds for it, costs what `bill` says.
fn check(model: &str, read: Read, bill: Bill, rows: &[(Price, &str)]) {
    let spec = catalog::builtin()
        .unwrap()
        .into_iter()
        .find(|spec| spec.id == model)
        .unwrap();
    let sheet = spec.sheet.unwrap();
    for (price, usage) in rows {
        let counted = read(serde_json::from_str(usage).unwrap()).unwrap();
        let pico = bill(*price, &serde_json::from_str(usage).unwrap());
        let nano = i64::try_from(pico).map(|pico| Nano(pico / 1_000 + i64::from(pico % 1_000 > 0)));
        assert_eq!(pricing::charge(&sheet, &counted), nano.ok(), "{model}: {usage}");
        assert!(pico > 0, "{model}: {usage}");
    }
}

#[test]
fn openai_in_chat() {
    let mini = price(150_000, 600_000, 75_000);
    let rows = [
        (mini, r#"{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29}"#),
        (
            mini,
            r#"{"prompt_tokens":2006,"completion_tokens":301,"prompt_tokens_details":{"cached_tokens":1920}}"#,
        ),
    ];
    check("gpt-4o-mini", read_chat, chat_bill, &rows);
    let (short, long) = (
        price(2_500_000, 15_000_000, 250_000),
        price(5_000_000, 22_500_000, 500_000),
    );
    let rows = [
        (
            short,
            r#"{"prompt_tokens":272000,"completion_tokens":1184,"prompt_tokens_details":{"cached_tokens":200001},"completion_tokens_details":{"reasoning_tokens":1024}}"#,
        ),
        (
            long,
            r#"{"prompt_tokens":272001,"completion_tokens":1184,"prompt_tokens_details":{"cached_tokens":200001}}"#,
        ),
    ];
    check("gpt-5.4", read_chat, chat_bill, &rows);
    let written = writing(2_000_000, 10_000_000, 100_000, 2_500_000, 5_000_000);
    let rows = [
        (
            written,
            r#"{"prompt_tokens":5000,"completion_tokens":77,"prompt_tokens_details":{"cached_tokens":1024,"cache_write_tokens":3840}}"#,
        ),
        (
            writing(4_000_000, 15_000_000, 200_000, 5_000_000, 10_000_000),
            r#"{"prompt_tokens":300000,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":100000,"cache_write_tokens":199999}}"#,
        ),
    ];
    check("gpt-6.1-sol", read_chat, chat_bill, &rows);
    let sound = Price {
        sound_in: 32_000_000,
        sound_out: 64_000_000,
        ..price(2_500_000, 10_000_000, 2_500_000)
    };
    let rows = [
        (
            sound,
            r#"{"prompt_tokens":340,"completion_tokens":210,"prompt_tokens_details":{"audio_tokens":300,"text_tokens":40},"completion_tokens_details":{"audio_tokens":160,"text_tokens":50}}"#,
        ),
        (
            sound,
            r#"{"prompt_tokens":40,"completion_tokens":21,"prompt_tokens_details":{"audio_tokens":0}}"#,
        ),
    ];
    check("gpt-audio", read_chat, chat_bill, &rows);
}

#[test]
fn openai_in_responses() {
    let short = writing(10_000_000, 50_000_000, 1_000_000, 12_500_000, 25_000_000);
    let long = writing(20_000_000, 75_000_000, 2_000_000, 25_000_000, 50_000_000);
    let rows = [
        (
            short,
            r#"{"input_tokens":81,"output_tokens":1035,"output_tokens_details":{"reasoning_tokens":832},"total_tokens":1116}"#,
        ),
        (
            short,
            r#"{"input_tokens":9000,"input_tokens_details":{"cached_tokens":2000,"cache_write_tokens":6000,"cache_write_tokens_details":{"ttl_30m_tokens":3500,"ttl_12h_tokens":2500}},"output_tokens":3}"#,
        ),
        (
            short,
            r#"{"input_tokens":9000,"input_tokens_details":{"cached_tokens":0,"cache_write_tokens":8999},"output_tokens":3}"#,
        ),
        (
            long,
            r#"{"input_tokens":400000,"input_tokens_details":{"cached_tokens":272000,"cache_write_tokens":100000,"cache_write_tokens_details":{"ttl_12h_tokens":100000}},"output_tokens":900}"#,
        ),
    ];
    check("gpt-6-astra", responses::read, responses_bill, &rows);
}

#[test]
fn anthropic() {
    let rows = [
        (
            writing(10_000_000, 50_000_000, 250_000, 12_500_000, 20_000_000),
            r#"{"input_tokens":3,"cache_creation_input_tokens":2051,"cache_read_input_tokens":18133,"cache_creation":{"ephemeral_5m_input_tokens":2051,"ephemeral_1h_input_tokens":0},"output_tokens":431,"output_tokens_details":{"thinking_tokens":120}}"#,
        ),
        (
            writing(10_000_000, 50_000_000, 250_000, 12_500_000, 20_000_000),
            r#"{"input_tokens":7,"cache_creation_input_tokens":900,"cache_creation":{"ephemeral_5m_input_tokens":300,"ephemeral_1h_input_tokens":600},"output_tokens":1}"#,
        ),
    ];
    check("claude-fable-5-1", read_messages, anthropic_bill, &rows);
    let (short, long) = (
        writing(100_000, 500_000, 10_000, 125_000, 200_000),
        writing(500_000, 2_500_000, 50_000, 625_000, 1_000_000),
    );
    let rows = [
        (short, r#"{"input_tokens":11,"output_tokens":13}"#),
        (
            short,
            r#"{"input_tokens":1,"cache_creation_input_tokens":49999,"cache_read_input_tokens":50000,"output_tokens":13}"#,
        ),
        (
            long,
            r#"{"input_tokens":2,"cache_creation_input_tokens":49999,"cache_read_input_tokens":50000,"cache_creation":{"ephemeral_1h_input_tokens":49999},"output_tokens":13}"#,
        ),
    ];
    check("claude-haiku-5-5", read_messages, anthropic_bill, &rows);
}

#[test]
fn bedrock() {
    let haiku = writing(1_000_000, 5_000_000, 100_000, 1_250_000, 2_000_000);
    let rows = [
        (haiku, r#"{"inputTokens":30,"outputTokens":628,"totalTokens":658}"#),
        (
            haiku,
            r#"{"inputTokens":30,"outputTokens":628,"cacheReadInputTokens":4096,"cacheWriteInputTokens":1500,"cacheDetails":[{"ttl":"5m","inputTokens":1000},{"ttl":"1h","inputTokens":500}]}"#,
        ),
    ];
    check("claude-haiku-4-5", converse::read, converse_bill, &rows);
}

#[test]
fn google() {
    let flash = Price {
        sound_in: 1_000_000,
        sound_read: 100_000,
        ..price(300_000, 2_500_000, 30_000)
    };
    let rows = [
        (
            flash,
            r#"{"promptTokenCount":8,"candidatesTokenCount":10,"thoughtsTokenCount":21,"totalTokenCount":39}"#,
        ),
        (
            flash,
            r#"{"promptTokenCount":8,"candidatesTokenCount":31,"thoughtsTokenCount":21,"totalTokenCount":39}"#,
        ),
        (
            flash,
            r#"{"promptTokenCount":1000,"toolUsePromptTokenCount":55,"candidatesTokenCount":10,"totalTokenCount":1065,"promptTokensDetails":[{"modality":"AUDIO","tokenCount":640},{"modality":"TEXT","tokenCount":360}]}"#,
        ),
        (
            flash,
            r#"{"promptTokenCount":1000,"cachedContentTokenCount":700,"candidatesTokenCount":10,"totalTokenCount":1010,"promptTokensDetails":[{"modality":"AUDIO","tokenCount":640},{"modality":"TEXT","tokenCount":360}],"cacheTokensDetails":[{"modality":"AUDIO","tokenCount":500},{"modality":"TEXT","tokenCount":200}]}"#,
        ),
        (
            flash,
            r#"{"promptTokenCount":8,"thoughtsTokenCount":21,"totalTokenCount":29}"#,
        ),
    ];
    check("gemini-2.5-flash", generate::read, google_bill, &rows);
    let rows = [
        (
            price(1_250_000, 10_000_000, 125_000),
            r#"{"promptTokenCount":200000,"cachedContentTokenCount":150001,"candidatesTokenCount":9,"totalTokenCount":200009}"#,
        ),
        (
            price(2_500_000, 15_000_000, 250_000),
            r#"{"promptTokenCount":200000,"toolUsePromptTokenCount":1,"cachedContentTokenCount":150001,"candidatesTokenCount":9,"totalTokenCount":200010}"#,
        ),
    ];
    check("gemini-2.5-pro", generate::read, google_bill, &rows);
}

#[test]
fn those_who_speak_chat_their_own_way() {
    let rows = [
        (
            price(2_000_000, 6_000_000, 500_000),
            r#"{"prompt_tokens":199999,"completion_tokens":9,"prompt_tokens_details":{"cached_tokens":128},"completion_tokens_details":{"reasoning_tokens":320}}"#,
        ),
        (
            price(4_000_000, 12_000_000, 1_000_000),
            r#"{"prompt_tokens":200000,"completion_tokens":9,"prompt_tokens_details":{"cached_tokens":128},"completion_tokens_details":{"reasoning_tokens":320}}"#,
        ),
    ];
    check("grok-4.7", read_xai, xai_bill, &rows);
    let rows = [(
        price(1_320_000, 3_960_000, 44_000),
        r#"{"prompt_tokens":1000,"completion_tokens":50,"prompt_cache_hit_tokens":896,"prompt_cache_miss_tokens":104,"completion_tokens_details":{"reasoning_tokens":45}}"#,
    )];
    check("deepseek-v4-pro", read_chat, deepseek_bill, &rows);
    let rows = [(
        price(75_000, 300_000, 37_500),
        r#"{"prompt_tokens":1001,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":513}}"#,
    )];
    check("openai/gpt-oss-20b", read_chat, chat_bill, &rows);
    let rows = [(
        price(500_000, 1_500_000, 50_000),
        r#"{"prompt_tokens":77,"completion_tokens":5,"total_tokens":82}"#,
    )];
    check("mistral-large-2512", read_chat, chat_bill, &rows);
    let rows = [(price(20_000, 0, 0), r#"{"prompt_tokens":8,"total_tokens":8}"#)];
    check("text-embedding-3-small", chat::read_embeddings, chat_bill, &rows);
}
