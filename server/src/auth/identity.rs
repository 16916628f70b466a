//! Accounts elsewhere that sign a user in: linked by who is signed in, or with the account that they open.
//!
//! Invariant: an account elsewhere opens one user; an address alone links it only to a user who has proven that address here; no
//! user is left without a way in. Reads and writes `identity`, `user` and what signing up writes, reads `session`; writes mails.

use super::{
    Auth, AuthError, Person, Session, SignedIn, UserMade, Visitor, email,
    letters::notice,
    provider::{ProviderError, ProviderKind, Vouched},
    sign_up::Ready,
};
use crate::{clock, mail::Mail};
use entity::{identity, passkey, session, user};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _,
    Set, SqlErr, TransactionTrait as _, sea_query::Expr,
};

/// An account elsewhere, as listed for its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityRow {
    /// The row.
    pub identity_id: i64,
    /// The service.
    pub provider: ProviderKind,
    /// The address it told last; may be empty.
    pub email: String,
    /// Unix milliseconds.
    pub created_at_ms: i64,
    /// Unix milliseconds.
    pub last_used_at_ms: Option<i64>,
}

/// What became of somebody for whom a service vouches.
pub enum Entered {
    /// They are signed in.
    In(SignedIn),
    /// Nothing is opened before a code of their second factor.
    Code(Person),
}

/// A user for whom a service vouches, and how the account there is linked.
pub struct Found {
    /// The user.
    pub person: Person,
    /// How it is linked.
    pub linked: Linked,
}

/// How an account elsewhere is linked to the user whom it opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linked {
    /// It was before.
    Before,
    /// By its proven address, just now: the row.
    Now(i64),
    /// By its proven address, once a code of the second factor is right: see [`Auth::enter_with`].
    OnceIn,
}

impl Auth {
    /// The user whom `vouched` opens; links it where they have proven its address here and have no second factor. None: nobody yet.
    ///
    /// # Errors
    /// [`AuthError::Suspended`], [`AuthError::LinkFirst`], [`AuthError::Provider`] where the address is not proven there,
    /// [`AuthError::Mail`], [`AuthError::Database`].
    pub async fn find_vouched(&self, mail: &Mail, vouched: &Vouched, now_ms: i64) -> Result<Option<Found>, AuthError> {
        if let Some(row) = find(&self.0.db, vouched).await? {
            let user = user::Entity::find_by_id(row.user_id).one(&self.0.db).await?;
            let person = enabled(user.ok_or(AuthError::NotFound)?)?;
            identity::Entity::update_many()
                .col_expr(identity::Column::LastUsedAt, Expr::value(now_ms))
                .col_expr(identity::Column::Email, Expr::value(vouched.email.clone()))
                .filter(identity::Column::Id.eq(row.id))
                .exec(&self.0.db)
                .await?;
            return Ok(Some(Found {
                person,
                linked: Linked::Before,
            }));
        }
        let label = || self.provider_label(vouched.provider);
        if !vouched.is_verified || email::parse(&vouched.email).is_err() {
            return Err(ProviderError::Unverified(label()).into());
        }
        let Some(user) = self.find_user(&vouched.email).await? else {
            return Ok(None);
        };
        // Somebody may have signed up with an address that is not theirs: they keep the password. And an address may have gone to
        // somebody else since the service was told of it.
        if user.email_verified_at.is_none() || !vouched.is_authority {
            return Err(AuthError::LinkFirst(label()));
        }
        let person = enabled(user)?;
        let linked = if self.has_factor(person.user_id).await? {
            Linked::OnceIn
        } else {
            Linked::Now(self.link(mail, (&person, None), vouched, now_ms).await?)
        };
        Ok(Some(Found { person, linked }))
    }

