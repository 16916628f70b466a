//! The journal's own connection to the database, and the marker that orders its writes.
//!
//! Invariant: a group and its node's marker are written in one transaction, only if the marker is still the predecessor's
//! and the node is as the writer believes: alive for itself, fenced for one that recovers it. Reads and writes `node`; reads
//! `journal`; rows are written by `sqlite` and `postgres`.

use super::{LedgerError, batch::Batch, postgres, sqlite};
use sea_orm::{
    DatabaseBackend, DatabaseConnection, DbErr, RuntimeErr, SqlxPostgresConnector, SqlxSqliteConnector,
    sqlx::{
        self, ConnectOptions, Connection,
        postgres::{PgConnectOptions, PgConnection, PgPoolOptions},
        sqlite::{SqliteConnectOptions, SqlitePoolOptions},
    },
};
use std::path::PathBuf;

/// After how long the database gives up a transaction in which nothing is said: whoever froze in it holds locks.
const FROZEN_AFTER: &str = "10s";
/// How long what is not the journal's waits for a lock, and takes for a statement, by the database's clock.
const LOCK_WITHIN: &str = "2s";
const STATEMENT_WITHIN: &str = "60s";

/// The last group a node has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marker {
    /// Whose.
    pub node: i64,
    /// The group's number.
    pub batch: i64,
    /// Whether the node is not fenced.
    pub is_live: bool,
}

impl Marker {
    /// The marker of the next group.
    pub const fn next(self) -> Self {
        Self {
            batch: self.batch + 1,
            ..self
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
#[derive(Clone)]
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
                // A group waits for its locks as long as it is let; who else stands in its way does not do so for long.
                let options = options.options([
                    ("synchronous_commit", "on"),
                    ("idle_in_transaction_session_timeout", FROZEN_AFTER),
                    ("lock_timeout", "0"),
                    ("statement_timeout", "0"),
                ]);
                Ok(Self::Postgres(Box::new(options.disable_statement_logging())))
            }
            other => Err(DbErr::BackendNotSupported {
                db: other.as_str(),
                ctx: "the ledger",
            }
            .into()),
        }
    }

    /// Whether several nodes may serve from the database.
    pub const fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// A pool of one connection, for what is not a group.
    pub async fn connect_one(&self) -> Result<DatabaseConnection, LedgerError> {
        let failed = |error: sqlx::Error| DbErr::Conn(RuntimeErr::SqlxError(error.into()));
        Ok(match self {
            Self::Sqlite(path) => {
                let options = SqliteConnectOptions::new().filename(path);
                let pool = SqlitePoolOptions::new().max_connections(1);
                let pool = pool.connect_with(options).await.map_err(failed)?;
                SqlxSqliteConnector::from_sqlx_sqlite_pool(pool)
            }
            Self::Postgres(options) => {
                let limits = [("lock_timeout", LOCK_WITHIN), ("statement_timeout", STATEMENT_WITHIN)];
                let options = PgConnectOptions::clone(options).options(limits);
                let pool = PgPoolOptions::new().max_connections(1);
                let pool = pool.connect_with(options).await.map_err(failed)?;
                SqlxPostgresConnector::from_sqlx_postgres_pool(pool)
            }
        })
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

/// Number of a node's last group, and whether it is alive.
pub(super) const FIND: &str = "SELECT batch, fenced_at IS NULL FROM node WHERE id = $1";
/// Hash of a group that ended holds.
pub(super) const HASH: &str = "SELECT hash FROM journal WHERE node_id = $1 AND batch = $2";

impl Store {
    /// Whether several nodes may write to the database.
    pub const fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Writes `batch` on top of `marker`, in one transaction.
    pub async fn write(&mut self, batch: &Batch, marker: Marker) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(connection) => sqlite::write(connection, batch, marker)?,
            Self::Postgres(connection) => postgres::write(connection, batch, marker).await?,
        }
        Ok(())
    }

    /// The marker of `node` in the database, while there is one.
    pub async fn marker(&mut self, node: i64) -> Result<Option<Marker>, StoreError> {
        let found: Option<(i64, bool)> = match self {
            Self::Sqlite(connection) => sqlite::marker(connection, node)?,
            Self::Postgres(connection) => sqlx::query_as(FIND).bind(node).fetch_optional(connection).await?,
        };
        Ok(found.map(|(batch, is_live)| Marker { node, batch, is_live }))
    }

    /// The hash of the group `batch` of `node` in the database, if it is there and ended holds.
    pub async fn hash(&mut self, node: i64, batch: i64) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(match self {
            Self::Sqlite(connection) => sqlite::hash(connection, node, batch)?,
            Self::Postgres(connection) => {
                let ask = sqlx::query_scalar(HASH).bind(node).bind(batch);
                ask.fetch_optional(connection).await?
            }
        })
    }
}
