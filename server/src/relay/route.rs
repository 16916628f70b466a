//! Plan: which account is asked next, and the waiting room where none can be.
//!
//! Invariant: waiting holds neither money nor permit; each untried account is asked once, and an account is asked again only after
//! its pause, within the deadline.

use super::peek::Job;
use super::waiting_room::{Chosen, Place, Wanted};
use super::{Journey, RelayError};
use crate::accounts::{Deployment, Routes};
use crate::clock::{new_id, now_ms};
use gateway_core::retry::Answer;
use gateway_core::routing::{RouteRequest, WhyEmpty};
use std::sync::Arc;
use std::time::Duration;

/// How often a round over accounts that only failed is repeated.
const REPEATS_MAX: u32 = 1;
/// How soon an account that failed must be free for a repeat to make sense, in milliseconds.
const REPEAT_WITHIN_MS: i64 = 2_500;
/// The longest sleep in the waiting room before it looks again, in milliseconds.
const LOOK_MS: i64 = 1_000;

impl Journey {
    /// The next account to ask; waits while all are busy.
    pub(super) async fn route(&mut self) -> Result<Chosen, RelayError> {
        let mut place: Option<Place> = None;
        loop {
            self.check_wanted()?;
            // What is free is for those who wait, before anybody who comes now.
            self.relay.0.room.serve();
            if let Some(chosen) = place.as_mut().and_then(Place::take) {
                return Ok(chosen);
            }
            let routes = self.plan();
            if let Some(account) = routes.ordered.into_iter().next() {
                return Ok(Chosen { account, permit: None });
            }
            let next_free_ms = routes.next_free_ms;
            match routes.why_empty {
                Some(WhyEmpty::AllBusy) => {}
                Some(WhyEmpty::AllTried) => {
                    self.may_repeat(next_free_ms)?;
                    self.rest(self.pause(next_free_ms)?).await;
                    continue;
                }
                Some(WhyEmpty::NoneHasModel) => return Err(self.model_not_found()),
                _ => return Err(self.no_account()),
            }
            let pause = self.pause(next_free_ms)?;
            let place = match &mut place {
                Some(place) => place,
                none => none.insert(self.enter(next_free_ms)?),
            };
            if self.request_id.is_none() {
                // What could not be admitted now is refused before it waits.
                self.admit().await?;
            }
            self.let_go();
            if let Some(chosen) = place.wait(pause).await {
                return Ok(chosen);
            }
        }
    }

    fn check_wanted(&self) -> Result<(), RelayError> {
        if self.is_hung_up() {
            return Err(RelayError::HungUp);
        }
        if self.started.elapsed() >= self.relay.0.config.total {
            return Err(RelayError::TimedOut);
        }
        Ok(())
    }

    pub(super) fn plan(&self) -> Routes {
        let request = RouteRequest {
            tried: &self.tried,
            conversation: self.job.envelope.conversation,
            maker: &self.job.maker,
            region: None,
            tokens: self.job.expected_tokens,
            now_ms: now_ms(),
            seed: new_id().cast_unsigned(),
        };
        let wish = self.job.wish();
        let fits = |account: &Deployment| wish.fits(account);
        self.relay.0.app.fleet.plan_among(&self.job.model_name, &request, &fits)
    }

    /// No account fits: because none serves the model, or none of those that do speaks the one dialect that can say it.
    fn no_account(&self) -> RelayError {
        let Job { model_name, maker, .. } = &*self.job;
        let model = model_name.to_string();
        if !self.relay.0.app.fleet.serves(model_name, maker) {
            RelayError::NoAccount { model }
        } else if self.job.envelope.needs_state {
            RelayError::NothingKept
        } else {
            RelayError::NotSpoken { model }
        }
    }

    fn model_not_found(&self) -> RelayError {
        RelayError::ModelNotFound {
            model: self.job.model_name.to_string(),
        }
    }

    /// A place among those who wait.
    fn enter(&self, next_free_ms: Option<i64>) -> Result<Place, RelayError> {
        let wanted = Wanted {
            team: self.caller.team_id(),
            since_ms: now_ms() - self.elapsed_ms(),
            model: Arc::clone(&self.job.model_name),
            maker: Arc::clone(&self.job.maker),
            tried: self.tried.clone(),
            conversation: self.job.envelope.conversation,
            tokens: self.job.expected_tokens,
            wish: self.job.wish(),
            hung_up: Arc::clone(&self.hung_up),
        };
        self.relay
            .0
            .room
            .enter(wanted)
            .map_err(|_| busy(until_free_ms(next_free_ms)))
    }

    /// Gives back what is held for the next attempt.
    fn let_go(&mut self) {
        if let Some(admission) = self.admission.take() {
            self.void_for_a_wait(admission);
        }
    }

    /// Lets those who were asked recover. Nobody else's turn is held up by it.
    async fn rest(&mut self, pause: Duration) {
        self.let_go();
        tokio::time::sleep(pause).await;
    }

    /// After a whole round: whether another one makes sense. Only accounts that said they were busy are worth a wait.
    fn may_repeat(&mut self, next_free_ms: Option<i64>) -> Result<(), RelayError> {
        if self.summary.attempts() == 0
            && let Some(reason) = self.unsaid.take()
        {
            return Err(RelayError::Untranslatable(reason));
        }
        match self.summary.answer() {
            Answer::Busy { .. } => {
                // Those that failed have had their turn; those that were busy get another.
                let busy = std::mem::take(&mut self.busy);
                if busy.is_empty() {
                    return Err(RelayError::UpstreamFailed);
                }
                self.tried.retain(|account_id| !busy.contains(account_id));
                return Ok(());
            }
            Answer::Unavailable
                if self.repeats < REPEATS_MAX
                    && next_free_ms.is_some_and(|at| at - now_ms() <= REPEAT_WITHIN_MS)
                    && self.pause(next_free_ms).is_ok() =>
            {
                self.repeats += 1;
            }
            Answer::Unavailable => return Err(RelayError::UpstreamFailed),
            Answer::TimedOut => return Err(RelayError::TimedOut),
            Answer::ModelNotFound => return Err(self.model_not_found()),
            Answer::ClientFault(_) => return Err(self.refusal.take().unwrap_or(RelayError::UpstreamFailed)),
        }
        self.tried.clear();
        Ok(())
    }

    /// How long to wait before looking again.
    ///
    /// # Errors
    /// [`RelayError::AllBusy`] where the deadline of the wait comes first.
    fn pause(&self, next_free_ms: Option<i64>) -> Result<Duration, RelayError> {
        let wait_ms = i64::try_from(self.relay.0.config.wait.as_millis()).unwrap_or(i64::MAX);
        let left_ms = wait_ms.saturating_sub(self.elapsed_ms());
        let until_free_ms = until_free_ms(next_free_ms);
        if left_ms <= 0 || (next_free_ms.is_some() && until_free_ms > left_ms) {
            return Err(busy(until_free_ms));
        }
        let pause_ms = until_free_ms.min(left_ms).min(LOOK_MS);
        Ok(Duration::from_millis(pause_ms.unsigned_abs()))
    }
}

/// In how many milliseconds to look again.
fn until_free_ms(next_free_ms: Option<i64>) -> i64 {
    next_free_ms.map_or(LOOK_MS, |at| (at - now_ms()).max(1))
}

const fn busy(until_free_ms: i64) -> RelayError {
    RelayError::AllBusy {
        retry_after_s: until_free_ms.saturating_add(999) / 1_000,
    }
}
