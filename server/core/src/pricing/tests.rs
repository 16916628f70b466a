//! What usage costs, to the last digit.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::usage::{ServiceTier, TierAsked};
use proptest::prelude::*;

fn flat(input: i64, output: i64) -> PriceSheet {
    let base = Rates {
        input,
        output,
        ..Rates::default()
    };
    PriceSheet::new(base, Vec::new()).unwrap()
}

fn long_context() -> PriceSheet {
    let base = Rates {
        input: 2_000_000,
        output: 10_000_000,
        cache_read: Some(200_000),
        ..Rates::default()
    };
    let long = Rates {
        input: 4_000_000,
        output: 15_000_000,
        cache_read: Some(400_000),
        ..Rates::default()
    };
    let tier = Tier {
        min_prompt_tokens: 200_001,
        rates: long,
    };
    PriceSheet::new(base, vec![tier]).unwrap()
}

#[test]
fn a_charge_sums_every_kind_at_its_own_rate() {
    let base = Rates {
        input: 3_000_000,
        output: 15_000_000,
        cache_read: Some(300_000),
        cache_read_audio: Some(400_000),
        cache_write: Some(3_750_000),
        cache_write_long: Some(6_000_000),
        audio_input: Some(8_000_000),
        image_input: Some(5_000_000),
        audio_output: Some(20_000_000),
        image_output: Some(30_000_000),
        ..Rates::default()
    };
    let sheet = PriceSheet::new(base, Vec::new()).unwrap();
    let usage = Usage {
        input: 100,
        cache_read: 1_000,
        cache_read_audio: 10,
        cache_write: 200,
        cache_write_long: 100,
        audio_input: 10,
        image_input: 20,
        output: 50,
        audio_output: 30,
        image_output: 40,
        reasoning: 30,
        ..Usage::default()
    };
    // In micro-dollars: 300 + 300 + 4 + 750 + 600 + 80 + 100, and 750 + 600 + 1,200.
    assert_eq!(charge(&sheet, &usage), Some(Nano(4_684_000)));
}

#[test]
fn cached_tokens_without_a_price_of_their_own_cost_as_input() {
    let usage = Usage {
        input: 1,
        cache_read: 2,
        cache_write: 4,
        ..Usage::default()
    };
    assert_eq!(charge(&flat(1_000, 0), &usage), Some(Nano(7)));
}

#[test]
fn a_kind_without_a_price_of_its_own_costs_as_its_provider_bills_it_or_more() {
    let plain = Rates {
        input: 100,
        output: 1_000,
        ..Rates::default()
    };
    let cached = Rates {
        cache_read: Some(10),
        cache_write: Some(125),
        ..plain
    };
    let heard = Rates {
        audio_input: Some(700),
        ..cached
    };
    for (rates, kind, expected) in [
        (plain, Kind::CacheRead, 100),
        (plain, Kind::CacheReadAudio, 100),
        (plain, Kind::CacheWrite, 100),
        (plain, Kind::CacheWriteLong, 100),
        (plain, Kind::AudioInput, 100),
        (plain, Kind::ImageInput, 100),
        (plain, Kind::AudioOutput, 1_000),
        (plain, Kind::ImageOutput, 1_000),
        (cached, Kind::CacheReadAudio, 10),
        (cached, Kind::CacheWriteLong, 250),
        (heard, Kind::CacheReadAudio, 700),
        (heard, Kind::ImageInput, 100),
    ] {
        assert_eq!(rates.of(kind), expected, "{kind:?} of {rates:?}");
    }
}

#[test]
fn the_only_rounding_is_up_and_at_the_end() {
    let usage = Usage {
        input: 1,
        output: 1,
        ..Usage::default()
    };
    assert_eq!(charge(&flat(600, 600), &usage), Some(Nano(2)));
    assert_eq!(charge(&flat(1, 0), &usage), Some(Nano(1)));
    assert_eq!(charge(&flat(0, 0), &usage), Some(Nano(0)));
}

