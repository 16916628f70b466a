//! The chain of postings: each group of them is hashed with all that came before, so that none can be changed, removed or
//! added unnoticed.
//!
//! Invariant: what is hashed is what stands in the rows, so that it can be recomputed from them; numbers are hashed at a fixed
//! width and texts with their length, so that no two rows hash the same bytes. A link costs one row; a posting about 300 hashed
//! bytes and 32 stored ones. Pure.

use entity::{entry, hold, journal};
use sha2::{Digest, Sha256};

/// What every hash of a chain rests on.
pub(super) type Hash = [u8; 32];
/// The hash before the first group.
pub(super) const ROOT: Hash = [0; 32];
/// The chain of entries; no node has this id.
pub(super) const ENTRIES: i64 = 0;

/// What identifies a posting's row: the beginning of its SHA-256.
pub(super) type Print = [u8; PRINT];
const PRINT: usize = 24;
/// Bytes of a posting in a content: its id and its print.
const POSTING: usize = 8 + PRINT;

/// A group of postings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// The group's number.
    pub batch: i64,
    /// How many postings it has.
    pub rows: i64,
    /// The highest of their ids.
    pub last: i64,
    /// SHA-256 of the content.
    pub digest: Hash,
    /// What the next link rests on.
    pub hash: Hash,
    /// Each posting's id and print.
    pub content: Vec<u8>,
}

impl Link {
    /// The group `batch` of `postings`, on top of `previous`; `None` if there are none.
    pub fn new(previous: &Hash, batch: i64, mut postings: Vec<(i64, Print)>) -> Option<Self> {
        postings.sort_unstable();
        let (last, _) = *postings.last()?;
        let mut content = Vec::with_capacity(postings.len() * POSTING);
        for (id, print) in &postings {
            content.extend_from_slice(&id.to_be_bytes());
            content.extend_from_slice(print);
        }
        let rows = i64::try_from(postings.len()).unwrap_or(i64::MAX);
        let digest = Sha256::digest(&content).into();
        Some(Self {
            batch,
            rows,
            last,
            digest,
            hash: hash_of(previous, (batch, rows, last), &digest),
            content,
        })
    }

    /// Its row in the chain of `node_id`.
    pub fn row(self, node_id: i64) -> journal::Model {
        journal::Model {
            node_id,
            batch: self.batch,
            rows: self.rows,
            last: self.last,
            digest: self.digest.to_vec(),
            hash: self.hash.to_vec(),
            content: Some(self.content),
        }
    }
}

fn hash_of(previous: &Hash, (batch, rows, last): (i64, i64, i64), digest: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(previous);
    for number in [batch, rows, last] {
        hasher.update(number.to_be_bytes());
    }
    hasher.update(digest);
    hasher.finalize().into()
}

/// Whether the link `row` follows on `previous`.
pub(super) fn follows(previous: &[u8], row: &journal::Model) -> bool {
    let Ok(previous) = previous.try_into() else {
        return false;
    };
    hash_of(previous, (row.batch, row.rows, row.last), &row.digest)[..] == row.hash
}

/// The postings of `row` in the order of their ids, if it still has them; `Err` if they are not those that were written.
pub(super) fn postings(row: &journal::Model) -> Result<Option<Vec<(i64, Print)>>, ()> {
    let Some(content) = &row.content else { return Ok(None) };
    let (parts, rest) = content.as_chunks::<POSTING>();
    let postings: Vec<(i64, Print)> = parts
        .iter()
        .filter_map(|part| {
            let (id, print) = part.split_first_chunk()?;
            Some((i64::from_be_bytes(*id), print.try_into().ok()?))
        })
        .collect();
    let is_whole = rest.is_empty()
        && Sha256::digest(content)[..] == row.digest
        && i64::try_from(postings.len()) == Ok(row.rows)
        && postings.last().map(|(id, _)| *id) == Some(row.last)
        && postings.is_sorted_by(|one, next| one.0 < next.0);
    if is_whole { Ok(Some(postings)) } else { Err(()) }
}

