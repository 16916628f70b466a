//! Refunds and disputes: what was paid goes back, also where it was spent.
//!
//! Invariant: what is taken from the wallet for a payment is what Stripe says *now* was given back or is disputed, whatever
//! told of it, in any order and however often; while a dispute that took money is open or lost, the team stays suspended until
//! a platform admin resumes it; whatever takes money switches automatic top-ups off. Reads and writes `payment` and `dispute`,
//! writes `auto_top_up`; writes through the ledger.

use super::{
    Billing, BillingError, auto,
    events::{self, Note, Outcome},
    payments::{CURRENCY, nano, reference},
    stripe::{self, Charge, Dispute, Intent, Stripe},
};
use crate::{
    ledger::{Beside, Grant},
    teams,
};
use async_trait::async_trait;
use entity::{dispute, payment};
use gateway_core::id::{self, Kind};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, OnConflict},
};
use std::collections::BTreeMap;

/// What entries of refunds and of disputes are called.
pub(super) const REFUND: &str = "refund";
pub(super) const DISPUTE: &str = "dispute";
/// Why automatic top-ups are switched off: what was given back is not to be charged again by itself.
const GIVEN_BACK: &str = "A payment was given back.";
const DISPUTED: &str = "A payment is disputed.";
/// How often a change is tried anew, when another one came first.
const TRIES: usize = 5;

/// A dispute, as shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisputeRow {
    /// Stripe's id.
    pub dispute_id: String,
    /// The payment.
    pub payment_id: i64,
    /// Whose wallet.
    pub team_id: i64,
    /// As Stripe has it.
    pub status: String,
    /// What it is about.
    pub amount: gateway_core::money::Nano,
    /// Whether the money is gone from the wallet now.
    pub is_taken: bool,
    /// Unix milliseconds.
    pub created_at_ms: i64,
}

impl Billing {
    /// Up to `limit` disputes, newest first: of one team, or of all.
    ///
    /// # Errors
    /// [`BillingError::NotFound`] without Stripe; [`BillingError::Database`].
    pub async fn disputes(&self, team_id: Option<i64>, limit: u64) -> Result<Vec<DisputeRow>, BillingError> {
        self.stripe()?;
        let mut query = dispute::Entity::find().order_by_desc(dispute::Column::CreatedAt);
        if let Some(team_id) = team_id {
            query = query.filter(dispute::Column::TeamId.eq(team_id));
        }
        let rows = query.limit(limit).all(&self.0.db).await?;
        let row = |row: dispute::Model| DisputeRow {
            dispute_id: row.id,
            payment_id: row.payment_id,
            team_id: row.team_id,
            status: row.status,
            amount: nano(row.cents),
            is_taken: row.taken > 0,
            created_at_ms: row.created_at,
        };
        Ok(rows.into_iter().map(row).collect())
    }

    /// What disputes have taken of each of these payments, in cents, where they have.
    pub(super) async fn taken(&self, payment_ids: &[i64]) -> Result<BTreeMap<i64, i64>, DbErr> {
        let mut taken = BTreeMap::new();
        let rows = dispute::Entity::find()
            .filter(dispute::Column::PaymentId.is_in(payment_ids.iter().copied()))
            .filter(dispute::Column::Taken.gt(0))
            .all(&self.0.db)
            .await?;
        for row in rows {
            *taken.entry(row.payment_id).or_default() += row.taken;
        }
        Ok(taken)
    }

