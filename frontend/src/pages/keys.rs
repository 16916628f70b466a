//! Keys: the list, and the page that asks before a key is rotated or revoked.
//!
//! Invariant: what can be undone is done at once; what cannot is asked about on a page of its own.

mod created;
mod form;

pub use created::KeyCreated;
pub use form::{KeyEdit, KeyNew};

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::frame::{Spot, Visit, signed_in};
use crate::api::keys::{KeyView, key, list_keys};
use crate::api::{ApiError, Time};
use crate::ui::*;

/// `/keys`
#[component]
pub fn KeyList() -> impl IntoView {
    signed_in(Spot::new(Section::Keys, "Keys", "/keys"), |visit| async move {
        let keys = list_keys().await?;
        Ok(list(&visit, keys))
    })
}

/// The list as a page; the key form shows it behind its drawer.
fn list(visit: &Visit, keys: Vec<KeyView>) -> AnyView {
    let body = if keys.is_empty() {
        let create = create(visit);
        view! {
            <Empty
                icon=Glyph::Key
                title="No keys yet"
                text="A key is what your app sends instead of a provider’s. Make one, then change one line."
            >
                {create}
            </Empty>
        }
        .into_any()
    } else {
        table(visit, keys)
    };
    let create = create(visit);
    view! {
        <PageHead
            title="Keys"
            lead="Each key has its own caps, limits and models. A cap is never exceeded, whatever runs at the same time."
        >
            {create}
        </PageHead>
        {body}
    }
    .into_any()
}

/// The way to a new key, for those who may make one.
pub(in crate::pages) fn create(visit: &Visit) -> Option<AnyView> {
    let button =
        || view! { <LinkButton href="/keys/new" text="Create key" kind=Kind::Primary icon=Glyph::Plus /> }.into_any();
    visit.makes_keys().then(button)
}

fn table(visit: &Visit, keys: Vec<KeyView>) -> AnyView {
    let head = vec![
        th("Key", ""),
        th("Member", "p3"),
        th("Models", "p3"),
        th("Today", "p2"),
        th("This month", ""),
        th("Status", "p2"),
        th("Actions", "act"),
    ];
    let rows = keys.into_iter().map(|key| row(visit, key)).collect_view();
    let zone = visit.clock.zone_name().to_owned();
    view! {
        <Table head=head>{rows}</Table>
        <p class="t12 faint">
            {format!("Days end at 00:00 {zone}. Striped: held by running requests. Tick: 80% of the cap.")}
        </p>
    }
    .into_any()
}

fn row(visit: &Visit, key: KeyView) -> AnyView {
    let clock = &visit.clock;
    let name = key.name.clone();
    let href = format!("/keys/{}", key.id);
    let (tone, state) = state(&key);
    let models = if key.models.is_empty() {
        "All models".to_owned()
    } else {
        key.models.join(", ")
    };
    let used = key
        .last_used_at
        .map(|at| view! { <span class="sub u-dot">{used(clock, at)}</span> });
    view! {
        <tr>
            <td class="main">
                <a href=href>{name.clone()}</a>
                <span class="sub mono">{masked(&key)}</span>
                <span class="sub only-sm">
                    <Status tone=tone text=state.clone() />
                </span>
            </td>
            <td class="p3 muted">{key.member.as_ref().map_or_else(|| "Service".to_owned(), |member| member.name.clone())}</td>
            <td class="p3 muted">
                {models}
            </td>
            <td class="p2">
                <CapCell label=format!("{name}, today") spent=key.day.posted held=key.day.held cap=key.day.cap />
            </td>
            <td>
                <CapCell label=format!("{name}, this month") spent=key.month.posted held=key.month.held cap=key.month.cap />
            </td>
            <td class="p2">
                <Status tone=tone text=state />
                {used}
            </td>
            <td class="act">{visit.makes_keys().then(|| menu(&key))}</td>
        </tr>
    }
    .into_any()
}

fn used(clock: &Clock, at: Time) -> AnyView {
    view! { "used " <When at=at clock=clock.clone() /> }.into_any()
}

