//! The overview page: today and this month against the caps, and the last 30 days.
//!
//! Invariant: the chart's bars are 30, oldest first, and add up to the sums beside them. Reads what `metering` and `ledger` do.

use super::{Principal, Refusal, groups::day_of, rows};
use crate::{
    dashboard::view,
    ledger::{Kind as Period, Series},
    metering::{self, Filter, Group, Span, Sums, Whose},
    teams::{self, TeamRow},
};
use frontend::api::{
    Nano,
    usage::{DayBar, GroupBy, Overview},
};
use std::collections::HashMap;

const DAYS: i64 = 30;
const DAY_MS: i64 = 24 * 3_600_000;
/// Series with a name of their own; the rest is "others".
const NAMED: usize = 5;
const OTHERS: &str = "others";
const LATEST: u64 = 8;

impl Principal {
    pub(super) async fn read_overview(&self, team: &str) -> Result<Overview, Refusal> {
        let scope = self.reader(team).await?;
        let team = teams::get(&self.app.db, &scope).await?;
        let asked = [
            (Series::team(team.team_id, Period::Day), view::nano(team.cap_day)),
            (Series::team(team.team_id, Period::Month), view::nano(team.cap_month)),
        ];
        let [day, month] = self.spends(&team, asked).await?;
        let dates = last_days(self.now_ms(), &team);
        let span = Span {
            from_ms: Some(self.now_ms() - (DAYS + 1) * DAY_MS),
            to_ms: None,
        };
        let hours = metering::by_hour_and_model(&self.app.db, &scope, span).await?;
        let chart = Chart::new(&hours, &dates, &team.time_zone);
        let page = (None, LATEST);
        let latest = metering::list(
            &self.app.db,
            Whose::Team(&scope),
            &Filter::default(),
            page,
            self.now_ms(),
        )
        .await?;
        let names = self.names_of(&scope).await?;
        Ok(Overview {
            day,
            month,
            requests: count(chart.sums.requests),
            failed: count(chart.sums.failed),
            failovers: count(chart.sums.failovers),
            ttft_ms: chart.sums.mean_ttft_ms(),
            series: chart.series,
            bars: chart.bars,
            by_key: self.groups(&scope, span, GroupBy::Key).await?,
            by_member: self.groups(&scope, span, GroupBy::Member).await?,
            latest: latest.iter().map(|request| rows::row(request, &names)).collect(),
        })
    }
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// The last 30 days of the team's zone, oldest first.
fn last_days(now_ms: i64, team: &TeamRow) -> Vec<String> {
    let today: Option<jiff::civil::Date> = day_of(now_ms, &team.time_zone).parse().ok();
    let back = |days: i64| today?.checked_sub(jiff::Span::new().days(days)).ok();
    (0..DAYS).rev().filter_map(back).map(|date| date.to_string()).collect()
}

struct Chart {
    sums: Sums,
    series: Vec<String>,
    bars: Vec<DayBar>,
}

impl Chart {
    fn new(hours: &[Group<(i64, String)>], dates: &[String], zone: &str) -> Self {
        let mut sums = Sums::default();
        let mut by_model: HashMap<&str, i64> = HashMap::new();
        let mut cells: HashMap<(String, &str), i64> = HashMap::new();
        for Group {
            by: (hour, model),
            sums: part,
        } in hours
        {
            let day = day_of(*hour, zone);
            if dates.first().is_none_or(|first| day < *first) {
                continue;
            }
            sums.add(part);
            *by_model.entry(model).or_default() += part.posted;
            *cells.entry((day, model)).or_default() += part.posted;
        }
        let mut models: Vec<(&str, i64)> = by_model.into_iter().filter(|(_, posted)| *posted > 0).collect();
        models.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(other.0)));
        let (named, others) = models.split_at(models.len().min(NAMED));
        let cell = |day: &String, model: &str| cells.get(&(day.clone(), model)).copied().unwrap_or(0);
        let bar = |day: &String| {
            let mut charged: Vec<Nano> = named.iter().map(|(model, _)| Nano(cell(day, model))).collect();
            if !others.is_empty() {
                charged.push(Nano(others.iter().map(|(model, _)| cell(day, model)).sum()));
            }
            DayBar {
                day: day.clone(),
                charged,
            }
        };
        let bars = dates.iter().map(bar).collect();
        let mut series: Vec<String> = named.iter().map(|(model, _)| (*model).to_owned()).collect();
        if !others.is_empty() {
            series.push(OTHERS.to_owned());
        }
        Self { sums, series, bars }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOON: i64 = 1_795_521_600_000;

    #[test]
    fn bars_add_up_to_the_sums_and_small_models_become_others() {
        let group = |hour, model: &str, posted| Group {
            by: (hour, model.to_owned()),
            sums: Sums {
                requests: 1,
                posted,
                ..Sums::default()
            },
        };
        let mut hours: Vec<_> = (1..=7)
            .map(|number| group(NOON, &format!("m{number}"), number))
            .collect();
        hours.push(group(NOON - DAY_MS, "m7", 5));
        hours.push(group(NOON - 40 * DAY_MS, "m7", 1_000));
        let dates: Vec<String> = ["2026-11-23", "2026-11-24"].map(str::to_owned).to_vec();
        let chart = Chart::new(&hours, &dates, "UTC");
        assert_eq!(chart.series, ["m7", "m6", "m5", "m4", "m3", "others"]);
        assert_eq!(chart.bars[1].charged.last(), Some(&Nano(3)));
        let all: i64 = chart
            .bars
            .iter()
            .flat_map(|bar| &bar.charged)
            .map(|amount| amount.0)
            .sum();
        assert_eq!((all, chart.sums.posted, chart.sums.requests), (33, 33, 8));
    }

    #[test]
    fn days_are_those_of_the_teams_zone() {
        assert_eq!(day_of(NOON + 12 * 3_600_000, "UTC"), "2026-11-25");
        assert_eq!(day_of(NOON + 12 * 3_600_000, "America/New_York"), "2026-11-24");
        assert_eq!(day_of(NOON, "Pacific/Auckland"), "2026-11-25");
    }
}
