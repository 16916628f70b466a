//! The frames that pages stand in: who is signed in, what the page before left, and what to show when a call is refused.
//!
//! Invariant: a signed-in page is drawn for a session or leads to the log-in; a refusal sets the response's status.
//! Reads the session through [`crate::api`]; writes status and redirects.

use std::future::Future;

use leptos::prelude::*;
use leptos_meta::Title;

use super::errors::{Refused, lead_to};
use crate::api::invitations::kept_link;
use crate::api::session::{SessionView, TeamChoice, current_session};
use crate::api::{ApiError, Code, Flash, Nano, flash};
use crate::islands::CopyButton;
use crate::shell::has_islands;
use crate::ui::{
    Button, Clock, LinkButton, Nav, NavTeam, Notice, PostForm, Section, Shell, ShownTeam, Site, Size, Tone, usd,
};

/// Where a signed-in page stands.
pub struct Spot {
    section: Section,
    title: String,
    path: String,
    via: Vec<(String, String)>,
    is_quiet: bool,
    is_personal: bool,
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
            is_personal: false,
        }
    }

    /// The page shows by itself what the one before left: in its drawer.
    pub fn quiet(mut self) -> Self {
        self.is_quiet = true;
        self
    }

    /// The page is about whoever is signed in, whatever team is shown.
    pub fn personal(mut self) -> Self {
        self.is_personal = true;
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

    /// Whether the role may make keys: a viewer only looks.
    pub fn makes_keys(&self) -> bool {
        self.session.role != "viewer"
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
                provide_context(ShownTeam(session.team_id.clone()));
                let clock = Clock::new(session.now, &session.time_zone);
                let visit = Visit {
                    session: session.clone(),
                    clock,
                    flash: flash.clone(),
                };
                let page = match is_lost(&spot, &session) {
                    true => Ok(super::errors::astray(&session)),
                    // Also where nothing is read that would be refused: the forms are nothing for others.
                    false if spot.section.is_platform() && !session.is_admin => {
                        Err(ApiError::because(Code::Forbidden, "This page is for platform admins."))
                    }
                    false => body(visit).await,
                };
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

/// Whether the page needs a team, and there is none to show.
fn is_lost(spot: &Spot, session: &SessionView) -> bool {
    session.is_astray && !spot.is_personal && !spot.section.is_platform()
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
    let acting = session.acting_for.as_deref().map(|admin| acting(admin, &session.email));
    let nav = Nav {
        teams: session.teams.into_iter().map(nav_team).collect(),
        team: session.team_id,
        manages_team: matches!(session.role.as_str(), "owner" | "admin"),
        may_make_teams: session.may_make_teams,
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
    let invited = kept_link().map(invited);
    view! {
        <Title text=format!("{title} · OurHub") />
        <Shell nav=nav current=section via=via here=title>
            {acting}
            {low}
            {news}
            {invited}
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

/// Says on every page as whom a platform admin acts, and ends it.
fn acting(admin: &str, person: &str) -> AnyView {
    let title = format!("You act as {person}.");
    let text = format!("What you do is logged as done by {admin}.");
    view! {
        <Notice tone=Tone::Warn title=title text=text>
            <PostForm action="/fn/end_act_as">
                <Button text="End acting" size=Size::Small />
            </PostForm>
        </Notice>
    }
    .into_any()
}

fn nav_team(team: TeamChoice) -> NavTeam {
    NavTeam {
        role: capitalised(&team.role),
        id: team.id,
        name: team.name,
    }
}

/// The way back to the link that was opened before they signed in.
fn invited(page: String) -> AnyView {
    view! {
        <Notice tone=Tone::Accent title="An invitation waits for you.">
            <LinkButton href=page text="Show invitation" size=Size::Small />
        </Notice>
    }
    .into_any()
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
        let acts = |session: &SessionView| Some(acting(session.acting_for.as_deref()?, &session.email));
        let acting = session.as_ref().and_then(acts);
        let page = body(session)
            .await
            .unwrap_or_else(|error| view! { <Refused error=error of_nobody=!signed_in /> }.into_any());
        view! {
            <Title text=format!("{title} · OurHub") />
            <Site signed_in=signed_in>{acting} {page}</Site>
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
