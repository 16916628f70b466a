//! A team's own settings: name, time zone, caps and limits.
//!
//! Invariant: what is stored passed every check; nothing is stored when one field is refused. Reads and writes `team`.

use super::{Right, TeamError, TeamRow, TeamScope};
use crate::auth::Changed;
use crate::fields::{FieldErrors, RATE_MAX, Reason, TOKEN_RATE_MAX, check_cap, check_limit, check_name};
use entity::team;
use sea_orm::{ActiveModelTrait, ActiveValue, DatabaseConnection, EntityTrait, Set, TransactionTrait};

/// A change of a team's settings: outer `None` keeps, inner `None` clears.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TeamPatch {
    /// Shown name.
    pub name: Option<String>,
    /// IANA name.
    pub time_zone: Option<String>,
    /// Nano-USD a day.
    pub cap_day: Option<Option<i64>>,
    /// Nano-USD a month.
    pub cap_month: Option<Option<i64>>,
    /// Requests a minute.
    pub rpm: Option<Option<i64>>,
    /// Tokens a minute.
    pub tpm: Option<Option<i64>>,
    /// Whether accounts of the platform may serve it beside its own.
    pub uses_platform: Option<bool>,
}

impl TeamPatch {
    fn check(&self) -> Result<(), FieldErrors> {
        let mut errors = FieldErrors::default();
        errors.note("name", self.name.as_deref().map_or(Ok(()), check_name));
        errors.note("time_zone", self.time_zone.as_deref().map_or(Ok(()), check_time_zone));
        errors.note("cap_day", check_cap(self.cap_day.flatten()));
        errors.note("cap_month", check_cap(self.cap_month.flatten()));
        errors.note("rpm", check_limit(self.rpm.flatten(), RATE_MAX));
        errors.note("tpm", check_limit(self.tpm.flatten(), TOKEN_RATE_MAX));
        errors.finish()
    }
}

/// Changes the team of `scope`; returns it as it was and as it is.
///
/// # Errors
/// [`TeamError::Forbidden`], [`TeamError::Invalid`] by field, [`TeamError::NotFound`], [`TeamError::Database`].
pub async fn update(
    db: &DatabaseConnection,
    scope: &TeamScope,
    patch: TeamPatch,
) -> Result<(TeamRow, TeamRow), TeamError> {
    scope.demand(Right::ManageTeam)?;
    patch.check()?;
    let before = team::Entity::find_by_id(scope.team_id())
        .one(db)
        .await?
        .ok_or(TeamError::NotFound)?;
    let mut row = team::ActiveModel {
        id: ActiveValue::Unchanged(before.id),
        ..Default::default()
    };
    if let Some(name) = patch.name {
        row.name = Set(name.trim().to_owned());
    }
    if let Some(time_zone) = patch.time_zone {
        row.time_zone = Set(time_zone);
    }
    row.cap_day = patch.cap_day.map_or(ActiveValue::NotSet, Set);
    row.cap_month = patch.cap_month.map_or(ActiveValue::NotSet, Set);
    row.rpm = patch.rpm.map_or(ActiveValue::NotSet, Set);
    row.tpm = patch.tpm.map_or(ActiveValue::NotSet, Set);
    row.uses_platform = patch.uses_platform.map_or(ActiveValue::NotSet, Set);
    let after = if row.is_changed() {
        let transaction = db.begin().await?;
        let after = row.update(&transaction).await?;
        Changed::Team(after.id).tell(&transaction).await?;
        transaction.commit().await?;
        after
    } else {
        before.clone()
    };
    Ok((before.into(), after.into()))
}

pub(super) fn check_time_zone(name: &str) -> Result<(), Reason> {
    match jiff::tz::TimeZone::get(name) {
        Ok(_) => Ok(()),
        Err(_) => Err(Reason::NotATimeZone(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refused_setting_is_named() {
        let patch = TeamPatch {
            name: Some(" ".into()),
            time_zone: Some("Berlin".into()),
            cap_day: Some(Some(0)),
            cap_month: Some(None),
            rpm: Some(Some(RATE_MAX + 1)),
            tpm: None,
            uses_platform: None,
        };
        let Err(errors) = patch.check() else { panic!("accepted") };
        let fields: Vec<_> = errors.0.iter().map(|error| error.field).collect();
        assert_eq!(fields, ["name", "time_zone", "cap_day", "rpm"]);
    }

    #[test]
    fn time_zones_are_those_of_the_database_of_the_world() {
        for good in ["UTC", "Europe/Berlin", "Asia/Kathmandu"] {
            assert_eq!(check_time_zone(good), Ok(()));
        }
        for bad in ["", "CEST+2", "Mars/Olympus", "../etc/passwd"] {
            assert_eq!(check_time_zone(bad), Err(Reason::NotATimeZone(bad.to_owned())));
        }
    }
}
