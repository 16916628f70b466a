//! A month of a wallet: what it was at the beginning, what came in, what was charged by day and by model, what it is at the end.
//!
//! Invariant: the opening balance and the lines sum up to the closing one, to the nano-dollar; one month closes with what the next
//! one opens with. Months and days are the team's. Reads `entry`, `hold` and `usage_hour`.

use super::{BillingError, Line, requests_of};
use crate::{
    fields::{FieldErrors, Reason},
    metering::{self, Piece},
    teams::TeamScope,
};
use entity::entry::{Column, Entity};
use gateway_core::money::Nano;
use jiff::{ToSpan as _, civil::Date, tz::TimeZone};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait},
};
use std::collections::BTreeMap;

/// A month of a team's wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The month, `2026-11`.
    pub month: String,
    /// Its beginning, Unix milliseconds.
    pub from_ms: i64,
    /// Its end, Unix milliseconds.
    pub to_ms: i64,
    /// What the wallet was worth at the beginning.
    pub opening: Nano,
    /// What it was worth at the end.
    pub closing: Nano,
    /// The sum of the entries.
    pub entered: Nano,
    /// The sum of the charges.
    pub charged: Nano,
    /// The charges of each day on which there were some, `2026-11-24`.
    pub days: Vec<Charges>,
    /// The charges of each model, the dearest first.
    pub models: Vec<Charges>,
    /// The entries, the oldest first.
    pub entries: Vec<Line>,
}

/// Some charges of a month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charges {
    /// The day or the model.
    pub of: String,
    /// Requests that ended.
    pub requests: i64,
    /// The sum.
    pub charged: Nano,
}

/// The statement of the month written `2026-11`, in the time zone `zone`.
///
/// # Errors
/// [`BillingError::Invalid`] where `month` is none; [`BillingError::Database`].
pub async fn statement(
    db: &DatabaseConnection,
    scope: &TeamScope,
    month: &str,
    zone: &str,
) -> Result<Statement, BillingError> {
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    let days = days_of(month).ok_or_else(|| {
        let reason = Reason::Said(format!("“{month}” is not a month. Write, for example, 2026-11."));
        FieldErrors::one("month", reason)
    })?;
    let boundaries: Vec<i64> = days.iter().map(|day| midnight(*day, &zone)).collect();
    let (from_ms, to_ms) = (boundaries[0], boundaries[boundaries.len() - 1]);
    let snapshot = crate::ledger::snapshot(db).await?;
    let opening = entered_before(&snapshot, scope, from_ms).await?.0
        - metering::charged_before(&snapshot, scope, from_ms).await?.0;
    let pieces = metering::pieces(&snapshot, scope, &boundaries).await?;
    let rows = Entity::find()
        .filter(Column::TeamId.eq(scope.team_id()))
        .filter(Column::CreatedAt.gte(from_ms))
        .filter(Column::CreatedAt.lt(to_ms))
        .order_by_asc(Column::Id)
        .all(&snapshot)
        .await?;
    let requests = requests_of(&snapshot, &rows).await?;
    snapshot.rollback().await?;
    let entries: Vec<Line> = rows.into_iter().map(|row| Line::new(row, &requests)).collect();
    let entered: i64 = entries.iter().map(|line| line.amount.0).sum();
    let charged: i64 = pieces.iter().map(|piece| piece.charged.0).sum();
    let day_of = |piece: &Piece| {
        let at = boundaries.partition_point(|boundary| *boundary <= piece.at_ms);
        days[at.saturating_sub(1)].to_string()
    };
    let mut models = grouped(&pieces, |piece| piece.model.clone());
    models.sort_by(|one, other| other.charged.cmp(&one.charged).then_with(|| one.of.cmp(&other.of)));
    Ok(Statement {
        month: month.to_owned(),
        from_ms,
        to_ms,
        opening: Nano(opening),
        closing: Nano(opening + entered - charged),
        entered: Nano(entered),
        charged: Nano(charged),
        days: grouped(&pieces, day_of),
        models,
        entries,
    })
}

/// The charges of `pieces`, by what `of` says, in its order.
fn grouped(pieces: &[Piece], of: impl Fn(&Piece) -> String) -> Vec<Charges> {
    let mut groups: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for piece in pieces {
        let group = groups.entry(of(piece)).or_default();
        group.0 += piece.requests;
        group.1 += piece.charged.0;
    }
    let charges = |(of, (requests, charged))| Charges {
        of,
        requests,
        charged: Nano(charged),
    };
    groups.into_iter().map(charges).collect()
}

/// The days of a month, and the first one after it.
fn days_of(month: &str) -> Option<Vec<Date>> {
    let (year, number) = month.split_once('-')?;
    if year.len() != 4 || number.len() != 2 || !month.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
        return None;
    }
    let (year, number) = (year.parse().ok()?, number.parse().ok()?);
    let first = Date::new(year, number, 1)
        .ok()
        .filter(|first| (2000..9000).contains(&first.year()))?;
    let next = first.checked_add(1.month()).ok()?;
    let mut days = vec![first];
    while let Some(day) = days
        .last()
        .and_then(|day| day.tomorrow().ok())
        .filter(|day| *day < next)
    {
        days.push(day);
    }
    days.push(next);
    Some(days)
}

/// The first instant of `day`.
fn midnight(day: Date, zone: &TimeZone) -> i64 {
    let start = day.to_zoned(zone.clone()).and_then(|zoned| zoned.start_of_day());
    start.map_or(i64::MAX, |start| start.timestamp().as_millisecond())
}

/// The sum of a team's entries before a moment.
async fn entered_before(db: &impl ConnectionTrait, scope: &TeamScope, before_ms: i64) -> Result<Nano, DbErr> {
    let sum: Option<i64> = Entity::find()
        .select_only()
        .expr(Expr::col(Column::Amount).sum().cast_as("BIGINT"))
        .filter(Column::TeamId.eq(scope.team_id()))
        .filter(Column::CreatedAt.lt(before_ms))
        .into_tuple()
        .one(db)
        .await?
        .flatten();
    Ok(Nano(sum.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use jiff::civil::date;

    #[test]
    fn a_month_has_its_days_and_ends_where_the_next_begins() {
        let days = days_of("2026-11").unwrap();
        assert_eq!(
            (days.len(), days[0], days[30]),
            (31, date(2026, 11, 1), date(2026, 12, 1))
        );
        for wrong in [
            "",
            "2026",
            "2026-13",
            "2026-1",
            "26-11",
            "2026-11-01",
            "+026-11",
            "1999-12",
            "9999-12",
        ] {
            assert_eq!(days_of(wrong), None, "{wrong}");
        }
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let october = days_of("2026-10").unwrap();
        let hours = (midnight(october[31], &zone) - midnight(october[0], &zone)) / 3_600_000;
        assert_eq!(hours, 31 * 24 + 1, "clocks go back in October");
    }
}