    /// Takes from the wallet what of the charge was given back by now.
    pub(super) async fn follow_charge(
        &self,
        stripe: &Stripe,
        charge_id: &str,
        (event, now_ms): (Option<&Note>, i64),
    ) -> Result<Outcome, BillingError> {
        let charge: Charge = stripe.get(&format!("/charges/{charge_id}")).await?;
        let intent_id = charge.payment_intent.as_ref().map(|id| id.0.as_str());
        let mut row = match self.credited(stripe, intent_id, now_ms).await? {
            Found::Credited(row) => row,
            Found::Uncredited => return Ok(Outcome::Pending),
            Found::Nothing => return Ok(Outcome::Unknown),
        };
        for _ in 0..TRIES {
            // Asked after the row was read: an answer from before might be older than what the row has.
            let charge: Charge = stripe.get(&format!("/charges/{charge_id}")).await?;
            if charge.currency != CURRENCY || charge.amount_refunded > row.cents {
                return self.distrust(&row, "refund", event).await;
            }
            if charge.amount_refunded == row.refunded {
                return Ok(Outcome::Repeated);
            }
            let grant = Grant {
                team_id: row.team_id,
                kind: REFUND.to_owned(),
                amount: nano(row.refunded - charge.amount_refunded),
                reason: format!("Refund of payment {}", reference(row.id)),
                actor_id: None,
            };
            let refund = Refund {
                payment_id: row.id,
                team_id: row.team_id,
                before: row.refunded,
                after: charge.amount_refunded,
                event: event.cloned(),
                now_ms,
            };
            if self
                .0
                .ledger
                .grant_with(grant, refund)
                .await
                .map_err(BillingError::Ledger)?
                .is_some()
            {
                return Ok(Outcome::Reversed);
            }
            *row = self.payment_model(row.id).await?;
        }
        Err(BillingError::Busy)
    }

    /// Takes from the wallet what the dispute took from us by now, or gives it back; suspends the team, or resumes it.
    pub(super) async fn follow_dispute(
        &self,
        stripe: &Stripe,
        dispute_id: &str,
        (event, now_ms): (Option<&Note>, i64),
    ) -> Result<Outcome, BillingError> {
        let path = format!("/disputes/{dispute_id}");
        let first: Dispute = stripe.get(&path).await?;
        let intent_id = match &first.payment_intent {
            Some(id) => Some(id.0.clone()),
            None => self.intent_of_charge(stripe, &first).await?,
        };
        let row = match self.credited(stripe, intent_id.as_deref(), now_ms).await? {
            Found::Credited(row) => row,
            Found::Uncredited => return Ok(Outcome::Pending),
            Found::Nothing => return Ok(Outcome::Unknown),
        };
        for _ in 0..TRIES {
            let known = self.note_dispute(&row, &first, now_ms).await?;
            // Asked after the row was read: an answer from before might be older than what the row has.
            let now: Dispute = stripe.get(&path).await?;
            if now.currency != CURRENCY || now.amount < 0 {
                return self.distrust(&row, "dispute", event).await;
            }
            let taken = if is_taken(&now.status) { now.amount } else { 0 };
            let turn = Turn {
                dispute_id: now.id.clone(),
                team_id: row.team_id,
                before: (known.taken, known.status.clone()),
                after: (taken, now.status.clone()),
                event: event.cloned(),
                now_ms,
            };
            if turn.before == turn.after {
                return Ok(Outcome::Repeated);
            }
            if turn.before.0 == turn.after.0 {
                if turn.write_alone(&self.0.db).await? {
                    return Ok(Outcome::Reversed);
                }
                continue;
            }
            let grant = Grant {
                team_id: row.team_id,
                kind: DISPUTE.to_owned(),
                amount: nano(known.taken - taken),
                reason: format!("Dispute of payment {}: {}", reference(row.id), words(&now.status)),
                actor_id: None,
            };
            if self
                .0
                .ledger
                .grant_with(grant, turn)
                .await
                .map_err(BillingError::Ledger)?
                .is_some()
            {
                return Ok(Outcome::Reversed);
            }
        }
        Err(BillingError::Busy)
    }

    async fn intent_of_charge(&self, stripe: &Stripe, dispute: &Dispute) -> Result<Option<String>, BillingError> {
        let charge_id = dispute.charge.as_ref().and_then(|id| stripe::id(&id.0));
        let Some(charge_id) = charge_id else { return Ok(None) };
        let charge: Charge = stripe.get(&format!("/charges/{charge_id}")).await?;
        Ok(charge.payment_intent.map(|id| id.0))
    }

    async fn payment_model(&self, payment_id: i64) -> Result<payment::Model, BillingError> {
        let row = payment::Entity::find_by_id(payment_id).one(&self.0.db).await?;
        row.ok_or(BillingError::NotFound)
    }

