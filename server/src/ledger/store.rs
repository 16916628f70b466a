//! The journal's own connection to the database, and the marker that orders its writes.
//!
//! Invariant: a batch and its marker are written in one transaction, only if the marker is still the predecessor's.
//! Reads and writes the setting `ledger`; rows are written by `sqlite` and `postgres`.

use super::{LedgerError, batch::Batch, postgres, sqlite};
use sea_orm::{
    DatabaseBackend, DatabaseConnection, DbErr,
    sqlx::{
        self, ConnectOptions, Connection,
        postgres::{PgConnectOptions, PgConnection},
    },
};
use std::path::PathBuf;

/// The setting that names the last batch written.
pub(super) const SETTING: &str = "ledger";

/// The last batch written: by which process, its number, and the id below which every hold is closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Marker {
    pub epoch: u64,
    pub batch: u64,
    pub low_water: i64,
}

impl Marker {
    pub fn render(&self) -> String {
        format!("{}.{}.{}", self.epoch, self.batch, self.low_water)
    }

    pub fn parse(text: &str) -> Result<Self, LedgerError> {
        let damaged = || LedgerError::Damaged(format!("setting {SETTING}"));
        let mut parts = text.split('.');
        let marker = Self {
            epoch: parts.next().and_then(|part| part.parse().ok()).ok_or_else(damaged)?,
            batch: parts.next().and_then(|part| part.parse().ok()).ok_or_else(damaged)?,
            low_water: parts.next().and_then(|part| part.parse().ok()).ok_or_else(damaged)?,
        };
        if parts.next().is_some() {
            Err(damaged())
        } else {
            Ok(marker)
        }
    }

    /// The marker of the next batch of the same process.
    pub const fn next(&self, low_water: i64) -> Self {
        Self {
            epoch: self.epoch,
            batch: self.batch + 1,
            low_water,
        }
    }
}

/// Why the database did not do what it was told.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Postgres(#[from] sqlx::Error),
}

/// How to reach the database.
pub(super) enum Origin {
    Sqlite(PathBuf),
    Postgres(Box<PgConnectOptions>),
}

impl Origin {
    /// The database behind `db`.
    pub fn of(db: &DatabaseConnection) -> Result<Self, LedgerError> {
        match db.get_database_backend() {
            DatabaseBackend::Sqlite => {
                let options = db.get_sqlite_connection_pool().connect_options();
                Ok(Self::Sqlite(options.get_filename().to_owned()))
            }
            DatabaseBackend::Postgres => {
                let options = db.get_postgres_connection_pool().connect_options().as_ref().clone();
                Ok(Self::Postgres(Box::new(
                    options
                        .options([("synchronous_commit", "on")])
                        .disable_statement_logging(),
                )))
            }
            other => Err(DbErr::BackendNotSupported {
                db: other.as_str(),
                ctx: "the ledger",
            }
            .into()),
        }
    }

    pub async fn connect(&self) -> Result<Store, StoreError> {
        Ok(match self {
            Self::Sqlite(path) => Store::Sqlite(sqlite::connect(path)?),
            Self::Postgres(options) => Store::Postgres(PgConnection::connect_with(options).await?),
        })
    }
}

/// An open connection.
pub(super) enum Store {
    Sqlite(rusqlite::Connection),
    Postgres(PgConnection),
}

impl Store {
    /// Writes `batch` and moves the marker from `from` to `to`, in one transaction.
    pub async fn write(&mut self, batch: &Batch, from: &str, to: &str) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(connection) => sqlite::write(connection, batch, from, to)?,
            Self::Postgres(connection) => postgres::write(connection, batch, from, to).await?,
        }
        Ok(())
    }

    /// The marker in the database.
    pub async fn marker(&mut self) -> Result<String, StoreError> {
        Ok(match self {
            Self::Sqlite(connection) => sqlite::marker(connection)?,
            Self::Postgres(connection) => {
                sqlx::query_scalar("SELECT value FROM setting WHERE name = $1")
                    .bind(SETTING)
                    .fetch_one(connection)
                    .await?
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_read_back_as_it_was_written() {
        let marker = Marker {
            epoch: 3,
            batch: 12,
            low_water: i64::MAX,
        }
        .next(-1);
        assert_eq!(
            marker,
            Marker {
                epoch: 3,
                batch: 13,
                low_water: -1
            }
        );
        assert_eq!(Marker::parse(&marker.render()).unwrap(), marker);
        for text in ["", "1", "1.2", "1.2.3.4", "a.2.3"] {
            assert!(Marker::parse(text).is_err(), "{text}");
        }
    }
}
