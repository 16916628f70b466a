//! Passkeys: one's own, and signing in and saying that it is oneself by one.
//!
//! Invariant: one is added and removed after the password or another passkey alone; nobody sees another's. Reads and writes what
//! `auth` does.

use super::{Change, Principal, Refusal, Who};
use crate::auth::{AuthError, Rp};
use frontend::api::{ApiError, Code, session::SetCookie};
use gateway_core::id::{self, Kind};
use serde::de::DeserializeOwned;
use serde_json::json;

/// The longest answer of a browser, in bytes.
const ANSWER_MAX: usize = 32 << 10;

impl Principal {
    /// What a browser is asked with for `purpose`, as JSON; none where it reaches the server by an address in digits.
    pub(super) async fn ask_passkey(&self, purpose: &str) -> Result<Option<String>, Refusal> {
        let Some(rp) = Rp::of(&self.visit.origin) else {
            return Ok(None);
        };
        let (auth, now_ms) = (&self.app.auth, self.now_ms());
        let options = match purpose {
            "create" => auth.passkey_creation(&rp, &self.browser()?.person, now_ms).await?,
            "confirm" => auth.passkey_request(&rp, Some(&self.browser()?.person), now_ms).await?,
            _ => auth.passkey_request(&rp, None, now_ms).await?,
        };
        Ok(Some(options.to_string()))
    }

    pub(super) async fn keep_passkey(&self, name: &str, answer: &str) -> Result<(), Refusal> {
        let session = self.browser()?;
        self.demand_confirmed()?;
        let (rp, created) = (self.rp()?, read(answer)?);
        let (auth, mail) = (&self.app.auth, &self.app.mail);
        let id = auth
            .add_passkey(mail, (&rp, session), (name, &created), self.now_ms())
            .await?;
        self.record(Change {
            action: "passkey.add",
            target: &id::render(Kind::Passkey, id),
            after: json!({"name": name.trim()}),
            ..Change::default()
        })
        .await
    }

    pub(super) async fn drop_passkey(&self, id: &str) -> Result<(), Refusal> {
        let person = &self.browser()?.person;
        self.demand_confirmed()?;
        let passkey_id = super::parse(Kind::Passkey, id)?;
        let (auth, mail) = (&self.app.auth, &self.app.mail);
        let name = auth.remove_passkey(mail, person, passkey_id, self.now_ms()).await?;
        self.record(Change {
            action: "passkey.remove",
            target: id,
            before: json!({"name": name}),
            ..Change::default()
        })
        .await
    }

    pub(super) async fn enter_by_passkey(&self, answer: &str) -> Result<SetCookie, Refusal> {
        if !matches!(self.who, Who::Nobody) {
            return Err(ApiError::because(Code::Conflict, "You are logged in already.").into());
        }
        let (rp, shown) = (self.rp()?, read(answer)?);
        let opened = self
            .app
            .auth
            .log_in_by_passkey(&rp, &shown, &self.visit.visitor)
            .await?;
        Ok(self.cookie(&opened.cookie))
    }

    pub(super) async fn step_up_by_passkey(&self, answer: &str) -> Result<SetCookie, Refusal> {
        let session = self.browser()?;
        let (rp, shown) = (self.rp()?, read(answer)?);
        let auth = &self.app.auth;
        let opened = auth
            .step_up_by_passkey(&rp, session, &shown, &self.visit.visitor)
            .await?;
        Ok(self.cookie(&opened.cookie))
    }

    fn rp(&self) -> Result<Rp, Refusal> {
        Rp::of(&self.visit.origin).ok_or_else(|| AuthError::PasskeyRefused.into())
    }
}

fn read<T: DeserializeOwned>(answer: &str) -> Result<T, Refusal> {
    if answer.is_empty() {
        let words = "Passkeys need JavaScript, which this browser did not run.";
        return Err(ApiError::because(Code::Invalid, words).into());
    }
    let read = Some(answer).filter(|answer| answer.len() <= ANSWER_MAX);
    read.and_then(|answer| serde_json::from_str(answer).ok())
        .ok_or_else(|| AuthError::PasskeyRefused.into())
}
