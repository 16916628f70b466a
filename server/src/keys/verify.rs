//! The check each request passes: from the text it presents to the caller.
//!
//! Invariant: a typo costs no query, a known key one a second; what an answer says is at most
//! [`crate::auth::cache::FRESH_MS`] old; without the right secret nothing is told about a key.
//! Reads `key_secret`, `api_key`, `team`, `member`, `user` in one query; writes `api_key.last_used_at`, off the hot path.

use super::manage::may_use_keys;
use super::settings::caps;
use super::{Caller, KEY_PREFIX, KeyRefusal, KeySettings, Keys, PEPPER_VERSION, Rates, address};
use crate::auth::{Changed, credential};
use entity::{api_key, key_secret, member, team, user};
use gateway_core::ledger::{Member, Payer};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, IdenStatic, Iterable, JoinType, QueryFilter,
    QuerySelect, QueryTrait, Select,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The characters that name a secret's row.
pub(super) type PublicId = [u8; 8];

const USED_EVERY_MS: i64 = 60_000;
const IDS_AT_ONCE: usize = 500;

/// What the database says of a secret, its key, and whom it belongs to.
pub(super) struct Stored {
    caller: Arc<Caller>,
    secret_hash: Vec<u8>,
    secret_expires_at_ms: Option<i64>,
    /// Why the key opens nothing, whatever the time.
    refusal: Option<KeyRefusal>,
    last_used_at_ms: Option<i64>,
    is_noted_used: AtomicBool,
}

/// The rows of the one query.
struct Rows {
    secret: key_secret::Model,
    key: api_key::Model,
    team: team::Model,
    member: Option<member::Model>,
    user: Option<user::Model>,
}

impl Keys {
    /// The caller that `presented` stands for at `now_ms`. An answer may be a second old.
    ///
    /// # Errors
    /// [`KeyRefusal`]: malformed without any query; the state of a key only to who holds its secret.
    pub async fn verify(&self, presented: &str, now_ms: i64) -> Result<Arc<Caller>, KeyRefusal> {
        let presented = credential::parse(KEY_PREFIX, presented).ok_or(KeyRefusal::Malformed)?;
        let id = PublicId::try_from(presented.public_id.as_bytes()).map_err(|_| KeyRefusal::Malformed)?;
        // On the heap, because it is seldom needed and the futures of all requests would carry it.
        let load = async { Box::pin(self.load(presented.public_id)).await };
        let known = self.0.cache.get(&id, now_ms, load).await;
        let known = known.map_err(|error| {
            tracing::error!(%error, "a key could not be looked up");
            KeyRefusal::Unavailable
        })?;
        let is_right = |stored: &Arc<Stored>| self.0.pepper.matches(&presented, &stored.secret_hash);
        let stored = known.filter(is_right).ok_or(KeyRefusal::Unknown)?;
        stored.check(now_ms)?;
        self.note_used(&stored, now_ms);
        Ok(Arc::clone(&stored.caller))
    }

    async fn load(&self, public_id: &str) -> Result<Option<Arc<Stored>>, DbErr> {
        let statement = query(public_id).build(self.0.db.get_database_backend());
        let Some(row) = self.0.db.query_one_raw(statement).await? else {
            return Ok(None);
        };
        let rows = Rows {
            secret: key_secret::Model::from_query_result(&row, "s_")?,
            key: api_key::Model::from_query_result(&row, "k_")?,
            team: team::Model::from_query_result(&row, "t_")?,
            member: member::Model::from_query_result_optional(&row, "m_")?,
            user: user::Model::from_query_result_optional(&row, "u_")?,
        };
        if rows.secret.pepper_version != PEPPER_VERSION {
            return Ok(None);
        }
        Ok(Some(Arc::new(Stored::try_from(rows)?)))
    }

    fn note_used(&self, stored: &Stored, now_ms: i64) {
        let is_due = stored.last_used_at_ms.is_none_or(|last| now_ms - last >= USED_EVERY_MS);
        if is_due && !stored.is_noted_used.swap(true, Ordering::Relaxed) {
            self.0.used.lock().insert(stored.key_id());
        }
    }

    /// Writes when keys were last used; to be called about every minute.
    ///
    /// # Errors
    /// The database failed; the keys are noted again at their next use.
    pub async fn flush_used(&self, now_ms: i64) -> Result<(), DbErr> {
        let used: Vec<i64> = std::mem::take(&mut *self.0.used.lock()).into_iter().collect();
        for ids in used.chunks(IDS_AT_ONCE) {
            api_key::Entity::update_many()
                .col_expr(api_key::Column::LastUsedAt, Expr::value(now_ms))
                .filter(api_key::Column::Id.is_in(ids.iter().copied()))
                .exec(&self.0.db)
                .await?;
        }
        Ok(())
    }
}

impl Stored {
    pub(super) fn key_id(&self) -> i64 {
        self.caller.key_id()
    }

    pub(super) fn team_id(&self) -> i64 {
        self.caller.team_id()
    }

