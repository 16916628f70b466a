//! What is admitted, refused, waited for, and what a refusal leaves behind.

use crate::harness::{NOON_MS, ask, charged, open, open_with, payer, places, sqlite};
use gateway_core::money::Nano;
use sea_orm::{EntityTrait, PaginatorTrait};
use server::ledger::{Ask, Caps, Closing, Config, Down, Grant, Kind, Refusal, Series};

#[tokio::test]
async fn a_charge_is_in_every_bucket_of_its_path_and_survives_a_restart() {
    for place in places().await {
        let db = place.connect().await;
        let ledger = open(&db).await;
        let mut payer = payer(1, 2);
        payer.key.day = Some(Nano(100));
        let hold = ledger.admit(ask(&payer, 60)).await.unwrap();
        hold.durable().await.unwrap();
        hold.post(charged(40));
        ledger.close().await;

        let ledger = open(&db).await;
        let series = [
            Series::team(1, Kind::Wallet),
            Series::team(1, Kind::Day),
            Series::team(1, Kind::Month),
            Series::key(1, 2, Kind::Day),
            Series::key(1, 2, Kind::Month),
            Series::key(1, 2, Kind::Total),
        ];
        for spent in ledger.spent(&series, "UTC", NOON_MS).await.unwrap() {
            assert_eq!((spent.posted, spent.held), (Nano(40), Nano(0)), "{:?}", spent.series);
        }
        assert!(ledger.admit(ask(&payer, 61)).await.is_err());
        ledger.admit(ask(&payer, 60)).await.unwrap().void(Closing::default());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_at_once_never_exceed_a_cap_that_fits_ten() {
    for place in places().await {
        let db = place.connect().await;
        let ledger = open(&db).await;
        let mut payer = payer(1, 2);
        payer.key.total = Some(Nano(100));
        let tasks: Vec<_> = (0..200)
            .map(|_| {
                let (ledger, ask) = (ledger.clone(), ask(&payer, 10));
                tokio::spawn(async move {
                    let Ok(hold) = ledger.admit(ask).await else {
                        return 0;
                    };
                    hold.durable().await.unwrap();
                    tokio::task::yield_now().await;
                    hold.post(charged(10));
                    1
                })
            })
            .collect();
        let mut admitted = 0;
        for task in tasks {
            admitted += task.await.unwrap();
        }
        assert_eq!(admitted, 10);
        let spent = ledger
            .spent(&[Series::key(1, 2, Kind::Total)], "UTC", NOON_MS)
            .await
            .unwrap();
        assert_eq!((spent[0].posted, spent[0].held), (Nano(100), Nano(0)));
    }
}

#[tokio::test]
async fn an_ask_waits_for_other_holds_and_takes_what_they_leave() {
    let place = sqlite().await;
    let ledger = open(&place.connect().await).await;
    let mut payer = payer(1, 2);
    payer.team.day = Some(Nano(100));
    let first = ledger.admit(ask(&payer, 80)).await.unwrap();
    let mut second = ask(&payer, 50);
    second.wait_ms = 60_000;
    let waiting = tokio::spawn({
        let (ledger, second) = (ledger.clone(), second.clone());
        async move { ledger.admit(second).await }
    });
    tokio::task::yield_now().await;
    first.post(charged(50));
    waiting.await.unwrap().unwrap().post(charged(50));
    let Err(Refusal::Short(short)) = ledger.admit(second).await else {
        panic!("a full bucket admits");
    };
    assert!(!short.is_only_holds);
}

#[tokio::test]
async fn a_refusal_names_the_bucket_and_leaves_no_row() {
    for place in places().await {
        let db = place.connect().await;
        let ledger = open(&db).await;
        let mut payer = payer(1, 2);
        payer.team.month = Some(Nano(5));
        payer.key.day = Some(Nano(7));
        let Err(Refusal::Short(short)) = ledger.admit(ask(&payer, 10)).await else {
            panic!("admitted");
        };
        assert_eq!(short.series, Series::team(1, Kind::Month));
        assert_eq!(
            (short.cap, short.posted, short.held, short.available),
            (Nano(5), Nano(0), Nano(0), Nano(5))
        );
        assert_eq!(short.fits, Nano(5));
        assert_eq!(short.resets_at_ms, Some(1_796_083_200_000));
        ledger.close().await;
        assert_eq!(entity::hold::Entity::find().count(&db).await.unwrap(), 0);
        for bucket in entity::bucket::Entity::find().all(&db).await.unwrap() {
            let sums = (bucket.posted, bucket.overrun, bucket.held, bucket.leased);
            assert_eq!(sums, (0, 0, 0, 0), "{bucket:?}");
        }
        assert_eq!(entity::usage_hour::Entity::find().count(&db).await.unwrap(), 0);
    }
}

fn prepaid() -> Config {
    Config {
        prepaid: true,
        ..Config::default()
    }
}

#[tokio::test]
async fn a_prepaid_team_spends_what_it_was_granted_and_no_more() {
    for place in places().await {
        let db = place.connect().await;
        let ledger = open_with(&db, prepaid()).await.unwrap();
        let payer = payer(1, 2);
        let Err(Refusal::Short(short)) = ledger.admit(ask(&payer, 1)).await else {
            panic!("admitted without money");
        };
        assert_eq!(short.series, Series::team(1, Kind::Wallet));
        let grant = |nano| Grant {
            team_id: 1,
            kind: "grant".to_owned(),
            amount: Nano(nano),
            reason: "welcome".to_owned(),
            actor_id: None,
        };
        ledger.grant(grant(100)).await.unwrap();
        ledger.admit(ask(&payer, 100)).await.unwrap().post(charged(90));
        assert!(ledger.admit(ask(&payer, 11)).await.is_err());
        ledger.grant(grant(-5)).await.unwrap();
        assert!(ledger.admit(ask(&payer, 6)).await.is_err());
        let balance = ledger.balance(1).await.unwrap();
        assert_eq!(
            (balance.entries, balance.posted, balance.left()),
            (Nano(95), Nano(90), Nano(5))
        );
        ledger.close().await;

        let ledger = open_with(&db, prepaid()).await.unwrap();
        assert_eq!(ledger.balance(1).await.unwrap(), balance);
        assert!(ledger.grant(grant(i64::MAX)).await.is_err());
        assert_eq!(ledger.balance(1).await.unwrap(), balance);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn money_that_arrives_while_a_request_waits_lets_it_go() {
    for place in places().await {
        let db = place.connect().await;
        let ledger = open_with(&db, prepaid()).await.unwrap();
        let payer = payer(1, 2);
        let grant = Grant {
            team_id: 1,
            kind: "top_up".to_owned(),
            amount: Nano(100),
            reason: "paid".to_owned(),
            actor_id: None,
        };
        ledger.grant(grant.clone()).await.unwrap();
        let standing = ledger.admit(ask(&payer, 100)).await.unwrap();
        let waiting = Ask {
            wait_ms: 2_000,
            ..ask(&payer, 100)
        };
        let waits = tokio::spawn({
            let ledger = ledger.clone();
            async move { ledger.admit(waiting).await }
        });
        tokio::task::yield_now().await;
        ledger.grant(grant).await.unwrap();
        let admitted = waits.await.unwrap().unwrap();
        assert_eq!(ledger.balance(1).await.unwrap().held, Nano(200));
        drop((standing, admitted));
    }
}

#[tokio::test]
async fn a_dropped_hold_is_voided_or_once_sent_posted_whole() {
    let place = sqlite().await;
    let ledger = open(&place.connect().await).await;
    let payer = payer(1, 2);
    drop(ledger.admit(ask(&payer, 10)).await.unwrap());
    let sent = ledger.admit(ask(&payer, 20)).await.unwrap();
    sent.mark_sent();
    drop(sent);
    let spent = ledger
        .spent(&[Series::key(1, 2, Kind::Total)], "UTC", NOON_MS)
        .await
        .unwrap();
    assert_eq!((spent[0].posted, spent[0].held), (Nano(20), Nano(0)));
}

#[tokio::test]
async fn lowering_a_cap_refuses_new_work_and_lets_standing_holds_settle() {
    let place = sqlite().await;
    let ledger = open(&place.connect().await).await;
    let mut payer = payer(1, 2);
    payer.key.month = Some(Nano(100));
    let standing = ledger.admit(ask(&payer, 80)).await.unwrap();
    payer.key = Caps {
        month: Some(Nano(50)),
        ..Caps::default()
    };
    assert!(ledger.admit(ask(&payer, 1)).await.is_err());
    standing.post(charged(70));
    let Err(Refusal::Short(short)) = ledger.admit(ask(&payer, 1)).await else {
        panic!("admitted above the cap");
    };
    assert_eq!((short.posted, short.available), (Nano(70), Nano(0)));
}

#[tokio::test]
async fn a_closed_ledger_admits_nothing() {
    let place = sqlite().await;
    let ledger = open(&place.connect().await).await;
    ledger.close().await;
    assert_eq!(
        ledger.admit(ask(&payer(1, 2), 1)).await.unwrap_err(),
        Refusal::Down(Down)
    );
    assert!(!ledger.status().writable);
}
