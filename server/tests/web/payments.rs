//! Payments: paid once is credited once, whatever is sent how often and in whichever order, and whatever breaks on the way.

use crate::{
    harness::{self, Answer, Hub, User},
    stripe::{Fault, SECRET, Stripe, signature},
};
use sea_orm::{EntityTrait as _, QueryOrder as _};
use serde_json::{Value, json};
use server::{alerts, billing, clock, ledger::verify};

/// A server on each database, with a Stripe of its own.
pub async fn shops() -> Vec<(Hub, Stripe)> {
    let mut shops = Vec::new();
    for mut words in harness::databases().await {
        let stripe = Stripe::start().await;
        words.extend(stripe.words());
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        shops.push((harness::spawn_with(&words).await, stripe));
    }
    shops
}

pub async fn begin(hub: &Hub, user: &User, amount: &str) -> Value {
    let begun = hub
        .post("/teams/current/payments", user, json!({"amount": amount}))
        .await;
    assert_eq!(begun.status, 201, "{begun:?}");
    begun.json()
}

pub fn id(payment: &Value) -> &str {
    payment["id"].as_str().unwrap()
}

pub async fn deliver(hub: &Hub, event: &Value) -> Answer {
    let body = event.to_string();
    let signed = signature(SECRET, clock::now_ms() / 1_000, &body);
    send(hub, &body, Some(&signed)).await
}

pub async fn send(hub: &Hub, body: &str, signed: Option<&str>) -> Answer {
    let mut request = hub.client.post(hub.url("/webhooks/stripe")).body(body.to_owned());
    if let Some(signed) = signed {
        request = request.header("stripe-signature", signed);
    }
    hub.send(request).await
}

pub async fn balance(hub: &Hub, user: &User) -> Value {
    hub.get("/teams/current/balance", user).await.json()["balance"].clone()
}

pub async fn state(hub: &Hub, user: &User, payment: &Value) -> Value {
    let path = format!("/teams/current/payments/{}", id(payment));
    hub.get(&path, user).await.json()["state"].clone()
}

pub async fn lines(hub: &Hub, user: &User, kind: &str) -> usize {
    let ledger = hub.get("/teams/current/ledger?limit=200", user).await.json();
    let lines = ledger["data"].as_array().unwrap().iter();
    lines.filter(|line| line["kind"] == kind).count()
}

pub async fn outcomes(hub: &Hub) -> Vec<String> {
    let events = entity::stripe_event::Entity::find().order_by_desc(entity::stripe_event::Column::ReceivedAt);
    let events = events.all(&hub.app.db).await.unwrap();
    events.into_iter().map(|event| event.outcome).collect()
}

