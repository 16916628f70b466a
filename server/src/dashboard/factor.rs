//! The second factor: one's own, and platform admins reset another's.
//!
//! Invariant: it is set up, shown, renewed and turned off after the password or a code alone. Reads and writes what `auth` does.

use super::{Change, Principal, Refusal, view};
use crate::auth::{AuthError, Factor};
use async_trait::async_trait;
use frontend::api::{
    ApiError, Code, Time,
    factor::{EnrolmentView, FactorView, Factors},
};
use gateway_core::id::Kind;
use qrcode::{Color, EcLevel, QrCode};
use std::fmt::Write as _;

/// Light modules around a QR code.
const QUIET: usize = 4;

#[async_trait]
impl Factors for Principal {
    async fn factor(&self) -> Result<FactorView, ApiError> {
        self.answer(self.read_factor().await)
    }

    async fn begin_factor(&self) -> Result<(), ApiError> {
        self.answer(self.start_factor().await)
    }

    async fn enrolment(&self) -> Result<EnrolmentView, ApiError> {
        self.answer(self.read_enrolment().await)
    }

    async fn confirm_factor(&self, code: String) -> Result<Vec<String>, ApiError> {
        self.answer(self.turn_on(&code).await)
    }

    async fn renew_codes(&self) -> Result<Vec<String>, ApiError> {
        self.answer(self.new_codes().await)
    }

    async fn disable_factor(&self) -> Result<(), ApiError> {
        self.answer(self.turn_off().await)
    }

    async fn reset_factor(&self, user: &str) -> Result<(), ApiError> {
        self.answer(self.turn_off_another(user).await)
    }
}

impl Principal {
    async fn read_factor(&self) -> Result<FactorView, Refusal> {
        let factor = self.app.auth.factor(self.real_person()?).await?;
        let (since, codes_left) = match factor {
            Factor::On { since_ms, codes_left } => (Some(Time(since_ms)), codes_left),
            Factor::Off | Factor::Begun => (None, 0),
        };
        Ok(FactorView {
            is_on: since.is_some(),
            is_begun: factor == Factor::Begun,
            since,
            codes_left,
        })
    }

    async fn start_factor(&self) -> Result<(), Refusal> {
        let person = &self.browser()?.person;
        self.demand_confirmed()?;
        Ok(self.app.auth.begin_factor(person, self.now_ms()).await?)
    }

    async fn read_enrolment(&self) -> Result<EnrolmentView, Refusal> {
        let person = &self.browser()?.person;
        self.demand_confirmed()?;
        let url = self.app.mail.public_url();
        let host = url.split_once("://").map_or(url, |(_, host)| host);
        let with = self.app.auth.enrolment(person, &format!("OurHub {host}")).await?;
        let (qr, qr_side) = draw(with.uri.expose()).ok_or(Code::Internal)?;
        Ok(EnrolmentView {
            secret: with.secret.expose().to_owned(),
            qr,
            qr_side,
        })
    }

    async fn turn_on(&self, code: &str) -> Result<Vec<String>, Refusal> {
        let person = &self.browser()?.person;
        self.demand_confirmed()?;
        let (auth, mail) = (&self.app.auth, &self.app.mail);
        let codes = auth.confirm_factor(mail, person, code, self.now_ms()).await?;
        self.record_self(person, "factor.enable").await?;
        Ok(codes)
    }

    async fn new_codes(&self) -> Result<Vec<String>, Refusal> {
        let person = &self.browser()?.person;
        self.demand_confirmed()?;
        let codes = self.app.auth.renew_codes(person).await?;
        self.record_self(person, "factor.renew_codes").await?;
        Ok(codes)
    }

    async fn turn_off(&self) -> Result<(), Refusal> {
        let person = &self.browser()?.person;
        self.demand_confirmed()?;
        let words = "No code of an authenticator app is asked for any more when you log in.";
        let (auth, mail) = (&self.app.auth, &self.app.mail);
        auth.remove_factor(mail, person.user_id, words, self.now_ms()).await?;
        self.record_self(person, "factor.disable").await
    }

    async fn turn_off_another(&self, user: &str) -> Result<(), Refusal> {
        self.admin()?;
        self.demand_confirmed()?;
        let user_id = super::parse(Kind::User, user)?;
        let words =
            "An admin turned off your authenticator app: no code is asked for when you log in. Set it up again.";
        let (auth, mail) = (&self.app.auth, &self.app.mail);
        let removed = auth.remove_factor(mail, user_id, words, self.now_ms()).await;
        let person = removed.map_err(|error| match error {
            AuthError::NotFound => ApiError::because(Code::NotFound, "This user has no authenticator app.").into(),
            other => Refusal::from(other),
        })?;
        self.record(Change {
            action: "factor.reset",
            target: &view::user_id(person.user_id),
            ..Change::default()
        })
        .await
    }
}

/// `text` as a QR code: the dark modules as an SVG path, and the modules of a side.
fn draw(text: &str) -> Option<(String, u32)> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let (width, colors) = (code.width(), code.to_colors());
    let mut path = String::new();
    for (y, row) in colors.chunks(width).enumerate() {
        for (x, _) in row.iter().enumerate().filter(|(_, color)| **color == Color::Dark) {
            let _ = write!(path, "M{} {}h1v1h-1z", x + QUIET, y + QUIET);
        }
    }
    Some((path, u32::try_from(width + 2 * QUIET).ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_qr_code_begins_with_its_finder_pattern_behind_the_quiet_zone() {
        let (path, side) = draw("otpauth://totp/x?secret=ABC").unwrap();
        assert!(path.starts_with("M4 4h1v1h-1zM5 4h1v1h-1z"), "{path}");
        assert!(side >= 29 && path.chars().all(|letter| "Mhvz- 0123456789".contains(letter)));
    }
}
