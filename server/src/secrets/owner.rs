//! Whether a master key is the one that the database belongs to.
//!
//! Invariant: nothing is sealed or opened before the key is known to be the database's own. Reads and, once in a database's life,
//! writes the setting `master_check`.

use super::MasterKey;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use entity::setting;
use sea_orm::{ActiveValue::Set, DatabaseConnection, DbErr, EntityTrait as _, sea_query::OnConflict};

const SETTING: &str = "master_check";
/// What the value of the setting is derived for.
const LABEL: &str = "check v1";

/// Whether `master` is the database's own; a database without any takes this one.
///
/// # Errors
/// The database failed.
pub async fn is_owner(db: &DatabaseConnection, master: &MasterKey) -> Result<bool, DbErr> {
    let ours = STANDARD.encode(master.derive(LABEL));
    let mut found = read(db).await?;
    if found.is_none() {
        let first = setting::ActiveModel {
            name: Set(SETTING.to_owned()),
            value: Set(ours.clone()),
        };
        setting::Entity::insert(first)
            .on_conflict(OnConflict::column(setting::Column::Name).do_nothing().to_owned())
            .exec_without_returning(db)
            .await?;
        found = read(db).await?;
    }
    Ok(found == Some(ours))
}

async fn read(db: &DatabaseConnection) -> Result<Option<String>, DbErr> {
    let row = setting::Entity::find_by_id(SETTING).one(db).await?;
    Ok(row.map(|row| row.value))
}
