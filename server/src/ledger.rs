//! The ledger: what may be spent is decided in memory, what was spent is written down in groups.
//!
//! Invariant: no byte of an answer leaves before its hold is durable; every hold ends once; a refusal changes nothing.
//! Reads and writes `hold`, `bucket`, `carried`, `usage_hour`, `revenue_day`, `entry`, `journal`, `node`, `lease` and the setting `retention`.

mod adjust;
mod batch;
mod book;
mod buckets;
mod chain;
mod desk;
mod export;
mod heads;
mod hold;
mod journal;
mod links;
mod listen;
mod load;
mod lock;
mod node;
mod once;
mod peers;
mod postgres;
mod progress;
mod pulse;
mod queue;
mod recover;
mod retention;
mod snapshot;
mod spill;
mod sqlite;
mod store;
mod tokens;
mod verify;
mod wallet;

pub use adjust::{AdjustError, Adjusted, Adjustment};
pub use book::Status;
pub use export::{ExportError, Format, Wanted, export};
pub use gateway_core::ledger::{Bucket, Caps, Gate, Kind, Member, Outcome, Payer, Scope, Series, Short};
pub use hold::{Hold, SentMark};
pub use load::Spent;
pub use lock::{Guard, LockError, lock};
pub use node::{DB_NOW_MS, Node};
pub use peers::Peers;
pub use retention::prune;
pub use snapshot::snapshot;
pub use tokens::usage_of;
pub use verify::{Report, VerifyError, verify, verify_beside};
pub use wallet::{Balance, Beside, Grant};

use crate::{clock, signals::Signals};
use book::{Book, Missed};
use desk::{Answer, Desk};
use gateway_core::{ledger::Funding, money::Nano, pricing::Markup, usage::Usage};
use heads::Heads;
use pulse::DbClock;
use sea_orm::{Condition, DatabaseConnection, DbErr};
use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use store::Origin;

/// The longest an admission waits for other requests' holds to end.
pub const MAX_WAIT_MS: u64 = 2_000;

/// How long an admission waits for other nodes to give back what they do not use.
const RECALL_WITHIN: Duration = Duration::from_millis(300);
/// How long an admission is decided at most, with the rights it has to ask for.
const DECIDE_WITHIN: Duration = Duration::from_secs(15);
/// How often one that waits for other nodes looks by itself.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How the ledger behaves.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Whether a team may only spend what was paid into its wallet.
    pub prepaid: bool,
    /// Where the process runs.
    pub home: Home,
    /// Is told how many nodes serve.
    pub peers: Peers,
}

/// Where a serving process runs.
#[derive(Clone, Debug, Default)]
pub struct Home {
    /// The data directory. Processes that share it find at once which of them have ended.
    pub data_dir: Option<PathBuf>,
    /// The host's name, for people.
    pub name: String,
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
    /// The model that is asked, and charged.
    pub model: Arc<str>,
    /// The name the client asked for, where it is another one.
    pub asked: Option<Arc<str>>,
    /// `chat` or `embeddings`.
    pub operation: &'static str,
    /// Whether the client asked for a stream.
    pub is_stream: bool,
    /// Whether an account of the team's own is asked, which the team pays itself: then the wallet is not in the path.
    pub is_own: bool,
    /// The price row it is charged by.
    pub price_id: i64,
    /// What is added to that price.
    pub markup: Markup,
}

