//! Teams: the tenants, their members, and who may do what in them.
//!
//! Invariant: every query about a team's things takes a [`TeamScope`], which only [`scope`] makes, and only for who
//! belongs there; a foreign team is not found, never forbidden. Reads and writes `team` and `member`, reads `user`.

use crate::auth::{Changed, Person};
use crate::fields::FieldErrors;
use crate::mail::MailError;
use entity::{member, team, user};
use sea_orm::sea_query::{Expr, ExprTrait, Func};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, TransactionTrait,
};
use std::collections::HashMap;

mod create;
mod delete_user;
mod hand_over;
pub mod invitations;
mod members;
mod role;
mod settings;

pub use create::{NewTeam, OWNED_MAX, create};
pub use delete_user::{delete_oneself, delete_user};
pub use hand_over::hand_over;
pub use members::{MemberPatch, MemberRow, count_members, leave, list_members, remove_member, update_member};
pub use role::{Right, Role};
pub use settings::{TeamPatch, update};

/// Why something about a team is refused.
#[derive(Debug, thiserror::Error)]
pub enum TeamError {
    /// No such team, member or user for this person.
    #[error("not found")]
    NotFound,
    /// The person's role does not include it.
    #[error("this role may not do it")]
    Forbidden,
    /// A team without an owner could not be managed.
    #[error("the last owner of a team stays its owner")]
    LastOwner,
    /// Nobody else is platform admin.
    #[error("the only platform admin stays")]
    LastAdmin,
    /// They own as many teams as one person may.
    #[error("one person owns at most {OWNED_MAX} teams")]
    TooMany,
    /// They are a member of the team already.
    #[error("already a member of this team")]
    Joined,
    /// An invitation that cannot be accepted, and why.
    #[error("the invitation cannot be accepted: {0:?}")]
    Invitation(invitations::Refused),
    /// A mail cannot be put into the outbox.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// The system gives no randomness.
    #[error("the machine failed to draw randomness")]
    Randomness,
    /// What was typed breaks a rule.
    #[error(transparent)]
    Invalid(#[from] FieldErrors),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// The proof that a person belongs to a team, and as what. A platform admin counts as an owner everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TeamScope {
    team_id: i64,
    user_id: i64,
    role: Role,
}

impl TeamScope {
    /// The team.
    #[must_use]
    pub const fn team_id(&self) -> i64 {
        self.team_id
    }

    /// Who acts.
    #[must_use]
    pub const fn user_id(&self) -> i64 {
        self.user_id
    }

    /// As what they act.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Whether they have `right`.
    #[must_use]
    pub const fn may(&self, right: Right) -> bool {
        self.role.has(right)
    }

    /// Nothing when they have `right`.
    ///
    /// # Errors
    /// [`TeamError::Forbidden`] otherwise.
    pub const fn demand(&self, right: Right) -> Result<(), TeamError> {
        if self.may(right) {
            Ok(())
        } else {
            Err(TeamError::Forbidden)
        }
    }
}

/// The proof that `person` may see the team `team_id`.
///
/// # Errors
/// [`TeamError::NotFound`] when there is no such team, or it is another's; [`TeamError::Database`].
pub async fn scope(db: &DatabaseConnection, person: &Person, team_id: i64) -> Result<TeamScope, TeamError> {
    let user_id = person.user_id;
    if person.is_admin {
        let exists = team::Entity::find_by_id(team_id).one(db).await?.is_some();
        return if exists {
            Ok(TeamScope {
                team_id,
                user_id,
                role: Role::Owner,
            })
        } else {
            Err(TeamError::NotFound)
        };
    }
    let found = member::Entity::find_by_id((team_id, user_id)).one(db).await?;
    let role = found
        .and_then(|row| Role::parse(&row.role))
        .ok_or(TeamError::NotFound)?;
    Ok(TeamScope { team_id, user_id, role })
}

/// A team, as shown to its members.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct TeamRow {
    /// The team.
    pub team_id: i64,
    /// Shown name.
    pub name: String,
    /// IANA name; days and months of caps follow it.
    pub time_zone: String,
    /// Nano-USD a day.
    pub cap_day: Option<i64>,
    /// Nano-USD a month.
    pub cap_month: Option<i64>,
    /// Requests a minute.
    pub rpm: Option<i64>,
    /// Tokens a minute.
    pub tpm: Option<i64>,
    /// Whether accounts of the platform may serve it beside its own.
    pub uses_platform: bool,
    /// Unix milliseconds.
    pub created_at_ms: i64,
    /// Unix milliseconds; its keys are refused since.
    pub suspended_at_ms: Option<i64>,
}

