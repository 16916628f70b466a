//! The desk where admissions ask for rights: it grants chunks of what remains of a bucket, one bucket at a time.
//!
//! Invariant: a grant is one statement, which checks the cap and that the node is not fenced; it locks one bucket, so nobody
//! waits in a circle. A grant whose answer was lost is repeated unchanged until it is known: each lease counts its grants.
//! Reads and writes `bucket` and `lease`.

use super::{book::Book, node, store::Origin};
use crate::signals::{self, Signals};
use gateway_core::{
    ledger::{Bucket, Gate, Refused, Row, Want, lease},
    money::Nano,
};
use sea_orm::{
    DatabaseTransaction, DbErr,
    sqlx::{self, Connection, PgConnection, postgres::PgConnectOptions},
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{Notify, futures::Notified, mpsc, oneshot};

/// How long the database may take for one answer, also by its own clock.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long who asks waits for the desk.
const ASK_WITHIN: Duration = Duration::from_secs(15);
/// How long a right that was given up may take to be written before more is asked for.
const BACK_WITHIN: Duration = Duration::from_secs(2);
/// How often others are asked at most to give back what they do not use of a bucket.
const RECALL_EVERY: Duration = Duration::from_millis(50);
/// How often what is left over is looked after.
const TIDY_EVERY: Duration = Duration::from_secs(1);
/// How long a lease is remembered after its period.
const KEPT_MS: i64 = 86_400_000;
/// Buckets read with one statement.
const MAX_READ: usize = 1_000;
/// How often a grant is tried that others get ahead of.
const TRIES: usize = 4;
/// The topic on which nodes talk of rights, and the two things they say: give back what you do not use; I have given back.
/// Behind that stand the buckets.
pub(super) const TOPIC: &str = "rights";
pub(super) const RECALL: &str = "recall";
pub(super) const BACK: &str = "back";

/// What comes of asking.
#[derive(Debug)]
pub(super) enum Answer {
    /// Try again: what was lacking has been granted.
    Granted,
    /// It cannot be granted now.
    Refused(Box<Refused>),
    /// The database does not answer, or the node is fenced.
    Down,
}

struct Asked {
    wants: Vec<Want>,
    after: u64,
    reply: oneshot::Sender<Answer>,
}

/// What has been asked and not been answered.
pub(super) struct Asks(mpsc::UnboundedReceiver<Asked>);

/// Where requests hand their questions in.
pub(super) struct Desk {
    asks: mpsc::UnboundedSender<Asked>,
    signals: Signals,
    returned: Notify,
}

impl Desk {
    /// A desk, and what it is asked.
    pub fn new(signals: Signals) -> (Arc<Self>, Asks) {
        let (asks, asked) = mpsc::unbounded_channel();
        let desk = Self {
            asks,
            signals,
            returned: Notify::new(),
        };
        (Arc::new(desk), Asks(asked))
    }

    /// Asks for what `wants` lack, once everything up to `after` is written. Dropping the future leaves what is granted to
    /// others of this node.
    pub async fn ask(&self, wants: Vec<Want>, after: u64) -> Answer {
        let (reply, answer) = oneshot::channel();
        if self.asks.send(Asked { wants, after, reply }).is_err() {
            return Answer::Down;
        }
        let answered = tokio::time::timeout(ASK_WITHIN, answer).await;
        answered.ok().and_then(Result::ok).unwrap_or(Answer::Down)
    }

    /// Has the other nodes give back what they do not use of `buckets`.
    pub fn recall(&self, buckets: &[i64]) {
        self.signals.tell(TOPIC, &about(RECALL, buckets));
    }

    /// Tells the other nodes that this one has given back what it did not use of `buckets`.
    pub fn tell_back(&self, buckets: &[i64]) {
        self.signals.tell(TOPIC, &about(BACK, buckets));
    }

    /// Resolves when another node has given rights back after this call.
    pub fn returned(&self) -> Notified<'_> {
        self.returned.notified()
    }

    /// Another node has given rights back.
    pub fn note_returned(&self) {
        self.returned.notify_waiters();
    }
}

