//! Automatic top-ups: a saved card is charged when the balance falls below a limit.
//!
//! Invariant: of a team one is under way at most, each has a row before Stripe is asked, and its id is the idempotency key; no answer
//! means that it is looked up before it is asked for again; whether it is wanted is seen once its row stands, from rows as they
//! are then; a refusal switches them off and the team is told; what was given back or is disputed switches them off too, and
//! none is made for a suspended team. Reads and writes `payment`, `customer` and `auto_top_up`, reads `team`; writes through
//! the ledger and mails.

use super::{
    Billing, BillingError,
    credit::Credit,
    events::{Note, Outcome},
    payments::{CURRENCY, LEAST, MOST, NANO_PER_CENT, PaymentState, REPEAT_MS, nano, reference},
    stripe::{self, Intent, List, PaymentMethod, Stripe, StripeError},
};
use crate::{
    clock,
    fields::FieldErrors,
    mail::{Message, Paragraph},
    teams::{self, TeamScope},
};
use entity::{
    auto_top_up::{ActiveModel, Column, Entity},
    customer, payment,
};
use gateway_core::{
    id::{self, Kind},
    money::Nano,
};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, TransactionTrait,
    sea_query::{Expr, OnConflict},
};
use serde_json::json;
use std::time::Instant;
use stripe_client_core::{RequestBuilder, StripeMethod};

/// What payments of this kind are called in their rows.
pub(super) const KIND: &str = "auto";
/// The time over which the daily maximum counts, in milliseconds.
const DAY_MS: i64 = 24 * 3_600_000;
/// How long after a call it is looked up, in milliseconds: longer than a call may take.
const QUIET_MS: i64 = 30_000;
/// The highest daily maximum.
const DAY_MOST: Nano = Nano(50_000_000_000_000);
/// How long a mail about it is of use, in milliseconds.
const MAIL_MS: i64 = 3 * DAY_MS;

/// How a team's balance is topped up by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AutoTopUp {
    /// Whether it is.
    pub is_on: bool,
    /// When the balance is below.
    pub below: Nano,
    /// By how much.
    pub amount: Nano,
    /// At most so much in 24 hours.
    pub max_day: Nano,
    /// Why it was switched off, if not by people.
    pub note: String,
    /// The saved card, such as `visa 4242`.
    pub card: Option<String>,
}

impl Billing {
    /// How the balance of the team of `scope` is topped up.
    ///
    /// # Errors
    /// [`BillingError::NotFound`] without Stripe; [`BillingError::Database`].
    pub async fn auto_top_up(&self, scope: &TeamScope) -> Result<AutoTopUp, BillingError> {
        self.stripe()?;
        let row = Entity::find_by_id(scope.team_id()).one(&self.0.db).await?;
        let customer = customer::Entity::find_by_id(scope.team_id()).one(&self.0.db).await?;
        let card = customer.filter(|row| row.method.is_some()).and_then(|row| row.card);
        Ok(match row {
            Some(row) => AutoTopUp {
                is_on: row.is_on == 1 && card.is_some(),
                below: nano(row.below),
                amount: nano(row.cents),
                max_day: nano(row.max_day),
                note: row.note,
                card,
            },
            None => AutoTopUp {
                is_on: false,
                below: Nano(25_000_000_000),
                amount: Nano(100_000_000_000),
                max_day: Nano(300_000_000_000),
                note: String::new(),
                card,
            },
        })
    }

    /// Sets it; `card` and `note` of `wanted` are ignored.
    ///
    /// # Errors
    /// [`BillingError::NotFound`] without Stripe; [`BillingError::Invalid`]; [`BillingError::Database`].
    pub async fn set_auto_top_up(
        &self,
        scope: &TeamScope,
        wanted: &AutoTopUp,
        now_ms: i64,
    ) -> Result<AutoTopUp, BillingError> {
        let now = self.auto_top_up(scope).await?;
        check(wanted, now.card.is_some())?;
        let row = ActiveModel {
            team_id: Set(scope.team_id()),
            is_on: Set(i64::from(wanted.is_on)),
            below: Set(wanted.below.0 / NANO_PER_CENT),
            cents: Set(wanted.amount.0 / NANO_PER_CENT),
            max_day: Set(wanted.max_day.0 / NANO_PER_CENT),
            note: Set(String::new()),
            changed_at: Set(now_ms),
        };
        let mut newer = OnConflict::column(Column::TeamId);
        newer.update_columns([
            Column::IsOn,
            Column::Below,
            Column::Cents,
            Column::MaxDay,
            Column::Note,
            Column::ChangedAt,
        ]);
        Entity::insert(row)
            .on_conflict(newer)
            .exec_without_returning(&self.0.db)
            .await?;
        self.auto_top_up(scope).await
    }

