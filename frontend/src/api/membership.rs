//! The forms about belonging to teams: making one, choosing which is shown, leaving, removing, handing over.
//!
//! Invariant: which team a browser shows is kept in a cookie that names the user too, and counts only while they are in
//! that team.

use super::ApiError;
#[cfg(feature = "ssr")]
use super::flash::{self, Done};
#[cfg(feature = "ssr")]
use super::team::NewTeam;
use leptos::prelude::*;

/// The form for a new team.
#[server(prefix = "/fn", endpoint = "create_team")]
pub async fn create_team(
    #[server(default)] name: String,
    #[server(default)] time_zone: String,
) -> Result<(), ApiError> {
    let typed = flash::typed([("name", &name), ("time_zone", &time_zone)]);
    let backend = super::backend()?;
    let new = NewTeam {
        name,
        time_zone: Some(time_zone).filter(|zone| !zone.trim().is_empty()),
    };
    let result = match backend.create_team(new).await {
        Ok(team) => backend.switch_team(&team.id).await.map(|cookie| (cookie, team.name)),
        Err(error) => Err(error),
    };
    let done = result.map(|(cookie, name)| {
        Done::to("/overview")
            .with_cookie(cookie)
            .saying(format!("Team {name} made."))
    });
    flash::finish("/teams/new", typed, done)
}

/// The switcher.
#[server(prefix = "/fn", endpoint = "switch_team")]
pub async fn switch_team(#[server(default)] team: String) -> Result<(), ApiError> {
    let result = super::backend()?.switch_team(&team).await;
    let done = result.map(|cookie| Done::to("/overview").with_cookie(cookie));
    flash::finish("/overview", flash::typed([]), done)
}

/// The dialog that removes somebody.
#[server(prefix = "/fn", endpoint = "remove_member")]
pub async fn remove_member(user: String, team: String) -> Result<(), ApiError> {
    let result = super::backend()?.remove_member(&team, &user).await;
    let done = result.map(|()| Done::to("/team").saying("Removed. Their keys are refused."));
    flash::finish("/team", flash::typed([]), done)
}

/// The dialog of who leaves; the team is named, for another may be shown by now.
#[server(prefix = "/fn", endpoint = "leave_team")]
pub async fn leave_team(team: String) -> Result<(), ApiError> {
    let backend = super::backend()?;
    let result = match backend.session().await {
        Ok(Some(session)) => backend.remove_member(&team, &session.user_id).await,
        Ok(None) => Err(ApiError::new(super::Code::Unauthenticated)),
        Err(error) => Err(error),
    };
    let result = match result {
        Ok(()) => backend.forget_team().await,
        Err(error) => Err(error),
    };
    let done = result.map(|cookie| Done::to("/overview").with_cookie(cookie).saying("You left the team."));
    flash::finish("/team", flash::typed([]), done)
}

/// The dialog that hands the team over.
#[server(prefix = "/fn", endpoint = "hand_over")]
pub async fn hand_over(user: String, team: String) -> Result<(), ApiError> {
    let result = super::backend()?.hand_over(&team, &user).await;
    let done =
        result.map(|member| Done::to("/team").saying(format!("{} owns the team now. You are an admin.", member.email)));
    flash::finish("/team", flash::typed([]), done)
}
