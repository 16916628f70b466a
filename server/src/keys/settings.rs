//! What people set about a key, and the rules for it.
//!
//! Invariant: what is stored passed every check; nothing is stored when one field is refused. Pure.

use super::address;
use crate::fields::{FieldErrors, RATE_MAX, Reason, TOKEN_RATE_MAX, check_cap, check_limit, check_name, check_region};
use entity::api_key;
use gateway_core::ledger::Caps;
use gateway_core::money::Nano;
use sea_orm::{DbErr, Set};
use serde_json::{Value, json};

const PATTERNS_MAX: usize = 200;
const PATTERN_LENGTH_MAX: usize = 200;
const RANGES_MAX: usize = 100;

/// Limits of a key or a team; `None` limits nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Requests a minute.
    pub rpm: Option<i64>,
    /// Tokens a minute.
    pub tpm: Option<i64>,
    /// Requests at once.
    pub max_in_flight: Option<i64>,
}

/// What people set about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySettings {
    /// Shown name.
    pub name: String,
    /// The user whose key it is; `None`: the team's own.
    pub member_id: Option<i64>,
    /// Patterns of model names; empty means all.
    pub models: Vec<String>,
    /// The only region whose accounts are asked for it.
    pub region: Option<String>,
    /// Money it may spend.
    pub caps: Caps,
    /// Its limits.
    pub rates: Rates,
    /// Whether output may be cut to what the caps afford.
    pub clamp: bool,
    /// Whether tools may run at the provider, of which each request then holds the dearest that they can come to.
    pub hosted_tools: bool,
    /// When it ends, in Unix milliseconds.
    pub expires_at_ms: Option<i64>,
    /// Addresses and ranges it may be used from; empty means everywhere.
    pub allowed_ips: Vec<String>,
}

impl KeySettings {
    /// A key called `name` that may do what its team may.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            member_id: None,
            models: Vec::new(),
            region: None,
            caps: Caps::default(),
            rates: Rates::default(),
            clamp: true,
            hosted_tools: false,
            expires_at_ms: None,
            allowed_ips: Vec::new(),
        }
    }

    /// Trims what was typed and refuses what breaks a rule; the end is looked at only when it is new.
    pub(super) fn check(&mut self, is_new_end: bool, now_ms: i64) -> Result<(), FieldErrors> {
        let mut errors = FieldErrors::default();
        self.name = self.name.trim().to_owned();
        self.models
            .iter_mut()
            .for_each(|pattern| *pattern = pattern.trim().to_owned());
        errors.note("name", check_name(&self.name));
        errors.note("models", check_patterns(&self.models));
        self.region = self.region.take().map(|region| region.trim().to_ascii_lowercase());
        if let Some(region) = &self.region {
            errors.note("region", check_region(region));
        }
        for (field, cap) in [
            ("cap_day", self.caps.day),
            ("cap_month", self.caps.month),
            ("cap_total", self.caps.total),
        ] {
            errors.note(field, check_cap(nano(cap)));
        }
        errors.note("rpm", check_limit(self.rates.rpm, RATE_MAX));
        errors.note("tpm", check_limit(self.rates.tpm, TOKEN_RATE_MAX));
        errors.note("max_in_flight", check_limit(self.rates.max_in_flight, RATE_MAX));
        errors.note("allowed_ips", self.check_ranges());
        if is_new_end && self.expires_at_ms.is_some_and(|end| end <= now_ms) {
            errors.note("expires_at", Err(Reason::InThePast));
        }
        errors.finish()
    }

    fn check_ranges(&mut self) -> Result<(), Reason> {
        if self.allowed_ips.len() > RANGES_MAX {
            return Err(Reason::TooMany { max: RANGES_MAX });
        }
        for range in &mut self.allowed_ips {
            *range = address::parse(range)?.to_string();
        }
        Ok(())
    }

    /// What the settings say, for the audit log and for comparison.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "member_id": self.member_id.map(|id| id.to_string()),
            "models": self.models,
            "region": self.region,
            "cap_day": self.caps.day,
            "cap_month": self.caps.month,
            "cap_total": self.caps.total,
            "rpm": self.rates.rpm,
            "tpm": self.rates.tpm,
            "max_in_flight": self.rates.max_in_flight,
            "clamp": self.clamp,
            "hosted_tools": self.hosted_tools,
            "expires_at": self.expires_at_ms,
            "allowed_ips": self.allowed_ips,
        })
    }

    /// The columns that hold these settings.
    pub(super) fn to_columns(&self) -> api_key::ActiveModel {
        api_key::ActiveModel {
            name: Set(self.name.clone()),
            member_id: Set(self.member_id),
            models: Set(json!(self.models).to_string()),
            region: Set(self.region.clone()),
            cap_day: Set(nano(self.caps.day)),
            cap_month: Set(nano(self.caps.month)),
            cap_total: Set(nano(self.caps.total)),
            rpm: Set(self.rates.rpm),
            tpm: Set(self.rates.tpm),
            max_in_flight: Set(self.rates.max_in_flight),
            clamp: Set(self.clamp),
            hosted_tools: Set(self.hosted_tools),
            expires_at: Set(self.expires_at_ms),
            allowed_ips: Set(json!(self.allowed_ips).to_string()),
            ..Default::default()
        }
    }
}

