//! Counting a prompt's tokens: by an account whose provider counts, otherwise by an estimate, also where that account fails.
//!
//! Invariant: it costs nothing and is on no books where it is estimated; whoever asks is known, and it counts as a request. Reads
//! snapshots.

use super::admit::limited;
use super::peek::Job;
use super::{Heading, Refused, Relay, RelayError, Reply};
use crate::clock::{new_id, now_ms};
use crate::keys::Caller;
use crate::limits::NotAdmitted;
use bytes::Bytes;
use gateway_core::dialect::Dialect;
use serde_json::json;
use std::sync::Arc;
use std::time::Instant;

/// Bytes of a prompt that make a token, roughly.
const BYTES_PER_TOKEN: u64 = 4;
const NOTE: &str = "estimate: no account for this model counts tokens";
const FAILED: &str = "estimate: no account for this model counted the tokens";

/// Whether `job` asks for a count.
pub(super) const fn is_asked(job: &Job) -> bool {
    job.operation.is_count()
}

impl Relay {
    /// The count that `job` asks for.
    pub(super) async fn count_tokens(
        &self,
        caller: &Arc<Caller>,
        job: Job,
        recognised: Instant,
    ) -> Result<Reply, Refused> {
        let fits = |account: &crate::accounts::Deployment| job.wish().fits(account);
        let (fleet, owners) = (&self.0.app.fleet, job.owners);
        let mut targets = job.targets.iter();
        if !targets.any(|target| owners.serve(fleet, (&target.model, &target.maker), &fits)) {
            return self.estimate(caller, &job).await;
        }
        let (dialect, bytes) = (job.operation.dialect(), job.original.len());
        match self.set_out(Arc::clone(caller), job, recognised).await {
            Err(refused) if is_upstreams(&refused.error) => {
                let heading = Heading {
                    request_id: refused.request_id,
                    attempts: refused.attempts,
                    standing: self.standing(caller),
                    ..Heading::default()
                };
                Ok(estimated(dialect, bytes, heading, FAILED))
            }
            counted => counted,
        }
    }

    async fn estimate(&self, caller: &Caller, job: &Job) -> Result<Reply, Refused> {
        let now_ms = now_ms();
        let mut rates = match self.0.app.limits.admit(&limited(caller), 0, now_ms).await {
            Ok(rates) => rates,
            Err(NotAdmitted::Limit(refusal)) => return Err(self.refuse_early(caller, RelayError::Limit(refusal))),
            Err(NotAdmitted::Down) => return Err(self.refuse_early(caller, RelayError::LedgerDown)),
        };
        rates.settle(0, now_ms);
        let heading = Heading {
            request_id: new_id(),
            standing: self.standing(caller),
            ..Heading::default()
        };
        let (dialect, bytes) = (job.operation.dialect(), job.original.len());
        Ok(estimated(dialect, bytes, heading, NOTE))
    }
}

/// Whether `error` is that of who was asked to count, and not of who asks.
const fn is_upstreams(error: &RelayError) -> bool {
    matches!(
        error,
        RelayError::NoAccount { .. }
            | RelayError::NotInRegion { .. }
            | RelayError::NotSpoken { .. }
            | RelayError::ModelNotFound { .. }
            | RelayError::AllBusy { .. }
            | RelayError::Refused { .. }
            | RelayError::UpstreamFailed
            | RelayError::TimedOut
    )
}

/// A guess at the tokens of a body of `bytes`, with `note` for why it is one.
fn estimated(dialect: Dialect, bytes: usize, heading: Heading, note: &str) -> Reply {
    let tokens = (bytes as u64).div_ceil(BYTES_PER_TOKEN);
    let body = match dialect {
        Dialect::Generate => json!({ "totalTokens": tokens }),
        Dialect::Responses => json!({ "object": "response.input_tokens", "input_tokens": tokens }),
        _ => json!({ "input_tokens": tokens }),
    };
    Reply::Whole {
        heading: Heading {
            notes: vec![note.to_owned()],
            ..heading
        },
        content_type: "application/json".to_owned(),
        body: Bytes::from(body.to_string()),
    }
}
