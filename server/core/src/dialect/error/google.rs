//! The details of Google's errors: a telling reason, which quota is used up, and when to try again.
//!
//! Invariant: details that are missing or of another shape change nothing. Pure.
//! Wire facts: `google.rpc` of Google's API reference: ErrorInfo, QuotaFailure, RetryInfo.

use super::word;
use serde_json::Value;

/// What a daily quota is called here.
const DAILY: &str = "daily_quota_exceeded";

/// What the details say.
#[derive(Debug, Default)]
pub(super) struct Details {
    /// The reason, or that a daily quota is used up.
    pub code: Option<String>,
    /// How long to wait, such as `38s`.
    pub delay: Option<String>,
}

/// The details of `error`.
pub(super) fn details(error: &Value) -> Details {
    let mut found = Details::default();
    for detail in error.get("details").and_then(Value::as_array).into_iter().flatten() {
        let kind = detail.get("@type").and_then(Value::as_str).unwrap_or_default();
        if kind.ends_with("google.rpc.RetryInfo") {
            found.delay = detail.get("retryDelay").and_then(word);
        } else if kind.ends_with("google.rpc.ErrorInfo") && found.code.is_none() {
            found.code = detail.get("reason").and_then(word);
        } else if kind.ends_with("google.rpc.QuotaFailure") {
            let violations = detail.get("violations").and_then(Value::as_array);
            let is_daily = violations.into_iter().flatten().any(|violation| {
                let quota = violation.get("quotaId").and_then(Value::as_str).unwrap_or_default();
                quota.contains("PerDay") || quota.contains("Daily")
            });
            if is_daily {
                found.code = Some(DAILY.to_owned());
            }
        }
    }
    found
}

/// `message`, which says when to try again where only the details did.
pub(super) fn with_delay(message: &str, delay: Option<&str>) -> String {
    match delay {
        Some(delay) if !message.to_ascii_lowercase().contains("retry in ") => {
            let gap = if message.is_empty() { "" } else { " " };
            format!("{message}{gap}Please retry in {delay}.")
        }
        _ => message.to_owned(),
    }
}
