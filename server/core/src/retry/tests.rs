//! What a failure means, and how long to wait after it.

#![allow(clippy::unwrap_used)]

mod answers;

use super::words::When;
use super::*;
use answers::{ANSWERS, BAD_KEY, CLIENT, GUESS, MISSING, NO_MONEY};
use proptest::prelude::*;

/// 22 Nov 2026, 12:00:00 UTC.
const NOW: i64 = 1_795_348_800_000;

fn hints(headers: &[(&str, &str)]) -> RetryHints {
    RetryHints::read(headers.iter().copied(), NOW)
}

#[test]
fn every_known_answer_means_what_its_provider_says() {
    for (status, code, kind, message, (action, mark), fault) in ANSWERS {
        let error = ErrorText { code, kind, message };
        let failure = Failure::Status {
            status: *status,
            headers: RetryHints::default(),
            error,
        };
        let expected = Verdict {
            action: *action,
            mark: *mark,
            billed: Billed::NotBilled,
            fault: *fault,
        };
        assert_eq!(classify(&failure, NOW), expected, "{status} {code} {kind} {message}");
    }
}

/// An error that only `when` tells about.
fn told_by(when: When) -> Vec<ErrorText<'static>> {
    let none = ErrorText::default();
    match when {
        When::Named(words) => {
            let codes = words.iter().map(|code| ErrorText { code, ..none });
            codes
                .chain(words.iter().map(|kind| ErrorText { kind, ..none }))
                .collect()
        }
        When::Coded(words) => words.iter().map(|code| ErrorText { code, ..none }).collect(),
        When::Begins(phrases) | When::Ends(phrases) | When::Says(phrases) => {
            phrases.iter().map(|message| ErrorText { message, ..none }).collect()
        }
        When::Always => vec![none],
    }
}

#[test]
fn no_row_hides_another_and_each_says_where_it_is_from() {
    for row in table::TABLE {
        let (_, reference) = row.source.rsplit_once(", ").unwrap();
        assert!(
            reference.contains('.') || reference.contains("RFC") || reference.contains("Groq"),
            "{reference}"
        );
        let statuses = if row.statuses.is_empty() { &[500] } else { row.statuses };
        for status in statuses {
            for error in told_by(row.when) {
                assert_eq!(words::meaning(*status, &error), row.means, "{status} {error:?}");
            }
        }
    }
}

#[test]
fn a_refusal_that_another_model_may_not_share_is_told_from_a_wrong_request() {
    let fault = |status, message| {
        let error = ErrorText {
            message,
            ..ErrorText::default()
        };
        let headers = RetryHints::default();
        classify(&Failure::Status { status, headers, error }, NOW).fault
    };
    for (status, message, is_bound) in [
        (400, "prompt is too long: 300000 tokens > 200000 maximum", true),
        (403, "Your input was flagged", true),
        (413, "Body exceeds 32 MB", true),
        (400, "Missing field: messages", false),
        (429, "Slow down", false),
        (404, "No such model", false),
    ] {
        assert_eq!(fault(status, message).is_of_the_model(), is_bound, "{message}");
    }
}

#[test]
fn a_daily_quota_of_googles_ends_at_midnight_of_the_pacific() {
    const DAY_MS: i64 = 86_400_000;
    let error = ErrorText {
        code: "daily_quota_exceeded",
        kind: "RESOURCE_EXHAUSTED",
        message: "Please retry in 3s.",
    };
    let failure = Failure::Status {
        status: 429,
        headers: RetryHints::default(),
        error,
    };
    for (hour, hours_left) in [(0, 8), (7, 1), (8, 24), (23, 9)] {
        let now_ms = 20_000 * DAY_MS + hour * 3_600_000;
        let until_ms = now_ms + hours_left * 3_600_000;
        assert_eq!(classify(&failure, now_ms).mark, Mark::Cool { until_ms }, "{hour}");
    }
}

