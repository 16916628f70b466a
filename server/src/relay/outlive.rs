//! A future that its owner's death does not stop.
//!
//! Invariant: polled inline as long as its owner lives; dropped before its end, it goes on in the runtime for a bounded time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::runtime::Handle;

/// Runs a future here, or there if the one who waits for it goes away: an actix handler dies with its connection.
pub(super) struct Outlive<T: 'static> {
    inner: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    runtime: Handle,
    grace: Duration,
    hung_up: Arc<AtomicBool>,
}

impl<T: 'static> Outlive<T> {
    /// `hung_up` is set when the owner goes away; the future has `grace` from then on.
    pub fn new(
        inner: Pin<Box<dyn Future<Output = T> + Send>>,
        runtime: &Handle,
        grace: Duration,
        hung_up: Arc<AtomicBool>,
    ) -> Self {
        Self {
            inner: Some(inner),
            runtime: runtime.clone(),
            grace,
            hung_up,
        }
    }
}

impl<T: 'static> Future for Outlive<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(inner) = self.inner.as_mut() else {
            return Poll::Pending;
        };
        let polled = inner.as_mut().poll(context);
        if polled.is_ready() {
            self.inner = None;
        }
        polled
    }
}

impl<T: 'static> Drop for Outlive<T> {
    fn drop(&mut self) {
        let Some(inner) = self.inner.take() else { return };
        self.hung_up.store(true, Ordering::Relaxed);
        let grace = self.grace;
        self.runtime.spawn(async move {
            // Past its grace the future is dropped, and with it the hold, which is then posted whole.
            let _ = tokio::time::timeout(grace, inner).await;
        });
    }
}
