//! Sessions: a cookie that names a row, and the row.
//!
//! Invariant: the cookie alone opens nothing; its row must be neither revoked, idle nor past its end, and its user not
//! disabled. Signed as JWT (RFC 7519), HS256 only, with exp, aud and typ. Reads and writes `session`, reads `user`.

use super::credential::Pepper;
use super::{Auth, AuthError, Changed, Person, Visitor};
use crate::clock;
use entity::{session, user};
use gateway_core::id;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, Set, TransactionTrait,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A session ends after this long unused, in milliseconds.
pub const IDLE_MS: i64 = 14 * 24 * 3_600_000;
/// A session ends this long after its log-in, in milliseconds.
pub const ABSOLUTE_MS: i64 = 30 * 24 * 3_600_000;
/// So long after the password or a code was entered are grave changes made without asking again, in milliseconds.
pub const CONFIRMED_MS: i64 = 10 * 60_000;
const SEEN_EVERY_MS: i64 = 60_000;
const AUDIENCE: &str = "ourhub";
const TYPE: &str = "ourhub-session+jwt";
const COOKIE_MAX: usize = 1_024;
const USER_AGENT_MAX: usize = 200;

/// A signed-in browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The row.
    pub session_id: i64,
    /// Who is signed in.
    pub person: Person,
    /// When they logged in, in Unix milliseconds.
    pub created_at_ms: i64,
    /// When it ends at the latest, in Unix milliseconds.
    pub expires_at_ms: i64,
}

impl Session {
    /// Whether the password was entered so lately that a secret, billing or a role may be changed.
    #[must_use]
    pub const fn is_confirmed(&self, now_ms: i64) -> bool {
        now_ms < self.created_at_ms + CONFIRMED_MS
    }
}

/// A session just opened.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The cookie's value; its name and attributes are the caller's.
    pub cookie: String,
    /// What it opens.
    pub session: Session,
}

/// A live session, as listed for its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// The row.
    pub session_id: i64,
    /// Unix milliseconds.
    pub created_at_ms: i64,
    /// Unix milliseconds, to the minute.
    pub last_seen_at_ms: i64,
    /// Peer address at log-in.
    pub address: String,
    /// The client's own description.
    pub user_agent: String,
}

/// What the database says of a session.
pub(super) struct Stored {
    pub(super) session: Session,
    last_seen_at_ms: i64,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sid: String,
    aud: String,
    /// Seconds since the epoch, as JWT wants it.
    exp: i64,
}

/// The keys that sign and check cookies.
pub(super) struct CookieKeys {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl CookieKeys {
    pub(super) fn derive(master: &[u8; 32]) -> Self {
        super::jws::install();
        let key = Pepper::derive(master, "ourhub session cookie v1");
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "aud"]);
        validation.leeway = 0;
        Self {
            encoding: EncodingKey::from_secret(key.bytes()),
            decoding: DecodingKey::from_secret(key.bytes()),
            validation,
        }
    }

    fn seal(&self, session: &Session) -> Result<String, AuthError> {
        let header = Header {
            typ: Some(TYPE.to_owned()),
            ..Header::new(Algorithm::HS256)
        };
        let claims = Claims {
            sid: id::render(id::Kind::Session, session.session_id),
            aud: AUDIENCE.to_owned(),
            exp: session.expires_at_ms / 1_000,
        };
        jsonwebtoken::encode(&header, &claims, &self.encoding).map_err(|_| AuthError::Hashing)
    }

    /// The session that a genuine cookie names.
    fn open(&self, cookie: &str) -> Option<i64> {
        if cookie.len() > COOKIE_MAX {
            return None;
        }
        let token = jsonwebtoken::decode::<Claims>(cookie, &self.decoding, &self.validation).ok()?;
        (token.header.typ.as_deref() == Some(TYPE)).then_some(())?;
        id::parse(id::Kind::Session, &token.claims.sid)
    }
}

impl Auth {
    /// The session that `cookie` opens now, or `None`. An answer may be a second old.
    ///
    /// # Errors
    /// [`AuthError::Database`].
    pub async fn verify_session(&self, cookie: &str, now_ms: i64) -> Result<Option<Session>, AuthError> {
        let Some(session_id) = self.0.cookie_keys.open(cookie) else {
            return Ok(None);
        };
        let load = self.load_session(session_id, now_ms);
        let stored = self.0.sessions.get(&session_id, now_ms, load).await?;
        Ok(stored
            .filter(|stored| stored.is_live(now_ms))
            .map(|stored| stored.session.clone()))
    }

