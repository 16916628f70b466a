//! The pipeline: authenticate → peek → plan → admit → translate → call → stream → settle.
//!
//! Invariant: translate–call is the only loop, and it goes on only while no byte of content has reached the client; money is
//! admitted after any wait and ends with the attempt; whatever the client does, the journey runs to its settlement.
//! Reads snapshots of keys, catalogue and accounts; writes through the ledger alone.

mod admit;
mod ask;
mod attempt;
mod call;
mod count_tokens;
mod counts;
mod early;
mod form;
mod hand_on;
mod hedge;
mod judge;
mod listing;
mod media;
mod outlive;
mod peek;
mod repeats;
mod route;
mod settle;
mod shapes;
mod spool;
mod stream;
mod target;
mod trail;
mod waiting_room;
mod wish;
mod wording;

pub use crate::error::{RelayError, Told};
pub use counts::Counts;
pub use early::Events;
pub use form::Shape;
pub use spool::{Spool, Spooling, Upload};
pub use stream::Cut;

use crate::app::App;
use crate::clock::now_ms;
use crate::keys::Caller;
use crate::limits::Standing;
use crate::secrets::Secret;
use admit::Admission;
use attempt::Next;
use bytes::Bytes;
use early::Held;
use gateway_core::dialect::Operation;
use gateway_core::dialect::exchange::{self, Untranslatable};
use gateway_core::retry::Summary;
use outlive::Outlive;
use peek::Job;
use repeats::Repeats;
use std::borrow::Cow;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use target::{Leg, Target};
use trail::Trail;
use waiting_room::WaitingRoom;

/// The folder of the data directory for forms that are too large for the memory.
const UPLOADS: &str = "uploads";

/// The deadlines of a request.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// How long a request may wait for a busy account.
    pub wait: Duration,
    /// How many requests may wait for accounts.
    pub waiting: usize,
    /// How many of one team.
    pub waiting_of_team: usize,
    /// After how much silence of the account that was asked for a stream another one is asked as well; `None`: never.
    pub hedge: Option<Duration>,
    /// How long a request's head may take to arrive.
    pub head: Duration,
    /// How long a request's body may take to arrive.
    pub body: Duration,
    /// From sending to the head of a streamed answer.
    pub headers: Duration,
    /// From sending to the first content of a stream.
    pub first_content: Duration,
    /// From sending to the end of an answer that is not streamed.
    pub whole: Duration,
    /// Between two pieces of a stream.
    pub idle: Duration,
    /// For the whole request.
    pub total: Duration,
    /// How long an upstream is read on after its client hung up, to learn the usage.
    pub drain: Duration,
    /// How long a client may leave what it is sent unread before its connection is cut.
    pub unread: Duration,
    /// How long a client's connection is kept that nobody uses.
    pub keep_alive: Duration,
    /// After how much silence a stream gets a comment, which shows whether its client is still there.
    pub heartbeat: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            wait: Duration::from_secs(30),
            waiting: 1_000,
            waiting_of_team: 250,
            hedge: None,
            head: Duration::from_secs(10),
            body: Duration::from_secs(120),
            headers: Duration::from_secs(180),
            first_content: Duration::from_secs(180),
            whole: Duration::from_secs(600),
            idle: Duration::from_secs(120),
            total: Duration::from_secs(3_600),
            drain: Duration::from_secs(30),
            unread: Duration::from_secs(60),
            keep_alive: Duration::from_secs(75),
            heartbeat: Duration::from_secs(10),
        }
    }
}

/// The pipeline of a process; clones are the same.
#[derive(Clone)]
pub struct Relay(Arc<Inner>);

struct Inner {
    app: Arc<App>,
    config: Config,
    room: WaitingRoom,
    counts: Arc<Counts>,
    repeats: Repeats,
}

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// Whose it is.
    pub caller: Arc<Caller>,
    /// When that was found out.
    pub recognised: Instant,
    /// The key as it was sent.
    pub credential: Secret,
    /// The client's address, if it is known.
    pub address: Option<IpAddr>,
    /// What the path asks for.
    pub operation: Operation,
    /// The model, where the path names it.
    pub model: Option<String>,
    /// What a stream is made of, where the path asks for one.
    pub stream: Option<Shape>,
    /// What a header calls the conversation.
    pub session: Option<u64>,
    /// What the client wants of Anthropic's API beyond its body.
    pub betas: Betas,
    /// What was sent.
    pub content: Sent,
    /// Whether a header asks for a cost in the usage.
    pub include_cost: bool,
    /// Unix milliseconds.
    pub arrived_ms: i64,
}

/// The body of a request.
#[derive(Clone, Debug)]
pub enum Sent {
    /// In one piece.
    Json(Bytes),
    /// A form.
    Form(Upload),
}

