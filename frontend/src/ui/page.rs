//! The frames of a page: its head, the public site, the sign-up and log-in pages, the error page.
//! Pure.

use leptos::prelude::*;

use super::button::{Kind, LinkButton, Size};
use super::icon::Logo;

/// Title, one sentence, and the acts of a page.
#[component]
pub fn PageHead(
    #[prop(into)] title: String,
    #[prop(optional, into)] lead: Option<String>,
    /// The acts, at most one of them primary.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    view! {
        <div class="page__head">
            <div>
                <h1>{title}</h1>
                {lead.map(|lead| view! { <p>{lead}</p> })}
            </div>
            {children.map(|children| view! { <div class="row">{children()}</div> })}
        </div>
    }
    .into_any()
}

/// The frame of the public pages.
#[component]
pub fn Site(
    /// The visitor is signed in: lead to the overview instead of the log-in.
    #[prop(optional)]
    signed_in: bool,
    children: Children,
) -> impl IntoView {
    let acts = if signed_in {
        view! { <LinkButton href="/overview" text="Go to overview" size=Size::Small /> }.into_any()
    } else {
        view! {
            <a href="/login">"Log in"</a>
            <LinkButton href="/signup" text="Sign up" kind=Kind::Primary size=Size::Small />
        }
        .into_any()
    };
    view! {
        <div class="site">
            <header class="site-top">
                <Logo />
                <nav aria-label="Site">
                    <a href="/models">"Models"</a>
                    <a href="/docs">"Docs"</a>
                </nav>
                <span class="end row u-gap6">{acts}</span>
            </header>
            <main id="main">{children()}</main>
            <footer class="site-foot">
                <a href="/models">"Models"</a>
                <a href="/docs">"Docs"</a>
            </footer>
        </div>
    }
    .into_any()
}

/// The frame of sign-up and log-in: the form at the left, what happens next at the right.
#[component]
pub fn AuthFrame(
    #[prop(into)] title: String,
    #[prop(into)] lead: String,
    side: AnyView,
    children: Children,
) -> impl IntoView {
    view! {
        <div class="auth">
            <div class="auth__form">
                <header>
                    <Logo />
                </header>
                <main class="auth__in" id="main">
                    <div>
                        <h1>{title}</h1>
                        <p class="muted t13 u-mt1">{lead}</p>
                    </div>
                    {children()}
                </main>
            </div>
            <aside class="auth__side">{side}</aside>
        </div>
    }
    .into_any()
}

/// What happened, whose turn it is, and one button.
#[component]
pub fn ErrorPage(
    status: u16,
    #[prop(into)] title: String,
    #[prop(into)] text: String,
    /// The request id, when there is one.
    #[prop(optional, into)]
    request: Option<String>,
    /// The way out.
    children: Children,
) -> impl IntoView {
    view! {
        <div class="empty empty--page">
            <span class="badge badge--line num">{status}</span>
            <h1>{title}</h1>
            <p>{text}</p>
            {request.map(|id| view! { <p class="mono t12 faint">{id}</p> })}
            {children()}
        </div>
    }
    .into_any()
}
