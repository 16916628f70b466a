//! Judge: why an attempt brought no answer, and what follows from it for the account, the hold and the client.
//!
//! Invariant: an upstream's words reach a client only where they are about the client's own input, scrubbed.

use super::attempt::{Next, Try};
use super::call::Broken;
use super::settle::FAILED;
use super::trail::{Came, passed};
use super::{Journey, RelayError};
use crate::accounts::{Deployment, Unsendable};
use crate::clock::now_ms;
use gateway_core::dialect::{Operation, UpstreamError, is_of_foreign_thoughts, scrub, scrub_further, scrub_word};
use gateway_core::retry::{Action, Billed, ErrorText, Failure, Fault, Mark, Phase, RetryHints, Verdict, classify};

/// Why an attempt brought no answer.
pub(super) struct Failed {
    verdict: Verdict,
    came: Came,
    error: Option<UpstreamError>,
}

impl Failed {
    pub fn broken(broken: Broken) -> Self {
        let failure = match broken {
            Broken::NoConnection => Failure::ConnectFailed,
            Broken::NoProxy => Failure::ProxyFailed,
            Broken::TimedOut(phase) => Failure::TimedOut {
                sent: phase != Phase::Connect,
                phase,
            },
            Broken::Reset => Failure::Reset { sent: true },
            Broken::TooLarge => Failure::Unreadable,
        };
        Self {
            verdict: classify(&failure, now_ms()),
            came: match broken {
                Broken::TimedOut(phase) => Came::late(phase),
                _ => Came::default(),
            },
            error: None,
        }
    }

    /// Nothing was sent, because the account's credentials could not be had.
    pub fn unsent(reason: &Unsendable) -> Self {
        tracing::warn!(%reason, "an account cannot be asked");
        let failure = match reason.fault() {
            Fault::BadKey => Failure::Status {
                status: 401,
                headers: RetryHints::default(),
                error: ErrorText::default(),
            },
            _ => Failure::ConnectFailed,
        };
        Self {
            verdict: classify(&failure, now_ms()),
            came: Came::default(),
            error: None,
        }
    }

    pub fn unreadable(status: u16) -> Self {
        Self {
            verdict: classify(&Failure::Unreadable, now_ms()),
            came: Came::answered(status),
            error: None,
        }
    }

    pub fn status(status: u16, headers: RetryHints, error: UpstreamError) -> Self {
        let failure = Failure::Status {
            status,
            headers,
            error: text(&error),
        };
        Self {
            verdict: classify(&failure, now_ms()),
            came: Came::answered(status),
            error: Some(error),
        }
    }

