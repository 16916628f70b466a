//! What the journal writes: operations in order, and the rows a group of them comes down to.
//!
//! Invariant: a batch names each hold, bucket and hour once, buckets and hours in ascending order; a hold that opened and
//! ended in one batch is one row. Pure.

use super::{
    Closing,
    chain::{self, Hash, Link, Print},
    tokens::{MAX_COUNT, Tokens},
};
use gateway_core::{
    ledger::{Bucket, Change, Legs, Posted},
    money::Nano,
    pricing::Markup,
    usage::{Kind, Usage},
};
use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Instant,
};

/// Milliseconds of the period that `usage_hour` sums over.
pub(super) const HOUR_MS: i64 = 3_600_000;
/// Milliseconds of the period that `revenue_day` sums over.
pub(super) const DAY_MS: i64 = 24 * HOUR_MS;
/// Stands behind a bucket in which a hold is under a lease.
pub(super) const LEASED: char = '*';
/// The most a call is said to cost, nano-USD, so that no sum over rows overflows.
const MAX_COST: i64 = 1 << 50;
/// The longest name of a model, bytes: it is part of a key.
const MAX_MODEL: usize = 256;

/// A hold as it was made.
#[derive(Debug)]
pub(super) struct Opened {
    /// Number of the operation that queued it; 0 if an earlier process did.
    pub seq: u64,
    pub id: i64,
    pub request_id: i64,
    pub team_id: i64,
    pub key_id: i64,
    pub member_id: Option<i64>,
    pub model: Arc<str>,
    /// What the client asked for instead of the model.
    pub asked: Option<Arc<str>>,
    pub operation: Cow<'static, str>,
    pub is_stream: bool,
    /// Whether the wallet is left out of the path, since the team pays its provider itself.
    pub is_own: bool,
    pub price_id: i64,
    pub markup: Markup,
    pub path: Vec<Arc<Bucket>>,
    /// In which buckets of the path it is under a lease.
    pub legs: Legs,
    pub amount: Nano,
    pub started_at_ms: i64,
    pub started: Instant,
}

impl Opened {
    /// The buckets it is under a lease in.
    pub fn leased(&self) -> impl Iterator<Item = i64> + '_ {
        let path = self.path.iter().enumerate();
        path.filter(|(nth, _)| self.legs.is_leased(*nth))
            .map(|(_, bucket)| bucket.id)
    }
}

/// The states of a hold; the numbers of the column `hold.state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i16)]
pub(super) enum State {
    Held = 0,
    Posted = 1,
    Voided = 2,
    Estimated = 3,
}

impl State {
    /// The number stored.
    pub const fn code(self) -> i16 {
        self as i16
    }
}

/// What the journal takes to write.
pub(super) struct Taken {
    pub ops: Vec<Op>,
    /// Number of the first of `ops`.
    pub first: u64,
    /// The id below which every hold is closed once `ops` are written.
    pub low_water: i64,
}

/// A hold's end.
#[derive(Clone, Debug)]
pub(super) struct Closed {
    pub state: State,
    pub posted: Posted,
    pub closing: Closing,
}

/// One change of the ledger.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "every other one is an end, and a box would cost each an allocation"
)]
pub(super) enum Op {
    /// A right in a bucket is given back.
    Back(Arc<Bucket>, Nano),
    /// A hold was made.
    Open(Arc<Opened>),
    /// A hold ended.
    Close(Arc<Opened>, Closed),
}

/// A row of `hold`, whole: inserted, or closing the open one of the same id.
#[derive(Debug)]
pub(super) struct HoldRow {
    pub opened: Arc<Opened>,
    /// Whether the row is new: its hold was made in this batch.
    pub is_new: bool,
    pub model: Arc<str>,
    pub asked: Option<Arc<str>>,
    /// The ids of its buckets, with commas between, and marks behind those it is under a lease in.
    pub buckets: String,
    pub state: State,
    pub posted: i64,
    pub overrun: i64,
    /// What the provider takes.
    pub cost: i64,
    /// Whether the request was charged by an earlier hold.
    pub is_further: bool,
    /// The account that was asked; 0 where nobody knows.
    pub account_id: i64,
    pub tokens: Tokens,
    pub outcome: i16,
    pub status: i16,
    pub attempts: String,
    pub notes: String,
    pub failovers: i64,
    pub ttft_ms: Option<i64>,
    pub total_ms: Option<i64>,
    pub finished_at: Option<i64>,
}

/// A bucket, and what to add to its row.
#[derive(Debug)]
pub(super) struct BucketRow {
    pub bucket: Arc<Bucket>,
    pub change: Change,
}

/// What a row of `usage_hour` is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct HourKey {
    pub hour: i64,
    pub team_id: i64,
    pub key_id: i64,
    pub model: Arc<str>,
}

