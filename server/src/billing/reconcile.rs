//! Our books against Stripe's: events that were not delivered, payments that nobody told of, sums that differ.
//!
//! Invariant: it only does what a webhook would have done, and writes down what it found; a difference is told to the operator
//! and changes no wallet. Reads `payment`, `dispute` and `stripe_event`; writes `reconciliation`.

use super::{
    Billing, BillingError,
    payments::{CURRENCY, PaymentState, reference},
    stripe::{Event, List, Stripe},
};
use crate::{alerts, clock};
use entity::{
    dispute, payment,
    reconciliation::{Column, Entity, Model},
};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use stripe_client_core::{RequestBuilder, StripeMethod};

/// How far back Stripe keeps events, in seconds.
const EVENTS_KEPT_S: i64 = 29 * 86_400;
/// How much of the time before the last run is looked at again, in seconds.
const OVERLAP_S: i64 = 3_600;
/// How often it runs, in milliseconds.
const EVERY_MS: i64 = 3_600_000;
/// Objects on a page, and pages at most.
const PAGE: u32 = 100;
const PAGES_MAX: usize = 100;
/// How old a payment is that is looked up by itself, in milliseconds.
const QUIET_MS: i64 = 120_000;
/// Findings that are written down.
const FINDINGS_MAX: usize = 100;

/// What a comparison found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reconciled {
    /// The row.
    pub report_id: i64,
    /// Unix milliseconds.
    pub began_at_ms: i64,
    /// Events that had not been delivered.
    pub events: i64,
    /// Payments compared.
    pub payments: i64,
    /// What they are worth in wallets, in cents.
    pub ours: i64,
    /// What they are worth at Stripe, in cents.
    pub theirs: i64,
    /// What differs, one sentence each.
    pub findings: Vec<String>,
    /// Why it could not be finished.
    pub failure: Option<String>,
}

impl From<Model> for Reconciled {
    fn from(row: Model) -> Self {
        Self {
            report_id: row.id,
            began_at_ms: row.began_at,
            events: row.events,
            payments: row.payments,
            ours: row.ours,
            theirs: row.theirs,
            findings: serde_json::from_str(&row.findings).unwrap_or_default(),
            failure: row.failure,
        }
    }
}

/// A movement of Stripe's books, with what moved it.
#[derive(Deserialize)]
struct Movement {
    id: String,
    /// In the currency that Stripe pays out in: of it only the sign counts.
    #[serde(default)]
    amount: i64,
    #[serde(default)]
    created: i64,
    /// The whole object.
    #[serde(default)]
    source: serde_json::Value,
}

impl Movement {
    /// What came, or went where it is negative, in the currency that was paid in; none in another one than ours.
    fn cents(&self) -> Option<i64> {
        let is_ours = self.source["currency"].as_str() == Some(CURRENCY);
        let cents = self.source["amount"].as_i64().filter(|_| is_ours)?;
        cents.checked_mul(self.amount.signum())
    }
}

/// What was counted on the way.
#[derive(Default)]
struct Count {
    events: i64,
    payments: i64,
    ours: i64,
    theirs: i64,
    findings: Vec<String>,
    /// Why the first event that could not be taken could not.
    failure: Option<String>,
}

impl Billing {
    /// Compares now, and writes down what was found.
    ///
    /// # Errors
    /// [`BillingError::NotFound`] without Stripe; [`BillingError::Database`]. That Stripe does not answer is a finding.
    pub async fn reconcile(&self, now_ms: i64) -> Result<Reconciled, BillingError> {
        let stripe = self.stripe()?;
        let mut count = Count::default();
        let failure = match self.compare(stripe, now_ms, &mut count).await {
            Ok(()) => count.failure.take(),
            Err(BillingError::Database(error)) => return Err(error.into()),
            Err(error) => Some(error.to_string()),
        };
        count.findings.truncate(FINDINGS_MAX);
        self.tell(&count, failure.as_deref()).await?;
        let row = Model {
            id: clock::new_id(),
            began_at: now_ms,
            ended_at: clock::now_ms(),
            events: count.events,
            payments: count.payments,
            ours: count.ours,
            theirs: count.theirs,
            findings: json!(count.findings).to_string(),
            failure,
        };
        let row = row.into_active_model().insert(&self.0.db).await?;
        Ok(row.into())
    }

