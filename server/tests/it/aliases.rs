//! A name that stands for models: the next one answers where one cannot, in any dialect, at its own price, within every cap and region.

use crate::harness::{Answer, HELLO, Hub, Setup, everywhere, hello, hello_streamed, spawn};
use crate::spoken::{SPOKEN, heard, question, reply};
use crate::upstream::Reply;
use gateway_core::dialect::Dialect;
use gateway_core::ledger::Caps;
use gateway_core::money::Nano;
use gateway_core::routing::Policy;
use serde_json::{Value, json};
use server::accounts::{Grants, Models, NewAccount, Served, Standing};
use server::catalog::{AliasSettings, CatalogError, NewModel, Prices};
use server::metering::{Attempt, AttemptOutcome};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// The charge of an ordinary answer of `big`, at ten times the price of `small`.
const BIG_HELLO: Nano = Nano(10 * HELLO.0);

/// An account at the upstream for one model.
async fn account_for(hub: &Hub, model: &str, change: impl FnOnce(&mut NewAccount)) -> i64 {
    hub.account_with(model, |new| {
        new.models = Models::Named(vec![Served {
            model: model.to_owned(),
            upstream_model: None,
        }]);
        change(new);
    })
    .await
}

fn chain(targets: &[&str]) -> AliasSettings {
    AliasSettings {
        targets: targets.iter().map(|&target| target.to_owned()).collect(),
        ..AliasSettings::default()
    }
}

async fn alias(hub: &Hub, name: &str, settings: AliasSettings) {
    let actor = hub.admin.user_id;
    hub.app.catalog.add_alias(None, name, settings, actor).await.unwrap();
}

/// `hub` with the models `big` and `small`, an account for each, and `fast`, which stands for them in this order.
async fn furnish(hub: &Hub) {
    hub.model("big", "10", "20").await;
    account_for(hub, "big", |_| {}).await;
    account_for(hub, "small", |_| {}).await;
    alias(hub, "fast", chain(&["big", "small"])).await;
}

/// A chat request for `name`.
fn ask(name: &str) -> Value {
    let mut body = hello();
    body["model"] = json!(name);
    body
}

/// Whether each hold was charged, the model it is for, and the name that was asked for.
fn told(holds: &[entity::hold::Model]) -> Vec<(i64, &str, Option<&str>)> {
    holds
        .iter()
        .map(|hold| (hold.posted, hold.model.as_str(), hold.asked.as_deref()))
        .collect()
}

