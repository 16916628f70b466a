//! The windows as the database has them: asking for rights and giving them back, many windows with one statement.
//!
//! Invariant: a statement locks the rows of its windows in order, then judges what it sees under the locks; a grant never takes
//! the slots that cover the last 60 seconds above the limit. What counts in a window is told in the database's time.
//! Reads and writes `rate`; counts the live rows of `node`.

use super::Window;
use gateway_core::limits::{AHEAD_MS, Answer, SLOT_MS, SLOTS};
use sea_orm::sqlx::{
    self, AssertSqlSafe, ConnectOptions as _, Connection, PgConnection,
    postgres::{PgConnectOptions, PgRow},
};
use sea_orm::sqlx::{FromRow, Row};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};
use tokio::time::{Instant, timeout_at};

/// How long the database may take for one answer, also by its own clock.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);
/// How long it may take to connect; nothing is sent by then.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// A node is granted at most what remains divided by this and by the number of nodes, if it asks for less. A node that dies
/// keeps what it was granted until the slot is out of the window, so the only one is not granted all either.
const SHARE: i64 = 4;
/// For how many slots after its newest a row is kept.
const KEPT_SLOTS: i64 = 2 * SLOTS as i64;
/// How many rows are deleted with one statement.
const DELETED: usize = 10_000;
/// SQLSTATE of a statement that took too long.
const CANCELED: &str = "57014";
/// What the connection is called in `pg_stat_activity`.
const NAME: &str = "ourhub limits";
/// The database's clock, Unix milliseconds.
pub const DB_NOW_MS: &str = "(extract(epoch FROM clock_timestamp()) * 1000)::int8";

/// What a node wants of one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Which.
    pub window: Window,
    /// What the window may hold.
    pub limit: u64,
    /// What one request needs; less is not granted.
    pub least: u64,
    /// What all that wait need; nothing is granted where this is 0.
    pub wanted: u64,
    /// What to add to the counts before, by slot.
    pub moves: BTreeMap<i64, i64>,
}

/// What the database answers, for each window.
#[derive(Default)]
pub struct Told {
    /// Of a window that has no row and that nothing was asked of there is none.
    pub answers: HashMap<Window, Answer>,
    /// How many nodes are alive; 0 where nothing was asked.
    pub nodes: i64,
    /// Why what was wanted of windows that had no row is not answered, nor what was to be added there; all else is done.
    pub unanswered: Option<TableError>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// Nothing was done.
    #[error("limits could not be asked: {0}")]
    NotDone(sqlx::Error),
    /// It may have been done.
    #[error("limits were asked, and no answer came: {0}")]
    InDoubt(sqlx::Error),
    /// It may have been done.
    #[error("limits were asked, and no answer came within {} s", ANSWER_WITHIN.as_secs())]
    TimedOut,
}

impl TableError {
    /// Whether it may have been done.
    #[must_use]
    pub const fn is_in_doubt(&self) -> bool {
        !matches!(self, Self::NotDone(_))
    }

    /// Whether the database is worth asking again at once.
    fn is_quick(&self) -> bool {
        match self {
            Self::NotDone(sqlx::Error::Database(error)) => error.code().is_none_or(|code| code != CANCELED),
            Self::NotDone(_) | Self::InDoubt(_) => true,
            Self::TimedOut => false,
        }
    }
}

impl From<sqlx::Error> for TableError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(_) => Self::NotDone(error),
            error => Self::InDoubt(error),
        }
    }
}

/// The table, on a connection of its own.
pub struct Table {
    options: PgConnectOptions,
    connection: Option<PgConnection>,
    exchange: String,
    insert: String,
    delete: String,
}

impl Table {
    /// The table of the database that `options` lead to. `now_ms` is the database's clock, in SQL.
    #[must_use]
    pub fn new(options: &PgConnectOptions, now_ms: &str) -> Self {
        let within = format!("{}s", ANSWER_WITHIN.as_secs());
        Self {
            options: options
                .clone()
                .application_name(NAME)
                // What was granted is granted after the database fell, too.
                .options([("synchronous_commit", "on"), ("statement_timeout", &within)])
                .disable_statement_logging(),
            connection: None,
            exchange: exchange(now_ms),
            insert: insert(now_ms),
            delete: delete(now_ms),
        }
    }

    /// Adds to the counts and grants what is asked for, as far as it fits. `asked_ms` is the node's time. A connection that
    /// was cut since the last time is opened again.
    ///
    /// # Errors
    /// [`TableError`], of all that was asked.
    pub async fn exchange(&mut self, asks: &[Ask], asked_ms: i64) -> Result<Told, TableError> {
        let was_open = self.connection.is_some();
        let error = match self.exchange_once(asks, asked_ms).await {
            Err(error) if was_open && error.is_quick() => error,
            told => return told,
        };
        if !error.is_in_doubt() {
            return self.exchange_once(asks, asked_ms).await;
        }
        let mut again = asks.to_vec();
        for ask in &mut again {
            // What may have been given back already is not given back again.
            ask.moves.retain(|_, by| *by > 0);
        }
        let told = self.exchange_once(&again, asked_ms).await;
        told.map_err(|error| match error {
            TableError::NotDone(error) => TableError::InDoubt(error),
            error => error,
        })
    }

