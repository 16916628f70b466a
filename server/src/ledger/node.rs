//! Who this process is among those that serve from one database.
//!
//! Invariant: a process holds the lock of its node's file for as long as it is that node, so a file whose lock is free names
//! a dead one, however it ended; a fenced node has no slot. Reads and writes `node`, and the files `nodes/*.lock` in the data
//! directory.

use super::{Home, Ledger, LedgerError, recover::open_holds};
use crate::clock;
use entity::{bucket, entry, hold, lease, node};
use gateway_core::{ledger::node::free_slot, money::Nano};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseBackend, DatabaseConnection, DbErr, EntityTrait, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, Set, SqlErr, Statement,
    sea_query::{Expr, ExprTrait},
};
use std::{
    fs::{self, File},
    io,
    path::PathBuf,
};

/// How often a start looks for a slot that others take at the same time.
const TRIES: usize = 50;

/// A node that is alive.
pub(super) struct Identity {
    pub id: i64,
    pub slot: i16,
    /// The highest id in the ledger when it registered.
    pub last_id: i64,
    /// The database's clock then, Unix milliseconds.
    pub now_ms: i64,
    /// Kept for as long as the process is this node.
    lock: Option<Lock>,
}

#[cfg(test)]
impl Identity {
    /// A node of no database.
    pub const fn only() -> Self {
        Self {
            id: 1,
            slot: 0,
            last_id: 0,
            now_ms: 0,
            lock: None,
        }
    }
}

/// A locked file that says that a node is alive.
struct Lock {
    path: PathBuf,
    _file: File,
}

impl Identity {
    /// Removes its file: the node is off the database's list. A file that stays is found free by the next start, which
    /// fences the node and ends what it left.
    pub fn remove_file(&self) {
        if let Some(lock) = &self.lock {
            // Found free, it is removed then.
            let _ = fs::remove_file(&lock.path);
        }
    }
}