    /// Compares, if Stripe is configured and no process did so within the hour.
    ///
    /// # Errors
    /// As [`Billing::reconcile`].
    pub async fn reconcile_hourly(&self, now_ms: i64) -> Result<(), BillingError> {
        if self.stripe().is_err() {
            return Ok(());
        }
        let last = Entity::find().order_by_desc(Column::BeganAt).one(&self.0.db).await?;
        if last.is_none_or(|last| last.began_at + EVERY_MS <= now_ms) {
            self.reconcile(now_ms).await?;
        }
        Ok(())
    }

    /// Up to `limit` comparisons, newest first.
    ///
    /// # Errors
    /// [`BillingError::NotFound`] without Stripe; [`BillingError::Database`].
    pub async fn reconciliations(&self, limit: u64) -> Result<Vec<Reconciled>, BillingError> {
        self.stripe()?;
        let rows = Entity::find()
            .order_by_desc(Column::Id)
            .limit(limit)
            .all(&self.0.db)
            .await?;
        Ok(rows.into_iter().map(Reconciled::from).collect())
    }

    async fn compare(&self, stripe: &Stripe, now_ms: i64, count: &mut Count) -> Result<(), BillingError> {
        self.catch_up(stripe, now_ms, count).await?;
        self.look_up_open(stripe, now_ms, count).await?;
        self.compare_sums(stripe, now_ms, count).await
    }

    /// Takes the events that were not delivered, the oldest first.
    async fn catch_up(&self, stripe: &Stripe, now_ms: i64, count: &mut Count) -> Result<(), BillingError> {
        let last = Entity::find()
            .filter(Column::Failure.is_null())
            .order_by_desc(Column::BeganAt)
            .one(&self.0.db)
            .await?;
        let oldest = now_ms / 1_000 - EVENTS_KEPT_S;
        let since = last.map_or(oldest, |last| (last.began_at / 1_000 - OVERLAP_S).max(oldest));
        let mut events: Vec<Event> = Vec::new();
        let query = json!({"limit": PAGE, "created": {"gte": since}});
        let (_, is_whole) = all(stripe, ("/events", query), &mut events, |event: &Event| {
            event.id.clone()
        })
        .await?;
        if !is_whole {
            count
                .findings
                .push("There were more events than are read at once; older ones were left out.".to_owned());
        }
        events.sort_by_key(|event| event.created);
        for event in &events {
            match self.take(stripe, event, now_ms).await {
                Ok(is_new) => count.events += i64::from(is_new),
                // It must not keep the others from being taken; it is taken up again at the next run.
                Err(error) => {
                    let (id, kind) = (&event.id, &event.kind);
                    count
                        .findings
                        .push(format!("Event {id} ({kind}) could not be taken: {error}."));
                    count.failure.get_or_insert_with(|| error.to_string());
                }
            }
        }
        Ok(())
    }

