//! What money is counted in: a bucket is one period of one kind of one scope.
//!
//! Invariant: a bucket's identity, its period and its zone never change. Pure.

use super::period::Period;
use crate::money::Nano;

/// Whose money is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// A team.
    Team,
    /// A person in a team.
    Member,
    /// A key.
    Key,
}

impl Scope {
    /// The text stored and shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Team => "team",
            Self::Member => "member",
            Self::Key => "key",
        }
    }

    /// The scope called `name`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Team, Self::Member, Self::Key]
            .into_iter()
            .find(|scope| scope.name() == name)
    }
}

/// Over what the money is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// All there ever was, against what was paid in.
    Wallet,
    /// A calendar day of the team's zone.
    Day,
    /// A calendar month of the team's zone.
    Month,
    /// All there ever was.
    Total,
}

impl Kind {
    /// The text stored and shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wallet => "wallet",
            Self::Day => "day",
            Self::Month => "month",
            Self::Total => "total",
        }
    }

    /// The kind called `name`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Wallet, Self::Day, Self::Month, Self::Total]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// The buckets of one scope and kind, one after another in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Series {
    /// Whose money.
    pub scope: Scope,
    /// Team id, key id; for a member the user id.
    pub scope_id: i64,
    /// The tenant.
    pub team_id: i64,
    /// Over what.
    pub kind: Kind,
}

impl Series {
    /// A team's series.
    #[must_use]
    pub const fn team(team_id: i64, kind: Kind) -> Self {
        Self {
            scope: Scope::Team,
            scope_id: team_id,
            team_id,
            kind,
        }
    }

    /// The series of `user_id` in a team.
    #[must_use]
    pub const fn member(team_id: i64, user_id: i64, kind: Kind) -> Self {
        Self {
            scope: Scope::Member,
            scope_id: user_id,
            team_id,
            kind,
        }
    }

    /// A key's series.
    #[must_use]
    pub const fn key(team_id: i64, key_id: i64, kind: Kind) -> Self {
        Self {
            scope: Scope::Key,
            scope_id: key_id,
            team_id,
            kind,
        }
    }
}

/// One period of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Its id in the database.
    pub id: i64,
    /// What it counts.
    pub series: Series,
    /// From when to when.
    pub period: Period,
    /// The IANA zone the period was cut in.
    pub zone: String,
}

/// What a bucket lets through at an admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Everything: the bucket only counts.
    Open,
    /// Up to this amount in the period.
    Cap(Nano),
    /// Up to what was paid into the bucket.
    Credit,
}

impl From<Option<Nano>> for Gate {
    fn from(cap: Option<Nano>) -> Self {
        cap.map_or(Self::Open, Self::Cap)
    }
}
