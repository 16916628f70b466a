//! Payments that go another way than people think: two tabs, the way back, closed and foreign sessions, a bank that takes its time.
//! Each has a clear state on its page; nothing is lost, nothing is there twice.

use crate::{
    payments::{assert_books_balance, balance, begin, deliver, id, lines, outcomes, shops, state},
    stripe::{Fault, Stripe},
};
use entity::team;
use sea_orm::EntityTrait as _;
use serde_json::{Value, json};
use server::{alerts, clock};

/// The order that the form on a page has.
fn order_of(page: &str) -> String {
    let order = page.split("name=\"order\" value=\"").nth(1).unwrap();
    order.split('"').next().unwrap().to_owned()
}

fn payment_of(location: &str) -> &str {
    location.rsplit('/').next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_are_two_payments_and_the_way_back_is_none() {
    for (hub, stripe) in shops().await {
        let owner = hub.sign_up("owner@example.com").await;
        let (left, right) = (
            hub.page("/billing", &owner).await.text,
            hub.page("/billing", &owner).await.text,
        );
        let (left, right) = (order_of(&left), order_of(&right));
        assert_ne!(left, right);
        let one = hub.form("top_up", &owner, &format!("amount=25&order={left}")).await;
        let two = hub.form("top_up", &owner, &format!("amount=25&order={right}")).await;
        assert_ne!(one.location(), two.location());
        // Back at the first form, sent once more as it was; then with another amount, which is another payment.
        let same = hub.form("top_up", &owner, &format!("amount=25&order={left}")).await;
        assert_eq!(same.location(), one.location());
        let other = hub.form("top_up", &owner, &format!("amount=40&order={left}")).await;
        assert!(
            hub.page(other.location(), &owner)
                .await
                .text
                .contains("Pay $40.00 at Stripe")
        );
        assert_eq!(stripe.with(|state| state.sessions.len()), 3);
        // Away from Stripe's page without paying, and back.
        assert!(hub.page(one.location(), &owner).await.text.contains("Not paid yet"));
        for paid in [&one, &two] {
            let session = stripe.session_of(payment_of(paid.location()));
            let event = stripe.pay(&session);
            assert!(hub.page(paid.location(), &owner).await.text.contains("$25.00 is paid"));
            assert_eq!(deliver(&hub, &event).await.status, 200);
        }
        // Back once more, after it was paid.
        let again = hub.form("top_up", &owner, &format!("amount=25&order={left}")).await;
        assert!(hub.page(again.location(), &owner).await.text.contains("$25.00 is paid"));
        assert!(hub.page("/billing", &owner).await.text.contains("$50.00"));
        assert_books_balance(&hub).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_somebody_else_or_closed_credits_nothing() {
    let (hub, stripe) = shops().await.remove(0);
    let (user, thief) = (
        hub.user("a@example.com", false).await,
        hub.user("b@example.com", false).await,
    );
    let (mine, theirs) = (begin(&hub, &user, "10").await, begin(&hub, &thief, "10").await);
    // Paid by somebody else, with our reference: another session, another customer.
    let session = stripe.session_of(id(&theirs));
    let event = stripe.pay(&session);
    stripe.with(|state| state.sessions.get_mut(&session).unwrap()["client_reference_id"] = mine["id"].clone());
    assert_eq!(deliver(&hub, &event).await.status, 200);
    assert_eq!(outcomes(&hub).await[0], "mismatch");
    assert_eq!(
        (balance(&hub, &user).await, balance(&hub, &thief).await),
        (json!("0.00"), json!("0.00"))
    );
    let open = alerts::list_open(&hub.app.db).await.unwrap();
    assert!(
        open.iter()
            .any(|alert| alert.subject == id(&mine) && alert.message.contains("session")),
        "{open:?}"
    );

    // Closed without being paid; what is sent late about it changes nothing.
    let late = begin(&hub, &user, "20").await;
    let session = stripe.session_of(id(&late));
    let closed = stripe.expire(&session);
    for _ in 0..2 {
        assert_eq!(deliver(&hub, &closed).await.status, 200);
    }
    assert_eq!(state(&hub, &user, &late).await, "expired");
    assert_eq!(lines(&hub, &user, "top_up").await, 0);
    assert_books_balance(&hub).await;
}

/// The session was gone through, and its bank says so much of it by now.
fn gone_through(stripe: &Stripe, session: &str, intent: &str) -> Value {
    stripe.with(|state| {
        let session = state.sessions.get_mut(session).unwrap();
        session["status"] = json!("complete");
        session["payment_intent"] = json!("pi_slow");
        let session = session.clone();
        let bank = json!({"id": "pi_slow", "status": intent, "metadata": session["metadata"], "customer": session["customer"]});
        state.intents.insert("pi_slow".to_owned(), bank);
        state.event("checkout.session.async_payment_failed", session)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_bank_takes_days_for_is_open_until_it_pays_or_does_not() {
    for (hub, stripe) in shops().await {
        let user = hub.user("a@example.com", false).await;
        let payment = begin(&hub, &user, "10").await;
        let session = stripe.session_of(id(&payment));
        let shown = async || {
            let path = format!("/teams/current/payments/{}", id(&payment));
            hub.get(&path, &user).await.json()
        };
        deliver(&hub, &gone_through(&stripe, &session, "processing")).await;
        let view = shown().await;
        assert_eq!((&view["state"], &view["url"]), (&json!("open"), &Value::Null), "{view}");
        deliver(&hub, &gone_through(&stripe, &session, "requires_payment_method")).await;
        let view = shown().await;
        assert_eq!(
            (&view["state"], &view["note"]),
            (&json!("failed"), &json!("The bank did not pay it."))
        );
        // Stripe changes its mind: paid is credited all the same, once.
        let event = stripe.pay(&session);
        for _ in 0..2 {
            assert_eq!(deliver(&hub, &event).await.status, 200);
        }
        let view = shown().await;
        assert_eq!((&view["state"], &view["note"]), (&json!("paid"), &json!("")));
        assert_eq!(
            (balance(&hub, &user).await, lines(&hub, &user, "top_up").await),
            (json!("10.00"), 1)
        );
        assert_books_balance(&hub).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_stripe_did_not_answer_says_so_and_goes_on_where_it_was() {
    let (hub, stripe) = shops().await.remove(0);
    let owner = hub.sign_up("owner@example.com").await;
    let order = order_of(&hub.page("/billing", &owner).await.text);
    // First the customer's making breaks off after the deed, then nothing is done of the session's, then it breaks off too.
    for fault in [Fault::BreakOff, Fault::Error, Fault::BreakOff] {
        if stripe.with(|state| state.calls.len()) == 1 {
            stripe.fail_next(Fault::Pass);
        }
        stripe.fail_next(fault);
        let sent = hub.form("top_up", &owner, &format!("amount=25&order={order}")).await;
        assert_eq!(sent.location(), "/billing");
        let flash = sent.cookie("ourhub-flash").unwrap().0;
        let page = hub.page("/billing", &format!("{owner}; {flash}")).await.text;
        assert!(
            page.contains("it is not paid twice") && page.contains("value=\"25\""),
            "{page}"
        );
        assert_eq!(order_of(&page), order, "the same form once more");
    }
    let sent = hub.form("top_up", &owner, &format!("amount=25&order={order}")).await;
    assert!(
        hub.page(sent.location(), &owner)
            .await
            .text
            .contains("Pay $25.00 at Stripe")
    );
    assert_eq!(stripe.with(|state| state.sessions.len()), 1);
    let session = stripe.session_of(payment_of(sent.location()));
    deliver(&hub, &stripe.pay(&session)).await;
    stripe.fail_next(Fault::Error);
    assert!(
        hub.page(sent.location(), &owner).await.text.contains("$25.00 is paid"),
        "as it was known"
    );
    assert_books_balance(&hub).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dispute_took_stands_beside_its_payment() {
    let (hub, stripe) = shops().await.remove(0);
    let user = hub.user("a@example.com", false).await;
    let payment = begin(&hub, &user, "100").await;
    let session = stripe.session_of(id(&payment));
    deliver(&hub, &stripe.pay(&session)).await;
    deliver(&hub, &stripe.refund(&session, 3_000)).await;
    let (dispute, opened) = stripe.dispute(&session);
    deliver(&hub, &opened).await;
    let shown = async || hub.get("/teams/current/payments", &user).await.json()["data"][0].clone();
    let view = shown().await;
    assert_eq!(
        (&view["refunded"], &view["disputed"]),
        (&json!("30.00"), &json!("70.00"))
    );
    deliver(&hub, &stripe.close(&dispute, "won")).await;
    assert_eq!(shown().await["disputed"], "0.00");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_payment_and_its_receipt_is_found_page_by_page() {
    let (hub, stripe) = shops().await.remove(0);
    let owner = hub.sign_up("owner@example.com").await;
    assert!(
        hub.page("/billing/payments", &owner)
            .await
            .text
            .contains("No payments yet")
    );
    for order in 0..12 {
        let sent = hub
            .form("top_up", &owner, &format!("amount=5.{order:02}&order={order}"))
            .await;
        deliver(&hub, &stripe.pay(&stripe.session_of(payment_of(sent.location())))).await;
    }
    let receipts = |page: &str| page.matches("https://pay.stripe.com/receipts/").count();
    let newest = hub.page("/billing", &owner).await.text;
    assert!(
        receipts(&newest) == 10 && newest.contains("href=\"/billing/payments\""),
        "{newest}"
    );
    let all = hub.page("/billing/payments", &owner).await.text;
    assert_eq!(receipts(&all), 12, "{all}");
    assert!(all.contains("12 payments"), "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_balance_that_will_not_last_is_told_on_every_page_with_the_way_out() {
    let (hub, stripe) = shops().await.remove(0);
    let owner = hub.sign_up("owner@example.com").await;
    let sent = hub.form("top_up", &owner, "amount=25&order=one").await;
    deliver(&hub, &stripe.pay(&stripe.session_of(payment_of(sent.location())))).await;
    let told = "The balance of $25.00 will not last three days.";
    assert!(!hub.page("/keys", &owner).await.text.contains(told));
    let team_id = team::Entity::find().one(&hub.app.db).await.unwrap().unwrap().id;
    hub.used(team_id, (clock::now_ms(), "small"), 70_000_000_000).await;
    for page in ["/keys", "/overview"] {
        let page = hub.page(page, &owner).await.text;
        assert!(page.contains(told) && page.contains("Top up"), "{page}");
    }
    let page = hub.page("/billing", &owner).await.text;
    assert!(page.contains("the balance lasts 2 days at this pace"), "{page}");
}
