//! Our credential at a provider.
//!
//! Invariant: the secret is sealed for this row and base URL. Table `account`.

use sea_orm::entity::prelude::*;

/// Our credential at a provider.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "account")]
pub struct Model {
    /// Time-ordered id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// The only team it serves; none where it is the platform's.
    pub team_id: Option<i64>,
    /// Shown to who manages it only.
    pub label: String,
    /// Preset id, such as openai, or custom.
    pub provider: String,
    /// The wire protocol it speaks.
    pub dialect: String,
    /// Without a trailing slash.
    pub base_url: String,
    /// How the secret is sent: bearer, or the name of the header that carries it alone.
    pub auth_scheme: String,
    /// Sealed secret; empty where none is needed.
    pub secret: Vec<u8>,
    /// Of the secret, shown in lists.
    pub last_four: String,
    /// Lower goes first.
    pub priority: i32,
    /// Share among equals, 1 to 1000.
    pub weight: i32,
    /// Hard filter tag.
    pub region: Option<String>,
    /// http, https or socks5 proxy, without user name and password.
    pub proxy_url: Option<String>,
    /// Sealed whole proxy URL, where it has a user name or password.
    pub proxy_secret: Option<Vec<u8>>,
    /// Serves every model by its own name, or every one its provider makes; else rows of `deployment`.
    pub every_model: bool,
    /// Requests a minute the provider grants.
    pub rpm: Option<i64>,
    /// Tokens a minute the provider grants.
    pub tpm: Option<i64>,
    /// Requests at once.
    pub max_in_flight: Option<i64>,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds.
    pub disabled_at: Option<i64>,
    /// Why it is out of service until a probe works: bad_key, no_money, forbidden.
    pub parked_reason: Option<String>,
    /// Scrubbed text of the last failure.
    pub last_error: Option<String>,
    /// Unix milliseconds.
    pub last_error_at: Option<i64>,
}

/// No relations: queries name what they join.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
