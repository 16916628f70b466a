//! Accounts with their permits, tests and health, on a database.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::{alerts, clock, secrets::MasterKey, temp_db::TempDb};
use gateway_core::{
    dialect::{Dialect, Operation},
    health::Event,
    retry::{Action, Billed, Fault, Mark, Reason, Verdict},
    routing::{RouteRequest, WhyEmpty},
};
use sea_orm::{EntityTrait as _, sea_query::Expr};
use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
};

const CANARY: &str = "sk-canary-abcdefgh-9876";

fn master() -> MasterKey {
    MasterKey::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap()
}

async fn fleet(db: &TempDb) -> Fleet {
    let config = Config {
        allow: vec!["127.0.0.0/8".parse().unwrap()],
        ..Config::default()
    };
    Fleet::start((**db).clone(), master(), config).await.unwrap()
}

fn new(label: &str) -> NewAccount {
    NewAccount {
        label: label.to_owned(),
        provider: "openai".to_owned(),
        dialect: None,
        base_url: None,
        secret: Secret::new(CANARY.to_owned()),
        auth_scheme: None,
        proxy_url: None,
        models: Models::All,
        standing: Standing::default(),
        grants: Grants::default(),
    }
}

fn request(now_ms: i64) -> RouteRequest<'static> {
    RouteRequest {
        now_ms,
        tokens: 10,
        seed: 1,
        ..RouteRequest::default()
    }
}

fn ids(routes: &Routes) -> Vec<i64> {
    routes.ordered.iter().map(|deployment| deployment.account_id).collect()
}

fn verdict(mark: Mark, fault: Fault) -> Verdict {
    Verdict {
        action: Action::NextAccount,
        mark,
        billed: Billed::NotBilled,
        fault,
    }
}

fn fields(error: AccountsError) -> Vec<&'static str> {
    match error {
        AccountsError::Invalid(errors) => errors.0.iter().map(|error| error.field).collect(),
        other => panic!("another error: {other}"),
    }
}

/// A provider that answers one request with `status` and `body`; its base URL, and what it was asked.
fn provider(status: &str, body: &str) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let length = body.len();
    let reply = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nlocation: http://127.0.0.1:9/\r\n\r\n{body}");
    let asked = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut bytes = [0; 4096];
        let length = socket.read(&mut bytes).unwrap();
        socket.write_all(reply.as_bytes()).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    });
    (url, asked)
}

#[tokio::test]
async fn a_preset_fills_in_the_address_and_the_key_never_shows() {
    let db = TempDb::open().await;
    let fleet = fleet(&db).await;
    let account = fleet.create(&new("main")).await.unwrap();
    assert_eq!(account.base_url, "https://api.openai.com/v1");
    assert_eq!((account.dialect.as_str(), account.last_four.as_str()), ("chat", "9876"));
    let routes = fleet.plan("gpt-4o", &request(clock::now_ms()));
    let deployment = &routes.ordered[0];
    let post = deployment
        .post(Dialect::Chat, Operation::Chat, false, b"{}".to_vec())
        .await
        .unwrap();
    assert_eq!(post.url().as_str(), "https://api.openai.com/v1/chat/completions");
    assert_eq!(
        post.headers()["authorization"].to_str().unwrap(),
        format!("Bearer {CANARY}")
    );
    let printed = format!("{account:?} {fleet:?} {deployment:?} {post:?} {:?}", new("main"));
    assert!(!printed.contains("canary"), "{printed}");
    let stored = entity::account::Entity::find_by_id(account.id)
        .one(&*db)
        .await
        .unwrap()
        .unwrap();
    assert!(!stored.secret.windows(6).any(|window| window == b"canary"));
}