/// The print of a row that has these numbers and texts.
pub(super) fn print(numbers: &[i64], texts: &[&str]) -> Print {
    let mut hasher = Sha256::new();
    for number in numbers {
        hasher.update(number.to_be_bytes());
    }
    for text in texts {
        hasher.update((text.len() as u64).to_be_bytes());
        hasher.update(text);
    }
    let digest: Hash = hasher.finalize().into();
    let mut print = [0; PRINT];
    print.copy_from_slice(&digest[..PRINT]);
    print
}

/// The print of a hold: all that bears on money, and nothing that tells of the call alone.
pub(super) fn of_hold(hold: &hold::Model) -> Print {
    let numbers = [
        hold.id,
        hold.request_id,
        hold.team_id,
        hold.key_id,
        i64::from(hold.member_id.is_some()),
        hold.member_id.unwrap_or_default(),
        i64::from(hold.is_stream),
        hold.price_id,
        i64::from(hold.state),
        hold.held,
        hold.posted,
        hold.overrun,
        hold.input,
        hold.cache_read,
        hold.cache_write,
        hold.output,
        hold.reasoning,
        i64::from(hold.outcome),
        i64::from(hold.status),
        hold.started_at,
        hold.finished_at.unwrap_or_default(),
    ];
    let texts = [hold.model.as_str(), &hold.operation, &hold.buckets];
    print_hold(&numbers, texts, (hold.details.as_deref(), hold.markup))
}

/// The print of a hold that tells details of its tokens, and has a markup in basis points; one without has the print of the time
/// before there were some. Details are JSON, so the word for a markup is none.
pub(super) fn print_hold(numbers: &[i64], texts: [&str; 3], (details, markup): (Option<&str>, i64)) -> Print {
    let marked = format!("markup {markup}");
    let more = details.into_iter().chain((markup != 0).then_some(marked.as_str()));
    let texts: Vec<&str> = texts.into_iter().chain(more).collect();
    print(numbers, &texts)
}

/// The print of an entry: the whole row.
pub(super) fn of_entry(entry: &entry::Model) -> Print {
    let numbers = [
        entry.id,
        entry.team_id,
        entry.amount,
        i64::from(entry.actor_id.is_some()),
        entry.actor_id.unwrap_or_default(),
        i64::from(entry.hold_id.is_some()),
        entry.hold_id.unwrap_or_default(),
        entry.created_at,
    ];
    print(&numbers, &[&entry.kind, &entry.reason, &entry.buckets])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_says_what_it_has_and_covers_what_came_before() {
        let one = Link::new(&ROOT, 1, vec![(7, [7; PRINT]), (3, [3; PRINT])]).unwrap();
        let two = Link::new(&one.hash, 5, vec![(9, [9; PRINT])]).unwrap();
        let other = Link::new(&ROOT, 5, vec![(9, [9; PRINT])]).unwrap();
        assert_eq!(two.digest, other.digest);
        assert_ne!(two.hash, other.hash);
        let (one, two) = (one.row(1), two.row(1));
        assert!(follows(&ROOT, &one) && follows(&one.hash, &two) && !follows(&ROOT, &two));
        assert_eq!(postings(&one), Ok(Some(vec![(3, [3; PRINT]), (7, [7; PRINT])])));
        assert_eq!(Link::new(&ROOT, 1, Vec::new()), None);
    }

    #[test]
    fn a_link_that_was_touched_shows_it() {
        let row = Link::new(&ROOT, 1, vec![(3, [3; PRINT]), (7, [7; PRINT])])
            .unwrap()
            .row(1);
        for touch in [
            (|row: &mut journal::Model| row.batch = 2) as fn(&mut journal::Model),
            |row| row.rows = 1,
            |row| row.last = 3,
            |row| row.digest[0] ^= 1,
            |row| row.hash.clear(),
            |row| row.content.as_mut().unwrap()[40] ^= 1,
            |row| row.content.as_mut().unwrap().truncate(POSTING),
        ] {
            let mut touched = row.clone();
            touch(&mut touched);
            assert!(!follows(&ROOT, &touched) || postings(&touched).is_err(), "{touched:?}");
        }
        let pruned = journal::Model { content: None, ..row };
        assert!(follows(&ROOT, &pruned) && postings(&pruned) == Ok(None));
    }

    #[test]
    fn texts_that_run_into_each_other_print_differently() {
        assert_ne!(print(&[1], &["ab", "c"]), print(&[1], &["a", "bc"]));
    }
}
