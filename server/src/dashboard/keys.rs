//! A team's keys: who may see, make and change which is the area's rule; this turns rows into view models.
//!
//! Invariant: a secret is in the answer to create and rotate only, and in no audit record. Reads and writes what `keys` does.

use super::{Change, Principal, Refusal, view};
use crate::{
    keys::{self, KeyMade, KeyRow, KeySettings, KeyState, OVERLAP_DEFAULT_S, Rates},
    ledger::{Caps, Kind as Period, Series},
    teams::{self, Right, TeamRow, TeamScope},
};
use async_trait::async_trait;
use frontend::api::{
    ApiError, Named, Page, PageQuery, Time,
    keys::{KeyPatch, KeyView, KeyWithSecret, Keys, NewKey},
};
use gateway_core::id::{self, Kind};
use serde_json::{Value, json};
use std::collections::HashMap;

#[async_trait]
impl Keys for Principal {
    async fn list_keys(&self, team: &str, page: PageQuery) -> Result<Page<KeyView>, ApiError> {
        self.answer(self.read_keys(team, &page).await)
    }

    async fn key(&self, team: &str, id: &str) -> Result<KeyView, ApiError> {
        self.answer(self.read_key(team, id).await)
    }

    async fn create_key(&self, team: &str, new: NewKey) -> Result<KeyWithSecret, ApiError> {
        self.answer(self.make_key(team, new).await)
    }

    async fn update_key(&self, team: &str, id: &str, change: KeyPatch) -> Result<KeyView, ApiError> {
        self.answer(self.change_key(team, id, change).await)
    }

    async fn rotate_key(&self, team: &str, id: &str, overlap_s: Option<u32>) -> Result<KeyWithSecret, ApiError> {
        self.answer(self.replace_secret(team, id, overlap_s).await)
    }

    async fn revoke_key(&self, team: &str, id: &str) -> Result<(), ApiError> {
        self.answer(self.end_key(team, id).await)
    }
}

/// What all keys of a team are shown with.
struct Surroundings {
    scope: TeamScope,
    team: TeamRow,
    emails: HashMap<i64, String>,
}

impl Principal {
    async fn surroundings(&self, team: &str) -> Result<Surroundings, Refusal> {
        let scope = self.scope(team).await?;
        scope.demand(Right::Read)?;
        let team = teams::get(&self.app.db, &scope).await?;
        let members = teams::list_members(&self.app.db, &scope).await?;
        Ok(Surroundings {
            scope,
            team,
            emails: members
                .into_iter()
                .map(|member| (member.user_id, member.email))
                .collect(),
        })
    }

    async fn read_keys(&self, team: &str, query: &PageQuery) -> Result<Page<KeyView>, Refusal> {
        let around = self.surroundings(team).await?;
        let after = view::after(query, Kind::Key)?;
        let rows = self.app.keys.list(&around.scope, after, view::limit(query)).await?;
        let page = view::page(query, rows, |row| id::render(Kind::Key, row.key_id));
        let mut data = Vec::with_capacity(page.data.len());
        for row in page.data {
            data.push(self.key_view(&around, row).await?);
        }
        Ok(Page { data, next: page.next })
    }

    async fn read_key(&self, team: &str, id: &str) -> Result<KeyView, Refusal> {
        let around = self.surroundings(team).await?;
        let row = self.app.keys.get(&around.scope, super::parse(Kind::Key, id)?).await?;
        self.key_view(&around, row).await
    }

    async fn make_key(&self, team: &str, new: NewKey) -> Result<KeyWithSecret, Refusal> {
        let around = self.surroundings(team).await?;
        let made = self
            .app
            .keys
            .create(&around.scope, settings(new, &around.team.time_zone)?, self.now_ms())
            .await?;
        let after = made.row.settings.to_json();
        self.record_key(&around.scope, made.row.key_id, "key.create", (Value::Null, after))
            .await?;
        self.with_secret(&around, made).await
    }

    async fn change_key(&self, team: &str, id: &str, change: KeyPatch) -> Result<KeyView, Refusal> {
        let around = self.surroundings(team).await?;
        let key_id = super::parse(Kind::Key, id)?;
        let disabled = change.disabled;
        let patch = patch(change, &around.team.time_zone)?;
        if patch != keys::KeyPatch::default() {
            let (before, after) = self
                .app
                .keys
                .update(&around.scope, key_id, patch, self.now_ms())
                .await?;
            let change = (before.settings.to_json(), after.settings.to_json());
            self.record_key(&around.scope, key_id, "key.update", change).await?;
        }
        if let Some(disabled) = disabled {
            self.switch_key(&around.scope, key_id, disabled).await?;
        }
        let row = self.app.keys.get(&around.scope, key_id).await?;
        self.key_view(&around, row).await
    }

    async fn switch_key(&self, scope: &TeamScope, key_id: i64, disabled: bool) -> Result<(), Refusal> {
        let keys = &self.app.keys;
        let before = keys.get(scope, key_id).await?;
        let action = match disabled {
            true => keys
                .disable(scope, key_id, self.now_ms())
                .await
                .map(|()| "key.disable")?,
            false => keys.enable(scope, key_id).await.map(|()| "key.enable")?,
        };
        let after = keys.get(scope, key_id).await?;
        self.record_key(scope, key_id, action, (noted(&before), noted(&after)))
            .await
    }

    async fn replace_secret(&self, team: &str, id: &str, overlap_s: Option<u32>) -> Result<KeyWithSecret, Refusal> {
        let around = self.surroundings(team).await?;
        let key_id = super::parse(Kind::Key, id)?;
        let overlap_s = overlap_s.map_or(OVERLAP_DEFAULT_S, i64::from);
        let before = self.app.keys.get(&around.scope, key_id).await?;
        let made = self
            .app
            .keys
            .rotate(&around.scope, key_id, overlap_s, self.now_ms())
            .await?;
        let change = (noted(&before), noted(&made.row));
        self.record_key(&around.scope, key_id, "key.rotate", change).await?;
        self.with_secret(&around, made).await
    }

