//! Revenue, margins and markups, for platform admins alone.
//!
//! Invariant: nobody else is told what a provider takes or what is added to it. Reads `metering`; reads and writes the markups
//! of `catalog`.

use super::{Change, Principal, Refusal, view};
use crate::{
    catalog::MarkupRow,
    metering::{self, Margin, MonthMargin},
    teams,
};
use async_trait::async_trait;
use frontend::api::{
    ApiError, Named, Nano, Page, Time,
    revenue::{MarginLine, MarkupView, NewMarkup, RevenueMonth, RevenueView, Revenues},
};
use gateway_core::{
    id::{self, Kind},
    pricing::Markup,
};
use serde_json::json;
use std::collections::HashMap;

#[async_trait]
impl Revenues for Principal {
    async fn revenue(&self, month: Option<&str>) -> Result<RevenueView, ApiError> {
        self.answer(self.read_revenue(month).await)
    }

    async fn list_markups(&self) -> Result<Page<MarkupView>, ApiError> {
        self.answer(self.read_markups().await)
    }

    async fn set_markup(&self, new: NewMarkup) -> Result<MarkupView, ApiError> {
        self.answer(self.change_markup(new).await)
    }

    async fn delete_markup(&self, id: &str) -> Result<(), ApiError> {
        self.answer(self.remove_markup(id).await)
    }
}

impl Principal {
    async fn read_revenue(&self, month: Option<&str>) -> Result<RevenueView, Refusal> {
        self.admin()?;
        let month = month.map_or_else(|| metering::month_at(self.now_ms()), str::to_owned);
        let span = metering::month_span(&month)
            .ok_or_else(|| ApiError::field("month", "This is not a month. Write one such as 2026-11."))?;
        let parts = metering::margins(&self.app.db, span).await?;
        let accounts = self.app.fleet.list().await?;
        let labels: HashMap<i64, String> = accounts
            .into_iter()
            .map(|account| (account.id, account.label))
            .collect();
        let account = |account_id: i64| match labels.get(&account_id) {
            Some(label) => Named {
                id: id::render(Kind::Account, account_id),
                name: label.clone(),
            },
            None if account_id == 0 => named("Not known"),
            None => named("An account that is gone"),
        };
        let months: Vec<RevenueMonth> = metering::months(&self.app.db)
            .await?
            .into_iter()
            .map(month_view)
            .collect();
        let shown = months.iter().find(|found| found.month == month).cloned();
        Ok(RevenueView {
            shown: shown.unwrap_or_else(|| {
                month_view(MonthMargin {
                    month,
                    margin: Margin::default(),
                    corrected: Nano::ZERO,
                })
            }),
            models: metering::grouped(&parts, |part| part.model.clone())
                .into_iter()
                .map(|(model, margin)| line(named(&model), margin))
                .collect(),
            accounts: metering::grouped(&parts, |part| part.account_id)
                .into_iter()
                .map(|(account_id, margin)| line(account(account_id), margin))
                .collect(),
            months,
        })
    }

    async fn read_markups(&self) -> Result<Page<MarkupView>, Refusal> {
        self.admin()?;
        let rows = self.app.catalog.markups().await?;
        let team_ids: Vec<i64> = rows.iter().filter_map(|row| row.team_id).collect();
        let names = teams::names(&self.app.db, &team_ids).await?;
        Ok(Page {
            data: rows.into_iter().map(|row| markup_view(row, &names)).collect(),
            next: None,
        })
    }

    async fn change_markup(&self, new: NewMarkup) -> Result<MarkupView, Refusal> {
        self.admin()?;
        self.demand_confirmed()?;
        let markup = Markup::parse(new.percent.trim()).map_err(|_| {
            let words = "Write a percentage from -100 to 10000 with at most two decimals, such as 15 or 12.5.";
            ApiError::field("percent", words)
        })?;
        let team_id = match &new.team {
            Some(team) => Some(super::parse_field(Kind::Team, team, "team")?),
            None => None,
        };
        let names = teams::names(&self.app.db, team_id.as_slice()).await?;
        if let Some(team_id) = team_id.filter(|team_id| !names.contains_key(team_id)) {
            let words = format!("There is no team {}.", view::team_id(team_id));
            return Err(ApiError::field("team", words).into());
        }
        let whose = (team_id, new.model.as_deref());
        let (before, row) = self.app.catalog.set_markup(whose, markup).await?;
        self.record(Change {
            action: "markup.set",
            target: &id::render(Kind::Markup, row.id),
            before: json!(before.map(|markup| json!({"percent": markup.percent()}))),
            after: json!({"team": new.team, "model": new.model, "percent": row.markup.percent()}),
            ..Change::default()
        })
        .await?;
        Ok(markup_view(row, &names))
    }

    async fn remove_markup(&self, id: &str) -> Result<(), Refusal> {
        self.admin()?;
        self.demand_confirmed()?;
        let row = self.app.catalog.delete_markup(super::parse(Kind::Markup, id)?).await?;
        let team = row.team_id.map(view::team_id);
        self.record(Change {
            action: "markup.delete",
            target: id,
            before: json!({"team": team, "model": row.model, "percent": row.markup.percent()}),
            ..Change::default()
        })
        .await
    }
}

fn named(name: &str) -> Named {
    Named {
        id: String::new(),
        name: name.to_owned(),
    }
}

fn line(of: Named, margin: Margin) -> MarginLine {
    MarginLine {
        of,
        requests: margin.requests,
        charged: margin.charged,
        cost: margin.cost,
        margin: margin.left(),
    }
}

fn month_view(month: MonthMargin) -> RevenueMonth {
    RevenueMonth {
        month: month.month,
        requests: month.margin.requests,
        charged: month.margin.charged,
        corrected: month.corrected,
        cost: month.margin.cost,
        margin: Nano(month.margin.left().0.saturating_sub(month.corrected.0)),
    }
}

fn markup_view(row: MarkupRow, names: &HashMap<i64, String>) -> MarkupView {
    MarkupView {
        id: id::render(Kind::Markup, row.id),
        team: row.team_id.map(|team_id| Named {
            id: view::team_id(team_id),
            name: names.get(&team_id).cloned().unwrap_or_default(),
        }),
        model: row.model,
        percent: row.markup.percent(),
        changed_at: Time(row.changed_at_ms),
    }
}
