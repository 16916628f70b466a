//! What other nodes say: give back what you do not use; I have given back.
//!
//! Invariant: a hint is all it ever is. Whoever misses one gives back at once, or within seconds of itself, and asks again.
//! Hears the topic of `desk`.

use super::{
    book::Book,
    desk::{BACK, Desk, RECALL},
};
use crate::signals::{Heard, Listener};
use std::time::Duration;

/// How long a right that is given back may take to be written.
const WRITTEN_WITHIN: Duration = Duration::from_secs(2);

/// Listens for as long as the process is there.
pub(super) async fn listen(mut listener: Listener, book: &Book, desk: &Desk) {
    loop {
        match listener.next().await {
            Heard::Said(text) => hear(&text, book, desk).await,
            Heard::Missed => {
                book.give_back(|engine| engine.sweep(i64::MIN, false, true));
            }
        }
    }
}

async fn hear(text: &str, book: &Book, desk: &Desk) {
    let (verb, ids) = text.split_once(' ').unwrap_or((text, ""));
    match verb {
        RECALL => {
            let buckets: Vec<i64> = ids.split(',').filter_map(|id| id.parse().ok()).collect();
            let take = book.give_back(|engine| buckets.iter().filter_map(|id| engine.give_back(*id)).collect());
            let Some((buckets, seq)) = take else { return };
            if let Ok(true) = tokio::time::timeout(WRITTEN_WITHIN, book.durable(seq)).await {
                desk.tell_back(&buckets);
            }
        }
        BACK => {
            desk.note_returned();
            book.announce_room();
        }
        _ => {}
    }
}
