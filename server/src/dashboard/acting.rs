//! A platform admin who sees and does what somebody else would: to help, under their own name.
//!
//! Invariant: nobody acts as a platform admin; it ends with the admin's session, after an hour at the latest, and at once when
//! either loses their rights; each change names both in the audit log; what is a person's alone, such as their password and
//! their browsers, is out of reach. Kept in a sealed cookie of the admin's browser. Reads `user`.

use super::{Change, Principal, Refusal, Who, flash::Seal, view};
use crate::auth::Person;
use frontend::api::{ApiError, Code, session::SetCookie};
use gateway_core::id::{self, Kind};

/// The cookie that says as whom a platform admin acts.
pub const ACTING_COOKIE: &str = "ourhub-acting";
/// How long it lasts, in seconds.
const LIFE_S: i64 = 3_600;
const SEAL: Seal = Seal {
    name: "acting",
    life_ms: LIFE_S * 1_000,
};

impl Principal {
    /// Acts as whom `cookie` says, if it was made for this session and both may still.
    pub async fn act(mut self, cookie: Option<String>) -> Self {
        if let Some(cookie) = cookie {
            self.acting = self.whom(&cookie).await;
        }
        self
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
        Ok(self.acting_cookie(&sealed, LIFE_S))
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
