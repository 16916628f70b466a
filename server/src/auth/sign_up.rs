//! Signing up: a user, their team, and a session at once.
//!
//! Invariant: user, team, ownership and session appear together or not at all; at most one user becomes admin by being
//! the first. Writes `user`, `identity`, `team`, `member`, `session`, `setting`.

use super::{
    Auth, AuthError, Person, SignedIn, Visitor, email, identity::insert_identity, password, provider::Vouched,
};
use crate::clock;
use crate::fields::{FieldErrors, NAME_MAX};
use entity::{member, setting, team, user};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter, Set, SqlErr,
    TransactionTrait, TryInsertResult,
};

/// The setting that the first admin occupies, once and for good.
const FIRST_ADMIN: &str = "first_admin";

/// What somebody types to sign up.
pub struct NewUser<'a> {
    /// As typed.
    pub email: &'a str,
    /// As typed.
    pub password: &'a str,
}

/// A user just made, with their team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserMade {
    /// The user.
    pub person: Person,
    /// The team that they own.
    pub team_id: i64,
}

/// Whether a new user becomes platform admin.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Admin {
    Yes,
    No,
    /// When there was no user before.
    IfFirst,
}

/// A checked address and a hashed password, or a service that vouches.
pub struct Ready {
    pub(super) email: String,
    pub(super) password_hash: String,
    /// Whether the address is theirs for sure.
    pub(super) is_proven: bool,
    /// Who vouches.
    pub(super) identity: Option<Vouched>,
}

impl Ready {
    /// The same, whose address is theirs for sure where `is_so`: they have a link that was mailed to it.
    #[must_use]
    pub fn proven(mut self, is_so: bool) -> Self {
        self.is_proven |= is_so;
        self
    }
}

impl Auth {
    /// Makes a user with a team of their own and signs them in. With `may_be_first_admin`, which the caller grants only
    /// to a loopback peer of a loopback listener, the very first user becomes platform admin.
    ///
    /// # Errors
    /// [`AuthError::SignUpRefused`] unless everybody may, [`AuthError::Invalid`] by field, [`AuthError::EmailTaken`],
    /// [`AuthError::Throttled`], [`AuthError::Hashing`], [`AuthError::Database`].
    pub async fn sign_up(
        &self,
        new: NewUser<'_>,
        visitor: &Visitor,
        may_be_first_admin: bool,
    ) -> Result<(SignedIn, UserMade), AuthError> {
        let ready = self.admit(new, visitor, false).await?;
        self.make(ready, visitor, may_be_first_admin).await
    }

    /// Makes the user with a team of their own, and signs them in.
    pub(super) async fn make(
        &self,
        ready: Ready,
        visitor: &Visitor,
        may_be_first_admin: bool,
    ) -> Result<(SignedIn, UserMade), AuthError> {
        let admin = if may_be_first_admin { Admin::IfFirst } else { Admin::No };
        let transaction = self.0.db.begin().await?;
        let made = insert(&transaction, ready, admin, visitor.now_ms).await?;
        let signed_in = self.open_session(&transaction, made.person.clone(), visitor).await?;
        transaction.commit().await?;
        Ok((signed_in, made))
    }

    /// The first half of signing up as a guest of a team, before its transaction begins: the checks and the hash.
    ///
    /// # Errors
    /// [`AuthError::SignUpRefused`] where nobody may sign up, [`AuthError::Invalid`] by field, [`AuthError::Throttled`],
    /// [`AuthError::Hashing`], [`AuthError::Database`].
    pub async fn prepare_guest(&self, new: NewUser<'_>, visitor: &Visitor) -> Result<Ready, AuthError> {
        self.admit(new, visitor, true).await
    }

    /// Counts, checks and hashes what was typed, where the policy lets them in.
    pub(super) async fn admit(
        &self,
        new: NewUser<'_>,
        visitor: &Visitor,
        is_invited: bool,
    ) -> Result<Ready, AuthError> {
        self.count_sign_up(visitor)?;
        let policy = self.sign_up_policy().await?;
        policy.demand(&email::normalize(new.email), is_invited)?;
        self.prepare(new).await
    }

    /// Makes a user without a team of their own in the transaction `db`, and signs them in. Whoever calls it makes them a
    /// member of a team in the same transaction.
    ///
    /// # Errors
    /// [`AuthError::EmailTaken`], [`AuthError::Hashing`], [`AuthError::Database`].
    pub async fn sign_up_guest(
        &self,
        db: &impl ConnectionTrait,
        ready: Ready,
        visitor: &Visitor,
    ) -> Result<SignedIn, AuthError> {
        let person = insert_user(db, ready, Admin::No, visitor.now_ms).await?;
        self.open_session(db, person, visitor).await
    }

