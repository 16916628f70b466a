//! Invitations: owners and admins of a team invite into it, whoever has the link may accept.
//!
//! Invariant: a token is in the answer to who made the invitation, once, and in no audit record. Reads and writes what
//! `teams::invitations` and signing up do.

use super::{Change, Principal, Refusal, view};
use crate::{
    auth::{NewUser, Person, parse_email},
    teams::{
        Role,
        invitations::{self, GuestError, InvitationRow, Offer, Welcomed},
    },
};
use async_trait::async_trait;
use frontend::api::{
    ApiError, Code, Nano, Page, PageQuery, Time,
    invitations::{InvitationMade, InvitationView, Invitations, JoinedView, NewInvitation, OfferView, page_of},
    session::SetCookie,
};
use gateway_core::id::{self, Kind};
use serde_json::{Value, json};

#[async_trait]
impl Invitations for Principal {
    async fn list_invitations(&self, team: &str, page: PageQuery) -> Result<Page<InvitationView>, ApiError> {
        self.answer(self.read_invitations(team, &page).await)
    }

    async fn create_invitation(&self, team: &str, new: NewInvitation) -> Result<InvitationMade, ApiError> {
        self.answer(self.invite(team, new).await)
    }

    async fn revoke_invitation(&self, team: &str, id: &str) -> Result<(), ApiError> {
        self.answer(self.take_back(team, id).await)
    }

    async fn offer(&self, token: &str) -> Result<OfferView, ApiError> {
        self.answer(self.read_offer(token).await)
    }

    async fn accept_invitation(&self, token: &str) -> Result<JoinedView, ApiError> {
        self.answer(self.join(token).await)
    }

    async fn sign_up_invited(&self, email: String, password: String, token: &str) -> Result<SetCookie, ApiError> {
        self.answer(self.join_anew(&email, &password, token).await)
    }
}

impl Principal {
    async fn read_invitations(&self, team: &str, query: &PageQuery) -> Result<Page<InvitationView>, Refusal> {
        let scope = self.scope(team).await?;
        let after = view::after(query, Kind::Invitation)?;
        let rows = self
            .app
            .invitations
            .list(&scope, after, view::limit(query), self.now_ms())
            .await?;
        let page = view::page(query, rows, |row| invitation_id(row.invitation_id));
        Ok(Page {
            data: page.data.into_iter().map(shown).collect(),
            next: page.next,
        })
    }

    async fn invite(&self, team: &str, new: NewInvitation) -> Result<InvitationMade, Refusal> {
        let scope = self.scope(team).await?;
        if [Role::Owner, Role::Admin].map(Role::name).contains(&new.role.as_str()) {
            scope.demand(crate::teams::Right::ManageTeam)?;
            self.demand_confirmed()?;
        }
        if let Some(Ok(email)) = new.email.as_deref().map(parse_email) {
            scope.demand(crate::teams::Right::ManageTeam)?;
            self.app.auth.count_link(&email, &self.visit.visitor)?;
        }
        let nano = |cap: Option<Nano>| cap.map(|cap| cap.0);
        let new = invitations::NewInvitation {
            email: new.email,
            role: new.role,
            cap_day: nano(new.cap_day),
            cap_month: nano(new.cap_month),
        };
        let (row, token) = self.app.invitations.create(&scope, new, self.now_ms()).await?;
        self.record_invitation(
            "invitation.create",
            (Value::Null, json!(row)),
            (scope.team_id(), row.invitation_id),
        )
        .await?;
        Ok(InvitationMade {
            path: page_of(&token),
            is_mailed: row.email.is_some() && self.app.mail.server().is_some(),
            view: shown(row),
        })
    }

    async fn take_back(&self, team: &str, id: &str) -> Result<(), Refusal> {
        let scope = self.scope(team).await?;
        let id = super::parse(Kind::Invitation, id)?;
        let before = self.app.invitations.revoke(&scope, id, self.now_ms()).await?;
        self.record_invitation("invitation.revoke", (json!(before), Value::Null), (scope.team_id(), id))
            .await
    }