impl TryFrom<api_key::Model> for KeySettings {
    type Error = DbErr;

    fn try_from(row: api_key::Model) -> Result<Self, DbErr> {
        let list =
            |text: &str| serde_json::from_str::<Vec<String>>(text).map_err(|error| DbErr::Type(error.to_string()));
        Ok(Self {
            models: list(&row.models)?,
            allowed_ips: list(&row.allowed_ips)?,
            name: row.name,
            region: row.region,
            member_id: row.member_id,
            caps: caps(row.cap_day, row.cap_month, row.cap_total),
            rates: Rates {
                rpm: row.rpm,
                tpm: row.tpm,
                max_in_flight: row.max_in_flight,
            },
            clamp: row.clamp,
            hosted_tools: row.hosted_tools,
            expires_at_ms: row.expires_at,
        })
    }
}

/// A change of a key's settings: outer `None` keeps, inner `None` clears.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPatch {
    /// Shown name.
    pub name: Option<String>,
    /// The user whose key it is.
    pub member_id: Option<Option<i64>>,
    /// Patterns of model names.
    pub models: Option<Vec<String>>,
    /// The only region whose accounts are asked for it.
    pub region: Option<Option<String>>,
    /// Money a day.
    pub cap_day: Option<Option<Nano>>,
    /// Money a month.
    pub cap_month: Option<Option<Nano>>,
    /// Money in all.
    pub cap_total: Option<Option<Nano>>,
    /// Requests a minute.
    pub rpm: Option<Option<i64>>,
    /// Tokens a minute.
    pub tpm: Option<Option<i64>>,
    /// Requests at once.
    pub max_in_flight: Option<Option<i64>>,
    /// Whether output may be cut to what the caps afford.
    pub clamp: Option<bool>,
    /// Whether tools may run at the provider.
    pub hosted_tools: Option<bool>,
    /// When it ends, in Unix milliseconds.
    pub expires_at_ms: Option<Option<i64>>,
    /// Addresses and ranges it may be used from.
    pub allowed_ips: Option<Vec<String>>,
}

