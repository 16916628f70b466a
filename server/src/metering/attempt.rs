//! One try at one account, as the column `hold.attempts` stores it: a JSON list of these.
//!
//! Invariant: ids are strings in JSON, so that no reader rounds them. Pure.

use serde::{Deserialize, Serialize};

/// One try at one account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The account's id, in decimal.
    pub account: String,
    /// The provider's id.
    pub provider: String,
    /// The model it was asked for, by the name that customers know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// HTTP status of the upstream, if it answered.
    pub status: Option<u16>,
    /// Milliseconds after the request came.
    pub started_ms: i64,
    /// How long it took, in milliseconds.
    pub took_ms: i64,
    /// How long to its first content, in milliseconds, if that came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttft_ms: Option<i64>,
    /// What followed, such as a cool-down of some seconds; for people.
    pub note: String,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// It answered.
    Ok,
    /// The account is at its limit.
    RateLimited,
    /// The account has no money left.
    NoMoney,
    /// The account's key is not accepted.
    BadKey,
    /// The upstream failed.
    Failed,
    /// The upstream took too long.
    TimedOut,
    /// No connection.
    Unreachable,
    /// The answer broke off after content.
    Cut,
    /// The account does not serve the model.
    ModelMissing,
    /// The upstream refused the client's input.
    Refused,
    /// The client went away while it answered.
    HungUp,
    /// No connection, because of the account's proxy.
    ProxyFailed,
    /// Another account, asked later, answered first.
    Outrun,
}

impl AttemptOutcome {
    /// Its name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::RateLimited => "rate_limited",
            Self::NoMoney => "no_money",
            Self::BadKey => "bad_key",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Unreachable => "unreachable",
            Self::Cut => "cut",
            Self::ModelMissing => "model_missing",
            Self::Refused => "refused",
            Self::HungUp => "hung_up",
            Self::ProxyFailed => "proxy_failed",
            Self::Outrun => "outrun",
        }
    }
}

impl Attempt {
    /// The account's id.
    #[must_use]
    pub fn account_id(&self) -> Option<i64> {
        self.account.parse().ok()
    }

    /// The attempts in `text`, the column of a hold; none where nothing was written yet.
    #[must_use]
    pub fn parse_list(text: &str) -> Vec<Self> {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// The text of the column.
    #[must_use]
    pub fn render_list(attempts: &[Self]) -> String {
        serde_json::to_string(attempts).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_stored_is_read_back_and_ids_stay_exact() {
        let attempt = Attempt {
            account: i64::MAX.to_string(),
            provider: "openai".to_owned(),
            model: Some("gpt-6-luna".to_owned()),
            outcome: AttemptOutcome::RateLimited,
            status: Some(429),
            started_ms: 3,
            took_ms: 41,
            ttft_ms: None,
            note: "cools down for 20 s".to_owned(),
        };
        let text = Attempt::render_list(std::slice::from_ref(&attempt));
        assert!(text.contains(r#""account":"9223372036854775807""#) && text.contains(r#""outcome":"rate_limited""#));
        assert_eq!(Attempt::parse_list(&text), std::slice::from_ref(&attempt));
        assert_eq!(attempt.account_id(), Some(i64::MAX));
        assert!(Attempt::parse_list("").is_empty());
    }

    #[test]
    fn names_are_those_of_json() {
        for outcome in [
            AttemptOutcome::Ok,
            AttemptOutcome::NoMoney,
            AttemptOutcome::ModelMissing,
            AttemptOutcome::Cut,
            AttemptOutcome::ProxyFailed,
        ] {
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.name());
        }
    }
}
