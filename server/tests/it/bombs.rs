//! Much from little: what is built to make a server big, slow or dead costs its sender an error, and nobody else anything.
//!
//! Invariant: the server is a process of its own, so that its memory is its own.

#![cfg(target_os = "linux")]

use crate::harness::{Hub, Place, Setup, hello, hello_streamed};
use crate::kill::start;
use crate::upstream::Reply;
use futures_util::future::join_all;
use std::process::{Child, Command};

/// How many of each at once.
const AT_ONCE: usize = 4;
/// What the process may grow by: the bodies that are on their way at once, twice, and some air.
const GROWTH_MAX_KIB: u64 = 256 << 10;

struct Stage {
    process: Child,
    url: String,
    key: String,
    client: reqwest::Client,
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Stage {
    async fn send(&self, body: Vec<u8>) -> u16 {
        let request = self
            .client
            .post(format!("{}/v1/chat/completions", self.url))
            .bearer_auth(&self.key);
        let response = request.body(body).send().await.unwrap();
        let status = response.status().as_u16();
        response.bytes().await.unwrap();
        status
    }

    /// The most memory the process had so far, in KiB.
    fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().split(' ').next().unwrap().parse().unwrap()
    }

    /// All of `bombs` at once, beside ordinary requests, which are answered.
    async fn survives(&self, name: &str, bombs: Vec<Vec<u8>>, statuses: &[u16]) {
        let bombs = join_all(bombs.into_iter().map(|body| self.send(body)));
        let others = async {
            let mut statuses = Vec::new();
            for _ in 0..5 {
                statuses.push(self.send(hello().to_string().into_bytes()).await);
            }
            statuses
        };
        let (bombs, others) = tokio::join!(bombs, others);
        assert!(
            bombs.iter().all(|status| statuses.contains(status)),
            "{name}: {bombs:?}"
        );
        assert_eq!(others, [200; 5], "beside {name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bombs_of_clients_and_providers_harm_nobody_else_and_fill_no_memory() {
    let hub = Hub::start(Place::sqlite(), Setup::default()).await;
    hub.account_with("bomb", |new| new.label = "bomb".to_owned()).await;
    hub.account_with("good", |new| new.standing.priority = 1).await;
    let line = b"data: "
        .iter()
        .chain(&b"x".repeat(48 << 20))
        .copied()
        .collect::<Vec<u8>>();
    let (line, error) = (
        Reply::body(200, "text/event-stream", &line),
        Reply::body(500, "application/json", &b"{".repeat(48 << 20)),
    );
    hub.upstream.behave("bomb", move |call| match call.text() {
        text if text.contains("a long line") => line.clone(),
        text if text.contains("a long error") => error.clone(),
        _ => Reply::chat("hello", 10, 5),
    });
    let (key, client, upstream) = (hub.key().await.text, hub.client.clone(), hub.upstream.clone());
    let place = hub.close_keeping_data().await;
    let (process, url) = start(&place);
    let stage = Stage {
        process,
        url,
        key,
        client,
    };
    assert_eq!(stage.send(hello().to_string().into_bytes()).await, 200);
    let before = stage.peak();

    let many: String = (0..1_000_000).map(|field| format!(r#","{field}":0"#)).collect();
    for (name, part, end) in [
        ("arrays in arrays", b"[".repeat(8 << 20), ""),
        ("objects in objects", br#"{"a":"#.repeat(2 << 20), ""),
        ("a million keys", [b"0", many.as_bytes()].concat(), "}"),
        ("a number of a million digits", b"9".repeat(1 << 20), "}"),
        (
            "escapes that do not end",
            [&b"\""[..], &br"\u0000".repeat(1 << 20)].concat(),
            "}",
        ),
    ] {
        let open = br#"{"model":"small","messages":[{"role":"user","content":"hi"}],"x":"#;
        let body = [&open[..], &part[..], end.as_bytes()].concat();
        stage.survives(name, vec![body; AT_ONCE], &[400]).await;
    }
    let asked = |words: &str| {
        hello_streamed()
            .to_string()
            .replace("\"hi\"", &format!("\"{words}\""))
            .into_bytes()
    };
    for words in ["a long line", "a long error"] {
        // Another account answers in the place of the one that does it.
        stage.survives(words, vec![asked(words); AT_ONCE], &[200]).await;
    }
    let grown = stage.peak() - before;
    assert!(grown < GROWTH_MAX_KIB, "it grew by {grown} KiB");
    assert!(!upstream.arrived("bomb").is_empty());
    let told = Command::new("kill")
        .arg(stage.process.id().to_string())
        .status()
        .unwrap();
    assert!(told.success());
}
