//! Reading a team's keys.
//!
//! Invariant: a foreign team's key is not found. Reads `api_key` and `key_secret`.

use super::{KeyError, KeyRow, Keys};
use crate::teams::TeamScope;
use entity::api_key;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use std::collections::HashMap;

impl Keys {
    /// Up to `limit` keys of the team that are not revoked and were made before the one with the id `after`, newest first.
    ///
    /// # Errors
    /// [`KeyError::Database`].
    pub async fn list(&self, scope: &TeamScope, after: Option<i64>, limit: u64) -> Result<Vec<KeyRow>, KeyError> {
        let rows = api_key::Entity::find()
            .filter(api_key::Column::TeamId.eq(scope.team_id()))
            .filter(api_key::Column::RevokedAt.is_null())
            .filter(api_key::Column::Id.lt(after.unwrap_or(i64::MAX)))
            .order_by_desc(api_key::Column::Id)
            .limit(limit)
            .all(&self.0.db)
            .await?;
        let mut secrets = self.secrets(rows.iter().map(|row| row.id).collect()).await?;
        let listed = rows.into_iter().map(|row| {
            let secrets = secrets.remove(&row.id).unwrap_or_default();
            KeyRow::new(row, secrets)
        });
        Ok(listed.collect::<Result<_, _>>()?)
    }

    /// One key of the team, revoked or not.
    ///
    /// # Errors
    /// [`KeyError::NotFound`], [`KeyError::Database`].
    pub async fn get(&self, scope: &TeamScope, key_id: i64) -> Result<KeyRow, KeyError> {
        let row = self.find(scope, key_id).await?;
        let mut secrets = self.secrets(vec![key_id]).await?;
        Ok(KeyRow::new(row, secrets.remove(&key_id).unwrap_or_default())?)
    }

    /// The names of all keys the team ever had, by id: for lists of requests.
    ///
    /// # Errors
    /// [`KeyError::Database`].
    pub async fn names(&self, scope: &TeamScope) -> Result<HashMap<i64, String>, KeyError> {
        let rows: Vec<(i64, String)> = api_key::Entity::find()
            .select_only()
            .column(api_key::Column::Id)
            .column(api_key::Column::Name)
            .filter(api_key::Column::TeamId.eq(scope.team_id()))
            .into_tuple()
            .all(&self.0.db)
            .await?;
        Ok(rows.into_iter().collect())
    }

    pub(super) async fn find(&self, scope: &TeamScope, key_id: i64) -> Result<api_key::Model, KeyError> {
        let found = api_key::Entity::find_by_id(key_id)
            .filter(api_key::Column::TeamId.eq(scope.team_id()))
            .one(&self.0.db)
            .await?;
        found.ok_or(KeyError::NotFound)
    }
}
