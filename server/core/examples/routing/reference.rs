//! The policies one usually meets, to compare with.
//!
//! Invariant: for one request an account is asked once; a failure that is not the client's fault leads on to the next account.

use super::chance::{below, draw};
use super::world::{Account, Ask, Ending, Headers};
use super::{Do, Router};
use std::collections::HashMap;

/// How long an account is left alone where it did not say, in milliseconds.
const COOL_MS: i64 = 60_000;

/// Which one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    FirstAvailable,
    WeightedRandom,
    RoundRobin,
}

pub(super) struct Reference {
    kind: Kind,
    weights: Vec<u64>,
    marked_ms: Vec<i64>,
    next: usize,
    draws: u64,
    tried: HashMap<u64, Vec<usize>>,
}

impl Reference {
    pub fn new(accounts: &[Account], kind: Kind) -> Self {
        Self {
            kind,
            weights: accounts.iter().map(|account| account.rpm).collect(),
            marked_ms: vec![0; accounts.len()],
            next: 0,
            draws: 0,
            tried: HashMap::new(),
        }
    }

    fn route(&mut self, id: u64, now_ms: i64, todo: &mut Vec<Do>) {
        let tried = self.tried.entry(id).or_default();
        let marked_ms = &self.marked_ms;
        let count = self.weights.len();
        let mut free = (0..count).map(|step| (self.next + step) % count);
        let is_free = |at: &usize| !tried.contains(at) && marked_ms[*at] <= now_ms;
        let found = match self.kind {
            Kind::FirstAvailable | Kind::RoundRobin => free.find(is_free),
            Kind::WeightedRandom => {
                let free: Vec<usize> = free.filter(is_free).collect();
                self.draws += 1;
                let total = free.iter().map(|at| self.weights[*at]).sum();
                let mut ticket = below(draw(self.draws), total);
                free.into_iter().find(|at| {
                    let is_drawn = ticket < self.weights[*at];
                    ticket = ticket.saturating_sub(self.weights[*at]);
                    is_drawn
                })
            }
        };
        match found {
            Some(at) => {
                tried.push(at);
                if self.kind == Kind::RoundRobin {
                    self.next = (at + 1) % count;
                }
                let account = at as i64 + 1;
                todo.push(Do::Ask { id, account });
            }
            None => {
                self.tried.remove(&id);
                todo.push(Do::Refuse { id });
            }
        }
    }
}

impl Router for Reference {
    fn arrives(&mut self, ask: &Ask, now_ms: i64, todo: &mut Vec<Do>) {
        self.route(ask.id, now_ms, todo);
    }

    fn wakes(&mut self, _: i64, _: &mut Vec<Do>) {}

    fn looks(&mut self, _: u64, _: i64, _: &mut Vec<Do>) {}

    fn begins_to_answer(&mut self, (id, _): (u64, i64), _: (i64, &Headers), _: i64, _: &mut Vec<Do>) {
        self.tried.remove(&id);
    }

    fn has_answered(&mut self, _: &Ask, _: (i64, i64), _: i64, _: &mut Vec<Do>) {}

    fn fails(&mut self, (id, account): (u64, i64), ending: &Ending, now_ms: i64, todo: &mut Vec<Do>) {
        let at = usize::try_from(account - 1).unwrap_or(0);
        let limited = match ending {
            Ending::Status {
                status: 429, headers, ..
            } => Some(headers),
            _ => None,
        };
        let said = |headers: &Headers| {
            headers.iter().find_map(|(name, value)| match *name {
                "retry-after-ms" => value.parse().ok(),
                "retry-after" => value.parse::<i64>().ok().map(|seconds| seconds * 1_000),
                _ => None,
            })
        };
        match (self.kind, limited) {
            (Kind::FirstAvailable, Some(headers)) => self.marked_ms[at] = now_ms + said(headers).unwrap_or(COOL_MS),
            (Kind::RoundRobin, _) => self.marked_ms[at] = now_ms + COOL_MS,
            _ => {}
        }
        self.route(id, now_ms, todo);
    }
}
