//! Calls and payments together: what is paid lets calls go, what is given back stops them, and however many cross the limit of an
//! automatic top-up at once, the card is charged once.

use crate::harness::{HELLO, Hub, Place, Setup, hello};
use crate::stripe::{SECRET, Stripe, signature};
use entity::{auto_top_up, customer};
use gateway_core::id::{Kind, render};
use gateway_core::money::Nano;
use sea_orm::{EntityTrait as _, IntoActiveModel as _};
use serde_json::Value;
use server::ledger::Grant;
use server::{billing, clock};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How many requests there are, half of them on each side of the limit.
const REQUESTS: i64 = 200;

/// The team has a card, and 20 added to its balance below 15; half of the requests' worth is on it beyond that.
async fn saver(hub: &Hub) {
    let team_id = hub.team.team_id();
    let known = customer::Model {
        team_id,
        customer: "cus_1".to_owned(),
        method: Some("pm_visa".to_owned()),
        card: Some("visa 4242".to_owned()),
        created_at: 0,
    };
    let set = auto_top_up::Model {
        team_id,
        is_on: 1,
        below: 1_500,
        cents: 2_000,
        max_day: 100_000,
        note: String::new(),
        changed_at: 0,
    };
    let db = &hub.app.db;
    customer::Entity::insert(known.into_active_model())
        .exec_without_returning(db)
        .await
        .unwrap();
    auto_top_up::Entity::insert(set.into_active_model())
        .exec_without_returning(db)
        .await
        .unwrap();
    let grant = Grant {
        team_id,
        kind: "grant".to_owned(),
        amount: Nano(15_000_000_000 + HELLO.0 * REQUESTS / 2),
        reason: "test".to_owned(),
        actor_id: None,
    };
    hub.app.ledger.grant(grant).await.unwrap();
}

fn paying(stripe: &Stripe) -> Setup {
    let words = stripe.words().into_iter().map(|word| &*word.leak());
    Setup {
        flags: words.collect(),
        ..Setup::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_given_back_or_disputed_after_it_was_spent_stops_calls_and_says_where_to_look() {
    let mut places = vec![Place::sqlite()];
    places.extend(Place::postgres().await);
    for place in places {
        let stripe = Stripe::start().await;
        let hub = Hub::start(place, paying(&stripe)).await;
        hub.account("one").await;
        let key = hub.key().await;
        let billing = hub.app.billing.clone();
        let tell = async |event: Value| {
            let (body, now_ms) = (event.to_string(), clock::now_ms());
            let signed = signature(SECRET, now_ms / 1_000, &body);
            billing.webhook(&signed, body.as_bytes(), now_ms).await.unwrap();
            // What was remembered of the team's keys is asked for again within a second; here at once.
            hub.app.keys.forget_team(hub.team.team_id());
        };
        let top_up = async |order: &str| {
            let asked = (Nano(10_000_000_000), order, false);
            let begun = billing.top_up(&hub.team, asked, clock::now_ms()).await.unwrap();
            let session = stripe.session_of(&render(Kind::Payment, begun.payment_id));
            tell(stripe.pay(&session)).await;
            session
        };
        let refused = async |status: u16, word: &str| {
            let answer = key.chat(&hello()).await;
            assert_eq!(answer.status, status, "{}", answer.text());
            assert!(answer.text().contains(word), "{}", answer.text());
            assert_eq!(hub.upstream.arrived("one").len(), 1, "nobody is asked");
        };
        let first = top_up("one").await;
        assert_eq!(key.chat(&hello()).await.status, 200);
        hub.quiet().await;
        tell(stripe.refund(&first, 1_000)).await;
        let left = || async { hub.app.ledger.balance(hub.team.team_id()).await.unwrap().left() };
        assert_eq!(left().await, Nano(-HELLO.0));
        refused(429, "Top up at http://").await;

        let second = top_up("two").await;
        let (dispute, opened) = stripe.dispute(&second);
        tell(opened).await;
        assert_eq!(left().await, Nano(-HELLO.0));
        refused(403, "suspended").await;
        tell(stripe.close(&dispute, "won")).await;
        assert_eq!(key.chat(&hello()).await.status, 200);
        drop(key);
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_requests_that_cross_the_limit_together_charge_the_card_once() {
    let mut places = vec![Place::sqlite()];
    places.extend(Place::postgres().await);
    for place in places {
        let stripe = Stripe::start().await;
        let setup = paying(&stripe);
        let can_be_many = place.database_url.is_some();
        let hub = Hub::start(place, setup.clone()).await;
        let other = if can_be_many {
            Some(hub.another(setup).await)
        } else {
            None
        };
        hub.account("one").await;
        saver(&hub).await;
        let is_over = Arc::new(AtomicBool::new(false));
        let mut looks = tokio::task::JoinSet::new();
        let apps = [Some(&hub.app), Some(&hub.app), other.as_ref().map(|other| &other.app)];
        for app in apps.into_iter().flatten() {
            let (billing, is_over) = (app.billing.clone(), Arc::clone(&is_over));
            looks.spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    billing.top_up_low_balances(clock::now_ms()).await.unwrap();
                    tokio::task::yield_now().await;
                }
            });
        }
        let key = hub.key().await;
        let body = hello();
        let answers = futures_util::future::join_all((0..REQUESTS).map(|_| key.chat(&body))).await;
        assert!(answers.iter().all(|answer| answer.status == 200));
        hub.quiet().await;
        hub.app.billing.top_up_low_balances(clock::now_ms()).await.unwrap();
        is_over.store(true, Ordering::Relaxed);
        looks.join_all().await;
        let charges = stripe.with(|state| state.calls.iter().filter(|call| call.starts_with("POST")).count());
        assert_eq!(charges, 1);
        let left = hub.app.ledger.balance(hub.team.team_id()).await.unwrap().left();
        assert_eq!(left, Nano(35_000_000_000 - HELLO.0 * REQUESTS / 2));
        assert_eq!(billing::verify(&hub.app.db).await.unwrap(), Vec::<String>::new());
        drop(key);
        if let Some(other) = other {
            other.close().await;
        }
        hub.close().await;
    }
}