/// Answers until nobody can ask any more; `now_ms` is the database's time.
pub(super) async fn answer(origin: &Origin, book: &Book, desk: &Desk, now_ms: impl Fn() -> i64, Asks(mut asks): Asks) {
    let mut clerk = Clerk {
        origin,
        book,
        desk,
        node: book.node(),
        connection: None,
        grants: HashMap::new(),
        recalled: HashMap::new(),
    };
    let mut tidied = Instant::now();
    loop {
        let first = match tokio::time::timeout(TIDY_EVERY, asks.recv()).await {
            Ok(Some(first)) => first,
            Ok(None) => return,
            Err(_) => {
                clerk.tidy(now_ms()).await;
                continue;
            }
        };
        if tidied.elapsed() > TIDY_EVERY {
            clerk.tidy(now_ms()).await;
            tidied = Instant::now();
        }
        let more = std::iter::from_fn(|| asks.try_recv().ok());
        clerk.serve(std::iter::once(first).chain(more).collect()).await;
    }
}

/// The grants of one lease.
struct Grants {
    bucket: Arc<Bucket>,
    /// How many are known.
    count: i64,
    /// One of which the answer was lost.
    in_doubt: Option<Doubt>,
}

/// A grant that may have been made.
#[derive(Clone, Copy)]
struct Doubt {
    amount: Nano,
    /// Under which cap; `None`: what was paid in.
    cap: Option<i64>,
    /// When the last one was sent of which the answer was lost.
    since: Instant,
}

struct Clerk<'a> {
    origin: &'a Origin,
    book: &'a Book,
    desk: &'a Desk,
    node: i64,
    connection: Option<PgConnection>,
    grants: HashMap<i64, Grants>,
    recalled: HashMap<i64, Instant>,
}

/// What all that ask together need of one bucket.
struct Need {
    bucket: Arc<Bucket>,
    gate: Gate,
    least: Nano,
    all: Nano,
}

/// What the database said about a bucket, and how much of it was granted.
#[derive(Clone, Copy)]
struct Found {
    row: Row,
    granted: Nano,
}

#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error("no answer within {} s", ANSWER_WITHIN.as_secs())]
    TimedOut,
    #[error("what was given up before is not written")]
    NotWritten,
    #[error("this node is fenced")]
    Fenced,
}

const READ: &str = r"
SELECT id, posted, overrun, held, leased, credit, (SELECT count(*) FROM node WHERE fenced_at IS NULL)
FROM bucket WHERE id = ANY($1)";

/// Deletes the leases of which nothing is left, and tells which are still in use: their grants go on being counted.
const FORGET: &str = r"
WITH gone AS (DELETE FROM lease WHERE node_id = $1 AND granted = 0 AND bucket_id = ANY($2))
SELECT bucket_id FROM lease WHERE node_id = $1 AND granted <> 0 AND bucket_id = ANY($2)";

/// Asks whether the node lives in a way that makes one who fences it wait, but not its journal.
const GRANT: &str = r"
WITH me AS (
  SELECT id FROM node WHERE id = $1 AND fenced_at IS NULL FOR KEY SHARE
), got AS (
  UPDATE bucket SET leased = bucket.leased + $3 FROM me
  WHERE bucket.id = $2 AND bucket.posted::numeric + bucket.leased + $3 <= COALESCE($4, bucket.credit)
  RETURNING posted, overrun, held, leased, credit
), granted AS (
  INSERT INTO lease (node_id, bucket_id, granted, grants) SELECT $1, $2, $3, $5 + 1 FROM got
  ON CONFLICT (node_id, bucket_id) DO UPDATE SET granted = lease.granted + excluded.granted,
    grants = CASE WHEN lease.grants = $5 THEN lease.grants + 1 END
)
SELECT (SELECT count(*) FROM me), got.* FROM (SELECT 1) AS one LEFT JOIN got ON true";

/// Whether the node lives, and the bucket's counters if the grant was made.
type Granted = (i64, Option<i64>, Option<i64>, Option<i64>, Option<i64>, Option<i64>);
type Counters = (Option<i64>, Option<i64>, Option<i64>, Option<i64>, Option<i64>);

