//! Processes around the database: their engines, queues, clocks and contacts, and what can happen to them.
//!
//! Invariant: the checks after each step compare the database with its own rows and with the engines that are alive.

use crate::database::{Database, NodeRow, Op};
use gateway_core::{
    id,
    ledger::{
        Caps, Engine, Funding, Gate, HoldError, Kind, Payer, Posted, Row, Series, lease, node,
        node::{Contact, Watch},
    },
    money::Nano,
};
use std::collections::{BTreeMap, BTreeSet};

const START_MS: i64 = 1_790_000_000_000;
const ZONES: [&str; 3] = ["UTC", "Asia/Tokyo", "America/St_Johns"];
const PROCESSES: usize = 4;

#[derive(Clone, Debug)]
pub enum Step {
    /// `is_hasty`: before the process notices that it has no contact.
    Admit {
        nth: usize,
        key: i64,
        amount: i64,
        is_hasty: bool,
    },
    Post {
        hold: usize,
        actual: i64,
    },
    Void {
        hold: usize,
    },
    Write {
        nth: usize,
    },
    Sweep {
        nth: usize,
    },
    Crash {
        nth: usize,
    },
    /// `is_here`: where the last one died, so that its lock is found free.
    Start {
        nth: usize,
        is_here: bool,
    },
    Pause {
        nth: usize,
        is_paused: bool,
    },
    Cut {
        nth: usize,
        is_cut: bool,
    },
    Wait {
        seconds: i64,
    },
    Clock {
        by_ms: i64,
    },
    Cap {
        slot: usize,
        cap: Option<i64>,
    },
    Credit {
        amount: i64,
    },
    Zone {
        zone: usize,
    },
}

struct Process {
    node: i64,
    engine: Engine,
    queue: Vec<Op>,
    contact: Contact,
    watch: Watch,
    /// The database's clock less the monotonic one, as learnt at the last beat.
    ahead_ms: i64,
    last_id: i64,
    has_others: bool,
    is_paused: bool,
    is_cut: bool,
}

impl Process {
    const fn is_well(&self) -> bool {
        !self.is_paused && !self.is_cut
    }
}

/// A hold as the reference keeps it.
struct Kept {
    id: i64,
    node: i64,
    path: Vec<(i64, bool)>,
    amount: i64,
}

pub struct World {
    db: Database,
    processes: [Option<Process>; PROCESSES],
    /// The last node that died in each place.
    died: [Option<i64>; PROCESSES],
    /// Monotonic time, and the database's clock less it.
    time_ms: i64,
    ahead_ms: i64,
    is_prepaid: bool,
    caps: [Option<i64>; 3],
    zone: &'static str,
    kept: Vec<Kept>,
    /// The highest cap under which a right in each bucket was used.
    highest: BTreeMap<i64, i64>,
    /// What rose in a bucket since the last grant of each node there, for other reasons than a grant.
    slack: BTreeMap<(i64, i64), i128>,
}

type Checked = Result<(), String>;

fn require(holds: bool, what: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(what()) }
}

impl World {
    /// A database with one node, which is granted all there is, or with two.
    pub fn new(is_fencing: bool, is_prepaid: bool, is_alone: bool) -> Self {
        let mut world = Self {
            db: Database::new(is_fencing),
            processes: [const { None }; PROCESSES],
            died: [None; PROCESSES],
            time_ms: 0,
            ahead_ms: START_MS,
            is_prepaid,
            caps: [Some(100), Some(70), None],
            zone: ZONES[0],
            kept: Vec::new(),
            highest: BTreeMap::new(),
            slack: BTreeMap::new(),
        };
        world.start(0, false);
        if !is_alone {
            world.start(1, false);
        }
        world
    }

    pub fn run(mut self, steps: &[Step]) -> Checked {
        for step in steps {
            self.step(step)?;
            self.check()?;
        }
        self.quiet()
    }

    fn db_now_ms(&self) -> i64 {
        self.time_ms + self.ahead_ms
    }