impl From<team::Model> for TeamRow {
    fn from(row: team::Model) -> Self {
        Self {
            team_id: row.id,
            name: row.name,
            time_zone: row.time_zone,
            cap_day: row.cap_day,
            cap_month: row.cap_month,
            rpm: row.rpm,
            tpm: row.tpm,
            uses_platform: row.uses_platform,
            created_at_ms: row.created_at,
            suspended_at_ms: row.suspended_at,
        }
    }
}

/// The team of `scope`.
///
/// # Errors
/// [`TeamError::NotFound`] when it is gone; [`TeamError::Database`].
pub async fn get(db: &DatabaseConnection, scope: &TeamScope) -> Result<TeamRow, TeamError> {
    let row = team::Entity::find_by_id(scope.team_id).one(db).await?;
    row.map(TeamRow::from).ok_or(TeamError::NotFound)
}

/// The names of the teams `team_ids`, as far as they are still there.
///
/// # Errors
/// The database failed.
pub async fn names(db: &DatabaseConnection, team_ids: &[i64]) -> Result<HashMap<i64, String>, DbErr> {
    if team_ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = team::Entity::find()
        .filter(team::Column::Id.is_in(team_ids.iter().copied()))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
}

/// The teams that `person` is a member of, oldest first, and as what.
///
/// # Errors
/// [`TeamError::Database`].
pub async fn list_mine(db: &DatabaseConnection, person: &Person) -> Result<Vec<(TeamRow, Role)>, TeamError> {
    let memberships = member::Entity::find()
        .filter(member::Column::UserId.eq(person.user_id))
        .all(db)
        .await?;
    let roles: HashMap<i64, Role> = memberships
        .iter()
        .filter_map(|row| Some((row.team_id, Role::parse(&row.role)?)))
        .collect();
    let teams = team::Entity::find()
        .filter(team::Column::Id.is_in(roles.keys().copied()))
        .order_by_asc(team::Column::Id)
        .all(db)
        .await?;
    let with_role = |row: team::Model| roles.get(&row.id).map(|role| (row.into(), *role));
    Ok(teams.into_iter().filter_map(with_role).collect())
}

/// The teams of each of `users`, oldest first, and as what they are in it; for lists whose readers may see them.
///
/// # Errors
/// [`TeamError::Database`].
pub async fn list_of_users(db: &DatabaseConnection, users: Vec<i64>) -> Result<Vec<(i64, TeamRow, Role)>, TeamError> {
    let memberships = member::Entity::find()
        .filter(member::Column::UserId.is_in(users))
        .order_by_asc(member::Column::TeamId)
        .all(db)
        .await?;
    let ids = memberships.iter().map(|row| row.team_id);
    let rows = team::Entity::find().filter(team::Column::Id.is_in(ids)).all(db).await?;
    let teams: HashMap<i64, TeamRow> = rows.into_iter().map(|row| (row.id, row.into())).collect();
    let listed = |row: member::Model| Some((row.user_id, teams.get(&row.team_id)?.clone(), Role::parse(&row.role)?));
    Ok(memberships.into_iter().filter_map(listed).collect())
}

/// Up to `limit` teams of the platform made before the one with the id `after`, newest first; with `search`, those whose name
/// contains it.
///
/// # Errors
/// [`TeamError::Forbidden`] unless `person` is platform admin; [`TeamError::Database`].
pub async fn list_all(
    db: &DatabaseConnection,
    person: &Person,
    search: Option<&str>,
    after: Option<i64>,
    limit: u64,
) -> Result<Vec<TeamRow>, TeamError> {
    if !person.is_admin {
        return Err(TeamError::Forbidden);
    }
    let mut found = team::Entity::find().filter(team::Column::Id.lt(after.unwrap_or(i64::MAX)));
    if let Some(search) = search {
        let name = Expr::expr(Func::lower(Expr::col(team::Column::Name)));
        found = found.filter(name.like(format!("%{}%", search.trim().to_lowercase())));
    }
    let rows = found.order_by_desc(team::Column::Id).limit(limit).all(db).await?;
    Ok(rows.into_iter().map(TeamRow::from).collect())
}

/// Refuses the keys of the team `team_id` from `now_ms` on.
///
/// # Errors
/// [`TeamError::Forbidden`] unless `person` is platform admin; [`TeamError::NotFound`]; [`TeamError::Database`].
pub async fn suspend(db: &DatabaseConnection, person: &Person, team_id: i64, now_ms: i64) -> Result<(), TeamError> {
    set_suspended(db, person, team_id, Some(now_ms)).await
}

