//! The reckoning: what clients got and what it cost in truth, against what the ledger says and what the caps allow.
//!
//! Invariant: reads through the management API and `ourhub ledger verify` alone.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use anyhow::Context;
use gateway_core::money::Nano;
use serde_json::Value;

use crate::{clients::Seen, stage::Stage};

/// How long holds may take to end once nobody asks any more.
const QUIET: Duration = Duration::from_secs(60);

/// A request as the ledger has it.
struct Row {
    key: String,
    /// The day it counts for, in UTC, as the server's clock had it.
    day: String,
    started_at: String,
    charged: i64,
}

/// What a scenario came to; the first five must be zero.
#[derive(Debug, Default)]
pub struct Books {
    /// Nano-USD above a cap: of what was posted, or of what delivered answers cost in truth.
    pub overspent: i64,
    /// Answers of which a client got a byte, but which are not on the ledger, or for less than they cost.
    pub lost: u64,
    /// Holds open after quiet, and keys with money still set aside.
    pub leaked: u64,
    /// What `ledger verify` found.
    pub differences: u64,
    /// Ends of the server that nobody asked for.
    pub crashes: u64,
    /// Requests on the ledger.
    pub booked: u64,
    /// Nano-USD posted.
    pub posted: i64,
    /// Charges that are estimates.
    pub estimates: u64,
    /// Answers delivered.
    pub delivered: u64,
}

impl Books {
    /// Waits until all is quiet, and reckons.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn close(stage: &mut Stage, seen: &Seen) -> anyhow::Result<Self> {
        let mut books = Self {
            leaked: quiet(stage).await?,
            ..Self::default()
        };
        let rows = rows(stage).await?;
        let delivered = seen.delivered();
        books.delivered = u64::try_from(delivered.len())?;
        books.booked = u64::try_from(rows.len())?;
        books.posted = rows.values().map(|row| row.charged).sum();
        let mut truth: BTreeMap<(&str, &str), i64> = BTreeMap::new();
        for answer in &delivered {
            let cost = answer.number.and_then(|number| stage.upstream.cost(number));
            match rows.get(&answer.request_id) {
                Some(row) if row.charged >= cost.unwrap_or_default() => {
                    *truth.entry((&row.key, &row.day)).or_default() += cost.unwrap_or_default();
                }
                found => {
                    let charged = found.map(|row| row.charged);
                    eprintln!(
                        "lost: {}, cost {cost:?}, charged {charged:?} nano-USD",
                        answer.request_id
                    );
                    books.lost += 1;
                }
            }
        }
        books.overspent = overspent(stage, &rows, &truth);
        let [differences, open, estimates] = stage.hubs[0].verify()?;
        books.differences = differences;
        books.leaked += open;
        books.estimates = estimates;
        for hub in &mut stage.hubs {
            books.crashes += hub.crashes;
            if hub.log().contains("panicked") {
                eprintln!("{}", hub.log());
                books.crashes += 1;
            }
        }
        Ok(books)
    }

    /// Whether everything that must be zero is.
    pub fn balance(&self) -> bool {
        self.overspent == 0 && self.lost == 0 && self.leaked == 0 && self.differences == 0 && self.crashes == 0
    }
}

/// Waits until nothing is held under any key; how many keys still have money set aside.
async fn quiet(stage: &Stage) -> anyhow::Result<u64> {
    let since = std::time::Instant::now();
    loop {
        let keys = stage.operator.get(&stage.operator.team_path("/keys?limit=200")).await?;
        let keys = keys["data"].as_array().context("keys")?;
        let is_held = |key: &&Value| {
            let held = |period: &&str| key[*period]["held"].as_str().map(Nano::parse);
            ["day", "month", "total"]
                .iter()
                .any(|period| held(period) != Some(Ok(Nano::ZERO)))
        };
        let held = u64::try_from(keys.iter().filter(is_held).count())?;
        if held == 0 || since.elapsed() > QUIET {
            return Ok(held);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Every request on the ledger, by its id.
async fn rows(stage: &Stage) -> anyhow::Result<HashMap<String, Row>> {
    let mut rows = HashMap::new();
    let mut path = "/requests?limit=200".to_owned();
    loop {
        let page = stage.operator.get(&stage.operator.team_path(&path)).await?;
        for row in page["data"].as_array().context("requests")? {
            let text = |value: &Value| value.as_str().map(str::to_owned).context("text");
            let started_at = text(&row["started_at"])?;
            let day = started_at.get(..10).context("a date")?.to_owned();
            let charged = Nano::parse(&text(&row["charged"])?)?.0;
            rows.insert(
                text(&row["id"])?,
                Row {
                    key: text(&row["key"]["id"])?,
                    day,
                    started_at,
                    charged,
                },
            );
        }
        match page["next"].as_str() {
            Some(after) => path = format!("/requests?limit=200&after={after}"),
            None => return Ok(rows),
        }
    }
}

/// The most that any key spent above its cap on any day: posted, or in truth.
fn overspent(stage: &Stage, rows: &HashMap<String, Row>, truth: &BTreeMap<(&str, &str), i64>) -> i64 {
    let mut posted: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    let mut before: BTreeMap<&str, i64> = BTreeMap::new();
    for row in rows.values() {
        *posted.entry((&row.key, &row.day)).or_default() += row.charged;
        let lowered = stage.keys.iter().find(|key| key.id == row.key);
        let lowered_at = lowered.and_then(|key| key.lowered.as_ref()).map(|(at, _)| at);
        if lowered_at.is_some_and(|at| second(&row.started_at) <= second(at)) {
            *before.entry(&row.key).or_default() += row.charged;
        }
    }
    let over = |(key_id, day): &(&str, &str), spent: i64| {
        let key = stage.keys.iter().find(|key| key.id == *key_id);
        let Some(cap) = key.and_then(|key| key.cap_day) else {
            return 0;
        };
        let lowered = key.and_then(|key| key.lowered.as_ref());
        // What stood when the cap was lowered settles; nothing new is admitted.
        let limit = lowered.map_or(cap, |(_, low)| {
            (*low).max(before.get(key_id).copied().unwrap_or_default())
        });
        if spent > limit {
            eprintln!("overspent: key {key_id} on {day}: {spent} of {limit} nano-USD");
        }
        (spent - limit).max(0)
    };
    let all = posted.iter().chain(truth).map(|(place, spent)| over(place, *spent));
    all.max().unwrap_or_default()
}

/// The whole second of a moment, in a form that sorts.
fn second(moment: &str) -> &str {
    moment.get(..19).unwrap_or(moment)
}
