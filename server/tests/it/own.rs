//! Teams' own upstream accounts: who is served by them, what that costs whom, and that nobody else ever sees them.

use crate::harness::{Answer, HELLO, Hub, Key, Setup, everywhere, hello, hello_streamed, spawn};
use crate::upstream::{Arrived, Reply};
use gateway_core::id::{Kind as IdKind, render};
use gateway_core::money::Nano;
use sea_orm::{ActiveModelTrait as _, Set};
use serde_json::Value;
use server::accounts::Change;
use server::auth::NewUser;
use server::clock;
use server::keys::KeySettings;
use server::ledger::{Grant, Kind, Series};
use server::secrets::Secret;
use server::teams::{self, TeamPatch, TeamScope};

fn prepaid() -> Setup {
    Setup {
        flags: vec!["--prepaid"],
        ..Setup::default()
    }
}

async fn grant(hub: &Hub, amount: Nano) {
    let grant = Grant {
        team_id: hub.team.team_id(),
        kind: "grant".to_owned(),
        amount,
        reason: "test".to_owned(),
        actor_id: Some(hub.admin.user_id),
    };
    hub.app.ledger.grant(grant).await.unwrap();
}

/// What the wallet has paid, and what all caps of `key` have counted.
async fn sums(hub: &Hub, key: &Key<'_>) -> (Nano, Nano) {
    hub.quiet().await;
    let team = hub.team.team_id();
    let total = Series::key(team, key.id, Kind::Total);
    let day = Series::team(team, Kind::Day);
    let spent = hub
        .app
        .ledger
        .spent(&[total, day], "UTC", clock::now_ms())
        .await
        .unwrap();
    assert_eq!(
        spent[0].posted, spent[1].posted,
        "the team's day counts what the key's total does"
    );
    (hub.app.ledger.balance(team).await.unwrap().posted, spent[0].posted)
}

/// Another team and a key of it.
async fn stranger(hub: &Hub) -> (TeamScope, String) {
    let new = NewUser {
        email: "stranger@example.com",
        password: "moonlit-otter",
    };
    let made = hub.app.auth.create_user(new, false, clock::now_ms()).await.unwrap();
    let team = teams::scope(&hub.app.db, &made.person, made.team_id).await.unwrap();
    let settings = KeySettings::named("strange");
    let made = hub.app.keys.create(&team, settings, clock::now_ms()).await.unwrap();
    (team, made.shown)
}

async fn get_as(hub: &Hub, key: &str, path: &str) -> Answer {
    let request = hub.client.get(hub.url(path)).bearer_auth(key);
    Answer::read(request.send().await.unwrap()).await
}

