//! A team's wallet: balance, ledger lines, grants, corrections of charges.
//!
//! Invariant: amounts are signed; the balance is the sum of the lines.

#[cfg(feature = "ssr")]
use super::flash::{self, Done};
#[cfg(feature = "ssr")]
use super::form::Form;
use super::{ApiError, Moment, Nano, Page, PageQuery, Time};
use async_trait::async_trait;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// A team's wallet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalanceView {
    /// Whether calls need a balance; else it may go below zero.
    pub prepaid: bool,
    /// Entries less charges.
    pub balance: Nano,
    /// Set aside by running requests.
    pub held: Nano,
    /// Sum of grants and adjustments.
    pub entries: Nano,
    /// Sum of charges.
    pub posted: Nano,
    /// What a day cost on average of the last seven.
    pub per_day: Nano,
}

/// Which lines of the ledger are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerFilter {
    /// Of this kind.
    #[serde(default)]
    pub kind: Option<String>,
    /// From this moment on.
    #[serde(default)]
    pub from: Option<Moment>,
    /// Before this moment; of a day, up to its end.
    #[serde(default)]
    pub to: Option<Moment>,
}

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerLine {
    /// The id: of the entry, or of the request charged.
    pub id: String,
    /// When.
    pub at: Time,
    /// charge, grant, adjustment, code, top_up, refund or dispute.
    pub kind: String,
    /// Signed: charges are negative.
    pub amount: Nano,
    /// Why, or which model.
    pub reason: String,
    /// Who did it; none for a charge.
    pub actor: Option<String>,
    /// The request that was charged or is corrected; none for a grant.
    pub request: Option<String>,
}

/// A correction of what a request was charged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewAdjustment {
    /// USD, signed as in the ledger: positive gives back, negative charges more.
    pub amount: Nano,
    /// Why, for people.
    pub reason: String,
    /// Which of the request's charges, by the id of its hold; it may be left out where there is only one.
    #[serde(default)]
    pub hold: Option<String>,
    /// What is charged as far as the caller knows; another figure refuses.
    #[serde(default)]
    pub charged: Option<Nano>,
}

/// A grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewGrant {
    /// USD, not zero; negative takes away.
    pub amount: Nano,
    /// Why, for people.
    pub reason: String,
}

/// What the server offers about money.
#[async_trait]
pub trait Billing {
    /// The wallet.
    async fn balance(&self, team: &str) -> Result<BalanceView, ApiError>;
    /// Its lines, newest first.
    async fn ledger(&self, team: &str, filter: LedgerFilter, page: PageQuery) -> Result<Page<LedgerLine>, ApiError>;
    /// Gives or takes money; admins.
    async fn grant(&self, team: &str, new: NewGrant) -> Result<LedgerLine, ApiError>;
    /// Corrects what a request was charged; admins. The same one sent twice in a row is made once.
    async fn adjust(&self, team: &str, request: &str, new: NewAdjustment) -> Result<LedgerLine, ApiError>;
}

/// The billing page's balance.
#[server(prefix = "/fn", endpoint = "balance", input = leptos::server_fn::codec::GetUrl)]
pub async fn balance() -> Result<BalanceView, ApiError> {
    super::backend()?.balance(super::CURRENT_TEAM).await
}

/// The billing page's list.
#[server(prefix = "/fn", endpoint = "ledger", input = leptos::server_fn::codec::GetUrl)]
pub async fn ledger(filter: LedgerFilter, page: PageQuery) -> Result<Page<LedgerLine>, ApiError> {
    super::backend()?.ledger(super::CURRENT_TEAM, filter, page).await
}

/// The admin's grant form. `amount` may be negative.
#[server(prefix = "/fn", endpoint = "grant")]
pub async fn grant(
    team: String,
    #[server(default)] amount: String,
    #[server(default)] reason: String,
) -> Result<(), ApiError> {
    let typed = flash::typed([("team", &team), ("amount", &amount), ("reason", &reason)]);
    let backend = super::backend()?;
    let mut form = Form::new();
    let amount = Nano::parse(amount.trim().trim_start_matches('$')).unwrap_or_default();
    if amount == Nano::ZERO {
        form.reject(
            "amount",
            "This is not an amount. Write digits, for example 25.00, or -25.00 to take it back.",
        );
    }
    let reason = form.text("reason", &reason);
    let result = match form.finish(NewGrant { amount, reason }) {
        Ok(new) => backend.grant(&team, new).await,
        Err(error) => Err(error),
    };
    flash::finish(
        "/admin/teams",
        typed,
        result.map(|_| Done::to("/admin/teams").saying("Grant recorded.")),
    )
}

/// What the admin types on a receipt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AdjustForm {
    /// Whose request.
    pub team: String,
    /// Which.
    pub request: String,
    /// Which of its charges.
    pub hold: String,
    /// What is charged, as the page showed it.
    pub charged: String,
    /// What is to be charged instead.
    pub charge: String,
    /// Why, for people.
    pub reason: String,
}

#[cfg(feature = "ssr")]
impl AdjustForm {
    fn parse(&self) -> Result<NewAdjustment, ApiError> {
        let mut form = Form::new();
        let seen = Nano::parse(&self.charged).map_err(|_| ApiError::new(super::Code::Invalid))?;
        let wanted = Nano::parse(self.charge.trim().trim_start_matches('$'));
        match wanted {
            Ok(wanted) if wanted == seen => {
                form.reject("charge", "That is what is charged now. Write another amount.");
            }
            Ok(_) => {}
            Err(_) => form.reject(
                "charge",
                "This is not an amount. Write digits, for example 0.0125, or 0 to charge nothing.",
            ),
        }
        let reason = form.text("reason", &self.reason);
        let amount = wanted.ok().and_then(|wanted| seen.checked_sub(wanted));
        form.finish(NewAdjustment {
            amount: amount.unwrap_or_default(),
            reason,
            hold: Some(self.hold.clone()),
            charged: Some(seen),
        })
    }
}

/// The admin's form on a receipt.
#[server(prefix = "/fn", endpoint = "adjust")]
pub async fn adjust(
    #[server(flatten)]
    #[server(default)]
    form: AdjustForm,
) -> Result<(), ApiError> {
    let page = format!("/admin/requests/{}", form.request);
    let backend = super::backend()?;
    let result = match form.parse() {
        Ok(new) => backend.adjust(&form.team, &form.request, new).await,
        Err(error) => Err(error),
    };
    let done = result.map(|_| Done::to(page.clone()).saying("The charge is corrected."));
    flash::finish(&page, flash::typed_form(&form), done)
}
