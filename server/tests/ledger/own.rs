//! Holds for accounts of a team's own: caps count them, the wallet does not.

use crate::harness::{NOON_MS, ask, assert_books_balance, charged, leak, open, open_with, payer, places, take_over};
use gateway_core::money::Nano;
use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel, Set};
use server::ledger::{
    AdjustError, Adjustment, Ask, Config, Format, Kind, Ledger, Payer, Refusal, Series, Wanted, export, verify,
};

fn own(payer: &Payer, nano: i64) -> Ask {
    let mut ask = ask(payer, nano);
    ask.record.is_own = true;
    ask
}

/// What the wallet has paid, and what the key's total has counted.
async fn sums(ledger: &Ledger) -> (i64, i64) {
    let total = Series::key(1, 2, Kind::Total);
    let spent = ledger.spent(&[total], "UTC", NOON_MS).await.unwrap();
    (ledger.balance(1).await.unwrap().posted.0, spent[0].posted.0)
}

#[tokio::test]
async fn an_own_call_needs_no_balance_and_counts_in_the_caps_alone() {
    for place in places().await {
        let db = place.connect().await;
        let prepaid = Config {
            prepaid: true,
            ..Config::default()
        };
        let ledger = open_with(&db, prepaid).await.unwrap();
        let mut payer = payer(1, 2);
        payer.key.day = Some(Nano(100));
        assert!(ledger.admit(ask(&payer, 1)).await.is_err(), "the wallet is empty");
        ledger.admit(own(&payer, 60)).await.unwrap().post(charged(50));
        let Err(Refusal::Short(short)) = ledger.admit(own(&payer, 51)).await else {
            panic!("the cap lets more through than is left");
        };
        assert_eq!((short.series.kind, short.available), (Kind::Day, Nano(50)));
        assert_eq!(sums(&ledger).await, (0, 50));
        // More than was held is an overrun of the caps, not of the wallet.
        ledger.admit(own(&payer, 10)).await.unwrap().post(charged(30));
        assert_eq!(sums(&ledger).await, (0, 80));
        ledger.close().await;
        assert_books_balance(&db).await;
    }
}

#[tokio::test]
async fn an_own_call_that_a_dead_process_left_is_counted_whole_and_paid_by_nobody() {
    for place in places().await {
        let db = place.connect().await;
        let ledger = open(&db).await;
        let hold = ledger.admit(own(&payer(1, 2), 70)).await.unwrap();
        hold.durable().await.unwrap();
        leak(hold);
        ledger.close().await;
        let ledger = take_over(&db).await;
        assert_eq!(sums(&ledger).await, (0, 70));
        ledger.close().await;
        assert_books_balance(&db).await;
    }
}

#[tokio::test]
async fn what_no_wallet_paid_is_not_given_back_to_it_and_stands_beside_the_amounts_of_an_export() {
    for place in places().await {
        let db = place.connect().await;
        let ledger = open(&db).await;
        let hold = ledger.admit(own(&payer(1, 2), 70)).await.unwrap();
        let hold_id = hold.id();
        hold.durable().await.unwrap();
        hold.post(charged(70));
        ledger.admit(ask(&payer(1, 2), 9)).await.unwrap().post(charged(9));
        ledger.close().await;
        let ledger = open(&db).await;
        let adjustment = Adjustment {
            team_id: 1,
            hold_id,
            amount: Nano(70),
            seen: None,
            reason: "test".to_owned(),
            actor_id: None,
        };
        assert!(matches!(ledger.adjust(adjustment).await, Err(AdjustError::Uncharged)));
        let mut lines = Vec::new();
        export(&db, Wanted::default(), Format::Csv, &mut lines).await.unwrap();
        let lines = String::from_utf8(lines).unwrap();
        let amounts: Vec<&str> = lines
            .lines()
            .skip(1)
            .map(|line| line.split(',').nth(4).unwrap())
            .collect();
        assert_eq!(amounts, ["0.000000000", "-0.000000009"], "{lines}");
        assert!(lines.lines().nth(1).unwrap().ends_with(",0.000000070,0"), "{lines}");
        ledger.close().await;
        assert_books_balance(&db).await;
    }
}

#[tokio::test]
async fn a_charge_that_is_made_an_own_call_afterwards_is_a_difference() {
    for place in places().await {
        let db = place.connect().await;
        let ledger = open(&db).await;
        let hold = ledger.admit(ask(&payer(1, 2), 9)).await.unwrap();
        hold.durable().await.unwrap();
        let hold_id = hold.id();
        hold.post(charged(9));
        ledger.close().await;
        let row = entity::hold::Entity::find_by_id(hold_id)
            .one(&db)
            .await
            .unwrap()
            .unwrap();
        let mut row = row.into_active_model();
        row.is_own = Set(true);
        row.update(&db).await.unwrap();
        assert!(verify(&db).await.unwrap().difference_count > 0);
    }
}
