//! Several nodes on one Postgres: caps hold across all of them, whatever happens to one.

use crate::harness::{
    NOON_MS, Place, ask, assert_books_balance, charged, fence_all, leak, open, open_with, payer, postgres,
    until_writable,
};
use gateway_core::{ledger::node::DEAD_AFTER_MS, money::Nano};
use sea_orm::{ConnectionTrait, DatabaseConnection, EntityTrait, PaginatorTrait};
use server::ledger::{Closing, Config, Down, Grant, Hold, Kind, Ledger, Payer, Refusal, Series};
use std::time::{Duration, Instant};

/// How long a test waits for what comes within seconds.
const PATIENCE: Duration = Duration::from_secs(60);
const CENT: i64 = 10_000_000;

/// As many ledgers as asked for, each with connections of its own.
async fn nodes(place: &Place, count: usize) -> (DatabaseConnection, Vec<Ledger>) {
    let mut ledgers = Vec::new();
    for _ in 0..count {
        ledgers.push(open(&place.connect().await).await);
    }
    (place.connect().await, ledgers)
}

/// Closes them: the books balance, and nothing of the nodes is left.
pub async fn close(db: &DatabaseConnection, ledgers: Vec<Ledger>) {
    for ledger in ledgers {
        ledger.close().await;
    }
    assert_books_balance(db).await;
    assert_eq!(entity::node::Entity::find().count(db).await.unwrap(), 0, "nodes left");
    assert_eq!(entity::lease::Entity::find().count(db).await.unwrap(), 0, "leases left");
    for bucket in entity::bucket::Entity::find().all(db).await.unwrap() {
        assert_eq!((bucket.held, bucket.leased), (0, 0), "{bucket:?}");
    }
}

fn capped(nano: i64) -> Payer {
    let mut payer = payer(1, 2);
    payer.key.total = Some(Nano(nano));
    payer
}

async fn spent(ledger: &Ledger) -> (i64, i64) {
    let total = [Series::key(1, 2, Kind::Total)];
    let spent = ledger.spent(&total, "UTC", NOON_MS).await.unwrap();
    (spent[0].posted.0, spent[0].held.0)
}

