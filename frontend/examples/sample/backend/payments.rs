//! The sample payments: one in each state, a dispute, and two comparisons.
//!
//! Invariant: nothing here is changed by a call. Pure.

use super::{DAY, MINUTE, NOW, Sample, cents, named, refused};
use async_trait::async_trait;
use frontend::api::payments::{
    AutoPatch, AutoView, DisputeView, NewPayment, PaymentView, Payments, PaymentsBoard, PortalView, ReconciliationView,
};
use frontend::api::{ApiError, Nano, Page, PageQuery, Time};

fn payment(id: &str, state: &str) -> PaymentView {
    PaymentView {
        id: id.to_owned(),
        amount: cents(10_000),
        state: state.to_owned(),
        url: (state == "open").then(|| "https://checkout.stripe.com/c/pay/cs_1".to_owned()),
        receipt_url: (state == "paid").then(|| "https://pay.stripe.com/receipts/1".to_owned()),
        invoice: (state == "paid").then(|| "HUB-0042".to_owned()),
        invoice_url: (state == "paid").then(|| "https://invoice.stripe.com/i/1".to_owned()),
        disputed: Nano::ZERO,
        refunded: if state == "paid" { cents(2_500) } else { Nano::ZERO },
        note: if state == "failed" {
            "Your card was declined.".to_owned()
        } else {
            String::new()
        },
        created_at: Time(NOW - DAY),
    }
}

fn dispute() -> DisputeView {
    DisputeView {
        id: "dp_1".to_owned(),
        payment: "pay_1".to_owned(),
        team: named("team_1", "Harbor Robotics"),
        amount: cents(10_000),
        status: "needs_response".to_owned(),
        is_taken: true,
        created_at: Time(NOW - DAY),
    }
}

fn auto(has_card: bool) -> AutoView {
    AutoView {
        is_on: false,
        below: cents(2_500),
        amount: cents(10_000),
        max_day: cents(30_000),
        note: if has_card {
            "Your card was declined.".to_owned()
        } else {
            String::new()
        },
        card: has_card.then(|| "visa 4242".to_owned()),
    }
}

#[async_trait]
impl Payments for Sample {
    async fn auto_top_up(&self, _: &str) -> Result<AutoView, ApiError> {
        Ok(auto(self.has_data()))
    }

    async fn update_auto_top_up(&self, _: &str, _: AutoPatch) -> Result<AutoView, ApiError> {
        refused()
    }

    async fn open_portal(&self, _: &str) -> Result<PortalView, ApiError> {
        refused()
    }

    async fn remove_card(&self, _: &str) -> Result<(), ApiError> {
        refused()
    }

    async fn payments_board(&self, _: &str) -> Result<Option<PaymentsBoard>, ApiError> {
        let all = ["open", "paid", "expired", "failed"];
        let some = self.has_data();
        Ok(Some(PaymentsBoard {
            least: cents(500),
            most: cents(500_000),
            order: "pay_9".to_owned(),
            auto: auto(some),
            has_portal: some,
            payments: all
                .iter()
                .filter(|_| some)
                .map(|state| payment(&format!("pay_{state}"), state))
                .collect(),
            disputes: if some { vec![dispute()] } else { Vec::new() },
        }))
    }

    async fn list_payments(&self, _: &str, _: PageQuery) -> Result<Page<PaymentView>, ApiError> {
        Ok(self.some(vec![payment("pay_paid", "paid")]))
    }

    async fn create_payment(&self, _: &str, _: NewPayment) -> Result<PaymentView, ApiError> {
        refused()
    }

    async fn payment(&self, _: &str, id: &str) -> Result<PaymentView, ApiError> {
        Ok(payment(id, id.trim_start_matches("pay_")))
    }

    async fn list_disputes(&self) -> Result<Page<DisputeView>, ApiError> {
        self.demand_admin()?;
        Ok(self.some(vec![dispute()]))
    }

    async fn list_reconciliations(&self) -> Result<Page<ReconciliationView>, ApiError> {
        self.demand_admin()?;
        let report = |findings: &[&str], failure: Option<&str>| ReconciliationView {
            at: Time(NOW - 40 * MINUTE),
            events: 1,
            payments: 212,
            ours: cents(2_120_000),
            theirs: cents(2_130_000),
            findings: findings.iter().map(|finding| (*finding).to_owned()).collect(),
            failure: failure.map(str::to_owned),
        };
        Ok(self.some(vec![
            report(&["Payment pay_1: 0 cents in the wallet, 10000 cents at Stripe."], None),
            report(&[], None),
            report(&[], Some("Stripe did not answer: connection refused")),
        ]))
    }

    async fn reconcile(&self) -> Result<ReconciliationView, ApiError> {
        refused()
    }
}