    /// Signs in `person`, whom a service vouches for; where they have a second factor, nothing is opened yet.
    ///
    /// # Errors
    /// [`AuthError::Database`], [`AuthError::Hashing`].
    pub async fn enter(&self, person: Person, visitor: &Visitor) -> Result<Entered, AuthError> {
        if self.has_factor(person.user_id).await? {
            return Ok(Entered::Code(person));
        }
        self.open_session(&self.0.db, person, visitor).await.map(Entered::In)
    }

    /// Signs in the user `user_id`, for whom a service vouched a moment ago, by a code of their second factor.
    ///
    /// # Errors
    /// [`AuthError::WrongCredentials`], [`AuthError::Throttled`], [`AuthError::Suspended`], [`AuthError::Database`].
    pub async fn enter_with(&self, user_id: i64, code: &str, visitor: &Visitor) -> Result<SignedIn, AuthError> {
        let user = user::Entity::find_by_id(user_id).one(&self.0.db).await?;
        let person = enabled(user.ok_or(AuthError::NotFound)?)?;
        let attempt = self.count_attempt(&person.email, visitor)?;
        if !self.passes_factor(user_id, code, visitor.now_ms).await? {
            return Err(AuthError::WrongCredentials);
        }
        self.give_back(attempt);
        self.open_session(&self.0.db, person, visitor).await
    }

    /// What makes a user of somebody for whom a service vouches, where the policy lets them in.
    ///
    /// # Errors
    /// [`AuthError::SignUpRefused`], [`AuthError::Invalid`] for the field `email`, [`AuthError::Throttled`],
    /// [`AuthError::Database`].
    pub async fn prepare_vouched(
        &self,
        vouched: Vouched,
        visitor: &Visitor,
        is_invited: bool,
    ) -> Result<Ready, AuthError> {
        self.count_sign_up(visitor)?;
        self.sign_up_policy().await?.demand(&vouched.email, is_invited)?;
        Ok(Ready {
            email: vouched.email.clone(),
            password_hash: String::new(),
            is_proven: true,
            identity: Some(vouched),
        })
    }

    /// Makes a user with a team of their own, for whom a service vouches, and signs them in; see [`Auth::sign_up`].
    ///
    /// # Errors
    /// Those of [`Auth::prepare_vouched`]; [`AuthError::EmailTaken`], [`AuthError::IdentityTaken`].
    pub async fn sign_up_vouched(
        &self,
        vouched: Vouched,
        visitor: &Visitor,
        may_be_first_admin: bool,
    ) -> Result<(SignedIn, UserMade), AuthError> {
        let ready = self.prepare_vouched(vouched, visitor, false).await?;
        self.make(ready, visitor, may_be_first_admin).await
    }

    /// Has `vouched` open the account of `person` from now on, and tells them by mail; the row. They do it themselves in `session`;
    /// without one, their address does.
    ///
    /// # Errors
    /// [`AuthError::IdentityTaken`], [`AuthError::LinkRefused`] where the session has ended meanwhile or the address is another's,
    /// [`AuthError::Mail`], [`AuthError::Database`].
    pub async fn link(
        &self,
        mail: &Mail,
        (person, session): (&Person, Option<&Session>),
        vouched: &Vouched,
        now_ms: i64,
    ) -> Result<i64, AuthError> {
        let transaction = self.0.db.begin().await?;
        lock(&transaction, person.user_id).await?;
        match session {
            Some(session) => demand_session(&transaction, session).await?,
            None => demand_address(&transaction, person, vouched).await?,
        }
        let id = insert_identity(&transaction, person.user_id, vouched, now_ms).await?;
        if vouched.is_verified && vouched.email == person.email {
            prove(&transaction, person.user_id, now_ms).await?;
        }
        let label = self.provider_label(vouched.provider);
        let words = format!("An account at {label} ({}) signs you in from now on.", vouched.email);
        mail.enqueue(&transaction, &notice(&person.email, &words, now_ms), now_ms)
            .await?;
        transaction.commit().await?;
        Ok(id)
    }