async fn durable(ledger: &Ledger, payer: &Payer, nano: i64) -> Hold {
    let until = Instant::now() + PATIENCE;
    let hold = loop {
        match ledger.admit(ask(payer, nano)).await {
            // On a slow machine another node gives back later than an admission waits.
            Err(Refusal::Short(short)) if short.available >= Nano(nano) && Instant::now() < until => {}
            admitted => break admitted.unwrap(),
        }
    };
    hold.durable().await.unwrap();
    hold
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_at_once_on_three_nodes_never_exceed_a_cap_that_fits_ten() {
    let Some(place) = postgres().await else { return };
    let (db, ledgers) = nodes(&place, 3).await;
    let payer = capped(205 * CENT);
    let tasks: Vec<_> = (0..200)
        .map(|nth| {
            let (ledger, ask) = (ledgers[nth % 3].clone(), ask(&payer, 20 * CENT));
            tokio::spawn(async move {
                let hold = match ledger.admit(ask).await {
                    Ok(hold) => hold,
                    Err(Refusal::Short(_)) => return 0,
                    Err(Refusal::Down(down)) => panic!("{down}"),
                };
                hold.durable().await.unwrap();
                hold.post(charged(20 * CENT));
                1
            })
        })
        .collect();
    let mut admitted = 0;
    for task in tasks {
        admitted += task.await.unwrap();
    }
    assert_eq!(admitted, 10);
    for ledger in &ledgers {
        spent(ledger).await;
    }
    assert_eq!(spent(&ledgers[0]).await, (200 * CENT, 0));
    close(&db, ledgers).await;
}

#[tokio::test]
async fn what_one_node_does_not_use_another_one_may_spend_at_once() {
    let Some(place) = postgres().await else { return };
    let (db, ledgers) = nodes(&place, 2).await;
    let payer = capped(100);
    // The first has most of the cap in its lease, and uses a tenth of it.
    durable(&ledgers[0], &payer, 90).await.void(Closing::default());
    let held = durable(&ledgers[0], &payer, 10).await;
    durable(&ledgers[1], &payer, 90).await.post(charged(90));
    let Err(Refusal::Short(short)) = ledgers[1].admit(ask(&payer, 1)).await else {
        panic!("a full bucket admits");
    };
    assert_eq!(
        (short.posted, short.held, short.available),
        (Nano(90), Nano(10), Nano(0))
    );
    assert!(short.is_only_holds);
    held.post(charged(4));
    let mut patient = ask(&payer, 6);
    patient.wait_ms = 2_000;
    ledgers[1].admit(patient).await.unwrap().post(charged(6));
    assert_eq!(spent(&ledgers[1]).await, (100, 0));
    assert_eq!(spent(&ledgers[0]).await, (100, 0));
    close(&db, ledgers).await;
}

#[tokio::test]
async fn a_lowered_cap_is_obeyed_by_a_node_that_had_leased_more() {
    let Some(place) = postgres().await else { return };
    let (db, ledgers) = nodes(&place, 2).await;
    durable(&ledgers[0], &capped(100), 80).await.post(charged(30));
    assert!(ledgers[0].admit(ask(&capped(40), 11)).await.is_err());
    durable(&ledgers[0], &capped(40), 5).await.post(charged(5));
    assert!(ledgers[1].admit(ask(&capped(40), 6)).await.is_err());
    durable(&ledgers[1], &capped(40), 5).await.post(charged(5));
    assert_eq!(spent(&ledgers[1]).await, (40, 0));
    close(&db, ledgers).await;
}

#[tokio::test]
async fn a_cap_set_while_holds_are_open_counts_them_on_every_node() {
    let Some(place) = postgres().await else { return };
    let (db, ledgers) = nodes(&place, 2).await;
    let standing = durable(&ledgers[0], &payer(1, 2), 70).await;
    assert!(ledgers[1].admit(ask(&capped(100), 31)).await.is_err());
    durable(&ledgers[1], &capped(100), 30).await.post(charged(30));
    standing.post(charged(70));
    assert!(ledgers[0].admit(ask(&capped(100), 1)).await.is_err());
    close(&db, ledgers).await;
}

#[tokio::test]
async fn what_is_paid_in_on_one_node_is_spent_on_another() {
    let Some(place) = postgres().await else { return };
    let (one, two) = (prepaid(&place).await, prepaid(&place).await);
    let payer = payer(1, 2);
    assert!(two.admit(ask(&payer, 1)).await.is_err());
    one.grant(paid_in(100)).await.unwrap();
    durable(&two, &payer, 60).await.post(charged(60));
    one.grant(paid_in(-30)).await.unwrap();
    assert!(two.admit(ask(&payer, 11)).await.is_err());
    durable(&two, &payer, 10).await.post(charged(10));
    assert_eq!(spent(&two).await, (70, 0));
    assert_eq!(one.balance(1).await.unwrap().left(), Nano(0));
    close(&place.connect().await, vec![one, two]).await;
}

async fn prepaid(place: &Place) -> Ledger {
    let config = Config {
        prepaid: true,
        ..Config::default()
    };
    open_with(&place.connect().await, config).await.unwrap()
}

fn paid_in(nano: i64) -> Grant {
    Grant {
        team_id: 1,
        kind: "grant".to_owned(),
        amount: Nano(nano),
        reason: "test".to_owned(),
        actor_id: None,
    }
}

#[tokio::test]
async fn what_is_taken_out_of_a_wallet_is_not_spent_by_the_only_node() {
    let Some(place) = postgres().await else { return };
    let (ledger, payer) = (prepaid(&place).await, payer(1, 2));
    ledger.grant(paid_in(100)).await.unwrap();
    durable(&ledger, &payer, 60).await.post(charged(60));
    ledger.grant(paid_in(-30)).await.unwrap();
    assert!(ledger.admit(ask(&payer, 11)).await.is_err());
    durable(&ledger, &payer, 10).await.post(charged(10));
    assert_eq!(ledger.balance(1).await.unwrap().left(), Nano(0));
    close(&place.connect().await, vec![ledger]).await;
}

/// Waits until no node has a right that nothing uses.
pub async fn until_given_back(db: &DatabaseConnection) {
    let given_back = async {
        loop {
            let buckets = entity::bucket::Entity::find().all(db).await.unwrap();
            if buckets.iter().all(|bucket| bucket.leased == bucket.held) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, given_back)
        .await
        .expect("nothing is given back");
}

#[tokio::test]
async fn what_was_taken_out_of_a_wallet_unheard_is_given_back() {
    let Some(place) = postgres().await else { return };
    let (ledger, payer, db) = (prepaid(&place).await, payer(1, 2), place.connect().await);
    ledger.grant(paid_in(100)).await.unwrap();
    let standing = durable(&ledger, &payer, 60).await;
    for statement in [
        "INSERT INTO entry (id, team_id, kind, amount, reason, buckets, created_at, batch) VALUES (1, 1, 'grant', -30, '', '', 0, 0)",
        "UPDATE bucket SET credit = credit - 30 WHERE kind = 'wallet'",
    ] {
        db.execute_unprepared(statement).await.unwrap();
    }
    until_given_back(&db).await;
    assert!(ledger.admit(ask(&payer, 11)).await.is_err());
    durable(&ledger, &payer, 10).await.post(charged(10));
    standing.post(charged(60));
    // No entry comes without its group; this one did.
    for statement in [
        "DELETE FROM entry WHERE id = 1",
        "UPDATE bucket SET credit = credit + 30 WHERE kind = 'wallet'",
    ] {
        db.execute_unprepared(statement).await.unwrap();
    }
    close(&db, vec![ledger]).await;
}

#[tokio::test]
async fn a_node_that_heard_nobody_for_a_while_gives_back_what_it_does_not_use() {
    let Some(place) = postgres().await else { return };
    let (db, ledgers) = nodes(&place, 1).await;
    durable(&ledgers[0], &capped(100), 10).await.post(charged(10));
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'ourhub signals'";
    let is_cut = async {
        while db.execute_unprepared(cut).await.unwrap().rows_affected() == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, is_cut)
        .await
        .expect("it does not listen");
    until_given_back(&db).await;
    durable(&ledgers[0], &capped(100), 90).await.post(charged(90));
    close(&db, ledgers).await;
}

#[tokio::test]
async fn a_fenced_node_admits_nothing_until_it_is_another_one() {
    let Some(place) = postgres().await else { return };
    let (db, ledgers) = nodes(&place, 2).await;
    let payer = capped(100);
    let before = durable(&ledgers[0], &payer, 30).await;
    fence_all(&db).await;
    // Its right is still in its memory, and worth nothing.
    let late = ledgers[0].admit(ask(&payer, 10)).await;
    if let Ok(late) = &late {
        assert_eq!(late.durable().await, Err(Down));
    }
    until_recovered(&db).await;
    until_writable(&ledgers[0]).await;
    until_writable(&ledgers[1]).await;
    if let Ok(late) = late {
        assert_eq!(late.durable().await, Err(Down));
        late.post(charged(10));
    }
    before.post(charged(1));
    assert_eq!(spent(&ledgers[1]).await, (30, 0), "the open hold was posted whole");
    durable(&ledgers[0], &payer, 70).await.post(charged(70));
    assert!(ledgers[1].admit(ask(&payer, 1)).await.is_err());
    close(&db, ledgers).await;
}

/// Waits until no fenced node is left.
async fn until_recovered(db: &DatabaseConnection) {
    let recovered = async {
        loop {
            let nodes = entity::node::Entity::find().all(db).await.unwrap();
            if nodes.iter().all(|node| node.fenced_at.is_none()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, recovered)
        .await
        .expect("nobody recovers");
}

/// A node that nobody runs any more: its heart does not beat.
#[tokio::test]
async fn a_node_that_is_not_heard_of_is_fenced_and_its_money_returned() {
    let Some(place) = postgres().await else { return };
    let (db, ledgers) = nodes(&place, 1).await;
    let payer = capped(100);
    // Leaves its row, its lease and an open hold behind, under a name that nobody answers to.
    let dead = open(&place.connect().await).await;
    let hold = durable(&dead, &payer, 40).await;
    durable(&dead, &payer, 50).await.void(Closing::default());
    assert_eq!(spent(&dead).await, (0, 40));
    leak(hold);
    for statement in [
        "UPDATE node SET id = id + 1, slot = 60 WHERE id = (SELECT max(id) FROM node)",
        "UPDATE lease SET node_id = node_id + 1",
        "UPDATE hold SET node_id = node_id + 1",
        "UPDATE journal SET node_id = node_id + 1",
    ] {
        db.execute_unprepared(statement).await.unwrap();
    }
    let gone = async {
        while spent(&ledgers[0]).await != (40, 0) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let patience = PATIENCE + Duration::from_millis(DEAD_AFTER_MS.unsigned_abs());
    tokio::time::timeout(patience, gone)
        .await
        .expect("nobody calls it dead");
    until_recovered(&db).await;
    durable(&ledgers[0], &payer, 60).await.post(charged(60));
    dead.close().await;
    close(&db, ledgers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_that_make_the_same_bucket_at_once_make_one() {
    let Some(place) = postgres().await else { return };
    let (db, ledgers) = nodes(&place, 3).await;
    let mut tasks = Vec::new();
    for key in 0..20 {
        for (ledger, zone) in ledgers.iter().zip(["UTC", "Asia/Tokyo", "America/St_Johns"]) {
            let mut payer = payer(1, key);
            payer.team_zone = zone.to_owned();
            let (ledger, ask) = (ledger.clone(), ask(&payer, 1));
            tasks.push(tokio::spawn(async move {
                ledger.admit(ask).await.unwrap().post(charged(1))
            }));
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
    // Three of the team, and three of each key.
    assert_eq!(entity::bucket::Entity::find().count(&db).await.unwrap(), 3 + 20 * 3);
    close(&db, ledgers).await;
}

#[tokio::test]
async fn a_charge_above_its_hold_leaves_less_for_every_node() {
    let Some(place) = postgres().await else { return };
    let (db, ledgers) = nodes(&place, 1).await;
    durable(&ledgers[0], &capped(100), 10).await.post(charged(40));
    assert!(ledgers[0].admit(ask(&capped(100), 61)).await.is_err());
    durable(&ledgers[0], &capped(100), 60).await.post(charged(60));
    close(&db, ledgers).await;
}

#[tokio::test]
async fn a_node_whose_rights_are_all_held_keeps_them_and_others_wait_for_its_holds() {
    let Some(place) = postgres().await else { return };
    let (db, ledgers) = nodes(&place, 2).await;
    let held = durable(&ledgers[0], &capped(100), 100).await;
    let Err(Refusal::Short(short)) = ledgers[1].admit(ask(&capped(100), 1)).await else {
        panic!("a full bucket admits");
    };
    assert_eq!((short.held, short.available), (Nano(100), Nano(0)));
    assert!(short.is_only_holds);
    let mut patient = ask(&capped(100), 60);
    patient.wait_ms = 2_000;
    held.post(charged(40));
    ledgers[1].admit(patient).await.unwrap().post(charged(60));
    assert_eq!(spent(&ledgers[1]).await, (100, 0));
    close(&db, ledgers).await;
}
