//! The chains, recomputed: what was changed, removed or added since it was written is named.
//!
//! Invariant: memory does not grow with the books; each posting stands in one group, as it was, and each group rests on the
//! one before. Reads `journal`, `hold`, `entry`.

use super::{Report, VerifyError};
use crate::ledger::chain::{self, ENTRIES, Print, ROOT};
use entity::{entry, hold, journal};
use sea_orm::{ColumnTrait, Condition, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Groups, and ids, read at a time.
const GROUPS: usize = 500;

/// A row that stands in a group.
struct Posting {
    node: i64,
    batch: i64,
    id: i64,
    print: Print,
}

impl Posting {
    fn of_hold(hold: &hold::Model) -> Self {
        Self {
            node: hold.node_id,
            batch: hold.batch,
            id: hold.id,
            print: chain::of_hold(hold),
        }
    }

    fn of_entry(entry: &entry::Model) -> Self {
        Self {
            node: ENTRIES,
            batch: entry.batch,
            id: entry.id,
            print: chain::of_entry(entry),
        }
    }

    fn name(&self) -> String {
        name(self.node, self.id)
    }
}

fn name(node: i64, id: i64) -> String {
    let what = if node == ENTRIES { "entry" } else { "hold" };
    format!("{what} {id}")
}

/// What a group says that it has.
type Content = Result<Option<Vec<(i64, Print)>>, ()>;

/// See the module.
pub(super) struct Chains {
    /// Every hold below this id is gone.
    below: i64,
    /// Postings found in their group, of entries and of holds.
    found: [u64; 2],
}

const fn kind(node: i64) -> usize {
    if node == ENTRIES { 0 } else { 1 }
}

impl Chains {
    /// Nothing found yet; holds below the id `below` are gone.
    pub const fn new(below: i64) -> Self {
        Self { below, found: [0; 2] }
    }

    /// Looks for the ended ones of `holds` in their groups.
    pub async fn check_holds(
        &mut self,
        snapshot: &DatabaseTransaction,
        holds: &[hold::Model],
        report: &mut Report,
    ) -> Result<(), VerifyError> {
        let (ended, open): (Vec<_>, Vec<_>) = holds.iter().partition(|hold| hold.finished_at.is_some());
        for hold in open.iter().filter(|hold| hold.batch != 0) {
            report.differ(format!("hold {}: open, and ended by group {}", hold.id, hold.batch));
        }
        for hold in ended.iter().filter(|hold| hold.id < self.below) {
            report.differ(format!("hold {}: is there, and was deleted", hold.id));
        }
        let postings = ended.iter().map(|hold| Posting::of_hold(hold)).collect();
        self.check(snapshot, postings, report).await
    }

    /// Looks for `entries` in their groups.
    pub async fn check_entries(
        &mut self,
        snapshot: &DatabaseTransaction,
        entries: &[entry::Model],
        report: &mut Report,
    ) -> Result<(), VerifyError> {
        for page in entries.chunks(GROUPS) {
            let postings = page.iter().map(Posting::of_entry).collect();
            self.check(snapshot, postings, report).await?;
        }
        Ok(())
    }

    async fn check(
        &mut self,
        snapshot: &DatabaseTransaction,
        postings: Vec<Posting>,
        report: &mut Report,
    ) -> Result<(), VerifyError> {
        let contents = contents(snapshot, &postings).await?;
        for posting in postings {
            let Some(content) = contents.get(&(posting.node, posting.batch)) else {
                report.differ(format!("{}: in no group of the journal", posting.name()));
                continue;
            };
            match content {
                // Told of with the group.
                Err(()) => {}
                Ok(None) => report.differ(format!("{}: its group says that it was deleted", posting.name())),
                Ok(Some(content)) => match content.binary_search_by_key(&posting.id, |(id, _)| *id) {
                    Ok(nth) => {
                        self.found[kind(posting.node)] += 1;
                        if content[nth].1 != posting.print {
                            report.differ(format!("{}: is not as it was written", posting.name()));
                        }
                    }
                    Err(_) => report.differ(format!(
                        "{}: was added to group {} of node {}",
                        posting.name(),
                        posting.batch,
                        posting.node
                    )),
                },
            }
        }
        Ok(())
    }

    /// Follows every chain. Comes after all postings were checked.
    pub async fn check_links(&self, snapshot: &DatabaseTransaction, report: &mut Report) -> Result<(), VerifyError> {
        let mut expected = [0; 2];
        let (mut node, mut previous) = (None, ROOT.to_vec());
        let mut from = None;
        loop {
            let page = links_after(snapshot, from).await?;
            let Some(last) = page.last() else { break };
            from = Some((last.node_id, last.batch));
            for row in page {
                report.groups += 1;
                if node != Some(row.node_id) {
                    (node, previous) = (Some(row.node_id), ROOT.to_vec());
                }
                let name = || format!("group {} of node {}", row.batch, row.node_id);
                if !chain::follows(&previous, &row) {
                    report.differ(format!("{}: does not rest on the one before", name()));
                }
                match chain::postings(&row) {
                    // Retention takes the contents of groups whose holds are all below its mark, and of no others.
                    Ok(None) if row.node_id == ENTRIES || row.last >= self.below => {
                        report.differ(format!("{}: its content was removed", name()));
                    }
                    Ok(content) => expected[kind(row.node_id)] += self.kept(row.node_id, content).count() as u64,
                    Err(()) => report.differ(format!("{}: its content is not what was written", name())),
                }
                previous = row.hash;
            }
        }
        if expected != self.found {
            self.name_missing(snapshot, report).await?;
        }
        Ok(())
    }

    /// The ids of `content` whose rows retention has not deleted.
    fn kept(&self, node: i64, content: Option<Vec<(i64, Print)>>) -> impl Iterator<Item = i64> + use<> {
        let below = if node == ENTRIES { i64::MIN } else { self.below };
        let ids = content.into_iter().flatten().map(|(id, _)| id);
        ids.filter(move |id| *id >= below)
    }

    /// Names the postings of whole groups that are not there.
    async fn name_missing(&self, snapshot: &DatabaseTransaction, report: &mut Report) -> Result<(), VerifyError> {
        let mut from = None;
        loop {
            let page = links_after(snapshot, from).await?;
            let Some(last) = page.last() else { return Ok(()) };
            from = Some((last.node_id, last.batch));
            for row in page {
                let (node, batch) = (row.node_id, row.batch);
                let content = chain::postings(&row).unwrap_or_default();
                let ids: Vec<i64> = self.kept(node, content).collect();
                for ids in ids.chunks(GROUPS) {
                    let there = there(snapshot, node, ids).await?;
                    for id in ids.iter().filter(|id| !there.contains(id)) {
                        report.differ(format!(
                            "{}: was removed: group {batch} of node {node} has it",
                            name(node, *id)
                        ));
                    }
                }
            }
        }
    }
}

/// What the groups of `postings` say that they have.
async fn contents(snapshot: &DatabaseTransaction, postings: &[Posting]) -> Result<HashMap<(i64, i64), Content>, DbErr> {
    let mut groups: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
    for posting in postings {
        groups.entry(posting.node).or_default().insert(posting.batch);
    }
    let mut contents = HashMap::new();
    for (node, batches) in groups {
        let batches: Vec<i64> = batches.into_iter().collect();
        for batches in batches.chunks(GROUPS) {
            let rows = journal::Entity::find()
                .filter(journal::Column::NodeId.eq(node))
                .filter(journal::Column::Batch.is_in(batches.iter().copied()))
                .all(snapshot)
                .await?;
            contents.extend(rows.iter().map(|row| ((node, row.batch), chain::postings(row))));
        }
    }
    Ok(contents)
}

/// The links behind `from`, chain after chain.
async fn links_after(snapshot: &DatabaseTransaction, from: Option<(i64, i64)>) -> Result<Vec<journal::Model>, DbErr> {
    let mut links = journal::Entity::find()
        .order_by_asc(journal::Column::NodeId)
        .order_by_asc(journal::Column::Batch)
        .limit(GROUPS as u64);
    if let Some((node, batch)) = from {
        let same = Condition::all()
            .add(journal::Column::NodeId.eq(node))
            .add(journal::Column::Batch.gt(batch));
        let later = Condition::any().add(journal::Column::NodeId.gt(node)).add(same);
        links = links.filter(later);
    }
    links.all(snapshot).await
}

/// Which of `ids` are rows that have ended.
async fn there(snapshot: &DatabaseTransaction, node: i64, ids: &[i64]) -> Result<HashSet<i64>, DbErr> {
    let ids = ids.iter().copied();
    let there: Vec<i64> = if node == ENTRIES {
        let entries = entry::Entity::find().select_only().column(entry::Column::Id);
        let entries = entries.filter(entry::Column::Id.is_in(ids));
        entries.into_tuple().all(snapshot).await?
    } else {
        let holds = hold::Entity::find().select_only().column(hold::Column::Id);
        let holds = holds
            .filter(hold::Column::Id.is_in(ids))
            .filter(hold::Column::Batch.ne(0));
        holds.into_tuple().all(snapshot).await?
    };
    Ok(there.into_iter().collect())
}
