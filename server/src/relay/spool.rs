//! The spool: a form as it came, kept until its request is settled, so that another account can be asked it too.
//!
//! Invariant: up to 1 MiB is in memory, the rest in a file of the data directory that no other user reads and that is gone with the last
//! reader; on Unix it has no name, so that nothing is left even where the process is killed. Reads and writes that file.

use crate::clock;
use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use gateway_core::dialect::media::{Multipart, Piece};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// How much is kept in memory, in bytes.
const MEMORY_MAX: usize = 1 << 20;
/// How much is read or written at once, in bytes.
const BLOCK: usize = 256 << 10;

/// A form that has arrived.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Its fields.
    pub form: Multipart,
    /// Its bytes.
    pub spool: Spool,
}

/// Bytes that can be read again and again; clones are the same.
#[derive(Clone, Debug)]
pub struct Spool(Arc<Kept>);

#[derive(Debug)]
enum Kept {
    Memory(Bytes),
    File(Mutex<Temporary>),
}

/// A file that is gone when this is.
#[derive(Debug)]
struct Temporary {
    file: File,
    /// Where it still has a name.
    path: Option<PathBuf>,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = self.path.take()
            && let Err(error) = std::fs::remove_file(&path)
        {
            tracing::warn!(%error, "a temporary file is left");
        }
    }
}

impl Temporary {
    fn create(folder: &PathBuf) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let path = folder.join(format!("upload-{}-{}", std::process::id(), clock::new_id()));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path)?;
        let mut temporary = Self { file, path: Some(path) };
        if cfg!(unix)
            && let Some(path) = temporary.path.take()
        {
            std::fs::remove_file(path)?;
        }
        Ok(temporary)
    }

    fn read(&mut self, at: u64, bytes: usize) -> io::Result<Bytes> {
        let mut block = vec![0; bytes];
        self.file.seek(SeekFrom::Start(at))?;
        self.file.read_exact(&mut block)?;
        Ok(Bytes::from(block))
    }
}

/// A spool that is being filled.
#[derive(Debug)]
pub struct Spooling {
    folder: PathBuf,
    memory: BytesMut,
    file: Option<Temporary>,
}

impl Spooling {
    /// With its file, where one is needed, in `folder`.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            memory: BytesMut::new(),
            file: None,
        }
    }

    /// Takes `piece` in.
    ///
    /// # Errors
    /// The file cannot be made or written.
    pub async fn push(&mut self, piece: &[u8]) -> io::Result<()> {
        self.memory.extend_from_slice(piece);
        let most = if self.file.is_some() { BLOCK } else { MEMORY_MAX };
        if self.memory.len() > most {
            self.write().await?;
        }
        Ok(())
    }

    /// Moves what is in memory to the file.
    async fn write(&mut self) -> io::Result<()> {
        let block = self.memory.split().freeze();
        let (folder, file) = (self.folder.clone(), self.file.take());
        let written = tokio::task::spawn_blocking(move || {
            let mut file = match file {
                Some(file) => file,
                None => Temporary::create(&folder)?,
            };
            file.file.write_all(&block)?;
            io::Result::Ok(file)
        });
        self.file = Some(written.await??);
        Ok(())
    }

    /// What was taken in.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn finish(mut self) -> io::Result<Spool> {
        if self.file.is_some() && !self.memory.is_empty() {
            self.write().await?;
        }
        let kept = match self.file {
            Some(file) => Kept::File(Mutex::new(file)),
            None => Kept::Memory(self.memory.freeze()),
        };
        Ok(Spool(Arc::new(kept)))
    }
}

impl Spool {
    /// `pieces`, of which some are ranges of this, block by block.
    pub fn stream(&self, pieces: Vec<Piece>) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
        let from = (self.clone(), VecDeque::from(pieces));
        futures_util::stream::try_unfold(from, |(spool, mut pieces)| async move {
            while let Some(piece) = pieces.pop_front() {
                let block = match piece {
                    Piece::Own(bytes) => bytes,
                    Piece::Kept(Range { start, end }) => {
                        let part = end.min(start.saturating_add(BLOCK as u64));
                        if part < end {
                            pieces.push_front(Piece::Kept(part..end));
                        }
                        spool.read(start..part).await?
                    }
                };
                if !block.is_empty() {
                    return Ok(Some((block, (spool, pieces))));
                }
            }
            Ok(None)
        })
    }

    async fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        let bytes = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(BLOCK);
        let kept = Arc::clone(&self.0);
        match &*self.0 {
            Kept::Memory(memory) => {
                let start = usize::try_from(range.start).unwrap_or(usize::MAX);
                let there = memory.get(start..start.saturating_add(bytes));
                there
                    .map(|part| memory.slice_ref(part))
                    .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
            }
            Kept::File(_) => {
                let read = move || match &*kept {
                    Kept::File(file) => file.lock().read(range.start, bytes),
                    Kept::Memory(_) => Ok(Bytes::new()),
                };
                tokio::task::spawn_blocking(read).await?
            }
        }
    }
}

/// How long `pieces` are together, in bytes.
pub(super) fn length(pieces: &[Piece]) -> u64 {
    let each = pieces.iter().map(|piece| match piece {
        Piece::Own(bytes) => bytes.len() as u64,
        Piece::Kept(range) => range.end.saturating_sub(range.start),
    });
    each.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use futures_util::TryStreamExt as _;

    async fn spooled(folder: &std::path::Path, bytes: &[u8]) -> Spool {
        let mut spooling = Spooling::new(folder.to_path_buf());
        for piece in bytes.chunks(100_000) {
            spooling.push(piece).await.unwrap();
        }
        spooling.finish().await.unwrap()
    }

    #[tokio::test]
    async fn what_was_spooled_is_read_as_often_as_one_likes_and_leaves_no_file() {
        let folder = std::env::temp_dir().join(format!("ourhub_spool_{}", std::process::id()));
        for size in [10, MEMORY_MAX, MEMORY_MAX + 1, 3 * MEMORY_MAX + 7] {
            let bytes: Vec<u8> = (0..size).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let spool = spooled(&folder, &bytes).await;
            assert_eq!(matches!(*spool.0, Kept::File(_)), size > MEMORY_MAX, "{size}");
            let (middle, end) = (size as u64 / 2, size as u64);
            for _ in 0..2 {
                let pieces = vec![
                    Piece::Kept(0..middle),
                    Piece::Own(Bytes::from_static(b"ours")),
                    Piece::Kept(middle..end),
                ];
                assert_eq!(length(&pieces), end + 4);
                let read: Vec<Bytes> = spool.stream(pieces).try_collect().await.unwrap();
                let half = size / 2;
                assert_eq!(read.concat(), [&bytes[..half], b"ours", &bytes[half..]].concat());
            }
            let beyond: Result<Vec<Bytes>, _> = spool.stream(vec![Piece::Kept(end..end + 1)]).try_collect().await;
            assert!(beyond.is_err());
            drop(spool);
            let left = std::fs::read_dir(&folder).map_or(0, Iterator::count);
            assert_eq!(left, 0, "{size}");
        }
        let _ = std::fs::remove_dir(&folder);
    }
}
