//! Limits a minute and permits, at chosen moments.

#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;

#[test]
fn a_full_window_says_when_it_has_room_again() {
    let mut window = SlidingWindow::default();
    assert_eq!(window.try_take(3, 5, 1_000), Ok(()));
    assert_eq!(window.try_take(2, 5, 12_000), Ok(()));
    assert_eq!(window.try_take(1, 5, 13_000), Err(RetryAfterMs(57_000)));
    assert_eq!(window.try_take(4, 5, 13_000), Err(RetryAfterMs(67_000)));
    assert_eq!(window.try_take(1, 5, 69_999), Err(RetryAfterMs(1)));
    assert_eq!(window.try_take(3, 5, 70_000), Ok(()));
    assert_eq!(window.remaining(5, 70_000), 0);
    assert_eq!(window.reset_ms(70_000), 70_000);
}

#[test]
fn what_is_left_and_when_there_is_more_are_known() {
    let mut window = SlidingWindow::default();
    assert_eq!((window.share(8, 0), window.more_at_ms(8, 0)), (1_000, None));
    window.try_take(6, 8, 1_000).unwrap();
    assert_eq!(
        (window.share(8, 2_000), window.more_at_ms(8, 2_000)),
        (250, Some(70_000))
    );
    assert_eq!((window.share(0, 2_000), window.more_at_ms(0, 2_000)), (0, None));
}

#[test]
fn a_refusal_takes_nothing() {
    let mut window = SlidingWindow::default();
    assert!(window.try_take(9, 5, 0).is_err());
    assert_eq!(window.remaining(5, 0), 5);
    assert_eq!(window.reset_ms(0), 0);
}

#[test]
fn settling_gives_back_in_the_slot_of_the_admission() {
    let mut window = SlidingWindow::default();
    window.try_take(100, 100, 5_000).unwrap();
    window.adjust(5_000, 100, 30, 25_000);
    assert_eq!(window.remaining(100, 25_000), 70);
    assert_eq!(window.remaining(100, 70_000), 100);
    window.try_take(10, 100, 90_000).unwrap();
    window.adjust(5_000, 100, 30, 90_000);
    assert_eq!(window.remaining(100, 90_000), 90);
}

#[test]
fn usage_above_what_was_held_counts_too() {
    let mut window = SlidingWindow::default();
    window.try_take(10, 100, 0).unwrap();
    window.adjust(0, 10, 250, 1);
    assert_eq!(window.remaining(100, 1), 0);
    assert_eq!(window.try_take(1, 100, 2), Err(RetryAfterMs(69_998)));
}

#[test]
fn a_clock_that_jumps_back_frees_nothing() {
    let mut window = SlidingWindow::default();
    window.try_take(5, 5, 100_000).unwrap();
    assert!(window.try_take(1, 5, 0).is_err());
    assert!(window.try_take(1, 5, 160_000).is_err());
    assert!(window.try_take(1, 5, 170_000).is_ok());
}

#[test]
fn patterns() {
    for (pattern, model, fits) in [
        ("gpt-4o", "gpt-4o", true),
        ("gpt-4o", "gpt-4o-mini", false),
        ("gpt-*", "gpt-4o", true),
        ("gpt-*", "GPT-4o", false),
        ("gpt-*", "my-gpt-4o", false),
        ("*", "", true),
        ("", "", true),
        ("", "x", false),
        ("*-mini", "gpt-4o-mini", true),
        ("*-mini", "gpt-4o-mini-2024", false),
        ("a*b*c", "a-b-b-c", true),
        ("a*b*c", "a-c-b", false),
        ("a*a", "a", false),
        ("a**a", "aa", true),
        ("*sonnet*", "claude-sonnet-5", true),
        ("gpt-4.1", "gpt-4x1", false),
        ("*é", "café", true),
    ] {
        assert_eq!(matches(pattern, model), fits, "{pattern} {model}");
    }
}

#[test]
fn a_hostile_pattern_is_quick() {
    assert!(!matches(&format!("{}b", "a*".repeat(20_000)), &"a".repeat(40_000)));
}

/// The same question by exhaustive search.
fn matches_slowly(pattern: &[u8], model: &[u8]) -> bool {
    match pattern.split_first() {
        None => model.is_empty(),
        Some((b'*', rest)) => (0..=model.len()).any(|skip| matches_slowly(rest, &model[skip..])),
        Some((byte, rest)) => model.first() == Some(byte) && matches_slowly(rest, &model[1..]),
    }
}

proptest! {
    #[test]
    fn a_pattern_means_what_exhaustive_search_says(pattern in "[ab*]{0,7}", model in "[ab]{0,8}") {
        prop_assert_eq!(matches(&pattern, &model), matches_slowly(pattern.as_bytes(), model.as_bytes()));
    }

    #[test]
    fn no_sixty_seconds_hold_more_than_the_limit(
        limit in 1..50_u64,
        steps in proptest::collection::vec((0..25_000_i64, 0..20_u64, 0..20_u64), 1..80),
        start in 0..100_000_i64,
    ) {
        let mut window = SlidingWindow::default();
        let mut now = start;
        let mut granted: Vec<(i64, u64)> = Vec::new();
        for (pause, n, actual) in steps {
            now += pause;
            let recent: u64 = granted.iter().filter(|(at, _)| *at > now - WINDOW_MS).map(|(_, n)| n).sum();
            match window.try_take(n, limit, now) {
                Ok(()) => {
                    prop_assert!(recent + n <= limit);
                    let actual = actual.min(n);
                    window.adjust(now, n, actual, now);
                    granted.push((now, actual));
                }
                Err(RetryAfterMs(wait)) => {
                    prop_assert!(wait > 0 && wait <= WINDOW_MS + SLOT_MS);
                    let later = window.clone().try_take(n, limit, now + wait);
                    prop_assert!(n > limit || later.is_ok());
                }
            }
        }
    }
}
