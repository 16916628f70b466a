//! The lock that keeps a second serving process off a SQLite file.
//!
//! Invariant: the lock is the operating system's and is gone when the process is, however it ends. Writes the file
//! `ourhub.lock`.

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
};

/// Holds the data directory until it is dropped.
#[derive(Debug)]
#[must_use = "the lock is released when the guard is dropped"]
pub struct Guard {
    _file: File,
}

/// Why the data directory could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process serves from it.
    #[error("another process serves from {0}")]
    Taken(PathBuf),
    /// The lock file could not be made.
    #[error("{0} cannot be locked: {1}")]
    Io(PathBuf, std::io::Error),
}

/// Locks `data_dir` for this process.
///
/// # Errors
/// [`LockError`] if another process has it or the file cannot be made.
pub fn lock(data_dir: &Path) -> Result<Guard, LockError> {
    let path = data_dir.join("ourhub.lock");
    let failed = |error| LockError::Io(path.clone(), error);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Guard { _file: file }),
        Err(TryLockError::WouldBlock) => Err(LockError::Taken(data_dir.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}