/// The models that were asked, and what they said.
fn asked(hold: &entity::hold::Model) -> Vec<(String, AttemptOutcome)> {
    let attempts = Attempt::parse_list(&hold.attempts).into_iter();
    attempts
        .map(|attempt| (attempt.model.unwrap_or_default(), attempt.outcome))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_model_answers_while_it_can_at_its_own_price() {
    let hub = spawn().await;
    furnish(&hub).await;
    let key = hub.key().await;
    let answer = key.chat(&ask("fast")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("x-ourhub-cost-usd"), Some("0.0002"));
    assert_eq!(hub.upstream.arrived("big")[0].json()["model"], "big");
    let holds = hub.holds().await;
    assert_eq!(told(&holds), [(BIG_HELLO.0, "big", Some("fast"))]);
    assert_eq!(asked(&holds[0]), [("big".to_owned(), AttemptOutcome::Ok)]);
    assert!(hub.upstream.arrived("small").is_empty());
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_model_takes_over_in_another_dialect_and_is_charged_its_own_price() {
    for hub in everywhere(Setup::default()).await {
        hub.model("big", "10", "20").await;
        account_for(&hub, "big", |_| {}).await;
        account_for(&hub, "small", |new| new.dialect = Some("messages".to_owned())).await;
        hub.upstream.behave("small", reply);
        alias(&hub, "fast", chain(&["big", "small"])).await;
        let busy = Reply::error(429, "rate_limit_exceeded").header("retry-after", "60");
        hub.upstream.answer("big", busy);
        let key = hub.key().await;
        let mut count = 0;
        for client in SPOKEN {
            for is_streamed in [false, true] {
                let (path, body) = question(client, "fast", is_streamed);
                let answer = key.send(&path, body.to_string()).await;
                assert_eq!(answer.status, 200, "{client:?}: {}", answer.text());
                assert_eq!(heard(client, &answer, is_streamed).0, "hello", "{client:?}");
                assert_eq!(answer.header("x-ourhub-model"), Some("small-2026-01-01"));
                count += 1;
            }
        }
        assert_eq!(hub.upstream.arrived("big").len(), 1, "it said for how long it is busy");
        assert_eq!(hub.upstream.arrived("small").len(), count);
        let holds = hub.holds().await;
        let mut expected = vec![(0, "big", Some("fast"))];
        expected.resize(count + 1, (HELLO.0, "small", Some("fast")));
        assert_eq!(told(&holds), expected, "each is held and charged at its own price");
        assert_eq!(asked(&holds[0]), [("big".to_owned(), AttemptOutcome::RateLimited)]);
        assert_eq!(asked(&holds[1]), [("small".to_owned(), AttemptOutcome::Ok)]);
        assert_eq!(holds[0].id, holds[1].request_id, "it is one request");
        drop(key);
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_whose_accounts_all_failed_is_passed_by_while_another_can_serve() {
    let hub = spawn().await;
    furnish(&hub).await;
    hub.upstream.answer("big", Reply::error(500, "internal_error"));
    let key = hub.key().await;
    for _ in 0..5 {
        let answer = key.chat(&ask("fast")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(hub.upstream.arrived("big").len(), 1, "asked again only after its pause");
    assert_eq!(hub.upstream.arrived("small").len(), 5);
    // Alone, the oldest guess is probed, since nothing else can answer.
    assert_eq!(key.chat(&ask("big")).await.status, 502);
    assert!(hub.upstream.arrived("big").len() > 1);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prompt_too_long_for_one_model_goes_to_the_next_unless_that_is_switched_off() {
    for (falls, status, count) in [(true, 200, 1), (false, 400, 0)] {
        let hub = spawn().await;
        furnish(&hub).await;
        let settings = AliasSettings {
            on_context_too_long: falls,
            ..chain(&["big", "small"])
        };
        alias(&hub, "long", settings).await;
        hub.upstream.answer("big", Reply::error(400, "context_length_exceeded"));
        let key = hub.key().await;
        for body in [ask("long"), {
            let mut body = hello_streamed();
            body["model"] = json!("long");
            body
        }] {
            let answer = key.chat(&body).await;
            assert_eq!(answer.status, status, "{answer:?}");
        }
        assert_eq!(hub.upstream.arrived("small").len(), 2 * count);
        assert_eq!(hub.charged().await.0, HELLO.0 * 2 * count as i64);
        // Where the last model cannot answer either, its words count.
        hub.upstream
            .answer("small", Reply::error(400, "context_length_exceeded"));
        let answer = key.chat(&ask("long")).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "context_length_exceeded")
        );
        drop(key);
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_content_is_the_clients_matter_unless_the_alias_says_otherwise() {
    let hub = spawn().await;
    furnish(&hub).await;
    let settings = AliasSettings {
        on_content_filter: true,
        ..chain(&["big", "small"])
    };
    alias(&hub, "patient", settings).await;
    hub.upstream
        .answer("big", Reply::error(400, "content_policy_violation"));
    let key = hub.key().await;
    let refused = key.chat(&ask("fast")).await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (400, "content_policy_violation")
    );
    assert!(hub.upstream.arrived("small").is_empty());
    assert_eq!(key.chat(&ask("patient")).await.status, 200);
    assert_eq!(hub.charged().await, HELLO);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_may_have_others_to_fall_back_to_under_its_own_name() {
    let hub = spawn().await;
    hub.model("big", "10", "20").await;
    account_for(&hub, "big", |_| {}).await;
    account_for(&hub, "small", |_| {}).await;
    alias(&hub, "big", chain(&["big", "small"])).await;
    let key = hub.key().await;
    assert_eq!(key.chat(&ask("big")).await.status, 200);
    hub.upstream.answer("big", Reply::error(503, "server_is_overloaded"));
    assert_eq!(key.chat(&ask("big")).await.status, 200);
    let holds = hub.holds().await;
    let expected = [
        (BIG_HELLO.0, "big", None),
        (0, "big", None),
        (HELLO.0, "small", Some("big")),
    ];
    assert_eq!(told(&holds), expected);
    let listed = key.get("/v1/models/big").await.json();
    assert_eq!(
        (&listed["owned_by"], listed.get("stands_for")),
        (&json!("custom"), None)
    );
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_allow_list_names_what_is_asked_for_and_an_alias_grants_its_models() {
    let hub = spawn().await;
    furnish(&hub).await;
    let key = hub.key_with(|key| key.models = vec!["fast".to_owned()]).await;
    assert_eq!(key.chat(&ask("fast")).await.status, 200);
    for model in ["big", "small"] {
        let refused = key.chat(&ask(model)).await;
        assert_eq!((refused.status, refused.code().as_str()), (403, "model_not_allowed"));
    }
    let other = hub.key_with(|key| key.models = vec!["big".to_owned()]).await;
    assert_eq!(other.chat(&ask("fast")).await.code(), "model_not_allowed");
    let ids = |list: &Value| {
        list["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["id"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&key.get("/v1/models").await.json()), ["fast"]);
    assert_eq!(ids(&other.get("/v1/models").await.json()), ["big"]);
    drop((key, other));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alias_is_listed_as_one_and_promises_what_its_smallest_model_keeps() {
    let hub = spawn().await;
    let wide = NewModel {
        id: "wide".to_owned(),
        context: Some(9_000),
        max_output: Some(1_000),
        prices: Prices {
            input: "1".to_owned(),
            output: "1".to_owned(),
            ..Prices::default()
        },
        ..NewModel::default()
    };
    let narrow = NewModel {
        id: "vendor/narrow".to_owned(),
        context: Some(5_000),
        max_output: Some(2_000),
        ..wide.clone()
    };
    for new in [wide, narrow] {
        hub.app.catalog.add_model(&new, hub.admin.user_id).await.unwrap();
    }
    alias(&hub, "house/fast", chain(&["wide", "vendor/narrow"])).await;
    let key = hub.key().await;
    assert_eq!(key.get("/v1/models/house/fast").await.status, 404, "nothing serves it");
    hub.account("any").await;
    let openai = key.get("/v1/models/house/fast").await.json();
    assert_eq!(openai["owned_by"], "alias");
    assert_eq!(openai["stands_for"], json!(["wide", "vendor/narrow"]));
    assert_eq!(
        (&openai["context_window"], &openai["max_output_tokens"]),
        (&json!(5_000), &json!(1_000))
    );
    let get = async |path: &str, name: &str, value: &str| {
        let request = hub.client.get(hub.url(path)).bearer_auth(&key.text).header(name, value);
        Answer::read(request.send().await.unwrap()).await.json()
    };
    let anthropic = get("/v1/models/house/fast", "anthropic-version", "2023-06-01").await;
    assert_eq!(
        (&anthropic["id"], &anthropic["max_input_tokens"]),
        (&json!("house/fast"), &json!(5_000))
    );
    let google = get("/v1beta/models/house/fast", "accept", "application/json").await;
    assert_eq!(
        (&google["name"], &google["inputTokenLimit"]),
        (&json!("models/house/fast"), &json!(5_000))
    );
    let all = key.get("/v1/models").await.json();
    let names = all["data"].as_array().unwrap();
    assert!(names.iter().any(|it| it["id"] == "house/fast"), "{all}");
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_teams_own_alias_goes_before_everybodys_and_is_nobody_elses() {
    let hub = spawn().await;
    furnish(&hub).await;
    let (catalog, actor) = (&hub.app.catalog, hub.admin.user_id);
    let own = Some(hub.team.team_id());
    catalog.add_alias(own, "fast", chain(&["small"]), actor).await.unwrap();
    catalog
        .add_alias(Some(7), "theirs", chain(&["small"]), actor)
        .await
        .unwrap();
    let key = hub.key().await;
    assert_eq!(key.chat(&ask("fast")).await.status, 200);
    assert_eq!(told(&hub.holds().await), [(HELLO.0, "small", Some("fast"))]);
    assert_eq!(key.chat(&ask("theirs")).await.code(), "model_not_found");
    let change = |settings| AliasSettings {
        targets: vec!["big".to_owned()],
        ..settings
    };
    catalog.change_alias(own, "fast", change).await.unwrap();
    assert_eq!(key.chat(&ask("fast")).await.status, 200);
    assert_eq!(hub.upstream.arrived("big").len(), 1);
    catalog.remove_alias(own, "fast").await.unwrap();
    catalog.remove_alias(None, "fast").await.unwrap();
    assert_eq!(key.chat(&ask("fast")).await.code(), "model_not_found");
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alias_of_an_alias_and_a_name_that_would_hide_a_model_are_refused() {
    let hub = spawn().await;
    furnish(&hub).await;
    let (catalog, actor, team) = (&hub.app.catalog, hub.admin.user_id, Some(hub.team.team_id()));
    let refused = async |owner, name: &str, settings| match catalog.add_alias(owner, name, settings, actor).await {
        Err(CatalogError::Invalid(errors)) => (errors.0[0].field, errors.to_string()),
        other => panic!("{name}: {other:?}"),
    };
    let (field, words) = refused(None, "faster", chain(&["fast"])).await;
    assert!(
        field == "targets" && words.contains("is an alias") && words.contains("big, small"),
        "{words}"
    );
    assert_eq!(refused(None, "x", chain(&["nothing"])).await.0, "targets");
    assert_eq!(refused(None, "x", chain(&["big", "big"])).await.0, "targets");
    assert_eq!(refused(None, "x", chain(&[])).await.0, "targets");
    assert_eq!(refused(None, "a name", chain(&["big"])).await.0, "name");
    let (field, words) = refused(None, "big", chain(&["small"])).await;
    assert!(field == "name" && words.contains("is a model"), "{words}");
    let replacing = AliasSettings {
        replaces_model: true,
        ..chain(&["small"])
    };
    assert_eq!(refused(team, "big", chain(&["small"])).await.0, "name");
    assert_eq!(refused(team, "big", replacing.clone()).await.0, "replaces_model");
    catalog.add_alias(None, "big", replacing, actor).await.unwrap();
    let key = hub.key().await;
    assert_eq!(key.chat(&ask("big")).await.status, 200);
    assert_eq!(told(&hub.holds().await), [(HELLO.0, "small", Some("big"))]);
    let twice = catalog.add_alias(None, "fast", chain(&["big"]), actor).await;
    assert!(matches!(twice, Err(CatalogError::AliasTaken)), "{twice:?}");
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_cap_is_exceeded_when_a_dearer_model_takes_over() {
    for hub in everywhere(Setup::default()).await {
        furnish(&hub).await;
        alias(&hub, "cheap", chain(&["small", "big"])).await;
        hub.upstream.answer("small", Reply::error(503, "server_is_overloaded"));
        // What the cheap model could cost fits, what the dear one could does not.
        let mut body = ask("cheap");
        body["max_tokens"] = json!(100);
        let cap = Nano(2_000_000);
        let poor = hub
            .key_with(|key| {
                key.clamp = false;
                key.caps = Caps {
                    day: Some(cap),
                    ..Caps::default()
                };
            })
            .await;
        let refused = poor.chat(&body).await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (429, "insufficient_quota"),
            "{refused:?}"
        );
        assert!(hub.upstream.arrived("big").is_empty(), "nobody is asked without money");
        // Many at once share what fits.
        let cap = Nano(BIG_HELLO.0 * 200);
        let many = hub
            .key_with(|key| {
                // The upstream says what it says, whatever limit it is sent.
                key.clamp = false;
                key.caps = Caps {
                    day: Some(cap),
                    ..Caps::default()
                };
            })
            .await;
        hub.upstream.answer_each(
            "small",
            vec![Reply::error(503, "server_is_overloaded"), Reply::chat("hello", 10, 5)],
        );
        hub.upstream.answer("big", Reply::chat("hello", 100, 1_000));
        body["max_tokens"] = json!(1_000);
        let calls = (0..24).map(|_| many.chat(&body));
        let answers = futures_util::future::join_all(calls).await;
        assert!(answers.iter().any(|answer| answer.status == 200), "{answers:?}");
        let spent: i64 = hub
            .holds()
            .await
            .iter()
            .filter(|hold| hold.key_id == many.id)
            .map(|hold| hold.posted)
            .sum();
        assert!(spent > 0 && spent <= cap.0, "{spent} of {cap:?}");
        drop((poor, many));
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_every_model_is_busy_the_one_that_frees_up_answers() {
    let hub = spawn().await;
    hub.model("big", "10", "20").await;
    let one_at_once = |new: &mut NewAccount| {
        new.grants = Grants {
            max_in_flight: Some(1),
            ..Grants::default()
        };
    };
    let mut gates = Vec::new();
    for model in ["big", "small"] {
        account_for(&hub, model, one_at_once).await;
        let gate = Arc::new(Semaphore::new(0));
        hub.upstream.answer(model, Reply::chat("hello", 10, 5).gated(&gate));
        gates.push(gate);
    }
    alias(&hub, "fast", chain(&["big", "small"])).await;
    let key = hub.key().await;
    let body = ask("fast");
    let arrived = |model: &'static str, count: usize| {
        let upstream = hub.upstream.clone();
        hub.until("a request did not arrive", move || {
            upstream.arrived(model).len() == count
        })
    };
    let drive = async {
        arrived("big", 1).await;
        arrived("small", 1).await;
        hub.until("nobody waits", || hub.relay.waiting() == 1).await;
        // The second model frees up first: who waits goes there.
        gates[1].add_permits(2);
        arrived("small", 2).await;
        gates[0].add_permits(1);
    };
    let first = async {
        let first = key.chat(&body);
        let second = async {
            arrived("big", 1).await;
            key.chat(&body).await
        };
        let third = async {
            arrived("small", 1).await;
            key.chat(&body).await
        };
        tokio::join!(first, second, third)
    };
    let ((), answers) = tokio::join!(drive, first);
    assert_eq!([answers.0.status, answers.1.status, answers.2.status], [200; 3]);
    assert_eq!(hub.charged().await.0, BIG_HELLO.0 + 2 * HELLO.0);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_is_never_left_whatever_could_answer_elsewhere() {
    let hub = spawn().await;
    let tagged = |region: &'static str, priority| {
        move |new: &mut NewAccount| {
            new.standing = Standing {
                region: Some(region.to_owned()),
                priority,
                ..Standing::default()
            };
        }
    };
    hub.account_with("us", tagged("us", 0)).await;
    alias(
        &hub,
        "local",
        AliasSettings {
            region: Some("EU".to_owned()),
            ..chain(&["small"])
        },
    )
    .await;
    let european = hub.key_with(|key| key.region = Some("eu".to_owned())).await;
    let anywhere = hub.key().await;
    let names_the_region = |answer: &Answer| {
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (503, "no_account_in_region"),
            "{answer:?}"
        );
        let message = answer.json()["error"]["message"].to_string();
        assert!(message.contains("region eu"), "{message}");
    };
    names_the_region(&european.chat(&hello()).await);
    names_the_region(&anywhere.chat(&ask("local")).await);
    assert_eq!(european.get("/v1/models").await.json()["data"], json!([]));
    assert_eq!(anywhere.get("/v1/models/local").await.status, 404);
    assert_eq!(anywhere.chat(&hello()).await.status, 200);
    hub.account_with("eu", tagged("EU", 9)).await;
    for _ in 0..3 {
        assert_eq!(european.chat(&hello()).await.status, 200);
        assert_eq!(anywhere.chat(&ask("local")).await.status, 200);
    }
    assert_eq!(
        (hub.upstream.arrived("us").len(), hub.upstream.arrived("eu").len()),
        (1, 6)
    );
    assert_eq!(european.get("/v1/models/small").await.status, 200);
    let american = hub.key_with(|key| key.region = Some("us".to_owned())).await;
    assert_eq!(american.chat(&ask("local")).await.code(), "no_account_in_region");
    // Busy in the region is busy, and not a reason to leave it.
    hub.upstream.answer("eu", Reply::error(400, "context_length_exceeded"));
    assert_eq!(european.chat(&hello()).await.status, 400);
    assert_eq!(hub.upstream.arrived("us").len(), 1);
    drop((european, anywhere, american));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alias_of_a_team_stays_in_the_region_of_the_platforms_alias_of_that_name() {
    let hub = spawn().await;
    for (name, priority) in [("us", 0), ("eu", 9)] {
        hub.account_with(name, |new| {
            new.standing = Standing {
                region: Some(name.to_owned()),
                priority,
                ..Standing::default()
            };
        })
        .await;
    }
    let in_region = |region: Option<&str>| AliasSettings {
        region: region.map(str::to_owned),
        ..chain(&["small"])
    };
    alias(&hub, "local", in_region(Some("eu"))).await;
    let (catalog, actor) = (&hub.app.catalog, hub.admin.user_id);
    let key = hub.key().await;
    let team = Some(hub.team.team_id());
    catalog.add_alias(team, "local", in_region(None), actor).await.unwrap();
    assert_eq!(key.chat(&ask("local")).await.status, 200);
    assert_eq!(hub.upstream.arrived("eu").len(), 1);
    let elsewhere = in_region(Some("us"));
    catalog.change_alias(team, "local", |_| elsewhere).await.unwrap();
    assert_eq!(key.chat(&ask("local")).await.code(), "no_account_in_region");
    assert!(hub.upstream.arrived("us").is_empty());
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_alias_binds_every_process_at_once() {
    let Some(place) = crate::harness::Place::postgres().await else {
        return;
    };
    let hub = Hub::start(place, Setup::default()).await;
    furnish(&hub).await;
    let other = hub.another(Setup::default()).await;
    let key = hub.key().await;
    let body = ask("quick").to_string();
    alias(&hub, "quick", chain(&["small"])).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(key.post_at(other.address, &body).await.status, 200);
    hub.app.catalog.remove_alias(None, "quick").await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(key.post_at(other.address, &body).await.code(), "model_not_found");
    other.close().await;
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_an_alias_are_counted_by_whoever_can() {
    let hub = spawn().await;
    furnish(&hub).await;
    let key = hub.key().await;
    let (_, body) = question(Dialect::Messages, "fast", false);
    let answer = key.send("/v1/messages/count_tokens", body.to_string()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.json()["input_tokens"].as_u64().unwrap() > 0);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alias_may_ask_the_cheapest_or_the_quickest_model_first() {
    let hub = spawn().await;
    furnish(&hub).await;
    for (name, policy) in [("cheap", Policy::Cheapest), ("quick", Policy::Fastest)] {
        let settings = AliasSettings {
            policy,
            ..chain(&["big", "small"])
        };
        alias(&hub, name, settings).await;
    }
    hub.upstream
        .answer("small", Reply::chat("hello", 10, 5).after(Duration::from_millis(300)));
    let key = hub.key().await;
    assert_eq!(key.chat(&ask("cheap")).await.status, 200);
    assert!(hub.upstream.arrived("big").is_empty(), "it costs ten times as much");
    assert_eq!(key.chat(&ask("big")).await.status, 200);
    for _ in 0..3 {
        assert_eq!(key.chat(&ask("quick")).await.status, 200);
    }
    assert_eq!(hub.upstream.arrived("big").len(), 4, "it answers sooner");
    let mark_up = async |percent: &str| {
        let markup = gateway_core::pricing::Markup::parse(percent).unwrap();
        hub.app.catalog.set_markup((None, Some("small")), markup).await.unwrap();
    };
    mark_up("950").await;
    assert_eq!(key.chat(&ask("cheap")).await.status, 200);
    assert_eq!(
        hub.upstream.arrived("big").len(),
        5,
        "with its markup, the other is dearer"
    );
    mark_up("0").await;
    hub.upstream.answer("small", Reply::error(500, "internal_error"));
    let answer = key.chat(&ask("cheap")).await;
    assert_eq!((answer.status, answer.header("x-ourhub-attempts")), (200, Some("2")));
    assert_eq!(hub.upstream.arrived("big").len(), 6, "the other one takes over");
    drop(key);
    hub.close().await;
}
