//! Who may sign up: platform admins say, anybody may read it.
//!
//! Invariant: where not everybody may sign up, only platform admins make teams. Reads and writes what `auth` does.

use super::{Change, Principal, Refusal};
use crate::auth::{SignUpMode, SignUpPolicy};
use async_trait::async_trait;
use frontend::api::{
    ApiError, Code,
    sign_up::{SignUpPatch, SignUpView, SignUps},
};
use serde_json::json;

#[async_trait]
impl SignUps for Principal {
    async fn sign_up_policy(&self) -> Result<SignUpView, ApiError> {
        let policy = self.app.auth.sign_up_policy().await;
        self.answer(policy.map(shown).map_err(Refusal::from))
    }

    async fn update_sign_up_policy(&self, change: SignUpPatch) -> Result<SignUpView, ApiError> {
        self.answer(self.change_sign_up(change).await)
    }
}

impl Principal {
    async fn change_sign_up(&self, change: SignUpPatch) -> Result<SignUpView, Refusal> {
        let admin = self.admin()?;
        self.demand_confirmed()?;
        let mut policy = self.app.auth.sign_up_policy().await?;
        if let Some(name) = change.mode {
            let unknown = || {
                let message = format!("“{name}” is not a mode. Use open, invited or closed.");
                ApiError::field("mode", message)
            };
            policy.mode = SignUpMode::parse(&name).ok_or_else(unknown)?;
        }
        if let Some(domains) = change.domains {
            policy.domains = domains;
        }
        let (before, after) = self.app.auth.set_sign_up_policy(admin, policy).await?;
        self.record(Change {
            action: "setting.sign_up",
            target: "sign_up",
            before: json!(before),
            after: json!(after),
            ..Change::default()
        })
        .await?;
        Ok(shown(after))
    }

    /// Whether the signed-in person may make teams.
    pub(super) async fn may_make_teams(&self) -> Result<bool, Refusal> {
        let is_open = self.app.auth.sign_up_policy().await?.mode == SignUpMode::Open;
        Ok(is_open || self.person()?.is_admin)
    }

    pub(super) async fn demand_may_make_teams(&self) -> Result<(), Refusal> {
        if self.may_make_teams().await? {
            return Ok(());
        }
        Err(ApiError::because(
            Code::Forbidden,
            "Here only platform admins make teams. Ask one of them.",
        )
        .into())
    }
}

fn shown(policy: SignUpPolicy) -> SignUpView {
    SignUpView {
        mode: policy.mode.name().to_owned(),
        domains: policy.domains,
    }
}
