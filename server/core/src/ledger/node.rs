//! Nodes: when one may admit, when it is dead, and how it numbers.
//!
//! Invariant: a node that is believed dead is fenced by the database before anything is done about it; the times here decide
//! only how soon. All of them are monotonic milliseconds of the node that asks: no two clocks are compared. Pure.

use std::collections::HashMap;

/// The most nodes alive at once: what the lowest bits of an id tell apart.
pub const MAX_NODES: i16 = 1 << crate::id::SLOT_BITS;
/// How often a node tells the database that it is alive.
pub const BEAT_EVERY_MS: i64 = 1_000;
/// A node that has not heard from the database for this long admits nothing.
pub const SILENT_AFTER_MS: i64 = 5_000;
/// A node that another one has not seen beat for this long is dead.
pub const DEAD_AFTER_MS: i64 = 10_000;
/// The longest pause between looks of a node that calls others dead: after a stall of the database all begin to wait anew.
const STEADY_MS: i64 = 3_000;

/// How a node stands with the database.
#[derive(Clone, Copy, Debug, Default)]
pub struct Contact {
    last_ms: Option<i64>,
}

impl Contact {
    /// The database answered a beat sent at `sent_ms`.
    pub const fn beat(&mut self, sent_ms: i64) {
        self.last_ms = Some(sent_ms);
    }

    /// Whether the node may admit.
    #[must_use]
    pub fn is_in_touch(&self, now_ms: i64) -> bool {
        self.last_ms.is_some_and(|last_ms| now_ms - last_ms < SILENT_AFTER_MS)
    }
}

/// What a node has seen of the others' beats.
#[derive(Debug, Default)]
pub struct Watch {
    /// The last mark of each node, and when it was first seen.
    marks: HashMap<i64, (i64, i64)>,
    looked_ms: Option<i64>,
}

impl Watch {
    /// Notes the mark that each node's last beat left (any number that changes), and tells which nodes are dead.
    pub fn look(&mut self, now_ms: i64, nodes: impl IntoIterator<Item = (i64, i64)>) -> Vec<i64> {
        let is_steady = self.looked_ms.is_some_and(|looked_ms| now_ms - looked_ms <= STEADY_MS);
        let mut known = std::mem::take(&mut self.marks);
        let mut dead = Vec::new();
        for (node, mark) in nodes {
            let seen = known.remove(&node).filter(|(last, _)| is_steady && *last == mark);
            let (_, since_ms) = *self.marks.entry(node).or_insert(seen.unwrap_or((mark, now_ms)));
            if now_ms - since_ms >= DEAD_AFTER_MS {
                dead.push(node);
            }
        }
        self.looked_ms = Some(now_ms);
        dead
    }
}

/// The lowest number that none of `taken` has, or `None` if as many nodes are alive as there can be.
#[must_use]
pub fn free_slot(taken: &[i16]) -> Option<i16> {
    (0..MAX_NODES).find(|slot| !taken.contains(slot))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_hears_nothing_stops_long_before_others_call_it_dead() {
        let mut contact = Contact::default();
        assert!(!contact.is_in_touch(0));
        contact.beat(1_000);
        assert!(contact.is_in_touch(5_999) && !contact.is_in_touch(6_000));
        let mut watch = Watch::default();
        for second in 1..=10 {
            let beats = [(7, 1_000), (8, second)];
            assert!(watch.look(second * 1_000, beats).is_empty(), "after {second} s");
        }
        assert_eq!(watch.look(11_000, [(7, 1_000), (8, 11)]), [7]);
    }

    #[test]
    fn the_first_one_back_after_a_stall_does_not_call_the_others_dead() {
        let mut watch = Watch::default();
        assert!(watch.look(0, [(7, 1)]).is_empty());
        assert!(watch.look(25_000, [(7, 1)]).is_empty());
        for second in 26..35 {
            assert!(watch.look(second * 1_000, [(7, 1)]).is_empty());
        }
        assert_eq!(watch.look(35_000, [(7, 1)]), [7]);
        assert!(watch.look(36_000, [(7, 2)]).is_empty(), "it beat again");
    }

    #[test]
    fn slots_are_given_once() {
        assert_eq!(free_slot(&[]), Some(0));
        assert_eq!(free_slot(&[0, 2, 1]), Some(3));
        assert_eq!(free_slot(&(0..MAX_NODES).collect::<Vec<_>>()), None);
    }
}
