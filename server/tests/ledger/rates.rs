//! Requests and tokens a minute, counted by several nodes on one Postgres: never more than the limit, and what is free is had.

use crate::harness::{Place, postgres};
use gateway_core::limits::{Share, Verdict, WINDOW_MS};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, FileFailurePersistence, TestRunner},
};
use sea_orm::{ConnectionTrait, DatabaseConnection, EntityTrait, sqlx::postgres::PgConnectOptions};
use server::{
    limits::{
        LimitRefusal, Limited, Limits, Measure, NotAdmitted, PerMinute, RatePermit, Which, Whose, Window,
        table::{Ask, DB_NOW_MS, Table, TableError},
    },
    signals::Signals,
};
use std::time::{Duration, Instant};

const NODES: usize = 3;
/// How long a test waits for what comes within seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Lists of acts replayed, as far as there is time.
const LISTS: u32 = 60;
const TIME: Duration = Duration::from_secs(60);
const LIMIT: u64 = 60;
/// A clock that the test sets.
const SET_NOW_MS: &str = "(SELECT now_ms FROM set_clock)";

fn sqlx_options(db: &DatabaseConnection) -> PgConnectOptions {
    (*db.get_postgres_connection_pool().connect_options()).clone()
}

fn table(db: &DatabaseConnection, now_ms: &str) -> Table {
    Table::new(&sqlx_options(db), now_ms)
}

/// Rows of nodes that live, as the ledger makes them.
async fn register(db: &DatabaseConnection, count: usize) {
    for node in 0..count {
        let insert = format!(
            "INSERT INTO node (id, name, slot, batch, low_water, started_at, seen_at) VALUES ({node}, '', {node}, 0, 0, 0, 0)"
        );
        db.execute_unprepared(&insert).await.unwrap();
    }
}

#[derive(Clone, Debug)]
enum Act {
    /// The answer may come late by the node's clock and the database's, or not at all.
    Admit {
        n: u64,
        late_ms: i64,
        is_lost: bool,
    },
    Settle {
        nth: usize,
        percent: u64,
    },
    GiveBack {
        nth: usize,
    },
    Recall,
    Sweep {
        is_lost: bool,
    },
    Crash,
    Wait {
        ms: i64,
    },
    Tidy,
}

fn act() -> impl Strategy<Value = Act> {
    let late = prop_oneof![6 => 0..5_i64, 1 => 0..30_000_i64];
    prop_oneof![
        8 => (1..30_u64, late, prop::bool::weighted(0.05))
            .prop_map(|(n, late_ms, is_lost)| Act::Admit { n, late_ms, is_lost }),
        4 => (0..20_usize, 0..100_u64).prop_map(|(nth, percent)| Act::Settle { nth, percent }),
        1 => (0..20_usize).prop_map(|nth| Act::GiveBack { nth }),
        1 => Just(Act::Recall),
        3 => prop::bool::weighted(0.05).prop_map(|is_lost| Act::Sweep { is_lost }),
        1 => Just(Act::Crash),
        6 => (0..15_000_i64).prop_map(|ms| Act::Wait { ms }),
        1 => Just(Act::Tidy),
    ]
}

struct Admitted {
    node: usize,
    at_ms: i64,
    slot: i64,
    held: u64,
    actual: u64,
    is_open: bool,
}

/// Three nodes on a table; the test says what time it is.
struct World {
    db: DatabaseConnection,
    window: Window,
    now_ms: i64,
    tables: Vec<Table>,
    shares: [Share; NODES],
    admitted: Vec<Admitted>,
}

impl World {
    async fn wait(&mut self, ms: i64) {
        self.now_ms += ms;
        let set = format!("UPDATE set_clock SET now_ms = {}", self.now_ms);
        self.db.execute_unprepared(&set).await.unwrap();
    }

