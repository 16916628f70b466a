//! The database as a map: what each transaction of the ledger does to it.
//!
//! Invariant: a node that is fenced changes nothing, unless the model is told to leave the fence out.

use gateway_core::{
    ledger::{Bucket, Change, Gate, Period, Posted, Row, Series, Stored, lease},
    money::Nano,
};
use std::collections::BTreeMap;

/// What a node writes down.
#[derive(Clone, Debug)]
pub enum Op {
    Open {
        id: i64,
        path: Vec<(i64, bool)>,
        amount: Nano,
    },
    Close {
        id: i64,
        posted: Posted,
    },
    Back {
        bucket: i64,
        amount: Nano,
    },
}

#[derive(Debug)]
pub struct NodeRow {
    pub seen_ms: i64,
    pub is_fenced: bool,
}

#[derive(Clone, Debug)]
pub struct HoldRow {
    pub node: i64,
    pub path: Vec<(i64, bool)>,
    pub amount: Nano,
    pub end: Option<Posted>,
}

/// The node that asked is fenced.
#[derive(Debug)]
pub struct Fenced;

#[derive(Debug)]
pub struct Database {
    pub is_fencing: bool,
    pub nodes: BTreeMap<i64, NodeRow>,
    pub buckets: BTreeMap<i64, (Bucket, Row)>,
    pub leases: BTreeMap<(i64, i64), Nano>,
    pub holds: BTreeMap<i64, HoldRow>,
    pub last_id: i64,
}

impl Database {
    pub fn new(is_fencing: bool) -> Self {
        Self {
            is_fencing,
            nodes: BTreeMap::new(),
            buckets: BTreeMap::new(),
            leases: BTreeMap::new(),
            holds: BTreeMap::new(),
            last_id: 0,
        }
    }

    pub fn new_id(&mut self) -> i64 {
        self.last_id += 1;
        self.last_id
    }

    fn is_live(&self, node: i64) -> bool {
        !self.is_fencing || self.nodes.get(&node).is_some_and(|row| !row.is_fenced)
    }

    /// The bucket of `series` at `now_ms`, made if there is none.
    pub fn ensure(&mut self, series: Series, zone: &str, now_ms: i64) -> Stored {
        let latest = self.buckets.values().filter(|(bucket, _)| bucket.series == series);
        let latest = latest.max_by_key(|(bucket, _)| bucket.period.start_ms).cloned();
        let (bucket, row) = match latest {
            Some(found) if found.0.period.end_ms > now_ms => found,
            last => {
                let last_end_ms = last.map_or(i64::MIN, |(bucket, _)| bucket.period.end_ms);
                let bucket = Bucket {
                    id: self.new_id(),
                    series,
                    period: Period::after(last_end_ms, series.kind, zone, now_ms),
                    zone: zone.to_owned(),
                };
                self.buckets.insert(bucket.id, (bucket.clone(), Row::default()));
                (bucket, Row::default())
            }
        };
        Stored {
            bucket,
            posted: row.posted,
            overrun: row.overrun,
            credit: row.credit,
        }
    }

    /// A chunk of what remains of `bucket`, and the cap it is granted under.
    pub fn grant(&mut self, node: i64, bucket: i64, gate: Gate, wanted: Nano) -> Result<(Nano, Nano), Fenced> {
        if !self.is_live(node) {
            return Err(Fenced);
        }
        let live = self.nodes.values().filter(|row| !row.is_fenced).count();
        let row = &mut self.buckets.get_mut(&bucket).unwrap().1;
        let granted = lease::chunk(row, gate, wanted, wanted, u32::try_from(live).unwrap());
        row.leased.0 += granted.0;
        let cap = row.cap(gate);
        self.leases.entry((node, bucket)).or_default().0 += granted.0;
        Ok((granted, cap))
    }

    /// One group of a node's journal.
    pub fn write(&mut self, node: i64, ops: &[Op]) -> Result<(), Fenced> {
        if !self.is_live(node) {
            return Err(Fenced);
        }
        for op in ops {
            self.apply(node, op);
        }
        Ok(())
    }

    fn apply(&mut self, node: i64, op: &Op) {
        match op {
            Op::Open { id, path, amount } => {
                let hold = HoldRow {
                    node,
                    path: path.clone(),
                    amount: *amount,
                    end: None,
                };
                assert!(self.holds.insert(*id, hold).is_none(), "two holds with one id");
                for (bucket, is_leased) in path {
                    self.change(node, *bucket, Change::opened(*amount, *is_leased));
                }
            }
            Op::Close { id, posted } => {
                let hold = self.holds.get_mut(id).unwrap();
                if hold.end.is_some() {
                    assert!(!self.is_fencing, "a hold ends twice");
                    return;
                }
                hold.end = Some(*posted);
                let HoldRow { path, amount, .. } = hold.clone();
                for (bucket, is_leased) in path {
                    self.change(node, bucket, Change::closed(amount, *posted, is_leased));
                }
            }
            Op::Back { bucket, amount } => self.change(node, *bucket, Change::given_back(*amount)),
        }
    }

    fn change(&mut self, node: i64, bucket: i64, change: Change) {
        self.buckets.get_mut(&bucket).unwrap().1 += change;
        if change.right != 0 {
            self.leases.entry((node, bucket)).or_default().0 += change.right;
        }
    }

    /// Fences a dead node, posts its open holds whole and takes its rights back.
    pub fn recover(&mut self, dead: i64) {
        self.nodes.get_mut(&dead).unwrap().is_fenced = true;
        let open = self
            .holds
            .iter()
            .filter(|(_, hold)| hold.node == dead && hold.end.is_none());
        let whole = |amount| Posted {
            actual: amount,
            overrun: Nano::ZERO,
        };
        let ops: Vec<_> = open
            .map(|(id, hold)| Op::Close {
                id: *id,
                posted: whole(hold.amount),
            })
            .collect();
        ops.iter().for_each(|op| self.apply(dead, op));
        for ((_, bucket), right) in self
            .leases
            .extract_if(.., |(node, _), _| *node == dead)
            .collect::<Vec<_>>()
        {
            self.buckets.get_mut(&bucket).unwrap().1 += Change::given_back(right);
        }
        self.nodes.remove(&dead);
    }
}
