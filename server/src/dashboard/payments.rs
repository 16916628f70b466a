//! Payments: who manages the team begins them, everyone in it sees them, platform admins see disputes and comparisons.
//!
//! Invariant: where no payments are taken, nothing is found. Reads and writes what `billing` does.

use super::{Change, Principal, Refusal, view};
use crate::{
    billing::{self, AutoTopUp, DisputeRow, PaymentRow, Reconciled},
    clock,
    teams::{self, Right},
};
use async_trait::async_trait;
use frontend::api::{
    ApiError, Code, Named, Nano, Page, PageQuery, Time,
    payments::{
        AutoPatch, AutoView, DisputeView, NewPayment, PaymentView, Payments, PaymentsBoard, PortalView,
        ReconciliationView,
    },
};
use gateway_core::id::{self, Kind};
use serde_json::json;
use std::collections::HashMap;

/// Payments on the billing page.
const NEWEST: u64 = 10;
/// Disputes and comparisons in one list.
const LISTED: u64 = 50;
/// Nano-USD of a cent.
const CENT: i64 = 10_000_000;

#[async_trait]
impl Payments for Principal {
    async fn payments_board(&self, team: &str) -> Result<Option<PaymentsBoard>, ApiError> {
        self.answer(self.board(team).await)
    }

    async fn list_payments(&self, team: &str, page: PageQuery) -> Result<Page<PaymentView>, ApiError> {
        self.answer(self.read_payments(team, &page).await)
    }

    async fn create_payment(&self, team: &str, new: NewPayment) -> Result<PaymentView, ApiError> {
        self.answer(self.begin_payment(team, new).await)
    }

    async fn payment(&self, team: &str, id: &str) -> Result<PaymentView, ApiError> {
        self.answer(self.read_payment(team, id).await)
    }

    async fn auto_top_up(&self, team: &str) -> Result<AutoView, ApiError> {
        self.answer(self.read_auto(team).await)
    }

    async fn update_auto_top_up(&self, team: &str, change: AutoPatch) -> Result<AutoView, ApiError> {
        self.answer(self.change_auto(team, change).await)
    }

    async fn open_portal(&self, team: &str) -> Result<PortalView, ApiError> {
        self.answer(self.lead_to_portal(team).await)
    }

    async fn remove_card(&self, team: &str) -> Result<(), ApiError> {
        self.answer(self.forget_card(team).await)
    }

    async fn list_disputes(&self) -> Result<Page<DisputeView>, ApiError> {
        self.answer(self.read_disputes().await)
    }

    async fn list_reconciliations(&self) -> Result<Page<ReconciliationView>, ApiError> {
        self.answer(self.read_reconciliations().await)
    }

    async fn reconcile(&self) -> Result<ReconciliationView, ApiError> {
        self.answer(self.compare().await)
    }
}

impl Principal {
    async fn board(&self, team: &str) -> Result<Option<PaymentsBoard>, Refusal> {
        let scope = self.scope(team).await?;
        scope.demand(Right::Read)?;
        let billing = &self.app.billing;
        if !billing.takes_payments() {
            return Ok(None);
        }
        let manages = scope.may(Right::ManageTeam);
        let payments = billing.payments(&scope, i64::MAX, NEWEST).await?;
        let disputes = billing.disputes(Some(scope.team_id()), LISTED).await?;
        let disputes = disputes.into_iter().filter(|dispute| dispute.is_taken);
        Ok(Some(PaymentsBoard {
            least: billing::LEAST,
            most: billing::MOST,
            order: id::render(Kind::Payment, clock::new_id()),
            auto: auto_view(billing.auto_top_up(&scope).await?),
            has_portal: billing.has_portal(&scope).await?,
            payments: payments.into_iter().map(|row| payment_view(row, manages)).collect(),
            disputes: disputes.map(|row| dispute_view(row, &HashMap::new())).collect(),
        }))
    }

    async fn read_payments(&self, team: &str, query: &PageQuery) -> Result<Page<PaymentView>, Refusal> {
        let scope = self.scope(team).await?;
        scope.demand(Right::Read)?;
        let before = view::after(query, Kind::Payment)?.unwrap_or(i64::MAX);
        let rows = self.app.billing.payments(&scope, before, view::limit(query)).await?;
        let page = view::page(query, rows, |row| id::render(Kind::Payment, row.payment_id));
        let manages = scope.may(Right::ManageTeam);
        Ok(Page {
            data: page.data.into_iter().map(|row| payment_view(row, manages)).collect(),
            next: page.next,
        })
    }

    async fn begin_payment(&self, team: &str, new: NewPayment) -> Result<PaymentView, Refusal> {
        let scope = self.scope(team).await?;
        scope.demand(Right::ManageTeam)?;
        if !self.app.billing.takes_payments() {
            return Err(Code::NotFound.into());
        }
        let order = new.order.unwrap_or_else(|| id::render(Kind::Payment, clock::new_id()));
        let row = self
            .app
            .billing
            .top_up(&scope, (new.amount, &order, new.keep_card), self.now_ms())
            .await?;
        self.record(Change {
            team_id: Some(scope.team_id()),
            action: "payment.begin",
            target: &id::render(Kind::Payment, row.payment_id),
            after: json!({"amount": row.amount}),
            ..Change::default()
        })
        .await?;
        Ok(payment_view(row, true))
    }

    async fn read_payment(&self, team: &str, id: &str) -> Result<PaymentView, Refusal> {
        let scope = self.scope(team).await?;
        scope.demand(Right::Read)?;
        let payment_id = super::parse(Kind::Payment, id)?;
        let row = self.app.billing.payment(&scope, payment_id, self.now_ms()).await?;
        Ok(payment_view(row, scope.may(Right::ManageTeam)))
    }