    async fn exchange(&mut self, node: usize, wanted: u64, late_ms: i64, is_lost: bool) {
        let asked_ms = self.now_ms;
        let moves = self.shares[node].take_moves(asked_ms);
        let ask = Ask {
            window: self.window,
            limit: LIMIT,
            least: wanted,
            wanted,
            moves,
        };
        let told = self.tables[node].exchange(std::slice::from_ref(&ask), asked_ms).await;
        let told = told.unwrap();
        self.wait(late_ms).await;
        match told.answers.get(&self.window) {
            _ if is_lost => self.shares[node].not_moved(&ask.moves, true),
            Some(answer) => self.shares[node].answered(answer, self.now_ms),
            None => assert_eq!(wanted, 0),
        }
    }

    async fn act(&mut self, node: usize, act: Act) {
        match act {
            Act::Admit { n, late_ms, is_lost } => {
                if self.shares[node].judge(n, LIMIT, self.now_ms) == Verdict::Lacks {
                    self.shares[node].prepare(LIMIT, self.now_ms);
                    let free = self.shares[node].free(LIMIT, self.now_ms);
                    self.exchange(node, n - free, late_ms, is_lost).await;
                }
                if self.shares[node].judge(n, LIMIT, self.now_ms) == Verdict::Fits {
                    let slot = self.shares[node].take(n, self.now_ms);
                    self.admitted.push(Admitted {
                        node,
                        at_ms: self.now_ms,
                        slot,
                        held: n,
                        actual: n,
                        is_open: true,
                    });
                }
            }
            Act::Settle { nth, percent } => self.settle(node, nth, percent),
            Act::GiveBack { nth } => self.settle(node, nth, 0),
            Act::Recall => {
                self.shares[node].recall();
            }
            Act::Sweep { is_lost } => {
                self.shares[node].sweep(true, self.now_ms);
                self.exchange(node, 0, 0, is_lost).await;
            }
            Act::Crash => {
                self.shares[node] = Share::default();
                self.admitted
                    .iter_mut()
                    .filter(|one| one.node == node)
                    .for_each(|one| one.is_open = false);
            }
            Act::Wait { ms } => self.wait(ms).await,
            Act::Tidy => self.tables[node].tidy().await.unwrap(),
        }
    }

    fn settle(&mut self, node: usize, nth: usize, percent: u64) {
        let mut open = self.admitted.iter_mut().filter(|one| one.is_open && one.node == node);
        if let Some(one) = open.nth(nth) {
            one.actual = one.held * percent / 100;
            one.is_open = false;
            self.shares[node].adjust(one.slot, one.held, one.actual, self.now_ms);
        }
    }

    /// What was used in the last 60 seconds.
    fn used(&self) -> u64 {
        let recent = self.admitted.iter().filter(|one| one.at_ms > self.now_ms - WINDOW_MS);
        recent.map(|one| one.actual).sum()
    }
}

#[tokio::test]
async fn three_nodes_never_use_more_than_the_limit_in_any_sixty_seconds() {
    let Some(place) = postgres().await else { return };
    let db = place.connect().await;
    register(&db, NODES).await;
    for statement in [
        "CREATE TABLE set_clock (now_ms int8 NOT NULL)",
        "INSERT INTO set_clock VALUES (0)",
    ] {
        db.execute_unprepared(statement).await.unwrap();
    }
    let started = Instant::now();
    let config = Config {
        cases: 1,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..Config::default()
    };
    let mut runner = TestRunner::new(config);
    let lists = prop::collection::vec((0..NODES, act()), 1..100);
    let mut most = 0;
    for id in 0..i64::from(LISTS) {
        if started.elapsed() > TIME {
            break;
        }
        let acts = lists.new_tree(&mut runner).unwrap().current();
        let mut world = World {
            db: db.clone(),
            window: key_tokens(id),
            now_ms: 1_000_000,
            tables: (0..NODES).map(|_| table(&db, SET_NOW_MS)).collect(),
            shares: Default::default(),
            admitted: Vec::new(),
        };
        world.wait(0).await;
        for (node, act) in acts.clone() {
            world.act(node, act).await;
            assert!(world.used() <= LIMIT, "{} are used: {acts:?}", world.used());
            most = most.max(world.used());
        }
        // Whatever was lost, all is free again.
        world.wait(100_000).await;
        let all = Act::Admit {
            n: LIMIT,
            late_ms: 0,
            is_lost: false,
        };
        world.act(0, all).await;
        assert_eq!(world.used(), LIMIT, "{acts:?}");
    }
    assert_eq!(most, LIMIT, "the lists never fill the window");
}

