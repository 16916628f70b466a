//! Payments through Checkout: begun here, paid at Stripe, looked up until it is known what became of them.
//!
//! Invariant: the same order of the same amount begins one payment, also where no answer came; Stripe is asked for its session
//! with the payment as the idempotency key. Reads and writes `payment` and `customer`.

use super::{
    Billing, BillingError, auto,
    events::Outcome,
    portal,
    stripe::{List, Session, Stripe},
};
use crate::{clock, fields::FieldErrors, teams::TeamScope};
use entity::{
    customer,
    payment::{ActiveModel, Column, Entity, Model},
};
use gateway_core::{
    id::{self, Kind},
    money::Nano,
};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, OnConflict},
};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use stripe_checkout::checkout_session::{
    CreateCheckoutSession, CreateCheckoutSessionLineItems, CreateCheckoutSessionLineItemsPriceData,
    CreateCheckoutSessionPaymentIntentData, CreateCheckoutSessionPaymentIntentDataSetupFutureUsage, ProductData,
};
use stripe_client_core::{RequestBuilder, StripeMethod, StripeRequest as _};

/// The only currency.
pub(super) const CURRENCY: &str = "usd";
/// Nano-USD of a cent.
pub(super) const NANO_PER_CENT: i64 = 10_000_000;
/// What entries of payments are called.
pub(super) const KIND: &str = "top_up";
/// The least and the most that is paid at once.
pub const LEAST: Nano = Nano(5_000_000_000);
pub const MOST: Nano = Nano(5_000_000_000_000);
/// How long a Checkout Session is open at least, in seconds. Its end is told with each repetition of a call, which has to be the
/// same, and Stripe takes half an hour to a day.
const OPEN_S: i64 = 3_600;
/// How long a call may be repeated with the same idempotency key, in milliseconds: Stripe keeps them a day.
pub(super) const REPEAT_MS: i64 = 20 * 3_600_000;
/// The longest nonce.
const NONCE_MAX: usize = 64;

/// How a payment is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentState {
    /// Stripe has not said yet where to pay.
    New,
    /// It can be paid, or is being paid.
    Open,
    /// It is in the wallet.
    Paid,
    /// It was not paid in time.
    Expired,
    /// Stripe refused it.
    Failed,
}

impl PaymentState {
    /// Its name in rows and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Open => "open",
            Self::Paid => "paid",
            Self::Expired => "expired",
            Self::Failed => "failed",
        }
    }

    fn parse(name: &str) -> Self {
        [Self::New, Self::Open, Self::Paid, Self::Expired]
            .into_iter()
            .find(|state| state.as_str() == name)
            .unwrap_or(Self::Failed)
    }
}

/// A payment, as shown to its team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentRow {
    /// The row.
    pub payment_id: i64,
    /// How much.
    pub amount: Nano,
    /// How it is doing.
    pub state: PaymentState,
    /// Where to pay, while it is open.
    pub url: Option<String>,
    /// Where Stripe shows the receipt.
    pub receipt_url: Option<String>,
    /// The number of Stripe's invoice.
    pub invoice: Option<String>,
    /// Where Stripe shows the invoice.
    pub invoice_url: Option<String>,
    /// What was given back.
    pub refunded: Nano,
    /// What disputes have taken of it.
    pub disputed: Nano,
    /// Why it failed.
    pub note: String,
    /// Unix milliseconds.
    pub created_at_ms: i64,
}

impl From<Model> for PaymentRow {
    fn from(row: Model) -> Self {
        let state = PaymentState::parse(&row.state);
        Self {
            payment_id: row.id,
            amount: nano(row.cents),
            url: row.url.filter(|_| state == PaymentState::Open),
            state,
            receipt_url: row.receipt_url,
            invoice: row.invoice,
            invoice_url: row.invoice_url,
            refunded: nano(row.refunded),
            disputed: Nano::ZERO,
            note: row.note,
            created_at_ms: row.created_at,
        }
    }
}

/// `cents` of US dollars.
pub(super) const fn nano(cents: i64) -> Nano {
    Nano(cents.saturating_mul(NANO_PER_CENT))
}

/// A payment as Stripe's objects name it.
pub(super) fn reference(payment_id: i64) -> String {
    id::render(Kind::Payment, payment_id)
}

#[derive(Deserialize)]
struct Made {
    id: String,
}