/// What is known of a call when its hold ends.
#[derive(Clone, Debug, Default)]
pub struct Closing {
    /// Tokens.
    pub usage: Usage,
    /// The charge; ignored by [`Hold::void`].
    pub charge: Nano,
    /// What the provider takes for it; where nobody knows, the charge without its markup.
    pub cost: Option<Nano>,
    /// Whether an earlier hold of the request was charged, so that it is counted among the requests charged already.
    pub is_further: bool,
    /// The upstream account that was asked; 0 where nobody knows.
    pub account_id: i64,
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
    Database(DbErr),
    /// The journal did not start or could not write, or no connection to the database was to be had.
    #[error(transparent)]
    Down(#[from] Down),
    /// The journal's thread did not start.
    #[error("the journal did not start: {0}")]
    Thread(#[from] std::io::Error),
    /// The wallet cannot count that much.
    #[error("the wallet cannot count that much")]
    TooLarge,
    /// The database did not say in time whether it has written an entry. It is found out in the background, and memory follows.
    #[error("it is not known yet whether this was written: look at the balance before you try again")]
    Unsure,
    /// As many nodes serve from the database as there can be.
    #[error("too many processes serve from the database")]
    Crowded,
    /// A row does not say what it must.
    #[error("the row {0} of the ledger is damaged")]
    Damaged(String),
}

impl From<DbErr> for LedgerError {
    fn from(error: DbErr) -> Self {
        match error {
            // All connections are in use, or wait for a database that says nothing: nothing was sent.
            DbErr::ConnectionAcquire(_) => Self::Down(Down),
            error => Self::Database(error),
        }
    }
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
    /// Whether other nodes may serve from the database.
    is_shared: bool,
    book: Arc<Book>,
    clock: Arc<DbClock>,
    desk: Arc<Desk>,
    heads: Arc<Heads>,
    /// Held while a series is loaded or a wallet changes, so that no entry is counted twice.
    loading: Arc<tokio::sync::Mutex<()>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.book.begin_close();
    }
}

impl Ledger {
    /// Registers the process, posts whole what ended ones left open, and starts to write. On SQLite every other process
    /// has ended.
    ///
    /// # Errors
    /// [`LedgerError`] if the database cannot be read or written.
    pub async fn open(db: &DatabaseConnection, signals: &Signals, config: Config) -> Result<Self, LedgerError> {
        let origin = Origin::of(db)?;
        let is_shared = origin.is_shared();
        node::fence_ended(db, &config.home).await?;
        if !is_shared {
            node::fence(db, Condition::all()).await?;
        }
        recover::recover_fenced(db, &origin, config.home.data_dir.as_deref()).await?;
        let me = node::register(db, &config.home).await?;
        config.peers.note(node::others(db, me.id).await?);
        let clock = Arc::new(DbClock::new(me.now_ms));
        let book = Arc::new(Book::new(&me, is_shared));
        let (home, peers) = (config.home.clone(), config.peers.clone());
        let heads = Heads::open(db, home.data_dir.as_deref(), me.id).await?;
        journal::start(
            origin.clone(),
            home.clone(),
            me,
            (Arc::clone(&book), Arc::clone(&heads)),
        )?;
        let (desk, asks) = Desk::new(signals.clone());
        let ledger = Self {
            inner: Arc::new(Inner {
                config,
                db: db.clone(),
                is_shared,
                book: Arc::clone(&book),
                clock: Arc::clone(&clock),
                desk: Arc::clone(&desk),
                heads,
                loading: Arc::new(tokio::sync::Mutex::new(())),
            }),
        };
        if is_shared {
            let listener = signals.on(desk::TOPIC);
            pulse::start((origin, home), book, (clock, peers), (desk, asks), listener)?;
        }
        ledger.correct_late().await?;
        Ok(ledger)
    }