    pub fn frame(status: u16, headers: RetryHints, error: UpstreamError) -> Self {
        let failure = Failure::ErrorFrame {
            headers,
            error: text(&error),
        };
        Self {
            verdict: classify(&failure, now_ms()),
            came: Came::answered(status),
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

/// Whether many an upstream that serves a model does not do `operation` with it, and says so as if it lacked the model.
const fn is_aside(operation: Operation) -> bool {
    operation.is_count() || matches!(operation, Operation::Compact | Operation::Completions)
}

/// What an upstream says of the client's own input, with its words, scrubbed, as `message`; `None` where the fault is another.
fn refusal(
    account: &Deployment,
    fault: Fault,
    status: Option<u16>,
    (error, message): (UpstreamError, String),
) -> Option<RelayError> {
    let secrets = account.secrets();
    matches!(
        fault,
        Fault::BadRequest | Fault::ContentPolicy | Fault::TooLong | Fault::TooLarge
    )
    .then(|| RelayError::Refused {
        status: status.filter(|status| (400..500).contains(status)).unwrap_or(400),
        kind: scrub_word(error.kind, &secrets).unwrap_or_else(|| "invalid_request_error".to_owned()),
        code: scrub_word(error.code, &secrets),
        message,
        param: scrub_word(error.param, &secrets),
        further: error.further.map(|further| Box::new(scrub_further(&further, &secrets))),
    })
}

/// How a stream broke off after content.
pub(super) struct BrokenOff {
    /// What follows for the account.
    pub verdict: Verdict,
    /// What the client is told.
    pub error: RelayError,
}

/// Takes note that a stream of `account` broke off after content: with `error`, or as `failure` says.
pub(super) fn break_off(account: &Deployment, error: Option<UpstreamError>, failure: Failure<'_>) -> BrokenOff {
    let failure = error.as_ref().map_or(failure, |error| Failure::ErrorFrame {
        headers: RetryHints::default(),
        error: text(error),
    });
    let verdict = classify(&failure, now_ms());
    let said = error.as_ref().map(|error| scrub(&error.message, &account.secrets()));
    let message = said.unwrap_or_else(|| match failure {
        Failure::TimedOut { phase, .. } => passed(phase).to_owned(),
        _ => "a stream broke off".to_owned(),
    });
    account.judge(&verdict, &message);
    let told = error.and_then(|error| refusal(account, verdict.fault, None, (error, message)));
    BrokenOff {
        verdict,
        error: told.unwrap_or(RelayError::Cut),
    }
}

impl Journey {
    /// Whether what the model that is asked finds wrong with the request is left to another one that is not out of it.
    fn is_left_to_another(&self, fault: Fault) -> bool {
        let mut others = self.legs.iter().enumerate();
        self.job.falls.covers(fault) && others.any(|(place, leg)| place != self.at && !leg.is_out)
    }

    /// Whether the account, which refuses thoughts that it did not think, is asked again without them: for the first time, and only
    /// where it is then told anything else.
    fn goes_on_without_thoughts(&mut self, account: &Deployment) -> bool {
        if self.has_foreign_thoughts || !self.has_thoughts_to_cut(account) {
            return false;
        }
        self.has_foreign_thoughts = true;
        let tried = &mut self.legs[self.at].tried;
        tried.retain(|account_id| *account_id != account.account_id);
        true
    }

    /// Takes note of a failure: on the account, on the record, on the hold.
    pub(super) fn fail(&mut self, attempt: &Try, failed: Failed) -> Result<Next, RelayError> {
        let Failed {
            mut verdict,
            came,
            error,
        } = failed;
        if is_aside(self.job.operation) && matches!(verdict.mark, Mark::ModelMissing { .. }) {
            // It may well have the model, and only not do this with it.
            verdict.mark = Mark::None;
        }
        let message = error
            .as_ref()
            .map(|error| scrub(&error.message, &attempt.account.secrets()))
            .or_else(|| came.late.map(|phase| passed(phase).to_owned()))
            .unwrap_or_default();
        attempt.account.judge(&verdict, &message);
        self.trail.failed(&attempt.account, &verdict, came, attempt.times());
        if verdict.action == Action::ReturnToClient && error.as_ref().is_some_and(is_of_foreign_thoughts) {
            if self.goes_on_without_thoughts(&attempt.account) {
                return Ok(Next::Again);
            }
            if self.may_ask_again() {
                // Another account may have thought them.
                verdict.action = Action::NextAccount;
            }
        }
        let is_left = verdict.action == Action::ReturnToClient && self.is_left_to_another(verdict.fault);
        if !is_left {
            self.summary.add(&verdict);
        }
        if matches!(verdict.fault, Fault::RateLimited | Fault::Overloaded) && verdict.billed == Billed::NotBilled {
            self.legs[self.at].busy.push(attempt.account.account_id);
        }
        if verdict.billed == Billed::Unknown
            && let Some(admission) = self.admission.take()
        {
            self.settlement()
                .post_input_share(admission, &attempt.permit, &self.trail, FAILED);
            self.trail.recorded();
        }
        if let Some(refusal) =
            error.and_then(|error| refusal(&attempt.account, verdict.fault, came.status, (error, message)))
        {
            self.refusal = Some(refusal);
        }
        if is_left {
            self.legs[self.at].is_out = true;
            return Ok(Next::Again);
        }
        match verdict.action {
            Action::NextAccount => Ok(Next::Again),
            Action::ReturnToClient if verdict.fault == Fault::TimedOut => Err(RelayError::TimedOut),
            Action::ReturnToClient => Err(self.refusal.take().unwrap_or(RelayError::UpstreamFailed)),
        }
    }
}