#[tokio::test]
async fn a_makers_own_address_is_asked_for_what_it_makes_and_what_was_named() {
    let db = TempDb::open().await;
    let fleet = fleet(&db).await;
    let asked = |model: &str, maker: &str| {
        let by_maker = RouteRequest {
            maker,
            ..request(clock::now_ms())
        };
        let routes = fleet.plan(model, &by_maker);
        let mut found = ids(&routes);
        found.sort_unstable();
        assert_eq!(fleet.serves(model, maker), !found.is_empty());
        (found, routes.why_empty)
    };
    let own = fleet.create(&new("own")).await.unwrap().id;
    assert_eq!(asked("gpt-4o", "openai"), (vec![own], None));
    let none = (Vec::new(), Some(WhyEmpty::NoneServesModel));
    assert_eq!(asked("claude-opus-5", "anthropic"), none);
    assert_eq!(asked("our-finetune", ""), (vec![own], None), "nobody says who makes it");

    let elsewhere = NewAccount {
        base_url: Some("http://127.0.0.1:9/v1".to_owned()),
        ..new("elsewhere")
    };
    let aggregator = NewAccount {
        provider: "openrouter".to_owned(),
        ..new("aggregator")
    };
    let named = NewAccount {
        models: Models::Named(vec![Served {
            model: "claude-opus-5".to_owned(),
            upstream_model: Some("gpt-4o".to_owned()),
        }]),
        ..new("named")
    };
    let mut open = Vec::new();
    for account in [elsewhere, aggregator, named] {
        open.push(fleet.create(&account).await.unwrap().id);
    }
    assert_eq!(asked("claude-opus-5", "anthropic"), (open.clone(), None));
    open.truncate(2);
    assert_eq!(asked("grok-4.7", "xai"), (open.clone(), None));
    assert_eq!(asked("gpt-4o", "openai").0, [&[own], &open[..]].concat());
}

