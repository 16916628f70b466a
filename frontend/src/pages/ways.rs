//! Signing in by an account elsewhere or a passkey, as it stands on the pages where one signs in; and the code that may follow.
//!
//! Invariant: only services that are configured have a button; without script a passkey's form says that it needs one and cannot
//! be sent. Reads [`crate::api::sign_in`]; the forms are sent to `/fn/log_in_by_passkey` and `/fn/finish_log_in`.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::location::Url;

use super::frame::news;
use super::session::what_follows;
use crate::api::sign_in::ProviderView;
use crate::api::{backend, flash};
use crate::script::passkey_script_path;
use crate::ui::{AuthFrame, Button, Hidden, Kind, PostForm, Size, TextField};

/// The services that are configured.
pub(super) fn providers() -> Vec<ProviderView> {
    backend().map(|backend| backend.providers()).unwrap_or_default()
}

/// A button for each service that is configured; `invite` is the token of an invitation.
pub(super) fn provider_buttons(invite: Option<&str>) -> Option<AnyView> {
    let listed = providers();
    if listed.is_empty() {
        return None;
    }
    let query = invite.map_or_else(String::new, |token| format!("?invite={}", Url::escape(token)));
    let buttons = listed.into_iter().map(|provider| {
        let href = format!("/login/with/{}{query}", provider.id);
        // A link and no form: where it leads then is another site, which forms here may not send to.
        view! { <a class="btn btn--lg btn--block" href=href rel="external">{format!("Continue with {}", provider.label)}</a> }
    });
    Some(view! { <div class="stack">{buttons.collect_view()}</div> }.into_any())
}

/// What signs in besides a password, below a line that says so.
pub(super) fn other_ways(passkey: Option<AnyView>, providers: Option<AnyView>) -> Option<AnyView> {
    if passkey.is_none() && providers.is_none() {
        return None;
    }
    Some(view! { <div class="stack"><p class="or">"or"</p> {passkey} {providers}</div> }.into_any())
}

/// A form that asks for a passkey: what is done (`create` or `get`), where it is sent, with what, and what the button says.
pub(super) struct PasskeyForm {
    /// `create` or `get`.
    pub(super) ask: &'static str,
    /// Where it is sent.
    pub(super) action: &'static str,
    /// What the browser is asked with, as JSON.
    pub(super) options: String,
    /// Hidden fields.
    pub(super) fields: Vec<(&'static str, String)>,
    /// What the button says.
    pub(super) button: &'static str,
    /// How large it is.
    pub(super) size: Size,
}

impl PasskeyForm {
    /// The form, with `before` above its button.
    pub(super) fn draw(self, before: Option<AnyView>) -> AnyView {
        view! {
            <PostForm action=self.action>
                <Hidden fields=self.fields />
                <div class="stack" data-passkey=self.ask data-options=self.options>
                    <input type="hidden" name="answer" />
                    <div hidden data-ready="" class="stack">
                        {before}
                        <div class="row">
                            <Button text=self.button size=self.size />
                        </div>
                    </div>
                    <p class="error" role="alert" hidden></p>
                    <p class="t13 muted" data-scriptless="">
                        "Passkeys need JavaScript, which is off in this browser."
                    </p>
                </div>
            </PostForm>
            <script type="module" src=passkey_script_path()></script>
        }
        .into_any()
    }
}

/// The log-in by a passkey; none where this address has none.
pub(super) async fn passkey_log_in() -> Option<AnyView> {
    let options = backend().ok()?.passkey_options("log_in").await.ok()??;
    let form = PasskeyForm {
        ask: "get",
        action: "/fn/log_in_by_passkey",
        options,
        fields: Vec::new(),
        button: "Log in with a passkey",
        size: Size::Block,
    };
    Some(form.draw(None))
}

/// `/login/code`: the code of the second factor, for whom a service vouched.
#[component]
pub fn LogInCode() -> impl IntoView {
    let left = flash::take("/login/code");
    let wrong = left.error_of("code");
    let problem = if wrong.is_some() { None } else { news(&left) };
    view! {
        <Title text="Log in · OurHub" />
        <AuthFrame title="Type your code" lead="You set up an authenticator app here, so its code is asked for, too." side=what_follows()>
            {problem}
            <PostForm class="stack" action="/fn/finish_log_in">
                <TextField
                    name="code"
                    label="Code"
                    autocomplete="one-time-code"
                    required=true
                    large=true
                    hint="Six digits, or a recovery code."
                    nostrip:error=wrong
                />
                <Button text="Log in" kind=Kind::Primary size=Size::Block />
            </PostForm>
            <p class="t13 muted">
                <a class="link" href="/login">
                    "Back to the log-in"
                </a>
            </p>
        </AuthFrame>
    }
    .into_any()
}
