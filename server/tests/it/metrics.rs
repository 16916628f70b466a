//! What `/metrics` counts after calls went well and badly.

use crate::harness::{Answer, Setup, hello, hello_streamed, spawn, spawn_with};
use crate::upstream::Reply;
use gateway_core::id::{Kind, render};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_attempts_and_times_are_counted_and_nobody_is_named() {
    let hub = spawn().await;
    hub.account("one").await;
    let key = hub.key().await;
    assert_eq!(key.chat(&hello()).await.status, 200);
    assert_eq!(key.chat(&hello_streamed()).await.status, 200);
    hub.upstream.answer("one", Reply::error(400, "bad_thing"));
    assert_eq!(key.chat(&hello()).await.status, 400);
    hub.quiet().await;

    let text = key.get("/metrics").await.text();

    for line in [
        "ourhub_requests_total{operation=\"chat\",status=\"2xx\"} 2",
        "ourhub_requests_total{operation=\"chat\",status=\"4xx\"} 1",
        "ourhub_requests_total{operation=\"embeddings\",status=\"2xx\"} 0",
        "ourhub_attempts_total{outcome=\"ok\"} 2",
        "ourhub_attempts_total{outcome=\"refused\"} 1",
        "ourhub_first_content_seconds_count 1",
        "ourhub_answer_seconds_count 2",
        "ourhub_answer_seconds_bucket{le=\"+Inf\"} 2",
        "ourhub_open_holds 0",
        "ourhub_ledger_queued 0",
        "ourhub_ledger_lag_milliseconds 0",
        "ourhub_leases 0",
        "ourhub_live_nodes 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    let commits = text
        .lines()
        .find_map(|line| line.strip_prefix("ourhub_ledger_commits_total "));
    assert!(commits.unwrap().parse::<u64>().unwrap() > 0);
    for name in ["small", &key.id.to_string(), "owner"] {
        assert!(!text.contains(name), "{name} is named in\n{text}");
    }
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("ourhub_") && value.parse::<f64>().is_ok(), "{line}");
    }
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_and_models_are_named_to_whoever_has_the_token_and_nobody_else_is_answered() {
    let hub = spawn_with(Setup {
        flags: vec!["--metrics-token", "canary-token"],
        ..Setup::default()
    })
    .await;
    let account = render(Kind::Account, hub.account("one").await);
    let key = hub.key().await;
    assert_eq!(key.chat(&hello_streamed()).await.status, 200);
    hub.upstream.answer("one", Reply::error(400, "bad_thing"));
    assert_eq!(key.chat(&hello()).await.status, 400);
    hub.quiet().await;
    let read = async |token: &str| {
        let request = hub.client.get(hub.url("/metrics")).bearer_auth(token);
        Answer::read(request.send().await.unwrap()).await
    };
    for wrong in ["canary-toke", "canary-token2", ""] {
        let refused = read(wrong).await;
        assert_eq!((refused.status, refused.body.len()), (401, 0), "{wrong}");
    }
    let text = read("canary-token").await.text();
    for line in [
        format!("ourhub_account_attempts_total{{account=\"{account}\",model=\"small\",outcome=\"ok\"}} 1"),
        format!("ourhub_account_attempts_total{{account=\"{account}\",model=\"small\",outcome=\"refused\"}} 1"),
        format!("ourhub_account_streams_total{{account=\"{account}\",model=\"small\"}} 1"),
        format!("ourhub_account_ready{{account=\"{account}\"}} 1"),
        format!("ourhub_account_in_flight{{account=\"{account}\"}} 0"),
        format!("ourhub_account_headroom_thousandths{{account=\"{account}\"}} 1000"),
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    drop(key);
    hub.close().await;
}
