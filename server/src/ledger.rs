//! The ledger: what may be spent is decided in memory, what was spent is written down in groups.
//!
//! Invariant: no byte of an answer leaves before its hold is durable; every hold ends once; a refusal changes nothing.
//! Reads and writes `hold`, `bucket`, `carried`, `usage_hour`, `entry` and the settings `ledger` and `retention`. One serving process at a time: a second
//! one takes the journal over and the first refuses from then on.

mod adjust;
mod batch;
mod book;
mod export;
mod hold;
mod journal;
mod load;
mod lock;
mod postgres;
mod progress;
mod queue;
mod recover;
mod retention;
mod snapshot;
mod sqlite;
mod store;
mod verify;
mod wallet;

pub use adjust::{AdjustError, Adjusted, Adjustment};
pub use book::Status;
pub use export::{ExportError, Format, Wanted, export};
pub use gateway_core::ledger::{Bucket, Caps, Gate, Kind, Member, Outcome, Payer, Scope, Series, Short};
pub use hold::Hold;
pub use load::Spent;
pub use lock::{Guard, LockError, lock};
pub use retention::prune;
pub use verify::{Report, VerifyError, verify};
pub use wallet::{Balance, Grant};

use book::{Book, Missed};
use gateway_core::{money::Nano, usage::Usage};
use sea_orm::{DatabaseConnection, DbErr};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// The longest an admission waits for other requests' holds to end.
pub const MAX_WAIT_MS: u64 = 2_000;

/// How the ledger behaves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Config {
    /// Whether a team may only spend what was paid into its wallet.
    pub prepaid: bool,
}

/// A request for money to be set aside.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Who pays, with the caps as they are now.
    pub payer: Payer,
    /// How much: the ceiling of the call.
    pub amount: Nano,
    /// How long to wait if only other requests' holds stand in the way; at most [`MAX_WAIT_MS`].
    pub wait_ms: u64,
    /// The time of admission, Unix milliseconds.
    pub now_ms: i64,
    /// What the record of the call says from the beginning.
    pub record: Opening,
}

/// What is known of a call when its hold is made.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The request this is a further attempt of; `None`: the hold's id becomes the request's.
    pub request_id: Option<i64>,
    /// The name asked for.
    pub model: Arc<str>,
    /// `chat` or `embeddings`.
    pub operation: &'static str,
    /// Whether the client asked for a stream.
    pub is_stream: bool,
    /// The price row it is charged by.
    pub price_id: i64,
}

/// What is known of a call when its hold ends.
#[derive(Clone, Debug, Default)]
pub struct Closing {
    /// Tokens.
    pub usage: Usage,
    /// The charge; ignored by [`Hold::void`].
    pub charge: Nano,
    /// Whether the charge is an estimate, not what the upstream reported.
    pub estimated: bool,
    /// How the call ended.
    pub outcome: Outcome,
    /// The HTTP status the client got; 0 if it got none from this attempt.
    pub status: u16,
    /// JSON list of attempts.
    pub attempts: String,
    /// What was clamped or dropped.
    pub notes: String,
    /// Attempts beyond the first.
    pub failovers: u32,
    /// Milliseconds to the first content.
    pub ttft_ms: Option<i64>,
    /// Milliseconds to the end.
    pub total_ms: i64,
    /// Unix milliseconds.
    pub finished_at_ms: i64,
}

/// Why no money was set aside.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A bucket stands in the way.
    #[error("the amount does not fit")]
    Short(Short),
    /// The ledger cannot write, so nothing is admitted.
    #[error(transparent)]
    Down(#[from] Down),
}

/// The database cannot be written; what is open finishes, nothing new is admitted until it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ledger cannot write")]
pub struct Down;

