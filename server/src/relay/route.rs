//! Plan: which account of which target is asked next, and the waiting room where none can be.
//!
//! Invariant: waiting holds neither money nor permit; a target is asked only where no account of those before it can serve; each untried
//! account is asked once, and an account is asked again only after its pause, within the deadline.

use super::attempt::Next;
use super::target::{Asking, Owners, Survey};
use super::waiting_room::{Chosen, Place, Wanted};
use super::{Journey, RelayError};
use crate::accounts::Deployment;
use crate::clock::{new_id, now_ms};
use crate::ledger::Kind;
use gateway_core::retry::Answer;
use gateway_core::routing::WhyEmpty;
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
            let asking = Asking {
                job: &self.job,
                owners: self.owners(),
                is_patient: self.is_patient(),
            };
            let Survey {
                ordered,
                next_free_ms,
                why_empty,
            } = asking.survey(&self.relay.0.app.fleet, &self.legs, &|_| false);
            if let Some((place, account)) = ordered.into_iter().next() {
                return Ok(Chosen {
                    place,
                    account,
                    permit: None,
                });
            }
            match why_empty {
                WhyEmpty::AllBusy => self.come_back(),
                WhyEmpty::AllFailing if self.has_come_back => {}
                WhyEmpty::AllTried | WhyEmpty::AllFailing => {
                    self.may_repeat(next_free_ms)?;
                    self.rest(self.pause(next_free_ms)?).await;
                    continue;
                }
                _ => return Err(self.nobody(why_empty)),
            }
            let pause = self.pause(next_free_ms)?;
            let place = match &mut place {
                Some(place) => place,
                none => none.insert(self.enter(next_free_ms)?),
            };
            if self.request_id.is_none() {
                // What could not be admitted now is refused before it waits.
                self.expect_own();
                self.admit().await?;
            }
            self.let_go();
            if let Some(chosen) = place.wait(self.spread(pause)).await {
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

    /// Makes the target at `place` the one that is asked, of an account of the team's own where it `is_own`. What is held for
    /// another one is given back: each has its own price, and an own account is not paid from the wallet.
    pub(super) fn turn_to(&mut self, place: usize, is_own: bool) {
        if place != self.at || is_own != self.is_own {
            self.let_go();
            (self.at, self.is_own) = (place, is_own);
        }
    }

    /// Whose accounts may be asked still.
    pub(super) fn owners(&self) -> Owners {
        let owners = self.job.owners;
        Owners {
            has_platform: owners.has_platform && self.unpaid.is_none(),
            ..owners
        }
    }

    /// After an account was not admitted: where the wallet cannot pay the platform, the team's own accounts are left.
    pub(super) fn go_on_unpaid(&mut self, error: RelayError) -> Result<Next, RelayError> {
        let is_wallet = matches!(&error, RelayError::OutOfMoney { short, .. } if short.series.kind == Kind::Wallet);
        if !is_wallet || self.is_own || self.job.owners.own.is_none() || self.unpaid.is_some() {
            return Err(error);
        }
        self.unpaid = Some(error);
        Ok(Next::Again)
    }

    /// Why nobody answers: `error`, unless that is for want of an account, and the platform's could not be paid.
    pub(super) fn or_unpaid(&mut self, error: RelayError) -> RelayError {
        let is_nobody = matches!(
            error,
            RelayError::NoAccount { .. }
                | RelayError::NotInRegion { .. }
                | RelayError::ModelNotFound { .. }
                | RelayError::NotSpoken { .. }
                | RelayError::NothingKept
                | RelayError::Untranslatable(_)
                | RelayError::UpstreamFailed
        );
        let is_unasked = is_nobody && self.summary.attempts() == 0;
        self.unpaid.take().filter(|_| is_unasked).unwrap_or(error)
    }

    /// Before anybody is chosen: whether an account of the team's own can serve, so that its wallet need hold nothing yet.
    fn expect_own(&mut self) {
        let fleet = self.relay.0.app.fleet.of(self.job.owners.own);
        let wish = self.job.wish();
        let fits = |account: &Deployment| wish.fits(account) && account.is_in(self.job.region.as_deref());
        let mut targets = self.job.targets.iter();
        self.is_own =
            self.job.owners.own.is_some() && targets.any(|target| fleet.is_served(&target.model, &target.maker, &fits));
    }

    /// Why no account fits, now or later. What a model said of the request itself goes before that others cannot be asked.
    fn nobody(&mut self, why: WhyEmpty) -> RelayError {
        if let Some(refusal) = self.refusal.take() {
            return refusal;
        }
        let model = self.job.name.to_string();
        match (why, &self.job.region) {
            (WhyEmpty::NoneHasModel, _) => RelayError::ModelNotFound { model },
            (WhyEmpty::NoneInRegion, Some(region)) => RelayError::NotInRegion {
                model,
                region: region.to_string(),
            },
            _ => self.no_account(),
        }
    }

    /// No account fits: because none serves the model, or none of those that do speaks the one dialect that can say it.
    fn no_account(&self) -> RelayError {
        let model = self.job.name.to_string();
        let (fleet, owners) = (&self.relay.0.app.fleet, self.job.owners);
        let mut targets = self.job.targets.iter();
        if !targets.any(|target| owners.serve(fleet, (&target.model, &target.maker), &|_| true)) {
            RelayError::NoAccount { model }
        } else if self.job.envelope.needs_state {
            RelayError::NothingKept
        } else {
            RelayError::NotSpoken { model }
        }
    }

    /// A place among those who wait.
    fn enter(&self, next_free_ms: Option<i64>) -> Result<Place, RelayError> {
        let wanted = Wanted {
            team: self.caller.team_id(),
            since_ms: now_ms() - self.elapsed_ms(),
            job: Arc::clone(&self.job),
            owners: self.owners(),
            legs: self.legs.clone(),
            is_patient: self.is_patient(),
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

    /// Who waits may be answered by an account that was only busy as well, once its pause is over.
    fn come_back(&mut self) {
        for leg in &mut self.legs {
            let busy = std::mem::take(&mut leg.busy);
            self.has_come_back |= !busy.is_empty();
            leg.tried.retain(|account_id| !busy.contains(account_id));
        }
    }

    /// After a whole round: whether another one makes sense. Only accounts that said they were busy are worth a wait.
    fn may_repeat(&mut self, next_free_ms: Option<i64>) -> Result<(), RelayError> {
        if self.summary.attempts() == 0
            && let Some(refusal) = self.refusal.take()
        {
            return Err(refusal);
        }
        if self.summary.attempts() == 0
            && let Some(reason) = self.unsaid.take()
        {
            return Err(RelayError::Untranslatable(reason));
        }
        match self.summary.answer() {
            Answer::Busy { .. } => {
                // Those that failed have had their turn; those that were busy get another.
                if self.legs.iter().all(|leg| leg.busy.is_empty()) {
                    return Err(RelayError::UpstreamFailed);
                }
                self.come_back();
                return Ok(());
            }
            Answer::Unavailable
                if self.repeats < REPEATS_MAX
                    && self.may_ask_again()
                    && next_free_ms.is_some_and(|at| at - now_ms() <= REPEAT_WITHIN_MS)
                    && self.pause(next_free_ms).is_ok() =>
            {
                self.repeats += 1;
            }
            Answer::Unavailable => return Err(RelayError::UpstreamFailed),
            Answer::TimedOut => return Err(RelayError::TimedOut),
            Answer::ModelNotFound => return Err(self.nobody(WhyEmpty::NoneHasModel)),
            Answer::ClientFault(_) => return Err(self.refusal.take().unwrap_or(RelayError::UpstreamFailed)),
        }
        for leg in &mut self.legs {
            leg.tried.clear();
        }
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

    /// `pause`, and then a moment that differs among those who wait: whoever looks serves all, so that one a millisecond is enough.
    fn spread(&self, pause: Duration) -> Duration {
        let moments = (2 * self.relay.0.room.len() as u64).saturating_sub(1).max(1);
        let moment = Duration::from_millis(new_id().cast_unsigned() % moments);
        let longest = Duration::from_millis(LOOK_MS.unsigned_abs());
        (pause + moment).min(longest).min(self.left().max(pause))
    }

    /// What is left of the time that it may wait.
    fn left(&self) -> Duration {
        self.relay.0.config.wait.saturating_sub(self.started.elapsed())
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