    fn step(&mut self, step: &Step) -> Checked {
        match *step {
            Step::Admit {
                nth,
                key,
                amount,
                is_hasty,
            } => return self.admit(nth, key, Nano(amount), is_hasty),
            Step::Post { hold, actual } => self.end(hold, Some(actual)),
            Step::Void { hold } => self.end(hold, None),
            Step::Write { nth } => self.write(nth),
            Step::Sweep { nth } => self.sweep(nth, false),
            Step::Crash { nth } => {
                if let Some(process) = self.processes[nth].take() {
                    self.died[nth] = Some(process.node);
                }
            }
            Step::Start { nth, is_here } => self.start(nth, is_here),
            Step::Pause { nth, is_paused } => self.with(nth, |process| process.is_paused = is_paused),
            Step::Cut { nth, is_cut } => self.with(nth, |process| process.is_cut = is_cut),
            Step::Wait { seconds } => (0..seconds).for_each(|_| self.second()),
            Step::Clock { by_ms } => self.ahead_ms += by_ms,
            Step::Cap { slot, cap } => self.caps[slot] = cap,
            Step::Credit { amount } => self.credit(amount),
            Step::Zone { zone } => self.zone = ZONES[zone],
        }
        Ok(())
    }

    fn with(&mut self, nth: usize, act: impl FnOnce(&mut Process)) {
        if let Some(process) = &mut self.processes[nth] {
            act(process);
        }
    }

    fn register(&mut self) -> i64 {
        let node = self.db.new_id();
        let seen_ms = self.db_now_ms();
        self.db.nodes.insert(
            node,
            NodeRow {
                seen_ms,
                is_fenced: false,
            },
        );
        node
    }

    fn start(&mut self, nth: usize, is_here: bool) {
        if self.processes[nth].is_some() {
            return;
        }
        let gone = self.died[nth].take_if(|_| is_here);
        if let Some(dead) = gone.filter(|dead| self.db.nodes.contains_key(dead)) {
            self.db.recover(dead);
        }
        let node = self.register();
        let mut contact = Contact::default();
        contact.beat(self.time_ms);
        self.processes[nth] = Some(Process {
            node,
            engine: Engine::shared(),
            queue: Vec::new(),
            contact,
            watch: Watch::default(),
            ahead_ms: self.ahead_ms,
            last_id: self.db.holds.keys().max().copied().unwrap_or_default(),
            has_others: true,
            is_paused: false,
            is_cut: false,
        });
    }

    /// A second of everybody's time: those who can tell the database that they are alive.
    fn second(&mut self) {
        self.time_ms += node::BEAT_EVERY_MS;
        for nth in 0..PROCESSES {
            let now_ms = self.db_now_ms();
            let Some(process) = self.processes[nth].as_mut().filter(|process| process.is_well()) else {
                continue;
            };
            match self.db.nodes.get_mut(&process.node) {
                Some(row) if !row.is_fenced => row.seen_ms = now_ms,
                _ if !self.db.is_fencing => {}
                _ => {
                    self.renew(nth);
                    continue;
                }
            }
            process.contact.beat(self.time_ms);
            process.ahead_ms = self.ahead_ms;
            process.has_others = self.db.nodes.len() > 1;
            let beats = self.db.nodes.iter().filter(|(node, _)| **node != process.node);
            let dead = process
                .watch
                .look(self.time_ms, beats.map(|(node, row)| (*node, row.seen_ms)));
            dead.into_iter().for_each(|dead| self.db.recover(dead));
        }
    }

    /// A process that was fenced goes on as a new node; what it held is the reaper's.
    fn renew(&mut self, nth: usize) {
        let node = self.register();
        let (time_ms, ahead_ms) = (self.time_ms, self.ahead_ms);
        self.with(nth, |process| {
            (process.node, process.engine) = (node, Engine::shared());
            process.queue.clear();
            process.contact = Contact::default();
            process.contact.beat(time_ms);
            process.ahead_ms = ahead_ms;
        });
    }

    fn write(&mut self, nth: usize) {
        let Some(process) = self.processes[nth].as_mut().filter(|process| process.is_well()) else {
            return;
        };
        let ops = std::mem::take(&mut process.queue);
        if self.db.write(process.node, &ops).is_err() {
            return self.renew(nth);
        }
        for op in ops {
            let (path, risen): (Vec<(i64, bool)>, _) = match op {
                Op::Open { path, amount, .. } => {
                    (path.into_iter().filter(|(_, is_leased)| !is_leased).collect(), amount.0)
                }
                Op::Close { id, posted } => (self.db.holds[&id].path.clone(), posted.overrun.0),
                Op::Back { .. } => continue,
            };
            for ((_, bucket), slack) in &mut self.slack {
                if path.iter().any(|(through, _)| through == bucket) {
                    *slack += i128::from(risen);
                }
            }
        }
    }