fn row((posted, overrun, held, leased, credit): Counters) -> Option<Row> {
    Some(Row {
        posted: Nano(posted?),
        overrun: Nano(overrun?),
        held: Nano(held?),
        leased: Nano(leased?),
        credit: Nano(credit?),
    })
}

impl Clerk<'_> {
    async fn serve(&mut self, asks: Vec<Asked>) {
        if self.node != self.book.node() {
            self.node = self.book.node();
            self.grants.clear();
        }
        let after = asks.iter().map(|asked| asked.after).max().unwrap_or_default();
        let written = tokio::time::timeout(BACK_WITHIN, self.book.durable(after)).await;
        let needs = needs(&asks);
        let served = async {
            if written != Ok(true) {
                return Err(AskError::NotWritten);
            }
            self.grant_all(&needs).await
        };
        let served = match tokio::time::timeout(ANSWER_WITHIN * 2, served).await {
            Ok(served) => served,
            Err(_) => Err(AskError::TimedOut),
        };
        let found = match served {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "no rights were granted");
                self.note_failure(&error);
                for asked in asks {
                    let _ = asked.reply.send(Answer::Down);
                }
                return;
            }
        };
        self.reply(asks, &found);
    }

    /// Draws the conclusion: this node is fenced, or its connection is not used again.
    fn note_failure(&mut self, error: &AskError) {
        match error {
            AskError::Fenced => self.book.fenced(self.node),
            AskError::NotWritten => {}
            AskError::Database(_) | AskError::TimedOut => self.connection = None,
        }
    }

    fn reply(&mut self, asks: Vec<Asked>, found: &BTreeMap<i64, Found>) {
        let mut recall = Vec::new();
        for Asked { mut wants, reply, .. } in asks {
            for want in &mut wants {
                let granted = found.get(&want.bucket.id).map_or(Nano::ZERO, |found| found.granted);
                want.idle = Nano(want.idle.0.saturating_add(granted.0));
            }
            let rows = wants.iter().map(|want| Some((want, &found.get(&want.bucket.id)?.row)));
            let Some(rows) = rows.collect::<Option<Vec<_>>>() else {
                tracing::error!("a bucket is not in the database any more");
                let _ = reply.send(Answer::Down);
                continue;
            };
            let refused = lease::judge(rows);
            recall.extend(refused.iter().flat_map(|refused| &refused.recall));
            // Whoever asked may have gone; the right is this node's all the same.
            let _ = reply.send(refused.map_or(Answer::Granted, |refused| Answer::Refused(Box::new(refused))));
        }
        self.recall(recall);
    }

    /// Asks the other nodes to give back what they do not use.
    fn recall(&mut self, mut buckets: Vec<i64>) {
        buckets.sort_unstable();
        buckets.dedup();
        let now = Instant::now();
        self.recalled.retain(|_, at| now.duration_since(*at) < RECALL_EVERY);
        buckets.retain(|bucket| !self.recalled.contains_key(bucket));
        self.recalled.extend(buckets.iter().map(|bucket| (*bucket, now)));
        for buckets in buckets.chunks(100) {
            self.desk.recall(buckets);
        }
    }

    async fn connection(&mut self) -> Result<&mut PgConnection, AskError> {
        if self.connection.is_none() {
            let options = match self.origin {
                Origin::Postgres(options) => PgConnectOptions::clone(options),
                Origin::Sqlite(_) => return Err(AskError::Fenced),
            };
            let within = format!("{}s", ANSWER_WITHIN.as_secs());
            let options = options.options([("statement_timeout", &within), ("lock_timeout", &within)]);
            self.connection = Some(PgConnection::connect_with(&options).await?);
        }
        self.connection.as_mut().ok_or(AskError::TimedOut)
    }

    async fn grant_all(&mut self, needs: &BTreeMap<i64, Need>) -> Result<BTreeMap<i64, Found>, AskError> {
        if needs.is_empty() {
            return Ok(BTreeMap::new());
        }
        let ids: Vec<i64> = needs.keys().copied().collect();
        let (mut found, mut nodes) = (BTreeMap::new(), 1);
        for ids in ids.chunks(MAX_READ) {
            let (mut part, count) = self.read(ids).await?;
            found.append(&mut part);
            nodes = nodes.max(count);
        }
        for (id, need) in needs.iter().filter(|(_, need)| need.all > Nano::ZERO) {
            self.settle_doubt(*id).await?;
            for _ in 0..TRIES {
                let Some(last) = found.get_mut(id) else { break };
                let amount = lease::chunk(&last.row, need.gate, need.least, need.all, nodes);
                if amount == Nano::ZERO {
                    break;
                }
                if let Some(granted) = self.grant(need, amount).await? {
                    *last = granted;
                    break;
                }
                let (mut again, _) = self.read(&[*id]).await?;
                found.append(&mut again);
            }
        }
        Ok(found)
    }

    async fn read(&mut self, ids: &[i64]) -> Result<(BTreeMap<i64, Found>, u32), AskError> {
        let read = sqlx::query_as(READ).bind(ids);
        let rows: Vec<(i64, i64, i64, i64, i64, i64, i64)> = read.fetch_all(self.connection().await?).await?;
        let nodes = rows.first().map_or(1, |row| u32::try_from(row.6).unwrap_or(1));
        let found = rows
            .into_iter()
            .filter_map(|(id, posted, overrun, held, leased, credit, _)| {
                let row = row((Some(posted), Some(overrun), Some(held), Some(leased), Some(credit)))?;
                let granted = Nano::ZERO;
                Some((id, Found { row, granted }))
            });
        Ok((found.collect(), nodes))
    }

    /// Grants `amount`, unless others have been granted too much by now. While a grant is in doubt it is repeated as it was.
    async fn grant(&mut self, need: &Need, amount: Nano) -> Result<Option<Found>, AskError> {
        let fresh = Doubt {
            amount,
            cap: match need.gate {
                Gate::Open => Some(i64::MAX),
                Gate::Cap(cap) => Some(cap.0),
                Gate::Credit => None,
            },
            since: Instant::now(),
        };
        let bucket = need.bucket.id;
        let grants = self.grants.entry(bucket).or_insert_with(|| Grants {
            bucket: Arc::clone(&need.bucket),
            count: 0,
            in_doubt: None,
        });
        let earlier = grants.in_doubt;
        let Doubt { amount, cap, .. } = earlier.unwrap_or(fresh);
        let since = fresh.since;
        grants.in_doubt = Some(Doubt { amount, cap, since });
        let (count, node) = (grants.count, self.node);
        let ask = sqlx::query_as(GRANT)
            .bind(node)
            .bind(bucket)
            .bind(amount.0)
            .bind(cap)
            .bind(count);
        let answer: Granted = ask.fetch_one(self.connection().await?).await?;
        let (alive, posted, overrun, held, leased, credit) = answer;
        if alive == 0 {
            return Err(AskError::Fenced);
        }
        let Some(row) = row((posted, overrun, held, leased, credit)) else {
            // This one was not granted: in doubt is what was before.
            self.settle(bucket, |grants| grants.in_doubt = earlier);
            return Ok(None);
        };
        self.settle(bucket, |grants| {
            grants.count += 1;
            grants.in_doubt = None;
        });
        self.book
            .granted(node, &need.bucket, amount, cap.map_or(row.credit, Nano));
        Ok(Some(Found { row, granted: amount }))
    }

    fn settle(&mut self, bucket: i64, settle: impl FnOnce(&mut Grants)) {
        if let Some(grants) = self.grants.get_mut(&bucket) {
            settle(grants);
        }
    }

    /// Finds out about a grant whose answer was lost: if it was made, it is this node's. A lease that counts otherwise is no
    /// lease this process knows: then it goes on as another node.
    async fn settle_doubt(&mut self, bucket: i64) -> Result<(), AskError> {
        let Some(doubt) = self.grants.get(&bucket).and_then(|grants| grants.in_doubt) else {
            return Ok(());
        };
        let me = self.node;
        let count = sqlx::query_scalar("SELECT grants FROM lease WHERE node_id = $1 AND bucket_id = $2")
            .bind(me)
            .bind(bucket);
        let count: Option<i64> = count.fetch_optional(self.connection().await?).await?;
        let Some(grants) = self.grants.get_mut(&bucket) else {
            return Ok(());
        };
        let count = count.unwrap_or_default();
        if count == grants.count + 1 {
            grants.count += 1;
            grants.in_doubt = None;
            let cap = Nano(doubt.cap.unwrap_or(i64::MAX));
            self.book.granted(me, &grants.bucket, doubt.amount, cap);
        } else if count != grants.count {
            grants.in_doubt = None;
            tracing::error!(
                bucket,
                count,
                known = grants.count,
                "a lease is not as this node knows it"
            );
            let fence = format!(
                "UPDATE node SET fenced_at = {}, slot = NULL WHERE id = $1 AND fenced_at IS NULL",
                node::DB_NOW_MS
            );
            let fence = sqlx::query(sqlx::AssertSqlSafe(fence)).bind(me);
            fence.execute(self.connection().await?).await?;
            return Err(AskError::Fenced);
        } else if doubt.since.elapsed() > ANSWER_WITHIN * 2 {
            // The database has given the statement up long ago.
            grants.in_doubt = None;
        }
        Ok(())
    }

    /// Settles doubts that nobody asks about, and forgets the leases of periods long over at `now_ms`.
    async fn tidy(&mut self, now_ms: i64) {
        if self.node != self.book.node() {
            return;
        }
        let in_doubt = self.grants.iter().filter(|(_, grants)| grants.in_doubt.is_some());
        for bucket in in_doubt.map(|(bucket, _)| *bucket).collect::<Vec<_>>() {
            if let Err(error) = in_time(self.settle_doubt(bucket)).await {
                self.note_failure(&error);
                return;
            }
        }
        let over_ms = now_ms - KEPT_MS;
        let is_over = |grants: &Grants| grants.bucket.period.end_ms < over_ms && grants.in_doubt.is_none();
        let over = self.grants.iter().filter(|(_, grants)| is_over(grants));
        let over: Vec<i64> = over.map(|(bucket, _)| *bucket).collect();
        if over.is_empty() {
            return;
        }
        let node = self.node;
        let forgotten = async {
            let forget = sqlx::query_scalar(FORGET).bind(node).bind(&over);
            let in_use: Vec<i64> = forget.fetch_all(self.connection().await?).await?;
            Ok(in_use)
        };
        match in_time(forgotten).await {
            Ok(in_use) => self
                .grants
                .retain(|bucket, _| in_use.contains(bucket) || !over.contains(bucket)),
            Err(error) => {
                tracing::warn!(%error, "leases of past periods could not be deleted");
                self.note_failure(&error);
            }
        }
    }
}

