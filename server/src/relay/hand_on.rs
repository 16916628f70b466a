//! Hand on: a good answer goes to the client.
//!
//! Invariant: the first byte of an answer is handed on only once its hold is durable.

use super::ask::{Begun, Whole};
use super::attempt::{Next, Try};
use super::settle::Ending;
use super::stream::{Source, Streaming};
use super::{Admission, Events, Heading, Journey, RelayError, Reply, Shape};
use crate::ledger::Outcome;
use crate::metering::AttemptOutcome;
use bytes::Bytes;
use gateway_core::dialect::with_cost;
use gateway_core::health::Event;
use std::borrow::Cow;

impl Journey {
    pub(super) async fn hand_on_whole(&mut self, attempt: Try, whole: Whole) -> Result<Next, RelayError> {
        let Whole {
            status,
            content_type,
            mut body,
            observed,
            notes,
        } = whole;
        let mut admission = self.admission.take().ok_or(RelayError::LedgerDown)?;
        admission.notes.extend(notes);
        attempt.account.report(Event::Succeeded {
            latency_ms: u32::try_from(attempt.times().took_ms).unwrap_or(u32::MAX),
        });
        self.trail
            .answered(&attempt.account, AttemptOutcome::Ok, status, attempt.times());
        if admission.hold.durable().await.is_err() {
            return Err(self.withhold(admission));
        }
        self.settlement().keep(attempt.account.account_id, &observed.ids);
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

    pub(super) async fn hand_on_stream(&mut self, mut attempt: Try, begun: Begun) -> Result<Next, RelayError> {
        attempt.ttft_ms = Some(attempt.times().took_ms);
        let mut admission = self.admission.take().ok_or(RelayError::LedgerDown)?;
        admission.notes.extend(begun.notes.iter().cloned());
        attempt.account.report(Event::Succeeded {
            latency_ms: u32::try_from(attempt.times().took_ms).unwrap_or(u32::MAX),
        });
        if admission.hold.durable().await.is_err() {
            self.trail
                .answered(&attempt.account, AttemptOutcome::Cut, begun.status, attempt.times());
            return Err(self.withhold(admission));
        }
        self.settlement().keep(attempt.account.account_id, begun.reader.ids());
        let model = begun.reader.model().unwrap_or(&attempt.account.upstream_model);
        let heading = self.heading(model, &admission, self.trail.count() + 1);
        let source = Source {
            ttft_ms: self.elapsed_ms(),
            status: begun.status,
            settlement: self.settlement(),
            admission,
            attempt,
            trail: self.trail.take(),
        };
        let content_type = match self.job.form.shape {
            Shape::Sound => Cow::Owned(begun.content_type.clone()),
            _ => Cow::Borrowed(self.job.form.content_type()),
        };
        let body = Streaming::new(source, begun, &self.relay);
        Ok(Next::Answered(Box::new(Reply::Stream {
            heading,
            content_type,
            body: Events::Open(Box::new(body)),
        })))
    }

    /// An answer that may not be handed on, because its hold could not be written: ours to pay, not the client's.
    fn withhold(&mut self, admission: Admission) -> RelayError {
        self.void(admission, &RelayError::LedgerDown);
        RelayError::LedgerDown
    }

    fn heading(&self, model: &str, admission: &Admission, attempts: u32) -> Heading {
        Heading {
            request_id: admission.hold.request_id(),
            attempts,
            model: Some(model.to_owned()),
            notes: admission.notes.clone(),
            standing: self.relay.standing(&self.caller),
            cost_usd: None,
        }
    }
}
