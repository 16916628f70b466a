//! A small value kept by the server.
//!
//! Invariant: one row per name. Table `setting`.

use sea_orm::entity::prelude::*;

/// A small value kept by the server.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "setting")]
pub struct Model {
    /// Which.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// Its text.
    pub value: String,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