#[test]
fn a_long_prompt_reprices_every_token_and_cached_ones_count_towards_it() {
    let short = Usage {
        input: 200_000,
        output: 1,
        ..Usage::default()
    };
    let long = Usage {
        input: 1,
        cache_read: 200_000,
        output: 1,
        ..Usage::default()
    };
    assert_eq!(charge(&long_context(), &short), Some(Nano(400_010_000)));
    assert_eq!(charge(&long_context(), &long), Some(Nano(80_019_000)));
}

#[test]
fn the_ceiling_takes_the_tier_that_the_upper_bound_reaches() {
    let bound = |input_bound| CeilingInput {
        input_bound,
        output_bound: 10,
        choices: 2,
    };
    assert_eq!(ceiling(&long_context(), &bound(200_000)), Some(Nano(400_200_000)));
    assert_eq!(ceiling(&long_context(), &bound(200_001)), Some(Nano(800_304_000)));
}

#[test]
fn the_ceiling_counts_with_the_dearest_kind_of_prompt_and_of_answer() {
    let base = Rates {
        input: 1_000,
        output: 1_000,
        cache_write_long: Some(2_000),
        image_output: Some(5_000),
        ..Rates::default()
    };
    let sheet = PriceSheet::new(base, Vec::new()).unwrap();
    let bound = CeilingInput {
        input_bound: 10,
        output_bound: 3,
        choices: 2,
    };
    assert_eq!(ceiling(&sheet, &bound), Some(Nano(50)));
    assert_eq!(output_that_fits(&sheet, 10, 2, Nano(50)), Some(3));
}

#[test]
fn units_cost_what_each_costs_and_are_no_tokens() {
    let sheet = PriceSheet::from_per_million("0", "0", None, None).unwrap();
    for (kind, usd, pico, shown) in [
        (Kind::Images, "0.04", 40_000_000_000, "0.04"),
        (Kind::Characters, "15", 15_000_000, "15.00"),
        (Kind::Seconds, "0.0001", 100_000_000, "0.0001"),
        (Kind::Searches, "0.002", 2_000_000_000, "0.002"),
    ] {
        let sheet = sheet.clone().with_unit(kind, usd).unwrap();
        assert_eq!(sheet.base.of(kind), pico, "{usd}");
        assert!(sheet.base.prices_units() && !sheet.base.prices_tokens());
        let mut usage = Usage {
            input: 1_000,
            ..Usage::default()
        };
        *usage.count_mut(kind) = 3;
        assert_eq!(charge(&sheet, &usage), Some(Nano((3 * pico + 999) / 1_000)), "{usd}");
        assert_eq!(charge(&sheet, &usage), ceiling_of_units(&sheet, &usage));
        assert_eq!(usage.total(), 1_000);
        let told = sheet.per_million();
        let told = [told.image, told.character, told.second, told.search];
        assert_eq!(told.into_iter().flatten().collect::<Vec<_>>(), [shown]);
    }
    assert_eq!(sheet.clone().with_unit(Kind::Images, "-1"), Err(PriceError::Negative));
    assert_eq!(
        sheet.clone().with_unit(Kind::Images, "0.0000000001"),
        Err(PriceError::TooPrecise)
    );
    assert_eq!(sheet.with_unit(Kind::Images, "9000000000"), Err(PriceError::TooDear));
    let tier = Tier {
        min_prompt_tokens: 10,
        rates: Rates {
            image: Some(9_000),
            ..Rates::default()
        },
    };
    let dearer = PriceSheet::new(Rates::default(), vec![tier]).unwrap();
    let one = Usage {
        images: 1,
        ..Usage::default()
    };
    assert_eq!(ceiling_of_units(&dearer, &one), Some(Nano(9)));
}

