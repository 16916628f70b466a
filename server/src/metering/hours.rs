//! Which ranges of ids can hold a team's requests, so that the rest of `hold` is never read.
//!
//! Invariant: no request is missed: closed ones lie in an hour that `usage_hour` has, open ones in the last hours.
//! Reads `usage_hour`.

use super::{HOUR_MS, requests::Filter};
use entity::usage_hour::{Column, Entity};
use gateway_core::id;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use std::ops::Range;

/// Hours looked up at a time.
const CHUNK: u64 = 336;
/// A request that is not closed began within this time.
const OPEN_AT_MOST_MS: i64 = 2 * HOUR_MS;
/// Ids may be made a little before or after the time they are said to begin.
const SLACK_MS: i64 = 60_000;

/// Ranges of ids, newest first, and whether older ones may follow below the last.
pub(super) struct Ranges {
    pub ranges: Vec<Range<i64>>,
    pub next_before_hour: Option<i64>,
}

/// The ranges that can hold requests of `team_id` fitting `filter`, in the hours before `before_hour`.
pub(super) async fn ranges(
    db: &impl ConnectionTrait,
    team_id: i64,
    filter: &Filter,
    before_hour: i64,
    now_ms: i64,
) -> Result<Ranges, DbErr> {
    let mut query = Entity::find()
        .select_only()
        .column(Column::Hour)
        .filter(Column::TeamId.eq(team_id))
        .filter(Column::Hour.lt(before_hour));
    if let Some(from) = filter.from_ms {
        query = query.filter(Column::Hour.gte(start_of(from)));
    }
    if let Some(key_id) = filter.key_id {
        query = query.filter(Column::KeyId.eq(key_id));
    }
    if let Some(model) = filter.model.as_ref().filter(|_| filter.is_plain_model) {
        query = query.filter(Column::Model.eq(model));
    }
    let found: Vec<i64> = query
        .distinct()
        .order_by_desc(Column::Hour)
        .limit(CHUNK)
        .into_tuple()
        .all(db)
        .await?;
    let is_whole = found.len() as u64 == CHUNK;
    let next_before_hour = found.last().copied().filter(|_| is_whole);
    Ok(Ranges {
        ranges: merge(with_recent(found, before_hour, now_ms)),
        next_before_hour,
    })
}

/// The start of the hour of `at_ms`.
pub(super) const fn start_of(at_ms: i64) -> i64 {
    at_ms.div_euclid(HOUR_MS) * HOUR_MS
}

/// Adds the hours in which requests may still be open.
fn with_recent(mut hours: Vec<i64>, before_hour: i64, now_ms: i64) -> Vec<i64> {
    let mut hour = start_of(now_ms + SLACK_MS);
    while hour > now_ms - OPEN_AT_MOST_MS - HOUR_MS {
        if hour < before_hour {
            hours.push(hour);
        }
        hour -= HOUR_MS;
    }
    hours.sort_unstable_by(|one, other| other.cmp(one));
    hours.dedup();
    hours
}

/// Hours, newest first, as ranges of ids that do not overlap.
fn merge(hours: Vec<i64>) -> Vec<Range<i64>> {
    let mut ranges: Vec<Range<i64>> = Vec::new();
    for hour in hours {
        let range = id::at(hour - SLACK_MS, 0)..id::at(hour + HOUR_MS + SLACK_MS, 0);
        match ranges.last_mut() {
            Some(last) if range.end >= last.start => last.start = range.start,
            _ => ranges.push(range),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOON: i64 = 1_795_521_600_000;

    #[test]
    fn neighbouring_hours_become_one_range_and_none_is_read_twice() {
        let ranges = merge(vec![NOON, NOON - HOUR_MS, NOON - 5 * HOUR_MS]);
        assert_eq!(ranges.len(), 2);
        assert!(ranges[0].contains(&id::at(NOON - HOUR_MS, 0)) && ranges[0].contains(&id::at(NOON + HOUR_MS - 1, 7)));
        assert!(ranges[1].end <= ranges[0].start);
    }

    #[test]
    fn requests_that_may_be_open_are_looked_for_though_no_hour_knows_them() {
        let hours = with_recent(vec![NOON - 50 * HOUR_MS], i64::MAX, NOON + 1);
        assert_eq!(hours[..3], [NOON, NOON - HOUR_MS, NOON - 2 * HOUR_MS]);
        assert_eq!(hours.last(), Some(&(NOON - 50 * HOUR_MS)));
        assert_eq!(with_recent(vec![], NOON - 10 * HOUR_MS, NOON), Vec::<i64>::new());
    }
}
