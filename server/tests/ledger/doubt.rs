//! A database whose answers are lost, or that says nothing any more: what is written is written once, and every wait ends.

use crate::harness::{ask, assert_books_balance, charged, leak, open, payer, postgres};
use gateway_core::money::Nano;
use sea_orm::{ActiveModelTrait, ConnectionTrait, Database, EntityTrait, IntoActiveModel, PaginatorTrait};
use server::{
    config::Storage,
    ledger::{Adjustment, Closing, Grant, Hold, Ledger, LedgerError, Refusal},
};
use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// How long any wait may take, and more.
const PATIENCE: Duration = Duration::from_secs(120);

/// What stands between a ledger and its database.
#[derive(Default)]
struct Wire {
    /// Of so many commits from now on the answer is lost, with its connection.
    lost: AtomicUsize,
    /// Nothing passes, and nobody is told.
    is_silent: AtomicBool,
    /// No commit arrives until it is over.
    is_late: AtomicBool,
}

impl Wire {
    /// A way to `server` that goes over it.
    fn new(server: SocketAddr) -> (SocketAddr, Arc<Self>) {
        let (wire, listener) = (Arc::<Self>::default(), TcpListener::bind("127.0.0.1:0").unwrap());
        let (address, mine) = (listener.local_addr().unwrap(), Arc::clone(&wire));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(server).unwrap());
                let (asks, asked) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let is_cut = Arc::new(AtomicBool::new(false));
                let (wire, cut) = (Arc::clone(&mine), Arc::clone(&is_cut));
                std::thread::spawn(move || wire.pass(asks, asked, |text| wire.lose(text, &cut)));
                let wire = Arc::clone(&mine);
                std::thread::spawn(move || wire.pass(server, client, |_| !is_cut.load(Ordering::SeqCst)));
            }
        });
        (address, wire)
    }

    /// Passes on what `may_pass`, to the end of either side.
    fn pass(&self, mut from: TcpStream, mut to: TcpStream, may_pass: impl Fn(&[u8]) -> bool) {
        let mut buffer = [0; 8192];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            while self.is_silent.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(10));
            }
            if !may_pass(&buffer[..count]) || to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }

    /// Lets `text` pass; if it is a commit whose answer is to be lost, that is cut.
    fn lose(&self, text: &[u8], cut: &AtomicBool) -> bool {
        let is_commit = text.windows(6).any(|word| word == b"COMMIT");
        while is_commit && self.is_late.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let one_less = |lost: usize| lost.checked_sub(1);
        if is_commit
            && self
                .lost
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less)
                .is_ok()
        {
            cut.store(true, Ordering::SeqCst);
        }
        true
    }
}

