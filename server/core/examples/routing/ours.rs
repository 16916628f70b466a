//! This router: the rules of the core, driven as the server drives them.
//!
//! Invariant: no rule is repeated here; what stands here is who calls which rule when.

use super::chance::draw;
use super::world::{Account, Ask, Ending, Headers};
use super::{DEADLINE_MS, Do, Router};
use gateway_core::health::{Event, FULL_HEADROOM, Health};
use gateway_core::limits::SlidingWindow;
use gateway_core::retry::{Answer, Billed, Budget, ErrorText, Failure, Fault, Phase, RetryHints, Summary, classify};
use gateway_core::routing::{Candidate, RouteRequest, WhyEmpty, plan};
use gateway_core::turns::{Most, Ticket, Turns};
use std::collections::HashMap;

/// The longest pause before a waiting request looks again, in milliseconds.
const LOOK_MS: i64 = 1_000;
/// The shortest.
const REST_MS: i64 = 10;
/// How soon an account that failed must be free for a repeat to make sense, in milliseconds.
const REPEAT_WITHIN_MS: i64 = 2_500;
/// As an operator sets it who expects this load.
const MOST: Most = Most {
    waiting: 8_000,
    of_team: 4_000,
};

/// An account as the router knows it.
struct Known {
    id: i64,
    rpm: Option<u64>,
    tpm: Option<u64>,
    in_flight: u32,
    health: Health,
    requests: SlidingWindow,
    tokens: SlidingWindow,
}

struct Job {
    ask: Ask,
    tried: Vec<i64>,
    busy: Vec<i64>,
    summary: Summary,
    is_waiting: bool,
    /// When it looks again, if it is not with an account.
    looks_ms: Option<i64>,
    repeats: u32,
    /// Whether it asks accounts again that were only busy.
    has_come_back: bool,
    draws: u64,
}

/// Who stands in the room, and what is expected of its answer.
struct Place {
    id: u64,
    tokens: u64,
}

pub(super) struct Ours {
    seed: u64,
    accounts: Vec<Known>,
    jobs: HashMap<u64, Job>,
    turns: Turns<Place>,
    /// When those who wait are looked after next.
    wakes_ms: Option<i64>,
    budget: Budget,
}

impl Known {
    fn candidate(&self, now_ms: i64) -> Candidate<'static> {
        let windows = [(&self.requests, self.rpm), (&self.tokens, self.tpm)];
        let shares = windows.map(|(window, limit)| limit.map(|limit| window.share(limit, now_ms)));
        let headroom = shares.into_iter().flatten().chain([self.health.headroom(now_ms)]).min();
        let free_ms = windows
            .into_iter()
            .filter_map(|(window, limit)| window.more_at_ms(limit?, now_ms));
        Candidate {
            account_id: self.id,
            priority: 0,
            weight: 1,
            region: None,
            only_made_by: None,
            in_flight: self.in_flight,
            max_in_flight: None,
            latency_ms: self.health.latency_ms(),
            headroom: headroom.unwrap_or(FULL_HEADROOM),
            availability: self.health.availability(now_ms),
            requests_left: self.rpm.map(|limit| self.requests.remaining(limit, now_ms)),
            tokens_left: self.tpm.map(|limit| self.tokens.remaining(limit, now_ms)),
            limits_free_ms: free_ms.max(),
        }
    }

    fn begin(&mut self, tokens: u64, now_ms: i64) {
        let _ = self.requests.try_take(1, self.rpm.unwrap_or(u64::MAX), now_ms);
        let _ = self.tokens.try_take(tokens, self.tpm.unwrap_or(u64::MAX), now_ms);
        self.in_flight += 1;
        self.health.step(Event::Begun { tokens }, now_ms);
    }

    fn see(&mut self, hints: &RetryHints, now_ms: i64) {
        let (requests, tokens) = (hints.requests, hints.tokens);
        self.health.step(Event::HeadersSeen { requests, tokens }, now_ms);
    }
}

fn read(headers: &Headers, now_ms: i64) -> RetryHints {
    RetryHints::read(headers.iter().map(|(name, value)| (*name, value.as_str())), now_ms)
}

impl Job {
    fn is_patient(&self, budget: Budget) -> bool {
        self.has_come_back || (self.summary.attempts() > 0 && !budget.has_left())
    }

    fn come_back(&mut self) {
        let busy = std::mem::take(&mut self.busy);
        self.has_come_back |= !busy.is_empty();
        self.tried.retain(|id| !busy.contains(id));
    }

    fn ticket(&self) -> Ticket {
        Ticket {
            team: self.ask.team as i64,
            id: self.ask.id,
            since_ms: self.ask.at_ms,
        }
    }

