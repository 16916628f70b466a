//! Direct: one request to an upstream, on a kept connection or a new one.
//!
//! Invariant: a request of which a byte was written is never sent again. Opens connections, reads and writes them.

use super::{
    Answer, Lost, Recipe, Unanswered,
    connect::connect,
    connection::{Connection, Failed, Outgoing},
    line::Line,
    wire::{Body, Head},
};
use bytes::Bytes;
use futures_util::Stream;
use reqwest::{Request, Url};
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::time::timeout;

/// Sends `request`, whose body has to be in memory, and waits for the head of the answer.
pub(super) async fn send(recipe: &Recipe, request: Request) -> Result<Answer, Unanswered> {
    let url = request.url().clone();
    let line = recipe.line(origin(&url));
    let mut outgoing = Outgoing::new(request);
    while let Some(kept) = line.take() {
        match kept.ask(outgoing).await {
            Ok(answered) => return Ok(answer(answered, line)),
            Err(Failed {
                untouched: Some(request),
                ..
            }) => outgoing = request,
            Err(Failed { error, .. }) => return Err(broken(&error)),
        }
    }
    let connection = Box::pin(timeout(recipe.connect, connect(&url, &recipe.guard))).await;
    let connection = match connection {
        Ok(Ok(connection)) => connection,
        Err(_) => return Err(Unanswered::NoConnectionInTime),
        Ok(Err(error)) if error.kind() == io::ErrorKind::TimedOut => return Err(Unanswered::NoConnectionInTime),
        Ok(Err(_)) => return Err(Unanswered::NoConnection),
    };
    match connection.ask(outgoing).await {
        Ok(answered) => Ok(answer(answered, line)),
        Err(Failed { error, .. }) => Err(broken(&error)),
    }
}

/// Scheme, host and port of `url`.
fn origin(url: &Url) -> &str {
    let length = url.scheme().len() + "://".len() + url.authority().len();
    url.as_str().get(..length).unwrap_or_default()
}

fn broken(error: &io::Error) -> Unanswered {
    if error.kind() == io::ErrorKind::TimedOut {
        Unanswered::TimedOut
    } else {
        Unanswered::Broken
    }
}

fn answer((head, connection): (Head, Connection), line: Arc<Line>) -> Answer {
    let mut incoming = Incoming {
        connection: Some(connection),
        body: head.body,
        line: Some(line).filter(|_| head.keeps),
    };
    incoming.release();
    Answer {
        status: head.status,
        headers: head.headers,
        pieces: Box::pin(incoming),
    }
}

/// The body of an answer; dropped before its end, it closes the connection.
struct Incoming {
    connection: Option<Connection>,
    body: Body,
    /// Where the connection goes when all has come, if it may be used again.
    line: Option<Arc<Line>>,
}

impl Incoming {
    /// Gives the connection back, if all has come.
    fn release(&mut self) {
        if self.body.is_over()
            && let Some(connection) = self.connection.take()
            && let Some(line) = &self.line
        {
            line.keep(connection);
        }
    }
}

impl Stream for Incoming {
    type Item = Result<Bytes, Lost>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(connection) = &mut this.connection else {
            return Poll::Ready(None);
        };
        match ready!(connection.poll_piece(&mut this.body, context)) {
            Ok(Some(piece)) => {
                this.release();
                Poll::Ready(Some(Ok(piece)))
            }
            Ok(None) => {
                this.release();
                this.connection = None;
                Poll::Ready(None)
            }
            Err(_) => {
                this.connection = None;
                Poll::Ready(Some(Err(Lost)))
            }
        }
    }
}
