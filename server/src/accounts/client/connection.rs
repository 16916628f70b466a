//! A connection to an upstream, driven by whoever waits for its answer: no task, no channel, and when it is dropped it closes.
//!
//! Invariant: one request at a time; an answer may begin, and be read, before its request has been written. Reads and writes the
//! network.

use super::wire::{Body, Head, head_of, read_head};
use bytes::{Bytes, BytesMut};
use reqwest::Request;
use std::{
    future::poll_fn,
    io::{self, IoSlice},
    pin::{Pin, pin},
    task::{Context, Poll, Waker, ready},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite},
    task::unconstrained,
};

/// How much is read at once, in bytes.
const READ: usize = 8 << 10;

/// What bytes go through: TCP, or TLS on it.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A request on its way: its head, and its body, which is in memory.
#[derive(Debug)]
pub(super) struct Outgoing {
    head: Vec<u8>,
    body: Option<reqwest::Body>,
    /// How much was written of both.
    sent: usize,
    is_broken: bool,
}

impl Outgoing {
    /// All of `request`, whose body has to be in memory.
    pub(super) fn new(mut request: Request) -> Self {
        let length = request.body().and_then(reqwest::Body::as_bytes).map_or(0, <[u8]>::len);
        Self {
            head: head_of(&request, length),
            body: request.body_mut().take(),
            sent: 0,
            is_broken: false,
        }
    }

    /// What of head and body has not been written.
    fn left(&self) -> (&[u8], &[u8]) {
        let body = self.body.as_ref().and_then(reqwest::Body::as_bytes).unwrap_or_default();
        let sent_of_body = self.sent.saturating_sub(self.head.len());
        (self.head.get(self.sent..).unwrap_or_default(), &body[sent_of_body..])
    }
}

/// See the module.
pub(super) struct Connection {
    io: Box<dyn Io>,
    /// What was read and not taken.
    unread: BytesMut,
    /// What has not been written whole.
    outgoing: Option<Outgoing>,
    /// Whether a write that breaks may have sent something.
    is_tls: bool,
}

/// Why there is no answer.
pub(super) struct Failed {
    pub(super) error: io::Error,
    /// The request, if not a byte of it was written for certain: what TLS has sent before it breaks, it does not say.
    pub(super) untouched: Option<Outgoing>,
}

impl Connection {
    /// A new connection through `io`, which is TCP or, where it `is_tls`, TLS on it.
    pub(super) fn new(io: Box<dyn Io>, is_tls: bool) -> Self {
        Self {
            io,
            unread: BytesMut::new(),
            outgoing: None,
            is_tls,
        }
    }

    /// Sends `request` and waits for the head of the answer.
    ///
    /// # Errors
    /// [`Failed`].
    pub(super) async fn ask(mut self, request: Outgoing) -> Result<(Head, Self), Failed> {
        self.outgoing = Some(request);
        match poll_fn(|context| self.poll_head(context)).await {
            Ok(head) => Ok((head, self)),
            Err(error) => Err(Failed {
                error,
                untouched: self
                    .outgoing
                    .filter(|outgoing| outgoing.sent == 0 && !self.is_tls)
                    .map(|outgoing| Outgoing {
                        is_broken: false,
                        ..outgoing
                    }),
            }),
        }
    }

    fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Head>> {
        self.write(context);
        loop {
            if let Some(head) = read_head(&mut self.unread).map_err(io::Error::other)? {
                return Poll::Ready(Ok(head));
            }
            if ready!(self.poll_read(context))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// The next piece of `body`; none at its end.
    pub(super) fn poll_piece(&mut self, body: &mut Body, context: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        self.write(context);
        loop {
            if let Some(piece) = body.take(&mut self.unread).map_err(io::Error::other)? {
                return Poll::Ready(Ok(Some(piece)));
            }
            if body.is_over() {
                return Poll::Ready(Ok(None));
            }
            if ready!(self.poll_read(context))? == 0 {
                return Poll::Ready(match body {
                    Body::UntilClose => Ok(None),
                    Body::Sized(_) | Body::Chunked(_) => Err(io::ErrorKind::UnexpectedEof.into()),
                });
            }
        }
    }

    /// Whether another request may follow: all of the last one was written, nothing is left of its answer, and the other side has
    /// neither closed nor said anything since.
    pub(super) fn is_usable(&mut self) -> bool {
        if self.outgoing.is_some() || !self.unread.is_empty() {
            return false;
        }
        // Of a task that has read much for now tokio says that nothing is there, whatever there is.
        let read = pin!(unconstrained(poll_fn(|context| self.poll_read(context))));
        read.poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.unread.reserve(READ);
        pin!(self.io.read_buf(&mut self.unread)).poll(context)
    }

    /// Writes as much of the request as goes now. That it breaks is no end: an upstream that refuses may have said why.
    fn write(&mut self, context: &mut Context<'_>) {
        let Some(outgoing) = self.outgoing.as_mut().filter(|outgoing| !outgoing.is_broken) else {
            return;
        };
        loop {
            let (head, body) = outgoing.left();
            if head.is_empty() && body.is_empty() {
                break;
            }
            let parts = [IoSlice::new(head), IoSlice::new(body)];
            match Pin::new(&mut self.io).poll_write_vectored(context, &parts) {
                Poll::Pending => return,
                Poll::Ready(Ok(written)) if written > 0 => outgoing.sent += written,
                Poll::Ready(_) => {
                    outgoing.is_broken = true;
                    return;
                }
            }
        }
        match Pin::new(&mut self.io).poll_flush(context) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => self.outgoing = None,
            Poll::Ready(Err(_)) => outgoing.is_broken = true,
        }
    }
}
