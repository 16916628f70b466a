//! The frame of the signed-in pages: side nav, top bar with the way back, and the page.
//!
//! Invariant: the section “Platform” is drawn for platform admins only. (The server checks every call anyway.)
//! Pure.

use leptos::prelude::*;

use super::badge::{Avatar, Mark};
use super::button::{Button, Kind, Size};
use super::field::Hidden;
use super::form::PostForm;
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
    TeamAccounts,
    Billing,
    CapAlerts,
    Audit,
    Settings,
    Alerts,
    Accounts,
    Models,
    Teams,
    Requests,
    Mail,
    Health,
    Revenue,
    Codes,
    Payments,
    AllAudit,
    SignUp,
}

impl Section {
    const OF_THE_TEAM: &[Self] = &[
        Self::Overview,
        Self::Keys,
        Self::Usage,
        Self::TeamModels,
        Self::Team,
        Self::TeamAccounts,
        Self::Billing,
        Self::CapAlerts,
        Self::Audit,
        Self::Settings,
    ];
    const OF_THE_PLATFORM: &[Self] = &[
        Self::Alerts,
        Self::Accounts,
        Self::Models,
        Self::Teams,
        Self::Requests,
        Self::Mail,
        Self::Health,
        Self::Revenue,
        Self::Codes,
        Self::Payments,
        Self::AllAudit,
        Self::SignUp,
    ];

    /// Whether it stands under “Platform”.
    pub fn is_platform(self) -> bool {
        Self::OF_THE_PLATFORM.contains(&self)
    }

    /// Its address, words and icon.
    const fn about(self) -> (&'static str, &'static str, Glyph) {
        match self {
            Self::Overview => ("/overview", "Overview", Glyph::Overview),
            Self::Keys => ("/keys", "Keys", Glyph::Key),
            Self::Usage => ("/usage", "Usage", Glyph::Receipt),
            Self::TeamModels => ("/team/models", "Models", Glyph::Models),
            Self::Team => ("/team", "Team", Glyph::Team),
            Self::TeamAccounts => ("/team/accounts", "Own accounts", Glyph::Server),
            Self::Billing => ("/billing", "Billing", Glyph::Card),
            Self::CapAlerts => ("/alerts", "Cap alerts", Glyph::Alert),
            Self::Audit => ("/audit", "Audit", Glyph::Audit),
            Self::Settings => ("/settings", "Settings", Glyph::Settings),
            Self::Alerts => ("/admin/alerts", "Alerts", Glyph::Alert),
            Self::Accounts => ("/admin/accounts", "Upstream accounts", Glyph::Server),
            Self::Models => ("/admin/models", "Models & prices", Glyph::Tag),
            Self::Teams => ("/admin/teams", "Teams & users", Glyph::Building),
            Self::Requests => ("/admin/requests", "Requests", Glyph::Receipt),
            Self::Mail => ("/admin/mail", "Mail", Glyph::Mail),
            Self::Health => ("/admin/health", "Health", Glyph::Pulse),
            Self::Revenue => ("/admin/revenue", "Revenue", Glyph::Chart),
            Self::Payments => ("/admin/payments", "Payments", Glyph::Card),
            Self::Codes => ("/admin/codes", "Codes", Glyph::Ticket),
            Self::AllAudit => ("/admin/audit", "Audit", Glyph::Audit),
            Self::SignUp => ("/admin/sign-up", "Sign-up", Glyph::Lock),
        }
    }
}

/// A team that can be shown.
#[derive(Clone, Debug)]
pub struct NavTeam {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The role in it: “Owner”.
    pub role: String,
}

/// What the nav says about who is signed in.
#[derive(Clone, Debug)]
pub struct Nav {
    /// The teams that can be shown.
    pub teams: Vec<NavTeam>,
    /// The id of the one that is.
    pub team: String,
    /// Draw the links to what only owners and admins of the team see.
    pub manages_team: bool,
    /// Offer to make another team.
    pub may_make_teams: bool,
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
        ("/overview".to_owned(), nav.shown().0)
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
    let switcher = switcher(&nav);
    let is_drawn = |section: &&Section| nav.manages_team || !matches!(section, Section::Audit | Section::TeamAccounts);
    let own: Vec<Section> = Section::OF_THE_TEAM.iter().filter(is_drawn).copied().collect();
    let Nav {
        email,
        is_admin,
        alerts,
        takes_payments,
        log_out,
        ..
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
                    {switcher}
                    <a class="btn btn--ghost btn--icon mob" href="#main" aria-label="Close menu">
                        <Icon of=Glyph::Cross />
                    </a>
                </div>
                {links(&own, current, 0)}
                {platform}
                <div class="nav__foot">
                    <a href="/docs">
                        <Icon of=Glyph::Book />
                        "Docs and quick starts"
                    </a>
                    <PostForm class="nav__user" action=log_out>
                        <Avatar name=email.clone() class="avatar avatar--sm" />
                        <span class="trunc grow" title=email.clone()>{email.clone()}</span>
                        <Button text="Log out" kind=Kind::Ghost size=Size::Small />
                    </PostForm>
                </div>
            </div>
        </nav>
    }
    .into_any()
}

/// The team that is shown, and behind it the others. It opens without script.
fn switcher(nav: &Nav) -> AnyView {
    let (name, role) = nav.shown();
    let others = nav.teams.iter().filter(|team| team.id != nav.team).map(|team| {
        view! {
            <PostForm action="/fn/switch_team">
                <Hidden fields=vec![("team", team.id.clone())] />
                <button type="submit">
                    <Mark name=team.name.clone() />
                    <span class="trunc">{team.name.clone()}</span>
                </button>
            </PostForm>
        }
    });
    let others = others.collect_view();
    let new = nav.may_make_teams.then(|| {
        view! {
            <a href="/teams/new">
                <Icon of=Glyph::Plus />
                "New team"
            </a>
        }
    });
    view! {
        <details class="menu nav__switch">
            <summary>
                <span class="vh">"Switch team:"</span>
                <Mark name=name.clone() />
                <span class="grow trunc">{name} <small>{role}</small></span>
                <Icon of=Glyph::Updown />
            </summary>
            <div class="menu__list">
                {others}
                {new}
            </div>
        </details>
    }
    .into_any()
}

impl Nav {
    /// The name of the team that is shown, and the role in it.
    fn shown(&self) -> (String, String) {
        let shown = self.teams.iter().find(|team| team.id == self.team);
        shown.map_or_else(
            || ("No team".to_owned(), String::new()),
            |team| (team.name.clone(), team.role.clone()),
        )
    }
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
