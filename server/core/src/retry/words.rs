//! The words of upstream errors, and what they mean.
//!
//! Invariant: a code outranks a type, which outranks a status; a message counts only where its provider has no code for it, and
//! then only phrases that a client's input cannot put there. Pure.
//! Wire facts: the error references of the providers named below.

use super::{ErrorText, Fault, Reason};

/// What an error means, whatever its provider calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The client's own doing: every account would say the same.
    Client(Fault),
    /// This account cannot take this request; another may.
    TooMuchForThisAccount(Fault),
    /// Too many requests or tokens.
    RateLimited,
    /// No capacity at the provider.
    Overloaded,
    /// It failed.
    Fails,
    /// The account does not serve the model.
    ModelMissing,
    /// The account is of no use.
    Parked(Reason),
}

const NO_MONEY: &[&str] = &[
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "billing_hard_limit_reached",
    "billing_not_active",
    "enforced_spend_limit_reached",
    "contract_spend_limit_reached",
    "linked_organization_spend_limit_reached",
    "billing_error",
    "payment_required",
    "insufficient_balance",
    "insufficient_credits",
    "insufficient_funds",
    "exceeded_current_quota_error",
];
const BAD_KEY: &[&str] = &[
    "invalid_api_key",
    "incorrect_api_key",
    "api_key_invalid",
    "expired_api_key",
    "authentication_error",
    "invalid_authentication",
    "unauthenticated",
    "token_expired",
    "expiredtokenexception",
    "invalidsignatureexception",
    "unrecognizedclientexception",
    "mismatched_organization",
    "ip_not_authorized",
];
const FORBIDDEN: &[&str] = &[
    "unsupported_country_region_territory",
    "organization_on_hold",
    "account_deactivated",
    "account_suspended",
    "access_terminated",
    "permission_denied",
    "service_disabled",
    "failed_precondition",
    "consumer_suspended",
];
const CONTENT_POLICY: &[&str] = &[
    "content_policy_violation",
    "content_filter",
    "responsibleaipolicyviolation",
    "moderation_blocked",
    "bio_policy",
    "misalignment_policy_violation",
    "invalid_prompt",
];
const TOO_LONG: &[&str] = &["context_length_exceeded", "model_context_window_exceeded"];
const MODEL_MISSING: &[&str] = &[
    "model_not_found",
    "model_not_available",
    "model_decommissioned",
    "invalid_model",
    "deploymentnotfound",
    "region_unavailable",
    "not_found_error",
    "not_found",
    "resourcenotfoundexception",
    "accessdeniedexception",
];
const RATE_LIMITED: &[&str] = &[
    "rate_limit_exceeded",
    "rate_limit_error",
    "rate_limited",
    "ramp_limit_exceeded",
    "slow_down",
    "too_many_requests",
    "resource_exhausted",
    "in_flight_budget_exhausted",
    "throttlingexception",
    "modelnotreadyexception",
    "servicequotaexceededexception",
    "rate_limit_exceeded_error",
    DAILY_QUOTA,
];
const OVERLOADED: &[&str] = &[
    "model_capacity_exhausted",
    "serviceunavailableexception",
    "server_is_overloaded",
    "overloaded_error",
    "engine_overloaded",
    "capacity_exceeded",
    "service_unavailable",
    "service_tier_capacity_exceeded",
    "unavailable",
];
const BAD_REQUEST: &[&str] = &["invalid_request_error", "invalid_argument", "bad_request"];

/// What the client refers to is not kept, or is no longer: an answer, a conversation, or a part of one.
const NOT_KEPT: &[&str] = &["previous_response_not_found", "conversation_not_found"];
/// The same where there is no code for it.
const NOT_KEPT_STARTS: &[&str] = &["previous response with id", "conversation with id", "item with id"];

/// How an error of Google's whose quota for the day is used up is read.
pub(super) const DAILY_QUOTA: &str = "daily_quota_exceeded";

/// Messages that begin so, from providers that have no code for it.
const NO_MONEY_STARTS: &[&str] = &[
    "you have reached your specified",
    "your credit balance is too low",
    "insufficient balance",
    "insufficient credits",
    "key limit exceeded",
];

