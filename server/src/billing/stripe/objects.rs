//! The few fields of Stripe's objects that count here.
//!
//! Invariant: what is absent is none or nothing, never a guess; money is in cents, as Stripe has it. Pure.

use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// What happened, as a webhook or the list of events tells it. What it is about is fetched anew.
#[derive(Clone, Debug, Deserialize)]
pub struct Event {
    /// The id, `evt_…`.
    pub id: String,
    /// What happened, such as `checkout.session.completed`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When, in Unix seconds.
    #[serde(default)]
    pub created: i64,
    data: EventData,
}

#[derive(Clone, Debug, Deserialize)]
struct EventData {
    object: EventObject,
}

#[derive(Clone, Debug, Deserialize)]
struct EventObject {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    charge: Option<Id>,
}

impl Event {
    /// The id of what it is about.
    #[must_use]
    pub fn object_id(&self) -> Option<&str> {
        self.data.object.id.as_deref()
    }

    /// The charge that what it is about belongs to.
    #[must_use]
    pub fn charge_id(&self) -> Option<&str> {
        self.data.object.charge.as_ref().map(|id| id.0.as_str())
    }
}

/// An id, also where the object itself stands in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Id(pub String);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Id(String),
            Object { id: String },
        }
        Ok(match Either::deserialize(deserializer)? {
            Either::Id(id) | Either::Object { id } => Self(id),
        })
    }
}

/// A Checkout Session.
#[derive(Clone, Debug, Deserialize)]
pub struct Session {
    /// The id, `cs_…`.
    pub id: String,
    /// `open`, `complete` or `expired`.
    #[serde(default)]
    pub status: Option<String>,
    /// `paid`, `unpaid` or `no_payment_required`.
    #[serde(default)]
    pub payment_status: String,
    /// In cents.
    #[serde(default)]
    pub amount_total: Option<i64>,
    /// In lower case.
    #[serde(default)]
    pub currency: Option<String>,
    /// Who pays.
    #[serde(default)]
    pub customer: Option<Id>,
    /// Our payment.
    #[serde(default)]
    pub client_reference_id: Option<String>,
    /// What is paid.
    #[serde(default)]
    pub payment_intent: Option<Id>,
    /// Where to pay, while it is open.
    #[serde(default)]
    pub url: Option<String>,
    /// Its invoice, once it is paid.
    #[serde(default)]
    pub invoice: Option<Id>,
}

/// An invoice.
#[derive(Clone, Debug, Deserialize)]
pub struct Invoice {
    /// As people name it.
    #[serde(default)]
    pub number: Option<String>,
    /// Where it is shown.
    #[serde(default)]
    pub hosted_invoice_url: Option<String>,
    /// Who pays.
    #[serde(default)]
    pub customer: Option<Id>,
    /// What we wrote on it.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// A payment intent.
#[derive(Clone, Debug, Deserialize)]
pub struct Intent {
    /// The id, `pi_…`.
    pub id: String,
    /// `succeeded`, `canceled`, `processing` and others.
    #[serde(default)]
    pub status: String,
    /// In cents.
    #[serde(default)]
    pub amount: i64,
    /// What arrived, in cents.
    #[serde(default)]
    pub amount_received: Option<i64>,
    /// In lower case.
    #[serde(default)]
    pub currency: String,
    /// Who pays.
    #[serde(default)]
    pub customer: Option<Id>,
    /// What we wrote on it.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// What it was paid with.
    #[serde(default)]
    pub payment_method: Option<Id>,
    /// The newest charge.
    #[serde(default)]
    pub latest_charge: Option<Id>,
}

/// A way to pay.
#[derive(Clone, Debug, Deserialize)]
pub struct PaymentMethod {
    /// The id, `pm_…`.
    pub id: String,
    /// If it is a card.
    #[serde(default)]
    pub card: Option<Card>,
}

/// What people know of a card.
#[derive(Clone, Debug, Deserialize)]
pub struct Card {
    /// `visa` and others.
    #[serde(default)]
    pub brand: String,
    /// Its last four digits.
    #[serde(default)]
    pub last4: String,
}

/// A charge of a card.
#[derive(Clone, Debug, Deserialize)]
pub struct Charge {
    /// Given back so far, in cents.
    #[serde(default)]
    pub amount_refunded: i64,
    /// In lower case.
    #[serde(default)]
    pub currency: String,
    /// What it paid.
    #[serde(default)]
    pub payment_intent: Option<Id>,
    /// Where its receipt is.
    #[serde(default)]
    pub receipt_url: Option<String>,
}

/// A dispute: the holder of a card wants the money back from the bank.
#[derive(Clone, Debug, Deserialize)]
pub struct Dispute {
    /// The id, `dp_…` or `du_…`.
    pub id: String,
    /// `needs_response`, `under_review`, `won`, `lost`, `warning_…`.
    #[serde(default)]
    pub status: String,
    /// In cents.
    #[serde(default)]
    pub amount: i64,
    /// In lower case.
    #[serde(default)]
    pub currency: String,
    /// What it is about.
    #[serde(default)]
    pub payment_intent: Option<Id>,
    /// The charge.
    #[serde(default)]
    pub charge: Option<Id>,
}