#[test]
fn an_error_inside_a_success_means_the_same_as_its_status_would() {
    let frames: &[(&str, &str, (Action, Mark), Billed)] = &[
        ("insufficient_quota", "insufficient_quota", NO_MONEY, Billed::NotBilled),
        ("", "overloaded_error", GUESS, Billed::Unknown),
        ("rate_limit_exceeded", "", GUESS, Billed::NotBilled),
        ("429", "", GUESS, Billed::NotBilled),
        ("402", "", NO_MONEY, Billed::NotBilled),
        ("502", "", GUESS, Billed::Unknown),
        ("", "invalid_request_error", CLIENT, Billed::NotBilled),
        ("", "authentication_error", BAD_KEY, Billed::NotBilled),
        ("", "not_found_error", MISSING, Billed::NotBilled),
        ("server_error", "server_error", GUESS, Billed::Unknown),
        ("", "", GUESS, Billed::Unknown),
    ];
    for (code, kind, (action, mark), billed) in frames {
        let error = ErrorText {
            code,
            kind,
            message: "",
        };
        let verdict = classify(
            &Failure::ErrorFrame {
                headers: RetryHints::default(),
                error,
            },
            NOW,
        );
        assert_eq!(
            (verdict.action, verdict.mark, verdict.billed),
            (*action, *mark, *billed),
            "{code} {kind}"
        );
    }
}

#[test]
fn what_was_sent_and_then_lost_may_be_billed() {
    let first_content = |sent| Failure::TimedOut {
        sent,
        phase: Phase::FirstContent,
    };
    for (failure, billed) in [
        (Failure::ConnectFailed, Billed::NotBilled),
        (Failure::Reset { sent: false }, Billed::NotBilled),
        (Failure::Reset { sent: true }, Billed::Unknown),
        (first_content(false), Billed::NotBilled),
        (first_content(true), Billed::Unknown),
        (Failure::Unreadable, Billed::Unknown),
    ] {
        let verdict = classify(&failure, NOW);
        assert_eq!(
            (verdict.action, verdict.mark, verdict.billed),
            (GUESS.0, GUESS.1, billed),
            "{failure:?}"
        );
    }
    let total = classify(
        &Failure::TimedOut {
            sent: true,
            phase: Phase::Total,
        },
        NOW,
    );
    assert_eq!(
        (total.action, total.mark, total.billed),
        (CLIENT.0, CLIENT.1, Billed::Unknown)
    );
}

#[test]
fn a_client_cannot_park_an_account_with_words_of_its_own() {
    let message = "Invalid value 'Your credit balance is too low, invalid_api_key, country' for field 'user'";
    let error = ErrorText {
        code: "invalid_value",
        kind: "invalid_request_error",
        message,
    };
    let failure = Failure::Status {
        status: 400,
        headers: RetryHints::default(),
        error,
    };
    assert_eq!(classify(&failure, NOW).mark, Mark::None);
}

fn mark_of(status: u16, headers: &[(&str, &str)]) -> Mark {
    let error = ErrorText::default();
    classify(
        &Failure::Status {
            status,
            headers: hints(headers),
            error,
        },
        NOW,
    )
    .mark
}

#[test]
fn a_rate_limit_cools_for_exactly_what_was_said() {
    let until = |wait_ms| Mark::Cool {
        until_ms: NOW + wait_ms,
    };
    for (headers, mark) in [
        (vec![("retry-after", "20")], until(20_000)),
        (vec![("retry-after", "1.25")], until(1_250)),
        (vec![("retry-after", "0")], until(0)),
        (vec![("retry-after", "999999")], until(86_400_000)),
        (vec![("retry-after", "Sun, 22 Nov 2026 12:00:30 GMT")], until(30_000)),
        (vec![("retry-after", "Sun, 22 Nov 2026 11:00:00 GMT")], until(0)),
        (vec![("retry-after", "2026-11-22T12:01:00Z")], until(60_000)),
        (vec![("retry-after", "1795348805")], until(5_000)),
        (vec![("retry-after", "1795348805250")], until(5_250)),
        (vec![("retry-after", "2m59.56s")], until(179_560)),
        (vec![("retry-after-ms", "1500.2"), ("retry-after", "9")], until(1_501)),
        (vec![("retry-after-ms", "soon"), ("retry-after", "9")], until(9_000)),
        (vec![("retry-after", "-5")], Mark::Guess),
        (vec![("retry-after", "NaN")], Mark::Guess),
        (vec![("retry-after", "")], Mark::Guess),
        (
            vec![
                ("x-ratelimit-remaining-requests", "0"),
                ("x-ratelimit-reset-requests", "12ms"),
            ],
            until(12),
        ),
        (
            vec![
                ("x-ratelimit-remaining-tokens", "0"),
                ("x-ratelimit-reset-tokens", "1h2m3.5s"),
            ],
            until(3_723_500),
        ),
        (
            vec![
                ("x-ratelimit-remaining-tokens", "7"),
                ("x-ratelimit-reset-tokens", "6m0s"),
            ],
            Mark::Guess,
        ),
        (
            vec![
                ("x-ratelimit-remaining-tokens", "-1"),
                ("x-ratelimit-reset-tokens", "0"),
            ],
            until(0),
        ),
        (
            vec![("x-ratelimit-reset-requests", "1s"), ("x-ratelimit-reset-tokens", "7")],
            until(7_000),
        ),
        (
            vec![
                ("anthropic-ratelimit-requests-remaining", "0"),
                ("anthropic-ratelimit-requests-reset", "2026-11-22T12:00:09Z"),
            ],
            until(9_000),
        ),
    ] {
        assert_eq!(mark_of(429, &headers), mark, "{headers:?}");
    }
}

