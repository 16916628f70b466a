//! Random lives of teams that pay: whatever is told when, how often, by whom and through which process, whatever breaks off on the
//! way, paid once is credited once and a wallet is what Stripe says.
//!
//! Invariant: a seed is one life; `OURHUB_TEST_SCHEDULES=2000` lives that many, `OURHUB_TEST_SCHEDULES=37..37` one of them.

use crate::{
    harness::{self, Hub, User},
    payments::{assert_books_balance, balance, deliver, id, lines, send, state},
    stripe::{Fault, SECRET, Stripe, signature},
};
use entity::stripe_event;
use gateway_core::money::Nano;
use sea_orm::EntityTrait as _;
use serde_json::{Value, json};
use server::{billing::Reconciled, clock};
use std::{
    collections::{BTreeMap, BTreeSet},
    future::poll_fn,
    pin::pin,
    task::Poll,
};

/// How many lives the suite looks at.
const USUAL: &str = "25";
/// Steps of one life.
const STEPS: usize = 24;
/// Longer than a life takes by its own clock, in milliseconds.
const A_DAY: i64 = 24 * 3_600_000;

/// On each database a Stripe of its own, and all the processes that can serve from it: one from a file, two from Postgres.
pub async fn towns() -> Vec<(Vec<Hub>, Stripe)> {
    let mut towns = Vec::new();
    for mut words in harness::databases().await {
        let stripe = Stripe::start().await;
        let count = if words.is_empty() { 1 } else { 2 };
        words.extend(stripe.words());
        let shared = [
            "--master-key",
            "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=",
            "--public-url",
            "https://hub.example.com",
        ];
        words.extend(shared.map(str::to_owned));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut hubs = Vec::new();
        for _ in 0..count {
            hubs.push(harness::spawn_with(&words).await);
        }
        towns.push((hubs, stripe));
    }
    towns
}

/// Numbers that look random; the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap()
    }

    fn cents(&mut self, most: i64) -> i64 {
        1 + i64::try_from(self.roll(usize::try_from(most).unwrap())).unwrap()
    }
}

/// One team, and what it did.
struct Life<'a> {
    hubs: &'a [Hub],
    stripe: &'a Stripe,
    seed: u64,
    dice: Dice,
    user: User,
    begun: Vec<(Value, String)>,
    /// What is left of each session that was paid, in cents.
    paid: BTreeMap<String, i64>,
    /// Disputes that may still turn, with their session and amount.
    disputes: Vec<(String, String, i64)>,
    /// Events about this team, told or not.
    events: Vec<Value>,
    /// Stripe's name for the team; empty while it has none.
    customer: String,
    later_ms: i64,
}

impl<'a> Life<'a> {
    async fn new(hubs: &'a [Hub], stripe: &'a Stripe, seed: u64) -> Self {
        Self {
            hubs,
            stripe,
            seed,
            dice: Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
            user: hubs[0].user(&format!("team{seed}@example.com"), false).await,
            begun: Vec::new(),
            paid: BTreeMap::new(),
            disputes: Vec::new(),
            events: Vec::new(),
            customer: String::new(),
            later_ms: 0,
        }
    }