    /// Deletes the rows of windows long empty.
    ///
    /// # Errors
    /// [`TableError`].
    pub async fn tidy(&mut self) -> Result<(), TableError> {
        let delete = AssertSqlSafe(self.delete.clone());
        let delete = sqlx::query(delete).execute(self.connection().await?);
        let deleted = tokio::time::timeout(ANSWER_WITHIN, delete).await;
        let deleted = deleted.map_or(Err(TableError::TimedOut), |deleted| Ok(deleted?));
        if deleted.is_err() {
            self.connection = None;
        }
        deleted.map(|_| ())
    }

    async fn connection(&mut self) -> Result<&mut PgConnection, TableError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let connect = tokio::time::timeout(CONNECT_WITHIN, PgConnection::connect_with(&self.options)).await;
                let in_time = connect.map_err(|late| TableError::NotDone(std::io::Error::from(late).into()))?;
                in_time.map_err(TableError::NotDone)?
            }
        };
        Ok(self.connection.insert(connection))
    }

    /// A connection that failed is not used again.
    async fn exchange_once(&mut self, asks: &[Ask], asked_ms: i64) -> Result<Told, TableError> {
        self.connection().await?;
        let until = Instant::now() + ANSWER_WITHIN;
        let mut told = Told::default();
        let asked = timeout_at(until, self.ask(asks, asked_ms, &mut told)).await;
        if let Err(error) = asked.unwrap_or(Err(TableError::TimedOut)) {
            self.connection = None;
            return Err(error);
        }
        let is_new = |ask: &&Ask| ask.wanted > 0 && !told.answers.contains_key(&ask.window);
        let new: Vec<Ask> = asks.iter().filter(is_new).cloned().collect();
        if !new.is_empty() {
            let asked = timeout_at(until, self.ask_new(&new, asked_ms, &mut told)).await;
            if let Err(error) = asked.unwrap_or(Err(TableError::TimedOut)) {
                self.connection = None;
                told.unanswered = Some(error);
            }
        }
        Ok(told)
    }

    /// Asks for what is wanted of windows that have no row.
    async fn ask_new(&mut self, new: &[Ask], asked_ms: i64, told: &mut Told) -> Result<(), TableError> {
        let insert = AssertSqlSafe(self.insert.clone());
        let [scopes, kinds] = names(new);
        let insert = sqlx::query(insert).bind(scopes).bind(ids(new)).bind(kinds);
        let inserted = insert.execute(self.connection().await?).await;
        // A row without counts changes nothing.
        inserted.map_err(TableError::NotDone)?;
        self.ask(new, asked_ms, told).await
    }

    async fn ask(&mut self, asks: &[Ask], asked_ms: i64, told: &mut Told) -> Result<(), TableError> {
        let exchange = AssertSqlSafe(self.exchange.clone());
        let numbers = |number: fn(&Ask) -> u64| -> Vec<i64> { asks.iter().map(|ask| count(number(ask))).collect() };
        let [scopes, kinds] = names(asks);
        let moves: Vec<String> = asks.iter().map(|ask| render(&ask.moves)).collect();
        let ask = sqlx::query_as(exchange)
            .bind(scopes)
            .bind(ids(asks))
            .bind(kinds)
            .bind(numbers(|ask| ask.limit))
            .bind(numbers(|ask| ask.least))
            .bind(numbers(|ask| ask.wanted))
            .bind(moves);
        let rows: Vec<Found> = ask.fetch_all(self.connection().await?).await?;
        for row in rows {
            let Some(window) = Window::parse(&row.scope, row.scope_id, &row.kind) else {
                continue;
            };
            told.nodes = row.nodes;
            let counts = row.slots.into_iter().zip(row.counts);
            let answer = Answer {
                asked_ms,
                db_ms: row.now_ms,
                slot: row.slot,
                granted: row.granted.max(0).unsigned_abs(),
                limit: row.most.max(0).unsigned_abs(),
                counts: counts
                    .map(|(slot, count)| (slot, count.max(0).unsigned_abs()))
                    .collect(),
            };
            told.answers.insert(window, answer);
        }
        Ok(())
    }
}

/// One row of an answer.
struct Found {
    scope: String,
    scope_id: i64,
    kind: String,
    most: i64,
    now_ms: i64,
    slot: i64,
    granted: i64,
    nodes: i64,
    slots: Vec<i64>,
    counts: Vec<i64>,
}

