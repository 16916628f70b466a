//! The catalogue for platform admins: every model with its price rows, and the forms that add to it.
//!
//! Reads [`crate::api::models::list_models`]; the forms are sent to `/fn/create_model` and `/fn/add_price`.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use leptos_router::location::Url;

use super::super::alerts;
use super::super::frame::{Spot, Visit, signed_in};
use super::{price, price_line, tokens};
use crate::api::models::{ModelView, Prices, list_models};
use crate::api::{ApiError, Code, Flash};
use crate::ui::*;

/// `/admin/models`; with `?served=all` also those that no account serves.
#[component]
pub fn ModelsPage() -> impl IntoView {
    let query = use_query_map().read_untracked();
    let (show_all, wanted) = (
        query.get("show").as_deref() == Some("all"),
        query.get("q").unwrap_or_default(),
    );
    signed_in(
        Spot::new(Section::Models, "Models & prices", "/admin/models"),
        move |visit| async move {
            let models = list_models().await?;
            let news = alerts::notice(&visit, &["price_unknown", "overrun"]).await?;
            let asked = Asked { show_all, wanted };
            Ok::<_, ApiError>(page(&visit.clock, models, asked, news))
        },
    )
}

/// Which models are shown.
struct Asked {
    show_all: bool,
    wanted: String,
}

fn page(clock: &Clock, models: Vec<ModelView>, asked: Asked, news: Option<AnyView>) -> AnyView {
    let Asked { show_all, wanted } = asked;
    let served = models.iter().filter(|model| model.is_served).count();
    let links = vec![
        ("/admin/models".to_owned(), format!("Served {served}"), !show_all),
        (
            "/admin/models?show=all".to_owned(),
            format!("All {}", models.len()),
            show_all,
        ),
    ];
    let shown: Vec<_> = models
        .into_iter()
        .filter(|model| (show_all || model.is_served) && model.id.contains(wanted.trim()))
        .collect();
    let list = if shown.is_empty() {
        nothing()
    } else {
        table(clock, shown)
    };
    view! {
        <PageHead title="Models & prices" lead="What customers may call and pay. A model without a price is refused, never free.">
            <LinkButton href="/admin/aliases" text="Aliases" icon=Glyph::Tag />
            <LinkButton href="/admin/models/new" text="Add model" kind=Kind::Primary icon=Glyph::Plus />
        </PageHead>
        {news}
        <form class="filters" method="get" action="/admin/models">
            <Hidden fields=vec![("show", if show_all { "all".to_owned() } else { "served".to_owned() })] />
            <SearchField name="q" label="Search models" placeholder="Part of a name" value=wanted />
            <Button text="Search" />
            <Segment label="Models" links=links />
        </form>
        {list}
    }
    .into_any()
}

fn nothing() -> AnyView {
    view! {
        <Empty
            icon=Glyph::Tag
            title="No model here"
            text="Add an account, and known models bring their price. A model of your own needs a name and a price."
        >
            <LinkButton href="/admin/accounts/new" text="Add account" icon=Glyph::Plus />
        </Empty>
    }
    .into_any()
}

fn table(clock: &Clock, models: Vec<ModelView>) -> AnyView {
    let shows = Shows {
        since: models.iter().any(|model| model.price_since.is_some()),
        next: models.iter().any(|model| model.next_price.is_some()),
    };
    let head = [
        Some(th("Model", "")),
        Some(th("Context", "r p3")),
        Some(th("Price per million", "")),
        shows.since.then(|| th("Since", "p3")),
        shows.next.then(|| th("Next price", "p2")),
        Some(th("Status", "p2")),
        Some(th("Actions", "act")),
    ];
    let head = head.into_iter().flatten().collect();
    let rows = models.into_iter().map(|model| row(clock, model, shows)).collect_view();
    view! {
        <Table head=head tight=true>
            {rows}
        </Table>
    }
    .into_any()
}

/// Columns that some model has something for; the others are left out.
#[derive(Clone, Copy)]
struct Shows {
    since: bool,
    next: bool,
}

/// The prices, which break into lines between two of them if at all.
fn price_cell(prices: Option<&Prices>) -> AnyView {
    let line = price_line(prices);
    let parts = line.split_inclusive(", ");
    parts
        .map(|part| view! { <span class="nowrap">{part.trim_end().to_owned()}</span> " " })
        .collect_view()
        .into_any()
}

