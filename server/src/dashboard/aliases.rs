//! Aliases: everyone reads those of all teams, platform admins change them; a team reads its own, its owners and admins change them.
//!
//! Invariant: another team's aliases are not found. Reads and writes what `catalog` does.

use super::{Change, Principal, Refusal, view};
use crate::{
    catalog::{AliasInfo, AliasSettings},
    clock,
    fields::FieldErrors,
    teams::Right,
};
use async_trait::async_trait;
use frontend::api::{
    ApiError, Page, PageQuery, Time,
    aliases::{AliasPatch, AliasView, Aliases, NewAlias},
};
use gateway_core::routing::Policy;
use serde_json::{Value, json};

#[async_trait]
impl Aliases for Principal {
    async fn list_aliases(&self, team: Option<&str>, page: PageQuery) -> Result<Page<AliasView>, ApiError> {
        self.answer(self.read_aliases(team, &page).await)
    }

    async fn alias(&self, team: Option<&str>, name: &str) -> Result<AliasView, ApiError> {
        self.answer(self.read_alias(team, name).await)
    }

    async fn create_alias(&self, team: Option<&str>, new: NewAlias) -> Result<AliasView, ApiError> {
        self.answer(self.make_alias(team, new).await)
    }

    async fn update_alias(&self, team: Option<&str>, name: &str, change: AliasPatch) -> Result<AliasView, ApiError> {
        self.answer(self.change_alias(team, name, change).await)
    }

    async fn delete_alias(&self, team: Option<&str>, name: &str) -> Result<(), ApiError> {
        self.answer(self.end_alias(team, name).await)
    }
}

impl Principal {
    /// The team whose aliases are read, or none for those of all teams.
    async fn reads_aliases(&self, team: Option<&str>) -> Result<Option<i64>, Refusal> {
        let Some(team) = team else {
            self.person()?;
            return Ok(None);
        };
        let scope = self.scope(team).await?;
        scope.demand(Right::Read)?;
        Ok(Some(scope.team_id()))
    }

    /// The team whose aliases are changed, or none for those of all teams; and by whom.
    async fn changes_aliases(&self, team: Option<&str>) -> Result<(Option<i64>, i64), Refusal> {
        let Some(team) = team else {
            return Ok((None, self.admin()?.user_id));
        };
        let scope = self.scope(team).await?;
        scope.demand(Right::ManageTeam)?;
        Ok((Some(scope.team_id()), scope.user_id()))
    }

    async fn read_aliases(&self, team: Option<&str>, query: &PageQuery) -> Result<Page<AliasView>, Refusal> {
        let team_id = self.reads_aliases(team).await?;
        let aliases = self.app.catalog.aliases(team_id).into_iter();
        let later = aliases.filter(|alias| query.after.as_ref().is_none_or(|after| alias.name > *after));
        let views = later
            .take(query.rows() as usize + 1)
            .map(|alias| self.alias_view(&alias))
            .collect();
        Ok(view::page(query, views, |alias: &AliasView| alias.name.clone()))
    }

    async fn read_alias(&self, team: Option<&str>, name: &str) -> Result<AliasView, Refusal> {
        let team_id = self.reads_aliases(team).await?;
        Ok(self.alias_view(&*self.app.catalog.alias(team_id, name)?))
    }

    async fn make_alias(&self, team: Option<&str>, new: NewAlias) -> Result<AliasView, Refusal> {
        let (team_id, actor_id) = self.changes_aliases(team).await?;
        let fresh = AliasSettings::default();
        let settings = AliasSettings {
            policy: policy(new.policy)?,
            targets: new.targets,
            on_context_too_long: new.on_context_too_long.unwrap_or(fresh.on_context_too_long),
            on_content_filter: new.on_content_filter.unwrap_or(fresh.on_content_filter),
            region: new.region,
            replaces_model: new.replaces_model.unwrap_or(fresh.replaces_model),
        };
        let catalog = &self.app.catalog;
        let made = catalog.add_alias(team_id, &new.name, settings, actor_id).await?;
        self.record_alias("alias.create", &made, (Value::Null, noted(&made)))
            .await?;
        Ok(self.alias_view(&made))
    }

