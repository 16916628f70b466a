//! Requests: the holds of each, newest first, or one by its id.
//!
//! Invariant: a request is the holds that carry its id; its first hold is the row whose id it is. Reads `hold`.

use super::{Attempt, HOUR_MS, Whose, hours};
use crate::ledger::usage_of;
use entity::hold::{Column, Entity, Model};
use gateway_core::{id, ledger::Outcome, money::Nano, usage::Usage};
use sea_orm::sea_query::{self, Expr};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};
use std::ops::Range;

/// Further attempts of a request begin within this time.
const FURTHER_WITHIN_MS: i64 = HOUR_MS;

/// Which requests are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// From this moment on, in Unix milliseconds.
    pub from_ms: Option<i64>,
    /// Before this moment, in Unix milliseconds.
    pub to_ms: Option<i64>,
    /// Of this key.
    pub key_id: Option<i64>,
    /// Of this user's keys.
    pub member_id: Option<i64>,
    /// For this model or alias.
    pub model: Option<String>,
    /// Whether that is a model's own name, by which its hours are known.
    pub is_plain_model: bool,
    /// That ended so; [`Outcome::Unknown`] means those still running.
    pub outcome: Option<Outcome>,
}

/// One request: its holds in order, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    first: Model,
    further: Vec<Model>,
}

impl Request {
    /// The hold that carries the request's id.
    #[must_use]
    pub const fn first(&self) -> &Model {
        &self.first
    }

    /// The hold that says how the request ended.
    #[must_use]
    pub fn last(&self) -> &Model {
        self.further.last().unwrap_or(&self.first)
    }

    /// Every hold, in order.
    pub fn holds(&self) -> impl Iterator<Item = &Model> {
        std::iter::once(&self.first).chain(&self.further)
    }

    /// The name that the client asked for.
    #[must_use]
    pub fn asked_for(&self) -> &str {
        let asked = self.holds().find_map(|hold| hold.asked.as_deref());
        asked.unwrap_or(&self.first.model)
    }

    /// The model that answered, where the client asked for another name.
    #[must_use]
    pub fn answered_by(&self) -> Option<&str> {
        let last = self.last();
        let has_answered = matches!(self.outcome(), Outcome::Ok | Outcome::Cut | Outcome::HungUp);
        (has_answered && last.asked.is_some()).then_some(last.model.as_str())
    }

    /// How it ended.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        Outcome::from_code(self.last().outcome)
    }

    /// The HTTP status the client got; none while running or unknown.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        u16::try_from(self.last().status).ok().filter(|status| *status > 0)
    }

    /// Every attempt, in order.
    #[must_use]
    pub fn attempts(&self) -> Vec<Attempt> {
        self.holds()
            .flat_map(|hold| Attempt::parse_list(&hold.attempts))
            .collect()
    }

    /// What was clamped, dropped or estimated, in order.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        self.holds().flat_map(|hold| read_notes(&hold.notes)).collect()
    }

    /// Tokens of all holds.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let counts = self.holds().filter_map(usage_of);
        counts.fold(Usage::default(), |sum, usage| sum.plus(&usage))
    }

    /// Set aside, of all holds.
    #[must_use]
    pub fn held(&self) -> Nano {
        Nano(self.holds().fold(0, |sum, hold| sum.saturating_add(hold.held)))
    }

    /// Charged to the wallet, of all holds.
    #[must_use]
    pub fn charged(&self) -> Nano {
        self.posted(false)
    }

    /// What accounts of the team's own came to, which caps have counted and no wallet paid.
    #[must_use]
    pub fn own_counted(&self) -> Nano {
        self.posted(true)
    }

    fn posted(&self, is_own: bool) -> Nano {
        let holds = self.holds().filter(|hold| hold.is_own == is_own);
        Nano(holds.fold(0, |sum, hold| sum.saturating_add(hold.posted)))
    }

    /// Whether a part of the charge is an estimate.
    #[must_use]
    pub fn is_estimate(&self) -> bool {
        self.holds().any(|hold| hold.state == 3)
    }
}

/// Why the charge of `hold` is an estimate; empty where it is none.
#[must_use]
pub fn estimate_of(hold: &Model) -> String {
    if hold.state != 3 {
        return String::new();
    }
    let notes = read_notes(&hold.notes);
    let reasons: Vec<&str> = notes
        .iter()
        .filter_map(|note| note.strip_prefix("estimate: "))
        .collect();
    match reasons[..] {
        [] => "the usage was not stated".to_owned(),
        ["recovered"] => "the server stopped while the call ran, so all that was set aside is charged".to_owned(),
        ["dropped"] => "the answer was given up, so all that was set aside is charged".to_owned(),
        _ => reasons.join("; "),
    }
}

/// A JSON list of notes; a text that is none counts as one note.
fn read_notes(text: &str) -> Vec<String> {
    match text {
        "" => Vec::new(),
        _ => serde_json::from_str(text).unwrap_or_else(|_| vec![text.to_owned()]),
    }
}

