//! The sample invitations.
//!
//! Invariant: nothing here is changed by a call. Pure.

use super::{DAY, NOW, Sample, cents, refused};
use async_trait::async_trait;
use frontend::api::invitations::{InvitationMade, InvitationView, Invitations, JoinedView, NewInvitation, OfferView};
use frontend::api::session::SetCookie;
use frontend::api::{ApiError, Code, Page, PageQuery, Time};

fn invitation(id: &str, email: Option<&str>, state: &str) -> InvitationView {
    InvitationView {
        id: id.to_owned(),
        email: email.map(str::to_owned),
        role: "member".to_owned(),
        cap_day: None,
        cap_month: Some(cents(5_000)),
        invited_by: "mira@harbor-robotics.io".to_owned(),
        created_at: Time(NOW - DAY),
        expires_at: Time(NOW + 6 * DAY),
        state: state.to_owned(),
        accepted_by: None,
    }
}

#[async_trait]
impl Invitations for Sample {
    async fn list_invitations(&self, _: &str, _: PageQuery) -> Result<Page<InvitationView>, ApiError> {
        Ok(self.some(vec![
            invitation("inv_1", Some("lena@harbor-robotics.io"), "open"),
            invitation("inv_2", None, "expired"),
        ]))
    }

    async fn create_invitation(&self, _: &str, _: NewInvitation) -> Result<InvitationMade, ApiError> {
        Ok(InvitationMade {
            path: "/invite/t".to_owned(),
            is_mailed: false,
            view: invitation("inv_3", None, "open"),
        })
    }

    async fn revoke_invitation(&self, _: &str, _: &str) -> Result<(), ApiError> {
        refused()
    }

    async fn offer(&self, token: &str) -> Result<OfferView, ApiError> {
        if token != "t" {
            return Err(ApiError::new(Code::NotFound));
        }
        Ok(OfferView {
            team_name: "Harbor Robotics".to_owned(),
            role: "member".to_owned(),
            email: None,
            invited_by: "jonas@harbor-robotics.io".to_owned(),
            may_sign_up: true,
            expires_at: Time(NOW + 6 * DAY),
        })
    }

    async fn accept_invitation(&self, _: &str) -> Result<JoinedView, ApiError> {
        refused()
    }

    async fn sign_up_invited(&self, _: String, _: String, _: &str) -> Result<SetCookie, ApiError> {
        refused()
    }
}
