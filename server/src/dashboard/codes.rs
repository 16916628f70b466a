//! Redeem codes: platform admins make them, owners and admins of a team redeem them.
//!
//! Invariant: a code is told to whoever made it, once, and is in no audit line. Reads and writes what `billing` does.

use super::{Change, Principal, Refusal, billing::line_view, view};
use crate::{
    billing::{self, CodeRow, CodeState},
    teams::{self, Right},
};
use async_trait::async_trait;
use frontend::api::{
    ApiError, Named, Page, PageQuery, Time,
    billing::LedgerLine,
    codes::{CodeMade, CodeView, Codes, CodesMade, NewCodes, NewRedemption},
};
use gateway_core::id::{self, Kind};
use serde_json::json;
use std::collections::HashMap;

/// Days of codes are days of this zone.
const ZONE: &str = "UTC";

#[async_trait]
impl Codes for Principal {
    async fn list_codes(&self, page: PageQuery) -> Result<Page<CodeView>, ApiError> {
        self.answer(self.read_codes(&page).await)
    }

    async fn create_codes(&self, new: NewCodes) -> Result<CodesMade, ApiError> {
        self.answer(self.make_codes(new).await)
    }

    async fn revoke_code(&self, id: &str) -> Result<(), ApiError> {
        self.answer(self.take_code_back(id).await)
    }

    async fn redeem(&self, team: &str, new: NewRedemption) -> Result<LedgerLine, ApiError> {
        self.answer(self.redeem_code(team, &new.code).await)
    }
}

impl Principal {
    async fn read_codes(&self, query: &PageQuery) -> Result<Page<CodeView>, Refusal> {
        self.admin()?;
        let before = view::after(query, Kind::Code)?.unwrap_or(i64::MAX);
        let rows = self.app.billing.list_codes(before, view::limit(query), self.now_ms());
        let page = view::page(query, rows.await?, |row| id::render(Kind::Code, row.code_id));
        let team_ids: Vec<i64> = page.data.iter().filter_map(|row| row.team_id).collect();
        let names = teams::names(&self.app.db, &team_ids).await?;
        Ok(Page {
            data: page.data.into_iter().map(|row| code_view(row, &names)).collect(),
            next: page.next,
        })
    }

    async fn make_codes(&self, new: NewCodes) -> Result<CodesMade, Refusal> {
        let admin = self.admin()?;
        self.demand_confirmed()?;
        let wanted = billing::NewCodes {
            amount: new.amount,
            count: new.count.unwrap_or(1),
            expires_at_ms: new.expires_at.map(|moment| moment.end(ZONE).0),
            note: new.note.unwrap_or_default(),
        };
        let made = self
            .app
            .billing
            .create_codes(admin.user_id, &wanted, self.now_ms())
            .await?;
        for (row, _) in &made {
            let after = json!({"amount": row.amount, "last_four": row.last_four, "note": row.note, "expires_at": row.expires_at_ms.map(Time)});
            self.record(Change {
                action: "code.create",
                target: &id::render(Kind::Code, row.code_id),
                after,
                ..Change::default()
            })
            .await?;
        }
        let told = |(row, code)| CodeMade {
            code,
            view: code_view(row, &HashMap::new()),
        };
        Ok(CodesMade {
            data: made.into_iter().map(told).collect(),
        })
    }

    async fn take_code_back(&self, id: &str) -> Result<(), Refusal> {
        self.admin()?;
        let code_id = super::parse(Kind::Code, id)?;
        let row = self.app.billing.revoke_code(code_id, self.now_ms()).await?;
        self.record(Change {
            action: "code.revoke",
            target: id,
            before: json!({"amount": row.amount, "last_four": row.last_four}),
            ..Change::default()
        })
        .await
    }

    async fn redeem_code(&self, team: &str, code: &str) -> Result<LedgerLine, Refusal> {
        let scope = self.scope(team).await?;
        scope.demand(Right::ManageTeam)?;
        self.demand_confirmed()?;
        let address = self.visit.visitor.address;
        let line = self.app.billing.redeem(&scope, code, address, self.now_ms()).await?;
        self.record(Change {
            team_id: Some(scope.team_id()),
            action: "code.redeem",
            target: &id::render(Kind::Entry, line.line_id),
            after: json!({"amount": line.amount}),
            ..Change::default()
        })
        .await?;
        let emails = self.emails(&scope).await?;
        Ok(line_view(line, &emails))
    }
}

fn code_view(row: CodeRow, names: &HashMap<i64, String>) -> CodeView {
    let state = match row.state {
        CodeState::Open => "open",
        CodeState::Redeemed => "redeemed",
        CodeState::Revoked => "revoked",
        CodeState::Expired => "expired",
    };
    CodeView {
        id: id::render(Kind::Code, row.code_id),
        amount: row.amount,
        last_four: row.last_four,
        note: row.note,
        state: state.to_owned(),
        created_at: Time(row.created_at_ms),
        expires_at: view::time(row.expires_at_ms),
        redeemed_at: view::time(row.redeemed_at_ms),
        team: row.team_id.map(|team_id| Named {
            id: view::team_id(team_id),
            name: names.get(&team_id).cloned().unwrap_or_default(),
        }),
    }
}
