//! A team's wallet: everyone in the team reads it, platform admins grant and correct.
//!
//! Invariant: lines are newest first; a charge is negative. Reads and writes what `billing` does.

use super::{Change, Principal, Refusal, view};
use crate::{
    billing::{self, Correction, Line, What, Which},
    metering::{self, GroupBy, HOUR_MS, Span, Whose},
    teams::{self, Right, TeamScope},
};
use async_trait::async_trait;
use frontend::api::{
    ApiError, Code, Nano, Page, PageQuery, Time,
    billing::{BalanceView, Billing, LedgerFilter, LedgerLine, NewAdjustment, NewGrant},
};
use gateway_core::id::{self, Kind};
use serde_json::json;
use std::collections::HashMap;

#[async_trait]
impl Billing for Principal {
    async fn balance(&self, team: &str) -> Result<BalanceView, ApiError> {
        self.answer(self.read_balance(team).await)
    }

    async fn ledger(&self, team: &str, filter: LedgerFilter, page: PageQuery) -> Result<Page<LedgerLine>, ApiError> {
        self.answer(self.read_ledger(team, &filter, &page).await)
    }

    async fn grant(&self, team: &str, new: NewGrant) -> Result<LedgerLine, ApiError> {
        self.answer(self.give(team, new).await)
    }

    async fn adjust(&self, team: &str, request: &str, new: NewAdjustment) -> Result<LedgerLine, ApiError> {
        self.answer(self.correct(team, request, new).await)
    }
}

impl Principal {
    async fn read_balance(&self, team: &str) -> Result<BalanceView, Refusal> {
        let scope = self.scope(team).await?;
        scope.demand(Right::Read)?;
        let balance = billing::balance(&self.app.ledger, &scope).await?;
        Ok(BalanceView {
            prepaid: self.app.is_prepaid,
            balance: balance.left(),
            held: balance.held,
            entries: balance.entries,
            posted: balance.posted,
            per_day: self.per_day(&scope).await?,
        })
    }

    async fn read_ledger(
        &self,
        team: &str,
        filter: &LedgerFilter,
        query: &PageQuery,
    ) -> Result<Page<LedgerLine>, Refusal> {
        let scope = self.scope(team).await?;
        scope.demand(Right::Read)?;
        let before = view::after(query, Kind::Entry)?.unwrap_or(i64::MAX);
        let zone = teams::get(&self.app.db, &scope).await?.time_zone;
        let which = Which {
            kind: filter.kind.clone(),
            from_ms: filter.from.map(|moment| moment.start(&zone).0),
            to_ms: filter.to.map(|moment| moment.end(&zone).0),
            before,
            limit: view::limit(query),
        };
        let lines = billing::lines(&self.app.db, &scope, &which, self.now_ms()).await?;
        let page = view::page(query, lines, |line| id::render(Kind::Entry, line.line_id));
        let emails = self.emails(&scope).await?;
        Ok(Page {
            data: page.data.into_iter().map(|line| line_view(line, &emails)).collect(),
            next: page.next,
        })
    }

    /// What a day cost on average of the last seven.
    pub(super) async fn per_day(&self, scope: &TeamScope) -> Result<Nano, Refusal> {
        let span = Span {
            from_ms: Some(self.now_ms() - 7 * 24 * HOUR_MS),
            to_ms: None,
        };
        let groups = metering::roll_up(&self.app.db, scope, span, GroupBy::Model).await?;
        let sum: i64 = groups.iter().map(|group| group.sums.charged().0).sum();
        Ok(Nano(sum / 7))
    }

    async fn give(&self, team: &str, new: NewGrant) -> Result<LedgerLine, Refusal> {
        let admin = self.admin()?;
        let scope = self.scope(team).await?;
        self.demand_confirmed()?;
        let line = billing::grant(&self.app.ledger, &scope, new.amount, &new.reason, self.now_ms()).await?;
        let target = id::render(Kind::Entry, line.line_id);
        self.record(Change {
            team_id: Some(scope.team_id()),
            action: "wallet.grant",
            target: &target,
            after: json!({"amount": new.amount, "reason": new.reason}),
            ..Change::default()
        })
        .await?;
        Ok(line_view(line, &HashMap::from([(admin.user_id, admin.email.clone())])))
    }
}

impl Principal {
    async fn correct(&self, team: &str, request: &str, new: NewAdjustment) -> Result<LedgerLine, Refusal> {
        let admin = self.admin()?;
        let scope = self.scope(team).await?;
        self.demand_confirmed()?;
        let request_id = super::parse(Kind::Request, request)?;
        let found = metering::find(&self.app.db, Whose::Team(&scope), request_id).await?;
        let found = found.ok_or(Code::NotFound)?;
        let hold = |id: &String| super::parse_field(Kind::Request, id, "hold");
        let correction = Correction {
            hold_id: new.hold.as_ref().map(hold).transpose()?,
            amount: new.amount,
            seen: new.charged,
            reason: new.reason.clone(),
        };
        let corrected = billing::correct(&self.app.ledger, &scope, &found, correction).await?;
        if !corrected.is_repeat {
            let before = corrected.charge.checked_add(new.amount);
            self.record(Change {
                team_id: Some(scope.team_id()),
                action: "wallet.adjust",
                target: request,
                before: json!({"charged": before}),
                after: json!({"charged": corrected.charge, "reason": new.reason}),
            })
            .await?;
        }
        let emails = HashMap::from([(admin.user_id, admin.email.clone())]);
        Ok(line_view(corrected.line, &emails))
    }

    /// The e-mail address of every member of the team.
    pub(super) async fn emails(&self, scope: &TeamScope) -> Result<HashMap<i64, String>, Refusal> {
        let members = teams::list_members(&self.app.db, scope).await?;
        Ok(members
            .into_iter()
            .map(|member| (member.user_id, member.email))
            .collect())
    }
}

/// `line`, its actor by e-mail address where they are in the team, else by what they are.
pub(super) fn line_view(line: Line, emails: &HashMap<i64, String>) -> LedgerLine {
    let request = |request_id| id::render(Kind::Request, request_id);
    let (id, kind, reason, actor, request) = match line.what {
        What::Charge { request_id, model } => {
            let id = request(request_id);
            (id.clone(), "charge".to_owned(), model, None, Some(id))
        }
        What::Entry {
            kind,
            reason,
            actor_id,
            request_id,
        } => {
            let name = |user_id| {
                emails
                    .get(&user_id)
                    .cloned()
                    .unwrap_or_else(|| "platform admin".to_owned())
            };
            let id = id::render(Kind::Entry, line.line_id);
            (id, kind, reason, actor_id.map(name), request_id.map(request))
        }
    };
    LedgerLine {
        id,
        at: Time(line.at_ms),
        kind,
        amount: line.amount,
        reason,
        actor,
        request,
    }
}