/// What to add to a row of `usage_hour`, or what it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct HourSums {
    pub member_id: Option<i64>,
    pub requests: i64,
    pub failed: i64,
    pub failovers: i64,
    pub input: i64,
    pub cache_read: i64,
    pub cache_write: i64,
    pub output: i64,
    pub posted: i64,
    /// Of that, what no wallet paid.
    pub own_posted: i64,
    pub ttft_ms_sum: i64,
    pub ttft_count: i64,
}

/// What a row of `revenue_day` is for, besides the node that writes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RevenueKey {
    pub day: i64,
    pub team_id: i64,
    pub account_id: i64,
    pub model: Arc<str>,
}

/// What to add to a row of `revenue_day`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RevenueSums {
    pub requests: i64,
    pub charged: i64,
    pub cost: i64,
}

/// A group of operations, written in one transaction.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Number of its last operation.
    pub last: u64,
    /// Holds below this id are closed once it is written.
    pub low_water: i64,
    pub holds: Vec<HoldRow>,
    pub buckets: BTreeMap<i64, BucketRow>,
    pub hours: BTreeMap<HourKey, HourSums>,
    /// Of the holds that were charged or cost us something.
    pub revenue: BTreeMap<RevenueKey, RevenueSums>,
    /// The holds that end in it, hashed; none if none does.
    pub link: Option<Link>,
}

impl Batch {
    /// The rows of what was `taken`. Other nodes have to see open holds in the buckets if `is_shared`.
    pub fn new(Taken { ops, first, low_water }: Taken, is_shared: bool) -> Self {
        let mut batch = Self {
            last: first + ops.len() as u64 - 1,
            low_water,
            ..Self::default()
        };
        let mut opened_here: HashMap<i64, usize> = HashMap::new();
        for op in ops {
            match op {
                Op::Back(bucket, amount) => batch.count(&bucket, Change::given_back(amount)),
                Op::Open(opened) => {
                    if is_shared {
                        for (nth, bucket) in opened.path.iter().enumerate() {
                            batch.count(bucket, Change::opened(opened.amount, opened.legs.is_leased(nth)));
                        }
                    }
                    opened_here.insert(opened.id, batch.holds.len());
                    batch.holds.push(HoldRow::open(opened, true));
                }
                Op::Close(opened, closed) => {
                    for (nth, bucket) in opened.path.iter().enumerate() {
                        let change = Change::closed(opened.amount, closed.posted, opened.legs.is_leased(nth));
                        batch.count(bucket, if is_shared { change } else { change.charge() });
                    }
                    let is_here = opened.seq >= first;
                    let index = is_here.then(|| opened_here.get(&opened.id).copied()).flatten();
                    let index = index.unwrap_or_else(|| {
                        batch.holds.push(HoldRow::open(opened, false));
                        batch.holds.len() - 1
                    });
                    let row = &mut batch.holds[index];
                    row.close(closed);
                    batch.hours.entry(row.hour_key()).or_default().add(row);
                    if !row.opened.is_own && (row.posted != 0 || row.cost != 0) {
                        let sums = batch.revenue.entry(row.revenue_key()).or_default();
                        sums.requests = sums.requests.saturating_add(i64::from(!row.is_further));
                        sums.charged = sums.charged.saturating_add(row.posted);
                        sums.cost = sums.cost.saturating_add(row.cost);
                    }
                }
            }
        }
        batch
    }

    /// Numbers it `number` in its node's chain, on top of `previous`.
    pub fn seal(&mut self, previous: &Hash, number: i64) {
        let ended = self.holds.iter().filter(|row| row.state != State::Held);
        let postings = ended.map(|row| (row.opened.id, row.print())).collect();
        self.link = Link::new(previous, number, postings);
    }

    fn count(&mut self, bucket: &Arc<Bucket>, change: Change) {
        let row = self.buckets.entry(bucket.id).or_insert_with(|| BucketRow {
            bucket: Arc::clone(bucket),
            change: Change::default(),
        });
        row.change += change;
    }
}

impl HoldRow {
    fn open(opened: Arc<Opened>, is_new: bool) -> Self {
        Self {
            is_new,
            model: storable_name(&opened.model),
            asked: opened.asked.as_ref().map(storable_name),
            buckets: buckets(&opened),
            state: State::Held,
            posted: 0,
            overrun: 0,
            cost: 0,
            is_further: false,
            account_id: 0,
            tokens: Tokens::default(),
            outcome: 0,
            status: 0,
            attempts: String::new(),
            notes: String::new(),
            failovers: 0,
            ttft_ms: None,
            total_ms: None,
            finished_at: None,
            opened,
        }
    }