    /// Corrects what others posted whole for want of what is found in this data directory. Done at the start, and to be done
    /// from time to time.
    ///
    /// # Errors
    /// [`LedgerError`] if the directory or the database cannot be read.
    pub async fn correct_late(&self) -> Result<(), LedgerError> {
        let Some(dir) = &self.inner.config.home.data_dir else {
            return Ok(());
        };
        for node in spill::gone(&self.inner.db, dir).await? {
            let search = spill::search(&self.inner.db, dir, node).await?;
            if search.is_foreign {
                spill::set_aside(dir, node);
                continue;
            }
            let mut is_done = true;
            for late in search.late {
                let adjustment = Adjustment {
                    team_id: late.team_id,
                    hold_id: late.hold_id,
                    amount: Nano(late.posted.0.saturating_sub(late.actual.0)),
                    seen: Some(late.posted),
                    reason: "posted whole before its usage was found".to_owned(),
                    actor_id: None,
                };
                match self.adjust(adjustment).await {
                    Ok(_) => tracing::warn!(?late, "a hold that was posted whole is corrected"),
                    Err(error) => {
                        tracing::error!(%error, ?late, "a hold that was posted whole stays so");
                        is_done &= !matches!(error, AdjustError::Ledger(_));
                    }
                }
            }
            if is_done {
                spill::forget(dir, node);
            }
        }
        Ok(())
    }

    /// The time that admissions are counted at, Unix milliseconds: the database's, where several nodes count.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        if self.inner.is_shared {
            self.inner.clock.now_ms()
        } else {
            clock::now_ms()
        }
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
            // What other nodes settle is only seen by asking again.
            let look = if self.inner.is_shared {
                until.min(Instant::now() + LOOK_EVERY)
            } else {
                until
            };
            let is_settled = tokio::time::timeout_at(look.into(), settled).await.is_ok();
            if short.is_only_holds && !is_settled && look >= until {
                break;
            }
        }
        Err(Refusal::Short(short))
    }

    /// One try; reads the buckets it needs if they are not in memory yet, asks for the rights it lacks, and has other nodes
    /// give theirs back.
    async fn attempt(&self, ask: &Ask, now_ms: i64) -> Result<Result<Hold, Short>, Down> {
        let inner = &self.inner;
        let (recalled, until) = (Instant::now() + RECALL_WITHIN, Instant::now() + DECIDE_WITHIN);
        while Instant::now() < until {
            let returned = inner.desk.returned();
            let (wants, after) = match inner.book.admit(ask, now_ms, inner.config.prepaid) {
                Ok(opened) => return Ok(Ok(Hold::new(self.clone(), opened))),
                Err(Missed::Short(short)) => return Ok(Err(short)),
                Err(Missed::Down) => return Err(Down),
                Err(Missed::NotOpen) => {
                    self.open_path(ask, now_ms).await?;
                    continue;
                }
                Err(Missed::Lacking(wants, after)) => (wants, after),
            };
            match inner.desk.ask(wants, after).await {
                Answer::Granted => {}
                Answer::Down => return Err(Down),
                Answer::Refused(refused) => {
                    let is_late = Instant::now() >= recalled;
                    if refused.recall.is_empty() || is_late {
                        return Ok(Err(refused.short));
                    }
                    let look = recalled.min(Instant::now() + LOOK_EVERY);
                    // Either way the next try shows what there is.
                    let _ = tokio::time::timeout_at(look.into(), returned).await;
                }
            }
        }
        tracing::error!("an admission was granted rights again and again, and never had enough");
        Err(Down)
    }

    async fn open_path(&self, ask: &Ask, now_ms: i64) -> Result<(), Down> {
        let path: Vec<_> = ask.payer.path(Funding::Credit).map(|(series, _)| series).collect();
        let (ledger, zone) = (self.clone(), ask.payer.team_zone.clone());
        // A transaction is not left half begun by a caller who goes away.
        let loaded = tokio::spawn(async move { ledger.load(&path, &zone, now_ms).await });
        let loaded = loaded
            .await
            .map_err(|error| LedgerError::from(std::io::Error::from(error)));
        loaded.flatten().map_err(|error| {
            tracing::error!(%error, "buckets could not be read");
            Down
        })
    }

    /// Whether other nodes may serve from the database.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.inner.is_shared
    }

    /// How many nodes are alive, this one too, as far as it has heard.
    #[must_use]
    pub fn live_nodes(&self) -> u64 {
        u64::from(self.inner.config.peers.count())
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
