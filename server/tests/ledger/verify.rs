//! A verification finds what was tampered with.

use crate::harness::{ask, assert_books_balance, charged, open, payer, places};
use sea_orm::{ConnectionTrait, DatabaseConnection};
use server::ledger::verify;

async fn books(db: &DatabaseConnection) {
    let ledger = open(db).await;
    for nano in [10, 20] {
        ledger.admit(ask(&payer(1, 2), 50)).await.unwrap().post(charged(nano));
    }
    ledger.close().await;
    assert_books_balance(db).await;
}

#[tokio::test]
async fn every_kind_of_tampering_shows() {
    let tampers = [
        ("UPDATE hold SET posted = posted + 1 WHERE posted = 20", "charge"),
        ("UPDATE hold SET input = 9 WHERE posted = 10", "charge"),
        ("UPDATE hold SET price_id = 7", "no price"),
        ("UPDATE hold SET team_id = 5 WHERE posted = 10", "belongs to another"),
        ("UPDATE hold SET overrun = 1 WHERE posted = 10", "overrun"),
        ("UPDATE hold SET state = 2 WHERE posted = 10", "posted without a charge"),
        (
            "UPDATE hold SET state = 0, posted = 0, finished_at = NULL WHERE posted = 10; \
             INSERT INTO node SELECT node_id, '', NULL, 1, 9223372036854775807, 0, 0, NULL FROM hold LIMIT 1",
            "low-water",
        ),
        (
            "UPDATE hold SET state = 0, posted = 0, finished_at = NULL WHERE posted = 10",
            "its node is gone",
        ),
        ("UPDATE bucket SET held = 1 WHERE kind = 'day'", "held"),
        ("UPDATE bucket SET leased = 1 WHERE kind = 'day'", "leased"),
        ("UPDATE bucket SET credit = 1 WHERE kind = 'wallet'", "credit"),
        (
            "INSERT INTO lease SELECT 1, id, 5, 1 FROM bucket WHERE kind = 'total'",
            "leased",
        ),
        ("DELETE FROM hold WHERE posted = 10", "bucket"),
        (
            "UPDATE bucket SET posted = posted - 1 WHERE kind = 'day' AND scope = 'key'",
            "bucket",
        ),
        ("DELETE FROM bucket WHERE kind = 'wallet'", "no bucket"),
        (
            "UPDATE bucket SET period_end = period_start WHERE kind = 'day'",
            "periods overlap",
        ),
        ("UPDATE usage_hour SET requests = 1", "HourKey"),
        ("DELETE FROM usage_hour", "no row"),
    ];
    for place in places().await {
        let db = place.connect().await;
        books(&db).await;
        for (tamper, sign) in tampers {
            let saved = ["hold", "bucket", "usage_hour", "node", "lease"];
            for table in saved {
                db.execute_unprepared(&format!("CREATE TABLE saved_{table} AS SELECT * FROM {table}"))
                    .await
                    .unwrap();
            }
            db.execute_unprepared(tamper).await.unwrap();
            let report = verify(&db).await.unwrap();
            assert!(
                report.differences.iter().any(|line| line.contains(sign)),
                "{tamper}: {:?}",
                report.differences
            );
            for table in saved {
                db.execute_unprepared(&format!("DELETE FROM {table}")).await.unwrap();
                db.execute_unprepared(&format!("INSERT INTO {table} SELECT * FROM saved_{table}"))
                    .await
                    .unwrap();
                db.execute_unprepared(&format!("DROP TABLE saved_{table}"))
                    .await
                    .unwrap();
            }
            assert_books_balance(&db).await;
        }
    }
}
