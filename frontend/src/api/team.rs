//! Teams and their members: names, time zone, caps, roles.
//!
//! Invariant: a role is owner, admin, member or viewer.

#[cfg(feature = "ssr")]
use super::flash::{self, Done};
#[cfg(feature = "ssr")]
use super::form::Form;
use super::keys::Spend;
use super::session::SetCookie;
use super::{ApiError, Nano, Page, PageQuery, Time, patch};
use async_trait::async_trait;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// A team.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeamView {
    /// The id.
    pub id: String,
    /// Shown name.
    pub name: String,
    /// IANA time zone of its days and months.
    pub time_zone: String,
    /// USD a day.
    pub cap_day: Option<Nano>,
    /// USD a month.
    pub cap_month: Option<Nano>,
    /// Requests a minute.
    pub rpm: Option<i64>,
    /// Tokens a minute.
    pub tpm: Option<i64>,
    /// Whether upstream accounts of the platform may serve it beside its own.
    pub uses_platform: bool,
    /// When it was made.
    pub created_at: Time,
    /// When it was suspended; its keys are refused since.
    pub suspended_at: Option<Time>,
    /// How many members it has.
    pub members: u64,
    /// Entries less charges.
    pub balance: Nano,
    /// This month's spend.
    pub month: Spend,
}

/// What to change of a team; null clears.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TeamPatch {
    /// Shown name.
    #[serde(deserialize_with = "patch::required")]
    pub name: Option<String>,
    /// IANA time zone.
    #[serde(deserialize_with = "patch::required")]
    pub time_zone: Option<String>,
    /// USD a day.
    #[serde(deserialize_with = "patch::present")]
    pub cap_day: Option<Option<Nano>>,
    /// USD a month.
    #[serde(deserialize_with = "patch::present")]
    pub cap_month: Option<Option<Nano>>,
    /// Requests a minute.
    #[serde(deserialize_with = "patch::present")]
    pub rpm: Option<Option<i64>>,
    /// Tokens a minute.
    #[serde(deserialize_with = "patch::present")]
    pub tpm: Option<Option<i64>>,
    /// Whether upstream accounts of the platform may serve it beside its own.
    #[serde(deserialize_with = "patch::required")]
    pub uses_platform: Option<bool>,
    /// Suspended (true) or not; admins.
    #[serde(deserialize_with = "patch::required")]
    pub suspended: Option<bool>,
}

/// A team to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewTeam {
    /// Shown name.
    pub name: String,
    /// IANA time zone; UTC when absent.
    #[serde(default)]
    pub time_zone: Option<String>,
}

/// Who takes a team over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandOver {
    /// The id of a member.
    pub user: String,
}

/// A person in a team.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberView {
    /// The user's id.
    pub user_id: String,
    /// The e-mail address.
    pub email: String,
    /// owner, admin, member or viewer.
    pub role: String,
    /// USD a day.
    pub cap_day: Option<Nano>,
    /// USD a month.
    pub cap_month: Option<Nano>,
    /// Requests a minute, over all their keys.
    pub rpm: Option<i64>,
    /// Tokens a minute, over all their keys.
    pub tpm: Option<i64>,
    /// Requests at once, over all their keys.
    pub max_in_flight: Option<i64>,
    /// Today's spend.
    pub day: Spend,
    /// This month's spend.
    pub month: Spend,
    /// Since when.
    pub created_at: Time,
}

/// What to change of a member; null clears.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MemberPatch {
    /// owner, admin, member or viewer.
    #[serde(deserialize_with = "patch::required")]
    pub role: Option<String>,
    /// USD a day.
    #[serde(deserialize_with = "patch::present")]
    pub cap_day: Option<Option<Nano>>,
    /// USD a month.
    #[serde(deserialize_with = "patch::present")]
    pub cap_month: Option<Option<Nano>>,
    /// Requests a minute, over all their keys.
    #[serde(deserialize_with = "patch::present")]
    pub rpm: Option<Option<i64>>,
    /// Tokens a minute, over all their keys.
    #[serde(deserialize_with = "patch::present")]
    pub tpm: Option<Option<i64>>,
    /// Requests at once, over all their keys.
    #[serde(deserialize_with = "patch::present")]
    pub max_in_flight: Option<Option<i64>>,
}

/// What the server offers about teams.
#[async_trait]
pub trait Teams {
    /// The principal's teams, for admins every team; with `search`, those whose name contains it.
    async fn list_teams(&self, search: Option<String>, page: PageQuery) -> Result<Page<TeamView>, ApiError>;
    /// One team.
    async fn team(&self, team: &str) -> Result<TeamView, ApiError>;
    /// Changes it.
    async fn update_team(&self, team: &str, change: TeamPatch) -> Result<TeamView, ApiError>;
    /// Its members.
    async fn list_members(&self, team: &str, page: PageQuery) -> Result<Page<MemberView>, ApiError>;
    /// Changes one.
    async fn update_member(&self, team: &str, user: &str, change: MemberPatch) -> Result<MemberView, ApiError>;
    /// Takes one out; who takes out themselves leaves.
    async fn remove_member(&self, team: &str, user: &str) -> Result<(), ApiError>;
    /// Makes a member an owner, and the owner who asks an admin.
    async fn hand_over(&self, team: &str, user: &str) -> Result<MemberView, ApiError>;
    /// Makes a team that the principal owns.
    async fn create_team(&self, new: NewTeam) -> Result<TeamView, ApiError>;
    /// Shows another team of the principal in this browser.
    async fn switch_team(&self, team: &str) -> Result<SetCookie, ApiError>;
    /// Shows the principal's first team in this browser.
    async fn forget_team(&self) -> Result<SetCookie, ApiError>;
}

