//! The catalogue: models and their prices.
//!
//! Invariant: a model without a price is shown as such and refused when called; free is an explicit price of zero.

#[cfg(feature = "ssr")]
use super::flash::{self, Done};
#[cfg(feature = "ssr")]
use super::form::Form;
use super::{ApiError, Moment, Page, PageQuery, Time, patch};
use async_trait::async_trait;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// Prices in USD per million tokens, and of what is counted in other units, as exact decimals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// Prompt tokens.
    pub input: String,
    /// Tokens produced.
    pub output: String,
    /// Prompt tokens read from a cache; as input when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<String>,
    /// Prompt tokens written to a cache; as input when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<String>,
    /// One image, whatever its size; USD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// A million characters read out; USD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub character: Option<String>,
    /// One second of sound written down; USD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<String>,
    /// One search through documents; USD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// In the flex tier; requests for it are refused when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flex: Option<TierPrices>,
    /// In the priority tier; requests for it are refused when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<TierPrices>,
}

/// Prices in USD per million tokens in a service tier other than the standard one, as exact decimals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TierPrices {
    /// Prompt tokens.
    pub input: String,
    /// Tokens produced.
    pub output: String,
    /// Prompt tokens read from a cache; as input when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<String>,
    /// Prompt tokens written to a cache; as input when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<String>,
}

/// A price that is known and not yet in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextPrice {
    /// From when on.
    pub effective_at: Time,
    /// What it will be.
    pub prices: Prices,
}

/// A model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelView {
    /// The name a customer asks for.
    pub id: String,
    /// Who makes it; empty when unknown.
    pub provider: String,
    /// chat, embedding, image, speech, transcription or rerank.
    pub mode: String,
    /// Tokens of prompt and answer.
    pub context: Option<i64>,
    /// Tokens of answer.
    pub max_output: Option<i64>,
    /// Names of abilities, such as tools or vision.
    pub capabilities: Vec<String>,
    /// The price in force; none means that calls are refused.
    pub prices: Option<Prices>,
    /// Since when it holds.
    pub price_since: Option<Time>,
    /// The next price known.
    pub next_price: Option<NextPrice>,
    /// How many prompt tokens switch to dearer prices, if any do.
    pub long_context_from: Option<i64>,
    /// Whether an enabled account serves it.
    pub is_served: bool,
    /// From the shipped catalogue.
    pub is_builtin: bool,
}

/// A new model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewModel {
    /// The name a customer asks for.
    pub id: String,
    /// Dialects it is served in; any when empty.
    #[serde(default, deserialize_with = "patch::optional")]
    pub dialects: Vec<String>,
    /// Tokens of prompt and answer.
    #[serde(default)]
    pub context: Option<i64>,
    /// Tokens of answer.
    #[serde(default)]
    pub max_output: Option<i64>,
    /// The price from now on.
    pub prices: Prices,
}

/// A new price of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPrice {
    /// Prompt tokens.
    pub input: String,
    /// Tokens produced.
    pub output: String,
    /// Prompt tokens read from a cache.
    #[serde(default)]
    pub cache_read: Option<String>,
    /// Prompt tokens written to a cache.
    #[serde(default)]
    pub cache_write: Option<String>,
    /// One image, whatever its size; USD.
    #[serde(default)]
    pub image: Option<String>,
    /// A million characters read out; USD.
    #[serde(default)]
    pub character: Option<String>,
    /// One second of sound written down; USD.
    #[serde(default)]
    pub second: Option<String>,
    /// One search through documents; USD.
    #[serde(default)]
    pub search: Option<String>,
    /// In the flex tier; requests for it are refused when absent.
    #[serde(default)]
    pub flex: Option<TierPrices>,
    /// In the priority tier; requests for it are refused when absent.
    #[serde(default)]
    pub priority: Option<TierPrices>,
    /// From when on, of a day from its start in UTC; now when absent.
    #[serde(default)]
    pub effective_at: Option<Moment>,
}

/// What the server offers about models.
#[async_trait]
pub trait Models {
    /// The catalogue; open to everyone.
    async fn list_models(&self, page: PageQuery) -> Result<Page<ModelView>, ApiError>;
    /// Adds a model; admins.
    async fn create_model(&self, new: NewModel) -> Result<ModelView, ApiError>;
    /// Adds a price row; admins.
    async fn add_price(&self, model: &str, new: NewPrice) -> Result<ModelView, ApiError>;
}

/// The catalogue, whole.
#[server(prefix = "/fn", endpoint = "list_models", input = leptos::server_fn::codec::GetUrl)]
pub async fn list_models() -> Result<Vec<ModelView>, ApiError> {
    let backend = super::backend()?;
    let mut models = Vec::new();
    let mut page = PageQuery {
        limit: Some(200),
        after: None,
    };
    loop {
        let part = backend.list_models(page).await?;
        models.extend(part.data);
        match part.next {
            Some(after) => {
                page = PageQuery {
                    limit: Some(200),
                    after: Some(after),
                }
            }
            None => return Ok(models),
        }
    }
}

