//! Settings → Profile: the address one logs in with, one's own data, and their end.
//!
//! Reads the session; the forms are sent to `/fn/ask_email` and `/fn/delete_self`.

use leptos::prelude::*;

use super::super::frame::{Spot, Visit, signed_in};
use super::tabs;
use crate::api::{ApiError, Flash};
use crate::ui::*;

/// `/settings/profile`
#[component]
pub fn ProfilePage() -> impl IntoView {
    let spot = Spot::new(Section::Settings, "Profile", "/settings/profile")
        .personal()
        .via("/settings", "Settings");
    signed_in(spot, |visit| async move { Ok::<_, ApiError>(page(&visit)) })
}

fn page(visit: &Visit) -> AnyView {
    let address = address(&visit.flash, &visit.session.email);
    view! {
        <PageHead title="Profile" lead="You, on this server." />
        {tabs("/settings/profile")}
        <div class="narrow stack stack--6">{address} {own_data()}</div>
    }
    .into_any()
}

fn address(flash: &Flash, current: &str) -> AnyView {
    let facts = vec![Fact::new("You log in with", current.to_owned())];
    let (value, wrong) = (flash.value("email", ""), flash.error_of("email"));
    view! {
        <Card title="Email address">
            <Facts of=facts />
            <PostForm class="stack" action="/fn/ask_email">
                <TextField
                    name="email"
                    label="New address"
                    kind="email"
                    autocomplete="email"
                    required=true
                    value=value
                    hint="A link is mailed to it; until you open that, nothing changes."
                    nostrip:error=wrong
                />
                <div class="row">
                    <Button text="Change address" />
                </div>
            </PostForm>
        </Card>
    }
    .into_any()
}

fn own_data() -> AnyView {
    view! {
        <Card title="Your data">
            <p class="muted t13">"What is kept of you: teams, sessions, tokens, and what you did. No secrets."</p>
            <div class="row">
                <LinkButton href="/profile.json" text="Download as JSON" icon=Glyph::Download />
                <LinkButton href="/settings/delete" text="Delete account" kind=Kind::Danger />
            </div>
        </Card>
    }
    .into_any()
}

/// `/settings/delete`
#[component]
pub fn DeletePage() -> impl IntoView {
    let spot = Spot::new(Section::Settings, "Delete account", "/settings/delete").via("/settings/profile", "Profile");
    signed_in(spot, |visit| async move { Ok::<_, ApiError>(delete(&visit)) })
}

fn delete(visit: &Visit) -> AnyView {
    let (value, wrong) = (visit.flash.value("email", ""), visit.flash.error_of("email"));
    let email = visit.session.email.clone();
    view! {
        <div class="dialogpage">
            <PostForm class="dialog stack" action="/fn/delete_self">
                <div>
                    <h1>"Delete your account?"</h1>
                    <p class="t13 muted u-mt1">
                        "Nobody can undo this. You leave your teams, and keys that count as yours are refused. A team that only you are in is suspended; what it spent stays in its books, without your address."
                    </p>
                </div>
                <TextField
                    name="email"
                    label="Your address"
                    value=value
                    required=true
                    hint=format!("Type {email}.")
                    nostrip:error=wrong
                />
                <div class="dialog__foot">
                    <LinkButton href="/settings/profile" text="Keep it" />
                    <Button text="Delete account" kind=Kind::Danger />
                </div>
            </PostForm>
        </div>
    }
    .into_any()
}
