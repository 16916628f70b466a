//! What Stripe keeps for a team: invoices beside the payments, and its own pages behind a button.

use crate::{
    harness::{self, User},
    payments::{assert_books_balance, deliver, id, shops, state},
    stripe::Stripe,
};
use serde_json::{Value, json};

async fn paid(hub: &harness::Hub, stripe: &Stripe, user: &User) -> (Value, String) {
    let payment = hub
        .post("/teams/current/payments", user, json!({"amount": "10"}))
        .await
        .json();
    let session = stripe.session_of(id(&payment));
    stripe.pay(&session);
    (payment, session)
}

async fn shown(hub: &harness::Hub, user: &User, payment: &Value) -> Value {
    hub.get(&format!("/teams/current/payments/{}", id(payment)), user)
        .await
        .json()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invoice_is_shown_beside_its_payment_whenever_it_is_told_of_and_beside_no_other() {
    for (hub, stripe) in shops().await {
        let user = hub.user("a@example.com", false).await;
        let (early, session) = paid(&hub, &stripe, &user).await;
        assert_eq!(
            stripe.with(|all| all.sessions[&session]["makes_invoice"].clone()),
            "true"
        );
        stripe.invoice(&session);
        assert_eq!(state(&hub, &user, &early).await, "paid");
        let view = shown(&hub, &user, &early).await;
        assert_eq!(
            (&view["invoice"], &view["invoice_url"]),
            (
                &json!("HUB-0001"),
                &json!(format!("https://invoice.stripe.com/i/in_{session}"))
            )
        );

        let (late, session) = paid(&hub, &stripe, &user).await;
        assert_eq!(state(&hub, &user, &late).await, "paid");
        assert_eq!(shown(&hub, &user, &late).await["invoice_url"], Value::Null);
        let event = stripe.invoice(&session);
        assert_eq!(deliver(&hub, &event).await.status, 200);
        assert_eq!(shown(&hub, &user, &late).await["invoice"], "HUB-0001");

        // What names a payment of somebody else is noted nowhere.
        let (other, session) = paid(&hub, &stripe, &user).await;
        assert_eq!(state(&hub, &user, &other).await, "paid");
        let event = stripe.invoice(&session);
        stripe.with(|all| all.invoices.get_mut(&format!("in_{session}")).unwrap()["customer"] = json!("cus_foreign"));
        assert_eq!(deliver(&hub, &event).await.status, 200);
        assert_eq!(shown(&hub, &user, &other).await["invoice_url"], Value::Null);
        let viewer = hub.join("viewer@example.com", &user.team).await;
        let path = format!("/teams/{}/members/{}", user.team, viewer.id);
        assert_eq!(hub.patch(&path, &user, json!({"role": "viewer"})).await.status, 200);
        let path = format!("/teams/{}/payments/{}", user.team, id(&early));
        let view = hub.get(&path, &viewer).await.json();
        assert_eq!((&view["invoice"], &view["invoice_url"]), (&Value::Null, &Value::Null));
        assert_books_balance(&hub).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_manages_a_team_that_paid_is_led_to_its_pages_at_stripe() {
    let (hub, stripe) = shops().await.remove(0);
    let user = hub.user("a@example.com", false).await;
    let open = async |who: &User| hub.post(&format!("/teams/{}/portal", user.team), who, json!({})).await;
    assert_eq!(open(&user).await.status, 404, "Stripe does not know the team");
    paid(&hub, &stripe, &user).await;
    let opened = open(&user).await;
    assert_eq!(opened.status, 201, "{opened:?}");
    assert!(
        opened.json()["url"]
            .as_str()
            .unwrap()
            .starts_with("https://billing.stripe.com/p/session/cus_")
    );
    let member = hub.join("member@example.com", &user.team).await;
    assert_eq!(open(&member).await.status, 403);
    assert_eq!(open(&hub.user("b@example.com", false).await).await.status, 404);

    let owner = hub.sign_up("owner@example.com").await;
    assert!(!hub.page("/billing", &owner).await.text.contains("open_portal"));
    hub.form("top_up", &owner, "amount=25&order=one").await;
    let page = hub.page("/billing", &owner).await.text;
    assert!(page.contains("open_portal") && page.contains("tax number"), "{page}");
    let opened = hub.form("open_portal", &owner, "").await;
    assert_eq!((opened.status, opened.location()), (302, "/billing"));
    let flash = opened.cookie("ourhub-flash").unwrap().0;
    let page = hub.page("/billing", &format!("{owner}; {flash}")).await.text;
    assert!(
        page.contains("href=\"https://billing.stripe.com/p/session/cus_"),
        "{page}"
    );
    assert!(
        !hub.page("/billing", &owner).await.text.contains("billing.stripe.com"),
        "shown once"
    );
}
