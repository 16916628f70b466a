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
/// How long nothing is heard before the connection is asked whether it is still there.
const QUIET_FOR: Duration = Duration::from_secs(30);
/// How long the database may take for one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long a right that is given back may take to be written.
const WRITTEN_WITHIN: Duration = Duration::from_secs(2);

/// Listens for as long as the process is there.
pub(super) async fn listen(origin: &Origin, book: &Book, desk: &Desk) {
    let mut is_first = true;
    loop {
        match try_listen(origin, book, desk, is_first).await {
            Ok(()) => tracing::warn!("other nodes are not heard: the connection was lost"),
            Err(error) => tracing::warn!(%error, "other nodes are not heard"),
        }
        is_first = false;
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

/// Listens until the connection is lost, which one that says nothing shows when it is asked.
async fn try_listen(origin: &Origin, book: &Book, desk: &Desk, is_first: bool) -> Result<(), sqlx::Error> {
    let Origin::Postgres(options) = origin else {
        return std::future::pending().await;
    };
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None);
    let connect = async {
        let pool = pool.connect_with(options.as_ref().clone()).await?;
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        Ok(listener)
    };
    let mut listener = in_time(connect).await?;
    if !is_first {
        // What was said in the meantime was not heard.
        book.give_back(|engine| engine.sweep(i64::MIN, false, true));
    }
    loop {
        match tokio::time::timeout(QUIET_FOR, listener.try_recv()).await {
            Ok(Ok(Some(heard))) => hear(heard.payload(), book, desk).await,
            Ok(Ok(None)) => return Ok(()),
            Ok(Err(error)) => return Err(error),
            Err(_) => {
                in_time(sqlx::query("SELECT 1").execute(&mut listener)).await?;
            }
        }
    }
}

async fn in_time<T>(answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    let answered = tokio::time::timeout(ANSWER_WITHIN, answer).await;
    answered.unwrap_or(Err(sqlx::Error::PoolTimedOut))
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
