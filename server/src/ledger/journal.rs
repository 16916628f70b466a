//! The journal: one thread that writes what has queued, group after group.
//!
//! Invariant: groups are written in order, each exactly once: the node's row names the last one, and a group is written only
//! on top of its predecessor. A failed write is repeated, unchanged, until it succeeds or the node is fenced: then one of
//! several nodes goes on as a new one, and an only one ends. Until a failing write succeeds the ends of holds are kept on disk.
//! Writes through `store` and `spill`.

#[cfg(test)]
mod cost;

use super::{
    Home, LedgerError,
    batch::Batch,
    book::Book,
    chain::{self, Hash},
    heads::Heads,
    node::{self, Identity},
    queue::Rest,
    recover,
    spill::Spill,
    store::{Marker, Origin, Store, StoreError},
};
use entity::node::Column;
use sea_orm::ColumnTrait;
use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// How long settles wait for a hold to ride with.
const SETTLE_WITHIN: Duration = Duration::from_millis(10);
/// The pause after a commit in which the next group gathers.
const GATHER: Duration = Duration::from_micros(800);
/// How long one write may take.
const WRITE_WITHIN: Duration = Duration::from_secs(5);
/// The first and the longest pause after a failed write.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How often what ends meanwhile is kept while a write takes long or fails.
const KEEP_EVERY: Duration = Duration::from_millis(250);
/// How long a closing ledger repeats a failing write.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);

/// Starts the journal's thread for the node `me` of the database that `origin` names.
pub(super) fn start(
    origin: Origin,
    home: Home,
    me: Identity,
    (book, heads): (Arc<Book>, Arc<Heads>),
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let journal = Journal {
        is_shared: origin.is_shared(),
        spill: Spill::new(home.data_dir.as_deref(), me.id),
        writer: Writer {
            origin,
            store: None,
            marker: first_marker(&me),
            hash: chain::ROOT,
        },
        heads,
        home,
        me,
        book,
    };
    thread::Builder::new()
        .name("journal".to_owned())
        .spawn(move || runtime.block_on(journal.run()))?;
    Ok(())
}

struct Journal {
    home: Home,
    is_shared: bool,
    me: Identity,
    writer: Writer,
    book: Arc<Book>,
    /// Where the heads of chains are kept beside the database.
    heads: Arc<Heads>,
    /// Where ends of holds are kept while no group can be written.
    spill: Spill,
}

/// What writes a group.
struct Writer {
    origin: Origin,
    store: Option<Store>,
    /// The last group written.
    marker: Marker,
    /// What the next link of the chain rests on.
    hash: Hash,
}

#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error(transparent)]
    Database(#[from] StoreError),
    #[error("no answer within {} s", WRITE_WITHIN.as_secs())]
    TimedOut,
    #[error("this node is fenced")]
    Fenced,
}

/// What became of a group.
enum Written {
    Yes,
    /// It never can be: the node is fenced.
    Fenced,
    /// It never can be: the ledger is closing and the database does not answer.
    GivenUp,
}

const fn first_marker(me: &Identity) -> Marker {
    Marker {
        node: me.id,
        batch: 0,
        is_live: true,
    }
}

/// Marks the journal as ended, also when the thread panics.
struct Stop(Arc<Book>, Arc<Heads>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.1.finish();
        self.0.stopped();
    }
}

impl Journal {
    async fn run(mut self) {
        let _stop = Stop(Arc::clone(&self.book), Arc::clone(&self.heads));
        loop {
            self.wait_for_work().await;
            if self.book.is_fenced() && !self.renew().await {
                return;
            }
            let Some(taken) = self.book.take() else {
                return self.leave().await;
            };
            if taken.ops.is_empty() {
                continue;
            }
            let mut batch = Batch::new(taken, self.is_shared);
            batch.seal(&self.writer.hash, self.writer.marker.next().batch);
            match self.write(&batch).await {
                Written::Yes => {
                    self.book.committed(batch.last);
                    self.spill.written(batch.last);
                    if let Some(link) = batch.link {
                        self.writer.hash = link.hash;
                        self.heads.note(self.me.id, link.batch, link.hash);
                    }
                }
                Written::Fenced => self.book.fenced(self.me.id),
                Written::GivenUp => {
                    self.book.take_nothing_more();
                    return self.spill.keep(&self.book, &batch);
                }
            }
            thread::sleep(GATHER);
        }
    }