#[test]
fn only_what_was_said_about_retrying_cools_a_failing_upstream() {
    assert_eq!(
        mark_of(503, &[("retry-after", "3")]),
        Mark::Cool { until_ms: NOW + 3_000 }
    );
    let full = [
        ("x-ratelimit-remaining-requests", "0"),
        ("x-ratelimit-reset-requests", "20h"),
    ];
    assert_eq!(mark_of(500, &full), Mark::Guess);
}

#[test]
fn an_upstream_may_say_that_a_refusal_is_worth_a_retry() {
    let verdict = |headers| {
        let error = ErrorText::default();
        classify(
            &Failure::Status {
                status: 400,
                headers: hints(headers),
                error,
            },
            NOW,
        )
        .action
    };
    assert_eq!(verdict(&[("x-should-retry", "true")]), Action::NextAccount);
    assert_eq!(verdict(&[("x-should-retry", "false")]), Action::ReturnToClient);
}

#[test]
fn headroom_is_read_from_a_success_too() {
    let read = hints(&[
        ("x-ratelimit-limit-requests", "500"),
        ("x-ratelimit-remaining-requests", "499"),
        ("x-ratelimit-reset-requests", "120ms"),
    ]);
    let expected = Window {
        limit: Some(500),
        remaining: Some(499),
        reset_at_ms: Some(NOW + 120),
    };
    assert_eq!(
        (read.requests, read.tokens, read.retry_at_ms),
        (expected, Window::default(), None)
    );
}

