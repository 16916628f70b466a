//! Redeem codes: a platform admin makes them, a team turns each into money once.
//!
//! Invariant: a code is redeemed by one update of its row, in the transaction of the wallet's entry; the code itself is known
//! to whoever made it alone, and its hash to us. Reads and writes `code`; writes through the ledger.

use super::{Billing, BillingError, Line, What};
use crate::{
    clock,
    fields::{FieldErrors, Reason},
    ledger::{Beside, Grant, LedgerError},
    teams::TeamScope,
};
use async_trait::async_trait;
use entity::code::{ActiveModel, Column, Entity, Model};
use gateway_core::money::Nano;
use sea_orm::{
    ColumnTrait, Condition, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};
use std::{collections::BTreeMap, net::IpAddr};

/// What every code begins with.
const PREFIX: &str = "OH";
/// Letters that nobody takes for another.
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Letters of a code, in groups of [`GROUP`]: 100 random bits.
const LENGTH: usize = 20;
const GROUP: usize = 5;
/// The longest text that is looked at.
const TYPED_MAX: usize = 100;
/// The most codes made at once.
const COUNT_MAX: i64 = 50;
/// The most that one is worth.
const AMOUNT_MAX: Nano = Nano(100_000_000_000_000);
/// The most characters of a note.
const NOTE_MAX: usize = 200;
/// What entries of redeemed codes are called.
pub(super) const KIND: &str = "code";

/// Codes to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCodes {
    /// What each is worth.
    pub amount: Nano,
    /// How many.
    pub count: i64,
    /// Unix milliseconds; from then on they are worth nothing.
    pub expires_at_ms: Option<i64>,
    /// What they are for, for platform admins.
    pub note: String,
}

/// How a code is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeState {
    /// It can be redeemed.
    Open,
    /// A team has its money.
    Redeemed,
    /// A platform admin took it back.
    Revoked,
    /// Its time is over.
    Expired,
}

/// A code, as far as we know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeRow {
    /// The row.
    pub code_id: i64,
    /// What it is worth.
    pub amount: Nano,
    /// Its end.
    pub last_four: String,
    /// What it is for.
    pub note: String,
    /// How it is doing.
    pub state: CodeState,
    /// Unix milliseconds.
    pub created_at_ms: i64,
    /// Unix milliseconds.
    pub expires_at_ms: Option<i64>,
    /// Unix milliseconds.
    pub redeemed_at_ms: Option<i64>,
    /// Whose wallet got it.
    pub team_id: Option<i64>,
}

impl CodeRow {
    fn new(row: Model, now_ms: i64) -> Self {
        Self {
            state: state_of(&row, now_ms),
            code_id: row.id,
            amount: Nano(row.amount),
            last_four: row.last_four,
            note: row.note,
            created_at_ms: row.created_at,
            expires_at_ms: row.expires_at,
            redeemed_at_ms: row.redeemed_at,
            team_id: row.team_id,
        }
    }
}

fn state_of(row: &Model, now_ms: i64) -> CodeState {
    if row.redeemed_at.is_some() {
        CodeState::Redeemed
    } else if row.revoked_at.is_some() {
        CodeState::Revoked
    } else if row.expires_at.is_some_and(|at| at <= now_ms) {
        CodeState::Expired
    } else {
        CodeState::Open
    }
}

impl Billing {
    /// Makes codes; the caller has checked that the platform admin `user_id` asks. Each row with the code, which is shown once.
    ///
    /// # Errors
    /// [`BillingError::Invalid`], [`BillingError::Randomness`], [`BillingError::Database`].
    pub async fn create_codes(
        &self,
        user_id: i64,
        new: &NewCodes,
        now_ms: i64,
    ) -> Result<Vec<(CodeRow, String)>, BillingError> {
        check(new, now_ms)?;
        let mut made = Vec::new();
        for _ in 0..new.count {
            let code = random().map_err(|_| BillingError::Randomness)?;
            let row = Model {
                id: clock::new_id(),
                amount: new.amount.0,
                hash: self.hash_of(&code),
                last_four: code[code.len() - 4..].to_owned(),
                note: new.note.trim().to_owned(),
                expires_at: new.expires_at_ms,
                created_at: now_ms,
                created_by: Some(user_id),
                revoked_at: None,
                redeemed_at: None,
                redeemed_by: None,
                team_id: None,
                entry_id: None,
            };
            made.push((row, code));
        }
        let rows = made.iter().map(|(row, _)| ActiveModel::from(row.clone()));
        Entity::insert_many(rows).exec_without_returning(&self.0.db).await?;
        let shown = |(row, code): (Model, String)| (CodeRow::new(row, now_ms), grouped(&code));
        Ok(made.into_iter().map(shown).collect())
    }

