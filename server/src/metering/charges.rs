//! The charges of a team, as lines of its wallet.
//!
//! Invariant: every hold that cost something is one charge. Reads `hold` in the hours that `usage_hour` knows.

use super::{Filter, hours};
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

/// Up to `limit` charges of the team with hold ids below `before`, newest first.
///
/// # Errors
/// The database failed.
pub async fn charges(
    db: &impl ConnectionTrait,
    scope: &TeamScope,
    before: i64,
    limit: u64,
    now_ms: i64,
) -> Result<Vec<Charged>, DbErr> {
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut found: Vec<Charged> = Vec::new();
    let mut before_hour = hours::start_of(id::made_at_ms(before)).saturating_add(2 * super::HOUR_MS);
    let mut below = before;
    loop {
        let known = hours::ranges(db, scope.team_id(), &Filter::default(), before_hour, now_ms).await?;
        for range in known.ranges {
            let rows = Entity::find()
                .filter(Column::Id.gte(range.start))
                .filter(Column::Id.lt(range.end.min(below)))
                .filter(Column::TeamId.eq(scope.team_id()))
                .filter(Column::Posted.gt(0))
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
