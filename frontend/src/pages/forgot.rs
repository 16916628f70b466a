//! The pages behind links that were mailed: a new password, the end of a sign-up, a new address; and the page that asks for
//! the first of them.
//!
//! Invariant: opening a link changes nothing, for mail filters open links too; the button does.
//! The forms are sent to `/fn/ask_reset`, `/fn/reset_password`, `/fn/finish_sign_up` and `/fn/confirm_email`.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

use super::frame::{Spot, signed_in};
use super::session::{email, said, what_follows};
use crate::api::{ApiError, flash};
use crate::ui::{AuthFrame, Button, Hidden, Kind, LinkButton, PostForm, Section, Size, TextField};

fn token() -> String {
    use_query_map().read_untracked().get("token").unwrap_or_default()
}

/// `/forgot`
#[component]
pub fn Forgot() -> impl IntoView {
    let left = flash::take("/forgot");
    view! {
        <Title text="New password · OurHub" />
        <AuthFrame title="Forgot your password?" lead="We mail you a link to a new one." side=what_follows()>
            {said(&left, &["email"])}
            <PostForm class="stack" action="/fn/ask_reset">
                {email(&left)}
                <Button text="Mail me a link" kind=Kind::Primary size=Size::Block />
            </PostForm>
            <p class="t13 muted">"No mail after some minutes? Ask whoever runs this server: they see whether it could be sent."</p>
            <p class="t13 muted">
                <a class="link" href="/login">
                    "Back to the log-in"
                </a>
            </p>
        </AuthFrame>
    }
    .into_any()
}

/// `/reset?token=…`
#[component]
pub fn Reset() -> impl IntoView {
    let left = flash::take("/reset");
    view! {
        <Title text="New password · OurHub" />
        <AuthFrame title="Choose a new password" lead="You are signed out everywhere else, and your management tokens are revoked." side=what_follows()>
            {said(&left, &["password"])}
            <PostForm class="stack" action="/fn/reset_password">
                <Hidden fields=vec![("token", token())] />
                <TextField
                    name="password"
                    label="New password"
                    kind="password"
                    autocomplete="new-password"
                    minlength=8
                    required=true
                    large=true
                    hint="At least 8 characters; a sentence is best."
                    nostrip:error=left.error_of("password")
                />
                <Button text="Change password" kind=Kind::Primary size=Size::Block />
            </PostForm>
            <p class="t13 muted">
                <a class="link" href="/forgot">
                    "Ask for another link"
                </a>
            </p>
        </AuthFrame>
    }
    .into_any()
}

/// `/verify?token=…`
#[component]
pub fn Verify() -> impl IntoView {
    let left = flash::take("/verify");
    view! {
        <Title text="Finish signing up · OurHub" />
        <AuthFrame title="Finish signing up" lead="Your address is proven. Now the password that you chose." side=what_follows()>
            {said(&left, &["password"])}
            <PostForm class="stack" action="/fn/finish_sign_up">
                <Hidden fields=vec![("token", token())] />
                <TextField
                    name="password"
                    label="Password"
                    kind="password"
                    autocomplete="current-password"
                    required=true
                    large=true
                    nostrip:error=left.error_of("password")
                />
                <Button text="Create account" kind=Kind::Primary size=Size::Block />
            </PostForm>
            <p class="t13 muted">
                "Forgot it already? " <a class="link" href="/signup">
                    "Sign up anew"
                </a>
            </p>
        </AuthFrame>
    }
    .into_any()
}

/// `/settings/email?token=…`
#[component]
pub fn ConfirmEmail() -> impl IntoView {
    let token = token();
    let spot = Spot::new(Section::Settings, "New address", "/settings/email").via("/settings/profile", "Profile");
    signed_in(spot, |visit| async move {
        let email = visit.session.email.clone();
        Ok::<_, ApiError>(
            view! {
                <div class="dialogpage">
                    <PostForm class="dialog stack" action="/fn/confirm_email">
                        <Hidden fields=vec![("token", token)] />
                        <div>
                            <h1>"Use the new address?"</h1>
                            <p class="t13 muted u-mt1">
                                {format!("You log in with it from now on, no longer with {email}, which is told.")}
                            </p>
                        </div>
                        <div class="dialog__foot">
                            <LinkButton href="/settings/profile" text="Cancel" />
                            <Button text="Use the new address" kind=Kind::Primary />
                        </div>
                    </PostForm>
                </div>
            }
            .into_any(),
        )
    })
}
