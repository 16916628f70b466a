//! Who sends slowly or logs in without end harms nobody else.

use crate::harness::{HELLO, Hub, PATIENCE, Setup, hello, spawn_with};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use gateway_core::money::Nano;
use server::clock;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// More than may wait for their hash, and fewer than are let through in a minute.
const LOG_INS: usize = 256;
/// How many of them are told to come again, at the least: most, since half of the cores hash.
const SENT_AWAY: usize = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_do_not_arrive_are_given_up_and_others_are_answered() {
    let mut setup = Setup::default();
    setup.relay.body = Duration::from_millis(500);
    let hub = spawn_with(setup).await;
    hub.account("one").await;
    let key = hub.key().await;
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: 500\r\n\r\n{{",
        key.text
    );
    let mut slow = Vec::new();
    for _ in 0..50 {
        let mut connection = TcpStream::connect(hub.address).await.unwrap();
        connection.write_all(head.as_bytes()).await.unwrap();
        slow.push(connection);
    }
    for _ in 0..5 {
        assert_eq!(key.chat(&hello()).await.status, 200);
    }
    let given_up = slow.into_iter().map(|mut connection| async move {
        // A byte now and then is not enough.
        let mut answer = Vec::new();
        let _ = connection.write_all(b" ").await;
        let read = tokio::time::timeout(PATIENCE, connection.read_to_end(&mut answer)).await;
        let _ = read.expect("the server waits for good");
        String::from_utf8(answer).unwrap()
    });
    for answer in join_all(given_up).await {
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(answer.contains("body_timeout"), "{answer}");
    }
    let (holds, charged) = (hub.holds().await.len(), hub.charged().await);
    assert_eq!((holds, charged), (5, Nano(5 * HELLO.0)));
    drop(key);
    hub.close().await;
}

/// What the server answers to `sent`, until it closes the connection.
async fn answer_to(hub: &Hub, sent: &str) -> String {
    let mut connection = TcpStream::connect(hub.address).await.unwrap();
    connection.write_all(sent.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, connection.read_to_end(&mut answer)).await;
    let _ = read.expect("the server waits for good");
    String::from_utf8(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forms_calls_and_webhooks_that_do_not_arrive_are_given_up_and_so_is_who_idles() {
    let mut setup = Setup {
        flags: vec![
            "--stripe-secret-key",
            "sk_test_0123456789abcdef",
            "--stripe-webhook-secret",
            "whsec_0123456789abcdef",
        ],
        ..Setup::default()
    };
    setup.relay.body = Duration::from_millis(300);
    setup.relay.keep_alive = Duration::from_millis(300);
    let hub = spawn_with(setup).await;
    let person = hub.app.auth.find_person("owner@example.com").await.unwrap();
    let token = hub.app.auth.create_token(&person, clock::now_ms()).await.unwrap();
    let form = "content-type: application/x-www-form-urlencoded\r\nsec-fetch-site: same-origin";
    let bearer = format!("authorization: Bearer {}", token.shown);
    let address = hub.address;
    let cut = [
        ("/fn/log_in", form, "408"),
        ("/api/v1/models", bearer.as_str(), "400"),
        ("/webhooks/stripe", "stripe-signature: t=1", "408"),
    ];
    let given_up = cut.map(|(path, header, status)| {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\n{header}\r\ncontent-length: 50\r\nconnection: close\r\n\r\n{{"
        );
        let hub = &hub;
        async move { (path, status, answer_to(hub, &head).await) }
    });
    for (path, status, answer) in join_all(given_up).await {
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
    }
    let idle = answer_to(&hub, "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(idle.starts_with("HTTP/1.1 200 "), "{idle}");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_that_do_not_arrive_are_given_up_and_others_are_answered() {
    let mut setup = Setup::default();
    setup.relay.head = Duration::from_millis(500);
    let hub = spawn_with(setup).await;
    hub.account("one").await;
    let key = hub.key().await;
    let mut slow = Vec::new();
    for head in [
        "P",
        "POST /v1/chat/completions HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nhost: x\r\nx-a: ",
    ]
    .repeat(20)
    {
        let mut connection = TcpStream::connect(hub.address).await.unwrap();
        connection.write_all(head.as_bytes()).await.unwrap();
        slow.push(connection);
    }
    for _ in 0..5 {
        assert_eq!(key.chat(&hello()).await.status, 200);
    }
    let given_up = slow.into_iter().map(|mut connection| async move {
        let mut answer = Vec::new();
        // A byte now and then is not enough.
        let _ = connection.write_all(b"x").await;
        let read = tokio::time::timeout(PATIENCE, connection.read_to_end(&mut answer)).await;
        // A reset closes as well as an end.
        let _ = read.expect("the server waits for good");
        String::from_utf8(answer).unwrap()
    });
    for answer in join_all(given_up).await {
        assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    }
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_log_ins_is_sent_away_and_the_relay_answers_beside_it() {
    // So that each comes from an address of its own.
    let hub = spawn_with(Setup {
        flags: vec!["--trusted-proxies", "127.0.0.0/8"],
        ..Setup::default()
    })
    .await;
    hub.account("one").await;
    let key = hub.key().await;
    let log_ins = (0..LOG_INS).map(|at| {
        let form = format!("email=nobody-{at}@example.com&password=sunlit-otter");
        let request = hub.client.post(hub.url("/fn/log_in"));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let request = request
            .header("sec-fetch-site", "same-origin")
            .header("x-forwarded-for", format!("203.0.{}.{}", at % 2, at / 2));
        async move { request.body(form).send().await.unwrap().text().await.unwrap() }
    });
    let mut log_ins: FuturesUnordered<_> = log_ins.collect();
    let calls = async {
        let mut statuses = Vec::new();
        for _ in 0..20 {
            statuses.push(key.chat(&hello()).await.status);
        }
        statuses
    };
    let flood = async {
        let mut sent_away = 0;
        while let Some(answer) = log_ins.next().await {
            let is_sent_away = answer.contains("throttled");
            assert!(is_sent_away || answer.contains("unauthenticated"), "{answer}");
            sent_away += usize::from(is_sent_away);
            if sent_away == SENT_AWAY {
                break;
            }
        }
        sent_away
    };
    let both = async { tokio::join!(flood, calls) };
    let (sent_away, calls) = tokio::time::timeout(4 * PATIENCE, both).await.unwrap();
    assert_eq!((sent_away, calls), (SENT_AWAY, vec![200; 20]));
    // Those that still wait hang up, and their hashes with them.
    drop((log_ins, key));
    hub.close().await;
}
