//! Clients that ask once and never again.
//!
//! Invariant: a request counts as whole only if all of its own answer came. Talks to loopback only.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bench::load::{self, Target};
use bytes::Bytes;
use hyper::Method;
use tokio::task::JoinSet;

use super::words::{Dialect, Read, Words};

/// Between two requests of a client.
const REST: Duration = Duration::from_millis(40);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// A request that has ended.
pub struct Ended {
    /// The request's.
    pub number: u64,
    /// When it was sent.
    pub began: Instant,
    /// When all of its answer had come.
    pub ended: Instant,
    /// Whether the answer is whole; else it ended in an error event.
    pub is_whole: bool,
    /// What was wrong, for people.
    pub problem: Option<String>,
}

/// The clients.
pub struct Clients {
    tasks: JoinSet<Vec<Ended>>,
}

impl Clients {
    /// Starts `count` of them, which go on until they are told to `stop`.
    pub fn start(count: u64, target: &Target, stop: &Arc<AtomicBool>) -> Self {
        let (next, mut tasks) = (Arc::<AtomicU64>::default(), JoinSet::new());
        for _ in 0..count {
            let (target, next, stop) = (target.clone(), Arc::clone(&next), Arc::clone(stop));
            tasks.spawn(async move {
                let mut ended = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    ended.push(ask(&target, next.fetch_add(1, Ordering::Relaxed)).await);
                    tokio::time::sleep(REST).await;
                }
                ended
            });
        }
        Self { tasks }
    }

    /// Waits for what is under way.
    pub async fn finish(mut self) -> Vec<Ended> {
        let mut all = Vec::new();
        while let Some(ended) = self.tasks.join_next().await {
            all.extend(ended.unwrap_or_default());
        }
        all
    }
}

async fn ask(target: &Target, number: u64) -> Ended {
    let dialect = if number.is_multiple_of(2) {
        Dialect::Chat
    } else {
        Dialect::Messages
    };
    let (words, is_stream) = (Words { dialect, number }, (number / 2).is_multiple_of(2));
    let began = Instant::now();
    let answer = tokio::time::timeout(PATIENCE, fetch(target, words, is_stream)).await;
    let (is_whole, problem) = match answer {
        Err(_) => (false, Some("no answer".to_owned())),
        Ok(Err(error)) => (false, Some(error.to_string())),
        Ok(Ok((200, text))) => match words.read(&text, is_stream) {
            Read::Whole => (true, None),
            Read::ErrorEvent => (false, None),
            Read::Odd(text) => (false, Some(text)),
        },
        Ok(Ok((status, text))) => (false, Some(format!("{status}: {text}"))),
    };
    Ended {
        number,
        began,
        ended: Instant::now(),
        is_whole,
        problem,
    }
}

async fn fetch(target: &Target, words: Words, is_stream: bool) -> anyhow::Result<(u16, String)> {
    let mut connection = load::connect(target).await?;
    let body = Bytes::from(words.request(is_stream).to_string());
    let (status, answer) = load::send(&mut connection, target, Method::POST, words.dialect.path(), body).await?;
    Ok((status, String::from_utf8_lossy(&answer).into_owned()))
}
