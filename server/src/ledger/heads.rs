//! The heads of the ledger's chains, kept beside the database: one that was set back to an earlier state, or written anew
//! whole, is noticed.
//!
//! Invariant: the file is replaced whole, and names only groups that were committed before; so whatever it names a database
//! that lost nothing has. What the database was found to lack stays in the file until somebody removes it. Reads and writes
//! `ledger.head` in the data directory; reads `journal`.

use super::{
    LedgerError,
    chain::Hash,
    links::{self, Head},
};
use parking_lot::{Condvar, Mutex};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    thread,
    time::{Duration, Instant},
};

const FILE: &str = "ledger.head";
const TITLE: &str =
    "# The last group of each of the ledger's chains, with its hash: `ourhub ledger verify` looks for them.\n";
/// How often the file is replaced at most.
const REST: Duration = Duration::from_secs(1);
/// How often the head is logged.
const LOG_EVERY: Duration = Duration::from_secs(24 * 3_600);
/// Held while the file is replaced: the ledgers of a process may share it.
static REPLACING: Mutex<()> = Mutex::new(());
/// Chains that the file tells of, the newest.
const MAX_HEADS: usize = 1_000;

/// See the module.
pub(super) struct Heads {
    path: Option<PathBuf>,
    /// The node that this process began as: nobody else has its number.
    node: i64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    heads: BTreeMap<i64, Head>,
    /// What the database lacks.
    lost: Vec<Head>,
    /// The chain this process wrote to last.
    newest: Option<Head>,
    is_changed: bool,
    is_finished: bool,
}

impl State {
    /// Takes `head` in, unless a later one of its chain is known.
    fn note(&mut self, head: Head) {
        let known = self.heads.entry(head.node).or_insert(head);
        if known.batch <= head.batch {
            *known = head;
        }
    }

    fn render(&self) -> String {
        let mut text = TITLE.to_owned();
        // Entries have the lowest number and are always told of.
        let entries = self.heads.first_key_value().into_iter();
        let nodes = self.heads.iter().skip(1).rev().take(MAX_HEADS);
        let known = entries.chain(nodes).map(|(_, head)| head);
        for head in self.lost.iter().chain(known) {
            let _ = writeln!(text, "{}", render(head));
        }
        text
    }
}

