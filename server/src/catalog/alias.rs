//! Aliases: names that stand for models in order, for all teams or for one.
//!
//! Invariant: a team's own alias goes before everybody's, whose region still binds; targets are models, never aliases; the name of a
//! model means that model first, unless a platform admin said that another one replaces it. Reads and writes `alias` and the stamp `catalog`.

use super::{AREA, Catalog, CatalogError, ModelInfo, snapshot::Snapshot};
use crate::{
    clock,
    fields::{FieldErrors, check_region},
    stamp,
};
use entity::alias;
use gateway_core::routing::Policy;
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::Set, ColumnTrait as _, DatabaseConnection, EntityTrait as _, QueryFilter as _,
    SqlErr, TransactionTrait as _,
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// Whose the aliases are that every team may use, in the column `alias.team_id`.
const EVERYBODY: i64 = 0;
/// The most models an alias stands for.
const TARGETS_MAX: usize = 10;
/// The most aliases of one team, or of all.
const ALIASES_MAX: usize = 500;

/// What people set about an alias besides its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasSettings {
    /// The models, the first to be asked first.
    pub targets: Vec<String>,
    /// By what is chosen among these and their accounts.
    pub policy: Policy,
    /// Whether the next one is asked when a prompt is too long for one.
    pub on_context_too_long: bool,
    /// Whether the next one is asked when one refuses the content.
    pub on_content_filter: bool,
    /// The only region whose accounts are asked.
    pub region: Option<String>,
    /// Whether it replaces a model of its name.
    pub replaces_model: bool,
}

impl Default for AliasSettings {
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            policy: Policy::default(),
            on_context_too_long: true,
            on_content_filter: false,
            region: None,
            replaces_model: false,
        }
    }
}

/// An alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasInfo {
    /// Whose it is; `None`: everybody's.
    pub team_id: Option<i64>,
    /// The name a customer asks for.
    pub name: String,
    /// What it stands for.
    pub settings: AliasSettings,
    /// Unix milliseconds.
    pub created_at_ms: i64,
}

impl AliasInfo {
    /// Whether it is what a model of the same name falls back to, and not a name of its own.
    #[must_use]
    pub fn is_chain(&self) -> bool {
        self.settings.targets.first() == Some(&self.name)
    }
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The alias; `None` where it is a model's own name.
    pub alias: Option<Arc<AliasInfo>>,
    /// The models, the first to be asked first; at least one.
    pub models: Vec<Arc<ModelInfo>>,
    /// The region that everybody's alias of the name asks for, where a team's own goes before it.
    pub platform_region: Option<String>,
}

impl Resolved {
    /// By what is chosen among the models and their accounts.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.alias
            .as_ref()
            .map(|alias| alias.settings.policy)
            .unwrap_or_default()
    }
}

/// Aliases by team and name.
pub(super) type Aliases = HashMap<i64, BTreeMap<String, Arc<AliasInfo>>>;

impl Catalog {
    /// What `name` stands for where team `team_id` asks for it, or `None` where there is neither such an alias nor such a model.
    #[must_use]
    pub fn resolve(&self, team_id: i64, name: &str) -> Option<Resolved> {
        let snapshot = Arc::clone(&self.snapshot.read());
        let of = |owner: i64| snapshot.aliases.get(&owner).and_then(|names| names.get(name));
        if let Some(alias) = of(team_id).or_else(|| of(EVERYBODY)) {
            let models: Vec<_> = models_of(&snapshot, alias);
            if !models.is_empty() {
                return Some(Resolved {
                    alias: Some(Arc::clone(alias)),
                    models,
                    platform_region: of(EVERYBODY).and_then(|alias| alias.settings.region.clone()),
                });
            }
        }
        let model = snapshot.models.get(name).cloned()?;
        Some(Resolved {
            alias: None,
            models: vec![model],
            platform_region: None,
        })
    }

    /// The aliases of team `team_id`, or everybody's where that is `None`, by name.
    #[must_use]
    pub fn aliases(&self, team_id: Option<i64>) -> Vec<Arc<AliasInfo>> {
        let snapshot = self.snapshot.read();
        let names = snapshot.aliases.get(&team_id.unwrap_or(EVERYBODY));
        names.into_iter().flat_map(BTreeMap::values).cloned().collect()
    }

