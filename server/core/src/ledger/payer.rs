//! Who pays for a request: the path of buckets it is held against.
//!
//! Invariant: the path's order is fixed: team wallet, team day and month, member day and month, key day, month and total.
//! Pure.

use super::bucket::{Gate, Kind, Series};
use crate::money::Nano;

/// The most buckets a path has.
pub const MAX_PATH: usize = 8;

/// The caps of one scope, as they are at an admission; `None` lets everything through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caps {
    /// A day.
    pub day: Option<Nano>,
    /// A month.
    pub month: Option<Nano>,
    /// In all; keys only.
    pub total: Option<Nano>,
}

/// Where the money of a call comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Funding {
    /// The wallet, which must hold it.
    Prepaid,
    /// The wallet, which may go below zero.
    Credit,
    /// The team pays its provider itself: caps count it, the wallet does not.
    Own,
}

impl Funding {
    /// Of a call to an account of the team's own, or one that the wallet pays, before or after.
    #[must_use]
    pub const fn of(is_own: bool, is_prepaid: bool) -> Self {
        match (is_own, is_prepaid) {
            (true, _) => Self::Own,
            (false, true) => Self::Prepaid,
            (false, false) => Self::Credit,
        }
    }
}

/// The member whose caps also count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The person.
    pub user_id: i64,
    /// Their caps in the team.
    pub caps: Caps,
}

/// Who pays, and up to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payer {
    /// The tenant.
    pub team_id: i64,
    /// IANA name of the zone its periods are cut in; an unknown name counts as UTC.
    pub team_zone: String,
    /// The team's caps.
    pub team: Caps,
    /// The member, if the key belongs to one.
    pub member: Option<Member>,
    /// The key.
    pub key_id: i64,
    /// The key's caps.
    pub key: Caps,
}

impl Payer {
    /// The path in its fixed order, with what each bucket lets through; the wallet is in it only where it pays.
    pub fn path(&self, funding: Funding) -> impl Iterator<Item = (Series, Gate)> + use<> {
        let (team_id, key_id) = (self.team_id, self.key_id);
        let gate = match funding {
            Funding::Prepaid => Some(Gate::Credit),
            Funding::Credit => Some(Gate::Open),
            Funding::Own => None,
        };
        let wallet = gate.map(|gate| (Series::team(team_id, Kind::Wallet), gate));
        let team = [
            (Series::team(team_id, Kind::Day), self.team.day.into()),
            (Series::team(team_id, Kind::Month), self.team.month.into()),
        ];
        let member = self.member.map(|Member { user_id, caps }| {
            [
                (Series::member(team_id, user_id, Kind::Day), caps.day.into()),
                (Series::member(team_id, user_id, Kind::Month), caps.month.into()),
            ]
        });
        let key = [
            (Series::key(team_id, key_id, Kind::Day), self.key.day.into()),
            (Series::key(team_id, key_id, Kind::Month), self.key.month.into()),
            (Series::key(team_id, key_id, Kind::Total), self.key.total.into()),
        ];
        let members = member.into_iter().flatten();
        wallet.into_iter().chain(team).chain(members).chain(key)
    }
}
