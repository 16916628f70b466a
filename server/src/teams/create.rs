//! Making a team.
//!
//! Invariant: a team has an owner from its first moment; nobody owns more than [`OWNED_MAX`]. Writes `team` and `member`.

use super::settings::check_time_zone;
use super::{Role, TeamError};
use crate::auth::Person;
use crate::clock;
use crate::fields::{FieldErrors, check_name};
use entity::{member, team};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait, PaginatorTrait, QueryFilter, Set,
    TransactionTrait,
};

/// How many teams one person may own.
pub const OWNED_MAX: u64 = 50;

/// A team to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTeam {
    /// Shown name.
    pub name: String,
    /// IANA name.
    pub time_zone: String,
}

/// Makes a team that `person` owns; returns its id.
///
/// # Errors
/// [`TeamError::Invalid`] by field, [`TeamError::TooMany`], [`TeamError::Database`].
pub async fn create(db: &DatabaseConnection, person: &Person, new: NewTeam, now_ms: i64) -> Result<i64, TeamError> {
    let mut errors = FieldErrors::default();
    errors.note("name", check_name(&new.name));
    errors.note("time_zone", check_time_zone(&new.time_zone));
    errors.finish()?;
    let owned = member::Entity::find()
        .filter(member::Column::UserId.eq(person.user_id))
        .filter(member::Column::Role.eq(Role::Owner.name()))
        .count(db)
        .await?;
    if owned >= OWNED_MAX {
        return Err(TeamError::TooMany);
    }
    let team_id = clock::new_id();
    let row = team::ActiveModel {
        id: Set(team_id),
        name: Set(new.name.trim().to_owned()),
        time_zone: Set(new.time_zone),
        created_at: Set(now_ms),
        ..Default::default()
    };
    let transaction = db.begin().await?;
    team::Entity::insert(row).exec_without_returning(&transaction).await?;
    let joining = Joining {
        team_id,
        user_id: person.user_id,
        role: Role::Owner,
        caps: (None, None),
    };
    joining.insert(&transaction, now_ms).await?;
    transaction.commit().await?;
    Ok(team_id)
}

/// Somebody who becomes a member.
pub(super) struct Joining {
    pub team_id: i64,
    pub user_id: i64,
    pub role: Role,
    /// Nano-USD a day and a month.
    pub caps: (Option<i64>, Option<i64>),
}

impl Joining {
    pub async fn insert(self, db: &impl ConnectionTrait, now_ms: i64) -> Result<(), DbErr> {
        let row = member::ActiveModel {
            team_id: Set(self.team_id),
            user_id: Set(self.user_id),
            role: Set(self.role.name().to_owned()),
            cap_day: Set(self.caps.0),
            cap_month: Set(self.caps.1),
            created_at: Set(now_ms),
            ..Default::default()
        };
        member::Entity::insert(row).exec_without_returning(db).await.map(|_| ())
    }
}