    /// A hold that has ended.
    pub fn ended(opened: Arc<Opened>, closed: Closed) -> Self {
        let mut row = Self::open(opened, false);
        row.close(closed);
        row
    }

    fn close(&mut self, Closed { state, posted, closing }: Closed) {
        self.state = state;
        self.posted = posted.actual.0;
        self.overrun = posted.overrun.0;
        self.cost = match state {
            State::Held | State::Voided => 0,
            State::Posted | State::Estimated => {
                // Where not all of the charge was posted, its cost is not that of what was.
                let cost = closing.cost.filter(|_| posted.actual == closing.charge);
                let cost = cost.unwrap_or_else(|| self.opened.markup.taken_off(posted.actual));
                cost.0.clamp(0, MAX_COST)
            }
        };
        self.is_further = closing.is_further;
        self.account_id = closing.account_id;
        self.tokens = closing.usage.into();
        self.outcome = closing.outcome.code();
        self.status = i16::try_from(closing.status).unwrap_or(i16::MAX);
        self.attempts = storable(closing.attempts);
        self.notes = storable(closing.notes);
        self.failovers = i64::from(closing.failovers);
        self.ttft_ms = closing.ttft_ms.map(|ttft_ms| ttft_ms.clamp(0, MAX_COUNT));
        self.total_ms = Some(closing.total_ms.clamp(0, MAX_COUNT));
        self.finished_at = Some(closing.finished_at_ms);
    }

    /// What [`chain::of_hold`] says of the row.
    fn print(&self) -> Print {
        let Self { opened, tokens, .. } = self;
        let numbers = [
            opened.id,
            opened.request_id,
            opened.team_id,
            opened.key_id,
            i64::from(opened.member_id.is_some()),
            opened.member_id.unwrap_or_default(),
            i64::from(opened.is_stream),
            opened.price_id,
            i64::from(self.state.code()),
            opened.amount.0,
            self.posted,
            self.overrun,
            tokens.count(Kind::Input),
            tokens.count(Kind::CacheRead),
            tokens.count(Kind::CacheWrite),
            tokens.count(Kind::Output),
            tokens.reasoning(),
            i64::from(self.outcome),
            i64::from(self.status),
            opened.started_at_ms,
            self.finished_at.unwrap_or_default(),
        ];
        let texts = [&*self.model, &opened.operation, &self.buckets];
        chain::print_hold(
            &numbers,
            texts,
            (tokens.details.as_deref(), opened.markup.basis_points()),
        )
    }

    /// The group that ends it, if that is the one numbered `number`; 0 if it stays open.
    pub const fn batch(&self, number: i64) -> i64 {
        match self.state {
            State::Held => 0,
            State::Posted | State::Voided | State::Estimated => number,
        }
    }

    fn revenue_key(&self) -> RevenueKey {
        RevenueKey {
            day: self.opened.started_at_ms.div_euclid(DAY_MS) * DAY_MS,
            team_id: self.opened.team_id,
            account_id: self.account_id,
            model: Arc::clone(&self.model),
        }
    }

    fn hour_key(&self) -> HourKey {
        HourKey {
            hour: self.opened.started_at_ms.div_euclid(HOUR_MS) * HOUR_MS,
            team_id: self.opened.team_id,
            key_id: self.opened.key_id,
            model: Arc::clone(&self.model),
        }
    }
}

impl HourSums {
    /// What the wallet paid.
    pub const fn charged(&self) -> i64 {
        self.posted.saturating_sub(self.own_posted)
    }

    fn add(&mut self, row: &HoldRow) {
        let outcome = gateway_core::ledger::Outcome::from_code(row.outcome);
        let status = u16::try_from(row.status).unwrap_or_default();
        self.member_id = row.opened.member_id;
        self.requests += i64::from(row.opened.request_id == row.opened.id);
        self.failed += i64::from(outcome.is_failure(status));
        self.failovers += row.failovers;
        self.count(row.tokens.usage);
        self.posted += row.posted;
        self.own_posted += if row.opened.is_own { row.posted } else { 0 };
        self.ttft_ms_sum += row.ttft_ms.unwrap_or_default();
        self.ttft_count += i64::from(row.ttft_ms.is_some());
    }

    /// Adds the tokens of `usage`, each rarer kind to the one it is closest to.
    pub fn count(&mut self, usage: Usage) {
        let usage = usage.without_rare();
        self.input += usage.input.cast_signed();
        self.cache_read += usage.cache_read.cast_signed();
        self.cache_write += usage.cache_write.cast_signed();
        self.output += usage.output.cast_signed();
    }
}

