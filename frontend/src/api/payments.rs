//! Payments into a team's wallet, disputes of them, and the comparison with Stripe's books.
//!
//! Invariant: where no payments are taken, there is nothing here: every call but [`Payments::payments_board`] is not found.

#[cfg(feature = "ssr")]
use super::flash::{self, Done};
#[cfg(feature = "ssr")]
use super::form::Form;
use super::{ApiError, Named, Nano, Page, PageQuery, Time, patch};
use async_trait::async_trait;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// A payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentView {
    /// The id.
    pub id: String,
    /// How much.
    pub amount: Nano,
    /// new, open, paid, expired or failed.
    pub state: String,
    /// Where to pay, while it is open; for who manages the team.
    pub url: Option<String>,
    /// Stripe's receipt; for who manages the team.
    pub receipt_url: Option<String>,
    /// The number of Stripe's invoice; for who manages the team.
    pub invoice: Option<String>,
    /// Stripe's invoice; for who manages the team.
    pub invoice_url: Option<String>,
    /// What was given back.
    pub refunded: Nano,
    /// What disputes have taken of it by now.
    pub disputed: Nano,
    /// Why it failed.
    pub note: String,
    /// When it was begun.
    pub created_at: Time,
}

/// A payment that the holder of the card disputes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisputeView {
    /// Stripe's id.
    pub id: String,
    /// The payment.
    pub payment: String,
    /// Whose wallet.
    pub team: Named,
    /// What it is about.
    pub amount: Nano,
    /// As Stripe has it: needs_response, under_review, won, lost and others.
    pub status: String,
    /// Whether the money is gone from the wallet now.
    pub is_taken: bool,
    /// When it became known.
    pub created_at: Time,
}

/// How a team's balance is topped up by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutoView {
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

/// A change of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutoPatch {
    /// Whether it is on; it needs a saved card.
    #[serde(default, deserialize_with = "patch::required")]
    pub is_on: Option<bool>,
    /// When the balance is below.
    #[serde(default, deserialize_with = "patch::required")]
    pub below: Option<Nano>,
    /// By how much.
    #[serde(default, deserialize_with = "patch::required")]
    pub amount: Option<Nano>,
    /// At most so much in 24 hours.
    #[serde(default, deserialize_with = "patch::required")]
    pub max_day: Option<Nano>,
}

/// What the billing page shows of payments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentsBoard {
    /// The least that is paid at once.
    pub least: Nano,
    /// The most.
    pub most: Nano,
    /// Sent with the form, so that one sent twice begins one payment.
    pub order: String,
    /// How it is done by itself.
    pub auto: AutoView,
    /// Whether Stripe has pages of its own for the team.
    pub has_portal: bool,
    /// The newest payments.
    pub payments: Vec<PaymentView>,
    /// Disputes that took money.
    pub disputes: Vec<DisputeView>,
}

/// A payment to be begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPayment {
    /// USD in whole cents.
    pub amount: Nano,
    /// New for each payment: the same one with the same amount sent again begins nothing new.
    #[serde(default)]
    pub order: Option<String>,
    /// Whether the card is kept for automatic top-ups.
    #[serde(default, deserialize_with = "patch::optional")]
    pub keep_card: bool,
}

/// Stripe's own pages for a team: cards, address and tax number, invoices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortalView {
    /// Where they are, good for some minutes; whoever has the address is let in.
    pub url: String,
}

/// A comparison of the wallets with Stripe's books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReconciliationView {
    /// When.
    pub at: Time,
    /// Events that had not been delivered.
    pub events: i64,
    /// Payments compared.
    pub payments: i64,
    /// What they are worth in wallets.
    pub ours: Nano,
    /// What they are worth at Stripe.
    pub theirs: Nano,
    /// What differs, one sentence each.
    pub findings: Vec<String>,
    /// Why it could not be finished.
    pub failure: Option<String>,
}

/// What the server offers about payments.
#[async_trait]
pub trait Payments {
    /// What the billing page shows; none where no payments are taken.
    async fn payments_board(&self, team: &str) -> Result<Option<PaymentsBoard>, ApiError>;
    /// The team's payments, newest first.
    async fn list_payments(&self, team: &str, page: PageQuery) -> Result<Page<PaymentView>, ApiError>;
    /// Begins a payment; owners and admins of the team.
    async fn create_payment(&self, team: &str, new: NewPayment) -> Result<PaymentView, ApiError>;
    /// A payment, as Stripe says that it is now.
    async fn payment(&self, team: &str, id: &str) -> Result<PaymentView, ApiError>;
    /// How the balance is topped up by itself.
    async fn auto_top_up(&self, team: &str) -> Result<AutoView, ApiError>;
    /// Changes that; owners and admins of the team.
    async fn update_auto_top_up(&self, team: &str, change: AutoPatch) -> Result<AutoView, ApiError>;
    /// Opens Stripe's own pages for the team; owners and admins of it.
    async fn open_portal(&self, team: &str) -> Result<PortalView, ApiError>;
    /// Forgets the saved card; owners and admins of the team.
    async fn remove_card(&self, team: &str) -> Result<(), ApiError>;
    /// The newest disputes of all teams; admins.
    async fn list_disputes(&self) -> Result<Page<DisputeView>, ApiError>;
    /// The newest comparisons; admins.
    async fn list_reconciliations(&self) -> Result<Page<ReconciliationView>, ApiError>;
    /// Compares now; admins.
    async fn reconcile(&self) -> Result<ReconciliationView, ApiError>;
}

