//! The books, recomputed: every charge from its usage and price, every cached sum from its rows.
//!
//! Invariant: reads one snapshot and writes nothing, so it may run beside a serving process.
//! Where old holds were deleted, what is carried for them stands in; a team's roll-ups of those hours prove what is carried.
//! Reads `hold`, `bucket`, `carried`, `node`, `lease`, `usage_hour`, `revenue_day`, `entry`, `journal`, `price`, the setting `retention` and
//! the file of `heads`.

mod chains;

use super::{
    Outcome,
    batch::{HOUR_MS, HourKey, HourSums, LEASED, State},
    buckets::stored,
    heads,
    links::Head,
    recover::path,
    retention::Mark,
    snapshot::snapshot,
    tokens::usage_of,
};
use chains::Chains;
use entity::{bucket, carried, entry, hold, lease, node, price, revenue_day, usage_hour};
use gateway_core::{
    ledger::{Kind, Series},
    pricing::{Markup, PriceSheet, charge},
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseBackend, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait,
    QueryFilter, QueryOrder, QuerySelect,
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::Path,
};

/// Holds read at a time.
const PAGE: u64 = 2_000;
/// Differences told apart; further ones are only counted.
const MAX_TOLD: usize = 1_000;

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Holds read.
    pub checked: u64,
    /// Of them, those still open.
    pub open: u64,
    /// Of them, those posted as an estimate, whose charge cannot be recomputed.
    pub estimates: u64,
    /// Groups of postings, links of chains.
    pub groups: u64,
    /// How many differences there are; 0 if the books balance.
    pub difference_count: u64,
    /// The first of them, one sentence each.
    pub differences: Vec<String>,
}

