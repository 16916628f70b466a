//! What a failure means, and how long to wait after it.

#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;

/// 22 Nov 2026, 12:00:00 UTC.
const NOW: i64 = 1_795_348_800_000;

const CLIENT: (Action, Mark) = (Action::ReturnToClient, Mark::None);
const NEXT: (Action, Mark) = (Action::NextAccount, Mark::None);
const GUESS: (Action, Mark) = (Action::NextAccount, Mark::Guess);
const NO_MONEY: (Action, Mark) = (
    Action::NextAccount,
    Mark::Park {
        reason: Reason::NoMoney,
    },
);
const BAD_KEY: (Action, Mark) = (Action::NextAccount, Mark::Park { reason: Reason::BadKey });
const FORBIDDEN: (Action, Mark) = (
    Action::NextAccount,
    Mark::Park {
        reason: Reason::Forbidden,
    },
);
const MISSING: (Action, Mark) = (
    Action::NextAccount,
    Mark::ModelMissing {
        until_ms: NOW + MODEL_MISSING_MS,
    },
);

const fn cool(wait_ms: i64) -> (Action, Mark) {
    (
        Action::NextAccount,
        Mark::Cool {
            until_ms: NOW + wait_ms,
        },
    )
}

fn hints(headers: &[(&str, &str)]) -> RetryHints {
    RetryHints::read(headers.iter().copied(), NOW)
}

type Row<'a> = (u16, &'a str, &'a str, &'a str, (Action, Mark), Fault);

