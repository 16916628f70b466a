//! Processes that die, databases that do not answer.

use crate::harness::{
    NOON_MS, ask, assert_books_balance, charged, leak, name, open, open_with, payer, places, postgres, sqlite,
    take_over, until_writable,
};
use gateway_core::money::Nano;
use sea_orm::{ConnectionTrait, Database, EntityTrait};
use server::ledger::{Closing, Config, Down, Home, Kind, LedgerError, LockError, Refusal, Series, lock};
use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

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
            let ledger = take_over(&db).await;
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
async fn a_node_with_a_hold_open_in_the_database_stays_for_recovery_when_it_ends() {
    for place in places().await {
        let db = place.connect().await;
        let ledger = open(&db).await;
        let hold = ledger.admit(ask(&payer(1, 2), 40)).await.unwrap();
        hold.durable().await.unwrap();
        hold.void(Closing::default());
        let later = ledger.admit(ask(&payer(1, 3), 1)).await.unwrap();
        later.durable().await.unwrap();
        later.void(Closing::default());
        // As if the end of the first had been decided and never written.
        for statement in [
            "UPDATE hold SET state = 0 WHERE held = 40",
            "UPDATE node SET low_water = 0",
        ] {
            db.execute_unprepared(statement).await.unwrap();
        }
        ledger.close().await;
        let nodes = entity::node::Entity::find().all(&db).await.unwrap();
        assert_eq!(nodes.len(), 1, "the node that holds is not forgotten");
        assert!(nodes[0].fenced_at.is_some());
        open(&db).await.close().await;
        assert!(entity::node::Entity::find().all(&db).await.unwrap().is_empty());
        let holds = entity::hold::Entity::find().all(&db).await.unwrap();
        let whole = holds.iter().find(|hold| hold.held == 40).unwrap();
        assert_eq!((whole.state, whole.outcome, whole.posted), (3, 7, 40));
    }
}

#[tokio::test]
async fn a_ledger_that_was_taken_over_writes_and_admits_nothing() {
    let place = sqlite().await;
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
    until_writable(&ledger).await;
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

/// Passes everything on to `server`, except that a reply which arrives while `cut` is set is lost with its connection.
fn lossy(server: SocketAddr, cut: Arc<AtomicBool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(server).unwrap());
            let (mut asks, mut asked) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut asks, &mut asked));
            let cut = Arc::clone(&cut);
            std::thread::spawn(move || pass_replies(server, client, &cut));
        }
    });
    address
}

fn pass_replies(mut server: TcpStream, mut client: TcpStream, cut: &AtomicBool) {
    let mut buffer = [0; 8192];
    while let Ok(count @ 1..) = server.read(&mut buffer) {
        let is_lost = cut.swap(false, Ordering::SeqCst);
        if is_lost || client.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_whose_answer_is_lost_is_booked_once() {
    let Some(place) = postgres().await else {
        return;
    };
    let (_, rest) = place.url.split_once('@').unwrap();
    let server = rest.split_once('/').unwrap().0;
    let cut = Arc::new(AtomicBool::new(false));
    let proxy = lossy(server.to_socket_addrs().unwrap().next().unwrap(), Arc::clone(&cut));
    let far = Database::connect(place.url.replace(server, &proxy.to_string()))
        .await
        .unwrap();
    let ledger = open(&far).await;
    let payer = payer(1, 2);
    ledger.admit(ask(&payer, 1)).await.unwrap().void(Closing::default());

    let (mut sum, mut failed) = (0, 0);
    for nano in 1..30 {
        until_writable(&ledger).await;
        let settles_in_the_lost_write = ledger.admit(ask(&payer, 100)).await.unwrap();
        settles_in_the_lost_write.durable().await.unwrap();
        settles_in_the_lost_write.post(charged(nano));
        sum += nano;
        cut.store(true, Ordering::SeqCst);
        // On a slow machine the settle is written, and the answer lost, before the next one comes.
        let Ok(opens_in_the_lost_write) = ledger.admit(ask(&payer, 100)).await else {
            failed += 1;
            continue;
        };
        failed += i32::from(opens_in_the_lost_write.durable().await.is_err());
        opens_in_the_lost_write.post(charged(1));
        sum += 1;
    }
    assert!(failed > 10, "only {failed} answers were lost");
    ledger.close().await;
    let db = place.connect().await;
    let rows = entity::hold::Entity::find().all(&db).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.posted).sum::<i64>(), sum);
    assert!(rows.iter().all(|row| row.state != 0), "a hold was left open");
    assert_books_balance(&db).await;
}

#[tokio::test]
async fn recovery_finds_a_hold_made_long_before_others_that_ended() {
    for place in places().await {
        let db = place.connect().await;
        let ledger = open(&db).await;
        let payer = payer(1, 2);
        let old = ledger.admit(ask(&payer, 5)).await.unwrap();
        for _ in 0..20 {
            let hold = ledger.admit(ask(&payer, 1)).await.unwrap();
            hold.durable().await.unwrap();
            hold.post(charged(1));
        }
        leak(old);
        let late = ledger.admit(ask(&payer, 7)).await.unwrap();
        late.durable().await.unwrap();
        leak(late);
        let ledger = take_over(&db).await;
        assert_eq!(ledger.balance(1).await.unwrap().posted, Nano(5 + 20 + 7));
        ledger.close().await;
        assert_books_balance(&db).await;
    }
}

#[tokio::test]
async fn a_ledger_without_tables_does_not_open() {
    let place = sqlite().await;
    let db = place.connect().await;
    db.execute_unprepared("DROP TABLE hold").await.unwrap();
    let opened = open_with(&db, Config::default()).await;
    assert!(matches!(opened.err(), Some(LedgerError::Database(_))));
}

#[test]
fn a_data_directory_serves_one_process() {
    let dir = std::env::temp_dir().join(format!("ourhub_test_lock_{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let guard = lock(&dir).unwrap();
    assert!(matches!(lock(&dir), Err(LockError::Taken(_))));
    drop(guard);
    drop(lock(&dir).unwrap());
    std::fs::remove_dir_all(&dir).unwrap();
}

#[tokio::test]
async fn a_start_that_meets_others_half_done_starts_and_leaves_those_alone_that_live() {
    for place in places().await {
        let db = place.connect().await;
        let dir = std::env::temp_dir().join(name());
        let nodes = dir.join("nodes");
        std::fs::create_dir_all(&nodes).unwrap();
        // Killed before its row was written, killed before its file had a name, and about to write its row.
        for file in ["1.lock", "2.new", "3.lock"] {
            std::fs::write(nodes.join(file), "").unwrap();
        }
        let living = std::fs::File::open(nodes.join("3.lock")).unwrap();
        living.try_lock().unwrap();
        let config = Config {
            home: Home {
                data_dir: Some(dir.clone()),
                ..Home::default()
            },
            ..Config::default()
        };
        for _ in 0..2 {
            let ledger = open_with(&db, config.clone()).await.unwrap();
            let hold = ledger.admit(ask(&payer(1, 2), 10)).await.unwrap();
            hold.durable().await.unwrap();
            hold.post(charged(10));
            ledger.close().await;
        }
        assert!(!nodes.join("1.lock").exists(), "a dead one is tidied up");
        assert!(nodes.join("3.lock").exists(), "one that lives is not");
        assert_books_balance(&db).await;
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
