//! Stream: an answer's events on their way to the client, polled inline.
//!
//! Invariant: the stream settles exactly once: at its end, when it breaks, or, if the client hangs up, after the upstream was read
//! on for a bounded time to learn the usage.

use super::admit::Admission;
use super::ask::Begun;
use super::attempt::Try;
use super::call::Pieces;
use super::form::Form;
use super::judge::{BrokenOff, break_off};
use super::settle::{Ending, Settlement};
use super::trail::{Came, Trail};
use super::{Config, Relay, RelayError, Shape};
use crate::clock::now_ms;
use crate::ledger::Outcome;
use crate::metering::AttemptOutcome;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use gateway_core::retry::{Failure, Phase};
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
    /// Settles. An end without the upstream's own mark of an end is a cut, for which the account is given a rest.
    fn settle(mut self, reader: Translator, end: End) -> Settled {
        let mut observed = reader.finish();
        let rest = std::mem::take(&mut observed.rest);
        let is_whole = observed.error.is_none() && (observed.saw_done || observed.saw_finish);
        let account = &self.attempt.account;
        let (outcome, word, failure) = match end {
            End::HungUp => (Outcome::HungUp, AttemptOutcome::HungUp, None),
            End::Over if is_whole => (Outcome::Ok, AttemptOutcome::Ok, None),
            End::Over => (Outcome::Cut, AttemptOutcome::Cut, Some(Failure::Unreadable)),
            End::Broke(failure) => (Outcome::Cut, AttemptOutcome::Cut, Some(failure)),
        };
        let broken_off = failure.map(|failure| {
            let came = Came {
                status: Some(self.status),
                late: match failure {
                    Failure::TimedOut { phase, .. } => Some(phase),
                    _ => None,
                },
            };
            (break_off(account, observed.error.take(), failure), came)
        });
        let times = self.attempt.times();
        match &broken_off {
            Some((broken, came)) => self.trail.broke_off(account, &broken.verdict, *came, times),
            None => self.trail.answered(account, word, self.status, times),
        }
        let ending = Ending {
            trail: &self.trail,
            outcome,
            status: self.status,
            ttft_ms: Some(self.ttft_ms),
        };
        self.settlement.keep(self.attempt.account.account_id, &observed.ids);
        self.settlement
            .post(self.admission, &self.attempt.permit, &observed, ending);
        let cut = broken_off.map(|(BrokenOff { error, .. }, _)| error);
        Settled { rest, cut }
    }
}

/// How a stream ended.
#[derive(Clone, Copy)]
enum End {
    /// Its upstream has no more.
    Over,
    /// It broke off.
    Broke(Failure<'static>),
    /// Its client hung up.
    HungUp,
}

impl End {
    /// A deadline passed.
    const fn late(phase: Phase) -> Self {
        Self::Broke(Failure::TimedOut { sent: true, phase })
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
    /// When the client was sent something.
    spoken: Instant,
    /// When the upstream was heard.
    heard: Instant,
    began: Instant,
    config: Config,
    runtime: Handle,
    form: Form,
    request_id: i64,
    /// It broke off, and only the end of the connection can say so.
    is_cut: bool,
    /// What was handed on before that has had its turn to be sent: with the connection, the server drops what it still has.
    is_sent: bool,
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
        let began = Instant::from_std(source.settlement.started);
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
            timer: Box::pin(tokio::time::sleep_until(now)),
            spoken: now,
            heard: now,
            began,
            config,
            runtime: relay.0.app.runtime.clone(),
            is_cut: false,
            is_sent: false,
        }
    }

    /// Ends the stream: `forward`, what was held back, and if it was cut, an event that says so, or [`Cut`].
    fn close(&mut self, end: End, mut forward: BytesMut) -> Option<Result<Bytes, Cut>> {
        let open = self.open.take()?;
        let settled = open.source.settle(open.reader, end);
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

    fn end(&mut self, end: End) -> Poll<Option<Result<Bytes, Cut>>> {
        Poll::Ready(self.close(end, BytesMut::new()))
    }

    fn wait(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        loop {
            if self.timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            let now = Instant::now();
            if let Some(phase) = self.passed(now) {
                return self.end(End::late(phase));
            }
            let is_quiet = now - self.spoken >= self.config.heartbeat;
            if is_quiet {
                self.spoken = now;
            }
            self.set_timer();
            let sign = self.form.sign_of_life();
            if is_quiet && !sign.is_empty() {
                return Poll::Ready(Some(Ok(Bytes::from_static(sign))));
            }
        }
    }

    /// The deadline that has passed.
    fn passed(&self, now: Instant) -> Option<Phase> {
        if now - self.began >= self.config.total {
            Some(Phase::Total)
        } else {
            (now - self.heard >= self.config.idle).then_some(Phase::Idle)
        }
    }

    /// Sets the timer to the next moment at which something must be done though nothing comes.
    fn set_timer(&mut self) {
        let due = self.spoken + self.config.heartbeat;
        let idle = self.heard + self.config.idle;
        let total = self.began + self.config.total;
        self.timer.as_mut().reset(due.min(idle).min(total));
    }
}

impl Stream for Streaming {
    type Item = Result<Bytes, Cut>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.poll_piece(context);
        if matches!(polled, Poll::Ready(Some(Err(Cut)))) && !self.is_sent {
            (self.is_sent, self.is_cut) = (true, true);
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        polled
    }
}

impl Streaming {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        if let Some(prefix) = self.prefix.take() {
            return Poll::Ready(Some(Ok(prefix)));
        }
        loop {
            let Some(open) = self.open.as_mut() else {
                return Poll::Ready(self.fail());
            };
            if open.is_broken {
                return self.end(End::Broke(Failure::Unreadable));
            }
            let piece = match open.pieces.poll_next_unpin(context) {
                _ if open.is_done => return self.end(End::Over),
                Poll::Pending => return self.wait(context),
                Poll::Ready(None) => return self.end(End::Over),
                Poll::Ready(Some(Err(_))) => return self.end(End::Broke(Failure::Reset { sent: true })),
                Poll::Ready(Some(Ok(piece))) => piece,
            };
            let step = match open.reader.push(piece) {
                Ok(step) => step,
                Err(_) => return self.end(End::Broke(Failure::Unreadable)),
            };
            open.is_done |= step.done;
            if step.done {
                let account_id = open.source.attempt.account.account_id;
                open.source.settlement.keep(account_id, open.reader.ids());
            }
            self.heard = Instant::now();
            if let Some(phase) = self.passed(self.heard) {
                return self.end(End::late(phase));
            }
            if step.error.is_some() {
                return Poll::Ready(self.close(End::Broke(Failure::Unreadable), BytesMut::from(step.forward)));
            }
            if !step.forward.is_empty() {
                self.spoken = self.heard;
                self.set_timer();
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
    open.source.settle(open.reader, End::HungUp);
}
