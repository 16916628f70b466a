//! What an account must be able to do to be asked for a request.
//!
//! Invariant: what only its own dialect can say is asked of accounts that speak it, what builds on an answer of the one that keeps it; an answer is asked of any; a count of none that would
//! answer instead, for money. Pure.

use crate::accounts::Deployment;
use gateway_core::dialect::{Dialect, Operation};

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    pub operation: Operation,
    /// Whether it refers to what only an account of its own dialect keeps.
    pub needs_state: bool,
    /// The only account that keeps what it builds on.
    pub kept_by: Option<i64>,
}

impl Wish {
    /// Whether `account` can grant it.
    pub fn fits(self, account: &Deployment) -> bool {
        if self.kept_by.is_some_and(|account_id| account_id != account.account_id) {
            return false;
        }
        let own = self.operation.dialect();
        match self.operation {
            Operation::Chat | Operation::Responses | Operation::Messages | Operation::Generate if !self.needs_state => {
                !account.dialects().is_empty()
            }
            operation if operation.is_count() => account.counts_tokens() && account.dialects().contains(&own),
            operation if operation.is_media() => account.serves(operation),
            _ => account.dialects().contains(&own),
        }
    }
}

/// The operation that asks for an answer in `dialect`.
pub(super) const fn answering(dialect: Dialect) -> Operation {
    match dialect {
        Dialect::Chat | Dialect::Converse => Operation::Chat,
        Dialect::Responses => Operation::Responses,
        Dialect::Messages => Operation::Messages,
        Dialect::Generate => Operation::Generate,
    }
}
