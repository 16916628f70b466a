//! Signing in by a service elsewhere: leaving for it, coming back, and the accounts there that are linked.
//!
//! Invariant: what is kept meanwhile is sealed for this browser and opens for ten minutes; an account there is linked after the
//! password alone, and only by who is signed in. Reads and writes what `auth` and `teams::invitations` do.

use super::{Change, Principal, Refusal, flash::Seal, view};
use crate::auth::{AuthError, Entered, Found, Linked, Person, ProviderError, ProviderKind, Returned, Ticket, Vouched};
use crate::teams::invitations::GuestError;
use async_trait::async_trait;
use frontend::api::{
    ApiError, Code, Flash, Time, flash,
    invitations::page_of,
    session::SetCookie,
    sign_in::{IdentityView, PasskeyView, ProviderView, SignIns, WaysInView},
};
use gateway_core::id::{self, Kind};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What a browser keeps while it is away.
const AWAY: Seal = Seal {
    name: "away",
    life_ms: AWAY_S * 1_000,
};
const AWAY_S: i64 = 600;
/// How long a flash is kept, in seconds.
const FLASH_S: i64 = 60;
const SECURITY: &str = "/settings/security";

/// What somebody leaves for.
#[derive(Serialize, Deserialize)]
pub enum Purpose {
    /// Signing in or up, perhaps by an invitation.
    Enter {
        /// Its token.
        invite: Option<String>,
    },
    /// Linking the account there.
    Link,
    /// Saying that it is them, before something grave on the page `to`.
    Confirm {
        /// The page.
        to: String,
    },
}

/// Where a browser is led, with which cookies.
pub struct Led {
    /// The page, here or elsewhere.
    pub to: String,
    /// `Set-Cookie` headers.
    pub cookies: Vec<String>,
}

impl Led {
    /// To the page `to`.
    #[must_use]
    pub fn to(to: impl Into<String>) -> Self {
        Self {
            to: to.into(),
            cookies: Vec::new(),
        }
    }

    fn with(mut self, cookie: impl Into<Option<String>>) -> Self {
        self.cookies.extend(cookie.into());
        self
    }
}

/// What is sealed for the way.
#[derive(Serialize, Deserialize)]
enum Kept {
    /// A question is open at a service.
    Asked { ticket: Ticket, purpose: Purpose },
    /// A service vouched for a user who has a second factor; by what it told, the account there is linked after it.
    Vouched { user_id: i64, to_link: Option<Vouched> },
}

impl Principal {
    /// Leads to the service `provider`.
    pub async fn leave_for(&self, provider: &str, purpose: Purpose) -> Led {
        let page = back_to(&purpose);
        match self.try_leave(provider, purpose).await {
            Ok(led) => led,
            Err(refusal) => self.lead_with(&page, refusal),
        }
    }

    /// Takes what a service led back with, and what this browser kept.
    pub async fn come_back(&self, provider: &str, kept: Option<String>, returned: &Returned) -> Led {
        let asked = match self.open_kept(kept.as_deref()) {
            Some(Kept::Asked { ticket, purpose }) if ticket.provider.name() == provider => Some((ticket, purpose)),
            _ => None,
        };
        // Nothing is heard twice.
        let forget = self.away("", 0);
        let Some((ticket, purpose)) = asked else {
            let page = if self.is_signed_in() { SECURITY } else { "/login" };
            return self.lead_with(page, ProviderError::Stray.into()).with(forget);
        };
        let page = back_to(&purpose);
        match self.try_return(&ticket, purpose, returned).await {
            // What is kept next takes its place.
            Ok(led) if led.cookies.iter().any(|cookie| cookie.starts_with(self.away_cookie())) => led,
            Ok(led) => led.with(forget),
            Err(refusal) => self.lead_with(&page, refusal).with(forget),
        }
    }

