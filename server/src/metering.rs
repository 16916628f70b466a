//! What was used: requests with their holds and attempts, roll-ups by hour, and what was earned.
//!
//! Invariant: `hold` has no index but its key, so every read of it is a range of ids, narrowed by the hours that
//! `usage_hour` knows; a team's reads take its [`TeamScope`]. Reads `hold`, `usage_hour`, `revenue_day`, `entry`, `bucket` and `price`.

mod attempt;
mod charges;
mod hours;
mod margins;
mod receipt;
mod requests;
mod rollup;
mod spans;

pub use attempt::{Attempt, AttemptOutcome};
pub use charges::{Charged, charges};
pub use margins::{Margin, MonthMargin, Part, grouped, margins, month_at, month_span, months};
pub use receipt::{Against, ChargeLine, Papers, papers};
pub use requests::{Filter, Request, estimate_of, find, list};
pub use rollup::{Group, GroupBy, GroupKey, Span, Sums, by_hour_and_model, roll_up};
pub use spans::{Piece, charged_before, pieces};

use crate::teams::TeamScope;

/// Milliseconds of the period that `usage_hour` sums over.
pub const HOUR_MS: i64 = 3_600_000;

/// Whose requests are meant.
#[derive(Clone, Copy, Debug)]
pub enum Whose<'a> {
    /// One team's.
    Team(&'a TeamScope),
    /// Everybody's: for platform admins, which the caller has checked.
    Everybody,
}

impl Whose<'_> {
    /// The team; none for everybody.
    #[must_use]
    pub const fn team_id(self) -> Option<i64> {
        match self {
            Self::Team(scope) => Some(scope.team_id()),
            Self::Everybody => None,
        }
    }
}
