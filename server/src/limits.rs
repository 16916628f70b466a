//! Limits at run time: requests and tokens a minute of keys, members and teams, and requests at once of keys and members.
//!
//! Invariant: all or nothing: a refused request takes from no window; what was taken is settled in the window of its admission.
//! Requests and tokens a minute are counted over all processes on a database: on SQLite in memory (`alone`), for there is one; on
//! Postgres with rights that the database grants (`together`). Requests at once are counted by each process.

mod alone;
mod clerk;
pub mod table;
mod together;

use crate::signals::Signals;
use sea_orm::{DatabaseBackend, DatabaseConnection};
use std::borrow::Cow;
use std::sync::Arc;

/// How long a key or member at their requests at once is told to wait, in milliseconds: a request ends at no known moment.
const IN_FLIGHT_RETRY_MS: i64 = 1_000;
/// The longest wait that is told, in milliseconds.
const RETRY_MAX_MS: i64 = 60_000;
/// With more keys, members or teams than this, those without anything in their windows are forgotten.
const KEPT: usize = 4_096;
/// What stands before the team in the name of a member's windows.
const MEMBER_OF: &str = "member-";

/// What a minute may hold; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerMinute {
    /// Requests.
    pub requests: Option<u64>,
    /// Tokens.
    pub tokens: Option<u64>,
}

/// Who asks, with the limits as they are now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limited {
    /// The key.
    pub key_id: i64,
    /// Its team.
    pub team_id: i64,
    /// The key's limits.
    pub key: PerMinute,
    /// How many requests of the key may be under way.
    pub max_in_flight: Option<u64>,
    /// Whose key it is, where it is not the team's own.
    pub member: Option<LimitedMember>,
    /// The team's limits.
    pub team: PerMinute,
}

/// A member, with their limits over all their keys in the team.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitedMember {
    /// The person.
    pub user_id: i64,
    /// A minute.
    pub per_minute: PerMinute,
    /// How many of their requests may be under way.
    pub max_in_flight: Option<u64>,
}

/// The limit that refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Requests a minute of the key.
    KeyRpm,
    /// Tokens a minute of the key.
    KeyTpm,
    /// Requests at once of the key.
    KeyInFlight,
    /// Requests a minute of the key's owner.
    MemberRpm,
    /// Tokens a minute of the key's owner.
    MemberTpm,
    /// Requests at once of the key's owner.
    MemberInFlight,
    /// Requests a minute of the team.
    TeamRpm,
    /// Tokens a minute of the team.
    TeamTpm,
}

/// A request that does not fit now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("limit {which:?} of {limit} is reached")]
pub struct LimitRefusal {
    /// The limit that refused.
    pub which: Which,
    /// How much it is.
    pub limit: u64,
    /// How long until the request fits, at most 60,000 milliseconds.
    pub retry_after_ms: i64,
    /// Whether the request is larger than the whole window, so that it never fits.
    pub needs_more_than_window: bool,
}

/// What is left of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// The limit.
    pub limit: u64,
    /// What a request may still take.
    pub remaining: u64,
    /// Milliseconds until the window is empty.
    pub reset_ms: i64,
}

/// What is left of the limits a request passes: of key, member and team, the tightest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Requests a minute.
    pub requests: Option<Left>,
    /// Tokens a minute.
    pub tokens: Option<Left>,
}

/// Why a request is not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// A limit is reached.
    #[error(transparent)]
    Limit(#[from] LimitRefusal),
    /// The database does not answer.
    #[error("the database does not answer")]
    Down,
}

/// The limits of a process; clones share them.
#[derive(Clone, Debug)]
pub struct Limits(Counter);

#[derive(Clone, Debug)]
enum Counter {
    Alone(alone::Alone),
    Together(Arc<together::Together>),
}

/// A request's place within the limits; its slot among the requests at once is given back when it is dropped.
#[must_use]
#[derive(Debug)]
pub struct RatePermit(Place);

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a process has places of one kind, and a box would cost each request an allocation"
)]
enum Place {
    Alone(alone::Place),
    Together(together::Place),
}

/// What a count belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Whose {
    /// A key's.
    Key,
    /// A member's, in this team.
    Member(i64),
    /// A team's.
    Team,
}

impl Whose {
    fn name(self) -> Cow<'static, str> {
        match self {
            Self::Key => "key".into(),
            Self::Member(team_id) => format!("{MEMBER_OF}{team_id}").into(),
            Self::Team => "team".into(),
        }
    }

    fn parse(name: &str) -> Option<Self> {
        match name {
            "key" => Some(Self::Key),
            "team" => Some(Self::Team),
            _ => name.strip_prefix(MEMBER_OF)?.parse().ok().map(Self::Member),
        }
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// Requests.
    Requests,
    /// Tokens.
    Tokens,
}

impl Measure {
    const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
        }
    }
}

/// A count of the last minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// What it belongs to.
    pub of: Whose,
    /// Which key, user or team.
    pub id: i64,
    /// What it counts.
    pub measure: Measure,
}

impl Window {
    fn render(self) -> String {
        format!("{}:{}:{}", self.of.name(), self.id, self.measure.name())
    }