#[test]
fn what_the_ledger_cannot_hold_is_no_price() {
    let usage = Usage {
        input: u64::MAX,
        ..Usage::default()
    };
    assert_eq!(charge(&flat(i64::MAX, 0), &usage), None);
    let twice = Usage {
        input: u64::MAX,
        cache_read: 1,
        ..Usage::default()
    };
    assert_eq!(charge(&flat(0, 0), &twice), None);
    let bound = CeilingInput {
        input_bound: u64::MAX,
        output_bound: u64::MAX,
        choices: u64::MAX,
    };
    assert_eq!(ceiling(&flat(i64::MAX, i64::MAX), &bound), None);
    assert_eq!(ceiling(&flat(0, 0), &bound), Some(Nano(0)));
}

#[test]
fn clamping_finds_the_last_output_bound_that_fits() {
    let sheet = flat(1_000, 5_000);
    assert_eq!(output_that_fits(&sheet, 100, 1, Nano(100)), Some(0));
    assert_eq!(output_that_fits(&sheet, 100, 1, Nano(99)), None);
    assert_eq!(output_that_fits(&sheet, 100, 2, Nano(129)), Some(2));
    assert_eq!(output_that_fits(&flat(1_000, 0), 100, 1, Nano(100)), Some(u64::MAX));
    assert_eq!(output_that_fits(&sheet, 0, 1, Nano(-1)), None);
}

#[test]
fn a_markup_is_on_every_kind_and_in_what_is_shown_but_not_in_the_cost() {
    let sheet = PriceSheet::from_per_million("2", "8", None, None)
        .and_then(|sheet| sheet.with_unit(Kind::Images, "0.04"))
        .and_then(|sheet| sheet.with_unit(Kind::Characters, "15"))
        .and_then(|sheet| sheet.with_unit(Kind::Seconds, "0.0001"))
        .and_then(|sheet| sheet.with_unit(Kind::Searches, "0.002"))
        .unwrap();
    let dearer = sheet.marked_up(Markup::parse("12.5").unwrap());
    let usage = Usage {
        input: 1_000,
        output: 100,
        images: 1,
        characters: 10,
        seconds: 60,
        searches: 3,
        ..Usage::default()
    };
    // In nano-dollars: 2,000,000 + 800,000 + 40,000,000 + 150,000 + 6,000,000 + 6,000,000.
    let plain = Nano(54_950_000);
    assert_eq!(
        (charge(&sheet, &usage), cost(&dearer, &usage)),
        (Some(plain), Some(plain))
    );
    assert_eq!(charge(&dearer, &usage), Some(Nano(61_818_750)));
    let shown = dearer.per_million();
    assert_eq!((shown.input.as_str(), shown.image.as_deref()), ("2.25", Some("0.045")));
    let json = serde_json::to_string(&dearer).unwrap();
    assert_eq!(
        serde_json::from_str::<PriceSheet>(&json).unwrap(),
        sheet,
        "a row has no markup"
    );
}

#[test]
fn prices_are_read_and_written_exactly() {
    let sheet = PriceSheet::from_per_million("2.5", "10", Some("0.125"), None).unwrap();
    let expected = Rates {
        input: 2_500_000,
        output: 10_000_000,
        cache_read: Some(125_000),
        ..Rates::default()
    };
    assert_eq!(sheet.base, expected);
    let shown = sheet.per_million();
    assert_eq!((shown.input.as_str(), shown.output.as_str()), ("2.50", "10.00"));
    assert_eq!((shown.cache_read.as_deref(), shown.cache_write), (Some("0.125"), None));
    assert_eq!(per_million(1, Markup::NONE), "0.000001");

    let input = |text| PriceSheet::from_per_million(text, "0", None, None).map(|sheet| sheet.base.input);
    assert_eq!(input("0.000001"), Ok(1));
    assert_eq!(input("0.0000001"), Err(PriceError::TooPrecise));
    assert_eq!(input("0.00000000001"), Err(PriceError::TooPrecise));
    assert_eq!(input("-1"), Err(PriceError::Negative));
    assert!(matches!(input("1e3"), Err(PriceError::Amount(_))));
}