/// The headers of Anthropic's API that change what it does, as the client sent them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Betas {
    /// `anthropic-version`.
    pub version: Option<String>,
    /// `anthropic-beta`, a list.
    pub beta: Option<String>,
}

/// What the headers of an answer say.
#[derive(Clone, Debug, Default)]
pub struct Heading {
    /// The request's id.
    pub request_id: i64,
    /// How many accounts were asked.
    pub attempts: u32,
    /// What really answers; absent where that is not known yet.
    pub model: Option<String>,
    /// What was clamped or dropped.
    pub notes: Vec<String>,
    /// What is left of the rate limits.
    pub standing: Standing,
    /// The charge in USD; answers that are not streamed.
    pub cost_usd: Option<String>,
}

/// An answer.
pub enum Reply {
    /// In one piece.
    Whole {
        /// For the headers.
        heading: Heading,
        /// The upstream's content type.
        content_type: String,
        /// The upstream's bytes.
        body: Bytes,
    },
    /// Event by event.
    Stream {
        /// For the headers.
        heading: Heading,
        /// What its pieces make up.
        content_type: Cow<'static, str>,
        /// The events.
        body: Events,
    },
}

/// A refusal with the id to quote.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The request's id.
    pub request_id: i64,
    /// Why.
    pub error: RelayError,
    /// How many accounts were asked.
    pub attempts: u32,
    /// What is left of the rate limits, where the caller is known.
    pub standing: Option<Standing>,
}

impl Refused {
    /// Before anything was held, for a caller that is not known: the id names no row.
    #[must_use]
    pub fn early(error: RelayError) -> Self {
        Self {
            request_id: crate::clock::new_id(),
            error,
            attempts: 0,
            standing: None,
        }
    }
}

impl Relay {
    /// A pipeline over the areas of `app`.
    #[must_use]
    pub fn new(app: &Arc<App>, config: Config) -> Self {
        Self(Arc::new(Inner {
            app: Arc::clone(app),
            config,
            room: WaitingRoom::new(app, &config),
            counts: Arc::default(),
            repeats: Repeats::default(),
        }))
    }

    /// How many requests wait for an account.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.room.len()
    }

    /// What was counted since the start.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.0.counts
    }

    /// How long a request's body may take to arrive.
    #[must_use]
    pub fn body_time(&self) -> Duration {
        self.0.config.body
    }

    /// Where forms are kept that are too large for the memory.
    #[must_use]
    pub fn uploads(&self) -> PathBuf {
        self.0.app.data_dir.join(UPLOADS)
    }

    /// How long a request's head may take.
    #[must_use]
    pub fn head_time(&self) -> Duration {
        self.0.config.head
    }

    /// How long a client may leave what it is sent unread.
    #[must_use]
    pub fn unread_time(&self) -> Duration {
        self.0.config.unread
    }

    /// How long a client's connection is kept that nobody uses.
    #[must_use]
    pub fn keep_alive_time(&self) -> Duration {
        self.0.config.keep_alive
    }

    /// The caller that holds `credential`.
    ///
    /// # Errors
    /// [`RelayError`] 401 or 403.
    pub async fn authenticate(
        &self,
        credential: Option<&str>,
        address: Option<IpAddr>,
    ) -> Result<Arc<Caller>, RelayError> {
        let presented = credential.ok_or(RelayError::NoKey)?;
        let caller = self
            .0
            .app
            .keys
            .verify(presented, now_ms())
            .await
            .map_err(RelayError::Key)?;
        let is_allowed = match address {
            Some(address) => caller.allows_address(address),
            None => caller.allowed_ips.is_empty(),
        };
        if is_allowed {
            Ok(caller)
        } else {
            Err(RelayError::AddressNotAllowed)
        }
    }

    /// Answers `request`. If the returned future is dropped, the journey goes on in the background to its settlement.
    ///
    /// # Errors
    /// [`Refused`]; what was consumed until then is settled.
    pub async fn call(&self, request: Request) -> Result<Reply, Refused> {
        let (caller, recognised) = (Arc::clone(&request.caller), request.recognised);
        let peeked = self.peek(&caller, request).await;
        let job = peeked.map_err(|error| self.refuse_early(&caller, error))?;
        if count_tokens::is_asked(&job) {
            return self.count_tokens(&caller, job, recognised).await;
        }
        self.set_out(caller, job, recognised).await
    }

    /// The journey of `job`.
    async fn set_out(&self, caller: Arc<Caller>, job: Job, recognised: Instant) -> Result<Reply, Refused> {
        // A comment between the pieces of a sound would be a part of it, and what is streamed may be answered in plain JSON after all.
        let may_begin_early = job.envelope.stream && !job.operation.is_media();
        let form = job.form;
        let standing = || self.standing(&caller);
        let hung_up = Arc::new(AtomicBool::new(false));
        let held = Held::default();
        let mut journey = Journey::new(self.clone(), job, Arc::clone(&caller), recognised);
        journey.hung_up = Arc::clone(&hung_up);
        journey.held = held.clone();
        let config = &self.0.config;
        let journey = Outlive::new(Box::pin(journey.run()), &self.0.app.runtime, config.drain, hung_up);
        if may_begin_early {
            early::race(journey, &held, form, standing, config.heartbeat).await
        } else {
            journey.await
        }
    }

    /// What `caller` is told that is refused before anything was held.
    #[must_use]
    pub fn refuse_early(&self, caller: &Caller, error: RelayError) -> Refused {
        Refused {
            standing: Some(self.standing(caller)),
            ..Refused::early(error)
        }
    }

    fn standing(&self, caller: &Caller) -> Standing {
        self.0.app.limits.peek(&admit::limited(caller), now_ms())
    }
}

