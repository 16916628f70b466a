//! Signing up, in and out, and who is signed in.
//!
//! Invariant: the cookie is `__Host-ourhub` with Secure over https, else `ourhub`; HttpOnly and SameSite=Lax always.
//! Reads and writes what `auth` does.

use super::{
    Change, Principal, Refusal, Who,
    flash::{FLASH, KEPT},
    view,
};
use crate::{
    alerts,
    auth::{ABSOLUTE_MS, AuthError, NewUser, Person, Session, UserMade},
    billing, cap_alerts,
    keys::KeyState,
    teams::{self, Right, TeamRow, TeamScope},
};
use async_trait::async_trait;
use frontend::api::{
    ApiError, Nano, Time,
    session::{SessionView, Sessions, SetCookie, SignedIn},
};
use gateway_core::id::{self, Kind};
use serde_json::json;

/// Keys counted for the first-steps list; more are not told apart.
const KEYS_COUNTED: u64 = 1_000;
/// What is said of a password that is not theirs.
const WRONG_PASSWORD: &str = "This is not your password.";
/// What is said of a code that is not theirs.
const WRONG_CODE: &str = "This code is wrong, or was used.";

/// The cookie's name over https, which no other host can set.
pub const SECURE_COOKIE: &str = "__Host-ourhub";
/// The cookie's name over http.
pub const PLAIN_COOKIE: &str = "ourhub";

#[async_trait]
impl Sessions for Principal {
    async fn session(&self) -> Result<Option<SessionView>, ApiError> {
        let view = match &self.who {
            Who::Nobody => return Ok(None),
            _ => self.read_session().await,
        };
        self.answer(view.map(Some))
    }

    async fn sign_up(&self, email: String, password: String) -> Result<Option<SetCookie>, ApiError> {
        self.answer(self.open_account(&email, &password).await)
    }

    async fn log_in(&self, email: String, password: String, code: String) -> Result<SetCookie, ApiError> {
        let (auth, visitor) = (&self.app.auth, &self.visit.visitor);
        let opened = auth.log_in_with(&email, &password, &code, visitor).await;
        self.answer(opened.map(|opened| self.cookie(&opened.cookie)).map_err(Refusal::from))
    }

    async fn log_out(&self) -> Result<SetCookie, ApiError> {
        self.answer(self.close_session().await)
    }

    async fn confirm(&self, password: String, code: String) -> Result<SetCookie, ApiError> {
        self.answer(self.step_up(&password, &code).await)
    }

    async fn change_password(&self, current: String, new: String) -> Result<SetCookie, ApiError> {
        self.answer(self.replace_password(&current, &new).await)
    }

    async fn list_sessions(&self) -> Result<Vec<SignedIn>, ApiError> {
        self.answer(self.browsers().await)
    }

    async fn end_session(&self, id: String) -> Result<(), ApiError> {
        self.answer(self.end_browser(&id).await)
    }

    fn seal(&self, text: &str) -> Result<String, ApiError> {
        self.answer(self.seal_text(&FLASH, text))
    }

    fn open(&self, sealed: &str) -> Option<String> {
        self.open_text(&FLASH, sealed)
    }

    fn keep(&self, text: &str) -> Result<String, ApiError> {
        self.answer(self.seal_text(&KEPT, text))
    }

    fn kept(&self, sealed: &str) -> Option<String> {
        self.open_text(&KEPT, sealed)
    }

    async fn redeem_setup(&self, token: String) -> Result<(), ApiError> {
        self.answer(self.become_admin(&token).await)
    }
}

