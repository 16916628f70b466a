//! The frames that pages stand in: who is signed in, what the page before left, and what to show when a call is refused.
//!
//! Invariant: a signed-in page is drawn for a session or leads to the log-in; a refusal sets the response's status.
//! Reads the session through [`crate::api`]; writes status and redirects.

use std::future::Future;

use leptos::prelude::*;
use leptos_meta::Title;

use super::errors::{Refused, lead_to};
use crate::api::session::{SessionView, current_session};
use crate::api::{ApiError, Code, Flash, Nano, flash};
use crate::islands::CopyButton;
use crate::shell::has_islands;
use crate::ui::{Clock, LinkButton, Nav, Notice, Section, Shell, Site, Size, Tone, usd};

/// Where a signed-in page stands.
pub struct Spot {
    section: Section,
    title: String,
    path: String,
    via: Vec<(String, String)>,
    is_quiet: bool,
}

impl Spot {
    /// A page of `section`, at `path`: the flash for that path is shown on it.
    pub fn new(section: Section, title: impl Into<String>, path: impl Into<String>) -> Self {
        Self {
            section,
            title: title.into(),
            path: path.into(),
            via: Vec::new(),
            is_quiet: false,
        }
    }

    /// The page shows by itself what the one before left: in its drawer.
    pub fn quiet(mut self) -> Self {
        self.is_quiet = true;
        self
    }

    /// Adds a page between the section and this one to the way back.
    pub fn via(mut self, href: impl Into<String>, text: impl Into<String>) -> Self {
        self.via.push((href.into(), text.into()));
        self
    }
}

/// What a signed-in page knows before it asks for data of its own.
#[derive(Clone)]
pub struct Visit {
    /// Who is signed in.
    pub session: SessionView,
    /// Now, in the team's time zone.
    pub clock: Clock,
    /// What the page before left.
    pub flash: Flash,
}

impl Visit {
    /// Whether the role may change what belongs to the team.
    pub fn manages_team(&self) -> bool {
        matches!(self.session.role.as_str(), "owner" | "admin")
    }
}

/// A page for who is signed in; others are led to the log-in.
pub fn signed_in<Body, Page>(spot: Spot, body: Body) -> AnyView
where
    Body: FnOnce(Visit) -> Page + Send + 'static,
    Page: Future<Output = Result<AnyView, ApiError>> + Send + 'static,
{
    let flash = flash::take(&spot.path);
    Suspend::new(async move {
        match current_session().await {
            Ok(Some(session)) => {
                let clock = Clock::new(session.now, &session.time_zone);
                let visit = Visit {
                    session: session.clone(),
                    clock,
                    flash: flash.clone(),
                };
                let page = body(visit).await;
                framed(spot, session, flash, page)
            }
            Ok(None) => {
                lead_to("/login");
                ().into_any()
            }
            Err(error) => view! { <Site><Refused error=error /></Site> }.into_any(),
        }
    })
    .into_any()
}

fn framed(spot: Spot, session: SessionView, flash: Flash, page: Result<AnyView, ApiError>) -> AnyView {
    if matches!(&page, Err(error) if error.code == Code::Unauthenticated) {
        lead_to("/login");
        return ().into_any();
    }
    if matches!(&page, Err(error) if error.code == Code::Unconfirmed) {
        lead_to(&flash::confirm_page(&spot.path));
        return ().into_any();
    }
    let page = page.unwrap_or_else(|error| view! { <Refused error=error /> }.into_any());
    let low = low_balance(spot.section, session.low_balance, session.takes_payments);
    let nav = Nav {
        team: session.team_name,
        role: capitalised(&session.role),
        email: session.email,
        is_admin: session.is_admin,
        alerts: session.alerts,
        takes_payments: session.takes_payments,
        log_out: "/fn/log_out".to_owned(),
    };
    let Spot {
        section,
        title,
        via,
        is_quiet,
        ..
    } = spot;
    let news = if is_quiet { None } else { news(&flash) };
    view! {
        <Title text=format!("{title} · OurHub") />
        <Shell nav=nav current=section via=via here=title>
            {low}
            {news}
            {page}
        </Shell>
    }
    .into_any()
}

/// That calls stop soon, or have stopped, for want of a balance; the billing page says so by itself.
fn low_balance(section: Section, balance: Option<Nano>, takes_payments: bool) -> Option<AnyView> {
    let balance = balance.filter(|_| section != Section::Billing && !section.is_platform())?;
    let (tone, title) = if balance > Nano::ZERO {
        (
            Tone::Warn,
            format!("The balance of {} will not last three days.", usd(balance)),
        )
    } else {
        (Tone::Bad, "The balance is used up, so calls are refused.".to_owned())
    };
    let act = if takes_payments { "Top up" } else { "Show billing" };
    let notice = view! {
        <Notice tone=tone title=title>
            <LinkButton href="/billing" text=act size=Size::Small />
        </Notice>
    };
    Some(notice.into_any())
}

/// The sentence that the page before left, or what was wrong with its form.
pub fn news(flash: &Flash) -> Option<AnyView> {
    if let Some(error) = &flash.error {
        return Some(problem(error));
    }
    let note = flash.note.clone()?;
    Some(view! { <Notice tone=Tone::Ok title=note /> }.into_any())
}

/// Why a form was refused.
pub fn problem(error: &ApiError) -> AnyView {
    let request = Some(error.request_id.clone()).filter(|id| !id.is_empty());
    view! { <Notice tone=Tone::Bad title=error.message.clone() nostrip:request=request /> }.into_any()
}

/// A public page; it knows whether somebody is signed in.
pub fn public<Body, Page>(title: &'static str, body: Body) -> AnyView
where
    Body: FnOnce(Option<SessionView>) -> Page + Send + 'static,
    Page: Future<Output = Result<AnyView, ApiError>> + Send + 'static,
{
    Suspend::new(async move {
        let session = current_session().await.ok().flatten();
        let signed_in = session.is_some();
        let page = body(session)
            .await
            .unwrap_or_else(|error| view! { <Refused error=error /> }.into_any());
        view! {
            <Title text=format!("{title} · OurHub") />
            <Site signed_in=signed_in>{page}</Site>
        }
        .into_any()
    })
    .into_any()
}

/// A button that copies `text`, where islands come to life; elsewhere the text is selected by hand.
pub fn copy(text: String, label: &'static str) -> Option<AnyView> {
    has_islands().then(|| view! { <CopyButton text=text label=label.to_owned() /> }.into_any())
}

/// `owner` as `Owner`.
pub fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .chain(letters)
        .collect()
}