    /// Forgets the saved card, and switches automatic top-ups off.
    ///
    /// # Errors
    /// [`BillingError::NotFound`] without Stripe; [`BillingError::Database`].
    pub async fn forget_card(&self, scope: &TeamScope, now_ms: i64) -> Result<(), BillingError> {
        let stripe = self.stripe()?;
        let db = &self.0.db;
        let known = customer::Entity::find_by_id(scope.team_id()).one(db).await?;
        switch_off(db, scope.team_id(), "", now_ms).await?;
        customer::Entity::update_many()
            .col_expr(customer::Column::Method, Expr::value(None::<String>))
            .col_expr(customer::Column::Card, Expr::value(None::<String>))
            .filter(customer::Column::TeamId.eq(scope.team_id()))
            .exec(db)
            .await?;
        let method = known.and_then(|row| row.method);
        if let Some(method) = method.as_deref().and_then(stripe::id) {
            let request = RequestBuilder::new(StripeMethod::Post, format!("/payment_methods/{method}/detach"));
            let detached: Result<serde_json::Value, StripeError> = stripe.call(request, None).await;
            if let Err(error) = detached {
                tracing::warn!(%error, "a card that a team removed is still known to Stripe");
            }
        }
        Ok(())
    }

    /// Keeps the card that `intent_id` was paid with, for automatic top-ups.
    pub(super) async fn keep_card(
        &self,
        stripe: &Stripe,
        row: &payment::Model,
        intent_id: &str,
    ) -> Result<(), BillingError> {
        let intent: Intent = stripe.get(&format!("/payment_intents/{intent_id}")).await?;
        let method = intent.payment_method.as_ref().and_then(|id| stripe::id(&id.0));
        let Some(method) = method else { return Ok(()) };
        let method: PaymentMethod = stripe.get(&format!("/payment_methods/{method}")).await?;
        let Some(card) = method.card else { return Ok(()) };
        customer::Entity::update_many()
            .col_expr(customer::Column::Method, Expr::value(method.id))
            .col_expr(
                customer::Column::Card,
                Expr::value(format!("{} {}", card.brand, card.last4)),
            )
            .filter(customer::Column::TeamId.eq(row.team_id))
            .exec(&self.0.db)
            .await?;
        Ok(())
    }

    /// Looks at every team that has its balance topped up; to be called every few seconds.
    ///
    /// # Errors
    /// [`BillingError::Database`]; what is wrong with one team is logged and does not hinder the others.
    pub async fn top_up_low_balances(&self, now_ms: i64) -> Result<(), BillingError> {
        let Ok(stripe) = self.stripe() else { return Ok(()) };
        let began = Instant::now();
        let teams = Entity::find().filter(Column::IsOn.eq(1)).all(&self.0.db).await?;
        let mut ids: Vec<i64> = teams.iter().map(|team| team.team_id).collect();
        ids.extend(self.unfinished().await?.into_iter().map(|row| row.team_id));
        ids.sort_unstable();
        ids.dedup();
        for team_id in ids {
            // Stripe may have taken long over the teams before.
            let passed = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
            let now_ms = now_ms.saturating_add(passed);
            if let Err(error) = self.look_after(stripe, team_id, now_ms).await {
                tracing::warn!(%error, team_id, "an automatic top-up could not go on");
            }
        }
        Ok(())
    }

    async fn unfinished(&self) -> Result<Vec<payment::Model>, DbErr> {
        payment::Entity::find()
            .filter(payment::Column::Kind.eq(KIND))
            .filter(payment::Column::State.is_in(OPEN))
            .all(&self.0.db)
            .await
    }

    /// Goes on with what is under way, or begins another one where the balance is low.
    async fn look_after(&self, stripe: &Stripe, team_id: i64, now_ms: i64) -> Result<(), BillingError> {
        let under_way = self.unfinished().await?.into_iter().find(|row| row.team_id == team_id);
        if let Some(row) = under_way {
            return self.go_on(stripe, &row, now_ms).await;
        }
        let Some(wanted) = self.wanted(team_id, None, now_ms).await? else {
            return Ok(());
        };
        match self.begin(&wanted, now_ms).await? {
            Some(row) => self.ask_if_wanted(stripe, &row, now_ms).await,
            None => Ok(()),
        }
    }