    /// Makes a user with a team of their own, for the command line.
    ///
    /// # Errors
    /// [`AuthError::Invalid`] by field, [`AuthError::EmailTaken`], [`AuthError::Hashing`], [`AuthError::Database`].
    pub async fn create_user(&self, new: NewUser<'_>, is_admin: bool, now_ms: i64) -> Result<UserMade, AuthError> {
        let ready = self.prepare(new).await?;
        let admin = if is_admin { Admin::Yes } else { Admin::No };
        let transaction = self.0.db.begin().await?;
        let made = insert(&transaction, ready, admin, now_ms).await?;
        transaction.commit().await?;
        Ok(made)
    }

    /// Counts a sign-up, before its work.
    pub(super) fn count_sign_up(&self, visitor: &Visitor) -> Result<(), AuthError> {
        let counted = self.0.throttle.sign_up(visitor.address, visitor.now_ms);
        counted.map_err(|retry_after_s| AuthError::Throttled { retry_after_s })?;
        Ok(())
    }

    /// What was typed, checked and hashed.
    async fn prepare(&self, new: NewUser<'_>) -> Result<Ready, AuthError> {
        let mut errors = FieldErrors::default();
        let email = email::parse(new.email);
        errors.note("email", email.as_ref().map(|_| ()).map_err(Clone::clone));
        let email = email.unwrap_or_default();
        errors.note("password", password::check(new.password, &email));
        errors.finish()?;
        let password_hash = self.0.passwords.hash(new.password.to_owned()).await?;
        Ok(Ready {
            email,
            password_hash,
            is_proven: false,
            identity: None,
        })
    }
}

async fn insert_user(db: &impl ConnectionTrait, ready: Ready, admin: Admin, now_ms: i64) -> Result<Person, AuthError> {
    let user_id = clock::new_id();
    let row = user::ActiveModel {
        id: Set(user_id),
        email: Set(ready.email.clone()),
        password_hash: Set(ready.password_hash),
        is_admin: Set(admin == Admin::Yes),
        created_at: Set(now_ms),
        disabled_at: Set(None),
        email_verified_at: Set(ready.is_proven.then_some(now_ms)),
    };
    row.insert(db).await.map_err(|error| match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => AuthError::EmailTaken,
        _ => AuthError::Database(error),
    })?;
    if let Some(vouched) = &ready.identity {
        insert_identity(db, user_id, vouched, now_ms).await?;
    }
    let is_admin = match admin {
        Admin::Yes => true,
        Admin::No => false,
        Admin::IfFirst => claim_first_admin(db, user_id).await?,
    };
    Ok(Person {
        user_id,
        email: ready.email,
        is_admin,
    })
}

/// Makes the user and their team, in the transaction `db`.
pub(super) async fn insert(
    db: &impl ConnectionTrait,
    ready: Ready,
    admin: Admin,
    now_ms: i64,
) -> Result<UserMade, AuthError> {
    let person = insert_user(db, ready, admin, now_ms).await?;
    let team_id = clock::new_id();
    let row = team::ActiveModel {
        id: Set(team_id),
        name: Set(team_name(&person.email)),
        time_zone: Set("UTC".to_owned()),
        created_at: Set(now_ms),
        ..Default::default()
    };
    team::Entity::insert(row).exec_without_returning(db).await?;
    let row = member::ActiveModel {
        team_id: Set(team_id),
        user_id: Set(person.user_id),
        role: Set("owner".to_owned()),
        created_at: Set(now_ms),
        ..Default::default()
    };
    member::Entity::insert(row).exec_without_returning(db).await?;
    Ok(UserMade { person, team_id })
}

/// Makes the user just inserted an admin when nobody was there before; tells whether.
async fn claim_first_admin(db: &impl ConnectionTrait, user_id: i64) -> Result<bool, DbErr> {
    Ok(user::Entity::find().count(db).await? == 1 && make_first_admin(db, user_id).await?)
}

/// Makes `user_id` an admin unless there is, or was, a first one; tells whether.
pub(super) async fn make_first_admin(db: &impl ConnectionTrait, user_id: i64) -> Result<bool, DbErr> {
    let claim = setting::ActiveModel {
        name: Set(FIRST_ADMIN.to_owned()),
        value: Set(user_id.to_string()),
    };
    // Of several at once, on any number of replicas, the primary key lets one through.
    let claimed = setting::Entity::insert(claim)
        .on_conflict_do_nothing()
        .exec_without_returning(db)
        .await?;
    if !matches!(claimed, TryInsertResult::Inserted(1)) {
        return Ok(false);
    }
    let made = user::Entity::update_many()
        .col_expr(user::Column::IsAdmin, Expr::value(true))
        .filter(user::Column::Id.eq(user_id))
        .exec(db)
        .await?;
    Ok(made.rows_affected == 1)
}

/// The part before the `@`: what the first team is called until its owner says otherwise.
fn team_name(email: &str) -> String {
    email
        .split('@')
        .next()
        .unwrap_or_default()
        .chars()
        .take(NAME_MAX)
        .collect()
}
