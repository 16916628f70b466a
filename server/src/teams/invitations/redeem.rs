//! From a token to a place in the team.
//!
//! Invariant: the invitation is used up, and the member there, in one transaction or not at all; so is the account of who
//! signs up to accept. Reads and writes `invitation`, `member` and what signing up writes; reads `team` and `user`.

use super::super::create::Joining;
use super::{Invitations, State};
use crate::auth::{Auth, AuthError, Changed, NewUser, Person, Ready, SignedIn, Visitor, Vouched, normalize_email};
use crate::teams::{Right, Role, TeamError};
use entity::{invitation, member, team, user};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, SqlErr, TransactionTrait};

/// Why an invitation cannot be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No invitation has this token.
    Unknown,
    /// Somebody accepted it.
    Used,
    /// It was taken back.
    Revoked,
    /// It is too old.
    Expired,
    /// It is for another address.
    OtherAddress,
    /// Whoever made it may not invite any more.
    Unbacked,
}

impl Refused {
    /// Why one in this state cannot be accepted, or taken back.
    pub(super) const fn by(state: State) -> Self {
        match state {
            State::Open => Self::Unknown,
            State::Accepted => Self::Used,
            State::Revoked => Self::Revoked,
            State::Expired => Self::Expired,
        }
    }
}

/// What an open invitation offers to whoever has its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The team.
    pub team_id: i64,
    /// Its name.
    pub team_name: String,
    /// As what one would join.
    pub role: Role,
    /// Who may accept; none: whoever has the link.
    pub email: Option<String>,
    /// The address of who invites.
    pub invited_by: String,
    /// Unix milliseconds.
    pub expires_at_ms: i64,
}

/// Somebody who joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcomed {
    /// The team.
    pub team_id: i64,
    /// The invitation.
    pub invitation_id: i64,
    /// As what.
    pub role: Role,
}

/// Why somebody cannot sign up by an invitation.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// They cannot sign up.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// They cannot join.
    #[error(transparent)]
    Team(#[from] TeamError),
}

impl From<DbErr> for GuestError {
    fn from(error: DbErr) -> Self {
        Self::Team(error.into())
    }
}

impl From<Refused> for TeamError {
    fn from(refused: Refused) -> Self {
        Self::Invitation(refused)
    }
}

impl Invitations {
    /// What the invitation with `token` offers.
    ///
    /// # Errors
    /// [`TeamError::Invitation`] where it cannot be accepted by anybody; [`TeamError::Database`].
    pub async fn offer(&self, token: &str, now_ms: i64) -> Result<Offer, TeamError> {
        let row = self.find(&self.db, token).await?.ok_or(Refused::Unknown)?;
        let state = State::of(&row, now_ms);
        if state != State::Open {
            return Err(Refused::by(state).into());
        }
        let (role, by) = backing(&self.db, &row).await?;
        let team = team::Entity::find_by_id(row.team_id).one(&self.db).await?;
        Ok(Offer {
            team_id: row.team_id,
            team_name: team.ok_or(Refused::Unknown)?.name,
            role,
            email: row.email,
            invited_by: by.email,
            expires_at_ms: row.expires_at,
        })
    }

    /// Lets `person` join by the invitation with `token`.
    ///
    /// # Errors
    /// [`TeamError::Invitation`], [`TeamError::Joined`], [`TeamError::Database`].
    pub async fn accept(&self, token: &str, person: &Person, now_ms: i64) -> Result<Welcomed, TeamError> {
        let transaction = self.db.begin().await?;
        let welcomed = self.redeem(&transaction, token, person, now_ms).await?;
        transaction.commit().await?;
        Ok(welcomed)
    }

    /// Makes a user without a team of their own, who joins by the invitation with `token` and is signed in.
    ///
    /// # Errors
    /// Those of signing up, and of [`Invitations::accept`]; then there is no user either.
    pub async fn sign_up(
        &self,
        auth: &Auth,
        new: NewUser<'_>,
        token: &str,
        visitor: &Visitor,
    ) -> Result<(SignedIn, Welcomed), GuestError> {
        // Before a password is hashed for somebody who has no invitation, and before another address is looked up: whether
        // anybody has it is told to nobody.
        let offer = self.offer(token, visitor.now_ms).await?;
        if offer.email.is_some_and(|email| email != normalize_email(new.email)) {
            return Err(TeamError::from(Refused::OtherAddress).into());
        }
        let ready = auth.prepare_guest(new, visitor).await?;
        self.welcome(auth, ready, token, visitor).await
    }

