//! Invitations into a team: made, listed and taken back by those who manage it, accepted by link.
//!
//! Invariant: the link is told once, to who made it. A browser that opened a link before it was signed in keeps it for an
//! hour, in a cookie that no script reads.

#[cfg(feature = "ssr")]
use super::flash::{self, Done};
#[cfg(feature = "ssr")]
use super::form::Form;
use super::session::SetCookie;
use super::{ApiError, Nano, Page, PageQuery, Time};
use async_trait::async_trait;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// The cookie's name.
#[cfg(feature = "ssr")]
const COOKIE: &str = "ourhub-invitation";
/// How long a link is kept for who signs in meanwhile, in seconds.
#[cfg(feature = "ssr")]
const LIFE_S: u32 = 3_600;

/// An invitation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationView {
    /// The id.
    pub id: String,
    /// Who may accept; none: whoever has the link.
    pub email: Option<String>,
    /// owner, admin, member or viewer.
    pub role: String,
    /// USD a day, for the new member.
    pub cap_day: Option<Nano>,
    /// USD a month, for the new member.
    pub cap_month: Option<Nano>,
    /// The address of who invites; empty when they are gone.
    pub invited_by: String,
    /// When it was made.
    pub created_at: Time,
    /// When it ends.
    pub expires_at: Time,
    /// open, accepted, revoked or expired.
    pub state: String,
    /// The id of the user who joined.
    pub accepted_by: Option<String>,
}

/// An invitation just made, with its link: the only time it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationMade {
    /// The path of the page that accepts it, `/invite/…`.
    pub path: String,
    /// Whether a mail with the link is on its way.
    pub is_mailed: bool,
    /// The rest of it.
    #[serde(flatten)]
    pub view: InvitationView,
}

/// Somebody to invite.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewInvitation {
    /// Who may accept; none: whoever has the link.
    #[serde(default)]
    pub email: Option<String>,
    /// owner, admin, member or viewer.
    pub role: String,
    /// USD a day, for the new member.
    #[serde(default)]
    pub cap_day: Option<Nano>,
    /// USD a month, for the new member.
    #[serde(default)]
    pub cap_month: Option<Nano>,
}

/// What an open invitation offers to who has its link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferView {
    /// The team's name.
    pub team_name: String,
    /// owner, admin, member or viewer.
    pub role: String,
    /// Who may accept; none: whoever has the link.
    pub email: Option<String>,
    /// The address of who invites.
    pub invited_by: String,
    /// Whether who has no account may make one by this link.
    pub may_sign_up: bool,
    /// When it ends.
    pub expires_at: Time,
}

/// A team joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinedView {
    /// The team's id.
    pub team_id: String,
    /// owner, admin, member or viewer.
    pub role: String,
}

/// The token of an invitation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// What stands behind `/invite/` in the link.
    pub token: String,
}

/// What the server offers about invitations.
#[async_trait]
pub trait Invitations {
    /// Those of a team, newest first.
    async fn list_invitations(&self, team: &str, page: PageQuery) -> Result<Page<InvitationView>, ApiError>;
    /// Makes one.
    async fn create_invitation(&self, team: &str, new: NewInvitation) -> Result<InvitationMade, ApiError>;
    /// Takes one back.
    async fn revoke_invitation(&self, team: &str, id: &str) -> Result<(), ApiError>;
    /// What the one with this token offers; anybody may ask.
    async fn offer(&self, token: &str) -> Result<OfferView, ApiError>;
    /// Lets whoever is signed in join.
    async fn accept_invitation(&self, token: &str) -> Result<JoinedView, ApiError>;
    /// Makes a user who joins, and signs in.
    async fn sign_up_invited(&self, email: String, password: String, token: &str) -> Result<SetCookie, ApiError>;
}

/// The team page.
#[server(prefix = "/fn", endpoint = "list_invitations", input = leptos::server_fn::codec::GetUrl)]
pub async fn list_invitations() -> Result<Vec<InvitationView>, ApiError> {
    let page = PageQuery {
        limit: Some(100),
        after: None,
    };
    let listed = super::backend()?.list_invitations(super::CURRENT_TEAM, page).await?;
    Ok(listed.data)
}