    /// What is to be charged, if anything is, from rows as they are now; `begun` is the row of it, where that stands.
    async fn wanted(
        &self,
        team_id: i64,
        begun: Option<&payment::Model>,
        now_ms: i64,
    ) -> Result<Option<Wanted>, BillingError> {
        let db = &self.0.db;
        let set = Entity::find_by_id(team_id).one(db).await?.filter(|row| row.is_on == 1);
        let Some(set) = set else { return Ok(None) };
        if teams::suspended_at(db, team_id).await?.is_some() {
            return Ok(None);
        }
        let known = customer::Entity::find_by_id(team_id).one(db).await?;
        let Some((customer, method)) = known.and_then(|row| Some((row.customer, row.method?))) else {
            return Ok(None);
        };
        if begun.is_some_and(|row| row.cents != set.cents || row.customer != customer) {
            return Ok(None);
        }
        let counted = self.charged_today(team_id, now_ms).await?;
        let more = if begun.is_some() { 0 } else { set.cents };
        if counted + more > set.max_day {
            return Ok(None);
        }
        let balance = self.0.ledger.balance(team_id).await.map_err(BillingError::Ledger)?;
        let is_low = balance.left() < nano(set.below);
        Ok(is_low.then_some(Wanted {
            team_id,
            cents: set.cents,
            customer,
            method,
        }))
    }

    /// Charges the card for `row`, unless that is not wanted any more.
    async fn ask_if_wanted(&self, stripe: &Stripe, row: &payment::Model, now_ms: i64) -> Result<(), BillingError> {
        if let Some(wanted) = self.wanted(row.team_id, Some(row), now_ms).await? {
            return self.ask(stripe, row, &wanted.method, now_ms).await;
        }
        self.mark(row.id, PaymentState::Failed, "Not needed any more.", now_ms)
            .await?;
        self.free(row.id).await?;
        Ok(())
    }

    /// What automatic top-ups of the last day come to, those under way too, in cents.
    async fn charged_today(&self, team_id: i64, now_ms: i64) -> Result<i64, DbErr> {
        let rows = payment::Entity::find()
            .filter(payment::Column::Kind.eq(KIND))
            .filter(payment::Column::TeamId.eq(team_id))
            .filter(payment::Column::CreatedAt.gt(now_ms - DAY_MS))
            .filter(payment::Column::State.ne(PaymentState::Failed.as_str()))
            .all(&self.0.db)
            .await?;
        Ok(rows.iter().map(|row| row.cents).sum())
    }

    /// The row of a new one; none where another process was first.
    async fn begin(&self, wanted: &Wanted, now_ms: i64) -> Result<Option<payment::Model>, DbErr> {
        let (id, db) = (clock::new_id(), &self.0.db);
        let nonce = format!("{KIND}:{}:under way", wanted.team_id);
        let last = payment::Entity::find()
            .filter(payment::Column::Nonce.eq(&nonce))
            .one(db)
            .await?;
        if let Some(last) = last.filter(|row| !OPEN.contains(&row.state.as_str())) {
            self.free(last.id).await?;
        }
        let row = payment::ActiveModel {
            id: Set(id),
            team_id: Set(wanted.team_id),
            kind: Set(KIND.to_owned()),
            state: Set(PaymentState::New.as_str().to_owned()),
            cents: Set(wanted.cents),
            customer: Set(wanted.customer.clone()),
            nonce: Set(nonce),
            session_id: Set(None),
            intent_id: Set(None),
            url: Set(None),
            receipt_url: Set(None),
            invoice: Set(None),
            invoice_url: Set(None),
            refunded: Set(0),
            keeps_card: Set(0),
            actor_id: Set(None),
            entry_id: Set(None),
            note: Set(String::new()),
            created_at: Set(now_ms),
            changed_at: Set(now_ms),
        };
        let once = OnConflict::column(payment::Column::Nonce).do_nothing().to_owned();
        payment::Entity::insert(row)
            .on_conflict(once)
            .exec_without_returning(db)
            .await?;
        payment::Entity::find_by_id(id).one(db).await
    }