    fn sweep(&mut self, nth: usize, is_end: bool) {
        self.with(nth, |process| {
            let given_back = process.engine.sweep(START_MS, process.has_others, is_end);
            let back = given_back.into_iter().map(|(bucket, amount)| Op::Back {
                bucket: bucket.id,
                amount,
            });
            process.queue.extend(back);
        });
        self.write(nth);
    }

    fn credit(&mut self, amount: i64) {
        let wallet = self.db.ensure(Series::team(1, Kind::Wallet), self.zone, 0).bucket.id;
        self.db.buckets.get_mut(&wallet).unwrap().1.credit.0 += amount;
        if amount < 0 {
            (0..PROCESSES).for_each(|nth| self.recall(nth, &[wallet]));
            let lowered = self.slack.iter_mut().filter(|((_, bucket), _)| *bucket == wallet);
            lowered.for_each(|(_, slack)| *slack -= i128::from(amount));
        }
    }

    fn recall(&mut self, nth: usize, buckets: &[i64]) {
        let Some(process) = self.processes[nth].as_mut().filter(|process| process.is_well()) else {
            return;
        };
        for bucket in buckets {
            if let Some((bucket, amount)) = process.engine.give_back(*bucket) {
                process.queue.push(Op::Back {
                    bucket: bucket.id,
                    amount,
                });
            }
        }
        self.write(nth);
    }

    fn payer(&self, key_id: i64) -> Payer {
        let [day, month, total] = self.caps.map(|cap| cap.map(Nano));
        Payer {
            team_id: 1,
            team_zone: self.zone.to_owned(),
            team: Caps {
                day,
                month: None,
                total: None,
            },
            member: None,
            key_id,
            key: Caps {
                day: None,
                month,
                total,
            },
        }
    }

    /// The path of `key` at the process's time, or `None` if a bucket has to be read and the database is out of reach.
    fn path(&mut self, nth: usize, key: i64) -> Option<Vec<(i64, Gate)>> {
        let payer = self.payer(key);
        let process = self.processes[nth].as_mut()?;
        let now_ms = self.time_ms + process.ahead_ms;
        let mut path = Vec::new();
        for (series, gate) in payer.path(Funding::of(key == 1, self.is_prepaid)) {
            if process.engine.place(series, now_ms).is_none() {
                if process.is_cut {
                    return None;
                }
                process.engine.open(self.db.ensure(series, &payer.team_zone, now_ms));
            }
            path.push((process.engine.place(series, now_ms)?.id, gate));
        }
        Some(path)
    }

    fn admit(&mut self, nth: usize, key: i64, amount: Nano, is_hasty: bool) -> Checked {
        let is_able = |process: &Process| !process.is_paused && (is_hasty || process.contact.is_in_touch(self.time_ms));
        if !self.processes[nth].as_ref().is_some_and(is_able) {
            return Ok(());
        }
        // What others have decided but not written is written by the second turn, as it is within milliseconds.
        for turn in 0..4 {
            if turn == 1 {
                (0..PROCESSES).for_each(|nth| self.write(nth));
            }
            let Some(path) = self.path(nth, key) else { return Ok(()) };
            let process = self.processes[nth].as_mut().unwrap();
            let id = id::next(
                process.last_id,
                self.time_ms + process.ahead_ms,
                i16::try_from(nth).unwrap(),
            );
            match process.engine.hold(id, &path, amount) {
                Ok(legs) => {
                    process.last_id = id;
                    let legs: Vec<_> = (0..)
                        .zip(&path)
                        .map(|(leg, (bucket, _))| (*bucket, legs.is_leased(leg)))
                        .collect();
                    process.queue.push(Op::Open {
                        id,
                        path: legs.clone(),
                        amount,
                    });
                    let node = process.node;
                    self.kept.push(Kept {
                        id,
                        node,
                        path: legs,
                        amount: amount.0,
                    });
                    return self.check_admission(node, &path);
                }
                Err(HoldError::Lacking) if process.is_cut => return Ok(()),
                Err(HoldError::Lacking) => {
                    let Some(recall) = self.ask(nth, &path, amount) else {
                        continue;
                    };
                    if turn == 3 {
                        return self.check_refusal(&path, amount);
                    }
                    (0..PROCESSES).for_each(|nth| self.recall(nth, &recall));
                }
                Err(HoldError::Short(_)) => return Ok(()),
                Err(HoldError::Invalid) => return Err("not a hold".to_owned()),
            }
        }
        Ok(())
    }

