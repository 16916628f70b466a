//! Sign-up, log-in, the password asked for once more, and the link of the first start.
//!
//! Reads the flash of its own page; the forms are sent to `/fn/sign_up`, `/fn/log_in`, `/fn/confirm` and `/fn/redeem_setup`.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

use super::frame::{Spot, Visit, news, problem, public, signed_in};
use super::ways::{PasskeyForm, other_ways, passkey_log_in, provider_buttons};
use crate::api::factor::factor;
use crate::api::sign_in::WaysInView;
use crate::api::sign_up::sign_up_policy;
use crate::api::{ApiError, Flash, backend, flash};
use crate::ui::{
    AuthFrame, Button, Hidden, Kind, LinkButton, More, PostForm, Section, Size, Step, TextField, Tone, Trail,
};

/// `/signup`
#[component]
pub fn SignUp() -> impl IntoView {
    let left = flash::take("/signup");
    Suspend::new(async move {
        let closed = match sign_up_policy().await.map(|policy| policy.mode).as_deref() {
            Ok("invited") => Some("Only who is invited may sign up here. Open the link of your invitation."),
            Ok("closed") => Some("Nobody may sign up here at the moment."),
            _ => None,
        };
        sign_up_page(&left, closed)
    })
    .into_any()
}

fn sign_up_page(left: &Flash, closed: Option<&'static str>) -> AnyView {
    if let Some(closed) = closed {
        return view! {
            <Title text="Sign up · OurHub" />
            <AuthFrame title="Sign-up is not open" lead=closed side=what_follows()>
                <div class="row">
                    <LinkButton href="/login" text="Log in" />
                </div>
            </AuthFrame>
        }
        .into_any();
    }
    let problem = said(left, &["email", "password"]);
    let (email, password_error) = (email(left), left.error_of("password"));
    view! {
        <Title text="Sign up · OurHub" />
        <AuthFrame title="Create your account" lead="A team comes with it." side=what_follows()>
            {problem}
            <PostForm class="stack" action="/fn/sign_up">
                {email}
                <TextField
                    name="password"
                    label="Password"
                    kind="password"
                    autocomplete="new-password"
                    minlength=8
                    required=true
                    large=true
                    hint="At least 8 characters; a sentence is best."
                    nostrip:error=password_error
                />
                <Button text="Create account" kind=Kind::Primary size=Size::Block />
            </PostForm>
            {other_ways(None, provider_buttons(None))}
            <p class="t13 muted">
                "Already have an account? " <a class="link" href="/login">
                    "Log in"
                </a>
            </p>
        </AuthFrame>
    }
    .into_any()
}

/// `/login`
#[component]
pub fn LogIn() -> impl IntoView {
    let left = flash::take("/login");
    Suspend::new(async move { log_in_page(&left, passkey_log_in().await) }).into_any()
}

fn log_in_page(left: &Flash, passkey: Option<AnyView>) -> AnyView {
    let is_refused = left.error.is_some();
    let (said, email, password_error) = (
        said(left, &["email", "password"]),
        email(left),
        left.error_of("password"),
    );
    view! {
        <Title text="Log in · OurHub" />
        <AuthFrame title="Log in" lead="Keys, usage and balance of your team." side=what_follows()>
            {said}
            <PostForm class="stack" action="/fn/log_in">
                {email}
                <TextField
                    name="password"
                    label="Password"
                    kind="password"
                    autocomplete="current-password"
                    required=true
                    large=true
                    nostrip:error=password_error
                />
                <More title="Code of my authenticator app" hint="where you set one up" open=is_refused>
                    <TextField
                        name="code"
                        label="Code"
                        autocomplete="one-time-code"
                        hint="Six digits, or a recovery code."
                    />
                </More>
                <Button text="Log in" kind=Kind::Primary size=Size::Block />
            </PostForm>
            {other_ways(passkey, provider_buttons(None))}
            <p class="t13 muted">
                <a class="link" href="/forgot">
                    "Forgot your password?"
                </a>
            </p>
            <p class="t13 muted">
                "No account yet? " <a class="link" href="/signup">
                    "Sign up"
                </a>
            </p>
        </AuthFrame>
    }
    .into_any()
}

/// What the page before left, unless it stands beside one of `fields`.
pub(super) fn said(left: &Flash, fields: &[&str]) -> Option<AnyView> {
    let is_beside = fields.iter().any(|field| left.error_of(field).is_some());
    if is_beside { None } else { news(left) }
}

/// The field for the address.
pub(super) fn email(left: &Flash) -> AnyView {
    view! {
        <TextField
            name="email"
            label="Email"
            kind="email"
            autocomplete="email"
            required=true
            large=true
            value=left.value("email", "")
            nostrip:error=left.error_of("email")
        />
    }
    .into_any()
}

/// What happens after the button is pressed.
pub(super) fn what_follows() -> AnyView {
    let step = |title: &str, text: &str| Step {
        title: title.to_owned(),
        badge: None,
        tone: Tone::Neutral,
        text: Some(text.to_owned()),
        side: None,
    };
    let steps = vec![
        step("You get a key", "Shown once, with snippets for the client you use."),
        step("You change one line", "The base URL, in whatever client you use."),
        step(
            "Your first receipt appears",
            "Tokens, price, time and which account answered.",
        ),
    ];
    view! {
        <div>
            <h2 class="u-t16">"Under a minute from here"</h2>
            <p class="muted t13 u-mt1">"From the form to the first answer."</p>
        </div>
        <Trail steps=steps />
    }
    .into_any()
}

