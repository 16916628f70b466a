//! Brings the shipped catalogue into the database.
//!
//! Invariant: run twice, it changes nothing the second time; it never touches a model or a price of an admin.
//! Reads `gateway_core::catalog`; writes `model`, `price` and the stamp `catalog`.

use super::{AREA, CatalogError};
use crate::{clock, stamp};
use entity::{model, price};
use gateway_core::{
    catalog::{ModelSpec, builtin},
    pricing::PriceSheet,
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, DatabaseConnection, EntityTrait as _, IntoActiveModel as _, QueryFilter as _,
    TransactionTrait as _, sea_query::OnConflict,
};
use std::collections::{BTreeSet, HashMap};

/// Shipped price rows of one model: from when on, and what.
type Shipped = Vec<(i64, i64, PriceSheet)>;

/// Adds or brings up to date every shipped model and price.
pub(super) async fn seed(db: &DatabaseConnection) -> Result<(), CatalogError> {
    seed_from(db, &builtin()?, clock::now_ms()).await
}

/// As [`seed`], from `specs` at `now_ms`.
pub(super) async fn seed_from(db: &DatabaseConnection, specs: &[ModelSpec], now_ms: i64) -> Result<(), CatalogError> {
    let known: HashMap<String, model::Model> = model::Entity::find()
        .all(db)
        .await?
        .into_iter()
        .map(|row| (row.id.clone(), row))
        .collect();
    let shipped = shipped_prices(db).await?;
    let none = Vec::new();
    let mut models = Vec::new();
    let mut prices = Vec::new();
    for spec in specs {
        for name in spec.aliases.iter().chain([&spec.id]) {
            let before = known.get(name);
            if before.is_some_and(|row| !row.is_builtin) {
                continue;
            }
            let row = model_row(name, spec, before.map_or(now_ms, |row| row.created_at))?;
            if before != Some(&row) {
                models.push(row);
            }
            let have = shipped.get(name).unwrap_or(&none);
            for (effective_at, sheet) in missing_prices(spec, have, now_ms) {
                prices.push(price_row(name, effective_at, sheet, now_ms)?);
            }
        }
    }
    if models.is_empty() && prices.is_empty() {
        return Ok(());
    }
    let transaction = db.begin().await?;
    for row in models {
        let mut newer = OnConflict::column(model::Column::Id);
        newer.update_columns([
            model::Column::Provider,
            model::Column::Mode,
            model::Column::Context,
            model::Column::MaxOutput,
            model::Column::Capabilities,
            model::Column::Dialects,
            model::Column::InputConstant,
        ]);
        let insert = model::Entity::insert(row.into_active_model()).on_conflict(newer);
        insert.exec_without_returning(&transaction).await?;
    }
    if !prices.is_empty() {
        price::Entity::insert_many(prices)
            .exec_without_returning(&transaction)
            .await?;
    }
    stamp::renew(&transaction, AREA).await?;
    transaction.commit().await?;
    Ok(())
}

async fn shipped_prices(db: &DatabaseConnection) -> Result<HashMap<String, Shipped>, CatalogError> {
    let mut shipped: HashMap<String, Shipped> = HashMap::new();
    let rows = price::Entity::find().filter(price::Column::CreatedBy.is_null());
    for row in rows.all(db).await? {
        let sheet = serde_json::from_str(&row.sheet)?;
        shipped
            .entry(row.model)
            .or_default()
            .push((row.effective_at, row.id, sheet));
    }
    for prices in shipped.values_mut() {
        prices.sort_by_key(|(effective_at, id, _)| (*effective_at, *id));
    }
    Ok(shipped)
}

/// What must be added to `have` so that the price now, and at every announced moment, is what `spec` says.
fn missing_prices<'a>(spec: &'a ModelSpec, have: &Shipped, now_ms: i64) -> Vec<(i64, &'a PriceSheet)> {
    let future = have.iter().map(|(effective_at, ..)| *effective_at);
    let announced = spec.scheduled.iter().map(|(from_ms, _)| *from_ms);
    let moments: BTreeSet<i64> = future.chain(announced).filter(|moment| *moment > now_ms).collect();
    let mut missing = Vec::new();
    for moment in std::iter::once(now_ms).chain(moments) {
        let Some(wanted) = spec.sheet_at(moment) else {
            continue;
        };
        let in_force = have.iter().rev().find(|(effective_at, ..)| *effective_at <= moment);
        if in_force.is_some_and(|(.., sheet)| sheet == wanted) {
            continue;
        }
        // The first price of a model holds from ever on.
        let effective_at = if have.is_empty() && moment == now_ms { 0 } else { moment };
        missing.push((effective_at, wanted));
    }
    missing
}

fn model_row(name: &str, spec: &ModelSpec, created_at: i64) -> Result<model::Model, serde_json::Error> {
    let tokens = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let mode = serde_json::to_value(spec.mode)?;
    Ok(model::Model {
        id: name.to_owned(),
        provider: spec.provider.clone(),
        mode: mode.as_str().unwrap_or_default().to_owned(),
        context: spec.context.map(tokens),
        max_output: spec.max_output.map(tokens),
        capabilities: serde_json::to_string(&spec.capabilities)?,
        dialects: serde_json::to_string(&spec.dialects)?,
        input_constant: tokens(spec.input_constant),
        is_builtin: true,
        created_at,
    })
}

fn price_row(
    name: &str,
    effective_at: i64,
    sheet: &PriceSheet,
    now_ms: i64,
) -> Result<price::ActiveModel, serde_json::Error> {
    Ok(price::ActiveModel {
        id: Set(clock::new_id()),
        model: Set(name.to_owned()),
        effective_at: Set(effective_at),
        sheet: Set(serde_json::to_string(sheet)?),
        created_at: Set(now_ms),
        created_by: Set(None),
    })
}