    /// Whether the answer may be another one since that changed.
    pub(super) fn hangs_on(&self, changed: Changed) -> bool {
        match changed {
            Changed::Key(id) => id == self.key_id(),
            Changed::Team(id) => id == self.team_id(),
            Changed::User(id) => self.caller.member_id() == Some(id),
            Changed::Anybody => true,
        }
    }

    fn check(&self, now_ms: i64) -> Result<(), KeyRefusal> {
        let has_passed = |end: Option<i64>| end.is_some_and(|end| end <= now_ms);
        match self.refusal {
            Some(KeyRefusal::Revoked) => Err(KeyRefusal::Revoked),
            _ if has_passed(self.caller.expires_at_ms) || has_passed(self.secret_expires_at_ms) => {
                Err(KeyRefusal::Expired)
            }
            Some(refusal) => Err(refusal),
            None => Ok(()),
        }
    }
}

impl Rows {
    fn refusal(&self) -> Option<KeyRefusal> {
        let is_member = self.member.as_ref().is_some_and(may_use_keys);
        let is_enabled = self.user.as_ref().is_some_and(|user| user.disabled_at.is_none());
        if self.key.revoked_at.is_some() {
            Some(KeyRefusal::Revoked)
        } else if self.key.disabled_at.is_some() {
            Some(KeyRefusal::Disabled)
        } else if self.team.suspended_at.is_some() {
            Some(KeyRefusal::TeamSuspended)
        } else if self.key.member_id.is_some() && !(is_member && is_enabled) {
            Some(KeyRefusal::MemberGone)
        } else {
            None
        }
    }
}

impl TryFrom<Rows> for Stored {
    type Error = DbErr;

    fn try_from(rows: Rows) -> Result<Self, DbErr> {
        let refusal = rows.refusal();
        let last_used_at_ms = rows.key.last_used_at;
        let Rows {
            secret,
            key,
            team,
            member,
            ..
        } = rows;
        let (key_id, settings) = (key.id, KeySettings::try_from(key)?);
        let owner = member.as_ref().filter(|_| settings.member_id.is_some());
        let member_rates = owner.map_or_else(Rates::default, |row| Rates {
            rpm: row.rpm,
            tpm: row.tpm,
            max_in_flight: row.max_in_flight,
        });
        let member = settings.member_id.map(|user_id| Member {
            user_id,
            caps: member.map_or_else(Default::default, |row| caps(row.cap_day, row.cap_month, None)),
        });
        let ranges = settings.allowed_ips.iter().map(|range| address::parse(range));
        let allowed_ips = ranges
            .collect::<Result<_, _>>()
            .map_err(|reason| DbErr::Type(reason.to_string()))?;
        let caller = Caller {
            payer: Payer {
                team_id: team.id,
                team_zone: team.time_zone,
                team: caps(team.cap_day, team.cap_month, None),
                member,
                key_id,
                key: settings.caps,
            },
            key_name: settings.name,
            team_name: team.name,
            models: settings.models,
            region: settings.region,
            allowed_ips,
            key_rates: settings.rates,
            member_rates,
            team_rates: Rates {
                rpm: team.rpm,
                tpm: team.tpm,
                max_in_flight: None,
            },
            uses_platform: team.uses_platform,
            clamp: settings.clamp,
            hosted_tools: settings.hosted_tools,
            expires_at_ms: settings.expires_at_ms,
        };
        Ok(Self {
            caller: Arc::new(caller),
            secret_hash: secret.secret_hash,
            secret_expires_at_ms: secret.expires_at,
            refusal,
            last_used_at_ms,
            is_noted_used: AtomicBool::new(false),
        })
    }
}

/// The secret called `public_id` with its key, team, member and user.
fn query(public_id: &str) -> Select<key_secret::Entity> {
    let key = key_secret::Entity::belongs_to(api_key::Entity)
        .from(key_secret::Column::KeyId)
        .to(api_key::Column::Id);
    let team = api_key::Entity::belongs_to(team::Entity)
        .from(api_key::Column::TeamId)
        .to(team::Column::Id);
    let member = api_key::Entity::belongs_to(member::Entity)
        .from((api_key::Column::TeamId, api_key::Column::MemberId))
        .to((member::Column::TeamId, member::Column::UserId));
    let user = api_key::Entity::belongs_to(user::Entity)
        .from(api_key::Column::MemberId)
        .to(user::Column::Id);
    let mut query = key_secret::Entity::find()
        .select_only()
        .join(JoinType::InnerJoin, key.into())
        .join(JoinType::InnerJoin, team.into())
        .join(JoinType::LeftJoin, member.into())
        .join(JoinType::LeftJoin, user.into())
        .filter(key_secret::Column::PublicId.eq(public_id));
    query = columns::<key_secret::Entity>(query, "s_");
    query = columns::<api_key::Entity>(query, "k_");
    query = columns::<team::Entity>(query, "t_");
    query = columns::<member::Entity>(query, "m_");
    columns::<user::Entity>(query, "u_")
}

/// Adds the columns of `E`, each named with `prefix` before it.
fn columns<E: EntityTrait>(query: Select<key_secret::Entity>, prefix: &str) -> Select<key_secret::Entity> {
    E::Column::iter().fold(query, |query, column| {
        query.column_as(column, format!("{prefix}{}", column.as_str()))
    })
}
