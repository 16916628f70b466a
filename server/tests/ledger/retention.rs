//! Old requests are deleted and the books still balance, to the nano.

use crate::harness::{NOON_MS, ask, assert_books_balance, charged, leak, open, payer, places};
use entity::{bucket, carried, hold, journal, usage_hour};
use gateway_core::{
    id,
    ledger::{Kind, Series},
    money::Nano,
};
use sea_orm::{ConnectionTrait, DatabaseConnection, EntityTrait, PaginatorTrait, QueryOrder};
use server::ledger::{Ask, Ledger, prune, verify};

const DAY_MS: i64 = 24 * 3_600_000;
/// The rows of 400 days stay.
const KEPT_FROM_MS: i64 = NOON_MS - 400 * DAY_MS;

fn at(ask: Ask, now_ms: i64) -> Ask {
    Ask { now_ms, ..ask }
}

/// One charge a day from `days` days ago, of 1, 2, 3 … nano, two teams in turn.
async fn charge_daily(ledger: &Ledger, days: std::ops::RangeInclusive<i64>) {
    for (nano, day) in (1..).zip(days.rev()) {
        let payer = payer(1 + day % 2, 20 + day % 2);
        let hold = ledger.admit(at(ask(&payer, 50), NOON_MS - day * DAY_MS)).await.unwrap();
        // So that the end of each is in a group of its own.
        hold.durable().await.unwrap();
        hold.post(charged(nano));
    }
}

async fn prune_all(db: &DatabaseConnection) -> u64 {
    let mut gone = 0;
    loop {
        match prune(db, id::at(KEPT_FROM_MS, 0)).await.unwrap() {
            0 => return gone,
            some => gone += some,
        }
    }
}

#[tokio::test]
async fn requests_past_their_time_are_gone_and_every_sum_stays() {
    for place in places().await {
        let db = place.connect().await;
        let ledger = open(&db).await;
        charge_daily(&ledger, 391..=1_010).await;
        ledger.close().await;
        assert_books_balance(&db).await;
        let buckets = bucket::Entity::find().all(&db).await.unwrap();
        let hours = usage_hour::Entity::find().all(&db).await.unwrap();

        assert_eq!(
            prune(&db, id::at(KEPT_FROM_MS, 0)).await.unwrap(),
            500,
            "in small parts"
        );
        assert_books_balance(&db).await;
        assert_eq!(prune_all(&db).await, 110);
        assert_books_balance(&db).await;
        assert_eq!(hold::Entity::find().count(&db).await.unwrap(), 10);
        let groups = journal::Entity::find().all(&db).await.unwrap();
        let first = hold::Entity::find()
            .order_by_asc(hold::Column::Id)
            .one(&db)
            .await
            .unwrap()
            .unwrap();
        for group in &groups {
            assert_eq!(group.content.is_none(), group.last < first.id, "{group:?}");
        }
        assert!(groups.iter().any(|group| group.content.is_none()));
        assert_eq!(bucket::Entity::find().all(&db).await.unwrap(), buckets);
        assert_eq!(usage_hour::Entity::find().all(&db).await.unwrap(), hours);

        // What is spent on top of that counts as before.
        let ledger = open(&db).await;
        charge_daily(&ledger, 389..=390).await;
        let wallet = [Series::team(1, Kind::Wallet)];
        let before: i64 = (1..=620).filter(|nano| (1_011 - nano) % 2 == 0).sum();
        let spent = ledger.spent(&wallet, "UTC", NOON_MS).await.unwrap();
        assert_eq!(spent[0].posted, Nano(before + 1));
        ledger.close().await;
        assert_books_balance(&db).await;
    }
}

#[tokio::test]
async fn an_open_hold_and_all_after_it_stay_until_it_has_ended() {
    for place in places().await {
        let db = place.connect().await;
        let ledger = open(&db).await;
        charge_daily(&ledger, 903..=904).await;
        leak(
            ledger
                .admit(at(ask(&payer(1, 20), 50), NOON_MS - 902 * DAY_MS))
                .await
                .unwrap(),
        );
        charge_daily(&ledger, 900..=901).await;
        ledger.close().await;
        assert_eq!(prune_all(&db).await, 2);
        assert_books_balance(&db).await;
        open(&db).await.close().await;
        assert_eq!(prune_all(&db).await, 3);
        assert_books_balance(&db).await;
    }
}

#[tokio::test]
async fn tampering_with_what_is_carried_shows() {
    for place in places().await {
        let db = place.connect().await;
        let ledger = open(&db).await;
        charge_daily(&ledger, 398..=404).await;
        ledger.close().await;
        prune_all(&db).await;
        assert!(carried::Entity::find().count(&db).await.unwrap() > 0);
        assert_books_balance(&db).await;
        for (tamper, undo) in [
            (
                "UPDATE carried SET posted = posted + 1",
                "UPDATE carried SET posted = posted - 1",
            ),
            (
                "UPDATE carried SET overrun = overrun + 1",
                "UPDATE carried SET overrun = overrun - 1",
            ),
            (
                "UPDATE usage_hour SET posted = posted + 1 WHERE posted = 1",
                "UPDATE usage_hour SET posted = posted - 1 WHERE posted = 2 AND hour = (SELECT MIN(hour) FROM usage_hour)",
            ),
            (
                "UPDATE carried SET bucket_id = -bucket_id",
                "UPDATE carried SET bucket_id = -bucket_id",
            ),
        ] {
            db.execute_unprepared(tamper).await.unwrap();
            assert!(verify(&db).await.unwrap().difference_count > 0, "{tamper}");
            db.execute_unprepared(undo).await.unwrap();
            assert_books_balance(&db).await;
        }
        // A group whose holds are all gone still holds the chain together.
        let gone = journal::Entity::find().all(&db).await.unwrap();
        let gone = gone.iter().find(|group| group.content.is_none()).unwrap();
        let group = format!("node_id = {} AND batch = {}", gone.node_id, gone.batch);
        for tamper in [
            format!("UPDATE journal SET rows = rows + 1 WHERE {group}"),
            format!("DELETE FROM journal WHERE {group}"),
        ] {
            db.execute_unprepared(&tamper).await.unwrap();
            let report = verify(&db).await.unwrap();
            let is_told = report.differences.iter().any(|line| line.contains("does not rest on"));
            assert!(is_told, "{tamper}: {:?}", report.differences);
        }
        db.execute_unprepared("DELETE FROM hold").await.unwrap();
        assert!(verify(&db).await.unwrap().difference_count > 0);
    }
}