    fn request(&self, seed: u64, is_patient: bool, now_ms: i64) -> RouteRequest<'_> {
        RouteRequest {
            tried: &self.tried,
            conversation: self.ask.conversation,
            is_patient,
            tokens: self.ask.expected,
            now_ms,
            seed: draw(seed ^ self.ask.id << 16 ^ self.draws),
            ..RouteRequest::default()
        }
    }
}

impl Ours {
    pub fn new(accounts: &[Account], seed: u64) -> Self {
        let known = |account: &Account| Known {
            id: account.id,
            rpm: account.is_known.then_some(account.rpm),
            tpm: account.is_known.then_some(account.tpm),
            in_flight: 0,
            health: Health::default(),
            requests: SlidingWindow::default(),
            tokens: SlidingWindow::default(),
        };
        Self {
            seed,
            accounts: accounts.iter().map(known).collect(),
            jobs: HashMap::new(),
            turns: Turns::default(),
            wakes_ms: None,
            budget: Budget::default(),
        }
    }

    /// What is free goes to those who wait, team after team.
    fn serve(&mut self, now_ms: i64, todo: &mut Vec<Do>) {
        let Self {
            seed,
            accounts,
            jobs,
            turns,
            budget,
            ..
        } = self;
        let mut next_free_ms: Option<i64> = None;
        // What one who has tried nothing cannot get, nobody can who wants no fewer tokens.
        let mut hopeless = u64::MAX;
        let mut choose = |place: &Place| {
            if place.tokens >= hopeless {
                return None;
            }
            let job = jobs.get_mut(&place.id)?;
            let candidates: Vec<_> = accounts.iter().map(|account| account.candidate(now_ms)).collect();
            let is_patient = job.is_patient(*budget);
            let made = plan(&candidates, &job.request(*seed, is_patient, now_ms));
            let Some(account) = made.ordered.first().copied() else {
                next_free_ms = next_free_ms.into_iter().chain(made.next_free_ms).min();
                let anew = RouteRequest {
                    tried: &[],
                    ..job.request(*seed, is_patient, now_ms)
                };
                if plan(&candidates, &anew).ordered.is_empty() {
                    hopeless = job.ask.expected;
                }
                return None;
            };
            if job.summary.attempts() > 0 {
                *budget = budget.spent();
            }
            begin(accounts, job, account, now_ms);
            Some(account)
        };
        while let Some((Place { id, .. }, account)) = turns.next(&mut choose) {
            todo.push(Do::Ask { id, account });
        }
        if !self.turns.is_empty() {
            self.wake(next_free_ms, now_ms, todo);
        }
    }

    fn wake(&mut self, next_free_ms: Option<i64>, now_ms: i64, todo: &mut Vec<Do>) {
        let at_ms = next_free_ms
            .unwrap_or(i64::MAX)
            .clamp(now_ms + REST_MS, now_ms + LOOK_MS);
        if self.wakes_ms.is_none_or(|wakes_ms| at_ms < wakes_ms) {
            self.wakes_ms = Some(at_ms);
            todo.push(Do::Wake { at_ms });
        }
    }

    fn route(&mut self, id: u64, now_ms: i64, todo: &mut Vec<Do>) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.draws += 1;
        let candidates: Vec<_> = self.accounts.iter().map(|account| account.candidate(now_ms)).collect();
        let is_patient = job.is_patient(self.budget);
        let made = plan(&candidates, &job.request(self.seed, is_patient, now_ms));
        if let Some(account) = made.ordered.first().copied() {
            if job.is_waiting {
                self.turns.leave(job.ticket());
            }
            if job.summary.attempts() > 0 {
                self.budget = self.budget.spent();
            }
            begin(&mut self.accounts, job, account, now_ms);
            todo.push(Do::Ask { id, account });
            return;
        }
        let left_ms = job.ask.at_ms + DEADLINE_MS - now_ms;
        let until_free_ms = made.next_free_ms.map_or(LOOK_MS, |at_ms| (at_ms - now_ms).max(1));
        let is_in_time = left_ms > 0 && (made.next_free_ms.is_none() || until_free_ms <= left_ms);
        let is_worth_it = match made.why_empty {
            Some(WhyEmpty::AllBusy | WhyEmpty::AllFailing) if job.is_waiting => is_in_time,
            Some(why @ (WhyEmpty::AllBusy | WhyEmpty::AllFailing)) if why == WhyEmpty::AllBusy || job.has_come_back => {
                job.come_back();
                let tokens = job.ask.expected;
                let has_room = is_in_time && self.turns.join(job.ticket(), Place { id, tokens }, MOST).is_ok();
                job.is_waiting = has_room;
                has_room
            }
            Some(WhyEmpty::AllTried | WhyEmpty::AllFailing) => {
                is_in_time && may_repeat(job, until_free_ms, self.budget.has_left())
            }
            _ => false,
        };
        if is_worth_it {
            // Who stands in the room is served there; who rests after a whole round looks for itself.
            let pause_ms = if job.is_waiting {
                left_ms
            } else {
                until_free_ms.min(left_ms).min(LOOK_MS)
            };
            job.looks_ms = Some(now_ms + pause_ms);
            let is_waiting = job.is_waiting;
            todo.push(Do::Look {
                id,
                at_ms: now_ms + pause_ms,
            });
            if is_waiting {
                self.wake(made.next_free_ms, now_ms, todo);
            }
        } else {
            if job.is_waiting {
                self.turns.leave(job.ticket());
            }
            self.jobs.remove(&id);
            todo.push(Do::Refuse { id });
        }
    }

    fn account(&mut self, id: i64) -> &mut Known {
        let at = usize::try_from(id - 1).unwrap_or(0);
        &mut self.accounts[at]
    }
}