#[test]
fn a_stored_sheet_comes_back_the_same_and_bad_ones_do_not() {
    let json = serde_json::to_string(&long_context()).unwrap();
    assert_eq!(serde_json::from_str::<PriceSheet>(&json).unwrap(), long_context());
    let older = r#"{"base":{"input":1,"output":0,"cache_write_max":5}}"#;
    let older: PriceSheet = serde_json::from_str(older).unwrap();
    assert_eq!(older.base.cache_write_long, Some(5));
    for bad in [
        r#"{"base":{"input":-1,"output":0}}"#,
        r#"{"base":{"input":1,"output":0,"cache_write":-5}}"#,
        r#"{"base":{"input":1,"output":0,"image_output":-5}}"#,
        r#"{"base":{"input":1,"output":0,"cache_write_max":5,"cache_write_long":5}}"#,
        r#"{"base":{"input":1.5,"output":0}}"#,
        r#"{"base":{"input":1,"output":0,"cache_raed":1}}"#,
        r#"{"base":{"input":1,"output":0},"tiers":[{"min_prompt_tokens":0,"rates":{"input":1,"output":1}}]}"#,
        r#"{"base":{"input":1,"output":0},"tiers":[{"min_prompt_tokens":9,"rates":{"input":1,"output":-1}}]}"#,
    ] {
        assert!(serde_json::from_str::<PriceSheet>(bad).is_err(), "{bad}");
    }
}

/// A standard price, half of it in the flex tier, twice as much in the priority tier.
fn three_tiers() -> PriceSheet {
    let tariff = |factor: i64| Tariff {
        base: Rates {
            input: factor,
            output: 10 * factor,
            ..Rates::default()
        },
        tiers: Vec::new(),
    };
    let sheet = flat(2_000_000, 20_000_000).with_tariff(ServiceTier::Flex, tariff(1_000_000));
    sheet
        .unwrap()
        .with_tariff(ServiceTier::Priority, tariff(4_000_000))
        .unwrap()
}

#[test]
fn a_request_is_charged_by_the_tier_that_served_it_or_the_dearer_of_what_can_be() {
    let [standard, flex, priority] = [ServiceTier::Standard, ServiceTier::Flex, ServiceTier::Priority];
    let usage = Usage {
        input: 1,
        output: 1,
        ..Usage::default()
    };
    for (asked, told, charged, nano) in [
        (TierAsked::Unsaid, None, standard, 22_000),
        (TierAsked::Of(flex), Some(flex), flex, 11_000),
        (TierAsked::Of(flex), Some(standard), standard, 22_000),
        (TierAsked::Of(flex), None, standard, 22_000),
        (TierAsked::Of(priority), Some(priority), priority, 44_000),
        (TierAsked::Of(priority), Some(standard), standard, 22_000),
        (TierAsked::Of(priority), None, priority, 44_000),
        (TierAsked::Any, Some(priority), priority, 44_000),
        (TierAsked::Any, None, standard, 22_000),
        // What nobody asked for, and was not held for, is not charged.
        (TierAsked::Unsaid, Some(priority), standard, 22_000),
        (TierAsked::Of(flex), Some(priority), standard, 22_000),
    ] {
        let sheet = three_tiers().asked(asked);
        let settled = sheet.settled(usage, told);
        assert_eq!(settled.tier, charged, "{asked:?} {told:?}");
        assert_eq!(charge(&sheet, &settled), Some(Nano(nano)), "{asked:?} {told:?}");
        // The row alone tells the charge again.
        assert_eq!(charge(&three_tiers(), &settled), Some(Nano(nano)));
    }
    let bound = CeilingInput {
        input_bound: 1,
        output_bound: 1,
        choices: 1,
    };
    for (asked, nano) in [
        (TierAsked::Unsaid, 22_000),
        (TierAsked::Of(flex), 22_000),
        (TierAsked::Of(priority), 44_000),
        (TierAsked::Any, 44_000),
    ] {
        assert_eq!(
            ceiling(&three_tiers().asked(asked), &bound),
            Some(Nano(nano)),
            "{asked:?}"
        );
    }
}