impl FromRow<'_, PgRow> for Found {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            scope: row.try_get("scope")?,
            scope_id: row.try_get("scope_id")?,
            kind: row.try_get("kind")?,
            most: row.try_get("most")?,
            now_ms: row.try_get("now_ms")?,
            slot: row.try_get("slot")?,
            granted: row.try_get("right_granted")?,
            nodes: row.try_get("nodes")?,
            slots: row.try_get("slots")?,
            counts: row.try_get("counts")?,
        })
    }
}

fn names(asks: &[Ask]) -> [Vec<String>; 2] {
    let scopes = asks.iter().map(|ask| ask.window.of.name().into_owned());
    let kinds = asks.iter().map(|ask| ask.window.measure.name().to_owned());
    [scopes.collect(), kinds.collect()]
}

fn ids(asks: &[Ask]) -> Vec<i64> {
    asks.iter().map(|ask| ask.window.id).collect()
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A JSON object.
fn render(moves: &BTreeMap<i64, i64>) -> String {
    let moves: Vec<String> = moves.iter().map(|(slot, by)| format!("\"{slot}\":{by}")).collect();
    format!("{{{}}}", moves.join(","))
}

fn insert(now_ms: &str) -> String {
    format!(
        "INSERT INTO rate (scope, scope_id, kind, granted, newest)
        SELECT scope, scope_id, kind, '{{}}', {now_ms} / {SLOT_MS}
        FROM unnest($1::text[], $2::int8[], $3::text[]) AS new (scope, scope_id, kind)
        ORDER BY scope, scope_id, kind ON CONFLICT DO NOTHING"
    )
}

/// In the order in which a statement locks its rows, and past those that one has locked: so neither waits for the other.
fn delete(now_ms: &str) -> String {
    format!(
        "DELETE FROM rate USING (
          SELECT scope, scope_id, kind FROM rate WHERE newest < {now_ms} / {SLOT_MS} - {KEPT_SLOTS}
          ORDER BY scope, scope_id, kind LIMIT {DELETED} FOR UPDATE SKIP LOCKED
        ) AS old WHERE rate.scope = old.scope AND rate.scope_id = old.scope_id AND rate.kind = old.kind"
    )
}

/// A row that was locked is judged as it is then, whatever the statement's snapshot says. The time may be from before the lock:
/// then the window is longer than it need be, and the right sooner over.
fn exchange(now_ms: &str) -> String {
    let before = SLOTS;
    format!(
        r"
WITH ask AS (
  SELECT * FROM unnest($1::text[], $2::int8[], $3::text[], $4::int8[], $5::int8[], $6::int8[], $7::text[])
    AS ask (scope, scope_id, kind, most, needed, wanted, moves)
), locked AS (
  SELECT scope, scope_id, kind, most, needed, wanted, moves, rate.granted AS before, {now_ms} AS now_ms
  FROM rate JOIN ask USING (scope, scope_id, kind)
  ORDER BY scope, scope_id, kind FOR UPDATE OF rate
), alive AS (
  SELECT GREATEST(count(*), 1) AS nodes FROM node WHERE fenced_at IS NULL
), counted AS (
  SELECT locked.*, nodes, COALESCE(slots, '{{}}') AS slots, COALESCE(counts, '{{}}') AS counts,
    COALESCE(kept, '{{}}') AS kept, most - COALESCE(total, 0) AS remains, (now_ms + {AHEAD_MS}) / {SLOT_MS} AS slot
  FROM alive, locked, LATERAL (
    SELECT array_agg(slot ORDER BY slot) AS slots, array_agg(count ORDER BY slot) AS counts,
      jsonb_object_agg(slot, count) AS kept, sum(count) AS total
    FROM (
      SELECT key::int8 AS slot, GREATEST(sum(value::int8), 0)::int8 AS count
      FROM (SELECT * FROM jsonb_each_text(before::jsonb) UNION ALL SELECT * FROM jsonb_each_text(moves::jsonb)) AS part
      WHERE key::int8 > now_ms / {SLOT_MS} - {before} GROUP BY key::int8
    ) AS slot_count WHERE count > 0
  ) AS window_count
), judged AS (
  SELECT counted.*, (CASE WHEN wanted > 0 AND remains >= needed
    THEN LEAST(remains, GREATEST(wanted, div(remains, {SHARE} * nodes)))
    ELSE 0 END)::int8 AS right_granted
  FROM counted
), written AS (
  UPDATE rate SET newest = GREATEST(newest, slot), granted = (CASE right_granted WHEN 0 THEN kept
    ELSE kept || jsonb_build_object(slot, right_granted + COALESCE((kept ->> slot::text)::int8, 0)) END)::text
  FROM judged WHERE (right_granted > 0 OR moves <> '{{}}')
    AND rate.scope = judged.scope AND rate.scope_id = judged.scope_id AND rate.kind = judged.kind
)
SELECT scope, scope_id, kind, most, now_ms, slot, right_granted, nodes, slots, counts FROM judged"
    )
}
