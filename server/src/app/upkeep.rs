//! What is done by the clock: caches read anew, wallets compared with Stripe, counts forgotten, the times keys were used written down, old requests deleted.
//!
//! Invariant: a failure is logged and tried again at the next turn; no task outlives the application. Reads and writes what
//! the areas do.

use super::App;
use crate::{auth, cap_alerts, clock, ledger, mail, stamp};
use gateway_core::id;
use std::{sync::Arc, time::Duration};
use tokio::task::JoinSet;

const EVERY: Duration = Duration::from_secs(60);
/// How often requests past their time are looked for; the first time a little after the start.
const PRUNE_EVERY: Duration = Duration::from_secs(24 * 3_600);
/// The rest between two parts of a deletion, for whoever else writes.
const PRUNE_REST: Duration = Duration::from_millis(50);
/// How often balances are looked at.
const TOP_UP_EVERY: Duration = Duration::from_secs(5);
const DAY_MS: i64 = 24 * 3_600_000;

/// Starts the tasks of `app`.
pub(super) fn start(app: &Arc<App>, keep_requests_days: Option<u32>, tasks: &mut JoinSet<()>) {
    let (signals, every) = (&app.signals, stamp::LOOK_EVERY);
    tasks.spawn_on(app.catalog.clone().watch(signals.clone(), every), &app.runtime);
    tasks.spawn_on(app.fleet.clone().watch(signals.clone(), every), &app.runtime);
    tasks.spawn_on(app.keys.clone().watch(signals.on(auth::TOPIC)), &app.runtime);
    tasks.spawn_on(app.auth.clone().watch(signals.on(auth::TOPIC)), &app.runtime);
    tasks.spawn_on(app.mail.clone().run(signals.on(mail::TOPIC)), &app.runtime);
    tasks.spawn_on(app.webhooks.clone().run(), &app.runtime);
    tasks.spawn_on(minutely(Arc::downgrade(app)), &app.runtime);
    tasks.spawn_on(reconcile(Arc::downgrade(app)), &app.runtime);
    tasks.spawn_on(top_up(Arc::downgrade(app)), &app.runtime);
    if let Some(days) = keep_requests_days {
        tasks.spawn_on(daily(Arc::downgrade(app), i64::from(days)), &app.runtime);
    }
}

async fn minutely(app: std::sync::Weak<App>) {
    loop {
        tokio::time::sleep(EVERY).await;
        let Some(app) = app.upgrade() else { return };
        app.auth.tidy(clock::now_ms());
        app.billing.tidy(clock::now_ms());
        if let Err(error) = app.auth.prune_sessions(clock::now_ms()).await {
            tracing::warn!(%error, "ended sessions could not be deleted");
        }
        if let Err(error) = app.auth.prune_links(clock::now_ms()).await {
            tracing::warn!(%error, "links past their time could not be deleted");
        }
        if let Err(error) = app.auth.prune_challenges(clock::now_ms()).await {
            tracing::warn!(%error, "challenges past their time could not be deleted");
        }
        if let Err(error) = app.mail.tidy(clock::now_ms()).await {
            tracing::warn!(%error, "old mails could not be deleted");
        }
        note_used_keys(&app).await;
        if let Err(error) = app.kept.prune(clock::now_ms()).await {
            tracing::warn!(%error, "what no provider keeps any more could not be deleted");
        }
        if let Err(error) = app.webhooks.tidy(clock::now_ms()).await {
            tracing::warn!(%error, "old deliveries to webhooks could not be deleted");
        }
        if let Err(error) = cap_alerts::scan(&app.db, (&app.mail, &app.webhooks), clock::now_ms()).await {
            tracing::warn!(%error, "caps that are nearly spent could not be looked for");
        }
        if app.is_prepaid
            && let Err(error) = cap_alerts::scan_wallets(&app.db, (&app.mail, &app.webhooks), clock::now_ms()).await
        {
            tracing::warn!(%error, "balances that are nearly used up could not be looked for");
        }
        if let Err(error) = app.ledger.correct_late().await {
            tracing::warn!(%error, "what was found of holds that were posted whole could not be booked");
        }
    }
}

/// Tops up balances that fell below what their teams set.
async fn top_up(app: std::sync::Weak<App>) {
    loop {
        tokio::time::sleep(TOP_UP_EVERY).await;
        let Some(app) = app.upgrade() else { return };
        if !app.billing.takes_payments() {
            return;
        }
        if let Err(error) = app.billing.top_up_low_balances(clock::now_ms()).await {
            tracing::warn!(%error, "low balances could not be topped up");
        }
    }
}

/// Compares the wallets with Stripe a little after the start, then hourly.
async fn reconcile(app: std::sync::Weak<App>) {
    let mut is_start = true;
    loop {
        tokio::time::sleep(EVERY).await;
        let Some(app) = app.upgrade() else { return };
        if !app.billing.takes_payments() {
            return;
        }
        let done = if is_start {
            app.billing.reconcile(clock::now_ms()).await.map(drop)
        } else {
            app.billing.reconcile_hourly(clock::now_ms()).await
        };
        if let Err(error) = done {
            tracing::warn!(%error, "the wallets could not be compared with Stripe");
        }
        is_start = false;
    }
}

async fn daily(app: std::sync::Weak<App>, days: i64) {
    tokio::time::sleep(EVERY).await;
    loop {
        let Some(app) = app.upgrade() else { return };
        match prune_requests(&app, clock::now_ms() - days * DAY_MS).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, days, "requests past their time were deleted"),
            Err(error) => tracing::warn!(%error, "requests past their time could not be deleted"),
        }
        drop(app);
        tokio::time::sleep(PRUNE_EVERY).await;
    }
}

/// Deletes the rows of requests from before `before_ms`, part by part; how many.
async fn prune_requests(app: &App, before_ms: i64) -> Result<u64, ledger::LedgerError> {
    let mut count = 0;
    loop {
        match ledger::prune(&app.db, id::at(before_ms, 0)).await? {
            0 => return Ok(count),
            some => count += some,
        }
        tokio::time::sleep(PRUNE_REST).await;
    }
}

/// Writes down when keys were last used.
pub(super) async fn note_used_keys(app: &App) {
    if let Err(error) = app.keys.flush_used(clock::now_ms()).await {
        tracing::warn!(%error, "the times keys were used could not be written");
    }
}
