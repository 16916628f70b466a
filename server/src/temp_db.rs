//! A migrated SQLite file of its own for one test, gone when the test ends.
//!
//! Invariant: exists in tests only. Writes a file in the temporary directory.
#![allow(clippy::unwrap_used)]

use migration::{Migrator, MigratorTrait as _};
use sea_orm::{Database, DatabaseConnection};
use std::{ops::Deref, path::PathBuf};

/// The database; derefs to its connection.
pub struct TempDb {
    db: DatabaseConnection,
    dir: PathBuf,
}

impl TempDb {
    /// A new database with every table.
    pub async fn open() -> Self {
        let dir = std::env::temp_dir().join(format!("ourhub-test-{}-{}", std::process::id(), crate::clock::new_id()));
        std::fs::create_dir_all(&dir).unwrap();
        let url = format!("sqlite://{}?mode=rwc", dir.join("test.db").display());
        let db = Database::connect(url).await.unwrap();
        Migrator::up(&db, None).await.unwrap();
        Self { db, dir }
    }
}

impl Deref for TempDb {
    type Target = DatabaseConnection;

    fn deref(&self) -> &DatabaseConnection {
        &self.db
    }
}

impl Drop for TempDb {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
