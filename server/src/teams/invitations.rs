//! Invitations into a team: made by those who manage it, accepted by link.
//!
//! Invariant: a token opens one place in one team, once, for seven days, for the address it was made for, and only while
//! whoever made it may still invite; it is stored as a keyed hash. The mailed one carries a proof that the shown one lacks: who
//! has it reads that mailbox. Of many who accept at once one joins; who is refused
//! leaves nothing behind. Reads and writes `invitation` and `member`, reads `team` and `user`.

mod redeem;

use super::{Right, Role, TeamError, TeamScope};
use crate::auth::credential::{Pepper, random_base62};
use crate::auth::parse_email;
use crate::clock;
use crate::fields::{FieldErrors, Reason, check_cap};
use crate::mail::{Mail, Message, Paragraph};
use entity::{invitation, member, team, user};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect, Set, TransactionTrait,
};
use std::collections::HashMap;
use std::sync::Arc;
use subtle::ConstantTimeEq;

pub use redeem::{GuestError, Offer, Refused, Welcomed};

/// How long an invitation may be accepted, in milliseconds.
pub const LIFE_MS: i64 = 7 * 24 * 3_600_000;
/// Open invitations of one team at once.
pub const OPEN_MAX: u64 = 100;
/// Letters and digits of a token.
const TOKEN_LENGTH: usize = 40;
/// Bytes of the proof behind a mailed token.
const PROOF_BYTES: usize = 16;

/// Somebody to be invited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewInvitation {
    /// Who may accept; none: whoever has the link.
    pub email: Option<String>,
    /// The name of a role.
    pub role: String,
    /// Nano-USD a day.
    pub cap_day: Option<i64>,
    /// Nano-USD a month.
    pub cap_month: Option<i64>,
}

/// Whether an invitation can be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It can.
    Open,
    /// Somebody did.
    Accepted,
    /// It was taken back.
    Revoked,
    /// It is older than [`LIFE_MS`].
    Expired,
}

impl State {
    /// Its name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Accepted => "accepted",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }

    fn of(row: &invitation::Model, now_ms: i64) -> Self {
        if row.accepted_at.is_some() {
            Self::Accepted
        } else if row.revoked_at.is_some() {
            Self::Revoked
        } else if row.expires_at <= now_ms {
            Self::Expired
        } else {
            Self::Open
        }
    }
}

/// An invitation, as shown to those who manage the team.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct InvitationRow {
    /// The invitation.
    pub invitation_id: i64,
    /// Who may accept; none: whoever has the link.
    pub email: Option<String>,
    /// As what they join.
    pub role: Role,
    /// Nano-USD a day.
    pub cap_day: Option<i64>,
    /// Nano-USD a month.
    pub cap_month: Option<i64>,
    /// The user who invites, and their address; empty when they are gone.
    pub created_by: (i64, String),
    /// Unix milliseconds.
    pub created_at_ms: i64,
    /// Unix milliseconds.
    pub expires_at_ms: i64,
    /// Whether it can be accepted.
    pub state: State,
    /// The user who joined.
    pub accepted_by: Option<i64>,
}

/// The handle of this part; clones share everything.
#[derive(Clone)]
pub struct Invitations {
    db: DatabaseConnection,
    pepper: Arc<Pepper>,
    mail: Mail,
}

impl Invitations {
    /// The handle on `db`; `master` is the key from which the pepper is derived, `mail` takes what is written to who is
    /// invited.
    #[must_use]
    pub fn new(db: DatabaseConnection, master: &[u8; 32], mail: Mail) -> Self {
        Self {
            db,
            mail,
            pepper: Arc::new(Pepper::derive(master, "ourhub invitation v1")),
        }
    }