/// Status, code, type, message; then what is to be done.
#[rustfmt::skip]
const ANSWERS: &[Row<'static>] = &[
    // The client's own doing
    (400, "", "invalid_request_error", "Missing field: messages", CLIENT, Fault::BadRequest),
    (400, "context_length_exceeded", "invalid_request_error", "Too many tokens", CLIENT, Fault::TooLong),
    (400, "unsupported_parameter", "invalid_request_error", "No stop here", CLIENT, Fault::BadRequest),
    (400, "string_above_max_length", "invalid_request_error", "user is too long", CLIENT, Fault::BadRequest),
    (400, "content_policy_violation", "invalid_request_error", "Refused", CLIENT, Fault::ContentPolicy),
    (400, "content_filter", "", "Prompt filtered", CLIENT, Fault::ContentPolicy),
    (400, "400", "INVALID_ARGUMENT", "Token count exceeds the maximum", CLIENT, Fault::BadRequest),
    (400, "", "invalid_request_error", "prompt is too long: 300000 tokens", CLIENT, Fault::BadRequest),
    (413, "", "request_too_large", "Body exceeds 32 MB", CLIENT, Fault::TooLarge),
    (422, "", "", "temperature: value must be at most 2", CLIENT, Fault::BadRequest),
    (422, "", "invalid_request_error", "bad params", CLIENT, Fault::BadRequest),
    (403, "403", "", "Your input was flagged", CLIENT, Fault::ContentPolicy),
    (403, "", "", "Content violates usage guidelines", CLIENT, Fault::ContentPolicy),
    (403, "", "", "Input exceeds the maximum context of the model", CLIENT, Fault::TooLong),
    (404, "previous_response_not_found", "invalid_request_error", "Unknown response", CLIENT, Fault::BadRequest),
    (400, "previous_response_not_found", "invalid_request_error", "Unknown response", CLIENT, Fault::BadRequest),
    (404, "", "invalid_request_error", "Previous response with id 'resp_1' not found.", CLIENT, Fault::BadRequest),
    (404, "not_found", "invalid_request_error", "Conversation with id 'conv_1' not found.", CLIENT, Fault::BadRequest),
    (404, "", "invalid_request_error", "Item with id 'rs_1' not found.", CLIENT, Fault::BadRequest),
    (405, "", "", "", CLIENT, Fault::BadRequest),
    // The key
    (401, "invalid_api_key", "invalid_request_error", "Incorrect API key provided", BAD_KEY, Fault::BadKey),
    (401, "", "authentication_error", "invalid x-api-key", BAD_KEY, Fault::BadKey),
    (401, "401", "", "No auth credentials found", BAD_KEY, Fault::BadKey),
    (401, "", "", "", BAD_KEY, Fault::BadKey),
    (401, "mismatched_organization", "invalid_request_error", "Not a member", BAD_KEY, Fault::BadKey),
    (400, "API_KEY_INVALID", "INVALID_ARGUMENT", "API key not valid", BAD_KEY, Fault::BadKey),
    (403, "invalid_api_key", "", "Revoked", BAD_KEY, Fault::BadKey),
    // The money, whatever the status
    (429, "insufficient_quota", "insufficient_quota", "Check your plan", NO_MONEY, Fault::NoMoney),
    (429, "credit_balance_exhausted", "insufficient_quota", "Out of credit", NO_MONEY, Fault::NoMoney),
    (429, "organization_spend_limit_exceeded", "insufficient_quota", "Limit", NO_MONEY, Fault::NoMoney),
    (429, "project_spend_limit_exceeded", "insufficient_quota", "Limit", NO_MONEY, Fault::NoMoney),
    (429, "organization_usage_limit_exceeded", "insufficient_quota", "Limit", NO_MONEY, Fault::NoMoney),
    (429, "enforced_spend_limit_reached", "rate_limit_error", "Tier limit", NO_MONEY, Fault::NoMoney),
    (429, "billing_hard_limit_reached", "", "Limit", NO_MONEY, Fault::NoMoney),
    (400, "", "invalid_request_error", "Your credit balance is too low to call", NO_MONEY, Fault::NoMoney),
    (400, "", "invalid_request_error", "You have reached your specified API usage limits", NO_MONEY, Fault::NoMoney),
    (402, "", "billing_error", "Pay first", NO_MONEY, Fault::NoMoney),
    (402, "", "", "Insufficient Balance", NO_MONEY, Fault::NoMoney),
    (402, "payment_required", "", "Add credits", NO_MONEY, Fault::NoMoney),
    (402, "402", "RESOURCE_EXHAUSTED", "Prepaid credit is gone", NO_MONEY, Fault::NoMoney),
    (402, "in_flight_budget_exhausted", "", "Wait for running requests", GUESS, Fault::RateLimited),
    (402, "weight_exceeds_budget", "", "Request too dear", NEXT, Fault::NoMoney),
    (403, "", "", "Your team has used all available credits", NO_MONEY, Fault::NoMoney),
    (403, "403", "", "Key limit exceeded (monthly)", NO_MONEY, Fault::NoMoney),
    // The account may not
    (403, "unsupported_country_region_territory", "request_forbidden", "Not here", FORBIDDEN, Fault::Forbidden),
    (403, "", "forbidden", "Request not allowed", FORBIDDEN, Fault::Forbidden),
    (403, "SERVICE_DISABLED", "PERMISSION_DENIED", "Enable the API", FORBIDDEN, Fault::Forbidden),
    (400, "400", "FAILED_PRECONDITION", "Free tier is not available", FORBIDDEN, Fault::Forbidden),
    (400, "organization_on_hold", "invalid_request_error", "On hold", FORBIDDEN, Fault::Forbidden),
    (403, "", "", "Access temporarily blocked", FORBIDDEN, Fault::Forbidden),
    // The model is not there
    (404, "model_not_found", "invalid_request_error", "No such model or no access", MISSING, Fault::ModelMissing),
    (403, "model_not_found", "invalid_request_error", "Project lacks the model", MISSING, Fault::ModelMissing),
    (404, "DeploymentNotFound", "", "No such deployment", MISSING, Fault::ModelMissing),
    (404, "", "not_found_error", "model: nothing", MISSING, Fault::ModelMissing),
    (404, "", "", "model 'x' not found, try pulling it first", MISSING, Fault::ModelMissing),
    (400, "model_decommissioned", "invalid_request_error", "Gone", MISSING, Fault::ModelMissing),
    (403, "", "permission_error", "Your organization has no access", MISSING, Fault::ModelMissing),
    // Limits and capacity
    (429, "rate_limit_exceeded", "requests", "Limit reached", GUESS, Fault::RateLimited),
    (429, "rate_limit_exceeded", "tokens", "Please try again in 6m0.5s. See the docs.", cool(360_500), Fault::RateLimited),
    (429, "", "rate_limit_error", "Slow down", GUESS, Fault::RateLimited),
    (429, "429", "RESOURCE_EXHAUSTED", "Please retry in 38.2s.", cool(38_200), Fault::RateLimited),
    (429, "1300", "", "Service tier capacity exceeded for this model", GUESS, Fault::RateLimited),
    (413, "rate_limit_exceeded", "tokens", "Request too large for this tier", NEXT, Fault::TooLarge),
    (498, "", "", "Flex capacity", GUESS, Fault::Overloaded),
    (503, "server_is_overloaded", "server_error", "Overloaded", GUESS, Fault::Overloaded),
    (529, "", "overloaded_error", "Overloaded", GUESS, Fault::Overloaded),
    (503, "", "", "<html>busy</html>", GUESS, Fault::Overloaded),
    (429, "RATE_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED", "Quota exceeded. Please retry in 38s.", cool(38_000), Fault::RateLimited),
    (429, "429", "RESOURCE_EXHAUSTED", "Quota exceeded for metric: x, limit: 0, model: y", MISSING, Fault::ModelMissing),
    (429, "429", "RESOURCE_EXHAUSTED", "Quota exceeded for metric: x, limit: 0.5", GUESS, Fault::RateLimited),
    (429, "MODEL_CAPACITY_EXHAUSTED", "RESOURCE_EXHAUSTED", "No capacity", GUESS, Fault::Overloaded),
    (400, "API_KEY_INVALID", "INVALID_ARGUMENT", "API key not valid", BAD_KEY, Fault::BadKey),
    (402, "402", "RESOURCE_EXHAUSTED", "Prepayment credits are depleted", NO_MONEY, Fault::NoMoney),
    (403, "SERVICE_DISABLED", "PERMISSION_DENIED", "Not enabled", FORBIDDEN, Fault::Forbidden),
    (429, "ThrottlingException", "", "Too many tokens", GUESS, Fault::RateLimited),
    (400, "ServiceQuotaExceededException", "", "Quota", GUESS, Fault::RateLimited),
    (403, "ExpiredTokenException", "", "Expired", BAD_KEY, Fault::BadKey),
    (403, "AccessDeniedException", "", "No access to the model", MISSING, Fault::ModelMissing),
    (400, "ValidationException", "", "Input is too long", CLIENT, Fault::BadRequest),
    (424, "ModelErrorException", "", "It failed", GUESS, Fault::Upstream),
    // It failed
    (408, "", "", "", GUESS, Fault::Upstream),
    (409, "", "conflict_error", "", GUESS, Fault::Upstream),
    (424, "", "", "Model error", GUESS, Fault::Upstream),
    (500, "", "server_error", "The server had an error", GUESS, Fault::Upstream),
    (502, "502", "", "Provider returned error", GUESS, Fault::Upstream),
    (504, "", "timeout_error", "", GUESS, Fault::Upstream),
    (520, "", "", "", GUESS, Fault::Upstream),
    (302, "", "", "", GUESS, Fault::Upstream),
    (400, "", "invalid_request_error", "Invalid service_tier for this project", NEXT, Fault::BadRequest),
];

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
