//! Teams and members: an owner or admin of the team changes it, a platform admin sees and suspends all.
//!
//! Invariant: what a key may do is checked anew at its next request after a change. Reads and writes what `teams` does.

use super::{Change, Principal, Refusal, view};
use crate::{
    ledger::{Kind as Period, Series},
    teams::{self, MemberRow, Right, TeamRow, TeamScope},
};
use async_trait::async_trait;
use frontend::api::{
    ApiError, Nano, Page, PageQuery, Time,
    session::SetCookie,
    team::{MemberPatch, MemberView, NewTeam, TeamPatch, TeamView, Teams},
};
use gateway_core::id::Kind;
use serde_json::json;

#[async_trait]
impl Teams for Principal {
    async fn list_teams(&self, search: Option<String>, page: PageQuery) -> Result<Page<TeamView>, ApiError> {
        self.answer(self.read_teams(search.as_deref(), &page).await)
    }

    async fn team(&self, team: &str) -> Result<TeamView, ApiError> {
        self.answer(self.read_team(team).await)
    }

    async fn update_team(&self, team: &str, change: TeamPatch) -> Result<TeamView, ApiError> {
        self.answer(self.change_team(team, change).await)
    }

    async fn list_members(&self, team: &str, page: PageQuery) -> Result<Page<MemberView>, ApiError> {
        self.answer(self.read_members(team, &page).await)
    }

    async fn update_member(&self, team: &str, user: &str, change: MemberPatch) -> Result<MemberView, ApiError> {
        self.answer(self.change_member(team, user, change).await)
    }

    async fn remove_member(&self, team: &str, user: &str) -> Result<(), ApiError> {
        self.answer(self.take_out(team, user).await)
    }

    async fn hand_over(&self, team: &str, user: &str) -> Result<MemberView, ApiError> {
        self.answer(self.give_team(team, user).await)
    }

    async fn create_team(&self, new: NewTeam) -> Result<TeamView, ApiError> {
        self.answer(self.make_team(new).await)
    }

    async fn switch_team(&self, team: &str) -> Result<SetCookie, ApiError> {
        self.answer(self.show_team(team).await)
    }

    async fn forget_team(&self) -> Result<SetCookie, ApiError> {
        Ok(self.show_first_team())
    }
}

impl Principal {
    async fn read_teams(&self, search: Option<&str>, query: &PageQuery) -> Result<Page<TeamView>, Refusal> {
        let person = self.person()?;
        let after = view::after(query, Kind::Team)?;
        let rows = match person.is_admin {
            true => teams::list_all(&self.app.db, person, search, after, view::limit(query)).await?,
            false => {
                let mine = teams::list_mine(&self.app.db, person).await?;
                let mine = mine.into_iter().map(|(row, _)| row);
                let sought = search.map(str::to_lowercase).unwrap_or_default();
                mine.filter(|row| row.name.to_lowercase().contains(&sought))
                    .filter(|row| after.is_none_or(|after| row.team_id > after))
                    .collect()
            }
        };
        let page = view::page(query, rows, |row| view::team_id(row.team_id));
        let ids: Vec<i64> = page.data.iter().map(|row| row.team_id).collect();
        let members = teams::count_members(&self.app.db, &ids).await?;
        let mut data = Vec::with_capacity(page.data.len());
        for row in page.data {
            let count = members.get(&row.team_id).copied().unwrap_or_default();
            data.push(self.team_view(row, count).await?);
        }
        Ok(Page { data, next: page.next })
    }

    async fn read_team(&self, team: &str) -> Result<TeamView, Refusal> {
        let scope = self.scope(team).await?;
        scope.demand(Right::Read)?;
        self.one_team(&scope).await
    }

    async fn change_team(&self, team: &str, change: TeamPatch) -> Result<TeamView, Refusal> {
        let scope = self.scope(team).await?;
        if change.suspended.is_some() {
            self.admin()?;
        }
        let suspended = change.suspended;
        let patch = team_patch(change);
        if patch != teams::TeamPatch::default() {
            let (before, after) = teams::update(&self.app.db, &scope, patch).await?;
            self.app.keys.forget_team(scope.team_id());
            self.record_team(&scope, "team.update", (&before, &after)).await?;
        }
        if let Some(suspended) = suspended {
            self.suspend(&scope, suspended).await?;
        }
        self.one_team(&scope).await
    }

    async fn suspend(&self, scope: &TeamScope, suspended: bool) -> Result<(), Refusal> {
        let admin = self.admin()?;
        self.demand_confirmed()?;
        let team_id = scope.team_id();
        let before = teams::get(&self.app.db, scope).await?;
        let action = match suspended {
            true => {
                teams::suspend(&self.app.db, admin, team_id, self.now_ms()).await?;
                "team.suspend"
            }
            false => {
                teams::resume(&self.app.db, admin, team_id).await?;
                "team.resume"
            }
        };
        self.app.keys.forget_team(team_id);
        let after = teams::get(&self.app.db, scope).await?;
        self.record_team(scope, action, (&before, &after)).await
    }

