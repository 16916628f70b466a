//! The monthly statement is the ledger to the nano-dollar, in the team's time zone, also where clocks are changed.

use crate::harness::{self, Hub, User};
use entity::{entry, hold};
use gateway_core::{
    id::{self, Kind},
    money::Nano,
};
use jiff::{Timestamp, tz::TimeZone};
use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel, PaginatorTrait};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const HOUR_MS: i64 = 3_600_000;
/// 2026-09-15T00:00:00Z, before clocks are changed in both halves of the world.
const BEGIN_MS: i64 = 1_789_430_400_000;

/// Charges every 7 h and some minutes for a hundred days, and an entry now and then; each with its time and signed amount.
async fn history(hub: &Hub, user: &User) -> Vec<(i64, i64)> {
    let team_id = id::parse(Kind::Team, &user.team).unwrap();
    let before = hold::Entity::find().count(&hub.app.db).await.unwrap();
    let before = u32::try_from(before).unwrap();
    let mut lines = Vec::new();
    let mut hours: BTreeMap<(i64, String), i64> = BTreeMap::new();
    let mut holds = Vec::new();
    for step in 0..340_i64 {
        let at_ms = BEGIN_MS + step * (7 * HOUR_MS + 17 * 60_000 + 13);
        let (posted, model) = (
            1_234_567 + step * 7_919,
            ["small", "large"][usize::try_from(step % 2).unwrap()],
        );
        *hours.entry((at_ms / HOUR_MS * HOUR_MS, model.to_owned())).or_default() += posted;
        lines.push((at_ms, -posted));
        holds.push(charge((team_id, before), (at_ms, step), posted, model).into_active_model());
        if step % 50 == 0 {
            let row = entry::Model {
                id: id::at(at_ms, 900_000 + before),
                team_id,
                kind: "grant".to_owned(),
                amount: 5_000_000_001 + step,
                reason: "=cmd".to_owned(),
                actor_id: None,
                hold_id: None,
                buckets: String::new(),
                created_at: at_ms,
                batch: i64::from(before) + step + 1,
            };
            lines.push((at_ms, row.amount));
            row.into_active_model().insert(&hub.app.db).await.unwrap();
        }
    }
    hold::Entity::insert_many(holds)
        .exec_without_returning(&hub.app.db)
        .await
        .unwrap();
    for ((hour, model), posted) in hours {
        hub.used(team_id, (hour, &model), posted).await;
    }
    lines
}

fn charge((team_id, before): (i64, u32), (at_ms, low): (i64, i64), posted: i64, model: &str) -> hold::Model {
    let hold_id = id::at(at_ms, before + u32::try_from(low).unwrap());
    hold::Model {
        id: hold_id,
        request_id: hold_id,
        team_id,
        key_id: 1,
        member_id: None,
        model: model.to_owned(),
        asked: None,
        operation: "chat".to_owned(),
        is_stream: false,
        is_own: false,
        price_id: 1,
        markup: 0,
        buckets: String::new(),
        state: 1,
        held: posted,
        posted,
        overrun: 0,
        input: 0,
        cache_read: 0,
        cache_write: 0,
        output: 0,
        reasoning: 0,
        details: None,
        outcome: 0,
        status: 200,
        attempts: "[]".to_owned(),
        notes: String::new(),
        failovers: 0,
        ttft_ms: None,
        total_ms: Some(1),
        started_at: at_ms,
        finished_at: Some(at_ms + 1),
        node_id: 1,
        batch: 1,
    }
}

