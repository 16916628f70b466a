//! What is done about a fenced node: its open holds are ended, and what it might have spent is returned.
//!
//! Invariant: every open hold is ended once, as its end was spilled, else posted whole and flagged: each page on top of the
//! node's marker, so that of two that recover one node only one writes a page. The search begins at the node's low-water mark,
//! not at the beginning of time. Reads `hold`, `bucket`, `journal`; writes them through `store`, `lease` and `node` itself.

use super::{
    Closing, LedgerError, Outcome,
    batch::{Batch, Closed, LEASED, Op, Opened, State, Taken},
    buckets::stored,
    chain::{self, Hash},
    links, spill,
    store::{Marker, Origin, Store, StoreError},
};
use crate::clock::now_ms;
use entity::{bucket, hold, lease, node};
use gateway_core::{
    ledger::{Bucket, Legs, Posted},
    money::Nano,
    pricing::Markup,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseBackend, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, Select, Statement,
};
use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::Arc,
    time::Instant,
};

/// Holds recovered at a time.
const PAGE: u64 = 2_000;

/// Ends what every fenced node left.
pub(super) async fn recover_fenced(
    db: &DatabaseConnection,
    origin: &Origin,
    data_dir: Option<&Path>,
) -> Result<(), LedgerError> {
    let fenced = node::Entity::find().filter(node::Column::FencedAt.is_not_null());
    for dead in fenced.order_by_asc(node::Column::Id).all(db).await? {
        let known = data_dir.map_or_else(|| Ok(HashMap::new()), |dir| spill::read(dir, dead.id))?;
        let count = post_open_holds(db, origin, dead.id, known).await?;
        return_leases(db, dead.id).await?;
        // What another machine has posted whole meanwhile is still to be corrected by what the file says.
        if let Some(dir) = data_dir
            && spill::search(db, dir, dead.id).await?.late.is_empty()
        {
            spill::forget(dir, dead.id);
        }
        tracing::warn!(
            node = dead.id,
            name = dead.name,
            count,
            "a node is gone; its open holds were ended, those whose usage is not known whole"
        );
    }
    Ok(())
}

