//! Markups and revenue: set, seen and saved by platform admins alone.

use crate::{
    harness::{self, PASSWORD},
    usage::{call, key_of, written},
};
use gateway_core::{
    id::{self, Kind},
    ledger::Outcome,
    pricing::Markup,
};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn markups_are_set_changed_and_taken_away_by_platform_admins_alone() {
    let hub = harness::spawn().await;
    let (admin, user) = (
        hub.user("admin@example.com", true).await,
        hub.user("a@example.com", false).await,
    );
    let model = json!({"id": "small", "prices": {"input": "1", "output": "2"}});
    assert_eq!(hub.post("/models", &admin, model).await.status, 201);
    let put = async |body: Value| hub.api(Method::PUT, "/markups", &admin.token, body).await;
    for (body, field) in [
        (json!({"percent": "abc"}), "percent"),
        (json!({"percent": "-100.01"}), "percent"),
        (json!({"percent": "1.234"}), "percent"),
        (json!({"percent": "5", "model": "nothing"}), "model"),
        (json!({"percent": "5", "team": "x"}), "team"),
        (json!({"percent": "5", "team": id::render(Kind::Team, 5)}), "team"),
    ] {
        let refused = put(body).await;
        assert_eq!(refused.status, 400, "{refused:?}");
        assert_eq!(refused.json()["error"]["fields"][0]["field"], field, "{refused:?}");
    }
    for body in [
        json!({"percent": "15"}),
        json!({"percent": "10", "team": user.team, "model": "small"}),
        json!({"percent": "12.50", "team": user.team, "model": "small"}),
    ] {
        assert_eq!(put(body).await.status, 200);
    }
    let list = hub.get("/markups", &admin).await.json();
    let rows: Vec<_> = list["data"].as_array().unwrap().iter().collect();
    assert_eq!(rows.len(), 2, "the same team and model have one: {list}");
    assert_eq!((&rows[0]["team"], &rows[0]["percent"]), (&Value::Null, &json!("15")));
    assert_eq!(
        (&rows[1]["team"]["id"], &rows[1]["percent"]),
        (&json!(user.team), &json!("12.5"))
    );

    // What a team is shown is what it is charged; admins see what providers take.
    let price = async |who| {
        hub.get("/models?limit=5&after=smalk", who).await.json()["data"]
            .as_array()
            .unwrap()
            .iter()
            .find(|model| model["id"] == "small")
            .unwrap()["prices"]["input"]
            .clone()
    };
    assert_eq!(
        (price(&user).await, price(&admin).await),
        (json!("1.125"), json!("1.00"))
    );

    let path = format!("/markups/{}", rows[1]["id"].as_str().unwrap());
    for (method, path, body) in [
        (Method::GET, "/markups", Value::Null),
        (Method::PUT, "/markups", json!({"percent": "5"})),
        (Method::DELETE, &path, Value::Null),
        (Method::GET, "/revenue", Value::Null),
    ] {
        assert_eq!(hub.api(method, path, &user.token, body).await.status, 403, "{path}");
    }
    let delete = async || hub.api(Method::DELETE, &path, &admin.token, Value::Null).await.status;
    assert_eq!((delete().await, delete().await), (204, 404));
    let team_id = id::parse(Kind::Team, &user.team).unwrap();
    assert_eq!(hub.app.catalog.markup(team_id, "small"), Markup::parse("15").unwrap());
    let audit = hub.get("/audit?limit=200", &admin).await.text;
    assert!(
        audit.contains("markup.set") && audit.contains("markup.delete"),
        "{audit}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_earned_is_told_by_model_account_and_month_and_adds_up() {
    for hub in harness::everywhere().await {
        let (admin, user) = (
            hub.user("admin@example.com", true).await,
            hub.user("a@example.com", false).await,
        );
        for (model, input) in [("small", "1"), ("large", "1000")] {
            let model = json!({"id": model, "prices": {"input": input, "output": "2"}});
            assert_eq!(hub.post("/models", &admin, model).await.status, 201);
        }
        let key = key_of(&hub, &user, "one").await;
        let first = call(&hub, &user, key, ("small", Outcome::Ok)).await;
        call(&hub, &user, key, ("large", Outcome::Ok)).await;
        call(&hub, &user, key, ("small", Outcome::UpstreamFailed)).await;
        written(&hub).await;
        let path = format!(
            "/teams/{}/requests/{}/adjustments",
            user.team,
            id::render(Kind::Request, first)
        );
        let given = hub
            .post(&path, &admin, json!({"amount": "0.00002", "reason": "late"}))
            .await;
        assert_eq!(given.status, 201, "{given:?}");

        // 100 tokens in and 10 out: 0.00012 of the one, 0.10002 of the other.
        let revenue = hub.get("/revenue", &admin).await.json();
        let shown = &revenue["shown"];
        assert_eq!(
            (
                &shown["requests"],
                &shown["charged"],
                &shown["corrected"],
                &shown["cost"],
                &shown["margin"]
            ),
            (
                &json!(2),
                &json!("0.10014"),
                &json!("0.00002"),
                &json!("0.10014"),
                &json!("-0.00002")
            )
        );
        let models: Vec<_> = revenue["models"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| line["of"]["name"].as_str().unwrap())
            .collect();
        assert_eq!(
            (models, &revenue["accounts"][0]["of"]["name"]),
            (vec!["large", "small"], &json!("Not known"))
        );
        assert_eq!(&revenue["months"][0], shown);
        let empty = hub.get("/revenue?month=2020-02", &admin).await.json();
        assert_eq!(
            (&empty["shown"]["charged"], &empty["models"]),
            (&json!("0.00"), &json!([]))
        );
        assert_eq!(hub.get("/revenue?month=2020-13", &admin).await.status, 400);

        let receipt = hub
            .get(&format!("/requests/{}", id::render(Kind::Request, first)), &admin)
            .await
            .json();
        assert_eq!(receipt["margin"], json!({"markup": "0", "cost": "0.00012"}));
        let own = hub
            .get(
                &format!("/teams/current/requests/{}", id::render(Kind::Request, first)),
                &user,
            )
            .await
            .json();
        assert_eq!(own["margin"], Value::Null, "what it costs is nothing of the team's");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_revenue_work_without_script_and_open_to_platform_admins_alone() {
    let hub = harness::spawn().await;
    let (admin, _) = (
        hub.user("admin@example.com", true).await,
        hub.user("a@example.com", false).await,
    );
    let enter = async |email: &str| {
        let entered = hub
            .form("log_in", "", &format!("email={email}&password={PASSWORD}"))
            .await;
        entered.cookie("ourhub").unwrap().0
    };
    let (session, other) = (enter("admin@example.com").await, enter("a@example.com").await);
    let key = key_of(&hub, &admin, "one").await;
    let model = json!({"id": "=small", "prices": {"input": "1", "output": "2"}});
    assert_eq!(hub.post("/models", &admin, model).await.status, 201);
    call(&hub, &admin, key, ("=small", Outcome::Ok)).await;
    written(&hub).await;
    let page = hub.page("/admin/revenue", &session).await;
    assert!(
        page.text.contains("By upstream account") && page.text.contains("=small"),
        "{}",
        page.text
    );
    let file = hub.page("/admin/revenue.csv", &session).await;
    assert!(file.header("content-disposition").contains("revenue-"));
    assert!(
        file.text
            .contains("model,'=small,1,0.000120000,,0.000120000,0.000000000\r\n"),
        "{}",
        file.text
    );
    for path in ["/admin/revenue", "/admin/revenue/markups", "/admin/revenue.csv"] {
        assert_eq!(hub.page(path, &other).await.status, 403, "{path}");
    }

    let set = hub.form("set_markup", &session, "team=&model=&percent=15%25").await;
    assert_eq!((set.status, set.location()), (302, "/admin/revenue/markups"));
    let page = hub.page("/admin/revenue/markups", &session).await;
    assert!(
        page.text.contains("Every team") && page.text.contains("15%"),
        "{}",
        page.text
    );
    let refused = hub.form("set_markup", &session, "team=&model=&percent=lots").await;
    let (flash, _) = refused.cookie("ourhub-flash").unwrap();
    let page = hub.page("/admin/revenue/markups", &format!("{session}; {flash}")).await;
    assert!(
        page.text.contains("Write a percentage") && page.text.contains("lots"),
        "{}",
        page.text
    );
}
