//! What teams were charged and what the providers take for it, and the markups between the two; for platform admins.
//!
//! Invariant: months are those of UTC; a margin is what was charged less what it cost.

#[cfg(feature = "ssr")]
use super::flash::{self, Done};
#[cfg(feature = "ssr")]
use super::form::Form;
use super::{ApiError, Named, Nano, Page, Time};
use async_trait::async_trait;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// The charges of a month that have something in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarginLine {
    /// The model or the upstream account; of an account that is gone or not known, an empty id.
    pub of: Named,
    /// Requests that were charged.
    pub requests: i64,
    /// Charged.
    pub charged: Nano,
    /// What the provider takes at its prices.
    pub cost: Nano,
    /// Charged less cost.
    pub margin: Nano,
}

/// A month's sums.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevenueMonth {
    /// `2026-11`.
    pub month: String,
    /// Requests that were charged.
    pub requests: i64,
    /// Charged.
    pub charged: Nano,
    /// Given back by corrections that were made in the month; negative where more was charged.
    pub corrected: Nano,
    /// What the providers take at their prices.
    pub cost: Nano,
    /// Charged less corrected and cost.
    pub margin: Nano,
}

/// What was earned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevenueView {
    /// The month that is shown.
    pub shown: RevenueMonth,
    /// Its charges by model, the dearest first.
    pub models: Vec<MarginLine>,
    /// Its charges by upstream account, the dearest first.
    pub accounts: Vec<MarginLine>,
    /// Every month in which something was charged or corrected, the newest first.
    pub months: Vec<RevenueMonth>,
}

/// What is added to prices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkupView {
    /// The id.
    pub id: String,
    /// The team; none for every team.
    pub team: Option<Named>,
    /// The model; none for every model.
    pub model: Option<String>,
    /// Percent of the price, such as `15` or `-2.5`.
    pub percent: String,
    /// When it was set.
    pub changed_at: Time,
}

/// A markup to be set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewMarkup {
    /// The team's id; every team where absent.
    #[serde(default)]
    pub team: Option<String>,
    /// The model's own name; every model where absent.
    #[serde(default)]
    pub model: Option<String>,
    /// Percent of the price, from -100 to 10000, with at most two decimals.
    pub percent: String,
}

/// What the server offers about revenue.
#[async_trait]
pub trait Revenues {
    /// What was earned in a month, `2026-11`, in the current one where none is named; admins.
    async fn revenue(&self, month: Option<&str>) -> Result<RevenueView, ApiError>;
    /// Every markup; admins.
    async fn list_markups(&self) -> Result<Page<MarkupView>, ApiError>;
    /// Sets the markup of a team and a model, in place of the one there is; admins.
    async fn set_markup(&self, new: NewMarkup) -> Result<MarkupView, ApiError>;
    /// Takes a markup away; admins.
    async fn delete_markup(&self, id: &str) -> Result<(), ApiError>;
}

/// The page.
#[server(prefix = "/fn", endpoint = "revenue", input = leptos::server_fn::codec::GetUrl)]
pub async fn revenue(month: Option<String>) -> Result<RevenueView, ApiError> {
    super::backend()?.revenue(month.as_deref()).await
}

/// The page of markups.
#[server(prefix = "/fn", endpoint = "list_markups", input = leptos::server_fn::codec::GetUrl)]
pub async fn list_markups() -> Result<Vec<MarkupView>, ApiError> {
    Ok(super::backend()?.list_markups().await?.data)
}

/// What the admin types about a markup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MarkupForm {
    /// A team's id, or nothing.
    pub team: String,
    /// A model's name, or nothing.
    pub model: String,
    /// Percent.
    pub percent: String,
}

/// The form that sets a markup.
#[server(prefix = "/fn", endpoint = "set_markup")]
pub async fn set_markup(
    #[server(flatten)]
    #[server(default)]
    form: MarkupForm,
) -> Result<(), ApiError> {
    let backend = super::backend()?;
    let mut typed = Form::new();
    let percent = typed.text("percent", form.percent.trim().trim_end_matches('%').trim_end());
    let named = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let new = NewMarkup {
        team: named(&form.team),
        model: named(&form.model),
        percent,
    };
    let result = match typed.finish(new) {
        Ok(new) => backend.set_markup(new).await,
        Err(error) => Err(error),
    };
    let done = result
        .map(|_| Done::to("/admin/revenue/markups").saying("The markup is set. It counts from the next request on."));
    flash::finish("/admin/revenue/markups", flash::typed_form(&form), done)
}

/// The button that takes a markup away.
#[server(prefix = "/fn", endpoint = "delete_markup")]
pub async fn delete_markup(id: String) -> Result<(), ApiError> {
    let result = super::backend()?.delete_markup(&id).await;
    flash::finish(
        "/admin/revenue/markups",
        flash::typed([]),
        result.map(|()| Done::to("/admin/revenue/markups").saying("The markup is taken away.")),
    )
}