    async fn read_members(&self, team: &str, query: &PageQuery) -> Result<Page<MemberView>, Refusal> {
        let scope = self.scope(team).await?;
        scope.demand(Right::Read)?;
        let after = view::after_place(query, Kind::User)?;
        let place = |row: &MemberRow| (row.created_at_ms, row.user_id);
        let team = teams::get(&self.app.db, &scope).await?;
        let mut rows = teams::list_members(&self.app.db, &scope).await?;
        rows.retain(|row| after.is_none_or(|after| place(row) > after));
        let page = view::page(query, rows, |row| view::place(Kind::User, place(row)));
        let mut data = Vec::with_capacity(page.data.len());
        for row in page.data {
            data.push(self.member_view(&team, row).await?);
        }
        Ok(Page { data, next: page.next })
    }

    async fn change_member(&self, team: &str, user: &str, change: MemberPatch) -> Result<MemberView, Refusal> {
        let scope = self.scope(team).await?;
        let user_id = super::parse(Kind::User, user)?;
        if let Some(role) = &change.role
            && !self.is_confirmed()
        {
            scope.demand(Right::ManageTeam)?;
            let members = teams::list_members(&self.app.db, &scope).await?;
            let is_same = |member: &MemberRow| member.user_id == user_id && member.role.name() == role;
            if !members.iter().any(is_same) {
                self.demand_confirmed()?;
            }
        }
        let patch = teams::MemberPatch {
            role: change.role,
            cap_day: change.cap_day.map(cap),
            cap_month: change.cap_month.map(cap),
            rpm: change.rpm,
            tpm: change.tpm,
            max_in_flight: change.max_in_flight,
        };
        let (before, after) = teams::update_member(&self.app.db, &scope, user_id, patch).await?;
        self.app.keys.forget_team(scope.team_id());
        self.record(Change {
            team_id: Some(scope.team_id()),
            action: "member.update",
            target: user,
            before: json!(before),
            after: json!(after),
        })
        .await?;
        let team = teams::get(&self.app.db, &scope).await?;
        self.member_view(&team, after).await
    }

    /// What follows where teams were closed: their keys are looked up anew, and nothing is sent by their own accounts any more.
    pub(super) async fn close_teams(&self, closed: &[i64]) {
        for team_id in closed {
            self.app.keys.forget_team(*team_id);
        }
        if closed.is_empty() {
            return;
        }
        // The stamp has every process load them within a second in any case.
        if let Err(error) = self.app.fleet.refresh().await {
            tracing::warn!(%error, "the accounts of closed teams are still loaded");
        }
    }

    async fn record_team(
        &self,
        scope: &TeamScope,
        action: &'static str,
        (before, after): (&TeamRow, &TeamRow),
    ) -> Result<(), Refusal> {
        let target = view::team_id(scope.team_id());
        self.record(Change {
            team_id: Some(scope.team_id()),
            action,
            target: &target,
            before: json!(before),
            after: json!(after),
        })
        .await
    }

    pub(super) async fn one_team(&self, scope: &TeamScope) -> Result<TeamView, Refusal> {
        let row = teams::get(&self.app.db, scope).await?;
        let members = teams::count_members(&self.app.db, &[row.team_id]).await?;
        let count = members.get(&row.team_id).copied().unwrap_or_default();
        self.team_view(row, count).await
    }

    async fn team_view(&self, row: TeamRow, members: u64) -> Result<TeamView, Refusal> {
        let asked = [(Series::team(row.team_id, Period::Month), view::nano(row.cap_month))];
        let [month] = self.spends(&row, asked).await?;
        let balance = self.app.ledger.balance(row.team_id).await?;
        Ok(TeamView {
            id: view::team_id(row.team_id),
            name: row.name,
            time_zone: row.time_zone,
            cap_day: view::nano(row.cap_day),
            cap_month: view::nano(row.cap_month),
            rpm: row.rpm,
            tpm: row.tpm,
            uses_platform: row.uses_platform,
            created_at: Time(row.created_at_ms),
            suspended_at: view::time(row.suspended_at_ms),
            members,
            balance: balance.left(),
            month,
        })
    }

    pub(super) async fn member_view(&self, team: &TeamRow, row: MemberRow) -> Result<MemberView, Refusal> {
        let series = |kind| Series::member(team.team_id, row.user_id, kind);
        let asked = [
            (series(Period::Day), view::nano(row.cap_day)),
            (series(Period::Month), view::nano(row.cap_month)),
        ];
        let [day, month] = self.spends(team, asked).await?;
        Ok(MemberView {
            user_id: view::user_id(row.user_id),
            email: row.email,
            role: row.role.name().to_owned(),
            cap_day: view::nano(row.cap_day),
            cap_month: view::nano(row.cap_month),
            rpm: row.rpm,
            tpm: row.tpm,
            max_in_flight: row.max_in_flight,
            day,
            month,
            created_at: Time(row.created_at_ms),
        })
    }
}

fn cap(amount: Option<Nano>) -> Option<i64> {
    amount.map(|amount| amount.0)
}

fn team_patch(change: TeamPatch) -> teams::TeamPatch {
    teams::TeamPatch {
        name: change.name,
        time_zone: change.time_zone,
        cap_day: change.cap_day.map(cap),
        cap_month: change.cap_month.map(cap),
        rpm: change.rpm,
        tpm: change.tpm,
        uses_platform: change.uses_platform,
    }
}