    async fn load_session(&self, session_id: i64, now_ms: i64) -> Result<Option<Arc<Stored>>, DbErr> {
        let db = &self.0.db;
        let Some(row) = session::Entity::find_by_id(session_id).one(db).await? else {
            return Ok(None);
        };
        let Some(user) = user::Entity::find_by_id(row.user_id).one(db).await? else {
            return Ok(None);
        };
        if row.revoked_at.is_some() || user.disabled_at.is_some() {
            return Ok(None);
        }
        let stored = Stored::new(&row, user);
        if stored.is_live(now_ms) && now_ms - row.last_seen_at >= SEEN_EVERY_MS {
            session::Entity::update_many()
                .col_expr(session::Column::LastSeenAt, Expr::value(now_ms))
                .filter(session::Column::Id.eq(session_id))
                .exec(db)
                .await?;
        }
        Ok(Some(Arc::new(stored)))
    }

    /// Opens a session for `person` in the transaction `db`.
    pub(super) async fn open_session(
        &self,
        db: &impl ConnectionTrait,
        person: Person,
        visitor: &Visitor,
    ) -> Result<SignedIn, AuthError> {
        let session = Session {
            session_id: clock::new_id(),
            person,
            created_at_ms: visitor.now_ms,
            expires_at_ms: visitor.now_ms + ABSOLUTE_MS,
        };
        let row = session::ActiveModel {
            id: Set(session.session_id),
            user_id: Set(session.person.user_id),
            created_at: Set(session.created_at_ms),
            last_seen_at: Set(session.created_at_ms),
            expires_at: Set(session.expires_at_ms),
            revoked_at: Set(None),
            address: Set(visitor.address.to_canonical().to_string()),
            user_agent: Set(cut(&visitor.user_agent, USER_AGENT_MAX).to_owned()),
        };
        row.insert(db).await?;
        Ok(SignedIn {
            cookie: self.0.cookie_keys.seal(&session)?,
            session,
        })
    }

    /// Ends `session`; its cookie opens nothing any more.
    ///
    /// # Errors
    /// [`AuthError::Database`].
    pub async fn log_out(&self, session: &Session, now_ms: i64) -> Result<(), AuthError> {
        match self.revoke_session(&session.person, session.session_id, now_ms).await {
            Err(AuthError::NotFound) => Ok(()),
            other => other,
        }
    }

    /// Deletes the rows of sessions past their end; to be called about every day.
    ///
    /// # Errors
    /// [`AuthError::Database`].
    pub async fn prune_sessions(&self, now_ms: i64) -> Result<u64, AuthError> {
        let ended = session::Column::ExpiresAt.lte(now_ms);
        let deleted = session::Entity::delete_many().filter(ended).exec(&self.0.db).await?;
        Ok(deleted.rows_affected)
    }

    /// The live sessions of `person`, newest first.
    ///
    /// # Errors
    /// [`AuthError::Database`].
    pub async fn list_sessions(&self, person: &Person, now_ms: i64) -> Result<Vec<SessionRow>, AuthError> {
        let rows = session::Entity::find()
            .filter(session::Column::UserId.eq(person.user_id))
            .filter(session::Column::RevokedAt.is_null())
            .filter(session::Column::ExpiresAt.gt(now_ms))
            .filter(session::Column::LastSeenAt.gt(now_ms - IDLE_MS))
            .order_by_desc(session::Column::Id)
            .all(&self.0.db)
            .await?;
        Ok(rows.into_iter().map(SessionRow::from).collect())
    }

    /// Ends every session of the user of `session` but this one.
    ///
    /// # Errors
    /// [`AuthError::Database`].
    pub async fn end_other_sessions(&self, session: &Session, now_ms: i64) -> Result<(), AuthError> {
        let user_id = session.person.user_id;
        end_others(&self.0.db, user_id, Some(session.session_id), now_ms).await?;
        self.forget_user(user_id);
        Ok(())
    }

    /// Ends one session of `person`.
    ///
    /// # Errors
    /// [`AuthError::NotFound`] when it is not theirs or has ended; [`AuthError::Database`].
    pub async fn revoke_session(&self, person: &Person, session_id: i64, now_ms: i64) -> Result<(), AuthError> {
        let transaction = self.0.db.begin().await?;
        let ended = session::Entity::update_many()
            .col_expr(session::Column::RevokedAt, Expr::value(now_ms))
            .filter(session::Column::Id.eq(session_id))
            .filter(session::Column::UserId.eq(person.user_id))
            .filter(session::Column::RevokedAt.is_null())
            .exec(&transaction)
            .await?;
        Changed::User(person.user_id).tell(&transaction).await?;
        transaction.commit().await?;
        self.forget_user(person.user_id);
        if ended.rows_affected == 1 {
            Ok(())
        } else {
            Err(AuthError::NotFound)
        }
    }
}

