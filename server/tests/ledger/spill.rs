//! Ends of holds that come while the database takes none: they are on disk, and the next start charges the truth.

use crate::harness::{Place, ask, assert_books_balance, charged, leak, name, open_with, payer, places, until_writable};
use gateway_core::money::Nano;
use sea_orm::{ActiveModelTrait, ConnectionTrait, Database, DatabaseConnection, EntityTrait, IntoActiveModel, Set};
use server::{
    ledger::{Closing, Config, Down, Hold, Home, Ledger, Outcome},
    telemetry,
};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, ChildStdout, Command, Stdio},
    time::Duration,
};

/// What the process to be killed is told: its database, its data directory, and whether there is room for a spill file.
const DATABASE: &str = "OURHUB_TEST_SPILL_DATABASE";
const DIR: &str = "OURHUB_TEST_SPILL_DIR";
const IS_FULL: &str = "OURHUB_TEST_SPILL_FULL";
/// Holds that end while its database takes nothing.
const HOLDS: i64 = 40;

/// A data directory that is gone when the test ends.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        let dir = std::env::temp_dir().join(name());
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    /// What is spilled now, of all nodes.
    fn spilled(&self) -> String {
        let Ok(files) = fs::read_dir(self.0.join("spill")) else {
            return String::new();
        };
        files
            .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
            .collect()
    }

    async fn until(&self, is_so: impl Fn(&str) -> bool) {
        let looking = async {
            while !is_so(&self.spilled()) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), looking)
            .await
            .unwrap_or_else(|_| panic!("the spill file has {:?}", self.spilled()));
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn open(db: &DatabaseConnection, dir: &Path) -> Ledger {
    let home = Home {
        data_dir: Some(dir.to_owned()),
        ..Home::default()
    };
    let config = Config {
        home,
        ..Config::default()
    };
    open_with(db, config).await.unwrap()
}

/// Makes the database refuse writes until the value is used to undo it.
enum Blocked {
    Sqlite(Box<sea_orm::sqlx::SqliteConnection>),
    Postgres(DatabaseConnection, String),
}

impl Blocked {
    async fn new(place: &Place) -> Self {
        if place.url.starts_with("sqlite") {
            let db = place.connect().await;
            let mut writer = db.get_sqlite_connection_pool().acquire().await.unwrap().detach();
            sea_orm::sqlx::query("BEGIN IMMEDIATE")
                .execute(&mut writer)
                .await
                .unwrap();
            return Self::Sqlite(Box::new(writer));
        }
        let (server, name) = place.url.rsplit_once('/').unwrap();
        let root = Database::connect(format!("{server}/postgres")).await.unwrap();
        let blocked = Self::Postgres(root, name.to_owned());
        blocked.set_read_only("on").await;
        blocked
    }

    async fn set_read_only(&self, on: &str) {
        let Self::Postgres(root, name) = self else { return };
        for statement in [
            format!("ALTER DATABASE {name} SET default_transaction_read_only = {on}"),
            format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"),
        ] {
            root.execute_unprepared(&statement).await.unwrap();
        }
    }

    async fn undo(self) {
        self.set_read_only("off").await;
        if let Self::Sqlite(mut writer) = self {
            sea_orm::sqlx::query("COMMIT").execute(&mut *writer).await.unwrap();
        }
    }
}

async fn held(ledger: &Ledger, nano: i64) -> Hold {
    let hold = ledger.admit(ask(&payer(1, 2), nano)).await.unwrap();
    hold.durable().await.unwrap();
    hold
}

/// Waits until the journal knows that it cannot write.
async fn notice(ledger: &Ledger) {
    if let Ok(hold) = ledger.admit(ask(&payer(1, 2), 1)).await {
        assert_eq!(hold.durable().await, Err(Down));
    }
}

