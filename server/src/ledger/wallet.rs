//! A team's wallet: what was paid in, less what was charged.
//!
//! Invariant: entries are only ever added; the wallet in memory changes after the entry is in the database.
//! Reads and writes `entry`.

use super::{Ledger, LedgerError, load::paid_in};
use entity::entry;
use gateway_core::{
    ledger::{Kind, Series, Sums},
    money::Nano,
};
use sea_orm::{ActiveModelTrait, Set};
use std::time::{SystemTime, UNIX_EPOCH};

/// A change of a wallet other than a charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Whose wallet.
    pub team_id: i64,
    /// `grant` or `adjustment`.
    pub kind: String,
    /// How much; negative takes away.
    pub amount: Nano,
    /// Why, for people.
    pub reason: String,
    /// Who did it; `None` for the system.
    pub actor_id: Option<i64>,
    /// The hold it corrects.
    pub hold_id: Option<i64>,
}

/// What a wallet says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// The sum of what was paid in and taken away.
    pub entries: Nano,
    /// Charged.
    pub posted: Nano,
    /// Set aside now.
    pub held: Nano,
}

impl Balance {
    /// What is left: entries less what was charged; negative if a team owes.
    #[must_use]
    pub const fn left(&self) -> Nano {
        Nano(self.entries.0.saturating_sub(self.posted.0))
    }
}

impl Ledger {
    /// Adds to a wallet, or takes away; returns the entry's id. Runs to its end even if the caller stops waiting.
    ///
    /// # Errors
    /// [`LedgerError::TooLarge`] if the wallet cannot count that much, [`LedgerError::Database`] if the entry was not
    /// written.
    pub async fn grant(&self, grant: Grant) -> Result<i64, LedgerError> {
        let ledger = self.clone();
        let granted = tokio::spawn(async move { ledger.add_entry(grant).await });
        granted.await.map_err(std::io::Error::from)?
    }

    async fn add_entry(&self, grant: Grant) -> Result<i64, LedgerError> {
        let inner = &self.inner;
        let _loading = inner.loading.lock().await;
        let paid_in = paid_in(&inner.db, grant.team_id).await?;
        paid_in.checked_add(grant.amount).ok_or(LedgerError::TooLarge)?;
        let now_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis();
        let now_ms = i64::try_from(now_ms).unwrap_or(i64::MAX);
        let id = inner.book.next_id(now_ms);
        let row = entry::ActiveModel {
            id: Set(id),
            team_id: Set(grant.team_id),
            kind: Set(grant.kind),
            amount: Set(grant.amount.0),
            reason: Set(grant.reason),
            actor_id: Set(grant.actor_id),
            hold_id: Set(grant.hold_id),
            buckets: Set(String::new()),
            created_at: Set(now_ms),
        };
        row.insert(&inner.db).await?;
        let wallet = Series::team(grant.team_id, Kind::Wallet);
        inner.book.with_engine(|engine| engine.credit(wallet, grant.amount));
        inner.book.announce_room();
        Ok(id)
    }

    /// A team's wallet.
    ///
    /// # Errors
    /// [`LedgerError::Database`] if it is not in memory and cannot be read.
    pub async fn balance(&self, team_id: i64) -> Result<Balance, LedgerError> {
        let wallet = Series::team(team_id, Kind::Wallet);
        self.load(&[wallet]).await?;
        let looked = self.inner.book.with_engine(|engine| engine.look(wallet, "UTC", 0));
        let Sums {
            posted, held, credit, ..
        } = looked.map_or_else(Sums::default, |(sums, _)| sums);
        Ok(Balance {
            entries: credit,
            posted,
            held,
        })
    }
}
