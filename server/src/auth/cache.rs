//! Answers of the database that may be a second old.
//!
//! Invariant: no answer is used that was asked for more than [`FRESH_MS`] ago, or before it was forgotten; at most
//! one query per entry runs at a time. In memory.

use parking_lot::RwLock;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How long an answer is used, in milliseconds: so fast does a revocation elsewhere take effect.
pub const FRESH_MS: i64 = 1_000;
const MAX_ENTRIES: usize = 20_000;

struct Slot<V> {
    /// When it was asked for (Unix milliseconds), and the answer.
    answer: RwLock<Option<(i64, V)>>,
    gate: tokio::sync::Mutex<()>,
}

impl<V: Clone> Slot<V> {
    const fn new() -> Self {
        Self {
            answer: RwLock::new(None),
            gate: tokio::sync::Mutex::const_new(()),
        }
    }

    fn fresh(&self, now_ms: i64) -> Option<V> {
        let answer = self.answer.read();
        let (asked_ms, value) = answer.as_ref()?;
        (now_ms.abs_diff(*asked_ms) < FRESH_MS.unsigned_abs()).then(|| value.clone())
    }
}

/// A cache of answers by `K`; `V` is cheap to clone.
pub struct Cache<K, V> {
    slots: RwLock<HashMap<K, Arc<Slot<V>>>>,
    /// Counts what was forgotten, so that an answer asked for before is not kept after.
    forgotten: AtomicU64,
}

impl<K: Eq + Hash + Clone, V: Clone> Cache<K, V> {
    /// Knows nothing.
    #[must_use]
    pub fn new() -> Self {
        Self {
            slots: RwLock::new(HashMap::new()),
            forgotten: AtomicU64::new(0),
        }
    }

    /// The fresh answer for `key`, else what `load` gives. Failures are not kept.
    ///
    /// # Errors
    /// What `load` failed with.
    pub async fn get<E>(&self, key: &K, now_ms: i64, load: impl Future<Output = Result<V, E>>) -> Result<V, E> {
        let known = self.slots.read().get(key).cloned();
        if let Some(value) = known.as_ref().and_then(|slot| slot.fresh(now_ms)) {
            return Ok(value);
        }
        let slot = known.unwrap_or_else(|| self.insert(key, now_ms));
        let _gate = slot.gate.lock().await;
        if let Some(value) = slot.fresh(now_ms) {
            return Ok(value);
        }
        let before = self.forgotten.load(Ordering::SeqCst);
        let value = load.await?;
        let mut answer = slot.answer.write();
        if self.forgotten.load(Ordering::SeqCst) == before {
            *answer = Some((now_ms, value.clone()));
        }
        Ok(value)
    }

    fn insert(&self, key: &K, now_ms: i64) -> Arc<Slot<V>> {
        let mut slots = self.slots.write();
        if slots.len() >= MAX_ENTRIES {
            slots.retain(|_, slot| slot.fresh(now_ms).is_some());
        }
        if slots.len() >= MAX_ENTRIES {
            slots.clear();
        }
        Arc::clone(slots.entry(key.clone()).or_insert_with(|| Arc::new(Slot::new())))
    }

    /// Forgets every answer that `is_stale` names, and those being asked for at this moment.
    pub fn forget(&self, is_stale: impl Fn(&V) -> bool) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        for slot in self.slots.read().values() {
            let mut answer = slot.answer.write();
            if answer.as_ref().is_some_and(|(_, value)| is_stale(value)) {
                *answer = None;
            }
        }
    }
}

impl<K: Eq + Hash + Clone, V: Clone> Default for Cache<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::cell::Cell;
    use std::convert::Infallible;

    async fn ask(cache: &Cache<u8, u32>, now_ms: i64, asked: &Cell<u32>) -> u32 {
        let load = async {
            asked.set(asked.get() + 1);
            Ok::<_, Infallible>(asked.get())
        };
        cache.get(&1, now_ms, load).await.unwrap()
    }

    #[tokio::test]
    async fn an_answer_is_used_for_less_than_a_second() {
        let (cache, asked) = (Cache::new(), Cell::new(0));
        assert_eq!(ask(&cache, 10_000, &asked).await, 1);
        assert_eq!(ask(&cache, 10_999, &asked).await, 1);
        assert_eq!(ask(&cache, 11_000, &asked).await, 2);
    }

    #[tokio::test]
    async fn what_is_forgotten_is_asked_for_again() {
        let (cache, asked) = (Cache::new(), Cell::new(0));
        ask(&cache, 10_000, &asked).await;
        cache.forget(|value| *value == 7);
        assert_eq!(ask(&cache, 10_000, &asked).await, 1);
        cache.forget(|value| *value == 1);
        assert_eq!(ask(&cache, 10_000, &asked).await, 2);
    }

    #[tokio::test]
    async fn an_answer_that_was_forgotten_while_it_was_asked_for_is_not_kept() {
        let cache = Cache::new();
        let load = async {
            cache.forget(|_| false);
            Ok::<_, Infallible>(5)
        };
        assert_eq!(cache.get(&1_u8, 10_000, load).await.unwrap(), 5);
        let again = cache.get(&1, 10_000, async { Ok::<_, Infallible>(6) }).await.unwrap();
        assert_eq!(again, 6);
    }

    #[tokio::test]
    async fn many_at_once_ask_once() {
        let (cache, asked) = (Cache::new(), Cell::new(0));
        let callers = (0..50).map(|_| {
            let load = async {
                asked.set(asked.get() + 1);
                tokio::task::yield_now().await;
                Ok::<_, Infallible>(asked.get())
            };
            cache.get(&1_u8, 10_000, load)
        });
        let answers = futures_util::future::join_all(callers).await;
        assert_eq!(asked.get(), 1);
        assert!(answers.into_iter().all(|answer| answer.unwrap() == 1));
    }

    #[tokio::test]
    async fn a_failure_is_not_kept() {
        let cache: Cache<u8, u8> = Cache::new();
        assert_eq!(cache.get(&1, 10_000, async { Err("down") }).await, Err("down"));
        assert_eq!(cache.get(&1, 10_000, async { Ok::<_, &str>(3) }).await, Ok(3));
    }
}
