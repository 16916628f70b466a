//! What belongs to a receipt besides the request itself: the price, the charge line by line, the buckets held against.
//!
//! Invariant: lines are shown only where they add up to the charge; an estimate has none. Reads `price` and `bucket`.

use super::Request;
use crate::ledger::usage_of;
use entity::{bucket, hold, price};
use gateway_core::{
    money::Nano,
    pricing::{Markup, PriceSheet, charge, cost, per_million, per_unit},
    usage::Kind,
};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter};
use std::collections::HashMap;

/// Parts of a US dollar that amounts are counted in: hundred-millionths of a nano-dollar, so that basis points are whole.
const WHOLE: u128 = 10_000_000_000_000_000;

/// One line of a charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChargeLine {
    /// The name of a [`Kind`], such as `cache_read`.
    pub kind: &'static str,
    /// Tokens.
    pub tokens: u64,
    /// Pico-USD a token.
    pub pusd_per_token: i64,
    /// What is added to that.
    pub markup: Markup,
}

/// One bucket a hold was made against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Against {
    /// `team`, `member` or `key`.
    pub scope: String,
    /// `wallet`, `day`, `month` or `total`.
    pub kind: String,
    /// When its period began, in Unix milliseconds; 0 for wallet and total.
    pub period_start_ms: i64,
    /// The IANA zone its period was cut in.
    pub time_zone: String,
}

/// What belongs to a receipt besides the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Papers {
    /// The charge by kind of token, hold by hold.
    pub lines: Vec<ChargeLine>,
    /// What was added to the price of the last hold.
    pub markup: Markup,
    /// What providers take of the platform for all of it; what is estimated is estimated here, too.
    pub cost: Nano,
    /// Since when the price of the last hold holds, in Unix milliseconds.
    pub price_since_ms: Option<i64>,
    /// The buckets of each hold, in the order of [`Request::holds`].
    pub against: Vec<Vec<Against>>,
}

/// What belongs to the receipt of `request`.
///
/// # Errors
/// The database failed.
pub async fn papers(db: &impl ConnectionTrait, request: &Request) -> Result<Papers, DbErr> {
    let price_ids = request.holds().map(|hold| hold.price_id);
    let prices = price::Entity::find()
        .filter(price::Column::Id.is_in(price_ids))
        .all(db)
        .await?;
    let prices: HashMap<i64, price::Model> = prices.into_iter().map(|row| (row.id, row)).collect();
    let bucket_ids = request.holds().flat_map(bucket_ids);
    let buckets = bucket::Entity::find()
        .filter(bucket::Column::Id.is_in(bucket_ids))
        .all(db)
        .await?;
    let buckets: HashMap<i64, bucket::Model> = buckets.into_iter().map(|row| (row.id, row)).collect();
    let cost = |hold: &hold::Model| {
        prices
            .get(&hold.price_id)
            .map_or(Nano::ZERO, |price| cost_of(hold, &price.sheet))
    };
    let lines = request.holds().flat_map(|hold| match prices.get(&hold.price_id) {
        Some(price) => lines(hold, &price.sheet),
        None => Vec::new(),
    });
    let against = |hold: &hold::Model| {
        bucket_ids_of(hold)
            .filter_map(|id| buckets.get(&id).map(Against::from))
            .collect()
    };
    Ok(Papers {
        lines: lines.collect(),
        markup: markup_of(request.last()),
        cost: request
            .holds()
            .filter(|hold| !hold.is_own)
            .map(cost)
            .fold(Nano::ZERO, |sum, cost| Nano(sum.0.saturating_add(cost.0))),
        price_since_ms: prices.get(&request.last().price_id).map(|row| row.effective_at),
        against: request.holds().map(against).collect(),
    })
}

fn bucket_ids(hold: &hold::Model) -> Vec<i64> {
    bucket_ids_of(hold).collect()
}

fn bucket_ids_of(hold: &hold::Model) -> impl Iterator<Item = i64> + '_ {
    hold.buckets.split(',').filter_map(|id| id.parse().ok())
}

fn markup_of(hold: &hold::Model) -> Markup {
    Markup::new(hold.markup).unwrap_or_default()
}

/// What the provider takes for a hold: by its usage, where the charge is by that.
fn cost_of(hold: &hold::Model, sheet: &str) -> Nano {
    let (markup, posted) = (markup_of(hold), Nano(hold.posted));
    let sheet: Option<PriceSheet> = serde_json::from_str(sheet).ok();
    let by_usage = sheet.zip(usage_of(hold)).and_then(|(sheet, usage)| {
        let is_charged = charge(&sheet.marked_up(markup), &usage) == Some(posted);
        cost(&sheet, &usage).filter(|_| is_charged)
    });
    by_usage.unwrap_or_else(|| markup.taken_off(posted))
}

fn lines(hold: &hold::Model, sheet: &str) -> Vec<ChargeLine> {
    let markup = markup_of(hold);
    let Ok(sheet) = serde_json::from_str::<PriceSheet>(sheet).map(|sheet| sheet.marked_up(markup)) else {
        return Vec::new();
    };
    let Some(usage) = usage_of(hold) else {
        return Vec::new();
    };
    if hold.posted == 0 || charge(&sheet, &usage) != Some(Nano(hold.posted)) {
        return Vec::new();
    }
    let Some(rates) = sheet.rates_of(&usage) else {
        return Vec::new();
    };
    let line = |kind: Kind| ChargeLine {
        kind: kind.as_str(),
        tokens: usage.count(kind),
        pusd_per_token: rates.of(kind),
        markup,
    };
    Kind::all().map(line).filter(|line| line.tokens > 0).collect()
}

impl ChargeLine {
    /// USD, exact: tokens times price with its markup, at least two and at most sixteen decimals.
    #[must_use]
    pub fn amount(&self) -> String {
        let factor = (Markup::LEAST.basis_points().abs() + self.markup.basis_points()).unsigned_abs();
        let pico = u128::from(self.tokens) * u128::from(self.pusd_per_token.unsigned_abs());
        let Some(parts) = pico.checked_mul(u128::from(factor)) else {
            return String::new();
        };
        let full = format!("{}.{:016}", parts / WHOLE, parts % WHOLE);
        let kept = full.trim_end_matches('0').len();
        full[..kept.max(full.len() - 14)].to_owned()
    }

    /// USD, exact: one of an image, second or search, a million of all else, with the markup.
    #[must_use]
    pub fn price(&self) -> String {
        match self.kind {
            "images" | "seconds" | "searches" => per_unit(self.pusd_per_token, self.markup),
            _ => per_million(self.pusd_per_token, self.markup),
        }
    }
}

impl From<&bucket::Model> for Against {
    fn from(row: &bucket::Model) -> Self {
        Self {
            scope: row.scope.clone(),
            kind: row.kind.clone(),
            period_start_ms: row.period_start,
            time_zone: row.time_zone.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_to_the_pico_dollar() {
        let line = |tokens, pusd_per_token| {
            ChargeLine {
                kind: "input",
                tokens,
                pusd_per_token,
                markup: Markup::NONE,
            }
            .amount()
        };
        assert_eq!(line(1, 1), "0.000000000001");
        assert_eq!(line(1_000_000, 2_500_000), "2.50");
        assert_eq!(line(1_234, 150_000), "0.0001851");
        let dearer = ChargeLine {
            kind: "input",
            tokens: 1,
            pusd_per_token: 1,
            markup: Markup::parse("15.01").unwrap_or_default(),
        };
        assert_eq!(
            (dearer.amount(), dearer.price()),
            ("0.0000000000011501".to_owned(), "0.0000011501".to_owned())
        );
    }
}
