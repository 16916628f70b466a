//! A migrated database of the test's own, and short names for asks.
//!
//! Invariant: what a test made is gone when it ends, on SQLite; a Postgres database stays in the test server.

use gateway_core::{money::Nano, pricing::PriceSheet, usage::Usage};
use migration::{Migrator, MigratorTrait};
use sea_orm::{
    ActiveModelTrait, ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Set,
    sqlx::sqlite::SqliteJournalMode,
};
use server::ledger::{Ask, Caps, Closing, Config, Hold, Ledger, LedgerError, Opening, Outcome, Payer, verify};
use server::signals::Signals;
use std::{
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// 2026-11-24T12:00:00Z.
pub const NOON_MS: i64 = 1_795_521_600_000;

/// Where a test's rows are.
pub struct Place {
    pub url: String,
    dir: Option<PathBuf>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(dir) = &self.dir {
            let _ = std::fs::remove_dir_all(dir);
        }
    }
}

impl Place {
    pub async fn connect(&self) -> DatabaseConnection {
        let mut options = ConnectOptions::new(&self.url);
        options
            .max_connections(4)
            .sqlx_logging(false)
            .acquire_timeout(Duration::from_secs(20))
            // As the server has it: a file that becomes one of this mode only later is locked while it does.
            .map_sqlx_sqlite_opts(|sqlite| sqlite.journal_mode(SqliteJournalMode::Wal));
        Database::connect(options).await.unwrap()
    }
}

/// A name that no other test has.
pub fn name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!(
        "ourhub_test_{}_{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}

/// A migrated SQLite file.
pub async fn sqlite() -> Place {
    let dir = std::env::temp_dir().join(name());
    std::fs::create_dir_all(&dir).unwrap();
    let place = Place {
        url: format!("sqlite://{}?mode=rwc", dir.join("ourhub.db").display()),
        dir: Some(dir),
    };
    prepare(&place).await;
    place
}

/// The tables, and price row 1: a nano a token of input, two a token of output.
async fn prepare(place: &Place) {
    let db = place.connect().await;
    Migrator::up(&db, None).await.unwrap();
    let sheet = PriceSheet::from_per_million("0.001", "0.002", None, None).unwrap();
    let row = entity::price::ActiveModel {
        id: Set(1),
        model: Set("small".to_owned()),
        effective_at: Set(0),
        sheet: Set(serde_json::to_string(&sheet).unwrap()),
        created_at: Set(0),
        created_by: Set(None),
    };
    row.insert(&db).await.unwrap();
}

/// A migrated Postgres database, if there is a server.
pub async fn postgres() -> Option<Place> {
    let server = std::env::var("OURHUB_TEST_POSTGRES").ok()?;
    let name = name();
    let root = Database::connect(ConnectOptions::new(&server)).await.unwrap();
    root.execute_unprepared(&format!("DROP DATABASE IF EXISTS {name}"))
        .await
        .unwrap();
    root.execute_unprepared(&format!("CREATE DATABASE {name}"))
        .await
        .unwrap();
    let (base, _) = server.rsplit_once('/').unwrap();
    let place = Place {
        url: format!("{base}/{name}"),
        dir: None,
    };
    prepare(&place).await;
    Some(place)
}

/// Every database there is to test on.
pub async fn places() -> Vec<Place> {
    let mut places = vec![sqlite().await];
    places.extend(postgres().await);
    places
}

pub async fn open(db: &DatabaseConnection) -> Ledger {
    open_with(db, Config::default()).await.unwrap()
}

/// A ledger as one of its own process has it.
pub async fn open_with(db: &DatabaseConnection, config: Config) -> Result<Ledger, LedgerError> {
    let signals = Signals::start(db).await.unwrap();
    Ledger::open(db, &signals, config).await
}

/// A ledger opened after every other process has ended: as on SQLite, where there is but one.
pub async fn take_over(db: &DatabaseConnection) -> Ledger {
    fence_all(db).await;
    open(db).await
}

/// Fences every node, as another one does that has not heard of it.
pub async fn fence_all(db: &DatabaseConnection) {
    db.execute_unprepared("UPDATE node SET fenced_at = 1, slot = NULL WHERE fenced_at IS NULL")
        .await
        .unwrap();
}

pub fn payer(team_id: i64, key_id: i64) -> Payer {
    Payer {
        team_id,
        team_zone: "UTC".to_owned(),
        team: Caps::default(),
        member: None,
        key_id,
        key: Caps::default(),
    }
}

pub fn ask(payer: &Payer, nano: i64) -> Ask {
    Ask {
        payer: payer.clone(),
        amount: Nano(nano),
        wait_ms: 0,
        now_ms: NOON_MS,
        record: Opening {
            request_id: None,
            model: "small".into(),
            asked: None,
            operation: "chat",
            is_stream: false,
            is_own: false,
            price_id: 1,
            markup: gateway_core::pricing::Markup::NONE,
        },
    }
}

/// A reported charge; one token of input a nano, as price row 1 has it.
pub fn charged(nano: i64) -> Closing {
    Closing {
        usage: Usage {
            input: nano.unsigned_abs(),
            ..Usage::default()
        },
        charge: Nano(nano),
        outcome: Outcome::Ok,
        status: 200,
        attempts: "[]".to_owned(),
        total_ms: 7,
        ttft_ms: Some(3),
        finished_at_ms: NOON_MS + 7,
        ..Closing::default()
    }
}

/// The books balance.
pub async fn assert_books_balance(db: &DatabaseConnection) {
    let report = verify(db).await.unwrap();
    assert_eq!(report.differences, Vec::<String>::new());
    assert_eq!(report.difference_count, 0);
}

/// Waits for a ledger that could not write.
pub async fn until_writable(ledger: &Ledger) {
    let writable = async {
        while !ledger.status().writable {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), writable)
        .await
        .expect("the ledger does not write again");
}

/// Leaves a hold open, as a process that dies does.
pub fn leak(hold: Hold) {
    std::mem::forget(hold);
}