    /// Invites into the team of `scope`; returns the invitation and its token, which is shown once. Who is invited by address
    /// is written to; an open invitation for the same address is taken back.
    ///
    /// # Errors
    /// [`TeamError::Forbidden`] (only owners invite owners), [`TeamError::Invalid`] by field, [`TeamError::Randomness`],
    /// [`TeamError::Database`].
    pub async fn create(
        &self,
        scope: &TeamScope,
        new: NewInvitation,
        now_ms: i64,
    ) -> Result<(InvitationRow, String), TeamError> {
        scope.demand(Right::ManageTeam)?;
        let (email, role) = new.check()?;
        if role == Role::Owner {
            scope.demand(Right::ManageOwners)?;
        }
        let token = random_base62(TOKEN_LENGTH).map_err(|_| TeamError::Randomness)?;
        let row = invitation::ActiveModel {
            id: Set(clock::new_id()),
            team_id: Set(scope.team_id()),
            token_hash: Set(self.hash(&token)),
            email: Set(email.clone()),
            role: Set(role.name().to_owned()),
            cap_day: Set(new.cap_day),
            cap_month: Set(new.cap_month),
            created_by: Set(scope.user_id()),
            created_at: Set(now_ms),
            expires_at: Set(now_ms + LIFE_MS),
            revoked_at: Set(None),
            accepted_at: Set(None),
            accepted_by: Set(None),
        };
        let transaction = self.db.begin().await?;
        if let Some(email) = &email {
            let same = invitation::Column::Email.eq(email.as_str());
            open(scope.team_id(), now_ms, revoking(now_ms).filter(same))
                .exec(&transaction)
                .await?;
            refuse_member(&transaction, scope, email).await?;
        }
        let row = row.insert(&transaction).await?;
        let open = invitation::Entity::find()
            .filter(invitation::Column::TeamId.eq(scope.team_id()))
            .filter(invitation::Column::RevokedAt.is_null())
            .filter(invitation::Column::AcceptedAt.is_null())
            .filter(invitation::Column::ExpiresAt.gt(now_ms));
        if open.count(&transaction).await? > OPEN_MAX {
            return Err(refuse(format!(
                "{OPEN_MAX} invitations of this team are open. Take one back first."
            )));
        }
        if let Some(email) = email {
            let mailed = format!("{token}{}", self.proof(&token));
            let message = letter(&transaction, scope, (email, &mailed), row.expires_at).await?;
            self.mail.enqueue(&transaction, &message, now_ms).await?;
        }
        transaction.commit().await?;
        let mut rows = self.shown(vec![row], now_ms).await?;
        rows.pop().map(|row| (row, token)).ok_or(TeamError::NotFound)
    }

    /// Up to `limit` invitations of the team made before the one with the id `after`, newest first.
    ///
    /// # Errors
    /// [`TeamError::Forbidden`], [`TeamError::Database`].
    pub async fn list(
        &self,
        scope: &TeamScope,
        after: Option<i64>,
        limit: u64,
        now_ms: i64,
    ) -> Result<Vec<InvitationRow>, TeamError> {
        scope.demand(Right::ManageTeam)?;
        let rows = invitation::Entity::find()
            .filter(invitation::Column::TeamId.eq(scope.team_id()))
            .filter(invitation::Column::Id.lt(after.unwrap_or(i64::MAX)))
            .order_by_desc(invitation::Column::Id)
            .limit(limit)
            .all(&self.db)
            .await?;
        Ok(self.shown(rows, now_ms).await?)
    }

    /// Takes an invitation of the team back; returns it as it was.
    ///
    /// # Errors
    /// [`TeamError::Forbidden`], [`TeamError::NotFound`], [`TeamError::Invitation`] when it is not open,
    /// [`TeamError::Database`].
    pub async fn revoke(&self, scope: &TeamScope, id: i64, now_ms: i64) -> Result<InvitationRow, TeamError> {
        scope.demand(Right::ManageTeam)?;
        let revoked = open(scope.team_id(), now_ms, revoking(now_ms))
            .filter(invitation::Column::Id.eq(id))
            .exec(&self.db)
            .await?;
        let row = invitation::Entity::find_by_id(id)
            .filter(invitation::Column::TeamId.eq(scope.team_id()))
            .one(&self.db)
            .await?
            .ok_or(TeamError::NotFound)?;
        if revoked.rows_affected != 1 {
            return Err(TeamError::Invitation(Refused::by(State::of(&row, now_ms))));
        }
        let before = invitation::Model {
            revoked_at: None,
            ..row
        };
        let mut rows = self.shown(vec![before], now_ms).await?;
        rows.pop().ok_or(TeamError::NotFound)
    }

    /// Whether `token` is as it was mailed, not as it was shown to who invited.
    #[must_use]
    pub fn is_mailed(&self, token: &str) -> bool {
        let proof = token.get(TOKEN_LENGTH..).unwrap_or_default();
        self.proof(token).as_bytes().ct_eq(proof.as_bytes()).into()
    }

