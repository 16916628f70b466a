//! Signals: what the processes on one Postgres tell each other, by topic, on one connection of each.
//!
//! Invariant: a signal is a hint and may be lost, but no loss goes unnoticed: who may not have heard something is given
//! [`Heard::Missed`], after which it hears again. On SQLite there is one process, which tells nobody and hears nothing.
//! Listens and notifies on the channel `ourhub`.

use crate::clock;
use parking_lot::Mutex;
use sea_orm::{
    ConnectionTrait, DatabaseBackend, DatabaseConnection, DbErr, Statement,
    sqlx::{
        self, ConnectOptions as _,
        postgres::{PgConnectOptions, PgListener, PgPoolOptions},
    },
};
use std::{collections::HashMap, sync::Arc, thread, time::Duration};
use tokio::sync::{broadcast, mpsc, oneshot};

const CHANNEL: &str = "ourhub";
/// What the connection is called in `pg_stat_activity`.
const NAME: &str = "ourhub signals";
/// In place of a topic: what was told on any may be lost.
const ALL: &str = "*";
/// In place of a process: told in a transaction, heard by all.
const NOBODY: i64 = 0;
/// The longest text; Postgres takes less than 8000 bytes with what stands before it.
const MAX_TEXT: usize = 7_500;
/// How much one listener may be behind.
const BACKLOG: usize = 1_024;
/// How much is told with one statement.
const BATCH: usize = 100;
/// The pause before another try to connect.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How long nothing is heard before the connection is asked whether it is still there.
const QUIET_FOR: Duration = Duration::from_secs(30);
/// How long the database may take for one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// What a listener hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// This was said.
    Said(Arc<str>),
    /// Something may have been said that was not heard: read anew what it would have been about.
    Missed,
}

/// The signals of a process; clones share its connection, which ends with the last of them.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    wire: Option<Arc<Wire>>,
}

/// What leads to the thread with the connection.
#[derive(Debug)]
struct Wire {
    /// This process.
    me: i64,
    /// Payloads to be told.
    words: mpsc::UnboundedSender<String>,
    board: Arc<Board>,
}

/// Who listens, by topic.
#[derive(Debug, Default)]
struct Board(Mutex<HashMap<&'static str, broadcast::Sender<Heard>>>);

/// One who listens on a topic.
#[derive(Debug)]
pub struct Listener(Option<broadcast::Receiver<Heard>>);

impl Listener {
    /// What comes next; never resolves where there is nobody to hear. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Heard {
        if let Some(receiver) = &mut self.0 {
            match receiver.recv().await {
                Ok(heard) => return heard,
                Err(broadcast::error::RecvError::Lagged(_)) => return Heard::Missed,
                Err(broadcast::error::RecvError::Closed) => {}
            }
        }
        std::future::pending().await
    }
}

impl Signals {
    /// Listens, if `db` is a Postgres. Where that takes long, it goes on in the background.
    ///
    /// # Errors
    /// The thread does not start.
    pub async fn start(db: &DatabaseConnection) -> std::io::Result<Self> {
        if db.get_database_backend() != DatabaseBackend::Postgres {
            return Ok(Self::default());
        }
        let options = db.get_postgres_connection_pool().connect_options();
        let options = PgConnectOptions::clone(&options)
            .application_name(NAME)
            // A signal of its own is worth no wait for the disk.
            .options([("synchronous_commit", "off")])
            .disable_statement_logging();
        let (words, said) = mpsc::unbounded_channel();
        let (is_ready, ready) = oneshot::channel();
        let wire = Arc::new(Wire {
            me: clock::new_id(),
            words,
            board: Arc::default(),
        });
        let operator = Operator {
            me: wire.me,
            options,
            said,
            board: Arc::clone(&wire.board),
            has_lost: false,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || runtime.block_on(operator.run(is_ready)))?;
        // Whoever listens and then reads has missed nothing. If it takes longer, they are told so.
        let _ = tokio::time::timeout(ANSWER_WITHIN, ready).await;
        Ok(Self { wire: Some(wire) })
    }

    /// Hears from now on what is told on `topic`, one word.
    #[must_use]
    pub fn on(&self, topic: &'static str) -> Listener {
        Listener(self.wire.as_ref().map(|wire| wire.board.on(topic)))
    }

    /// Tells the other processes, not this one. Does not wait.
    pub fn tell(&self, topic: &'static str, text: &str) {
        let Some(wire) = &self.wire else { return };
        let said = if text.len() > MAX_TEXT {
            tracing::error!(topic, length = text.len(), "a signal is too long");
            payload(wire.me, ALL, "")
        } else {
            payload(wire.me, topic, text)
        };
        // The thread ends after the last handle.
        let _ = wire.words.send(said);
    }
}

/// Tells every process, this one too, once the transaction of `db` is committed. `text` is short.
///
/// # Errors
/// [`DbErr`] where the database does not answer.
pub async fn tell_all<C: ConnectionTrait>(db: &C, topic: &'static str, text: &str) -> Result<(), DbErr> {
    if db.get_database_backend() != DatabaseBackend::Postgres {
        return Ok(());
    }
    let values = [CHANNEL.into(), payload(NOBODY, topic, text).into()];
    let tell = Statement::from_sql_and_values(DatabaseBackend::Postgres, "SELECT pg_notify($1, $2)", values);
    db.execute_raw(tell).await?;
    Ok(())
}

fn payload(from: i64, topic: &str, text: &str) -> String {
    format!("{from} {topic} {text}")
}

/// Who said it, on which topic, and what.
fn parse(payload: &str) -> Option<(i64, &str, &str)> {
    let mut parts = payload.splitn(3, ' ');
    Some((parts.next()?.parse().ok()?, parts.next()?, parts.next()?))
}

