//! A group of postings: a link of the chain of the node that wrote it, or of the chain of entries.
//!
//! Invariant: never updated, but that `content` goes once retention has deleted every hold it tells of; each hash covers the
//! one before. Table `journal`.

use sea_orm::entity::prelude::*;

/// A group of postings: a link of the chain of the node that wrote it, or of the chain of entries.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "journal")]
pub struct Model {
    /// Whose holds it ended; 0: it is an entry.
    #[sea_orm(primary_key, auto_increment = false)]
    pub node_id: i64,
    /// Number of the group; of a node's, those have no row that ended nothing.
    #[sea_orm(primary_key, auto_increment = false)]
    pub batch: i64,
    /// How many postings it has.
    pub rows: i64,
    /// The highest of their ids.
    pub last: i64,
    /// SHA-256 of the content.
    pub digest: Vec<u8>,
    /// SHA-256 of the hash before, the columns above and the digest.
    pub hash: Vec<u8>,
    /// The id and the first 24 bytes of the SHA-256 of each posting, in the order of the ids.
    pub content: Option<Vec<u8>>,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
