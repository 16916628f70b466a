//! Entries, each written once, whatever becomes of the answer to its commit.
//!
//! Invariant: an attempt that finds its entry written takes it as its own; so it is repeated until the database says what there
//! is. Until then `loading` is held: memory counts the entry before anybody reads the bucket it is in. Reads `entry`.

use super::{Down, Ledger, LedgerError, links, wallet::immediate};
use entity::entry;
use sea_orm::{DbErr, EntityTrait, RuntimeErr, TransactionTrait, sqlx::error::DatabaseError};
use std::time::{Duration, Instant};

/// How long one attempt may take.
const TRY_WITHIN: Duration = Duration::from_secs(5);
/// How long an entry is tried to be written; after that it is only found out whether it is.
const WRITE_WITHIN: Duration = Duration::from_secs(15);
/// How long who asked for an entry waits for it, with the wait for others that change wallets.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// The pause after an attempt that failed.
const PAUSE: Duration = Duration::from_millis(200);

/// What an attempt may fail with.
pub(super) trait Attempt: From<LedgerError> {
    /// Whether it is certain that nothing was written, and will not be.
    fn is_final(&self) -> bool;
}

impl Attempt for LedgerError {
    fn is_final(&self) -> bool {
        match self {
            Self::Database(error) => is_bad_value(error),
            Self::Down(_) => false,
            _ => true,
        }
    }
}

/// Whether Postgres says that a value is none for its column (class 22): it says so again each time.
fn is_bad_value(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) = error else {
        return false;
    };
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| code.len() == 5 && code.starts_with("22"))
}

impl Ledger {
    /// Makes `attempt` to write the entry `id` until it is known what came of it. Whoever calls it holds `loading`.
    pub(super) async fn once<T, E: Attempt, F>(&self, id: i64, attempt: impl Fn() -> F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let until = Instant::now() + WRITE_WITHIN;
        loop {
            let tried = tokio::time::timeout(TRY_WITHIN, attempt()).await;
            let error = match tried {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(error)) if error.is_final() => return Err(error),
                Ok(Err(error)) => error,
                Err(_) => LedgerError::Down(Down).into(),
            };
            if Instant::now() >= until {
                let found = tokio::time::timeout(TRY_WITHIN, self.has_entry(id)).await;
                if matches!(found, Ok(Ok(false))) {
                    return Err(error);
                }
                if self.inner.book.has_ended() {
                    return Err(LedgerError::Unsure.into());
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Whether the entry `id` is written; an error while somebody is about to commit one, which may be it.
    async fn has_entry(&self, id: i64) -> Result<bool, LedgerError> {
        let transaction = self.inner.db.begin_with_options(immediate()).await?;
        links::lock_entries(&transaction).await?;
        let found = entry::Entity::find_by_id(id).one(&transaction).await?;
        transaction.rollback().await?;
        Ok(found.is_some())
    }
}

/// Runs `work` to its end, also for those who stop waiting; who asked waits for a while.
pub(super) async fn answered<T: Send + 'static, E: Attempt + Send + 'static>(
    work: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Result<T, E> {
    match tokio::time::timeout(ANSWER_WITHIN, tokio::spawn(work)).await {
        Ok(Ok(done)) => done,
        Ok(Err(error)) => Err(LedgerError::from(std::io::Error::from(error)).into()),
        Err(_) => Err(LedgerError::Unsure.into()),
    }
}
