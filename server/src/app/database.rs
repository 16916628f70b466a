//! Opening the database: a SQLite file or Postgres, its tables up to date.
//!
//! Invariant: SQLite writes ahead and waits for other writers instead of failing; on Postgres nobody holds or waits for a
//! lock for good. Creates the data directory and the file;
//! runs migrations.

use super::StartError;
use crate::config::Storage;
use migration::{Migrator, MigratorTrait};
use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DbErr,
    sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous},
};
use std::{fs::DirBuilder, time::Duration};

/// How long a writer of a SQLite file waits for another.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a query waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections to SQLite: readers do not wait for the writer, and there is one writer at a time anyway.
const SQLITE_CONNECTIONS: u32 = 8;
/// Connections to Postgres.
const POSTGRES_CONNECTIONS: u32 = 16;

/// Makes the data directory, for its owner alone.
pub(super) fn make_data_dir(storage: &Storage) -> Result<(), StartError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(&storage.data_dir)
        .map_err(|error| StartError::DataDir(storage.data_dir.display().to_string(), error))
}

/// The database that `storage` names.
///
/// # Errors
/// It cannot be reached or opened.
pub async fn open(storage: &Storage) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(&storage.database_url);
    let connections = if storage.is_sqlite() {
        SQLITE_CONNECTIONS
    } else {
        POSTGRES_CONNECTIONS
    };
    options
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .sqlx_logging(false)
        .map_sqlx_postgres_opts(|postgres| {
            postgres.options([
                // A process that froze in a transaction holds locks that others wait for.
                ("idle_in_transaction_session_timeout", "30s"),
                ("lock_timeout", "10s"),
            ])
        })
        .map_sqlx_sqlite_opts(|sqlite| {
            sqlite
                .journal_mode(SqliteJournalMode::Wal)
                // What is paid in is on the disk once it is said to be.
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(BUSY_TIMEOUT)
        });
    Database::connect(options).await
}

/// Brings the tables up to date, if they are not.
///
/// # Errors
/// The database refused.
pub async fn migrate(db: &DatabaseConnection) -> Result<(), DbErr> {
    Migrator::up(db, None).await
}