    /// What stands behind `token` in a mail, in hexadecimal.
    fn proof(&self, token: &str) -> String {
        let hash = self.pepper.hash_text(&format!("mailed {}", bare(token)));
        hash[..PROOF_BYTES].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn hash(&self, token: &str) -> Vec<u8> {
        self.pepper.hash_text(bare(token)).to_vec()
    }

    async fn shown(&self, rows: Vec<invitation::Model>, now_ms: i64) -> Result<Vec<InvitationRow>, DbErr> {
        let ids = rows.iter().map(|row| row.created_by);
        let users = user::Entity::find()
            .filter(user::Column::Id.is_in(ids))
            .all(&self.db)
            .await?;
        let emails: HashMap<i64, String> = users.into_iter().map(|user| (user.id, user.email)).collect();
        let shown = |row: invitation::Model| {
            let by = emails.get(&row.created_by).cloned().unwrap_or_default();
            Some(InvitationRow {
                invitation_id: row.id,
                role: Role::parse(&row.role)?,
                cap_day: row.cap_day,
                cap_month: row.cap_month,
                created_by: (row.created_by, by),
                created_at_ms: row.created_at,
                expires_at_ms: row.expires_at,
                state: State::of(&row, now_ms),
                accepted_by: row.accepted_by,
                email: row.email,
            })
        };
        Ok(rows.into_iter().filter_map(shown).collect())
    }
}

/// `token` without the proof that a mailed one carries.
fn bare(token: &str) -> &str {
    token.get(..TOKEN_LENGTH).unwrap_or(token)
}

/// The path of the page that accepts the invitation with `token`.
fn page_of(token: &str) -> String {
    format!("/invite/{token}")
}

/// What is written to who is invited.
async fn letter(
    db: &impl ConnectionTrait,
    scope: &TeamScope,
    (email, token): (String, &str),
    expires_at_ms: i64,
) -> Result<Message, TeamError> {
    let team = team::Entity::find_by_id(scope.team_id())
        .one(db)
        .await?
        .ok_or(TeamError::NotFound)?;
    let by = user::Entity::find_by_id(scope.user_id())
        .one(db)
        .await?
        .ok_or(TeamError::NotFound)?;
    Ok(Message {
        kind: "invitation",
        to: email,
        subject: format!("{} invites you to {}", by.email, team.name),
        body: vec![
            Paragraph::text(format!("{} invites you to the team {}.", by.email, team.name)),
            Paragraph::link("Accept the invitation", page_of(token)),
            Paragraph::text("The link works once, for 7 days. If you do not know who this is, ignore this mail."),
        ],
        expires_at_ms,
    })
}

type Update = sea_orm::UpdateMany<invitation::Entity>;

fn revoking(now_ms: i64) -> Update {
    invitation::Entity::update_many().col_expr(invitation::Column::RevokedAt, Expr::value(now_ms))
}

/// `update` of those of the team that are open.
fn open(team_id: i64, now_ms: i64, update: Update) -> Update {
    update
        .filter(invitation::Column::TeamId.eq(team_id))
        .filter(invitation::Column::RevokedAt.is_null())
        .filter(invitation::Column::AcceptedAt.is_null())
        .filter(invitation::Column::ExpiresAt.gt(now_ms))
}

/// Refuses the address of somebody who is in the team already.
async fn refuse_member(db: &impl ConnectionTrait, scope: &TeamScope, email: &str) -> Result<(), TeamError> {
    let known = user::Entity::find()
        .filter(user::Column::Email.eq(email))
        .one(db)
        .await?;
    let Some(user) = known else { return Ok(()) };
    let member = member::Entity::find_by_id((scope.team_id(), user.id)).one(db).await?;
    match member {
        Some(_) => Err(refuse("This person is in the team already.".to_owned())),
        None => Ok(()),
    }
}

fn refuse(words: String) -> TeamError {
    let mut errors = FieldErrors::default();
    errors.refuse("email", words);
    errors.into()
}

impl NewInvitation {
    fn check(&self) -> Result<(Option<String>, Role), FieldErrors> {
        let mut errors = FieldErrors::default();
        let email = self.email.as_deref().map(parse_email).transpose();
        errors.note("email", email.as_ref().map(|_| ()).map_err(Clone::clone));
        let role = Role::parse(&self.role).ok_or_else(|| Reason::NotARole(self.role.clone()));
        errors.note("role", role.as_ref().map(|_| ()).map_err(Clone::clone));
        errors.note("cap_day", check_cap(self.cap_day));
        errors.note("cap_month", check_cap(self.cap_month));
        match (email, role) {
            (Ok(email), Ok(role)) if errors.0.is_empty() => Ok((email, role)),
            _ => Err(errors),
        }
    }
}
