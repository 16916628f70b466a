//! Users, for platform admins: found, suspended, deleted, acted as.
//!
//! Invariant: as whom somebody acts is kept in a cookie that the server seals for one session of one admin.

#[cfg(feature = "ssr")]
use super::flash::{self, Done};
use super::session::{SetCookie, TeamChoice};
use super::{ApiError, Page, PageQuery, Time, patch};
use async_trait::async_trait;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserView {
    /// The id.
    pub id: String,
    /// The e-mail address.
    pub email: String,
    /// Platform admin.
    pub is_admin: bool,
    /// The teams they are in, and as what.
    pub teams: Vec<TeamChoice>,
    /// When they signed up.
    pub created_at: Time,
    /// When they were suspended; they open nothing since.
    pub suspended_at: Option<Time>,
}

/// What to change of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UserPatch {
    /// Suspended (true) or not.
    #[serde(deserialize_with = "patch::required")]
    pub suspended: Option<bool>,
}

/// What the server offers about users; platform admins.
#[async_trait]
pub trait Users {
    /// Those whose address contains `search`, the newest first.
    async fn list_users(&self, search: Option<String>, page: PageQuery) -> Result<Page<UserView>, ApiError>;
    /// One user.
    async fn user(&self, user: &str) -> Result<UserView, ApiError>;
    /// Changes one.
    async fn update_user(&self, user: &str, change: UserPatch) -> Result<UserView, ApiError>;
    /// Deletes one; their keys are revoked.
    async fn delete_user(&self, user: &str) -> Result<(), ApiError>;
    /// From now on this browser sees and does what they would.
    async fn act_as(&self, user: &str) -> Result<SetCookie, ApiError>;
    /// Ends that.
    async fn end_act_as(&self) -> Result<SetCookie, ApiError>;
}

/// The admin's list.
#[server(prefix = "/fn", endpoint = "list_users", input = leptos::server_fn::codec::GetUrl)]
pub async fn list_users(search: Option<String>, page: PageQuery) -> Result<Page<UserView>, ApiError> {
    super::backend()?.list_users(search, page).await
}

/// The page that asks before a deletion.
#[server(prefix = "/fn", endpoint = "user", input = leptos::server_fn::codec::GetUrl)]
pub async fn user(id: String) -> Result<UserView, ApiError> {
    super::backend()?.user(&id).await
}

/// The switch on the admin's list.
#[server(prefix = "/fn", endpoint = "set_user_suspended")]
pub async fn set_user_suspended(user: String, suspended: bool) -> Result<(), ApiError> {
    let change = UserPatch {
        suspended: Some(suspended),
    };
    let result = super::backend()?.update_user(&user, change).await;
    let verb = if suspended { "suspended" } else { "resumed" };
    let done = result.map(|view| Done::to("/admin/users").saying(format!("{} {verb}.", view.email)));
    flash::finish("/admin/users", flash::typed([]), done)
}

/// The dialog that deletes.
#[server(prefix = "/fn", endpoint = "delete_user")]
pub async fn delete_user(user: String) -> Result<(), ApiError> {
    let result = super::backend()?.delete_user(&user).await;
    let done = result.map(|()| Done::to("/admin/users").saying("User deleted. Their keys are revoked."));
    flash::finish("/admin/users", flash::typed([]), done)
}

/// The button of a row.
#[server(prefix = "/fn", endpoint = "act_as")]
pub async fn act_as(user: String) -> Result<(), ApiError> {
    let result = super::backend()?.act_as(&user).await;
    let done = result.map(|cookie| Done::to("/overview").with_cookie(cookie));
    flash::finish("/admin/users", flash::typed([]), done)
}

/// The button of the banner.
#[server(prefix = "/fn", endpoint = "end_act_as")]
pub async fn end_act_as() -> Result<(), ApiError> {
    let result = super::backend()?.end_act_as().await;
    let done = result.map(|cookie| Done::to("/overview").with_cookie(cookie));
    flash::finish("/overview", flash::typed([]), done)
}
