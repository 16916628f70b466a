//! Items in the order in which messages of a chat request must stand.
//!
//! Invariant: what a call brought follows the turn that called, before anybody says anything else; nothing is lost. Pure.
//! Wire facts: OpenAI refuses a request in which a message stands between an assistant's calls and the `tool` messages that answer them.

use super::super::exchange::{Item, Role};
use std::collections::{BTreeSet, HashMap, VecDeque};

/// `items`, with each outcome right after the turn of its call.
pub(super) fn in_order(items: &[Item]) -> Vec<&Item> {
    let mut outcomes: HashMap<&str, VecDeque<usize>> = HashMap::new();
    for (at, item) in items.iter().enumerate() {
        if let Item::Outcome(outcome) = item {
            outcomes.entry(&outcome.call_id).or_default().push_back(at);
        }
    }
    let mut ordered = Vec::with_capacity(items.len());
    let mut due = BTreeSet::new();
    let mut moved = BTreeSet::new();
    for (at, item) in items.iter().enumerate() {
        match item {
            Item::Call(call) => {
                let later = outcomes.get_mut(call.id.as_str()).and_then(|places| {
                    while places.front().is_some_and(|place| *place < at) {
                        places.pop_front();
                    }
                    places.pop_front()
                });
                due.extend(later);
                ordered.push(item);
            }
            Item::Thought(_) => ordered.push(item),
            Item::Message(message) if message.role == Role::Assistant => ordered.push(item),
            Item::Message(_) | Item::Outcome(_) => {
                ordered.extend(due.iter().filter_map(|place: &usize| items.get(*place)));
                moved.append(&mut due);
                if !moved.contains(&at) {
                    ordered.push(item);
                }
            }
        }
    }
    ordered
}