async fn in_time<T>(answer: impl Future<Output = Result<T, AskError>>) -> Result<T, AskError> {
    let answered = tokio::time::timeout(ANSWER_WITHIN, answer).await;
    answered.unwrap_or(Err(AskError::TimedOut))
}

/// Has every node, this one too, give back what it does not use of `buckets` once `transaction` is committed.
pub(super) async fn recall_from_all(transaction: &DatabaseTransaction, buckets: &[i64]) -> Result<(), DbErr> {
    signals::tell_all(transaction, TOPIC, &about(RECALL, buckets)).await
}

fn about(verb: &str, buckets: &[i64]) -> String {
    let ids: Vec<String> = buckets.iter().map(i64::to_string).collect();
    format!("{verb} {}", ids.join(","))
}

/// What is asked for, by bucket; of several caps the lowest.
fn needs(asks: &[Asked]) -> BTreeMap<i64, Need> {
    let mut needs: BTreeMap<i64, Need> = BTreeMap::new();
    for want in asks.iter().flat_map(|asked| &asked.wants) {
        let missing = want.missing();
        let need = needs.entry(want.bucket.id).or_insert_with(|| Need {
            bucket: Arc::clone(&want.bucket),
            gate: want.gate,
            least: Nano::MAX,
            all: Nano::ZERO,
        });
        if let (Gate::Cap(least), Gate::Cap(cap)) = (need.gate, want.gate) {
            need.gate = Gate::Cap(least.min(cap));
        }
        if missing > Nano::ZERO {
            need.least = need.least.min(missing);
            need.all = Nano(need.all.0.saturating_add(missing.0));
        }
    }
    needs
}