/// Up to `limit` requests that began before the one with the id `after`, newest first.
///
/// # Errors
/// The database failed.
pub async fn list(
    db: &impl ConnectionTrait,
    whose: Whose<'_>,
    filter: &Filter,
    (after, limit): (Option<i64>, u64),
    now_ms: i64,
) -> Result<Vec<Request>, DbErr> {
    let before = after.unwrap_or(i64::MAX);
    let mut found = Found {
        limit: usize::try_from(limit).unwrap_or(usize::MAX),
        requests: Vec::new(),
    };
    let Some(team_id) = whose.team_id() else {
        found.read(db, filtered(whose, filter), filter, 0..before).await?;
        return Ok(found.requests);
    };
    let mut before_hour = filter
        .to_ms
        .map_or(i64::MAX, |to| hours::start_of(to).saturating_add(HOUR_MS));
    if after.is_some() {
        before_hour = before_hour.min(hours::start_of(id::made_at_ms(before)) + 2 * HOUR_MS);
    }
    let mut below = before;
    loop {
        let known = hours::ranges(db, team_id, filter, before_hour, now_ms).await?;
        for range in known.ranges {
            let range = range.start..range.end.min(below);
            below = below.min(range.start);
            if found.read(db, filtered(whose, filter), filter, range).await? {
                return Ok(found.requests);
            }
        }
        match known.next_before_hour {
            Some(hour) => before_hour = hour,
            None => return Ok(found.requests),
        }
    }
}

/// The request `request_id`, or `None` where there is none or it is another team's.
///
/// # Errors
/// The database failed.
pub async fn find(db: &impl ConnectionTrait, whose: Whose<'_>, request_id: i64) -> Result<Option<Request>, DbErr> {
    let mut query = Entity::find_by_id(request_id);
    if let Some(team_id) = whose.team_id() {
        query = query.filter(Column::TeamId.eq(team_id));
    }
    match query.one(db).await? {
        Some(first) if first.request_id == first.id => {
            let further = further(db, &first).await?;
            Ok(Some(Request { first, further }))
        }
        _ => Ok(None),
    }
}

struct Found {
    limit: usize,
    requests: Vec<Request>,
}

impl Found {
    /// Adds the requests in `range`, newest first; whether there are enough now.
    async fn read(
        &mut self,
        db: &impl ConnectionTrait,
        query: Select<Entity>,
        filter: &Filter,
        mut range: Range<i64>,
    ) -> Result<bool, DbErr> {
        while self.requests.len() < self.limit && range.start < range.end {
            let wanted = self.limit - self.requests.len();
            let rows = query
                .clone()
                .filter(Column::Id.gte(range.start))
                .filter(Column::Id.lt(range.end))
                .order_by_desc(Column::Id)
                .limit(wanted as u64)
                .all(db)
                .await?;
            let is_last = rows.len() < wanted;
            for first in rows {
                range.end = first.id;
                let further = further(db, &first).await?;
                let request = Request { first, further };
                if filter.outcome.is_none_or(|outcome| outcome == request.outcome()) {
                    self.requests.push(request);
                }
            }
            if is_last {
                break;
            }
        }
        Ok(self.requests.len() >= self.limit)
    }
}

/// First holds that fit.
fn filtered(whose: Whose<'_>, filter: &Filter) -> Select<Entity> {
    let mut all = Condition::all().add(sea_query::ExprTrait::eq(
        Expr::col(Column::RequestId),
        Expr::col(Column::Id),
    ));
    if let Some(team_id) = whose.team_id() {
        all = all.add(Column::TeamId.eq(team_id));
    }
    if let Some(key_id) = filter.key_id {
        all = all.add(Column::KeyId.eq(key_id));
    }
    if let Some(member_id) = filter.member_id {
        all = all.add(Column::MemberId.eq(member_id));
    }
    if let Some(model) = &filter.model {
        all = all.add(
            Condition::any()
                .add(Column::Model.eq(model))
                .add(Column::Asked.eq(model)),
        );
    }
    if let Some(from) = filter.from_ms {
        all = all.add(Column::StartedAt.gte(from));
    }
    if let Some(to) = filter.to_ms {
        all = all.add(Column::StartedAt.lt(to));
    }
    if let Some(outcome) = filter.outcome {
        let went_on = Condition::all().add(Column::Status.eq(0)).add(Column::Outcome.ne(0));
        all = all.add(Condition::any().add(Column::Outcome.eq(outcome.code())).add(went_on));
    }
    Entity::find().filter(all)
}

/// The holds of the attempts after the first. A request that answered its client with the first hold has none.
async fn further(db: &impl ConnectionTrait, first: &Model) -> Result<Vec<Model>, DbErr> {
    if first.outcome == Outcome::Unknown.code() || first.status != 0 {
        return Ok(Vec::new());
    }
    Entity::find()
        .filter(Column::Id.gt(first.id))
        .filter(Column::Id.lt(id::at(first.started_at + FURTHER_WITHIN_MS, 0)))
        .filter(Column::RequestId.eq(first.id))
        .order_by_asc(Column::Id)
        .all(db)
        .await
}
