//! Ends of holds that come while the database takes none: they are on disk, and the next start charges the truth.

use crate::harness::{Place, ask, assert_books_balance, charged, payer, places, until_writable};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, EntityTrait};
use server::ledger::{Closing, Config, Down, Hold, Home, Ledger, Outcome};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// A data directory that is gone when the test ends.
struct Dir(PathBuf);

impl Dir {
    fn new(place: &Place) -> Self {
        let name = place
            .url
            .rsplit('/')
            .find(|part| part.contains("ourhub_test"))
            .unwrap_or("sqlite");
        let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let dir = std::env::temp_dir().join(format!("ourhub_spill_{}_{name}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
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
    Ledger::open(db, config).await.unwrap()
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
        let dir = Dir::new(&place);
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
        let dir = Dir::new(&place);
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
