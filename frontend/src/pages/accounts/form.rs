//! The account form: first the provider, then its fields, which the preset fills.
//!
//! Invariant: no secret is ever in the page, be it stored or typed a moment ago; an empty field keeps it.
//! Reads [`crate::api::accounts`]; the forms are sent to `/fn/create_account`, `/fn/update_account`, `/fn/test_account`.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::super::frame::{Spot, Visit, signed_in};
use super::{PLATFORM, health, of_account, provider_name, section};
use crate::api::accounts::{AccountView, ModelEntry, OWN, PresetView, TestView, TurnView, Whose, account, presets};
use crate::api::{ApiError, Code, Flash};
use crate::ui::*;

/// How most providers want the key.
const BEARER: &str = "bearer";

fn spot(whose: Whose<'static>, title: &str, path: String) -> Spot {
    Spot::new(section(whose), title, path).via(whose.root(), super::title(whose))
}

/// `/admin/accounts/new`: which provider.
#[component]
pub fn ProviderChoice() -> impl IntoView {
    choice_page(PLATFORM)
}

pub(super) fn choice_page(whose: Whose<'static>) -> AnyView {
    let path = format!("{}/new", whose.root());
    signed_in(spot(whose, "Add account", path), move |_| async move {
        let presets = presets(whose.word().to_owned()).await?;
        let presets = presets.into_iter().map(|one| preset(whose, one)).collect_view();
        Ok::<_, ApiError>(
            view! {
                <PageHead title="Add an upstream account" lead="Choose a provider, paste a key, test it. The rest is filled in." />
                <div class="narrow stack">
                    <h2>"Provider"</h2>
                    <div class="presets">{presets}</div>
                </div>
            }
            .into_any(),
        )
    })
}

fn preset(whose: Whose<'static>, preset: PresetView) -> AnyView {
    view! {
        <a class="preset" href=format!("{}/new/{}", whose.root(), preset.id)>
            <Mark name=preset.name.clone() />
            {preset.name}
        </a>
    }
    .into_any()
}

/// `/admin/accounts/new/{provider}`
#[component]
pub fn AccountNew() -> impl IntoView {
    page_of_new(PLATFORM)
}

pub(super) fn page_of_new(whose: Whose<'static>) -> AnyView {
    let provider = use_params_map().read_untracked().get("provider").unwrap_or_default();
    let root = whose.root();
    signed_in(
        spot(whose, "Add account", format!("{root}/new/{provider}")).via(format!("{root}/new"), "Provider"),
        move |visit| async move {
            let presets = presets(whose.word().to_owned()).await?;
            let preset = presets
                .into_iter()
                .find(|preset| preset.id == provider)
                .ok_or_else(|| ApiError::new(Code::NotFound))?;
            Ok(new_page(&visit, whose, preset))
        },
    )
}

fn new_page(visit: &Visit, whose: Whose<'static>, preset: PresetView) -> AnyView {
    let start = Values {
        label: format!("{} main", preset.name),
        base_url: preset.base_url.clone(),
        needs_key: preset.needs_key,
        needs_url: preset.base_url.is_empty(),
        key_hint: preset.key_hint.clone(),
        base_url_example: preset.base_url_example.clone(),
        auth_scheme: (preset.id == OWN).then(|| BEARER.to_owned()),
        is_own: whose != PLATFORM,
        ..Values::default()
    };
    let fields = fields(&visit.flash, &start);
    let tested = visit.flash.test.clone().map(test);
    view! {
        <PageHead title=format!("Add {}", preset.name) lead="Paste a key and test it. The rest is good as it is." />
        <PostForm class="narrow stack stack--6" action="/fn/create_account">
            <Hidden fields=vec![("whose", whose.word().to_owned()), ("provider", preset.id)] />
            {fields}
            {tested}
            <div class="row row--wrap">
                <Button text="Save account" kind=Kind::Primary />
                <Button text="Test" name="intent" value="test" icon=Glyph::Pulse />
                <LinkButton href=whose.root() text="Cancel" kind=Kind::Ghost />
            </div>
        </PostForm>
    }
    .into_any()
}

