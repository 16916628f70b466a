//! Belonging to teams: which one is shown, making one, leaving, removing, handing over.
//!
//! Invariant: the cookie that says which team a browser shows counts for the user that it names, while they are in that team;
//! it opens nothing. Nothing is done in another team than the one shown. Reads and writes what `teams` does.

use super::{Change, Principal, Refusal, view};
use crate::teams::{self, MemberRow, NewTeam, Role, TeamRow};
use frontend::api::{
    ApiError, Code,
    session::{SetCookie, TeamChoice},
    team::{self, MemberView, TeamView},
};
use gateway_core::id::{self, Kind};
use serde_json::json;

/// The cookie that says which team a browser shows.
pub const TEAM_COOKIE: &str = "ourhub-team";
/// How long it is kept, in seconds: a year.
const LIFE_S: i64 = 365 * 24 * 3_600;
/// What is said where the team shown is not theirs any more.
const LEFT: &str = "You are not in this team any more, so nothing was changed. Choose another team.";
/// What is said to who is in no team.
const NONE: &str = "You are in no team. Make one, or ask to be invited.";

impl Principal {
    /// The team that is shown, and those that could be.
    pub(super) async fn teams_shown(&self) -> Result<(Result<(TeamRow, Role), Refusal>, Vec<TeamChoice>), Refusal> {
        let person = self.person()?;
        let mine = teams::list_mine(&self.app.db, person).await?;
        let choice = |(team, role): &(TeamRow, Role)| TeamChoice {
            id: view::team_id(team.team_id),
            name: team.name.clone(),
            role: role.name().to_owned(),
        };
        let choices = mine.iter().map(choice).collect();
        let chosen = self
            .visit
            .team
            .as_deref()
            .and_then(|cookie| chosen(cookie, person.user_id));
        let is_shown = |(team, _): &(TeamRow, Role)| chosen.is_none_or(|chosen| team.team_id == chosen);
        let message = if chosen.is_some() { LEFT } else { NONE };
        let shown = mine.into_iter().find(is_shown);
        Ok((
            shown.ok_or_else(|| ApiError::because(Code::NotFound, message).into()),
            choices,
        ))
    }

    pub(super) async fn show_team(&self, team: &str) -> Result<SetCookie, Refusal> {
        let person = self.person()?;
        let team_id = super::parse(Kind::Team, team)?;
        let mine = teams::list_mine(&self.app.db, person).await?;
        if !mine.iter().any(|(row, _)| row.team_id == team_id) {
            return Err(Code::NotFound.into());
        }
        let value = format!("{}.{team}", view::user_id(person.user_id));
        Ok(SetCookie(self.team_cookie(&value, LIFE_S)))
    }

    pub(super) fn show_first_team(&self) -> SetCookie {
        SetCookie(self.team_cookie("", 0))
    }

    fn team_cookie(&self, value: &str, max_age_s: i64) -> String {
        let secure = if self.app.edge.is_https() { "; Secure" } else { "" };
        format!("{TEAM_COOKIE}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{secure}")
    }

    pub(super) async fn make_team(&self, new: team::NewTeam) -> Result<TeamView, Refusal> {
        let person = self.person()?;
        self.demand_may_make_teams().await?;
        let new = NewTeam {
            name: new.name,
            time_zone: new.time_zone.unwrap_or_else(|| "UTC".to_owned()),
        };
        let team_id = teams::create(&self.app.db, person, new, self.now_ms()).await?;
        let scope = teams::scope(&self.app.db, person, team_id).await?;
        let row = teams::get(&self.app.db, &scope).await?;
        self.record(Change {
            team_id: Some(team_id),
            action: "team.create",
            target: &view::team_id(team_id),
            after: json!(row),
            ..Change::default()
        })
        .await?;
        self.one_team(&scope).await
    }

    pub(super) async fn take_out(&self, team: &str, user: &str) -> Result<(), Refusal> {
        let scope = self.scope(team).await?;
        let user_id = super::parse(Kind::User, user)?;
        let is_leaving = user_id == scope.user_id();
        if !is_leaving {
            scope.demand(teams::Right::ManageTeam)?;
            self.demand_confirmed()?;
        }
        let before = self.member_row(&scope, user_id).await?;
        let action = if is_leaving {
            teams::leave(&self.app.db, &scope).await?;
            "member.leave"
        } else {
            teams::remove_member(&self.app.db, &scope, user_id).await?;
            "member.remove"
        };
        self.app.keys.forget_team(scope.team_id());
        self.record(Change {
            team_id: Some(scope.team_id()),
            action,
            target: user,
            before: json!(before),
            ..Change::default()
        })
        .await
    }

    pub(super) async fn give_team(&self, team: &str, user: &str) -> Result<MemberView, Refusal> {
        let scope = self.scope(team).await?;
        let user_id = super::parse(Kind::User, user)?;
        scope.demand(teams::Right::ManageOwners)?;
        self.demand_confirmed()?;
        let before = self.member_row(&scope, user_id).await?;
        let after = teams::hand_over(&self.app.db, &scope, user_id).await?;
        self.app.keys.forget_team(scope.team_id());
        self.record(Change {
            team_id: Some(scope.team_id()),
            action: "team.hand_over",
            target: user,
            before: json!(before),
            after: json!(after),
        })
        .await?;
        let team = teams::get(&self.app.db, &scope).await?;
        self.member_view(&team, after).await
    }

    async fn member_row(&self, scope: &teams::TeamScope, user_id: i64) -> Result<MemberRow, Refusal> {
        let members = teams::list_members(&self.app.db, scope).await?;
        let found = members.into_iter().find(|member| member.user_id == user_id);
        Ok(found.ok_or(Code::NotFound)?)
    }
}

/// The team in `cookie`, if it names the user `user_id`.
fn chosen(cookie: &str, user_id: i64) -> Option<i64> {
    let (user, team) = cookie.split_once('.')?;
    (id::parse(Kind::User, user)? == user_id).then_some(())?;
    id::parse(Kind::Team, team)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_counts_for_the_user_that_it_names() {
        let (mara, jonas) = (view::user_id(5), view::user_id(6));
        let team = view::team_id(7);
        assert_eq!(chosen(&format!("{mara}.{team}"), 5), Some(7));
        for other in [
            format!("{jonas}.{team}"),
            team.clone(),
            format!("{mara}.{mara}"),
            String::new(),
        ] {
            assert_eq!(chosen(&other, 5), None, "{other}");
        }
    }
}