impl Billing {
    /// Begins a payment of `amount` for the team of `scope`; the same `nonce` begins it once, with another amount it is another
    /// payment: a form that went wrong is corrected and sent again. Where to pay is in the row.
    ///
    /// # Errors
    /// [`BillingError::NotFound`] without Stripe; [`BillingError::Invalid`]; [`BillingError::Stripe`]: nothing is lost then,
    /// and the same nonce goes on with it.
    pub async fn top_up(
        &self,
        scope: &TeamScope,
        (amount, nonce, keeps_card): (Nano, &str, bool),
        now_ms: i64,
    ) -> Result<PaymentRow, BillingError> {
        let stripe = self.stripe()?;
        let cents = checked(amount, nonce)?;
        let customer = self.customer(stripe, scope.team_id(), now_ms).await?;
        let nonce = format!("{}:{nonce}:{cents}:{keeps_card}", scope.team_id());
        let new = ActiveModel {
            id: Set(clock::new_id()),
            team_id: Set(scope.team_id()),
            kind: Set("checkout".to_owned()),
            state: Set(PaymentState::New.as_str().to_owned()),
            cents: Set(cents),
            customer: Set(customer),
            nonce: Set(nonce.clone()),
            session_id: Set(None),
            intent_id: Set(None),
            url: Set(None),
            receipt_url: Set(None),
            invoice: Set(None),
            invoice_url: Set(None),
            refunded: Set(0),
            keeps_card: Set(i64::from(keeps_card)),
            actor_id: Set(Some(scope.user_id())),
            entry_id: Set(None),
            note: Set(String::new()),
            created_at: Set(now_ms),
            changed_at: Set(now_ms),
        };
        let once = OnConflict::column(Column::Nonce).do_nothing().to_owned();
        Entity::insert(new)
            .on_conflict(once)
            .exec_without_returning(&self.0.db)
            .await?;
        let row = Entity::find().filter(Column::Nonce.eq(nonce)).one(&self.0.db).await?;
        let row = row.ok_or(BillingError::NotFound)?;
        if PaymentState::parse(&row.state) != PaymentState::New {
            return Ok(row.into());
        }
        if now_ms - row.created_at > REPEAT_MS {
            self.mark(row.id, PaymentState::Expired, "", now_ms).await?;
            return self.payment_row(row.id).await;
        }
        self.open(stripe, &row, now_ms).await
    }

    /// Asks Stripe for the place where `row` is paid.
    async fn open(&self, stripe: &Stripe, row: &Model, now_ms: i64) -> Result<PaymentRow, BillingError> {
        let request = self.session_of(stripe, row).build();
        let session: Session = match stripe.call(request, Some(&reference(row.id))).await {
            Ok(session) => session,
            Err(error) => {
                if let Some(why) = error.refusal() {
                    self.mark(row.id, PaymentState::Failed, why, now_ms).await?;
                }
                return Err(error.into());
            }
        };
        self.note_session(row.id, &session, now_ms).await?;
        self.payment_row(row.id).await
    }

    /// Notes where a payment is paid.
    async fn note_session(&self, payment_id: i64, session: &Session, now_ms: i64) -> Result<(), DbErr> {
        Entity::update_many()
            .col_expr(Column::SessionId, Expr::value(session.id.clone()))
            .col_expr(Column::Url, Expr::value(session.url.clone()))
            .col_expr(Column::State, Expr::value(PaymentState::Open.as_str()))
            .col_expr(Column::ChangedAt, Expr::value(now_ms))
            .filter(Column::Id.eq(payment_id))
            .filter(Column::State.eq(PaymentState::New.as_str()))
            .exec(&self.0.db)
            .await?;
        Ok(())
    }

    fn session_of(&self, stripe: &Stripe, row: &Model) -> CreateCheckoutSession {
        let mut price = CreateCheckoutSessionLineItemsPriceData::new(stripe_types::Currency::USD);
        price.unit_amount = Some(row.cents);
        price.product_data = Some(ProductData::new("Balance top-up"));
        let mut item = CreateCheckoutSessionLineItems::new();
        item.price_data = Some(price);
        item.quantity = Some(1);
        let marks = HashMap::from([("payment".to_owned(), reference(row.id))]);
        let mut intent = CreateCheckoutSessionPaymentIntentData::new();
        intent.metadata = Some(marks.clone());
        if row.keeps_card == 1 {
            intent.setup_future_usage = Some(CreateCheckoutSessionPaymentIntentDataSetupFutureUsage::OffSession);
        }
        let page = format!("{}/billing/payments/{}", self.site(), reference(row.id));
        CreateCheckoutSession::new()
            .mode(stripe_shared::CheckoutSessionMode::Payment)
            .customer(row.customer.clone())
            .client_reference_id(reference(row.id))
            .line_items(vec![item])
            .payment_intent_data(intent)
            .invoice_creation(portal::invoice_with(stripe, marks.clone()))
            .metadata(marks)
            .success_url(page.clone())
            .cancel_url(page)
            .expires_at(row.created_at / 1_000 + OPEN_S + REPEAT_MS / 1_000)
    }

