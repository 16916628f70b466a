//! Settings → Security → the second factor: setting up an app, and the recovery codes, shown once.
//!
//! Invariant: the secret and the codes are in no address; reloading the page of the codes does not show them again.
//! Reads [`crate::api::factor`]; the forms are sent to `/fn/begin_factor`, `/fn/confirm_factor`, `/fn/renew_codes` and
//! `/fn/disable_factor`.

use leptos::prelude::*;

use super::super::frame::{Spot, Visit, copy, signed_in};
use crate::api::ApiError;
use crate::api::factor::{EnrolmentView, FactorView, enrolment};
use crate::ui::*;

/// `/settings/authenticator`
#[component]
pub fn AuthenticatorPage() -> impl IntoView {
    let spot = Spot::new(Section::Settings, "Authenticator app", "/settings/authenticator")
        .personal()
        .via("/settings/security", "Security");
    signed_in(spot, |visit| async move {
        let with = enrolment().await?;
        Ok::<_, ApiError>(set_up(&visit, with))
    })
}

fn set_up(visit: &Visit, with: EnrolmentView) -> AnyView {
    let wrong = visit.flash.error_of("code");
    let side = with.qr_side.to_string();
    let area = format!("0 0 {side} {side}");
    let copy = copy(with.secret.clone(), "Copy secret");
    view! {
        <PageHead title="Set up an authenticator app" lead="Scan, then type the code that the app shows." />
        <div class="narrow stack stack--6">
            <Card title="1. Scan this with the app">
                <svg
                    viewBox=area
                    width="220"
                    height="220"
                    role="img"
                    aria-label="QR code for the authenticator app"
                    shape-rendering="crispEdges"
                >
                    <rect width=side.clone() height=side fill="#fff"></rect>
                    <path d=with.qr fill="#000"></path>
                </svg>
                <p class="muted t13">"No camera at hand? Type this secret into the app:"</p>
                <Secret value=with.secret>{copy}</Secret>
            </Card>
            <Card title="2. Type its code">
                <PostForm class="stack" action="/fn/confirm_factor">
                    <TextField
                        name="code"
                        label="Code"
                        inputmode="numeric"
                        autocomplete="one-time-code"
                        required=true
                        nostrip:error=wrong
                    />
                    <div class="row">
                        <Button text="Turn on" kind=Kind::Primary />
                        <LinkButton href="/settings/security" text="Cancel" kind=Kind::Ghost />
                    </div>
                </PostForm>
            </Card>
        </div>
    }
    .into_any()
}

/// `/settings/recovery`
#[component]
pub fn RecoveryPage() -> impl IntoView {
    let spot = Spot::new(Section::Settings, "Recovery codes", "/settings/recovery")
        .personal()
        .via("/settings/security", "Security");
    signed_in(spot, |visit| async move { Ok::<_, ApiError>(codes(&visit)) })
}

fn codes(visit: &Visit) -> AnyView {
    let body = match visit.flash.secret.clone() {
        Some(codes) => view! {
            <CodeBlock title="Each works once, in place of the app’s code" code=codes.clone() />
            <div class="row">{copy(codes, "Copy codes")}</div>
            <p class="hint">
                "Keep them where you find them without your phone: we store only fingerprints and cannot show them again."
            </p>
        }
        .into_any(),
        None => view! { <p class="muted">"Recovery codes are shown once. You can make new ones under Security."</p> }.into_any(),
    };
    view! {
        <PageHead title="Recovery codes" lead="For the day on which the app is not at hand." />
        <div class="narrow stack">
            {body} <div class="row">
                <LinkButton href="/settings/security" text="Done" kind=Kind::Primary />
            </div>
        </div>
    }
    .into_any()
}

/// The card on the page about security.
pub(super) fn card(visit: &Visit, factor: FactorView) -> AnyView {
    let body = match factor.since {
        Some(since) => {
            let left = counted(factor.codes_left, "recovery code", "recovery codes");
            view! {
                <p class="muted t13">
                    "A code of your app is asked for when you log in, since " <When at=since clock=visit.clock.clone() /> ". "
                    {format!("{left} left.")}
                </p>
                <div class="row">
                    <PostForm action="/fn/renew_codes">
                        <Button text="New recovery codes" />
                    </PostForm>
                    <PostForm action="/fn/disable_factor">
                        <Button text="Turn off" kind=Kind::Danger />
                    </PostForm>
                </div>
            }
            .into_any()
        }
        None => view! {
            <p class="muted t13">"With an app such as Aegis or Google Authenticator, a password alone lets nobody in."</p>
            <PostForm action="/fn/begin_factor">
                <Button text="Set up an app" />
            </PostForm>
        }
        .into_any(),
    };
    view! { <Card title="Authenticator app">{body}</Card> }.into_any()
}