/// Why the books could not be read.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The database refused or could not be reached.
    #[error(transparent)]
    Database(#[from] DbErr),
    /// The file of heads could not be read.
    #[error("ledger.head cannot be read: {0}")]
    Heads(#[from] std::io::Error),
}

impl Report {
    fn differ(&mut self, difference: String) {
        self.difference_count += 1;
        if self.differences.len() < MAX_TOLD {
            self.differences.push(difference);
        }
    }

    fn expect_equal<T: PartialEq + std::fmt::Debug>(&mut self, what: impl Fn() -> String, stored: &T, computed: &T) {
        if stored != computed {
            self.differ(format!("{}: stored {stored:?}, computed {computed:?}", what()));
        }
    }
}

/// Recomputes the ledger and compares.
///
/// # Errors
/// [`VerifyError`] if the database cannot be read.
pub async fn verify(db: &DatabaseConnection) -> Result<Report, VerifyError> {
    check(db, &[]).await
}

/// The same, and the database has what the file of heads in `data_dir` says that it had.
///
/// # Errors
/// [`VerifyError`] if the database or the file cannot be read.
pub async fn verify_beside(db: &DatabaseConnection, data_dir: &Path) -> Result<Report, VerifyError> {
    // First the file: what it names was committed before.
    check(db, &heads::kept(data_dir)?).await
}

async fn check(db: &DatabaseConnection, heads: &[Head]) -> Result<Report, VerifyError> {
    let snapshot = snapshot(db).await?;
    let mut books = Books::read(&snapshot).await?;
    let mut from = i64::MIN;
    loop {
        let page = hold::Entity::find()
            .filter(hold::Column::Id.gte(from))
            .order_by_asc(hold::Column::Id)
            .limit(PAGE)
            .all(&snapshot)
            .await?;
        let Some(last) = page.last() else {
            break;
        };
        from = last.id.saturating_add(1);
        for hold in &page {
            books.check_hold(hold);
        }
        books.chains.check_holds(&snapshot, &page, &mut books.report).await?;
    }
    books.count_entries(&snapshot).await?;
    books.check_adjustments(&snapshot).await?;
    books.check_buckets();
    books.check_hours(&snapshot).await?;
    books.chains.check_links(&snapshot, &mut books.report).await?;
    for difference in heads::lacking(&snapshot, heads).await? {
        books.report.differ(difference);
    }
    snapshot.commit().await?;
    Ok(books.report)
}

/// A bucket's row, and what its rows come to.
struct Counted {
    row: bucket::Model,
    posted: i128,
    overrun: i128,
    held: i128,
    leased: i128,
    credit: i128,
}

impl Counted {
    const fn new(row: bucket::Model) -> Self {
        Self {
            row,
            posted: 0,
            overrun: 0,
            held: 0,
            leased: 0,
            credit: 0,
        }
    }
}

struct Books {
    /// Whether several nodes may serve, so that what is held stands in the buckets.
    is_shared: bool,
    /// The low-water mark of each node.
    nodes: HashMap<i64, i64>,
    /// By node and bucket: what is granted, less what open holds use of it.
    idle: BTreeMap<(i64, i64), i128>,
    /// How far holds were deleted.
    mark: Mark,
    /// What is carried for each team's wallet, until the team's hours are known to have counted it.
    unproved: BTreeMap<i64, i128>,
    sheets: HashMap<i64, Option<PriceSheet>>,
    buckets: BTreeMap<i64, Counted>,
    hours: BTreeMap<HourKey, HourSums>,
    chains: Chains,
    report: Report,
}

impl Books {
    async fn read(snapshot: &DatabaseTransaction) -> Result<Self, VerifyError> {
        let rows = node::Entity::find().all(snapshot).await?;
        let nodes = rows.into_iter().map(|row| (row.id, row.low_water)).collect();
        let mut report = Report::default();
        let prices = price::Entity::find().all(snapshot).await?;
        let sheets = prices
            .into_iter()
            .map(|row| (row.id, serde_json::from_str(&row.sheet).ok()))
            .collect();
        let mark = Mark::read(snapshot).await.unwrap_or_else(|error| {
            report.differ(error.to_string());
            Mark::default()
        });
        let rows = bucket::Entity::find().all(snapshot).await?;
        let mut buckets: BTreeMap<_, _> = rows.into_iter().map(|row| (row.id, Counted::new(row))).collect();
        let mut unproved = BTreeMap::new();
        for row in carried::Entity::find().all(snapshot).await? {
            let Some(counted) = buckets.get_mut(&row.bucket_id) else {
                report.differ(format!("carried: no bucket {}", row.bucket_id));
                continue;
            };
            counted.posted += i128::from(row.posted);
            counted.overrun += i128::from(row.overrun);
            if counted.row.kind == Kind::Wallet.name() {
                *unproved.entry(counted.row.team_id).or_default() += i128::from(row.posted);
            }
        }
        let mut idle = BTreeMap::new();
        for lease in lease::Entity::find().all(snapshot).await? {
            match buckets.get_mut(&lease.bucket_id) {
                Some(counted) => counted.leased += i128::from(lease.granted),
                None => report.differ(format!(
                    "lease of node {}: no bucket {}",
                    lease.node_id, lease.bucket_id
                )),
            }
            idle.insert((lease.node_id, lease.bucket_id), i128::from(lease.granted));
        }
        Ok(Self {
            is_shared: snapshot.get_database_backend() == DatabaseBackend::Postgres,
            nodes,
            idle,
            mark,
            unproved,
            sheets,
            buckets,
            hours: BTreeMap::new(),
            chains: Chains::new(mark.below),
            report,
        })
    }

    fn check_hold(&mut self, hold: &hold::Model) {
        self.report.checked += 1;
        let is_closed = hold.state != State::Held.code();
        if !is_closed {
            self.report.open += 1;
            match self.nodes.get(&hold.node_id) {
                None => self
                    .report
                    .differ(format!("hold {}: open, and its node is gone", hold.id)),
                Some(low_water) if hold.id < *low_water => {
                    let difference = format!("hold {}: open below the low-water mark {low_water}", hold.id);
                    self.report.differ(difference);
                }
                Some(_) => {}
            }
        }
        self.check_charge(hold, is_closed);
        self.check_path(hold);
        if is_closed {
            self.count_hour(hold);
        }
    }

    fn check_charge(&mut self, hold: &hold::Model, is_closed: bool) {
        let id = hold.id;
        self.report.expect_equal(
            || format!("hold {id}: is finished"),
            &hold.finished_at.is_some(),
            &is_closed,
        );
        let overrun = hold.posted.saturating_sub(hold.held).max(0);
        self.report
            .expect_equal(|| format!("hold {id}: overrun"), &hold.overrun, &overrun);
        if hold.posted < 0 || hold.held < 0 {
            self.report.differ(format!(
                "hold {id}: negative: held {}, posted {}",
                hold.held, hold.posted
            ));
        }
        if hold.state == State::Held.code() || hold.state == State::Voided.code() {
            self.report
                .expect_equal(|| format!("hold {id}: posted without a charge"), &hold.posted, &0);
        } else if hold.state == State::Estimated.code() {
            self.report.estimates += 1;
        } else if hold.state == State::Posted.code() {
            match self.sheets.get(&hold.price_id) {
                Some(Some(sheet)) => {
                    let markup = Markup::new(hold.markup).ok();
                    let computed = usage_of(hold)
                        .zip(markup)
                        .and_then(|(usage, markup)| charge(&sheet.marked_up(markup), &usage))
                        .map(|charge| charge.0);
                    self.report
                        .expect_equal(|| format!("hold {id}: charge"), &Some(hold.posted), &computed);
                }
                Some(None) => self
                    .report
                    .differ(format!("hold {id}: price {} cannot be read", hold.price_id)),
                None => self.report.differ(format!("hold {id}: no price {}", hold.price_id)),
            }
        } else {
            self.report.differ(format!("hold {id}: unknown state {}", hold.state));
        }
    }

    /// The path is known, goes through the team's wallet, unless its own account was asked, and the key's total, nowhere twice,
    /// and belongs to one team.
    fn check_path(&mut self, hold: &hold::Model) {
        let Ok((path, legs)) = path(hold) else {
            let difference = format!("hold {}: no path in {:?}", hold.id, hold.buckets);
            return self.report.differ(difference);
        };
        let open = if hold.state == State::Held.code() {
            i128::from(hold.held)
        } else {
            0
        };
        let (mut wallets, mut totals, mut kinds) = (0, 0, HashSet::new());
        for (nth, id) in path.iter().enumerate() {
            let Some(counted) = self.buckets.get_mut(id) else {
                self.report.differ(format!("hold {}: no bucket {id}", hold.id));
                continue;
            };
            counted.posted += i128::from(hold.posted);
            counted.overrun += i128::from(hold.overrun);
            if self.is_shared && open > 0 {
                counted.held += open;
                if legs.is_leased(nth) {
                    *self.idle.entry((hold.node_id, *id)).or_default() -= open;
                } else {
                    counted.leased += open;
                }
            }
            let row = &counted.row;
            wallets += usize::from(row.kind == Kind::Wallet.name());
            totals += usize::from(row.kind == Kind::Total.name());
            let kind = (row.scope.clone(), row.kind.clone());
            if let Some((scope, kind)) = kinds.replace(kind) {
                self.report
                    .differ(format!("hold {}: goes twice through a {kind} of the {scope}", hold.id));
            }
            let owner = match row.scope.as_str() {
                "team" => Some(hold.team_id),
                "key" => Some(hold.key_id),
                _ => hold.member_id,
            };
            if row.team_id != hold.team_id || owner != Some(row.scope_id) {
                self.report
                    .differ(format!("hold {}: bucket {id} belongs to another", hold.id));
            }
        }
        // Who asks an account of their own pays the provider, not us.
        self.report.expect_equal(
            || format!("hold {}: wallets and totals", hold.id),
            &(wallets, totals),
            &(usize::from(!hold.is_own), 1),
        );
    }

    fn count_hour(&mut self, hold: &hold::Model) {
        let key = HourKey {
            hour: hold.started_at.div_euclid(HOUR_MS) * HOUR_MS,
            team_id: hold.team_id,
            key_id: hold.key_id,
            model: hold.model.as_str().into(),
        };
        let is_failure = Outcome::from_code(hold.outcome).is_failure(u16::try_from(hold.status).unwrap_or_default());
        let sums = self.hours.entry(key).or_default();
        sums.requests += i64::from(hold.request_id == hold.id);
        sums.failed += i64::from(is_failure);
        sums.failovers += hold.failovers;
        match usage_of(hold) {
            Some(usage) => sums.count(usage),
            None => self
                .report
                .differ(format!("hold {}: its tokens cannot be read", hold.id)),
        }
        sums.posted += hold.posted;
        sums.own_posted += if hold.is_own { hold.posted } else { 0 };
        sums.ttft_ms_sum += hold.ttft_ms.unwrap_or_default();
        sums.ttft_count += i64::from(hold.ttft_ms.is_some());
    }

    /// Cached sums equal those of holds, leases and entries; no two periods of a series overlap.
    fn check_buckets(&mut self) {
        let mut periods: BTreeMap<Series, Vec<(i64, i64)>> = BTreeMap::new();
        for (id, counted) in &self.buckets {
            let row = &counted.row;
            let sums = [
                ("posted", row.posted, counted.posted),
                ("overrun", row.overrun, counted.overrun),
                ("held", row.held, counted.held),
                ("leased", row.leased, counted.leased),
                ("credit", row.credit, counted.credit),
            ];
            for (what, stored, computed) in sums {
                self.report
                    .expect_equal(|| format!("bucket {id}: {what}"), &i128::from(stored), &computed);
            }
            match stored(row.clone()) {
                Ok(stored) => {
                    let period = stored.bucket.period;
                    periods
                        .entry(stored.bucket.series)
                        .or_default()
                        .push((period.start_ms, period.end_ms));
                }
                Err(error) => self.report.differ(error.to_string()),
            }
        }
        for ((node, bucket), idle) in &self.idle {
            if *idle < 0 || !self.nodes.contains_key(node) {
                let difference = format!("lease of node {node} in bucket {bucket}: {idle} is idle");
                self.report.differ(difference);
            }
        }
        for (series, mut periods) in periods {
            periods.sort_unstable();
            let overlaps = periods.windows(2).any(|pair| pair[0].1 > pair[1].0);
            if overlaps || periods.iter().any(|(start, end)| start >= end) {
                self.report.differ(format!("{series:?}: periods overlap: {periods:?}"));
            }
        }
    }

    async fn check_hours(&mut self, snapshot: &DatabaseTransaction) -> Result<(), VerifyError> {
        let mut charged: BTreeMap<i64, i128> = BTreeMap::new();
        for row in usage_hour::Entity::find().all(snapshot).await? {
            *charged.entry(row.team_id).or_default() += i128::from(row.posted - row.own_posted);
            let key = HourKey {
                hour: row.hour,
                team_id: row.team_id,
                key_id: row.key_id,
                model: row.model.into(),
            };
            let stored = HourSums {
                member_id: None,
                requests: row.requests,
                failed: row.failed,
                failovers: row.failovers,
                input: row.input,
                cache_read: row.cache_read,
                cache_write: row.cache_write,
                output: row.output,
                posted: row.posted,
                own_posted: row.own_posted,
                ttft_ms_sum: row.ttft_ms_sum,
                ttft_count: row.ttft_count,
            };
            let computed = self.hours.remove(&key).unwrap_or_default();
            if self.mark.began_ms.is_some_and(|began| key.hour <= began) {
                let gone = i128::from(stored.charged()) - i128::from(computed.charged());
                *self.unproved.entry(key.team_id).or_default() -= gone;
                continue;
            }
            self.report.expect_equal(|| format!("{key:?}"), &stored, &computed);
        }
        for (key, computed) in std::mem::take(&mut self.hours) {
            self.report.differ(format!("{key:?}: no row, computed {computed:?}"));
        }
        for row in revenue_day::Entity::find().all(snapshot).await? {
            *charged.entry(row.team_id).or_default() -= i128::from(row.charged);
        }
        for (team, left) in charged {
            self.report
                .expect_equal(|| format!("team {team}: its hours beyond its revenue"), &left, &0);
        }
        for (team, left) in std::mem::take(&mut self.unproved) {
            self.report
                .expect_equal(|| format!("team {team}: carried beyond its hours"), &left, &0);
        }
        Ok(())
    }

    /// What was paid into each wallet.
    async fn count_entries(&mut self, snapshot: &DatabaseTransaction) -> Result<(), VerifyError> {
        let mut teams: BTreeMap<i64, i128> = BTreeMap::new();
        let entries = entry::Entity::find().all(snapshot).await?;
        self.chains.check_entries(snapshot, &entries, &mut self.report).await?;
        for entry in entries {
            *teams.entry(entry.team_id).or_default() += i128::from(entry.amount);
        }
        for counted in self.buckets.values_mut() {
            if counted.row.kind == Kind::Wallet.name() {
                counted.credit = teams.remove(&counted.row.team_id).unwrap_or_default();
            }
        }
        for (team, credit) in teams {
            self.report
                .differ(format!("team {team}: {credit} was paid in, and there is no wallet"));
        }
        Ok(())
    }

    /// A wallet is Σ entries − posted, and its bucket is checked with the others. What is left is the entries that correct a
    /// hold: each is of the hold's team and counts in the caps of the hold's path, and together they leave a charge between
    /// nothing and what the hold may cost. Of a hold that was deleted only the sums are left.
    async fn check_adjustments(&mut self, snapshot: &DatabaseTransaction) -> Result<(), VerifyError> {
        let entries = entry::Entity::find()
            .filter(entry::Column::HoldId.is_not_null())
            .order_by_asc(entry::Column::Id)
            .all(snapshot)
            .await?;
        let mut by_hold: BTreeMap<i64, Vec<entry::Model>> = BTreeMap::new();
        for entry in entries {
            self.take_off(&entry);
            by_hold
                .entry(entry.hold_id.unwrap_or_default())
                .or_default()
                .push(entry);
        }
        for (hold_id, entries) in by_hold {
            match hold::Entity::find_by_id(hold_id).one(snapshot).await? {
                Some(hold) => self.check_corrected(&hold, &entries),
                None if hold_id < self.mark.below => {}
                None => self
                    .report
                    .differ(format!("entry {}: no hold {hold_id}", entries[0].id)),
            }
        }
        Ok(())
    }

    /// What a correction gives back its buckets have not counted.
    fn take_off(&mut self, entry: &entry::Model) {
        for bucket in entry.buckets.split(',').filter_map(|id| id.parse().ok()) {
            if let Some(counted) = self.buckets.get_mut(&bucket) {
                counted.posted -= i128::from(entry.amount);
            }
        }
    }

    fn check_corrected(&mut self, hold: &hold::Model, entries: &[entry::Model]) {
        let is_cap = |id: &&str| {
            let counted = id.parse().ok().and_then(|id: i64| self.buckets.get(&id));
            counted.is_none_or(|counted| counted.row.kind != Kind::Wallet.name())
        };
        let path = hold.buckets.split(',').map(|id| id.trim_end_matches(LEASED));
        let mut caps: Vec<&str> = path.filter(is_cap).collect();
        caps.sort_unstable_by_key(|id| id.parse::<i64>().unwrap_or_default());
        let caps = caps.join(",");
        for entry in entries {
            if entry.team_id != hold.team_id {
                self.report
                    .differ(format!("entry {}: corrects no hold of its team", entry.id));
            }
            self.report
                .expect_equal(|| format!("entry {}: buckets", entry.id), &entry.buckets, &caps);
        }
        let given: i128 = entries.iter().map(|entry| i128::from(entry.amount)).sum();
        let charge = i128::from(hold.posted) - given;
        if charge < 0 || charge > i128::from(hold.posted.max(hold.held)) {
            self.report.differ(format!(
                "hold {}: corrected to {charge}, beyond what it may cost",
                hold.id
            ));
        }
    }
}
