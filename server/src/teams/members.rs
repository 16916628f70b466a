//! The members of a team: their roles, caps and limits.
//!
//! Invariant: a team always has an owner; only owners make and unmake owners. Reads and writes `member`, reads `user`.

use super::{Right, Role, TeamError, TeamScope};
use crate::auth::Changed;
use crate::fields::{FieldErrors, RATE_MAX, Reason, TOKEN_RATE_MAX, check_cap, check_limit};
use entity::{member, user};
use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr,
    EntityTrait, ModelTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Set, TransactionTrait,
};
use std::collections::HashMap;

/// A member, as shown to the team.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct MemberRow {
    /// The person.
    pub user_id: i64,
    /// Their e-mail address.
    pub email: String,
    /// As what.
    pub role: Role,
    /// Nano-USD a day.
    pub cap_day: Option<i64>,
    /// Nano-USD a month.
    pub cap_month: Option<i64>,
    /// Requests a minute of all their keys.
    pub rpm: Option<i64>,
    /// Tokens a minute of all their keys.
    pub tpm: Option<i64>,
    /// Requests at once of all their keys.
    pub max_in_flight: Option<i64>,
    /// Since when, in Unix milliseconds.
    pub created_at_ms: i64,
}

/// A change of a member: outer `None` keeps, inner `None` clears.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberPatch {
    /// The name of a role.
    pub role: Option<String>,
    /// Nano-USD a day.
    pub cap_day: Option<Option<i64>>,
    /// Nano-USD a month.
    pub cap_month: Option<Option<i64>>,
    /// Requests a minute of all their keys.
    pub rpm: Option<Option<i64>>,
    /// Tokens a minute of all their keys.
    pub tpm: Option<Option<i64>>,
    /// Requests at once of all their keys.
    pub max_in_flight: Option<Option<i64>>,
}

/// The members of the team of `scope`, oldest first.
///
/// # Errors
/// [`TeamError::Database`].
pub async fn list_members(db: &DatabaseConnection, scope: &TeamScope) -> Result<Vec<MemberRow>, TeamError> {
    let rows = member::Entity::find()
        .filter(member::Column::TeamId.eq(scope.team_id()))
        .order_by_asc(member::Column::CreatedAt)
        .order_by_asc(member::Column::UserId)
        .all(db)
        .await?;
    let ids = rows.iter().map(|row| row.user_id);
    let users = user::Entity::find().filter(user::Column::Id.is_in(ids)).all(db).await?;
    let mut emails: HashMap<i64, String> = users.into_iter().map(|user| (user.id, user.email)).collect();
    Ok(rows
        .into_iter()
        .filter_map(|row| MemberRow::new(emails.remove(&row.user_id)?, row))
        .collect())
}

/// How many members each of `teams` has, of teams that the caller may see; those without any are left out.
///
/// # Errors
/// [`TeamError::Database`].
pub async fn count_members(db: &DatabaseConnection, teams: &[i64]) -> Result<HashMap<i64, u64>, TeamError> {
    let counted: Vec<(i64, i64)> = member::Entity::find()
        .select_only()
        .column(member::Column::TeamId)
        .column_as(member::Column::UserId.count(), "members")
        .filter(member::Column::TeamId.is_in(teams.iter().copied()))
        .group_by(member::Column::TeamId)
        .into_tuple()
        .all(db)
        .await?;
    Ok(counted
        .into_iter()
        .map(|(team_id, count)| (team_id, count.unsigned_abs()))
        .collect())
}

/// Changes a member of the team of `scope`; returns them as they were and as they are.
///
/// # Errors
/// [`TeamError::Forbidden`], [`TeamError::Invalid`] by field, [`TeamError::LastOwner`], [`TeamError::NotFound`],
/// [`TeamError::Database`].
pub async fn update_member(
    db: &DatabaseConnection,
    scope: &TeamScope,
    user_id: i64,
    patch: MemberPatch,
) -> Result<(MemberRow, MemberRow), TeamError> {
    scope.demand(Right::ManageTeam)?;
    let role = patch.check()?;
    let transaction = db.begin().await?;
    let before = lock_member(&transaction, scope, user_id).await?;
    if let Some(role) = role.filter(|role| role.name() != before.role) {
        if role == Role::Owner || before.role == Role::Owner.name() {
            scope.demand(Right::ManageOwners)?;
        }
        keep_an_owner(&transaction, scope, &before).await?;
    }
    let row = member::ActiveModel {
        team_id: ActiveValue::Unchanged(before.team_id),
        user_id: ActiveValue::Unchanged(before.user_id),
        role: role.map_or(ActiveValue::NotSet, |role| Set(role.name().to_owned())),
        cap_day: patch.cap_day.map_or(ActiveValue::NotSet, Set),
        cap_month: patch.cap_month.map_or(ActiveValue::NotSet, Set),
        rpm: patch.rpm.map_or(ActiveValue::NotSet, Set),
        tpm: patch.tpm.map_or(ActiveValue::NotSet, Set),
        max_in_flight: patch.max_in_flight.map_or(ActiveValue::NotSet, Set),
        created_at: ActiveValue::NotSet,
    };
    let after = if row.is_changed() {
        row.update(&transaction).await?
    } else {
        before.clone()
    };
    let user = user::Entity::find_by_id(user_id)
        .one(&transaction)
        .await?
        .ok_or(TeamError::NotFound)?;
    Changed::Team(scope.team_id()).tell(&transaction).await?;
    transaction.commit().await?;
    let before = MemberRow::new(user.email.clone(), before).ok_or(TeamError::NotFound)?;
    let after = MemberRow::new(user.email, after).ok_or(TeamError::NotFound)?;
    Ok((before, after))
}

