//! What one of several nodes does beside its work: it says that it is alive, watches the others, and gives back what it
//! does not use. One thread, with connections of its own, so that neither requests nor the journal hold it up.
//!
//! Invariant: a node that has not heard from the database for a while admits nothing; one that was fenced learns it here at
//! the latest; another one is fenced before its holds are touched. Reads and writes `node`; runs `desk` and `listen`.

use super::{Down, Home, LedgerError, Peers, book::Book, desk, listen, node, recover, store::Origin};
use crate::signals::Listener;
use entity::{bucket, node::Column};
use gateway_core::{
    ledger::node::{BEAT_EVERY_MS, SILENT_AFTER_MS, Watch},
    money::Nano,
};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseBackend, DatabaseConnection, DbErr, EntityTrait, QueryFilter,
    QuerySelect, Statement,
};
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use tokio::sync::Notify;

/// How long the answer to a beat is waited for.
const BEAT_WITHIN_MS: i64 = 2_000;
/// How long it may take to look after the others and the wallets.
const LOOK_WITHIN: Duration = Duration::from_secs(2);
/// How long one recovery may take; what it has written by then stays.
const REAP_WITHIN: Duration = Duration::from_secs(60);
/// How many wallets are asked about at a time.
const WALLETS: usize = 1_000;
/// The pause after a recovery that failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The database's clock, as learnt at the last beat.
pub(super) struct DbClock {
    start: Instant,
    ahead_ms: AtomicI64,
}

impl DbClock {
    /// A clock that says `now_ms` now.
    pub fn new(now_ms: i64) -> Self {
        Self {
            start: Instant::now(),
            ahead_ms: AtomicI64::new(now_ms),
        }
    }

    /// Milliseconds since this process opened the ledger.
    pub fn elapsed_ms(&self) -> i64 {
        i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// Unix milliseconds.
    pub fn now_ms(&self) -> i64 {
        self.ahead_ms.load(Ordering::Relaxed).saturating_add(self.elapsed_ms())
    }

    /// The database said `now_ms` to who asked at `asked_ms` since the start.
    fn set(&self, now_ms: i64, asked_ms: i64) {
        self.ahead_ms.store(now_ms.saturating_sub(asked_ms), Ordering::Relaxed);
    }
}

/// Starts the thread.
pub(super) fn start(
    (origin, home): (Origin, Home),
    book: Arc<Book>,
    (clock, peers): (Arc<DbClock>, Peers),
    (desk, asks): (Arc<desk::Desk>, desk::Asks),
    listener: Listener,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let pulse = Pulse {
        origin: origin.clone(),
        home,
        book: Arc::clone(&book),
        clock: Arc::clone(&clock),
        peers,
        gone: Notify::new(),
    };
    let run = async move {
        tokio::select! {
            () = book.ended() => {}
            () = pulse.beat_on() => {}
            () = pulse.reap_on() => {}
            () = desk::answer(&origin, &book, &desk, || clock.now_ms(), asks) => {}
            () = listen::listen(listener, &book, &desk) => {}
        }
    };
    thread::Builder::new()
        .name("pulse".to_owned())
        .spawn(move || runtime.block_on(run))?;
    Ok(())
}

struct Pulse {
    origin: Origin,
    home: Home,
    book: Arc<Book>,
    clock: Arc<DbClock>,
    peers: Peers,
    /// There are fenced nodes.
    gone: Notify,
}

/// What the database says to a beat.
struct Beat {
    now_ms: i64,
    /// The other nodes: id, the time of their last beat, whether they are fenced.
    others: Vec<(i64, i64, bool)>,
}

impl Pulse {
    async fn beat_on(&self) {
        let mut watch = Watch::default();
        let mut last_ms = self.clock.elapsed_ms();
        let mut connection = None;
        loop {
            let node = self.book.node();
            let (sent, sent_ms) = (Instant::now(), self.clock.elapsed_ms());
            let until_silent_ms = last_ms + SILENT_AFTER_MS - sent_ms;
            let patience_ms = if until_silent_ms > 0 {
                until_silent_ms.min(BEAT_WITHIN_MS)
            } else {
                BEAT_WITHIN_MS
            };
            let patience = Duration::from_millis(patience_ms.unsigned_abs());
            match tokio::time::timeout(patience, self.beat(node, &mut connection)).await {
                Ok(Ok(Some(beat))) => {
                    self.book.heard(sent);
                    last_ms = sent_ms;
                    self.clock.set(beat.now_ms, sent_ms);
                    let look = self.look_around(&beat, &mut watch, connection.as_ref());
                    let looked = tokio::time::timeout(LOOK_WITHIN, look).await;
                    if let Err(error) = looked.unwrap_or_else(|_| Err(DbErr::Custom("no answer".to_owned()))) {
                        tracing::warn!(%error, "other nodes and wallets could not be looked after");
                        connection = None;
                    }
                }
                Ok(Ok(None)) => self.book.fenced(node),
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the database did not hear that this node is alive");
                    connection = None;
                }
                Err(_) => connection = None,
            }
            tokio::time::sleep(Duration::from_millis(BEAT_EVERY_MS.unsigned_abs())).await;
        }
    }