fn key_tokens(id: i64) -> Window {
    Window {
        of: Whose::Key,
        id,
        measure: Measure::Tokens,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_granted_at_once_on_many_connections_is_the_limit_and_no_more() {
    let Some(place) = postgres().await else { return };
    let db = place.connect().await;
    let tasks: Vec<_> = (0..6)
        .map(|nth| {
            let mut table = table(&db, DB_NOW_MS);
            tokio::spawn(async move {
                let mut granted = [0; 3];
                for turn in 0..40 {
                    // Each names the windows in another order.
                    let mut asks: Vec<Ask> = (0..3).map(one_of).collect();
                    asks.rotate_left((nth + turn) % 3);
                    let told = table.exchange(&asks, 0).await.unwrap();
                    for (window, answer) in told.answers {
                        granted[usize::try_from(window.id).unwrap()] += answer.granted;
                    }
                }
                granted
            })
        })
        .collect();
    let mut sums = [0; 3];
    for task in tasks {
        let granted = task.await.unwrap();
        sums.iter_mut().zip(granted).for_each(|(sum, granted)| *sum += granted);
    }
    assert_eq!(sums, [LIMIT; 3]);
}

/// One of what a node asks for that is not alone.
fn one_of(id: i64) -> Ask {
    Ask {
        window: key_tokens(id),
        limit: LIMIT,
        least: 1,
        wanted: 1,
        moves: Default::default(),
    }
}

/// As many counters as asked for, each as in a process of its own.
async fn counters(place: &Place, count: usize) -> Vec<Limits> {
    let mut counters = Vec::new();
    register(&place.connect().await, count).await;
    for _ in 0..count {
        let db = place.connect().await;
        let signals = Signals::start(&db).await.unwrap();
        counters.push(Limits::start(&db, &signals));
    }
    counters
}

fn limited(key_id: i64) -> Limited {
    Limited {
        key_id,
        team_id: 900,
        key: PerMinute::default(),
        max_in_flight: None,
        member: None,
        team: PerMinute::default(),
    }
}

async fn admit(limits: &Limits, caller: &Limited, tokens: u64) -> Result<RatePermit, LimitRefusal> {
    match limits.admit(caller, tokens, 0).await {
        Ok(permit) => Ok(permit),
        Err(NotAdmitted::Limit(refusal)) => Err(refusal),
        Err(NotAdmitted::Down) => panic!("the database does not answer"),
    }
}

/// How many of `count` requests at once get in, on all counters.
async fn let_in(counters: &[Limits], caller: Limited, tokens: u64, count: usize) -> (usize, Option<LimitRefusal>) {
    let tasks: Vec<_> = (0..count)
        .map(|nth| {
            let limits = counters[nth % counters.len()].clone();
            tokio::spawn(async move { admit(&limits, &caller, tokens).await.map(drop) })
        })
        .collect();
    let (mut admitted, mut refused) = (0, None);
    for task in tasks {
        match task.await.unwrap() {
            Ok(()) => admitted += 1,
            Err(refusal) => refused = Some(refusal),
        }
    }
    (admitted, refused)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_three_hundred_requests_at_once_on_three_nodes_as_many_get_in_as_a_limit_lets() {
    let Some(place) = postgres().await else { return };
    let counters = counters(&place, NODES).await;
    let mut requests = limited(1);
    requests.key.requests = Some(30);
    let (admitted, refused) = let_in(&counters, requests, 5, 300).await;
    let refused = refused.unwrap();
    assert_eq!((admitted, refused.which, refused.limit), (30, Which::KeyRpm, 30));
    assert!((50_000..=60_000).contains(&refused.retry_after_ms), "{refused:?}");
    let mut tokens = limited(2);
    tokens.key.tokens = Some(1_000);
    assert_eq!(let_in(&counters, tokens, 100, 300).await.0, 10);
    let mut team = limited(3);
    (team.team.requests, team.key.tokens) = (Some(20), Some(1_000_000));
    assert_eq!(let_in(&counters, team, 100, 60).await.0, 20);
    for limits in &counters {
        assert_eq!(limits.peek(&requests, 0).requests.unwrap().remaining, 0);
        assert_eq!(limits.in_flight(1), 0);
        limits.close().await;
    }
}

/// Admits as soon as it may.
async fn admit_soon(limits: &Limits, caller: &Limited, tokens: u64) -> RatePermit {
    let soon = async {
        loop {
            if let Ok(permit) = admit(limits, caller, tokens).await {
                return permit;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, soon)
        .await
        .expect("what is free is not had")
}

/// Every row of a window, by scope, key or team, and kind: what is counted in it.
async fn counted(db: &DatabaseConnection, id: i64) -> i64 {
    let rows = entity::rate::Entity::find().all(db).await.unwrap();
    let row = rows.into_iter().find(|row| row.scope_id == id).unwrap();
    let granted: std::collections::HashMap<String, i64> = serde_json::from_str(&row.granted).unwrap();
    granted.values().sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_one_node_does_not_use_another_one_has_within_seconds() {
    let Some(place) = postgres().await else { return };
    let (db, counters) = (place.connect().await, counters(&place, 2).await);
    let mut caller = limited(1);
    caller.key.tokens = Some(1_000);
    // The first is granted an eighth of it, uses little, and settles for less.
    let mut first = admit(&counters[0], &caller, 10).await.unwrap();
    first.settle(4, 0);
    drop(admit_soon(&counters[1], &caller, 996).await);
    assert!(admit(&counters[0], &caller, 1).await.is_err());
    assert_eq!(counted(&db, 1).await, 1_000);
    // What is given back or settled later is free for the others, too.
    let mut other = limited(2);
    other.key.tokens = Some(100);
    let mut held = admit(&counters[0], &other, 100).await.unwrap();
    assert!(admit(&counters[1], &other, 1).await.is_err());
    held.settle(30, 0);
    admit_soon(&counters[1], &other, 70).await.give_back(0);
    drop(admit_soon(&counters[0], &other, 70).await);
    for limits in &counters {
        limits.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_that_ends_gives_back_what_it_did_not_use_and_no_limit_asks_nobody() {
    let Some(place) = postgres().await else { return };
    let (db, counters) = (place.connect().await, counters(&place, 1).await);
    drop(admit(&counters[0], &limited(5), 1_000_000).await.unwrap());
    let rows = entity::rate::Entity::find().all(&db).await.unwrap();
    assert_eq!(rows, [], "nothing is counted where no limit is set");
    let mut caller = limited(1);
    caller.team.requests = Some(50);
    drop(admit(&counters[0], &caller, 1).await.unwrap());
    assert_eq!(counted(&db, 900).await, 50 / 4, "the only node has a part");
    assert_eq!(counters[0].peek(&caller, 0).requests.unwrap().remaining, 49);
    counters[0].close().await;
    assert_eq!(counted(&db, 900).await, 1);
    assert_eq!(counters[0].admit(&caller, 1, 0).await.err(), Some(NotAdmitted::Down));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_lowered_limit_is_obeyed_at_once_and_a_raised_one_used() {
    let Some(place) = postgres().await else { return };
    let counters = counters(&place, 2).await;
    let with = |limit| {
        let mut caller = limited(1);
        caller.key.requests = Some(limit);
        caller
    };
    drop(admit(&counters[0], &with(40), 1).await.unwrap());
    let mut admitted = 1;
    for nth in 0..20 {
        admitted += usize::from(admit(&counters[nth % 2], &with(8), 1).await.is_ok());
    }
    assert_eq!(admitted, 8);
    assert_eq!(let_in(&counters, with(20), 1, 60).await.0, 12);
    for limits in &counters {
        limits.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_request_that_goes_away_while_it_asks_keeps_nothing_from_others() {
    let Some(place) = postgres().await else { return };
    let counters = counters(&place, 2).await;
    let mut caller = limited(1);
    caller.key.requests = Some(10);
    for limits in counters.iter().cycle().take(40) {
        let asked = tokio::time::timeout(Duration::from_micros(200), admit(limits, &caller, 1)).await;
        // One that was admitted is undone.
        if let Ok(permit) = asked {
            permit.unwrap().give_back(0);
        }
    }
    let mut permits = Vec::new();
    for limits in counters.iter().cycle().take(10) {
        permits.push(admit_soon(limits, &caller, 1).await);
    }
    assert!(admit(&counters[0], &caller, 1).await.is_err());
    for limits in &counters {
        limits.close().await;
    }
}

/// Keeps windows of the team of all callers here from being counted for the first time.
const REFUSE_TEAM: [&str; 2] = [
    "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$",
    "CREATE TRIGGER refuse BEFORE INSERT ON rate FOR EACH ROW WHEN (NEW.scope_id = 900) EXECUTE FUNCTION refuse()",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_done_before_a_new_window_failed_is_done_once() {
    let Some(place) = postgres().await else { return };
    let (db, counters) = (place.connect().await, counters(&place, 2).await);
    for statement in REFUSE_TEAM {
        db.execute_unprepared(statement).await.unwrap();
    }
    // Of several windows one that has no row fails.
    let mut table = table(&db, DB_NOW_MS);
    table.exchange(&[one_of(5)], 0).await.unwrap();
    let mut refused = one_of(900);
    refused.window.of = Whose::Team;
    let told = table.exchange(&[one_of(5), refused.clone()], 0).await.unwrap();
    assert!(told.answers[&key_tokens(5)].granted > 0);
    assert!(!told.answers.contains_key(&refused.window));
    assert!(matches!(told.unanswered, Some(TableError::NotDone(_))));
    // What one used beyond what it held is told with what the next one asks, whose team's window fails.
    let mut caller = limited(1);
    caller.key.tokens = Some(100);
    let mut permit = admit(&counters[0], &caller, 60).await.unwrap();
    permit.settle(70, 0);
    let mut other = caller;
    other.team.requests = Some(10);
    let refused = counters[0].admit(&other, 5, 0).await;
    assert_eq!(refused.err(), Some(NotAdmitted::Down));
    let exact = async {
        while counted(&db, 1).await != 70 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, exact).await.expect("70 were used");
    db.execute_unprepared("DROP TRIGGER refuse ON rate").await.unwrap();
    drop(admit_soon(&counters[0], &other, 30).await);
    for limits in &counters {
        limits.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_nodes_do_not_keep_from_each_other_what_is_enough_for_one() {
    let Some(place) = postgres().await else { return };
    let counters = counters(&place, 2).await;
    for id in 1..=3 {
        let mut caller = limited(id);
        caller.key.tokens = Some(100);
        // 50 remain with the first, 30 with the second, 10 are free.
        let mut used = admit(&counters[0], &caller, 60).await.unwrap();
        let held = admit(&counters[1], &caller, 30).await.unwrap();
        used.settle(10, 0);
        held.give_back(0);
        let (admitted, _) = let_in(&counters, caller, 85, 2).await;
        assert_eq!(admitted, 1);
    }
    for limits in &counters {
        limits.close().await;
    }
}

#[tokio::test]
async fn a_connection_that_was_cut_is_opened_again_and_nothing_is_done_where_none_opens() {
    let Some(place) = postgres().await else { return };
    let db = place.connect().await;
    let mut cut = table(&db, DB_NOW_MS);
    cut.exchange(&[one_of(1)], 0).await.unwrap();
    let terminate = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
        WHERE application_name = 'ourhub limits' AND datname = current_database()";
    db.execute_unprepared(terminate).await.unwrap();
    assert!(cut.exchange(&[one_of(1)], 0).await.is_ok());
    // Here nobody answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let options = sqlx_options(&db).host("127.0.0.1");
    let mut silent = Table::new(&options.port(silent.local_addr().unwrap().port()), DB_NOW_MS);
    let asked = silent.exchange(&[one_of(1)], 0).await;
    assert!(matches!(asked, Err(TableError::NotDone(_))), "{:?}", asked.err());
}