#[test]
fn a_tier_without_a_price_is_not_offered_and_charges_nothing_known() {
    let plain = flat(2, 20);
    let flex = Usage {
        input: 1,
        tier: ServiceTier::Flex,
        ..Usage::default()
    };
    assert!(!plain.offers(TierAsked::Of(ServiceTier::Flex)));
    assert!(plain.offers(TierAsked::Of(ServiceTier::Standard)) && plain.offers(TierAsked::Any));
    assert!(three_tiers().offers(TierAsked::Of(ServiceTier::Flex)));
    assert_eq!(charge(&plain, &flex), None);
    let any = plain.asked(TierAsked::Any);
    assert_eq!(any.settled(flex, Some(ServiceTier::Flex)).tier, ServiceTier::Standard);
}

#[test]
fn a_tariff_is_stored_with_its_sheet_and_leaves_units_as_they_are() {
    let json = serde_json::to_string(&three_tiers()).unwrap();
    assert_eq!(serde_json::from_str::<PriceSheet>(&json).unwrap(), three_tiers());
    let older = serde_json::to_string(&flat(1, 2)).unwrap();
    assert_eq!(older, r#"{"base":{"input":1,"output":2}}"#);
    let text = r#"{"base":{"input":2,"output":2,"search":7},
        "flex":{"base":{"input":1,"output":1},"tiers":[{"min_prompt_tokens":9,"rates":{"input":1,"output":1,"search":1}}]}}"#;
    let sheet: PriceSheet = serde_json::from_str(text).unwrap();
    let flex = sheet.tariff(ServiceTier::Flex).unwrap();
    assert_eq!((flex.base.search, flex.tiers[0].rates.search), (Some(7), Some(7)));
    for bad in [
        r#"{"base":{"input":1,"output":0},"flex":{"base":{"input":-1,"output":0}}}"#,
        r#"{"base":{"input":1,"output":0},"priority":{"base":{"input":1,"output":0},"tiers":[{"min_prompt_tokens":0,"rates":{"input":1,"output":1}}]}}"#,
        r#"{"base":{"input":1,"output":0},"priority":{"tiers":[]}}"#,
        r#"{"base":{"input":1,"output":0},"scale":{"base":{"input":1,"output":0}}}"#,
    ] {
        assert!(serde_json::from_str::<PriceSheet>(bad).is_err(), "{bad}");
    }
}

fn rate() -> impl Strategy<Value = i64> {
    prop_oneof![0..=200_000_000_i64, 0..=i64::MAX]
}

fn rates() -> impl Strategy<Value = Rates> {
    let optional = || proptest::option::of(rate());
    let cache = (optional(), optional(), optional(), optional());
    let media = (optional(), optional(), optional(), optional());
    let units = (optional(), optional(), optional(), optional());
    (rate(), rate(), cache, media, units).prop_map(|(input, output, cache, media, units)| Rates {
        input,
        output,
        cache_read: cache.0,
        cache_read_audio: cache.1,
        cache_write: cache.2,
        cache_write_long: cache.3,
        audio_input: media.0,
        image_input: media.1,
        audio_output: media.2,
        image_output: media.3,
        image: units.0,
        character: units.1,
        second: units.2,
        search: units.3,
    })
}

fn usage(counts: [u64; 14]) -> Usage {
    Usage {
        input: counts[0],
        cache_read: counts[1],
        cache_read_audio: counts[2],
        cache_write: counts[3],
        cache_write_long: counts[4],
        audio_input: counts[5],
        image_input: counts[6],
        output: counts[7],
        audio_output: counts[8],
        image_output: counts[9],
        reasoning: 0,
        images: counts[10],
        characters: counts[11],
        seconds: counts[12],
        searches: counts[13],
        tier: ServiceTier::Standard,
    }
}