    /// `None` if the node is fenced.
    async fn beat(&self, node: i64, connection: &mut Option<DatabaseConnection>) -> Result<Option<Beat>, LedgerError> {
        let db = match connection {
            Some(db) => db,
            none => none.insert(self.origin.connect_one().await?),
        };
        let beat = format!(
            "UPDATE node SET seen_at = {} WHERE id = $1 AND fenced_at IS NULL RETURNING seen_at",
            node::DB_NOW_MS
        );
        let beat = Statement::from_sql_and_values(DatabaseBackend::Postgres, beat, [node.into()]);
        let Some(row) = db.query_one_raw(beat).await? else {
            return Ok(None);
        };
        let rows = entity::node::Entity::find().all(&*db).await?;
        let others = rows.into_iter().filter(|row| row.id != node);
        Ok(Some(Beat {
            now_ms: row.try_get("", "seen_at")?,
            others: others
                .map(|row| (row.id, row.seen_at, row.fenced_at.is_some()))
                .collect(),
        }))
    }

    /// Gives back what is not used or not paid for any more, and fences those that are dead.
    async fn look_around(&self, beat: &Beat, watch: &mut Watch, db: Option<&DatabaseConnection>) -> Result<(), DbErr> {
        let live = beat.others.iter().filter(|(.., is_fenced)| !is_fenced);
        let others = live.clone().count();
        self.peers.note(others);
        let has_others = others > 0;
        self.book
            .give_back(|engine| engine.sweep(beat.now_ms, has_others, false));
        let dead = watch.look(
            self.clock.elapsed_ms(),
            live.map(|(node, seen_ms, _)| (*node, *seen_ms)),
        );
        let mut has_gone = beat.others.iter().any(|(.., is_fenced)| *is_fenced);
        for (node, seen_ms, _) in beat.others.iter().filter(|(node, ..)| dead.contains(node)) {
            let Some(db) = db else { break };
            let which = Condition::all()
                .add(Column::Id.eq(*node))
                .add(Column::SeenAt.eq(*seen_ms));
            has_gone |= node::fence(db, which).await? > 0;
        }
        if has_gone {
            self.gone.notify_one();
        }
        match db {
            Some(db) => self.look_at_wallets(db).await,
            None => Ok(()),
        }
    }

    /// Gives back what was granted when more was paid in: the recall that comes with an entry may be lost, or come before
    /// the answer to a grant.
    async fn look_at_wallets(&self, db: &DatabaseConnection) -> Result<(), DbErr> {
        let granted: HashMap<i64, Nano> = self
            .book
            .with_engine(|engine| engine.leased_wallets().into_iter().collect());
        let ids: Vec<i64> = granted.keys().copied().collect();
        let mut lowered = Vec::new();
        for ids in ids.chunks(WALLETS) {
            let credits: Vec<(i64, i64)> = bucket::Entity::find()
                .select_only()
                .columns([bucket::Column::Id, bucket::Column::Credit])
                .filter(bucket::Column::Id.is_in(ids.iter().copied()))
                .into_tuple()
                .all(db)
                .await?;
            let is_less = |id: &i64, credit: i64| granted.get(id).is_some_and(|cap| Nano(credit) < *cap);
            lowered.extend(credits.into_iter().filter(|(id, credit)| is_less(id, *credit)));
        }
        self.book
            .give_back(|engine| lowered.iter().filter_map(|(id, _)| engine.give_back(*id)).collect());
        Ok(())
    }

    /// Ends what fenced nodes left, whenever there are some.
    async fn reap_on(&self) {
        loop {
            self.gone.notified().await;
            if let Err(error) = self.reap().await {
                tracing::warn!(%error, "a dead node could not be dealt with yet");
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }
    }

    async fn reap(&self) -> Result<(), LedgerError> {
        let reap = async {
            let db = self.origin.connect_one().await?;
            let reaped = recover::recover_fenced(&db, &self.origin, self.home.data_dir.as_deref()).await;
            db.close().await?;
            reaped
        };
        let reaped = tokio::time::timeout(REAP_WITHIN, reap).await;
        self.book.announce_room();
        reaped.unwrap_or(Err(LedgerError::Down(Down)))
    }
}
