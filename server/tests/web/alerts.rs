//! Alerts: platform admins see what needs them, on pages and over the API, until its cause is gone or they dismiss it.

use crate::harness;
use reqwest::Method;
use serde_json::{Value, json};
use server::alerts::{self, Kind};

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_sees_what_needs_them_and_dismisses_it() {
    for hub in harness::everywhere().await {
        let cookie = hub.sign_up("first@example.com").await;
        assert!(
            hub.page("/admin/alerts", &cookie)
                .await
                .text
                .contains("Nothing needs you")
        );
        let db = &hub.app.db;
        alerts::raise(db, Kind::Overrun, "gpt-5", "A call of gpt-5 cost too much.")
            .await
            .unwrap();
        alerts::raise(db, Kind::Overrun, "gpt-5", "A call of gpt-5 cost far too much.")
            .await
            .unwrap();
        for page in ["/overview", "/admin/models", "/admin/alerts"] {
            let shown = hub.page(page, &cookie).await.text;
            assert!(shown.contains("A call of gpt-5 cost far too much."), "{page}");
            assert!(
                shown.contains("<span class=\"vh\"> open</span>"),
                "{page}: the nav counts"
            );
        }
        let list = hub.page("/admin/alerts", &cookie).await.text;
        assert!(
            list.contains("2 times") && list.contains("/admin/models?show=all&amp;q=gpt%2D5"),
            "{list}"
        );
        let id = list
            .split("name=\"id\" value=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        let done = hub.form("dismiss_alert", &cookie, &format!("id={id}")).await;
        assert_eq!(done.location(), "/admin/alerts");
        assert!(
            hub.page("/admin/alerts", &cookie)
                .await
                .text
                .contains("Nothing needs you")
        );
        assert!(!hub.page("/overview", &cookie).await.text.contains("far too much"));
        let log = server::audit::list(db, None, None, 1).await.unwrap();
        assert_eq!(log[0].action, "alert.dismiss");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_admins_sees_alerts() {
    let hub = harness::spawn().await;
    let admin = hub.user("admin@example.com", true).await;
    let other = hub.user("other@example.com", false).await;
    alerts::raise(&hub.app.db, Kind::AccountParked, "acc_1", "Groq takes no traffic.")
        .await
        .unwrap();
    let listed = hub.get("/alerts", &admin).await.json();
    let alert = &listed["data"][0];
    assert_eq!(
        (&alert["kind"], &alert["subject"], &alert["count"], &listed["next"]),
        (&json!("account_parked"), &json!("acc_1"), &json!(1), &Value::Null)
    );
    assert_eq!(hub.get("/alerts", &other).await.status, 403);
    let path = format!("/alerts/{}", alert["id"].as_str().unwrap());
    for (user, status) in [(&other, 403), (&admin, 204), (&admin, 404)] {
        let answer = hub.api(Method::DELETE, &path, &user.token, Value::Null).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    let cookie = hub.sign_up("third@example.com").await;
    assert_eq!(hub.page("/admin/alerts", &cookie).await.status, 403);
    assert!(!hub.page("/overview", &cookie).await.text.contains("Groq"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_ends_the_alert_about_its_lack() {
    let hub = harness::spawn().await;
    let admin = hub.user("admin@example.com", true).await;
    alerts::raise(&hub.app.db, Kind::PriceUnknown, "gpt-5", "No price.")
        .await
        .unwrap();
    let later = json!({"input": "1", "output": "2", "effective_at": "2099-01-01T00:00:00Z"});
    assert_eq!(hub.post("/models/gpt-5/prices", &admin, later).await.status, 201);
    assert_eq!(
        hub.get("/alerts", &admin).await.json()["data"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let now = json!({"input": "1", "output": "2"});
    assert_eq!(hub.post("/models/gpt-5/prices", &admin, now).await.status, 201);
    assert_eq!(hub.get("/alerts", &admin).await.json()["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_taken_out_of_service_needs_nobody_any_more() {
    let hub = harness::spawn().await;
    let admin = hub.user("admin@example.com", true).await;
    let body = json!({"label": "main", "provider": "openai", "base_url": "http://127.0.0.1:9/v1", "secret": "sk-x"});
    let made = hub.post("/accounts", &admin, body).await.json();
    let id = made["id"].as_str().unwrap();
    alerts::raise(&hub.app.db, Kind::AccountParked, id, "main takes no traffic.")
        .await
        .unwrap();
    let disabled = hub
        .patch(&format!("/accounts/{id}"), &admin, json!({"disabled": true}))
        .await;
    assert_eq!(disabled.status, 200, "{disabled:?}");
    assert_eq!(hub.get("/alerts", &admin).await.json()["data"], json!([]));
}