    /// One of them.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`].
    pub fn alias(&self, team_id: Option<i64>, name: &str) -> Result<Arc<AliasInfo>, CatalogError> {
        let snapshot = self.snapshot.read();
        let names = snapshot.aliases.get(&team_id.unwrap_or(EVERYBODY));
        names
            .and_then(|names| names.get(name))
            .cloned()
            .ok_or(CatalogError::NotFound)
    }

    /// Adds an alias of team `team_id`, or of everybody, for user `actor_id`.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] naming every wrong field, [`CatalogError::AliasTaken`], [`CatalogError::Database`].
    pub async fn add_alias(
        &self,
        team_id: Option<i64>,
        name: &str,
        settings: AliasSettings,
        actor_id: i64,
    ) -> Result<Arc<AliasInfo>, CatalogError> {
        let name = name.trim();
        let settings = self.checked(team_id, name, settings)?;
        if self.aliases(team_id).len() >= ALIASES_MAX {
            let words = format!("There are {ALIASES_MAX} aliases already. Delete one that nobody uses.");
            return Err(refused("name", words));
        }
        let row = alias::ActiveModel {
            team_id: Set(team_id.unwrap_or(EVERYBODY)),
            name: Set(name.to_owned()),
            created_at: Set(clock::now_ms()),
            created_by: Set(actor_id),
            ..columns(&settings)?
        };
        let transaction = self.db.begin().await?;
        row.insert(&transaction).await.map_err(|error| match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => CatalogError::AliasTaken,
            _ => error.into(),
        })?;
        stamp::renew(&transaction, AREA).await?;
        transaction.commit().await?;
        self.refresh().await?;
        self.alias(team_id, name)
    }

    /// Replaces what is set about an alias by `change` of it; returns it as it was and as it is.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`], [`CatalogError::Invalid`] naming every wrong field, [`CatalogError::Database`].
    pub async fn change_alias(
        &self,
        team_id: Option<i64>,
        name: &str,
        change: impl FnOnce(AliasSettings) -> AliasSettings + Send,
    ) -> Result<(Arc<AliasInfo>, Arc<AliasInfo>), CatalogError> {
        let before = Arc::new(info(find(&self.db, team_id, name).await?)?);
        let settings = self.checked(team_id, name, change(before.settings.clone()))?;
        let transaction = self.db.begin().await?;
        let written = alias::Entity::update_many()
            .set(columns(&settings)?)
            .filter(alias::Column::TeamId.eq(team_id.unwrap_or(EVERYBODY)))
            .filter(alias::Column::Name.eq(name))
            .exec(&transaction)
            .await?;
        if written.rows_affected == 0 {
            return Err(CatalogError::NotFound);
        }
        stamp::renew(&transaction, AREA).await?;
        transaction.commit().await?;
        self.refresh().await?;
        Ok((before, self.alias(team_id, name)?))
    }

    /// Removes an alias; returns it as it was.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`], [`CatalogError::Database`].
    pub async fn remove_alias(&self, team_id: Option<i64>, name: &str) -> Result<Arc<AliasInfo>, CatalogError> {
        let found = find(&self.db, team_id, name).await?;
        let transaction = self.db.begin().await?;
        alias::Entity::delete_by_id((found.team_id, found.name.clone()))
            .exec(&transaction)
            .await?;
        stamp::renew(&transaction, AREA).await?;
        transaction.commit().await?;
        self.refresh().await?;
        Ok(Arc::new(info(found)?))
    }

    /// `settings`, trimmed, if `name` may stand for them.
    fn checked(
        &self,
        team_id: Option<i64>,
        name: &str,
        mut settings: AliasSettings,
    ) -> Result<AliasSettings, CatalogError> {
        let mut errors = FieldErrors::default();
        for target in &mut settings.targets {
            *target = target.trim().to_owned();
        }
        settings.region = settings.region.map(|region| region.trim().to_ascii_lowercase());
        if !super::admin::is_name(name) {
            errors.refuse("name", "Write a name without spaces and “*”, for example fast.");
        }
        self.check_targets(team_id, &settings.targets, &mut errors);
        if let Some(region) = &settings.region {
            errors.note("region", check_region(region));
        }
        let is_model = self.model(name).is_some();
        let is_replaced = is_model && settings.targets.first().is_none_or(|first| first != name);
        match (is_replaced, settings.replaces_model, team_id) {
            (_, true, Some(_)) => errors.refuse(
                "replaces_model",
                "Only a platform admin may replace a model, and for all teams.",
            ),
            (true, false, Some(_)) => errors.refuse(
                "name",
                format!("“{name}” is a model. Put it first among the models to give it others to fall back to, or choose another name."),
            ),
            (true, false, None) => errors.refuse(
                "name",
                format!("“{name}” is a model. Put it first among the models to give it others to fall back to, choose another name, or say that the model is to be replaced."),
            ),
            _ => {}
        }
        errors.finish().map_err(CatalogError::Invalid)?;
        // Said of a name that is no model's, it would bind one that comes later.
        settings.replaces_model &= is_replaced;
        Ok(settings)
    }

    fn check_targets(&self, team_id: Option<i64>, targets: &[String], errors: &mut FieldErrors) {
        if targets.is_empty() || targets.len() > TARGETS_MAX {
            errors.refuse(
                "targets",
                format!("Name 1 to {TARGETS_MAX} models, the first to be asked first."),
            );
            return;
        }
        for (nth, target) in targets.iter().enumerate() {
            if self.model(target).is_none() {
                let stands_for = [team_id, None]
                    .into_iter()
                    .find_map(|owner| self.alias(owner, target).ok());
                let words = match stands_for {
                    Some(alias) => format!(
                        "“{target}” is an alias. Name models: it stands for {}.",
                        alias.settings.targets.join(", ")
                    ),
                    None => format!("There is no model “{target}” here. Models lists those there are."),
                };
                errors.refuse("targets", words);
            } else if targets[..nth].contains(target) {
                errors.refuse("targets", format!("“{target}” is named twice."));
            }
        }
    }
}

