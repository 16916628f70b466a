//! The chains of postings: what is changed, removed or added is named, and a database that was set back is noticed.

use crate::harness::{Place, ask, assert_books_balance, charged, name, open, open_with, payer, places};
use gateway_core::money::Nano;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseConnection, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder,
};
use server::ledger::{Closing, Config, Grant, Home, Ledger, verify, verify_beside};
use std::{fs, path::PathBuf};

/// What a ledger writes.
const TABLES: [&str; 9] = [
    "hold",
    "bucket",
    "usage_hour",
    "revenue_day",
    "node",
    "lease",
    "entry",
    "journal",
    "carried",
];

async fn save(db: &DatabaseConnection) {
    for table in TABLES {
        for statement in [
            format!("DROP TABLE IF EXISTS saved_{table}"),
            format!("CREATE TABLE saved_{table} AS SELECT * FROM {table}"),
        ] {
            db.execute_unprepared(&statement).await.unwrap();
        }
    }
}

async fn set_back(db: &DatabaseConnection) {
    for table in TABLES {
        for statement in [
            format!("DELETE FROM {table}"),
            format!("INSERT INTO {table} SELECT * FROM saved_{table}"),
        ] {
            db.execute_unprepared(&statement).await.unwrap();
        }
    }
}

async fn grant(ledger: &Ledger, nano: i64) -> i64 {
    let grant = Grant {
        team_id: 1,
        kind: "grant".to_owned(),
        amount: Nano(nano),
        reason: "test".to_owned(),
        actor_id: None,
    };
    ledger.grant(grant).await.unwrap()
}

/// Charges each of `nanos` in a group of its own, as an estimate.
async fn charge(ledger: &Ledger, nanos: &[i64]) {
    for nano in nanos {
        let hold = ledger.admit(ask(&payer(1, 2), 50)).await.unwrap();
        hold.post(Closing {
            estimated: true,
            ..charged(*nano)
        });
        // Written, with whatever has ended by now.
        let next = ledger.admit(ask(&payer(1, 2), 1)).await.unwrap();
        next.durable().await.unwrap();
        next.void(Closing::default());
    }
}

async fn differences(db: &DatabaseConnection) -> Vec<String> {
    verify(db).await.unwrap().differences
}