    fn parse_name(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ':');
        let (of, id, measure) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?);
        Self::parse(of, id, measure)
    }

    /// The window of these words.
    fn parse(of: &str, id: i64, measure: &str) -> Option<Self> {
        let of = Whose::parse(of)?;
        let mut measures = [Measure::Requests, Measure::Tokens].into_iter();
        let measure = measures.find(|word| word.name() == measure)?;
        Some(Self { of, id, measure })
    }
}

impl Limited {
    /// Whose requests are counted beside the key's: team and user.
    fn member_key(&self) -> Option<(i64, i64)> {
        self.member.map(|member| (self.team_id, member.user_id))
    }
}

impl Limits {
    /// Counts with every process on `db`. Runs inside of the runtime that outlives connections.
    #[must_use]
    pub fn start(db: &DatabaseConnection, signals: &Signals) -> Self {
        if db.get_database_backend() != DatabaseBackend::Postgres {
            return Self(Counter::Alone(alone::Alone::default()));
        }
        let options = db.get_postgres_connection_pool().connect_options();
        let table = table::Table::new(&options, table::DB_NOW_MS);
        let (together, messages) = together::Together::new();
        tokio::spawn(clerk::work(Arc::downgrade(&together), messages, table, signals.clone()));
        Self(Counter::Together(together))
    }

    /// Takes one request and `tokens`, the most it can use, at `now_ms` (Unix milliseconds). Waits only where the database has
    /// to be asked. Dropping the future leaves what is granted to others.
    ///
    /// # Errors
    /// [`NotAdmitted`] naming the first limit that it does not fit; then nothing was taken.
    pub async fn admit(&self, caller: &Limited, tokens: u64, now_ms: i64) -> Result<RatePermit, NotAdmitted> {
        let place = match &self.0 {
            Counter::Alone(alone) => Place::Alone(alone.admit(caller, tokens, now_ms)?),
            Counter::Together(together) => Place::Together(match together.try_admit(caller, tokens)? {
                Some(place) => place,
                // Rare, and large.
                None => Box::pin(together.ask_and_admit(caller, tokens)).await?,
            }),
        };
        Ok(RatePermit(place))
    }

    /// What is left for `caller` at `now_ms`, without taking anything; of what other processes use, as far as is known.
    #[must_use]
    pub fn peek(&self, caller: &Limited, now_ms: i64) -> Standing {
        match &self.0 {
            Counter::Alone(alone) => alone.peek(caller, now_ms),
            Counter::Together(together) => together.peek(caller),
        }
    }

    /// How many requests of key `key_id` are under way in this process.
    #[must_use]
    pub fn in_flight(&self, key_id: i64) -> u64 {
        match &self.0 {
            Counter::Alone(alone) => alone.in_flight(key_id),
            Counter::Together(together) => together.in_flight(key_id),
        }
    }

    /// How many requests of all keys of a member, by team and user, are under way in this process.
    #[must_use]
    pub fn in_flight_of_member(&self, member: (i64, i64)) -> u64 {
        match &self.0 {
            Counter::Alone(alone) => alone.in_flight_of_member(member),
            Counter::Together(together) => together.in_flight_of_member(member),
        }
    }

    /// Gives back what is not used; from now on nothing is granted.
    pub async fn close(&self) {
        if let Counter::Together(together) = &self.0 {
            together.close().await;
        }
    }
}

impl RatePermit {
    /// Replaces the tokens taken at admission by `actual`, in the window of the admission. Without this call they stay taken.
    pub fn settle(&mut self, actual: u64, now_ms: i64) {
        match &mut self.0 {
            Place::Alone(place) => place.settle(actual, now_ms),
            Place::Together(place) => place.settle(actual),
        }
    }

    /// Undoes the admission: what was taken is free again, the request itself too.
    pub fn give_back(self, now_ms: i64) {
        match self.0 {
            Place::Alone(place) => place.give_back(now_ms),
            Place::Together(place) => place.give_back(),
        }
    }
}

/// A window of `limit` that has no room for `amount` for `wait_ms`.
fn full(which: Which, amount: u64, limit: u64, wait_ms: i64) -> LimitRefusal {
    LimitRefusal {
        which,
        limit,
        retry_after_ms: wait_ms.clamp(1, RETRY_MAX_MS),
        needs_more_than_window: amount > limit,
    }
}

/// Whether one more request may be under way, where `of_key` and `of_member` are.
fn check_in_flight(caller: &Limited, of_key: u64, of_member: u64) -> Result<(), LimitRefusal> {
    let member = caller.member.and_then(|member| member.max_in_flight);
    let limits = [
        (Which::KeyInFlight, of_key, caller.max_in_flight),
        (Which::MemberInFlight, of_member, member),
    ];
    for (which, in_flight, limit) in limits {
        if let Some(limit) = limit.filter(|limit| in_flight >= *limit) {
            return Err(LimitRefusal {
                which,
                limit,
                retry_after_ms: IN_FLIGHT_RETRY_MS,
                needs_more_than_window: limit == 0,
            });
        }
    }
    Ok(())
}
