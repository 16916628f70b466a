//! Stamps: how a process notices that another one changed an area's rows, by one cheap read.
//!
//! Invariant: a stamp changes in the transaction that changes the rows. Reads and writes the table `setting`.

use crate::clock;
use entity::setting::{ActiveModel, Column, Entity};
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait as _, sea_query::OnConflict};

/// Marks the rows of `area` as changed.
///
/// # Errors
/// [`DbErr`] where the database does not answer.
pub async fn renew<C: ConnectionTrait>(db: &C, area: &str) -> Result<(), DbErr> {
    let row = ActiveModel {
        name: Set(name_of(area)),
        value: Set(clock::new_id().to_string()),
    };
    let mut newer = OnConflict::column(Column::Name);
    newer.update_column(Column::Value);
    Entity::insert(row)
        .on_conflict(newer)
        .exec_without_returning(db)
        .await?;
    Ok(())
}

/// The stamp of `area`; empty where its rows have never changed.
///
/// # Errors
/// [`DbErr`] where the database does not answer.
pub async fn read<C: ConnectionTrait>(db: &C, area: &str) -> Result<String, DbErr> {
    let row = Entity::find_by_id(name_of(area)).one(db).await?;
    Ok(row.map(|row| row.value).unwrap_or_default())
}

fn name_of(area: &str) -> String {
    format!("stamp_{area}")
}