    /// Stripe's id of the team, made if there is none.
    async fn customer(&self, stripe: &Stripe, team_id: i64, now_ms: i64) -> Result<String, BillingError> {
        let db = &self.0.db;
        if let Some(known) = customer::Entity::find_by_id(team_id).one(db).await? {
            return Ok(known.customer);
        }
        let team = id::render(Kind::Team, team_id);
        // Nothing that may change: a repetition with the same key has to be the same.
        let form = serde_json::json!({"description": format!("OurHub {team}"), "metadata": {"team": team}});
        let request = RequestBuilder::new(StripeMethod::Post, "/customers").form(&form);
        let made: Made = stripe.call(request, Some(&format!("customer-{team}"))).await?;
        let row = customer::ActiveModel {
            team_id: Set(team_id),
            customer: Set(made.id),
            method: Set(None),
            card: Set(None),
            created_at: Set(now_ms),
        };
        // Two that ask at once are told the same customer, which is as unique as the team.
        let once = OnConflict::new().do_nothing().to_owned();
        customer::Entity::insert(row)
            .on_conflict(once)
            .exec_without_returning(db)
            .await?;
        let known = customer::Entity::find_by_id(team_id).one(db).await?;
        known.map(|row| row.customer).ok_or(BillingError::NotFound)
    }

    /// Up to `limit` payments of the team of `scope` with ids below `before`, newest first.
    ///
    /// # Errors
    /// [`BillingError::NotFound`] without Stripe; [`BillingError::Database`].
    pub async fn payments(&self, scope: &TeamScope, before: i64, limit: u64) -> Result<Vec<PaymentRow>, BillingError> {
        self.stripe()?;
        let rows = Entity::find()
            .filter(Column::TeamId.eq(scope.team_id()))
            .filter(Column::Id.lt(before))
            .order_by_desc(Column::Id)
            .limit(limit)
            .all(&self.0.db)
            .await?;
        self.with_disputes(rows).await
    }

    /// `rows` as they are shown, with what disputes have taken of each.
    async fn with_disputes(&self, rows: Vec<Model>) -> Result<Vec<PaymentRow>, BillingError> {
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        let taken = self.taken(&ids).await?;
        let shown = |row: Model| {
            let disputed = taken.get(&row.id).copied().unwrap_or_default();
            PaymentRow {
                disputed: nano(disputed),
                ..PaymentRow::from(row)
            }
        };
        Ok(rows.into_iter().map(shown).collect())
    }

    /// The payment `payment_id` of the team of `scope`, as Stripe says that it is now; as it was known, where Stripe does not
    /// answer.
    ///
    /// # Errors
    /// [`BillingError::NotFound`]; [`BillingError::Ledger`]; [`BillingError::Database`].
    pub async fn payment(&self, scope: &TeamScope, payment_id: i64, now_ms: i64) -> Result<PaymentRow, BillingError> {
        let stripe = self.stripe()?;
        let row = Entity::find_by_id(payment_id)
            .filter(Column::TeamId.eq(scope.team_id()))
            .one(&self.0.db)
            .await?
            .ok_or(BillingError::NotFound)?;
        match self.refresh(stripe, &row, now_ms).await {
            Ok(_) => {}
            Err(BillingError::Stripe(error)) => tracing::warn!(%error, "a payment could not be looked up"),
            Err(error) => return Err(error),
        }
        self.payment_row(payment_id).await
    }

