//! Who calls: a key that passed the check, with everything a request of its needs to know.
//!
//! Invariant: what stands here was true within the last second. Pure.

use super::{Rates, address};
use gateway_core::ledger::Payer;
use gateway_core::limits::matches;
use ipnet::IpNet;
use std::net::IpAddr;

/// A key that passed the check, its team and its member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Team, member and key, with their caps.
    pub payer: Payer,
    /// Shown name of the key.
    pub key_name: String,
    /// Shown name of the team.
    pub team_name: String,
    /// Patterns of the models it may ask for; empty means all.
    pub models: Vec<String>,
    /// The only region whose accounts are asked for it.
    pub region: Option<String>,
    /// Where it may be used from; empty means everywhere.
    pub allowed_ips: Vec<IpNet>,
    /// The key's limits.
    pub key_rates: Rates,
    /// The limits of its owner in the team, over all their keys; none of the team's own key.
    pub member_rates: Rates,
    /// The team's limits, over all its keys.
    pub team_rates: Rates,
    /// Whether accounts of the platform may be asked for it, beside the team's own.
    pub uses_platform: bool,
    /// Whether output may be cut to what the caps afford.
    pub clamp: bool,
    /// Whether tools may run at the provider.
    pub hosted_tools: bool,
    /// When the key ends, in Unix milliseconds.
    pub expires_at_ms: Option<i64>,
}

impl Caller {
    /// The key.
    #[must_use]
    pub const fn key_id(&self) -> i64 {
        self.payer.key_id
    }

    /// The team.
    #[must_use]
    pub const fn team_id(&self) -> i64 {
        self.payer.team_id
    }

    /// The user whose key it is, if it is not the team's own.
    #[must_use]
    pub fn member_id(&self) -> Option<i64> {
        self.payer.member.map(|member| member.user_id)
    }

    /// Whether the key may ask for `model`, by the name it asks for.
    #[must_use]
    pub fn allows_model(&self, model: &str) -> bool {
        self.models.is_empty() || self.models.iter().any(|pattern| matches(pattern, model))
    }

    /// Whether the key may be used from `address`, IPv4 in either notation.
    #[must_use]
    pub fn allows_address(&self, address: IpAddr) -> bool {
        address::allows(&self.allowed_ips, address)
    }
}

/// Why a key opens nothing. Who does not hold the right secret learns nothing about the key's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefusal {
    /// Not the text of a key: a typo. Nothing was looked up.
    #[error("this is not a key: check it for typing errors")]
    Malformed,
    /// There is no such key.
    #[error("there is no such key")]
    Unknown,
    /// Revoked for good.
    #[error("the key was revoked")]
    Revoked,
    /// Past its end, or replaced by rotation.
    #[error("the key has expired")]
    Expired,
    /// Switched off.
    #[error("the key is disabled")]
    Disabled,
    /// The team's keys are refused.
    #[error("the key's team is suspended")]
    TeamSuspended,
    /// Its owner left the team, may no longer use keys, or is disabled.
    #[error("the key's owner may no longer use keys in its team")]
    MemberGone,
    /// The database does not answer, so nothing is known.
    #[error("keys cannot be checked at this moment")]
    Unavailable,
}
