//! What was used, from holds that the ledger itself wrote: lists, filters, sums, receipts, the export.

use crate::harness::{self, Hub, User};
use gateway_core::{
    id::{self, Kind},
    ledger::{Caps, Outcome, Payer},
    money::Nano,
    usage::Usage,
};
use serde_json::{Value, json};
use server::{
    clock,
    ledger::{Ask, Closing, Opening},
    metering::Attempt,
};

/// A request of `user`'s key `key_id` for `model`, ended as `outcome`; returns its id.
pub async fn call(hub: &Hub, user: &User, key_id: i64, (model, outcome): (&str, Outcome)) -> i64 {
    let (price_id, sheet) = hub.app.catalog.price_at(model, clock::now_ms()).unwrap();
    let ask = Ask {
        payer: Payer {
            team_id: id::parse(Kind::Team, &user.team).unwrap(),
            team_zone: "UTC".to_owned(),
            team: Caps::default(),
            member: None,
            key_id,
            key: Caps::default(),
        },
        amount: Nano(5_000_000),
        wait_ms: 0,
        now_ms: clock::now_ms(),
        record: Opening {
            request_id: None,
            model: model.into(),
            asked: None,
            operation: "chat",
            is_stream: true,
            is_own: false,
            price_id,
            markup: gateway_core::pricing::Markup::NONE,
        },
    };
    let hold = hub.app.ledger.admit(ask).await.unwrap();
    hold.durable().await.unwrap();
    let request_id = hold.request_id();
    let usage = Usage {
        input: 100,
        output: 10,
        ..Usage::default()
    };
    let attempt = json!([{"account": "7", "provider": "openai", "outcome": "ok", "status": 200, "started_ms": 1, "took_ms": 20, "note": ""}]);
    assert_eq!(Attempt::parse_list(&attempt.to_string()).len(), 1);
    let is_ok = outcome == Outcome::Ok;
    let closing = Closing {
        usage,
        charge: gateway_core::pricing::charge(&sheet, &usage).unwrap(),
        outcome,
        status: if is_ok { 200 } else { 502 },
        attempts: attempt.to_string(),
        notes: json!(["max_tokens cut to 10"]).to_string(),
        failovers: 1,
        ttft_ms: Some(40),
        total_ms: 60,
        finished_at_ms: clock::now_ms(),
        ..Closing::default()
    };
    if is_ok {
        hold.post(closing)
    } else {
        hold.void(closing)
    }
    request_id
}

pub async fn written(hub: &Hub) {
    while hub.app.ledger.status().queued > 0 {
        tokio::task::yield_now().await;
    }
}

