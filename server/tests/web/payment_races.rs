//! Refunds and disputes that are told at once, by many, to all processes there can be: each takes what Stripe says, once.

use crate::{
    harness::{Hub, User},
    payments::{assert_books_balance, balance, begin, deliver, id, lines},
    schedules::towns,
    stripe::{Fault, Stripe},
};
use serde_json::{Value, json};
use server::clock;
use tokio::task::JoinSet;

/// The same event as Stripe tells it anew: with another id.
fn anew(event: &Value) -> Value {
    let mut event = event.clone();
    event["id"] = json!(format!("evt_{}", clock::new_id()));
    event
}

/// All of `events` at once, each `times` times under its own id and other ones, to the processes in turn; what is not taken is sent
/// again, as Stripe does.
async fn tell_at_once(hubs: &[Hub], events: &[&Value], times: usize) {
    let mut told = JoinSet::new();
    for at in 0..events.len() * times {
        let event = events[at % events.len()];
        let event = if at < events.len() { event.clone() } else { anew(event) };
        let hub = &hubs[at / events.len() % hubs.len()];
        let (client, url) = (hub.client.clone(), hub.url("/webhooks/stripe"));
        told.spawn(async move {
            let body = event.to_string();
            for _ in 0..20 {
                let signed = crate::stripe::signature(crate::stripe::SECRET, clock::now_ms() / 1_000, &body);
                let request = client.post(&url).header("stripe-signature", signed).body(body.clone());
                if request.send().await.unwrap().status() == 200 {
                    return true;
                }
            }
            false
        });
    }
    assert!(told.join_all().await.into_iter().all(|is_taken| is_taken));
}

async fn is_suspended(hub: &Hub, user: &User) -> bool {
    hub.get("/teams/current", user).await.json()["suspended_at"].is_string()
}

async fn assert_balance(hubs: &[Hub], user: &User, wanted: &str, note: &str) {
    for hub in hubs {
        assert_eq!(balance(hub, user).await, wanted, "{note}");
    }
}

/// A payment of 100 in the wallet, and its session.
async fn paid(hub: &Hub, stripe: &Stripe, user: &User) -> String {
    let session = stripe.session_of(id(&begin(hub, user, "100").await));
    assert_eq!(deliver(hub, &stripe.pay(&session)).await.status, 200);
    session
}

#[tokio::test(flavor = "multi_thread")]
async fn refunds_and_disputes_told_at_once_take_what_stripe_says_once() {
    for (hubs, stripe) in towns().await {
        let user = hubs[0].user("a@example.com", false).await;
        let session = paid(&hubs[0], &stripe, &user).await;
        let refund = stripe.refund(&session, 1_000);
        tell_at_once(&hubs, &[&refund], 12).await;
        assert_balance(&hubs, &user, "90.00", "a refund told twelve times").await;
        assert_eq!(lines(&hubs[0], &user, "refund").await, 1);

        // A part is given back while the rest is disputed.
        let (dispute, opened) = stripe.dispute_of(&session, 6_000);
        let refund = stripe.refund(&session, 2_000);
        tell_at_once(&hubs, &[&opened, &refund], 6).await;
        assert_balance(&hubs, &user, "10.00", "a refund during a dispute").await;
        assert!(is_suspended(&hubs[0], &user).await);
        assert_eq!(
            (
                lines(&hubs[0], &user, "refund").await,
                lines(&hubs[0], &user, "dispute").await
            ),
            (2, 1)
        );

        // The dispute ends while more is given back, and what told of its beginning comes once more.
        let closed = stripe.close(&dispute, "won");
        let refund = stripe.refund(&session, 500);
        tell_at_once(&hubs, &[&anew(&opened), &closed, &refund], 4).await;
        assert_balance(&hubs, &user, "65.00", "won").await;
        assert!(!is_suspended(&hubs[0], &user).await);
        assert_eq!(lines(&hubs[0], &user, "dispute").await, 2);
        for hub in &hubs {
            assert_books_balance(hub).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_back_or_disputed_before_the_payment_is_known_waits_for_it() {
    for (hubs, stripe) in towns().await {
        let user = hubs[0].user("a@example.com", false).await;
        for (before, end) in ["won", "lost", "under_review"].into_iter().enumerate() {
            stripe.fail_next(Fault::Pass);
            stripe.fail_next(Fault::BreakOff);
            let order = json!({"amount": "100", "order": end});
            hubs[0].post("/teams/current/payments", &user, order).await;
            stripe.with(|state| state.faults.clear());
            let newest = hubs[0].get("/teams/current/payments", &user).await.json()["data"][0].clone();
            let session = stripe.session_of(id(&newest));
            let paid = stripe.pay(&session);
            let refund = stripe.refund(&session, 1_000);
            let (dispute, opened) = stripe.dispute(&session);
            let turned = stripe.close(&dispute, end);
            tell_at_once(&hubs, &[&refund, &turned, &opened, &paid], 3).await;
            assert_eq!(lines(&hubs[0], &user, "top_up").await, before + 1);
        }
        // 90 is left of the one that was won; nothing of the others.
        assert_balance(&hubs, &user, "90.00", "three payments of 100").await;
        assert!(is_suspended(&hubs[0], &user).await);
        assert_books_balance(&hubs[0]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_is_suspended_while_any_of_its_disputes_stands_also_where_one_ends_as_another_begins() {
    for (hubs, stripe) in towns().await {
        let user = hubs[0].user("a@example.com", false).await;
        let mut sessions = Vec::new();
        for _ in 0..4 {
            sessions.push(paid(&hubs[0], &stripe, &user).await);
        }
        let (mut open, opened) = stripe.dispute(&sessions[0]);
        tell_at_once(&hubs, &[&opened], 4).await;
        for session in &sessions[1..] {
            let closed = stripe.close(&open, "won");
            let (next, opened) = stripe.dispute(session);
            tell_at_once(&hubs, &[&closed, &opened], 3).await;
            assert!(is_suspended(&hubs[0], &user).await);
            assert_balance(&hubs, &user, "300.00", "one of four is disputed").await;
            open = next;
        }
        tell_at_once(&hubs, &[&stripe.close(&open, "won")], 4).await;
        assert!(!is_suspended(&hubs[0], &user).await);
        assert_balance(&hubs, &user, "400.00", "all are won").await;
        assert_books_balance(&hubs[0]).await;
    }
}