    /// Looks up payments that nobody told of.
    async fn look_up_open(&self, stripe: &Stripe, now_ms: i64, count: &mut Count) -> Result<(), BillingError> {
        let open = [PaymentState::New.as_str(), PaymentState::Open.as_str()];
        let rows = payment::Entity::find()
            .filter(payment::Column::State.is_in(open))
            .filter(payment::Column::ChangedAt.lt(now_ms - QUIET_MS))
            .all(&self.0.db)
            .await?;
        for row in rows {
            match self.refresh(stripe, &row, now_ms).await {
                Ok(_) => {}
                Err(BillingError::Stripe(error)) => {
                    count.findings.push(format!(
                        "Payment {} could not be looked up: {error}.",
                        reference(row.id)
                    ));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Compares what each payment is worth here and there, but for those that changed here or there since `began_ms`: the two are
    /// not read at once.
    async fn compare_sums(&self, stripe: &Stripe, began_ms: i64, count: &mut Count) -> Result<(), BillingError> {
        let mut moved: Vec<Movement> = Vec::new();
        let query = json!({"limit": PAGE, "expand": ["data.source"]});
        let id = |movement: &Movement| movement.id.clone();
        let (oldest, is_whole) = all(stripe, ("/balance_transactions", query), &mut moved, id).await?;
        let (mut theirs, mut moving): (HashMap<&str, i64>, HashSet<&str>) = Default::default();
        for movement in &moved {
            if let Some(intent) = movement.source["payment_intent"].as_str()
                && let Some(cents) = movement.cents()
            {
                *theirs.entry(intent).or_default() += cents;
                if movement.created >= began_ms / 1_000 {
                    moving.insert(intent);
                }
            }
        }
        let since = if is_whole {
            0
        } else {
            oldest
                .and_then(|id| moved.iter().find(|movement| movement.id == id))
                .map_or(0, |last| last.created * 1_000)
        };
        let rows = payment::Entity::find()
            .filter(payment::Column::EntryId.is_not_null())
            .filter(payment::Column::CreatedAt.gte(since))
            .all(&self.0.db)
            .await?;
        let (taken, turned) = self.disputed(began_ms).await?;
        for row in rows {
            let is_moving = row.intent_id.as_deref().is_some_and(|intent| moving.contains(intent));
            if is_moving || row.changed_at > began_ms || turned.contains(&row.id) {
                continue;
            }
            let ours = row.cents - row.refunded - taken.get(&row.id).copied().unwrap_or_default();
            let found = row.intent_id.as_deref().and_then(|intent| theirs.get(intent)).copied();
            count.payments += 1;
            count.ours += ours;
            count.theirs += found.unwrap_or_default();
            if found != Some(ours) {
                let there = found.map_or_else(|| "nothing".to_owned(), |cents| format!("{cents} cents"));
                count.findings.push(format!(
                    "Payment {}: {ours} cents in the wallet, {there} at Stripe.",
                    reference(row.id)
                ));
            }
        }
        Ok(())
    }

    /// What disputes have taken of each payment, in cents, and the payments of those that turned since `began_ms`.
    async fn disputed(&self, began_ms: i64) -> Result<(BTreeMap<i64, i64>, BTreeSet<i64>), BillingError> {
        let (mut taken, mut turned) = (BTreeMap::new(), BTreeSet::new());
        for row in dispute::Entity::find().all(&self.0.db).await? {
            if row.taken > 0 {
                *taken.entry(row.payment_id).or_default() += row.taken;
            }
            if row.changed_at > began_ms {
                turned.insert(row.payment_id);
            }
        }
        Ok((taken, turned))
    }

    /// Opens the alert where something differs, closes it where nothing does.
    async fn tell(&self, count: &Count, failure: Option<&str>) -> Result<(), BillingError> {
        let (kind, subject, db) = (alerts::Kind::Unreconciled, "stripe", &self.0.db);
        match (failure, count.findings.first()) {
            (Some(failure), _) => {
                let message = format!("The books could not be compared with Stripe’s: {failure}.");
                alerts::raise(db, kind, subject, &message).await?;
            }
            (None, Some(first)) => {
                let message = format!("{} differences from Stripe’s books. {first}", count.findings.len());
                alerts::raise(db, kind, subject, &message).await?;
            }
            (None, None) => alerts::resolve(db, kind, subject).await?,
        }
        Ok(())
    }
}

/// Reads a list page by page, newest first; the id of the last one read, and whether there were no more.
async fn all<T: serde::de::DeserializeOwned>(
    stripe: &Stripe,
    (path, query): (&str, serde_json::Value),
    into: &mut Vec<T>,
    id: impl Fn(&T) -> String,
) -> Result<(Option<String>, bool), BillingError> {
    let mut after: Option<String> = None;
    for _ in 0..PAGES_MAX {
        let mut query = query.clone();
        if let Some(after) = &after {
            query["starting_after"] = json!(after);
        }
        let request = RequestBuilder::new(StripeMethod::Get, path).query(&query);
        let page: List<T> = stripe.call(request, None).await?;
        after = page.data.last().map(&id).or(after);
        let is_last = !page.has_more || page.data.is_empty();
        into.extend(page.data);
        if is_last {
            return Ok((after, true));
        }
    }
    Ok((after, false))
}
