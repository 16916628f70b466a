//! Models: the public catalogue, and for platform admins the forms that add a model or a price.
//!
//! Invariant: a model without a price is shown as such; it is refused, never free.
//! Reads [`crate::api::models::list_models`].

mod admin;

pub(in crate::pages) use admin::price_page;
pub use admin::{ModelNew, ModelsPage, PriceNew};

use leptos::prelude::*;

use super::frame::public;
use crate::api::ApiError;
use crate::api::models::{ModelView, Prices, list_models};
use crate::ui::*;

/// `/models`
#[component]
pub fn Catalogue() -> impl IntoView {
    public("Models", |_| async move {
        let models = list_models().await?;
        let (served, known): (Vec<_>, Vec<_>) = models
            .into_iter()
            .filter(|model| model.prices.is_some())
            .partition(|model| model.is_served);
        Ok::<_, ApiError>(page(served, known))
    })
}

fn page(served: Vec<ModelView>, known: Vec<ModelView>) -> AnyView {
    let now = if served.is_empty() {
        view! {
            <Empty
                icon=Glyph::Models
                title="No model can be called yet"
                text="An upstream account brings its models. The platform admin adds the first one."
            />
        }
        .into_any()
    } else {
        catalogue_table(served)
    };
    let others = (!known.is_empty()).then(|| {
        let hint = format!("{} with a known price", known.len());
        view! {
            <More title="Known, but not served here" hint=hint>
                {catalogue_table(known)}
            </More>
        }
    });
    view! {
        <div class="stack stack--6 page__pad">
            <div>
                <h1 class="u-t32">"Models"</h1>
                <p class="muted">"What can be called right now. Prices are per million tokens where nothing else is said, what you pay."</p>
            </div>
            {now}
            {others}
        </div>
    }
    .into_any()
}

/// Models with price, context and abilities.
pub fn catalogue_table(models: Vec<ModelView>) -> AnyView {
    let head = vec![
        th("Model", ""),
        th("Context", "r p2"),
        th("Input", "r"),
        th("Cache read", "r p3"),
        th("Output", "r"),
        th("Abilities", "p3"),
    ];
    let rows = models.into_iter().map(row).collect_view();
    view! {
        <Table head=head tight=true>
            {rows}
        </Table>
    }
    .into_any()
}

fn row(model: ModelView) -> AnyView {
    let prices = model.prices.unwrap_or_default();
    let cached = prices.cache_read.clone().unwrap_or_else(|| prices.input.clone());
    let units = units(&prices).join(", ");
    if !units.is_empty() && !is_by_token(&prices) {
        return view! {
            <tr>
                <td class="main mono">{model.id} <span class="sub">{model.provider}</span></td>
                <td class="r p2">{model.context.map_or_else(|| "not known".to_owned(), tokens)}</td>
                <td class="r" colspan="3">{units}</td>
                <td class="p3 muted t12">{model.capabilities.join(", ").replace('_', " ")}</td>
            </tr>
        }
        .into_any();
    }
    view! {
        <tr>
            <td class="main mono">{model.id} <span class="sub">{model.provider}</span></td>
            <td class="r p2">{model.context.map_or_else(|| "not known".to_owned(), tokens)}</td>
            <td class="r">{price(&prices.input)}</td>
            <td class="r p3">{price(&cached)}</td>
            <td class="r">
                {price(&prices.output)} {(!units.is_empty()).then(|| view! { <span class="sub nowrap">{units}</span> })}
            </td>
            <td class="p3 muted t12">{model.capabilities.join(", ").replace('_', " ")}</td>
        </tr>
    }
    .into_any()
}

/// What is priced in other units than tokens.
fn units(of: &Prices) -> Vec<String> {
    let units = [
        (&of.image, "an image"),
        (&of.character, "a million characters"),
        (&of.second, "a second"),
        (&of.search, "a search"),
    ];
    let priced = units
        .into_iter()
        .filter_map(|(price, unit)| Some((price.as_ref()?, unit)));
    priced.map(|(of, unit)| format!("{} {unit}", price(of))).collect()
}

/// Whether tokens cost something.
fn is_by_token(of: &Prices) -> bool {
    let costs = |price: &String| price.bytes().any(|digit| (b'1'..=b'9').contains(&digit));
    costs(&of.input) || costs(&of.output)
}

/// A count of tokens in short form.
fn tokens(of: i64) -> String {
    short_count(of.unsigned_abs())
}

/// A price as it is stored, at least two decimals: `$0.50`, `$0.028`.
fn price(of: &str) -> String {
    match of.split_once('.') {
        None => format!("${of}.00"),
        Some((_, decimals)) if decimals.len() < 2 => format!("${of}{}", "0".repeat(2 - decimals.len())),
        Some(_) => format!("${of}"),
    }
}

/// All prices of a model in one line, for admins.
fn price_line(prices: Option<&Prices>) -> String {
    prices.map_or_else(
        || "no price: refused".to_owned(),
        |prices| {
            let units = units(prices);
            let is_by_token = units.is_empty() || is_by_token(prices);
            let tokens = [
                format!("{} in", price(&prices.input)),
                format!("{} out", price(&prices.output)),
            ];
            let parts = tokens.into_iter().filter(|_| is_by_token).chain(units);
            parts.collect::<Vec<_>>().join(", ")
        },
    )
}

#[cfg(test)]
mod tests {
    use super::{price, price_line};
    use crate::api::models::Prices;

    #[test]
    fn a_price_has_at_least_two_decimals() {
        assert_eq!(price("5"), "$5.00");
        assert_eq!(price("0.5"), "$0.50");
        assert_eq!(price("0.028"), "$0.028");
    }

    #[test]
    fn a_price_by_another_unit_is_told_with_it() {
        let prices = Prices {
            input: "0".to_owned(),
            output: "0".to_owned(),
            image: Some("0.04".to_owned()),
            ..Prices::default()
        };
        assert_eq!(price_line(Some(&prices)), "$0.04 an image");
    }

    #[test]
    fn a_search_is_told_beside_what_tokens_cost() {
        let prices = Prices {
            input: "5".to_owned(),
            output: "25.00".to_owned(),
            search: Some("0.01".to_owned()),
            ..Prices::default()
        };
        assert_eq!(price_line(Some(&prices)), "$5.00 in, $25.00 out, $0.01 a search");
    }
}