/// The prices in other service tiers, where there are some.
fn tiers_cell(prices: Option<&Prices>) -> Vec<AnyView> {
    let tiers = prices.map(|prices| [("flex", &prices.flex), ("priority", &prices.priority)]);
    let tiers = tiers.into_iter().flatten();
    let priced = tiers.filter_map(|(name, tier)| Some((name, tier.as_ref()?)));
    priced
        .map(|(name, tier)| {
            let text = format!("{name}: {} in, {} out", price(&tier.input), price(&tier.output));
            view! { <span class="sub">{text}</span> }.into_any()
        })
        .collect()
}

fn row(clock: &Clock, model: ModelView, shows: Shows) -> AnyView {
    let (tone, word) = match (model.is_served, model.prices.is_some()) {
        (true, true) => (Tone::Ok, "Served"),
        (true, false) => (Tone::Bad, "Needs a price"),
        (false, _) => (Tone::Neutral, "Not served"),
    };
    let next = model.next_price.as_ref().map_or_else(
        || "none".to_owned(),
        |next| {
            format!(
                "{} from {}",
                price_line(Some(&next.prices)),
                clock.day(next.effective_at)
            )
        },
    );
    let since = match model.price_since {
        Some(at) => view! { <When at=at clock=clock.clone() style=Style::Day /> }.into_any(),
        None => "always".into_any(),
    };
    let href = price_page(&model.id);
    let origin = if model.is_builtin { "catalogue" } else { "added here" };
    view! {
        <tr>
            <td class="main mono">
                {model.id.clone()} <span class="sub">{format!("{} · {origin}", model.mode)}</span>
                <span class="sub only-sm">
                    <Status tone=tone text=word />
                </span>
            </td>
            <td class="r p3">{model.context.map_or_else(|| "not known".to_owned(), tokens)}</td>
            <td class="num">{price_cell(model.prices.as_ref())} {tiers_cell(model.prices.as_ref())}</td>
            {shows.since.then(|| view! { <td class="p3 muted">{since}</td> })}
            {shows.next.then(|| view! { <td class="p2 muted t12">{next}</td> })}
            <td class="p2">
                <Status tone=tone text=word />
            </td>
            <td class="act">
                <LinkButton
                    href=href
                    text=format!("Set a price for {}", model.id)
                    kind=Kind::Ghost
                    size=Size::Small
                    icon=Glyph::Edit
                    icon_only=true
                />
            </td>
        </tr>
    }
    .into_any()
}

pub(in crate::pages) fn price_page(model: &str) -> String {
    format!("/admin/models/price?model={}", Url::escape(model))
}

/// `/admin/models/new`
#[component]
pub fn ModelNew() -> impl IntoView {
    let spot = Spot::new(Section::Models, "Add model", "/admin/models/new").via("/admin/models", "Models & prices");
    signed_in(spot, |visit| async move { Ok::<_, ApiError>(new_page(&visit)) })
}

fn new_page(visit: &Visit) -> AnyView {
    let flash = &visit.flash;
    let prices = prices(flash, &Prices::default());
    view! {
        <PageHead title="Add a model" lead="A name that customers ask for, and what they pay." />
        <PostForm class="narrow stack stack--6" action="/fn/create_model">
            <TextField
                name="id"
                label="Name"
                value=flash.value("id", "")
                mono=true
                required=true
                hint="As customers write it: my-model, or vendor/model."
                nostrip:error=flash.error_of("id")
            />
            {prices}
            <div class="cols">
                {number(flash, "context", "Context, tokens")} {number(flash, "max_output", "Longest answer, tokens")}
            </div>
            <div class="row">
                <Button text="Add model" kind=Kind::Primary />
                <LinkButton href="/admin/models" text="Cancel" kind=Kind::Ghost />
            </div>
        </PostForm>
    }
    .into_any()
}

fn number(flash: &Flash, name: &'static str, label: &'static str) -> AnyView {
    view! {
        <TextField
            name=name
            label=label
            value=flash.value(name, "")
            inputmode="numeric"
            optional=true
            nostrip:error=flash.error_of(name)
        />
    }
    .into_any()
}