fn begin(accounts: &mut [Known], job: &mut Job, id: i64, now_ms: i64) {
    job.is_waiting = false;
    job.looks_ms = None;
    job.tried.push(id);
    let at = usize::try_from(id - 1).unwrap_or(0);
    accounts[at].begin(job.ask.expected, now_ms);
}

/// Whether a round over all accounts is worth another.
fn may_repeat(job: &mut Job, until_free_ms: i64, has_budget: bool) -> bool {
    match job.summary.answer() {
        Answer::Busy { .. } if !job.busy.is_empty() => {
            job.come_back();
            true
        }
        Answer::Unavailable if job.repeats == 0 && has_budget && until_free_ms <= REPEAT_WITHIN_MS => {
            job.repeats += 1;
            job.tried.clear();
            true
        }
        _ => false,
    }
}

impl Router for Ours {
    fn arrives(&mut self, ask: &Ask, now_ms: i64, todo: &mut Vec<Do>) {
        self.budget = self.budget.earned();
        let job = Job {
            ask: ask.clone(),
            tried: Vec::new(),
            busy: Vec::new(),
            summary: Summary::default(),
            is_waiting: false,
            looks_ms: None,
            repeats: 0,
            has_come_back: false,
            draws: 0,
        };
        self.jobs.insert(ask.id, job);
        self.serve(now_ms, todo);
        self.route(ask.id, now_ms, todo);
    }

    fn wakes(&mut self, now_ms: i64, todo: &mut Vec<Do>) {
        if self.wakes_ms == Some(now_ms) {
            self.wakes_ms = None;
            self.serve(now_ms, todo);
        }
    }

    fn looks(&mut self, id: u64, now_ms: i64, todo: &mut Vec<Do>) {
        self.serve(now_ms, todo);
        if self.jobs.get(&id).is_some_and(|job| job.looks_ms == Some(now_ms)) {
            self.route(id, now_ms, todo);
        }
    }

    fn begins_to_answer(
        &mut self,
        (id, account): (u64, i64),
        (first_ms, headers): (i64, &Headers),
        now_ms: i64,
        todo: &mut Vec<Do>,
    ) {
        self.jobs.remove(&id);
        let hints = read(headers, now_ms);
        let known = self.account(account);
        known.see(&hints, now_ms);
        let latency_ms = u32::try_from(first_ms).unwrap_or(u32::MAX);
        known.health.step(Event::Succeeded { latency_ms }, now_ms);
        self.serve(now_ms, todo);
    }

    fn has_answered(&mut self, ask: &Ask, (account, sent_ms): (i64, i64), now_ms: i64, todo: &mut Vec<Do>) {
        let known = self.account(account);
        known.in_flight -= 1;
        known.tokens.adjust(sent_ms, ask.expected, ask.tokens, now_ms);
        self.serve(now_ms, todo);
    }

    fn fails(&mut self, (id, account): (u64, i64), ending: &Ending, now_ms: i64, todo: &mut Vec<Do>) {
        let failure = match ending {
            Ending::Status {
                status,
                code,
                message,
                headers,
                ..
            } => Failure::Status {
                status: *status,
                headers: read(headers, now_ms),
                error: ErrorText {
                    code,
                    kind: "",
                    message,
                },
            },
            Ending::Silence { .. } => Failure::TimedOut {
                sent: true,
                phase: Phase::FirstContent,
            },
            Ending::Unreachable { .. } | Ending::Answer { .. } => Failure::ConnectFailed,
        };
        let verdict = classify(&failure, now_ms);
        let known = self.account(account);
        known.in_flight -= 1;
        if let Failure::Status { headers, .. } = &failure {
            known.see(headers, now_ms);
        }
        if let Some(event) = Event::of(&verdict) {
            known.health.step(event, now_ms);
        }
        if let Some(job) = self.jobs.get_mut(&id) {
            job.summary.add(&verdict);
            if matches!(verdict.fault, Fault::RateLimited | Fault::Overloaded) && verdict.billed == Billed::NotBilled {
                job.busy.push(account);
            }
        }
        self.serve(now_ms, todo);
        self.route(id, now_ms, todo);
    }
}