    async fn try_leave(&self, provider: &str, purpose: Purpose) -> Result<Led, Refusal> {
        let kind = ProviderKind::parse(provider).ok_or(ProviderError::Unknown)?;
        match &purpose {
            Purpose::Enter { .. } => {}
            Purpose::Link => {
                self.browser()?;
                if !self.is_confirmed() {
                    return Ok(Led::to(flash::confirm_page(SECURITY)));
                }
            }
            Purpose::Confirm { .. } => {
                self.browser()?;
            }
        }
        let is_anew = matches!(purpose, Purpose::Confirm { .. });
        let callback = format!("{}/login/with/{}/back", self.visit.origin, kind.name());
        let (to, ticket) = self.app.auth.ask_provider(kind, &callback, is_anew).await?;
        let kept = self.seal_kept(&Kept::Asked { ticket, purpose })?;
        Ok(Led::to(to).with(self.away(&kept, AWAY_S)))
    }

    async fn try_return(&self, ticket: &Ticket, purpose: Purpose, returned: &Returned) -> Result<Led, Refusal> {
        let auth = &self.app.auth;
        let heard = || auth.hear_provider(ticket, returned, &self.visit.visitor);
        match purpose {
            Purpose::Enter { invite } => self.enter(heard().await?, invite).await,
            Purpose::Link => {
                let session = self.browser()?;
                self.demand_confirmed()?;
                let vouched = heard().await?;
                let person = &session.person;
                let theirs = (person, Some(session));
                let linked = auth.link(&self.app.mail, theirs, &vouched, self.now_ms()).await?;
                self.record_linked("identity.link", person, (linked, vouched.provider))
                    .await?;
                let note = format!("{} signs you in from now on.", auth.provider_label(vouched.provider));
                Ok(self.lead_saying(SECURITY, note))
            }
            Purpose::Confirm { to } => {
                let session = self.browser()?;
                let vouched = heard().await?;
                let opened = auth.step_up_vouched(session, &vouched, &self.visit.visitor).await;
                let opened = opened.map_err(|error| match error {
                    AuthError::WrongCredentials => {
                        let words = "That account is not linked to yours. Choose the one that is.";
                        Refusal::from(ApiError::because(Code::Forbidden, words))
                    }
                    other => other.into(),
                })?;
                let led = self.lead_saying(flash::own_page(&to), "It is you. Now do it again.".to_owned());
                Ok(led.with(self.cookie(&opened.cookie).0))
            }
        }
    }

    /// Signs in, or up, whoever `vouched` is about.
    async fn enter(&self, vouched: Vouched, invite: Option<String>) -> Result<Led, Refusal> {
        let (auth, visitor) = (&self.app.auth, &self.visit.visitor);
        let invite = invite.filter(|token| !token.is_empty());
        let Some(Found { person, linked }) = auth.find_vouched(&self.app.mail, &vouched, self.now_ms()).await? else {
            return self.sign_up_by(vouched, invite).await;
        };
        if let Linked::Now(linked) = linked {
            self.record_linked("identity.link", &person, (linked, vouched.provider))
                .await?;
        }
        match auth.enter(person, visitor).await? {
            Entered::In(opened) => {
                let to = invite.map_or_else(|| "/overview".to_owned(), |token| page_of(&token));
                Ok(Led::to(to).with(self.cookie(&opened.cookie).0))
            }
            Entered::Code(person) => {
                let kept = self.seal_kept(&Kept::Vouched {
                    user_id: person.user_id,
                    to_link: (linked == Linked::OnceIn).then_some(vouched),
                })?;
                Ok(Led::to("/login/code").with(self.away(&kept, AWAY_S)))
            }
        }
    }

    async fn sign_up_by(&self, vouched: Vouched, invite: Option<String>) -> Result<Led, Refusal> {
        let (auth, visitor) = (&self.app.auth, &self.visit.visitor);
        let provider = vouched.provider;
        let Some(token) = invite else {
            let (opened, made) = auth.sign_up_vouched(vouched, visitor, self.visit.is_local).await?;
            self.record_sign_up(&made).await?;
            self.record_by(&made.person, provider).await?;
            return Ok(Led::to("/overview").with(self.cookie(&opened.cookie).0));
        };
        let made = self
            .app
            .invitations
            .sign_up_vouched(auth, vouched, &token, visitor)
            .await;
        let (opened, welcomed) = made.map_err(|error| match error {
            GuestError::Auth(error) => Refusal::from(error),
            GuestError::Team(error) => error.into(),
        })?;
        self.record_guest(&opened.session.person, &welcomed).await?;
        self.record_by(&opened.session.person, provider).await?;
        let note = Flash {
            note: Some("You are in the team.".to_owned()),
            ..Flash::default()
        };
        let led = self.lead_leaving(opened.session.person.user_id, "/overview", note);
        Ok(led.with(self.cookie(&opened.cookie).0))
    }