    async fn read_auto(&self, team: &str) -> Result<AutoView, Refusal> {
        let scope = self.scope(team).await?;
        scope.demand(Right::ManageTeam)?;
        Ok(auto_view(self.app.billing.auto_top_up(&scope).await?))
    }

    async fn change_auto(&self, team: &str, change: AutoPatch) -> Result<AutoView, Refusal> {
        let scope = self.scope(team).await?;
        scope.demand(Right::ManageTeam)?;
        let before = self.app.billing.auto_top_up(&scope).await?;
        self.demand_confirmed()?;
        let wanted = AutoTopUp {
            is_on: change.is_on.unwrap_or(before.is_on),
            below: change.below.unwrap_or(before.below),
            amount: change.amount.unwrap_or(before.amount),
            max_day: change.max_day.unwrap_or(before.max_day),
            ..before.clone()
        };
        let after = self.app.billing.set_auto_top_up(&scope, &wanted, self.now_ms()).await?;
        let told = |auto: &AutoTopUp| json!({"is_on": auto.is_on, "below": auto.below, "amount": auto.amount, "max_day": auto.max_day});
        self.record(Change {
            team_id: Some(scope.team_id()),
            action: "auto_top_up.update",
            target: &view::team_id(scope.team_id()),
            before: told(&before),
            after: told(&after),
        })
        .await?;
        Ok(auto_view(after))
    }

    async fn lead_to_portal(&self, team: &str) -> Result<PortalView, Refusal> {
        let scope = self.scope(team).await?;
        scope.demand(Right::ManageTeam)?;
        self.demand_confirmed()?;
        let url = self.app.billing.portal(&scope).await?;
        self.record(Change {
            team_id: Some(scope.team_id()),
            action: "portal.open",
            target: &view::team_id(scope.team_id()),
            ..Change::default()
        })
        .await?;
        shown(Some(url))
            .map(|url| PortalView { url })
            .ok_or_else(|| Code::Unavailable.into())
    }

    async fn forget_card(&self, team: &str) -> Result<(), Refusal> {
        let scope = self.scope(team).await?;
        scope.demand(Right::ManageTeam)?;
        let before = self.app.billing.auto_top_up(&scope).await?;
        self.demand_confirmed()?;
        self.app.billing.forget_card(&scope, self.now_ms()).await?;
        self.record(Change {
            team_id: Some(scope.team_id()),
            action: "card.remove",
            target: &view::team_id(scope.team_id()),
            before: json!({"card": before.card}),
            ..Change::default()
        })
        .await
    }

    async fn read_disputes(&self) -> Result<Page<DisputeView>, Refusal> {
        self.admin()?;
        let rows = self.app.billing.disputes(None, LISTED).await?;
        let team_ids: Vec<i64> = rows.iter().map(|row| row.team_id).collect();
        let names = teams::names(&self.app.db, &team_ids).await?;
        Ok(Page {
            data: rows.into_iter().map(|row| dispute_view(row, &names)).collect(),
            next: None,
        })
    }

    async fn read_reconciliations(&self) -> Result<Page<ReconciliationView>, Refusal> {
        self.admin()?;
        let rows = self.app.billing.reconciliations(LISTED).await?;
        Ok(Page {
            data: rows.into_iter().map(reconciliation_view).collect(),
            next: None,
        })
    }

    async fn compare(&self) -> Result<ReconciliationView, Refusal> {
        self.admin()?;
        let row = self.app.billing.reconcile(self.now_ms()).await?;
        self.record(Change {
            action: "payment.reconcile",
            target: "stripe",
            after: json!({"payments": row.payments, "findings": row.findings.len()}),
            ..Change::default()
        })
        .await?;
        Ok(reconciliation_view(row))
    }
}

/// `url` where it is one that a browser may be led to.
fn shown(url: Option<String>) -> Option<String> {
    url.filter(|url| url.starts_with("https://") || url.starts_with("http://"))
}

/// `row`, with where it is paid and its receipt for those who manage the team.
fn payment_view(row: PaymentRow, manages: bool) -> PaymentView {
    let shown = |url| shown(url).filter(|_| manages);
    PaymentView {
        id: id::render(Kind::Payment, row.payment_id),
        amount: row.amount,
        state: row.state.as_str().to_owned(),
        url: shown(row.url),
        receipt_url: shown(row.receipt_url),
        invoice: row.invoice.filter(|_| manages),
        invoice_url: shown(row.invoice_url),
        refunded: row.refunded,
        disputed: row.disputed,
        note: row.note,
        created_at: Time(row.created_at_ms),
    }
}

fn auto_view(auto: AutoTopUp) -> AutoView {
    AutoView {
        is_on: auto.is_on,
        below: auto.below,
        amount: auto.amount,
        max_day: auto.max_day,
        note: auto.note,
        card: auto.card,
    }
}

fn dispute_view(row: DisputeRow, names: &HashMap<i64, String>) -> DisputeView {
    DisputeView {
        id: row.dispute_id,
        payment: id::render(Kind::Payment, row.payment_id),
        team: Named {
            id: view::team_id(row.team_id),
            name: names.get(&row.team_id).cloned().unwrap_or_default(),
        },
        amount: row.amount,
        status: row.status,
        is_taken: row.is_taken,
        created_at: Time(row.created_at_ms),
    }
}

fn reconciliation_view(row: Reconciled) -> ReconciliationView {
    ReconciliationView {
        at: Time(row.began_at_ms),
        events: row.events,
        payments: row.payments,
        ours: Nano(row.ours.saturating_mul(CENT)),
        theirs: Nano(row.theirs.saturating_mul(CENT)),
        findings: row.findings,
        failure: row.failure,
    }
}
