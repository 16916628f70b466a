//! A node's part of a window that several nodes count in.
//!
//! Invariant: a node counts only what it was granted before, only while the slot of the grant lasts by the database's time, and
//! only under a limit not below that of the grant. What it gives back it never uses. So whatever nodes do, what they use in any
//! 60 seconds was within the limit at the last grant among it. Pure: `now_ms` is the node's own monotonic time; the database's
//! comes with its answers.

use super::{RetryAfterMs, SLOT_MS, SLOTS, WINDOW_MS, frees_at_ms};
use std::collections::BTreeMap;

/// What is granted in the last milliseconds of a slot counts in the next one, so that it can be used at all.
pub const AHEAD_MS: i64 = 500;
/// How far the two clocks may come apart within a slot.
const DRIFT_MS: i64 = 50;
/// How long a right is kept that nobody uses, where others may want it.
const IDLE_MS: i64 = 1_000;
/// The largest change of a count, so that no sum overflows.
const MAX_MOVE: i64 = 1 << 56;

/// What the database says of a window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// When it was asked, by the node.
    pub asked_ms: i64,
    /// When it answered, by the database; not before it was asked.
    pub db_ms: i64,
    /// The slot that a grant counts in.
    pub slot: i64,
    /// How much was granted.
    pub granted: u64,
    /// The limit that was observed.
    pub limit: u64,
    /// What all nodes count, by slot, without the grant.
    pub counts: Vec<(i64, u64)>,
}

/// Whether a request fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// What the node was granted is enough.
    Fits,
    /// More has to be granted.
    Lacks,
    /// The window is full, as far as is known.
    Full(RetryAfterMs),
}

/// What is known to remain of a full window.
#[derive(Clone, Copy, Debug)]
struct Short {
    left: u64,
    limit: u64,
    until_ms: i64,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Share {
    /// Granted for `slot` and not used, under `limit`.
    right: u64,
    slot: i64,
    limit: u64,
    until_ms: i64,
    used_ms: i64,
    /// What requests wait for: how many for how much each.
    claims: BTreeMap<u64, u64>,
    /// What the database is to add to the counts, by slot.
    moves: BTreeMap<i64, i64>,
    counts: Vec<(i64, u64)>,
    /// From the node's time to the database's, not more than it is.
    ahead_ms: i64,
    short: Option<Short>,
}

impl Share {
    /// What may be counted under `limit` without asking.
    #[must_use]
    pub fn free(&self, limit: u64, now_ms: i64) -> u64 {
        if now_ms < self.until_ms && self.limit <= limit {
            self.right
        } else {
            0
        }
    }

    /// Whether `n` fits under `limit`.
    #[must_use]
    pub fn judge(&self, n: u64, limit: u64, now_ms: i64) -> Verdict {
        let free = self.free(limit, now_ms);
        if n <= free {
            return Verdict::Fits;
        }
        let is_known = |short: &Short| now_ms < short.until_ms && limit <= short.limit && n - free > short.left;
        if n > limit || self.short.as_ref().is_some_and(is_known) {
            return Verdict::Full(self.wait(n, limit, now_ms));
        }
        Verdict::Lacks
    }

    /// Counts `n`, which fits, and tells in which slot.
    pub fn take(&mut self, n: u64, now_ms: i64) -> i64 {
        self.right = self.right.saturating_sub(n);
        self.used_ms = now_ms;
        self.slot
    }

    /// Of what was counted in `slot`, `held` becomes `actual`. What is free again may be used while the slot lasts.
    pub fn adjust(&mut self, slot: i64, held: u64, actual: u64, now_ms: i64) {
        let is_current = slot == self.slot && now_ms < self.until_ms;
        if actual <= held && is_current {
            self.right = self.right.saturating_add(held - actual);
        } else if actual <= held {
            self.shift(slot, -signed(held - actual));
        } else {
            let mut more = actual - held;
            if is_current {
                let covered = more.min(self.right);
                self.right -= covered;
                more -= covered;
            }
            self.shift(slot, signed(more));
        }
    }

    /// A request waits for `n`, so that much is not given back.
    pub fn claim(&mut self, n: u64) {
        *self.claims.entry(n).or_default() += 1;
    }

    /// The request waits no more.
    pub fn unclaim(&mut self, n: u64) {
        if let Some(count) = self.claims.get_mut(&n) {
            *count -= 1;
            if *count == 0 {
                self.claims.remove(&n);
            }
        }
    }

    /// Takes what may not be used any more, or not under `limit`, out of the right.
    pub fn prepare(&mut self, limit: u64, now_ms: i64) {
        if self.free(limit, now_ms) < self.right {
            self.give_back(self.right);
        }
    }

    /// Takes note of what the database said at `now_ms`.
    pub fn answered(&mut self, answer: &Answer, now_ms: i64) {
        self.counts.clone_from(&answer.counts);
        self.ahead_ms = answer.db_ms - now_ms;
        self.short = None;
        if answer.granted == 0 {
            return;
        }
        let end_ms = answer.asked_ms + (answer.slot + 1) * SLOT_MS - answer.db_ms - DRIFT_MS;
        if answer.slot == self.slot && self.right > 0 {
            self.limit = self.limit.max(answer.limit);
            self.until_ms = self.until_ms.min(end_ms);
        } else {
            self.give_back(self.right);
            (self.slot, self.limit, self.until_ms) = (answer.slot, answer.limit, end_ms);
        }
        self.right = self.right.saturating_add(answer.granted);
        self.used_ms = now_ms;
        match self.counts.iter_mut().find(|(slot, _)| *slot == answer.slot) {
            Some((_, count)) => *count = count.saturating_add(answer.granted),
            None => self.counts.push((answer.slot, answer.granted)),
        }
    }