impl KeyPatch {
    /// `settings` after the change.
    pub(super) fn apply(self, settings: &KeySettings) -> KeySettings {
        KeySettings {
            name: self.name.unwrap_or_else(|| settings.name.clone()),
            member_id: self.member_id.unwrap_or(settings.member_id),
            models: self.models.unwrap_or_else(|| settings.models.clone()),
            region: self.region.unwrap_or_else(|| settings.region.clone()),
            caps: Caps {
                day: self.cap_day.unwrap_or(settings.caps.day),
                month: self.cap_month.unwrap_or(settings.caps.month),
                total: self.cap_total.unwrap_or(settings.caps.total),
            },
            rates: Rates {
                rpm: self.rpm.unwrap_or(settings.rates.rpm),
                tpm: self.tpm.unwrap_or(settings.rates.tpm),
                max_in_flight: self.max_in_flight.unwrap_or(settings.rates.max_in_flight),
            },
            clamp: self.clamp.unwrap_or(settings.clamp),
            hosted_tools: self.hosted_tools.unwrap_or(settings.hosted_tools),
            expires_at_ms: self.expires_at_ms.unwrap_or(settings.expires_at_ms),
            allowed_ips: self.allowed_ips.unwrap_or_else(|| settings.allowed_ips.clone()),
        }
    }
}

/// Caps from columns of nano-USD.
pub(super) fn caps(day: Option<i64>, month: Option<i64>, total: Option<i64>) -> Caps {
    Caps {
        day: day.map(Nano),
        month: month.map(Nano),
        total: total.map(Nano),
    }
}

fn nano(cap: Option<Nano>) -> Option<i64> {
    cap.map(|cap| cap.0)
}

fn check_patterns(patterns: &[String]) -> Result<(), Reason> {
    if patterns.len() > PATTERNS_MAX {
        return Err(Reason::TooMany { max: PATTERNS_MAX });
    }
    let is_pattern = |text: &str| {
        !text.is_empty() && text.len() <= PATTERN_LENGTH_MAX && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    match patterns.iter().find(|pattern| !is_pattern(pattern)) {
        Some(pattern) => Err(Reason::NotAPattern(pattern.clone())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOW: i64 = 1_790_000_000_000;

    #[test]
    fn good_settings_are_trimmed_and_normalized() {
        let mut settings = KeySettings {
            models: vec![" gpt-5* ".into(), "meta/llama:free".into()],
            allowed_ips: vec!["10.1.2.3/8".into(), "::1".into()],
            expires_at_ms: Some(NOW + 1),
            ..KeySettings::named("  ci agents ")
        };
        settings.check(true, NOW).unwrap();
        assert_eq!(settings.name, "ci agents");
        assert_eq!(settings.models, ["gpt-5*", "meta/llama:free"]);
        assert_eq!(settings.allowed_ips, ["10.0.0.0/8", "::1/128"]);
    }

    #[test]
    fn every_refused_field_is_named() {
        let mut settings = KeySettings {
            models: vec!["gpt 5".into()],
            caps: caps(Some(0), Some(-1), Some(1)),
            rates: Rates {
                rpm: Some(0),
                tpm: Some(1),
                max_in_flight: Some(-5),
            },
            allowed_ips: vec!["home".into()],
            expires_at_ms: Some(NOW),
            ..KeySettings::named("")
        };
        let errors = settings.check(true, NOW).unwrap_err();
        let fields: Vec<_> = errors.0.iter().map(|error| error.field).collect();
        assert_eq!(
            fields,
            [
                "name",
                "models",
                "cap_day",
                "cap_month",
                "rpm",
                "max_in_flight",
                "allowed_ips",
                "expires_at"
            ]
        );
    }

    #[test]
    fn an_end_that_passed_does_not_stop_other_changes() {
        let mut settings = KeySettings {
            expires_at_ms: Some(NOW),
            ..KeySettings::named("old")
        };
        assert!(settings.check(false, NOW).is_ok());
    }

    #[test]
    fn a_patch_keeps_changes_and_clears() {
        let settings = KeySettings {
            caps: caps(Some(5), Some(6), None),
            ..KeySettings::named("a")
        };
        let patch = KeyPatch {
            cap_day: Some(None),
            cap_total: Some(Some(Nano(7))),
            ..KeyPatch::default()
        };
        let changed = patch.apply(&settings);
        assert_eq!(changed.caps, caps(None, Some(6), Some(7)));
        assert_eq!(changed.name, "a");
    }
}
