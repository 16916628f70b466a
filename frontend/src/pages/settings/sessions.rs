//! Settings → Sessions: where one is signed in.
//!
//! Reads [`crate::api::session::list_sessions`]; the forms are sent to `/fn/end_session` and `/fn/end_other_sessions`.

use leptos::prelude::*;

use super::super::frame::{Spot, Visit, signed_in};
use super::tabs;
use crate::api::ApiError;
use crate::api::session::{SignedIn, list_sessions};
use crate::ui::*;

/// `/settings/sessions`
#[component]
pub fn SessionsPage() -> impl IntoView {
    let spot = Spot::new(Section::Settings, "Sessions", "/settings/sessions")
        .personal()
        .via("/settings", "Settings");
    signed_in(spot, |visit| async move {
        let sessions = list_sessions().await?;
        Ok::<_, ApiError>(page(&visit, sessions))
    })
}

fn page(visit: &Visit, sessions: Vec<SignedIn>) -> AnyView {
    let others = (sessions.len() > 1).then(|| {
        view! {
            <PostForm action="/fn/end_other_sessions">
                <Button text="Sign out all others" />
            </PostForm>
        }
    });
    let browsers = browsers(visit, sessions);
    view! {
        <PageHead title="Sessions" lead="The browsers in which you are signed in.">{others}</PageHead>
        {tabs("/settings/sessions")}
        <div class="narrow stack stack--6">{browsers}</div>
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
            <PostForm action="/fn/end_session">
                <Hidden fields=vec![("id", session.id)] />
                <Button text="Sign out" size=Size::Small />
            </PostForm>
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