/// What the billing page shows.
#[server(prefix = "/fn", endpoint = "payments_board", input = leptos::server_fn::codec::GetUrl)]
pub async fn read_payments_board() -> Result<Option<PaymentsBoard>, ApiError> {
    super::backend()?.payments_board(super::CURRENT_TEAM).await
}

/// The page of one payment.
#[server(prefix = "/fn", endpoint = "payment", input = leptos::server_fn::codec::GetUrl)]
pub async fn payment(id: String) -> Result<PaymentView, ApiError> {
    super::backend()?.payment(super::CURRENT_TEAM, &id).await
}

/// The list of all payments.
#[server(prefix = "/fn", endpoint = "list_payments", input = leptos::server_fn::codec::GetUrl)]
pub async fn list_payments(page: PageQuery) -> Result<Page<PaymentView>, ApiError> {
    super::backend()?.list_payments(super::CURRENT_TEAM, page).await
}

/// The admin's list of disputes.
#[server(prefix = "/fn", endpoint = "list_disputes", input = leptos::server_fn::codec::GetUrl)]
pub async fn list_disputes() -> Result<Vec<DisputeView>, ApiError> {
    Ok(super::backend()?.list_disputes().await?.data)
}

/// The admin's list of comparisons.
#[server(prefix = "/fn", endpoint = "list_reconciliations", input = leptos::server_fn::codec::GetUrl)]
pub async fn list_reconciliations() -> Result<Vec<ReconciliationView>, ApiError> {
    Ok(super::backend()?.list_reconciliations().await?.data)
}

/// The top-up form.
#[server(prefix = "/fn", endpoint = "top_up")]
pub async fn top_up(
    #[server(default)] amount: String,
    #[server(default)] order: String,
    #[server(default)] keep_card: String,
) -> Result<(), ApiError> {
    let backend = super::backend()?;
    let mut form = Form::new();
    let wanted = form.money("amount", &amount);
    if wanted.is_none() && amount.trim().is_empty() {
        form.reject("amount", "This is empty. Write an amount such as 100.00.");
    }
    let new = NewPayment {
        amount: wanted.unwrap_or_default(),
        order: Some(order.clone()),
        keep_card: !keep_card.is_empty(),
    };
    let result = match form.finish(new) {
        Ok(new) => backend.create_payment(super::CURRENT_TEAM, new).await,
        Err(error) => Err(error),
    };
    let done = result.map(|payment| Done::to(format!("/billing/payments/{}", payment.id)));
    flash::finish("/billing", flash::typed([("amount", &amount), ("order", &order)]), done)
}

/// What is typed about automatic top-ups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AutoForm {
    /// Whether they are on.
    pub auto_on: String,
    /// When the balance is below, USD.
    pub below: String,
    /// By how much, USD.
    pub add: String,
    /// At most so much in 24 hours, USD.
    pub max_day: String,
}

/// The form of automatic top-ups.
#[server(prefix = "/fn", endpoint = "set_auto_top_up")]
pub async fn set_auto_top_up(
    #[server(flatten)]
    #[server(default)]
    form: AutoForm,
) -> Result<(), ApiError> {
    let backend = super::backend()?;
    let mut typed = Form::new();
    let amounts = [("below", &form.below), ("add", &form.add), ("max_day", &form.max_day)].map(|(field, text)| {
        let amount = typed.money(field, text);
        if amount.is_none() && text.trim().is_empty() {
            typed.reject(field, "This is empty. Write an amount such as 25.00.");
        }
        amount
    });
    let [below, amount, max_day] = amounts;
    let change = AutoPatch {
        is_on: Some(!form.auto_on.is_empty()),
        below,
        amount,
        max_day,
    };
    let result = match typed.finish(change) {
        Ok(change) => backend.update_auto_top_up(super::CURRENT_TEAM, change).await,
        Err(error) => Err(error),
    };
    let result = result.map_err(|mut error| {
        for wrong in &mut error.fields {
            wrong.field = match wrong.field.as_str() {
                "amount" => "add".to_owned(),
                "is_on" => "auto_on".to_owned(),
                other => other.to_owned(),
            };
        }
        error
    });
    let done = result.map(|_| Done::to("/billing").saying("Automatic top-ups are saved."));
    flash::finish("/billing", flash::typed_form(&form), done)
}

/// The button that opens Stripe's own pages: their address is shown once, as a link.
#[server(prefix = "/fn", endpoint = "open_portal")]
pub async fn open_portal() -> Result<(), ApiError> {
    let result = super::backend()?.open_portal(super::CURRENT_TEAM).await;
    flash::finish(
        "/billing",
        flash::typed([]),
        result.map(|portal| Done::to("/billing").revealing(portal.url)),
    )
}

/// The button that forgets the card.
#[server(prefix = "/fn", endpoint = "remove_card")]
pub async fn remove_card() -> Result<(), ApiError> {
    let result = super::backend()?.remove_card(super::CURRENT_TEAM).await;
    flash::finish(
        "/billing",
        flash::typed([]),
        result.map(|()| Done::to("/billing").saying("The card is removed, and automatic top-ups are off.")),
    )
}

/// The admin's button.
#[server(prefix = "/fn", endpoint = "reconcile")]
pub async fn reconcile() -> Result<(), ApiError> {
    let result = super::backend()?.reconcile().await;
    flash::finish(
        "/admin/payments",
        flash::typed([]),
        result.map(|_| Done::to("/admin/payments").saying("The books were compared.")),
    )
}
