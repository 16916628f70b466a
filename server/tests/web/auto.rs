//! Automatic top-ups: one charge for one crossing, none beyond the day's maximum, none after a refusal.

use crate::{
    harness::{Hub, User},
    payments::{assert_books_balance, balance, deliver, id, lines, shops, state},
    stripe::{Fault, Stripe},
};
use reqwest::Method;
use serde_json::{Value, json};
use server::clock;

/// A team with a saved card and 10 on its wallet, which adds 20 below 15, at most 50 a day.
async fn saver(hub: &Hub, stripe: &Stripe) -> User {
    let user = hub.user("a@example.com", false).await;
    let on = json!({"is_on": true, "below": "15", "amount": "20", "max_day": "50"});
    let early = hub.patch("/teams/current/auto-top-up", &user, on.clone()).await;
    assert_eq!(early.status, 400, "there is no card: {early:?}");
    let body = json!({"amount": "10", "keep_card": true});
    let payment = hub.post("/teams/current/payments", &user, body).await.json();
    stripe.pay(&stripe.session_of(id(&payment)));
    assert_eq!(state(hub, &user, &payment).await, "paid");
    let set = hub.patch("/teams/current/auto-top-up", &user, on).await;
    assert_eq!(
        (set.status, &set.json()["card"], &set.json()["is_on"]),
        (200, &json!("visa 4242"), &json!(true))
    );
    user
}

/// How often a saved card was charged.
fn charges(stripe: &Stripe) -> usize {
    stripe.with(|state| {
        let calls = state.calls.iter();
        calls
            .filter(|line| line.starts_with("POST /v1/payment_intents "))
            .count()
    })
}

fn intents(stripe: &Stripe) -> usize {
    stripe.with(|state| {
        state
            .intents
            .values()
            .filter(|intent| intent["status"] == "succeeded")
            .count()
    })
}

async fn set(hub: &Hub, user: &User, wanted: &Value) {
    let set = hub.patch("/teams/current/auto-top-up", user, wanted.clone()).await;
    assert_eq!(set.status, 200, "{set:?}");
}

/// Why it is off.
async fn switched_off(hub: &Hub, user: &User) -> Value {
    let auto = hub.get("/teams/current/auto-top-up", user).await.json();
    assert_eq!(auto["is_on"], false);
    auto["note"].clone()
}