/// `whole` cut into parts at these places.
fn cut<const N: usize>(whole: u64, places: [u64; N]) -> [u64; N] {
    let mut left = whole;
    places.map(|place| {
        let part = if left == u64::MAX { place } else { place % (left + 1) };
        left -= part;
        part
    })
}

/// On the heap: three of them beside each other are too much for the stack of a test.
fn tariffs() -> BoxedStrategy<Tariff> {
    let tiers = proptest::collection::btree_map(1..400_000_u64, rates().boxed(), 0..3);
    (rates().boxed(), tiers)
        .prop_map(|(base, tiers)| {
            let tier = |(min_prompt_tokens, rates)| Tier {
                min_prompt_tokens,
                rates,
            };
            Tariff {
                base,
                tiers: tiers.into_iter().map(tier).collect(),
            }
        })
        .boxed()
}

fn service_tiers() -> impl Strategy<Value = ServiceTier> {
    prop_oneof![
        Just(ServiceTier::Standard),
        Just(ServiceTier::Flex),
        Just(ServiceTier::Priority)
    ]
}

fn sheets() -> impl Strategy<Value = PriceSheet> {
    let markup = prop_oneof![Just(0), -9_999..=1_000_000_i64];
    let others = [(); 2].map(|()| proptest::option::of(tariffs()));
    let asked = prop_oneof![
        Just(TierAsked::Unsaid),
        Just(TierAsked::Any),
        service_tiers().prop_map(TierAsked::Of)
    ];
    (tariffs(), others, markup, asked).prop_map(|(standard, others, markup, asked)| {
        let mut sheet = PriceSheet::new(standard.base, standard.tiers).unwrap();
        for (tier, tariff) in ServiceTier::OTHERS.into_iter().zip(others) {
            sheet = match tariff {
                Some(tariff) => sheet.with_tariff(tier, tariff).unwrap(),
                None => sheet,
            };
        }
        sheet.marked_up(Markup::new(markup).unwrap()).asked(asked)
    })
}