async fn far(url: &str) -> (Ledger, Arc<Wire>) {
    let (_, rest) = url.split_once('@').unwrap();
    let server = rest.split_once('/').unwrap().0;
    let (way, wire) = Wire::new(server.to_socket_addrs().unwrap().next().unwrap());
    let db = Database::connect(url.replace(server, &way.to_string())).await.unwrap();
    (open(&db).await, wire)
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

fn give_back(hold_id: i64, nano: i64) -> Adjustment {
    Adjustment {
        team_id: 1,
        hold_id,
        amount: Nano(nano),
        seen: None,
        reason: "test".to_owned(),
        actor_id: None,
    }
}

/// A hold that is on the books.
async fn durable(ledger: &Ledger, nano: i64) -> Hold {
    let hold = ledger.admit(ask(&payer(1, 2), nano)).await.unwrap();
    hold.durable().await.unwrap();
    hold
}

/// A charge of `nano` that is an estimate, on the books.
async fn estimate(ledger: &Ledger, nano: i64) -> i64 {
    let hold = durable(ledger, nano).await;
    let id = hold.id();
    hold.post(Closing {
        estimated: true,
        ..charged(nano)
    });
    durable(ledger, 1).await.void(Closing::default());
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_whose_commit_is_not_answered_is_written_once() {
    let Some(place) = postgres().await else { return };
    let (ledger, wire) = far(&place.url).await;
    let hold_id = estimate(&ledger, 90).await;
    for _ in 0..3 {
        wire.lost.store(1, Ordering::SeqCst);
        ledger.grant(paid_in(5)).await.unwrap();
        assert_eq!(wire.lost.load(Ordering::SeqCst), 0, "no answer was lost");
    }
    wire.lost.store(1, Ordering::SeqCst);
    let adjusted = ledger.adjust(give_back(hold_id, 60)).await.unwrap();
    assert_eq!(wire.lost.load(Ordering::SeqCst), 0, "no answer was lost");
    assert_eq!((adjusted.charge, adjusted.is_repeat), (Nano(30), false));
    assert!(ledger.adjust(give_back(hold_id, 60)).await.unwrap().is_repeat);
    assert_eq!(ledger.balance(1).await.unwrap().left(), Nano(15 - 30));
    ledger.close().await;
    let db = place.connect().await;
    let entries = entity::entry::Entity::find().all(&db).await.unwrap();
    let mut amounts: Vec<i64> = entries.iter().map(|entry| entry.amount).collect();
    amounts.sort_unstable();
    assert_eq!(amounts, [5, 5, 5, 60]);
    assert_books_balance(&db).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_whose_commit_is_under_way_is_not_said_to_be_unwritten() {
    let Some(place) = postgres().await else { return };
    let (ledger, wire) = far(&place.url).await;
    ledger.grant(paid_in(5)).await.unwrap();
    wire.is_late.store(true, Ordering::SeqCst);
    let asked = ledger.clone();
    let granted = tokio::spawn(async move { asked.grant(paid_in(7)).await });
    // Longer than it is tried to be written.
    tokio::time::sleep(Duration::from_secs(20)).await;
    wire.is_late.store(false, Ordering::SeqCst);
    let granted = granted.await.unwrap();
    assert!(matches!(granted, Ok(_) | Err(LedgerError::Unsure)), "{granted:?}");
    let known = async {
        while ledger.balance(1).await.unwrap().entries != Nano(12) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, known)
        .await
        .expect("memory does not follow");
    ledger.close().await;
    let db = place.connect().await;
    assert_eq!(entity::entry::Entity::find().count(&db).await.unwrap(), 2);
    assert_books_balance(&db).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_is_not_taken_for_written_by_the_page_of_who_recovered_its_node() {
    let Some(place) = postgres().await else { return };
    let (ledger, wire) = far(&place.url).await;
    let db = place.connect().await;
    let lost = durable(&ledger, 90).await;
    let node = entity::node::Entity::find().one(&db).await.unwrap().unwrap();
    wire.is_silent.store(true, Ordering::SeqCst);
    let hold = ledger.admit(ask(&payer(1, 2), 10)).await.unwrap();
    let other = crate::harness::take_over(&db).await;
    // As it is while there is more to recover.
    let half_done = entity::node::Model {
        batch: node.batch + 1,
        fenced_at: Some(1),
        slot: None,
        ..node
    };
    half_done.into_active_model().insert(&db).await.unwrap();
    wire.is_silent.store(false, Ordering::SeqCst);
    let written = tokio::time::timeout(PATIENCE, hold.durable())
        .await
        .expect("somebody still waits");
    let row = entity::hold::Entity::find_by_id(hold.id()).one(&db).await.unwrap();
    assert_eq!(written.is_ok(), row.is_some(), "{written:?}");
    leak(lost);
    drop(hold);
    ledger.close().await;
    other.close().await;
    assert_books_balance(&db).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_wait_for_a_database_that_says_nothing_ends() {
    let Some(place) = postgres().await else { return };
    let (ledger, wire) = far(&place.url).await;
    let hold_id = estimate(&ledger, 90).await;
    let (running, kept) = (durable(&ledger, 10).await, durable(&ledger, 20).await);
    wire.is_silent.store(true, Ordering::SeqCst);
    let waits = async {
        let (admitted, granted, adjusted) = tokio::join!(
            ledger.admit(ask(&payer(7, 8), 1)),
            ledger.grant(paid_in(5)),
            ledger.adjust(give_back(hold_id, 60)),
        );
        assert!(matches!(admitted, Err(Refusal::Down(_))));
        assert!(
            matches!(granted, Err(LedgerError::Down(_) | LedgerError::Unsure)),
            "{granted:?}"
        );
        assert!(adjusted.is_err(), "{adjusted:?}");
        running.post(charged(10));
        leak(kept);
        ledger.close().await;
    };
    tokio::time::timeout(PATIENCE, waits)
        .await
        .expect("somebody still waits");
    wire.is_silent.store(false, Ordering::SeqCst);
    let db = place.connect().await;
    crate::harness::take_over(&db).await.close().await;
    let open = entity::hold::Entity::find().all(&db).await.unwrap();
    assert!(open.iter().all(|hold| hold.state != 0));
    assert_books_balance(&db).await;
}

#[tokio::test]
async fn a_session_that_froze_in_a_transaction_is_given_up_by_the_database() {
    let Some(place) = postgres().await else { return };
    let storage = Storage {
        database_url: place.url.clone(),
        data_dir: std::env::temp_dir(),
        master_key: None,
    };
    let db = server::app::open(&storage).await.unwrap();
    for setting in ["idle_in_transaction_session_timeout", "lock_timeout"] {
        let row = sea_orm::Statement::from_string(db.get_database_backend(), format!("SHOW {setting}"));
        let row = db.query_one_raw(row).await.unwrap().unwrap();
        let value: String = row.try_get_by_index(0).unwrap();
        assert_ne!(value, "0", "{setting}");
    }
}