fn nano(value: &Value) -> i64 {
    Nano::parse(value.as_str().unwrap()).unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_add_up_to_the_ledger_in_every_zone_across_changes_of_clocks() {
    for hub in harness::everywhere().await {
        let user = hub.user("a@example.com", false).await;
        let lines = history(&hub, &user).await;
        // What another team did at the same times is none of its business.
        history(&hub, &hub.user("neighbour@example.com", false).await).await;
        for zone_name in [
            "UTC",
            "Europe/Berlin",
            "America/St_Johns",
            "Australia/Lord_Howe",
            "Asia/Kathmandu",
        ] {
            let moved = hub
                .patch("/teams/current", &user, json!({"time_zone": zone_name}))
                .await;
            assert_eq!(moved.status, 200, "{moved:?}");
            let zone = TimeZone::get(zone_name).unwrap();
            let date = |at_ms: i64| {
                Timestamp::from_millisecond(at_ms)
                    .unwrap()
                    .to_zoned(zone.clone())
                    .date()
                    .to_string()
            };
            let mut closing = 0;
            for month in ["2026-08", "2026-09", "2026-10", "2026-11", "2026-12", "2027-01"] {
                let path = format!("/teams/current/statement?month={month}");
                let statement = hub.get(&path, &user).await.json();
                let mine = lines.iter().filter(|(at_ms, _)| date(*at_ms).starts_with(month));
                let mut days: BTreeMap<String, i64> = BTreeMap::new();
                let (mut entered, mut charged) = (0, 0);
                for (at_ms, amount) in mine {
                    if *amount > 0 {
                        entered += amount;
                    } else {
                        charged -= amount;
                        *days.entry(date(*at_ms)).or_default() -= amount;
                    }
                }
                let note = format!("{zone_name} {month}");
                assert_eq!(nano(&statement["opening"]), closing, "{note}");
                assert_eq!(
                    (nano(&statement["entered"]), nano(&statement["charged"])),
                    (entered, charged),
                    "{note}"
                );
                closing += entered - charged;
                assert_eq!(nano(&statement["closing"]), closing, "{note}");
                let told = statement["days"].as_array().unwrap().iter();
                let told = told.map(|day| (day["of"].as_str().unwrap().to_owned(), nano(&day["charged"])));
                assert_eq!(told.collect::<BTreeMap<_, _>>(), days, "{note}");
                let models = statement["models"].as_array().unwrap().iter();
                assert_eq!(
                    models.map(|model| nano(&model["charged"])).sum::<i64>(),
                    charged,
                    "{note}"
                );
            }
            assert_eq!(
                closing,
                lines.iter().map(|(_, amount)| amount).sum::<i64>(),
                "{zone_name}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_and_the_file_of_a_month_say_the_same_and_a_wrong_month_is_named() {
    let hub = harness::spawn().await;
    let cookie = hub.sign_up("owner@example.com").await;
    let person = hub.app.auth.find_person("owner@example.com").await.unwrap();
    let token = hub
        .app
        .auth
        .create_token(&person, server::clock::now_ms())
        .await
        .unwrap();
    let mut user = User {
        team: String::new(),
        id: String::new(),
        token: token.shown,
    };
    user.team = hub.get("/teams", &user).await.json()["data"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    history(&hub, &user).await;
    history(&hub, &hub.user("neighbour@example.com", false).await).await;
    let statement = hub.get("/teams/current/statement?month=2026-10", &user).await.json();
    let file = hub.page("/billing/statement.csv?month=2026-10", &cookie).await;
    assert_eq!(file.header("content-type"), "text/csv; charset=utf-8");
    let rows: Vec<Vec<&str>> = file
        .text
        .lines()
        .skip(1)
        .map(|line| line.split(',').collect())
        .collect();
    let amount = |row: &Vec<&str>| Nano::parse(row[4]).unwrap().0;
    let (first, last) = (rows.first().unwrap(), rows.last().unwrap());
    assert_eq!((first[0], last[0]), ("opening", "closing"));
    let between: i64 = rows[1..rows.len() - 1].iter().map(amount).sum();
    assert_eq!(amount(first) + between, amount(last));
    assert_eq!(amount(last), nano(&statement["closing"]));
    assert!(file.text.contains("'=cmd"), "no cell is a formula");
    let page = hub.page("/billing/statement?month=2026-10", &cookie).await.text;
    assert!(
        page.contains("Statement, October 2026") && page.contains("Charges by day"),
        "{page}"
    );
    for wrong in ["2026-13", "october", "2026-1"] {
        let refused = hub.get(&format!("/teams/current/statement?month={wrong}"), &user).await;
        assert_eq!(refused.status, 400, "{wrong}");
        assert!(refused.text.contains("\"month\""));
    }
    let kinds = hub
        .get("/teams/current/ledger?kind=grant&from=2026-10-01&to=2026-10-31", &user)
        .await
        .json();
    let kinds = kinds["data"].as_array().unwrap();
    assert!(!kinds.is_empty() && kinds.iter().all(|line| line["kind"] == "grant"));
    let sum: i64 = kinds.iter().map(|line| nano(&line["amount"])).sum();
    assert_eq!(sum, nano(&statement["entered"]));
    let charges = hub
        .get(
            "/teams/current/ledger?kind=charge&from=2026-10-01&to=2026-10-31&limit=200",
            &user,
        )
        .await
        .json();
    let charges = charges["data"].as_array().unwrap();
    let sum: i64 = charges.iter().map(|line| -nano(&line["amount"])).sum();
    assert_eq!(sum, nano(&statement["charged"]));
}
