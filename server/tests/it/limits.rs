//! Who may ask for what, from where, and how often.

use crate::harness::{Answer, Hub, Key, Place, Setup, everywhere, hello, spawn};
use crate::upstream::Reply;
use futures_util::future::join_all;
use gateway_core::catalog::INPUT_CONSTANT;
use gateway_core::dialect::{Operation, peek};
use gateway_core::money::Nano;
use serde_json::json;
use server::clock::now_ms;
use server::keys::{KeyPatch, KeySettings};
use server::teams::{self, MemberPatch, TeamPatch};
use std::{collections::HashMap, net::SocketAddr, sync::Arc};
use tokio::sync::Semaphore;

fn assert_limited(answer: &Answer) {
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (429, "rate_limit_exceeded"),
        "{answer:?}"
    );
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    assert_standing(answer);
}

/// The answer says what is left of a limit on requests or on tokens.
fn assert_standing(answer: &Answer) {
    let is_told = |what: &str| {
        let told = ["limit", "remaining", "reset"].map(|part| answer.header(&format!("x-ratelimit-{part}-{what}")));
        assert!(told.iter().all(Option::is_some) || told == [None; 3], "{answer:?}");
        told[0].is_some()
    };
    assert!([is_told("requests"), is_told("tokens")].contains(&true), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_refused_is_told_what_is_left_of_the_limits() {
    let hub = spawn().await;
    hub.account("one").await;
    let key = hub
        .key_with(|settings| {
            settings.rates.rpm = Some(60);
            settings.caps.day = Some(Nano(1));
        })
        .await;
    let mut unknown = hello();
    unknown["model"] = json!("unknown");
    let answers = [
        (key.chat(&hello()).await, "insufficient_quota"),
        (key.chat(&unknown).await, "model_not_found"),
        (key.send("/v1/chat/completions", "{").await, "invalid_json"),
    ];
    for (answer, code) in answers {
        assert_eq!(answer.code(), code, "{answer:?}");
        assert_standing(&answer);
        assert_eq!(answer.header("x-ratelimit-remaining-requests"), Some("60"), "{code}");
    }
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_at_its_requests_a_minute_is_refused_before_any_upstream_or_hold() {
    for hub in everywhere(Setup::default()).await {
        hub.account("one").await;
        let key = hub.key_with(|settings| settings.rates.rpm = Some(5)).await;
        let body = hello();
        let answers = join_all((0..40).map(|_| key.chat(&body))).await;
        let (let_in, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
        assert_eq!(let_in.len(), 5);
        refused.iter().for_each(assert_limited);
        assert!(refused[0].text().contains("5 requests a minute"));
        assert_eq!(hub.upstream.arrived("one").len(), 5);
        assert_eq!(hub.holds().await.len(), 5);
        drop(key);
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_a_minute_are_held_with_the_ceiling_and_settled_with_what_was_used() {
    let hub = spawn().await;
    hub.account("one").await;
    let key = hub
        .key_with(|settings| {
            settings.rates.tpm = Some(7_000);
            settings.clamp = false;
        })
        .await;
    let mut body = hello();
    body["max_tokens"] = json!(4_000);
    for _ in 0..3 {
        let answer = key.chat(&body).await;
        assert_eq!(answer.status, 200, "the 15 tokens of an answer are all that stay taken");
        hub.quiet().await;
    }
    hub.upstream.answer("one", Reply::chat("much", 10, 3_000));
    assert_eq!(key.chat(&body).await.status, 200);
    hub.quiet().await;
    assert_limited(&key.chat(&body).await);
    body["n"] = json!(3);
    let never = key.chat(&body).await;
    assert_eq!((never.status, never.code().as_str()), (400, "request_exceeds_limit"));
    assert_eq!(never.header("x-should-retry"), Some("false"));
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_larger_than_a_whole_minute_is_clamped_to_it() {
    let hub = spawn().await;
    hub.account("one").await;
    let key = hub.key_with(|settings| settings.rates.tpm = Some(4_000)).await;
    let answer = key.chat(&hello()).await;
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .header("x-ourhub-notes")
            .unwrap()
            .contains("tokens-per-minute limit")
    );
    let sent = hub.upstream.arrived("one")[0].json();
    let most = sent["max_tokens"]
        .as_u64()
        .or(sent["max_completion_tokens"].as_u64())
        .unwrap();
    assert!((1_000..4_000).contains(&most), "{most}");
    drop(key);
    hub.close().await;
}

/// A request with a prediction, and what it can use at most: tokens of its input and of its prediction.
fn predicting(model_adds: u64) -> (serde_json::Value, u64, u64) {
    let mut body = hello();
    body["prediction"] = json!({ "type": "content", "content": "the same words once more ".repeat(20) });
    let (envelope, _) = peek(Operation::Chat, body.to_string().as_bytes()).unwrap();
    assert!(envelope.prediction_bound > 100);
    (body, envelope.input_bound + model_adds, envelope.prediction_bound)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prediction_is_output_too_when_an_answer_is_clamped() {
    let hub = spawn().await;
    hub.account("one").await;
    let (body, input, prediction) = predicting(INPUT_CONSTANT);
    let key = hub.key_with(|settings| settings.rates.tpm = Some(4_000)).await;
    assert_eq!(key.chat(&body).await.status, 200);
    let sent = hub.upstream.arrived("one")[0].json();
    assert_eq!(sent["max_tokens"].as_u64().unwrap(), 4_000 - input - prediction);
    // By money: what is asked for and a prediction that is all wrong fit the cap.
    let fits = i64::try_from(input * 1_000 + (prediction + 50) * 2_000).unwrap();
    let key = hub.key_with(|settings| settings.caps.day = Some(Nano(fits))).await;
    assert_eq!(key.chat(&body).await.status, 200);
    assert_eq!(hub.upstream.arrived("one")[1].json()["max_tokens"], 50);
    // A prediction that takes all of it leaves no answer.
    let left = i64::try_from(input + prediction + 15).unwrap();
    let key = hub.key_with(|settings| settings.rates.tpm = Some(left)).await;
    assert_eq!(key.chat(&body).await.code(), "request_exceeds_limit");
    let left = fits - 35 * 2_000;
    let key = hub.key_with(|settings| settings.caps.day = Some(Nano(left))).await;
    assert_eq!(key.chat(&body).await.code(), "insufficient_quota");
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_clamped_to_the_tighter_of_two_limits() {
    let hub = spawn().await;
    hub.account("one").await;
    let patch = TeamPatch {
        tpm: Some(Some(3_000)),
        ..TeamPatch::default()
    };
    teams::update(&hub.app.db, &hub.team, patch).await.unwrap();
    let key = hub.key_with(|settings| settings.rates.tpm = Some(4_000)).await;
    let answer = key.chat(&hello()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let most = hub.upstream.arrived("one")[0].json()["max_tokens"].as_u64().unwrap();
    assert!((1_000..3_000).contains(&most), "{most}");
    let note = format!("output limited to {most} tokens by a tokens-per-minute limit");
    assert_eq!(answer.header("x-ourhub-notes"), Some(note.as_str()));
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_has_only_so_many_requests_under_way() {
    let hub = spawn().await;
    hub.account("one").await;
    let gate = Arc::new(Semaphore::new(0));
    hub.upstream.answer("one", Reply::chat("hello", 10, 5).gated(&gate));
    let key = hub
        .key_with(|settings| {
            settings.rates.max_in_flight = Some(2);
            settings.rates.rpm = Some(60);
        })
        .await;
    let body = hello();
    let running = join_all([key.chat(&body), key.chat(&body)]);
    let third = async {
        hub.until("two requests did not arrive", || hub.upstream.arrived("one").len() == 2)
            .await;
        let third = key.chat(&body).await;
        gate.add_permits(10);
        third
    };
    let (running, third) = tokio::join!(running, third);
    assert!(running.iter().all(|answer| answer.status == 200));
    assert_limited(&third);
    hub.until("in flight", || hub.app.limits.in_flight(key.id) == 0).await;
    assert_eq!(key.chat(&body).await.status, 200);
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keys_of_a_team_share_its_limits() {
    let hub = spawn().await;
    hub.account("one").await;
    let patch = TeamPatch {
        rpm: Some(Some(3)),
        ..TeamPatch::default()
    };
    teams::update(&hub.app.db, &hub.team, patch).await.unwrap();
    let (one, other) = (hub.key().await, hub.key().await);
    let mut statuses = Vec::new();
    for _ in 0..2 {
        statuses.push(one.chat(&hello()).await.status);
        statuses.push(other.chat(&hello()).await.status);
    }
    assert_eq!(statuses, [200, 200, 200, 429]);
    let refused = one.chat(&hello()).await;
    assert_limited(&refused);
    assert!(refused.text().contains("The team's limit"));
    drop((one, other));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_works_from_its_allowed_addresses_alone() {
    let hub = spawn().await;
    hub.account("one").await;
    let here = hub
        .key_with(|settings| settings.allowed_ips = vec!["127.0.0.0/8".to_owned()])
        .await;
    let elsewhere = hub
        .key_with(|settings| settings.allowed_ips = vec!["192.0.2.7".to_owned()])
        .await;
    assert_eq!(here.chat(&hello()).await.status, 200);
    for answer in [
        elsewhere.chat(&hello()).await,
        elsewhere.get("/v1/models").await,
        elsewhere.get("/v1/key").await,
    ] {
        assert_eq!((answer.status, answer.code().as_str()), (403, "ip_not_allowed"));
    }
    // A header that anybody can write counts for nothing.
    let forged = elsewhere
        .post("/v1/chat/completions", hello().to_string())
        .header("x-forwarded-for", "192.0.2.7");
    assert_eq!(forged.send().await.unwrap().status(), 403);
    drop((here, elsewhere));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_trusted_proxy_the_address_is_the_one_it_forwards() {
    let hub = crate::harness::spawn_with(Setup {
        flags: vec!["--trusted-proxies", "127.0.0.0/8"],
        ..Setup::default()
    })
    .await;
    hub.account("one").await;
    let key = hub
        .key_with(|settings| settings.allowed_ips = vec!["192.0.2.7".to_owned()])
        .await;
    for (forwarded, status) in [
        ("192.0.2.7", 200),
        ("192.0.2.7, 198.51.100.1", 403),
        ("198.51.100.1, 192.0.2.7", 200),
    ] {
        let request = key
            .post("/v1/chat/completions", hello().to_string())
            .header("x-forwarded-for", forwarded);
        assert_eq!(request.send().await.unwrap().status(), status, "{forwarded}");
    }
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_opens_nothing_says_why() {
    let hub = spawn().await;
    hub.account("one").await;
    let end = now_ms() + 300;
    let expiring = hub.key_with(|settings| settings.expires_at_ms = Some(end)).await;
    let disabled = hub.key().await;
    hub.app.keys.disable(&hub.team, disabled.id, now_ms()).await.unwrap();
    let answer = disabled.chat(&hello()).await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "key_disabled"));
    hub.app.keys.enable(&hub.team, disabled.id).await.unwrap();
    assert_eq!(disabled.chat(&hello()).await.status, 200);
    hub.until("the clock stands", || now_ms() > end).await;
    let answer = expiring.chat(&hello()).await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "key_expired"));
    drop((expiring, disabled));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_revoked_by_another_process_opens_nothing_after_a_second() {
    for hub in everywhere(Setup::default()).await {
        hub.account("one").await;
        let key = hub.key().await;
        assert_eq!(key.chat(&hello()).await.status, 200);
        // Another process knows nothing of this one's cache.
        let elsewhere = server::keys::Keys::new(hub.app.db.clone(), &hub.app.master.derive("keys"));
        elsewhere.revoke(&hub.team, key.id, now_ms()).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(1_000)).await;
        let answer = key.chat(&hello()).await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "key_revoked"));
        drop(key);
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_may_ask_for_its_models_alone() {
    let hub = spawn().await;
    hub.account("one").await;
    hub.model("other", "1", "1").await;
    let key = hub.key_with(|settings| settings.models = vec!["sma*".to_owned()]).await;
    assert_eq!(key.chat(&hello()).await.status, 200);
    for model in ["other", "unknown"] {
        let mut body = hello();
        body["model"] = json!(model);
        let answer = key.chat(&body).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (403, "model_not_allowed"),
            "{model}"
        );
    }
    let patch = KeyPatch {
        models: Some(vec!["other".to_owned()]),
        ..KeyPatch::default()
    };
    hub.app.keys.update(&hub.team, key.id, patch, now_ms()).await.unwrap();
    assert_eq!(key.chat(&hello()).await.code(), "model_not_allowed");
    drop(key);
    hub.close().await;
}

/// Chat requests of one key at several servers in turn, all at once: how many are answered with each status, and one refusal.
async fn statuses(addresses: &[SocketAddr], key: &Key<'_>, count: usize) -> (HashMap<u16, usize>, Option<Answer>) {
    let mut body = hello();
    body["max_tokens"] = json!(100);
    let body = body.to_string();
    let asked = (0..count).map(|nth| key.post_at(addresses[nth % addresses.len()], &body));
    let (mut counts, mut refused) = (HashMap::new(), None);
    for answer in join_all(asked).await {
        *counts.entry(answer.status).or_default() += 1;
        if answer.status != 200 {
            refused = Some(answer);
        }
    }
    (counts, refused)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_servers_on_one_postgres_let_in_together_what_a_limit_lets() {
    let Some(place) = Place::postgres().await else { return };
    let hub = Hub::start(place, Setup::default()).await;
    hub.account("one").await;
    let others = [hub.another(Setup::default()).await, hub.another(Setup::default()).await];
    let addresses = [hub.address, others[0].address, others[1].address];
    let by_requests = hub.key_with(|settings| settings.rates.rpm = Some(30)).await;
    let (counts, refused) = statuses(&addresses, &by_requests, 300).await;
    assert_eq!(counts, HashMap::from([(200, 30), (429, 270)]), "{refused:?}");
    let refused = refused.unwrap();
    assert_limited(&refused);
    assert_eq!(refused.header("x-ratelimit-remaining-requests"), Some("0"));
    // What an answer can use is held meanwhile; what it uses is 15 tokens.
    let by_tokens = hub.key_with(|settings| settings.rates.tpm = Some(5_000)).await;
    let (counts, _) = statuses(&addresses, &by_tokens, 150).await;
    assert!((1..=5_000 / 15).contains(&counts[&200]), "{counts:?}");
    hub.quiet().await;
    drop((by_requests, by_tokens));
    for other in others {
        other.close().await;
    }
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_on_one_postgres_divide_the_limits_of_an_account() {
    let Some(place) = Place::postgres().await else { return };
    let mut setup = Setup::default();
    setup.relay.wait = std::time::Duration::from_millis(100);
    let hub = Hub::start(place, setup.clone()).await;
    hub.account_with("one", |new| new.grants.rpm = Some(11)).await;
    let other = hub.another(setup).await;
    let key = hub.key().await;
    let (counts, refused) = statuses(&[other.address], &key, 20).await;
    assert_eq!(counts[&200], 5, "{refused:?}");
    drop(key);
    other.close().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_has_their_limits_over_all_their_keys_and_nobody_else_is_held_up() {
    for hub in everywhere(Setup::default()).await {
        hub.account("one").await;
        let patch = MemberPatch {
            rpm: Some(Some(5)),
            ..MemberPatch::default()
        };
        let owner = hub.admin.user_id;
        teams::update_member(&hub.app.db, &hub.team, owner, patch)
            .await
            .unwrap();
        let mine = |settings: &mut KeySettings| settings.member_id = Some(owner);
        let (first, second) = (hub.key_with(mine).await, hub.key_with(mine).await);
        let service = hub.key().await;
        let body = hello();
        let answers = join_all((0..20).map(|nth| if nth % 2 == 0 { &first } else { &second }.chat(&body))).await;
        let (let_in, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
        assert_eq!(let_in.len(), 5);
        refused.iter().for_each(assert_limited);
        let told = refused[0].text();
        assert!(
            told.contains("This key's owner's limit of 5 requests a minute is reached. It has room again in"),
            "{told}"
        );
        assert_eq!(first.get("/v1/models").await.status, 200, "a list is no request");
        assert_eq!(service.chat(&body).await.status, 200, "the team's own key is nobody's");
        assert_eq!(hub.holds().await.len(), 6, "a refused request holds nothing");
        drop((first, second, service));
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_and_requests_at_once_of_a_member_are_counted_over_their_keys_too() {
    for hub in everywhere(Setup::default()).await {
        hub.account("one").await;
        let owner = hub.admin.user_id;
        let limit = async |patch: MemberPatch| {
            teams::update_member(&hub.app.db, &hub.team, owner, patch)
                .await
                .unwrap();
            hub.app.keys.forget_team(hub.team.team_id());
        };
        limit(MemberPatch {
            max_in_flight: Some(Some(1)),
            ..MemberPatch::default()
        })
        .await;
        let mine = |settings: &mut KeySettings| {
            settings.member_id = Some(owner);
            settings.clamp = false;
        };
        let (first, second) = (hub.key_with(mine).await, hub.key_with(mine).await);
        let gate = Arc::new(Semaphore::new(0));
        hub.upstream.answer("one", Reply::chat("hello", 10, 5).gated(&gate));
        let (body, held) = (hello(), hello());
        let running = first.chat(&held);
        let other = async {
            hub.until("under way", || hub.upstream.arrived("one").len() == 1).await;
            let refused = second.chat(&body).await;
            gate.add_permits(1);
            refused
        };
        let (answered, refused) = tokio::join!(running, other);
        assert_eq!(answered.status, 200);
        assert!(
            refused.text().contains("owner's limit of 1 requests at once"),
            "{refused:?}"
        );
        let member = (hub.team.team_id(), owner);
        hub.until("in flight", || hub.app.limits.in_flight_of_member(member) == 0)
            .await;
        limit(MemberPatch {
            max_in_flight: Some(None),
            tpm: Some(Some(100)),
            ..MemberPatch::default()
        })
        .await;
        let refused = second.chat(&body).await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (400, "request_exceeds_limit")
        );
        assert!(refused.text().contains("raise the limit under Team"), "{refused:?}");
        drop((first, second));
        hub.close().await;
    }
}
