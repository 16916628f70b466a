//! Small steps from rows to view models that several subjects share.
//!
//! Invariant: what a team spent is read from the ledger, for the period of now in the team's zone. Reads the ledger.

use super::{Principal, Refusal};
use crate::{ledger::Series, teams::TeamRow};
use frontend::api::{ApiError, Nano, Page, PageQuery, Time, keys::Spend};
use gateway_core::id::{self, Kind};

/// The rows of one page, and the cursor of the next where there is one: `rows` has one more than wanted then.
pub(super) fn page<T>(query: &PageQuery, mut rows: Vec<T>, cursor: impl Fn(&T) -> String) -> Page<T> {
    let wanted = query.rows() as usize;
    let has_more = rows.len() > wanted;
    rows.truncate(wanted);
    let next = rows.last().filter(|_| has_more).map(cursor);
    Page { data: rows, next }
}

/// Rows to ask for: one more than wanted, to know whether there is a next page.
pub(super) fn limit(query: &PageQuery) -> u64 {
    u64::from(query.rows()) + 1
}

/// The id in the cursor `after`.
pub(super) fn after(query: &PageQuery, kind: Kind) -> Result<Option<i64>, Refusal> {
    let parse = |text: &String| super::parse_field(kind, text, "after");
    query.after.as_ref().map(parse).transpose()
}

/// The cursor of a row that stands at `rank`, then by `id`: it says where to go on even when the row is gone.
pub(super) fn place(kind: Kind, (rank, id): (i64, i64)) -> String {
    format!("{rank}.{}", id::render(kind, id))
}

/// The place in the cursor `after`.
pub(super) fn after_place(query: &PageQuery, kind: Kind) -> Result<Option<(i64, i64)>, Refusal> {
    let Some(text) = &query.after else { return Ok(None) };
    let place = text.split_once('.').and_then(|(rank, id)| {
        let rank = rank.parse().ok()?;
        Some((rank, id::parse(kind, id)?))
    });
    let message = format!("“{text}” is not a cursor. Send the next of the page before.");
    place.map(Some).ok_or_else(|| ApiError::field("after", message).into())
}

pub(super) fn nano(amount: Option<i64>) -> Option<Nano> {
    amount.map(Nano)
}

pub(super) fn time(at_ms: Option<i64>) -> Option<Time> {
    at_ms.map(Time)
}

pub(super) fn user_id(id: i64) -> String {
    id::render(Kind::User, id)
}

pub(super) fn team_id(id: i64) -> String {
    id::render(Kind::Team, id)
}

impl Principal {
    /// What each of `series` counts now, against its cap.
    pub(super) async fn spends<const N: usize>(
        &self,
        team: &TeamRow,
        series: [(Series, Option<Nano>); N],
    ) -> Result<[Spend; N], Refusal> {
        let asked = series.map(|(series, _)| series);
        let spent = self.app.ledger.spent(&asked, &team.time_zone, self.now_ms()).await?;
        let mut spends: [Spend; N] = std::array::from_fn(|_| Spend::default());
        for ((spend, spent), (_, cap)) in spends.iter_mut().zip(spent).zip(series) {
            *spend = Spend {
                posted: spent.posted,
                held: spent.held,
                cap,
                resets_at: time(spent.resets_at_ms),
            };
        }
        Ok(spends)
    }
}
