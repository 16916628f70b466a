//! The one-time setup link: how a server that is reached from elsewhere gets its first admin.
//!
//! Invariant: a link works once, only the newest works, and none works once there is an admin. Reads and writes
//! `setting` and `user`.

use super::sign_up::make_first_admin;
use super::{Auth, AuthError, Changed, Person};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entity::{setting, user};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter, Set, TransactionTrait};

use super::credential::random_base62;

const SETUP_TOKEN: &str = "setup_token";
const LENGTH: usize = 32;

impl Auth {
    /// A new token for the setup link, which the caller shows in the log; `None` when there is an admin.
    ///
    /// # Errors
    /// [`AuthError::Hashing`], [`AuthError::Database`].
    pub async fn setup_token(&self) -> Result<Option<String>, AuthError> {
        if has_admin(&self.0.db).await? {
            return Ok(None);
        }
        let token = random_base62(LENGTH)?;
        let row = setting::ActiveModel {
            name: Set(SETUP_TOKEN.to_owned()),
            value: Set(self.setup_hash(&token)),
        };
        let replace = OnConflict::column(setting::Column::Name)
            .update_column(setting::Column::Value)
            .to_owned();
        setting::Entity::insert(row)
            .on_conflict(replace)
            .exec_without_returning(&self.0.db)
            .await?;
        Ok(Some(token))
    }

    /// Makes `person` platform admin when `token` is the one of the setup link.
    ///
    /// # Errors
    /// [`AuthError::SetupRefused`] when it is wrong or used, or there is an admin; [`AuthError::Database`].
    pub async fn redeem_setup(&self, token: &str, person: &Person) -> Result<(), AuthError> {
        let transaction = self.0.db.begin().await?;
        // A keyed hash is looked up, so that the time a look-up takes tells nothing about the token.
        let used = setting::Entity::delete_many()
            .filter(setting::Column::Name.eq(SETUP_TOKEN))
            .filter(setting::Column::Value.eq(self.setup_hash(token)))
            .exec(&transaction)
            .await?;
        let is_granted = used.rows_affected == 1
            && !has_admin(&transaction).await?
            && make_first_admin(&transaction, person.user_id).await?;
        if !is_granted {
            transaction.rollback().await?;
            return Err(AuthError::SetupRefused);
        }
        Changed::User(person.user_id).tell(&transaction).await?;
        transaction.commit().await?;
        self.forget_user(person.user_id);
        Ok(())
    }

    fn setup_hash(&self, token: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.0.pepper.hash_text(token))
    }
}

async fn has_admin(db: &impl ConnectionTrait) -> Result<bool, DbErr> {
    Ok(user::Entity::find()
        .filter(user::Column::IsAdmin.eq(true))
        .count(db)
        .await?
        > 0)
}
