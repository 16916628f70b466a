//! What was used and what it cost: overview, roll-ups, requests, receipts.
//!
//! Invariant: sums come from the ledger, never from what is shown; accounts' labels and costs are for admins only.

use super::billing::LedgerLine;
use super::keys::Spend;
use super::{ApiError, Moment, Named, Nano, Page, PageQuery, Time};
use async_trait::async_trait;
use gateway_core::usage::Usage;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// One request, as a line of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRow {
    /// The id, as in `x-request-id`.
    pub id: String,
    /// The team; set in lists over all teams.
    pub team: Option<Named>,
    /// When it came.
    pub started_at: Time,
    /// The model or the alias asked for.
    pub model: String,
    /// The model that answered, where the one asked for is an alias or fell back to another.
    pub answered_by: Option<String>,
    /// The key that called.
    pub key: Named,
    /// Whose key.
    pub member: Option<Named>,
    /// chat or embeddings.
    pub operation: String,
    /// Whether the client asked for a stream.
    pub is_stream: bool,
    /// running, ok, client_error, upstream_failed, hung_up, cut, refused or recovered.
    pub outcome: String,
    /// HTTP status; none while running or unknown.
    pub status: Option<u16>,
    /// Attempts, the answer among them.
    pub attempts: u32,
    /// Tokens by kind.
    pub usage: Usage,
    /// Set aside.
    pub held: Nano,
    /// Charged when it ended; corrections are on the receipt.
    pub charged: Nano,
    /// What the team's own accounts came to, which caps count and the balance does not pay.
    pub own_counted: Nano,
    /// Whether the charge is an estimate.
    pub is_estimate: bool,
    /// Milliseconds to the first content.
    pub ttft_ms: Option<i64>,
    /// Milliseconds to the end.
    pub total_ms: Option<i64>,
}

impl RequestRow {
    /// What caps have counted: what was charged, and what the team's own accounts came to.
    #[must_use]
    pub const fn counted(&self) -> Nano {
        Nano(self.charged.0.saturating_add(self.own_counted.0))
    }
}

/// One try at one account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptView {
    /// The provider's id.
    pub provider: String,
    /// The model it was asked for, where that may be another one than the client asked for.
    pub model: Option<String>,
    /// "OpenAI, account 2"; for admins the account's own label.
    pub account: String,
    /// ok, or what it failed with: rate_limited, no_money, bad_key, failed, timed_out, unreachable, proxy_failed, cut, or outrun: another
    /// one answered first.
    pub outcome: String,
    /// HTTP status of the upstream, if it answered.
    pub status: Option<u16>,
    /// Milliseconds after the request came.
    pub started_ms: i64,
    /// How long it took, in milliseconds.
    pub took_ms: i64,
    /// How long to its first content, in milliseconds, where it was streamed and came.
    pub ttft_ms: Option<i64>,
    /// What followed, such as a cool-down of some seconds.
    pub note: String,
}

/// One line of a charge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargeLine {
    /// The name of a kind of token, such as cache_read.
    pub kind: String,
    /// Tokens.
    pub tokens: u64,
    /// USD per million tokens.
    pub price: String,
    /// USD, exact, up to twelve decimals.
    pub amount: String,
}

/// One hold of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldLine {
    /// Its id.
    pub id: String,
    /// When it was made.
    pub at: Time,
    /// When it ended.
    pub ended_at: Option<Time>,
    /// held, posted, voided or estimated.
    pub state: String,
    /// Set aside.
    pub held: Nano,
    /// Charged.
    pub posted: Nano,
    /// Charged above the hold.
    pub overrun: Nano,
    /// What is charged with every correction.
    pub charged: Nano,
    /// Whether an account of the team's own was asked: what it comes to counts in caps, and is not taken off the balance.
    pub is_own: bool,
    /// Why the charge is an estimate; empty where it is none.
    pub estimate: String,
    /// The caps it was held against, such as "key, day of 24 Nov".
    pub against: Vec<String>,
}

/// Everything about one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The line of the list.
    #[serde(flatten)]
    pub row: RequestRow,
    /// Every try, in order.
    pub trail: Vec<AttemptView>,
    /// The charge, by kind of token.
    pub lines: Vec<ChargeLine>,
    /// Since when the price holds.
    pub price_since: Option<Time>,
    /// Every hold, in order.
    pub holds: Vec<HoldLine>,
    /// Every correction of a charge, in order; amounts are signed as in the ledger.
    pub adjustments: Vec<LedgerLine>,
    /// What was clamped or dropped, and why a charge is an estimate.
    pub notes: Vec<String>,
    /// What the platform earned; for platform admins, on their own list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin: Option<MarginView>,
}

/// What was added to the price of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarginView {
    /// Percent of the price, such as `15` or `-2.5`.
    pub markup: String,
    /// What the provider takes at its prices.
    pub cost: Nano,
}

/// Filters of the request list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestFilter {
    /// From this moment on.
    pub from: Option<Moment>,
    /// Before this moment; of a day, up to its end.
    pub to: Option<Moment>,
    /// A key's id.
    pub key: Option<String>,
    /// A user's id.
    pub member: Option<String>,
    /// A model's name.
    pub model: Option<String>,
    /// An outcome.
    pub outcome: Option<String>,
}

