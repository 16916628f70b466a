//! The shipped catalogue is whole, and its names lead to one model each.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::pricing::Rates;
use crate::usage::{Kind, Usage};
use std::collections::HashSet;

fn model(id: &str) -> ModelSpec {
    builtin().unwrap().into_iter().find(|model| model.id == id).unwrap()
}

#[test]
fn every_name_is_known_once() {
    let mut names = HashSet::new();
    for model in builtin().unwrap() {
        for name in model.aliases.iter().chain([&model.id]) {
            assert!(names.insert(name.clone()), "{name}");
        }
    }
    assert!(names.len() > 150);
}

#[test]
fn every_price_is_whole_and_above_zero() {
    let mut priced = 0;
    for model in builtin().unwrap() {
        let scheduled = model.scheduled.iter().map(|(_, sheet)| sheet);
        for sheet in model.sheet.iter().chain(scheduled) {
            priced += 1;
            for rates in sheet.reachable(u64::MAX) {
                if model.mode == Mode::Moderation {
                    assert!(!rates.prices_tokens() && !rates.prices_units(), "{}", model.id);
                    continue;
                }
                let is_by_token = rates.prices_tokens();
                // A chat model's searches have a fee of their own, above zero wherever there is one.
                let is_chat = model.mode == Mode::Chat;
                let search = rates.search.filter(|_| is_chat);
                assert!(search.is_none_or(|search| search > 0 && is_by_token), "{}", model.id);
                let others = Rates {
                    search: rates.search.filter(|_| !is_chat),
                    ..*rates
                };
                assert!(is_by_token != others.prices_units(), "{}", model.id);
                assert!(rates.input > 0 || !is_by_token, "{}", model.id);
                let has_output = !matches!(model.mode, Mode::Embedding | Mode::Rerank);
                assert!(rates.output > 0 || !has_output || !is_by_token, "{}", model.id);
                assert!(rates.of(Kind::CacheRead) <= rates.input, "{}", model.id);
                assert!(rates.dearest_prompt() >= rates.input, "{}", model.id);
            }
        }
    }
    assert!(priced > 150);
}

#[test]
fn known_prices() {
    for (id, input, output, cache_read) in [
        ("gpt-4o-mini", 150_000, 600_000, Some(75_000)),
        ("gpt-4o", 2_500_000, 10_000_000, Some(1_250_000)),
        ("gpt-5.4", 2_500_000, 15_000_000, Some(250_000)),
        ("claude-haiku-4-5", 1_000_000, 5_000_000, Some(100_000)),
        ("grok-4.7", 2_000_000, 6_000_000, Some(500_000)),
        ("text-embedding-3-small", 20_000, 0, None),
    ] {
        let base = model(id).sheet.unwrap().base;
        assert_eq!(
            (base.input, base.output, base.cache_read),
            (input, output, cache_read),
            "{id}"
        );
    }
}

#[test]
fn long_prompts_are_dearer_from_the_token_the_provider_says() {
    let over = model("gpt-5.4").sheet.unwrap();
    assert_eq!(over.rates_for(272_000).input, 2_500_000);
    assert_eq!(over.rates_for(272_001).input, 5_000_000);
    let from = model("grok-4.5").sheet.unwrap();
    assert_eq!(from.rates_for(199_999).input, 2_000_000);
    assert_eq!(from.rates_for(200_000).input, 4_000_000);
}

#[test]
fn a_search_costs_the_same_however_long_the_prompt() {
    for model in builtin().unwrap().iter().filter(|model| model.mode == Mode::Chat) {
        let scheduled = model.scheduled.iter().map(|(_, sheet)| sheet);
        for sheet in model.sheet.iter().chain(scheduled) {
            let fee = sheet.base.search;
            assert!(
                sheet.reachable(u64::MAX).all(|rates| rates.search == fee),
                "{}",
                model.id
            );
            assert_eq!(sheet.prices_searches(), fee.is_some(), "{}", model.id);
        }
    }
    for (id, fee) in [
        ("claude-opus-5", Some(10_000_000_000)),
        ("gpt-5.5", Some(10_000_000_000)),
        ("gpt-4.1", Some(25_000_000_000)),
        ("gemini-2.5-pro", Some(35_000_000_000)),
        ("gemini-3.1-pro-preview", Some(14_000_000_000)),
        ("grok-4.5", None),
    ] {
        assert_eq!(model(id).sheet.unwrap().base.search, fee, "{id}");
    }
}

#[test]
fn rare_kinds_are_priced() {
    for (id, kind, rate) in [
        ("claude-haiku-4-5", Kind::CacheWrite, 1_250_000),
        ("claude-haiku-4-5", Kind::CacheWriteLong, 2_000_000),
        ("gpt-6-sol", Kind::CacheWriteLong, 5_000_000),
        ("gemini-2.5-flash", Kind::AudioInput, 1_000_000),
        ("gemini-2.5-flash", Kind::CacheReadAudio, 100_000),
        ("gemini-2.5-flash", Kind::ImageInput, 300_000),
        ("gpt-audio", Kind::AudioInput, 32_000_000),
        ("gpt-audio", Kind::AudioOutput, 64_000_000),
        ("gpt-audio", Kind::Output, 10_000_000),
        ("gpt-image-1.5", Kind::ImageInput, 8_000_000),
        ("gpt-image-1.5", Kind::ImageOutput, 32_000_000),
        ("gpt-4o-mini-tts", Kind::AudioOutput, 12_000_000),
        ("gpt-4o-transcribe", Kind::AudioInput, 2_500_000),
        ("tts-1", Kind::Characters, 15_000_000),
        ("whisper-1", Kind::Seconds, 100_000_000),
        ("rerank-v3.5", Kind::Searches, 2_000_000_000),
        ("rerank-v5.0-pro", Kind::Input, 50_000),
    ] {
        assert_eq!(model(id).sheet.unwrap().base.of(kind), rate, "{id}: {}", kind.as_str());
    }
}

