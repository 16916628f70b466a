//! What Stripe tells: webhooks, and the events that were not delivered.
//!
//! Invariant: nothing unsigned, stale or unreadable leaves a row; an event is written once, together with what it brings about;
//! what counts is the object as Stripe has it now, not as the event told it, so that their order does not matter.
//! Reads and writes `stripe_event`.

use super::{
    Billing, BillingError,
    stripe::{self, Event, Intent, Session, SignatureError, Stripe, StripeError},
};
use entity::stripe_event::{ActiveModel, Column, Entity};
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait, sea_query::OnConflict};

/// The most characters of a kind that are kept.
const KIND_MAX: usize = 100;

/// What came of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A payment is in the wallet.
    Credited,
    /// It had been done before.
    Repeated,
    /// It is not paid yet.
    Pending,
    /// The time to pay is over.
    Expired,
    /// It is not what we asked for.
    Mismatch,
    /// A wallet was changed by a refund or a dispute.
    Reversed,
    /// An invoice was noted.
    Noted,
    /// It is about nothing of ours.
    Unknown,
    /// Nothing hangs on such events.
    Ignored,
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Credited => "credited",
            Self::Repeated => "repeated",
            Self::Pending => "pending",
            Self::Expired => "expired",
            Self::Mismatch => "mismatch",
            Self::Reversed => "reversed",
            Self::Noted => "noted",
            Self::Unknown => "unknown",
            Self::Ignored => "ignored",
        }
    }
}

/// What is kept of an event.
#[derive(Clone, Debug)]
pub(super) struct Note {
    id: String,
    kind: String,
    object_id: String,
    created_at_ms: i64,
}

impl Note {
    fn new(event: &Event) -> Self {
        Self {
            id: event.id.clone(),
            kind: event.kind.chars().take(KIND_MAX).collect(),
            object_id: event.object_id().unwrap_or_default().chars().take(KIND_MAX).collect(),
            created_at_ms: event.created.saturating_mul(1_000),
        }
    }
}

/// Why a webhook is not taken.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// Stripe is not configured.
    #[error("there is no such address")]
    Off,
    /// Nobody who may has signed it.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// It is signed, but no event.
    #[error("the body is no event")]
    Unreadable,
    /// It cannot be done now, and is to be sent again.
    #[error(transparent)]
    Later(#[from] BillingError),
}

impl Billing {
    /// Takes a webhook: its `body` as it came, and the header that signs it. Once it returns, it need not be sent again.
    ///
    /// # Errors
    /// [`WebhookError`]; no row is written then.
    pub async fn webhook(&self, signature: &str, body: &[u8], now_ms: i64) -> Result<(), WebhookError> {
        let stripe = self.stripe().map_err(|_| WebhookError::Off)?;
        stripe.webhook().check(signature, body, now_ms)?;
        let event: Event = serde_json::from_slice(body).map_err(|_| WebhookError::Unreadable)?;
        stripe::id(&event.id).ok_or(WebhookError::Unreadable)?;
        self.take(stripe, &event, now_ms).await?;
        Ok(())
    }

    /// Does what follows from `event`, unless that was done. Whether it is new.
    pub(super) async fn take(&self, stripe: &Stripe, event: &Event, now_ms: i64) -> Result<bool, BillingError> {
        if Entity::find_by_id(&event.id).one(&self.0.db).await?.is_some() {
            return Ok(false);
        }
        let note = Note::new(event);
        let outcome = match self.act(stripe, event, &note, now_ms).await {
            // Somebody else's object, or one that is gone.
            Err(BillingError::Stripe(error)) if error.is_not_found() => Outcome::Unknown,
            done => done?,
        };
        match outcome {
            Outcome::Unknown => tracing::warn!(
                event = event.id,
                kind = note.kind,
                "an event of Stripe is about nothing of ours"
            ),
            _ => tracing::info!(
                event = event.id,
                kind = note.kind,
                outcome = outcome.as_str(),
                "an event of Stripe"
            ),
        }
        write(&self.0.db, &note, outcome, now_ms).await?;
        Ok(true)
    }

    async fn act(&self, stripe: &Stripe, event: &Event, note: &Note, now_ms: i64) -> Result<Outcome, BillingError> {
        let object_id = event.object_id().and_then(stripe::id);
        match (event.kind.as_str(), object_id) {
            (kind, Some(session_id)) if kind.starts_with("checkout.session.") => {
                let session: Session = stripe.get(&format!("/checkout/sessions/{session_id}")).await?;
                match self.payment_of(&session).await? {
                    Some(row) => self.settle(stripe, &row, &session, (Some(note), now_ms)).await,
                    None => Ok(Outcome::Unknown),
                }
            }
            (kind, Some(dispute_id)) if kind.starts_with("charge.dispute.") => {
                self.follow_dispute(stripe, dispute_id, (Some(note), now_ms)).await
            }
            (kind, Some(invoice_id)) if kind.starts_with("invoice.") => self.follow_invoice(stripe, invoice_id).await,
            ("charge.refunded", Some(charge_id)) => self.follow_charge(stripe, charge_id, (Some(note), now_ms)).await,
            (kind, Some(_)) if kind.starts_with("refund.") || kind.starts_with("charge.refund.") => {
                match event.charge_id().and_then(stripe::id) {
                    Some(charge_id) => self.follow_charge(stripe, charge_id, (Some(note), now_ms)).await,
                    None => Ok(Outcome::Unknown),
                }
            }
            (kind, Some(intent_id)) if kind.starts_with("payment_intent.") => {
                let intent: Intent = stripe.get(&format!("/payment_intents/{intent_id}")).await?;
                match self.auto_payment(&intent).await? {
                    Some(row) => self.settle_auto(stripe, &row, &intent, (Some(note), now_ms)).await,
                    None => Ok(Outcome::Ignored),
                }
            }
            _ => Ok(Outcome::Ignored),
        }
    }
}

impl From<StripeError> for BillingError {
    fn from(error: StripeError) -> Self {
        Self::Stripe(error)
    }
}

/// Writes that an event was taken, unless it is written.
pub(super) async fn write(db: &impl ConnectionTrait, note: &Note, outcome: Outcome, now_ms: i64) -> Result<(), DbErr> {
    let row = ActiveModel {
        id: Set(note.id.clone()),
        kind: Set(note.kind.clone()),
        object_id: Set(note.object_id.clone()),
        outcome: Set(outcome.as_str().to_owned()),
        created_at: Set(note.created_at_ms),
        received_at: Set(now_ms),
    };
    let once = OnConflict::column(Column::Id).do_nothing().to_owned();
    Entity::insert(row).on_conflict(once).exec_without_returning(db).await?;
    Ok(())
}