fn buckets(opened: &Opened) -> String {
    let mut buckets = String::with_capacity(opened.path.len() * 20);
    for (nth, bucket) in opened.path.iter().enumerate() {
        if nth > 0 {
            buckets.push(',');
        }
        buckets.push_str(&bucket.id.to_string());
        if opened.legs.is_leased(nth) {
            buckets.push(LEASED);
        }
    }
    buckets
}

/// `text` without what Postgres does not store.
fn storable(text: String) -> String {
    if text.contains('\0') {
        text.replace('\0', "")
    } else {
        text
    }
}

/// The same for the name of a model, which may not be too long either.
fn storable_name(name: &Arc<str>) -> Arc<str> {
    if name.len() <= MAX_MODEL && !name.contains('\0') {
        return Arc::clone(name);
    }
    storable(name[..name.floor_char_boundary(MAX_MODEL)].to_owned()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway_core::ledger::{Kind, Outcome, Period, Series};

    fn bucket(id: i64) -> Arc<Bucket> {
        let series = Series::key(1, 2, Kind::Total);
        Arc::new(Bucket {
            id,
            series,
            period: Period::ALWAYS,
            zone: "UTC".to_owned(),
        })
    }

    /// Under a lease in the second bucket of the path.
    fn legs() -> Legs {
        let mut legs = Legs::default();
        legs.lease(1);
        legs
    }

    fn opened(seq: u64, id: i64, model: &str) -> Arc<Opened> {
        Arc::new(Opened {
            seq,
            id,
            request_id: id,
            team_id: 1,
            key_id: 2,
            member_id: None,
            model: model.into(),
            asked: None,
            operation: "chat".into(),
            is_stream: false,
            is_own: false,
            price_id: 1,
            markup: Markup::NONE,
            path: vec![bucket(7), bucket(5)],
            legs: legs(),
            amount: Nano(10),
            started_at_ms: HOUR_MS * 3 + 1,
            started: Instant::now(),
        })
    }

    fn close(opened: &Arc<Opened>, posted: i64) -> Op {
        let posted = Posted {
            actual: Nano(posted),
            overrun: Nano(0),
        };
        let closing = Closing {
            outcome: Outcome::Ok,
            attempts: "[\0]".to_owned(),
            ..Closing::default()
        };
        Op::Close(
            Arc::clone(opened),
            Closed {
                state: State::Posted,
                posted,
                closing,
            },
        )
    }

    #[test]
    fn a_hold_that_opens_and_ends_in_one_batch_is_one_row() {
        let (earlier, here, open) = (opened(3, 100, "m"), opened(11, 101, "m"), opened(12, 102, "m"));
        let ops = vec![
            close(&earlier, 4),
            Op::Open(Arc::clone(&here)),
            Op::Open(Arc::clone(&open)),
            close(&here, 3),
        ];
        let taken = Taken {
            ops,
            first: 10,
            low_water: 9,
        };
        let batch = Batch::new(taken, true);
        assert_eq!(batch.holds[0].buckets, "7,5*");
        let rows: Vec<_> = batch
            .holds
            .iter()
            .map(|row| (row.opened.id, row.state, row.posted))
            .collect();
        assert_eq!(
            rows,
            [(100, State::Posted, 4), (101, State::Posted, 3), (102, State::Held, 0)]
        );
        assert_eq!((batch.last, batch.low_water), (13, 9));
        let buckets: Vec<_> = batch.buckets.values().map(|row| (row.bucket.id, row.change)).collect();
        let change = |leased, right| Change {
            posted: 7,
            overrun: 0,
            held: 0,
            leased,
            right,
        };
        assert_eq!(buckets, [(5, change(-7, -7)), (7, change(0, 0))]);
        let hours: Vec<_> = batch
            .hours
            .iter()
            .map(|(key, sums)| (key.hour, sums.requests, sums.posted))
            .collect();
        assert_eq!(hours, [(HOUR_MS * 3, 2, 7)]);
        let sums = RevenueSums {
            requests: 2,
            charged: 7,
            cost: 7,
        };
        assert_eq!(batch.revenue.into_values().collect::<Vec<_>>(), [sums]);
    }

    #[test]
    fn what_a_database_would_refuse_is_not_in_a_row() {
        let long = "é".repeat(300);
        let hold = opened(1, 100, &long);
        let taken = Taken {
            ops: vec![Op::Open(Arc::clone(&hold)), close(&hold, 1)],
            first: 1,
            low_water: 0,
        };
        let batch = Batch::new(taken, false);
        assert_eq!(*batch.holds[0].model, *"é".repeat(128));
        assert_eq!(batch.holds[0].attempts, "[]");
        let usage = Usage {
            input: u64::MAX,
            ..Usage::default()
        };
        assert_eq!(Tokens::from(usage).count(gateway_core::usage::Kind::Input), MAX_COUNT);
    }
}
