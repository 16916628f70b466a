//! Random lists of what can happen, replayed on real databases beside a list of holds; crashes among them, of real processes
//! too: killed while they work, stopped while others fence them.
//!
//! Invariant: a failure shows the shortest list found, and the seed, which `PROPTEST_RNG_SEED` sets.

use crate::{
    harness::{NOON_MS, Place, assert_books_balance, open, postgres, sqlite},
    node::{Act, Answer, DAY_CAP, End, KEY_CAP, KEYS, Node, Site, Sums, act_all, is_own},
};
use proptest::{
    prelude::*,
    test_runner::{Config, FileFailurePersistence, RngSeed, TestRunner},
};
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseBackend, DatabaseConnection, EntityTrait, QueryFilter};
use std::{
    sync::{
        Mutex,
        atomic::{AtomicI64, AtomicU32, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Ledgers on one Postgres; on SQLite there is one.
const NODES: usize = 3;
/// Lists of steps replayed on each database, as far as there is time.
const LISTS: u32 = 200;
/// Seconds that takes at most, unless `OURHUB_TEST_REPLAY_S` says otherwise.
const TIME_S: u64 = 90;
/// How long what fits may be refused, and what is fenced may take to go on.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
enum Step {
    Admit {
        node: usize,
        key: i64,
        amount: i64,
        is_durable: bool,
    },
    Post {
        nth: usize,
        actual: i64,
    },
    Estimate {
        nth: usize,
        actual: i64,
    },
    Void {
        nth: usize,
    },
    Drop {
        nth: usize,
        is_sent: bool,
    },
    Grant {
        node: usize,
        amount: i64,
    },
    Clock {
        hours: i64,
    },
    Crash {
        node: usize,
    },
    Restart {
        node: usize,
    },
    Fence {
        node: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let (amount, node) = (0_i64..50, 0_usize..NODES);
    prop_oneof![
        12 => (node.clone(), 0_i64..2, amount, any::<bool>())
            .prop_map(|(node, key, amount, is_durable)| Step::Admit { node, key, amount, is_durable }),
        5 => (any::<usize>(), 0_i64..60).prop_map(|(nth, actual)| Step::Post { nth, actual }),
        1 => (any::<usize>(), 0_i64..60).prop_map(|(nth, actual)| Step::Estimate { nth, actual }),
        2 => any::<usize>().prop_map(|nth| Step::Void { nth }),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(nth, is_sent)| Step::Drop { nth, is_sent }),
        1 => (node.clone(), -20_i64..60).prop_map(|(node, amount)| Step::Grant { node, amount }),
        1 => (-30_i64..30).prop_map(|hours| Step::Clock { hours }),
        1 => node.clone().prop_map(|node| Step::Crash { node }),
        1 => node.clone().prop_map(|node| Step::Restart { node }),
        1 => node.prop_map(|node| Step::Fence { node }),
    ]
}

/// A hold as the reference keeps it.
struct Kept {
    id: i64,
    node: usize,
    key: i64,
    amount: i64,
    /// When the day it counts in ends.
    day_ends_ms: Option<i64>,
    is_durable: bool,
    /// Whether its ledger still has it.
    is_open: bool,
    /// Once it has ended: state and charge.
    end: Option<(i16, i64)>,
}

impl Kept {
    fn posted(&self) -> i64 {
        self.end.map_or(0, |(_, posted)| posted)
    }

    fn held(&self) -> i64 {
        if self.end.is_some() { 0 } else { self.amount }
    }

    fn used(&self) -> i64 {
        self.posted() + self.held()
    }
}

struct Replay<'a> {
    db: &'a DatabaseConnection,
    site: &'a Site,
    nodes: Vec<Node>,
    team: i64,
    now_ms: i64,
    holds: Vec<Kept>,
    granted: i64,
}

impl<'a> Replay<'a> {
    /// On `nodes`, or on new ones where there are none.
    async fn new(db: &'a DatabaseConnection, site: &'a Site, mut nodes: Vec<Node>) -> Self {
        static TEAMS: AtomicI64 = AtomicI64::new(1);
        let team = TEAMS.fetch_add(1, Ordering::Relaxed) * 10;
        if nodes.is_empty() {
            nodes = site.open(if is_shared(db) { NODES } else { 1 }).await;
        }
        Self {
            db,
            site,
            nodes,
            team,
            now_ms: NOON_MS,
            holds: Vec::new(),
            granted: 0,
        }
    }

    async fn step(&mut self, step: &Step) {
        match *step {
            Step::Admit {
                node,
                key,
                amount,
                is_durable,
            } => self.admit(node % self.nodes.len(), key, amount, is_durable).await,
            Step::Post { nth, actual } => self.end(nth, End::Post(actual)).await,
            Step::Estimate { nth, actual } => self.end(nth, End::Estimate(actual)).await,
            Step::Void { nth } => self.end(nth, End::Void).await,
            Step::Drop { nth, is_sent } => self.end(nth, End::Drop { is_sent }).await,
            Step::Grant { node, amount } => {
                let team = self.team;
                self.tell(node % self.nodes.len(), Act::Grant { team, amount }).await;
                self.granted += amount;
            }
            Step::Clock { hours } => self.now_ms += hours * 3_600_000,
            Step::Crash { node } => self.crash(node % self.nodes.len()).await,
            Step::Restart { node } => self.restart(node % self.nodes.len()).await,
            Step::Fence { node } => self.fence(node % self.nodes.len()).await,
        }
    }

    async fn tell(&mut self, node: usize, act: Act) -> Answer {
        self.nodes[node].act(act).await
    }

    fn asked(&self, key: i64, amount: i64, is_durable: bool) -> Act {
        Act::Admit {
            team: self.team,
            key,
            amount,
            now_ms: self.now_ms,
            is_durable,
        }
    }

    async fn admit(&mut self, node: usize, key: i64, amount: i64, is_durable: bool) {
        match self.try_admit(node, key, amount, is_durable).await {
            Answer::Admitted(id) => {
                self.tell(node, Act::Write).await;
                let day_ends_ms = self.day_of(id).await;
                self.assert_within(key, day_ends_ms, amount);
                self.holds.push(Kept {
                    id,
                    node,
                    key,
                    amount,
                    day_ends_ms,
                    is_durable,
                    is_open: true,
                    end: None,
                });
            }
            Answer::Short {
                is_day,
                resets_at_ms,
                says,
            } => assert!(
                !self.fits(key, is_day, resets_at_ms, amount),
                "refused what fits: {says}"
            ),
            other => panic!("{other:?}"),
        }
    }

    /// What others have not written, or not given back yet, may stand in the way of what fits; not for long.
    async fn try_admit(&mut self, node: usize, key: i64, amount: i64, is_durable: bool) -> Answer {
        let until = Instant::now() + PATIENCE;
        loop {
            let act = self.asked(key, amount, is_durable);
            match self.tell(node, act).await {
                Answer::Short {
                    is_day, resets_at_ms, ..
                } if self.nodes.len() > 1 && self.fits(key, is_day, resets_at_ms, amount) && Instant::now() < until => {
                    self.write_all().await;
                }
                answer => return answer,
            }
        }
    }

    /// Whether `amount` fits the bucket that refused it.
    fn fits(&self, key: i64, is_day: bool, resets_at_ms: Option<i64>, amount: i64) -> bool {
        if is_day {
            self.day_used(resets_at_ms) + amount <= DAY_CAP
        } else {
            self.key_used(key) + amount <= KEY_CAP
        }
    }

    /// A charge above its hold takes from what other nodes have been granted already.
    fn assert_within(&self, key: i64, day_ends_ms: Option<i64>, amount: i64) {
        let above = if self.nodes.len() > 1 { self.above() } else { 0 };
        let is_within =
            self.day_used(day_ends_ms) + amount - above <= DAY_CAP && self.key_used(key) + amount - above <= KEY_CAP;
        assert!(is_within, "admitted above a cap");
    }

    fn day_used(&self, day_ends_ms: Option<i64>) -> i64 {
        let of_day = self.holds.iter().filter(|kept| kept.day_ends_ms == day_ends_ms);
        of_day.map(Kept::used).sum()
    }

    fn key_used(&self, key: i64) -> i64 {
        self.holds.iter().filter(|kept| kept.key == key).map(Kept::used).sum()
    }

    /// What was charged above holds.
    fn above(&self) -> i64 {
        self.holds.iter().map(|kept| (kept.posted() - kept.amount).max(0)).sum()
    }

    /// When the team's day ends that a hold counts in: two nodes whose clocks went back may count in two days.
    async fn day_of(&mut self, hold: i64) -> Option<i64> {
        if self.nodes.len() == 1 {
            let (team, now_ms) = (self.team, self.now_ms);
            let Answer::Day(ends_ms) = self.tell(0, Act::Day { team, now_ms }).await else {
                panic!("no day");
            };
            return ends_ms;
        }
        let row = self.row(hold).await.unwrap();
        let path = row
            .buckets
            .split(',')
            .map(|id| id.trim_end_matches('*').parse::<i64>().unwrap());
        let day = entity::bucket::Entity::find()
            .filter(entity::bucket::Column::Id.is_in(path))
            .filter(entity::bucket::Column::Scope.eq("team"))
            .filter(entity::bucket::Column::Kind.eq("day"))
            .one(self.db)
            .await
            .unwrap()
            .unwrap();
        day.period_end
    }

    async fn row(&self, hold: i64) -> Option<entity::hold::Model> {
        entity::hold::Entity::find_by_id(hold).one(self.db).await.unwrap()
    }

    /// Waits until every ledger has written what it has counted.
    async fn write_all(&mut self) {
        act_all(&mut self.nodes, Act::Write).await;
    }

    async fn end(&mut self, nth: usize, end: End) {
        let count = self.holds.len().max(1);
        let Some(kept) = self.holds.get_mut(nth % count).filter(|kept| kept.is_open) else {
            return;
        };
        let hold = kept.id;
        self.nodes[kept.node].act(Act::End { hold, end }).await;
        kept.is_open = false;
        kept.end = Some(match end {
            End::Post(actual) => (1, actual),
            End::Estimate(actual) => (3, actual),
            End::Drop { is_sent: true } => (3, kept.amount),
            End::Void | End::Drop { is_sent: false } => (2, 0),
        });
    }

    /// Fences a ledger's node, as others do that believe it dead.
    async fn fence_node(&self, id: i64) {
        let fence = format!("UPDATE node SET fenced_at = 1, slot = NULL WHERE id = {id}");
        self.db.execute_unprepared(&fence).await.unwrap();
    }

    async fn id_of(&mut self, node: usize) -> i64 {
        match self.tell(node, Act::Me).await {
            Answer::Me { node: Some(id), .. } => id,
            other => panic!("{other:?}"),
        }
    }

    /// Another process takes over. A ledger in this process may still be writing: what it has not written is lost. A process
    /// is killed in the middle of its work.
    async fn crash(&mut self, node: usize) {
        if matches!(self.nodes[node], Node::There(_)) {
            return self.kill(node).await;
        }
        let id = self.id_of(node).await;
        self.fence_node(id).await;
        let mut crashed = std::mem::replace(&mut self.nodes[node], self.site.open_one().await);
        self.lose(node).await;
        crashed.act(Act::Forget).await;
        crashed.act(Act::Close).await;
    }

    /// SIGKILL while an open hold is posted and another one made.
    async fn kill(&mut self, node: usize) {
        let (amount, key) = (7, 0);
        let posted = self.holds.iter_mut().find(|kept| kept.node == node && kept.is_open);
        let posting = posted.map(|kept| {
            kept.end = Some((1, kept.amount / 2));
            let end = End::Post(kept.amount / 2);
            Act::End { hold: kept.id, end }
        });
        let admitting = self.asked(key, amount, true);
        let Node::There(mut killed) = self.nodes.remove(node) else {
            return;
        };
        for act in posting.into_iter().chain([admitting]) {
            killed.tell(act);
        }
        // Somewhere within what that takes.
        tokio::time::sleep(Duration::from_micros(self.team.unsigned_abs() * 137 % 5_000)).await;
        let said = killed.kill();
        // The next start finds it dead, and ends what it left.
        self.nodes.insert(node, self.site.open_one().await);
        self.lose(node).await;
        let answered = said.iter().find_map(|answer| match answer {
            Answer::Admitted(id) => Some(*id),
            _ => None,
        });
        self.adopt((node, key, amount), answered).await;
    }

    /// A hold that was being made is there, whole, or never was; if anybody heard of it, it is there.
    async fn adopt(&mut self, (node, key, amount): (usize, i64, i64), answered: Option<i64>) {
        let known: Vec<i64> = self.holds.iter().map(|kept| kept.id).collect();
        let rows = entity::hold::Entity::find()
            .filter(entity::hold::Column::TeamId.eq(self.team))
            .filter(entity::hold::Column::Id.is_not_in(known))
            .all(self.db)
            .await
            .unwrap();
        assert!(rows.len() <= 1, "{rows:?}");
        assert!(
            answered.is_none() || answered == rows.first().map(|row| row.id),
            "an answer not on the books"
        );
        for row in rows {
            assert_eq!((row.state, row.posted), (3, amount), "hold {}", row.id);
            let day_ends_ms = self.day_of(row.id).await;
            self.assert_within(key, day_ends_ms, amount);
            self.holds.push(Kept {
                id: row.id,
                node,
                key,
                amount,
                day_ends_ms,
                is_durable: true,
                is_open: false,
                end: Some((3, amount)),
            });
        }
    }

    /// A process that was stopped for long: others have ended what it held, and it goes on as another node.
    async fn fence(&mut self, node: usize) {
        if self.nodes.len() == 1 {
            return;
        }
        let id = self.id_of(node).await;
        self.signal(node, "STOP");
        self.fence_node(id).await;
        open(self.db).await.close().await;
        self.lose(node).await;
        self.signal(node, "CONT");
        self.tell(node, Act::Forget).await;
        // What it writes next tells it, if its next beat has not.
        let act = self.asked(0, 0, true);
        if let Answer::Admitted(hold) = self.tell(node, act).await {
            let end = End::Void;
            self.tell(node, Act::End { hold, end }).await;
            let row = self.row(hold).await.expect("an answer not on the books");
            assert_ne!(row.node_id, id, "a fenced node has written");
        }
        let renewed = async {
            let is_renewed =
                |me: &Answer| matches!(me, Answer::Me { node: Some(me), is_writable: true, .. } if *me != id);
            while !is_renewed(&self.tell(node, Act::Me).await) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, renewed)
            .await
            .expect("it does not go on");
    }

    fn signal(&self, node: usize, name: &str) {
        if let Node::There(process) = &self.nodes[node] {
            process.signal(name);
        }
    }

    /// The holds of `node` are whole, or as they ended; what was not durable may be gone.
    async fn lose(&mut self, node: usize) {
        let mut gone = Vec::new();
        for nth in 0..self.holds.len() {
            if self.holds[nth].node != node {
                continue;
            }
            let row = self.row(self.holds[nth].id).await;
            let kept = &mut self.holds[nth];
            kept.is_open = false;
            let Some(row) = row else {
                assert!(!kept.is_durable, "a durable hold is gone");
                gone.push(nth);
                continue;
            };
            let found = (row.state, row.posted);
            let whole = (3, kept.amount);
            assert!(
                found == whole || Some(found) == kept.end,
                "hold {}: {found:?}, was {:?}",
                kept.id,
                kept.end
            );
            kept.end = Some(found);
        }
        for nth in gone.into_iter().rev() {
            self.holds.remove(nth);
        }
    }

    /// What has ended is written as it ended; what is open is posted whole by the next start.
    async fn restart(&mut self, node: usize) {
        self.tell(node, Act::Close).await;
        self.nodes[node] = self.site.open_one().await;
        for nth in 0..self.holds.len() {
            if self.holds[nth].node != node {
                continue;
            }
            let row = self.row(self.holds[nth].id).await.unwrap();
            let kept = &mut self.holds[nth];
            let found = (row.state, row.posted);
            assert_eq!(found, kept.end.unwrap_or((3, kept.amount)), "hold {}", kept.id);
            (kept.is_open, kept.end) = (false, Some(found));
        }
    }

    /// The ledgers say what the list of holds says.
    async fn check(&mut self) {
        self.write_all().await;
        let (node, team) = (self.holds.len() % self.nodes.len(), self.team);
        let of_key = |key: i64| self.holds.iter().filter(move |kept| kept.key == key);
        let sums = |key: i64| {
            (
                of_key(key).map(Kept::posted).sum::<i64>(),
                of_key(key).map(Kept::held).sum::<i64>(),
            )
        };
        let expected = Sums {
            keys: (0..KEYS).map(sums).collect(),
            posted: self
                .holds
                .iter()
                .filter(|kept| !is_own(kept.amount))
                .map(Kept::posted)
                .sum(),
            entries: self.granted,
        };
        match self.tell(node, Act::Sums { team }).await {
            Answer::Sums(sums) => assert_eq!(sums, expected),
            other => panic!("{other:?}"),
        }
    }

    /// Processes are left running, for the next list.
    async fn run(mut self, steps: &[Step]) -> Vec<Node> {
        for step in steps {
            self.step(step).await;
            self.check().await;
        }
        for nth in 0..self.holds.len() {
            self.end(nth, End::Drop { is_sent: false }).await;
        }
        self.check().await;
        for me in act_all(&mut self.nodes, Act::Me).await {
            assert!(matches!(me, Answer::Me { open_holds: 0, .. }), "{me:?}");
        }
        if matches!(self.site, Site::Here(_)) {
            act_all(&mut self.nodes, Act::Close).await;
            self.nodes.clear();
        }
        assert_books_balance(self.db).await;
        self.nodes
    }
}

fn is_shared(db: &DatabaseConnection) -> bool {
    db.get_database_backend() == DatabaseBackend::Postgres
}

/// Replays lists on ledgers at `site`, and says how many.
fn replay(name: &str, place: &Place, site: &Site, runtime: &tokio::runtime::Runtime) {
    let mut config = Config {
        cases: LISTS,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..Config::default()
    };
    let seed = match config.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            u64::from(since.subsec_nanos())
        }
    };
    config.rng_seed = RngSeed::Fixed(seed);
    let seconds = std::env::var("OURHUB_TEST_REPLAY_S").map_or(TIME_S, |text| text.parse().unwrap());
    let db = runtime.block_on(place.connect());
    let (since, lists) = (Instant::now(), AtomicU32::new(0));
    // After a list that fails there are none left.
    let nodes = Mutex::new(Vec::new());
    let is_in_time = || since.elapsed() < Duration::from_secs(seconds);
    let result = TestRunner::new(config).run(&prop::collection::vec(step(), 1..30), |steps| {
        if is_in_time() {
            let last = std::mem::take(&mut *nodes.lock().unwrap());
            let left = runtime.block_on(async { Replay::new(&db, site, last).await.run(&steps).await });
            *nodes.lock().unwrap() = left;
            lists.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    });
    let (lists, took) = (lists.into_inner(), since.elapsed().as_secs());
    let line = format!("{name}: {lists} lists replayed in {took} s; seed {seed}\n");
    // Past the capture of what tests print.
    std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).unwrap();
    result.unwrap();
    runtime.block_on(act_all(&mut nodes.into_inner().unwrap(), Act::Close));
    assert!(lists >= LISTS || !is_in_time(), "{lists} lists");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn whatever_happens_the_books_balance_on_sqlite() {
    let runtime = runtime();
    let place = runtime.block_on(sqlite());
    let site = Site::Here(runtime.block_on(place.connect()));
    replay("SQLite", &place, &site, &runtime);
}

#[test]
fn whatever_happens_the_books_balance_on_postgres() {
    let runtime = runtime();
    if let Some(place) = runtime.block_on(postgres()) {
        let site = Site::Here(runtime.block_on(place.connect()));
        replay("Postgres, three ledgers", &place, &site, &runtime);
    }
}

#[test]
fn whatever_happens_to_three_processes_the_books_balance() {
    let runtime = runtime();
    if let Some(place) = runtime.block_on(postgres()) {
        replay("Postgres, three processes", &place, &Site::there(&place.url), &runtime);
    }
}
