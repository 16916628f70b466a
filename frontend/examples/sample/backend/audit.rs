//! The sample audit log, and who may sign up.
//!
//! Invariant: nothing here is changed by a call. Pure.

use super::{MINUTE, NOW, Sample, named, refused};
use async_trait::async_trait;
use frontend::api::audit::{AuditFilter, AuditReads, AuditView};
use frontend::api::sign_up::{SignUpPatch, SignUpView, SignUps};
use frontend::api::{ApiError, Page, PageQuery, Time};
use serde_json::json;

fn line(minutes: i64, action: &str, target: &str) -> AuditView {
    AuditView {
        id: format!("aud_{minutes}"),
        at: Time(NOW - minutes * MINUTE),
        actor: Some(named("user_1", "mira@harbor-robotics.io")),
        acting_as: None,
        address: "203.0.113.24".to_owned(),
        team: Some(named("team_1", "Harbor Robotics")),
        action: action.to_owned(),
        target: target.to_owned(),
        before: json!({"role": "member"}),
        after: json!({"role": "admin"}),
    }
}

#[async_trait]
impl AuditReads for Sample {
    async fn audit(&self, _: &str, _: AuditFilter, _: PageQuery) -> Result<Page<AuditView>, ApiError> {
        Ok(self.some(vec![
            line(4, "member.update", "user_2"),
            line(90, "key.create", "key_1"),
        ]))
    }

    async fn all_audit(&self, filter: AuditFilter, page: PageQuery) -> Result<Page<AuditView>, ApiError> {
        self.demand_admin()?;
        self.audit("team_1", filter, page).await
    }
}

#[async_trait]
impl SignUps for Sample {
    async fn sign_up_policy(&self) -> Result<SignUpView, ApiError> {
        Ok(SignUpView {
            mode: "open".to_owned(),
            domains: vec!["harbor-robotics.io".to_owned()],
        })
    }

    async fn update_sign_up_policy(&self, _: SignUpPatch) -> Result<SignUpView, ApiError> {
        refused()
    }
}
