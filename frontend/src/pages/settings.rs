//! Settings: the team's name, zone and limits; light or dark; one's own account on further pages.
//!
//! Reads [`crate::api::team::team`]; the forms are sent to `/fn/update_team` and `/fn/set_theme`.

mod factor;
mod profile;
mod security;
mod sessions;
mod ways;

pub use factor::{AuthenticatorPage, RecoveryPage};
pub use profile::{DeletePage, ProfilePage};
pub use security::SecurityPage;
pub use sessions::SessionsPage;

use leptos::prelude::*;

use super::frame::{Spot, Visit, signed_in};
use crate::api::team::{TeamView, team};
use crate::api::{ApiError, Flash, Nano, theme};
use crate::ui::*;

/// `/settings`
#[component]
pub fn SettingsPage() -> impl IntoView {
    signed_in(
        Spot::new(Section::Settings, "Settings", "/settings"),
        |visit| async move {
            let team = team().await?;
            Ok::<_, ApiError>(page(&visit, &team))
        },
    )
}

/// The parts of the settings; `current` is the address of the one shown.
fn tabs(current: &str) -> AnyView {
    let links = [
        ("/settings", "Team"),
        ("/settings/profile", "Profile"),
        ("/settings/security", "Security"),
        ("/settings/sessions", "Sessions"),
    ];
    let links = links.map(|(href, text)| (href.to_owned(), text.to_owned(), href == current));
    view! { <Segment label="Settings" links=links.to_vec() /> }.into_any()
}

fn page(visit: &Visit, team: &TeamView) -> AnyView {
    let team_card = if visit.manages_team() {
        team_form(&visit.flash, team)
    } else {
        team_facts(team)
    };
    let appearance = appearance();
    view! {
        <PageHead title="Settings" lead="The team, and how pages look." />
        {tabs("/settings")}
        <div class="narrow stack stack--6">{team_card} {appearance}</div>
    }
    .into_any()
}

/// Light, dark, or what the system says; kept in this browser.
fn appearance() -> AnyView {
    let chosen = theme::chosen();
    let choice = move |value: Option<&'static str>, text: &'static str| {
        let pressed = if value == chosen { "true" } else { "false" };
        view! {
            <button type="submit" name="theme" value=value.unwrap_or("system") aria-pressed=pressed>
                {text}
            </button>
        }
    };
    view! {
        <Card title="Appearance" hint="in this browser">
            <PostForm action="/fn/set_theme" class="row">
                <div class="seg" role="group" aria-label="Theme">
                    {choice(None, "System")}
                    {choice(Some("light"), "Light")}
                    {choice(Some("dark"), "Dark")}
                </div>
            </PostForm>
        </Card>
    }
    .into_any()
}

/// What a member sees of the team.
fn team_facts(team: &TeamView) -> AnyView {
    let money = |cap: Option<Nano>| cap.map_or_else(|| "no cap".to_owned(), usd);
    let facts = vec![
        Fact::new("Name", team.name.clone()),
        Fact::new("Time zone", team.time_zone.clone()),
        Fact::new("Cap per day", money(team.cap_day)),
        Fact::new("Cap per month", money(team.cap_month)),
    ];
    view! {
        <Card title="Team" hint="owners and admins may change it">
            <Facts of=facts />
        </Card>
    }
    .into_any()
}

fn team_form(flash: &Flash, team: &TeamView) -> AnyView {
    let money = |cap: Option<Nano>| cap.map(Nano::render).unwrap_or_default();
    let number = |limit: Option<i64>| limit.map(|limit| limit.to_string()).unwrap_or_default();
    let first = name_and_zone(flash, team);
    let caps = money_field(flash, "cap_day", "Cap per day", &money(team.cap_day));
    let month = money_field(flash, "cap_month", "Cap per month", &money(team.cap_month));
    let rpm = count_field(flash, "rpm", "Requests per minute", &number(team.rpm));
    let tpm = count_field(flash, "tpm", "Tokens per minute", &number(team.tpm));
    view! {
        <Card title="Team">
            <PostForm class="stack" action="/fn/update_team">
                {first}
                <div class="cols">{caps} {month} {rpm} {tpm}</div>
                <div class="row">
                    <Button text="Save team" kind=Kind::Primary />
                </div>
            </PostForm>
        </Card>
    }
    .into_any()
}

fn name_and_zone(flash: &Flash, team: &TeamView) -> AnyView {
    view! {
        <div class="cols">
            <TextField
                name="name"
                label="Name"
                value=flash.value("name", &team.name)
                required=true
                nostrip:error=flash.error_of("name")
            />
            <TextField
                name="time_zone"
                label="Time zone"
                value=flash.value("time_zone", &team.time_zone)
                required=true
                hint="Days and months of caps begin here. For example Europe/Berlin."
                nostrip:error=flash.error_of("time_zone")
            />
        </div>
    }
    .into_any()
}

fn money_field(flash: &Flash, name: &'static str, label: &'static str, value: &str) -> AnyView {
    view! {
        <TextField
            name=name
            label=label
            value=flash.value(name, value)
            inputmode="decimal"
            pre="$"
            post="USD"
            placeholder="No cap"
            nostrip:error=flash.error_of(name)
        />
    }
    .into_any()
}

fn count_field(flash: &Flash, name: &'static str, label: &'static str, value: &str) -> AnyView {
    view! {
        <TextField
            name=name
            label=label
            value=flash.value(name, value)
            inputmode="numeric"
            placeholder="No limit"
            nostrip:error=flash.error_of(name)
        />
    }
    .into_any()
}