/// `sk-oh-…vT9x`; while it rotates, both.
fn masked(key: &KeyView) -> String {
    let endings: Vec<_> = key.last_four.iter().map(|four| format!("sk-oh-…{four}")).collect();
    endings.join(", ")
}

/// The state in a word; an active key at a cap says so.
fn state(key: &KeyView) -> (Tone, String) {
    let is_full = |spend: &crate::api::keys::Spend| spend.cap.is_some_and(|cap| spend.posted >= cap);
    let (tone, word) = match key.state.as_str() {
        "disabled" => (Tone::Neutral, "Disabled"),
        "expired" => (Tone::Bad, "Expired"),
        "revoked" => (Tone::Bad, "Revoked"),
        _ if is_full(&key.total) => (Tone::Bad, "At its cap in all"),
        _ if is_full(&key.month) => (Tone::Bad, "At its monthly cap"),
        _ if is_full(&key.day) => (Tone::Bad, "At its daily cap"),
        _ => (Tone::Ok, "Active"),
    };
    (tone, word.to_owned())
}

fn menu(key: &KeyView) -> AnyView {
    let id = key.id.clone();
    if key.state == "revoked" {
        return ().into_any();
    }
    let is_disabled = key.state == "disabled";
    let (glyph, text) = if is_disabled {
        (Glyph::Play, "Enable")
    } else {
        (Glyph::Pause, "Disable")
    };
    let fields = vec![("id", id.clone()), ("disabled", (!is_disabled).to_string())];
    view! {
        <Menu label=format!("Actions for {}", key.name)>
            <MenuItem href=format!("/keys/{id}") icon=Glyph::Edit text="Edit limits" />
            <MenuItem href=format!("/keys/{id}/rotate") icon=Glyph::Refresh text="Rotate with overlap" />
            <MenuItem href=format!("/usage?key={id}") icon=Glyph::Receipt text="Show usage" />
            <MenuPost action="/fn/set_key_disabled" fields=fields icon=glyph text=text />
            <hr />
            <MenuItem href=format!("/keys/{id}/revoke") icon=Glyph::Trash text="Revoke key…" danger=true />
        </Menu>
    }
    .into_any()
}

/// `/keys/{id}/revoke`
#[component]
pub fn KeyRevoke() -> impl IntoView {
    ask("Revoke", |key| Question {
        title: format!("Revoke {}?", key.name),
        text: "Calls with this key fail within a second. This cannot be undone; to change the secret without a gap, rotate it.",
        action: "/fn/revoke_key",
        act: view! { <Button text="Revoke key" kind=Kind::Danger /> }.into_any(),
    })
}

/// `/keys/{id}/rotate`
#[component]
pub fn KeyRotate() -> impl IntoView {
    ask("Rotate", |key| Question {
        title: format!("Rotate {}?", key.name),
        text: "You get a second secret, shown once. The one in use now works for 24 more hours, so nothing stops.",
        action: "/fn/rotate_key",
        act: view! { <Button text="Rotate key" kind=Kind::Primary /> }.into_any(),
    })
}

/// What is asked before an act.
struct Question {
    title: String,
    text: &'static str,
    action: &'static str,
    act: AnyView,
}

fn ask(title: &'static str, question: fn(&KeyView) -> Question) -> AnyView {
    let id = use_params_map().read_untracked().get("id").unwrap_or_default();
    let spot = Spot::new(Section::Keys, title, format!("/keys/{id}/{}", title.to_lowercase())).via("/keys", "Keys");
    signed_in(spot, move |_| async move {
        let key = key(id).await?;
        Ok::<_, ApiError>(dialog(question(&key), key.id))
    })
}

fn dialog(question: Question, id: String) -> AnyView {
    let Question {
        title,
        text,
        action,
        act,
    } = question;
    view! {
        <Dialog title=title text=text>
            <LinkButton href="/keys" text="Keep key" />
            <PostForm action=action>
                <Hidden fields=vec![("id", id)] />
                {act}
            </PostForm>
        </Dialog>
    }
    .into_any()
}