#[test]
fn limits_are_read_as_each_provider_names_them() {
    let window = |limit, remaining, wait_ms: Option<i64>| Window {
        limit: Some(limit),
        remaining: Some(remaining),
        reset_at_ms: wait_ms.map(|wait_ms| NOW + wait_ms),
    };
    let none = Window::default();
    type Headers<'a> = &'a [(&'a str, &'a str)];
    let rows: &[(Headers<'_>, Window, Window)] = &[
        // Mistral
        (
            &[
                ("x-ratelimit-limit-req-minute", "60"),
                ("x-ratelimit-remaining-req-minute", "59"),
            ],
            window(60, 59, None),
            none,
        ),
        (
            &[
                ("x-ratelimit-limit-tokens-minute", "50000"),
                ("x-ratelimit-remaining-tokens-minute", "47196"),
            ],
            none,
            window(50_000, 47_196, None),
        ),
        // OpenRouter, in Unix milliseconds
        (
            &[
                ("x-ratelimit-limit", "20"),
                ("x-ratelimit-remaining", "0"),
                ("x-ratelimit-reset", "1795348807000"),
            ],
            window(20, 0, Some(7_000)),
            none,
        ),
        // Together
        (
            &[
                ("x-ratelimit-limit", "10"),
                ("x-ratelimit-remaining", "3"),
                ("x-ratelimit-reset", "0.25"),
            ],
            window(10, 3, Some(250)),
            none,
        ),
        (
            &[("x-tokenlimit-limit", "900"), ("x-tokenlimit-remaining", "30")],
            none,
            window(900, 30, None),
        ),
        // Fireworks: of several the tightest
        (
            &[
                ("x-ratelimit-limit-tokens-prompt", "1000"),
                ("x-ratelimit-remaining-tokens-prompt", "900"),
                ("x-ratelimit-limit-tokens-generated", "100"),
                ("x-ratelimit-remaining-tokens-generated", "20"),
            ],
            none,
            window(100, 20, None),
        ),
        // Anthropic
        (
            &[
                ("anthropic-ratelimit-input-tokens-limit", "80000"),
                ("anthropic-ratelimit-input-tokens-remaining", "8000"),
                ("anthropic-ratelimit-input-tokens-reset", "2026-11-22T12:00:30Z"),
                ("anthropic-ratelimit-output-tokens-limit", "16000"),
                ("anthropic-ratelimit-output-tokens-remaining", "16000"),
                ("anthropic-ratelimit-output-tokens-reset", "2026-11-22T12:00:00Z"),
            ],
            none,
            window(80_000, 8_000, Some(30_000)),
        ),
        // Azure, where it does not know
        (
            &[
                ("x-ratelimit-limit-tokens", "-1"),
                ("x-ratelimit-remaining-tokens", "0"),
            ],
            none,
            none,
        ),
        (
            &[
                ("x-ratelimit-limit-requests", "0"),
                ("x-ratelimit-remaining-requests", "0"),
            ],
            none,
            none,
        ),
        // What is about neither
        (
            &[
                ("x-ratelimit-limit-tokens-month", "9"),
                ("x-ratelimit-remaining-tokens-month", "0"),
            ],
            none,
            none,
        ),
    ];
    for (headers, requests, tokens) in rows {
        let read = hints(headers);
        assert_eq!((read.requests, read.tokens), (*requests, *tokens), "{headers:?}");
    }
}

fn answer(faults: &[(u16, &str)]) -> Answer {
    let mut summary = Summary::default();
    for (status, retry_after) in faults {
        let headers = hints(&[("retry-after", *retry_after)]);
        summary.add(&classify(
            &Failure::Status {
                status: *status,
                headers,
                error: ErrorText::default(),
            },
            NOW,
        ));
    }
    assert_eq!(summary.attempts() as usize, faults.len());
    summary.answer()
}

#[test]
fn the_client_is_told_what_matters_most_of_all_attempts() {
    let busy = |wait_ms| Answer::Busy {
        retry_at_ms: Some(NOW + wait_ms),
    };
    assert_eq!(answer(&[(429, "9"), (429, "4"), (500, "")]), busy(4_000));
    assert_eq!(answer(&[(529, "")]), Answer::Busy { retry_at_ms: None });
    assert_eq!(answer(&[(404, ""), (404, "")]), Answer::ModelNotFound);
    assert_eq!(answer(&[(404, ""), (401, "")]), Answer::Unavailable);
    assert_eq!(answer(&[(401, ""), (402, "")]), Answer::Unavailable);
    assert_eq!(answer(&[(500, ""), (400, "")]), Answer::ClientFault(Fault::BadRequest));
    assert_eq!(answer(&[]), Answer::Unavailable);
}

#[test]
fn a_total_deadline_is_a_timeout_not_the_clients_fault() {
    let mut summary = Summary::default();
    summary.add(&classify(
        &Failure::TimedOut {
            sent: true,
            phase: Phase::Total,
        },
        NOW,
    ));
    assert_eq!(summary.answer(), Answer::TimedOut);
}

proptest! {
    #[test]
    fn whatever_a_header_says_the_wait_is_within_a_day(text in "[0-9hms.:TZ+ -]{0,24}|\\PC{0,24}") {
        for name in ["retry-after", "retry-after-ms", "x-ratelimit-reset-tokens"] {
            let read = hints(&[(name, &text)]);
            for at_ms in [read.retry_at_ms, read.tokens.reset_at_ms].into_iter().flatten() {
                prop_assert!((NOW..=NOW + 86_400_000).contains(&at_ms));
            }
        }
        let message = format!("Please try again in {text}");
        let stated_ms = hints::stated_in(&message, NOW);
        prop_assert!(stated_ms.is_none_or(|at_ms| (NOW..=NOW + 86_400_000).contains(&at_ms)));
    }
}
