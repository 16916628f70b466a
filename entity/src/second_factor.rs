//! A user's authenticator app.
//!
//! Invariant: the secret is sealed for this row; `last_step` only grows, so that no code works twice. Table `second_factor`.

use sea_orm::entity::prelude::*;

/// A user's authenticator app.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "second_factor")]
pub struct Model {
    /// Whose.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: i64,
    /// Sealed secret, in base32.
    pub secret: Vec<u8>,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds of the first right code; asked for at log-in from then on.
    pub confirmed_at: Option<i64>,
    /// The step of the last code that was used.
    pub last_step: i64,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