    fn hub(&mut self) -> &'a Hub {
        &self.hubs[self.dice.roll(self.hubs.len())]
    }

    fn event(&mut self) -> Option<Value> {
        let at = self.dice.roll(self.events.len().max(1));
        self.events.get(at).cloned()
    }

    fn paid_one(&mut self) -> Option<(String, i64)> {
        let at = self.dice.roll(self.paid.len().max(1));
        self.paid.iter().nth(at).map(|(session, left)| (session.clone(), *left))
    }

    /// One of the next calls of Stripe fails: nothing is done, or all of it and no answer comes.
    fn break_something(&mut self) {
        for _ in 0..self.dice.roll(4) {
            self.stripe.fail_next(Fault::Pass);
        }
        self.stripe
            .fail_next([Fault::BreakOff, Fault::Error][self.dice.roll(2)]);
    }

    async fn step(&mut self) {
        match self.dice.roll(20) {
            0..=2 => self.begin().await,
            3..=5 => self.pay(),
            6 => self.refund(),
            7 => self.dispute(),
            8 => self.turn(),
            9 => self.charge_saved_card().await,
            10 => self.look().await,
            11 => self.forge().await,
            12 | 13 => self.lie().await,
            _ => self.tell().await,
        }
        self.stripe.with(|state| state.faults.clear());
    }

    /// The form is sent, perhaps while something breaks; then again, in two tabs at once.
    async fn begin(&mut self) {
        let amount = format!("{}.{:02}", 5 + self.dice.roll(95), self.dice.roll(100));
        let body =
            json!({"amount": amount, "order": self.begun.len().to_string(), "keep_card": self.dice.roll(2) == 0});
        let path = "/teams/current/payments";
        if self.dice.roll(3) == 0 {
            self.break_something();
            let broken = self.hub().post(path, &self.user, body.clone()).await;
            assert!([201, 503].contains(&broken.status), "{broken:?}");
            self.stripe.with(|state| state.faults.clear());
        }
        let (one, other) = (self.hub(), self.hub());
        let (begun, again) = tokio::join!(
            one.post(path, &self.user, body.clone()),
            other.post(path, &self.user, body.clone())
        );
        assert_eq!((begun.status, again.status), (201, 201), "{begun:?} {again:?}");
        assert_eq!(begun.json()["id"], again.json()["id"]);
        let session = self.stripe.session_of(id(&begun.json()));
        let customer = self.stripe.with(|state| state.sessions[&session]["customer"].clone());
        self.customer = customer.as_str().unwrap().to_owned();
        self.begun.push((begun.json(), session));
    }

    fn pay(&mut self) {
        let open = self.begun.iter().find(|(_, session)| !self.paid.contains_key(session));
        let Some((payment, session)) = open.cloned() else {
            return;
        };
        if self.dice.roll(8) == 0 {
            self.events.push(self.stripe.expire(&session));
            self.begun.retain(|(begun, _)| begun["id"] != payment["id"]);
            return;
        }
        self.events.push(self.stripe.pay(&session));
        let cents = self
            .stripe
            .with(|state| state.sessions[&session]["amount_total"].as_i64());
        self.paid.insert(session, cents.unwrap());
    }

    fn refund(&mut self) {
        if let Some((session, left)) = self.paid_one().filter(|(_, left)| *left > 0) {
            let cents = self.dice.cents(left);
            self.events.push(self.stripe.refund(&session, cents));
            *self.paid.get_mut(&session).unwrap() -= cents;
        }
    }

    fn dispute(&mut self) {
        if let Some((session, left)) = self.paid_one().filter(|(_, left)| *left > 0) {
            let cents = [left, self.dice.cents(left)][self.dice.roll(2)];
            let (dispute, event) = self.stripe.dispute_of(&session, cents);
            self.events.push(event);
            *self.paid.get_mut(&session).unwrap() -= cents;
            self.disputes.push((dispute, session, cents));
        }
    }

    fn turn(&mut self) {
        if self.disputes.is_empty() {
            return;
        }
        let at = self.dice.roll(self.disputes.len());
        let to = ["under_review", "won", "lost"][self.dice.roll(3)];
        let (dispute, session, cents) = self.disputes[at].clone();
        self.events.push(self.stripe.close(&dispute, to));
        if to == "won" {
            *self.paid.get_mut(&session).unwrap() += cents;
        }
        if to != "under_review" {
            self.disputes.swap_remove(at);
        }
    }

    /// The balance is low, all processes see it; the call may break off, the card may be declined.
    async fn charge_saved_card(&mut self) {
        let on = json!({"is_on": true, "below": "5000", "amount": format!("5.{:02}", self.dice.roll(100)), "max_day": "5000"});
        let set = self.hub().patch("/teams/current/auto-top-up", &self.user, on).await;
        if set.status != 200 {
            return;
        }
        if self.dice.roll(2) == 0 {
            self.break_something();
        }
        let declines = self.dice.roll(5) == 0;
        self.stripe.with(|state| state.declines = declines);
        self.watch_balances().await;
        self.stripe.with(|state| state.declines = false);
        let customer = self.customer.clone();
        let charged = self.stripe.with(|state| {
            let mine = |event: &&Value| event["data"]["object"]["customer"] == *customer;
            let of_cards = |event: &&Value| event["type"] == "payment_intent.succeeded";
            state
                .events
                .iter()
                .filter(mine)
                .filter(of_cards)
                .cloned()
                .collect::<Vec<_>>()
        });
        for event in charged {
            if !self.events.contains(&event) {
                self.events.push(event);
            }
        }
    }

    /// Every process looks for low balances, a while later.
    async fn watch_balances(&mut self) {
        self.later_ms += 31_000;
        let now_ms = clock::now_ms() + self.later_ms;
        let (one, other) = (&self.hubs[0], &self.hubs[self.hubs.len() - 1]);
        let (first, second) = tokio::join!(
            one.app.billing.top_up_low_balances(now_ms),
            other.app.billing.top_up_low_balances(now_ms)
        );
        first.and(second).unwrap();
    }

    async fn look(&mut self) {
        if self.dice.roll(3) == 0 {
            self.break_something();
        }
        let at = self.dice.roll(self.begun.len().max(1));
        let hub = self.hub();
        if let Some((payment, _)) = self.begun.get(at) {
            assert!(state(hub, &self.user, payment).await.is_string());
        }
    }

    /// What is not signed by Stripe lately is refused and leaves no row.
    async fn forge(&mut self) {
        let Some(mut event) = self.event() else { return };
        let forged = format!("evt_forged{}", clock::new_id());
        event["id"] = json!(forged);
        let (body, now_s) = (event.to_string(), clock::now_ms() / 1_000);
        let signed = match self.dice.roll(6) {
            0 => None,
            1 => Some(signature("", now_s, &body)),
            2 => Some(signature("whsec_another_secret_than_ours", now_s, &body)),
            3 => Some(signature(SECRET, now_s - 301, &body)),
            4 => Some(signature(SECRET, now_s, "{}")),
            _ => Some(format!("t={now_s},v1=")),
        };
        let hub = self.hub();
        assert_eq!(send(hub, &body, signed.as_deref()).await.status, 400);
        assert_eq!(outcome(hub, &forged).await, None);
    }

    /// For a moment, an object at Stripe is not what was asked for: nothing is credited or taken by what tells of it.
    async fn lie(&mut self) {
        let Some(mut event) = self.event() else { return };
        let about = event["data"]["object"]["id"].as_str().unwrap().to_owned();
        let kind = event["type"].as_str().unwrap().to_owned();
        let odd: &[(&str, Value)] = match &*kind {
            "checkout.session.completed" => &[
                ("amount_total", json!(1)),
                ("currency", json!("jpy")),
                ("customer", json!("cus_other")),
                ("client_reference_id", json!("pay_0000000000007")),
            ],
            "payment_intent.succeeded" => &[
                ("amount", json!(1)),
                ("currency", json!("eur")),
                ("customer", json!("cus_other")),
            ],
            "charge.refunded" => &[("currency", json!("eur")), ("amount_refunded", json!(1_i64 << 40))],
            "charge.dispute.created" => &[("currency", json!("eur")), ("amount", json!(-1))],
            _ => return,
        };
        let (field, value) = odd[self.dice.roll(odd.len())].clone();
        let lie = format!("evt_lie{}", clock::new_id());
        event["id"] = json!(lie);
        let swap = |value: Value| {
            self.stripe.with(|state| {
                let objects = match &*kind {
                    "checkout.session.completed" => &mut state.sessions,
                    "payment_intent.succeeded" => &mut state.intents,
                    "charge.refunded" => &mut state.charges,
                    _ => &mut state.disputes,
                };
                std::mem::replace(&mut objects.get_mut(&about).unwrap()[field], value)
            })
        };
        let truth = swap(value);
        let hub = &self.hubs[0];
        let told = deliver(hub, &event).await;
        swap(truth);
        assert_eq!(told.status, 200, "{field} of {kind}: {told:?}");
        let came_of_it = outcome(hub, &lie).await.unwrap();
        assert!(
            ["mismatch", "unknown", "repeated"].contains(&&*came_of_it),
            "{field} of {kind}: {came_of_it}"
        );
    }

    /// Stripe tells of something: once, twice at once, while something breaks, or to a process that stops in the middle.
    async fn tell(&mut self) {
        let (Some(event), Some(other)) = (self.event(), self.event()) else {
            return;
        };
        let (hub, second) = (self.hub(), self.hub());
        match self.dice.roll(5) {
            0 => {
                self.break_something();
                let told = deliver(hub, &event).await.status;
                assert!([200, 503].contains(&told), "{told}");
            }
            1 => {
                let told = tokio::join!(deliver(hub, &event), deliver(second, &event));
                assert_eq!((told.0.status, told.1.status), (200, 200));
            }
            2 => {
                let told = tokio::join!(deliver(hub, &event), deliver(second, &other));
                assert_eq!((told.0.status, told.1.status), (200, 200));
            }
            3 => {
                let (body, now_ms) = (event.to_string(), clock::now_ms());
                let signed = signature(SECRET, now_ms / 1_000, &body);
                let polls = 1 + self.dice.roll(40);
                cut(hub.app.billing.webhook(&signed, body.as_bytes(), now_ms), polls).await;
            }
            _ => assert_eq!(deliver(hub, &event).await.status, 200),
        }
    }

    /// In the end all is told, two at a time, in any order; what had no answer is looked up.
    async fn end(&mut self) {
        let off = json!({"is_on": false});
        assert_eq!(
            self.hub()
                .patch("/teams/current/auto-top-up", &self.user, off)
                .await
                .status,
            200
        );
        for _ in 0..2 {
            self.watch_balances().await;
        }
        while let Some(at) = self.events.len().checked_sub(1) {
            let event = self.events.swap_remove(self.dice.roll(at + 1));
            let other = self.event().unwrap_or_else(|| event.clone());
            let (hub, second) = (self.hub(), self.hub());
            let told = tokio::join!(deliver(hub, &event), deliver(second, &other));
            assert_eq!((told.0.status, told.1.status), (200, 200));
        }
        let (cents, count) = self.stripe.sum_of(&self.customer);
        for hub in self.hubs {
            assert_eq!(
                balance(hub, &self.user).await,
                Nano(cents * 10_000_000).render(),
                "seed {}",
                self.seed
            );
            assert_eq!(lines(hub, &self.user, "top_up").await, count, "seed {}", self.seed);
        }
    }
}

