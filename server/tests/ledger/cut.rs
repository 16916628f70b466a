//! Futures dropped at every await point in turn: nothing leaks.

use crate::harness::{NOON_MS, ask, assert_books_balance, charged, open, payer, places, sqlite};
use gateway_core::money::Nano;
use server::ledger::{Grant, Kind, Ledger, Series};
use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

/// Polls `future` `polls` times and drops it; its result if it was done by then.
async fn cut<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut polled = 0;
    poll_fn(|context| {
        if polled == polls {
            return Poll::Ready(None);
        }
        polled += 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

async fn assert_nothing_is_held(ledger: &Ledger, team: i64) {
    let series = [Series::team(team, Kind::Wallet), Series::team(team, Kind::Day)];
    for spent in ledger.spent(&series, "UTC", NOON_MS).await.unwrap() {
        assert_eq!(spent.held, Nano(0), "{:?}", spent.series);
    }
    assert_eq!(ledger.status().open_holds, 0);
}

#[tokio::test]
async fn a_request_dropped_at_any_await_leaves_nothing_held() {
    for place in places().await {
        let db = place.connect().await;
        let ledger = open(&db).await;
        let mut was_cut = 0;
        for polls in 0.. {
            // A team of its own, so that its buckets are read again.
            let team = 100 + i64::try_from(polls).unwrap();
            let request = async {
                let hold = ledger.admit(ask(&payer(team, team), 10)).await.unwrap();
                hold.durable().await.unwrap();
                hold
            };
            let done = cut(request, polls).await;
            let is_done = done.is_some();
            drop(done);
            assert_nothing_is_held(&ledger, team).await;
            if is_done {
                break;
            }
            was_cut += 1;
        }
        assert!(was_cut > 2, "cut {was_cut} times only");
        ledger.close().await;
        assert_books_balance(&db).await;
    }
}

#[tokio::test]
async fn an_ask_dropped_while_it_waits_for_room_leaves_nothing_held() {
    let place = sqlite().await;
    let db = place.connect().await;
    let ledger = open(&db).await;
    let mut payer = payer(1, 2);
    payer.team.day = Some(Nano(10));
    for polls in 0..4 {
        let standing = ledger.admit(ask(&payer, 8)).await.unwrap();
        let mut waiting = ask(&payer, 5);
        waiting.wait_ms = 2_000;
        let mut cut_short = pin!(cut(ledger.admit(waiting), polls));
        let first = futures_util::poll!(cut_short.as_mut());
        standing.void(charged(0));
        let admitted = match first {
            Poll::Ready(admitted) => admitted,
            Poll::Pending => cut_short.await,
        };
        assert_eq!(admitted.is_some(), polls > 1, "after {polls} polls");
        drop(admitted);
        assert_nothing_is_held(&ledger, 1).await;
    }
    ledger.close().await;
    assert_books_balance(&db).await;
}

#[tokio::test]
async fn a_grant_dropped_at_any_await_is_in_memory_if_it_is_in_the_database() {
    let place = sqlite().await;
    let db = place.connect().await;
    let ledger = open(&db).await;
    let grant = |reason: &str| Grant {
        team_id: 1,
        kind: "grant".to_owned(),
        amount: Nano(5),
        reason: reason.to_owned(),
        actor_id: None,
    };
    for polls in 0..6 {
        let _ = cut(ledger.grant(grant("cut")), polls).await;
        ledger.grant(grant("whole")).await.unwrap();
        let in_memory = ledger.balance(1).await.unwrap().entries;
        let fresh = open(&db).await;
        assert_eq!(
            fresh.balance(1).await.unwrap().entries,
            in_memory,
            "after {polls} polls"
        );
    }
}