    /// The row of the dispute, made if there is none.
    async fn note_dispute(
        &self,
        row: &payment::Model,
        now: &Dispute,
        now_ms: i64,
    ) -> Result<dispute::Model, BillingError> {
        let new = dispute::ActiveModel {
            id: Set(now.id.clone()),
            payment_id: Set(row.id),
            team_id: Set(row.team_id),
            status: Set(String::new()),
            cents: Set(now.amount),
            taken: Set(0),
            frozen_at: Set(None),
            created_at: Set(now_ms),
            changed_at: Set(now_ms),
        };
        let once = OnConflict::column(dispute::Column::Id).do_nothing().to_owned();
        let db = &self.0.db;
        dispute::Entity::insert(new)
            .on_conflict(once)
            .exec_without_returning(db)
            .await?;
        let known = dispute::Entity::find_by_id(&now.id).one(db).await?;
        known.ok_or(BillingError::NotFound)
    }

    /// The payment of an intent; credited now, where it should have been.
    async fn credited(&self, stripe: &Stripe, intent_id: Option<&str>, now_ms: i64) -> Result<Found, BillingError> {
        let Some(intent_id) = intent_id.and_then(stripe::id) else {
            return Ok(Found::Nothing);
        };
        let by_intent = payment::Entity::find().filter(payment::Column::IntentId.eq(intent_id));
        if let Some(row) = by_intent.one(&self.0.db).await? {
            return Ok(if row.entry_id.is_some() {
                Found::Credited(Box::new(row))
            } else {
                Found::Uncredited
            });
        }
        let intent: Intent = stripe.get(&format!("/payment_intents/{intent_id}")).await?;
        let mark = intent
            .metadata
            .get("payment")
            .and_then(|text| id::parse(Kind::Payment, text));
        let Some(payment_id) = mark else {
            return Ok(Found::Nothing);
        };
        let find = || payment::Entity::find_by_id(payment_id).one(&self.0.db);
        let Some(row) = find().await? else {
            return Ok(Found::Nothing);
        };
        self.refresh(stripe, &row, now_ms).await?;
        Ok(match find().await? {
            Some(row) if row.entry_id.is_some() && row.intent_id.as_deref() == Some(intent_id) => {
                Found::Credited(Box::new(row))
            }
            _ => Found::Uncredited,
        })
    }
}

/// A payment that something goes back of.
enum Found {
    Credited(Box<payment::Model>),
    Uncredited,
    Nothing,
}

/// Whether the money of a dispute in this state is gone from us.
fn is_taken(status: &str) -> bool {
    matches!(status, "needs_response" | "under_review" | "lost")
}

/// A dispute's state, for people.
fn words(status: &str) -> &'static str {
    match status {
        "won" => "won, the money is back",
        "lost" => "lost",
        "needs_response" | "under_review" => "open",
        _ => "closed",
    }
}

/// What changes a payment, beside the wallet's entry.
struct Refund {
    payment_id: i64,
    team_id: i64,
    before: i64,
    after: i64,
    event: Option<Note>,
    now_ms: i64,
}

#[async_trait]
impl Beside for Refund {
    async fn write(&self, transaction: &DatabaseTransaction, _: i64) -> Result<bool, DbErr> {
        use payment::Column;
        let changed = payment::Entity::update_many()
            .col_expr(Column::Refunded, Expr::value(self.after))
            .col_expr(Column::ChangedAt, Expr::value(self.now_ms))
            .filter(Column::Id.eq(self.payment_id))
            .filter(Column::Refunded.eq(self.before))
            .exec(transaction)
            .await?;
        if changed.rows_affected != 1 {
            return Ok(false);
        }
        if self.after > self.before {
            auto::switch_off(transaction, self.team_id, GIVEN_BACK, self.now_ms).await?;
        }
        if let Some(event) = &self.event {
            events::write(transaction, event, Outcome::Reversed, self.now_ms).await?;
        }
        Ok(true)
    }
}

/// What changes a dispute, beside the wallet's entry where money moves: what is taken, and the state.
struct Turn {
    dispute_id: String,
    team_id: i64,
    before: (i64, String),
    after: (i64, String),
    event: Option<Note>,
    now_ms: i64,
}

