//! Management tokens (`mt-oh-…`): a user's rights for scripts.
//!
//! Invariant: a typo costs no query; only a keyed hash is stored; a token of a disabled user opens nothing. Reads and
//! writes `management_token`, reads `user`.

use super::{Auth, AuthError, Changed, Person, credential};
use crate::clock;
use credential::Fresh;
use entity::{management_token, user};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, Set, TransactionTrait,
};
use std::sync::Arc;

/// How every management token starts.
pub const TOKEN_PREFIX: &str = "mt-oh-";

/// A management token, as listed for its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// The row.
    pub token_id: i64,
    /// The end of its text.
    pub last_four: String,
    /// Unix milliseconds.
    pub created_at_ms: i64,
}

/// A management token just made.
pub struct TokenMade {
    /// The row.
    pub token_id: i64,
    /// The whole text, shown once.
    pub shown: String,
}

/// What the database says of a token.
pub(super) struct Stored {
    pub(super) person: Person,
    secret_hash: Vec<u8>,
}

impl Auth {
    /// A new management token with the rights of `person`.
    ///
    /// # Errors
    /// [`AuthError::Hashing`], [`AuthError::Database`].
    pub async fn create_token(&self, person: &Person, now_ms: i64) -> Result<TokenMade, AuthError> {
        let fresh = Fresh::random(TOKEN_PREFIX)?;
        let presented = credential::parse(TOKEN_PREFIX, &fresh.shown).ok_or(AuthError::Hashing)?;
        let row = management_token::ActiveModel {
            id: Set(clock::new_id()),
            user_id: Set(person.user_id),
            public_id: Set(fresh.public_id.clone()),
            secret_hash: Set(self.0.pepper.hash(&presented).to_vec()),
            last_four: Set(fresh.last_four.clone()),
            created_at: Set(now_ms),
            revoked_at: Set(None),
        };
        let row = row.insert(&self.0.db).await?;
        Ok(TokenMade {
            token_id: row.id,
            shown: fresh.shown,
        })
    }

    /// Whose token `text` is, or `None`. An answer may be a second old.
    ///
    /// # Errors
    /// [`AuthError::Database`].
    pub async fn verify_token(&self, text: &str, now_ms: i64) -> Result<Option<Person>, AuthError> {
        let Some(presented) = credential::parse(TOKEN_PREFIX, text) else {
            return Ok(None);
        };
        let public_id = presented.public_id.to_owned();
        let stored = self
            .0
            .tokens
            .get(&public_id, now_ms, self.load_token(&public_id))
            .await?;
        let is_right = |stored: &Arc<Stored>| self.0.pepper.matches(&presented, &stored.secret_hash);
        Ok(stored.filter(is_right).map(|stored| stored.person.clone()))
    }

    async fn load_token(&self, public_id: &str) -> Result<Option<Arc<Stored>>, DbErr> {
        let db = &self.0.db;
        let found = management_token::Entity::find()
            .filter(management_token::Column::PublicId.eq(public_id))
            .filter(management_token::Column::RevokedAt.is_null())
            .one(db)
            .await?;
        let Some(row) = found else { return Ok(None) };
        let user = user::Entity::find_by_id(row.user_id).one(db).await?;
        let live = user.filter(|user| user.disabled_at.is_none());
        Ok(live.map(|user| {
            Arc::new(Stored {
                person: user.into(),
                secret_hash: row.secret_hash,
            })
        }))
    }

    /// The tokens of `person` that were not revoked, newest first.
    ///
    /// # Errors
    /// [`AuthError::Database`].
    pub async fn list_tokens(&self, person: &Person) -> Result<Vec<TokenRow>, AuthError> {
        let rows = management_token::Entity::find()
            .filter(management_token::Column::UserId.eq(person.user_id))
            .filter(management_token::Column::RevokedAt.is_null())
            .order_by_desc(management_token::Column::Id)
            .all(&self.0.db)
            .await?;
        let listed = |row: management_token::Model| TokenRow {
            token_id: row.id,
            last_four: row.last_four,
            created_at_ms: row.created_at,
        };
        Ok(rows.into_iter().map(listed).collect())
    }

    /// Revokes a token of `person` for good.
    ///
    /// # Errors
    /// [`AuthError::NotFound`] when it is not theirs or revoked; [`AuthError::Database`].
    pub async fn revoke_token(&self, person: &Person, token_id: i64, now_ms: i64) -> Result<(), AuthError> {
        let transaction = self.0.db.begin().await?;
        let revoked = management_token::Entity::update_many()
            .col_expr(management_token::Column::RevokedAt, Expr::value(now_ms))
            .filter(management_token::Column::Id.eq(token_id))
            .filter(management_token::Column::UserId.eq(person.user_id))
            .filter(management_token::Column::RevokedAt.is_null())
            .exec(&transaction)
            .await?;
        Changed::User(person.user_id).tell(&transaction).await?;
        transaction.commit().await?;
        self.forget_user(person.user_id);
        if revoked.rows_affected == 1 {
            Ok(())
        } else {
            Err(AuthError::NotFound)
        }
    }
}

/// Revokes all management tokens of the user, in the transaction `db`.
pub(super) async fn revoke_tokens(db: &impl ConnectionTrait, user_id: i64, now_ms: i64) -> Result<(), DbErr> {
    management_token::Entity::update_many()
        .col_expr(management_token::Column::RevokedAt, Expr::value(now_ms))
        .filter(management_token::Column::UserId.eq(user_id))
        .filter(management_token::Column::RevokedAt.is_null())
        .exec(db)
        .await?;
    Ok(())
}