/// What an error of `status` means.
pub(super) fn meaning(status: u16, error: &ErrorText<'_>) -> Meaning {
    let is = |words: &[&str]| one_of(error.code, words) || one_of(error.kind, words);
    let starts = |words: &[&str]| words.iter().any(|word| starts_with(error.message, word));
    // What is said by name, whatever the status.
    if is(NO_MONEY) || (status != 404 && starts(NO_MONEY_STARTS)) {
        Meaning::Parked(Reason::NoMoney)
    } else if is(BAD_KEY) {
        Meaning::Parked(Reason::BadKey)
    } else if is(CONTENT_POLICY) {
        Meaning::Client(Fault::ContentPolicy)
    } else if is(TOO_LONG) {
        Meaning::Client(Fault::TooLong)
    } else if one_of(error.code, NOT_KEPT) || (matches!(status, 400 | 404) && starts(NOT_KEPT_STARTS)) {
        Meaning::Client(Fault::BadRequest)
    } else if one_of(error.code, MODEL_MISSING) {
        Meaning::ModelMissing
    } else if is(FORBIDDEN) {
        Meaning::Parked(Reason::Forbidden)
    } else if status == 413 && is(RATE_LIMITED) {
        Meaning::TooMuchForThisAccount(Fault::TooLarge)
    } else if status == 429 && is_zero_quota(error.message) {
        Meaning::ModelMissing
    } else if status != 402 && one_of(error.code, RATE_LIMITED) {
        Meaning::RateLimited
    } else if one_of(error.code, OVERLOADED) {
        Meaning::Overloaded
    } else {
        by_status(status, error)
    }
}

/// The status that an error inside a successful answer stands for; 500 where it says nothing.
pub(super) fn status_in(error: &ErrorText<'_>) -> u16 {
    let digits = [error.code, error.kind]
        .into_iter()
        .find_map(|word| word.parse::<u16>().ok());
    if let Some(status) = digits.filter(|status| (400..600).contains(status)) {
        return status;
    }
    let is = |words: &[&str]| one_of(error.code, words) || one_of(error.kind, words);
    if is(RATE_LIMITED) {
        429
    } else if is(OVERLOADED) {
        503
    } else if is(MODEL_MISSING) {
        404
    } else if one_of(error.kind, &["permission_error"]) {
        403
    } else if is(BAD_REQUEST) {
        400
    } else {
        500
    }
}

fn by_status(status: u16, error: &ErrorText<'_>) -> Meaning {
    match status {
        401 => Meaning::Parked(Reason::BadKey),
        402 if one_of(error.code, &["in_flight_budget_exhausted"]) => Meaning::RateLimited,
        402 if one_of(error.code, &["weight_exceeds_budget"]) => Meaning::TooMuchForThisAccount(Fault::NoMoney),
        402 => Meaning::Parked(Reason::NoMoney),
        403 => forbidden(error),
        404 | 410 => Meaning::ModelMissing,
        413 => Meaning::Client(Fault::TooLarge),
        429 => Meaning::RateLimited,
        498 | 503 | 529 => Meaning::Overloaded,
        400 if contains(error.message, "service_tier") => Meaning::TooMuchForThisAccount(Fault::BadRequest),
        400 | 405 | 406 | 411..=422 | 428 | 431 | 451 => Meaning::Client(Fault::BadRequest),
        _ => Meaning::Fails,
    }
}

/// Whether a quota of Google's that is used up is none at all: the account does not serve the model.
fn is_zero_quota(message: &str) -> bool {
    contains(message, "limit: 0,") || message.trim_end().trim_end_matches('.').ends_with("limit: 0")
}

/// What a 403 without a telling code means: an account that lacks something, seldom a client at fault.
fn forbidden(error: &ErrorText<'_>) -> Meaning {
    let says = |phrase: &str| contains(error.message, phrase);
    if says("credits") || says("spending limit") || says("budget") {
        Meaning::Parked(Reason::NoMoney)
    } else if says("usage guidelines") || says("flagged") || says("moderation") {
        Meaning::Client(Fault::ContentPolicy)
    } else if says("context length") || says("maximum context") {
        Meaning::Client(Fault::TooLong)
    } else if says("country") || says("region") || starts_with(error.message, "request not allowed") || says("blocked")
    {
        Meaning::Parked(Reason::Forbidden)
    } else {
        Meaning::ModelMissing
    }
}

fn one_of(word: &str, words: &[&str]) -> bool {
    words.iter().any(|known| word.eq_ignore_ascii_case(known))
}

fn starts_with(text: &str, start: &str) -> bool {
    let head = text.trim_start().as_bytes().get(..start.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
}

fn contains(text: &str, phrase: &str) -> bool {
    let mut windows = text.as_bytes().windows(phrase.len());
    windows.any(|window| window.eq_ignore_ascii_case(phrase.as_bytes()))
}
