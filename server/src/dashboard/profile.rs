//! One's own account: a forgotten password, a new address, other browsers, management tokens.
//!
//! Invariant: who asks for a link to a new password is answered before it is known whether there is such a user; an address
//! and management tokens change after the password alone. Reads and writes what `auth` does.

use super::{Change, Principal, Refusal, view};
use crate::{
    audit::{self, Actor, Event},
    auth::AuthError,
    clock,
};
use async_trait::async_trait;
use frontend::api::{
    ApiError, Time,
    profile::{Profiles, TokenView},
    session::SetCookie,
};
use gateway_core::id::{self, Kind};
use serde_json::{Value, json};
use std::sync::Arc;

#[async_trait]
impl Profiles for Principal {
    async fn ask_reset(&self, email: String) -> Result<(), ApiError> {
        self.answer(self.start_reset(&email))
    }

    async fn reset_password(&self, token: String, new: String) -> Result<(), ApiError> {
        self.answer(self.finish_reset(&token, &new).await)
    }

    async fn finish_sign_up(&self, token: String, password: String) -> Result<SetCookie, ApiError> {
        self.answer(self.open_proven(&token, &password).await)
    }

    async fn ask_email(&self, email: String) -> Result<(), ApiError> {
        self.answer(self.start_email(&email).await)
    }

    async fn confirm_email(&self, token: String) -> Result<(), ApiError> {
        self.answer(self.finish_email(&token).await)
    }

    async fn end_other_sessions(&self) -> Result<(), ApiError> {
        self.answer(self.end_others().await)
    }

    async fn list_tokens(&self) -> Result<Vec<TokenView>, ApiError> {
        self.answer(self.own_tokens().await)
    }

    async fn create_token(&self) -> Result<String, ApiError> {
        self.answer(self.make_token().await)
    }

    async fn revoke_token(&self, id: String) -> Result<(), ApiError> {
        self.answer(self.drop_token(&id).await)
    }

    async fn export_self(&self) -> Result<String, ApiError> {
        self.answer(self.gather().await)
    }

    async fn delete_self(&self, email: String) -> Result<SetCookie, ApiError> {
        self.answer(self.delete_oneself(&email).await)
    }
}

impl Principal {
    /// The look-up, the link and the mail come after the answer: its time tells nothing.
    fn start_reset(&self, email: &str) -> Result<(), Refusal> {
        let email = self.app.auth.ask_reset(email, &self.visit.visitor)?;
        let app = Arc::clone(&self.app);
        let (now_ms, address) = (self.now_ms(), self.visit.visitor.address.to_string());
        self.app.runtime.spawn(async move {
            let asked = match app.auth.send_reset(&app.mail, &email, now_ms).await {
                Ok(Some(person)) => person,
                Ok(None) => return,
                Err(error) => return tracing::error!(%error, "a link to a new password could not be mailed"),
            };
            let event = Event {
                actor: Actor {
                    user_id: None,
                    acting_as: None,
                    address,
                },
                team_id: None,
                action: "user.ask_reset",
                target: view::user_id(asked.user_id),
                before: Value::Null,
                after: Value::Null,
            };
            if let Err(error) = audit::record(&app.db, event, clock::now_ms()).await {
                tracing::error!(%error, "the audit log could not be written");
            }
        });
        Ok(())
    }

    async fn finish_reset(&self, token: &str, new: &str) -> Result<(), Refusal> {
        let auth = &self.app.auth;
        let person = auth.reset_password(&self.app.mail, token, new, self.now_ms()).await?;
        self.record_self(&person, "user.reset_password").await
    }

    async fn open_proven(&self, token: &str, password: &str) -> Result<SetCookie, Refusal> {
        let opened = self.app.auth.finish_sign_up(token, password, &self.visit.visitor).await;
        let (opened, made) = opened.map_err(|error| match error {
            AuthError::WrongCredentials => ApiError::field(
                "password",
                "This is not the password that you chose when you signed up.",
            )
            .into(),
            other => Refusal::from(other),
        })?;
        self.record_sign_up(&made).await?;
        Ok(self.cookie(&opened.cookie))
    }

    async fn start_email(&self, email: &str) -> Result<(), Refusal> {
        let session = self.browser()?;
        self.demand_confirmed()?;
        let auth = &self.app.auth;
        let email = auth
            .ask_email(&self.app.mail, session, email, &self.visit.visitor)
            .await?;
        let target = view::user_id(session.person.user_id);
        self.record(Change {
            action: "user.ask_email",
            target: &target,
            after: json!({"email": email}),
            ..Change::default()
        })
        .await
    }

    async fn finish_email(&self, token: &str) -> Result<(), Refusal> {
        let session = self.browser()?;
        let auth = &self.app.auth;
        let (before, after) = auth
            .confirm_email(&self.app.mail, session, token, self.now_ms())
            .await?;
        let target = view::user_id(session.person.user_id);
        self.record(Change {
            action: "user.change_email",
            target: &target,
            before: json!({"email": before}),
            after: json!({"email": after}),
            ..Change::default()
        })
        .await
    }

    async fn end_others(&self) -> Result<(), Refusal> {
        let session = self.browser()?;
        self.app.auth.end_other_sessions(session, self.now_ms()).await?;
        self.record_self(&session.person, "session.end_others").await
    }

    async fn own_tokens(&self) -> Result<Vec<TokenView>, Refusal> {
        if self.acting.is_some() {
            // Tokens are theirs alone.
            return Ok(Vec::new());
        }
        let rows = self.app.auth.list_tokens(self.person()?).await?;
        let listed = rows.into_iter().map(|row| TokenView {
            id: id::render(Kind::Token, row.token_id),
            last_four: row.last_four,
            created_at: Time(row.created_at_ms),
        });
        Ok(listed.collect())
    }

    async fn make_token(&self) -> Result<String, Refusal> {
        let person = &self.browser()?.person;
        self.demand_confirmed()?;
        let made = self.app.auth.create_token(person, self.now_ms()).await?;
        self.record(Change {
            action: "token.create",
            target: &id::render(Kind::Token, made.token_id),
            ..Change::default()
        })
        .await?;
        Ok(made.shown)
    }

    async fn drop_token(&self, id: &str) -> Result<(), Refusal> {
        let person = &self.browser()?.person;
        self.demand_confirmed()?;
        let token_id = super::parse(Kind::Token, id)?;
        self.app.auth.revoke_token(person, token_id, self.now_ms()).await?;
        self.record(Change {
            action: "token.revoke",
            target: id,
            ..Change::default()
        })
        .await
    }
}
