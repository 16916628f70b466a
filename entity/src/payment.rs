//! A payment of a team through Stripe.
//!
//! Invariant: credited once at most: `entry_id` is set in the transaction of the entry. Table `payment`.

use sea_orm::entity::prelude::*;

/// A payment of a team through Stripe.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "payment")]
pub struct Model {
    /// Time-ordered id; what we call it at Stripe.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// Whose wallet.
    pub team_id: i64,
    /// checkout or auto.
    pub kind: String,
    /// new, open, paid, expired or failed.
    pub state: String,
    /// What is to be paid, in US cents.
    pub cents: i64,
    /// Stripe's id of who pays.
    pub customer: String,
    /// What the form was sent with: one payment for each; unique.
    pub nonce: String,
    /// The Checkout Session; unique.
    pub session_id: Option<String>,
    /// The payment intent; unique.
    pub intent_id: Option<String>,
    /// Where to pay.
    pub url: Option<String>,
    /// Where Stripe shows the receipt.
    pub receipt_url: Option<String>,
    /// The number of Stripe's invoice.
    pub invoice: Option<String>,
    /// Where Stripe shows the invoice.
    pub invoice_url: Option<String>,
    /// Given back so far, in US cents.
    pub refunded: i64,
    /// 1: the card is kept for automatic top-ups.
    pub keeps_card: i64,
    /// Who began it; none: it began by itself.
    pub actor_id: Option<i64>,
    /// The wallet's entry.
    pub entry_id: Option<i64>,
    /// Why it failed, for people.
    pub note: String,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds.
    pub changed_at: i64,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
