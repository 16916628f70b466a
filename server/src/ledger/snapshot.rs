//! One moment of the database, to read the books from while a server goes on writing.
//!
//! Invariant: nothing is written through it.

use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseBackend, DatabaseConnection, DatabaseTransaction, DbErr, IsolationLevel,
    TransactionTrait,
};

/// Whoever takes what is read may pause: nobody waits for a reader.
const PATIENCE: &str = "SET LOCAL idle_in_transaction_session_timeout = 0";

/// A transaction whose reads all see the same rows.
///
/// # Errors
/// The database failed.
pub async fn snapshot(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    match db.get_database_backend() {
        DatabaseBackend::Postgres => {
            let transaction = db
                .begin_with_config(Some(IsolationLevel::RepeatableRead), Some(AccessMode::ReadOnly))
                .await?;
            transaction.execute_unprepared(PATIENCE).await?;
            Ok(transaction)
        }
        _ => db.begin().await,
    }
}