impl Turn {
    /// The team is resumed, if this dispute suspended it and no other one is a reason to.
    async fn let_go(&self, transaction: &DatabaseTransaction) -> Result<(), DbErr> {
        use dispute::Column;
        let row = dispute::Entity::find_by_id(&self.dispute_id).one(transaction).await?;
        let Some(frozen_at) = row.and_then(|row| row.frozen_at) else {
            return Ok(());
        };
        set_frozen(transaction, &self.dispute_id, None).await?;
        if teams::suspended_at(transaction, self.team_id).await? != Some(frozen_at) {
            // Somebody has decided about it since.
            return Ok(());
        }
        let other = dispute::Entity::find()
            .filter(Column::TeamId.eq(self.team_id))
            .filter(Column::Taken.gt(0))
            .one(transaction)
            .await?;
        match other {
            Some(other) => set_frozen(transaction, &other.id, Some(frozen_at)).await,
            None => teams::thaw(transaction, self.team_id, frozen_at).await,
        }
    }

    /// Where no money moves; `false`: another change came first.
    async fn write_alone(&self, db: &sea_orm::DatabaseConnection) -> Result<bool, DbErr> {
        use sea_orm::TransactionTrait as _;
        let transaction = db.begin().await?;
        let is_written = self.write(&transaction, 0).await?;
        if is_written {
            transaction.commit().await?;
        } else {
            transaction.rollback().await?;
        }
        Ok(is_written)
    }
}

#[async_trait]
impl Beside for Turn {
    async fn write(&self, transaction: &DatabaseTransaction, _: i64) -> Result<bool, DbErr> {
        use dispute::Column;
        // Two disputes of a team, one that ends and one that begins, see what the other one does to the team.
        teams::lock(transaction, self.team_id).await?;
        let changed = dispute::Entity::update_many()
            .col_expr(Column::Taken, Expr::value(self.after.0))
            .col_expr(Column::Status, Expr::value(self.after.1.clone()))
            .col_expr(Column::ChangedAt, Expr::value(self.now_ms))
            .filter(Column::Id.eq(&self.dispute_id))
            .filter(Column::Taken.eq(self.before.0))
            .filter(Column::Status.eq(&self.before.1))
            .exec(transaction)
            .await?;
        if changed.rows_affected != 1 {
            return Ok(false);
        }
        if self.after.0 > self.before.0 {
            auto::switch_off(transaction, self.team_id, DISPUTED, self.now_ms).await?;
        }
        if self.after.0 > 0 && self.before.0 == 0 && teams::freeze(transaction, self.team_id, self.now_ms).await? {
            set_frozen(transaction, &self.dispute_id, Some(self.now_ms)).await?;
        }
        if self.after.0 == 0 {
            self.let_go(transaction).await?;
        }
        if let Some(event) = &self.event {
            events::write(transaction, event, Outcome::Reversed, self.now_ms).await?;
        }
        Ok(true)
    }
}

async fn set_frozen(transaction: &DatabaseTransaction, dispute_id: &str, frozen_at: Option<i64>) -> Result<(), DbErr> {
    dispute::Entity::update_many()
        .col_expr(dispute::Column::FrozenAt, Expr::value(frozen_at))
        .filter(dispute::Column::Id.eq(dispute_id))
        .exec(transaction)
        .await?;
    Ok(())
}

/// What is not as it must be between what was taken for payments and the entries of it, team by team.
pub(super) async fn differences(db: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    let mut sums: BTreeMap<(i64, &str), i64> = BTreeMap::new();
    let refunded = payment::Entity::find().filter(payment::Column::Refunded.gt(0)).all(db);
    for row in refunded.await? {
        *sums.entry((row.team_id, REFUND)).or_default() += nano(row.refunded).0;
    }
    let taken = dispute::Entity::find().filter(dispute::Column::Taken.gt(0)).all(db);
    for row in taken.await? {
        *sums.entry((row.team_id, DISPUTE)).or_default() += nano(row.taken).0;
    }
    for kind in [REFUND, DISPUTE] {
        for (team_id, amount) in super::entries_of(db, kind).await?.into_values() {
            *sums.entry((team_id, kind)).or_default() += amount;
        }
    }
    sums.retain(|_, sum| *sum != 0);
    let told = |(team_id, kind): (i64, &str), sum: i64| format!("team {team_id}: entries of {kind} are off by {sum}");
    Ok(sums.into_iter().map(|(of, sum)| told(of, sum)).collect())
}
