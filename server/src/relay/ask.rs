//! Ask: one account is called, and its answer read as far as another could still take over.
//!
//! Invariant: an answer counts as good only once it holds content, or is whole; nothing of it has reached the client until then.

use super::attempt::Try;
use super::call::{self, Inbound, Pieces, Sending};
use super::judge::Failed;
use super::peek::Job;
use super::target::Target;
use super::wording::Worded;
use super::{Config, Journey};
use crate::accounts::Content;
use crate::ledger::SentMark;
use bytes::{Bytes, BytesMut};
use gateway_core::dialect::{Dialect, Observed, further_of, read_error};
use gateway_core::retry::Phase;
use gateway_core::translate::Translator;
use std::future::Future;
use std::sync::Arc;
use tokio::time::Instant;

/// An answer worth handing on.
pub(super) enum Good {
    Whole(Whole),
    Stream(Box<Begun>),
}

/// An answer in one piece.
pub(super) struct Whole {
    pub status: u16,
    pub content_type: String,
    pub body: Bytes,
    pub observed: Box<Observed>,
    pub notes: Vec<String>,
}

/// A stream read as far as its first content.
pub(super) struct Begun {
    pub status: u16,
    pub prefix: Bytes,
    pub reader: Translator,
    pub pieces: Pieces,
    pub notes: Vec<String>,
    /// Whether an error stood behind the content.
    pub is_broken: bool,
    /// Whether the upstream has said that it is over.
    pub is_done: bool,
    /// What the upstream says it is, or what it is made into.
    pub content_type: String,
}

/// What is left of a request's wording once it was sent.
struct Reading {
    reader: Translator,
    notes: Vec<String>,
    /// What the answer is where it is made anew.
    content_type: Option<&'static str>,
    until: Instant,
    /// Which deadline `until` is.
    phase: Phase,
}

impl Journey {
    /// The answer, judged good, or why there is none. From sending on, what is held now counts as spent if it is dropped.
    pub(super) fn ask(
        &self,
        attempt: Arc<Try>,
        worded: Worded,
    ) -> impl Future<Output = Result<Good, Failed>> + Send + use<> {
        let hold = self.admission.as_ref().map(|admission| admission.hold.mark());
        let asking = Asking {
            attempt,
            job: Arc::clone(&self.job),
            target: Arc::clone(self.target()),
            config: self.relay.0.config,
            until: Instant::from_std(self.started) + self.relay.0.config.total,
        };
        asking.ask(worded, hold)
    }
}

/// What asking needs to know, whoever waits for it.
struct Asking {
    attempt: Arc<Try>,
    job: Arc<Job>,
    target: Arc<Target>,
    config: Config,
    /// When the whole request must be over.
    until: Instant,
}

impl Asking {
    async fn ask(self, worded: Worded, hold: Option<SentMark>) -> Result<Good, Failed> {
        let account = &self.attempt.account;
        let Worded {
            dialect,
            operation,
            content,
            notes,
            reader,
            content_type,
        } = worded;
        let is_stream = self.job.envelope.stream;
        let config = &self.config;
        let (patience, phase) = if is_stream {
            (config.first_content, Phase::FirstContent)
        } else {
            (config.whole, Phase::Whole)
        };
        let betas = (operation.dialect() == Dialect::Messages && self.job.operation.dialect() == Dialect::Messages)
            .then_some(&self.target.betas);
        let content = match (content, betas) {
            (Content::Json(body), Some(betas)) if account.provider == "bedrock" => {
                Content::Json(call::with_betas(body, betas))
            }
            (content, _) => content,
        };
        let request = account
            .post(dialect, operation, is_stream, content)
            .await
            .map_err(|reason| Failed::unsent(&reason))?;
        if let Some(hold) = hold {
            hold.mark_sent();
        }
        self.attempt.permit.mark_sent();
        let now = Instant::now();
        let mut reading = Reading {
            reader,
            notes,
            content_type,
            until: self.until.min(now + patience),
            phase,
        };
        let until = if is_stream {
            reading.until.min(now + config.headers)
        } else {
            reading.until
        };
        let inbound = call::send(account, request, Sending { is_stream, betas }, until)
            .await
            .map_err(Failed::broken)?;
        account.seen(&inbound.hints);
        if !(200..300).contains(&inbound.status) {
            let Inbound {
                status, hints, pieces, ..
            } = inbound;
            let body = call::read_error_body(pieces).await;
            let mut error = read_error(status, &body);
            if dialect == self.job.operation.dialect() {
                error.further = further_of(&body);
            }
            return Err(Failed::status(status, hints, error));
        }
        let is_in_events = inbound.content_type.starts_with("text/event-stream");
        if is_stream && (is_in_events || reading.reader.without_events()) {
            read_to_content(inbound, reading).await
        } else {
            read_whole(inbound, reading).await
        }
    }
}

async fn read_whole(mut inbound: Inbound, reading: Reading) -> Result<Good, Failed> {
    let Reading {
        mut reader,
        notes,
        content_type,
        until,
        phase,
    } = reading;
    let pieces = call::read_whole(&mut inbound.pieces, until, phase)
        .await
        .map_err(Failed::broken)?;
    let mut body = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
    for piece in pieces {
        let step = reader.push(piece).map_err(|_| Failed::unreadable(inbound.status))?;
        body.extend_from_slice(&step.forward);
    }
    let mut observed = reader.finish();
    if let Some(error) = observed.error {
        return Err(Failed::frame(inbound.status, inbound.hints, error));
    }
    if !observed.saw_done {
        return Err(Failed::unreadable(inbound.status));
    }
    body.extend_from_slice(&std::mem::take(&mut observed.rest));
    let content_type = content_type.map_or(inbound.content_type, str::to_owned);
    Ok(Good::Whole(Whole {
        status: inbound.status,
        content_type,
        body: body.freeze(),
        observed: Box::new(observed),
        notes,
    }))
}

/// Reads a stream up to its first content: until then another account can still take over.
async fn read_to_content(mut inbound: Inbound, reading: Reading) -> Result<Good, Failed> {
    let Reading {
        mut reader,
        notes,
        content_type,
        until,
        phase,
    } = reading;
    let content_type = content_type.map_or_else(|| inbound.content_type.clone(), str::to_owned);
    let mut prefix = BytesMut::new();
    while let Some(piece) = call::next(&mut inbound.pieces, until, phase)
        .await
        .map_err(Failed::broken)?
    {
        let step = reader.push(piece).map_err(|_| Failed::unreadable(inbound.status))?;
        prefix.extend_from_slice(&step.forward);
        match &step.error {
            Some(error) if !step.content_seen => {
                return Err(Failed::frame(inbound.status, inbound.hints, error.clone()));
            }
            _ if step.content_seen || step.done => {
                return Ok(Good::Stream(Box::new(Begun {
                    status: inbound.status,
                    prefix: prefix.freeze(),
                    reader,
                    pieces: inbound.pieces,
                    notes,
                    is_broken: step.error.is_some(),
                    is_done: step.done,
                    content_type,
                })));
            }
            _ => {}
        }
    }
    let observed = reader.finish();
    Err(match observed.error {
        Some(error) => Failed::frame(inbound.status, inbound.hints, error),
        None => Failed::unreadable(inbound.status),
    })
}