/// The settings page.
#[server(prefix = "/fn", endpoint = "team", input = leptos::server_fn::codec::GetUrl)]
pub async fn team() -> Result<TeamView, ApiError> {
    super::backend()?.team(super::CURRENT_TEAM).await
}

/// The admin's list.
#[server(prefix = "/fn", endpoint = "list_teams", input = leptos::server_fn::codec::GetUrl)]
pub async fn list_teams(search: Option<String>, page: PageQuery) -> Result<Page<TeamView>, ApiError> {
    super::backend()?.list_teams(search, page).await
}

/// The team page.
#[server(prefix = "/fn", endpoint = "list_members", input = leptos::server_fn::codec::GetUrl)]
pub async fn list_members() -> Result<Vec<MemberView>, ApiError> {
    let page = PageQuery {
        limit: Some(200),
        after: None,
    };
    Ok(super::backend()?.list_members(super::CURRENT_TEAM, page).await?.data)
}

/// The fields of the team form, as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TeamForm {
    /// Shown name.
    pub name: String,
    /// IANA time zone.
    pub time_zone: String,
    /// USD a day.
    pub cap_day: String,
    /// USD a month.
    pub cap_month: String,
    /// Requests a minute.
    pub rpm: String,
    /// Tokens a minute.
    pub tpm: String,
}

/// The team form.
#[server(prefix = "/fn", endpoint = "update_team")]
pub async fn update_team(
    #[server(flatten)]
    #[server(default)]
    form: TeamForm,
) -> Result<(), ApiError> {
    let backend = super::backend()?;
    let mut read = Form::new();
    let change = TeamPatch {
        name: Some(read.text("name", &form.name)),
        time_zone: Some(read.text("time_zone", &form.time_zone)),
        cap_day: Some(read.money("cap_day", &form.cap_day)),
        cap_month: Some(read.money("cap_month", &form.cap_month)),
        rpm: Some(read.count("rpm", &form.rpm)),
        tpm: Some(read.count("tpm", &form.tpm)),
        uses_platform: None,
        suspended: None,
    };
    let result = match read.finish(change) {
        Ok(change) => backend.update_team(super::CURRENT_TEAM, change).await,
        Err(error) => Err(error),
    };
    flash::finish(
        "/settings",
        flash::typed_form(&form),
        result.map(|_| Done::to("/settings").saying("Team saved.")),
    )
}

/// The switch on the page of a team's own upstream accounts.
#[server(prefix = "/fn", endpoint = "set_uses_platform")]
pub async fn set_uses_platform(uses_platform: bool) -> Result<(), ApiError> {
    let change = TeamPatch {
        uses_platform: Some(uses_platform),
        ..TeamPatch::default()
    };
    let result = super::backend()?.update_team(super::CURRENT_TEAM, change).await;
    let said = match uses_platform {
        true => "The platform’s accounts serve the team again, where none of its own can.",
        false => "Only the team’s own accounts serve it from now on.",
    };
    let page = super::accounts::Whose::SHOWN.root();
    flash::finish(page, flash::typed([]), result.map(|_| Done::to(page).saying(said)))
}

/// The switch on the admin's list.
#[server(prefix = "/fn", endpoint = "set_team_suspended")]
pub async fn set_team_suspended(team: String, suspended: bool) -> Result<(), ApiError> {
    let change = TeamPatch {
        suspended: Some(suspended),
        ..TeamPatch::default()
    };
    let result = super::backend()?.update_team(&team, change).await;
    let verb = if suspended { "suspended" } else { "resumed" };
    let done = result.map(|view| Done::to("/admin/teams").saying(format!("Team {} {verb}.", view.name)));
    flash::finish("/admin/teams", flash::typed([]), done)
}

/// What is typed into the member form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MemberForm {
    /// Whose place it is.
    pub user: String,
    /// A role; as it was where empty.
    pub role: String,
    /// USD a day.
    pub cap_day: String,
    /// USD a month.
    pub cap_month: String,
    /// Requests a minute.
    pub rpm: String,
    /// Tokens a minute.
    pub tpm: String,
    /// Requests at once.
    pub max_in_flight: String,
}

#[cfg(feature = "ssr")]
impl MemberForm {
    /// What is to change.
    ///
    /// # Errors
    /// What is wrong, field by field.
    pub fn parse(&self) -> Result<MemberPatch, ApiError> {
        let mut form = Form::new();
        let change = MemberPatch {
            role: Some(self.role.clone()).filter(|role| !role.is_empty()),
            cap_day: Some(form.money("cap_day", &self.cap_day)),
            cap_month: Some(form.money("cap_month", &self.cap_month)),
            rpm: Some(form.count("rpm", &self.rpm)),
            tpm: Some(form.count("tpm", &self.tpm)),
            max_in_flight: Some(form.count("max_in_flight", &self.max_in_flight)),
        };
        form.finish(change)
    }
}

/// The member form.
#[server(prefix = "/fn", endpoint = "update_member")]
pub async fn update_member(
    #[server(flatten)]
    #[server(default)]
    form: MemberForm,
) -> Result<(), ApiError> {
    let backend = super::backend()?;
    let result = match form.parse() {
        Ok(change) => backend.update_member(super::CURRENT_TEAM, &form.user, change).await,
        Err(error) => Err(error),
    };
    let done = result.map(|view| Done::to("/team").saying(format!("{} saved.", view.email)));
    flash::finish("/team", flash::typed_form(&form), done)
}
