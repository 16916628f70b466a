//! Corrections of charges: what they change, what they leave alone, and that they are made once.

use crate::harness::{NOON_MS, ask, assert_books_balance, charged, leak, open, payer, places};
use gateway_core::money::Nano;
use sea_orm::{ConnectionTrait, EntityTrait};
use server::ledger::{AdjustError, Adjustment, Closing, Kind, Ledger, Payer, Refusal, Series, verify};

/// A key that may spend 100 a day.
fn capped() -> Payer {
    let mut payer = payer(1, 2);
    payer.key.day = Some(Nano(100));
    payer
}

/// A hold of 100 posted as an estimate of `nano`; its id.
async fn estimate(ledger: &Ledger, nano: i64) -> i64 {
    let hold = ledger.admit(ask(&capped(), 100)).await.unwrap();
    hold.durable().await.unwrap();
    let hold_id = hold.id();
    hold.post(Closing {
        estimated: true,
        ..charged(nano)
    });
    written(ledger).await;
    hold_id
}

async fn written(ledger: &Ledger) {
    while ledger.status().queued > 0 {
        tokio::task::yield_now().await;
    }
}

fn give_back(hold_id: i64, nano: i64) -> Adjustment {
    Adjustment {
        team_id: 1,
        hold_id,
        amount: Nano(nano),
        seen: None,
        reason: format!("{nano} too much"),
        actor_id: Some(9),
    }
}

/// What the key has spent today, and what the wallet has left.
async fn sums(ledger: &Ledger) -> (i64, i64) {
    let day = Series::key(1, 2, Kind::Day);
    let spent = ledger.spent(&[day], "UTC", NOON_MS).await.unwrap();
    (spent[0].posted.0, ledger.balance(1).await.unwrap().left().0)
}

#[tokio::test]
async fn what_is_given_back_is_in_the_wallet_and_free_under_the_caps_now_and_after_a_restart() {
    for place in places().await {
        let db = place.connect().await;
        let ledger = open(&db).await;
        let hold_id = estimate(&ledger, 90).await;
        let Err(Refusal::Short(short)) = ledger.admit(ask(&capped(), 11)).await else {
            panic!("the cap lets more through than is left");
        };
        assert_eq!(short.available, Nano(10));

        let adjusted = ledger.adjust(give_back(hold_id, 60)).await.unwrap();
        assert_eq!((adjusted.charge, adjusted.is_repeat), (Nano(30), false));
        assert_eq!(sums(&ledger).await, (30, -30));
        assert!(matches!(
            ledger.admit(ask(&capped(), 71)).await,
            Err(Refusal::Short(short)) if short.available == Nano(70)
        ));
        ledger.admit(ask(&capped(), 70)).await.unwrap().void(Closing::default());
        ledger.close().await;
        assert_books_balance(&db).await;

        let row = entity::hold::Entity::find_by_id(hold_id)
            .one(&db)
            .await
            .unwrap()
            .unwrap();
        assert_eq!((row.state, row.posted), (3, 90), "the hold stays as it was posted");
        let again = open(&db).await;
        assert_eq!(sums(&again).await, (30, -30));
        assert!(again.admit(ask(&capped(), 71)).await.is_err());
        again.admit(ask(&capped(), 70)).await.unwrap().void(Closing::default());
        again.close().await;
        assert_books_balance(&db).await;
    }
}

#[tokio::test]
async fn a_correction_sent_twice_or_by_many_at_once_is_made_once() {
    for place in places().await {
        let db = place.connect().await;
        let ledger = open(&db).await;
        let hold_id = estimate(&ledger, 90).await;
        let many = (0..8).map(|_| {
            let ledger = ledger.clone();
            tokio::spawn(async move { ledger.adjust(give_back(hold_id, 20)).await.unwrap() })
        });
        let mut made = Vec::new();
        for one in many.collect::<Vec<_>>() {
            made.push(one.await.unwrap());
        }
        assert_eq!(made.iter().filter(|one| !one.is_repeat).count(), 1);
        assert!(
            made.iter()
                .all(|one| one.entry_id == made[0].entry_id && one.charge == Nano(70))
        );
        assert_eq!(sums(&ledger).await, (70, -70));

        ledger.adjust(give_back(hold_id, -5)).await.unwrap();
        let third = ledger.adjust(give_back(hold_id, 20)).await.unwrap();
        assert!(!third.is_repeat, "another one lies between");
        assert_eq!(sums(&ledger).await, (55, -55));
        ledger.close().await;
        assert_books_balance(&db).await;
    }
}