/// `/admin/accounts/{id}`
#[component]
pub fn AccountEdit() -> impl IntoView {
    page_of_one(PLATFORM)
}

pub(super) fn page_of_one(whose: Whose<'static>) -> AnyView {
    let id = use_params_map().read_untracked().get("id").unwrap_or_default();
    signed_in(
        spot(whose, "Edit account", format!("{}/{id}", whose.root())),
        move |visit| async move {
            let account = account(whose.word().to_owned(), id).await?;
            Ok::<_, ApiError>(edit_page(&visit, whose, account))
        },
    )
}

fn edit_page(visit: &Visit, whose: Whose<'static>, account: AccountView) -> AnyView {
    let start = Values {
        is_own: whose != PLATFORM,
        ..Values::of(&account)
    };
    let fields = fields(&visit.flash, &start);
    let health = health(&visit.clock, &account);
    let tested = visit.flash.test.clone().map(test);
    let tested_account = of_account(whose, &account.id);
    let mut edited = of_account(whose, &account.id);
    edited.push(("provider", account.provider.clone()));
    let key = key_line(&account);
    let history = history(&visit.clock, account.history);
    view! {
        <PageHead title=account.label.clone() lead=format!("{}, {} dialect", provider_name(&account.provider), account.dialect)>
            <PostForm action="/fn/test_account">
                <Hidden fields=tested_account />
                <Button text="Test account" icon=Glyph::Pulse />
            </PostForm>
        </PageHead>
        <div class="narrow stack stack--6">
            {tested}
            <div class="row t13">{health} <span class="muted">{account.reason.clone()}</span></div>
            <p class="t13 muted">{key}</p>
            <PostForm class="stack stack--6" action="/fn/update_account">
                <Hidden fields=edited />
                {fields}
                <div class="row">
                    <Button text="Save account" kind=Kind::Primary />
                    <LinkButton href=whose.root() text="Cancel" kind=Kind::Ghost />
                </div>
            </PostForm>
            {history}
        </div>
    }
    .into_any()
}