    /// Goes on as another node; `false` if that is not to be. What ends meanwhile is kept.
    async fn renew(&mut self) -> bool {
        let mut pause = RETRY_AFTER.0;
        while self.is_shared && !self.book.is_closing() {
            let Self {
                writer,
                home,
                spill,
                book,
                ..
            } = self;
            spill.keep_queue(book);
            let register = tokio::time::timeout(WRITE_WITHIN, register(&writer.origin, home));
            match keeping(register, || spill.keep_queue(book)).await {
                Ok(Ok(me)) => {
                    (writer.marker, writer.hash) = (first_marker(&me), chain::ROOT);
                    let (ends, last) = book.begin_life(&me, spill.last());
                    spill.add(&ends, last);
                    *spill = Spill::new(home.data_dir.as_deref(), me.id);
                    self.me = me;
                    return true;
                }
                Ok(Err(error)) => tracing::error!(%error, "no new node could be registered"),
                Err(_) => tracing::error!("no new node could be registered: no answer"),
            }
            keeping(tokio::time::sleep(pause), || spill.keep_queue(book)).await;
            pause = (pause * 2).min(RETRY_AFTER.1);
        }
        self.book.take_nothing_more();
        self.spill.keep_queue(&self.book);
        tracing::error!("the ledger was taken over by another process");
        false
    }

    /// Takes the node off the database's list, once everything is written. Open holds that end later are not: then it is
    /// left for others, fenced.
    async fn leave(&mut self) {
        let left = tokio::time::timeout(WRITE_WITHIN, self.try_leave()).await;
        match left {
            Ok(Ok(())) => self.me.remove_file(),
            Ok(Err(error)) => tracing::warn!(%error, "this node could not be taken off the list; others will"),
            Err(_) => tracing::warn!("this node could not be taken off the list; others will"),
        }
    }

    async fn try_leave(&mut self) -> Result<(), LedgerError> {
        let db = self.writer.origin.connect_one().await?;
        let is_mine = node::fence(&db, Column::Id.eq(self.me.id)).await? == 1;
        if is_mine {
            recover::return_leases(&db, self.me.id).await?;
        }
        db.close().await?;
        Ok(())
    }

    async fn wait_for_work(&self) {
        match self.book.rest() {
            None => {}
            Some(Rest::UntilHold) => {
                // Either outcome leads to the same write.
                let _ = tokio::time::timeout(SETTLE_WITHIN, self.book.work()).await;
            }
            Some(Rest::UntilAny | Rest::Working) => self.book.work().await,
        }
    }

    /// Writes `batch`, however long it takes.
    async fn write(&mut self, batch: &Batch) -> Written {
        let mut pause = RETRY_AFTER.0;
        let mut failing_since = None;
        let Self {
            writer, spill, book, ..
        } = self;
        loop {
            let attempt = writer.try_write(batch, failing_since.is_some());
            let error = match keeping(attempt, || spill.keep(book, batch)).await {
                Ok(()) => {
                    if failing_since.is_some() {
                        tracing::info!("the ledger writes again");
                    }
                    writer.marker = writer.marker.next();
                    return Written::Yes;
                }
                Err(error) => error,
            };
            writer.store = None;
            book.failed();
            spill.keep(book, batch);
            let since = *failing_since.get_or_insert_with(Instant::now);
            tracing::error!(%error, "the ledger cannot write");
            let is_late = book.is_closing() && since.elapsed() > CLOSE_WITHIN;
            match error {
                WriteError::Fenced => return Written::Fenced,
                _ if is_late => return Written::GivenUp,
                _ => {}
            }
            keeping(tokio::time::sleep(pause), || spill.keep(book, batch)).await;
            pause = (pause * 2).min(RETRY_AFTER.1);
        }
    }
}

async fn register(origin: &Origin, home: &Home) -> Result<Identity, LedgerError> {
    let db = origin.connect_one().await?;
    let me = node::register(&db, home).await;
    db.close().await?;
    me
}

/// Waits for `work`; while that takes long, what ends meanwhile is kept.
async fn keeping<T>(work: impl Future<Output = T>, mut keep: impl FnMut()) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        match tokio::time::timeout(KEEP_EVERY, work.as_mut()).await {
            Ok(done) => return done,
            Err(_) => keep(),
        }
    }
}

impl Writer {
    async fn try_write(&mut self, batch: &Batch, is_repeat: bool) -> Result<(), WriteError> {
        let marker = self.marker;
        let write = async {
            let store = match &mut self.store {
                Some(store) => store,
                none => none.insert(self.origin.connect().await?),
            };
            if is_repeat {
                // A write that seemed to fail may have been committed.
                match store.marker(marker.node).await? {
                    Some(found) if found.batch == marker.batch + 1 => {
                        // By this node, or by another one that recovers it: then the group is not there and never will be.
                        let written = store.hash(marker.node, found.batch).await?;
                        let mine = batch.link.as_ref().map(|link| &link.hash[..]);
                        return (written.as_deref() == mine).then_some(()).ok_or(WriteError::Fenced);
                    }
                    Some(found) if found == marker => {}
                    _ => return Err(WriteError::Fenced),
                }
            }
            store.write(batch, marker).await?;
            Ok(())
        };
        tokio::time::timeout(WRITE_WITHIN, write)
            .await
            .unwrap_or(Err(WriteError::TimedOut))
    }
}