pub async fn assert_books_balance(hub: &Hub) {
    let report = verify(&hub.app.db).await.unwrap();
    assert_eq!(report.differences, Vec::<String>::new());
    assert_eq!(billing::verify(&hub.app.db).await.unwrap(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_credited_once_by_webhook_return_and_repetition_in_any_order() {
    for (hub, stripe) in shops().await {
        let user = hub.user("a@example.com", false).await;
        let payment = begin(&hub, &user, "100").await;
        assert_eq!(
            (&payment["state"], balance(&hub, &user).await),
            (&json!("open"), json!("0.00"))
        );
        let session = stripe.session_of(id(&payment));
        let page = stripe.with(|state| state.sessions[&session]["success_url"].clone());
        assert_eq!(page, hub.url(&format!("/billing/payments/{}", id(&payment))));
        assert_eq!(state(&hub, &user, &payment).await, "open", "looking changes nothing");
        let event = stripe.pay(&session);
        for _ in 0..3 {
            assert_eq!(deliver(&hub, &event).await.status, 200);
            assert_eq!(state(&hub, &user, &payment).await, "paid");
        }
        assert_eq!(
            (balance(&hub, &user).await, lines(&hub, &user, "top_up").await),
            (json!("100.00"), 1)
        );

        let other = begin(&hub, &user, "25.5").await;
        let event = stripe.pay(&stripe.session_of(id(&other)));
        let mut looks = tokio::task::JoinSet::new();
        for at in 0..8 {
            let body = event.to_string();
            let signed = signature(SECRET, clock::now_ms() / 1_000, &body);
            let request = if at % 2 == 0 {
                hub.client
                    .post(hub.url("/webhooks/stripe"))
                    .header("stripe-signature", signed)
                    .body(body)
            } else {
                let path = format!("/api/v1/teams/current/payments/{}", id(&other));
                hub.client.get(hub.url(&path)).bearer_auth(&user.token)
            };
            looks.spawn(async move { request.send().await.unwrap().status().as_u16() });
        }
        assert_eq!(looks.join_all().await, vec![200; 8]);
        assert_eq!(
            (balance(&hub, &user).await, lines(&hub, &user, "top_up").await),
            (json!("125.50"), 2)
        );
        let list = hub.get("/teams/current/payments", &user).await.json();
        assert!(
            list["data"][0]["receipt_url"]
                .as_str()
                .unwrap()
                .starts_with("https://pay.stripe.com/")
        );
        assert_books_balance(&hub).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_sent_twice_begins_one_payment_also_where_stripe_breaks_off_after_the_deed() {
    for (hub, stripe) in shops().await {
        let user = hub.user("a@example.com", false).await;
        let order = json!({"amount": "10", "order": "tab-1"});
        let first = hub.post("/teams/current/payments", &user, order.clone()).await.json();
        let again = hub.post("/teams/current/payments", &user, order).await.json();
        assert_eq!((&first["id"], &first["url"]), (&again["id"], &again["url"]));
        assert_eq!(stripe.with(|state| state.sessions.len()), 1);

        let order = json!({"amount": "20", "order": "tab-2"});
        stripe.fail_next(Fault::BreakOff);
        let cut = hub.post("/teams/current/payments", &user, order.clone()).await;
        assert_eq!(cut.status, 503, "{cut:?}");
        assert!(cut.text.contains("not paid twice"));
        let again = hub.post("/teams/current/payments", &user, order).await;
        assert_eq!((again.status, &again.json()["state"]), (201, &json!("open")));
        assert_eq!(stripe.with(|state| state.sessions.len()), 2);

        stripe.fail_next(Fault::BreakOff);
        let order = json!({"amount": "30", "order": "tab-3"});
        assert_eq!(hub.post("/teams/current/payments", &user, order).await.status, 503);
        let list = hub.get("/teams/current/payments", &user).await.json();
        let lost = &list["data"][0];
        assert_eq!(lost["state"], "new");
        let event = stripe.pay(&stripe.session_of(id(lost)));
        assert_eq!(deliver(&hub, &event).await.status, 200);
        assert_eq!(
            (state(&hub, &user, lost).await, balance(&hub, &user).await),
            (json!("paid"), json!("30.00"))
        );
        assert_books_balance(&hub).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_signed_by_stripe_lately_leaves_no_row() {
    for (hub, stripe) in shops().await {
        let user = hub.user("a@example.com", false).await;
        let payment = begin(&hub, &user, "10").await;
        let body = stripe.pay(&stripe.session_of(id(&payment))).to_string();
        let now_s = clock::now_ms() / 1_000;
        for (note, signed) in [
            ("unsigned", None),
            ("no signature", Some("t=1".to_owned())),
            (
                "another secret",
                Some(signature("whsec_another_secret_than_ours", now_s, &body)),
            ),
            ("an empty secret", Some(signature("", now_s, &body))),
            ("another body", Some(signature(SECRET, now_s, "{}"))),
            ("stale", Some(signature(SECRET, now_s - 301, &body))),
            ("from the future", Some(signature(SECRET, now_s + 330, &body))),
        ] {
            let refused = send(&hub, &body, signed.as_deref()).await;
            assert_eq!((refused.status, refused.text.as_str()), (400, ""), "{note}");
        }
        for junk in [
            "",
            "[]",
            "{\"id\": 1}",
            "{\"id\": \"../x\", \"type\": \"x\", \"data\": {\"object\": {}}}",
        ] {
            let signed = signature(SECRET, now_s, junk);
            assert_eq!(send(&hub, junk, Some(&signed)).await.status, 400, "{junk}");
        }
        let long = format!("{{\"id\": \"{}\"}}", "x".repeat(64 << 10));
        let signed = signature(SECRET, now_s, &long);
        assert_eq!(send(&hub, &long, Some(&signed)).await.status, 413);
        assert_eq!(send(&hub, &"x".repeat(1 << 20), None).await.status, 413);
        assert_eq!(
            (outcomes(&hub).await, balance(&hub, &user).await),
            (Vec::new(), json!("0.00"))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_about_nothing_of_ours_are_taken_and_do_nothing() {
    let (hub, stripe) = shops().await.remove(0);
    let foreign = json!({"id": "cs_foreign", "status": "complete", "payment_status": "paid", "amount_total": 5_000,
        "currency": "usd", "customer": "cus_foreign", "client_reference_id": "somebody", "payment_intent": "pi_foreign"});
    stripe.with(|state| {
        state.sessions.insert("cs_foreign".to_owned(), foreign.clone());
        state
            .intents
            .insert("pi_foreign".to_owned(), json!({"id": "pi_foreign"}));
        let charge =
            json!({"id": "ch_foreign", "amount_refunded": 5, "currency": "usd", "payment_intent": "pi_foreign"});
        state.charges.insert("ch_foreign".to_owned(), charge);
    });
    for (kind, object, outcome) in [
        ("checkout.session.completed", foreign, "unknown"),
        ("checkout.session.completed", json!({"id": "cs_gone"}), "unknown"),
        ("charge.refunded", json!({"id": "ch_foreign"}), "unknown"),
        ("charge.dispute.created", json!({"id": "dp_gone"}), "unknown"),
        ("customer.created", json!({"id": "cus_9"}), "ignored"),
        ("something.never.heard.of", json!({}), "ignored"),
    ] {
        let event = json!({"id": format!("evt_{}", clock::new_id()), "type": kind, "data": {"object": object}});
        assert_eq!(deliver(&hub, &event).await.status, 200, "{kind}");
        assert_eq!(outcomes(&hub).await[0], outcome, "{kind}");
    }
    assert_books_balance(&hub).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn money_that_is_not_what_was_asked_for_is_not_credited_and_the_operator_is_told() {
    let (hub, stripe) = shops().await.remove(0);
    let user = hub.user("a@example.com", false).await;
    for (field, wrong) in [
        ("amount_total", json!(1)),
        ("amount_total", json!(1_001)),
        ("currency", json!("jpy")),
        ("customer", json!("cus_other")),
        ("customer", Value::Null),
    ] {
        let payment = begin(&hub, &user, "10").await;
        let session = stripe.session_of(id(&payment));
        let event = stripe.pay(&session);
        stripe.with(|state| state.sessions.get_mut(&session).unwrap()[field] = wrong.clone());
        assert_eq!(deliver(&hub, &event).await.status, 200);
        assert_eq!(state(&hub, &user, &payment).await, "open", "{field}: {wrong}");
        assert_eq!(outcomes(&hub).await[0], "mismatch");
        let open = alerts::list_open(&hub.app.db).await.unwrap();
        assert!(open.iter().any(|alert| alert.subject == id(&payment)), "{field}");
    }
    let told = json!({"id": "evt_liar", "type": "checkout.session.completed", "data": {"object":
        {"id": stripe.session_of(id(&begin(&hub, &user, "10").await)), "payment_status": "paid"}}});
    assert_eq!(deliver(&hub, &told).await.status, 200);
    assert_eq!(
        balance(&hub, &user).await,
        "0.00",
        "what counts is what Stripe says when it is asked"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn while_stripe_is_down_a_webhook_is_asked_for_again_and_the_page_stays_clear() {
    for (hub, stripe) in shops().await {
        let user = hub.user("a@example.com", false).await;
        let payment = begin(&hub, &user, "10").await;
        let event = stripe.pay(&stripe.session_of(id(&payment)));
        stripe.fail_next(Fault::Error);
        assert_eq!(deliver(&hub, &event).await.status, 503);
        assert_eq!(outcomes(&hub).await, Vec::<String>::new());
        stripe.fail_next(Fault::BreakOff);
        assert_eq!(state(&hub, &user, &payment).await, "open");
        assert_eq!(deliver(&hub, &event).await.status, 200);
        assert_eq!(state(&hub, &user, &payment).await, "paid");
        stripe.fail_next(Fault::Refuse);
        let refused = hub
            .post("/teams/current/payments", &user, json!({"amount": "10"}))
            .await;
        assert_eq!(refused.status, 409, "{refused:?}");
        let list = hub.get("/teams/current/payments", &user).await.json();
        assert_eq!(
            (&list["data"][0]["state"], &list["data"][0]["note"]),
            (&json!("failed"), &json!("Declined."))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn amounts_outside_of_the_limits_are_refused_and_only_who_manages_the_team_pays() {
    let (hub, stripe) = shops().await.remove(0);
    let owner = hub.user("owner@example.com", false).await;
    let member = hub.join("member@example.com", &owner.team).await;
    for amount in ["4.99", "5000.01", "-10", "0", "10.001"] {
        let refused = hub
            .post("/teams/current/payments", &owner, json!({"amount": amount}))
            .await;
        assert_eq!(refused.status, 400, "{amount}: {refused:?}");
        assert!(refused.text.contains("\"amount\""));
    }
    for body in [
        json!({"amount": "10", "order": ""}),
        json!({"amount": "10", "currency": "eur"}),
    ] {
        assert_eq!(hub.post("/teams/current/payments", &owner, body).await.status, 400);
    }
    let path = format!("/teams/{}/payments", owner.team);
    assert_eq!(hub.post(&path, &member, json!({"amount": "10"})).await.status, 403);
    assert_eq!(stripe.with(|state| state.sessions.len()), 0);
    let payment = begin(&hub, &owner, "5").await;
    let seen = hub.get(&format!("{path}/{}", id(&payment)), &member).await.json();
    assert_eq!((&seen["state"], &seen["url"]), (&json!("open"), &Value::Null));
    let other = hub.user("other@example.com", false).await;
    assert_eq!(
        hub.get(&format!("/teams/current/payments/{}", id(&payment)), &other)
            .await
            .status,
        404
    );
    for path in ["/payments/disputes", "/payments/reconciliations"] {
        assert_eq!(hub.get(path, &owner).await.status, 403, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_or_a_dispute_of_what_was_spent_takes_the_wallet_below_zero_and_says_why() {
    for (hub, stripe) in shops().await {
        let admin = hub.user("admin@example.com", true).await;
        let owner = hub.sign_up("owner@example.com").await;
        let person = hub.app.auth.find_person("owner@example.com").await.unwrap();
        let token = hub.app.auth.create_token(&person, clock::now_ms()).await.unwrap();
        let user = User {
            team: String::new(),
            id: String::new(),
            token: token.shown,
        };
        let mine = hub.get("/teams", &user).await.json();
        let team = mine["data"][0]["id"].as_str().unwrap().to_owned();
        let payment = begin(&hub, &user, "100").await;
        let session = stripe.session_of(id(&payment));
        let paid = stripe.pay(&session);
        let spend = json!({"amount": "-90", "reason": "spent"});
        assert_eq!(
            hub.post(&format!("/teams/{team}/grants"), &admin, spend).await.status,
            201
        );
        let refund = stripe.refund(&session, 3_000);
        for event in [&refund, &paid, &refund] {
            assert_eq!(deliver(&hub, event).await.status, 200);
        }
        assert_eq!(
            balance(&hub, &user).await,
            "-20.00",
            "also where the refund is told before the payment"
        );
        let page = hub.page("/billing", &owner).await.text;
        assert!(page.contains("below zero") && page.contains("given back"), "{page}");

        let (dispute, opened) = stripe.dispute(&session);
        stripe.with(|state| state.disputes.get_mut(&dispute).unwrap()["amount"] = json!(7_000));
        assert_eq!(deliver(&hub, &opened).await.status, 200);
        assert_eq!(balance(&hub, &user).await, "-90.00");
        let suspended = hub.get("/teams/current", &user).await.json()["suspended_at"].clone();
        assert!(suspended.is_string(), "{suspended}");
        assert!(hub.page("/billing", &owner).await.text.contains("is disputed"));
        let list = hub.get("/payments/disputes", &admin).await.json();
        assert_eq!(
            (&list["data"][0]["status"], &list["data"][0]["is_taken"]),
            (&json!("needs_response"), &json!(true))
        );

        let won = stripe.close(&dispute, "won");
        for event in [&won, &opened, &won] {
            assert_eq!(deliver(&hub, event).await.status, 200);
        }
        assert_eq!(balance(&hub, &user).await, "-20.00");
        assert_eq!(
            hub.get("/teams/current", &user).await.json()["suspended_at"],
            Value::Null
        );
        assert_books_balance(&hub).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_takes_what_was_not_delivered_and_tells_what_differs() {
    for (hub, stripe) in shops().await {
        let (admin, user) = (
            hub.user("admin@example.com", true).await,
            hub.user("a@example.com", false).await,
        );
        let (one, two) = (begin(&hub, &user, "10").await, begin(&hub, &user, "20").await);
        let (first, second) = (stripe.session_of(id(&one)), stripe.session_of(id(&two)));
        stripe.pay(&first);
        stripe.pay(&second);
        stripe.refund(&second, 500);
        let report = hub.post("/payments/reconciliations", &admin, Value::Null).await;
        assert_eq!(report.status, 201, "{report:?}");
        let report = report.json();
        assert_eq!(
            (&report["events"], &report["payments"], &report["findings"]),
            (&json!(3), &json!(2), &json!([]))
        );
        assert_eq!((&report["ours"], &report["theirs"]), (&json!("25.00"), &json!("25.00")));
        assert_eq!(balance(&hub, &user).await, "25.00");
        let again = hub.app.billing.reconcile(clock::now_ms()).await.unwrap();
        assert_eq!((again.events, again.findings.len()), (0, 0));

        stripe.with(|state| state.movements[0]["source"]["amount"] = json!(999));
        let differs = hub.app.billing.reconcile(clock::now_ms()).await.unwrap();
        assert_eq!(differs.findings.len(), 1, "{differs:?}");
        assert_eq!(alerts::list_open(&hub.app.db).await.unwrap()[0].kind, "unreconciled");
        stripe.with(|state| state.movements[0]["source"]["amount"] = json!(1_000));
        stripe.fail_next(Fault::Error);
        let failed = hub.app.billing.reconcile(clock::now_ms()).await.unwrap();
        assert!(failed.failure.is_some());
        hub.app.billing.reconcile(clock::now_ms()).await.unwrap();
        assert!(
            alerts::list_open(&hub.app.db).await.unwrap().is_empty(),
            "the cause is gone"
        );
        assert_eq!(balance(&hub, &user).await, "25.00");
        assert_books_balance(&hub).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_long_on_the_way_does_not_undo_a_newer_one() {
    for (hub, stripe) in shops().await {
        let user = hub.user("a@example.com", false).await;
        let payment = begin(&hub, &user, "100").await;
        let session = stripe.session_of(id(&payment));
        deliver(&hub, &stripe.pay(&session)).await;
        let again = |event: &Value| {
            let mut event = event.clone();
            event["id"] = json!(format!("evt_{}", clock::new_id()));
            event
        };
        let refund = stripe.refund(&session, 1_000);
        deliver(&hub, &refund).await;
        deliver(&hub, &stripe.refund(&session, 2_000)).await;
        assert_eq!(balance(&hub, &user).await, "70.00");
        stripe.with(|state| state.stale.push_back(refund["data"]["object"].clone()));
        assert_eq!(deliver(&hub, &again(&refund)).await.status, 200);
        assert_eq!(
            (balance(&hub, &user).await, lines(&hub, &user, "refund").await),
            (json!("70.00"), 2)
        );

        let (dispute, opened) = stripe.dispute(&session);
        stripe.with(|state| state.disputes.get_mut(&dispute).unwrap()["amount"] = json!(7_000));
        deliver(&hub, &opened).await;
        deliver(&hub, &stripe.close(&dispute, "won")).await;
        stripe.with(|state| state.stale.push_back(opened["data"]["object"].clone()));
        assert_eq!(deliver(&hub, &again(&opened)).await.status, 200);
        assert_eq!(
            (balance(&hub, &user).await, lines(&hub, &user, "dispute").await),
            (json!("70.00"), 2)
        );
        assert_eq!(
            hub.get("/teams/current", &user).await.json()["suspended_at"],
            Value::Null
        );
        assert_books_balance(&hub).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispute_of_more_than_was_paid_is_taken_whole_and_what_cannot_be_is_told_to_the_operator() {
    for (hub, stripe) in shops().await {
        let user = hub.user("a@example.com", false).await;
        let (one, two) = (begin(&hub, &user, "100").await, begin(&hub, &user, "50").await);
        let (first, second) = (stripe.session_of(id(&one)), stripe.session_of(id(&two)));
        for session in [&first, &second] {
            deliver(&hub, &stripe.pay(session)).await;
        }
        let (dispute, opened) = stripe.dispute(&first);
        stripe.with(|state| state.disputes.get_mut(&dispute).unwrap()["amount"] = json!(10_150));
        assert_eq!(deliver(&hub, &opened).await.status, 200);
        assert_eq!(balance(&hub, &user).await, "48.50");
        assert!(alerts::list_open(&hub.app.db).await.unwrap().is_empty());

        let event = stripe.refund(&second, 1_000);
        stripe.with(|state| {
            let charge = state.charge_of(&second);
            state.charges.get_mut(&charge).unwrap()["currency"] = json!("eur");
        });
        assert_eq!(deliver(&hub, &event).await.status, 200);
        assert_eq!(
            (balance(&hub, &user).await, outcomes(&hub).await[0].as_str()),
            (json!("48.50"), "mismatch")
        );
        let open = alerts::list_open(&hub.app.db).await.unwrap();
        assert_eq!((open.len(), open[0].subject.as_str()), (1, id(&two)));
        assert!(open[0].message.contains("its refund differs"), "{:?}", open[0]);
        assert_books_balance(&hub).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_dispute_that_a_platform_admin_looked_past_leaves_the_next_ones_suspension_alone() {
    for (hub, stripe) in shops().await {
        let (admin, user) = (
            hub.user("admin@example.com", true).await,
            hub.user("a@example.com", false).await,
        );
        let suspended = async || hub.get("/teams/current", &user).await.json()["suspended_at"].is_string();
        let mut disputes = Vec::new();
        for amount in ["10", "20"] {
            let payment = begin(&hub, &user, amount).await;
            let session = stripe.session_of(id(&payment));
            deliver(&hub, &stripe.pay(&session)).await;
            let (dispute, opened) = stripe.dispute(&session);
            deliver(&hub, &opened).await;
            assert!(suspended().await);
            disputes.push(dispute);
            if amount == "10" {
                let path = format!("/teams/{}", user.team);
                let resumed = hub.patch(&path, &admin, json!({"suspended": false})).await;
                assert!(resumed.status < 300 && !suspended().await, "{resumed:?}");
                tokio::time::sleep(std::time::Duration::from_millis(3)).await;
            }
        }
        deliver(&hub, &stripe.close(&disputes[0], "won")).await;
        assert!(suspended().await, "the other dispute is open");
        deliver(&hub, &stripe.close(&disputes[1], "won")).await;
        assert!(!suspended().await);
        assert_eq!(balance(&hub, &user).await, "30.00");
        assert_books_balance(&hub).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_be_taken_hinders_no_other_and_is_taken_up_again() {
    for (hub, stripe) in shops().await {
        let user = hub.user("a@example.com", false).await;
        stripe.with(|state| {
            state.sessions.insert("cs_odd".to_owned(), json!({"id": 5}));
            state.event("checkout.session.completed", json!({"id": "cs_odd"}));
        });
        let payment = begin(&hub, &user, "10").await;
        stripe.pay(&stripe.session_of(id(&payment)));
        let report = hub.app.billing.reconcile(clock::now_ms()).await.unwrap();
        assert_eq!(
            (report.events, report.payments, balance(&hub, &user).await),
            (1, 1, json!("10.00"))
        );
        assert!(
            report.failure.is_some() && report.findings[0].contains("could not be taken"),
            "{report:?}"
        );
        assert_eq!(alerts::list_open(&hub.app.db).await.unwrap()[0].kind, "unreconciled");
        stripe.with(|state| state.sessions.remove("cs_odd"));
        let report = hub.app.billing.reconcile(clock::now_ms()).await.unwrap();
        assert_eq!((report.events, report.failure, report.findings), (1, None, Vec::new()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn payouts_in_another_currency_are_no_difference() {
    let (hub, stripe) = shops().await.remove(0);
    let user = hub.user("a@example.com", false).await;
    let payment = begin(&hub, &user, "100").await;
    let session = stripe.session_of(id(&payment));
    deliver(&hub, &stripe.pay(&session)).await;
    deliver(&hub, &stripe.refund(&session, 1_000)).await;
    stripe.with(|state| {
        for movement in &mut state.movements {
            movement["currency"] = json!("eur");
            movement["amount"] = json!(movement["amount"].as_i64().unwrap() * 9 / 10);
        }
    });
    let report = hub.app.billing.reconcile(clock::now_ms()).await.unwrap();
    assert_eq!(
        (report.ours, report.theirs, report.findings),
        (9_000, 9_000, Vec::new())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_moves_while_the_books_are_compared_is_no_difference_until_it_has_stood() {
    let (hub, stripe) = shops().await.remove(0);
    let user = hub.user("a@example.com", false).await;
    let payment = begin(&hub, &user, "100").await;
    let session = stripe.session_of(id(&payment));
    deliver(&hub, &stripe.pay(&session)).await;
    let began_ms = clock::now_ms() + 1_000;
    stripe.refund(&session, 1_000);
    // Given back after the events were read.
    stripe.with(|state| {
        state.events.pop();
        state.movements.last_mut().unwrap()["created"] = json!(began_ms / 1_000 + 1);
    });
    let report = hub.app.billing.reconcile(began_ms).await.unwrap();
    assert_eq!((report.payments, report.findings), (0, Vec::new()));
    let report = hub.app.billing.reconcile(began_ms + 3_600_000).await.unwrap();
    assert_eq!((report.payments, report.findings.len()), (1, 1), "nobody told of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_lead_to_stripe_and_back_without_script() {
    let (hub, stripe) = shops().await.remove(0);
    let owner = hub.sign_up("owner@example.com").await;
    let page = hub.page("/billing", &owner).await.text;
    assert!(
        page.contains("From $5.00 to $5,000.00") && page.contains("href=\"/admin/payments\""),
        "{page}"
    );
    let overview = hub.page("/overview", &owner).await.text;
    assert!(
        overview.contains("The balance is used up, so calls are refused."),
        "{overview}"
    );
    let order = page
        .split("name=\"order\" value=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let wrong = hub.form("top_up", &owner, &format!("amount=1&order={order}")).await;
    let flash = wrong.cookie("ourhub-flash").unwrap().0;
    let back = hub.page("/billing", &format!("{owner}; {flash}")).await.text;
    assert!(
        back.contains("Write an amount from 5.00 to 5000.00") && back.contains("value=\"1\""),
        "{back}"
    );
    let sent = hub.form("top_up", &owner, &format!("amount=25&order={order}")).await;
    let twice = hub.form("top_up", &owner, &format!("amount=25&order={order}")).await;
    assert!(sent.location().starts_with("/billing/payments/pay_"), "{sent:?}");
    assert_eq!(sent.location(), twice.location());
    let open = hub.page(sent.location(), &owner).await.text;
    assert!(
        open.contains("Pay $25.00 at Stripe") && open.contains("https://checkout.stripe.com/c/pay/cs_"),
        "{open}"
    );
    let payment = sent.location().rsplit('/').next().unwrap();
    stripe.pay(&stripe.session_of(payment));
    let paid = hub.page(sent.location(), &owner).await.text;
    assert!(paid.contains("$25.00 is paid") && !paid.contains("at Stripe"), "{paid}");
    assert!(hub.page("/billing", &owner).await.text.contains("Receipt"));
    assert!(!hub.page("/overview", &owner).await.text.contains("balance is used up"));
    let late = hub.form("top_up", &owner, "amount=30&order=other").await;
    stripe.expire(&stripe.session_of(late.location().rsplit('/').next().unwrap()));
    assert!(
        hub.page(late.location(), &owner)
            .await
            .text
            .contains("The time to pay it is over")
    );
    let compared = hub.form("reconcile", &owner, "").await;
    assert_eq!(compared.location(), "/admin/payments");
    assert!(hub.page("/admin/payments", &owner).await.text.contains("No difference"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_nothing_speaks_of_payments() {
    let hub = harness::spawn().await;
    let owner = hub.sign_up("owner@example.com").await;
    let user = hub.user("api@example.com", true).await;
    for page in [
        "/billing",
        "/billing/statement",
        "/overview",
        "/keys",
        "/usage",
        "/team",
        "/models",
        "/alerts",
        "/audit",
        "/settings",
        "/settings/profile",
        "/admin/alerts",
        "/admin/teams",
        "/admin/users",
        "/admin/codes",
        "/admin/revenue",
        "/admin/health",
        "/admin/audit",
        "/docs",
        "/",
    ] {
        let text = hub.page(page, &owner).await.text.to_lowercase();
        for word in ["stripe", "top up", "payment", "checkout", "credit card"] {
            assert!(!text.contains(word), "{page} says {word}");
        }
    }
    for page in ["/admin/payments", "/billing/payments"] {
        assert_eq!(hub.page(page, &owner).await.status, 404, "{page}");
    }
    assert_eq!(
        hub.page("/billing/payments/pay_0000000000007", &owner).await.status,
        404
    );
    for path in [
        "/teams/current/payments",
        "/payments/disputes",
        "/payments/reconciliations",
    ] {
        assert_eq!(hub.get(path, &user).await.status, 404, "{path}");
    }
    let begun = hub
        .post("/teams/current/payments", &user, json!({"amount": "10"}))
        .await;
    assert_eq!(begun.status, 404, "{begun:?}");
    assert_eq!(send(&hub, "{}", Some("t=1,v1=0")).await.status, 404);
}
