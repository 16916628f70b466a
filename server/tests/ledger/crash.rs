//! Processes that die, databases that do not answer.

use crate::harness::{NOON_MS, ask, charged, leak, open, payer, places, sqlite};
use gateway_core::money::Nano;
use sea_orm::{ConnectionTrait, EntityTrait};
use server::ledger::{Down, Kind, Refusal, Series};

#[tokio::test]
async fn what_a_crash_leaves_open_is_posted_whole_and_flagged_once() {
    for place in places().await {
        let db = place.connect().await;
        let crashed = open(&db).await;
        let payer = payer(1, 2);
        let hold = crashed.admit(ask(&payer, 60)).await.unwrap();
        hold.durable().await.unwrap();
        let hold_id = hold.id();
        leak(hold);

        for _ in 0..2 {
            let ledger = open(&db).await;
            let spent = ledger
                .spent(&[Series::key(1, 2, Kind::Day)], "UTC", NOON_MS)
                .await
                .unwrap();
            assert_eq!((spent[0].posted, spent[0].held), (Nano(60), Nano(0)));
            ledger.close().await;
        }
        let row = entity::hold::Entity::find_by_id(hold_id)
            .one(&db)
            .await
            .unwrap()
            .unwrap();
        assert_eq!((row.state, row.outcome, row.posted, row.held), (3, 7, 60, 60));
    }
}

#[tokio::test]
async fn a_ledger_that_was_taken_over_writes_and_admits_nothing() {
    for place in places().await {
        let db = place.connect().await;
        let old = open(&db).await;
        let payer = payer(1, 2);
        let held = old.admit(ask(&payer, 10)).await.unwrap();
        held.durable().await.unwrap();
        let new = open(&db).await;
        held.post(charged(4));
        if let Ok(late) = old.admit(ask(&payer, 10)).await {
            assert_eq!(late.durable().await, Err(Down));
        }
        assert_eq!(old.admit(ask(&payer, 1)).await.unwrap_err(), Refusal::Down(Down));
        old.close().await;
        new.close().await;
        let rows = entity::hold::Entity::find().all(&db).await.unwrap();
        assert_eq!(
            rows.iter().map(|row| (row.state, row.posted)).collect::<Vec<_>>(),
            [(3, 10)]
        );
    }
}

#[tokio::test]
async fn a_locked_database_refuses_new_work_and_recovers_without_a_restart() {
    let place = sqlite().await;
    let db = place.connect().await;
    let ledger = open(&db).await;
    let payer = payer(1, 2);
    let running = ledger.admit(ask(&payer, 100)).await.unwrap();
    running.durable().await.unwrap();

    let blocker = place.connect().await;
    let blocked = blocker.get_sqlite_connection_pool().acquire().await.unwrap();
    let mut blocked = blocked.detach();
    sea_orm::sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut blocked)
        .await
        .unwrap();
    let refused = ledger.admit(ask(&payer, 10)).await.unwrap();
    assert_eq!(refused.durable().await, Err(Down));
    drop(refused);
    assert_eq!(ledger.admit(ask(&payer, 10)).await.unwrap_err(), Refusal::Down(Down));
    running.post(charged(70));
    assert!(!ledger.status().writable);

    sea_orm::sqlx::query("COMMIT").execute(&mut blocked).await.unwrap();
    while !ledger.status().writable {
        tokio::task::yield_now().await;
    }
    let after = ledger.admit(ask(&payer, 10)).await.unwrap();
    after.durable().await.unwrap();
    after.post(charged(10));
    ledger.close().await;
    db.execute_unprepared("PRAGMA wal_checkpoint").await.unwrap();
    let rows = entity::hold::Entity::find().all(&db).await.unwrap();
    let mut ends: Vec<_> = rows.iter().map(|row| (row.state, row.posted)).collect();
    ends.sort_unstable();
    assert_eq!(ends, [(1, 10), (1, 70), (2, 0)]);
}
