//! What a team was charged between two moments, to the nano-dollar, also where a time zone's days do not begin with an hour of UTC.
//!
//! Invariant: each charge is in one piece, and what is before a moment and what is after it are all there is. Pieces are hours of
//! the roll-ups, or single holds where a boundary falls into an hour; hours whose holds are gone are where they begin.
//! Reads `usage_hour` and `hold`.

use super::{HOUR_MS, Span, by_hour_and_model, hours::start_of};
use crate::teams::TeamScope;
use entity::{
    hold::{Column, Entity},
    usage_hour,
};
use gateway_core::{id, money::Nano};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, ExprTrait},
};
use std::collections::BTreeMap;

/// Ids may be made a little before or after the time they are said to begin.
const SLACK_MS: i64 = 60_000;

/// A part of what was charged, all of it between two boundaries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// A moment between the two, Unix milliseconds.
    pub at_ms: i64,
    /// The model asked for.
    pub model: String,
    /// Requests that ended.
    pub requests: i64,
    /// Charged.
    pub charged: Nano,
}

/// What the team was charged from the first of `boundaries` to the last one, which are in order.
///
/// # Errors
/// The database failed.
pub async fn pieces(db: &impl ConnectionTrait, scope: &TeamScope, boundaries: &[i64]) -> Result<Vec<Piece>, DbErr> {
    let (Some(first), Some(last)) = (boundaries.first(), boundaries.last()) else {
        return Ok(Vec::new());
    };
    let span = Span {
        from_ms: Some(*first),
        to_ms: Some(*last),
    };
    let mut by_hour: BTreeMap<i64, Vec<Piece>> = BTreeMap::new();
    for group in by_hour_and_model(db, scope, span).await? {
        let (hour, model) = group.by;
        by_hour.entry(hour).or_default().push(Piece {
            at_ms: hour,
            model,
            requests: group.sums.requests,
            charged: group.sums.charged(),
        });
    }
    for boundary in boundaries {
        let hour = start_of(*boundary);
        let Some(whole) = by_hour.get(&hour).filter(|_| hour != *boundary) else {
            continue;
        };
        let single = single(db, scope, hour).await?;
        let sum = |pieces: &[Piece]| pieces.iter().map(|piece| piece.charged.0).sum::<i64>();
        if sum(&single) == sum(whole) {
            by_hour.insert(hour, single);
        }
    }
    let is_within = |piece: &Piece| (*first..*last).contains(&piece.at_ms);
    Ok(by_hour.into_values().flatten().filter(is_within).collect())
}

/// What the team was charged before the moment `before_ms`, ever.
///
/// # Errors
/// The database failed.
pub async fn charged_before(db: &impl ConnectionTrait, scope: &TeamScope, before_ms: i64) -> Result<Nano, DbErr> {
    let hour = start_of(before_ms);
    let sum: Option<i64> = usage_hour::Entity::find()
        .select_only()
        .expr(
            Expr::col(usage_hour::Column::Posted)
                .sub(Expr::col(usage_hour::Column::OwnPosted))
                .sum()
                .cast_as("BIGINT"),
        )
        .filter(usage_hour::Column::TeamId.eq(scope.team_id()))
        .filter(usage_hour::Column::Hour.lt(hour))
        .into_tuple()
        .one(db)
        .await?
        .flatten();
    // The hour that the moment falls into has a part before it.
    let rest = pieces(db, scope, &[hour, before_ms]).await?;
    let rest: i64 = rest.iter().map(|piece| piece.charged.0).sum();
    Ok(Nano(sum.unwrap_or_default() + rest))
}

/// The holds of an hour, one piece each.
async fn single(db: &impl ConnectionTrait, scope: &TeamScope, hour: i64) -> Result<Vec<Piece>, DbErr> {
    let rows = Entity::find()
        .filter(Column::Id.gte(id::at(hour - SLACK_MS, 0)))
        .filter(Column::Id.lt(id::at(hour + HOUR_MS + SLACK_MS, 0)))
        .filter(Column::TeamId.eq(scope.team_id()))
        .filter(Column::StartedAt.gte(hour))
        .filter(Column::StartedAt.lt(hour + HOUR_MS))
        .filter(Column::FinishedAt.is_not_null())
        .all(db)
        .await?;
    let piece = |hold: entity::hold::Model| Piece {
        at_ms: hold.started_at,
        model: hold.model,
        requests: i64::from(hold.request_id == hold.id),
        charged: Nano(if hold.is_own { 0 } else { hold.posted }),
    };
    Ok(rows.into_iter().map(piece).collect())
}
