//! The sample users.
//!
//! Invariant: nothing here is changed by a call. Pure.

use super::{DAY, NOW, Sample, choice, refused};
use async_trait::async_trait;
use frontend::api::session::SetCookie;
use frontend::api::users::{UserPatch, UserView, Users};
use frontend::api::{ApiError, Code, Page, PageQuery, Time};

fn view(id: &str, email: &str, is_admin: bool) -> UserView {
    UserView {
        id: id.to_owned(),
        email: email.to_owned(),
        is_admin,
        teams: vec![choice("team_1", "Harbor Robotics")],
        created_at: Time(NOW - 90 * DAY),
        suspended_at: (id == "user_3").then_some(Time(NOW - DAY)),
    }
}

fn all() -> Vec<UserView> {
    vec![
        view("user_1", "mira@harbor-robotics.io", true),
        view("user_2", "jonas@harbor-robotics.io", false),
        view("user_3", "teo@harbor-robotics.io", false),
    ]
}

#[async_trait]
impl Users for Sample {
    async fn list_users(&self, search: Option<String>, _: PageQuery) -> Result<Page<UserView>, ApiError> {
        self.demand_admin()?;
        let sought = search.unwrap_or_default();
        let data = all().into_iter().filter(|user| user.email.contains(&sought)).collect();
        Ok(Page { data, next: None })
    }

    async fn user(&self, user: &str) -> Result<UserView, ApiError> {
        self.demand_admin()?;
        let found = all().into_iter().find(|view| view.id == user);
        found.ok_or_else(|| ApiError::new(Code::NotFound))
    }

    async fn update_user(&self, _: &str, _: UserPatch) -> Result<UserView, ApiError> {
        refused()
    }

    async fn delete_user(&self, _: &str) -> Result<(), ApiError> {
        refused()
    }

    async fn act_as(&self, _: &str) -> Result<SetCookie, ApiError> {
        refused()
    }

    async fn end_act_as(&self) -> Result<SetCookie, ApiError> {
        refused()
    }
}
