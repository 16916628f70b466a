//! A team's own upstream accounts, for its owners and admins.
//!
//! Reads [`crate::api::accounts`] and [`crate::api::team::team`]; the switch is sent to `/fn/set_uses_platform`.

use leptos::prelude::*;

use super::super::frame::{Spot, signed_in};
use super::{delete_page, form, framed, list};
use crate::api::ApiError;
use crate::api::accounts::{Whose, list_accounts};
use crate::api::team::team;
use crate::ui::*;

const OWN: Whose<'static> = Whose::SHOWN;

/// `/team/accounts`
#[component]
pub fn TeamAccountList() -> impl IntoView {
    signed_in(
        Spot::new(Section::TeamAccounts, super::title(OWN), OWN.root()),
        |visit| async move {
            let accounts = list_accounts(OWN.word().to_owned()).await?;
            let uses_platform = team().await?.uses_platform;
            let fallback = fallback(uses_platform, accounts.is_empty());
            let empty = "Bring a key of your own: calls go to your account at the provider first, and you pay the provider, not us.";
            let body = list(&visit.clock, (OWN, accounts), empty);
            let lead = "Your team’s own accounts at providers. They serve this team alone and are asked first; what they serve counts in caps and limits and is not taken off the balance.";
            let body = view! { <div class="stack stack--6">{body} {fallback}</div> };
            Ok::<_, ApiError>(framed(OWN, lead, body.into_any()))
        },
    )
}

/// Whether the platform's accounts serve where the team's own cannot.
fn fallback(uses_platform: bool, has_none: bool) -> AnyView {
    let (text, act) = match (uses_platform, has_none) {
        (true, true) => (
            "The platform’s accounts serve every call, paid from the balance.",
            "Use own accounts only",
        ),
        (true, false) => (
            "Where none of your own accounts can serve a call, one of the platform’s does, paid from the balance.",
            "Use own accounts only",
        ),
        (false, true) => (
            "Only your own accounts may serve, and there is none: every call is refused.",
            "Use the platform’s too",
        ),
        (false, false) => (
            "Only your own accounts serve. Where none of them can, the call is refused, and nothing is taken off the balance.",
            "Use the platform’s too",
        ),
    };
    let fields = vec![("uses_platform", (!uses_platform).to_string())];
    view! {
        <Card title="Accounts of the platform">
            <PostForm action="/fn/set_uses_platform" class="stack u-start">
                <Hidden fields=fields />
                <p class="t13">{text}</p>
                <div class="row">
                    <Button text=act />
                </div>
            </PostForm>
        </Card>
    }
    .into_any()
}

/// `/team/accounts/new`
#[component]
pub fn TeamProviderChoice() -> impl IntoView {
    form::choice_page(OWN)
}

/// `/team/accounts/new/{provider}`
#[component]
pub fn TeamAccountNew() -> impl IntoView {
    form::page_of_new(OWN)
}

/// `/team/accounts/{id}`
#[component]
pub fn TeamAccountEdit() -> impl IntoView {
    form::page_of_one(OWN)
}

/// `/team/accounts/{id}/delete`
#[component]
pub fn TeamAccountDelete() -> impl IntoView {
    delete_page(OWN)
}
