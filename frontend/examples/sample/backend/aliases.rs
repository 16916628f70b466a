//! The sample aliases: one with a fallback in another region, one of a model's own name.
//!
//! Invariant: nothing here is changed by a call. Pure.

use super::{DAY, NOW, Sample, refused};
use async_trait::async_trait;
use frontend::api::aliases::{AliasPatch, AliasView, Aliases, NewAlias};
use frontend::api::{ApiError, Code, Page, PageQuery, Time};

fn alias(name: &str, targets: &[&str], region: Option<&str>, is_served: bool) -> AliasView {
    AliasView {
        name: name.to_owned(),
        targets: targets.iter().map(|&target| target.to_owned()).collect(),
        policy: if region.is_some() { "balanced" } else { "fastest" }.to_owned(),
        on_context_too_long: true,
        on_content_filter: region.is_some(),
        region: region.map(str::to_owned),
        replaces_model: false,
        is_served,
        created_at: Time(NOW - 3 * DAY),
    }
}

impl Sample {
    fn aliases(&self) -> Vec<AliasView> {
        let is_served = self.has_data();
        vec![
            alias(
                "fast",
                &["gpt-6-luna", "gemini-3-pro", "claude-opus-4.5"],
                None,
                is_served,
            ),
            alias("gemini-3-pro", &["gemini-3-pro", "gpt-6-luna"], Some("eu"), is_served),
        ]
    }
}

#[async_trait]
impl Aliases for Sample {
    async fn list_aliases(&self, _: Option<&str>, _: PageQuery) -> Result<Page<AliasView>, ApiError> {
        Ok(self.some(self.aliases()))
    }

    async fn alias(&self, _: Option<&str>, name: &str) -> Result<AliasView, ApiError> {
        let found = self.aliases().into_iter().find(|alias| alias.name == name);
        found.ok_or_else(|| ApiError::new(Code::NotFound))
    }

    async fn create_alias(&self, _: Option<&str>, _: NewAlias) -> Result<AliasView, ApiError> {
        refused()
    }

    async fn update_alias(&self, _: Option<&str>, _: &str, _: AliasPatch) -> Result<AliasView, ApiError> {
        refused()
    }

    async fn delete_alias(&self, _: Option<&str>, _: &str) -> Result<(), ApiError> {
        refused()
    }
}