    /// Asks the database for the rights that are lacking. What to recall, unless everything was granted.
    fn ask(&mut self, nth: usize, path: &[(i64, Gate)], amount: Nano) -> Option<Vec<i64>> {
        let process = self.processes[nth].as_mut()?;
        let mut lack = process.engine.lacking(path, amount);
        let back = lack.given_back.into_iter().map(|(bucket, amount)| Op::Back {
            bucket: bucket.id,
            amount,
        });
        process.queue.extend(back);
        let node = process.node;
        self.write(nth);
        let process = self.processes[nth].as_mut().filter(|process| process.node == node)?;
        for want in lack.wants.iter_mut().filter(|want| want.missing() > Nano::ZERO) {
            let (granted, cap) = self
                .db
                .grant(process.node, want.bucket.id, want.gate, want.missing())
                .ok()?;
            if granted > Nano::ZERO {
                assert!(process.engine.granted(want.bucket.id, granted, cap));
                want.idle.0 += granted.0;
                self.slack.insert((process.node, want.bucket.id), 0);
            }
        }
        let rows: Vec<(_, Row)> = lack
            .wants
            .iter()
            .map(|want| (want, self.db.buckets[&want.bucket.id].1))
            .collect();
        lease::judge(rows.iter().map(|(want, row)| (*want, row))).map(|refused| refused.recall)
    }

    /// I1: at an admission, all that is charged, held and idle is within the cap.
    fn check_admission(&mut self, node: i64, path: &[(i64, Gate)]) -> Checked {
        for (bucket, gate) in path.iter().filter(|(_, gate)| *gate != Gate::Open) {
            let row = self.db.buckets[bucket].1;
            let cap = row.cap(*gate);
            let highest = self.highest.entry(*bucket).or_default();
            *highest = cap.0.max(*highest);
            let slack = self.slack.get(&(node, *bucket)).copied().unwrap_or_default();
            let total = i128::from(row.posted.0) + i128::from(row.leased.0);
            let is_zero = self.kept.last().is_some_and(|kept| kept.amount == 0);
            require(
                is_zero || !self.db.is_fencing || total <= i128::from(cap.0) + slack,
                || format!("bucket {bucket}: {total} of {cap:?}, slack {slack}"),
            )?;
        }
        Ok(())
    }

    /// I14, I15: with every node in reach, only what does not fit is refused, and nothing is left of it.
    fn check_refusal(&mut self, path: &[(i64, Gate)], amount: Nano) -> Checked {
        (0..PROCESSES).for_each(|nth| self.write(nth));
        let mut here = self.processes.iter().flatten();
        if !here.clone().all(Process::is_well)
            || self
                .db
                .nodes
                .keys()
                .any(|node| here.all(|process| process.node != *node))
        {
            return Ok(());
        }
        let fits = |(bucket, gate): &(i64, Gate)| {
            let row = self.db.buckets[bucket].1;
            i128::from(row.cap(*gate).0) - i128::from(row.posted.0) - i128::from(row.held.0) >= i128::from(amount.0)
        };
        require(!self.db.is_fencing || !path.iter().all(fits), || {
            format!("{amount:?} was refused, and fits")
        })
    }

    fn end(&mut self, nth: usize, actual: Option<i64>) {
        let Some(kept) = self.kept.get(nth % self.kept.len().max(1)) else {
            return;
        };
        let owner = self
            .processes
            .iter_mut()
            .flatten()
            .find(|process| process.node == kept.node);
        let Some(process) = owner.filter(|process| !process.is_paused) else {
            return;
        };
        let nothing = Posted {
            actual: Nano::ZERO,
            overrun: Nano::ZERO,
        };
        let ended = match actual {
            Some(actual) => process.engine.post(kept.id, Nano(actual)),
            None => process.engine.void(kept.id).map(|()| nothing),
        };
        process
            .queue
            .extend(ended.map(|posted| Op::Close { id: kept.id, posted }));
    }

