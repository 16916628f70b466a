//! One attempt: translate, call, and judge what came back before any of it reaches the client.
//!
//! Invariant: an attempt that may be billed ends its hold; one that is not leaves it to the next. The first byte of an answer is
//! handed on only once its hold is durable.

use super::call::{self, Broken, Inbound, Pieces};
use super::settle::Ending;
use super::stream::{Source, Streaming};
use super::trail::Times;
use super::waiting_room::Chosen;
use super::{Events, Heading, Journey, RelayError, Reply};
use crate::accounts::{Deployment, Permit};
use crate::clock::now_ms;
use crate::ledger::Outcome;
use crate::metering::AttemptOutcome;
use bytes::{Bytes, BytesMut};
use gateway_core::dialect::{Observed, Rewrite, Tally, UpstreamError, read_error, scrub, with_cost};
use gateway_core::health::Event;
use gateway_core::retry::{Action, Billed, ErrorText, Failure, Fault, Phase, RetryHints, Verdict, classify};
use std::sync::Arc;
use std::time::Instant;

/// What an attempt leads to.
pub(super) enum Next {
    /// An answer for the client.
    Answered(Box<Reply>),
    /// Another account.
    Again,
}

/// An attempt under way.
pub(super) struct Try {
    pub account: Arc<Deployment>,
    pub permit: Permit,
    pub started_ms: i64,
    pub started: Instant,
}

impl Try {
    pub fn times(&self) -> Times {
        let took_ms = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        Times {
            started_ms: self.started_ms,
            took_ms,
            now_ms: now_ms(),
        }
    }
}

/// Why an attempt brought no answer.
struct Failed {
    verdict: Verdict,
    status: Option<u16>,
    error: Option<UpstreamError>,
}

impl Failed {
    fn broken(broken: Broken) -> Self {
        let failure = match broken {
            Broken::NoConnection => Failure::ConnectFailed,
            Broken::TimedOut(phase) => Failure::TimedOut { sent: true, phase },
            Broken::Reset => Failure::Reset { sent: true },
            Broken::TooLarge => Failure::Unreadable,
        };
        Self {
            verdict: classify(&failure, now_ms()),
            status: None,
            error: None,
        }
    }

    fn unreadable(status: u16) -> Self {
        Self {
            verdict: classify(&Failure::Unreadable, now_ms()),
            status: Some(status),
            error: None,
        }
    }

    fn status(status: u16, headers: RetryHints, error: UpstreamError) -> Self {
        let failure = Failure::Status {
            status,
            headers,
            error: text(&error),
        };
        Self {
            verdict: classify(&failure, now_ms()),
            status: Some(status),
            error: Some(error),
        }
    }

    fn frame(status: u16, headers: RetryHints, error: UpstreamError) -> Self {
        let failure = Failure::ErrorFrame {
            headers,
            error: text(&error),
        };
        Self {
            verdict: classify(&failure, now_ms()),
            status: Some(status),
            error: Some(error),
        }
    }
}

fn text(error: &UpstreamError) -> ErrorText<'_> {
    ErrorText {
        code: error.code.as_deref().unwrap_or_default(),
        kind: error.kind.as_deref().unwrap_or_default(),
        message: &error.message,
    }
}

/// What an upstream says of the client's own input, with its words, scrubbed, as `message`; `None` where the fault is another.
fn refusal(fault: Fault, status: Option<u16>, error: UpstreamError, message: String) -> Option<RelayError> {
    matches!(
        fault,
        Fault::BadRequest | Fault::ContentPolicy | Fault::TooLong | Fault::TooLarge
    )
    .then(|| RelayError::Refused {
        status: status.filter(|status| (400..500).contains(status)).unwrap_or(400),
        kind: error.kind.unwrap_or_else(|| "invalid_request_error".to_owned()),
        code: error.code,
        message,
        param: error.param,
    })
}

/// What a client is told of `error`, with which a stream of `account` broke off after content.
pub(super) fn broken_off(account: &Deployment, error: UpstreamError) -> RelayError {
    let failure = Failure::ErrorFrame {
        headers: RetryHints::default(),
        error: text(&error),
    };
    let fault = classify(&failure, now_ms()).fault;
    let message = scrub(&error.message, &account.secrets());
    refusal(fault, None, error, message).unwrap_or(RelayError::Cut)
}

/// An answer worth handing on.
enum Good {
    Whole(Whole),
    Stream(Box<Begun>),
}

/// An answer in one piece.
struct Whole {
    status: u16,
    content_type: String,
    body: Bytes,
    observed: Box<Observed>,
}

/// A stream read as far as its first content.
pub(super) struct Begun {
    pub status: u16,
    pub prefix: Bytes,
    pub tally: Tally,
    pub pieces: Pieces,
    /// Whether an error stood behind the content.
    pub is_broken: bool,
    /// Whether the upstream has said that it is over.
    pub is_done: bool,
}

