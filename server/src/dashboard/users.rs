//! Users, for platform admins: found, suspended, deleted, acted as.
//!
//! Invariant: who is suspended or deleted opens nothing from then on, in any process. Reads and writes what `auth` and
//! `teams` do.

use super::{Change, Principal, Refusal, view};
use crate::{auth::UserRow, teams};
use async_trait::async_trait;
use frontend::api::{
    ApiError, Code, Page, PageQuery, Time,
    session::{SetCookie, TeamChoice},
    users::{UserPatch, UserView, Users},
};
use gateway_core::id::Kind;
use serde_json::json;
use std::collections::HashMap;

#[async_trait]
impl Users for Principal {
    async fn list_users(&self, search: Option<String>, page: PageQuery) -> Result<Page<UserView>, ApiError> {
        self.answer(self.read_users(search.as_deref(), &page).await)
    }

    async fn user(&self, user: &str) -> Result<UserView, ApiError> {
        self.answer(self.read_user(user).await)
    }

    async fn update_user(&self, user: &str, change: UserPatch) -> Result<UserView, ApiError> {
        self.answer(self.change_user(user, change).await)
    }

    async fn delete_user(&self, user: &str) -> Result<(), ApiError> {
        self.answer(self.remove_user(user).await)
    }

    async fn act_as(&self, user: &str) -> Result<SetCookie, ApiError> {
        self.answer(self.begin_acting(user).await)
    }

    async fn end_act_as(&self) -> Result<SetCookie, ApiError> {
        self.answer(self.end_acting().await)
    }
}

impl Principal {
    async fn read_users(&self, search: Option<&str>, query: &PageQuery) -> Result<Page<UserView>, Refusal> {
        let admin = self.admin()?;
        let after = view::after(query, Kind::User)?;
        let rows = self
            .app
            .auth
            .list_users(admin, search, after, view::limit(query))
            .await?;
        let page = view::page(query, rows, |row| view::user_id(row.person.user_id));
        Ok(Page {
            data: self.shown_users(page.data).await?,
            next: page.next,
        })
    }

    async fn read_user(&self, user: &str) -> Result<UserView, Refusal> {
        let admin = self.admin()?;
        let row = self.app.auth.user(admin, super::parse(Kind::User, user)?).await?;
        let mut shown = self.shown_users(vec![row]).await?;
        Ok(shown.pop().ok_or(Code::NotFound)?)
    }

    async fn shown_users(&self, rows: Vec<UserRow>) -> Result<Vec<UserView>, Refusal> {
        let ids = rows.iter().map(|row| row.person.user_id).collect();
        let mut teams = HashMap::<i64, Vec<TeamChoice>>::new();
        for (user_id, team, role) in teams::list_of_users(&self.app.db, ids).await? {
            teams.entry(user_id).or_default().push(TeamChoice {
                id: view::team_id(team.team_id),
                name: team.name,
                role: role.name().to_owned(),
            });
        }
        let shown = |row: UserRow| UserView {
            id: view::user_id(row.person.user_id),
            teams: teams.remove(&row.person.user_id).unwrap_or_default(),
            email: row.person.email,
            is_admin: row.person.is_admin,
            created_at: Time(row.created_at_ms),
            suspended_at: view::time(row.disabled_at_ms),
        };
        Ok(rows.into_iter().map(shown).collect())
    }

    async fn change_user(&self, user: &str, change: UserPatch) -> Result<UserView, Refusal> {
        let admin = self.admin()?;
        let user_id = super::parse(Kind::User, user)?;
        if let Some(suspended) = change.suspended {
            self.refuse_oneself(user_id)?;
            self.demand_confirmed()?;
            let before = self.app.auth.user(admin, user_id).await?;
            let action = match suspended {
                true => {
                    self.app.auth.disable_user(admin, user_id, self.now_ms()).await?;
                    "user.suspend"
                }
                false => {
                    self.app.auth.enable_user(admin, user_id).await?;
                    "user.resume"
                }
            };
            self.app.keys.forget_user(user_id);
            self.record(Change {
                action,
                target: user,
                before: json!({"suspended": before.disabled_at_ms.is_some()}),
                after: json!({"suspended": suspended}),
                ..Change::default()
            })
            .await?;
        }
        self.read_user(user).await
    }

    async fn remove_user(&self, user: &str) -> Result<(), Refusal> {
        let admin = self.admin()?;
        let user_id = super::parse(Kind::User, user)?;
        self.refuse_oneself(user_id)?;
        self.demand_confirmed()?;
        let before = self.app.auth.user(admin, user_id).await?;
        let closed = teams::delete_user(&self.app.db, admin, user_id, self.now_ms()).await?;
        self.app.auth.forget_user(user_id);
        self.app.keys.forget_user(user_id);
        let teams: Vec<String> = closed.iter().copied().map(view::team_id).collect();
        self.record(Change {
            action: "user.delete",
            target: user,
            before: json!({"email": before.person.email, "is_admin": before.person.is_admin}),
            after: json!({"closed_teams": teams}),
            ..Change::default()
        })
        .await?;
        self.close_teams(&closed).await;
        self.app.mail.forget(&self.app.db, &before.person.email).await?;
        Ok(())
    }

    fn refuse_oneself(&self, user_id: i64) -> Result<(), Refusal> {
        if self.admin()?.user_id == user_id {
            let refused = "This is you. Another platform admin has to do it.";
            return Err(ApiError::because(Code::Conflict, refused).into());
        }
        Ok(())
    }
}
