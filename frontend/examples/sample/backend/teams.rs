//! The sample teams and their members.
//!
//! Invariant: nothing here is changed by a call. Pure.

use super::{DAY, NOW, Sample, cents, refused, spend};
use async_trait::async_trait;
use frontend::api::keys::Spend;
use frontend::api::session::SetCookie;
use frontend::api::team::{MemberPatch, MemberView, NewTeam, TeamPatch, TeamView, Teams};
use frontend::api::{ApiError, Page, PageQuery, Time};

fn team_view(id: &str, name: &str, balance: i64, suspended: bool) -> TeamView {
    TeamView {
        id: id.to_owned(),
        name: name.to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        cap_day: Some(cents(6_000)),
        cap_month: Some(cents(100_000)),
        rpm: None,
        tpm: None,
        uses_platform: true,
        created_at: Time(NOW - 120 * DAY),
        suspended_at: suspended.then_some(Time(NOW - DAY)),
        members: 5,
        balance: cents(balance),
        month: spend(41_237, 126, Some(100_000)),
    }
}

fn member(id: &str, email: &str, role: &str, month: Spend) -> MemberView {
    MemberView {
        user_id: id.to_owned(),
        email: email.to_owned(),
        role: role.to_owned(),
        cap_day: None,
        cap_month: month.cap,
        rpm: None,
        tpm: None,
        max_in_flight: None,
        day: spend(194, 0, None),
        month,
        created_at: Time(NOW - 90 * DAY),
    }
}

#[async_trait]
impl Teams for Sample {
    async fn list_teams(&self, _: Option<String>, _: PageQuery) -> Result<Page<TeamView>, ApiError> {
        self.demand_admin()?;
        Ok(Page {
            data: vec![
                team_view("team_1", "Harbor Robotics", 18_421, false),
                team_view("team_2", "Mira’s side projects", -12, true),
            ],
            next: None,
        })
    }

    async fn team(&self, _: &str) -> Result<TeamView, ApiError> {
        Ok(team_view("team_1", "Harbor Robotics", 18_421, false))
    }

    async fn update_team(&self, _: &str, _: TeamPatch) -> Result<TeamView, ApiError> {
        refused()
    }

    async fn list_members(&self, _: &str, _: PageQuery) -> Result<Page<MemberView>, ApiError> {
        Ok(Page {
            data: vec![
                member(
                    "user_1",
                    "mira@harbor-robotics.io",
                    "owner",
                    spend(6_877, 0, Some(25_000)),
                ),
                member("user_2", "jonas@harbor-robotics.io", "member", spend(4_140, 0, None)),
            ],
            next: None,
        })
    }

    async fn update_member(&self, _: &str, _: &str, _: MemberPatch) -> Result<MemberView, ApiError> {
        refused()
    }

    async fn remove_member(&self, _: &str, _: &str) -> Result<(), ApiError> {
        refused()
    }

    async fn hand_over(&self, _: &str, _: &str) -> Result<MemberView, ApiError> {
        refused()
    }

    async fn create_team(&self, _: NewTeam) -> Result<TeamView, ApiError> {
        refused()
    }

    async fn switch_team(&self, _: &str) -> Result<SetCookie, ApiError> {
        refused()
    }

    async fn forget_team(&self) -> Result<SetCookie, ApiError> {
        refused()
    }
}
