//! Settings: the team's name, zone and limits; light or dark; the password; the browsers signed in.
//!
//! Reads [`crate::api::team::team`] and [`crate::api::session::list_sessions`]; the forms are sent to
//! `/fn/update_team`, `/fn/set_theme`, `/fn/change_password` and `/fn/end_session`.

use leptos::prelude::*;

use super::frame::{Spot, Visit, signed_in};
use crate::api::session::{SignedIn, list_sessions};
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
            let sessions = list_sessions().await?;
            Ok::<_, ApiError>(page(&visit, &team, sessions))
        },
    )
}

fn page(visit: &Visit, team: &TeamView, sessions: Vec<SignedIn>) -> AnyView {
    let team_card = if visit.manages_team() {
        team_form(&visit.flash, team)
    } else {
        team_facts(team)
    };
    let password = password(&visit.flash, &visit.session.email);
    let browsers = browsers(visit, sessions);
    let appearance = appearance();
    view! {
        <PageHead title="Settings" lead="The team, how pages look, your password, and where you are signed in." />
        <div class="narrow stack stack--6">{team_card} {appearance} {password} {browsers}</div>
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
            <form method="post" action="/fn/set_theme" class="row">
                <div class="seg" role="group" aria-label="Theme">
                    {choice(None, "System")}
                    {choice(Some("light"), "Light")}
                    {choice(Some("dark"), "Dark")}
                </div>
            </form>
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
            <form class="stack" method="post" action="/fn/update_team">
                {first}
                <div class="cols">{caps} {month} {rpm} {tpm}</div>
                <div class="row">
                    <Button text="Save team" kind=Kind::Primary />
                </div>
            </form>
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

fn password(flash: &Flash, email: &str) -> AnyView {
    let email = email.to_owned();
    let wrong = flash.error_of("current");
    let weak = flash.error_of("new").or_else(|| flash.error_of("password"));
    view! {
        <Card title="Password" hint="other browsers are signed out">
            <form class="stack" method="post" action="/fn/change_password">
                // For password managers: it has no name and is not sent.
                <input class="vh" type="email" autocomplete="username" value=email readonly tabindex="-1" aria-label="Email" />
                <div class="cols">
                    <TextField
                        name="current"
                        label="Current password"
                        kind="password"
                        autocomplete="current-password"
                        required=true
                        nostrip:error=wrong
                    />
                    <TextField
                        name="new"
                        label="New password"
                        kind="password"
                        autocomplete="new-password"
                        minlength=8
                        required=true
                        nostrip:error=weak
                    />
                </div>
                <div class="row">
                    <Button text="Change password" />
                </div>
            </form>
        </Card>
    }
    .into_any()
}

fn browsers(visit: &Visit, sessions: Vec<SignedIn>) -> AnyView {
    let head = vec![
        th("Browser", ""),
        th("From", "p2"),
        th("Last seen", "p2"),
        th("Sign out", "act"),
    ];
    let rows = sessions
        .into_iter()
        .map(|session| browser(&visit.clock, session))
        .collect_view();
    view! {
        <Card title="Signed in" flush=true>
            <Table head=head tight=true flush=true>
                {rows}
            </Table>
        </Card>
    }
    .into_any()
}

fn browser(clock: &Clock, session: SignedIn) -> AnyView {
    let act = if session.is_current {
        view! { <Badge tone=Tone::Accent text="this one" /> }.into_any()
    } else {
        view! {
            <form method="post" action="/fn/end_session">
                <Hidden fields=vec![("id", session.id)] />
                <Button text="Sign out" size=Size::Small />
            </form>
        }
        .into_any()
    };
    let name = browser_name(&session.user_agent);
    let agent = session.user_agent;
    view! {
        <tr>
            <td class="main">
                <span title=agent>{name}</span>
                <span class="sub only-sm num">{session.address.clone()}</span>
            </td>
            <td class="p2 muted num">{session.address}</td>
            <td class="p2 muted">
                <When at=session.last_seen_at clock=clock.clone() />
            </td>
            <td class="r">{act}</td>
        </tr>
    }
    .into_any()
}

/// The browser and its system, as far as its own description tells: “Chrome on Linux”.
fn browser_name(agent: &str) -> String {
    // The order matters: Edge and Opera call themselves Chrome too, and everybody calls himself Safari.
    const BROWSERS: [(&str, &str); 6] = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox", "Firefox"),
        ("Chrome", "Chrome"),
        ("Safari", "Safari"),
        ("curl", "curl"),
    ];
    const SYSTEMS: [(&str, &str); 6] = [
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS", "macOS"),
        ("Linux", "Linux"),
    ];
    let find = |names: [(&str, &'static str); 6]| {
        names
            .iter()
            .find(|(mark, _)| agent.contains(mark))
            .map(|(_, name)| *name)
    };
    match (find(BROWSERS), find(SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(name), None) | (None, Some(name)) => name.to_owned(),
        (None, None) => "A browser not known".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::browser_name;

    #[test]
    fn a_browser_is_named_as_people_name_it() {
        let chrome =
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36";
        assert_eq!(browser_name(chrome), "Chrome on Linux");
        assert_eq!(
            browser_name("Mozilla/5.0 (Windows NT 10.0) Chrome/130 Safari/537 Edg/130"),
            "Edge on Windows"
        );
        assert_eq!(
            browser_name("Mozilla/5.0 (iPhone; CPU like Mac OS X) Version/18 Safari/604"),
            "Safari on iPhone"
        );
        assert_eq!(browser_name(""), "A browser not known");
    }
}