#[tokio::test]
async fn a_charge_stays_between_nothing_and_what_was_set_aside() {
    for place in places().await {
        let db = place.connect().await;
        let ledger = open(&db).await;
        let hold_id = estimate(&ledger, 90).await;
        for nano in [91, i64::MAX, -11, i64::MIN] {
            let refused = ledger.adjust(give_back(hold_id, nano)).await.unwrap_err();
            assert!(
                matches!(
                    refused,
                    AdjustError::Beyond {
                        charge: Nano(90),
                        most: Nano(100)
                    }
                ),
                "{nano}: {refused:?}"
            );
        }
        ledger.adjust(give_back(hold_id, -10)).await.unwrap();
        assert_eq!(sums(&ledger).await, (100, -100));
        ledger.adjust(give_back(hold_id, 100)).await.unwrap();
        assert_eq!(sums(&ledger).await, (0, 0));
        assert!(ledger.adjust(give_back(hold_id, 1)).await.is_err());
        ledger.close().await;
        assert_books_balance(&db).await;
    }
}

#[tokio::test]
async fn only_a_charge_of_the_team_that_is_as_the_caller_saw_it_is_corrected() {
    for place in places().await {
        let db = place.connect().await;
        let ledger = open(&db).await;
        let hold_id = estimate(&ledger, 40).await;
        let foreign = Adjustment {
            team_id: 2,
            ..give_back(hold_id, 1)
        };
        assert!(matches!(ledger.adjust(foreign).await, Err(AdjustError::NotFound)));
        assert!(matches!(
            ledger.adjust(give_back(7, 1)).await,
            Err(AdjustError::NotFound)
        ));
        let stale = Adjustment {
            seen: Some(Nano(41)),
            ..give_back(hold_id, 1)
        };
        assert!(matches!(
            ledger.adjust(stale).await,
            Err(AdjustError::Changed(Nano(40)))
        ));

        let void = ledger.admit(ask(&capped(), 5)).await.unwrap();
        let void_id = void.id();
        void.void(Closing::default());
        let running = ledger.admit(ask(&capped(), 5)).await.unwrap();
        running.durable().await.unwrap();
        for hold_id in [void_id, running.id()] {
            let refused = ledger.adjust(give_back(hold_id, 1)).await;
            assert!(matches!(refused, Err(AdjustError::Uncharged)), "{refused:?}");
        }
        leak(running);
        assert_eq!(entity::entry::Entity::find().all(&db).await.unwrap(), []);
        ledger.close().await;
        assert_books_balance(&db).await;
    }
}

#[tokio::test]
async fn a_correction_that_is_changed_or_removed_shows() {
    for place in places().await {
        for (tamper, sign) in [
            ("UPDATE entry SET amount = amount + 1", "bucket"),
            ("UPDATE entry SET amount = 91", "beyond what it may cost"),
            ("UPDATE entry SET buckets = ''", "buckets"),
            ("UPDATE entry SET team_id = 7", "of its team"),
            ("UPDATE entry SET hold_id = 7", "no hold 7"),
            ("DELETE FROM entry", "bucket"),
        ] {
            let db = place.connect().await;
            let ledger = open(&db).await;
            let hold_id = estimate(&ledger, 90).await;
            ledger.adjust(give_back(hold_id, 60)).await.unwrap();
            ledger.close().await;
            assert_books_balance(&db).await;
            db.execute_unprepared(tamper).await.unwrap();
            let report = verify(&db).await.unwrap();
            assert!(
                report.differences.iter().any(|line| line.contains(sign)),
                "{tamper}: {:?}",
                report.differences
            );
            for table in ["entry", "hold", "bucket", "usage_hour", "revenue_day", "journal"] {
                db.execute_unprepared(&format!("DELETE FROM {table}")).await.unwrap();
            }
        }
    }
}