    async fn end_key(&self, team: &str, id: &str) -> Result<(), Refusal> {
        let scope = self.scope(team).await?;
        let key_id = super::parse(Kind::Key, id)?;
        let before = self.app.keys.get(&scope, key_id).await?;
        self.app.keys.revoke(&scope, key_id, self.now_ms()).await?;
        let after = self.app.keys.get(&scope, key_id).await?;
        self.record_key(&scope, key_id, "key.revoke", (noted(&before), noted(&after)))
            .await
    }

    async fn record_key(
        &self,
        scope: &TeamScope,
        key_id: i64,
        action: &'static str,
        (before, after): (Value, Value),
    ) -> Result<(), Refusal> {
        let target = id::render(Kind::Key, key_id);
        self.record(Change {
            team_id: Some(scope.team_id()),
            action,
            target: &target,
            before,
            after,
        })
        .await
    }

    async fn with_secret(&self, around: &Surroundings, made: KeyMade) -> Result<KeyWithSecret, Refusal> {
        Ok(KeyWithSecret {
            view: self.key_view(around, made.row).await?,
            key: made.shown,
        })
    }

    async fn key_view(&self, around: &Surroundings, row: KeyRow) -> Result<KeyView, Refusal> {
        let state = row.state(self.now_ms());
        let series = |kind| Series::key(row.team_id, row.key_id, kind);
        let KeySettings { caps, rates, .. } = row.settings;
        let asked = [
            (series(Period::Day), caps.day),
            (series(Period::Month), caps.month),
            (series(Period::Total), caps.total),
        ];
        let [day, month, total] = self.spends(&around.team, asked).await?;
        let member = row.settings.member_id.map(|user_id| Named {
            id: view::user_id(user_id),
            name: around.emails.get(&user_id).cloned().unwrap_or_default(),
        });
        let is_live = |end: Option<i64>| end.is_none_or(|end| end > self.now_ms());
        let secrets = row.secrets.into_iter().filter(|secret| is_live(secret.expires_at_ms));
        Ok(KeyView {
            id: id::render(Kind::Key, row.key_id),
            name: row.settings.name,
            member,
            last_four: secrets.map(|secret| secret.last_four).collect(),
            models: row.settings.models,
            region: row.settings.region,
            rpm: rates.rpm,
            tpm: rates.tpm,
            max_in_flight: rates.max_in_flight,
            clamp: row.settings.clamp,
            hosted_tools: row.settings.hosted_tools,
            allowed_ips: row.settings.allowed_ips,
            expires_at: view::time(row.settings.expires_at_ms),
            created_at: Time(row.created_at_ms),
            last_used_at: view::time(row.last_used_at_ms),
            state: state_name(state).to_owned(),
            cap_day: caps.day,
            cap_month: caps.month,
            cap_total: caps.total,
            day,
            month,
            total,
        })
    }
}

/// What the audit log says of a key that was switched, revoked or got another secret.
fn noted(row: &KeyRow) -> Value {
    let secret = |secret: &keys::SecretRow| json!({"last_four": secret.last_four, "expires_at": secret.expires_at_ms});
    json!({
        "name": row.settings.name,
        "is_disabled": row.disabled_at_ms.is_some(),
        "is_revoked": row.revoked_at_ms.is_some(),
        "secrets": row.secrets.iter().map(secret).collect::<Vec<_>>(),
    })
}

const fn state_name(state: KeyState) -> &'static str {
    match state {
        KeyState::Live => "active",
        KeyState::Disabled => "disabled",
        KeyState::Expired => "expired",
        KeyState::Revoked => "revoked",
    }
}

fn member_id(text: &str) -> Result<i64, Refusal> {
    super::parse_field(Kind::User, text, "member")
}

/// `new`, whose days are those of `zone`.
fn settings(new: NewKey, zone: &str) -> Result<KeySettings, Refusal> {
    Ok(KeySettings {
        member_id: new.member.as_deref().map(member_id).transpose()?,
        models: new.models,
        region: new.region,
        caps: Caps {
            day: new.cap_day,
            month: new.cap_month,
            total: new.cap_total,
        },
        rates: Rates {
            rpm: new.rpm,
            tpm: new.tpm,
            max_in_flight: new.max_in_flight,
        },
        clamp: new.clamp.unwrap_or(true),
        hosted_tools: new.hosted_tools.unwrap_or(false),
        expires_at_ms: new.expires_at.map(|moment| moment.end(zone).0),
        allowed_ips: new.allowed_ips,
        ..KeySettings::named(&new.name)
    })
}

/// `change`, whose days are those of `zone`.
fn patch(change: KeyPatch, zone: &str) -> Result<keys::KeyPatch, Refusal> {
    let member = |id: Option<String>| id.as_deref().map(member_id).transpose();
    Ok(keys::KeyPatch {
        name: change.name,
        member_id: change.member.map(member).transpose()?,
        models: change.models,
        region: change.region,
        cap_day: change.cap_day,
        cap_month: change.cap_month,
        cap_total: change.cap_total,
        rpm: change.rpm,
        tpm: change.tpm,
        max_in_flight: change.max_in_flight,
        clamp: change.clamp.map(|clamp| clamp.unwrap_or(true)),
        hosted_tools: change.hosted_tools.map(Option::unwrap_or_default),
        expires_at_ms: change.expires_at.map(|moment| moment.map(|moment| moment.end(zone).0)),
        allowed_ips: change.allowed_ips,
    })
}