#[tokio::test]
async fn every_wrong_field_of_an_account_is_named() {
    let db = TempDb::open().await;
    let fleet = fleet(&db).await;
    let wrong = NewAccount {
        label: " ".to_owned(),
        provider: "nobody".to_owned(),
        dialect: Some("morse".to_owned()),
        base_url: Some("http://10.0.0.1/v1".to_owned()),
        secret: Secret::new("with space".to_owned()),
        auth_scheme: Some("content-type".to_owned()),
        proxy_url: Some(Secret::new("ftp://proxy".to_owned())),
        models: Models::Named(Vec::new()),
        standing: Standing {
            priority: 5_000,
            weight: 0,
            region: Some("not a tag".to_owned()),
        },
        grants: Grants {
            rpm: Some(0),
            tpm: Some(-1),
            max_in_flight: Some(i64::MAX),
        },
    };
    let mut named = fields(fleet.create(&wrong).await.unwrap_err());
    named.sort_unstable();
    let all = [
        "auth_scheme",
        "base_url",
        "dialect",
        "label",
        "max_in_flight",
        "models",
        "priority",
        "provider",
        "proxy_url",
        "region",
        "rpm",
        "secret",
        "tpm",
        "weight",
    ];
    assert_eq!(named, all);
    let keyless = NewAccount {
        secret: Secret::new(String::new()),
        ..new("main")
    };
    assert_eq!(fields(fleet.create(&keyless).await.unwrap_err()), ["secret"]);
    assert!(fleet.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_key_is_sent_as_bearer_or_in_a_header_that_has_no_other_meaning() {
    let db = TempDb::open().await;
    let fleet = fleet(&db).await;
    for wrong in [
        "",
        "two words",
        "a:b",
        "x\r\ny",
        "host",
        "Content-Length",
        "connection",
        "transfer-encoding",
        "none",
    ] {
        let account = NewAccount {
            auth_scheme: Some(wrong.to_owned()),
            ..new("main")
        };
        assert_eq!(
            fields(fleet.create(&account).await.unwrap_err()),
            ["auth_scheme"],
            "{wrong}"
        );
    }
    let id = fleet.create(&new("main")).await.unwrap().id;
    for (change, scheme) in [
        (Patch::Set("X-API-Key".to_owned()), "x-api-key"),
        (Patch::Keep, "x-api-key"),
        (Patch::Set("Bearer".to_owned()), "bearer"),
        (Patch::Set("authorization".to_owned()), "authorization"),
        (Patch::Clear, "bearer"),
    ] {
        let change = Change {
            auth_scheme: change,
            ..Change::default()
        };
        assert_eq!(fleet.update(id, change).await.unwrap().auth_scheme, scheme);
    }
}

#[tokio::test]
async fn another_host_or_proxy_demands_the_key_anew() {
    let db = TempDb::open().await;
    let fleet = fleet(&db).await;
    let id = fleet.create(&new("main")).await.unwrap().id;
    let to = |base_url: &str| Change {
        base_url: Some(base_url.to_owned()),
        ..Change::default()
    };
    let elsewhere = [
        "https://evil.example.com/v1",
        "http://api.openai.com/v1",
        "https://api.openai.com:444/v1",
    ];
    for base_url in elsewhere {
        assert_eq!(
            fields(fleet.update(id, to(base_url)).await.unwrap_err()),
            ["secret"],
            "{base_url}"
        );
    }
    let proxied = Change {
        proxy_url: Patch::Set(Secret::new("http://proxy.example.com:8080".to_owned())),
        ..Change::default()
    };
    assert_eq!(fields(fleet.update(id, proxied.clone()).await.unwrap_err()), ["secret"]);
    let moved = fleet.update(id, to("https://api.openai.com/v2/")).await.unwrap();
    assert_eq!(
        (moved.base_url.as_str(), moved.last_four.as_str()),
        ("https://api.openai.com/v2", "9876")
    );
    let with_key = Change {
        secret: Some(Secret::new("sk-another-key-1234".to_owned())),
        ..to("https://eu.api.openai.com/v1")
    };
    let moved = fleet.update(id, with_key).await.unwrap();
    assert_eq!(moved.last_four, "1234");
    let routes = fleet.plan("gpt-4o", &request(clock::now_ms()));
    assert_eq!(routes.ordered[0].secrets(), ["sk-another-key-1234"]);
}

#[tokio::test]
async fn a_proxys_password_is_sealed_and_kept_when_the_form_sends_back_what_it_showed() {
    let db = TempDb::open().await;
    let fleet = fleet(&db).await;
    let proxied = NewAccount {
        proxy_url: Some(Secret::new("socks5h://user:canary@proxy.example.com:1080".to_owned())),
        ..new("main")
    };
    let account = fleet.create(&proxied).await.unwrap();
    let shown = "socks5h://proxy.example.com:1080";
    assert_eq!(account.proxy_url.as_deref(), Some(shown));
    let same = Change {
        label: Some("renamed".to_owned()),
        base_url: Some(account.base_url.clone()),
        proxy_url: Patch::Set(Secret::new(shown.to_owned())),
        ..Change::default()
    };
    assert_eq!(fleet.update(account.id, same).await.unwrap().label, "renamed");
    let row = entity::account::Entity::find_by_id(account.id)
        .one(&*db)
        .await
        .unwrap()
        .unwrap();
    let url = row.base_url.parse().unwrap();
    let (_, proxy) = upstream::open_secrets(&row, &url, &master()).unwrap();
    assert_eq!(proxy.unwrap().expose(), "socks5h://user:canary@proxy.example.com:1080");
}

#[tokio::test]
async fn null_clears_and_what_is_not_named_stays() {
    let db = TempDb::open().await;
    let fleet = fleet(&db).await;
    let full = NewAccount {
        standing: Standing {
            priority: 3,
            weight: 7,
            region: Some("eu".to_owned()),
        },
        grants: Grants {
            rpm: Some(60),
            tpm: Some(1_000),
            max_in_flight: Some(2),
        },
        ..new("main")
    };
    let id = fleet.create(&full).await.unwrap().id;
    let change = Change {
        priority: Patch::Clear,
        region: Patch::Clear,
        grants: GrantsChange {
            rpm: Patch::Clear,
            tpm: Patch::Set(5),
            max_in_flight: Patch::Keep,
        },
        ..Change::default()
    };
    let account = fleet.update(id, change).await.unwrap();
    assert_eq!(
        (
            account.standing.priority,
            account.standing.weight,
            account.standing.region
        ),
        (0, 7, None)
    );
    let grants = Grants {
        rpm: None,
        tpm: Some(5),
        max_in_flight: Some(2),
    };
    assert_eq!(account.grants, grants);
}

#[tokio::test]
async fn a_cooling_account_is_left_out_until_it_said() {
    let db = TempDb::open().await;
    let fleet = fleet(&db).await;
    let first = fleet.create(&new("first")).await.unwrap().id;
    let second = NewAccount {
        standing: Standing {
            priority: 1,
            ..Standing::default()
        },
        ..new("second")
    };
    let second = fleet.create(&second).await.unwrap().id;
    let now_ms = clock::now_ms();
    let routes = fleet.plan("gpt-4o", &request(now_ms));
    assert_eq!(ids(&routes), [first, second]);
    let until_ms = now_ms + 100_000;
    routes.ordered[0].judge(&verdict(Mark::Cool { until_ms }, Fault::RateLimited), "slow down");
    assert_eq!(ids(&fleet.plan("gpt-4o", &request(now_ms))), [second]);
    let other = ids(&fleet.plan("gpt-4o-mini", &request(now_ms)));
    assert_eq!(other, [first, second], "limits are counted by model");
    assert_eq!(ids(&fleet.plan("gpt-4o", &request(until_ms))), [first, second]);
}

#[tokio::test]
async fn a_missing_model_is_missing_for_that_model_only() {
    let db = TempDb::open().await;
    let fleet = fleet(&db).await;
    let id = fleet.create(&new("main")).await.unwrap().id;
    let now_ms = clock::now_ms();
    let routes = fleet.plan("gpt-4o", &request(now_ms));
    let until_ms = now_ms + 100_000;
    routes.ordered[0].judge(
        &verdict(Mark::ModelMissing { until_ms }, Fault::ModelMissing),
        "no such model",
    );
    assert_eq!(
        fleet.plan("gpt-4o", &request(now_ms)).why_empty,
        Some(WhyEmpty::NoneHasModel)
    );
    assert!(!fleet.serves("gpt-4o", "") && fleet.serves("gpt-4o-mini", ""));
    assert_eq!(ids(&fleet.plan("gpt-4o-mini", &request(now_ms))), [id]);
}

#[tokio::test]
async fn a_parked_account_is_written_down_alerted_and_taken_back_after_a_new_key() {
    let db = TempDb::open().await;
    let fleet = fleet(&db).await;
    let id = fleet.create(&new("main")).await.unwrap().id;
    let routes = fleet.plan("gpt-4o", &request(clock::now_ms()));
    routes.ordered[0].judge(
        &verdict(Mark::Park { reason: Reason::BadKey }, Fault::BadKey),
        "wrong key",
    );
    fleet.write_news().await.unwrap();
    fleet.write_news().await.unwrap();
    let open = alerts::list_open(&*db).await.unwrap();
    assert_eq!(
        (open.len(), open[0].kind.as_str(), open[0].count),
        (1, "account_parked", 1)
    );
    let account = fleet.get(id).await.unwrap();
    assert_eq!(account.live.health.unwrap().reason, Some(Reason::BadKey));
    assert_eq!(account.live.last_error.unwrap(), "Key refused: wrong key");
    // Another process, or this one started again, knows.
    let restarted = self::fleet(&db).await;
    assert_eq!(restarted.get(id).await.unwrap().live.health.unwrap().state, "parked");
    let new_key = Change {
        secret: Some(Secret::new("sk-good-key-12345678".to_owned())),
        ..Change::default()
    };
    fleet.update(id, new_key).await.unwrap();
    assert_eq!(fleet.get(id).await.unwrap().live.health.unwrap().state, "ready");
    assert!(alerts::list_open(&*db).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_recovered_account_closes_its_alert() {
    let db = TempDb::open().await;
    let fleet = fleet(&db).await;
    fleet.create(&new("main")).await.unwrap();
    let deployment = fleet.plan("gpt-4o", &request(clock::now_ms())).ordered[0].clone();
    deployment.judge(
        &verdict(
            Mark::Park {
                reason: Reason::NoMoney,
            },
            Fault::NoMoney,
        ),
        "empty",
    );
    fleet.write_news().await.unwrap();
    assert_eq!(alerts::list_open(&*db).await.unwrap().len(), 1);
    let freed = fleet.freed();
    deployment.report(Event::Succeeded { latency_ms: 5 });
    freed.await;
    fleet.write_news().await.unwrap();
    assert!(alerts::list_open(&*db).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_request_that_was_wrong_itself_ends_a_probe() {
    let db = TempDb::open().await;
    let fleet = fleet(&db).await;
    fleet.create(&new("main")).await.unwrap();
    let now_ms = clock::now_ms();
    let deployment = fleet.plan("gpt-4o", &request(now_ms)).ordered[0].clone();
    deployment.judge(&verdict(Mark::Guess, Fault::Upstream), "broke");
    let permit = fleet.begin(&deployment, 1).unwrap();
    assert!(fleet.begin(&deployment, 1).is_none());
    drop(permit);
    let permit = fleet
        .begin(&deployment, 1)
        .expect("a probe that was not sent is no probe");
    permit.mark_sent();
    deployment.judge(&verdict(Mark::None, Fault::BadRequest), "bad request");
    drop(permit);
    assert_eq!(fleet.plan("gpt-4o", &request(now_ms)).why_empty, None);
    assert!(fleet.begin(&deployment, 1).is_some());
}

#[tokio::test]
async fn permits_are_bounded_and_a_freed_one_wakes_the_waiting() {
    let db = TempDb::open().await;
    let fleet = fleet(&db).await;
    let small = NewAccount {
        grants: Grants {
            rpm: None,
            tpm: Some(100),
            max_in_flight: Some(1),
        },
        ..new("main")
    };
    fleet.create(&small).await.unwrap();
    let now_ms = clock::now_ms();
    let deployment = fleet.plan("gpt-4o", &request(now_ms)).ordered[0].clone();
    let permit = fleet.begin(&deployment, 90).unwrap();
    assert!(fleet.begin(&deployment, 1).is_none());
    assert_eq!(
        fleet.plan("gpt-4o", &request(now_ms)).why_empty,
        Some(WhyEmpty::AllBusy)
    );
    let freed = fleet.freed();
    permit.settle(20);
    drop(permit);
    freed.await;
    assert!(fleet.begin(&deployment, 81).is_none());
    assert!(fleet.begin(&deployment, 80).is_some());
}

#[tokio::test]
async fn an_account_at_its_own_limit_says_when_it_has_room_again() {
    let db = TempDb::open().await;
    let fleet = fleet(&db).await;
    let slow = NewAccount {
        grants: Grants {
            rpm: Some(1),
            ..Grants::default()
        },
        ..new("main")
    };
    fleet.create(&slow).await.unwrap();
    let deployment = fleet.plan("gpt-4o", &request(clock::now_ms())).ordered[0].clone();
    // A permit with which nothing was sent is given back whole.
    drop(fleet.begin(&deployment, 1).unwrap());
    let permit = fleet.begin(&deployment, 1).unwrap();
    permit.mark_sent();
    drop(permit);
    let now_ms = clock::now_ms();
    let routes = fleet.plan("gpt-4o", &request(now_ms));
    assert_eq!(routes.why_empty, Some(WhyEmpty::AllBusy));
    let free_ms = routes.next_free_ms.unwrap();
    assert!((now_ms + 1..=now_ms + 70_000).contains(&free_ms));
    assert_eq!(fleet.plan("gpt-4o", &request(free_ms)).why_empty, None);
}

#[tokio::test]
async fn another_process_sees_a_change_and_requests_under_way_are_still_counted() {
    let db = TempDb::open().await;
    let (one, other) = (fleet(&db).await, fleet(&db).await);
    let id = one.create(&new("main")).await.unwrap().id;
    assert!(other.refresh().await.unwrap() && other.serves("gpt-4o", ""));
    assert!(!other.refresh().await.unwrap());
    let deployment = other.plan("gpt-4o", &request(clock::now_ms())).ordered[0].clone();
    let permit = other.begin(&deployment, 1).unwrap();
    let change = Change {
        models: Patch::Set(Models::Named(vec![Served {
            model: "fast".to_owned(),
            upstream_model: Some("gpt-4o-mini".to_owned()),
        }])),
        ..Change::default()
    };
    one.update(id, change).await.unwrap();
    assert!(other.refresh().await.unwrap() && !other.serves("gpt-4o", ""));
    let routes = other.plan("fast", &request(clock::now_ms()));
    assert_eq!(routes.ordered[0].upstream_model, "gpt-4o-mini");
    assert_eq!(other.get(id).await.unwrap().live.in_flight, 1);
    drop(permit);
    assert_eq!(other.get(id).await.unwrap().live.in_flight, 0);
    let off = Change {
        is_disabled: Some(true),
        ..Change::default()
    };
    one.update(id, off).await.unwrap();
    assert!(!one.serves("fast", ""));
    one.delete(id).await.unwrap();
    assert!(other.refresh().await.unwrap() && other.list().await.unwrap().is_empty());
    assert!(matches!(one.delete(id).await, Err(AccountsError::NotFound)));
}

#[tokio::test]
async fn a_row_moved_to_another_host_in_the_database_takes_no_traffic() {
    let db = TempDb::open().await;
    let fleet = fleet(&db).await;
    let id = fleet.create(&new("main")).await.unwrap().id;
    entity::account::Entity::update_many()
        .col_expr(
            entity::account::Column::BaseUrl,
            Expr::value("https://evil.example.com/v1"),
        )
        .exec(&*db)
        .await
        .unwrap();
    fleet.load().await.unwrap();
    assert!(!fleet.serves("gpt-4o", ""));
    assert_eq!(alerts::list_open(&*db).await.unwrap()[0].kind, "account_unusable");
    assert!(fleet.get(id).await.unwrap().live.health.is_none());
}

#[tokio::test]
async fn a_test_lists_models_and_follows_no_redirect() {
    let db = TempDb::open().await;
    let fleet = fleet(&db).await;
    let draft = |base_url: String| NewAccount {
        base_url: Some(base_url),
        ..new("draft")
    };
    let (url, asked) = provider("200 OK", r#"{"data":[{"id":"one"},{"id":"two"}]}"#);
    let outcome = fleet.test_draft(&draft(url)).await.unwrap();
    assert!(outcome.ok, "{outcome:?}");
    assert_eq!(outcome.models, ["one", "two"]);
    let asked = asked.join().unwrap();
    assert!(asked.starts_with("GET /v1/models HTTP/1.1"), "{asked}");
    assert!(asked.contains(&format!("authorization: Bearer {CANARY}")), "{asked}");
    let (url, asked) = provider("200 OK", r#"{"data":[]}"#);
    let own_header = NewAccount {
        auth_scheme: Some(" Api-Key ".to_owned()),
        ..draft(url)
    };
    assert!(fleet.test_draft(&own_header).await.unwrap().ok);
    let asked = asked.join().unwrap();
    assert!(asked.contains(&format!("api-key: {CANARY}\r\n")), "{asked}");
    assert!(!asked.contains("authorization"), "{asked}");
    let (url, _) = provider("302 Found", "");
    let outcome = fleet.test_draft(&draft(url)).await.unwrap();
    assert!(!outcome.ok && outcome.message.contains("not followed"), "{outcome:?}");
}

#[tokio::test]
async fn a_refused_test_explains_itself_without_the_key() {
    let db = TempDb::open().await;
    let fleet = fleet(&db).await;
    let error =
        format!(r#"{{"error":{{"message":"Incorrect API key provided: {CANARY}.","code":"invalid_api_key"}}}}"#);
    let (url, _) = provider("401 Unauthorized", &error);
    let refused = NewAccount {
        base_url: Some(url),
        ..new("draft")
    };
    let outcome = fleet.test_draft(&refused).await.unwrap();
    assert!(
        !outcome.ok && outcome.message.contains("refuses the key"),
        "{outcome:?}"
    );
    assert!(!outcome.message.contains("canary"), "{outcome:?}");
    let strict = Fleet::start((*db).clone(), master(), Config::default()).await.unwrap();
    let inside = NewAccount {
        base_url: Some("http://localhost:9/v1".to_owned()),
        ..new("draft")
    };
    let outcome = strict.test_draft(&inside).await.unwrap();
    assert!(!outcome.ok && outcome.message.contains("allow list"), "{outcome:?}");
    assert_eq!(fields(strict.test_draft(&refused).await.unwrap_err()), ["base_url"]);
}

#[test]
fn nodes_divide_the_limits_of_an_account_and_each_has_at_least_one() {
    let most = super::state::Most {
        rpm: Some(100),
        tpm: None,
        tpm_alone: None,
        in_flight: Some(2),
    };
    let parts = [1, 3]
        .map(|nodes| most.among(nodes))
        .map(|part| (part.rpm, part.tpm, part.in_flight));
    assert_eq!(parts, [(Some(100), None, Some(2)), (Some(33), None, Some(1))]);
}

#[tokio::test]
async fn a_request_of_more_tokens_than_a_nodes_part_is_served_where_none_are_taken() {
    let db = TempDb::open().await;
    let peers = crate::ledger::Peers::default();
    peers.note(1);
    let config = Config {
        peers,
        ..Config::default()
    };
    let fleet = Fleet::start((*db).clone(), master(), config).await.unwrap();
    let account = NewAccount {
        grants: Grants {
            tpm: Some(30_000),
            ..Grants::default()
        },
        ..new("main")
    };
    fleet.create(&account).await.unwrap();
    let plan = |tokens| {
        let request = RouteRequest {
            tokens,
            ..request(clock::now_ms())
        };
        fleet.plan("gpt-4o", &request)
    };
    assert_eq!(plan(30_001).why_empty, Some(WhyEmpty::AllBusy));
    let deployment = plan(16_000).ordered[0].clone();
    let permit = fleet.begin(&deployment, 16_000).unwrap();
    permit.mark_sent();
    // No more than the part goes beside others.
    for tokens in [1, 16_000] {
        assert_eq!(plan(tokens).why_empty, Some(WhyEmpty::AllBusy));
        assert!(plan(tokens).next_free_ms.is_some());
    }
    assert!(fleet.begin(&deployment, 1).is_none());
    permit.settle(10_000);
    let room = |tokens| plan(tokens).why_empty.is_none();
    assert_eq!([room(5_000), room(5_001)], [true, false]);
    permit.settle(0);
    assert!(room(30_000));
}
