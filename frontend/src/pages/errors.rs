//! What is shown where there is no page.
//!
//! Writes the response's status.

use leptos::prelude::*;
use leptos_meta::Title;

use crate::api::session::SessionView;
use crate::api::{ApiError, Code};
use crate::ui::{Button, ErrorPage, Hidden, Kind, LinkButton, PostForm, Site};

/// No page has this address.
#[component]
pub fn NotFound() -> impl IntoView {
    set_status(404);
    view! {
        <Title text="Not found · OurHub" />
        <Site>
            <ErrorPage
                status=404
                title="There is no page here"
                text="The address may have a typo, or what it led to is gone."
            >
                <LinkButton href="/" text="Go to the start page" />
            </ErrorPage>
        </Site>
    }
    .into_any()
}

/// A refusal in place of a page: what happened, whose turn it is, and the way out.
#[component]
pub fn Refused(
    error: ApiError,
    /// Nobody is signed in: the way out is the start page.
    #[prop(optional)]
    of_nobody: bool,
) -> impl IntoView {
    let status = error.code.status();
    set_status(status);
    let title = match error.code {
        Code::NotFound => "Not found",
        Code::Unconfirmed => "Confirm it is you",
        Code::Forbidden => "Not allowed",
        Code::Unavailable => "No answer right now",
        Code::Throttled => "Slow down",
        Code::Unauthenticated => "Not logged in",
        Code::Invalid | Code::Conflict | Code::TooLarge => "Not understood",
        Code::Internal => "Our fault",
    };
    let request = Some(error.request_id).filter(|id| !id.is_empty());
    let (href, out) = if of_nobody {
        ("/", "Go to the start page")
    } else {
        ("/overview", "Go to overview")
    };
    view! {
        <ErrorPage status=status title=title text=error.message nostrip:request=request>
            <LinkButton href=href text=out />
        </ErrorPage>
    }
    .into_any()
}

/// In place of a page of a team that whoever is signed in is not in any more, or where they are in none.
pub fn astray(session: &SessionView) -> AnyView {
    set_status(404);
    let choices = session.teams.iter().map(|team| {
        view! {
            <PostForm action="/fn/switch_team">
                <Hidden fields=vec![("team", team.id.clone())] />
                <Button text=format!("Show {}", team.name) />
            </PostForm>
        }
    });
    let choices = choices.collect_view();
    let (title, text) = if session.teams.is_empty() {
        ("You are in no team", "Make one, or ask to be invited into one.")
    } else {
        (
            "You are not in this team any more",
            "Somebody removed you, or you left. Nothing of it is shown. Choose another team.",
        )
    };
    view! {
        <ErrorPage status=404 title=title text=text>
            <div class="row row--wrap">
                {choices} <LinkButton href="/teams/new" text="Make a team" kind=Kind::Ghost />
            </div>
        </ErrorPage>
    }
    .into_any()
}

/// Sets the status of the response.
pub fn set_status(status: u16) {
    use actix_web::http::StatusCode;
    if let (Some(response), Ok(status)) = (
        use_context::<leptos_actix::ResponseOptions>(),
        StatusCode::from_u16(status),
    ) {
        response.set_status(status);
    }
}

/// Leads whoever asks to another page of ours.
pub fn lead_to(path: &str) {
    use actix_web::http::header::{HeaderValue, LOCATION};
    if let (Some(response), Ok(path)) = (
        use_context::<leptos_actix::ResponseOptions>(),
        HeaderValue::from_str(path),
    ) {
        response.insert_header(LOCATION, path);
        set_status(303);
    }
}
