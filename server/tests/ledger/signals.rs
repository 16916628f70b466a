//! What processes on one Postgres tell each other is heard; where it may not have been, the listener is told.

use crate::harness::{Place, postgres, sqlite};
use sea_orm::{ConnectionTrait, TransactionTrait};
use server::signals::{Heard, Listener, Signals, tell_all};
use std::time::Duration;

/// How long a test waits for what comes within seconds.
const PATIENCE: Duration = Duration::from_secs(60);

async fn process(place: &Place) -> Signals {
    Signals::start(&place.connect().await).await.unwrap()
}

async fn next(listener: &mut Listener) -> Heard {
    tokio::time::timeout(PATIENCE, listener.next())
        .await
        .expect("nothing is heard")
}

fn said(text: &str) -> Heard {
    Heard::Said(text.into())
}

#[tokio::test]
async fn others_hear_what_is_told_on_their_topic_and_all_hear_what_a_transaction_told() {
    let Some(place) = postgres().await else { return };
    let (one, two) = (process(&place).await, process(&place).await);
    let (mut at_one, mut at_two) = (one.on("tea"), two.on("tea"));
    one.tell("coffee", "not for these");
    one.tell("tea", "water boils");
    assert_eq!(next(&mut at_two).await, said("water boils"));
    let db = place.connect().await;
    let undone = db.begin().await.unwrap();
    tell_all(&undone, "tea", "cups fell").await.unwrap();
    undone.rollback().await.unwrap();
    let done = db.begin().await.unwrap();
    tell_all(&done, "tea", "tea is ready").await.unwrap();
    done.commit().await.unwrap();
    // Of its own words the first heard none.
    assert_eq!(next(&mut at_one).await, said("tea is ready"));
    assert_eq!(next(&mut at_two).await, said("tea is ready"));
}

#[tokio::test]
async fn whoever_was_cut_off_is_told_so_and_hears_again() {
    let Some(place) = postgres().await else { return };
    let (one, two) = (process(&place).await, process(&place).await);
    let (mut at_one, mut at_two) = (one.on("tea"), two.on("tea"));
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND application_name = 'ourhub signals'";
    let cut = place.connect().await.execute_unprepared(cut).await.unwrap();
    assert_eq!(cut.rows_affected(), 2);
    assert_eq!(next(&mut at_one).await, Heard::Missed);
    assert_eq!(next(&mut at_two).await, Heard::Missed);
    one.tell("tea", "still warm");
    while next(&mut at_two).await != said("still warm") {}
}

#[tokio::test]
async fn a_text_that_is_too_long_makes_the_others_look() {
    let Some(place) = postgres().await else { return };
    let (one, two) = (process(&place).await, process(&place).await);
    let mut at_two = two.on("tea");
    one.tell("tea", &"leaf ".repeat(2_000));
    assert_eq!(next(&mut at_two).await, Heard::Missed);
}

#[tokio::test]
async fn on_sqlite_there_is_nobody_to_tell() {
    let place = sqlite().await;
    let one = process(&place).await;
    let mut at_one = one.on("tea");
    one.tell("tea", "hello");
    tell_all(&place.connect().await, "tea", "hello").await.unwrap();
    let heard = tokio::time::timeout(Duration::from_millis(1), at_one.next()).await;
    assert!(heard.is_err());
}
