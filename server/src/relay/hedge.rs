//! Hedge: where an account keeps a stream waiting, another one is asked too, and whoever has content first is handed on.
//!
//! Invariant: each of the two has a hold, a permit and a place on the record of its own. The request goes on with the hold that was made last;
//! the first one pays for whoever ends first without winning, and who is outrun is cancelled. Nobody is asked too that could not be paid.

use super::admit::Admission;
use super::ask::Good;
use super::attempt::Try;
use super::judge::Failed;
use super::settle::OUTRUN;
use super::target::Asking;
use super::wording::Worded;
use super::{Journey, RelayError};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

/// An attempt that has ended.
pub(super) type Asked = (Try, Result<Good, Failed>);

/// An attempt under way, which can be given up.
struct Runner {
    attempt: Arc<Try>,
    asking: Pin<Box<dyn Future<Output = Result<Good, Failed>> + Send>>,
}

impl Runner {
    async fn finish(mut self) -> Option<Asked> {
        let done = (&mut self.asking).await;
        self.ended(done)
    }

    /// It has `done`.
    fn ended(self, done: Result<Good, Failed>) -> Option<Asked> {
        self.give_up().map(|attempt| (attempt, done))
    }

    /// Cancels it, if it is not over.
    fn give_up(self) -> Option<Try> {
        drop(self.asking);
        // Whoever asks had the only other handle.
        Arc::into_inner(self.attempt)
    }
}

/// `asked`, which nobody else has a handle to.
fn one(asked: Option<Asked>) -> Result<Asked, RelayError> {
    asked.ok_or(RelayError::UpstreamFailed)
}

impl Journey {
    /// Whether a second account may be asked beside the first: not for what costs much and takes its time anyway.
    fn may_hedge(&self) -> bool {
        self.job.envelope.stream && !self.job.operation.is_media()
    }

    /// Asks `attempt`, and after the delay that is set for it, another account as well.
    ///
    /// # Errors
    /// [`RelayError`] for the client, where one of the two ended the request.
    pub(super) async fn ask_hedged(&mut self, attempt: Try, worded: Worded) -> Result<Asked, RelayError> {
        let mut first = self.runner(attempt, worded);
        let Some(delay) = self.relay.0.config.hedge.filter(|_| self.may_hedge()) else {
            return one(first.finish().await);
        };
        if let Ok(done) = tokio::time::timeout(delay, &mut first.asking).await {
            return one(first.ended(done));
        }
        let Some((attempt, worded)) = self.second() else {
            return one(first.finish().await);
        };
        let earlier = self.admission.take().ok_or(RelayError::LedgerDown)?;
        let admitted = tokio::select! {
            biased;
            done = &mut first.asking => Err(done),
            admitted = self.admit() => Ok(admitted),
        };
        if let Some(later) = self.admission.take_if(|later| !is_like(later, &earlier)) {
            self.void_unused(later);
        }
        if self.admission.is_none() {
            self.admission = Some(earlier);
            return one(match admitted {
                Err(done) => first.ended(done),
                Ok(_) => first.finish().await,
            });
        }
        self.count_repeat();
        self.legs[self.at].tried.push(attempt.account.account_id);
        let second = self.runner(attempt, worded);
        self.race([first, second], earlier).await
    }

    /// The two run, and what is held last is for who goes on; `earlier` is for the other.
    async fn race(&mut self, two: [Runner; 2], earlier: Admission) -> Result<Asked, RelayError> {
        let [mut first, mut second] = two;
        let hung_up = Arc::clone(&self.hung_up);
        // What goes on without its client is polled once more at once.
        let gone = poll_fn(move |_| {
            if hung_up.load(Ordering::Relaxed) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        let (ended, other, done) = tokio::select! {
            biased;
            done = &mut first.asking => (first, second, done),
            done = &mut second.asking => (second, first, done),
            () = gone => {
                // Nobody waits for the quicker one any more: one is read on, for what it tells of its usage.
                if let Some(later) = self.admission.replace(earlier) {
                    self.lose(second, later);
                }
                return one(first.finish().await);
            }
        };
        let failed = match done {
            Ok(good) => {
                self.lose(other, earlier);
                return one(ended.ended(Ok(good)));
            }
            Err(failed) => failed,
        };
        let later = self.admission.replace(earlier);
        let next = match ended.give_up() {
            Some(attempt) => self.fail(&attempt, failed).map(|_| ()),
            None => Ok(()),
        };
        if let Some(unused) = self.admission.take() {
            self.void_for_a_wait(unused);
        }
        match (next, later) {
            (Err(error), Some(later)) => {
                self.lose(other, later);
                Err(error)
            }
            (Err(error), None) => Err(error),
            (Ok(()), later) => {
                self.admission = later;
                one(other.finish().await)
            }
        }
    }

    fn runner(&self, attempt: Try, worded: Worded) -> Runner {
        let attempt = Arc::new(attempt);
        Runner {
            asking: Box::pin(self.ask(Arc::clone(&attempt), worded)),
            attempt,
        }
    }

    /// Another account of the same model to ask, if one has room and there is a repeat left for it; the two are paid for alike,
    /// since either may win on either hold.
    fn second(&mut self) -> Option<(Try, Worded)> {
        if !self.may_ask_again() {
            return None;
        }
        let asking = Asking {
            job: &self.job,
            owners: self.owners(),
            is_patient: true,
        };
        let routes = asking.routes(&self.relay.0.app.fleet, self.target(), &self.legs[self.at]);
        let account = routes
            .ordered
            .into_iter()
            .find(|account| account.is_own == self.is_own)?;
        let worded = self.word(&account).ok()?;
        let permit = self.relay.0.app.fleet.begin(&account, self.target().expected_tokens)?;
        Some((self.try_on(account, permit), worded))
    }

    /// Cancels who was outrun, and charges what it may have cost: nothing, if nothing was sent.
    fn lose(&mut self, loser: Runner, admission: Admission) {
        let Some(attempt) = loser.give_up() else { return };
        attempt.account.pass_over();
        if !attempt.permit.is_sent() {
            self.void_unused(admission);
            return;
        }
        let mut trail = self.trail.apart();
        trail.outrun(&attempt.account, attempt.times());
        self.settlement()
            .post_input_share(admission, &attempt.permit, &trail, OUTRUN);
        self.trail.recorded_apart();
    }
}

/// Whether what `later` holds is as good for a request as what `earlier` does: as much, and for the same output.
fn is_like(later: &Admission, earlier: &Admission) -> bool {
    later.hold.amount() == earlier.hold.amount() && later.max_output == earlier.max_output
}