    /// Has the account elsewhere `identity_id` open nothing any more; what it was.
    ///
    /// # Errors
    /// [`AuthError::NotFound`], [`AuthError::LastWayIn`], [`AuthError::Mail`], [`AuthError::Database`].
    pub async fn unlink(
        &self,
        mail: &Mail,
        person: &Person,
        identity_id: i64,
        now_ms: i64,
    ) -> Result<(String, String), AuthError> {
        let transaction = self.0.db.begin().await?;
        lock(&transaction, person.user_id).await?;
        let theirs = identity::Entity::find_by_id(identity_id)
            .filter(identity::Column::UserId.eq(person.user_id))
            .one(&transaction)
            .await?;
        let row = theirs.ok_or(AuthError::NotFound)?;
        identity::Entity::delete_by_id(row.id).exec(&transaction).await?;
        self.demand_way_in(&transaction, person.user_id).await?;
        let kind = ProviderKind::parse(&row.provider);
        let label = kind.map_or_else(|| row.provider.clone(), |kind| self.provider_label(kind));
        let words = format!("An account at {label} ({}) does not sign you in any more.", row.email);
        mail.enqueue(&transaction, &notice(&person.email, &words, now_ms), now_ms)
            .await?;
        transaction.commit().await?;
        Ok((row.provider, row.email))
    }

    /// The accounts elsewhere that open the account of `person`, oldest first.
    ///
    /// # Errors
    /// [`AuthError::Database`].
    pub async fn list_identities(&self, person: &Person) -> Result<Vec<IdentityRow>, AuthError> {
        let rows = identity::Entity::find()
            .filter(identity::Column::UserId.eq(person.user_id))
            .order_by_asc(identity::Column::Id)
            .all(&self.0.db)
            .await?;
        let known = rows.into_iter().filter_map(|row| {
            Some(IdentityRow {
                identity_id: row.id,
                provider: ProviderKind::parse(&row.provider)?,
                email: row.email,
                created_at_ms: row.created_at,
                last_used_at_ms: row.last_used_at,
            })
        });
        Ok(known.collect())
    }

    /// Whether `person` has a password.
    ///
    /// # Errors
    /// [`AuthError::Database`].
    pub async fn has_password(&self, person: &Person) -> Result<bool, AuthError> {
        let user = user::Entity::find_by_id(person.user_id).one(&self.0.db).await?;
        Ok(user.is_some_and(|user| !user.password_hash.is_empty()))
    }

    /// Whether `vouched` opens the account of `person`.
    ///
    /// # Errors
    /// [`AuthError::Database`].
    pub async fn is_theirs(&self, person: &Person, vouched: &Vouched) -> Result<bool, AuthError> {
        let row = find(&self.0.db, vouched).await?;
        Ok(row.is_some_and(|row| row.user_id == person.user_id))
    }

    /// Refuses unless something is left that signs the user in, in the transaction `db`.
    pub(super) async fn demand_way_in(&self, db: &impl ConnectionTrait, user_id: i64) -> Result<(), AuthError> {
        let user = user::Entity::find_by_id(user_id).one(db).await?;
        if user.is_some_and(|user| !user.password_hash.is_empty()) {
            return Ok(());
        }
        let passkeys = passkey::Entity::find().filter(passkey::Column::UserId.eq(user_id));
        if passkeys.count(db).await? > 0 {
            return Ok(());
        }
        // Only services that are still asked count.
        let issuers = self.providers().iter().map(|provider| provider.issuer().to_owned());
        let identities = identity::Entity::find()
            .filter(identity::Column::UserId.eq(user_id))
            .filter(identity::Column::Issuer.is_in(issuers));
        match identities.count(db).await? {
            0 => Err(AuthError::LastWayIn),
            _ => Ok(()),
        }
    }
}

