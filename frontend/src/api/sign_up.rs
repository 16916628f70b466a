//! Who may sign up here: a setting of platform admins, which anybody may read.
//!
//! Invariant: a mode is open, invited or closed.

#[cfg(feature = "ssr")]
use super::flash::{self, Done};
#[cfg(feature = "ssr")]
use super::form::Form;
use super::{ApiError, patch};
use async_trait::async_trait;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// Who may sign up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignUpView {
    /// open, invited or closed.
    pub mode: String,
    /// Domains of addresses that may; empty: any.
    pub domains: Vec<String>,
}

/// What to change of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignUpPatch {
    /// open, invited or closed.
    #[serde(deserialize_with = "patch::required")]
    pub mode: Option<String>,
    /// Domains of addresses that may; null: any.
    #[serde(deserialize_with = "patch::or_default")]
    pub domains: Option<Vec<String>>,
}

/// What the server offers about signing up.
#[async_trait]
pub trait SignUps {
    /// Who may; anybody may ask.
    async fn sign_up_policy(&self) -> Result<SignUpView, ApiError>;
    /// Changes it; admins.
    async fn update_sign_up_policy(&self, change: SignUpPatch) -> Result<SignUpView, ApiError>;
}

/// The sign-up page, and the admins' page.
#[server(prefix = "/fn", endpoint = "sign_up_policy", input = leptos::server_fn::codec::GetUrl)]
pub async fn sign_up_policy() -> Result<SignUpView, ApiError> {
    super::backend()?.sign_up_policy().await
}

/// The admins' form.
#[server(prefix = "/fn", endpoint = "update_sign_up_policy")]
pub async fn update_sign_up_policy(
    #[server(default)] mode: String,
    #[server(default)] domains: String,
) -> Result<(), ApiError> {
    let typed = flash::typed([("mode", &mode), ("domains", &domains)]);
    let change = SignUpPatch {
        mode: Some(mode),
        domains: Some(Form::words(&domains)),
    };
    let result = super::backend()?.update_sign_up_policy(change).await;
    let done = result.map(|_| Done::to("/admin/sign-up").saying("Sign-up saved."));
    flash::finish("/admin/sign-up", typed, done)
}
