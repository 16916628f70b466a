//! Turns: who is served next of those who wait, fairly among teams.
//!
//! Invariant: teams are served in turn, and within a team whoever has waited longest goes first; whoever cannot be served now is
//! passed over and keeps the place; there are never more than the limits allow. Pure.

use std::collections::VecDeque;

/// How many may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Most {
    /// In all.
    pub waiting: usize,
    /// Of one team.
    pub of_team: usize,
}

/// Who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The team it is for.
    pub team: i64,
    /// Told apart by this.
    pub id: u64,
    /// When it came, in Unix milliseconds: it stands before those of its team who came later.
    pub since_ms: i64,
}

/// There is no room for one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many wait already")]
pub struct Full;

/// Those who wait, with what each waits for.
#[derive(Debug)]
pub struct Turns<T> {
    /// The team whose turn it is comes first; none is empty.
    teams: VecDeque<Team<T>>,
    waiting: usize,
}

#[derive(Debug)]
struct Team<T> {
    id: i64,
    queue: VecDeque<Waiting<T>>,
}

#[derive(Debug)]
struct Waiting<T> {
    ticket: Ticket,
    what: T,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self {
            teams: VecDeque::new(),
            waiting: 0,
        }
    }
}

impl<T> Turns<T> {
    /// How many wait.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.waiting
    }

    /// Whether nobody waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Lets `what` wait with `ticket`.
    ///
    /// # Errors
    /// [`Full`] where `most` wait already.
    pub fn join(&mut self, ticket: Ticket, what: T, most: Most) -> Result<(), Full> {
        let known = self.teams.iter().position(|waiting| waiting.id == ticket.team);
        let of_team = known.map_or(0, |at| self.teams[at].queue.len());
        if self.waiting >= most.waiting || of_team >= most.of_team {
            return Err(Full);
        }
        let at = known.unwrap_or_else(|| {
            self.teams.push_back(Team {
                id: ticket.team,
                queue: VecDeque::new(),
            });
            self.teams.len() - 1
        });
        let queue = &mut self.teams[at].queue;
        let place = queue.partition_point(|other| other.ticket.since_ms <= ticket.since_ms);
        queue.insert(place, Waiting { ticket, what });
        self.waiting += 1;
        Ok(())
    }

    /// Whoever has `ticket` waits no more.
    pub fn leave(&mut self, ticket: Ticket) {
        let Some(at) = self.teams.iter().position(|waiting| waiting.id == ticket.team) else {
            return;
        };
        let queue = &mut self.teams[at].queue;
        if let Some(place) = queue.iter().position(|waiting| waiting.ticket.id == ticket.id) {
            queue.remove(place);
            self.waiting -= 1;
        }
        if queue.is_empty() {
            self.teams.remove(at);
        }
    }

    /// The next one that `serve` has something for, with that; its team is then the last whose turn it is.
    pub fn next<S>(&mut self, mut serve: impl FnMut(&T) -> Option<S>) -> Option<(T, S)> {
        for at in 0..self.teams.len() {
            let queue = &mut self.teams[at].queue;
            let found = (0..queue.len()).find_map(|place| Some((place, serve(&queue[place].what)?)));
            let Some((place, served)) = found else { continue };
            let waiting = queue.remove(place)?;
            self.waiting -= 1;
            if let Some(team) = self.teams.remove(at).filter(|team| !team.queue.is_empty()) {
                self.teams.push_back(team);
            }
            return Some((waiting.what, served));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const MOST: Most = Most {
        waiting: 100,
        of_team: 50,
    };

    fn ticket(team: i64, id: u64, since_ms: i64) -> Ticket {
        Ticket { team, id, since_ms }
    }

    fn turns(waiting: &[(i64, &'static str)]) -> Turns<&'static str> {
        let mut turns = Turns::default();
        for (at, (team, what)) in waiting.iter().enumerate() {
            turns.join(ticket(*team, at as u64, 0), *what, MOST).unwrap();
        }
        turns
    }

    fn order(mut turns: Turns<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| turns.next(|_| Some(())).map(|(what, ())| what)).collect()
    }

    #[test]
    fn teams_are_served_in_turn_and_each_in_the_order_it_came() {
        let waiting = [(1, "a1"), (1, "a2"), (1, "a3"), (2, "b1"), (3, "c1"), (3, "c2")];
        assert_eq!(order(turns(&waiting)), ["a1", "b1", "c1", "a2", "c2", "a3"]);
    }

    #[test]
    fn who_cannot_be_served_keeps_the_place_and_holds_up_nobody() {
        let mut turns = turns(&[(1, "a1"), (1, "a2"), (2, "b1")]);
        assert_eq!(turns.next(|what| (*what == "a2").then_some(7)), Some(("a2", 7)));
        assert_eq!(turns.next(|_| None::<()>), None);
        assert_eq!(turns.len(), 2);
        assert_eq!(order(turns), ["b1", "a1"]);
    }

    #[test]
    fn who_comes_back_stands_where_it_stood() {
        let mut turns = Turns::default();
        for (id, since_ms) in [(1, 10), (2, 20), (3, 15)] {
            turns.join(ticket(1, id, since_ms), id, MOST).unwrap();
        }
        turns.leave(ticket(1, 1, 10));
        turns.leave(ticket(1, 1, 10));
        let order: Vec<_> = std::iter::from_fn(|| turns.next(|_| Some(())).map(|(id, ())| id)).collect();
        assert_eq!(order, [3, 2]);
        assert!(turns.is_empty());
    }

    #[test]
    fn no_more_wait_than_there_is_room_for() {
        let most = Most { waiting: 3, of_team: 2 };
        let mut turns = Turns::default();
        let mut join = |team, id| turns.join(ticket(team, id, 0), (), most);
        assert_eq!([join(1, 1), join(1, 2), join(1, 3)], [Ok(()), Ok(()), Err(Full)]);
        assert_eq!([join(2, 4), join(3, 5)], [Ok(()), Err(Full)]);
        turns.leave(ticket(1, 1, 0));
        assert_eq!(turns.join(ticket(3, 6, 0), (), most), Ok(()));
        assert_eq!(turns.len(), 3);
    }
}