/// Lets the keys of the team `team_id` in again.
///
/// # Errors
/// As [`suspend`].
pub async fn resume(db: &DatabaseConnection, person: &Person, team_id: i64) -> Result<(), TeamError> {
    set_suspended(db, person, team_id, None).await
}

/// The e-mail addresses of the owners of the team `team_id`.
///
/// # Errors
/// The database failed.
pub async fn owners(db: &impl ConnectionTrait, team_id: i64) -> Result<Vec<String>, DbErr> {
    emails_of(db, team_id, Some(Role::Owner)).await
}

/// The e-mail addresses of everybody in the team `team_id`.
///
/// # Errors
/// The database failed.
pub async fn emails(db: &impl ConnectionTrait, team_id: i64) -> Result<Vec<String>, DbErr> {
    emails_of(db, team_id, None).await
}

async fn emails_of(db: &impl ConnectionTrait, team_id: i64, role: Option<Role>) -> Result<Vec<String>, DbErr> {
    let mut members = member::Entity::find().filter(member::Column::TeamId.eq(team_id));
    if let Some(role) = role {
        members = members.filter(member::Column::Role.eq(role.name()));
    }
    let members = members.all(db).await?;
    let users = user::Entity::find()
        .filter(user::Column::Id.is_in(members.iter().map(|row| row.user_id)))
        .filter(user::Column::DisabledAt.is_null())
        .all(db)
        .await?;
    Ok(users.into_iter().map(|row| row.email).collect())
}

/// Refuses the keys of the team `team_id` from `now_ms` on, unless they are refused; whether this did it. For what happens to a
/// team's money, in the transaction of that.
///
/// # Errors
/// The database failed.
pub async fn freeze(transaction: &DatabaseTransaction, team_id: i64, now_ms: i64) -> Result<bool, DbErr> {
    let changed = team::Entity::update_many()
        .col_expr(team::Column::SuspendedAt, Expr::value(now_ms))
        .filter(team::Column::Id.eq(team_id))
        .filter(team::Column::SuspendedAt.is_null())
        .exec(transaction)
        .await?;
    Changed::Team(team_id).tell(transaction).await?;
    Ok(changed.rows_affected == 1)
}

/// Lets no other transaction change the row of the team `team_id` until this one ends.
///
/// # Errors
/// The database failed.
pub async fn lock(transaction: &DatabaseTransaction, team_id: i64) -> Result<(), DbErr> {
    // A write that changes nothing takes the lock alike on SQLite (the file) and Postgres (the row).
    team::Entity::update_many()
        .col_expr(team::Column::SuspendedAt, Expr::col(team::Column::SuspendedAt))
        .filter(team::Column::Id.eq(team_id))
        .exec(transaction)
        .await
        .map(|_| ())
}

/// Since when the keys of the team `team_id` are refused, in Unix milliseconds, if they are.
///
/// # Errors
/// The database failed.
pub async fn suspended_at(db: &impl ConnectionTrait, team_id: i64) -> Result<Option<i64>, DbErr> {
    let row = team::Entity::find_by_id(team_id).one(db).await?;
    Ok(row.and_then(|row| row.suspended_at))
}

/// Lets the keys of a team in again that [`freeze`] refused at `frozen_at_ms`, unless somebody else has decided about it since.
///
/// # Errors
/// The database failed.
pub async fn thaw(transaction: &DatabaseTransaction, team_id: i64, frozen_at_ms: i64) -> Result<(), DbErr> {
    team::Entity::update_many()
        .col_expr(team::Column::SuspendedAt, Expr::value(None::<i64>))
        .filter(team::Column::Id.eq(team_id))
        .filter(team::Column::SuspendedAt.eq(frozen_at_ms))
        .exec(transaction)
        .await?;
    Changed::Team(team_id).tell(transaction).await
}

async fn set_suspended(
    db: &DatabaseConnection,
    person: &Person,
    team_id: i64,
    suspended_at: Option<i64>,
) -> Result<(), TeamError> {
    if !person.is_admin {
        return Err(TeamError::Forbidden);
    }
    let transaction = db.begin().await?;
    let changed = team::Entity::update_many()
        .col_expr(team::Column::SuspendedAt, Expr::value(suspended_at))
        .filter(team::Column::Id.eq(team_id))
        .exec(&transaction)
        .await?;
    Changed::Team(team_id).tell(&transaction).await?;
    transaction.commit().await?;
    if changed.rows_affected == 1 {
        Ok(())
    } else {
        Err(TeamError::NotFound)
    }
}