async fn take(hub: &Hub, user: &User, admin: &User, amount: &str) {
    let body = json!({"amount": amount, "reason": "spent"});
    let taken = hub.post(&format!("/teams/{}/grants", user.team), admin, body).await;
    assert_eq!(taken.status, 201, "{taken:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_who_see_the_balance_low_at_once_charge_the_card_once() {
    for (hub, stripe) in shops().await {
        let user = saver(&hub, &stripe).await;
        let now_ms = clock::now_ms();
        let mut looks = tokio::task::JoinSet::new();
        for _ in 0..200 {
            let billing = hub.app.billing.clone();
            looks.spawn(async move { billing.top_up_low_balances(now_ms).await.is_ok() });
        }
        assert!(looks.join_all().await.into_iter().all(|is_ok| is_ok));
        assert_eq!((charges(&stripe), balance(&hub, &user).await), (1, json!("30.00")));
        hub.app.billing.top_up_low_balances(now_ms).await.unwrap();
        assert_eq!(charges(&stripe), 1, "the balance is not low any more");
        assert_books_balance(&hub).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_without_an_answer_is_looked_up_and_never_made_again_blindly() {
    for (hub, stripe) in shops().await {
        let (user, start) = (saver(&hub, &stripe).await, clock::now_ms());
        stripe.fail_next(Fault::BreakOff);
        hub.app.billing.top_up_low_balances(start).await.unwrap();
        assert_eq!((intents(&stripe), balance(&hub, &user).await), (1, json!("10.00")));
        hub.app.billing.top_up_low_balances(start + 5_000).await.unwrap();
        assert_eq!(
            (charges(&stripe), balance(&hub, &user).await),
            (1, json!("10.00")),
            "an answer may still come"
        );
        hub.app.billing.top_up_low_balances(start + 40_000).await.unwrap();
        assert_eq!(
            (charges(&stripe), balance(&hub, &user).await),
            (1, json!("30.00")),
            "found, not repeated"
        );

        let admin = hub.user("admin@example.com", true).await;
        take(&hub, &user, &admin, "-20").await;
        stripe.fail_next(Fault::Error);
        hub.app.billing.top_up_low_balances(start + 50_000).await.unwrap();
        assert_eq!((intents(&stripe), balance(&hub, &user).await), (1, json!("10.00")));
        hub.app.billing.top_up_low_balances(start + 90_000).await.unwrap();
        assert_eq!(
            (intents(&stripe), balance(&hub, &user).await),
            (2, json!("30.00")),
            "Stripe knew nothing of it"
        );
        assert_eq!(lines(&hub, &user, "top_up").await, 3);
        let report = hub.app.billing.reconcile(start + 90_000).await.unwrap();
        assert_eq!((report.findings, report.failure), (Vec::new(), None));
        assert_books_balance(&hub).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_days_maximum_holds_and_a_declined_card_switches_off_and_tells_the_owner() {
    for (hub, stripe) in shops().await {
        let (user, start) = (saver(&hub, &stripe).await, clock::now_ms());
        let admin = hub.user("admin@example.com", true).await;
        for _ in 0..4 {
            hub.app.billing.top_up_low_balances(start).await.unwrap();
            take(&hub, &user, &admin, "-20").await;
        }
        assert_eq!(charges(&stripe), 2, "50 a day are two times 20");
        hub.app
            .billing
            .top_up_low_balances(start + 24 * 3_600_000 + 60_000)
            .await
            .unwrap();
        assert_eq!(charges(&stripe), 3);

        take(&hub, &user, &admin, "-20").await;
        stripe.with(|state| state.declines = true);
        for later in [2, 3] {
            hub.app
                .billing
                .top_up_low_balances(start + later * 24 * 3_600_000 + later * 60_000)
                .await
                .unwrap();
        }
        assert_eq!(charges(&stripe), 4, "not again after a refusal");
        let auto = hub.get("/teams/current/auto-top-up", &user).await.json();
        assert_eq!(
            (&auto["is_on"], &auto["note"]),
            (&json!(false), &json!("Your card was declined."))
        );
        let mails = hub.app.mail.list(None, 10).await.unwrap();
        let told = mails.iter().filter(|mail| mail.kind == "auto_top_up_off");
        assert_eq!(
            told.map(|mail| mail.recipient.as_str()).collect::<Vec<_>>(),
            ["a@example.com"]
        );
        let removed = hub
            .api(Method::DELETE, "/teams/current/card", &user.token, Value::Null)
            .await;
        assert_eq!(removed.status, 204);
        let on = hub
            .patch("/teams/current/auto-top-up", &user, json!({"is_on": true}))
            .await;
        assert_eq!(on.status, 400, "{on:?}");
        assert_books_balance(&hub).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_back_or_is_disputed_is_not_charged_again_by_itself() {
    for (hub, stripe) in shops().await {
        let (user, now_ms) = (saver(&hub, &stripe).await, clock::now_ms());
        let on = json!({"is_on": true, "below": "1"});
        set(&hub, &user, &on).await;
        let payment = hub.get("/teams/current/payments", &user).await.json()["data"][0].clone();
        let session = stripe.session_of(id(&payment));
        assert_eq!(deliver(&hub, &stripe.refund(&session, 950)).await.status, 200);
        hub.app.billing.top_up_low_balances(now_ms).await.unwrap();
        assert_eq!((charges(&stripe), balance(&hub, &user).await), (0, json!("0.50")));
        assert_eq!(switched_off(&hub, &user).await, "A payment was given back.");

        set(&hub, &user, &json!({"is_on": true, "below": "0"})).await;
        let (dispute, opened) = stripe.dispute(&session);
        stripe.with(|state| state.disputes.get_mut(&dispute).unwrap()["amount"] = json!(50));
        assert_eq!(deliver(&hub, &opened).await.status, 200);
        assert_eq!(switched_off(&hub, &user).await, "A payment is disputed.");
        set(&hub, &user, &on).await;
        hub.app.billing.top_up_low_balances(now_ms).await.unwrap();
        assert_eq!(
            (charges(&stripe), balance(&hub, &user).await),
            (0, json!("0.00")),
            "the team is suspended"
        );
        assert_eq!(deliver(&hub, &stripe.close(&dispute, "won")).await.status, 200);
        hub.app.billing.top_up_low_balances(now_ms).await.unwrap();
        assert_eq!((charges(&stripe), balance(&hub, &user).await), (1, json!("20.50")));
        assert_books_balance(&hub).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_that_is_not_wanted_any_more_once_it_can_be_made_is_not_made() {
    for (hub, stripe) in shops().await {
        let (user, start) = (saver(&hub, &stripe).await, clock::now_ms());
        let admin = hub.user("admin@example.com", true).await;
        for (at, wanted) in [
            (0, json!({"is_on": false})),
            (100_000, json!({"amount": "25"})),
            (200_000, json!({"below": "5"})),
        ] {
            set(&hub, &user, &json!({"is_on": true, "below": "15", "amount": "20"})).await;
            stripe.fail_next(Fault::Error);
            hub.app.billing.top_up_low_balances(start + at).await.unwrap();
            set(&hub, &user, &wanted).await;
            hub.app.billing.top_up_low_balances(start + at + 90_000).await.unwrap();
            assert_eq!(
                (intents(&stripe), balance(&hub, &user).await),
                (0, json!("10.00")),
                "{wanted}"
            );
            let newest = hub.get("/teams/current/payments", &user).await.json()["data"][0].clone();
            assert_eq!(
                (&newest["state"], &newest["note"]),
                (&json!("failed"), &json!("Not needed any more."))
            );
        }
        take(&hub, &user, &admin, "-6").await;
        hub.app.billing.top_up_low_balances(start + 300_000).await.unwrap();
        assert_eq!(intents(&stripe), 1, "another one may begin");
        assert_books_balance(&hub).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_late_of_an_old_charge_does_not_switch_off_again() {
    for (hub, stripe) in shops().await {
        let (user, start) = (saver(&hub, &stripe).await, clock::now_ms());
        stripe.with(|state| state.declines = true);
        hub.app.billing.top_up_low_balances(start).await.unwrap();
        assert_eq!(switched_off(&hub, &user).await, "Your card was declined.");
        let failed = hub.get("/teams/current/payments", &user).await.json()["data"][0].clone();
        set(&hub, &user, &json!({"is_on": true, "below": "5"})).await;
        let event = stripe.with(|state| {
            let customer = state.sessions.values().next().unwrap()["customer"].clone();
            let intent = json!({"id": "pi_old", "status": "requires_payment_method", "amount": 2_000, "currency": "usd",
                "customer": customer, "metadata": {"payment": failed["id"]}});
            state.intents.insert("pi_old".to_owned(), intent.clone());
            state.event("payment_intent.payment_failed", intent)
        });
        assert_eq!(deliver(&hub, &event).await.status, 200);
        let auto = hub.get("/teams/current/auto-top-up", &user).await.json();
        assert_eq!((&auto["is_on"], &auto["note"]), (&json!(true), &json!("")));
        let mails = hub.app.mail.list(None, 10).await.unwrap();
        assert_eq!(mails.iter().filter(|mail| mail.kind == "auto_top_up_off").count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_of_automatic_top_ups_works_without_script() {
    let (hub, stripe) = shops().await.remove(0);
    let owner = hub.sign_up("owner@example.com").await;
    assert!(
        hub.page("/billing", &owner)
            .await
            .text
            .contains("Top up once and keep the card")
    );
    let sent = hub.form("top_up", &owner, "amount=25&order=one&keep_card=true").await;
    stripe.pay(&stripe.session_of(sent.location().rsplit('/').next().unwrap()));
    assert!(hub.page(sent.location(), &owner).await.text.contains("is paid"));
    let page = hub.page("/billing", &owner).await.text;
    assert!(page.contains("visa 4242") && page.contains("At most per day"), "{page}");
    let wrong = hub
        .form("set_auto_top_up", &owner, "auto_on=true&below=5&add=1&max_day=50")
        .await;
    let flash = wrong.cookie("ourhub-flash").unwrap().0;
    let back = hub.page("/billing", &format!("{owner}; {flash}")).await.text;
    assert!(
        back.contains("id=\"add-error\"") && back.contains("value=\"100.00\""),
        "{back}"
    );
    let right = hub
        .form("set_auto_top_up", &owner, "auto_on=true&below=5&add=10&max_day=50")
        .await;
    let flash = right.cookie("ourhub-flash").unwrap().0;
    assert!(
        hub.page("/billing", &format!("{owner}; {flash}"))
            .await
            .text
            .contains("Automatic top-ups are saved.")
    );
    let removed = hub.form("remove_card", &owner, "").await;
    assert_eq!(removed.location(), "/billing");
    assert!(!hub.page("/billing", &owner).await.text.contains("visa 4242"));
}
