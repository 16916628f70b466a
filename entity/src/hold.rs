//! Money set aside for one upstream call, and the record of that call; the first of a request carries the request's id.
//!
//! Invariant: inserted open, then closed once. Table `hold`.

use sea_orm::entity::prelude::*;

/// Money set aside for one upstream call, and the record of that call; the first of a request carries the request's id.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "hold")]
pub struct Model {
    /// Time-ordered id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// Id of the request's first hold.
    pub request_id: i64,
    /// Who pays.
    pub team_id: i64,
    /// Which key called.
    pub key_id: i64,
    /// Whose key.
    pub member_id: Option<i64>,
    /// The model that was asked, and is charged.
    pub model: String,
    /// The name the client asked for, where it is another one; none where it is the same.
    pub asked: Option<String>,
    /// chat or embeddings.
    pub operation: String,
    /// Whether the client asked for a stream.
    pub is_stream: bool,
    /// Whether an account of the team's own is asked: what it comes to counts in caps, and is not taken off the wallet.
    pub is_own: bool,
    /// The price row it is charged by.
    pub price_id: i64,
    /// Basis points on top of that price.
    pub markup: i64,
    /// Comma-separated ids of the buckets held against, in order; a `*` behind one held under a lease.
    pub buckets: String,
    /// 0 held, 1 posted, 2 voided, 3 posted as an estimate.
    pub state: i16,
    /// Nano-USD set aside.
    pub held: i64,
    /// Nano-USD charged.
    pub posted: i64,
    /// Nano-USD charged above the hold.
    pub overrun: i64,
    /// Tokens.
    pub input: i64,
    /// Tokens.
    pub cache_read: i64,
    /// Tokens.
    pub cache_write: i64,
    /// Tokens.
    pub output: i64,
    /// Tokens, part of output.
    pub reasoning: i64,
    /// JSON of the tokens of rarer kinds by name, such as `{"audio_input":7}`; none where there are none.
    pub details: Option<String>,
    /// 0 unknown yet, 1 ok, 2 client error, 3 upstream failed, 4 client hung up, 5 cut after content, 6 refused, 7 recovered after a crash.
    pub outcome: i16,
    /// HTTP status sent to the client; 0 unknown.
    pub status: i16,
    /// JSON list of attempts: account, outcome, status, milliseconds.
    pub attempts: String,
    /// What was clamped or dropped, and estimate flags.
    pub notes: String,
    /// Attempts beyond the first.
    pub failovers: i64,
    /// Milliseconds to the first content.
    pub ttft_ms: Option<i64>,
    /// Milliseconds to the end.
    pub total_ms: Option<i64>,
    /// Unix milliseconds.
    pub started_at: i64,
    /// Unix milliseconds.
    pub finished_at: Option<i64>,
    /// The node that made it.
    pub node_id: i64,
    /// The group of its node that ended it; 0 while it is open.
    pub batch: i64,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
