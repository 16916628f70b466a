//! A team's wallet: everyone in the team reads it, platform admins grant.
//!
//! Invariant: lines are newest first; a charge is negative. Reads and writes what `billing` does.

use super::{Change, Principal, Refusal, view};
use crate::{
    billing::{self, Line, What},
    teams::{self, Right},
};
use async_trait::async_trait;
use frontend::api::{
    ApiError, Page, PageQuery, Time,
    billing::{BalanceView, Billing, LedgerLine, NewGrant},
};
use gateway_core::id::{self, Kind};
use serde_json::json;
use std::collections::HashMap;

#[async_trait]
impl Billing for Principal {
    async fn balance(&self, team: &str) -> Result<BalanceView, ApiError> {
        self.answer(self.read_balance(team).await)
    }

    async fn ledger(&self, team: &str, page: PageQuery) -> Result<Page<LedgerLine>, ApiError> {
        self.answer(self.read_ledger(team, &page).await)
    }

    async fn grant(&self, team: &str, new: NewGrant) -> Result<LedgerLine, ApiError> {
        self.answer(self.give(team, new).await)
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
        })
    }

    async fn read_ledger(&self, team: &str, query: &PageQuery) -> Result<Page<LedgerLine>, Refusal> {
        let scope = self.scope(team).await?;
        scope.demand(Right::Read)?;
        let before = view::after(query, Kind::Entry)?.unwrap_or(i64::MAX);
        let lines = billing::lines(&self.app.db, &scope, before, view::limit(query), self.now_ms()).await?;
        let page = view::page(query, lines, |line| id::render(Kind::Entry, line.line_id));
        let members = teams::list_members(&self.app.db, &scope).await?;
        let emails: HashMap<i64, String> = members
            .into_iter()
            .map(|member| (member.user_id, member.email))
            .collect();
        Ok(Page {
            data: page.data.into_iter().map(|line| line_view(line, &emails)).collect(),
            next: page.next,
        })
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

/// `line`, its actor by e-mail address where they are in the team, else by what they are.
fn line_view(line: Line, emails: &HashMap<i64, String>) -> LedgerLine {
    let (id, kind, reason, actor) = match line.what {
        What::Charge { request_id, model } => (id::render(Kind::Request, request_id), "charge".to_owned(), model, None),
        What::Entry { kind, reason, actor_id } => {
            let name = |user_id| {
                emails
                    .get(&user_id)
                    .cloned()
                    .unwrap_or_else(|| "platform admin".to_owned())
            };
            (id::render(Kind::Entry, line.line_id), kind, reason, actor_id.map(name))
        }
    };
    LedgerLine {
        id,
        at: Time(line.at_ms),
        kind,
        amount: line.amount,
        reason,
        actor,
    }
}
