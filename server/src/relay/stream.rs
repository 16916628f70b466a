//! Stream: an answer's events on their way to the client, polled inline.
//!
//! Invariant: the stream settles exactly once: at its end, when it breaks, or, if the client hangs up, after the upstream was read
//! on for a bounded time to learn the usage.

use super::admit::Admission;
use super::ask::Begun;
use super::attempt::Try;
use super::call::Pieces;
use super::form::Form;
use super::judge::broken_off;
use super::settle::{Ending, Settlement};
use super::trail::Trail;
use super::{Config, Relay, RelayError, Shape};
use crate::clock::now_ms;
use crate::ledger::Outcome;
use crate::metering::AttemptOutcome;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use gateway_core::translate::Translator;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep};

/// A stream broke off that cannot say so: its connection must be cut.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the answer was cut off")]
pub struct Cut;

/// What a stream settles with.
pub(super) struct Source {
    pub settlement: Settlement,
    pub admission: Admission,
    pub attempt: Try,
    pub trail: Trail,
    pub ttft_ms: i64,
    pub status: u16,
}

impl Source {
    /// Settles. An end without the upstream's own mark of an end is a cut.
    fn settle(mut self, reader: Translator, outcome: Outcome) -> Settled {
        let mut observed = reader.finish();
        let rest = std::mem::take(&mut observed.rest);
        let is_whole = observed.error.is_none() && (observed.saw_done || observed.saw_finish);
        let outcome = if outcome == Outcome::Ok && !is_whole {
            Outcome::Cut
        } else {
            outcome
        };
        let word = match outcome {
            Outcome::Ok => AttemptOutcome::Ok,
            Outcome::HungUp => AttemptOutcome::HungUp,
            _ => AttemptOutcome::Cut,
        };
        self.trail
            .answered(&self.attempt.account, word, self.status, self.attempt.times());
        let ending = Ending {
            trail: &self.trail,
            outcome,
            status: self.status,
            ttft_ms: Some(self.ttft_ms),
        };
        self.settlement
            .post(self.admission, &self.attempt.permit, &observed, ending);
        let error = observed.error.take();
        Settled {
            rest,
            cut: (outcome == Outcome::Cut)
                .then(|| error.map_or(RelayError::Cut, |error| broken_off(&self.attempt.account, error))),
        }
    }
}

/// How a stream was settled.
struct Settled {
    /// The bytes it still held back.
    rest: Bytes,
    /// Why it broke off, for the client.
    cut: Option<RelayError>,
}

struct Open {
    source: Source,
    reader: Translator,
    pieces: Pieces,
    /// An error stood behind the content that has been handed on: nothing more is.
    is_broken: bool,
    /// The upstream has said that it is over; only the end of its connection is missing.
    is_done: bool,
}

/// The events of an answer.
pub struct Streaming {
    open: Option<Open>,
    prefix: Option<Bytes>,
    timer: Pin<Box<Sleep>>,
    heard: Instant,
    began: Instant,
    config: Config,
    runtime: Handle,
    form: Form,
    request_id: i64,
    /// It broke off, and only the end of the connection can say so.
    is_cut: bool,
}

impl Streaming {
    pub(super) fn new(source: Source, begun: Begun, relay: &Relay) -> Self {
        let Begun {
            prefix,
            reader,
            pieces,
            is_broken,
            is_done,
            ..
        } = begun;
        let config = relay.0.config;
        let now = Instant::now();
        Self {
            request_id: source.admission.hold.request_id(),
            form: source.settlement.job.form,
            open: Some(Open {
                source,
                reader,
                pieces,
                is_broken,
                is_done,
            }),
            prefix: Some(prefix).filter(|prefix| !prefix.is_empty()),
            timer: Box::pin(tokio::time::sleep(config.heartbeat)),
            heard: now,
            began: now,
            config,
            runtime: relay.0.app.runtime.clone(),
            is_cut: false,
        }
    }

    /// Ends the stream: `forward`, what was held back, and if it was cut, an event that says so, or [`Cut`].
    fn close(&mut self, outcome: Outcome, mut forward: BytesMut) -> Option<Result<Bytes, Cut>> {
        let open = self.open.take()?;
        let settled = open.source.settle(open.reader, outcome);
        forward.extend_from_slice(&settled.rest);
        if let Some(error) = settled.cut {
            self.is_cut = self.form.shape == Shape::Sound;
            if !settled.rest.is_empty() && !self.is_cut {
                forward.extend_from_slice(b"\n\n");
            }
            let failed = self.form.failed(&error.told(now_ms()), self.request_id, true);
            forward.extend_from_slice(failed.as_bytes());
        }
        let last = Some(forward.freeze()).filter(|bytes| !bytes.is_empty());
        last.map(Ok).or_else(|| self.fail())
    }

    /// What is left to say once all was sent.
    fn fail(&mut self) -> Option<Result<Bytes, Cut>> {
        std::mem::take(&mut self.is_cut).then_some(Err(Cut))
    }

    fn cut(&mut self) -> Poll<Option<Result<Bytes, Cut>>> {
        Poll::Ready(self.close(Outcome::Cut, BytesMut::new()))
    }

    fn wait(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        if self.timer.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        let now = Instant::now();
        if now - self.heard >= self.config.idle || now - self.began >= self.config.total {
            return self.cut();
        }
        self.timer.as_mut().reset(now + self.config.heartbeat);
        let _ = self.timer.as_mut().poll(context);
        match self.form.sign_of_life() {
            [] => Poll::Pending,
            sign => Poll::Ready(Some(Ok(Bytes::from_static(sign)))),
        }
    }
}

impl Stream for Streaming {
    type Item = Result<Bytes, Cut>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(prefix) = self.prefix.take() {
            return Poll::Ready(Some(Ok(prefix)));
        }
        loop {
            let Some(open) = self.open.as_mut() else {
                return Poll::Ready(self.fail());
            };
            if open.is_broken {
                return self.cut();
            }
            let piece = match open.pieces.poll_next_unpin(context) {
                _ if open.is_done => return Poll::Ready(self.close(Outcome::Ok, BytesMut::new())),
                Poll::Pending => return self.wait(context),
                Poll::Ready(None) => return Poll::Ready(self.close(Outcome::Ok, BytesMut::new())),
                Poll::Ready(Some(Err(_))) => return self.cut(),
                Poll::Ready(Some(Ok(piece))) => piece,
            };
            let step = match open.reader.push(piece) {
                Ok(step) => step,
                Err(_) => return self.cut(),
            };
            open.is_done |= step.done;
            let now = Instant::now();
            if now - self.began >= self.config.total {
                return self.cut();
            }
            self.heard = now;
            let due = now + self.config.heartbeat;
            self.timer.as_mut().reset(due);
            if step.error.is_some() {
                return Poll::Ready(self.close(Outcome::Cut, BytesMut::from(step.forward)));
            }
            if !step.forward.is_empty() {
                return Poll::Ready(Some(Ok(step.forward)));
            }
        }
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            self.runtime.spawn(drain(open, self.config.drain));
        }
    }
}

/// Reads on after the client hung up: usage comes last.
async fn drain(mut open: Open, grace: Duration) {
    let until = Instant::now() + grace;
    while let Ok(Some(Ok(piece))) = tokio::time::timeout_at(until, open.pieces.next()).await {
        if open.reader.push(piece).is_err() {
            break;
        }
    }
    open.source.settle(open.reader, Outcome::HungUp);
}