impl Journey {
    pub(super) async fn attempt(&mut self, chosen: Chosen) -> Result<Next, RelayError> {
        if self.is_hung_up() {
            return Err(RelayError::HungUp);
        }
        let Chosen { account, permit } = chosen;
        let begun = permit.or_else(|| self.relay.0.app.fleet.begin(&account, self.job.expected_tokens));
        let Some(permit) = begun else {
            // It filled up since it was chosen; the next plan knows.
            return Ok(Next::Again);
        };
        self.tried.push(account.account_id);
        let attempt = Try {
            permit,
            started_ms: self.elapsed_ms(),
            started: Instant::now(),
            account,
        };
        match self.ask(&attempt).await {
            Ok(Good::Whole(whole)) => self.hand_on_whole(attempt, whole).await,
            Ok(Good::Stream(begun)) => self.hand_on_stream(attempt, *begun).await,
            Err(failed) => self.fail(&attempt, failed),
        }
    }

    /// Translate and call: the answer, judged good, or why not.
    async fn ask(&mut self, attempt: &Try) -> Result<Good, Failed> {
        let account = &attempt.account;
        let max_output = self.admission.as_ref().and_then(|admission| admission.max_output);
        let outbound = self.job.body.rewrite(
            &self.job.original,
            &Rewrite {
                model: &account.upstream_model,
                max_output,
                max_output_field: account.max_output_field,
                include_usage: self.job.envelope.stream,
                keep_cost_option: account.takes_cost_option,
            },
        );
        if let Some(admission) = &mut self.admission {
            admission.hold.mark_sent();
        }
        attempt.permit.mark_sent();
        let config = &self.relay.0.config;
        let patience = if self.job.envelope.stream {
            config.first_content
        } else {
            config.whole
        };
        let left = config.total.saturating_sub(self.started.elapsed());
        let until = tokio::time::Instant::now() + patience.min(left);
        let dialect = self.job.operation.dialect();
        let request = account
            .post(dialect, self.job.operation, self.job.envelope.stream, outbound)
            .await
            .map_err(|_| Failed::broken(Broken::NoConnection))?;
        let inbound = call::send(account, request, until).await.map_err(Failed::broken)?;
        account.seen(&inbound.hints);
        if !(200..300).contains(&inbound.status) {
            let Inbound {
                status, hints, pieces, ..
            } = inbound;
            let body = call::read_error_body(pieces).await;
            return Err(Failed::status(status, hints, read_error(status, &body)));
        }
        if self.job.envelope.stream {
            self.read_to_content(account, inbound, until).await
        } else {
            self.read_whole(account, inbound, until).await
        }
    }

    async fn read_whole(
        &self,
        account: &Deployment,
        mut inbound: Inbound,
        until: tokio::time::Instant,
    ) -> Result<Good, Failed> {
        let pieces = call::read_whole(&mut inbound.pieces, until)
            .await
            .map_err(Failed::broken)?;
        let mut tally = Tally::whole(self.job.operation).reasoning_excluded(account.reasoning_excluded);
        let mut body = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
        for piece in pieces {
            body.extend_from_slice(&piece);
            tally.push(piece).map_err(|_| Failed::unreadable(inbound.status))?;
        }
        let observed = tally.finish();
        match observed.error {
            Some(error) => Err(Failed::frame(inbound.status, inbound.hints, error)),
            None if !observed.saw_done => Err(Failed::unreadable(inbound.status)),
            None => Ok(Good::Whole(Whole {
                status: inbound.status,
                content_type: inbound.content_type,
                body: body.freeze(),
                observed: Box::new(observed),
            })),
        }
    }

    /// Reads a stream up to its first content: until then another account can still take over.
    async fn read_to_content(
        &self,
        account: &Deployment,
        mut inbound: Inbound,
        until: tokio::time::Instant,
    ) -> Result<Good, Failed> {
        let envelope = &self.job.envelope;
        let withhold = !envelope.include_usage && !envelope.include_cost;
        let mut tally = Tally::stream(self.job.operation, withhold)
            .reasoning_excluded(account.reasoning_excluded)
            .priced(envelope.include_cost.then(|| Arc::clone(&self.job.sheet)));
        let mut prefix = BytesMut::new();
        while let Some(piece) = call::next(&mut inbound.pieces, until, Phase::FirstContent)
            .await
            .map_err(Failed::broken)?
        {
            let step = tally.push(piece).map_err(|_| Failed::unreadable(inbound.status))?;
            prefix.extend_from_slice(&step.forward);
            match &step.error {
                Some(error) if !step.content_seen => {
                    return Err(Failed::frame(inbound.status, inbound.hints, error.clone()));
                }
                _ if step.content_seen || step.done => {
                    return Ok(Good::Stream(Box::new(Begun {
                        status: inbound.status,
                        prefix: prefix.freeze(),
                        tally,
                        pieces: inbound.pieces,
                        is_broken: step.error.is_some(),
                        is_done: step.done,
                    })));
                }
                _ => {}
            }
        }
        let observed = tally.finish();
        Err(match observed.error {
            Some(error) => Failed::frame(inbound.status, inbound.hints, error),
            None => Failed::unreadable(inbound.status),
        })
    }