    /// Up to `limit` codes made before the one with the id `before`, newest first; the caller has checked that a platform
    /// admin asks.
    ///
    /// # Errors
    /// [`BillingError::Database`].
    pub async fn list_codes(&self, before: i64, limit: u64, now_ms: i64) -> Result<Vec<CodeRow>, BillingError> {
        let rows = Entity::find()
            .filter(Column::Id.lt(before))
            .order_by_desc(Column::Id)
            .limit(limit)
            .all(&self.0.db)
            .await?;
        Ok(rows.into_iter().map(|row| CodeRow::new(row, now_ms)).collect())
    }

    /// Takes back a code that nobody has redeemed; the caller has checked that a platform admin asks. What it was.
    ///
    /// # Errors
    /// [`BillingError::NotFound`]; [`BillingError::CodeSpent`] where it is redeemed or taken back; [`BillingError::Database`].
    pub async fn revoke_code(&self, code_id: i64, now_ms: i64) -> Result<CodeRow, BillingError> {
        let changed = Entity::update_many()
            .col_expr(Column::RevokedAt, Expr::value(now_ms))
            .filter(Column::Id.eq(code_id))
            .filter(Column::RedeemedAt.is_null())
            .filter(Column::RevokedAt.is_null())
            .exec(&self.0.db)
            .await?;
        let row = Entity::find_by_id(code_id).one(&self.0.db).await?;
        let row = CodeRow::new(row.ok_or(BillingError::NotFound)?, now_ms);
        if changed.rows_affected == 1 {
            Ok(row)
        } else {
            Err(BillingError::CodeSpent(row.state))
        }
    }

    /// Turns the code that somebody typed at `address` into money of the team of `scope`. Wrong codes are counted as wrong
    /// passwords are.
    ///
    /// # Errors
    /// [`BillingError::CodeUnknown`], [`BillingError::CodeSpent`], [`BillingError::Throttled`], [`BillingError::Ledger`].
    pub async fn redeem(
        &self,
        scope: &TeamScope,
        typed: &str,
        address: IpAddr,
        now_ms: i64,
    ) -> Result<Line, BillingError> {
        let attempt = self
            .0
            .throttle
            .log_in(address, &scope.team_id().to_string(), now_ms)
            .map_err(|retry_after_s| BillingError::Throttled { retry_after_s })?;
        let hash = self.hash_of(&parse(typed).ok_or(BillingError::CodeUnknown)?);
        let row = Entity::find().filter(Column::Hash.eq(hash)).one(&self.0.db).await?;
        let row = row.ok_or(BillingError::CodeUnknown)?;
        match state_of(&row, now_ms) {
            CodeState::Open => {}
            state => return Err(BillingError::CodeSpent(state)),
        }
        let (amount, reason) = (Nano(row.amount), format!("Code ending in {}", row.last_four));
        let grant = Grant {
            team_id: scope.team_id(),
            kind: KIND.to_owned(),
            amount,
            reason: reason.clone(),
            actor_id: Some(scope.user_id()),
        };
        let claim = Claim {
            code_id: row.id,
            team_id: scope.team_id(),
            user_id: scope.user_id(),
            now_ms,
        };
        let entry_id = self
            .0
            .ledger
            .grant_with(grant, claim)
            .await
            .map_err(|error| match error {
                LedgerError::TooLarge => BillingError::Amount,
                other => BillingError::Ledger(other),
            })?;
        let line_id = entry_id.ok_or(BillingError::CodeSpent(CodeState::Redeemed))?;
        self.0.throttle.give_back(attempt);
        Ok(Line {
            line_id,
            at_ms: now_ms,
            amount,
            what: What::Entry {
                kind: KIND.to_owned(),
                reason,
                actor_id: Some(scope.user_id()),
                request_id: None,
            },
        })
    }

