//! A platform admin who sees and does what somebody else would: to help, under their own name.
//!
//! Invariant: nobody acts as a platform admin; it ends with the admin's session, after an hour at the latest, and at once when
//! either loses their rights, and the form that comes then is refused, not sent to the admin's own team; each change names both in the audit log; what is a person's alone, such as their password and
//! their browsers, is out of reach. Kept in a sealed cookie of the admin's browser. Reads `user`.

use super::{Change, Principal, Refusal, Who, flash::Seal, view};
use crate::auth::{ABSOLUTE_MS, Person};
use frontend::api::{ApiError, Code, session::SetCookie};
use gateway_core::id::{self, Kind};

/// The cookie that says as whom a platform admin acts.
pub const ACTING_COOKIE: &str = "ourhub-acting";
/// How long one acts, in milliseconds. The cookie lasts as long as a session, so that a form that comes later is known as one.
const LIFE_MS: i64 = 3_600_000;
const SEAL: Seal = Seal {
    name: "acting",
    life_ms: LIFE_MS,
};

impl Principal {
    /// Acts as whom `cookie` says, if it was made for this session and both may still; if not, a form is refused.
    pub async fn act(mut self, cookie: Option<String>, is_form: bool) -> Self {
        if let Some(cookie) = cookie.filter(|cookie| !cookie.is_empty()) {
            self.acting = self.whom(&cookie).await;
            self.is_acting_over = is_form && self.acting.is_none();
        }
        self
    }

    /// Has the browser forget as whom it acted, where that is over and was said with the answer to a form.
    #[must_use]
    pub fn forget_acting(&self) -> Option<String> {
        self.is_acting_over.then(|| self.acting_cookie("", 0).0)
    }

    async fn whom(&self, cookie: &str) -> Option<Person> {
        let Who::Browser(session) = &self.who else { return None };
        let text = self.open_text(&SEAL, cookie)?;
        let (made_for, user) = text.split_once(' ')?;
        let is_own = id::parse(Kind::Session, made_for) == Some(session.session_id);
        if !is_own || !session.person.is_admin {
            return None;
        }
        let found = self.app.auth.user_by_id(id::parse(Kind::User, user)?).await;
        let found = found.inspect_err(|error| tracing::error!(%error, "as whom an admin acts cannot be found out"));
        found.ok().flatten().filter(may_be_acted_as)
    }

    pub(super) async fn begin_acting(&self, user: &str) -> Result<SetCookie, Refusal> {
        self.admin()?;
        let session = self.browser()?;
        let user_id = super::parse(Kind::User, user)?;
        self.demand_confirmed()?;
        let person = self.app.auth.user_by_id(user_id).await?.ok_or(Code::NotFound)?;
        if !may_be_acted_as(&person) {
            let refused = "Nobody acts as a platform admin.";
            return Err(ApiError::because(Code::Forbidden, refused).into());
        }
        let text = format!("{} {user}", id::render(Kind::Session, session.session_id));
        let sealed = self.seal_text(&SEAL, &text)?;
        self.record(Change {
            action: "user.act_as",
            target: user,
            ..Change::default()
        })
        .await?;
        Ok(self.acting_cookie(&sealed, ABSOLUTE_MS / 1_000))
    }

    pub(super) async fn end_acting(&self) -> Result<SetCookie, Refusal> {
        if let Some(person) = &self.acting {
            self.record(Change {
                action: "user.end_act_as",
                target: &view::user_id(person.user_id),
                ..Change::default()
            })
            .await?;
        }
        Ok(self.acting_cookie("", 0))
    }

    fn acting_cookie(&self, value: &str, max_age_s: i64) -> SetCookie {
        let secure = if self.app.edge.is_https() { "; Secure" } else { "" };
        SetCookie(format!(
            "{ACTING_COOKIE}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{secure}"
        ))
    }
}

const fn may_be_acted_as(person: &Person) -> bool {
    !person.is_admin
}