    /// What became of one that is under way, once no answer can come any more; where Stripe knows nothing of it, it is asked for
    /// again, with the same key.
    async fn go_on(&self, stripe: &Stripe, row: &payment::Model, now_ms: i64) -> Result<(), BillingError> {
        if now_ms - row.changed_at < QUIET_MS || !self.claim(row, now_ms).await? {
            return Ok(());
        }
        if let Some(intent) = self.find_intent(stripe, row).await? {
            self.settle_auto(stripe, row, &intent, (None, now_ms)).await?;
            return Ok(());
        }
        if now_ms - row.created_at < REPEAT_MS {
            self.ask_if_wanted(stripe, row, now_ms).await
        } else {
            self.give_up(row, "The card could not be charged in time.", now_ms)
                .await
        }
    }

    /// Whether this process is the one that looks after `row` now.
    async fn claim(&self, row: &payment::Model, now_ms: i64) -> Result<bool, DbErr> {
        let claimed = payment::Entity::update_many()
            .col_expr(payment::Column::ChangedAt, Expr::value(now_ms))
            .filter(payment::Column::Id.eq(row.id))
            .filter(payment::Column::ChangedAt.eq(row.changed_at))
            .filter(payment::Column::State.is_in(OPEN))
            .exec(&self.0.db)
            .await?;
        Ok(claimed.rows_affected == 1)
    }

    pub(super) async fn find_intent(
        &self,
        stripe: &Stripe,
        row: &payment::Model,
    ) -> Result<Option<Intent>, BillingError> {
        if let Some(intent_id) = &row.intent_id {
            return Ok(Some(stripe.get(&format!("/payment_intents/{intent_id}")).await?));
        }
        let query = json!({"customer": row.customer, "limit": 100});
        let request = RequestBuilder::new(StripeMethod::Get, "/payment_intents").query(&query);
        let list: List<Intent> = stripe.call(request, None).await?;
        let mine = reference(row.id);
        Ok(list
            .data
            .into_iter()
            .find(|intent| intent.metadata.get("payment") == Some(&mine)))
    }

    /// Charges the card.
    async fn ask(&self, stripe: &Stripe, row: &payment::Model, method: &str, now_ms: i64) -> Result<(), BillingError> {
        let form = json!({
            "amount": row.cents,
            "currency": CURRENCY,
            "customer": row.customer,
            "payment_method": method,
            "off_session": true,
            "confirm": true,
            "metadata": {"payment": reference(row.id)},
        });
        let request = RequestBuilder::new(StripeMethod::Post, "/payment_intents").form(&form);
        match stripe.call::<Intent>(request, Some(&reference(row.id))).await {
            Ok(intent) => self.settle_auto(stripe, row, &intent, (None, now_ms)).await.map(drop),
            Err(error) => match error.refusal() {
                Some(why) => self.give_up(row, why, now_ms).await,
                None => Err(error.into()),
            },
        }
    }

    /// Does what follows from `intent`, as Stripe has it now.
    pub(super) async fn settle_auto(
        &self,
        stripe: &Stripe,
        row: &payment::Model,
        intent: &Intent,
        (event, now_ms): (Option<&Note>, i64),
    ) -> Result<Outcome, BillingError> {
        let is_ours = intent.metadata.get("payment") == Some(&reference(row.id))
            && intent.customer.as_ref().is_some_and(|id| id.0 == row.customer)
            && intent.currency == CURRENCY
            && intent.amount == row.cents;
        if !is_ours {
            return self.distrust(row, "payment intent", event).await;
        }
        match intent.status.as_str() {
            "succeeded" if intent.amount_received.is_none_or(|received| received == row.cents) => {
                let receipt_url = self.receipt_of(stripe, Some(&intent.id)).await;
                let credit = Credit {
                    payment_id: row.id,
                    session_id: None,
                    intent_id: Some(intent.id.clone()),
                    receipt_url,
                    event: event.cloned(),
                    now_ms,
                };
                let done = self.credit(row, credit).await?;
                self.free(row.id).await?;
                Ok(done)
            }
            "succeeded" => self.distrust(row, "amount", event).await,
            "canceled" | "requires_payment_method" | "requires_action" => {
                self.give_up(row, "The card was declined.", now_ms).await?;
                Ok(Outcome::Expired)
            }
            _ => Ok(Outcome::Pending),
        }
    }

