//! What a key may use and what it has left: `/v1/models` and `/v1/key`.
//!
//! Invariant: only names the key may ask for, that stand for a model with a price and an enabled account where it may be asked, are listed.
//! Reads snapshots.

use super::admit::limited;
use super::shapes::{self, Listed};
use super::target::Owners;
use super::{Relay, RelayError, peek};
use crate::accounts::Deployment;
use crate::catalog::ModelInfo;
use crate::clock::now_ms;
use crate::keys::Caller;
use crate::ledger::{Kind, Series, Spent};
use crate::limits::Left;
use gateway_core::dialect::Dialect;
use gateway_core::id::{Kind as IdKind, render};
use gateway_core::money::Nano;
use gateway_core::pricing::Markup;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Relay {
    /// The models `caller` may use, in the shape of `dialect`; OpenAI's has price and context added.
    #[must_use]
    pub fn models(&self, caller: &Caller, dialect: Dialect) -> Value {
        let now = now_ms();
        let catalog = &self.0.app.catalog;
        let own = catalog.aliases(Some(caller.team_id()));
        let aliases = catalog
            .aliases(None)
            .into_iter()
            .chain(own)
            .map(|alias| alias.name.clone());
        let models = catalog.list().into_iter().map(|model| model.id.clone());
        let names: BTreeSet<String> = models.chain(aliases).collect();
        let listed: Vec<Listed> = names.iter().filter_map(|name| self.listed(caller, name, now)).collect();
        shapes::list(dialect, &listed)
    }

    /// One model or alias.
    ///
    /// # Errors
    /// [`RelayError::ModelNotFound`], also where the key may not use it.
    pub fn model(&self, caller: &Caller, dialect: Dialect, id: &str) -> Result<Value, RelayError> {
        self.listed(caller, id, now_ms())
            .map(|listed| shapes::one(dialect, &listed))
            .ok_or_else(|| RelayError::ModelNotFound { model: id.to_owned() })
    }

    /// What `name` is to `caller`, if it may be asked for and something can answer.
    fn listed(&self, caller: &Caller, name: &str, now: i64) -> Option<Listed> {
        if !caller.allows_model(name) {
            return None;
        }
        let resolved = self.0.app.catalog.resolve(caller.team_id(), name)?;
        let region = peek::region(name, caller, &resolved).ok()?;
        let is_in = |account: &Deployment| account.is_in(region.as_deref());
        let fleet = &self.0.app.fleet;
        let owners = Owners::of(fleet, caller);
        let is_usable = |model: &&Arc<ModelInfo>| {
            model.price_at(now).is_some() && owners.serve(fleet, (&model.id, &model.provider), &is_in)
        };
        let usable: Vec<_> = resolved.models.iter().filter(is_usable).collect();
        let first = usable.first()?;
        // Who pays providers alone pays no markup.
        let markup = match caller.uses_platform {
            true => self.0.app.catalog.markup(caller.team_id(), &first.id),
            false => Markup::NONE,
        };
        let own = Listed::model(first, markup, now);
        match resolved.alias {
            Some(alias) if first.id != name => Some(Listed::alias(&alias, &resolved.models)),
            _ => Some(own),
        }
    }

    /// What is left of the key's caps and limits, and when they begin anew.
    ///
    /// # Errors
    /// [`RelayError::LedgerDown`] where the buckets cannot be read.
    pub async fn key(&self, caller: &Caller) -> Result<Value, RelayError> {
        let (team, key, now) = (caller.team_id(), caller.key_id(), now_ms());
        let payer = &caller.payer;
        let mut rows = vec![
            ("key", Series::key(team, key, Kind::Day), payer.key.day),
            ("key", Series::key(team, key, Kind::Month), payer.key.month),
            ("key", Series::key(team, key, Kind::Total), payer.key.total),
            ("team", Series::team(team, Kind::Day), payer.team.day),
            ("team", Series::team(team, Kind::Month), payer.team.month),
        ];
        if let Some(member) = &payer.member {
            rows.push((
                "member",
                Series::member(team, member.user_id, Kind::Day),
                member.caps.day,
            ));
            rows.push((
                "member",
                Series::member(team, member.user_id, Kind::Month),
                member.caps.month,
            ));
        }
        let series: Vec<Series> = rows.iter().map(|(_, series, _)| *series).collect();
        let spent = self
            .0
            .app
            .ledger
            .spent(&series, &payer.team_zone, now)
            .await
            .map_err(|_| RelayError::LedgerDown)?;
        let caps: Vec<Value> = rows
            .iter()
            .zip(&spent)
            .map(|((scope, series, cap), spent)| cap_shape(scope, *series, *cap, spent))
            .collect();
        let standing = self.0.app.limits.peek(&limited(caller), now);
        Ok(json!({
            "id": render(IdKind::Key, key),
            "name": caller.key_name,
            "team": { "id": render(IdKind::Team, team), "name": caller.team_name, "time_zone": payer.team_zone },
            "models": caller.models,
            "region": caller.region,
            "expires_at": caller.expires_at_ms.map(rfc3339),
            "clamp": caller.clamp,
            "hosted_tools": caller.hosted_tools,
            "caps": caps,
            "limits": {
                "requests_per_minute": standing.requests.map(left_shape),
                "tokens_per_minute": standing.tokens.map(left_shape),
                "max_in_flight": caller.key_rates.max_in_flight,
                "in_flight": self.0.app.limits.in_flight(key),
                "member_max_in_flight": caller.member_rates.max_in_flight,
                "member_in_flight": caller.member_id().map(|user_id| self.0.app.limits.in_flight_of_member((team, user_id))),
            },
        }))
    }
}

fn cap_shape(scope: &str, series: Series, cap: Option<Nano>, spent: &Spent) -> Value {
    let used = spent.posted.checked_add(spent.held).unwrap_or(Nano::MAX);
    json!({
        "scope": scope,
        "period": series.kind.name(),
        "cap": cap,
        "spent": spent.posted,
        "held": spent.held,
        "left": cap.map(|cap| cap.checked_sub(used).unwrap_or_default().max(Nano::ZERO)),
        "resets_at": spent.resets_at_ms.map(rfc3339),
    })
}

fn left_shape(left: Left) -> Value {
    json!({ "limit": left.limit, "remaining": left.remaining, "reset_s": left.reset_ms.saturating_add(999) / 1_000 })
}

pub(super) fn rfc3339(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms)
        .map(|at| at.to_string())
        .unwrap_or_default()
}
