//! Deleting a user: what they were, in every team.
//!
//! Invariant: no team with members is left without an owner: then nothing is deleted. A team that had nobody else is closed.
//! All of it, or none. Charges, requests and the audit log keep the user's number. Writes `user`, `session`,
//! `management_token`, `proof`, `second_factor`, `recovery_code`, `identity`, `passkey`, `member`, `api_key`, `invitation`, `team` and
//! the accounts of teams that are closed.

use super::{Role, TeamError};
use crate::{
    accounts,
    auth::{Changed, Person, drop_ways_in, lock_admins},
};
use entity::{api_key, invitation, management_token, member, proof, recovery_code, second_factor, session, team, user};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait, PaginatorTrait,
    QueryFilter, TransactionTrait,
};

/// Deletes the user `user_id`: sessions and tokens end, their keys are revoked, and those of teams that had nobody else.
/// Returns the teams that were closed, which are suspended.
///
/// # Errors
/// [`TeamError::Forbidden`] unless a platform admin does it, and to another; [`TeamError::LastOwner`] where a team with
/// other members would be left without an owner; [`TeamError::NotFound`]; [`TeamError::Database`].
pub async fn delete_user(
    db: &DatabaseConnection,
    admin: &Person,
    user_id: i64,
    now_ms: i64,
) -> Result<Vec<i64>, TeamError> {
    if !admin.is_admin || admin.user_id == user_id {
        return Err(TeamError::Forbidden);
    }
    let transaction = db.begin().await?;
    if !lock_admins(&transaction, admin).await? {
        return Err(TeamError::Forbidden);
    }
    let closed = erase(&transaction, user_id, now_ms).await?;
    transaction.commit().await?;
    Ok(closed)
}

/// Deletes `person`, as [`delete_user`] does, at their own wish.
///
/// # Errors
/// [`TeamError::LastAdmin`] where no enabled platform admin would be left; else as [`delete_user`].
pub async fn delete_oneself(db: &DatabaseConnection, person: &Person, now_ms: i64) -> Result<Vec<i64>, TeamError> {
    let transaction = db.begin().await?;
    lock_admins(&transaction, person).await?;
    let closed = erase(&transaction, person.user_id, now_ms).await?;
    let enabled = user::Column::IsAdmin.eq(true).and(user::Column::DisabledAt.is_null());
    let enabled = user::Entity::find().filter(enabled);
    if person.is_admin && enabled.count(&transaction).await? == 0 {
        return Err(TeamError::LastAdmin);
    }
    transaction.commit().await?;
    Ok(closed)
}

async fn erase(transaction: &DatabaseTransaction, user_id: i64, now_ms: i64) -> Result<Vec<i64>, TeamError> {
    // The write comes first: nobody joins, leaves or changes a role with them meanwhile.
    let gone = user::Entity::delete_by_id(user_id).exec(transaction).await?;
    if gone.rows_affected != 1 {
        return Err(TeamError::NotFound);
    }
    let closed = leave_all(transaction, user_id, now_ms).await?;
    let own = api_key::Column::MemberId.eq(user_id);
    let of_closed = api_key::Column::TeamId.is_in(closed.iter().copied());
    api_key::Entity::update_many()
        .col_expr(api_key::Column::RevokedAt, Expr::value(now_ms))
        .filter(api_key::Column::RevokedAt.is_null())
        .filter(own.or(of_closed))
        .exec(transaction)
        .await?;
    for team_id in &closed {
        accounts::forget_team(transaction, *team_id).await?;
    }
    end_ways_in(transaction, user_id).await?;
    invitation::Entity::update_many()
        .col_expr(invitation::Column::RevokedAt, Expr::value(now_ms))
        .filter(invitation::Column::CreatedBy.eq(user_id))
        .filter(invitation::Column::AcceptedAt.is_null())
        .filter(invitation::Column::RevokedAt.is_null())
        .exec(transaction)
        .await?;
    Changed::User(user_id).tell(transaction).await?;
    Ok(closed)
}

/// Deletes what opens the account of the user.
async fn end_ways_in(db: &impl ConnectionTrait, user_id: i64) -> Result<(), DbErr> {
    session::Entity::delete_many()
        .filter(session::Column::UserId.eq(user_id))
        .exec(db)
        .await?;
    management_token::Entity::delete_many()
        .filter(management_token::Column::UserId.eq(user_id))
        .exec(db)
        .await?;
    proof::Entity::delete_many()
        .filter(proof::Column::UserId.eq(user_id))
        .exec(db)
        .await?;
    second_factor::Entity::delete_by_id(user_id).exec(db).await?;
    drop_ways_in(db, user_id).await?;
    recovery_code::Entity::delete_many()
        .filter(recovery_code::Column::UserId.eq(user_id))
        .exec(db)
        .await?;
    Ok(())
}

/// Takes the user out of every team; those without anybody else are suspended and returned.
async fn leave_all(db: &impl ConnectionTrait, user_id: i64, now_ms: i64) -> Result<Vec<i64>, TeamError> {
    let mine = member::Entity::find()
        .filter(member::Column::UserId.eq(user_id))
        .all(db)
        .await?;
    let mut closed = Vec::new();
    for row in mine {
        super::members::lock_team(db, row.team_id).await?;
        member::Entity::delete_by_id((row.team_id, user_id)).exec(db).await?;
        let left = member::Entity::find().filter(member::Column::TeamId.eq(row.team_id));
        if left.clone().count(db).await? == 0 {
            close(db, row.team_id, now_ms).await?;
            closed.push(row.team_id);
        } else if left
            .filter(member::Column::Role.eq(Role::Owner.name()))
            .count(db)
            .await?
            == 0
        {
            return Err(TeamError::LastOwner);
        }
        Changed::Team(row.team_id).tell(db).await?;
    }
    Ok(closed)
}

async fn close(db: &impl ConnectionTrait, team_id: i64, now_ms: i64) -> Result<(), DbErr> {
    team::Entity::update_many()
        .col_expr(team::Column::SuspendedAt, Expr::value(now_ms))
        .filter(team::Column::Id.eq(team_id))
        .filter(team::Column::SuspendedAt.is_null())
        .exec(db)
        .await
        .map(|_| ())
}