    async fn read_offer(&self, token: &str) -> Result<OfferView, Refusal> {
        let offer = self.app.invitations.offer(token, self.now_ms()).await?;
        Ok(OfferView {
            may_sign_up: self.may_sign_up(&offer, token).await?,
            team_name: offer.team_name,
            role: offer.role.name().to_owned(),
            email: offer.email,
            invited_by: offer.invited_by,
            expires_at: Time(offer.expires_at_ms),
        })
    }

    async fn join(&self, token: &str) -> Result<JoinedView, Refusal> {
        let person = self.person()?;
        let welcomed = self.app.invitations.accept(token, person, self.now_ms()).await?;
        self.record_joined(&welcomed).await?;
        Ok(JoinedView {
            team_id: view::team_id(welcomed.team_id),
            role: welcomed.role.name().to_owned(),
        })
    }

    async fn join_anew(&self, email: &str, password: &str, token: &str) -> Result<SetCookie, Refusal> {
        let offer = self.app.invitations.offer(token, self.now_ms()).await?;
        if !self.may_sign_up(&offer, token).await? {
            let refused = match offer.email {
                Some(_) => "Addresses are proven here. Open the link in the mail that was sent to the invited address.",
                None => {
                    "Addresses are proven here, and this link is for anybody. Ask for an invitation to your address."
                }
            };
            return Err(ApiError::because(Code::Forbidden, refused).into());
        }
        let (new, visitor) = (NewUser { email, password }, &self.visit.visitor);
        let made = self.app.invitations.sign_up(&self.app.auth, new, token, visitor).await;
        let (opened, welcomed) = made.map_err(|error| match error {
            GuestError::Auth(error) => Refusal::from(error),
            GuestError::Team(error) => error.into(),
        })?;
        self.record_guest(&opened.session.person, &welcomed).await?;
        Ok(self.cookie(&opened.cookie))
    }

    /// Notes that somebody signed up to join.
    pub(super) async fn record_guest(&self, person: &Person, welcomed: &Welcomed) -> Result<(), Refusal> {
        self.record(Change {
            team_id: Some(welcomed.team_id),
            action: "user.sign_up",
            target: &view::user_id(person.user_id),
            after: json!({"email": person.email, "is_admin": person.is_admin}),
            ..Change::default()
        })
        .await?;
        self.record_joined(welcomed).await
    }

    /// Whether `token` makes an account: where addresses are proven, only one from the mail to that address does.
    async fn may_sign_up(&self, offer: &Offer, token: &str) -> Result<bool, Refusal> {
        let is_proven = offer.email.is_some() && self.app.invitations.is_mailed(token);
        Ok(is_proven || !self.app.auth.verifies_sign_ups().await?)
    }

    async fn record_joined(&self, welcomed: &Welcomed) -> Result<(), Refusal> {
        let after = json!({"role": welcomed.role});
        let about = (welcomed.team_id, welcomed.invitation_id);
        self.record_invitation("invitation.accept", (Value::Null, after), about)
            .await
    }

    async fn record_invitation(
        &self,
        action: &'static str,
        (before, after): (Value, Value),
        (team_id, id): (i64, i64),
    ) -> Result<(), Refusal> {
        self.record(Change {
            team_id: Some(team_id),
            action,
            target: &invitation_id(id),
            before,
            after,
        })
        .await
    }
}

fn invitation_id(id: i64) -> String {
    id::render(Kind::Invitation, id)
}

fn shown(row: InvitationRow) -> InvitationView {
    InvitationView {
        id: invitation_id(row.invitation_id),
        email: row.email,
        role: row.role.name().to_owned(),
        cap_day: view::nano(row.cap_day),
        cap_month: view::nano(row.cap_month),
        invited_by: row.created_by.1,
        created_at: Time(row.created_at_ms),
        expires_at: Time(row.expires_at_ms),
        state: row.state.name().to_owned(),
        accepted_by: row.accepted_by.map(view::user_id),
    }
}