    async fn change_alias(&self, team: Option<&str>, name: &str, change: AliasPatch) -> Result<AliasView, Refusal> {
        let (team_id, _) = self.changes_aliases(team).await?;
        let fresh = AliasSettings::default();
        let chosen = change.policy.map(policy).transpose()?;
        let apply = |settings: AliasSettings| AliasSettings {
            targets: change.targets.unwrap_or(settings.targets),
            policy: chosen.unwrap_or(settings.policy),
            on_context_too_long: change
                .on_context_too_long
                .map_or(settings.on_context_too_long, |falls| {
                    falls.unwrap_or(fresh.on_context_too_long)
                }),
            on_content_filter: change.on_content_filter.map_or(settings.on_content_filter, |falls| {
                falls.unwrap_or(fresh.on_content_filter)
            }),
            region: change.region.unwrap_or(settings.region),
            replaces_model: change.replaces_model.map_or(settings.replaces_model, |replaces| {
                replaces.unwrap_or(fresh.replaces_model)
            }),
        };
        let (before, after) = self.app.catalog.change_alias(team_id, name, apply).await?;
        self.record_alias("alias.update", &after, (noted(&before), noted(&after)))
            .await?;
        Ok(self.alias_view(&after))
    }

    async fn end_alias(&self, team: Option<&str>, name: &str) -> Result<(), Refusal> {
        let (team_id, _) = self.changes_aliases(team).await?;
        let before = self.app.catalog.remove_alias(team_id, name).await?;
        self.record_alias("alias.delete", &before, (noted(&before), Value::Null))
            .await
    }

    async fn record_alias(
        &self,
        action: &'static str,
        alias: &AliasInfo,
        (before, after): (Value, Value),
    ) -> Result<(), Refusal> {
        self.record(Change {
            team_id: alias.team_id,
            action,
            target: &alias.name,
            before,
            after,
        })
        .await
    }

    fn alias_view(&self, alias: &AliasInfo) -> AliasView {
        let now_ms = clock::now_ms();
        let settings = alias.settings.clone();
        let can_answer = |target: &String| {
            let model = self.app.catalog.model(target);
            let priced = model.filter(|model| model.price_at(now_ms).is_some());
            priced.is_some_and(|model| {
                let is_in = |account: &crate::accounts::Deployment| account.is_in(settings.region.as_deref());
                let serves = |owner| self.app.fleet.of(owner).is_served(&model.id, &model.provider, &is_in);
                serves(None) || (alias.team_id.is_some() && serves(alias.team_id))
            })
        };
        AliasView {
            is_served: settings.targets.iter().any(can_answer),
            name: alias.name.clone(),
            policy: settings.policy.as_str().to_owned(),
            on_context_too_long: settings.on_context_too_long,
            on_content_filter: settings.on_content_filter,
            region: settings.region.clone(),
            replaces_model: settings.replaces_model,
            targets: settings.targets.clone(),
            created_at: Time(alias.created_at_ms),
        }
    }
}

/// The policy of this name, the usual one where none is named.
fn policy(name: Option<String>) -> Result<Policy, Refusal> {
    let Some(name) = name else {
        return Ok(Policy::default());
    };
    Policy::parse(&name).ok_or_else(|| {
        let mut errors = FieldErrors::default();
        errors.refuse("policy", "Choose balanced, cheapest or fastest.");
        errors.into()
    })
}

/// What the audit log says of an alias.
fn noted(alias: &AliasInfo) -> Value {
    let AliasSettings {
        targets,
        policy,
        on_context_too_long,
        on_content_filter,
        region,
        replaces_model,
    } = &alias.settings;
    json!({
        "targets": targets,
        "policy": policy,
        "on_context_too_long": on_context_too_long,
        "on_content_filter": on_content_filter,
        "region": region,
        "replaces_model": replaces_model,
    })
}
