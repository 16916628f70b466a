//! The catalogue: everyone reads it, platform admins add models and prices.
//!
//! Invariant: a model without a price is shown without one. Reads and writes what `catalog` does.

use super::{Change, Principal, Refusal, view};
use crate::{
    accounts::Owner,
    catalog::{self, ModelInfo, PriceRow},
    clock,
};
use async_trait::async_trait;
use frontend::api::{
    ApiError, CURRENT_TEAM, Page, PageQuery, Time,
    models::{ModelView, Models, NewModel, NewPrice, NextPrice, Prices, TierPrices},
};
use gateway_core::{
    pricing::{Markup, PriceSheet},
    usage::ServiceTier,
};
use serde_json::json;

#[async_trait]
impl Models for Principal {
    async fn list_models(&self, page: PageQuery) -> Result<Page<ModelView>, ApiError> {
        Ok(self.read_models(&page).await)
    }

    async fn create_model(&self, new: NewModel) -> Result<ModelView, ApiError> {
        self.answer(self.add_model(new).await)
    }

    async fn add_price(&self, model: &str, new: NewPrice) -> Result<ModelView, ApiError> {
        self.answer(self.set_price(model, new).await)
    }
}

impl Principal {
    /// Whose markups are on the prices that are shown: those of the team that is shown, of all teams where there is none; no
    /// markup for platform admins, who set prices.
    async fn priced_for(&self) -> Option<i64> {
        if self.admin().is_ok() {
            return None;
        }
        let scope = self.scope(CURRENT_TEAM).await;
        Some(scope.map_or(0, |scope| scope.team_id()))
    }

    async fn read_models(&self, query: &PageQuery) -> Page<ModelView> {
        let owners = self.owners_shown().await;
        // Who pays providers alone pays no markup.
        let team_id = self.priced_for().await.filter(|_| owners.contains(&None));
        let models = self.app.catalog.list();
        let is_after = |model: &&std::sync::Arc<ModelInfo>| query.after.as_ref().is_none_or(|after| model.id > *after);
        let wanted = query.rows() as usize + 1;
        let views = models
            .iter()
            .filter(is_after)
            .take(wanted)
            .map(|model| self.model_view(model, &owners, team_id));
        view::page(query, views.collect(), |model| model.id.clone())
    }

    async fn add_model(&self, new: NewModel) -> Result<ModelView, Refusal> {
        let admin = self.admin()?;
        self.demand_confirmed()?;
        let after = json!(new);
        let new = catalog::NewModel {
            id: new.id.trim().to_owned(),
            dialects: new.dialects,
            context: new.context,
            max_output: new.max_output,
            prices: prices(new.prices),
        };
        let model = self.app.catalog.add_model(&new, admin.user_id).await?;
        self.record(Change {
            action: "model.create",
            target: &model.id,
            after,
            ..Change::default()
        })
        .await?;
        Ok(self.model_view(&model, &[None], None))
    }

    async fn set_price(&self, model: &str, new: NewPrice) -> Result<ModelView, Refusal> {
        let admin = self.admin()?;
        self.demand_confirmed()?;
        let after = json!(new);
        let new = catalog::NewPrice {
            effective_at_ms: new.effective_at.map(|moment| moment.start("UTC").0),
            prices: catalog::Prices {
                input: new.input,
                output: new.output,
                cache_read: new.cache_read,
                cache_write: new.cache_write,
                image: new.image,
                character: new.character,
                second: new.second,
                search: new.search,
                flex: new.flex.map(tier_prices),
                priority: new.priority.map(tier_prices),
            },
        };
        let model = self.app.catalog.add_price(model, &new, admin.user_id).await?;
        self.record(Change {
            action: "price.create",
            target: &model.id,
            after,
            ..Change::default()
        })
        .await?;
        Ok(self.model_view(&model, &[None], None))
    }

    /// Whose accounts may serve who asks: those of the team that is shown, and the platform's; to visitors the platform's.
    async fn owners_shown(&self) -> Vec<Owner> {
        match self.teams_shown().await {
            Ok((Ok((team, _)), _)) if team.uses_platform => vec![Some(team.team_id), None],
            Ok((Ok((team, _)), _)) => vec![Some(team.team_id)],
            _ => vec![None],
        }
    }

    /// The model, as accounts of `owners` serve it, at the prices of `team_id`.
    fn model_view(&self, model: &ModelInfo, owners: &[Owner], team_id: Option<i64>) -> ModelView {
        let markup = team_id.map_or(Markup::NONE, |team_id| self.app.catalog.markup(team_id, &model.id));
        let shown = |price: &PriceRow| shown(&price.sheet.marked_up(markup));
        let now_ms = clock::now_ms(); // later than the request's own time, so that a price it just set holds
        let now = model.price_at(now_ms);
        let count = |tokens: u64| i64::try_from(tokens).unwrap_or(i64::MAX);
        let tier = now.and_then(|price| price.sheet.tiers.first());
        ModelView {
            id: model.id.clone(),
            provider: model.provider.clone(),
            mode: model.mode.clone(),
            context: model.context.map(count),
            max_output: model.max_output.map(count),
            capabilities: model.capabilities.clone(),
            prices: now.map(shown),
            price_since: view::time(now.map(|price| price.effective_at_ms).filter(|since| *since > 0)),
            next_price: model.next_price(now_ms).map(|price| NextPrice {
                effective_at: Time(price.effective_at_ms),
                prices: shown(price),
            }),
            long_context_from: tier.map(|tier| count(tier.min_prompt_tokens)),
            is_served: owners
                .iter()
                .any(|owner| self.app.fleet.of(*owner).serves(&model.id, &model.provider)),
            is_builtin: model.is_builtin,
        }
    }
}

fn shown(sheet: &PriceSheet) -> Prices {
    let shown = sheet.per_million();
    Prices {
        input: shown.input,
        output: shown.output,
        cache_read: shown.cache_read,
        cache_write: shown.cache_write,
        image: shown.image,
        character: shown.character,
        second: shown.second,
        search: shown.search,
        flex: shown_in(sheet, ServiceTier::Flex),
        priority: shown_in(sheet, ServiceTier::Priority),
    }
}

fn shown_in(sheet: &PriceSheet, tier: ServiceTier) -> Option<TierPrices> {
    let tariff = PriceSheet {
        base: sheet.tariff(tier)?.base,
        markup: sheet.markup,
        ..PriceSheet::default()
    };
    let shown = tariff.per_million();
    Some(TierPrices {
        input: shown.input,
        output: shown.output,
        cache_read: shown.cache_read,
        cache_write: shown.cache_write,
    })
}

fn prices(prices: Prices) -> catalog::Prices {
    catalog::Prices {
        input: prices.input,
        output: prices.output,
        cache_read: prices.cache_read,
        cache_write: prices.cache_write,
        image: prices.image,
        character: prices.character,
        second: prices.second,
        search: prices.search,
        flex: prices.flex.map(tier_prices),
        priority: prices.priority.map(tier_prices),
    }
}

fn tier_prices(prices: TierPrices) -> catalog::TierPrices {
    catalog::TierPrices {
        input: prices.input,
        output: prices.output,
        cache_read: prices.cache_read,
        cache_write: prices.cache_write,
    }
}
