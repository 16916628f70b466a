//! What other nodes say: give back what you do not use; I have given back.
//!
//! Invariant: a hint is all it ever is. Whoever misses one gives back within seconds of itself, and asks again. Listens on
//! the channel of `desk`.

use super::{
    book::Book,
    desk::{BACK, CHANNEL, Desk, RECALL},
    store::Origin,
};
use sea_orm::sqlx::{
    self,
    postgres::{PgListener, PgPoolOptions},
};
use std::time::Duration;

/// The pause before another try to listen.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How long a right that is given back may take to be written.
const WRITTEN_WITHIN: Duration = Duration::from_secs(2);

/// Listens for as long as the process is there.
pub(super) async fn listen(origin: &Origin, book: &Book, desk: &Desk) {
    loop {
        if let Err(error) = try_listen(origin, book, desk).await {
            tracing::warn!(%error, "other nodes are not heard");
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

async fn try_listen(origin: &Origin, book: &Book, desk: &Desk) -> Result<(), sqlx::Error> {
    let Origin::Postgres(options) = origin else {
        return std::future::pending().await;
    };
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None);
    let pool = pool.connect_with(options.as_ref().clone()).await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen(CHANNEL).await?;
    loop {
        let heard = listener.recv().await?;
        hear(heard.payload(), book, desk).await;
    }
}

async fn hear(text: &str, book: &Book, desk: &Desk) {
    let mut words = text.split(' ');
    let (Some(verb), Some(Ok(from))) = (words.next(), words.next().map(str::parse::<i64>)) else {
        return;
    };
    let me = book.node();
    if from == me {
        return;
    }
    let buckets: Vec<i64> = words
        .next()
        .unwrap_or_default()
        .split(',')
        .filter_map(|id| id.parse().ok())
        .collect();
    match verb {
        RECALL => {
            let take = book.give_back(|engine| buckets.iter().filter_map(|id| engine.give_back(*id)).collect());
            let Some((buckets, seq)) = take else { return };
            if let Ok(true) = tokio::time::timeout(WRITTEN_WITHIN, book.durable(seq)).await {
                desk.tell_back(me, &buckets);
            }
        }
        BACK => {
            desk.note_returned();
            book.announce_room();
        }
        _ => {}
    }
}
