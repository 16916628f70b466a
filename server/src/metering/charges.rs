//! The charges of a team, as lines of its wallet.
//!
//! Invariant: every hold that cost the wallet something is one charge. Reads `hold` in the hours that `usage_hour` knows.

use super::{Filter, Span, hours};
use crate::teams::TeamScope;
use entity::hold::{Column, Entity};
use gateway_core::{id, money::Nano};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

/// What one hold cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charged {
    /// The hold.
    pub hold_id: i64,
    /// The request.
    pub request_id: i64,
    /// The name asked for.
    pub model: String,
    /// How much, above zero.
    pub amount: Nano,
    /// When the request began, in Unix milliseconds.
    pub at_ms: i64,
}

/// Up to `limit` charges of the team that began within `span`, with hold ids below `before`, newest first.
///
/// # Errors
/// The database failed.
pub async fn charges(
    db: &impl ConnectionTrait,
    scope: &TeamScope,
    span: Span,
    (before, limit): (i64, u64),
    now_ms: i64,
) -> Result<Vec<Charged>, DbErr> {
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut found: Vec<Charged> = Vec::new();
    // A hold is made in the hour in which its request began, or a little later.
    let last_ms = span.to_ms.unwrap_or(i64::MAX).min(id::made_at_ms(before));
    let mut before_hour = hours::start_of(last_ms).saturating_add(2 * super::HOUR_MS);
    let mut below = before;
    let filter = Filter {
        from_ms: span.from_ms,
        ..Filter::default()
    };
    loop {
        let known = hours::ranges(db, scope.team_id(), &filter, before_hour, now_ms).await?;
        for range in known.ranges {
            let mut query = Entity::find()
                .filter(Column::Id.gte(range.start))
                .filter(Column::Id.lt(range.end.min(below)))
                .filter(Column::TeamId.eq(scope.team_id()))
                .filter(Column::Posted.gt(0))
                .filter(Column::IsOwn.eq(false));
            if let Some(from_ms) = span.from_ms {
                query = query.filter(Column::StartedAt.gte(from_ms));
            }
            if let Some(to_ms) = span.to_ms {
                query = query.filter(Column::StartedAt.lt(to_ms));
            }
            let rows = query
                .order_by_desc(Column::Id)
                .limit((wanted - found.len()) as u64)
                .all(db)
                .await?;
            below = below.min(range.start);
            found.extend(rows.into_iter().map(|hold| Charged {
                hold_id: hold.id,
                request_id: hold.request_id,
                model: hold.model,
                amount: Nano(hold.posted),
                at_ms: hold.started_at,
            }));
            if found.len() >= wanted {
                return Ok(found);
            }
        }
        match known.next_before_hour {
            Some(hour) => before_hour = hour,
            None => return Ok(found),
        }
    }
}
