//! Accounts between the area's shapes and the view models'.
//!
//! Invariant: null clears and absent keeps, field by field. Pure.

use super::super::{Refusal, view};
use crate::{
    accounts::{self, Account, Grants, GrantsChange, Models, Past, Patch, Served, Standing},
    secrets::Secret,
};
use frontend::api::{
    ApiError, Time,
    accounts::{AccountPatch, AccountView, DeploymentView, ModelEntry, NewAccount, TurnView},
};
use gateway_core::{
    id::{self, Kind},
    retry::Reason,
};

/// Share among equals where nothing was said.
const WEIGHT: i32 = 100;
/// What an account's health is called.
const STATES: [&str; 4] = ["ready", "cooling", "probing", "parked"];

/// The account as admins see it at `now_ms`.
pub(super) fn view(account: Account, now_ms: i64) -> AccountView {
    let (state, until, reason) = standing(&account, now_ms);
    AccountView {
        id: id::render(Kind::Account, account.id),
        label: account.label,
        provider: account.provider,
        dialect: account.dialect,
        base_url: account.base_url,
        last_four: account.last_four,
        auth_scheme: account.auth_scheme,
        priority: account.standing.priority,
        weight: account.standing.weight,
        region: account.standing.region,
        proxy_url: account.proxy_url,
        models: entries(account.models),
        rpm: account.grants.rpm,
        tpm: account.grants.tpm,
        max_in_flight: account.grants.max_in_flight,
        in_flight: u64::from(account.live.in_flight),
        state: state.to_owned(),
        until,
        reason,
        last_error: account.live.last_error,
        last_error_at: view::time(account.live.last_error_at),
        created_at: Time(account.times.created_at),
        history: Vec::new(),
    }
}

/// A turn as admins see it.
pub(super) fn turn(past: Past) -> TurnView {
    let reason = match past.turn.reason.as_str() {
        "rate_limited" => "It is at its limit.",
        "overloaded" => "The provider is out of capacity.",
        "upstream" => "The provider failed.",
        "timed_out" => "It took too long.",
        "unreachable" => "There was no connection, or it broke.",
        "proxy" => "Its proxy did not connect it.",
        "bad_key" => "The provider refuses the key.",
        "no_money" => "Its credit at the provider is used up.",
        "forbidden" => "The provider forbids the call.",
        other => other,
    };
    TurnView {
        at: Time(past.at_ms),
        reason: reason.to_owned(),
        until: past.turn.until_ms.map(Time),
        state: past.turn.state,
    }
}

/// Its state's name, until when, and why.
fn standing(account: &Account, now_ms: i64) -> (&'static str, Option<Time>, Option<String>) {
    if account.times.disabled_at.is_some() {
        return ("disabled", None, None);
    }
    let Some(health) = &account.live.health else {
        let reason = "It cannot be used as configured: its address, proxy or key. Save it anew.";
        return ("parked", None, Some(reason.to_owned()));
    };
    if let (Some(proxy), "ready") = (&account.live.proxy, health.state.as_str()) {
        let until = proxy.until_ms.filter(|until_ms| *until_ms > now_ms);
        let reason = "Its proxy does not connect it. The account itself is not to blame.";
        return ("cooling", until.map(Time), Some(reason.to_owned()));
    }
    let reason = match (health.state.as_str(), health.reason) {
        ("parked", Some(Reason::BadKey)) => Some("The provider refuses the key."),
        ("parked", Some(Reason::NoMoney)) => Some("Its credit at the provider is used up."),
        ("parked", Some(Reason::Forbidden)) => Some("The provider forbids the call."),
        ("probing", _) => Some("One request tries it now."),
        ("cooling", _) if health.stated => Some("The provider asked for a pause."),
        ("cooling", _) => Some("It failed; the pause doubles with every failure."),
        _ => None,
    };
    let state = STATES
        .into_iter()
        .find(|state| *state == health.state)
        .unwrap_or("ready");
    let until = health.until_ms.filter(|until_ms| *until_ms > now_ms);
    let reason = reason.map(|reason| match &health.model {
        Some(model) => format!("{reason} That concerns {model} alone."),
        None => reason.to_owned(),
    });
    (state, until.map(Time), reason)
}

/// The models as they are written in JSON.
pub(super) fn entries(models: Models) -> Vec<ModelEntry> {
    match models {
        Models::All => vec![ModelEntry::Pattern("*".to_owned())],
        Models::Named(served) => {
            let entry = |served: Served| {
                ModelEntry::One(DeploymentView {
                    model: served.model,
                    upstream_model: served.upstream_model,
                })
            };
            served.into_iter().map(entry).collect()
        }
    }
}

fn models(entries: Vec<ModelEntry>) -> Result<Models, Refusal> {
    let is_all = |entry: &ModelEntry| matches!(entry, ModelEntry::Pattern(pattern) if pattern == "*");
    match entries.as_slice() {
        [] => return Ok(Models::All),
        [one] if is_all(one) => return Ok(Models::All),
        several if several.iter().any(is_all) => {
            return Err(ApiError::field("models", "Send [\"*\"] alone, or name each model.").into());
        }
        _ => {}
    }
    let served = entries.into_iter().map(|entry| match entry {
        ModelEntry::One(one) => Ok(Served {
            model: one.model,
            upstream_model: one.upstream_model,
        }),
        ModelEntry::Pattern(pattern) => {
            let message = format!("“{pattern}” is neither * nor an object with a model.");
            Err(ApiError::field("models", message).into())
        }
    });
    served.collect::<Result<_, Refusal>>().map(Models::Named)
}

/// A new account as the area takes it.
pub(super) fn new(new: NewAccount) -> Result<accounts::NewAccount, Refusal> {
    Ok(accounts::NewAccount {
        label: new.label,
        provider: new.provider,
        dialect: new.dialect,
        base_url: new.base_url,
        secret: Secret::new(new.secret),
        auth_scheme: new.auth_scheme,
        proxy_url: new.proxy_url.map(Secret::new),
        models: models(new.models)?,
        standing: Standing {
            priority: new.priority.unwrap_or(0),
            weight: new.weight.unwrap_or(WEIGHT),
            region: new.region,
        },
        grants: Grants {
            rpm: new.rpm,
            tpm: new.tpm,
            max_in_flight: new.max_in_flight,
        },
    })
}

/// A change as the area takes it.
pub(super) fn change(change: AccountPatch) -> Result<accounts::Change, Refusal> {
    Ok(accounts::Change {
        label: change.label,
        base_url: change.base_url,
        secret: change.secret.map(Secret::new),
        auth_scheme: nullable(change.auth_scheme),
        proxy_url: nullable(change.proxy_url.map(|url| url.map(Secret::new))),
        models: change.models.map(models).transpose()?.map_or(Patch::Keep, Patch::Set),
        priority: nullable(change.priority),
        weight: nullable(change.weight),
        region: nullable(change.region),
        grants: GrantsChange {
            rpm: nullable(change.rpm),
            tpm: nullable(change.tpm),
            max_in_flight: nullable(change.max_in_flight),
        },
        is_disabled: change.disabled,
    })
}

fn nullable<T>(field: Option<Option<T>>) -> Patch<T> {
    match field {
        None => Patch::Keep,
        Some(None) => Patch::Clear,
        Some(Some(value)) => Patch::Set(value),
    }
}
