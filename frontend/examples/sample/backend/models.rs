//! The sample catalogue: served or not, with a price or without.
//!
//! Invariant: nothing here is changed by a call. Pure.

use super::{DAY, NOW, Sample, refused};
use async_trait::async_trait;
use frontend::api::models::{ModelView, Models, NewModel, NewPrice, NextPrice, Prices};
use frontend::api::{ApiError, Page, PageQuery, Time};

fn model(id: &str, provider: &str, prices: Option<(&str, &str)>, is_served: bool) -> ModelView {
    ModelView {
        id: id.to_owned(),
        provider: provider.to_owned(),
        mode: "chat".to_owned(),
        context: Some(400_000),
        max_output: Some(128_000),
        capabilities: vec!["tools".to_owned(), "vision".to_owned(), "structured_output".to_owned()],
        prices: prices.map(|(input, output)| Prices {
            input: input.to_owned(),
            output: output.to_owned(),
            cache_read: Some("0.028".to_owned()),
            ..Prices::default()
        }),
        price_since: prices.map(|_| Time(NOW - 60 * DAY)),
        next_price: (id == "gpt-6-luna").then(|| {
            let prices = Prices {
                input: "0.08".to_owned(),
                output: "0.4".to_owned(),
                ..Prices::default()
            };
            NextPrice {
                effective_at: Time(NOW + 9 * DAY),
                prices,
            }
        }),
        long_context_from: None,
        is_served,
        is_builtin: id != "house-model",
    }
}

#[async_trait]
impl Models for Sample {
    async fn list_models(&self, _: PageQuery) -> Result<Page<ModelView>, ApiError> {
        let is_served = self.has_data();
        Ok(Page {
            data: vec![
                model("claude-opus-4.5", "anthropic", Some(("5", "25")), is_served),
                model("gpt-6-luna", "openai", Some(("0.1", "0.5")), is_served),
                model("gemini-3-pro", "google", Some(("2", "12")), is_served),
                model("vendor/a-model-with-a-long-name", "vendor", Some(("0.5", "1.5")), false),
                model("house-model", "", None, is_served),
            ],
            next: None,
        })
    }

    async fn create_model(&self, _: NewModel) -> Result<ModelView, ApiError> {
        refused()
    }

    async fn add_price(&self, _: &str, _: NewPrice) -> Result<ModelView, ApiError> {
        refused()
    }
}