    fn hash_of(&self, code: &str) -> String {
        let hash = self.0.pepper.hash_text(code);
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// What redeems a code, beside the wallet's entry.
struct Claim {
    code_id: i64,
    team_id: i64,
    user_id: i64,
    now_ms: i64,
}

#[async_trait]
impl Beside for Claim {
    async fn write(&self, transaction: &DatabaseTransaction, entry_id: i64) -> Result<bool, DbErr> {
        let is_in_time = Condition::any()
            .add(Column::ExpiresAt.is_null())
            .add(Column::ExpiresAt.gt(self.now_ms));
        let claimed = Entity::update_many()
            .col_expr(Column::RedeemedAt, Expr::value(self.now_ms))
            .col_expr(Column::RedeemedBy, Expr::value(self.user_id))
            .col_expr(Column::TeamId, Expr::value(self.team_id))
            .col_expr(Column::EntryId, Expr::value(entry_id))
            .filter(Column::Id.eq(self.code_id))
            .filter(Column::RedeemedAt.is_null())
            .filter(Column::RevokedAt.is_null())
            .filter(is_in_time)
            .exec(transaction)
            .await?;
        Ok(claimed.rows_affected == 1)
    }
}

/// What is not as it must be between codes and the entries of them, `(id, team, amount)` each by its id.
pub(super) async fn differences(
    db: &impl sea_orm::ConnectionTrait,
    entries: &BTreeMap<i64, (i64, i64)>,
) -> Result<Vec<String>, DbErr> {
    let mut left = entries.clone();
    let mut found = Vec::new();
    let redeemed = Entity::find().filter(Column::RedeemedAt.is_not_null()).all(db).await?;
    for code in redeemed {
        let entry = code.entry_id.and_then(|id| left.remove(&id));
        if entry != code.team_id.map(|team_id| (team_id, code.amount)) {
            found.push(format!("code {}: redeemed without an entry of its amount", code.id));
        }
    }
    found.extend(
        left.keys()
            .map(|id| format!("entry {id}: no redeemed code belongs to it")),
    );
    Ok(found)
}

fn check(new: &NewCodes, now_ms: i64) -> Result<(), FieldErrors> {
    let mut errors = FieldErrors::default();
    if new.amount <= Nano::ZERO || new.amount > AMOUNT_MAX {
        errors.refuse("amount", "Write an amount above zero, up to 100000.00.");
    }
    if !(1..=COUNT_MAX).contains(&new.count) {
        errors.refuse("count", format!("Write a number from 1 to {COUNT_MAX}."));
    }
    if new.expires_at_ms.is_some_and(|at| at <= now_ms) {
        errors.note("expires_at", Err(Reason::InThePast));
    }
    let note = new.note.trim();
    if note.chars().count() > NOTE_MAX {
        errors.note("note", Err(Reason::TooLong { max: NOTE_MAX }));
    } else if note.chars().any(char::is_control) {
        errors.note("note", Err(Reason::Unprintable));
    }
    errors.finish()
}

/// The letters of a new code, without prefix and groups.
fn random() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; LENGTH];
    getrandom::fill(&mut bytes)?;
    Ok(bytes
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(byte % 32)]))
        .collect())
}

/// A code as people get it: `OH-4K7QT-…`.
fn grouped(letters: &str) -> String {
    let mut text = PREFIX.to_owned();
    for (at, letter) in letters.chars().enumerate() {
        if at % GROUP == 0 {
            text.push('-');
        }
        text.push(letter);
    }
    text
}

/// The letters of a code that was typed in upper or lower case, with or without dashes; `None` if it is none.
fn parse(typed: &str) -> Option<String> {
    if typed.len() > TYPED_MAX {
        return None;
    }
    let kept = typed.chars().filter(|letter| letter.is_ascii_alphanumeric());
    let upper: String = kept.map(|letter| letter.to_ascii_uppercase()).collect();
    // The prefix is read as it is written; of the rest, letters that look alike are one.
    let rest = upper.strip_prefix(PREFIX).filter(|rest| rest.len() == LENGTH)?;
    let letters: String = rest
        .chars()
        .map(|letter| match letter {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        })
        .collect();
    letters
        .bytes()
        .all(|letter| LETTERS.contains(&letter))
        .then_some(letters)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let letters = "0123456789ABCDEFGH1K";
        let shown = grouped(letters);
        assert_eq!(shown, "OH-01234-56789-ABCDE-FGH1K");
        for typed in [
            shown.clone(),
            shown.to_lowercase(),
            format!("  {} ", shown.replace('-', " ")),
            shown.replace("-0", "-o").replace("H1", "Hl"),
        ] {
            assert_eq!(parse(&typed).as_deref(), Some(letters), "{typed}");
        }
        for wrong in [
            "",
            "OH",
            letters,
            "OH-01234-56789-ABCDE-FGH1",
            "OH-01234-56789-ABCDE-FGHUK",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
        assert_eq!(parse(&"0".repeat(1_000)), None);
    }

    #[test]
    fn codes_differ() {
        let (one, other) = (random().unwrap(), random().unwrap());
        assert!(one != other && parse(&grouped(&one)).is_some());
    }
}
