//! Futures dropped at every await point in turn: nothing leaks.

use crate::{
    cluster::{close, until_given_back},
    harness::{NOON_MS, ask, assert_books_balance, charged, open, payer, places, postgres, sqlite},
};
use gateway_core::money::Nano;
use server::ledger::{Closing, Grant, Kind, Ledger, Refusal, Series};
use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
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

/// What another node has of a cap of 100 when 80 are asked for at this one.
#[derive(Clone, Copy)]
enum Obstacle {
    /// Nothing: the database grants it.
    Nothing,
    /// A right that it does not use.
    Idle,
    /// An open hold, which ends while this node waits.
    Hold,
}

/// Cuts an ask for 80 at every await in turn, each time for another team; how often, and how many teams.
async fn cut_beside(one: &Ledger, two: &Ledger, first_team: i64, obstacle: Obstacle) -> (usize, i64) {
    let mut polls = 0;
    for team in first_team..first_team + 1_000 {
        let mut payer = payer(team, team);
        payer.key.total = Some(Nano(100));
        let mut asked = ask(&payer, 80);
        let standing = match obstacle {
            Obstacle::Nothing => None,
            Obstacle::Idle => {
                one.admit(ask(&payer, 90)).await.unwrap().void(Closing::default());
                one.spent(&[], "UTC", NOON_MS).await.unwrap(); // written
                None
            }
            Obstacle::Hold => {
                asked.wait_ms = 2_000;
                Some(one.admit(ask(&payer, 60)).await.unwrap())
            }
        };
        if let Some(standing) = &standing {
            standing.durable().await.unwrap();
        }
        let ended = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(150)).await;
            if let Some(standing) = standing {
                standing.post(charged(10));
            }
        });
        let request = async {
            let hold = two.admit(asked).await?;
            hold.durable().await?;
            Ok::<_, Refusal>(hold)
        };
        let done = cut(request, polls).await;
        let is_done = matches!(done, Some(Ok(_)));
        // On a slow machine others give back too late: then once more.
        polls += usize::from(done.is_none());
        drop(done);
        ended.await.unwrap();
        one.spent(&[], "UTC", NOON_MS).await.unwrap(); // written
        assert_nothing_is_held(two, team).await;
        if is_done {
            return (polls, team - first_team + 1);
        }
    }
    panic!("it is never done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ask_for_rights_dropped_at_any_await_leaves_neither_hold_nor_right_behind() {
    let Some(place) = postgres().await else { return };
    let (db, one, two) = (
        place.connect().await,
        open(&place.connect().await).await,
        open(&place.connect().await).await,
    );
    let mut cases = Vec::new();
    for (obstacle, first_team, least) in [
        (Obstacle::Nothing, 1_000, 3),
        (Obstacle::Idle, 2_000, 4),
        (Obstacle::Hold, 3_000, 4),
    ] {
        let (was_cut, teams) = cut_beside(&one, &two, first_team, obstacle).await;
        assert!(was_cut >= least, "cut {was_cut} times only");
        cases.push((first_team..first_team + teams, obstacle));
    }
    assert_eq!((one.status().open_holds, two.status().open_holds), (0, 0));
    // Whatever was granted to who had gone comes back, and others may spend it.
    until_given_back(&db).await;
    for (teams, obstacle) in cases {
        let left = if matches!(obstacle, Obstacle::Hold) { 90 } else { 100 };
        for team in teams {
            let mut payer = payer(team, team);
            payer.key.total = Some(Nano(100));
            one.admit(ask(&payer, left)).await.unwrap().post(charged(left));
        }
    }
    close(&db, vec![one, two]).await;
}
