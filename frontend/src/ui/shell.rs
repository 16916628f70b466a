//! The frame of the signed-in pages: side nav, top bar with the way back, and the page.
//!
//! Invariant: the section “Platform” is drawn for platform admins only. (The server checks every call anyway.)
//! Pure.

use leptos::prelude::*;

use super::badge::{Avatar, Mark};
use super::button::{Button, Kind, Size};
use super::icon::{Glyph, Icon};
use super::money::count;

/// Where a signed-in page stands in the nav.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    Overview,
    Keys,
    Usage,
    TeamModels,
    Team,
    Billing,
    Settings,
    Alerts,
    Accounts,
    Models,
    Teams,
    Requests,
    Mail,
    Health,
    Codes,
    Payments,
}

impl Section {
    const OF_THE_TEAM: [Self; 7] = [
        Self::Overview,
        Self::Keys,
        Self::Usage,
        Self::TeamModels,
        Self::Team,
        Self::Billing,
        Self::Settings,
    ];
    const OF_THE_PLATFORM: [Self; 9] = [
        Self::Alerts,
        Self::Accounts,
        Self::Models,
        Self::Teams,
        Self::Requests,
        Self::Mail,
        Self::Health,
        Self::Codes,
        Self::Payments,
    ];

    /// Whether it is for platform admins.
    pub(crate) const fn is_platform(self) -> bool {
        matches!(
            self,
            Self::Alerts
                | Self::Mail
                | Self::Accounts
                | Self::Models
                | Self::Teams
                | Self::Requests
                | Self::Health
                | Self::Codes
                | Self::Payments
        )
    }

    /// Its address, words and icon.
    const fn about(self) -> (&'static str, &'static str, Glyph) {
        match self {
            Self::Overview => ("/overview", "Overview", Glyph::Overview),
            Self::Keys => ("/keys", "Keys", Glyph::Key),
            Self::Usage => ("/usage", "Usage", Glyph::Receipt),
            Self::TeamModels => ("/team/models", "Models", Glyph::Models),
            Self::Team => ("/team", "Team", Glyph::Team),
            Self::Billing => ("/billing", "Billing", Glyph::Card),
            Self::Settings => ("/settings", "Settings", Glyph::Settings),
            Self::Alerts => ("/admin/alerts", "Alerts", Glyph::Alert),
            Self::Accounts => ("/admin/accounts", "Upstream accounts", Glyph::Server),
            Self::Models => ("/admin/models", "Models & prices", Glyph::Tag),
            Self::Teams => ("/admin/teams", "Teams & users", Glyph::Building),
            Self::Requests => ("/admin/requests", "Requests", Glyph::Receipt),
            Self::Mail => ("/admin/mail", "Mail", Glyph::Mail),
            Self::Health => ("/admin/health", "Health", Glyph::Pulse),
            Self::Payments => ("/admin/payments", "Payments", Glyph::Card),
            Self::Codes => ("/admin/codes", "Codes", Glyph::Ticket),
        }
    }
}

/// What the nav says about who is signed in.
#[derive(Clone, Debug)]
pub struct Nav {
    /// The name of the team.
    pub team: String,
    /// The role in it: “Owner”.
    pub role: String,
    /// The user's address.
    pub email: String,
    /// Draw the section “Platform”.
    pub is_admin: bool,
    /// Open alerts, counted beside their link.
    pub alerts: u64,
    /// Whether payments are taken; else nothing leads to them.
    pub takes_payments: bool,
    /// Where the log-out form is sent.
    pub log_out: String,
}

/// The frame of a signed-in page.
#[component]
pub fn Shell(
    nav: Nav,
    current: Section,
    /// Address and words of the pages between the section and this one.
    #[prop(optional)]
    via: Vec<(String, String)>,
    /// The words for this page in the way back.
    #[prop(into)]
    here: String,
    children: Children,
) -> impl IntoView {
    let crumbs = way_back(&nav, current, via, here);
    view! {
        <div class="shell">
            {side(nav, current)}
            <div>
                <header class="top">
                    <a class="btn btn--ghost btn--icon mob" href="#menu" aria-label="Open menu">
                        <Icon of=Glyph::Menu />
                    </a>
                    {crumbs}
                </header>
                <main class="page" id="main">
                    {children()}
                </main>
            </div>
        </div>
    }
    .into_any()
}

fn way_back(nav: &Nav, current: Section, via: Vec<(String, String)>, here: String) -> AnyView {
    let root = if current.is_platform() {
        ("/admin/accounts".to_owned(), "Platform".to_owned())
    } else {
        ("/overview".to_owned(), nav.team.clone())
    };
    let steps = std::iter::once(root)
        .chain(via)
        .map(|(href, text)| {
            view! {
                <a href=href>{text}</a>
                <Icon of=Glyph::Right />
            }
        })
        .collect_view();
    view! {
        <nav class="crumbs" aria-label="Breadcrumb">
            {steps}
            <span aria-current="page" class="trunc">
                {here}
            </span>
        </nav>
    }
    .into_any()
}

fn side(nav: Nav, current: Section) -> AnyView {
    let Nav {
        team,
        role,
        email,
        is_admin,
        alerts,
        takes_payments,
        log_out,
    } = nav;
    let mut platform = Section::OF_THE_PLATFORM.to_vec();
    platform.retain(|section| takes_payments || *section != Section::Payments);
    let platform = is_admin.then(|| {
        view! {
            <h2>"Platform"</h2>
            {links(&platform, current, alerts)}
        }
    });
    view! {
        <nav class="nav" id="menu" aria-label="Main">
            <div class="nav__in">
                <div class="nav__team">
                    <Mark name=team.clone() />
                    <span class="grow trunc">{team} <small>{role}</small></span>
                    <a class="btn btn--ghost btn--icon mob" href="#main" aria-label="Close menu">
                        <Icon of=Glyph::Cross />
                    </a>
                </div>
                {links(&Section::OF_THE_TEAM, current, 0)}
                {platform}
                <div class="nav__foot">
                    <a href="/docs">
                        <Icon of=Glyph::Book />
                        "Docs and quick starts"
                    </a>
                    <form class="nav__user" method="post" action=log_out>
                        <Avatar name=email.clone() class="avatar avatar--sm" />
                        <span class="trunc grow" title=email.clone()>{email.clone()}</span>
                        <Button text="Log out" kind=Kind::Ghost size=Size::Small />
                    </form>
                </div>
            </div>
        </nav>
    }
    .into_any()
}

fn links(sections: &[Section], current: Section, alerts: u64) -> AnyView {
    let items = sections
        .iter()
        .map(|section| {
            let (href, text, glyph) = section.about();
            let open = (*section == Section::Alerts && alerts > 0).then(|| {
                view! {
                    <span class="badge badge--bad end">
                        {count(alerts)} <span class="vh">" open"</span>
                    </span>
                }
            });
            view! {
                <li>
                    <a href=href aria-current=(*section == current).then_some("page")>
                        <Icon of=glyph />
                        {text}
                        {open}
                    </a>
                </li>
            }
        })
        .collect_view();
    view! { <ul>{items}</ul> }.into_any()
}
