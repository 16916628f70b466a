//! One's own data: all of it in one file, and its end.
//!
//! Invariant: the file holds no secret and nothing of anybody else; deleting oneself is all or nothing, after the password and
//! the address typed once more. Reads and writes what the areas do.

use super::{Change, Principal, Refusal, view};
use crate::{
    audit::{self, Recorded},
    auth::{Factor, Person},
    keys::KeyRow,
    teams,
};
use frontend::api::{ApiError, Time, session::SetCookie};
use gateway_core::id::{self, Kind};
use serde_json::{Value, json};

/// The most keys of a team, and lines of the audit log, in the file.
const ROWS_MAX: u64 = 10_000;

impl Principal {
    pub(super) async fn gather(&self) -> Result<String, Refusal> {
        let person = &self.browser()?.person;
        let (auth, db) = (&self.app.auth, &self.app.db);
        let mut of_teams = Vec::new();
        for (team, role) in teams::list_mine(db, person).await? {
            let scope = teams::scope(db, person, team.team_id).await?;
            let keys = self.app.keys.list(&scope, None, ROWS_MAX).await?;
            let own = keys.iter().filter(|key| key.created_by == person.user_id);
            of_teams.push(json!({
                "id": view::team_id(team.team_id),
                "name": team.name,
                "role": role.name(),
                "keys_made": own.map(key).collect::<Vec<_>>(),
            }));
        }
        let sessions = auth.list_sessions(person, self.now_ms()).await?;
        let sessions = sessions.into_iter().map(|row| {
            json!({
                "id": id::render(Kind::Session, row.session_id),
                "created_at": Time(row.created_at_ms),
                "last_seen_at": Time(row.last_seen_at_ms),
                "address": row.address,
                "user_agent": row.user_agent,
            })
        });
        let tokens = auth.list_tokens(person).await?;
        let tokens = tokens.into_iter().map(|row| {
            let id = id::render(Kind::Token, row.token_id);
            json!({"id": id, "last_four": row.last_four, "created_at": Time(row.created_at_ms)})
        });
        let identities = auth.list_identities(person).await?;
        let identities = identities.into_iter().map(|row| {
            json!({
                "id": id::render(Kind::Identity, row.identity_id),
                "provider": row.provider.name(),
                "email": row.email,
                "created_at": Time(row.created_at_ms),
            })
        });
        let passkeys = auth.list_passkeys(person).await?;
        let passkeys = passkeys.into_iter().map(|row| {
            json!({
                "id": id::render(Kind::Passkey, row.passkey_id),
                "name": row.name,
                "created_at": Time(row.created_at_ms),
            })
        });
        let filter = audit::Filter {
            actor_id: Some(person.user_id),
            ..audit::Filter::default()
        };
        let log = audit::find(db, &filter, None, ROWS_MAX).await?;
        let file = json!({
            "user": {
                "id": view::user_id(person.user_id),
                "email": person.email,
                "is_admin": person.is_admin,
                "created_at": Time(id::made_at_ms(person.user_id)),
                "has_second_factor": matches!(auth.factor(person).await?, Factor::On { .. }),
            },
            "teams": of_teams,
            "sessions": sessions.collect::<Vec<_>>(),
            "management_tokens": tokens.collect::<Vec<_>>(),
            "identities": identities.collect::<Vec<_>>(),
            "passkeys": passkeys.collect::<Vec<_>>(),
            "done": log.into_iter().map(done).collect::<Vec<_>>(),
        });
        Ok(format!("{file:#}\n"))
    }

    pub(super) async fn delete_oneself(&self, typed: &str) -> Result<SetCookie, Refusal> {
        let person = &self.browser()?.person;
        self.demand_confirmed()?;
        if typed.trim().to_lowercase() != person.email {
            let words = format!("Type {} to delete your account.", person.email);
            return Err(ApiError::field("email", words).into());
        }
        let closed = teams::delete_oneself(&self.app.db, person, self.now_ms()).await?;
        self.app.auth.forget_user(person.user_id);
        self.app.keys.forget_user(person.user_id);
        self.record_deleted(person, &closed).await?;
        self.close_teams(&closed).await;
        self.app.mail.forget(&self.app.db, &person.email).await?;
        Ok(self.no_cookie())
    }

    async fn record_deleted(&self, person: &Person, closed: &[i64]) -> Result<(), Refusal> {
        let closed: Vec<String> = closed.iter().map(|team_id| view::team_id(*team_id)).collect();
        self.record(Change {
            action: "user.delete",
            target: &view::user_id(person.user_id),
            after: json!({"teams_suspended": closed}),
            ..Change::default()
        })
        .await
    }
}

fn key(row: &KeyRow) -> Value {
    json!({
        "id": id::render(Kind::Key, row.key_id),
        "name": row.settings.name,
        "created_at": Time(row.created_at_ms),
    })
}

fn done(line: Recorded) -> Value {
    json!({
        "at": Time(line.created_at_ms),
        "address": line.actor.address,
        "action": line.action,
        "target": line.target,
    })
}