impl Principal {
    async fn read_session(&self) -> Result<SessionView, Refusal> {
        let person = self.person()?;
        let (shown, teams) = self.teams_shown().await?;
        let shown = shown.ok();
        let (key_count, low_balance) = match &shown {
            Some((team, _)) => {
                let scope = teams::scope(&self.app.db, person, team.team_id).await?;
                scope.demand(Right::Read)?;
                let low_balance = if team.uses_platform {
                    self.low_balance(&scope).await?
                } else {
                    None
                };
                (self.count_keys(&scope).await?, low_balance)
            }
            None => (0, None),
        };
        let has_accounts = self.has_accounts(shown.as_ref().map(|(team, _)| team)).await?;
        let (team, role) = shown.unzip();
        Ok(SessionView {
            takes_payments: self.app.billing.takes_payments(),
            low_balance,
            user_id: view::user_id(person.user_id),
            email: person.email.clone(),
            is_admin: person.is_admin,
            acting_for: match &self.acting {
                Some(_) => Some(self.real_person()?.email.clone()),
                None => None,
            },
            teams,
            may_make_teams: self.may_make_teams().await?,
            is_astray: team.is_none(),
            team_id: team
                .as_ref()
                .map(|team| view::team_id(team.team_id))
                .unwrap_or_default(),
            time_zone: team
                .as_ref()
                .map_or_else(|| "UTC".to_owned(), |team| team.time_zone.clone()),
            team_name: team.map(|team| team.name).unwrap_or_default(),
            role: role.map(|role| role.name().to_owned()).unwrap_or_default(),
            has_accounts,
            key_count,
            alerts: match person.is_admin {
                true => alerts::count_open(&self.app.db).await?,
                false => 0,
            },
            now: Time(self.now_ms()),
        })
    }

    /// The balance, where calls need one and it will not last.
    async fn low_balance(&self, scope: &TeamScope) -> Result<Option<Nano>, Refusal> {
        if !self.app.is_prepaid {
            return Ok(None);
        }
        let left = billing::balance(&self.app.ledger, scope).await?.left();
        let enough = self.per_day(scope).await?.0.saturating_mul(cap_alerts::LOW_DAYS);
        // Own accounts need no balance; it matters to who spends some of it all the same.
        let needs_none = enough == 0 && self.app.fleet.of(Some(scope.team_id())).takes_traffic();
        Ok(Some(left).filter(|left| left.0 <= enough && !needs_none))
    }

    /// Whether any account may serve `team`.
    async fn has_accounts(&self, team: Option<&TeamRow>) -> Result<bool, Refusal> {
        let fleet = &self.app.fleet;
        if team.is_none_or(|team| team.uses_platform) && !fleet.list().await?.is_empty() {
            return Ok(true);
        }
        match team {
            Some(team) => Ok(!fleet.of(Some(team.team_id)).list().await?.is_empty()),
            None => Ok(false),
        }
    }

    async fn count_keys(&self, scope: &TeamScope) -> Result<u64, Refusal> {
        let keys = self.app.keys.list(scope, None, KEYS_COUNTED).await?;
        let live = keys.iter().filter(|key| key.state(self.now_ms()) == KeyState::Live);
        Ok(live.count() as u64)
    }

    /// Opens an account at once, or mails the link that does.
    async fn open_account(&self, email: &str, password: &str) -> Result<Option<SetCookie>, Refusal> {
        let new = NewUser { email, password };
        let (auth, visitor) = (&self.app.auth, &self.visit.visitor);
        if auth.verifies_sign_ups().await? {
            auth.begin_sign_up(&self.app.mail, new, visitor).await?;
            return Ok(None);
        }
        let (opened, made) = auth.sign_up(new, visitor, self.visit.is_local).await?;
        self.record_sign_up(&made).await?;
        Ok(Some(self.cookie(&opened.cookie)))
    }

    pub(super) async fn record_sign_up(&self, made: &UserMade) -> Result<(), Refusal> {
        let target = view::user_id(made.person.user_id);
        self.record(Change {
            team_id: Some(made.team_id),
            action: "user.sign_up",
            target: &target,
            after: json!({"email": made.person.email, "is_admin": made.person.is_admin}),
            ..Change::default()
        })
        .await
    }

    async fn close_session(&self) -> Result<SetCookie, Refusal> {
        self.app.auth.log_out(self.any_browser()?, self.now_ms()).await?;
        Ok(self.no_cookie())
    }