/// Every alias, for a snapshot.
pub(super) async fn load(db: &DatabaseConnection) -> Result<Aliases, CatalogError> {
    let mut aliases = Aliases::new();
    for row in alias::Entity::find().all(db).await? {
        let names = aliases.entry(row.team_id).or_default();
        names.insert(row.name.clone(), Arc::new(info(row)?));
    }
    Ok(aliases)
}

/// The models of `alias` that there are.
fn models_of(snapshot: &Snapshot, alias: &AliasInfo) -> Vec<Arc<ModelInfo>> {
    let targets = alias.settings.targets.iter();
    targets
        .filter_map(|target| snapshot.models.get(target).cloned())
        .collect()
}

async fn find(db: &DatabaseConnection, team_id: Option<i64>, name: &str) -> Result<alias::Model, CatalogError> {
    let key = (team_id.unwrap_or(EVERYBODY), name.to_owned());
    let found = alias::Entity::find_by_id(key).one(db).await?;
    found.ok_or(CatalogError::NotFound)
}

fn info(row: alias::Model) -> Result<AliasInfo, CatalogError> {
    Ok(AliasInfo {
        team_id: Some(row.team_id).filter(|id| *id != EVERYBODY),
        name: row.name,
        settings: AliasSettings {
            targets: serde_json::from_str(&row.targets)?,
            policy: Policy::parse(&row.policy).unwrap_or_default(),
            on_context_too_long: row.on_context_too_long,
            on_content_filter: row.on_content_filter,
            region: row.region,
            replaces_model: row.replaces_model,
        },
        created_at_ms: row.created_at,
    })
}

/// The columns that hold `settings`.
fn columns(settings: &AliasSettings) -> Result<alias::ActiveModel, CatalogError> {
    Ok(alias::ActiveModel {
        targets: Set(serde_json::to_string(&settings.targets)?),
        policy: Set(settings.policy.as_str().to_owned()),
        on_context_too_long: Set(settings.on_context_too_long),
        on_content_filter: Set(settings.on_content_filter),
        region: Set(settings.region.clone()),
        replaces_model: Set(settings.replaces_model),
        ..Default::default()
    })
}

fn refused(field: &'static str, words: String) -> CatalogError {
    let mut errors = FieldErrors::default();
    errors.refuse(field, words);
    CatalogError::Invalid(errors)
}
