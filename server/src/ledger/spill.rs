//! Ends of holds that the database does not take: a file beside it keeps them until it does.
//!
//! Invariant: an end is in the file, synced, before the journal tries once more to write it; a node's file is gone once the
//! database has what is in it, or has ended the holds otherwise. What stands in the file is charged once: it is read only for
//! holds that are open in the database. Reads and writes `spill/<node>.jsonl` in the data directory; reads `node` and `hold`.

use super::{
    Closing, LedgerError, Outcome,
    batch::{Closed, HoldRow, State},
};
use entity::{hold, node};
use gateway_core::{ledger::Posted, money::Nano, usage::Usage};
use sea_orm::{DatabaseConnection, EntityTrait};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

const DIR: &str = "spill";

/// One end of a hold, a line of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    hold: i64,
    state: i16,
    posted: i64,
    overrun: i64,
    input: u64,
    cache_read: u64,
    cache_write: u64,
    output: u64,
    reasoning: u64,
    outcome: i16,
    status: u16,
    attempts: String,
    notes: String,
    failovers: u32,
    ttft_ms: Option<i64>,
    total_ms: i64,
    finished_at: i64,
}

impl Line {
    fn of(row: &HoldRow) -> Self {
        let count = |tokens: i64| u64::try_from(tokens).unwrap_or_default();
        Self {
            hold: row.opened.id,
            state: row.state.code(),
            posted: row.posted,
            overrun: row.overrun,
            input: count(row.tokens.input),
            cache_read: count(row.tokens.cache_read),
            cache_write: count(row.tokens.cache_write),
            output: count(row.tokens.output),
            reasoning: count(row.tokens.reasoning),
            outcome: row.outcome,
            status: u16::try_from(row.status).unwrap_or_default(),
            attempts: row.attempts.clone(),
            notes: row.notes.clone(),
            failovers: u32::try_from(row.failovers).unwrap_or_default(),
            ttft_ms: row.ttft_ms,
            total_ms: row.total_ms.unwrap_or_default(),
            finished_at: row.finished_at.unwrap_or_default(),
        }
    }

    /// The end that the line tells; none if it tells of no end.
    fn closed(self) -> Option<Closed> {
        let state = [State::Posted, State::Voided, State::Estimated]
            .into_iter()
            .find(|state| state.code() == self.state)?;
        Some(Closed {
            state,
            posted: Posted {
                actual: Nano(self.posted),
                overrun: Nano(self.overrun),
            },
            closing: Closing {
                usage: Usage {
                    input: self.input,
                    cache_read: self.cache_read,
                    cache_write: self.cache_write,
                    output: self.output,
                    reasoning: self.reasoning,
                },
                charge: Nano(self.posted),
                estimated: state == State::Estimated,
                outcome: Outcome::from_code(self.outcome),
                status: self.status,
                attempts: self.attempts,
                notes: self.notes,
                failovers: self.failovers,
                ttft_ms: self.ttft_ms,
                total_ms: self.total_ms,
                finished_at_ms: self.finished_at,
            },
        })
    }
}

/// The file of one node, while its journal cannot write.
#[derive(Debug)]
pub(super) struct Spill {
    /// None where there is no data directory.
    path: Option<PathBuf>,
    file: Option<File>,
    /// The number of the last operation that was looked at.
    last: u64,
}

impl Spill {
    /// The file of `node`, which is not there yet.
    pub fn new(data_dir: Option<&Path>, node: i64) -> Self {
        Self {
            path: data_dir.map(|dir| path(dir, node)),
            file: None,
            last: 0,
        }
    }

    /// The number of the last operation that was looked at.
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// Adds the ends among `rows`, which stand for the operations up to the one numbered `last`, if these are new. What
    /// cannot be added is told in the log: it is left to memory alone.
    pub fn add(&mut self, rows: &[HoldRow], last: u64) {
        if last <= self.last {
            return;
        }
        self.last = last;
        let mut text = String::new();
        for row in rows.iter().filter(|row| row.state != State::Held) {
            if let Ok(line) = serde_json::to_string(&Line::of(row)) {
                text.push_str(&line);
                text.push('\n');
            }
        }
        if text.is_empty() {
            return;
        }
        if let Err(error) = self.append(&text) {
            tracing::error!(%error, "ends of holds could be written neither to the database nor to the spill file");
        }
    }

    fn append(&mut self, text: &str) -> io::Result<()> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(create(path)?),
        };
        file.write_all(text.as_bytes())?;
        file.sync_data()
    }

    /// The database has every operation up to the one numbered `last`: the file goes if it has no later one.
    pub fn written(&mut self, last: u64) {
        if last < self.last {
            return;
        }
        if let (Some(path), Some(_)) = (&self.path, self.file.take()) {
            remove(path);
        }
    }
}

fn path(data_dir: &Path, node: i64) -> PathBuf {
    data_dir.join(DIR).join(format!("{node}.jsonl"))
}

/// Opens the file for its owner alone, and makes sure that it is found after a crash.
fn create(path: &Path) -> io::Result<File> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    let mut options = File::options();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    if let Some(dir) = path.parent() {
        File::open(dir)?.sync_all()?;
    }
    Ok(file)
}

fn remove(path: &Path) {
    match fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(%error, path = %path.display(), "a spill file could not be removed"),
    }
}

/// The ends in the file of `node`, by hold. Lines that are damaged, as the last one is when a process was killed while it
/// wrote, are left out and told in the log.
///
/// # Errors
/// The file is there and cannot be read.
pub(super) fn read(data_dir: &Path, node: i64) -> io::Result<HashMap<i64, Closed>> {
    let path = path(data_dir, node);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashMap::new()),
        Err(error) => return Err(error),
    };
    let mut ends = HashMap::new();
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let parsed = serde_json::from_slice::<Line>(line).ok();
        match parsed.and_then(|line| Some((line.hold, line.closed()?))) {
            Some((hold, closed)) => {
                ends.entry(hold).or_insert(closed);
            }
            None => tracing::warn!(path = %path.display(), "a damaged line of a spill file is left out"),
        }
    }
    Ok(ends)
}

/// Removes the file of `node`: the database has ended its holds.
pub(super) fn forget(data_dir: &Path, node: i64) {
    remove(&path(data_dir, node));
}

/// Removes the files of nodes that the database does not know any more: others have ended their holds, as estimates, which
/// stay, and the log says so.
pub(super) async fn forget_gone(db: &DatabaseConnection, data_dir: &Path) -> Result<(), LedgerError> {
    let files = match fs::read_dir(data_dir.join(DIR)) {
        Ok(files) => files,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    for file in files {
        let name = file?.file_name();
        let id = name.to_str().and_then(|name| name.strip_suffix(".jsonl"));
        let Some(Ok(id)) = id.map(str::parse::<i64>) else {
            continue;
        };
        if node::Entity::find_by_id(id).one(db).await?.is_some() {
            continue;
        }
        let mut estimates = Vec::new();
        for hold_id in read(data_dir, id)?.into_keys() {
            let hold = hold::Entity::find_by_id(hold_id).one(db).await?;
            if hold.is_some_and(|hold| hold.outcome == Outcome::Recovered.code()) {
                estimates.push(hold_id);
            }
        }
        if !estimates.is_empty() {
            tracing::warn!(
                node = id,
                ?estimates,
                "the true usage of these holds came too late: another machine posted them whole"
            );
        }
        forget(data_dir, id);
    }
    Ok(())
}
