//! Random lists of what can happen, replayed on real databases beside a list of holds; crashes among them.

use crate::harness::{
    NOON_MS, Place, ask, assert_books_balance, charged, leak, open, payer, postgres, sqlite, until_writable,
};
use gateway_core::money::Nano;
use proptest::{
    prelude::*,
    test_runner::{Config, FileFailurePersistence, TestRunner},
};
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseBackend, DatabaseConnection, EntityTrait, QueryFilter};
use server::ledger::{Ask, Closing, Grant, Hold, Kind, Ledger, Payer, Refusal, Series, Short};
use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, Instant},
};

/// Ledgers on one Postgres; on SQLite there is one.
const NODES: usize = 3;
/// Lists of steps replayed on each database, as far as there is time.
const LISTS: u32 = 200;
const TIME: Duration = Duration::from_secs(90);
/// What the team may spend a day, and a key in all.
const DAY_CAP: i64 = 150;
const KEY_CAP: i64 = 400;
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
    hold: Option<Hold>,
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

struct Replay {
    db: DatabaseConnection,
    ledgers: Vec<Ledger>,
    team: i64,
    now_ms: i64,
    holds: Vec<Kept>,
    granted: i64,
}

impl Replay {
    async fn new(db: &DatabaseConnection) -> Self {
        static TEAMS: AtomicI64 = AtomicI64::new(1);
        let team = TEAMS.fetch_add(1, Ordering::Relaxed) * 10;
        let count = if is_shared(db) { NODES } else { 1 };
        let mut ledgers = Vec::new();
        for _ in 0..count {
            ledgers.push(open(db).await);
        }
        Self {
            db: db.clone(),
            ledgers,
            team,
            now_ms: NOON_MS,
            holds: Vec::new(),
            granted: 0,
        }
    }

    fn payer(&self, key: i64) -> Payer {
        let mut payer = payer(self.team, self.team + key);
        payer.team.day = Some(Nano(DAY_CAP));
        payer.key.total = Some(Nano(KEY_CAP));
        payer
    }

    async fn step(&mut self, step: &Step) {
        match *step {
            Step::Admit {
                node,
                key,
                amount,
                is_durable,
            } => self.admit(node % self.ledgers.len(), key, amount, is_durable).await,
            Step::Post { nth, actual } => self.end(nth, |hold, _| {
                hold.post(charged(actual));
                (1, actual)
            }),
            Step::Estimate { nth, actual } => self.end(nth, |hold, _| {
                hold.post(Closing {
                    estimated: true,
                    ..charged(actual)
                });
                (3, actual)
            }),
            Step::Void { nth } => self.end(nth, |hold, _| {
                hold.void(Closing::default());
                (2, 0)
            }),
            Step::Drop { nth, is_sent } => self.end(nth, |mut hold, amount| {
                if is_sent {
                    hold.mark_sent();
                }
                drop(hold);
                if is_sent { (3, amount) } else { (2, 0) }
            }),
            Step::Grant { node, amount } => self.grant(node % self.ledgers.len(), amount).await,
            Step::Clock { hours } => self.now_ms += hours * 3_600_000,
            Step::Crash { node } => self.crash(node % self.ledgers.len()).await,
            Step::Restart { node } => self.restart(node % self.ledgers.len()).await,
            Step::Fence { node } => self.fence(node % self.ledgers.len()).await,
        }
    }

    async fn admit(&mut self, node: usize, key: i64, amount: i64, is_durable: bool) {
        let mut asked = ask(&self.payer(key), amount);
        asked.now_ms = self.now_ms;
        match self.try_admit(node, key, asked).await {
            Ok(hold) => {
                if is_durable {
                    hold.durable().await.unwrap();
                }
                let day_ends_ms = self.day_of(&hold).await;
                // A charge above its hold takes from what other nodes have been granted already.
                let above = if self.ledgers.len() > 1 { self.above() } else { 0 };
                assert!(self.is_within(key, day_ends_ms, amount - above), "admitted above a cap");
                self.holds.push(Kept {
                    id: hold.id(),
                    node,
                    key,
                    amount,
                    day_ends_ms,
                    is_durable,
                    hold: Some(hold),
                    end: None,
                });
            }
            Err(Refusal::Short(short)) => assert!(!self.fits(key, &short, amount), "refused what fits: {short:?}"),
            Err(Refusal::Down(down)) => panic!("{down}"),
        }
    }