impl Heads {
    /// Those of the database, after a look for what the file in `data_dir` tells of.
    pub async fn open(db: &DatabaseConnection, data_dir: Option<&Path>, node: i64) -> Result<Arc<Self>, LedgerError> {
        let path = data_dir.map(|dir| dir.join(FILE));
        let mut state = State::default();
        for head in path.as_deref().map(read).transpose()?.unwrap_or_default() {
            if links::has(db, &head).await? {
                continue;
            }
            tracing::error!(
                node = head.node,
                batch = head.batch,
                hash = hex(&head.hash),
                "the database lacks what it had: it was set back or changed; `ourhub ledger verify` says so until the line is \
                 taken out of ledger.head"
            );
            state.lost.push(head);
        }
        for head in links::heads(db).await? {
            state.note(head);
        }
        state.newest = state.heads.last_key_value().map(|(_, head)| *head);
        let heads = Arc::new(Self {
            path,
            node,
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        heads.log();
        let weak = Arc::downgrade(&heads);
        thread::Builder::new()
            .name("heads".to_owned())
            .spawn(move || keep(&weak))?;
        Ok(heads)
    }

    /// The group `batch` of `node` is committed.
    pub fn note(&self, node: i64, batch: i64, hash: Hash) {
        let head = Head { node, batch, hash };
        let mut state = self.state.lock();
        state.note(head);
        state.newest = Some(head);
        if !std::mem::replace(&mut state.is_changed, true) {
            self.changed.notify_one();
        }
    }

    /// Nothing more is written: the file is brought up to date.
    pub fn finish(&self) {
        self.state.lock().is_finished = true;
        self.changed.notify_one();
        self.save();
        self.log();
    }

    fn log(&self) {
        let newest = self.state.lock().newest;
        if let Some(Head { node, batch, hash }) = newest {
            tracing::info!(node, batch, hash = hex(&hash), "the ledger's head");
        }
    }

    /// Replaces the file, if there is something new.
    fn save(&self) {
        let Some(path) = &self.path else { return };
        let _replacing = REPLACING.lock();
        if !self.state.lock().is_changed {
            return;
        }
        let there = read(path);
        let mut state = self.state.lock();
        state.is_changed = false;
        if let Ok(there) = there {
            // What somebody has taken out stays out.
            state.lost.retain(|head| there.contains(head));
            // Other processes may share the directory.
            for head in there {
                if !state.lost.contains(&head) {
                    state.note(head);
                }
            }
        }
        let text = state.render();
        drop(state);
        if let Err(error) = replace(path, self.node, &text) {
            tracing::error!(%error, path = %path.display(), "the ledger's head could not be kept");
            self.state.lock().is_changed = true;
        }
    }
}

/// Keeps the file up to date until nothing more is written.
fn keep(heads: &Weak<Heads>) {
    let mut logged = Instant::now();
    loop {
        // Nobody can be waited for without being kept alive: so it is looked at from time to time whether others live.
        let Some(heads) = heads.upgrade() else { return };
        let mut state = heads.state.lock();
        if !state.is_changed && !state.is_finished {
            heads.changed.wait_for(&mut state, REST);
        }
        let (is_changed, is_finished) = (state.is_changed, state.is_finished);
        drop(state);
        if is_finished {
            return;
        }
        if is_changed {
            heads.save();
        }
        if logged.elapsed() >= LOG_EVERY {
            heads.log();
            logged = Instant::now();
        }
        drop(heads);
        if is_changed {
            thread::sleep(REST);
        }
    }
}

/// What the file in `data_dir` tells of.
///
/// # Errors
/// It is there and cannot be read.
pub(super) fn kept(data_dir: &Path) -> io::Result<Vec<Head>> {
    read(&data_dir.join(FILE))
}

/// Those of `heads` that the database lacks, one sentence each.
pub(super) async fn lacking(db: &impl ConnectionTrait, heads: &[Head]) -> Result<Vec<String>, DbErr> {
    let mut lacking = Vec::new();
    for head in heads {
        if !links::has(db, head).await? {
            lacking.push(format!(
                "{FILE}: the database lacks group {} of node {}, hash {}: it was set back or changed",
                head.batch,
                head.node,
                hex(&head.hash)
            ));
        }
    }
    Ok(lacking)
}

fn read(path: &Path) -> io::Result<Vec<Head>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.lines().filter_map(parse).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Puts `text` in the place of the file at `path`, so that there is always one of the two. Processes of several hosts may
/// share the directory, so the new one has the node's name.
fn replace(path: &Path, node: i64, text: &str) -> io::Result<()> {
    let new = path.with_extension(format!("head.{node}"));
    let mut file = File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_data()?;
    fs::rename(&new, path)
}

fn render(head: &Head) -> String {
    format!("{} {} {}", head.node, head.batch, hex(&head.hash))
}

fn parse(line: &str) -> Option<Head> {
    let mut words = line.split_ascii_whitespace();
    let (node, batch) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let (digits, mut hash) = (words.next()?.as_bytes(), Hash::default());
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    if pairs.len() != hash.len() {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(pairs) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(Head { node, batch, hash })
}

fn hex(hash: &Hash) -> String {
    hash.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_reads_as_it_was_written() {
        let head = Head {
            node: 7,
            batch: 3,
            hash: std::array::from_fn(|nth| u8::try_from(nth * 8).unwrap()),
        };
        assert_eq!(parse(&render(&head)), Some(head));
        for damaged in [TITLE.trim_end(), "", "7 3", "7 3 00", "x 3 00"] {
            assert_eq!(parse(damaged), None, "{damaged}");
        }
    }
}
