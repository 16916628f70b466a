//! The sample account.
//!
//! Invariant: nothing here is changed by a call. Pure.

use super::{DAY, NOW, Sample, refused};
use async_trait::async_trait;
use frontend::api::profile::{Profiles, TokenView};
use frontend::api::session::SetCookie;
use frontend::api::{ApiError, Time};

#[async_trait]
impl Profiles for Sample {
    async fn ask_reset(&self, _: String) -> Result<(), ApiError> {
        refused()
    }

    async fn reset_password(&self, _: String, _: String) -> Result<(), ApiError> {
        refused()
    }

    async fn finish_sign_up(&self, _: String, _: String) -> Result<SetCookie, ApiError> {
        refused()
    }

    async fn ask_email(&self, _: String) -> Result<(), ApiError> {
        refused()
    }

    async fn confirm_email(&self, _: String) -> Result<(), ApiError> {
        refused()
    }

    async fn end_other_sessions(&self) -> Result<(), ApiError> {
        refused()
    }

    async fn list_tokens(&self) -> Result<Vec<TokenView>, ApiError> {
        let token = TokenView {
            id: "tok_1".to_owned(),
            last_four: "x7Qa".to_owned(),
            created_at: Time(NOW - 3 * DAY),
        };
        Ok(self.some(vec![token]).data)
    }

    async fn create_token(&self) -> Result<String, ApiError> {
        refused()
    }

    async fn revoke_token(&self, _: String) -> Result<(), ApiError> {
        refused()
    }

    async fn export_self(&self) -> Result<String, ApiError> {
        refused()
    }

    async fn delete_self(&self, _: String) -> Result<SetCookie, ApiError> {
        refused()
    }
}