    /// I2, I3, I6, I7, I13 in the database; a live engine's rights are the database's less what it has not written yet.
    fn check(&self) -> Checked {
        self.check_spending()?;
        if !self.db.is_fencing {
            return Ok(());
        }
        for (id, (bucket, row)) in &self.db.buckets {
            let mut sums = Row {
                credit: row.credit,
                ..Row::default()
            };
            for hold in self.db.holds.values() {
                let Some((_, is_leased)) = hold.path.iter().find(|(through, _)| through == id) else {
                    continue;
                };
                match hold.end {
                    Some(posted) => {
                        sums.posted.0 += posted.actual.0;
                        sums.overrun.0 += posted.overrun.0;
                        let above = posted.actual.0 - hold.amount.0;
                        require(posted.actual.0 >= 0 && posted.overrun.0 == above.max(0), || {
                            "an overrun".to_owned()
                        })?;
                    }
                    None => {
                        sums.held.0 += hold.amount.0;
                        sums.leased.0 += if *is_leased { 0 } else { hold.amount.0 };
                    }
                }
            }
            let rights = self.db.leases.iter().filter(|((_, bucket), _)| bucket == id);
            sums.leased.0 += rights.map(|(_, right)| right.0).sum::<i64>();
            require(sums == *row, || {
                format!("bucket {id}: stored {row:?}, computed {sums:?}")
            })?;
            require(row.idle() >= 0, || format!("bucket {id}: more held than leased"))?;
            let same = self
                .db
                .buckets
                .values()
                .filter(|(other, _)| other.series == bucket.series && other.id != *id);
            let overlaps = |other: &gateway_core::ledger::Bucket| {
                other.period.start_ms < bucket.period.end_ms && bucket.period.start_ms < other.period.end_ms
            };
            require(same.into_iter().all(|(other, _)| !overlaps(other)), || {
                format!("{bucket:?} overlaps")
            })?;
        }
        self.processes
            .iter()
            .flatten()
            .try_for_each(|process| self.check_rights(process))
    }

    fn check_rights(&self, process: &Process) -> Checked {
        if self.db.nodes.get(&process.node).is_none_or(|row| row.is_fenced) {
            return Ok(());
        }
        for bucket in self.db.buckets.keys() {
            let mut right = self.db.leases.get(&(process.node, *bucket)).map_or(0, |right| right.0);
            for op in &process.queue {
                right -= match op {
                    Op::Back { bucket: of, amount } if of == bucket => amount.0,
                    Op::Close { id, posted } => {
                        let kept = self
                            .kept
                            .iter()
                            .find(|kept| (kept.id, kept.node) == (*id, process.node))
                            .unwrap();
                        if kept.path.contains(&(*bucket, true)) {
                            posted.actual.0.min(kept.amount)
                        } else {
                            0
                        }
                    }
                    _ => 0,
                };
            }
            let (known, held) = process.engine.right(*bucket);
            require(known.0 == right && held <= known, || {
                format!("bucket {bucket}: right {right}, known {known:?}")
            })?;
        }
        Ok(())
    }

    /// What was charged or is held under rights is within the highest cap they were used under.
    fn check_spending(&self) -> Checked {
        for (bucket, highest) in &self.highest {
            let under_rights = self
                .db
                .holds
                .values()
                .filter(|hold| hold.path.contains(&(*bucket, true)));
            let spent: i128 = under_rights
                .map(|hold| hold.end.map_or(hold.amount, |posted| posted.actual.min(hold.amount)))
                .map(|amount| i128::from(amount.0))
                .sum();
            require(spent <= i128::from(*highest), || {
                format!("bucket {bucket}: overspent: {spent} of {highest}")
            })?;
        }
        Ok(())
    }

    /// Everybody comes back, everything ends, and nothing is held or leased: nothing leaks.
    fn quiet(mut self) -> Checked {
        for nth in 0..PROCESSES {
            self.with(nth, |process| (process.is_paused, process.is_cut) = (false, false));
        }
        self.start(0, false);
        (0..40).for_each(|_| self.second());
        (0..self.kept.len()).for_each(|nth| self.end(nth, Some(1)));
        (0..PROCESSES).for_each(|nth| self.sweep(nth, true));
        self.check()?;
        if !self.db.is_fencing {
            return Ok(());
        }
        let live: BTreeSet<_> = self.processes.iter().flatten().map(|process| process.node).collect();
        require(self.db.nodes.keys().all(|node| live.contains(node)), || {
            "a dead node is left".to_owned()
        })?;
        for (id, (_, row)) in &self.db.buckets {
            require((row.held, row.leased) == (Nano::ZERO, Nano::ZERO), || {
                format!("bucket {id} leaks: {row:?}")
            })?;
        }
        Ok(())
    }
}