/// Why the ledger could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The database refused or could not be reached.
    #[error(transparent)]
    Database(#[from] DbErr),
    /// The journal did not start or could not write.
    #[error(transparent)]
    Down(#[from] Down),
    /// The journal's thread did not start.
    #[error("the journal did not start: {0}")]
    Thread(#[from] std::io::Error),
    /// The wallet cannot count that much.
    #[error("the wallet cannot count that much")]
    TooLarge,
    /// A row does not say what it must.
    #[error("the row {0} of the ledger is damaged")]
    Damaged(String),
}

/// The ledger of a process; clones are the same ledger.
///
/// [`Ledger::close`] writes down everything; dropping the last clone does so in the background.
#[derive(Clone)]
pub struct Ledger {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    db: DatabaseConnection,
    book: Arc<Book>,
    /// Held while a series is loaded or a wallet changes, so that no entry is counted twice.
    loading: Arc<tokio::sync::Mutex<()>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.book.begin_close();
    }
}

impl Ledger {
    /// Takes the journal over, posts whole what a crash left open, and starts to write.
    ///
    /// # Errors
    /// [`LedgerError`] if the database cannot be read or written.
    pub async fn open(db: &DatabaseConnection, config: Config) -> Result<Self, LedgerError> {
        let marker = recover::take_over(db).await?;
        let book = Arc::new(Book::new(recover::last_id(db).await?, marker.low_water));
        journal::start(store::Origin::of(db)?, marker, Arc::clone(&book))?;
        let loading = Arc::new(tokio::sync::Mutex::new(()));
        let ledger = Self {
            inner: Arc::new(Inner {
                config,
                db: db.clone(),
                book,
                loading,
            }),
        };
        recover::post_open_holds(db, &ledger.inner.book).await?;
        Ok(ledger)
    }

    /// Sets the asked amount aside in every bucket of the payer's path, or in none.
    ///
    /// Waits while only other requests' holds stand in the way, as long as the ask allows.
    ///
    /// # Errors
    /// [`Refusal`]; nothing has changed then.
    pub async fn admit(&self, ask: Ask) -> Result<Hold, Refusal> {
        let asked = Instant::now();
        let short = match self.attempt(&ask, ask.now_ms).await? {
            Ok(hold) => return Ok(hold),
            Err(short) => short,
        };
        let deadline = asked + Duration::from_millis(ask.wait_ms.min(MAX_WAIT_MS));
        self.wait_for_room(&ask, asked, deadline, short).await
    }

    async fn wait_for_room(&self, ask: &Ask, asked: Instant, until: Instant, first: Short) -> Result<Hold, Refusal> {
        let waiting = self.inner.book.wait_for_settles();
        let mut short = first;
        while short.is_only_holds && Instant::now() < until {
            let settled = waiting.settled();
            let waited_ms = i64::try_from(asked.elapsed().as_millis()).unwrap_or(i64::MAX);
            short = match self.attempt(ask, ask.now_ms.saturating_add(waited_ms)).await? {
                Ok(hold) => return Ok(hold),
                Err(short) => short,
            };
            if short.is_only_holds && tokio::time::timeout_at(until.into(), settled).await.is_err() {
                break;
            }
        }
        Err(Refusal::Short(short))
    }

    /// One try; reads the buckets it needs if they are not in memory yet.
    async fn attempt(&self, ask: &Ask, now_ms: i64) -> Result<Result<Hold, Short>, Down> {
        loop {
            match self.inner.book.admit(ask, now_ms, self.inner.config.prepaid) {
                Ok(opened) => return Ok(Ok(Hold::new(self.clone(), opened))),
                Err(Missed::Short(short)) => return Ok(Err(short)),
                Err(Missed::Down) => return Err(Down),
                Err(Missed::NotOpen) => {
                    let path: Vec<_> = ask.payer.path(false).map(|(series, _)| series).collect();
                    self.load(&path).await.map_err(|error| {
                        tracing::error!(%error, "buckets could not be read");
                        Down
                    })?;
                }
            }
        }
    }

    /// How the journal is doing.
    #[must_use]
    pub fn status(&self) -> Status {
        self.inner.book.status()
    }

    /// Writes down all that is queued and ends the journal; from now on nothing is admitted. Open holds that end later
    /// are not written: the next start posts them whole.
    pub async fn close(&self) {
        self.inner.book.begin_close();
        if !self.inner.book.wait_until_stopped().await {
            tracing::error!("the ledger stopped with work it could not write; the next start posts open holds whole");
        }
    }
}
