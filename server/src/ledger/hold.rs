//! A hold in the hands of a request.
//!
//! Invariant: it ends once: by `post`, by `void`, or by being dropped. No I/O of its own.

use super::{Closing, Down, Ledger, Outcome, batch::Opened};
use gateway_core::money::Nano;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Money set aside for one upstream call. Dropped unconsumed, it is voided, or posted whole once marked as sent.
#[must_use = "a hold that is dropped is voided or posted whole"]
pub struct Hold {
    ledger: Ledger,
    opened: Arc<Opened>,
    is_sent: Arc<AtomicBool>,
    is_closed: bool,
}

/// Marks a hold as sent.
#[derive(Debug)]
pub struct SentMark(Arc<AtomicBool>);

impl SentMark {
    /// See [`Hold::mark_sent`].
    pub fn mark_sent(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Hold {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Hold")
            .field("id", &self.opened.id)
            .finish_non_exhaustive()
    }
}

impl Hold {
    pub(super) fn new(ledger: Ledger, opened: Arc<Opened>) -> Self {
        Self {
            ledger,
            opened,
            is_sent: Arc::default(),
            is_closed: false,
        }
    }

    /// The hold's id.
    #[must_use]
    pub fn id(&self) -> i64 {
        self.opened.id
    }

    /// The id of the request it is for: that of the request's first hold.
    #[must_use]
    pub fn request_id(&self) -> i64 {
        self.opened.request_id
    }

    /// What is set aside.
    #[must_use]
    pub fn amount(&self) -> Nano {
        self.opened.amount
    }

    /// The time of admission, Unix milliseconds.
    #[must_use]
    pub fn started_at_ms(&self) -> i64 {
        self.opened.started_at_ms
    }

    /// Resolves once the hold is in the database; no byte of an answer may reach the client before.
    ///
    /// # Errors
    /// [`Down`] if it could not be written; void the hold then.
    pub async fn durable(&self) -> Result<(), Down> {
        if self.ledger.inner.book.durable(self.opened.seq).await {
            Ok(())
        } else {
            Err(Down)
        }
    }

    /// The same as [`Hold::durable`], for one who does not own the hold.
    pub fn durability(&self) -> impl Future<Output = Result<(), Down>> + Send + 'static {
        let (ledger, seq) = (self.ledger.clone(), self.opened.seq);
        async move {
            if ledger.inner.book.durable(seq).await {
                Ok(())
            } else {
                Err(Down)
            }
        }
    }

    /// From now on the upstream may charge for the call: dropping the hold posts it whole, as an estimate.
    pub fn mark_sent(&self) {
        self.is_sent.store(true, Ordering::Relaxed);
    }

    /// What does the same for one who does not own the hold.
    #[must_use]
    pub fn mark(&self) -> SentMark {
        SentMark(Arc::clone(&self.is_sent))
    }

    /// Ends the hold with a charge.
    pub fn post(mut self, closing: Closing) {
        self.end(closing, false);
    }

    /// Ends the hold without a charge: the call is known not to be billed.
    pub fn void(mut self, closing: Closing) {
        self.end(closing, true);
    }

    fn end(&mut self, closing: Closing, is_void: bool) {
        self.is_closed = true;
        let inner = &self.ledger.inner;
        if inner.book.settle(&self.opened, closing, is_void) && inner.is_shared {
            let buckets: Vec<i64> = self.opened.leased().collect();
            inner.desk.recall(&buckets);
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.is_closed {
            return;
        }
        let is_sent = self.is_sent.load(Ordering::Relaxed);
        tracing::warn!(hold_id = self.opened.id, is_sent, "a hold was dropped");
        let total_ms = i64::try_from(self.opened.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        let closing = Closing {
            charge: self.opened.amount,
            is_further: self.opened.request_id != self.opened.id,
            estimated: true,
            outcome: Outcome::HungUp,
            notes: if is_sent {
                "estimate: dropped".to_owned()
            } else {
                String::new()
            },
            total_ms,
            finished_at_ms: self.opened.started_at_ms.saturating_add(total_ms),
            ..Closing::default()
        };
        self.end(closing, !is_sent);
    }
}