/// One request on its way.
struct Journey {
    relay: Relay,
    job: Arc<Job>,
    caller: Arc<Caller>,
    /// When what is known of the caller was true.
    recognised: Instant,
    hung_up: Arc<AtomicBool>,
    held: Held,
    started: Instant,
    /// The first hold's id, once there is one.
    request_id: Option<i64>,
    /// Money and rate for the target at `at`, while they are held.
    admission: Option<Admission>,
    /// What became of each target.
    legs: Vec<Leg>,
    /// The place of the target that is being asked.
    at: usize,
    /// Whether an account of the team's own is being asked, which is not paid from the wallet.
    is_own: bool,
    /// Why the platform's accounts are not asked, though the team wants them: its wallet cannot pay for them.
    unpaid: Option<RelayError>,
    /// Whether an attempt was charged to the wallet.
    is_charged: Arc<AtomicBool>,
    trail: Trail,
    summary: Summary,
    /// The last refusal of an upstream that is for the client.
    refusal: Option<RelayError>,
    /// Why an account could not be asked it in any dialect it speaks.
    unsaid: Option<Untranslatable>,
    /// The first account that was asked in the client's own words: that is where a conversation stays while it can.
    thinker: Option<i64>,
    /// Whether an account said that it did not think what the request holds of thoughts.
    has_foreign_thoughts: bool,
    /// The request in no dialect, once it was needed.
    decoded: Option<Arc<exchange::Request>>,
    /// Rounds over accounts that only failed, which are limited.
    repeats: u32,
    /// Whether it asks accounts again that were only busy.
    has_come_back: bool,
}

impl Journey {
    fn new(relay: Relay, job: Job, caller: Arc<Caller>, recognised: Instant) -> Self {
        let counts = Arc::clone(&relay.0.counts);
        let legs = vec![Leg::default(); job.targets.len()];
        relay.0.repeats.earn();
        Self {
            relay,
            job: Arc::new(job),
            caller,
            recognised,
            hung_up: Arc::default(),
            held: Held::default(),
            started: Instant::now(),
            request_id: None,
            admission: None,
            legs,
            at: 0,
            is_own: false,
            unpaid: None,
            is_charged: Arc::default(),
            trail: Trail::new(counts),
            summary: Summary::default(),
            refusal: None,
            unsaid: None,
            thinker: None,
            has_foreign_thoughts: false,
            decoded: None,
            repeats: 0,
            has_come_back: false,
        }
    }

    async fn run(mut self) -> Result<Reply, Refused> {
        loop {
            let step = match self.route().await {
                Ok(chosen) => {
                    self.turn_to(chosen.place, chosen.account.is_own);
                    match self.admit().await {
                        Ok(()) => self.attempt(chosen).await,
                        Err(error) => self.go_on_unpaid(error),
                    }
                }
                Err(error) => Err(self.or_unpaid(error)),
            };
            match step {
                Ok(Next::Answered(reply)) => return Ok(*reply),
                Ok(Next::Again) => {}
                Err(error) => return Err(self.refuse(error).await),
            }
        }
    }

    /// The model that is being asked.
    fn target(&self) -> &Arc<Target> {
        self.job.targets[self.at].priced_for(self.is_own)
    }

    /// Milliseconds since the request came.
    fn elapsed_ms(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    fn is_hung_up(&self) -> bool {
        self.hung_up.load(Ordering::Relaxed)
    }

    /// Ends the journey: what is still held is given back, with the outcome on its record.
    async fn refuse(&mut self, error: RelayError) -> Refused {
        let standing = Some(self.relay.standing(&self.caller));
        if let Some(admission) = self.admission.take() {
            self.void(admission, &error);
        } else if self.request_id.is_some()
            && error != RelayError::LedgerDown
            && let Some(hold) = self.hold_nothing().await
        {
            self.void_hold(hold, &[], settle::outcome(&error), error.told(now_ms()).status);
        }
        Refused {
            request_id: self.request_id.unwrap_or_else(crate::clock::new_id),
            error,
            attempts: self.trail.count(),
            standing,
        }
    }
}
