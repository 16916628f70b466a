//! The sample second factor: on for whoever has data.
//!
//! Invariant: nothing here is changed by a call. Pure.

use super::{DAY, NOW, Sample, refused};
use async_trait::async_trait;
use frontend::api::factor::{EnrolmentView, FactorView, Factors};
use frontend::api::{ApiError, Time};

#[async_trait]
impl Factors for Sample {
    async fn factor(&self) -> Result<FactorView, ApiError> {
        let is_on = self.has_data();
        Ok(FactorView {
            is_on,
            is_begun: false,
            since: is_on.then_some(Time(NOW - 30 * DAY)),
            codes_left: if is_on { 8 } else { 0 },
        })
    }

    async fn begin_factor(&self) -> Result<(), ApiError> {
        refused()
    }

    async fn enrolment(&self) -> Result<EnrolmentView, ApiError> {
        Ok(EnrolmentView {
            secret: "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP".to_owned(),
            qr: "M4 4h1v1h-1zM6 4h1v1h-1z".to_owned(),
            qr_side: 29,
        })
    }

    async fn confirm_factor(&self, _: String) -> Result<Vec<String>, ApiError> {
        refused()
    }

    async fn renew_codes(&self) -> Result<Vec<String>, ApiError> {
        refused()
    }

    async fn disable_factor(&self) -> Result<(), ApiError> {
        refused()
    }

    async fn reset_factor(&self, _: &str) -> Result<(), ApiError> {
        refused()
    }
}