/// Ends every hold the node `dead` left open, as is `known` of it or whole; how many this call ended.
async fn post_open_holds(
    db: &DatabaseConnection,
    origin: &Origin,
    dead: i64,
    known: HashMap<i64, Closed>,
) -> Result<usize, LedgerError> {
    let mut store = origin.connect().await.map_err(database)?;
    let mut count = 0;
    // Another node may recover the same one: then it moves the marker, and the next look finds what is left.
    while let Some(row) = node::Entity::find_by_id(dead).one(db).await? {
        let marker = Marker {
            node: dead,
            batch: row.batch,
            is_live: false,
        };
        let previous = links::head(db, dead).await?.map_or(chain::ROOT, |head| head.hash);
        let open = open_holds(&row)
            .order_by_asc(hold::Column::Id)
            .limit(PAGE)
            .all(db)
            .await?;
        let Some(first) = open.first() else {
            break;
        };
        let (low_water, size) = (first.id, open.len());
        let buckets = buckets_of(db, &open).await?;
        let ops = open
            .into_iter()
            .map(|row| {
                // Kept, should another node write this page first: then it is read again.
                let end = known.get(&row.id).cloned();
                recovered(row, &buckets, end)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let taken = Taken {
            ops,
            first: 1,
            low_water,
        };
        if write_page(&mut store, taken, (marker, previous)).await? {
            count += size;
        }
    }
    Ok(count)
}

/// Writes a page on top of `marker`; `false` if another node has moved it.
async fn write_page(store: &mut Store, taken: Taken, (marker, previous): (Marker, Hash)) -> Result<bool, LedgerError> {
    let mut batch = Batch::new(taken, store.is_shared());
    batch.seal(&previous, marker.next().batch);
    let Err(error) = store.write(&batch, marker).await else {
        return Ok(true);
    };
    if store.marker(marker.node).await.map_err(database)? == Some(marker) {
        return Err(database(error));
    }
    Ok(false)
}

fn database(error: StoreError) -> LedgerError {
    LedgerError::Database(DbErr::Custom(error.to_string()))
}

/// Takes a lease away and its right off the bucket; a bucket is locked by itself, so that nobody waits in a circle.
const RETURN: &str = r"
WITH gone AS (DELETE FROM lease WHERE node_id = $1 AND bucket_id = $2 RETURNING granted)
UPDATE bucket SET leased = bucket.leased - gone.granted FROM gone WHERE bucket.id = $2";

/// Forgets a node that has no open hold.
const FORGET: &str = r"
DELETE FROM node WHERE id = $1
  AND NOT EXISTS (SELECT 1 FROM hold WHERE hold.node_id = node.id AND hold.state = 0 AND hold.id >= node.low_water)";

/// Returns the rights of the fenced node `dead` and forgets it, unless a hold of it is open in the database: then it stays
/// for those who recover it.
pub(super) async fn return_leases(db: &DatabaseConnection, dead: i64) -> Result<(), LedgerError> {
    let Some(row) = node::Entity::find_by_id(dead).one(db).await? else {
        return Ok(());
    };
    if open_holds(&row).one(db).await?.is_some() {
        return Ok(());
    }
    if db.get_database_backend() == DatabaseBackend::Postgres {
        let leases = lease::Entity::find()
            .filter(lease::Column::NodeId.eq(dead))
            .all(db)
            .await?;
        for lease in leases {
            let values = [dead.into(), lease.bucket_id.into()];
            let returned = Statement::from_sql_and_values(DatabaseBackend::Postgres, RETURN, values);
            db.execute_raw(returned).await?;
        }
    }
    let forget = Statement::from_sql_and_values(db.get_database_backend(), FORGET, [dead.into()]);
    db.execute_raw(forget).await?;
    Ok(())
}

/// The holds of a node that are open in the database.
pub(super) fn open_holds(node: &node::Model) -> Select<hold::Entity> {
    hold::Entity::find()
        .filter(hold::Column::Id.gte(node.low_water))
        .filter(hold::Column::State.eq(State::Held.code()))
        .filter(hold::Column::NodeId.eq(node.id))
}

/// The ids of a hold's path, and where it is under a lease.
pub(super) fn path(row: &hold::Model) -> Result<(Vec<i64>, Legs), LedgerError> {
    let (mut path, mut legs) = (Vec::new(), Legs::default());
    for (nth, text) in row.buckets.split(',').filter(|text| !text.is_empty()).enumerate() {
        let id = text.strip_suffix(LEASED);
        if id.is_some() {
            legs.lease(nth);
        }
        let id = id.unwrap_or(text).parse();
        path.push(id.map_err(|_| LedgerError::Damaged(format!("hold {}", row.id)))?);
    }
    Ok((path, legs))
}

async fn buckets_of(db: &DatabaseConnection, open: &[hold::Model]) -> Result<HashMap<i64, Arc<Bucket>>, LedgerError> {
    let mut ids = HashSet::new();
    for row in open {
        ids.extend(path(row)?.0);
    }
    let ids: Vec<i64> = ids.into_iter().collect();
    let mut buckets = HashMap::new();
    for ids in ids.chunks(500) {
        let rows = bucket::Entity::find()
            .filter(bucket::Column::Id.is_in(ids.iter().copied()))
            .all(db)
            .await?;
        for row in rows {
            let bucket = stored(row)?.bucket;
            buckets.insert(bucket.id, Arc::new(bucket));
        }
    }
    Ok(buckets)
}

/// The end of a hold that was left open: `end` if it is known, else the whole hold as an estimate.
fn recovered(row: hold::Model, buckets: &HashMap<i64, Arc<Bucket>>, end: Option<Closed>) -> Result<Op, LedgerError> {
    let known = |id: &i64| {
        buckets
            .get(id)
            .cloned()
            .ok_or_else(|| LedgerError::Damaged(format!("hold {}", row.id)))
    };
    let (ids, legs) = path(&row)?;
    let path = ids.iter().map(known).collect::<Result<_, _>>()?;
    let now_ms = now_ms();
    let opened = Opened {
        seq: 0,
        id: row.id,
        request_id: row.request_id,
        team_id: row.team_id,
        key_id: row.key_id,
        member_id: row.member_id,
        model: row.model.into(),
        asked: row.asked.map(Into::into),
        operation: row.operation.into(),
        is_stream: row.is_stream,
        is_own: row.is_own,
        price_id: row.price_id,
        markup: Markup::new(row.markup).unwrap_or_default(),
        path,
        legs,
        amount: Nano(row.held),
        started_at_ms: row.started_at,
        started: Instant::now(),
    };
    if let Some(mut end) = end {
        end.posted.overrun = Nano(std::cmp::max(end.posted.actual.0.saturating_sub(opened.amount.0), 0));
        return Ok(Op::Close(Arc::new(opened), end));
    }
    let closing = Closing {
        charge: opened.amount,
        is_further: opened.request_id != opened.id,
        estimated: true,
        outcome: Outcome::Recovered,
        notes: "estimate: recovered".to_owned(),
        total_ms: now_ms.saturating_sub(row.started_at),
        finished_at_ms: now_ms,
        ..Closing::default()
    };
    let posted = Posted {
        actual: opened.amount,
        overrun: Nano::ZERO,
    };
    Ok(Op::Close(
        Arc::new(opened),
        Closed {
            state: State::Estimated,
            posted,
            closing,
        },
    ))
}