/// Registers this process as a new node.
pub(super) async fn register(db: &DatabaseConnection, home: &Home) -> Result<Identity, LedgerError> {
    let id = clock::new_id();
    let lock = home
        .data_dir
        .as_ref()
        .map(|dir| lock(&dir.join("nodes"), id))
        .transpose()?;
    let now_ms = now_ms(db).await?;
    for _ in 0..TRIES {
        let last_id = last_id(db).await?;
        let taken: Vec<Option<i16>> = node::Entity::find()
            .select_only()
            .column(node::Column::Slot)
            .filter(node::Column::Slot.is_not_null())
            .into_tuple()
            .all(db)
            .await?;
        let taken: Vec<i16> = taken.into_iter().flatten().collect();
        let slot = free_slot(&taken).ok_or(LedgerError::Crowded)?;
        let row = node::ActiveModel {
            id: Set(id),
            name: Set(home.name.clone()),
            slot: Set(Some(slot)),
            batch: Set(0),
            low_water: Set(last_id + 1),
            started_at: Set(now_ms),
            seen_at: Set(now_ms),
            fenced_at: Set(None),
        };
        match node::Entity::insert(row).exec_without_returning(db).await {
            // The slot may have been another node's until just now: only what it wrote before counts.
            Ok(_) => {
                return Ok(Identity {
                    id,
                    slot,
                    last_id: self::last_id(db).await?,
                    now_ms,
                    lock,
                });
            }
            Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(LedgerError::Crowded)
}

/// How many nodes are alive besides `me`.
pub(super) async fn others(db: &DatabaseConnection, me: i64) -> Result<usize, DbErr> {
    let others = node::Entity::find()
        .filter(node::Column::Id.ne(me))
        .filter(node::Column::FencedAt.is_null());
    Ok(usize::try_from(others.count(db).await?).unwrap_or(usize::MAX))
}

/// The time by the database's clock, Unix milliseconds. A SQLite file has no clock but ours.
pub(super) async fn now_ms(db: &DatabaseConnection) -> Result<i64, DbErr> {
    if db.get_database_backend() != DatabaseBackend::Postgres {
        return Ok(clock::now_ms());
    }
    let ask = format!("SELECT {DB_NOW_MS} AS now_ms");
    let row = db
        .query_one_raw(Statement::from_string(DatabaseBackend::Postgres, ask))
        .await?;
    row.map_or(Ok(clock::now_ms()), |row| row.try_get("", "now_ms"))
}

/// The time by Postgres's clock, Unix milliseconds.
pub const DB_NOW_MS: &str = "(extract(epoch FROM clock_timestamp()) * 1000)::int8";

/// Fences the nodes that `which` chooses: from now on they write nothing.
pub(super) async fn fence(db: &DatabaseConnection, which: impl Into<sea_orm::Condition>) -> Result<u64, DbErr> {
    let fenced = node::Entity::update_many()
        .col_expr(node::Column::FencedAt, Expr::value(now_ms(db).await?))
        .col_expr(node::Column::Slot, Expr::value(None::<i16>))
        .filter(node::Column::FencedAt.is_null())
        .filter(which.into())
        .exec(db)
        .await?;
    Ok(fenced.rows_affected)
}

/// Fences the nodes whose files in the data directory are not locked: their processes have ended.
pub(super) async fn fence_ended(db: &DatabaseConnection, home: &Home) -> Result<(), LedgerError> {
    let Some(dir) = &home.data_dir else {
        return Ok(());
    };
    let files = match fs::read_dir(dir.join("nodes")) {
        Ok(files) => files,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    for path in files.map(|file| file.map(|file| file.path())) {
        let path = path?;
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(Ok(id)) = name.strip_suffix(".lock").map(str::parse::<i64>) else {
            continue;
        };
        let is_free = File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
        if is_free {
            fence(db, node::Column::Id.eq(id)).await?;
            match fs::remove_file(&path) {
                // Another start may have been first.
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
    }
    Ok(())
}

/// A process that serves from the database, for display.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its id.
    pub id: i64,
    /// The host it runs on.
    pub name: String,
    /// When it started, Unix milliseconds.
    pub started_at_ms: i64,
    /// When the database last heard of it, Unix milliseconds. On SQLite: when it started.
    pub seen_at_ms: i64,
    /// Whether it is the process that tells.
    pub is_me: bool,
    /// Whether it is gone, and not yet dealt with.
    pub is_fenced: bool,
    /// What it may spend without asking.
    pub leased: Nano,
    /// Holds open now, as far as they are written.
    pub open_holds: u64,
}

impl Ledger {
    /// The processes that serve from the database, the oldest first.
    ///
    /// # Errors
    /// [`LedgerError::Database`] if they cannot be read.
    pub async fn nodes(&self) -> Result<Vec<Node>, LedgerError> {
        let db = &self.inner.db;
        let mut nodes = Vec::new();
        for row in node::Entity::find().order_by_asc(node::Column::Id).all(db).await? {
            let leases = lease::Entity::find()
                .filter(lease::Column::NodeId.eq(row.id))
                .all(db)
                .await?;
            let open_holds = open_holds(&row).count(db).await?;
            nodes.push(Node {
                id: row.id,
                name: row.name,
                started_at_ms: row.started_at,
                seen_at_ms: row.seen_at,
                is_me: row.id == self.inner.book.node(),
                is_fenced: row.fenced_at.is_some(),
                leased: Nano(leases.iter().fold(0, |sum, lease| sum.saturating_add(lease.granted))),
                open_holds,
            });
        }
        Ok(nodes)
    }
}

/// Makes and locks the file of node `id`; it has its name only once it is locked.
fn lock(dir: &std::path::Path, id: i64) -> io::Result<Lock> {
    fs::create_dir_all(dir)?;
    let (path, unnamed) = (dir.join(format!("{id}.lock")), dir.join(format!("{id}.new")));
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&unnamed)?;
    file.try_lock().map_err(io::Error::from)?;
    fs::rename(&unnamed, &path)?;
    Ok(Lock { path, _file: file })
}

/// The highest id in the ledger.
async fn last_id(db: &DatabaseConnection) -> Result<i64, DbErr> {
    let hold: Option<Option<i64>> = hold::Entity::find()
        .select_only()
        .column_as(Expr::col(hold::Column::Id).max(), "id")
        .into_tuple()
        .one(db)
        .await?;
    let bucket: Option<Option<i64>> = bucket::Entity::find()
        .select_only()
        .column_as(Expr::col(bucket::Column::Id).max(), "id")
        .into_tuple()
        .one(db)
        .await?;
    let entry: Option<Option<i64>> = entry::Entity::find()
        .select_only()
        .column_as(Expr::col(entry::Column::Id).max(), "id")
        .into_tuple()
        .one(db)
        .await?;
    let ids = [hold, bucket, entry].into_iter().flatten().flatten();
    Ok(ids.max().unwrap_or_default())
}