    /// The automatic top-up that `intent` is for.
    pub(super) async fn auto_payment(&self, intent: &Intent) -> Result<Option<payment::Model>, DbErr> {
        let mark = intent
            .metadata
            .get("payment")
            .and_then(|text| id::parse(Kind::Payment, text));
        let Some(payment_id) = mark else { return Ok(None) };
        let row = payment::Entity::find_by_id(payment_id).one(&self.0.db).await?;
        Ok(row.filter(|row| row.kind == KIND))
    }

    /// Another one may begin.
    async fn free(&self, payment_id: i64) -> Result<(), DbErr> {
        payment::Entity::update_many()
            .col_expr(
                payment::Column::Nonce,
                Expr::value(format!("{KIND}:{}", reference(payment_id))),
            )
            .filter(payment::Column::Id.eq(payment_id))
            .filter(payment::Column::Kind.eq(KIND))
            .exec(&self.0.db)
            .await?;
        Ok(())
    }

    /// The card cannot be charged: no further one is begun until people switch it on again, and they are told.
    async fn give_up(&self, row: &payment::Model, why: &str, now_ms: i64) -> Result<(), BillingError> {
        if !self.mark(row.id, PaymentState::Failed, why, now_ms).await? {
            // Over before: what has been decided since stands.
            return Ok(());
        }
        self.free(row.id).await?;
        let why: String = why.chars().filter(|letter| !letter.is_control()).take(200).collect();
        if !switch_off(&self.0.db, row.team_id, &why, now_ms).await? {
            return Ok(());
        }
        let transaction = self.0.db.begin().await?;
        for to in teams::owners(&transaction, row.team_id).await? {
            let message = Message {
                kind: "auto_top_up_off",
                to,
                subject: "Automatic top-ups are switched off".to_owned(),
                body: vec![
                    Paragraph::text(format!(
                        "Your saved card could not be charged with ${}: {why} Automatic top-ups are switched off, and calls stop once the balance is used up.",
                        nano(row.cents).render()
                    )),
                    Paragraph::link("Top up or switch them on again", "/billing"),
                ],
                expires_at_ms: now_ms + MAIL_MS,
            };
            self.0
                .mail
                .enqueue(&transaction, &message, now_ms)
                .await
                .map_err(BillingError::Mail)?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

/// What is to be charged.
struct Wanted {
    team_id: i64,
    cents: i64,
    customer: String,
    method: String,
}

/// Switches it off; whether it was on.
pub(super) async fn switch_off(
    db: &impl ConnectionTrait,
    team_id: i64,
    note: &str,
    now_ms: i64,
) -> Result<bool, DbErr> {
    let changed = Entity::update_many()
        .col_expr(Column::IsOn, Expr::value(0_i64))
        .col_expr(Column::Note, Expr::value(note))
        .col_expr(Column::ChangedAt, Expr::value(now_ms))
        .filter(Column::TeamId.eq(team_id))
        .filter(Column::IsOn.eq(1))
        .exec(db)
        .await?;
    Ok(changed.rows_affected == 1)
}

/// States of a payment that is under way.
const OPEN: [&str; 2] = [PaymentState::New.as_str(), PaymentState::Open.as_str()];

fn check(wanted: &AutoTopUp, has_card: bool) -> Result<(), FieldErrors> {
    let mut errors = FieldErrors::default();
    let is_whole = |amount: Nano| amount.0 % NANO_PER_CENT == 0;
    if wanted.is_on && !has_card {
        errors.refuse(
            "is_on",
            "There is no saved card. Top up once and keep the card, then switch this on.",
        );
    }
    if !(LEAST..=MOST).contains(&wanted.amount) || !is_whole(wanted.amount) {
        let words = format!(
            "Write an amount from {} to {}, in whole cents.",
            LEAST.render(),
            MOST.render()
        );
        errors.refuse("amount", words);
    }
    if !(Nano::ZERO..=MOST).contains(&wanted.below) || !is_whole(wanted.below) {
        errors.refuse(
            "below",
            format!("Write an amount up to {}, in whole cents.", MOST.render()),
        );
    }
    if !(wanted.amount..=DAY_MOST).contains(&wanted.max_day) || !is_whole(wanted.max_day) {
        let words = format!(
            "Write at least the amount of one top-up, at most {}, in whole cents.",
            DAY_MOST.render()
        );
        errors.refuse("max_day", words);
    }
    errors.finish()
}