/// Four prices per million tokens, those in other service tiers, and those of other units.
fn prices(flash: &Flash, stored: &Prices) -> AnyView {
    let field = |name: &'static str, label: String, stored: &str, is_optional: bool| {
        let placeholder = match name.contains("cache") {
            true => "As input",
            false => "",
        };
        view! {
            <TextField
                name=name
                label=label
                value=flash.value(name, stored)
                inputmode="decimal"
                pre="$"
                required=!is_optional
                optional=is_optional
                placeholder=placeholder
                nostrip:error=flash.error_of(name)
            />
        }
        .into_any()
    };
    let input = field("input", "Input".to_owned(), &stored.input, false);
    let output = field("output", "Output".to_owned(), &stored.output, false);
    let read = field(
        "cache_read",
        "Cache read".to_owned(),
        stored.cache_read.as_deref().unwrap_or_default(),
        true,
    );
    let write = field(
        "cache_write",
        "Cache write".to_owned(),
        stored.cache_write.as_deref().unwrap_or_default(),
        true,
    );
    let unit = |name, label: &str, stored: &Option<String>| {
        field(name, label.to_owned(), stored.as_deref().unwrap_or_default(), true)
    };
    let image = unit("image", "Image", &stored.image);
    let second = unit("second", "Second of sound", &stored.second);
    let search = unit("search", "Search", &stored.search);
    let characters = unit("character", "Million characters", &stored.character);
    let tiers = [
        (
            ["flex_input", "flex_output", "flex_cache_read", "flex_cache_write"],
            "Flex",
            &stored.flex,
        ),
        (
            [
                "priority_input",
                "priority_output",
                "priority_cache_read",
                "priority_cache_write",
            ],
            "Priority",
            &stored.priority,
        ),
    ];
    let tiers = tiers.map(|(names, tier, stored)| {
        let stored = stored.clone().unwrap_or_default();
        let [input, output, read, write] = names;
        let fields = [
            (input, "input", stored.input),
            (output, "output", stored.output),
            (read, "cache read", stored.cache_read.unwrap_or_default()),
            (write, "cache write", stored.cache_write.unwrap_or_default()),
        ];
        let fields = fields.map(|(name, what, stored)| field(name, format!("{tier}, {what}"), &stored, true));
        view! { <div class="cols cols--4">{fields.into_iter().collect_view()}</div> }
    });
    view! {
        <Fieldset legend="Prices, USD per million tokens" hint="What customers pay. Free is written as 0.">
            <div class="cols cols--4">{input} {output} {read} {write}</div>
        </Fieldset>
        <Fieldset
            legend="Prices in other service tiers, USD per million tokens"
            hint="For requests that ask for flex or priority. Empty: these are refused."
        >
            {tiers.into_iter().collect_view()}
        </Fieldset>
        <Fieldset
            legend="Prices, USD for each"
            hint="For what is not paid by token. Of models of images, speech, transcription and rerank, input and output are 0 then; a search of the web comes on top of tokens. An image costs the same whatever its size: write the dearest."
        >
            <div class="cols cols--4">{image} {second} {search} {characters}</div>
        </Fieldset>
    }
    .into_any()
}

/// `/admin/models/price?model={name}`
#[component]
pub fn PriceNew() -> impl IntoView {
    let name = use_query_map().read_untracked().get("model").unwrap_or_default();
    let spot = Spot::new(Section::Models, "Set price", price_page(&name)).via("/admin/models", "Models & prices");
    signed_in(spot, move |visit| async move {
        let models = list_models().await?;
        let model = models
            .into_iter()
            .find(|model| model.id == name)
            .ok_or_else(|| ApiError::new(Code::NotFound))?;
        Ok(price_form(&visit, model))
    })
}

fn price_form(visit: &Visit, model: ModelView) -> AnyView {
    let flash = &visit.flash;
    let stored = model.prices.clone().unwrap_or_default();
    let prices = prices(flash, &stored);
    let lead = format!(
        "Now: {}. Earlier requests keep the price they had.",
        price_line(model.prices.as_ref())
    );
    view! {
        <PageHead title=format!("Price of {}", model.id) lead=lead />
        <PostForm class="narrow stack stack--6" action="/fn/add_price">
            <Hidden fields=vec![("id", model.id)] />
            {prices}
            <TextField
                name="effective_at"
                label="From"
                value=flash.value("effective_at", "")
                kind="datetime-local"
                optional=true
                hint="In UTC. Empty: from now on."
                nostrip:error=flash.error_of("effective_at")
            />
            <div class="row">
                <Button text="Set price" kind=Kind::Primary />
                <LinkButton href="/admin/models" text="Cancel" kind=Kind::Ghost />
            </div>
        </PostForm>
    }
    .into_any()
}