    /// Makes a user without a team of their own of somebody for whom a service vouches, who joins by the invitation with `token`
    /// and is signed in.
    ///
    /// # Errors
    /// As [`Invitations::sign_up`].
    pub async fn sign_up_vouched(
        &self,
        auth: &Auth,
        vouched: Vouched,
        token: &str,
        visitor: &Visitor,
    ) -> Result<(SignedIn, Welcomed), GuestError> {
        let offer = self.offer(token, visitor.now_ms).await?;
        if offer.email.is_some_and(|email| email != vouched.email) {
            return Err(TeamError::from(Refused::OtherAddress).into());
        }
        let ready = auth.prepare_vouched(vouched, visitor, true).await?;
        self.welcome(auth, ready, token, visitor).await
    }

    async fn welcome(
        &self,
        auth: &Auth,
        ready: Ready,
        token: &str,
        visitor: &Visitor,
    ) -> Result<(SignedIn, Welcomed), GuestError> {
        let ready = ready.proven(self.is_mailed(token));
        let transaction = self.db.begin().await?;
        let signed_in = auth.sign_up_guest(&transaction, ready, visitor).await?;
        let person = &signed_in.session.person;
        let welcomed = self.redeem(&transaction, token, person, visitor.now_ms).await?;
        transaction.commit().await?;
        Ok((signed_in, welcomed))
    }

    async fn redeem(
        &self,
        db: &impl ConnectionTrait,
        token: &str,
        person: &Person,
        now_ms: i64,
    ) -> Result<Welcomed, TeamError> {
        // The write comes first: it takes the row, so that of several at once one is let through.
        let used = invitation::Entity::update_many()
            .col_expr(invitation::Column::AcceptedAt, Expr::value(now_ms))
            .col_expr(invitation::Column::AcceptedBy, Expr::value(person.user_id))
            .filter(invitation::Column::TokenHash.eq(self.hash(token)))
            .filter(invitation::Column::AcceptedAt.is_null())
            .filter(invitation::Column::RevokedAt.is_null())
            .filter(invitation::Column::ExpiresAt.gt(now_ms))
            .exec(db)
            .await?;
        let row = self.find(db, token).await?.ok_or(Refused::Unknown)?;
        if used.rows_affected != 1 {
            return Err(Refused::by(State::of(&row, now_ms)).into());
        }
        if row.email.as_ref().is_some_and(|email| *email != person.email) {
            return Err(Refused::OtherAddress.into());
        }
        let (role, _) = backing(db, &row).await?;
        let key = (row.team_id, person.user_id);
        if member::Entity::find_by_id(key).one(db).await?.is_some() {
            return Err(TeamError::Joined);
        }
        let joining = Joining {
            team_id: row.team_id,
            user_id: person.user_id,
            role,
            caps: (row.cap_day, row.cap_month),
        };
        joining.insert(db, now_ms).await.map_err(joined_meanwhile)?;
        Changed::Team(row.team_id).tell(db).await?;
        Ok(Welcomed {
            team_id: row.team_id,
            invitation_id: row.id,
            role,
        })
    }

    async fn find(&self, db: &impl ConnectionTrait, token: &str) -> Result<Option<invitation::Model>, DbErr> {
        // A keyed hash is looked up, so that the time a look-up takes tells nothing about the token.
        let hash = self.hash(token);
        invitation::Entity::find()
            .filter(invitation::Column::TokenHash.eq(hash))
            .one(db)
            .await
    }
}

/// Of two invitations of one person into one team, accepted at once, one counts.
fn joined_meanwhile(error: DbErr) -> TeamError {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => TeamError::Joined,
        _ => error.into(),
    }
}

/// The role that `row` gives and who made it, if they may still give it.
async fn backing(db: &impl ConnectionTrait, row: &invitation::Model) -> Result<(Role, user::Model), TeamError> {
    let role = Role::parse(&row.role).ok_or(Refused::Unknown)?;
    let by = user::Entity::find_by_id(row.created_by).one(db).await?;
    let by = by.filter(|user| user.disabled_at.is_none()).ok_or(Refused::Unbacked)?;
    let membership = member::Entity::find_by_id((row.team_id, by.id)).one(db).await?;
    let theirs = if by.is_admin {
        Some(Role::Owner)
    } else {
        membership.and_then(|member| Role::parse(&member.role))
    };
    let needed = if role == Role::Owner {
        Right::ManageOwners
    } else {
        Right::ManageTeam
    };
    if theirs.is_some_and(|theirs| theirs.has(needed)) {
        Ok((role, by))
    } else {
        Err(Refused::Unbacked.into())
    }
}