impl Board {
    fn on(&self, topic: &'static str) -> broadcast::Receiver<Heard> {
        let mut topics = self.0.lock();
        let sender = topics.entry(topic).or_insert_with(|| broadcast::channel(BACKLOG).0);
        sender.subscribe()
    }

    fn hear(&self, me: i64, said: &str) {
        match parse(said) {
            Some((from, ..)) if from == me => {}
            Some((_, ALL, _)) => self.miss(),
            Some((_, topic, text)) => {
                if let Some(sender) = self.0.lock().get(topic) {
                    // Nobody listens any more.
                    let _ = sender.send(Heard::Said(text.into()));
                }
            }
            None => tracing::warn!("another program speaks on the channel {CHANNEL}"),
        }
    }

    fn miss(&self) {
        for sender in self.0.lock().values() {
            let _ = sender.send(Heard::Missed);
        }
    }
}

/// Who works the connection.
struct Operator {
    me: i64,
    options: PgConnectOptions,
    said: mpsc::UnboundedReceiver<String>,
    board: Arc<Board>,
    /// Something that was said here did not get out.
    has_lost: bool,
}

impl Operator {
    /// Connects again and again, until the last handle is dropped.
    async fn run(mut self, is_ready: oneshot::Sender<()>) {
        let mut is_ready = Some(is_ready);
        loop {
            match in_time(connect(&self.options)).await {
                Ok(mut listener) => {
                    self.board.miss();
                    if let Some(is_ready) = is_ready.take() {
                        let _ = is_ready.send(());
                    }
                    match self.talk(&mut listener).await {
                        Ok(()) => return,
                        Err(error) => tracing::warn!(%error, "other processes are not heard"),
                    }
                }
                Err(error) => tracing::warn!(%error, "other processes cannot be heard"),
            }
            let lose_words = async {
                while self.said.recv().await.is_some() {
                    self.has_lost = true;
                }
            };
            if tokio::time::timeout(RETRY_AFTER, lose_words).await.is_ok() {
                return;
            }
        }
    }

    /// Hears and tells until the last handle is dropped; fails when the connection is lost, which one that says nothing
    /// shows when it is asked.
    async fn talk(&mut self, listener: &mut PgListener) -> Result<(), sqlx::Error> {
        if self.has_lost {
            notify(listener, &[payload(self.me, ALL, "")]).await?;
            self.has_lost = false;
        }
        loop {
            tokio::select! {
                heard = tokio::time::timeout(QUIET_FOR, listener.try_recv()) => match heard {
                    Ok(Ok(Some(heard))) => self.board.hear(self.me, heard.payload()),
                    Ok(Ok(None)) => return Err(sqlx::Error::WorkerCrashed),
                    Ok(Err(error)) => return Err(error),
                    Err(_) => {
                        in_time(sqlx::query("SELECT 1").execute(&mut *listener)).await?;
                    }
                },
                first = self.said.recv() => {
                    let Some(first) = first else { return Ok(()) };
                    let more = std::iter::from_fn(|| self.said.try_recv().ok()).take(BATCH - 1);
                    let said: Vec<String> = std::iter::once(first).chain(more).collect();
                    self.has_lost = true;
                    notify(listener, &said).await?;
                    self.has_lost = false;
                }
            }
        }
    }
}

/// A connection that listens.
async fn connect(options: &PgConnectOptions) -> Result<PgListener, sqlx::Error> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None);
    let pool = pool.connect_with(options.clone()).await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

async fn notify(listener: &mut PgListener, said: &[String]) -> Result<(), sqlx::Error> {
    let tell = sqlx::query("SELECT pg_notify($1, said) FROM unnest($2) AS said")
        .bind(CHANNEL)
        .bind(said);
    in_time(tell.execute(listener)).await?;
    Ok(())
}

async fn in_time<T>(answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    let answered = tokio::time::timeout(ANSWER_WITHIN, answer).await;
    answered.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn said(text: &str) -> Heard {
        Heard::Said(text.into())
    }

    fn now(receiver: &mut broadcast::Receiver<Heard>) -> Option<Heard> {
        receiver.try_recv().ok()
    }

    #[test]
    fn each_topic_hears_its_own_and_nobody_hears_itself() {
        let board = Board::default();
        let (mut money, mut stamp) = (board.on("money"), board.on("stamp"));
        for (from, topic, text) in [
            (7, "money", "recall 1,2"),
            (1, "money", "mine"),
            (NOBODY, "stamp", ""),
            (7, "other", ""),
        ] {
            board.hear(1, &payload(from, topic, text));
        }
        assert_eq!((now(&mut money), now(&mut money)), (Some(said("recall 1,2")), None));
        assert_eq!((now(&mut stamp), now(&mut stamp)), (Some(said("")), None));
    }

    #[test]
    fn what_another_process_lost_is_missed_on_every_topic() {
        let board = Board::default();
        let (mut money, mut stamp) = (board.on("money"), board.on("stamp"));
        board.hear(1, &payload(7, ALL, ""));
        assert_eq!(
            (now(&mut money), now(&mut stamp)),
            (Some(Heard::Missed), Some(Heard::Missed))
        );
        board.hear(1, "no signal");
        assert_eq!(now(&mut money), None);
    }

    #[tokio::test]
    async fn who_is_too_far_behind_has_missed_something() {
        let board = Board::default();
        let mut listener = Listener(Some(board.on("money")));
        for _ in 0..=BACKLOG {
            board.hear(1, &payload(7, "money", "x"));
        }
        assert_eq!(listener.next().await, Heard::Missed);
        assert_eq!(listener.next().await, said("x"));
    }
}
