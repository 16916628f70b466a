//! Redeem codes: platform admins make them and take them back, a team turns each into money once.
//!
//! Invariant: a code is in the answer to its making only.

#[cfg(feature = "ssr")]
use super::flash::{self, Done};
#[cfg(feature = "ssr")]
use super::form::Form;
use super::{ApiError, Moment, Named, Nano, Page, PageQuery, Time, billing::LedgerLine};
use async_trait::async_trait;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// A code, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeView {
    /// The id.
    pub id: String,
    /// What it is worth.
    pub amount: Nano,
    /// Its last four characters.
    pub last_four: String,
    /// What it is for.
    pub note: String,
    /// open, redeemed, revoked or expired.
    pub state: String,
    /// When it was made.
    pub created_at: Time,
    /// From when on it is worth nothing.
    pub expires_at: Option<Time>,
    /// When it was redeemed.
    pub redeemed_at: Option<Time>,
    /// The team that has its money.
    pub team: Option<Named>,
}

/// A code just made: the only time it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeMade {
    /// The code, `OH-…`.
    pub code: String,
    /// The rest of it.
    #[serde(flatten)]
    pub view: CodeView,
}

/// Codes just made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodesMade {
    /// One for each.
    pub data: Vec<CodeMade>,
}

/// What new codes are made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewCodes {
    /// USD, of each.
    pub amount: Nano,
    /// How many, 1 to 50; one when absent.
    #[serde(default)]
    pub count: Option<i64>,
    /// From when on they are worth nothing; of a day of UTC, from its end.
    #[serde(default)]
    pub expires_at: Option<Moment>,
    /// What they are for, for platform admins.
    #[serde(default)]
    pub note: Option<String>,
}

/// A code to be redeemed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewRedemption {
    /// The code, in upper or lower case, with or without dashes.
    pub code: String,
}

/// What the server offers about codes.
#[async_trait]
pub trait Codes {
    /// All codes, newest first; admins.
    async fn list_codes(&self, page: PageQuery) -> Result<Page<CodeView>, ApiError>;
    /// Makes codes; admins.
    async fn create_codes(&self, new: NewCodes) -> Result<CodesMade, ApiError>;
    /// Takes one back that is not redeemed; admins.
    async fn revoke_code(&self, id: &str) -> Result<(), ApiError>;
    /// Turns one into money of the team; owners and admins of it.
    async fn redeem(&self, team: &str, new: NewRedemption) -> Result<LedgerLine, ApiError>;
}

/// The admin's list.
#[server(prefix = "/fn", endpoint = "list_codes", input = leptos::server_fn::codec::GetUrl)]
pub async fn list_codes(page: PageQuery) -> Result<Page<CodeView>, ApiError> {
    super::backend()?.list_codes(page).await
}

/// What the admin types to make codes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CodeForm {
    /// USD, of each.
    pub amount: String,
    /// How many.
    pub count: String,
    /// A day of UTC, the last one.
    pub expires_at: String,
    /// What they are for.
    pub note: String,
}

#[cfg(feature = "ssr")]
impl CodeForm {
    fn parse(&self) -> Result<NewCodes, ApiError> {
        let mut form = Form::new();
        let amount = Nano::parse(self.amount.trim().trim_start_matches('$')).unwrap_or_default();
        if amount <= Nano::ZERO {
            form.reject("amount", "This is not an amount. Write digits, for example 25.00.");
        }
        let count = form.count("count", &self.count);
        let expires_at = form.moment_in_utc("expires_at", &self.expires_at);
        form.finish(NewCodes {
            amount,
            count,
            expires_at,
            note: Some(self.note.clone()),
        })
    }
}

/// The admin's form that makes codes.
#[server(prefix = "/fn", endpoint = "create_codes")]
pub async fn create_codes(
    #[server(flatten)]
    #[server(default)]
    form: CodeForm,
) -> Result<(), ApiError> {
    let backend = super::backend()?;
    let result = match form.parse() {
        Ok(new) => backend.create_codes(new).await,
        Err(error) => Err(error),
    };
    let done = result.map(|made| {
        let codes: Vec<String> = made.data.into_iter().map(|made| made.code).collect();
        Done::to("/admin/codes").revealing(codes.join("\n"))
    });
    flash::finish("/admin/codes/new", flash::typed_form(&form), done)
}

/// The button that takes a code back.
#[server(prefix = "/fn", endpoint = "revoke_code")]
pub async fn revoke_code(id: String) -> Result<(), ApiError> {
    let result = super::backend()?.revoke_code(&id).await;
    flash::finish(
        "/admin/codes",
        flash::typed([]),
        result.map(|()| Done::to("/admin/codes").saying("The code is taken back.")),
    )
}

/// The form on the billing page.
#[server(prefix = "/fn", endpoint = "redeem")]
pub async fn redeem(#[server(default)] code: String) -> Result<(), ApiError> {
    let backend = super::backend()?;
    let mut form = Form::new();
    let typed = form.text("code", &code);
    let result = match form.finish(NewRedemption { code: typed }) {
        Ok(new) => backend.redeem(super::CURRENT_TEAM, new).await,
        Err(error) => Err(error),
    };
    let done = result.map(|line| {
        let note = format!("{} was added to the balance.", crate::ui::usd(line.amount));
        Done::to("/billing").saying(note)
    });
    flash::finish("/billing", flash::typed([("code", &code)]), done)
}
