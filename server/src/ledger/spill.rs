//! Ends of holds that the database does not take: a file beside it keeps them until it does.
//!
//! Invariant: while a write fails, what ends is in the file, synced, within a fraction of a second (on SQLite once the write that
//! hangs has returned), or the log says that it is not; a node's file is gone once the database has what is in it. What stands in the file is charged once: it ends only holds
//! that are open in the database, and corrects only those that were posted whole for want of it. Reads and writes
//! `spill/<node>.jsonl` in the data directory; reads `node` and `hold`.

use super::{
    Closing, LedgerError, Outcome,
    batch::{Batch, Closed, HoldRow, State},
    book::Book,
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
    /// What the provider takes, where the line tells it.
    #[serde(default)]
    cost: Option<i64>,
    #[serde(default)]
    is_further: bool,
    #[serde(flatten)]
    usage: Usage,
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
        Self {
            hold: row.opened.id,
            state: row.state.code(),
            posted: row.posted,
            overrun: row.overrun,
            cost: Some(row.cost),
            is_further: row.is_further,
            usage: row.tokens.usage,
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
        if self.posted < 0 {
            return None;
        }
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
                usage: self.usage,
                charge: Nano(self.posted),
                cost: self.cost.map(Nano),
                is_further: self.is_further,
                account_id: asked_last(&self.attempts),
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

/// What is read of an attempt.
#[derive(Deserialize)]
struct Tried {
    account: String,
}

/// The account that the last of `attempts` asked, as `hold.attempts` has them; 0 where there is none.
fn asked_last(attempts: &str) -> i64 {
    let attempts: Vec<Tried> = serde_json::from_str(attempts).unwrap_or_default();
    let last = attempts.last().and_then(|tried| tried.account.parse().ok());
    last.unwrap_or_default()
}

/// The file of one node, while its journal cannot write.
#[derive(Debug)]
pub(super) struct Spill {
    /// None where there is no data directory.
    path: Option<PathBuf>,
    /// The number of the last operation that was looked at.
    last: u64,
    /// Whether the file has lines that the database may lack.
    has_lines: bool,
    /// Whether the last write failed, so that a piece of a line may stand at the end.
    is_failing: bool,
}

impl Spill {
    /// The file of `node`, which is not there yet.
    pub fn new(data_dir: Option<&Path>, node: i64) -> Self {
        Self {
            path: data_dir.map(|dir| path(dir, node)),
            last: 0,
            has_lines: false,
            is_failing: false,
        }
    }

    /// The number of the last operation that was looked at.
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// Keeps the ends in `batch`, which is not written, and those that queue behind it.
    pub fn keep(&mut self, book: &Book, batch: &Batch) {
        if self.add(&batch.holds, batch.last) {
            self.keep_queue(book);
        }
    }

    /// Adds the ends among `rows`, which stand for the operations up to the one numbered `last`, if these are new; `false` if
    /// that is to be tried again. What cannot be added is told in the log: memory alone has it.
    pub fn add(&mut self, rows: &[HoldRow], last: u64) -> bool {
        if last <= self.last {
            return true;
        }
        let mut text = String::new();
        for row in rows.iter().filter(|row| row.state != State::Held) {
            if let Ok(line) = serde_json::to_string(&Line::of(row)) {
                text.push_str(&line);
                text.push('\n');
            }
        }
        if let Err(error) = self.append(&text) {
            if !self.is_failing {
                let ends = text.lines().count();
                tracing::error!(%error, ends, "ends of holds could be written neither to the database nor to the spill file");
            }
            self.is_failing = true;
            return false;
        }
        self.last = last;
        true
    }

    fn append(&mut self, text: &str) -> io::Result<()> {
        let Some(path) = self.path.as_ref().filter(|_| !text.is_empty()) else {
            return Ok(());
        };
        // Opened each time: another process that has dealt with the node may have removed it.
        let mut file = open(path)?;
        self.has_lines = true;
        let length = file.metadata()?.len();
        let starts_line = if self.is_failing { "\n" } else { "" };
        let written = file
            .write_all(starts_line.as_bytes())
            .and_then(|()| file.write_all(text.as_bytes()))
            .and_then(|()| file.sync_data());
        if let Err(error) = written {
            // It is tried again: what is there of it would only make the file longer.
            let _ = file.set_len(length);
            return Err(error);
        }
        if std::mem::take(&mut self.is_failing) {
            tracing::info!("the spill file takes ends of holds again");
        }
        Ok(())
    }

    /// The database has every operation up to the one numbered `last`: the file goes if it has no later one.
    pub fn written(&mut self, last: u64) {
        if last < self.last {
            return;
        }
        self.is_failing = false;
        if std::mem::take(&mut self.has_lines) {
            self.path.as_deref().map(remove).unwrap_or_default();
        }
    }

    /// Keeps the ends that queue, of which nothing was written yet.
    pub fn keep_queue(&mut self, book: &Book) {
        let (rows, last) = book.ends_after(self.last);
        self.add(&rows, last);
    }
}

fn path(data_dir: &Path, node: i64) -> PathBuf {
    data_dir.join(DIR).join(format!("{node}.jsonl"))
}

/// Opens the file for its owner alone, and makes sure that it is found after a crash.
fn open(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.append(true);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        opened => return opened,
    }
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    options.create(true);
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

/// A hold that another machine posted whole before the end of it was found here.
#[derive(Debug)]
pub(super) struct Late {
    pub team_id: i64,
    pub hold_id: i64,
    /// What it was charged.
    pub posted: Nano,
    /// What it came to.
    pub actual: Nano,
}

/// The nodes that have a file and that the database does not know any more: others have ended their holds.
pub(super) async fn gone(db: &DatabaseConnection, data_dir: &Path) -> Result<Vec<i64>, LedgerError> {
    let files = match fs::read_dir(data_dir.join(DIR)) {
        Ok(files) => files,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut gone = Vec::new();
    for file in files {
        let name = file?.file_name();
        let id = name.to_str().and_then(|name| name.strip_suffix(".jsonl"));
        let Some(Ok(id)) = id.map(str::parse::<i64>) else {
            continue;
        };
        if node::Entity::find_by_id(id).one(db).await?.is_none() {
            gone.push(id);
        }
    }
    Ok(gone)
}

/// What the database knows of the holds in the file of one node.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// Those that were posted as recovered estimates of another amount than they came to, and paid by a wallet.
    pub late: Vec<Late>,
    /// Whether it knows none of them: then it is another database, or a copy from before.
    pub is_foreign: bool,
}

/// Looks the holds in the file of `node` up.
pub(super) async fn search(db: &DatabaseConnection, data_dir: &Path, node: i64) -> Result<Search, LedgerError> {
    let ends = read(data_dir, node)?;
    let mut search = Search {
        is_foreign: !ends.is_empty(),
        ..Search::default()
    };
    for (hold_id, closed) in ends {
        let Some(hold) = hold::Entity::find_by_id(hold_id).one(db).await? else {
            continue;
        };
        search.is_foreign = false;
        let is_recovered =
            hold.node_id == node && hold.state == State::Estimated.code() && hold.outcome == Outcome::Recovered.code();
        if !is_recovered || hold.posted == closed.posted.actual.0 {
            continue;
        }
        if hold.is_own {
            // No wallet paid it, and there is no correction of what caps alone have counted.
            let actual = closed.posted.actual.render();
            tracing::warn!(
                hold_id,
                actual,
                "a call to an own account was counted whole, and caps go on counting that"
            );
        } else {
            search.late.push(Late {
                team_id: hold.team_id,
                hold_id,
                posted: Nano(hold.posted),
                actual: closed.posted.actual,
            });
        }
    }
    Ok(search)
}

/// Puts the file of `node` out of the way, for a person to look at: the database knows nothing of what is in it.
pub(super) fn set_aside(data_dir: &Path, node: i64) {
    let path = path(data_dir, node);
    let aside = path.with_extension("unmatched");
    match fs::rename(&path, &aside) {
        Ok(()) => tracing::error!(
            path = %aside.display(),
            "a spill file tells of holds that this database does not know: is it the right one?"
        ),
        Err(error) => tracing::warn!(%error, path = %path.display(), "a spill file could not be renamed"),
    }
}
