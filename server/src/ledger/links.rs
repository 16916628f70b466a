//! The links of chains in the database.
//!
//! Invariant: an entry and its link are written in one transaction, one entry after another: whoever adds one has the others
//! wait until it is committed. Reads and writes `journal`.

use super::{
    LedgerError,
    chain::{self, ENTRIES, Hash, Link},
};
use entity::{entry, journal};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseBackend, DatabaseTransaction, DbErr, EntityTrait,
    FromQueryResult, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, Statement, sea_query::Expr,
};
use std::collections::BTreeMap;

/// Waits for others that add entries; the first number says that it is about entries.
const LOCK: &str = "SELECT pg_advisory_xact_lock(8, 0)";
/// How long that waiting may take.
const PATIENCE: &str = "SET LOCAL lock_timeout = '2s'";

/// The last link of each chain, found without reading the links between.
const HEADS: &str = "
WITH RECURSIVE chain (node_id) AS (
  SELECT min(node_id) FROM journal
  UNION ALL
  SELECT (SELECT min(node_id) FROM journal WHERE node_id > chain.node_id) FROM chain WHERE node_id IS NOT NULL
)
SELECT node_id, batch, hash FROM journal
WHERE (node_id, batch) IN (
  SELECT node_id, (SELECT max(batch) FROM journal WHERE journal.node_id = chain.node_id) FROM chain
  WHERE node_id IS NOT NULL
)";

/// The last link of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Whose chain.
    pub node: i64,
    /// The group's number.
    pub batch: i64,
    /// What the next one rests on.
    pub hash: Hash,
}

#[derive(FromQueryResult)]
struct Row {
    node_id: i64,
    batch: i64,
    hash: Vec<u8>,
}

impl Row {
    fn head(self) -> Result<Head, DbErr> {
        let damaged = |_| DbErr::Custom(format!("group {} of node {} has no hash", self.batch, self.node_id));
        Ok(Head {
            node: self.node_id,
            batch: self.batch,
            hash: self.hash.as_slice().try_into().map_err(damaged)?,
        })
    }
}

/// The last link of every chain.
pub(super) async fn heads(db: &impl ConnectionTrait) -> Result<Vec<Head>, DbErr> {
    let ask = Statement::from_string(db.get_database_backend(), HEADS);
    let rows = Row::find_by_statement(ask).all(db).await?;
    rows.into_iter().map(Row::head).collect()
}

/// The last link of the chain of `node`.
pub(super) async fn head(db: &impl ConnectionTrait, node: i64) -> Result<Option<Head>, DbErr> {
    let row = journal::Entity::find()
        .select_only()
        .columns([journal::Column::NodeId, journal::Column::Batch, journal::Column::Hash])
        .filter(journal::Column::NodeId.eq(node))
        .order_by_desc(journal::Column::Batch)
        .into_model::<Row>()
        .one(db)
        .await?;
    row.map(Row::head).transpose()
}

/// Whether the database has the link `head`, as it is there.
pub(super) async fn has(db: &impl ConnectionTrait, head: &Head) -> Result<bool, DbErr> {
    let hash: Option<Vec<u8>> = journal::Entity::find_by_id((head.node, head.batch))
        .select_only()
        .column(journal::Column::Hash)
        .into_tuple()
        .one(db)
        .await?;
    Ok(hash.is_some_and(|hash| hash == head.hash))
}

/// Waits until nobody else is about to commit an entry, and has others wait until `transaction` is over. On SQLite one that
/// writes from its beginning has done so already.
pub(super) async fn lock_entries(transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    if transaction.get_database_backend() == DatabaseBackend::Postgres {
        for statement in [PATIENCE, LOCK] {
            transaction.execute_unprepared(statement).await?;
        }
    }
    Ok(())
}

/// Writes `entry` and its link; the chain's head then.
pub(super) async fn insert_entry(transaction: &DatabaseTransaction, mut entry: entry::Model) -> Result<Head, DbErr> {
    lock_entries(transaction).await?;
    let last = head(transaction, ENTRIES).await?;
    let (batch, previous) = last.map_or((0, chain::ROOT), |head| (head.batch, head.hash));
    entry.batch = batch + 1;
    let link = Link::new(&previous, entry.batch, vec![(entry.id, chain::of_entry(&entry))]);
    let Some(link) = link else {
        return Err(DbErr::Custom("an entry is a posting".to_owned()));
    };
    let head = Head {
        node: ENTRIES,
        batch: link.batch,
        hash: link.hash,
    };
    link.row(ENTRIES).into_active_model().insert(transaction).await?;
    entry.into_active_model().insert(transaction).await?;
    Ok(head)
}

/// The link of an `entry` that is written.
pub(super) async fn of_entry(db: &impl ConnectionTrait, entry: &entry::Model) -> Result<Head, LedgerError> {
    let row = journal::Entity::find_by_id((ENTRIES, entry.batch))
        .select_only()
        .columns([journal::Column::NodeId, journal::Column::Batch, journal::Column::Hash])
        .into_model::<Row>()
        .one(db)
        .await?;
    let row = row.ok_or_else(|| LedgerError::Damaged(format!("entry {}", entry.id)))?;
    Ok(row.head()?)
}

/// Of the groups that ended holds below `below`, by node, those go whose holds are all gone: what is hashed stays.
pub(super) async fn forget_contents(
    db: &impl ConnectionTrait,
    groups: &BTreeMap<i64, Vec<i64>>,
    below: i64,
) -> Result<(), DbErr> {
    for (node, batches) in groups {
        journal::Entity::update_many()
            .col_expr(journal::Column::Content, Expr::value(None::<Vec<u8>>))
            .filter(journal::Column::NodeId.eq(*node))
            .filter(journal::Column::Batch.is_in(batches.iter().copied()))
            .filter(journal::Column::Last.lt(below))
            .exec(db)
            .await?;
    }
    Ok(())
}