/// Removes a member from the team of `scope`; their keys are refused from then on.
///
/// # Errors
/// [`TeamError::Forbidden`], [`TeamError::LastOwner`], [`TeamError::NotFound`], [`TeamError::Database`].
pub async fn remove_member(db: &DatabaseConnection, scope: &TeamScope, user_id: i64) -> Result<(), TeamError> {
    scope.demand(Right::ManageTeam)?;
    take_out(db, scope, user_id).await
}

/// Takes the person of `scope` out of the team; their keys are refused from then on.
///
/// # Errors
/// [`TeamError::LastOwner`], [`TeamError::NotFound`] when they are no member, [`TeamError::Database`].
pub async fn leave(db: &DatabaseConnection, scope: &TeamScope) -> Result<(), TeamError> {
    take_out(db, scope, scope.user_id()).await
}

async fn take_out(db: &DatabaseConnection, scope: &TeamScope, user_id: i64) -> Result<(), TeamError> {
    let transaction = db.begin().await?;
    let row = lock_member(&transaction, scope, user_id).await?;
    if row.role == Role::Owner.name() {
        scope.demand(Right::ManageOwners)?;
    }
    keep_an_owner(&transaction, scope, &row).await?;
    row.delete(&transaction).await?;
    Changed::Team(scope.team_id()).tell(&transaction).await?;
    transaction.commit().await?;
    Ok(())
}

/// The member, while no other transaction changes members of this team: two owners cannot demote each other at once.
pub(super) async fn lock_member(
    transaction: &DatabaseTransaction,
    scope: &TeamScope,
    user_id: i64,
) -> Result<member::Model, TeamError> {
    lock_team(transaction, scope.team_id()).await?;
    let found = member::Entity::find_by_id((scope.team_id(), user_id))
        .one(transaction)
        .await?;
    found.ok_or(TeamError::NotFound)
}

/// Lets no other transaction change members of the team until this one ends.
pub(super) async fn lock_team(db: &impl ConnectionTrait, team_id: i64) -> Result<(), DbErr> {
    // A write that changes nothing takes the lock alike on SQLite (the file) and Postgres (the rows).
    member::Entity::update_many()
        .col_expr(member::Column::TeamId, sea_orm::sea_query::Expr::value(team_id))
        .filter(member::Column::TeamId.eq(team_id))
        .exec(db)
        .await
        .map(|_| ())
}

/// Refuses when `leaving` is the only owner.
async fn keep_an_owner(db: &impl ConnectionTrait, scope: &TeamScope, leaving: &member::Model) -> Result<(), TeamError> {
    if leaving.role != Role::Owner.name() {
        return Ok(());
    }
    let owners = member::Entity::find()
        .filter(member::Column::TeamId.eq(scope.team_id()))
        .filter(member::Column::Role.eq(Role::Owner.name()))
        .count(db)
        .await?;
    if owners > 1 { Ok(()) } else { Err(TeamError::LastOwner) }
}

impl MemberPatch {
    fn check(&self) -> Result<Option<Role>, FieldErrors> {
        let mut errors = FieldErrors::default();
        let role = self
            .role
            .as_deref()
            .map(|name| Role::parse(name).ok_or_else(|| Reason::NotARole(name.to_owned())));
        let role = role.transpose();
        errors.note("role", role.as_ref().map(|_| ()).map_err(Clone::clone));
        errors.note("cap_day", check_cap(self.cap_day.flatten()));
        errors.note("cap_month", check_cap(self.cap_month.flatten()));
        errors.note("rpm", check_limit(self.rpm.flatten(), RATE_MAX));
        errors.note("tpm", check_limit(self.tpm.flatten(), TOKEN_RATE_MAX));
        errors.note("max_in_flight", check_limit(self.max_in_flight.flatten(), RATE_MAX));
        errors.finish()?;
        Ok(role.unwrap_or_default())
    }
}

impl MemberRow {
    /// `None` when the stored role is unknown: such a member has no rights.
    pub(super) fn new(email: String, row: member::Model) -> Option<Self> {
        Some(Self {
            user_id: row.user_id,
            email,
            role: Role::parse(&row.role)?,
            cap_day: row.cap_day,
            cap_month: row.cap_month,
            rpm: row.rpm,
            tpm: row.tpm,
            max_in_flight: row.max_in_flight,
            created_at_ms: row.created_at,
        })
    }
}
