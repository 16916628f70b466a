//! Roll-ups: sums over hours, by key, member, model or hour.
//!
//! Invariant: sums are the ledger's own, written in the transaction of each charge. Reads `usage_hour`.

use super::hours::start_of;
use crate::teams::TeamScope;
use entity::usage_hour::{Column, Entity};
use gateway_core::{money::Nano, usage::Usage};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect, Select,
};

/// What to group by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// The model asked for.
    Model,
    /// The key.
    Key,
    /// The member; requests of the team's own keys are one group.
    Member,
    /// Hours.
    Hour,
}

/// From when to when, in Unix milliseconds; hours that begin before `to_ms` and end after `from_ms` count whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// From this moment on.
    pub from_ms: Option<i64>,
    /// Before this moment.
    pub to_ms: Option<i64>,
}

/// What one group sums up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromQueryResult)]
pub struct Sums {
    /// Requests ended.
    pub requests: i64,
    /// Of them, those whose client got an error.
    pub failed: i64,
    /// Attempts beyond the first.
    pub failovers: i64,
    /// Tokens.
    pub input: i64,
    /// Tokens.
    pub cache_read: i64,
    /// Tokens.
    pub cache_write: i64,
    /// Tokens.
    pub output: i64,
    /// Nano-USD that caps have counted.
    pub posted: i64,
    /// Of that, what accounts of the team's own came to, which no wallet paid.
    pub own_posted: i64,
    /// Sum of the milliseconds to first content.
    pub ttft_ms_sum: i64,
    /// How many the sum covers.
    pub ttft_count: i64,
}

impl Sums {
    /// Tokens by kind.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let count = |tokens: i64| u64::try_from(tokens).unwrap_or(0);
        Usage {
            input: count(self.input),
            cache_read: count(self.cache_read),
            cache_write: count(self.cache_write),
            output: count(self.output),
            ..Usage::default()
        }
    }

    /// What accounts of the team's own came to, which caps have counted and no wallet paid.
    #[must_use]
    pub const fn own_counted(&self) -> Nano {
        Nano(self.own_posted)
    }

    /// What the wallet paid of that.
    #[must_use]
    pub const fn charged(&self) -> Nano {
        Nano(self.posted.saturating_sub(self.own_posted))
    }

    /// Mean milliseconds to first content; none where nothing streamed.
    #[must_use]
    pub const fn mean_ttft_ms(&self) -> Option<i64> {
        self.ttft_ms_sum.checked_div(self.ttft_count)
    }

    /// Adds `other`.
    pub const fn add(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.failed = self.failed.saturating_add(other.failed);
        self.failovers = self.failovers.saturating_add(other.failovers);
        self.input = self.input.saturating_add(other.input);
        self.cache_read = self.cache_read.saturating_add(other.cache_read);
        self.cache_write = self.cache_write.saturating_add(other.cache_write);
        self.output = self.output.saturating_add(other.output);
        self.posted = self.posted.saturating_add(other.posted);
        self.own_posted = self.own_posted.saturating_add(other.own_posted);
        self.ttft_ms_sum = self.ttft_ms_sum.saturating_add(other.ttft_ms_sum);
        self.ttft_count = self.ttft_count.saturating_add(other.ttft_count);
    }
}

/// One group of a roll-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group<K> {
    /// What it is grouped by.
    pub by: K,
    /// The sums.
    pub sums: Sums,
}

/// One row of a query that sums: what it is grouped by stands in one or two of these columns.
#[derive(FromQueryResult)]
struct Row {
    group_id: Option<i64>,
    group_name: Option<String>,
    #[sea_orm(nested)]
    sums: Sums,
}

/// What a group of [`roll_up`] is about: an id or the start of an hour, or a model's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupKey {
    /// A key, a member (none: the team's own keys), or the start of an hour.
    Number(Option<i64>),
    /// A model.
    Name(String),
}

/// The team's sums over `span`, by what is asked; the dearest first, hours in order.
///
/// # Errors
/// The database failed.
pub async fn roll_up(
    db: &impl ConnectionTrait,
    scope: &TeamScope,
    span: Span,
    by: GroupBy,
) -> Result<Vec<Group<GroupKey>>, DbErr> {
    let column = match by {
        GroupBy::Model => Column::Model,
        GroupBy::Key => Column::KeyId,
        GroupBy::Member => Column::MemberId,
        GroupBy::Hour => Column::Hour,
    };
    let none = |kind: &'static str| Expr::cust(format!("CAST(NULL AS {kind})"));
    let query = sums(scope, span).group_by(column);
    let query = match by {
        GroupBy::Model => query
            .column_as(column, "group_name")
            .column_as(none("BIGINT"), "group_id"),
        _ => query
            .column_as(column, "group_id")
            .column_as(none("TEXT"), "group_name"),
    };
    let rows: Vec<Row> = query.into_model().all(db).await?;
    let mut groups: Vec<Group<GroupKey>> = rows
        .into_iter()
        .map(|row| Group {
            by: row.group_name.map_or(GroupKey::Number(row.group_id), GroupKey::Name),
            sums: row.sums,
        })
        .collect();
    match by {
        GroupBy::Hour => groups.sort_by(|one, other| one.by.cmp(&other.by)),
        _ => groups.sort_by(|one, other| {
            other
                .sums
                .posted
                .cmp(&one.sums.posted)
                .then_with(|| one.by.cmp(&other.by))
        }),
    }
    Ok(groups)
}

/// The team's sums over `span` by hour and model, in order of the hours.
///
/// # Errors
/// The database failed.
pub async fn by_hour_and_model(
    db: &impl ConnectionTrait,
    scope: &TeamScope,
    span: Span,
) -> Result<Vec<Group<(i64, String)>>, DbErr> {
    let query = sums(scope, span)
        .column_as(Column::Hour, "group_id")
        .column_as(Column::Model, "group_name")
        .group_by(Column::Hour)
        .group_by(Column::Model)
        .order_by_asc(Column::Hour);
    let rows: Vec<Row> = query.into_model().all(db).await?;
    Ok(rows
        .into_iter()
        .map(|row| Group {
            by: (row.group_id.unwrap_or_default(), row.group_name.unwrap_or_default()),
            sums: row.sums,
        })
        .collect())
}

fn sums(scope: &TeamScope, span: Span) -> Select<Entity> {
    let mut query = Entity::find().select_only().filter(Column::TeamId.eq(scope.team_id()));
    for (column, name) in [
        (Column::Requests, "requests"),
        (Column::Failed, "failed"),
        (Column::Failovers, "failovers"),
        (Column::Input, "input"),
        (Column::CacheRead, "cache_read"),
        (Column::CacheWrite, "cache_write"),
        (Column::Output, "output"),
        (Column::Posted, "posted"),
        (Column::OwnPosted, "own_posted"),
        (Column::TtftMsSum, "ttft_ms_sum"),
        (Column::TtftCount, "ttft_count"),
    ] {
        // Postgres sums to NUMERIC, which is no i64.
        query = query.column_as(column.sum().cast_as("BIGINT"), name);
    }
    if let Some(from_ms) = span.from_ms {
        query = query.filter(Column::Hour.gte(start_of(from_ms)));
    }
    if let Some(to_ms) = span.to_ms {
        query = query.filter(Column::Hour.lt(to_ms));
    }
    query
}
