//! The key form, in a drawer over the list: to make a key, and to change one.
//!
//! Invariant: what was typed is shown again with the errors beside it.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::super::frame::{Spot, Visit, news, signed_in};
use super::list;
use crate::api::keys::{KeyView, key, list_keys};
use crate::api::team::{MemberView, list_members};
use crate::api::{ApiError, Flash, Nano};
use crate::ui::*;

/// `/keys/new`
#[component]
pub fn KeyNew() -> impl IntoView {
    let spot = Spot::new(Section::Keys, "Create key", "/keys/new")
        .via("/keys", "Keys")
        .quiet();
    signed_in(spot, |visit| async move {
        let keys = list_keys().await?;
        let members = list_members().await?;
        Ok(over_list(&visit, keys, drawer(&visit, members, None)))
    })
}

/// `/keys/{id}`
#[component]
pub fn KeyEdit() -> impl IntoView {
    let id = use_params_map().read_untracked().get("id").unwrap_or_default();
    let spot = Spot::new(Section::Keys, "Edit key", format!("/keys/{id}"))
        .via("/keys", "Keys")
        .quiet();
    signed_in(spot, |visit| async move {
        let key = key(id).await?;
        let keys = list_keys().await?;
        let members = list_members().await?;
        Ok::<_, ApiError>(over_list(&visit, keys, drawer(&visit, members, Some(key))))
    })
}

/// The list, out of reach, and the drawer over it.
fn over_list(visit: &Visit, keys: Vec<KeyView>, drawer: AnyView) -> AnyView {
    let behind = list(visit, keys);
    view! {
        <div class="stack stack--6" inert="" aria-hidden="true">
            {behind}
        </div>
        {drawer}
    }
    .into_any()
}

/// The values the form starts with.
#[derive(Default)]
struct Values {
    name: String,
    member: String,
    models: String,
    region: String,
    cap_day: String,
    cap_month: String,
    cap_total: String,
    rpm: String,
    tpm: String,
    max_in_flight: String,
    is_clamped: bool,
    has_hosted_tools: bool,
    expires_at: String,
    allowed_ips: String,
}

/// Of the key, unless something was typed.
fn values(visit: &Visit, key: Option<&KeyView>) -> Values {
    let flash = &visit.flash;
    let money = |cap: Option<Nano>| cap.map(Nano::render).unwrap_or_default();
    let number = |limit: Option<i64>| limit.map(|limit| limit.to_string()).unwrap_or_default();
    let stored = key.map_or_else(
        || Values {
            is_clamped: true,
            has_hosted_tools: false,
            ..Values::default()
        },
        |key| Values {
            name: key.name.clone(),
            member: key.member.as_ref().map(|member| member.id.clone()).unwrap_or_default(),
            models: key.models.join("\n"),
            region: key.region.clone().unwrap_or_default(),
            cap_day: money(key.cap_day),
            cap_month: money(key.cap_month),
            cap_total: money(key.cap_total),
            rpm: number(key.rpm),
            tpm: number(key.tpm),
            max_in_flight: number(key.max_in_flight),
            is_clamped: key.clamp,
            has_hosted_tools: key.hosted_tools,
            expires_at: key.expires_at.map(|end| visit.clock.last_day(end)).unwrap_or_default(),
            allowed_ips: key.allowed_ips.join("\n"),
        },
    );
    let on = |is_on: bool| if is_on { "on" } else { "" };
    let clamp = flash.value("clamp", on(stored.is_clamped));
    let hosted_tools = flash.value("hosted_tools", on(stored.has_hosted_tools));
    Values {
        name: flash.value("name", &stored.name),
        member: flash.value("member", &stored.member),
        models: flash.value("models", &stored.models),
        region: flash.value("region", &stored.region),
        cap_day: flash.value("cap_day", &stored.cap_day),
        cap_month: flash.value("cap_month", &stored.cap_month),
        cap_total: flash.value("cap_total", &stored.cap_total),
        rpm: flash.value("rpm", &stored.rpm),
        tpm: flash.value("tpm", &stored.tpm),
        max_in_flight: flash.value("max_in_flight", &stored.max_in_flight),
        is_clamped: !clamp.is_empty(),
        has_hosted_tools: !hosted_tools.is_empty(),
        expires_at: flash.value("expires_at", &stored.expires_at),
        allowed_ips: flash.value("allowed_ips", &stored.allowed_ips),
    }
}

fn drawer(visit: &Visit, members: Vec<MemberView>, key: Option<KeyView>) -> AnyView {
    let flash = &visit.flash;
    let values = values(visit, key.as_ref());
    let (action, title, act, note) = match &key {
        None => (
            "/fn/create_key",
            "Create key".to_owned(),
            "Create key",
            Some("The key is shown once."),
        ),
        Some(key) => ("/fn/update_key", format!("Edit {}", key.name), "Save key", None),
    };
    let foot = view! {
        <Button text=act kind=Kind::Primary />
        <LinkButton href="/keys" text="Cancel" kind=Kind::Ghost />
        {note.map(|note| view! { <span class="end t12 faint only-lg">{note}</span> })}
    };
    let news = news(flash);
    let first = who(flash, &values, members);
    let caps = caps(flash, &values);
    let models = models(flash, &values);
    let more = more(flash, &values);
    view! {
        <PostForm action=action>
            {key.map(|key| view! { <Hidden fields=vec![("id", key.id)] /> })}
            <Drawer title=title close="/keys" foot=foot.into_any() nostrip:news=news>
                {first}
                {caps}
                {models}
                {more}
            </Drawer>
        </PostForm>
    }
    .into_any()
}