/// The fields of the model and price forms, as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelForm {
    /// The name a customer asks for.
    pub id: String,
    /// Tokens of prompt and answer.
    pub context: String,
    /// Tokens of answer.
    pub max_output: String,
    /// USD per million.
    pub input: String,
    /// USD per million.
    pub output: String,
    /// USD per million.
    pub cache_read: String,
    /// USD per million.
    pub cache_write: String,
    /// USD for one.
    pub image: String,
    /// USD per million.
    pub character: String,
    /// USD for one.
    pub second: String,
    /// USD for one.
    pub search: String,
    /// USD per million, in the flex tier.
    pub flex_input: String,
    /// USD per million, in the flex tier.
    pub flex_output: String,
    /// USD per million, in the flex tier.
    pub flex_cache_read: String,
    /// USD per million, in the flex tier.
    pub flex_cache_write: String,
    /// USD per million, in the priority tier.
    pub priority_input: String,
    /// USD per million, in the priority tier.
    pub priority_output: String,
    /// USD per million, in the priority tier.
    pub priority_cache_read: String,
    /// USD per million, in the priority tier.
    pub priority_cache_write: String,
    /// A day or a moment in UTC; price form only.
    pub effective_at: String,
}

#[cfg(feature = "ssr")]
fn optional(typed: &str) -> Option<String> {
    Some(typed.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The prices of a service tier in its four fields; none where all of them are empty.
#[cfg(feature = "ssr")]
fn tier([input, output, cache_read, cache_write]: [&String; 4]) -> Option<TierPrices> {
    let is_typed = [input, output, cache_read, cache_write]
        .into_iter()
        .any(|typed| optional(typed).is_some());
    is_typed.then(|| TierPrices {
        input: input.trim().to_owned(),
        output: output.trim().to_owned(),
        cache_read: optional(cache_read),
        cache_write: optional(cache_write),
    })
}

#[cfg(feature = "ssr")]
impl ModelForm {
    fn flex(&self) -> Option<TierPrices> {
        tier([
            &self.flex_input,
            &self.flex_output,
            &self.flex_cache_read,
            &self.flex_cache_write,
        ])
    }

    fn priority(&self) -> Option<TierPrices> {
        tier([
            &self.priority_input,
            &self.priority_output,
            &self.priority_cache_read,
            &self.priority_cache_write,
        ])
    }
}

/// The form of a new model.
#[server(prefix = "/fn", endpoint = "create_model")]
pub async fn create_model(
    #[server(flatten)]
    #[server(default)]
    form: ModelForm,
) -> Result<(), ApiError> {
    let backend = super::backend()?;
    let mut read = Form::new();
    let new = NewModel {
        id: read.text("id", &form.id),
        dialects: Vec::new(),
        context: read.count("context", &form.context),
        max_output: read.count("max_output", &form.max_output),
        prices: Prices {
            input: read.text("input", &form.input),
            output: read.text("output", &form.output),
            cache_read: optional(&form.cache_read),
            cache_write: optional(&form.cache_write),
            image: optional(&form.image),
            character: optional(&form.character),
            second: optional(&form.second),
            search: optional(&form.search),
            flex: form.flex(),
            priority: form.priority(),
        },
    };
    let result = match read.finish(new) {
        Ok(new) => backend.create_model(new).await,
        Err(error) => Err(error),
    };
    let done = result.map(|view| Done::to("/admin/models").saying(format!("Model {} added.", view.id)));
    flash::finish("/admin/models/new", flash::typed_form(&form), done)
}

/// The form of a new price.
#[server(prefix = "/fn", endpoint = "add_price")]
pub async fn add_price(
    #[server(flatten)]
    #[server(default)]
    form: ModelForm,
) -> Result<(), ApiError> {
    let page = format!(
        "/admin/models/price?model={}",
        leptos_router::location::Url::escape(&form.id)
    );
    let backend = super::backend()?;
    let mut read = Form::new();
    let new = NewPrice {
        input: read.text("input", &form.input),
        output: read.text("output", &form.output),
        cache_read: optional(&form.cache_read),
        cache_write: optional(&form.cache_write),
        image: optional(&form.image),
        character: optional(&form.character),
        second: optional(&form.second),
        search: optional(&form.search),
        flex: form.flex(),
        priority: form.priority(),
        effective_at: read.moment_in_utc("effective_at", &form.effective_at),
    };
    let result = match read.finish(new) {
        Ok(new) => backend.add_price(&form.id, new).await,
        Err(error) => Err(error),
    };
    let done = result.map(|view| Done::to("/admin/models").saying(format!("Price of {} added.", view.id)));
    flash::finish(&page, flash::typed_form(&form), done)
}