async fn hold_of(db: &DatabaseConnection, posted: i64) -> entity::hold::Model {
    let hold = entity::hold::Entity::find().filter(entity::hold::Column::Posted.eq(posted));
    hold.one(db).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_posting_that_is_changed_removed_or_added_is_named() {
    for place in places().await {
        let db = place.connect().await;
        let ledger = open(&db).await;
        charge(&ledger, &[10, 20, 30]).await;
        let entries = [grant(&ledger, 5).await, grant(&ledger, 7).await];
        ledger.close().await;
        assert_books_balance(&db).await;
        let report = verify(&db).await.unwrap();
        assert!(report.groups >= 5, "{report:?}");
        save(&db).await;
        let hold = hold_of(&db, 20).await;

        // Whatever else is made to fit: nothing but the chain tells.
        for fit in [
            "UPDATE hold SET posted = 19 WHERE posted = 20",
            "UPDATE bucket SET posted = posted - 1",
            "UPDATE usage_hour SET posted = posted - 1",
            "UPDATE revenue_day SET charged = charged - 1",
        ] {
            db.execute_unprepared(fit).await.unwrap();
        }
        assert_eq!(
            differences(&db).await,
            [format!("hold {}: is not as it was written", hold.id)]
        );
        set_back(&db).await;

        db.execute_unprepared("DELETE FROM hold WHERE posted = 20")
            .await
            .unwrap();
        assert_named(&db, &format!("hold {}: was removed: group {}", hold.id, hold.batch)).await;
        set_back(&db).await;

        let mut added = hold.clone();
        added.id += 1;
        added.into_active_model().insert(&db).await.unwrap();
        assert_named(&db, &format!("hold {}: was added to group", hold.id + 1)).await;
        set_back(&db).await;

        let mut elsewhere = hold.clone();
        (elsewhere.id, elsewhere.batch) = (hold.id + 1, 77);
        elsewhere.into_active_model().insert(&db).await.unwrap();
        assert_named(&db, &format!("hold {}: in no group of the journal", hold.id + 1)).await;
        set_back(&db).await;

        let [first, second] = entries;
        db.execute_unprepared(&format!("UPDATE entry SET reason = 'other' WHERE id = {first}"))
            .await
            .unwrap();
        assert_eq!(
            differences(&db).await,
            [format!("entry {first}: is not as it was written")]
        );
        set_back(&db).await;
        db.execute_unprepared(&format!("DELETE FROM entry WHERE id = {second}"))
            .await
            .unwrap();
        assert_named(&db, &format!("entry {second}: was removed")).await;
        set_back(&db).await;

        // Nor with what its group says that it has.
        for (table, row, (node, batch)) in [("hold", hold.id, (hold.node_id, hold.batch)), ("entry", second, (0, 2))] {
            for tamper in [
                format!("DELETE FROM {table} WHERE id = {row}"),
                format!("UPDATE journal SET content = NULL WHERE node_id = {node} AND batch = {batch}"),
            ] {
                db.execute_unprepared(&tamper).await.unwrap();
            }
            assert_named(&db, &format!("group {batch} of node {node}: its content was removed")).await;
            set_back(&db).await;
        }
        assert_books_balance(&db).await;
    }
}

async fn assert_named(db: &DatabaseConnection, what: &str) {
    let found = differences(db).await;
    assert!(found.iter().any(|line| line.contains(what)), "{what}: {found:?}");
}

#[tokio::test]
async fn a_chain_that_is_changed_is_named() {
    for place in places().await {
        let db = place.connect().await;
        let ledger = open(&db).await;
        charge(&ledger, &[10, 20, 30]).await;
        ledger.close().await;
        save(&db).await;
        let hold = hold_of(&db, 20).await;
        let group = format!("node_id = {} AND batch = {}", hold.node_id, hold.batch);
        let next = entity::journal::Entity::find()
            .filter(entity::journal::Column::Batch.gt(hold.batch))
            .order_by_asc(entity::journal::Column::Batch)
            .one(&db)
            .await
            .unwrap()
            .unwrap()
            .batch;
        for (tamper, sign) in [
            (
                format!("DELETE FROM journal WHERE {group}"),
                format!("group {next} of node {}: does not rest on the one before", hold.node_id),
            ),
            (
                format!("UPDATE journal SET hash = digest WHERE {group}"),
                format!("group {} of node {}: does not rest", hold.batch, hold.node_id),
            ),
            (
                format!("UPDATE journal SET content = digest WHERE {group}"),
                format!(
                    "group {} of node {}: its content is not what was",
                    hold.batch, hold.node_id
                ),
            ),
            (
                format!("UPDATE journal SET content = NULL WHERE {group}"),
                format!("hold {}: its group says that it was deleted", hold.id),
            ),
            (
                format!("UPDATE hold SET batch = 0 WHERE id = {}", hold.id),
                format!("hold {}: in no group", hold.id),
            ),
        ] {
            db.execute_unprepared(&tamper).await.unwrap();
            assert_named(&db, &sign).await;
            set_back(&db).await;
        }
        assert_books_balance(&db).await;
    }
}

/// A data directory that is gone when the test ends.
struct Dir(PathBuf);

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Dir {
    fn new() -> Self {
        let dir = std::env::temp_dir().join(name());
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    async fn open(&self, place: &Place) -> Ledger {
        let home = Home {
            data_dir: Some(self.0.clone()),
            ..Home::default()
        };
        let config = Config {
            home,
            ..Config::default()
        };
        open_with(&place.connect().await, config).await.unwrap()
    }
}

#[tokio::test]
async fn a_database_set_back_to_an_earlier_state_is_noticed_until_somebody_says_that_it_is_right() {
    for place in places().await {
        let (db, dir) = (place.connect().await, Dir::new());
        let ledger = dir.open(&place).await;
        charge(&ledger, &[10]).await;
        grant(&ledger, 5).await;
        ledger.close().await;
        save(&db).await;
        let ledger = dir.open(&place).await;
        charge(&ledger, &[20]).await;
        grant(&ledger, 7).await;
        ledger.close().await;
        assert_eq!(
            verify_beside(&db, &dir.0).await.unwrap().differences,
            Vec::<String>::new()
        );

        set_back(&db).await;
        assert_books_balance(&db).await;
        let lacking = verify_beside(&db, &dir.0).await.unwrap().differences;
        let is_told = |line: &String| line.starts_with("ledger.head: the database lacks group");
        assert_eq!(lacking.len(), 2, "a node's and the entries': {lacking:?}");
        assert!(lacking.iter().all(is_told), "{lacking:?}");

        // A start goes on, and forgets nothing.
        let ledger = dir.open(&place).await;
        charge(&ledger, &[30]).await;
        grant(&ledger, 9).await;
        ledger.close().await;
        assert_books_balance(&db).await;
        assert_eq!(verify_beside(&db, &dir.0).await.unwrap().differences, lacking);

        // Lines are taken out while a server runs, or while none does.
        let file = dir.0.join("ledger.head");
        let text = fs::read_to_string(&file).unwrap();
        let mut ledger = dir.open(&place).await;
        fs::write(&file, "").unwrap();
        for nano in [40, 50] {
            charge(&ledger, &[nano]).await;
            ledger.close().await;
            assert_eq!(
                verify_beside(&db, &dir.0).await.unwrap().differences,
                Vec::<String>::new()
            );
            assert_ne!(fs::read_to_string(&file).unwrap(), "");
            fs::write(&file, &text).unwrap();
            assert_eq!(verify_beside(&db, &dir.0).await.unwrap().differences, lacking);
            fs::remove_file(&file).unwrap();
            ledger = dir.open(&place).await;
        }
        ledger.close().await;
    }
}

#[tokio::test]
async fn the_head_is_kept_while_a_server_runs() {
    for place in places().await {
        let dir = Dir::new();
        let ledger = dir.open(&place).await;
        charge(&ledger, &[10]).await;
        let kept = async {
            while !dir.0.join("ledger.head").exists() {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), kept)
            .await
            .expect("no head is kept");
        let beside = verify_beside(&place.connect().await, &dir.0).await.unwrap();
        assert_eq!(beside.differences, Vec::<String>::new());
        ledger.close().await;
    }
}
