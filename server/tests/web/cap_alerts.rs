//! Alerts about caps: each share is told once a period, to whom the team says, on the page and by mail.

use crate::harness::{self, Hub, PASSWORD, User};
use entity::bucket;
use gateway_core::id::{self, Kind};
use reqwest::Method;
use sea_orm::{ActiveModelTrait as _, ColumnTrait as _, EntityTrait as _, QueryFilter as _, Set, sea_query::Expr};
use serde_json::{Value, json};
use server::{cap_alerts, clock};

const DOLLAR: i64 = 1_000_000_000;
const HOUR_MS: i64 = 3_600_000;

/// A bucket of a period that runs, in which `posted` was charged.
async fn spend(hub: &Hub, team: &str, (scope, scope_id, kind): (&str, i64, &str), posted: i64) {
    let now = clock::now_ms();
    let row = bucket::ActiveModel {
        id: Set(clock::new_id()),
        scope: Set(scope.to_owned()),
        scope_id: Set(scope_id),
        team_id: Set(id::parse(Kind::Team, team).unwrap()),
        kind: Set(kind.to_owned()),
        period_start: Set(if kind == "total" { 0 } else { now - HOUR_MS }),
        period_end: Set((kind != "total").then_some(now + HOUR_MS)),
        time_zone: Set("UTC".to_owned()),
        posted: Set(posted),
        overrun: Set(0),
        held: Set(0),
        leased: Set(0),
        credit: Set(0),
    };
    row.insert(&hub.app.db).await.unwrap();
}

async fn charge(hub: &Hub, scope: &str, posted: i64) {
    bucket::Entity::update_many()
        .col_expr(bucket::Column::Posted, Expr::value(posted))
        .filter(bucket::Column::Scope.eq(scope))
        .exec(&hub.app.db)
        .await
        .unwrap();
}

async fn scan(hub: &Hub) -> u64 {
    cap_alerts::scan(&hub.app.db, (&hub.app.mail, &hub.app.webhooks), clock::now_ms())
        .await
        .unwrap()
}

