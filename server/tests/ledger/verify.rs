//! A verification finds what was tampered with.

use crate::harness::{ask, assert_books_balance, charged, open, payer, places};
use gateway_core::usage::Usage;
use sea_orm::{ConnectionTrait, DatabaseConnection, EntityTrait};
use server::ledger::{Closing, verify};

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
        ("UPDATE hold SET markup = 5 WHERE posted = 20", "charge"),
        ("UPDATE revenue_day SET charged = charged + 1", "revenue"),
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
            let saved = ["hold", "bucket", "usage_hour", "revenue_day", "node", "lease"];
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

#[tokio::test]
async fn rarer_kinds_of_tokens_stand_in_the_row_are_summed_by_the_hour_and_proved_by_the_chain() {
    for place in places().await {
        let db = place.connect().await;
        let ledger = open(&db).await;
        // One that is inserted as it ends, and one whose row is there already.
        for is_written in [false, true] {
            let hold = ledger.admit(ask(&payer(1, 2), 50)).await.unwrap();
            if is_written {
                hold.durable().await.unwrap();
            }
            let usage = Usage {
                input: 4,
                cache_write_long: 2,
                audio_input: 3,
                output: 1,
                ..Usage::default()
            };
            hold.post(Closing { usage, ..charged(11) });
        }
        ledger.admit(ask(&payer(1, 2), 50)).await.unwrap().post(charged(20));
        ledger.close().await;
        assert_books_balance(&db).await;
        let rows = entity::hold::Entity::find().all(&db).await.unwrap();
        let told = |posted| rows.iter().filter(move |row| row.posted == posted);
        let details = r#"{"cache_write_long":2,"audio_input":3}"#;
        assert!(told(11).all(|row| (row.input, row.details.as_deref()) == (4, Some(details))));
        assert_eq!((told(11).count(), told(20).count()), (2, 1));
        assert!(told(20).all(|row| row.details.is_none()));
        let hours = entity::usage_hour::Entity::find().all(&db).await.unwrap();
        let sums: Vec<_> = hours
            .iter()
            .map(|row| (row.input, row.cache_write, row.output))
            .collect();
        assert_eq!(sums, [(34, 4, 2)]);

        let id = told(11).map(|row| row.id).max().unwrap();
        for (tamper, sign) in [
            // Costs as much, by whatever tokens.
            (
                r#"'{"cache_write_long":3,"audio_input":2}'"#,
                "is not as it was written",
            ),
            (r#"'{"audio_input":4}'"#, "charge"),
            ("NULL", "charge"),
            ("'nothing'", "cannot be read"),
        ] {
            let set = |value: &str| format!("UPDATE hold SET details = {value} WHERE id = {id}");
            db.execute_unprepared(&set(tamper)).await.unwrap();
            let report = verify(&db).await.unwrap();
            let is_named = report.differences.iter().any(|line| line.contains(sign));
            assert!(is_named, "{tamper}: {:?}", report.differences);
            db.execute_unprepared(&set(&format!("'{}'", details))).await.unwrap();
            assert_books_balance(&db).await;
        }
    }
}