/// What its health turned into.
fn history(clock: &Clock, turns: Vec<TurnView>) -> AnyView {
    if turns.is_empty() {
        return view! { <p class="t13 muted">"Its health has not changed since it was added."</p> }.into_any();
    }
    let head = vec![th("When", ""), th("Health", ""), th("Why", "p2"), th("Pause", "r")];
    let rows = turns
        .into_iter()
        .map(|turn| {
            let (tone, text) = match turn.state.as_str() {
                "ready" => (Tone::Ok, "Ready"),
                "parked" => (Tone::Bad, "Parked"),
                _ => (Tone::Warn, "Cooling down"),
            };
            let pause = turn.until.map(|until| duration((until.0 - turn.at.0).max(0)));
            view! {
                <tr>
                    <td class="num">
                        <When at=turn.at clock=clock.clone() style=Style::TimeOfDay />
                    </td>
                    <td>
                        <Status tone=tone text=text />
                        <span class="sub only-sm">{turn.reason.clone()}</span>
                    </td>
                    <td class="p2 muted">{turn.reason}</td>
                    <td class="r">{pause}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <Card title="Last changes of its health" flush=true>
            <Table head=head tight=true flush=true>
                {rows}
            </Table>
        </Card>
    }
    .into_any()
}

/// How a test went.
fn test(test: TestView) -> AnyView {
    let (class, glyph, title) = if test.ok {
        ("trail__n trail__n--ok", Glyph::Check, "The key works")
    } else {
        ("trail__n trail__n--bad", Glyph::Alert, "The test failed")
    };
    let message = test
        .message
        .strip_prefix(&format!("{title}. "))
        .unwrap_or(&test.message)
        .to_owned();
    view! {
        <section class="card" role="status">
            <div class="liverow">
                <span class=class>
                    <Icon of=glyph />
                </span>
                <div>
                    <span class="strong t13">{title}</span>
                    <p class="t12 faint">{message}</p>
                </div>
                <span class="t12 faint num">{duration(test.latency_ms)}</span>
            </div>
        </section>
    }
    .into_any()
}

/// The values the form starts with.
#[derive(Default)]
struct Values {
    /// Whether it is a team's own.
    is_own: bool,
    label: String,
    base_url: String,
    last_four: String,
    needs_key: bool,
    needs_url: bool,
    /// What the key looks like, where that needs saying.
    key_hint: String,
    /// What the address looks like, where only the operator knows it.
    base_url_example: String,
    /// Where the preset does not know it.
    auth_scheme: Option<String>,
    priority: String,
    weight: String,
    region: String,
    proxy_url: String,
    models: String,
    rpm: String,
    tpm: String,
    max_in_flight: String,
}

impl Values {
    fn of(account: &AccountView) -> Self {
        let number = |limit: Option<i64>| limit.map(|limit| limit.to_string()).unwrap_or_default();
        let models: Vec<_> = account
            .models
            .iter()
            .map(|entry| match entry {
                ModelEntry::Pattern(pattern) => pattern.clone(),
                ModelEntry::One(one) => match &one.upstream_model {
                    Some(upstream) if *upstream != one.model => format!("{} = {upstream}", one.model),
                    _ => one.model.clone(),
                },
            })
            .collect();
        Self {
            is_own: false,
            label: account.label.clone(),
            base_url: account.base_url.clone(),
            last_four: account.last_four.clone(),
            needs_key: false,
            needs_url: false,
            key_hint: String::new(),
            base_url_example: String::new(),
            auth_scheme: (account.provider == OWN || account.auth_scheme != BEARER)
                .then(|| account.auth_scheme.clone()),
            priority: account.priority.to_string(),
            weight: account.weight.to_string(),
            region: account.region.clone().unwrap_or_default(),
            proxy_url: account.proxy_url.clone().unwrap_or_default(),
            models: models.join("\n"),
            rpm: number(account.rpm),
            tpm: number(account.tpm),
            max_in_flight: number(account.max_in_flight),
        }
    }
}

/// All fields; what is good as it is stands folded away.
fn fields(flash: &Flash, start: &Values) -> AnyView {
    const FOLDED: [&str; 8] = [
        "priority",
        "weight",
        "region",
        "proxy_url",
        "rpm",
        "tpm",
        "max_in_flight",
        "base_url",
    ];
    let has_error = FOLDED.iter().any(|name| flash.error_of(name).is_some());
    let credential = credential(flash, start);
    let models = models(flash, start);
    let routing = routing(flash, start);
    let limits = limits(flash, start);
    let place = place(flash, start);
    view! {
        {credential}
        {models}
        <More title="Routing and limits" hint="good as they are" open=has_error || start.needs_url>
            {place}
            {routing}
            {limits}
        </More>
    }
    .into_any()
}

fn credential(flash: &Flash, start: &Values) -> AnyView {
    let kept = flash.value("kept", "");
    let hint = if !kept.is_empty() {
        "The key you typed is kept, sealed, for 15 minutes. Leave this empty to use it.".to_owned()
    } else if start.last_four.is_empty() {
        format!(
            "{} Stored encrypted. Nobody sees it again, not even you.",
            start.key_hint
        )
        .trim_start()
        .to_owned()
    } else {
        format!(
            "The one stored ends in {}. Leave this empty to keep it.",
            start.last_four
        )
    };
    let (needs_key, optional) = (start.needs_key && kept.is_empty(), !start.needs_key);
    let label = flash.value("label", &start.label);
    let (secret_error, label_error) = (flash.error_of("secret"), flash.error_of("label"));
    let auth_scheme = start.auth_scheme.as_ref().map(|scheme| auth_scheme(flash, scheme));
    let whom = if start.is_own {
        "For people. Receipts of the team name the account by it."
    } else {
        "For admins only. Customers read the provider and a number."
    };
    view! {
        <Fieldset legend="Credential">
            <Hidden fields=vec![("kept", kept)] />
            <TextField
                name="secret"
                label="API key"
                kind="password"
                autocomplete="off"
                mono=true
                required=needs_key
                optional=optional
                hint=hint
                nostrip:error=secret_error
            />
            {auth_scheme}
            <TextField
                name="label"
                label="Label"
                value=label
                required=true
                hint=whom
                nostrip:error=label_error
            />
        </Fieldset>
    }
    .into_any()
}

fn auth_scheme(flash: &Flash, stored: &str) -> AnyView {
    view! {
        <TextField
            name="auth_scheme"
            label="How the key is sent"
            value=flash.value("auth_scheme", stored)
            mono=true
            placeholder=BEARER
            hint="bearer, or the header that carries the key alone, such as x-api-key or api-key."
            nostrip:error=flash.error_of("auth_scheme")
        />
    }
    .into_any()
}

/// Which key is stored, for people to tell it from others, and how it is sent.
fn key_line(account: &AccountView) -> String {
    let key = match account.last_four.as_str() {
        "" => "no key, or a short one".to_owned(),
        four => format!("key …{four}"),
    };
    match account.auth_scheme.as_str() {
        BEARER => format!("{key}, sent as bearer"),
        header => format!("{key}, sent in {header}"),
    }
}

fn models(flash: &Flash, start: &Values) -> AnyView {
    view! {
        <TextArea
            name="models"
            label="Models"
            value=flash.value("models", &start.models)
            optional=true
            placeholder="*"
            hint="One a line. Empty or *: every model with a price, by its own name; at the address of a maker such as OpenAI, those it makes. Another name at the provider: gpt-6-luna = my-deployment."
            nostrip:error=flash.error_of("models")
        />
    }
    .into_any()
}

fn place(flash: &Flash, start: &Values) -> AnyView {
    const ANEW: &str = "Another host needs the API key again.";
    let hint = match start.base_url_example.as_str() {
        "" => ANEW.to_owned(),
        example => format!("For example {example}. {ANEW}"),
    };
    view! {
        <TextField
            name="base_url"
            label="Base URL"
            value=flash.value("base_url", &start.base_url)
            mono=true
            required=start.needs_url
            hint=hint
            nostrip:error=flash.error_of("base_url")
        />
        <div class="cols">
            <TextField
                name="region"
                label="Region"
                value=flash.value("region", &start.region)
                optional=true
                placeholder="Any"
                nostrip:error=flash.error_of("region")
            />
            <TextField
                name="proxy_url"
                label="Proxy"
                value=flash.value("proxy_url", &start.proxy_url)
                optional=true
                placeholder="socks5://host:port"
                nostrip:error=flash.error_of("proxy_url")
            />
        </div>
    }
    .into_any()
}

/// A whole number with a hint of its own.
fn number(flash: &Flash, (name, label, hint): (&'static str, &'static str, &'static str), stored: &str) -> AnyView {
    view! {
        <TextField
            name=name
            label=label
            value=flash.value(name, stored)
            inputmode="numeric"
            hint=hint
            nostrip:error=flash.error_of(name)
        />
    }
    .into_any()
}

fn routing(flash: &Flash, start: &Values) -> AnyView {
    let priority = number(
        flash,
        ("priority", "Priority", "The lowest is asked first. Empty: 0."),
        &start.priority,
    );
    let weight = number(
        flash,
        ("weight", "Weight", "Share among equals. Empty: 100."),
        &start.weight,
    );
    let at_once = number(
        flash,
        ("max_in_flight", "Requests at once", "Empty: no limit."),
        &start.max_in_flight,
    );
    view! { <div class="cols cols--3">{priority} {weight} {at_once}</div> }.into_any()
}

fn limits(flash: &Flash, start: &Values) -> AnyView {
    let rpm = number(
        flash,
        ("rpm", "Requests per minute", "What the provider grants, if you know."),
        &start.rpm,
    );
    let tpm = number(
        flash,
        ("tpm", "Tokens per minute", "What the provider grants, if you know."),
        &start.tpm,
    );
    view! { <div class="cols">{rpm} {tpm}</div> }.into_any()
}