    /// Notes what signs in a user who signed up just now.
    async fn record_by(&self, person: &Person, provider: ProviderKind) -> Result<(), Refusal> {
        let made = self.app.auth.list_identities(person).await?;
        match made.first() {
            Some(row) => {
                self.record_linked("identity.link", person, (row.identity_id, provider))
                    .await
            }
            None => Ok(()),
        }
    }

    async fn record_linked(
        &self,
        action: &'static str,
        person: &Person,
        (id, provider): (i64, ProviderKind),
    ) -> Result<(), Refusal> {
        let change = Change {
            action,
            target: &id::render(Kind::Identity, id),
            after: json!({"user": view::user_id(person.user_id), "provider": provider.name()}),
            ..Change::default()
        };
        self.record_as(Some(person.user_id), change).await
    }

    /// The name of the cookie that is kept while away.
    #[must_use]
    pub fn away_cookie(&self) -> &'static str {
        if self.app.edge.is_https() {
            "__Host-ourhub-away"
        } else {
            "ourhub-away"
        }
    }

    fn away(&self, value: &str, life_s: i64) -> String {
        self.short_cookie(self.away_cookie(), value, life_s)
    }

    fn short_cookie(&self, name: &str, value: &str, life_s: i64) -> String {
        let secure = if self.app.edge.is_https() { "; Secure" } else { "" };
        format!("{name}={value}; Path=/; Max-Age={life_s}; HttpOnly; SameSite=Lax{secure}")
    }

    fn seal_kept(&self, kept: &Kept) -> Result<String, Refusal> {
        let text = serde_json::to_string(kept).map_err(|_| Code::Internal)?;
        self.seal_text(&AWAY, &text)
    }

    fn open_kept(&self, kept: Option<&str>) -> Option<Kept> {
        serde_json::from_str(&self.open_text(&AWAY, kept?)?).ok()
    }

    /// To `page`, which says why something was refused.
    fn lead_with(&self, page: &str, refusal: Refusal) -> Led {
        let error = Some(refusal.told(&self.visit.request_id));
        self.lead_leaving(
            self.sealed_for(),
            page,
            Flash {
                error,
                ..Flash::default()
            },
        )
    }

    fn lead_saying(&self, page: &str, note: String) -> Led {
        let note = Some(note);
        self.lead_leaving(
            self.sealed_for(),
            page,
            Flash {
                note,
                ..Flash::default()
            },
        )
    }

    /// To `to`, with what is `left` for the user `user_id`.
    fn lead_leaving(&self, user_id: i64, to: &str, left: Flash) -> Led {
        let page = to.split('?').next().unwrap_or_default().to_owned();
        let text = serde_json::to_string(&Flash { page, ..left }).unwrap_or_default();
        let sealed = self.seal_for(user_id, &super::flash::FLASH, &text).ok();
        Led::to(to).with(sealed.map(|sealed| self.short_cookie(flash::COOKIE, &sealed, FLASH_S)))
    }

    async fn read_ways_in(&self) -> Result<WaysInView, Refusal> {
        let person = self.real_person()?;
        let auth = &self.app.auth;
        let identities = auth.list_identities(person).await?;
        let passkeys = auth.list_passkeys(person).await?;
        let confirms_otherwise = auth.confirms_otherwise(person).await?;
        Ok(WaysInView {
            has_password: auth.has_password(person).await?,
            providers: self.providers(),
            identities: identities
                .into_iter()
                .map(|row| IdentityView {
                    id: id::render(Kind::Identity, row.identity_id),
                    provider: row.provider.name().to_owned(),
                    confirms: row.provider.confirms() || !confirms_otherwise,
                    label: auth.provider_label(row.provider),
                    email: row.email,
                    created_at: Time(row.created_at_ms),
                    last_used_at: row.last_used_at_ms.map(Time),
                })
                .collect(),
            passkeys: passkeys
                .into_iter()
                .map(|row| PasskeyView {
                    id: id::render(Kind::Passkey, row.passkey_id),
                    name: row.name,
                    created_at: Time(row.created_at_ms),
                    last_used_at: row.last_used_at_ms.map(Time),
                })
                .collect(),
        })
    }

    async fn drop_identity(&self, id: &str) -> Result<(), Refusal> {
        let person = &self.browser()?.person;
        self.demand_confirmed()?;
        let identity_id = super::parse(Kind::Identity, id)?;
        let (auth, mail) = (&self.app.auth, &self.app.mail);
        let (provider, email) = auth.unlink(mail, person, identity_id, self.now_ms()).await?;
        self.record(Change {
            action: "identity.unlink",
            target: id,
            before: json!({"provider": provider, "email": email}),
            ..Change::default()
        })
        .await
    }

    async fn finish_with(&self, kept: Option<&str>, code: &str) -> Result<SetCookie, Refusal> {
        let Some(Kept::Vouched { user_id, to_link }) = self.open_kept(kept) else {
            return Err(ProviderError::Stray.into());
        };
        let opened = self.app.auth.enter_with(user_id, code, &self.visit.visitor).await;
        let opened = opened.map_err(|error| match error {
            AuthError::WrongCredentials => Refusal::from(ApiError::field("code", "This code is wrong, or was used.")),
            other => other.into(),
        })?;
        if let Some(vouched) = to_link {
            let person = &opened.session.person;
            let linked = self
                .app
                .auth
                .link(&self.app.mail, (person, None), &vouched, self.now_ms());
            match linked.await {
                Ok(linked) => {
                    self.record_linked("identity.link", person, (linked, vouched.provider))
                        .await?;
                }
                // Meanwhile it was linked, or they changed their address: they are signed in all the same.
                Err(AuthError::IdentityTaken | AuthError::LinkRefused) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Ok(self.cookie(&opened.cookie))
    }
}

#[async_trait]
impl SignIns for Principal {
    fn providers(&self) -> Vec<ProviderView> {
        let listed = self.app.auth.providers().iter().map(|provider| ProviderView {
            id: provider.kind.name().to_owned(),
            label: provider.label.clone(),
        });
        listed.collect()
    }

    async fn ways_in(&self) -> Result<WaysInView, ApiError> {
        self.answer(self.read_ways_in().await)
    }

    async fn unlink(&self, id: String) -> Result<(), ApiError> {
        self.answer(self.drop_identity(&id).await)
    }

    fn away_cookie_name(&self) -> &'static str {
        self.away_cookie()
    }

    async fn finish_log_in(&self, kept: Option<String>, code: String) -> Result<SetCookie, ApiError> {
        self.answer(self.finish_with(kept.as_deref(), &code).await)
    }

    async fn passkey_options(&self, purpose: &str) -> Result<Option<String>, ApiError> {
        self.answer(self.ask_passkey(purpose).await)
    }

    async fn add_passkey(&self, name: String, answer: String) -> Result<(), ApiError> {
        self.answer(self.keep_passkey(&name, &answer).await)
    }

    async fn remove_passkey(&self, id: String) -> Result<(), ApiError> {
        self.answer(self.drop_passkey(&id).await)
    }

    async fn log_in_by_passkey(&self, answer: String) -> Result<SetCookie, ApiError> {
        self.answer(self.enter_by_passkey(&answer).await)
    }

    async fn confirm_by_passkey(&self, answer: String) -> Result<SetCookie, ApiError> {
        self.answer(self.step_up_by_passkey(&answer).await)
    }
}

/// The page that says what became of it.
fn back_to(purpose: &Purpose) -> String {
    match purpose {
        Purpose::Enter { invite: Some(token) } => page_of(token),
        Purpose::Enter { invite: None } => "/login".to_owned(),
        Purpose::Link => SECURITY.to_owned(),
        Purpose::Confirm { to } => flash::confirm_page(flash::own_page(to)),
    }
}
