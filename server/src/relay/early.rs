//! Signs of life before the first content: comments in the stream of a request that takes long.
//!
//! Invariant: a comment commits the status to 200, so none is sent before 10 s of silence and before the first hold is durable; what
//! fails afterwards is told inside the stream.

use super::form::Form;
use super::outlive::Outlive;
use super::stream::{Cut, Streaming};
use super::{Heading, Refused, Reply};
use crate::clock::now_ms;
use crate::ledger::{Down, Hold};
use crate::limits::Standing;
use bytes::Bytes;
use futures_util::Stream;
use parking_lot::Mutex;
use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

type Journey = Outlive<Result<Reply, Refused>>;
type Durability = Pin<Box<dyn Future<Output = Result<(), Down>> + Send>>;

/// Where a journey shows its first hold to whoever waits for its answer.
#[derive(Clone, Default)]
pub(super) struct Held(Arc<Mutex<Option<(i64, Durability)>>>);

impl Held {
    /// Shows `hold`, if none was shown yet.
    pub fn note(&self, hold: &Hold) {
        self.0
            .lock()
            .get_or_insert_with(|| (hold.request_id(), Box::pin(hold.durability())));
    }

    fn take(&self) -> Option<(i64, Durability)> {
        self.0.lock().take()
    }
}

/// The events of an answer.
pub enum Events {
    /// From an upstream that has begun to answer.
    Open(Box<Streaming>),
    /// Of a request still on its way.
    Early(Box<Early>),
}

/// A request still on its way, whose client already has a status.
pub struct Early {
    journey: Journey,
    timer: Pin<Box<Sleep>>,
    every: Duration,
    form: Form,
    request_id: i64,
    is_over: bool,
}

/// The journey's outcome, or after `silence` a stream that waits for it, with the `standing` of its caller.
pub(super) async fn race(
    mut journey: Journey,
    held: &Held,
    form: Form,
    standing: impl Fn() -> Standing,
    silence: Duration,
) -> Result<Reply, Refused> {
    loop {
        if let Ok(done) = tokio::time::timeout(silence, &mut journey).await {
            return done;
        }
        let Some((request_id, durability)) = held.take() else {
            continue;
        };
        if durability.await.is_err() {
            return journey.await;
        }
        let heading = Heading {
            request_id,
            standing: standing(),
            ..Heading::default()
        };
        let timer = Box::pin(tokio::time::sleep_until(Instant::now()));
        let early = Early {
            journey,
            timer,
            every: silence,
            form,
            request_id,
            is_over: false,
        };
        return Ok(Reply::Stream {
            heading,
            content_type: Cow::Borrowed(form.content_type()),
            body: Events::Early(Box::new(early)),
        });
    }
}

impl Early {
    /// The next bytes, or the stream that takes over.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Events>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        match Pin::new(&mut self.journey).poll(context) {
            Poll::Ready(Ok(Reply::Stream { body, .. })) => return Poll::Ready(Some(Err(body))),
            Poll::Ready(Ok(Reply::Whole { body, .. })) => {
                self.is_over = true;
                return Poll::Ready(Some(Ok(body)));
            }
            Poll::Ready(Err(refused)) => {
                self.is_over = true;
                let told = refused.error.told(now_ms());
                let event = self.form.failed(&told, self.request_id, false);
                return Poll::Ready(Some(Ok(Bytes::from(event))));
            }
            Poll::Pending => {}
        }
        if self.timer.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        self.timer.as_mut().reset(Instant::now() + self.every);
        // Registers the waker for the next comment; it is not due yet.
        let _ = self.timer.as_mut().poll(context);
        Poll::Ready(Some(Ok(Bytes::from_static(self.form.sign_of_life()))))
    }
}

impl Stream for Events {
    type Item = Result<Bytes, Cut>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match &mut *self {
                Self::Open(streaming) => return Pin::new(streaming.as_mut()).poll_next(context),
                Self::Early(early) => match early.poll(context) {
                    Poll::Ready(Some(Err(events))) => *self = events,
                    Poll::Ready(Some(Ok(bytes))) => return Poll::Ready(Some(Ok(bytes))),
                    Poll::Ready(None) => return Poll::Ready(None),
                    Poll::Pending => return Poll::Pending,
                },
            }
        }
    }
}
