//! The page after a key was made or rotated: the secret, once, how to use it, and the first call.
//!
//! Invariant: the secret comes from the flash and is in no address; reloading the page does not show it again.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::super::frame::{Spot, copy, signed_in};
use super::super::snippets::{agents_for, example_model, public_url, snippets_for};
use crate::api::keys::{KeyView, key};
use crate::api::models::list_models;
use crate::api::usage::{RequestRow, latest_of_key};
use crate::islands::{FirstCall, first_call, waiting};
use crate::shell::has_islands;
use crate::ui::*;

/// `/keys/{id}/created`
#[component]
pub fn KeyCreated() -> impl IntoView {
    let id = use_params_map().read_untracked().get("id").unwrap_or_default();
    let spot = Spot::new(Section::Keys, "Your key is ready", format!("/keys/{id}/created")).via("/keys", "Keys");
    signed_in(spot, move |visit| async move {
        let key = key(id).await?;
        let first = latest_of_key(key.id.clone())
            .await?
            .filter(|row| row.outcome != "running");
        let model = example_model(&list_models().await?, &key.models);
        let page = match visit.flash.secret.clone() {
            Some(secret) => fresh(secret, &key, &model, first.as_ref()),
            None => again(&key, &model, first.as_ref()),
        };
        Ok(page)
    })
}

fn fresh(secret: String, key: &KeyView, model: &str, first: Option<&RequestRow>) -> AnyView {
    let snippets = how_to(&secret, model);
    let done = if first.is_some() { 3 } else { 1 };
    let live = live_row(key, first);
    view! {
        <div class="narrow stack stack--6 u-center">
            <Progress steps=vec!["Create a key", "Change one line", "See your first call"] done=done />
            <PageHead title="Your key is ready" lead="Copy it, put it into one of these, and make a call." />
            <section class="stack stack--2">
                <div class="row row--between">
                    <h2>"Your key"</h2>
                    <Badge tone=Tone::Warn text="shown once" />
                </div>
                <Secret value=secret.clone()>
                    {copy(secret, "Copy key")}
                </Secret>
                <p class="hint">
                    "Keep it somewhere safe now: we store only a fingerprint and cannot show it again. Lost it? Rotate it under Keys."
                </p>
            </section>
            {snippets}
            {live}
            {may(key)}
        </div>
    }
    .into_any()
}

/// The same page when the secret is gone: what it was for, and the first call.
fn again(key: &KeyView, model: &str, first: Option<&RequestRow>) -> AnyView {
    let placeholder = format!(
        "sk-oh-…{}",
        key.last_four.first().map(String::as_str).unwrap_or_default()
    );
    let snippets = how_to(&placeholder, model);
    let title = if first.is_some() {
        "Your first call worked"
    } else {
        "Make a call"
    };
    let live = live_row(key, first);
    view! {
        <div class="narrow stack stack--6 u-center">
            <PageHead title=title lead=format!("Key {}. Its secret was shown once; lost it? Rotate it.", key.name)>
                <LinkButton href="/overview" text="Go to overview" kind=Kind::Primary />
            </PageHead>
            {live}
            {snippets}
            {may(key)}
        </div>
    }
    .into_any()
}

/// How to use `secret`, in a program and in a coding agent.
fn how_to(secret: &str, model: &str) -> AnyView {
    let mark = vec![public_url(), secret.to_owned()];
    view! {
        <section class="stack stack--2">
            <h2>"Use it"</h2>
            <Snippets name="use" of=snippets_for(secret, model) mark=mark.clone() />
            <p class="hint">"Or in a coding agent:"</p>
            <Snippets name="use-agents" of=agents_for(secret, model) mark=mark />
        </section>
    }
    .into_any()
}

/// The first call of the key, or the wait for it.
fn live_row(key: &KeyView, first: Option<&RequestRow>) -> AnyView {
    match first {
        Some(row) => first_call(row),
        None if has_islands() => island(key),
        None => waiting(Some(format!("/keys/{}/created", key.id))),
    }
}

/// The wait that ends by itself; without script, the way to look again.
fn island(key: &KeyView) -> AnyView {
    view! {
        <FirstCall key=key.id.clone() />
        <noscript>
            <p class="t13 muted">
                "Without JavaScript this page does not look by itself. "
                <a class="link" href=format!("/keys/{}/created", key.id)>
                    "Look again"
                </a>
            </p>
        </noscript>
    }
    .into_any()
}

/// What the key may do, in one line.
fn may(key: &KeyView) -> AnyView {
    let models = if key.models.is_empty() {
        "every model".to_owned()
    } else {
        key.models.join(", ")
    };
    let cap = key.cap_day.map_or_else(
        || "without a daily cap".to_owned(),
        |cap| format!("up to {} a day", usd(cap)),
    );
    view! {
        <p class="t12 faint">
            {format!("Key {} may use {models}, {cap}. ", key.name)}
            <a class="link" href=format!("/keys/{}", key.id)>
                "Change limits"
            </a>
        </p>
    }
    .into_any()
}
