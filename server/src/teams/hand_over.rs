//! Handing a team over: another owner instead of oneself.
//!
//! Invariant: the team has an owner before, in between and after. Writes `member`, reads `user`.

use super::members::{MemberRow, lock_member};
use super::{Right, Role, TeamError, TeamScope};
use crate::auth::Changed;
use crate::fields::FieldErrors;
use entity::{member, user};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, TransactionTrait};

/// Makes the member `user_id` an owner and the owner of `scope` an admin, both or neither; returns the new owner.
///
/// # Errors
/// [`TeamError::Forbidden`] unless an owner of the team does it, [`TeamError::Invalid`] for the field `user`,
/// [`TeamError::NotFound`], [`TeamError::Database`].
pub async fn hand_over(db: &DatabaseConnection, scope: &TeamScope, user_id: i64) -> Result<MemberRow, TeamError> {
    scope.demand(Right::ManageOwners)?;
    if user_id == scope.user_id() {
        return Err(refuse("You own the team already. Choose somebody else."));
    }
    let transaction = db.begin().await?;
    let taker = lock_member(&transaction, scope, user_id).await?;
    let giver = member::Entity::find_by_id((scope.team_id(), scope.user_id()))
        .one(&transaction)
        .await?;
    if giver.is_none_or(|giver| giver.role != Role::Owner.name()) {
        return Err(TeamError::Forbidden);
    }
    let user = user::Entity::find_by_id(user_id)
        .one(&transaction)
        .await?
        .ok_or(TeamError::NotFound)?;
    if user.disabled_at.is_some() {
        return Err(refuse("This person is suspended. Choose somebody else."));
    }
    set_role(&transaction, scope.team_id(), (user_id, Role::Owner)).await?;
    set_role(&transaction, scope.team_id(), (scope.user_id(), Role::Admin)).await?;
    Changed::Team(scope.team_id()).tell(&transaction).await?;
    transaction.commit().await?;
    let owner = member::Model {
        role: Role::Owner.name().to_owned(),
        ..taker
    };
    MemberRow::new(user.email, owner).ok_or(TeamError::NotFound)
}

async fn set_role(db: &impl ConnectionTrait, team_id: i64, (user_id, role): (i64, Role)) -> Result<(), DbErr> {
    member::Entity::update_many()
        .col_expr(member::Column::Role, Expr::value(role.name()))
        .filter(member::Column::TeamId.eq(team_id))
        .filter(member::Column::UserId.eq(user_id))
        .exec(db)
        .await
        .map(|_| ())
}

fn refuse(words: &str) -> TeamError {
    let mut errors = FieldErrors::default();
    errors.refuse("user", words);
    errors.into()
}
