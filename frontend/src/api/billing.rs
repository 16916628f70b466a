//! A team's wallet: balance, ledger lines, grants.
//!
//! Invariant: amounts are signed; the balance is the sum of the lines.

#[cfg(feature = "ssr")]
use super::flash::{self, Done};
#[cfg(feature = "ssr")]
use super::form::Form;
use super::{ApiError, Nano, Page, PageQuery, Time};
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
}

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerLine {
    /// The id: of the entry, or of the request charged.
    pub id: String,
    /// When.
    pub at: Time,
    /// charge, grant or adjustment.
    pub kind: String,
    /// Signed: charges are negative.
    pub amount: Nano,
    /// Why, or which model.
    pub reason: String,
    /// Who did it; none for a charge.
    pub actor: Option<String>,
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
    async fn ledger(&self, team: &str, page: PageQuery) -> Result<Page<LedgerLine>, ApiError>;
    /// Gives or takes money; admins.
    async fn grant(&self, team: &str, new: NewGrant) -> Result<LedgerLine, ApiError>;
}

/// The billing page's balance.
#[server(prefix = "/fn", endpoint = "balance", input = leptos::server_fn::codec::GetUrl)]
pub async fn balance() -> Result<BalanceView, ApiError> {
    super::backend()?.balance(super::CURRENT_TEAM).await
}

/// The billing page's list.
#[server(prefix = "/fn", endpoint = "ledger", input = leptos::server_fn::codec::GetUrl)]
pub async fn ledger(page: PageQuery) -> Result<Page<LedgerLine>, ApiError> {
    super::backend()?.ledger(super::CURRENT_TEAM, page).await
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
