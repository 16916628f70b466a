//! The second factor: an authenticator app and recovery codes.
//!
//! Invariant: the app's secret is in no list and no cookie; recovery codes are shown once.

#[cfg(feature = "ssr")]
use super::flash::{self, Done};
use super::{ApiError, Time};
use async_trait::async_trait;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// What is known of one's second factor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactorView {
    /// Whether a code is asked for at log-in.
    pub is_on: bool,
    /// Whether an app was begun with, and no code shown yet.
    pub is_begun: bool,
    /// Since when it is asked for.
    pub since: Option<Time>,
    /// Recovery codes that are left.
    pub codes_left: u64,
}

/// What an app is set up with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolmentView {
    /// The secret, to be typed.
    pub secret: String,
    /// The QR code: the dark modules as the `d` of an SVG path, a module being one unit.
    pub qr: String,
    /// Modules of a side, the quiet zone included.
    pub qr_side: u32,
}

/// What the server offers about second factors.
#[async_trait]
pub trait Factors {
    /// One's own.
    async fn factor(&self) -> Result<FactorView, ApiError>;
    /// Begins with an app.
    async fn begin_factor(&self) -> Result<(), ApiError>;
    /// What the app is set up with, until its first code.
    async fn enrolment(&self) -> Result<EnrolmentView, ApiError>;
    /// Turns it on by the app's code; the recovery codes.
    async fn confirm_factor(&self, code: String) -> Result<Vec<String>, ApiError>;
    /// New recovery codes in place of those before.
    async fn renew_codes(&self) -> Result<Vec<String>, ApiError>;
    /// Turns it off.
    async fn disable_factor(&self) -> Result<(), ApiError>;
    /// Turns off another user's; platform admins.
    async fn reset_factor(&self, user: &str) -> Result<(), ApiError>;
}

/// One's own.
#[server(prefix = "/fn", endpoint = "factor", input = leptos::server_fn::codec::GetUrl)]
pub async fn factor() -> Result<FactorView, ApiError> {
    super::backend()?.factor().await
}

/// What the app is set up with.
#[server(prefix = "/fn", endpoint = "enrolment", input = leptos::server_fn::codec::GetUrl)]
pub async fn enrolment() -> Result<EnrolmentView, ApiError> {
    super::backend()?.enrolment().await
}

/// The button that begins.
#[server(prefix = "/fn", endpoint = "begin_factor")]
pub async fn begin_factor() -> Result<(), ApiError> {
    let result = super::backend()?.begin_factor().await;
    let done = Done::to("/settings/authenticator");
    flash::finish("/settings/security", flash::typed([]), result.map(|()| done))
}

/// The form with the first code.
#[server(prefix = "/fn", endpoint = "confirm_factor")]
pub async fn confirm_factor(#[server(default)] code: String) -> Result<(), ApiError> {
    let result = super::backend()?.confirm_factor(code).await;
    let done = |codes: Vec<String>| Done::to("/settings/recovery").revealing(codes.join("\n"));
    flash::finish("/settings/authenticator", flash::typed([]), result.map(done))
}

/// The button for new recovery codes.
#[server(prefix = "/fn", endpoint = "renew_codes")]
pub async fn renew_codes() -> Result<(), ApiError> {
    let result = super::backend()?.renew_codes().await;
    let done = |codes: Vec<String>| Done::to("/settings/recovery").revealing(codes.join("\n"));
    flash::finish("/settings/security", flash::typed([]), result.map(done))
}

/// The button that turns it off.
#[server(prefix = "/fn", endpoint = "disable_factor")]
pub async fn disable_factor() -> Result<(), ApiError> {
    let result = super::backend()?.disable_factor().await;
    let done = Done::to("/settings/security").saying("No code is asked for any more.");
    flash::finish("/settings/security", flash::typed([]), result.map(|()| done))
}

/// The button that turns off another user's.
#[server(prefix = "/fn", endpoint = "reset_factor")]
pub async fn reset_factor(#[server(default)] user: String) -> Result<(), ApiError> {
    let result = super::backend()?.reset_factor(&user).await;
    let done = Done::to("/admin/users").saying("No code is asked of them any more. They were told by mail.");
    flash::finish("/admin/users", flash::typed([]), result.map(|()| done))
}