    /// Looks up what became of `row` at Stripe, and does what follows from it.
    pub(super) async fn refresh(&self, stripe: &Stripe, row: &Model, now_ms: i64) -> Result<Outcome, BillingError> {
        if row.entry_id.is_some() {
            return Ok(Outcome::Repeated);
        }
        if row.kind == auto::KIND {
            return match self.find_intent(stripe, row).await? {
                Some(intent) => self.settle_auto(stripe, row, &intent, (None, now_ms)).await,
                None => Ok(Outcome::Pending),
            };
        }
        let session = match &row.session_id {
            Some(session_id) => stripe.get(&format!("/checkout/sessions/{session_id}")).await?,
            None => match self.lost_session(stripe, row).await? {
                Some(session) => {
                    self.note_session(row.id, &session, now_ms).await?;
                    session
                }
                None if now_ms - row.created_at > REPEAT_MS => {
                    self.mark(row.id, PaymentState::Expired, "", now_ms).await?;
                    return Ok(Outcome::Expired);
                }
                None => return Ok(Outcome::Pending),
            },
        };
        self.settle(stripe, row, &session, (None, now_ms)).await
    }

    /// The session that Stripe made for `row` without an answer reaching us.
    async fn lost_session(&self, stripe: &Stripe, row: &Model) -> Result<Option<Session>, BillingError> {
        let path = "/checkout/sessions";
        let query = serde_json::json!({"customer": row.customer, "limit": 100});
        let request = RequestBuilder::new(StripeMethod::Get, path).query(&query);
        let list: List<Session> = stripe.call(request, None).await?;
        let mine = reference(row.id);
        let is_mine = |session: &Session| session.client_reference_id.as_deref() == Some(&mine);
        Ok(list.data.into_iter().find(is_mine))
    }

    /// The payment that `session` is for.
    pub(super) async fn payment_of(&self, session: &Session) -> Result<Option<Model>, DbErr> {
        let reference = session.client_reference_id.as_deref();
        let Some(payment_id) = reference.and_then(|text| id::parse(Kind::Payment, text)) else {
            return Ok(None);
        };
        Entity::find_by_id(payment_id).one(&self.0.db).await
    }

    /// Marks a payment that is not credited; whether it was open.
    pub(super) async fn mark(
        &self,
        payment_id: i64,
        state: PaymentState,
        note: &str,
        now_ms: i64,
    ) -> Result<bool, DbErr> {
        let open = [PaymentState::New.as_str(), PaymentState::Open.as_str()];
        let note: String = note.chars().filter(|letter| !letter.is_control()).take(300).collect();
        let marked = Entity::update_many()
            .col_expr(Column::State, Expr::value(state.as_str()))
            .col_expr(Column::Note, Expr::value(note))
            .col_expr(Column::ChangedAt, Expr::value(now_ms))
            .filter(Column::Id.eq(payment_id))
            .filter(Column::State.is_in(open))
            .exec(&self.0.db)
            .await?;
        Ok(marked.rows_affected == 1)
    }

    pub(super) async fn payment_row(&self, payment_id: i64) -> Result<PaymentRow, BillingError> {
        let row = Entity::find_by_id(payment_id).one(&self.0.db).await?;
        let shown = self.with_disputes(row.into_iter().collect()).await?;
        shown.into_iter().next().ok_or(BillingError::NotFound)
    }
}

/// `amount` in cents, where it may be paid at once.
fn checked(amount: Nano, nonce: &str) -> Result<i64, FieldErrors> {
    let mut errors = FieldErrors::default();
    if !(LEAST..=MOST).contains(&amount) || amount.0 % NANO_PER_CENT != 0 {
        let words = format!(
            "Write an amount from {} to {}, in whole cents.",
            LEAST.render(),
            MOST.render()
        );
        errors.refuse("amount", words);
    }
    let is_nonce = (1..=NONCE_MAX).contains(&nonce.len()) && nonce.bytes().all(|letter| letter.is_ascii_graphic());
    if !is_nonce {
        errors.refuse("order", "Send 1 to 64 letters, digits and signs, new for each payment.");
    }
    errors.finish()?;
    Ok(amount.0 / NANO_PER_CENT)
}

/// What is not as it must be between payments and the entries of them: team and amount of each by its id.
pub(super) async fn differences(
    db: &impl ConnectionTrait,
    entries: &BTreeMap<i64, (i64, i64)>,
) -> Result<Vec<String>, DbErr> {
    let mut left = entries.clone();
    let mut found = Vec::new();
    for row in Entity::find().filter(Column::EntryId.is_not_null()).all(db).await? {
        let entry = row.entry_id.and_then(|id| left.remove(&id));
        if entry != Some((row.team_id, nano(row.cents).0)) {
            found.push(format!("payment {}: credited without an entry of its amount", row.id));
        }
    }
    found.extend(
        left.keys()
            .map(|id| format!("entry {id}: no credited payment belongs to it")),
    );
    Ok(found)
}
