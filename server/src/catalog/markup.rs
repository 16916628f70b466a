//! Markups: what is added to prices, for one team or all, and for one model or all.
//!
//! Invariant: of those that fit, one counts: the team's own for the model, else the team's for all models, else that of all
//! teams for the model, else that of all for all. What was held keeps the markup it was held with.
//! Reads and writes `markup` and the stamp `catalog`.

use super::{AREA, Catalog, CatalogError};
use crate::{clock, fields::FieldErrors, stamp};
use entity::markup::{ActiveModel, Column, Entity, Model};
use gateway_core::pricing::Markup;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QueryOrder, TransactionTrait,
    sea_query::OnConflict,
};
use std::collections::HashMap;

/// A markup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkupRow {
    /// The row's id.
    pub id: i64,
    /// The team; none for every team.
    pub team_id: Option<i64>,
    /// The model; none for every model.
    pub model: Option<String>,
    /// How much.
    pub markup: Markup,
    /// When it was set, Unix milliseconds.
    pub changed_at_ms: i64,
}

/// All of them, by team and model.
#[derive(Clone, Debug, Default)]
pub(super) struct Markups(HashMap<i64, HashMap<String, Markup>>);

/// Every team, or every model.
const ANY_TEAM: i64 = 0;
const ANY_MODEL: &str = "";

impl Markups {
    pub(super) async fn load(db: &DatabaseConnection) -> Result<Self, DbErr> {
        let mut markups: HashMap<i64, HashMap<String, Markup>> = HashMap::new();
        for row in Entity::find().all(db).await? {
            let markup = row_of(row);
            let of_team = markups.entry(markup.team_id.unwrap_or(ANY_TEAM)).or_default();
            of_team.insert(markup.model.unwrap_or_default(), markup.markup);
        }
        Ok(Self(markups))
    }

    fn find(&self, team_id: i64, model: &str) -> Markup {
        let of = |team_id: i64, model: &str| self.0.get(&team_id).and_then(|models| models.get(model)).copied();
        of(team_id, model)
            .or_else(|| of(team_id, ANY_MODEL))
            .or_else(|| of(ANY_TEAM, model))
            .or_else(|| of(ANY_TEAM, ANY_MODEL))
            .unwrap_or_default()
    }
}

fn row_of(row: Model) -> MarkupRow {
    MarkupRow {
        id: row.id,
        team_id: Some(row.team_id).filter(|team_id| *team_id != ANY_TEAM),
        model: Some(row.model).filter(|model| model != ANY_MODEL),
        markup: Markup::new(row.basis_points).unwrap_or_default(),
        changed_at_ms: row.changed_at,
    }
}

impl Catalog {
    /// What is added to the price of `model` for a team; for nobody's, where `team_id` is 0.
    #[must_use]
    pub fn markup(&self, team_id: i64, model: &str) -> Markup {
        self.snapshot.read().markups.find(team_id, model)
    }

    /// Every markup: those of all teams first, then by team and model.
    ///
    /// # Errors
    /// [`CatalogError::Database`].
    pub async fn markups(&self) -> Result<Vec<MarkupRow>, CatalogError> {
        let rows = Entity::find()
            .order_by_asc(Column::TeamId)
            .order_by_asc(Column::Model)
            .all(&self.db)
            .await?;
        Ok(rows.into_iter().map(row_of).collect())
    }

    /// Sets the markup of a team and a model, of all where none is named; what it was before, and what it is now.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] where there is no such model, [`CatalogError::Database`].
    pub async fn set_markup(
        &self,
        (team_id, model): (Option<i64>, Option<&str>),
        markup: Markup,
    ) -> Result<(Option<Markup>, MarkupRow), CatalogError> {
        if let Some(name) = model.filter(|name| self.model(name).is_none()) {
            let mut errors = FieldErrors::default();
            errors.refuse(
                "model",
                format!("There is no model “{name}”. Write its own name, not an alias."),
            );
            errors.finish().map_err(CatalogError::Invalid)?;
        }
        let (team_id, model) = (team_id.unwrap_or(ANY_TEAM), model.unwrap_or(ANY_MODEL));
        let of_them = || {
            Entity::find()
                .filter(Column::TeamId.eq(team_id))
                .filter(Column::Model.eq(model))
        };
        let transaction = self.db.begin().await?;
        // First the write: SQLite cannot turn a reader into a writer beside another writer.
        stamp::renew(&transaction, AREA).await?;
        let before = of_them().one(&transaction).await?;
        let row = ActiveModel {
            id: Set(clock::new_id()),
            team_id: Set(team_id),
            model: Set(model.to_owned()),
            basis_points: Set(markup.basis_points()),
            changed_at: Set(clock::now_ms()),
        };
        let mut same = OnConflict::columns([Column::TeamId, Column::Model]);
        same.update_columns([Column::BasisPoints, Column::ChangedAt]);
        Entity::insert(row)
            .on_conflict(same)
            .exec_without_returning(&transaction)
            .await?;
        let after = of_them().one(&transaction).await?.ok_or(CatalogError::NotFound)?;
        transaction.commit().await?;
        self.refresh().await?;
        Ok((before.map(|row| row_of(row).markup), row_of(after)))
    }

    /// Takes a markup away; what it was.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`], [`CatalogError::Database`].
    pub async fn delete_markup(&self, id: i64) -> Result<MarkupRow, CatalogError> {
        let transaction = self.db.begin().await?;
        stamp::renew(&transaction, AREA).await?;
        let row = Entity::find_by_id(id).one(&transaction).await?;
        let row = row.ok_or(CatalogError::NotFound)?;
        Entity::delete_by_id(id).exec(&transaction).await?;
        transaction.commit().await?;
        self.refresh().await?;
        Ok(row_of(row))
    }
}