impl Stored {
    fn new(row: &session::Model, user: user::Model) -> Self {
        let session = Session {
            session_id: row.id,
            person: Person::from(user),
            created_at_ms: row.created_at,
            expires_at_ms: row.expires_at,
        };
        Self {
            session,
            last_seen_at_ms: row.last_seen_at,
        }
    }

    const fn is_live(&self, now_ms: i64) -> bool {
        now_ms < self.session.expires_at_ms && now_ms < self.last_seen_at_ms + IDLE_MS
    }
}

impl From<user::Model> for Person {
    fn from(user: user::Model) -> Self {
        Self {
            user_id: user.id,
            email: user.email,
            is_admin: user.is_admin,
        }
    }
}

impl From<session::Model> for SessionRow {
    fn from(row: session::Model) -> Self {
        Self {
            session_id: row.id,
            created_at_ms: row.created_at,
            last_seen_at_ms: row.last_seen_at,
            address: row.address,
            user_agent: row.user_agent,
        }
    }
}

/// Ends all sessions of `user_id` but `kept`, in the transaction `db`, and tells so.
pub(super) async fn end_others(
    db: &impl ConnectionTrait,
    user_id: i64,
    kept: Option<i64>,
    now_ms: i64,
) -> Result<(), DbErr> {
    session::Entity::update_many()
        .col_expr(session::Column::RevokedAt, Expr::value(now_ms))
        .filter(session::Column::UserId.eq(user_id))
        .filter(session::Column::Id.ne(kept.unwrap_or(0)))
        .filter(session::Column::RevokedAt.is_null())
        .exec(db)
        .await?;
    Changed::User(user_id).tell(db).await
}

/// The longest start of `text` of at most `max` bytes.
fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn session() -> Session {
        let person = Person {
            user_id: 5,
            email: "mara@example.com".into(),
            is_admin: false,
        };
        let now_ms = clock::now_ms();
        Session {
            session_id: 77,
            person,
            created_at_ms: now_ms,
            expires_at_ms: now_ms + ABSOLUTE_MS,
        }
    }

    fn sign(header: &Header, claims: &serde_json::Value, keys: &CookieKeys) -> String {
        jsonwebtoken::encode(header, claims, &keys.encoding).unwrap()
    }

    #[test]
    fn a_genuine_cookie_names_its_session() {
        let keys = CookieKeys::derive(&[1; 32]);
        let cookie = keys.seal(&session()).unwrap();
        assert_eq!(keys.open(&cookie), Some(77));
        assert_eq!(CookieKeys::derive(&[2; 32]).open(&cookie), None);
        assert_eq!(keys.open(&format!("{cookie}A")), None);
        assert_eq!(keys.open(""), None);
    }

    #[test]
    fn a_cookie_of_another_algorithm_type_or_audience_or_without_an_end_is_refused() {
        let keys = CookieKeys::derive(&[1; 32]);
        let sid = id::render(id::Kind::Session, 77);
        let later = clock::now_ms() / 1_000 + 60;
        let good = serde_json::json!({"sid": sid, "aud": "ourhub", "exp": later});
        let header = |algorithm, typ: &str| Header {
            typ: Some(typ.into()),
            ..Header::new(algorithm)
        };
        assert_eq!(
            keys.open(&sign(&header(Algorithm::HS256, TYPE), &good, &keys)),
            Some(77)
        );
        assert_eq!(keys.open(&sign(&header(Algorithm::HS512, TYPE), &good, &keys)), None);
        assert_eq!(keys.open(&sign(&header(Algorithm::HS256, "JWT"), &good, &keys)), None);
        for bad in [
            serde_json::json!({"sid": sid, "aud": "elsewhere", "exp": later}),
            serde_json::json!({"sid": sid, "aud": "ourhub", "exp": later - 120}),
            serde_json::json!({"sid": sid, "aud": "ourhub"}),
            serde_json::json!({"sid": sid, "exp": later}),
            serde_json::json!({"sid": "usr_0000000000001", "aud": "ourhub", "exp": later}),
        ] {
            assert_eq!(
                keys.open(&sign(&header(Algorithm::HS256, TYPE), &bad, &keys)),
                None,
                "{bad}"
            );
        }
    }

    #[test]
    fn an_unsigned_cookie_is_refused() {
        use base64::Engine as _;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let keys = CookieKeys::derive(&[1; 32]);
        let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"none","typ":"{TYPE}"}}"#));
        let genuine = keys.seal(&session()).unwrap();
        let body = genuine.split('.').nth(1).unwrap();
        assert_eq!(keys.open(&format!("{header}.{body}.")), None);
    }

    #[test]
    fn a_cut_never_splits_a_character() {
        assert_eq!(cut("aüb", 2), "a");
        assert_eq!(cut("aüb", 9), "aüb");
    }
}