    async fn hand_on_whole(&mut self, attempt: Try, whole: Whole) -> Result<Next, RelayError> {
        let Whole {
            status,
            content_type,
            mut body,
            observed,
        } = whole;
        let admission = self.admission.take().ok_or(RelayError::LedgerDown)?;
        attempt.account.report(Event::Succeeded {
            latency_ms: u32::try_from(attempt.times().took_ms).unwrap_or(u32::MAX),
        });
        self.trail
            .answered(&attempt.account, AttemptOutcome::Ok, status, attempt.times());
        if admission.hold.durable().await.is_err() {
            return Err(self.withhold(admission));
        }
        let model = observed.model.as_deref().unwrap_or(&attempt.account.upstream_model);
        let mut heading = self.heading(model, &admission, self.trail.count());
        let ending = Ending {
            trail: &self.trail,
            outcome: if self.is_hung_up() {
                Outcome::HungUp
            } else {
                Outcome::Ok
            },
            status,
            ttft_ms: None,
        };
        let charge = self.settlement().post(admission, &attempt.permit, &observed, ending);
        heading.cost_usd = Some(charge.render());
        let shown = self.job.envelope.include_cost.then_some(charge);
        if let Some(own) = with_cost(&body, shown) {
            body = Bytes::from(own);
        }
        Ok(Next::Answered(Box::new(Reply::Whole {
            heading,
            content_type,
            body,
        })))
    }

    async fn hand_on_stream(&mut self, attempt: Try, begun: Begun) -> Result<Next, RelayError> {
        let admission = self.admission.take().ok_or(RelayError::LedgerDown)?;
        attempt.account.report(Event::Succeeded {
            latency_ms: u32::try_from(attempt.times().took_ms).unwrap_or(u32::MAX),
        });
        if admission.hold.durable().await.is_err() {
            self.trail
                .answered(&attempt.account, AttemptOutcome::Cut, begun.status, attempt.times());
            return Err(self.withhold(admission));
        }
        let model = begun.tally.model().unwrap_or(&attempt.account.upstream_model);
        let heading = self.heading(model, &admission, self.trail.count() + 1);
        let source = Source {
            ttft_ms: self.elapsed_ms(),
            status: begun.status,
            settlement: self.settlement(),
            admission,
            attempt,
            trail: self.trail.take(),
        };
        let body = Streaming::new(source, begun, &self.relay);
        Ok(Next::Answered(Box::new(Reply::Stream {
            heading,
            body: Events::Open(Box::new(body)),
        })))
    }

    /// An answer that may not be handed on, because its hold could not be written: ours to pay, not the client's.
    fn withhold(&mut self, admission: super::Admission) -> RelayError {
        self.void(admission, &RelayError::LedgerDown);
        RelayError::LedgerDown
    }

    fn heading(&self, model: &str, admission: &super::Admission, attempts: u32) -> Heading {
        Heading {
            request_id: admission.hold.request_id(),
            attempts,
            model: Some(model.to_owned()),
            notes: admission.notes.clone(),
            standing: self.relay.standing(&self.caller),
            cost_usd: None,
        }
    }

    /// Takes note of a failure: on the account, on the record, on the hold.
    fn fail(&mut self, attempt: &Try, failed: Failed) -> Result<Next, RelayError> {
        let Failed { verdict, status, error } = failed;
        let message = error
            .as_ref()
            .map(|error| scrub(&error.message, &attempt.account.secrets()))
            .unwrap_or_default();
        attempt.account.judge(&verdict, &message);
        self.trail.failed(&attempt.account, &verdict, status, attempt.times());
        self.summary.add(&verdict);
        if matches!(verdict.fault, Fault::RateLimited | Fault::Overloaded) && verdict.billed == Billed::NotBilled {
            self.busy.push(attempt.account.account_id);
        }
        if verdict.billed == Billed::Unknown
            && let Some(admission) = self.admission.take()
        {
            self.settlement()
                .post_input_share(admission, &attempt.permit, &self.trail);
            self.trail.recorded();
        }
        if let Some(refusal) = error.and_then(|error| refusal(verdict.fault, status, error, message)) {
            self.refusal = Some(refusal);
        }
        match verdict.action {
            Action::NextAccount => Ok(Next::Again),
            Action::ReturnToClient if verdict.fault == Fault::TimedOut => Err(RelayError::TimedOut),
            Action::ReturnToClient => Err(self.refusal.take().unwrap_or(RelayError::UpstreamFailed)),
        }
    }
}
