//! The waiting room: requests that wait for an account, served fairly among teams.
//!
//! Invariant: whoever waits holds neither money nor permit; what frees up is offered to those who wait before anybody who comes later;
//! a permit for somebody who has left goes to the next. In memory; takes permits of the fleet.

use super::Config;
use super::peek::Job;
use super::target::{Asking, Leg, Owners, Target};
use super::wish::Wish;
use crate::accounts::{Deployment, Fleet, Permit};
use crate::app::App;
use crate::clock::new_id;
use gateway_core::turns::{Full, Most, Ticket, Turns};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// An account whose turn it is, and the permit where it was waited for.
pub(super) struct Chosen {
    /// The place of its target.
    pub place: usize,
    pub account: Arc<Deployment>,
    pub permit: Option<Permit>,
}

/// What somebody waits for.
pub(super) struct Wanted {
    pub team: i64,
    pub since_ms: i64,
    pub job: Arc<Job>,
    /// Of whose accounts.
    pub owners: Owners,
    pub legs: Vec<Leg>,
    /// Whether accounts that failed are left alone until the pause is over that we guess.
    pub is_patient: bool,
    pub hung_up: Arc<AtomicBool>,
}

/// What nobody can get at this moment.
struct Hopeless {
    model: Arc<str>,
    region: Option<Arc<str>>,
    /// Of whose accounts.
    owners: Owners,
    /// What an account must do.
    wish: Wish,
    tokens: u64,
    /// Whether accounts that failed were left alone.
    is_patient: bool,
}

impl Hopeless {
    /// What `wanted` could not get of `target`.
    fn of(wanted: &Wanted, target: &Target) -> Self {
        Self {
            model: Arc::clone(&target.model),
            region: wanted.job.region.clone(),
            owners: wanted.owners,
            wish: wanted.job.wish(),
            tokens: target.expected_tokens,
            is_patient: wanted.is_patient,
        }
    }

    /// Whether `wanted` cannot get `target` either.
    fn covers(&self, wanted: &Wanted, target: &Target) -> bool {
        self.model == target.model
            && self.region == wanted.job.region
            && self.owners == wanted.owners
            && self.wish == wanted.job.wish()
            && self.tokens <= target.expected_tokens
            && (wanted.is_patient || !self.is_patient)
    }
}

struct Waiting {
    wanted: Wanted,
    grant: oneshot::Sender<Chosen>,
}

/// The room of a process; clones are the same.
#[derive(Clone)]
pub(super) struct WaitingRoom(Arc<Inner>);

struct Inner {
    fleet: Fleet,
    runtime: Handle,
    most: Most,
    turns: Mutex<Turns<Waiting>>,
    /// How many wait, to be read without the lock.
    count: Arc<AtomicUsize>,
    /// Whether a task listens for what frees up.
    is_watched: AtomicBool,
}

/// A place in the room; dropping it leaves.
pub(super) struct Place {
    room: WaitingRoom,
    ticket: Ticket,
    grant: oneshot::Receiver<Chosen>,
}

impl WaitingRoom {
    pub fn new(app: &App, config: &Config) -> Self {
        Self(Arc::new(Inner {
            fleet: app.fleet.clone(),
            runtime: app.runtime.clone(),
            most: Most {
                waiting: config.waiting,
                of_team: config.waiting_of_team,
            },
            turns: Mutex::default(),
            count: Arc::clone(&app.waiting),
            is_watched: AtomicBool::new(false),
        }))
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.0.count.load(Ordering::Relaxed)
    }

    /// A place in the room.
    ///
    /// # Errors
    /// [`Full`] where as many wait as may, in all or of the team.
    pub fn enter(&self, wanted: Wanted) -> Result<Place, Full> {
        let (sender, grant) = oneshot::channel();
        let ticket = Ticket {
            team: wanted.team,
            id: new_id().cast_unsigned(),
            since_ms: wanted.since_ms,
        };
        let waiting = Waiting { wanted, grant: sender };
        let mut turns = self.0.turns.lock();
        turns.join(ticket, waiting, self.0.most)?;
        self.0.count.store(turns.len(), Ordering::Relaxed);
        drop(turns);
        if !self.0.is_watched.swap(true, Ordering::AcqRel) {
            self.0.runtime.spawn(self.clone().watch());
        }
        Ok(Place {
            room: self.clone(),
            ticket,
            grant,
        })
    }

    /// Serves whoever can be served, until the room is empty.
    async fn watch(self) {
        loop {
            let freed = self.0.fleet.freed();
            self.serve();
            if self.len() == 0 {
                self.0.is_watched.swap(false, Ordering::AcqRel);
                // Whoever came in between saw a watcher that was about to leave.
                if self.len() == 0 || self.0.is_watched.swap(true, Ordering::AcqRel) {
                    return;
                }
            }
            freed.await;
        }
    }

    /// Hands what is free to those who wait, team after team.
    pub fn serve(&self) {
        if self.len() == 0 {
            return;
        }
        let mut turns = self.0.turns.lock();
        // What one who has tried nothing cannot get, nobody can who wants the same model and no fewer tokens.
        let mut hopeless: Vec<Hopeless> = Vec::new();
        while let Some((waiting, chosen)) = turns.next(|waiting| self.choose(&waiting.wanted, &mut hopeless)) {
            // Where nobody takes it, the permit goes back with it, and is there for the next.
            let _ = waiting.grant.send(chosen);
        }
        self.0.count.store(turns.len(), Ordering::Relaxed);
    }

    fn choose(&self, wanted: &Wanted, hopeless: &mut Vec<Hopeless>) -> Option<Chosen> {
        let Wanted {
            job,
            owners: whose,
            legs,
            is_patient,
            hung_up,
            ..
        } = wanted;
        if hung_up.load(Ordering::Relaxed) {
            return None;
        }
        let is_hopeless = |target: &Target| hopeless.iter().any(|known| known.covers(wanted, target));
        let asking = Asking {
            job,
            owners: *whose,
            is_patient: *is_patient,
        };
        let found = asking.survey(&self.0.fleet, legs, &is_hopeless);
        let chosen = found.ordered.into_iter().find_map(|(place, account)| {
            let permit = self.0.fleet.begin(&account, job.targets[place].expected_tokens)?;
            Some(Chosen {
                place,
                account,
                permit: Some(permit),
            })
        });
        if chosen.is_none() {
            let untried = job
                .targets
                .iter()
                .zip(legs)
                .filter(|(_, leg)| leg.tried.is_empty() && !leg.is_out);
            let news = untried.filter(|(target, _)| !is_hopeless(target));
            let news: Vec<_> = news.map(|(target, _)| Hopeless::of(wanted, target)).collect();
            hopeless.extend(news);
        }
        chosen
    }
}

impl Place {
    /// What it was waited for, if it has come.
    pub fn take(&mut self) -> Option<Chosen> {
        self.grant.try_recv().ok()
    }

    /// Waits for it, for `pause` at most.
    pub async fn wait(&mut self, pause: Duration) -> Option<Chosen> {
        tokio::time::timeout(pause, &mut self.grant).await.ok()?.ok()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut turns = self.room.0.turns.lock();
        turns.leave(self.ticket);
        self.room.0.count.store(turns.len(), Ordering::Relaxed);
    }
}