async fn chat_as(hub: &Hub, key: &str, body: &Value) -> Answer {
    let request = hub.client.post(hub.url("/v1/chat/completions")).bearer_auth(key);
    let request = request
        .header("content-type", "application/json")
        .body(body.to_string());
    Answer::read(request.send().await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_own_account_goes_first_and_the_wallet_pays_only_what_the_platforms_serve() {
    for hub in everywhere(prepaid()).await {
        hub.account("platform").await;
        hub.own_account(&hub.team, "own").await;
        let key = hub.key().await;
        // The wallet is empty: an own account needs none.
        for body in [hello(), hello_streamed()] {
            assert_eq!(key.chat(&body).await.status, 200);
        }
        assert_eq!(sums(&hub, &key).await, (Nano::ZERO, Nano(2 * HELLO.0)));
        assert!(
            hub.holds()
                .await
                .iter()
                .all(|hold| hold.is_own && hold.posted == HELLO.0)
        );

        hub.upstream.answer("own", Reply::error(500, "server_error"));
        let refused = key.chat(&hello()).await;
        assert_eq!((refused.status, refused.code().as_str()), (429, "insufficient_quota"));
        assert!(
            hub.upstream.arrived("platform").is_empty(),
            "what could not be paid is not asked for"
        );
        assert_eq!(sums(&hub, &key).await, (Nano::ZERO, Nano(2 * HELLO.0)));

        grant(&hub, Nano(1_000_000_000)).await;
        let answer = key.chat(&hello()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(hub.upstream.arrived("platform").len(), 1);
        assert_eq!(sums(&hub, &key).await, (HELLO, Nano(3 * HELLO.0)));
        drop(key);
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_own_account_may_have_billed_is_counted_and_the_fallback_is_charged_by_itself() {
    for hub in everywhere(prepaid()).await {
        hub.account("platform").await;
        hub.own_account(&hub.team, "own").await;
        grant(&hub, Nano(1_000_000_000)).await;
        let key = hub.key().await;
        // It was sent, and nobody knows what became of it.
        hub.upstream.answer("own", Reply::hang_up());
        let answer = key.chat(&hello()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let holds = hub.holds().await;
        let posted: Vec<(bool, bool)> = holds.iter().map(|hold| (hold.is_own, hold.posted > 0)).collect();
        assert_eq!(posted, [(true, true), (false, true)], "{holds:?}");
        let (wallet, counted) = sums(&hub, &key).await;
        assert_eq!((wallet, counted), (HELLO, Nano(HELLO.0 + holds[0].posted)));
        drop(key);
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_teams_account_is_neither_asked_nor_seen() {
    let hub = spawn().await;
    let own = hub.own_account(&hub.team, "own").await;
    let key = hub.key().await;
    assert_eq!(key.chat(&hello()).await.status, 200);
    let models = |answer: Answer| answer.json()["data"].as_array().unwrap().len();
    assert!(models(key.get("/v1/models").await) > 0);

    let (team, strange) = stranger(&hub).await;
    assert_eq!(models(get_as(&hub, &strange, "/v1/models").await), 0);
    let refused = chat_as(&hub, &strange, &hello()).await;
    assert!(refused.status >= 400, "{refused:?}");
    assert_eq!(hub.upstream.arrived("own").len(), 1, "it is asked by its team alone");
    // Not by its id either.
    let theirs = hub.app.fleet.of(Some(team.team_id()));
    assert!(theirs.get(own).await.is_err() && theirs.test(own).await.is_err());
    assert!(theirs.delete(own).await.is_err() && theirs.list().await.unwrap().is_empty());
    assert!(hub.app.fleet.get(own).await.is_err(), "nor by the platform's list");
    // An account of their own serves them, and not the first team.
    hub.own_account(&team, "theirs").await;
    assert_eq!(chat_as(&hub, &strange, &hello()).await.status, 200);
    assert_eq!(key.chat(&hello()).await.status, 200);
    assert_eq!(
        (hub.upstream.arrived("own").len(), hub.upstream.arrived("theirs").len()),
        (2, 1)
    );
    let metrics = key.get("/metrics").await.text();
    assert!(!metrics.contains(&render(IdKind::Account, own)), "{metrics}");
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_team_that_wants_its_own_accounts_alone_is_refused_where_they_fail() {
    let hub = spawn().await;
    hub.account("platform").await;
    hub.own_account(&hub.team, "own").await;
    let patch = TeamPatch {
        uses_platform: Some(false),
        ..TeamPatch::default()
    };
    teams::update(&hub.app.db, &hub.team, patch).await.unwrap();
    let key = hub.key().await;
    assert_eq!(key.chat(&hello()).await.status, 200);
    hub.upstream.answer("own", Reply::error(500, "server_error"));
    let refused = key.chat(&hello()).await;
    assert!(refused.status >= 500, "{refused:?}");
    assert!(hub.upstream.arrived("platform").is_empty());
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_secret_of_an_own_account_opens_for_its_team_alone() {
    let hub = spawn().await;
    let own = hub.own_account(&hub.team, "own").await;
    let key = hub.key().await;
    assert_eq!(key.chat(&hello()).await.status, 200);
    let (team, strange) = stranger(&hub).await;
    // Whoever can write to the database gives the row to another team.
    let stolen = entity::account::ActiveModel {
        id: Set(own),
        team_id: Set(Some(team.team_id())),
        ..Default::default()
    };
    stolen.update(&hub.app.db).await.unwrap();
    server::stamp::renew(&hub.app.db, "accounts").await.unwrap();
    assert!(hub.app.fleet.refresh().await.unwrap());
    assert!(chat_as(&hub, &strange, &hello()).await.status >= 400);
    assert_eq!(hub.upstream.arrived("own").len(), 1);
    drop(key);
    hub.close().await;
}

/// The ordinary answer.
fn healthy(call: &Arrived) -> Reply {
    if call.json()["stream"] == true {
        Reply::stream(&["hello"], 10, 5)
    } else {
        Reply::chat("hello", 10, 5)
    }
}

/// Whatever the two kinds of accounts answer, in any order, the wallet pays what the platform's served and nothing else, caps
/// count all, and the books balance.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_serves_in_whatever_order_the_wallet_pays_the_platform_alone() {
    for hub in everywhere(prepaid()).await {
        let platform = hub.account("platform").await;
        let own = hub.own_account(&hub.team, "own").await;
        let mine = hub.app.fleet.of(Some(hub.team.team_id()));
        grant(&hub, Nano(1_000_000_000_000)).await;
        let key = hub.key().await;
        let mut seed = 0x9e37_79b9_u32;
        let mut next = |most: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16) % most
        };
        for round in 0..40 {
            for (account, id, fleet) in [("own", own, &mine), ("platform", platform, &hub.app.fleet)] {
                match next(5) {
                    0 => hub.upstream.answer(account, Reply::error(400, "bad_thing")),
                    1 => hub.upstream.answer(account, Reply::error(500, "server_error")),
                    2 => hub.upstream.answer(account, Reply::hang_up()),
                    _ => hub.upstream.behave(account, healthy),
                }
                // With another key it is well again, whatever was learnt of it.
                let change = Change {
                    secret: Some(Secret::new(format!("sk-up-{round}"))),
                    ..Change::default()
                };
                fleet.update(id, change).await.unwrap();
            }
            let body = if next(2) == 0 { hello() } else { hello_streamed() };
            key.chat(&body).await;
        }
        let holds = hub.holds().await;
        let sum = |is_own: bool| -> i64 {
            let of = holds.iter().filter(|hold| hold.is_own == is_own);
            of.map(|hold| hold.posted).sum()
        };
        let (own, platform) = (sum(true), sum(false));
        assert!(own > 0 && platform > 0, "{own} {platform}");
        assert_eq!(sums(&hub, &key).await, (Nano(platform), Nano(own + platform)));
        drop(key);
        hub.close().await;
    }
}