pub async fn key_of(hub: &Hub, user: &User, name: &str) -> i64 {
    let made = hub
        .post("/teams/current/keys", user, json!({"name": name}))
        .await
        .json();
    id::parse(Kind::Key, made["id"].as_str().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_listed_filtered_summed_and_receipted() {
    for hub in harness::everywhere().await {
        check_usage(hub).await;
    }
}

async fn check_usage(hub: Hub) {
    let admin = hub.user("admin@example.com", true).await;
    let user = hub.user("a@example.com", false).await;
    for (model, input) in [("small", "1"), ("large", "1000")] {
        hub.post(
            "/models",
            &admin,
            json!({"id": model, "prices": {"input": input, "output": "2"}}),
        )
        .await;
    }
    let (one, other) = (key_of(&hub, &user, "=one").await, key_of(&hub, &user, "other").await);
    let first = call(&hub, &user, one, ("small", Outcome::Ok)).await;
    call(&hub, &user, one, ("large", Outcome::Ok)).await;
    let failed = call(&hub, &user, other, ("small", Outcome::UpstreamFailed)).await;
    written(&hub).await;

    let all = hub.get("/teams/current/requests", &user).await.json();
    assert_eq!(all["data"].as_array().unwrap().len(), 3);
    assert_eq!(
        (&all["data"][0]["outcome"], &all["data"][0]["status"]),
        (&json!("upstream_failed"), &json!(502))
    );
    assert_eq!(all["data"][0]["id"], id::render(Kind::Request, failed));
    let page = hub.get("/teams/current/requests?limit=2", &user).await.json();
    let rest = hub
        .get(
            &format!("/teams/current/requests?after={}", page["next"].as_str().unwrap()),
            &user,
        )
        .await
        .json();
    assert_eq!(
        (rest["data"].as_array().unwrap().len(), &rest["data"][0]["id"]),
        (1, &json!(id::render(Kind::Request, first)))
    );
    for (filter, count) in [
        (format!("key={}", id::render(Kind::Key, one)), 2),
        ("model=small".to_owned(), 2),
        ("outcome=ok".to_owned(), 2),
        ("outcome=running".to_owned(), 0),
        ("from=2099-01-01T00:00:00Z".to_owned(), 0),
        ("to=2020-01-01T00:00:00Z".to_owned(), 0),
    ] {
        let found = hub
            .get(&format!("/teams/current/requests?{filter}"), &user)
            .await
            .json();
        assert_eq!(found["data"].as_array().unwrap().len(), count, "{filter}");
    }

    let by_model = hub.get("/teams/current/usage?group_by=model", &user).await.json();
    assert_eq!(
        (&by_model["data"][0]["group"], &by_model["data"][0]["charged"]),
        (&json!("large"), &json!("0.10002"))
    );
    assert_eq!(
        (&by_model["data"][1]["requests"], &by_model["data"][1]["failed"]),
        (&json!(2), &json!(1))
    );
    let top = hub.get("/teams/current/usage?limit=1", &user).await.json();
    assert_eq!(
        (top["data"].as_array().unwrap().len(), &top["next"]),
        (1, &json!("large"))
    );
    let rest = hub.get("/teams/current/usage?limit=1&after=large", &user).await.json();
    assert_eq!(
        (&rest["data"][0]["group"], &rest["next"]),
        (&json!("small"), &Value::Null)
    );
    let by_key = hub.get("/teams/current/usage?group_by=key", &user).await.json();
    assert_eq!(
        (&by_key["data"][0]["label"], &by_key["data"][0]["usage"]["input"]),
        (&json!("=one"), &json!(200))
    );
    for group in ["member", "day", "hour"] {
        let sums = hub
            .get(&format!("/teams/current/usage?group_by={group}"), &user)
            .await
            .json();
        assert_eq!(sums["data"][0]["requests"], 3, "{group}: {sums}");
    }
    let overview = hub.get("/teams/current/overview", &user).await.json();
    assert_eq!(
        (&overview["requests"], &overview["failovers"], &overview["ttft_ms"]),
        (&json!(3), &json!(3), &json!(40))
    );
    assert_eq!(
        (&overview["series"], &overview["day"]["posted"]),
        (&json!(["large", "small"]), &json!("0.10014"))
    );
    assert_eq!(overview["bars"][29]["charged"], json!(["0.10002", "0.00012"]));

    let receipt = hub
        .get(
            &format!("/teams/current/requests/{}", id::render(Kind::Request, first)),
            &user,
        )
        .await
        .json();
    assert_eq!(
        receipt["lines"][0],
        json!({"kind": "input", "tokens": 100, "price": "1.00", "amount": "0.0001"})
    );
    assert_eq!(
        (&receipt["charged"], &receipt["holds"][0]["state"]),
        (&json!("0.00012"), &json!("posted"))
    );
    assert_eq!(
        (&receipt["trail"][0]["account"], &receipt["notes"][0]),
        (
            &json!("OpenAI, an account that is gone"),
            &json!("max_tokens cut to 10")
        )
    );
    assert!(
        receipt["holds"][0]["against"]
            .as_array()
            .unwrap()
            .contains(&json!("team wallet")),
        "{receipt}"
    );
    let ledger = hub.get("/teams/current/ledger", &user).await.json();
    assert_eq!(
        (&ledger["data"][1]["amount"], &ledger["data"][1]["kind"]),
        (&json!("-0.00012"), &json!("charge"))
    );
    assert_eq!(
        hub.get("/requests", &admin).await.json()["data"][0]["team"]["name"],
        "a"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_export_has_every_row_and_no_formula() {
    let hub = harness::spawn().await;
    let cookie = hub.sign_up("a@example.com").await;
    let person = hub.app.auth.find_person("a@example.com").await.unwrap();
    let token = hub.app.auth.create_token(&person, clock::now_ms()).await.unwrap().shown;
    let teams = hub
        .api(reqwest::Method::GET, "/teams", &token, json!(null))
        .await
        .json();
    let user = User {
        team: teams["data"][0]["id"].as_str().unwrap().to_owned(),
        id: id::render(Kind::User, person.user_id),
        token,
    };
    hub.post(
        "/models",
        &user,
        json!({"id": "small", "prices": {"input": "1", "output": "2"}}),
    )
    .await;
    let key = key_of(&hub, &user, "=cmd()").await;
    for _ in 0..3 {
        call(&hub, &user, key, ("small", Outcome::Ok)).await;
    }
    written(&hub).await;
    let file = hub.page("/usage.csv?model=small", &cookie).await;
    assert_eq!(file.header("content-type"), "text/csv; charset=utf-8");
    let lines: Vec<&str> = file.text.lines().collect();
    assert_eq!(lines.len(), 4, "{}", file.text);
    assert!(
        lines[1].contains(",'=cmd(),") && lines[1].contains(",0.00012,"),
        "{}",
        lines[1]
    );
}