fn count() -> impl Strategy<Value = u64> {
    prop_oneof![0..500_000_u64, any::<u64>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_allowed_usage_costs_more_than_the_ceiling(
        sheet in sheets(),
        input_bound in count(),
        output_bound in count(),
        choices in 0..9_u64,
        places in any::<[u64; 8]>(),
        is_reached in any::<bool>(),
        tier in proptest::option::of(service_tiers()),
    ) {
        let [cache_read, cache_read_audio, cache_write, cache_write_long, audio_input, image_input, ..] = places;
        let prompt = [cache_read, cache_read_audio, cache_write, cache_write_long, audio_input, image_input];
        let [cache_read, cache_read_audio, cache_write, cache_write_long, audio_input, image_input] = cut(input_bound, prompt);
        let told = cache_read + cache_read_audio + cache_write + cache_write_long + audio_input + image_input;
        let allowed = u128::from(output_bound) * u128::from(choices);
        let allowed = u64::try_from(allowed).unwrap_or(u64::MAX);
        let [audio_output, image_output] = cut(allowed, [places[6], places[7]]);
        let usage = Usage {
            input: if is_reached { input_bound - told } else { 0 },
            cache_read,
            cache_read_audio,
            cache_write,
            cache_write_long,
            audio_input,
            image_input,
            output: if is_reached { allowed - audio_output - image_output } else { 0 },
            audio_output,
            image_output,
            ..Usage::default()
        };
        prop_assert!(usage.prompt() <= input_bound && usage.answer() <= allowed);
        if let Some(held) = ceiling(&sheet, &CeilingInput { input_bound, output_bound, choices }) {
            let charged = charge(&sheet, &sheet.settled(usage, tier));
            prop_assert!(charged.is_some_and(|charged| charged <= held), "{charged:?} of {held:?}");
        }
    }

    #[test]
    fn no_allowed_searches_cost_more_than_what_is_held_for_them(
        sheet in sheets(),
        (input_bound, output_bound, most) in (count(), count(), 0..2_000_000_u64),
        (input, output, searches) in (any::<u64>(), any::<u64>(), any::<u64>()),
        budget in 0..=i64::MAX,
    ) {
        let bound = CeilingInput { input_bound, output_bound, choices: 1 };
        let units = ceiling_of_units(&sheet, &Usage { searches: most, ..Usage::default() });
        let (Some(tokens), Some(units)) = (ceiling(&sheet, &bound), units) else { return Ok(()) };
        let within = |count: u64, most: u64| most.checked_add(1).map_or(count, |above| count % above);
        let usage = Usage {
            input: within(input, input_bound),
            output: within(output, output_bound),
            searches: within(searches, most),
            ..Usage::default()
        };
        let held = i128::from(tokens.0) + i128::from(units.0);
        let charged = charge(&sheet, &usage);
        if held <= i128::from(i64::MAX) {
            prop_assert!(charged.is_some_and(|charged| i128::from(charged.0) <= held), "{charged:?} of {held}");
        }
        // What the output is cut to leaves room for the searches.
        if let Some(fits) = budget.checked_sub(units.0).and_then(|left| output_that_fits(&sheet, input_bound, 1, Nano(left)))
            && let Some(cut) = ceiling(&sheet, &CeilingInput { output_bound: fits.min(output_bound), ..bound })
        {
            prop_assert!(i128::from(cut.0) + i128::from(units.0) <= i128::from(budget));
        }
    }

    #[test]
    fn the_ceiling_never_falls_when_a_bound_rises(
        sheet in sheets(), input_bound in count(), output_bound in count(), choices in count(), more in count(),
    ) {
        let base = CeilingInput { input_bound, output_bound, choices };
        let low = ceiling(&sheet, &base);
        for high in [
            CeilingInput { input_bound: input_bound.saturating_add(more), ..base },
            CeilingInput { output_bound: output_bound.saturating_add(more), ..base },
            CeilingInput { choices: choices.saturating_add(more), ..base },
        ] {
            match (low, ceiling(&sheet, &high)) {
                (_, None) => {}
                (Some(low), Some(high)) => prop_assert!(low <= high),
                (None, Some(_)) => prop_assert!(false, "overflow went away"),
            }
        }
    }

    #[test]
    fn a_charge_is_never_negative_and_grows_with_every_kind(
        rates in rates(), counts in any::<[u64; 14]>(), shift in 0..64_u32,
    ) {
        let sheet = PriceSheet::new(rates, Vec::new()).unwrap();
        let counts = counts.map(|count| count >> shift);
        let counted = usage(counts);
        if let Some(low) = charge(&sheet, &counted) {
            prop_assert!(low >= Nano::ZERO);
            for at in 0..counts.len() {
                let mut more = counts;
                more[at] = more[at].saturating_add(1);
                prop_assert!(charge(&sheet, &usage(more)).is_none_or(|high| high >= low));
            }
        }
    }

    #[test]
    fn the_clamp_is_exact(sheet in sheets(), input_bound in count(), choices in 1..9_u64, budget in 0..=i64::MAX) {
        let cost = |output_bound| ceiling(&sheet, &CeilingInput { input_bound, output_bound, choices });
        match output_that_fits(&sheet, input_bound, choices, Nano(budget)) {
            None => prop_assert!(cost(0).is_none_or(|cost| cost > Nano(budget))),
            Some(fits) => {
                prop_assert!(cost(fits).is_some_and(|cost| cost <= Nano(budget)));
                let one_more = fits.checked_add(1).and_then(cost);
                prop_assert!(fits == u64::MAX || one_more.is_none_or(|cost| cost > Nano(budget)));
            }
        }
    }

    #[test]
    fn a_price_and_its_text_agree(pico in 0..=i64::MAX / 1_000) {
        let sheet = PriceSheet::from_per_million(&per_million(pico, Markup::NONE), "0", None, None).unwrap();
        prop_assert_eq!(sheet.base.input, pico);
    }
}
