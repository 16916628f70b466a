//! What was charged, and what the providers take for it, by month of UTC, model and upstream account.
//!
//! Invariant: what is charged is what was posted; what was corrected later is told apart, in the month of the correction.
//! Reads `revenue_day` and `entry`.

use entity::{entry, revenue_day};
use gateway_core::money::Nano;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, ExprTrait},
};
use std::collections::BTreeMap;

/// Some charges, and what they cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Margin {
    /// Requests that were charged.
    pub requests: i64,
    /// Charged.
    pub charged: Nano,
    /// What the providers take.
    pub cost: Nano,
}

impl Margin {
    /// What is left: charged less cost; negative where it cost more.
    #[must_use]
    pub const fn left(&self) -> Nano {
        Nano(self.charged.0.saturating_sub(self.cost.0))
    }

    fn add(&mut self, other: Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.charged = Nano(self.charged.0.saturating_add(other.charged.0));
        self.cost = Nano(self.cost.0.saturating_add(other.cost.0));
    }
}

/// The charges of one account and one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The upstream account; 0 where nobody knows which.
    pub account_id: i64,
    /// The model.
    pub model: String,
    /// How much.
    pub margin: Margin,
}

/// A month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonthMargin {
    /// `2026-11`.
    pub month: String,
    /// Its charges.
    pub margin: Margin,
    /// Given back by corrections that were made in it; negative where more was charged.
    pub corrected: Nano,
}

/// The beginning and the end of `month`, such as `2026-11`, in Unix milliseconds; `None` where that is none.
#[must_use]
pub fn month_span(month: &str) -> Option<(i64, i64)> {
    let (year, number) = month.split_once('-')?;
    let is_plain = year.len() == 4 && number.len() == 2;
    let first = Date::new(year.parse().ok()?, number.parse().ok()?, 1)
        .ok()
        .filter(|_| is_plain)?;
    let next = first.checked_add(jiff::Span::new().months(1)).ok()?;
    let at = |date: Date| Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond());
    Some((at(first)?, at(next)?))
}

/// The month of UTC that `at_ms` is in, such as `2026-11`.
#[must_use]
pub fn month_at(at_ms: i64) -> String {
    let at = Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m").to_string()
}

fn sum(column: revenue_day::Column) -> sea_orm::sea_query::SimpleExpr {
    Expr::col(column).sum().cast_as("BIGINT")
}

/// The charges that began from `from_ms` to `to_ms` by account and model.
///
/// # Errors
/// The database failed.
pub async fn margins(db: &impl ConnectionTrait, (from_ms, to_ms): (i64, i64)) -> Result<Vec<Part>, DbErr> {
    use revenue_day::Column;
    let rows: Vec<(i64, String, i64, i64, i64)> = revenue_day::Entity::find()
        .select_only()
        .columns([Column::AccountId, Column::Model])
        .expr(sum(Column::Requests))
        .expr(sum(Column::Charged))
        .expr(sum(Column::Cost))
        .filter(Column::Day.gte(from_ms))
        .filter(Column::Day.lt(to_ms))
        .group_by(Column::AccountId)
        .group_by(Column::Model)
        .into_tuple()
        .all(db)
        .await?;
    let part = |(account_id, model, requests, charged, cost)| Part {
        account_id,
        model,
        margin: Margin {
            requests,
            charged: Nano(charged),
            cost: Nano(cost),
        },
    };
    Ok(rows.into_iter().map(part).collect())
}

/// The parts put together by what `of` says of each; the dearest first.
pub fn grouped<K: Ord>(parts: &[Part], of: impl Fn(&Part) -> K) -> Vec<(K, Margin)> {
    let mut groups: BTreeMap<K, Margin> = BTreeMap::new();
    for part in parts {
        groups.entry(of(part)).or_default().add(part.margin);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, margin)| std::cmp::Reverse(margin.charged));
    groups
}

/// Every month in which something was charged or corrected, the newest first.
///
/// # Errors
/// The database failed.
pub async fn months(db: &impl ConnectionTrait) -> Result<Vec<MonthMargin>, DbErr> {
    use revenue_day::Column;
    let days: Vec<(i64, i64, i64, i64)> = revenue_day::Entity::find()
        .select_only()
        .column(Column::Day)
        .expr(sum(Column::Requests))
        .expr(sum(Column::Charged))
        .expr(sum(Column::Cost))
        .group_by(Column::Day)
        .into_tuple()
        .all(db)
        .await?;
    let mut months: BTreeMap<String, (Margin, i64)> = BTreeMap::new();
    for (day, requests, charged, cost) in days {
        months.entry(month_at(day)).or_default().0.add(Margin {
            requests,
            charged: Nano(charged),
            cost: Nano(cost),
        });
    }
    let corrections: Vec<(i64, i64)> = entry::Entity::find()
        .select_only()
        .columns([entry::Column::CreatedAt, entry::Column::Amount])
        .filter(entry::Column::HoldId.is_not_null())
        .into_tuple()
        .all(db)
        .await?;
    for (at_ms, amount) in corrections {
        let corrected = &mut months.entry(month_at(at_ms)).or_default().1;
        *corrected = corrected.saturating_add(amount);
    }
    let month = |(month, (margin, corrected))| MonthMargin {
        month,
        margin,
        corrected: Nano(corrected),
    };
    Ok(months.into_iter().rev().map(month).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn months_are_those_of_utc() {
        let (from, to) = month_span("2026-12").unwrap();
        assert_eq!((from, to - from), (1_796_083_200_000, 31 * 86_400_000));
        assert_eq!(
            (month_at(from - 1), month_at(to - 1)),
            ("2026-11".to_owned(), "2026-12".to_owned())
        );
        for wrong in ["", "2026", "2026-13", "2026-1", "26-01", "2026-01-01", "x"] {
            assert_eq!(month_span(wrong), None, "{wrong}");
        }
    }
}
