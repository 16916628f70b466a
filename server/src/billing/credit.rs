//! What becomes of a payment: credited once, or not, by what Stripe says of it now.
//!
//! Invariant: a payment is credited in the transaction that marks it, if Stripe says *now* that it is paid, with our amount,
//! currency, customer and reference; whatever tells of it first, and however often. Reads and writes `payment`; writes through
//! the ledger and alerts.

use super::{
    Billing, BillingError,
    events::{self, Note, Outcome},
    payments::{CURRENCY, KIND, PaymentState, nano, reference},
    stripe::{self, Intent, Session, Stripe},
};
use crate::{
    alerts,
    ledger::{Beside, Grant, LedgerError},
};
use async_trait::async_trait;
use entity::payment::{Column, Entity, Model};
use sea_orm::{ColumnTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, sea_query::Expr};

impl Billing {
    /// Does what follows from `session`, as Stripe has it now, for the payment `row`; `event` told of it.
    pub(super) async fn settle(
        &self,
        stripe: &Stripe,
        row: &Model,
        session: &Session,
        (event, now_ms): (Option<&Note>, i64),
    ) -> Result<Outcome, BillingError> {
        if row.entry_id.is_some() {
            return Ok(Outcome::Repeated);
        }
        if let Some(wrong) = mismatch(row, session) {
            return self.distrust(row, wrong, event).await;
        }
        if session.payment_status != "paid" {
            return self.not_paid(stripe, row, session, now_ms).await;
        }
        let intent_id = session.payment_intent.as_ref().map(|id| id.0.clone());
        let receipt_url = self.receipt_of(stripe, intent_id.as_deref()).await;
        let credit = Credit {
            payment_id: row.id,
            session_id: Some(session.id.clone()),
            intent_id: intent_id.clone(),
            receipt_url,
            event: event.cloned(),
            now_ms,
        };
        let done = self.credit(row, credit).await?;
        self.note_invoice(stripe, session.invoice.as_ref()).await;
        if let Some(intent_id) = intent_id
            .as_deref()
            .and_then(stripe::id)
            .filter(|_| row.keeps_card == 1)
            && let Err(error) = self.keep_card(stripe, row, intent_id).await
        {
            tracing::warn!(%error, "a card could not be kept");
        }
        Ok(done)
    }

    /// What becomes of a payment that is not paid: its time may be over; the bank may take days, and say no in the end.
    async fn not_paid(
        &self,
        stripe: &Stripe,
        row: &Model,
        session: &Session,
        now_ms: i64,
    ) -> Result<Outcome, BillingError> {
        match session.status.as_deref() {
            Some("expired") => {
                self.mark(row.id, PaymentState::Expired, "", now_ms).await?;
                return Ok(Outcome::Expired);
            }
            Some("complete") => {}
            _ => return Ok(Outcome::Pending),
        }
        // Nobody is to be led to a session that was gone through.
        Entity::update_many()
            .col_expr(Column::Url, Expr::value(None::<String>))
            .filter(Column::Id.eq(row.id))
            .exec(&self.0.db)
            .await?;
        let Some(intent_id) = session.payment_intent.as_ref().and_then(|id| stripe::id(&id.0)) else {
            return Ok(Outcome::Pending);
        };
        let intent: Intent = stripe.get(&format!("/payment_intents/{intent_id}")).await?;
        if matches!(intent.status.as_str(), "canceled" | "requires_payment_method") {
            let why = "The bank did not pay it.";
            self.mark(row.id, PaymentState::Failed, why, now_ms).await?;
            return Ok(Outcome::Expired);
        }
        Ok(Outcome::Pending)
    }