/// `/confirm?to=…`: the password once more, before something grave is done on the page `to`.
#[component]
pub fn Confirm() -> impl IntoView {
    let to = use_query_map().read_untracked().get("to").unwrap_or_default();
    signed_in(
        Spot::new(Section::Settings, "Confirm it is you", "/confirm")
            .quiet()
            .personal(),
        |visit| async move {
            let has_factor = factor().await?.is_on;
            let backend = backend()?;
            let ways = backend.ways_in().await?;
            let options = match (&visit.session.acting_for, ways.passkeys.is_empty()) {
                (None, false) => backend.passkey_options("confirm").await?,
                _ => None,
            };
            let to = flash::own_page(&to).to_owned();
            let others = other_proofs(&visit, &to, &ways, options);
            Ok::<_, ApiError>(confirm_page(&visit, to, (has_factor, ways.has_password), others))
        },
    )
}

/// What proves that it is them besides a password: their passkeys, and the accounts elsewhere that are linked.
fn other_proofs(visit: &Visit, to: &str, ways: &WaysInView, options: Option<String>) -> AnyView {
    let typed = serde_json::to_string(&visit.flash.typed).unwrap_or_default();
    let passkey = options.map(|options| {
        let form = PasskeyForm {
            ask: "get",
            action: "/fn/confirm_by_passkey",
            options,
            fields: vec![("to", to.to_owned()), ("typed", typed)],
            button: "Confirm with a passkey",
            size: Size::Normal,
        };
        form.draw(None)
    });
    let is_asked = |id: &str| ways.providers.iter().any(|provider| provider.id == id);
    let linked = ways.identities.iter();
    let linked = linked.filter(|linked| linked.confirms && is_asked(&linked.provider));
    let has_linked = linked.clone().next().is_some();
    let links = linked.map(|linked| {
        let to = leptos_router::location::Url::escape(to);
        let href = format!("/confirm/with/{}?to={to}", linked.provider);
        view! { <a class="btn" href=href rel="external">{format!("Confirm with {}", linked.label)}</a> }
    });
    view! {
        {passkey}
        {has_linked.then(|| view! { <div class="row row--wrap">{links.collect_view()}</div> })}
    }
    .into_any()
}

fn confirm_page(visit: &Visit, to: String, (has_factor, has_password): (bool, bool), others: AnyView) -> AnyView {
    let left = &visit.flash;
    let problem = left.error.as_ref().filter(|error| error.fields.is_empty()).map(problem);
    let wrong = left.error_of("password");
    let typed = serde_json::to_string(&left.typed).unwrap_or_default();
    let email = visit.session.email.clone();
    let wrong_code = left.error_of("code");
    let code = has_factor.then(|| {
        view! {
            <TextField
                name="code"
                label="Or a code of your authenticator app"
                autocomplete="one-time-code"
                optional=true
                nostrip:error=wrong_code
            />
        }
    });
    let (then_to, back) = (to.clone(), to.clone());
    let has_form = has_factor || has_password;
    let form = has_form.then(|| {
        let password = has_password.then(|| {
            view! {
                <TextField
                    name="password"
                    label="Password"
                    kind="password"
                    autocomplete="current-password"
                    required=!has_factor
                    nostrip:error=wrong
                />
            }
        });
        view! {
            <PostForm class="stack" action="/fn/confirm">
                <Hidden fields=vec![("to", then_to), ("typed", typed)] />
                // For password managers: it has no name and is not sent.
                <input class="vh" type="email" autocomplete="username" value=email readonly tabindex="-1" aria-label="Email" />
                {password}
                {code}
                <div class="row">
                    <Button text="Confirm" kind=Kind::Primary />
                    <LinkButton href=back text="Cancel" kind=Kind::Ghost />
                </div>
            </PostForm>
        }
    });
    view! {
        <div class="dialogpage">
            <div class="dialog stack">
                <div>
                    <h1>"Confirm it is you"</h1>
                    <p class="t13 muted u-mt1">
                        "This changes a secret, money or a role, and you last proved more than 10 minutes ago that it is you. Nothing was changed yet."
                    </p>
                </div>
                {problem}
                {form}
                {others}
                {(!has_form).then(|| view! { <div class="row"><LinkButton href=to text="Cancel" kind=Kind::Ghost /></div> })}
            </div>
        </div>
    }
    .into_any()
}

/// `/setup?token=…`, the link that a first start away from the machine itself writes to its log.
#[component]
pub fn Setup() -> impl IntoView {
    let left = flash::take("/setup");
    let token = use_query_map().read_untracked().get("token").unwrap_or_default();
    public("Set up", move |session| async move {
        let body = match session {
            Some(session) => view! {
                <PostForm class="stack u-start" action="/fn/redeem_setup">
                    <Hidden fields=vec![("token", token)] />
                    <p class="muted">{format!("{} becomes platform admin: upstream accounts, models, prices and teams.", session.email)}</p>
                    <div class="row">
                        <Button text="Become platform admin" kind=Kind::Primary />
                    </div>
                </PostForm>
            }
            .into_any(),
            None => view! {
                <p class="muted">
                    <a class="link" href="/signup">
                        "Sign up"
                    </a> " or " <a class="link" href="/login">
                        "log in"
                    </a> " first, then open this link again."
                </p>
            }
            .into_any(),
        };
        let problem = left.error.as_ref().map(problem);
        Ok(view! {
            <div class="narrow stack page__pad">
                <h1 class="u-t32">"Set up OurHub"</h1>
                {problem}
                {body}
            </div>
        }
        .into_any())
    })
}