/// The page behind the link.
#[server(prefix = "/fn", endpoint = "offer", input = leptos::server_fn::codec::GetUrl)]
pub async fn offer(token: String) -> Result<OfferView, ApiError> {
    super::backend()?.offer(&token).await
}

/// The form that invites.
#[server(prefix = "/fn", endpoint = "invite")]
pub async fn invite(
    #[server(default)] email: String,
    #[server(default)] role: String,
    #[server(default)] cap_day: String,
    #[server(default)] cap_month: String,
) -> Result<(), ApiError> {
    let typed = flash::typed([
        ("email", &email),
        ("role", &role),
        ("cap_day", &cap_day),
        ("cap_month", &cap_month),
    ]);
    let backend = super::backend()?;
    let mut form = Form::new();
    let new = NewInvitation {
        email: Some(email).filter(|email| !email.trim().is_empty()),
        role,
        cap_day: form.money("cap_day", &cap_day),
        cap_month: form.money("cap_month", &cap_month),
    };
    let result = match form.finish(new) {
        Ok(new) => backend.create_invitation(super::CURRENT_TEAM, new).await,
        Err(error) => Err(error),
    };
    let done = result.map(|made| {
        let done = Done::to("/team").revealing(made.path);
        match made.view.email.filter(|_| made.is_mailed) {
            Some(email) => done.saying(format!("A mail with the link is on its way to {email}.")),
            None => done,
        }
    });
    flash::finish("/team/invite", typed, done)
}

/// The button that takes one back.
#[server(prefix = "/fn", endpoint = "revoke_invitation")]
pub async fn revoke_invitation(id: String) -> Result<(), ApiError> {
    let result = super::backend()?.revoke_invitation(super::CURRENT_TEAM, &id).await;
    let done = result.map(|()| Done::to("/team").saying("Invitation taken back. Its link opens nothing."));
    flash::finish("/team", flash::typed([]), done)
}

/// The button that accepts one.
#[server(prefix = "/fn", endpoint = "accept_invitation")]
pub async fn accept_invitation(#[server(default)] token: String) -> Result<(), ApiError> {
    let backend = super::backend()?;
    let result = match backend.accept_invitation(&token).await {
        Ok(joined) => backend.switch_team(&joined.team_id).await,
        Err(error) => Err(error),
    };
    if result.is_ok() {
        flash::set_cookie(&flash::cookie_text(COOKIE, "", 0));
    }
    let done = result.map(|cookie| Done::to("/overview").with_cookie(cookie).saying("You are in the team."));
    flash::finish(&page_of(&token), flash::typed([]), done)
}

/// The form of who has no account yet.
#[server(prefix = "/fn", endpoint = "sign_up_invited")]
pub async fn sign_up_invited(
    #[server(default)] email: String,
    #[server(default)] password: String,
    #[server(default)] token: String,
) -> Result<(), ApiError> {
    let typed = flash::typed([("email", &email)]);
    let result = super::backend()?.sign_up_invited(email, password, &token).await;
    if result.is_ok() {
        flash::set_cookie(&flash::cookie_text(COOKIE, "", 0));
    }
    let done = result.map(|cookie| Done::to("/overview").with_cookie(cookie).saying("You are in the team."));
    flash::finish(&page_of(&token), typed, done)
}

/// The page behind the link with `token`.
#[must_use]
pub fn page_of(token: &str) -> String {
    let is_token = !token.is_empty() && token.bytes().all(|letter| letter.is_ascii_alphanumeric());
    format!("/invite/{}", if is_token { token } else { "none" })
}

/// Keeps the link with `token` for who signs in meanwhile, or forgets the one that was kept. Call it while the page is built.
pub fn keep_link(token: Option<&str>) {
    #[cfg(feature = "ssr")]
    match token.map(page_of) {
        Some(page) => flash::set_cookie(&flash::cookie_text(COOKIE, &page["/invite/".len()..], LIFE_S)),
        None if flash::cookie(COOKIE).is_some() => flash::set_cookie(&flash::cookie_text(COOKIE, "", 0)),
        None => {}
    }
    let _ = token;
}

/// The page behind the link that was opened before whoever asks was signed in.
#[must_use]
pub fn kept_link() -> Option<String> {
    #[cfg(feature = "ssr")]
    if let Some(token) = flash::cookie(COOKIE).filter(|token| !token.is_empty()) {
        return Some(page_of(&token));
    }
    None
}
