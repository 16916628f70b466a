//! The books as a file: every charge and every entry, one line each, in the order of their ids.
//!
//! Invariant: one snapshot; the amounts of a team's lines add up to its balance, to the nano-dollar; memory does not grow
//! with the number of lines. Columns keep their order; new ones come last. Reads `hold` and `entry`.

use super::{batch::State, snapshot::snapshot, tokens::usage_of};
use crate::csv;
use entity::{entry, hold};
use gateway_core::{
    id::{self, Kind},
    money::Nano,
    usage,
};
use sea_orm::{
    ColumnTrait, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use std::{collections::VecDeque, io::Write};

/// Rows of a table read at a time.
const PAGE: u64 = 1_000;

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A header, then comma-separated values.
    Csv,
    /// A JSON object a line.
    #[value(name = "jsonl")]
    JsonLines,
}

/// Which lines are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Of this team alone.
    pub team_id: Option<i64>,
    /// From this moment on, Unix milliseconds.
    pub from_ms: Option<i64>,
    /// Before this moment, Unix milliseconds.
    pub to_ms: Option<i64>,
}

/// Why the books were not written whole.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The database refused or could not be reached.
    #[error(transparent)]
    Database(#[from] DbErr),
    /// Nobody takes the lines any more.
    #[error("the lines could not be written: {0}")]
    Write(#[from] std::io::Error),
}

/// Writes every line that is `wanted` to `out`; returns how many there were.
///
/// # Errors
/// [`ExportError`]; `out` has the first lines then.
pub async fn export(
    db: &DatabaseConnection,
    wanted: Wanted,
    format: Format,
    out: &mut impl Write,
) -> Result<u64, ExportError> {
    let snapshot = snapshot(db).await?;
    let mut rows = Rows::new(wanted);
    let mut count = 0;
    if format == Format::Csv {
        let names = Line::default().cells().map(|(name, _)| name);
        writeln!(out, "{}", names.join(","))?;
    }
    while let Some(line) = rows.next(&snapshot).await? {
        line.write(format, out)?;
        count += 1;
    }
    out.flush()?;
    snapshot.commit().await?;
    Ok(count)
}

/// One value of a line.
#[derive(Clone, Debug)]
enum Cell {
    None,
    Text(String),
    Count(i64),
    Flag(bool),
}

/// One line; a charge knows all but who did it and why, an entry little else.
#[derive(Default)]
struct Line {
    at_ms: i64,
    id: String,
    kind: String,
    team_id: i64,
    /// Signed as in the wallet: charges are negative.
    amount: Nano,
    charge: Option<hold::Model>,
    /// The hold that an entry corrects.
    corrects: Option<i64>,
    actor_id: Option<i64>,
    reason: Option<String>,
}

impl Line {
    /// Every column's name and value.
    fn cells(&self) -> [(&'static str, Cell); 31] {
        let of = |pick: fn(&hold::Model) -> Cell| self.charge.as_ref().map_or(Cell::None, pick);
        let usage = self.charge.as_ref().and_then(usage_of);
        let rare = |kind: usage::Kind| {
            let tokens = usage.map(|usage| Cell::Count(usage.count(kind).cast_signed()));
            (kind.as_str(), tokens.unwrap_or(Cell::None))
        };
        [
            ("at", time(self.at_ms)),
            ("id", Cell::Text(self.id.clone())),
            ("kind", Cell::Text(self.kind.clone())),
            ("team", named(Kind::Team, self.team_id)),
            ("amount", money(self.amount.0)),
            ("request", of(|hold| named(Kind::Request, hold.request_id))),
            ("corrects", maybe(Kind::Request, self.corrects)),
            ("key", of(|hold| named(Kind::Key, hold.key_id))),
            ("member", of(|hold| maybe(Kind::User, hold.member_id))),
            ("model", of(|hold| Cell::Text(hold.model.clone()))),
            ("operation", of(|hold| Cell::Text(hold.operation.clone()))),
            ("price", of(|hold| named(Kind::Price, hold.price_id))),
            (
                "is_estimate",
                of(|hold| Cell::Flag(hold.state == State::Estimated.code())),
            ),
            ("held", of(|hold| money(hold.held))),
            ("overrun", of(|hold| money(hold.overrun))),
            ("input", of(|hold| Cell::Count(hold.input))),
            ("cache_read", of(|hold| Cell::Count(hold.cache_read))),
            ("cache_write", of(|hold| Cell::Count(hold.cache_write))),
            ("output", of(|hold| Cell::Count(hold.output))),
            ("reasoning", of(|hold| Cell::Count(hold.reasoning))),
            rare(usage::Kind::CacheReadAudio),
            rare(usage::Kind::CacheWriteLong),
            rare(usage::Kind::AudioInput),
            rare(usage::Kind::ImageInput),
            rare(usage::Kind::AudioOutput),
            rare(usage::Kind::ImageOutput),
            ("ended_at", of(|hold| hold.finished_at.map_or(Cell::None, time))),
            ("actor", maybe(Kind::User, self.actor_id)),
            ("reason", self.reason.clone().map_or(Cell::None, Cell::Text)),
            (
                "own_counted",
                of(|hold| if hold.is_own { money(hold.posted) } else { Cell::None }),
            ),
            // Hundredths of a per cent.
            ("markup", of(|hold| Cell::Count(hold.markup))),
        ]
    }

    fn write(&self, format: Format, out: &mut impl Write) -> std::io::Result<()> {
        let cells = self.cells().map(|(name, value)| match (value, format) {
            (Cell::None, Format::Csv) => String::new(),
            (Cell::Text(text), Format::Csv) => csv::cell(&text),
            (Cell::Count(count), Format::Csv) => count.to_string(),
            (Cell::Flag(flag), Format::Csv) => flag.to_string(),
            (value, Format::JsonLines) => format!("\"{name}\":{}", value.json()),
        });
        let line = cells.join(",");
        match format {
            Format::Csv => writeln!(out, "{line}"),
            Format::JsonLines => writeln!(out, "{{{line}}}"),
        }
    }
}

impl Cell {
    fn json(self) -> serde_json::Value {
        match self {
            Self::None => serde_json::Value::Null,
            Self::Text(text) => text.into(),
            Self::Count(count) => count.into(),
            Self::Flag(flag) => flag.into(),
        }
    }
}

impl From<hold::Model> for Line {
    fn from(hold: hold::Model) -> Self {
        Self {
            at_ms: hold.started_at,
            id: id::render(Kind::Request, hold.id),
            kind: "charge".to_owned(),
            team_id: hold.team_id,
            // An account of the team's own costs its wallet nothing.
            amount: Nano(if hold.is_own { 0 } else { hold.posted.saturating_neg() }),
            charge: Some(hold),
            ..Self::default()
        }
    }
}

impl From<entry::Model> for Line {
    fn from(entry: entry::Model) -> Self {
        Self {
            at_ms: entry.created_at,
            id: id::render(Kind::Entry, entry.id),
            kind: entry.kind,
            team_id: entry.team_id,
            amount: Nano(entry.amount),
            charge: None,
            corrects: entry.hold_id,
            actor_id: entry.actor_id,
            reason: Some(entry.reason),
        }
    }
}

/// Both tables at once, the lower id first.
struct Rows {
    wanted: Wanted,
    holds: Ahead<hold::Model>,
    entries: Ahead<entry::Model>,
}

/// Rows read ahead of those that were written.
struct Ahead<Row> {
    rows: VecDeque<Row>,
    /// The lowest id that has not been read; none at the end.
    from: Option<i64>,
}

impl<Row> Ahead<Row> {
    const fn new(from: i64) -> Self {
        Self {
            rows: VecDeque::new(),
            from: Some(from),
        }
    }

    /// Where to read on, if nothing is left of what was read.
    fn wants(&self) -> Option<i64> {
        self.from.filter(|_| self.rows.is_empty())
    }

    fn take(&mut self, rows: Vec<Row>, id_of: impl Fn(&Row) -> i64) {
        self.from = rows.last().and_then(|last| id_of(last).checked_add(1));
        self.rows = rows.into();
    }
}

impl Rows {
    fn new(wanted: Wanted) -> Self {
        // An id is never made before the time it names.
        let from = wanted.from_ms.map_or(i64::MIN, |from_ms| id::at(from_ms, 0));
        Self {
            wanted,
            holds: Ahead::new(from),
            entries: Ahead::new(from),
        }
    }

    async fn next(&mut self, db: &DatabaseTransaction) -> Result<Option<Line>, DbErr> {
        if let Some(from) = self.holds.wants() {
            self.holds.take(self.read_holds(db, from).await?, |row| row.id);
        }
        if let Some(from) = self.entries.wants() {
            self.entries.take(self.read_entries(db, from).await?, |row| row.id);
        }
        let is_hold_next = match (self.holds.rows.front(), self.entries.rows.front()) {
            (Some(hold), Some(entry)) => hold.id < entry.id,
            (hold, _) => hold.is_some(),
        };
        Ok(if is_hold_next {
            self.holds.rows.pop_front().map(Line::from)
        } else {
            self.entries.rows.pop_front().map(Line::from)
        })
    }

    async fn read_holds(&self, db: &DatabaseTransaction, from: i64) -> Result<Vec<hold::Model>, DbErr> {
        let states = [State::Posted.code(), State::Estimated.code()];
        let mut query = hold::Entity::find()
            .filter(hold::Column::Id.gte(from))
            .filter(hold::Column::State.is_in(states));
        if let Some(team_id) = self.wanted.team_id {
            query = query.filter(hold::Column::TeamId.eq(team_id));
        }
        if let Some(from_ms) = self.wanted.from_ms {
            query = query.filter(hold::Column::StartedAt.gte(from_ms));
        }
        if let Some(to_ms) = self.wanted.to_ms {
            query = query.filter(hold::Column::StartedAt.lt(to_ms));
        }
        query.order_by_asc(hold::Column::Id).limit(PAGE).all(db).await
    }

    async fn read_entries(&self, db: &DatabaseTransaction, from: i64) -> Result<Vec<entry::Model>, DbErr> {
        let mut query = entry::Entity::find().filter(entry::Column::Id.gte(from));
        if let Some(team_id) = self.wanted.team_id {
            query = query.filter(entry::Column::TeamId.eq(team_id));
        }
        if let Some(from_ms) = self.wanted.from_ms {
            query = query.filter(entry::Column::CreatedAt.gte(from_ms));
        }
        if let Some(to_ms) = self.wanted.to_ms {
            query = query.filter(entry::Column::CreatedAt.lt(to_ms));
        }
        query.order_by_asc(entry::Column::Id).limit(PAGE).all(db).await
    }
}

/// All nine decimals, so that sums need no rounding.
fn money(nano: i64) -> Cell {
    Cell::Text(Nano(nano).render_fixed(9))
}

fn named(kind: Kind, row_id: i64) -> Cell {
    Cell::Text(id::render(kind, row_id))
}

fn maybe(kind: Kind, row_id: Option<i64>) -> Cell {
    row_id.map_or(Cell::None, |row_id| named(kind, row_id))
}

/// RFC 3339, UTC, to the millisecond.
fn time(at_ms: i64) -> Cell {
    jiff::Timestamp::from_millisecond(at_ms).map_or(Cell::None, |at| Cell::Text(format!("{at:.3}")))
}