async fn rows(db: &DatabaseConnection) -> Vec<(i16, i64, i64, i16)> {
    let mut rows: Vec<_> = entity::hold::Entity::find()
        .all(db)
        .await
        .unwrap()
        .into_iter()
        .filter(|row| row.held > 1)
        .map(|row| (row.state, row.held, row.posted, row.outcome))
        .collect();
    rows.sort_unstable();
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_stopped_while_the_database_is_down_charges_the_truth_at_the_next_start() {
    for place in places().await {
        let dir = Dir::new();
        let ledger = open(&place.connect().await, &dir.0).await;
        let (reported, void, lost) = (
            held(&ledger, 100).await,
            held(&ledger, 50).await,
            held(&ledger, 20).await,
        );
        let blocked = Blocked::new(&place).await;
        notice(&ledger).await;
        reported.post(charged(70));
        void.void(Closing {
            outcome: Outcome::UpstreamFailed,
            ..Closing::default()
        });
        dir.until(|text| text.contains("\"posted\":70") && text.lines().count() >= 2)
            .await;
        ledger.close().await;
        std::mem::forget(lost);
        let file = fs::read_dir(dir.0.join("spill"))
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        let torn = fs::read_to_string(&file).unwrap() + "{\"hold\":7,\"state\":1,\"pos";
        fs::write(&file, torn).unwrap();

        blocked.undo().await;
        let db = place.connect().await;
        let again = open(&db, &dir.0).await;
        let ok = Outcome::Ok.code();
        assert_eq!(
            rows(&db).await,
            [
                (1, 100, 70, ok),
                (2, 50, 0, Outcome::UpstreamFailed.code()),
                (3, 20, 20, Outcome::Recovered.code()),
            ],
            "what was known is charged, what was not is an estimate"
        );
        let row = entity::hold::Entity::find().all(&db).await.unwrap();
        assert!(
            row.iter().any(|row| row.input == 70 && row.status == 200),
            "the receipt has the usage"
        );
        assert_eq!(
            dir.spilled(),
            "",
            "the file is gone once the database has what was in it"
        );
        again.close().await;
        assert_books_balance(&db).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_comes_back_takes_what_was_spilled_once_and_the_file_goes() {
    for place in places().await {
        let dir = Dir::new();
        let ledger = open(&place.connect().await, &dir.0).await;
        let (first, second) = (held(&ledger, 100).await, held(&ledger, 60).await);
        let blocked = Blocked::new(&place).await;
        notice(&ledger).await;
        first.post(charged(70));
        dir.until(|text| text.contains("\"posted\":70")).await;
        second.post(charged(30));
        dir.until(|text| text.contains("\"posted\":30")).await;
        assert_eq!(dir.spilled().matches("\"posted\":70").count(), 1, "not once a try");
        let copy: String = dir.spilled();

        blocked.undo().await;
        until_writable(&ledger).await;
        dir.until(str::is_empty).await;
        ledger.close().await;
        let db = place.connect().await;
        let expected = [(1, 60, 30, Outcome::Ok.code()), (1, 100, 70, Outcome::Ok.code())];
        assert_eq!(rows(&db).await, expected);

        // A process killed between the write and the removal leaves the file.
        let node = open(&db, &dir.0).await;
        let name = fs::read_dir(dir.0.join("nodes"))
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .file_name();
        let name = name.to_str().unwrap().replace(".lock", ".jsonl");
        fs::create_dir_all(dir.0.join("spill")).unwrap();
        fs::write(dir.0.join("spill").join(name), copy).unwrap();
        node.close().await;
        open(&db, &dir.0).await.close().await;
        assert_eq!(rows(&db).await, expected, "charged once");
        assert_eq!(dir.spilled(), "");
        assert_books_balance(&db).await;
    }
}

/// Runs in a process of its own, started by the tests below; alone it does nothing.
#[test]
fn the_process_to_be_killed() {
    let Ok(url) = std::env::var(DATABASE) else {
        return;
    };
    telemetry::start(telemetry::LogFormat::Json, "error").unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let dir = PathBuf::from(std::env::var(DIR).unwrap());
        let ledger = open(&Database::connect(url).await.unwrap(), &dir).await;
        #[cfg(unix)]
        if std::env::var(IS_FULL).is_ok() {
            let node = ledger.nodes().await.unwrap()[0].id;
            fs::create_dir_all(dir.join("spill")).unwrap();
            std::os::unix::fs::symlink("/dev/full", dir.join(format!("spill/{node}.jsonl"))).unwrap();
        }
        let mut holds = Vec::new();
        for _ in 0..HOLDS {
            holds.push(held(&ledger, 1_000).await);
        }
        println!("held");
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap();
        for (nano, hold) in (1..).zip(holds) {
            hold.post(charged(nano));
        }
        std::future::pending::<()>().await;
    });
}

/// The process to be killed.
struct Victim {
    process: Child,
    /// Kept: whoever says something must be heard.
    _out: BufReader<ChildStdout>,
    log: BufReader<ChildStderr>,
}

impl Victim {
    /// One that has its holds on the books.
    fn new(place: &Place, dir: &Path, is_full: bool) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "spill::the_process_to_be_killed", "--nocapture"])
            .env(DATABASE, &place.url)
            .env(DIR, dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if is_full {
            command.env(IS_FULL, "1");
        }
        let mut process = command.spawn().unwrap();
        let mut out = BufReader::new(process.stdout.take().unwrap());
        let log = BufReader::new(process.stderr.take().unwrap());
        until_said(&mut out, "held");
        Self {
            process,
            _out: out,
            log,
        }
    }

    /// Has it end its holds.
    fn go_on(&mut self) {
        self.process.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    }

    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn until_said(from: &mut impl BufRead, what: &str) {
    let mut line = String::new();
    while !line.contains(what) {
        line.clear();
        assert_ne!(from.read_line(&mut line).unwrap(), 0, "the process ended by itself");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_while_the_database_is_gone_has_lost_no_figure() {
    for place in places().await {
        let dir = Dir::new();
        let mut victim = Victim::new(&place, &dir.0, false);
        let blocked = Blocked::new(&place).await;
        victim.go_on();
        let all = usize::try_from(HOLDS).unwrap();
        dir.until(|text| text.lines().count() == all && text.ends_with('\n'))
            .await;
        victim.kill();
        blocked.undo().await;
        let db = place.connect().await;
        for _ in 0..2 {
            open(&db, &dir.0).await.close().await;
            let expected: Vec<_> = (1..=HOLDS).map(|nano| (1, 1_000, nano, Outcome::Ok.code())).collect();
            assert_eq!(rows(&db).await, expected, "each as it ended, once");
            assert_eq!(dir.spilled(), "");
        }
        assert_books_balance(&db).await;
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_told_and_what_it_took_is_an_estimate() {
    for place in places().await {
        let dir = Dir::new();
        let mut victim = Victim::new(&place, &dir.0, true);
        let blocked = Blocked::new(&place).await;
        victim.go_on();
        until_said(&mut victim.log, "neither to the database nor to the spill file");
        victim.kill();
        blocked.undo().await;
        // What the disk took of the file: nothing.
        for link in fs::read_dir(dir.0.join("spill")).unwrap() {
            fs::remove_file(link.unwrap().path()).unwrap();
        }
        let db = place.connect().await;
        open(&db, &dir.0).await.close().await;
        let whole = (3, 1_000, 1_000, Outcome::Recovered.code());
        assert_eq!(rows(&db).await, vec![whole; usize::try_from(HOLDS).unwrap()]);
        assert_books_balance(&db).await;
    }
}

/// A line of a spill file: `hold` came to 70.
fn line(hold: i64) -> String {
    format!(
        "{{\"hold\":{hold},\"state\":1,\"posted\":70,\"overrun\":0,\"input\":30,\"cache_read\":0,\"cache_write\":0,\
         \"audio_input\":40,\"output\":0,\"reasoning\":0,\"outcome\":1,\"status\":200,\"attempts\":\"\",\"notes\":\"\",\"failovers\":0,\
         \"ttft_ms\":null,\"total_ms\":7,\"finished_at\":7}}\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_machine_is_about_to_have_dealt_with_is_corrected_also_by_one_that_runs() {
    for place in places().await {
        for is_running in [false, true] {
            let (dir, elsewhere) = (Dir::new(), Dir::new());
            let db = place.connect().await;
            let ledger = open(&db, &dir.0).await;
            let before = ledger.balance(1).await.unwrap().left();
            let hold = held(&ledger, 100).await;
            let nodes = entity::node::Entity::find().all(&db).await.unwrap();
            let (node, hold_id) = (nodes.into_iter().next_back().unwrap(), hold.id());
            leak(hold);
            ledger.close().await;
            open(&db, &elsewhere.0).await.close().await;
            let file = dir.0.join(format!("spill/{}.jsonl", node.id));
            fs::create_dir_all(dir.0.join("spill")).unwrap();
            let ledger = if is_running {
                let ledger = open(&db, &dir.0).await;
                fs::write(&file, line(hold_id)).unwrap();
                ledger.correct_late().await.unwrap();
                ledger
            } else {
                fs::write(&file, line(hold_id)).unwrap();
                // The other one has ended the hold, and not come to forgetting the node yet.
                let still_there = entity::node::ActiveModel {
                    slot: Set(None),
                    fenced_at: Set(Some(1)),
                    ..node.into_active_model().reset_all()
                };
                entity::node::Entity::insert(still_there).exec(&db).await.unwrap();
                open(&db, &dir.0).await
            };
            assert_eq!(dir.spilled(), "");
            assert_eq!(ledger.balance(1).await.unwrap().left(), Nano(before.0 - 70));
            ledger.close().await;
        }
        assert_books_balance(&place.connect().await).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_holds_that_the_database_does_not_know_is_put_aside_and_not_deleted() {
    for place in places().await {
        let dir = Dir::new();
        fs::create_dir_all(dir.0.join("spill")).unwrap();
        fs::write(dir.0.join("spill/77.jsonl"), line(5)).unwrap();
        let ledger = open(&place.connect().await, &dir.0).await;
        assert_eq!(fs::read_to_string(dir.0.join("spill/77.unmatched")).unwrap(), line(5));
        assert!(!dir.0.join("spill/77.jsonl").exists());
        ledger.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_machine_posted_whole_is_corrected_once_the_truth_is_found() {
    for place in places().await {
        let (dir, elsewhere) = (Dir::new(), Dir::new());
        let db = place.connect().await;
        let ledger = open(&db, &dir.0).await;
        let hold = held(&ledger, 100).await;
        let (node, hold_id) = (ledger.nodes().await.unwrap()[0].id, hold.id());
        leak(hold);
        ledger.close().await;
        let other = open(&db, &elsewhere.0).await;
        assert_eq!(other.balance(1).await.unwrap().posted, Nano(100), "whole, as it seemed");
        other.close().await;
        fs::create_dir_all(dir.0.join("spill")).unwrap();
        for _ in 0..2 {
            fs::write(
                dir.0.join(format!("spill/{node}.jsonl")),
                line(hold_id) + &line(hold_id + 1),
            )
            .unwrap();
            let ledger = open(&db, &dir.0).await;
            assert_eq!(dir.spilled(), "");
            // The file of one that lives, as a process has that shares the directory.
            let me = ledger.nodes().await.unwrap()[0].id;
            let living = dir.0.join(format!("spill/{me}.jsonl"));
            fs::write(&living, line(hold_id)).unwrap();
            if place.url.starts_with("postgres") {
                open(&place.connect().await, &dir.0).await.close().await;
                assert_eq!(dir.spilled(), line(hold_id));
            }
            fs::remove_file(living).unwrap();
            assert_eq!(ledger.balance(1).await.unwrap().left(), Nano(-70));
            ledger.close().await;
        }
        let entries = entity::entry::Entity::find().all(&db).await.unwrap();
        let corrections: Vec<_> = entries.iter().map(|row| (row.hold_id, row.amount)).collect();
        assert_eq!(corrections, [(Some(hold_id), 30)], "once");
        assert_books_balance(&db).await;
    }
}