/// What came of an event, if it was taken.
async fn outcome(hub: &Hub, event: &str) -> Option<String> {
    let row = stripe_event::Entity::find_by_id(event).one(&hub.app.db).await.unwrap();
    row.map(|row| row.outcome)
}

/// Goes on with `work` until it was polled `polls` times, then drops it where it stands.
async fn cut(work: impl Future, polls: usize) {
    let (mut work, mut left) = (pin!(work), polls);
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        work.as_mut().poll(context).map(drop)
    })
    .await;
}

/// The first and the last seed that is asked for.
fn seeds() -> std::ops::RangeInclusive<u64> {
    let asked = std::env::var("OURHUB_TEST_SCHEDULES").unwrap_or_else(|_| USUAL.to_owned());
    let (first, last) = asked.split_once("..").unwrap_or(("1", &asked));
    first.parse().unwrap()..=last.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_told_when_how_often_and_by_whom_wallets_are_what_stripe_says() {
    for (hubs, stripe) in towns().await {
        for seed in seeds() {
            println!("seed {seed}");
            let mut life = Life::new(&hubs, &stripe, seed).await;
            for _ in 0..STEPS {
                life.step().await;
            }
            life.end().await;
        }
        let Reconciled {
            ours,
            theirs,
            findings,
            failure,
            ..
        } = hubs[0].app.billing.reconcile(clock::now_ms() + A_DAY).await.unwrap();
        assert_eq!((findings, failure), (Vec::new(), None));
        assert_eq!(ours, theirs);
        assert_books_balance(&hubs[0]).await;
        let events = stripe_event::Entity::find().all(&hubs[0].app.db).await.unwrap();
        let seen: BTreeSet<&str> = events.iter().map(|event| event.outcome.as_str()).collect();
        println!("{} events: {seen:?}", events.len());
        if seeds().count() >= 25 {
            for outcome in ["credited", "repeated", "expired", "mismatch", "reversed"] {
                assert!(seen.contains(outcome), "no event was {outcome}");
            }
        }
    }
}