/// Writes that `vouched` opens the account of `user_id`, in the transaction `db`.
pub(super) async fn insert_identity(
    db: &impl ConnectionTrait,
    user_id: i64,
    vouched: &Vouched,
    now_ms: i64,
) -> Result<i64, AuthError> {
    let id = clock::new_id();
    let row = identity::ActiveModel {
        id: Set(id),
        user_id: Set(user_id),
        provider: Set(vouched.provider.name().to_owned()),
        issuer: Set(vouched.issuer.clone()),
        subject: Set(vouched.subject.clone()),
        email: Set(vouched.email.clone()),
        created_at: Set(now_ms),
        last_used_at: Set(None),
    };
    let inserted = identity::Entity::insert(row).exec_without_returning(db).await;
    inserted.map_err(|error| match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => AuthError::IdentityTaken,
        _ => AuthError::Database(error),
    })?;
    Ok(id)
}

/// Writes that the user has proven their address, in the transaction `db`.
pub(super) async fn prove(db: &impl ConnectionTrait, user_id: i64, now_ms: i64) -> Result<(), DbErr> {
    user::Entity::update_many()
        .col_expr(user::Column::EmailVerifiedAt, Expr::value(now_ms))
        .filter(user::Column::Id.eq(user_id))
        .exec(db)
        .await?;
    Ok(())
}

/// Deletes what signs the user in besides a password, in the transaction `db`.
///
/// # Errors
/// The database failed.
pub async fn drop_ways_in(db: &impl ConnectionTrait, user_id: i64) -> Result<(), DbErr> {
    identity::Entity::delete_many()
        .filter(identity::Column::UserId.eq(user_id))
        .exec(db)
        .await?;
    passkey::Entity::delete_many()
        .filter(passkey::Column::UserId.eq(user_id))
        .exec(db)
        .await?;
    Ok(())
}

/// Keeps the ways in of the user as they are until the transaction `db` ends.
pub(super) async fn lock(db: &impl ConnectionTrait, user_id: i64) -> Result<(), DbErr> {
    // A write that changes nothing takes the lock.
    user::Entity::update_many()
        .col_expr(user::Column::IsAdmin, Expr::col(user::Column::IsAdmin))
        .filter(user::Column::Id.eq(user_id))
        .exec(db)
        .await?;
    Ok(())
}

/// Refuses unless `session` still holds, in the transaction `db` that has the [`lock`]: a new password ends it, and what it adds.
pub(super) async fn demand_session(db: &impl ConnectionTrait, session: &Session) -> Result<(), AuthError> {
    let row = session::Entity::find_by_id(session.session_id).one(db).await?;
    match row {
        Some(row) if row.revoked_at.is_none() => Ok(()),
        _ => Err(AuthError::LinkRefused),
    }
}

/// Refuses unless the address that `vouched` tells is the proven one of `person`, in the transaction `db`.
async fn demand_address(db: &impl ConnectionTrait, person: &Person, vouched: &Vouched) -> Result<(), AuthError> {
    let user = user::Entity::find_by_id(person.user_id).one(db).await?;
    let is_theirs = |user: &user::Model| {
        user.email == vouched.email && user.email_verified_at.is_some() && user.disabled_at.is_none()
    };
    match user.as_ref() {
        Some(user) if is_theirs(user) => Ok(()),
        _ => Err(AuthError::LinkRefused),
    }
}

async fn find(db: &impl ConnectionTrait, vouched: &Vouched) -> Result<Option<identity::Model>, DbErr> {
    identity::Entity::find()
        .filter(identity::Column::Issuer.eq(&vouched.issuer))
        .filter(identity::Column::Subject.eq(&vouched.subject))
        .one(db)
        .await
}

/// Who proved who they are may know that they are kept out.
pub(super) fn enabled(user: user::Model) -> Result<Person, AuthError> {
    match user.disabled_at {
        None => Ok(user.into()),
        Some(_) => Err(AuthError::Suspended),
    }
}