/// What a roll-up is grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupBy {
    /// The model asked for.
    Model,
    /// The key.
    Key,
    /// The member.
    Member,
    /// Days in the team's time zone.
    Day,
    /// Hours.
    Hour,
}

/// One group of a roll-up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageGroup {
    /// The id, name or start of what it is grouped by.
    pub group: String,
    /// Its name for people.
    pub label: String,
    /// Requests ended.
    pub requests: u64,
    /// Of them, those whose client got an error.
    pub failed: u64,
    /// Refusals the client never saw.
    pub failovers: u64,
    /// Tokens by kind.
    pub usage: Usage,
    /// Charged.
    pub charged: Nano,
    /// What the team's own accounts came to, which caps count and the balance does not pay.
    pub own_counted: Nano,
}

/// One bar of the chart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayBar {
    /// The day, `2026-11-24`.
    pub day: String,
    /// Charged, by the same order as [`Overview::series`].
    pub charged: Vec<Nano>,
}

/// The overview page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// Today, against the team's cap.
    pub day: Spend,
    /// This month, against the team's cap.
    pub month: Spend,
    /// Requests of the last 30 days.
    pub requests: u64,
    /// Of them, those whose client got an error.
    pub failed: u64,
    /// Refusals the clients never saw.
    pub failovers: u64,
    /// Mean milliseconds to first content; none without a stream.
    pub ttft_ms: Option<i64>,
    /// Names of the chart's series, largest first, at most five and "others".
    pub series: Vec<String>,
    /// 30 days, oldest first.
    pub bars: Vec<DayBar>,
    /// Spend of 30 days by key, largest first.
    pub by_key: Vec<UsageGroup>,
    /// Spend of 30 days by member, largest first.
    pub by_member: Vec<UsageGroup>,
    /// The newest requests.
    pub latest: Vec<RequestRow>,
}

/// What the server offers about usage.
#[async_trait]
pub trait UsageReads {
    /// The overview page.
    async fn overview(&self, team: &str) -> Result<Overview, ApiError>;
    /// A roll-up.
    async fn usage(
        &self,
        team: &str,
        from: Option<Moment>,
        to: Option<Moment>,
        by: GroupBy,
    ) -> Result<Vec<UsageGroup>, ApiError>;
    /// Requests, newest first.
    async fn requests(&self, team: &str, filter: RequestFilter, page: PageQuery) -> Result<Page<RequestRow>, ApiError>;
    /// The members of the team, to choose one whose requests to see.
    async fn people(&self, team: &str) -> Result<Vec<Named>, ApiError>;
    /// Everything about one.
    async fn receipt(&self, team: &str, id: &str) -> Result<Receipt, ApiError>;
    /// Requests of all teams, newest first; admins.
    async fn all_requests(&self, filter: RequestFilter, page: PageQuery) -> Result<Page<RequestRow>, ApiError>;
    /// Everything about one of any team; admins.
    async fn any_receipt(&self, id: &str) -> Result<Receipt, ApiError>;
}

/// The overview page.
#[server(prefix = "/fn", endpoint = "overview", input = leptos::server_fn::codec::GetUrl)]
pub async fn read_overview() -> Result<Overview, ApiError> {
    super::backend()?.overview(super::CURRENT_TEAM).await
}

/// The usage page's list. `filter` and `page` are the query of the page.
#[server(prefix = "/fn", endpoint = "requests", input = leptos::server_fn::codec::GetUrl)]
pub async fn requests(filter: RequestFilter, page: PageQuery) -> Result<Page<RequestRow>, ApiError> {
    super::backend()?.requests(super::CURRENT_TEAM, filter, page).await
}

/// The usage page's choice of members.
#[server(prefix = "/fn", endpoint = "people", input = leptos::server_fn::codec::GetUrl)]
pub async fn people() -> Result<Vec<Named>, ApiError> {
    super::backend()?.people(super::CURRENT_TEAM).await
}

/// The receipt page.
#[server(prefix = "/fn", endpoint = "receipt", input = leptos::server_fn::codec::GetUrl)]
pub async fn read_receipt(id: String) -> Result<Receipt, ApiError> {
    super::backend()?.receipt(super::CURRENT_TEAM, &id).await
}

/// The newest request of one key: what the page after its creation waits for.
#[server(prefix = "/fn", endpoint = "latest_of_key", input = leptos::server_fn::codec::GetUrl)]
pub async fn latest_of_key(key: String) -> Result<Option<RequestRow>, ApiError> {
    let filter = RequestFilter {
        key: Some(key),
        ..RequestFilter::default()
    };
    let page = PageQuery {
        limit: Some(1),
        after: None,
    };
    Ok(super::backend()?
        .requests(super::CURRENT_TEAM, filter, page)
        .await?
        .data
        .into_iter()
        .next())
}

/// The admin's list.
#[server(prefix = "/fn", endpoint = "all_requests", input = leptos::server_fn::codec::GetUrl)]
pub async fn all_requests(filter: RequestFilter, page: PageQuery) -> Result<Page<RequestRow>, ApiError> {
    super::backend()?.all_requests(filter, page).await
}

/// The admin's receipt.
#[server(prefix = "/fn", endpoint = "any_receipt", input = leptos::server_fn::codec::GetUrl)]
pub async fn any_receipt(id: String) -> Result<Receipt, ApiError> {
    super::backend()?.any_receipt(&id).await
}
