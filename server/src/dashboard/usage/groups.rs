//! Roll-ups by model, key, member, day or hour.
//!
//! Invariant: days are those of the team's zone. Reads what `metering` does.

use super::{Principal, Refusal, rows::Names};
use crate::{
    metering::{self, Group, GroupKey, Span, Sums},
    teams::{self, TeamScope},
};
use frontend::api::{
    Moment, Time,
    usage::{GroupBy, UsageGroup},
};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

impl Principal {
    pub(super) async fn read_usage(
        &self,
        team: &str,
        (from, to): (Option<Moment>, Option<Moment>),
        by: GroupBy,
    ) -> Result<Vec<UsageGroup>, Refusal> {
        let scope = self.reader(team).await?;
        let zone = teams::get(&self.app.db, &scope).await?.time_zone;
        let span = Span {
            from_ms: from.map(|moment| moment.start(&zone).0),
            to_ms: to.map(|moment| moment.end(&zone).0),
        };
        self.groups(&scope, span, by).await
    }

    pub(super) async fn groups(&self, scope: &TeamScope, span: Span, by: GroupBy) -> Result<Vec<UsageGroup>, Refusal> {
        let column = match by {
            GroupBy::Model => metering::GroupBy::Model,
            GroupBy::Key => metering::GroupBy::Key,
            GroupBy::Member => metering::GroupBy::Member,
            GroupBy::Day | GroupBy::Hour => metering::GroupBy::Hour,
        };
        let groups = metering::roll_up(&self.app.db, scope, span, column).await?;
        if by == GroupBy::Day {
            let team = teams::get(&self.app.db, scope).await?;
            return Ok(days(&groups, &team.time_zone));
        }
        let names = self.names_of(scope).await?;
        Ok(groups.into_iter().map(|group| named(group, by, &names)).collect())
    }
}

fn named(group: Group<GroupKey>, by: GroupBy, names: &Names) -> UsageGroup {
    let (id, label) = match (group.by, by) {
        (GroupKey::Name(model), _) => (model.clone(), model),
        (GroupKey::Number(Some(hour)), GroupBy::Hour) => (Time(hour).render(), Time(hour).render()),
        (GroupKey::Number(Some(key_id)), GroupBy::Key) => pair(names.key(key_id)),
        (GroupKey::Number(Some(user_id)), _) => pair(names.member(user_id)),
        (GroupKey::Number(None), _) => (String::new(), "Team keys".to_owned()),
    };
    view(id, label, &group.sums)
}

fn pair(named: frontend::api::Named) -> (String, String) {
    (named.id, named.name)
}

fn days(hours: &[Group<GroupKey>], zone: &str) -> Vec<UsageGroup> {
    let mut days: BTreeMap<String, Sums> = BTreeMap::new();
    for group in hours {
        if let GroupKey::Number(Some(hour)) = group.by {
            days.entry(day_of(hour, zone)).or_default().add(&group.sums);
        }
    }
    days.into_iter()
        .map(|(day, sums)| view(day.clone(), day, &sums))
        .collect()
}

/// The day that `at_ms` falls on in `zone`, such as `2026-11-24`.
pub(super) fn day_of(at_ms: i64, zone: &str) -> String {
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    let moment = jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default();
    moment.to_zoned(zone).date().to_string()
}

fn view(group: String, label: String, sums: &Sums) -> UsageGroup {
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    UsageGroup {
        group,
        label,
        requests: count(sums.requests),
        failed: count(sums.failed),
        failovers: count(sums.failovers),
        usage: sums.usage(),
        charged: sums.charged(),
        own_counted: sums.own_counted(),
    }
}