    /// Puts `row` into the wallet, unless it is there.
    pub(super) async fn credit(&self, row: &Model, credit: Credit) -> Result<Outcome, BillingError> {
        let grant = Grant {
            team_id: row.team_id,
            kind: KIND.to_owned(),
            amount: nano(row.cents),
            reason: format!("Payment {}", reference(row.id)),
            actor_id: row.actor_id,
        };
        let written = self
            .0
            .ledger
            .grant_with(grant, credit)
            .await
            .map_err(|error| match error {
                LedgerError::TooLarge => BillingError::Amount,
                other => BillingError::Ledger(other),
            })?;
        Ok(match written {
            Some(_) => Outcome::Credited,
            None => Outcome::Repeated,
        })
    }

    /// Money came or went, but not as it was asked for: no wallet is changed, and the operator is told.
    pub(super) async fn distrust(
        &self,
        row: &Model,
        wrong: &str,
        event: Option<&Note>,
    ) -> Result<Outcome, BillingError> {
        let payment = reference(row.id);
        tracing::error!(
            payment,
            wrong,
            ?event,
            "a payment at Stripe is not the one that was begun"
        );
        let message = format!(
            "Payment {payment}: at Stripe its {wrong} differs from ours, so no wallet was changed. Compare the two."
        );
        alerts::raise(&self.0.db, alerts::Kind::PaymentMismatch, &payment, &message).await?;
        Ok(Outcome::Mismatch)
    }

    /// Where the receipt of the payment intent is; none where it cannot be found out: it is a help for people, no more.
    pub(super) async fn receipt_of(&self, stripe: &Stripe, intent_id: Option<&str>) -> Option<String> {
        let intent_id = stripe::id(intent_id?)?;
        let intent: Intent = stripe.get(&format!("/payment_intents/{intent_id}")).await.ok()?;
        let charge_id = intent.latest_charge?;
        let charge: stripe::Charge = stripe
            .get(&format!("/charges/{}", stripe::id(&charge_id.0)?))
            .await
            .ok()?;
        charge.receipt_url.filter(|url| url.starts_with("https://"))
    }
}

/// What of `session` is not as we asked for it.
fn mismatch(row: &Model, session: &Session) -> Option<&'static str> {
    if row.session_id.as_ref().is_some_and(|known| *known != session.id) {
        Some("session")
    } else if session.client_reference_id.as_deref() != Some(&reference(row.id)) {
        Some("reference")
    } else if session
        .customer
        .as_ref()
        .is_none_or(|customer| customer.0 != row.customer)
    {
        Some("customer")
    } else if session.currency.as_deref() != Some(CURRENCY) {
        Some("currency")
    } else if session.amount_total != Some(row.cents) {
        Some("amount")
    } else {
        None
    }
}

/// What credits a payment, beside the wallet's entry.
pub(super) struct Credit {
    pub payment_id: i64,
    pub session_id: Option<String>,
    pub intent_id: Option<String>,
    pub receipt_url: Option<String>,
    pub event: Option<Note>,
    pub now_ms: i64,
}

#[async_trait]
impl Beside for Credit {
    async fn write(&self, transaction: &DatabaseTransaction, entry_id: i64) -> Result<bool, DbErr> {
        let mut update = Entity::update_many()
            .col_expr(Column::State, Expr::value(PaymentState::Paid.as_str()))
            .col_expr(Column::EntryId, Expr::value(entry_id))
            .col_expr(Column::IntentId, Expr::value(self.intent_id.clone()))
            .col_expr(Column::ReceiptUrl, Expr::value(self.receipt_url.clone()))
            .col_expr(Column::Note, Expr::value(""))
            .col_expr(Column::ChangedAt, Expr::value(self.now_ms));
        if let Some(session_id) = &self.session_id {
            update = update.col_expr(Column::SessionId, Expr::value(session_id.clone()));
        }
        let credited = update
            .filter(Column::Id.eq(self.payment_id))
            .filter(Column::EntryId.is_null())
            .exec(transaction)
            .await?;
        if credited.rows_affected != 1 {
            return Ok(false);
        }
        if let Some(event) = &self.event {
            events::write(transaction, event, Outcome::Credited, self.now_ms).await?;
        }
        Ok(true)
    }
}