#[test]
fn other_service_tiers_are_priced_where_the_provider_says_so() {
    for (id, tier, prompt, input, output) in [
        ("gpt-5.4", ServiceTier::Flex, 1_000, 1_250_000, 7_500_000),
        ("gpt-5.4", ServiceTier::Flex, 272_001, 2_500_000, 11_250_000),
        ("gpt-5.4", ServiceTier::Priority, 1_000, 5_000_000, 30_000_000),
        // Nobody tells of it: as much dearer than the standard price for long prompts as the price for short ones.
        ("gpt-5.4", ServiceTier::Priority, 272_001, 10_000_000, 45_000_000),
        ("gemini-2.5-pro", ServiceTier::Flex, 200_001, 1_250_000, 7_500_000),
        ("gemini-2.5-flash", ServiceTier::Priority, 1_000, 540_000, 4_500_000),
    ] {
        let usage = Usage {
            input: prompt,
            tier,
            ..Usage::default()
        };
        let sheet = model(id).sheet.unwrap();
        let rates = sheet.rates_of(&usage).unwrap();
        assert_eq!((rates.input, rates.output), (input, output), "{id} {tier:?} {prompt}");
    }
    let (mut flex, mut priority) = (0, 0);
    for model in builtin().unwrap() {
        let Some(sheet) = &model.sheet else { continue };
        if let Some(tariff) = sheet.tariff(ServiceTier::Flex) {
            flex += 1;
            assert!(tariff.base.input < sheet.base.input && tariff.base.output < sheet.base.output);
        }
        if let Some(tariff) = sheet.tariff(ServiceTier::Priority) {
            priority += 1;
            assert!(tariff.base.input > sheet.base.input && tariff.base.output > sheet.base.output);
        }
        for tariff in ServiceTier::OTHERS.iter().filter_map(|tier| sheet.tariff(*tier)) {
            let from =
                |tiers: &[crate::pricing::Tier]| tiers.iter().map(|tier| tier.min_prompt_tokens).collect::<Vec<_>>();
            assert_eq!(from(&tariff.tiers), from(&sheet.tiers), "{}", model.id);
        }
    }
    assert!(flex > 30 && priority > 30, "{flex} {priority}");
    let anthropic = model("claude-haiku-4-5").sheet.unwrap();
    assert!(ServiceTier::OTHERS.iter().all(|tier| anthropic.tariff(*tier).is_none()));
}

#[test]
fn an_uncertain_price_is_no_price() {
    for id in [
        "gemma-4-31b-it",
        "embed-multilingual-light-v3.0",
        "gpt-6.2-sol",
        "gpt-5-search-api",
        "gpt-4o-search-preview",
        "grok-imagine-image-2.0",
    ] {
        assert_eq!(model(id).sheet, None, "{id}");
    }
}

#[test]
fn an_announced_price_holds_from_its_day() {
    let argon = model("gemini-4-argon");
    let midnight = 1_796_083_200_000;
    assert_eq!(argon.sheet_at(midnight - 1).unwrap().base.input, 2_000_000);
    assert_eq!(argon.sheet_at(midnight).unwrap().base.input, 4_000_000);
}

#[test]
fn abilities_are_read() {
    assert!(model("gpt-4o").has(Capability::Vision));
    assert!(!model("gpt-4o").has(Capability::Reasoning));
    assert!(model("gpt-6.1-sol").is(Flag::ToolsNeedResponses));
    assert_eq!(model("gpt-5.5-pro").dialects, ["responses"]);
    assert_eq!(model("gpt-5").retires.as_deref(), Some("2026-12-11"));
}

#[test]
fn presets_can_be_appended_to() {
    for preset in presets() {
        assert!(!preset.base_url.ends_with('/'), "{}", preset.id);
        let is_known = preset.id != "custom" && preset.base_url_example.is_empty();
        assert_eq!(preset.base_url.is_empty(), !is_known, "{}", preset.id);
        assert!(!preset.dialects.is_empty() && !preset.auth.is_empty(), "{}", preset.id);
        assert_eq!(preset.id, preset.id.to_lowercase());
    }
    assert!(preset("xai").unwrap().reasoning_excluded);
    let makers = presets().iter().filter(|preset| preset.serves_own_only);
    let makers: Vec<_> = makers.map(|preset| preset.id).collect();
    assert_eq!(
        makers,
        ["openai", "anthropic", "gemini", "cohere", "mistral", "deepseek", "xai"]
    );
    let known = builtin().unwrap();
    for maker in makers {
        assert!(known.iter().any(|model| model.provider == maker), "{maker}");
    }
    assert!(!preset("ollama").unwrap().needs_key);
    assert_eq!(preset("nobody"), None);
}
