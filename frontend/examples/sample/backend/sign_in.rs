//! The sample ways in: two services, of which one is linked, and a passkey, for whoever has data.
//!
//! Invariant: nothing here is changed by a call. Pure.

use super::{DAY, NOW, Sample, refused};
use async_trait::async_trait;
use frontend::api::session::SetCookie;
use frontend::api::sign_in::{IdentityView, PasskeyView, ProviderView, SignIns, WaysInView};
use frontend::api::{ApiError, Time};

#[async_trait]
impl SignIns for Sample {
    fn providers(&self) -> Vec<ProviderView> {
        let provider = |id: &str, label: &str| ProviderView {
            id: id.to_owned(),
            label: label.to_owned(),
        };
        vec![provider("google", "Google"), provider("github", "GitHub")]
    }

    async fn ways_in(&self) -> Result<WaysInView, ApiError> {
        let identity = IdentityView {
            id: "idn_1".to_owned(),
            provider: "google".to_owned(),
            label: "Google".to_owned(),
            email: "mira@harbor-robotics.io".to_owned(),
            confirms: true,
            created_at: Time(NOW - 90 * DAY),
            last_used_at: Some(Time(NOW - DAY)),
        };
        let passkey = PasskeyView {
            id: "psk_1".to_owned(),
            name: "Laptop".to_owned(),
            created_at: Time(NOW - 30 * DAY),
            last_used_at: None,
        };
        Ok(WaysInView {
            has_password: self.has_data(),
            providers: self.providers(),
            identities: vec![identity],
            passkeys: self.some(vec![passkey]).data,
        })
    }

    async fn unlink(&self, _: String) -> Result<(), ApiError> {
        refused()
    }

    fn away_cookie_name(&self) -> &'static str {
        "ourhub-away"
    }

    async fn finish_log_in(&self, _: Option<String>, _: String) -> Result<SetCookie, ApiError> {
        refused()
    }

    async fn passkey_options(&self, _: &str) -> Result<Option<String>, ApiError> {
        Ok(Some("{}".to_owned()))
    }

    async fn add_passkey(&self, _: String, _: String) -> Result<(), ApiError> {
        refused()
    }

    async fn remove_passkey(&self, _: String) -> Result<(), ApiError> {
        refused()
    }

    async fn log_in_by_passkey(&self, _: String) -> Result<SetCookie, ApiError> {
        refused()
    }

    async fn confirm_by_passkey(&self, _: String) -> Result<SetCookie, ApiError> {
        refused()
    }
}