fn who(flash: &Flash, values: &Values, members: Vec<MemberView>) -> AnyView {
    let service = Choice::new("", "Nobody: a service");
    let members = members
        .into_iter()
        .map(|member| Choice::new(member.user_id, member.email));
    view! {
        <TextField
            name="name"
            label="Name"
            value=values.name.clone()
            required=true
            hint="For you to recognise it: a service, a laptop, a person."
            nostrip:error=flash.error_of("name")
        />
        <div class="cols">
            <SelectField
                name="member"
                label="Member"
                choices=std::iter::once(service).chain(members).collect()
                selected=values.member.clone()
                optional=true
                nostrip:error=flash.error_of("member")
            />
            <TextField
                name="expires_at"
                label="Expires"
                kind="date"
                value=values.expires_at.clone()
                optional=true
                nostrip:error=flash.error_of("expires_at")
            />
        </div>
    }
    .into_any()
}

/// An amount, or no cap.
fn money_field(flash: &Flash, name: &'static str, label: &'static str, value: &str) -> AnyView {
    view! {
        <TextField
            name=name
            label=label
            value=value
            inputmode="decimal"
            pre="$"
            post="USD"
            placeholder="No cap"
            nostrip:error=flash.error_of(name)
        />
    }
    .into_any()
}

/// A whole number, or no limit.
fn count_field(flash: &Flash, name: &'static str, label: &'static str, value: &str) -> AnyView {
    view! {
        <TextField
            name=name
            label=label
            value=value
            inputmode="numeric"
            placeholder="No limit"
            nostrip:error=flash.error_of(name)
        />
    }
    .into_any()
}

fn caps(flash: &Flash, values: &Values) -> AnyView {
    let day = money_field(flash, "cap_day", "Per day", &values.cap_day);
    let month = money_field(flash, "cap_month", "Per month", &values.cap_month);
    view! {
        <Fieldset legend="Caps" hint="A member’s own caps count too. The lower of the two applies.">
            <div class="cols cols--keep">{day} {month}</div>
        </Fieldset>
    }
    .into_any()
}

fn models(flash: &Flash, values: &Values) -> AnyView {
    let rpm = count_field(flash, "rpm", "Requests per minute", &values.rpm);
    view! {
        <TextArea
            name="models"
            label="Models"
            value=values.models.clone()
            rows=2
            optional=true
            placeholder="All models"
            hint="Names or patterns such as gpt-*, one a line. Empty: all models, new ones too."
            nostrip:error=flash.error_of("models")
        />
        {rpm}
    }
    .into_any()
}

fn more(flash: &Flash, values: &Values) -> AnyView {
    const FOLDED: [&str; 5] = ["tpm", "max_in_flight", "cap_total", "allowed_ips", "region"];
    let has_error = FOLDED.iter().any(|name| flash.error_of(name).is_some());
    let tpm = count_field(flash, "tpm", "Tokens per minute", &values.tpm);
    let at_once = count_field(flash, "max_in_flight", "Requests at once", &values.max_in_flight);
    let total = money_field(flash, "cap_total", "Cap in all", &values.cap_total);
    let addresses = view! {
        <TextArea
            name="allowed_ips"
            label="Addresses that may use it"
            value=values.allowed_ips.clone()
            rows=2
            optional=true
            placeholder="Everywhere"
            hint="Addresses or ranges such as 203.0.113.0/24, one a line."
            nostrip:error=flash.error_of("allowed_ips")
        />
    };
    let region = view! {
        <TextField
            name="region"
            label="Region"
            value=values.region.clone()
            optional=true
            placeholder="Anywhere"
            hint="Only accounts tagged with this region, such as eu, are asked. Where none serves a model, its calls are refused."
            nostrip:error=flash.error_of("region")
        />
    };
    let (clamp, hosted_tools) = (values.is_clamped, values.has_hosted_tools);
    view! {
        <More title="Advanced" hint="tokens per minute, concurrency, addresses, region, tools at the provider" open=has_error>
            <div class="cols cols--keep">{tpm} {at_once}</div>
            {total}
            {addresses}
            {region}
            <CheckField
                name="clamp"
                label="Cut answers to what the caps afford"
                value="on"
                checked=clamp
                hint="Otherwise a call that could cost more than what is left is refused."
            />
            <CheckField
                name="hosted_tools"
                label="Tools at the provider"
                value="on"
                checked=hosted_tools
                hint="Let the provider search the web and run its tools. Holds much more per request while it runs."
            />
        </More>
    }
    .into_any()
}