    async fn step_up(&self, password: &str, code: &str) -> Result<SetCookie, Refusal> {
        if let Some(person) = &self.acting {
            return Err(super::no_password_for(person));
        }
        let session = self.any_browser()?;
        let (auth, visitor) = (&self.app.auth, &self.visit.visitor);
        let opened = auth.step_up(session, password, code, visitor).await;
        let opened = opened.map_err(|error| match error {
            AuthError::WrongCredentials if !code.trim().is_empty() => ApiError::field("code", WRONG_CODE).into(),
            AuthError::WrongCredentials => ApiError::field("password", WRONG_PASSWORD).into(),
            other => Refusal::from(other),
        })?;
        Ok(self.cookie(&opened.cookie))
    }

    async fn replace_password(&self, current: &str, new: &str) -> Result<SetCookie, Refusal> {
        let session = self.browser()?;
        let changed = self
            .app
            .auth
            .change_password(&self.app.mail, session, (current, new), &self.visit.visitor)
            .await;
        let opened = changed.map_err(|error| match error {
            AuthError::WrongCredentials => ApiError::field("current", WRONG_PASSWORD).into(),
            AuthError::Invalid(errors) => renamed(errors, "password", "new"),
            other => Refusal::from(other),
        })?;
        self.record_self(&session.person, "user.change_password").await?;
        Ok(self.cookie(&opened.cookie))
    }

    async fn browsers(&self) -> Result<Vec<SignedIn>, Refusal> {
        if self.acting.is_some() {
            // Where somebody is signed in is theirs alone.
            return Ok(Vec::new());
        }
        let person = self.person()?;
        let current = self.browser().ok().map(|session| session.session_id);
        let rows = self.app.auth.list_sessions(person, self.now_ms()).await?;
        let listed = rows.into_iter().map(|row| SignedIn {
            id: id::render(Kind::Session, row.session_id),
            created_at: Time(row.created_at_ms),
            last_seen_at: Time(row.last_seen_at_ms),
            address: row.address,
            user_agent: row.user_agent,
            is_current: Some(row.session_id) == current,
        });
        Ok(listed.collect())
    }

    async fn end_browser(&self, id: &str) -> Result<(), Refusal> {
        if self.acting.is_some() {
            self.browser()?;
        }
        let person = self.person()?;
        let session_id = super::parse(Kind::Session, id)?;
        self.app.auth.revoke_session(person, session_id, self.now_ms()).await?;
        self.record_self(person, "session.end").await
    }

    async fn become_admin(&self, token: &str) -> Result<(), Refusal> {
        let Session { person, .. } = self.browser()?;
        self.app.auth.redeem_setup(token, person).await?;
        self.record_self(person, "user.become_admin").await
    }

    pub(super) async fn record_self(&self, person: &Person, action: &'static str) -> Result<(), Refusal> {
        let target = view::user_id(person.user_id);
        self.record(Change {
            action,
            target: &target,
            ..Change::default()
        })
        .await
    }

    pub(super) fn cookie(&self, value: &str) -> SetCookie {
        SetCookie(self.cookie_text(value, ABSOLUTE_MS / 1_000))
    }

    /// Has the browser forget its session.
    pub(super) fn no_cookie(&self) -> SetCookie {
        SetCookie(self.cookie_text("", 0))
    }

    fn cookie_text(&self, value: &str, max_age_s: i64) -> String {
        let (name, secure) = match self.app.edge.is_https() {
            true => (SECURE_COOKIE, "; Secure"),
            false => (PLAIN_COOKIE, ""),
        };
        format!("{name}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{secure}")
    }
}

/// `errors` with the field `from` called `to`, as in the form.
fn renamed(mut errors: crate::fields::FieldErrors, from: &str, to: &'static str) -> Refusal {
    for error in errors.0.iter_mut().filter(|error| error.field == from) {
        error.field = to;
    }
    errors.into()
}