    /// Less was granted than was asked for under `limit`, and no other node gives any back: what is left counts as known
    /// until then.
    pub fn note_short(&mut self, limit: u64, until_ms: i64, now_ms: i64) {
        let left = limit.saturating_sub(self.counted(self.db_ms(now_ms)));
        self.short = Some(Short { left, limit, until_ms });
    }

    /// Other nodes gave back: what is left has to be asked again.
    pub const fn returned(&mut self) {
        self.short = None;
    }

    /// Gives back what is of no use any more, and where there are others what is not used.
    pub fn sweep(&mut self, has_others: bool, now_ms: i64) {
        let is_idle = has_others && self.claims.is_empty() && now_ms - self.used_ms >= IDLE_MS;
        if is_idle || now_ms >= self.until_ms {
            self.give_back(self.right);
        }
    }

    /// Gives back what no request waits for, and what is too little for any that waits: nodes that hold on to such parts keep
    /// each other from what all of them together are enough for. Whether that is anything.
    pub fn recall(&mut self) -> bool {
        let least = self.claims.keys().next().copied().unwrap_or_default();
        let claimed = if self.right < least { 0 } else { self.claimed() };
        let back = self.right.saturating_sub(claimed);
        self.give_back(back);
        back > 0
    }

    /// What the database is to add to the counts, by slot; no longer this share's to remember.
    pub fn take_moves(&mut self, now_ms: i64) -> BTreeMap<i64, i64> {
        let oldest = oldest_slot(self.db_ms(now_ms));
        let mut moves = std::mem::take(&mut self.moves);
        moves.retain(|slot, by| *slot >= oldest && *by != 0);
        moves
    }

    /// The database did not get `moves`; or perhaps it did. What it may have given back already it is not told again.
    pub fn not_moved(&mut self, moves: &BTreeMap<i64, i64>, is_in_doubt: bool) {
        for (slot, by) in moves {
            if *by > 0 || !is_in_doubt {
                self.shift(*slot, *by);
            }
        }
    }

    /// Whether there is nothing to remember.
    #[must_use]
    pub fn is_idle(&self, now_ms: i64) -> bool {
        let is_empty = self.right == 0 && self.claims.is_empty() && self.moves.is_empty();
        is_empty && self.reset_ms(now_ms) == 0
    }

    /// What can still be counted under `limit`, on any node, as far as is known.
    #[must_use]
    pub fn remaining(&self, limit: u64, now_ms: i64) -> u64 {
        limit.saturating_sub(self.used(now_ms))
    }

    /// Milliseconds until the window is empty, if nothing else is counted.
    #[must_use]
    pub fn reset_ms(&self, now_ms: i64) -> i64 {
        let db_ms = self.db_ms(now_ms);
        let last = self.slots(db_ms).filter(|(_, count)| *count > 0).last();
        last.map_or(0, |(slot, _)| frees_at_ms(slot) - db_ms)
    }

    fn wait(&self, n: u64, limit: u64, now_ms: i64) -> RetryAfterMs {
        let db_ms = self.db_ms(now_ms);
        let mut left = self.used(now_ms);
        for (slot, count) in self.slots(db_ms) {
            left = left.saturating_sub(count);
            if count > 0 && left.saturating_add(n) <= limit {
                return RetryAfterMs(frees_at_ms(slot) - db_ms);
            }
        }
        RetryAfterMs(WINDOW_MS)
    }

    fn claimed(&self) -> u64 {
        let claims = self.claims.iter();
        claims.fold(0, |sum, (n, count)| sum.saturating_add(n.saturating_mul(*count)))
    }

    fn give_back(&mut self, amount: u64) {
        self.right -= amount;
        self.shift(self.slot, -signed(amount));
    }

    fn shift(&mut self, slot: i64, by: i64) {
        if by != 0 {
            let sum = self.moves.entry(slot).or_default();
            *sum = sum.saturating_add(by).clamp(-MAX_MOVE, MAX_MOVE);
            self.short = None;
        }
    }

    /// The database's time, or a little less.
    const fn db_ms(&self, now_ms: i64) -> i64 {
        now_ms.saturating_add(self.ahead_ms)
    }

    /// What all nodes count in the window, with the rights of all.
    fn counted(&self, db_ms: i64) -> u64 {
        let oldest = oldest_slot(db_ms);
        let counts = self.counts.iter().filter(|(slot, _)| *slot >= oldest);
        counts.fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// The same without what this node has not used.
    fn used(&self, now_ms: i64) -> u64 {
        self.slots(self.db_ms(now_ms))
            .fold(0, |sum, (_, count)| sum.saturating_add(count))
    }

    /// The slots of the window, the oldest first, with what is used in each.
    fn slots(&self, db_ms: i64) -> impl Iterator<Item = (i64, u64)> {
        let oldest = oldest_slot(db_ms);
        // One more than the window has: what was granted ahead.
        (oldest..=oldest + SLOTS as i64).map(|slot| (slot, self.used_in(slot)))
    }

    fn used_in(&self, slot: i64) -> u64 {
        let counted = self.counts.iter().find(|(other, _)| *other == slot);
        let mine = if slot == self.slot { self.right } else { 0 };
        let moved = self.moves.get(&slot).copied().unwrap_or_default();
        counted
            .map_or(0, |(_, count)| *count)
            .saturating_sub(mine)
            .saturating_add_signed(moved)
    }
}

/// The oldest slot that counts at `db_ms`.
#[must_use]
pub const fn oldest_slot(db_ms: i64) -> i64 {
    db_ms.div_euclid(SLOT_MS) - (SLOTS as i64 - 1)
}

fn signed(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(MAX_MOVE).min(MAX_MOVE)
}

#[cfg(test)]
mod tests;