async fn told(hub: &Hub, user: &User) -> Vec<(String, i64)> {
    let listed = hub.get(&format!("/teams/{}/alerts", user.team), user).await.json();
    let row = |row: &Value| {
        (
            row["name"].as_str().unwrap().to_owned(),
            row["percent"].as_i64().unwrap(),
        )
    };
    listed["data"].as_array().unwrap().iter().map(row).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_share_of_a_cap_is_told_once_and_anew_when_the_cap_is_another() {
    for hub in harness::everywhere().await {
        let owner = hub.user("owner@example.com", false).await;
        let team = id::parse(Kind::Team, &owner.team).unwrap();
        hub.patch("/teams/current", &owner, json!({"cap_day": "10"})).await;
        spend(&hub, &owner.team, ("team", team, "day"), 4 * DOLLAR).await;
        assert_eq!(scan(&hub).await, 0, "less than half");
        charge(&hub, "team", 5 * DOLLAR).await;
        assert_eq!((scan(&hub).await, scan(&hub).await), (1, 0), "once");
        charge(&hub, "team", 10 * DOLLAR).await;
        assert_eq!(
            (scan(&hub).await, scan(&hub).await),
            (1, 0),
            "one mail about two shares"
        );
        let name = "owner".to_owned();
        let mut shares = told(&hub, &owner).await;
        shares.sort_unstable();
        assert_eq!(shares, [(name.clone(), 50), (name.clone(), 80), (name.clone(), 100)]);
        let mails = hub.app.mail.list(None, 10).await.unwrap();
        assert_eq!(mails[0].subject, "All of the daily cap of the team owner is spent");
        assert_eq!(mails[0].recipient, "owner@example.com");
        hub.patch("/teams/current", &owner, json!({"cap_day": "20"})).await;
        assert_eq!(scan(&hub).await, 1, "half of the new cap");
        hub.patch("/teams/current", &owner, json!({"cap_day": null})).await;
        charge(&hub, "team", 100 * DOLLAR).await;
        assert_eq!(scan(&hub).await, 0, "no cap");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn caps_of_members_and_keys_are_told_and_many_processes_tell_once() {
    for hub in harness::everywhere().await {
        let owner = hub.user("owner@example.com", false).await;
        let lena = hub.join("lena@example.com", &owner.team).await;
        let member = format!("/teams/current/members/{}", lena.id);
        hub.patch(&member, &owner, json!({"cap_month": "10"})).await;
        let made = hub
            .post(
                "/teams/current/keys",
                &owner,
                json!({"name": "ci", "cap_total": "2", "cap_day": "100"}),
            )
            .await
            .json();
        let key = id::parse(Kind::Key, made["id"].as_str().unwrap()).unwrap();
        let user = id::parse(Kind::User, &lena.id).unwrap();
        spend(&hub, &owner.team, ("member", user, "month"), 8 * DOLLAR).await;
        spend(&hub, &owner.team, ("key", key, "total"), DOLLAR).await;
        hub.join("ops@example.com", &owner.team).await;
        let new = json!({"emails": ["Ops@example.com", "ops@example.com", "lena@example.com"]});
        let path = "/teams/current/alert-addresses";
        let set = hub.api(Method::PUT, path, &owner.token, new).await;
        assert_eq!(
            set.json(),
            json!({"emails": ["lena@example.com", "ops@example.com"]}),
            "{set:?}"
        );
        let all = futures_util::future::join_all((0..6).map(|_| scan(&hub))).await;
        assert_eq!(all.iter().sum::<u64>(), 4, "two caps, two readers: {all:?}");
        let mut shares = told(&hub, &owner).await;
        shares.sort_unstable();
        let share = |name: &str, percent| (name.to_owned(), percent);
        assert_eq!(
            shares,
            [
                share("ci", 50),
                share("lena@example.com", 50),
                share("lena@example.com", 80)
            ]
        );
        let mails = hub.app.mail.list(None, 10).await.unwrap();
        assert!(
            mails
                .iter()
                .all(|mail| ["ops@example.com", "lena@example.com"].contains(&mail.recipient.as_str()))
        );
        hub.user("stranger@example.com", false).await;
        for wrong in ["nobody", "stranger@example.com", "victim@example.org"] {
            let refused = hub
                .api(Method::PUT, path, &owner.token, json!({"emails": [wrong]}))
                .await;
            assert_eq!(
                (refused.status, &refused.json()["error"]["fields"][0]["field"]),
                (400, &json!("emails")),
                "{wrong}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_lists_alerts_and_takes_addresses() {
    let hub = harness::spawn().await;
    let owner = hub.user("owner@example.com", false).await;
    let team = id::parse(Kind::Team, &owner.team).unwrap();
    let entered = hub
        .form("log_in", "", &format!("email=owner@example.com&password={PASSWORD}"))
        .await;
    let (cookie, _) = entered.cookie("ourhub").unwrap();
    assert!(hub.page("/alerts", &cookie).await.text.contains("No cap is half spent"));
    hub.patch("/teams/current", &owner, json!({"cap_month": "10"})).await;
    spend(&hub, &owner.team, ("team", team, "month"), 9 * DOLLAR).await;
    scan(&hub).await;
    let page = hub.page("/alerts", &cookie).await.text;
    for said in ["Monthly cap of the team", "80%", "$9.00 of $10.00"] {
        assert!(page.contains(said), "{said}: {page}");
    }
    let wrong = hub.form("set_alert_addresses", &cookie, "emails=a%40b+nobody").await;
    let (flash, _) = wrong.cookie("ourhub-flash").unwrap();
    let page = hub.page("/alerts", &format!("{cookie}; {flash}")).await.text;
    assert!(page.contains("id=\"emails-error\""), "{page}");
    let other = hub
        .form("set_alert_addresses", &cookie, "emails=ops%40example.com")
        .await;
    let (flash, _) = other.cookie("ourhub-flash").unwrap();
    let page = hub.page("/alerts", &format!("{cookie}; {flash}")).await.text;
    assert!(page.contains("ops@example.com is nobody of the team"), "{page}");
    hub.join("ops@example.com", &owner.team).await;
    let saved = hub
        .form("set_alert_addresses", &cookie, "emails=ops%40example.com")
        .await;
    assert_eq!(saved.location(), "/alerts");
    assert!(
        hub.page("/alerts", &cookie)
            .await
            .text
            .contains("value=\"ops@example.com\"")
    );
    let log = server::audit::list(&hub.app.db, None, None, 1).await.unwrap();
    assert_eq!(log[0].action, "team.alert_addresses");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_changes_a_cap_over_and_over_fills_no_mailbox_and_who_left_is_not_written_to() {
    for hub in harness::everywhere().await {
        let owner = hub.user("owner@example.com", false).await;
        let lena = hub.join("lena@example.com", &owner.team).await;
        let team = id::parse(Kind::Team, &owner.team).unwrap();
        let path = "/teams/current/alert-addresses";
        hub.api(Method::PUT, path, &owner.token, json!({"emails": ["lena@example.com"]}))
            .await;
        let member = format!("/teams/{}/members/{}", owner.team, lena.id);
        hub.api(Method::DELETE, &member, &owner.token, Value::Null).await;
        spend(&hub, &owner.team, ("team", team, "day"), 20 * DOLLAR).await;
        for nano in 0..25 {
            let cap = format!("10.{nano:09}");
            hub.patch("/teams/current", &owner, json!({"cap_day": cap})).await;
            scan(&hub).await;
        }
        let mails = hub.app.mail.list(None, 50).await.unwrap();
        assert_eq!(mails.len(), 20, "a day");
        assert!(
            mails.iter().all(|mail| mail.recipient == "owner@example.com"),
            "{mails:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepaid_balance_is_told_once_when_it_will_not_last_once_when_it_is_used_up_and_anew_after_a_payment() {
    for words in harness::databases().await {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let hub = harness::spawn_with(&words).await;
        let user = hub.user("a@example.com", false).await;
        let team_id = id::parse(Kind::Team, &user.team).unwrap();
        hub.used(team_id, (clock::now_ms(), "small"), 7 * DOLLAR).await;
        let pay = async |dollars: i64| {
            let grant = server::ledger::Grant {
                team_id,
                kind: "grant".to_owned(),
                amount: gateway_core::money::Nano(dollars * DOLLAR),
                reason: "test".to_owned(),
                actor_id: None,
            };
            hub.app.ledger.grant(grant).await.unwrap();
        };
        let look = async || {
            let areas = (&hub.app.mail, &hub.app.webhooks);
            cap_alerts::scan_wallets(&hub.app.db, areas, clock::now_ms())
                .await
                .unwrap()
        };
        pay(10).await;
        assert_eq!(look().await, 0, "a dollar a day, and ten are left");
        charge(&hub, "team", 7 * DOLLAR).await;
        let auto = entity::auto_top_up::Model {
            team_id,
            is_on: 1,
            below: 500,
            cents: 1_000,
            max_day: 5_000,
            note: String::new(),
            changed_at: 0,
        };
        let auto = sea_orm::IntoActiveModel::into_active_model(auto);
        let auto = auto.insert(&hub.app.db).await.unwrap();
        assert_eq!(look().await, 0, "it is topped up by itself");
        sea_orm::ModelTrait::delete(auto, &hub.app.db).await.unwrap();
        assert_eq!((look().await, look().await), (1, 0), "three are left");
        charge(&hub, "team", 10 * DOLLAR).await;
        assert_eq!((look().await, look().await), (1, 0), "nothing is left");
        pay(100).await;
        assert_eq!(look().await, 0);
        charge(&hub, "team", 109 * DOLLAR).await;
        assert_eq!(look().await, 1, "of what was paid since it is told anew");
        let name = user_team(&hub, &user).await;
        assert_eq!(
            told(&hub, &user).await,
            [(name.clone(), 80), (name.clone(), 100), (name, 80)]
        );
    }
}

async fn user_team(hub: &Hub, user: &User) -> String {
    let team = hub.get("/teams/current", user).await.json();
    team["name"].as_str().unwrap().to_owned()
}