    /// What others have not written, or not given back yet, may stand in the way of what fits; not for long.
    async fn try_admit(&self, node: usize, key: i64, asked: Ask) -> Result<Hold, Refusal> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.ledgers[node].admit(asked.clone()).await {
                Err(Refusal::Short(short))
                    if self.ledgers.len() > 1 && self.fits(key, &short, asked.amount.0) && Instant::now() < until =>
                {
                    self.write_all().await;
                }
                admitted => return admitted,
            }
        }
    }

    /// Whether `amount` fits the bucket that refused it.
    fn fits(&self, key: i64, short: &Short, amount: i64) -> bool {
        match short.series.kind {
            Kind::Day => self.day_used(short.resets_at_ms) + amount <= DAY_CAP,
            _ => self.key_used(key) + amount <= KEY_CAP,
        }
    }

    fn is_within(&self, key: i64, day_ends_ms: Option<i64>, amount: i64) -> bool {
        self.day_used(day_ends_ms) + amount <= DAY_CAP && self.key_used(key) + amount <= KEY_CAP
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

    /// When the team's day ends that `hold` counts in: two nodes whose clocks went back may count in two days.
    async fn day_of(&self, hold: &Hold) -> Option<i64> {
        if let [only] = self.ledgers.as_slice() {
            let day = Series::team(self.team, Kind::Day);
            return only.spent(&[day], "UTC", self.now_ms).await.unwrap()[0].resets_at_ms;
        }
        self.write_all().await;
        let row = entity::hold::Entity::find_by_id(hold.id())
            .one(&self.db)
            .await
            .unwrap()
            .unwrap();
        let path = row
            .buckets
            .split(',')
            .map(|id| id.trim_end_matches('*').parse::<i64>().unwrap());
        let day = entity::bucket::Entity::find()
            .filter(entity::bucket::Column::Id.is_in(path))
            .filter(entity::bucket::Column::Scope.eq("team"))
            .filter(entity::bucket::Column::Kind.eq("day"))
            .one(&self.db)
            .await
            .unwrap()
            .unwrap();
        day.period_end
    }

    /// Waits until every ledger has written what it has counted.
    async fn write_all(&self) {
        for ledger in &self.ledgers {
            ledger.spent(&[], "UTC", self.now_ms).await.unwrap();
        }
    }

    fn end(&mut self, nth: usize, end: impl FnOnce(Hold, i64) -> (i16, i64)) {
        let count = self.holds.len().max(1);
        if let Some(kept) = self.holds.get_mut(nth % count)
            && let Some(hold) = kept.hold.take()
        {
            kept.end = Some(end(hold, kept.amount));
        }
    }

    async fn grant(&mut self, node: usize, amount: i64) {
        let grant = Grant {
            team_id: self.team,
            kind: "grant".to_owned(),
            amount: Nano(amount),
            reason: "test".to_owned(),
            actor_id: Some(1),
        };
        self.ledgers[node].grant(grant).await.unwrap();
        self.granted += amount;
    }

    /// Fences a ledger's node, as others do that believe it dead.
    async fn fence_node(&self, node: usize) {
        let nodes = self.ledgers[node].nodes().await.unwrap();
        let me = nodes.iter().find(|node| node.is_me).unwrap();
        let fence = format!("UPDATE node SET fenced_at = 1, slot = NULL WHERE id = {}", me.id);
        self.db.execute_unprepared(&fence).await.unwrap();
    }

    /// Another process takes over while this one may still be writing: what it has not written is lost.
    async fn crash(&mut self, node: usize) {
        self.fence_node(node).await;
        let crashed = std::mem::replace(&mut self.ledgers[node], open(&self.db).await);
        self.lose(node).await;
        crashed.close().await;
    }

    /// A process that was stopped for long: others have ended what it held, and it goes on as another node.
    async fn fence(&mut self, node: usize) {
        if self.ledgers.len() == 1 {
            return;
        }
        self.fence_node(node).await;
        open(&self.db).await.close().await;
        self.lose(node).await;
        // What it writes next tells it, if its next beat has not.
        drop(self.ledgers[node].admit(ask(&self.payer(0), 0)).await);
        let renewed = async {
            while !self.ledgers[node].nodes().await.unwrap().iter().any(|node| node.is_me) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            until_writable(&self.ledgers[node]).await;
        };
        tokio::time::timeout(PATIENCE, renewed)
            .await
            .expect("it does not go on");
    }

    /// The holds of `node` are whole, or as they ended; what was not durable may be gone.
    async fn lose(&mut self, node: usize) {
        let mut gone = Vec::new();
        for (nth, kept) in self.holds.iter_mut().enumerate().filter(|(_, kept)| kept.node == node) {
            kept.hold.take().map(leak).unwrap_or_default();
            let Some(row) = entity::hold::Entity::find_by_id(kept.id).one(&self.db).await.unwrap() else {
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
        self.ledgers[node].close().await;
        self.ledgers[node] = open(&self.db).await;
        for kept in self.holds.iter_mut().filter(|kept| kept.node == node) {
            kept.hold.take().map(leak).unwrap_or_default();
            let row = entity::hold::Entity::find_by_id(kept.id)
                .one(&self.db)
                .await
                .unwrap()
                .unwrap();
            assert_eq!(
                (row.state, row.posted),
                kept.end.unwrap_or((3, kept.amount)),
                "hold {}",
                kept.id
            );
            kept.end = Some((row.state, row.posted));
        }
    }

    /// The ledgers say what the list of holds says.
    async fn check(&self) {
        self.write_all().await;
        let ledger = &self.ledgers[self.holds.len() % self.ledgers.len()];
        let keys = [0, 1].map(|key| Series::key(self.team, self.team + key, Kind::Total));
        for (key, spent) in (0..).zip(ledger.spent(&keys, "UTC", self.now_ms).await.unwrap()) {
            let of_key = self.holds.iter().filter(|kept| kept.key == key);
            assert_eq!(spent.posted.0, of_key.clone().map(Kept::posted).sum::<i64>());
            assert_eq!(spent.held.0, of_key.map(Kept::held).sum::<i64>());
        }
        let balance = ledger.balance(self.team).await.unwrap();
        assert_eq!(balance.posted.0, self.holds.iter().map(Kept::posted).sum::<i64>());
        assert_eq!(balance.entries.0, self.granted);
    }

    async fn run(mut self, steps: &[Step]) {
        for step in steps {
            self.step(step).await;
            self.check().await;
        }
        for nth in 0..self.holds.len() {
            self.end(nth, |hold, _| {
                drop(hold);
                (2, 0)
            });
        }
        self.check().await;
        for ledger in &self.ledgers {
            assert_eq!(ledger.status().open_holds, 0);
            ledger.close().await;
        }
        assert_books_balance(&self.db).await;
    }
}

fn is_shared(db: &DatabaseConnection) -> bool {
    db.get_database_backend() == DatabaseBackend::Postgres
}

fn replay(place: &Place, runtime: &tokio::runtime::Runtime) {
    let config = Config {
        cases: LISTS,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..Config::default()
    };
    let db = runtime.block_on(place.connect());
    let until = Instant::now() + TIME;
    let result = TestRunner::new(config).run(&prop::collection::vec(step(), 1..30), |steps| {
        if Instant::now() < until {
            runtime.block_on(async { Replay::new(&db).await.run(&steps).await });
        }
        Ok(())
    });
    result.unwrap();
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
    replay(&place, &runtime);
}

#[test]
fn whatever_happens_the_books_balance_on_postgres() {
    let runtime = runtime();
    if let Some(place) = runtime.block_on(postgres()) {
        replay(&place, &runtime);
    }
}
