//! The page behind the link of an invitation: what it offers, and the one step that is left.
//!
//! Reads [`crate::api::invitations::offer`]; the forms are sent to `/fn/accept_invitation`, `/fn/sign_up_invited` and
//! `/fn/log_out`.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::frame::{capitalised, problem, public};
use super::ways::{other_ways, provider_buttons};
use crate::api::invitations::{OfferView, keep_link, offer, page_of};
use crate::api::session::SessionView;
use crate::api::{Flash, flash};
use crate::ui::*;

/// `/invite/{token}`
#[component]
pub fn Invite() -> impl IntoView {
    let token = use_params_map().read_untracked().get("token").unwrap_or_default();
    let left = flash::take(&page_of(&token));
    public("Invitation", move |session| async move {
        let found = offer(token.clone()).await;
        // Who signs in first finds the way back here.
        keep_link((found.is_ok() && session.is_none()).then_some(token.as_str()));
        let offer = found?;
        let step = match session {
            Some(session) => accept(&offer, &session, token),
            None if offer.may_sign_up => sign_up(&offer, &left, token),
            None => log_in(&offer, &token),
        };
        let problem = left.error.as_ref().filter(|error| error.fields.is_empty()).map(problem);
        let role = capitalised(&offer.role);
        Ok(view! {
            <div class="narrow stack page__pad">
                <h1 class="u-t32">{format!("Join {}", offer.team_name)}</h1>
                <p class="muted">
                    {format!("{} invites you as {role}. {}", offer.invited_by, what_it_means(&offer.role))}
                </p>
                {problem}
                {step}
            </div>
        }
        .into_any())
    })
}

fn what_it_means(role: &str) -> &'static str {
    match role {
        "owner" => "You would manage the team and its owners.",
        "admin" => "You would manage the team, its keys and members.",
        "member" => "You would make keys of your own and see the team’s usage.",
        _ => "You would see keys and usage, and change nothing.",
    }
}

fn accept(offer: &OfferView, session: &SessionView, token: String) -> AnyView {
    let is_other = offer.email.as_ref().is_some_and(|email| *email != session.email);
    if is_other {
        let text = format!(
            "This invitation is for {}, and you are logged in as {}. Log out, then open the link again.",
            offer.email.clone().unwrap_or_default(),
            session.email
        );
        return view! {
            <Notice tone=Tone::Warn title="This invitation is for another address." text=text />
            <PostForm action="/fn/log_out" class="row">
                <Button text="Log out" />
            </PostForm>
        }
        .into_any();
    }
    view! {
        <PostForm action="/fn/accept_invitation" class="stack u-start">
            <Hidden fields=vec![("token", token)] />
            <p class="t13 muted">{format!("You are logged in as {}.", session.email)}</p>
            <div class="row">
                <Button text="Accept invitation" kind=Kind::Primary />
                <LinkButton href="/overview" text="Not now" kind=Kind::Ghost />
            </div>
        </PostForm>
    }
    .into_any()
}

/// For who has a link that makes no account.
fn log_in(offer: &OfferView, token: &str) -> AnyView {
    let text = match &offer.email {
        Some(email) => format!(
            "If you have an account with {email}, log in, and this invitation waits for you there. If you have none, open the \
             link in the mail to {email}: it proves that the address is yours."
        ),
        None => {
            "If you have an account, log in, and this invitation waits for you there. If you have none, ask for an \
                 invitation to your address."
                .to_owned()
        }
    };
    view! {
        <Notice tone=Tone::Warn title="Addresses are proven here, and this link makes no account." text=text />
        <div class="row">
            <LinkButton href="/login" text="Log in" kind=Kind::Primary />
        </div>
        {other_ways(None, provider_buttons(Some(token)))}
    }
    .into_any()
}

fn sign_up(offer: &OfferView, left: &Flash, token: String) -> AnyView {
    let email = left.value("email", offer.email.as_deref().unwrap_or_default());
    let (email_error, password_error) = (left.error_of("email"), left.error_of("password"));
    let others = other_ways(None, provider_buttons(Some(&token)));
    view! {
        <Card title="Create your account" hint="you are in the team at once">
            <PostForm class="stack" action="/fn/sign_up_invited">
                <Hidden fields=vec![("token", token)] />
                <TextField
                    name="email"
                    label="Email"
                    kind="email"
                    autocomplete="email"
                    required=true
                    value=email
                    nostrip:error=email_error
                />
                <TextField
                    name="password"
                    label="Password"
                    kind="password"
                    autocomplete="new-password"
                    minlength=8
                    required=true
                    hint="At least 8 characters; a sentence is best."
                    nostrip:error=password_error
                />
                <div class="row">
                    <Button text="Create account and join" kind=Kind::Primary />
                </div>
            </PostForm>
        </Card>
        {others}
        <p class="t13 muted">
            "Already have an account? " <a class="link" href="/login">
                "Log in"
            </a> ", and this invitation waits for you there."
        </p>
    }
    .into_any()
}
