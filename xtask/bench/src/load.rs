//! The load: as much as goes through, or a constant rate.
//!
//! Invariant: at a constant rate latency counts from the moment a request was due, not from when it could be sent, so a
//! candidate that stalls is not asked more gently. An answer that is not 200 ends the run.
//! Talks to loopback only.

use std::{
    net::SocketAddr,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::ensure;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, client::conn::http1::SendRequest};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::LocalSet};

use crate::{
    candidate::Candidate,
    clock,
    mock::{DONE, EVENTS},
};

const BODY: &[u8] = br#"{"model":"gpt-4o-mini","messages":[{"role":"system","content":"You answer in one short sentence."},{"role":"user","content":"What does a relay cost, and what does it save? Answer for somebody who pays the bill."}],"max_tokens":64,"temperature":0}"#;
const STREAM_BODY: &[u8] = br#"{"model":"gpt-4o-mini","messages":[{"role":"user","content":"What does a relay cost, and what does it save?"}],"max_tokens":200,"temperature":0,"stream":true}"#;

/// What is asked for.
#[derive(Clone, Copy)]
pub enum Kind {
    /// An answer in one piece.
    Whole,
    /// An answer event by event.
    Stream,
}

/// Who is asked, and with which key.
#[derive(Clone)]
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// The bearer token.
    pub key: String,
}

/// What one flood came to.
pub struct Flood {
    requests: u64,
    took: Duration,
    cpu: Duration,
    database: Duration,
}

impl Flood {
    /// Requests per second.
    pub fn per_second(&self) -> u64 {
        self.requests * 1_000 / ms(self.took).max(1)
    }

    /// Microseconds of CPU for 1,000 requests.
    pub fn cpu_us_per_1000(&self) -> u64 {
        us(self.cpu) * 1_000 / self.requests.max(1)
    }

    /// The same for its database.
    pub fn database_us_per_1000(&self) -> u64 {
        us(self.database) * 1_000 / self.requests.max(1)
    }

    /// Microseconds of CPU for 10 events of a stream.
    pub fn cpu_us_per_10_events(&self) -> u64 {
        us(self.cpu) * 10 / (self.requests * EVENTS as u64).max(1)
    }
}

/// Latencies in microseconds.
pub struct Latency {
    /// Half of all requests were faster.
    pub p50_us: u64,
    /// One in a hundred was slower.
    pub p99_us: u64,
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Sends from `connections` connections, each its next request after its last answer, for so long.
///
/// # Errors
/// When an answer is not 200.
pub async fn flood(candidate: &Candidate, kind: Kind, connections: usize, time: Duration) -> anyhow::Result<Flood> {
    let (cpu, database) = (candidate.cpu()?, candidate.database_cpu()?);
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let target = candidate.target.clone();
        tasks.spawn(async move {
            let mut connection = connect(&target).await?;
            let mut requests = 0_u64;
            while start.elapsed() < time {
                ask(&mut connection, &target, kind).await?;
                requests += 1;
            }
            anyhow::Ok(requests)
        });
    }
    let mut requests = 0;
    while let Some(task) = tasks.join_next().await {
        requests += task??;
    }
    let took = start.elapsed();
    Ok(Flood {
        requests,
        took,
        cpu: candidate.cpu()? - cpu,
        database: candidate.database_cpu()? - database,
    })
}

/// Sends `per_second` requests a second for so long; each waits in line for a free connection of 128.
///
/// # Errors
/// When an answer is not 200.
pub async fn steady(target: &Target, per_second: u32, time: Duration) -> anyhow::Result<Latency> {
    const CONNECTIONS: usize = 128;
    let total = usize::try_from(u64::from(per_second) * time.as_secs())?;
    let gap = Duration::from_secs(1) / per_second;
    let next = Arc::new(AtomicUsize::new(0));
    let latencies = Rc::new(std::cell::RefCell::new(Vec::with_capacity(total)));
    let local = LocalSet::new();
    let start = Instant::now() + Duration::from_millis(200);
    let mut tasks = Vec::new();
    for _ in 0..CONNECTIONS {
        let (target, next, latencies) = (target.clone(), Arc::clone(&next), Rc::clone(&latencies));
        tasks.push(local.spawn_local(async move {
            let mut connection = connect(&target).await?;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= total {
                    return anyhow::Ok(());
                }
                let due = start + gap * u32::try_from(number)?;
                clock::sleep_until(due).await;
                ask(&mut connection, &target, Kind::Whole).await?;
                latencies.borrow_mut().push(us(due.elapsed()));
            }
        }));
    }
    local
        .run_until(async {
            for task in tasks {
                task.await??;
            }
            anyhow::Ok(())
        })
        .await?;
    let mut latencies = latencies.borrow_mut();
    latencies.sort_unstable();
    Ok(Latency {
        p50_us: latencies[total / 2],
        p99_us: latencies[total * 99 / 100],
    })
}

/// A connection of its own.
///
/// # Errors
/// When nobody listens there.
pub async fn connect(target: &Target) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(target.address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn ask(connection: &mut SendRequest<Full<Bytes>>, target: &Target, kind: Kind) -> anyhow::Result<()> {
    let body = match kind {
        Kind::Whole => BODY,
        Kind::Stream => STREAM_BODY,
    };
    let body = Bytes::from_static(body);
    let (status, answer) = send(connection, target, Method::POST, "/v1/chat/completions", body).await?;
    let is_whole = matches!(kind, Kind::Whole) || answer.ends_with(DONE);
    ensure!(
        status == 200 && is_whole,
        "{} answered {status}: {}",
        target.address,
        String::from_utf8_lossy(&answer)
    );
    Ok(())
}

/// A request with the target's key.
///
/// # Errors
/// When the path is none.
pub fn request(target: &Target, method: Method, path: &str, body: Bytes) -> anyhow::Result<Request<Full<Bytes>>> {
    Ok(Request::builder()
        .method(method)
        .uri(path)
        .header("host", target.address.to_string())
        .header("authorization", format!("Bearer {}", target.key))
        .header("content-type", "application/json")
        .body(Full::new(body))?)
}

/// One request and its whole answer.
///
/// # Errors
/// When the connection breaks.
pub async fn send(
    connection: &mut SendRequest<Full<Bytes>>,
    target: &Target,
    method: Method,
    path: &str,
    body: Bytes,
) -> anyhow::Result<(u16, Bytes)> {
    let request = request(target, method, path, body)?;
    connection.ready().await?;
    let response = connection.send_request(request).await?;
    let status = response.status().as_u16();
    Ok((status, response.into_body().collect().await?.to_bytes()))
}

/// One request on a connection of its own.
///
/// # Errors
/// When the target does not listen, or the answer is neither 200 nor 201.
pub async fn once(
    target: &Target,
    method: Method,
    path: &str,
    body: &serde_json::Value,
) -> anyhow::Result<serde_json::Value> {
    let mut connection = connect(target).await?;
    let body = if method == Method::GET {
        Bytes::new()
    } else {
        Bytes::from(body.to_string())
    };
    let (status, answer) = send(&mut connection, target, method, path, body).await?;
    ensure!(
        status < 300,
        "{path} answered {status}: {}",
        String::from_utf8_lossy(&answer)
    );
    Ok(serde_json::from_slice(&answer).unwrap_or_default())
}
