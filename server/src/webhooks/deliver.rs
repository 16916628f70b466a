//! Delivering: what is due is claimed, sent, and written down as taken, to be tried later, or given up.
//!
//! Invariant: one process at a time tries one delivery, for [`CLAIM_MS`]; only an answer of 2xx counts, no redirect is
//! followed, and of the answer nothing is read. Reads and writes `delivery`, reads `webhook`; calls the team's address.

use super::{WebhookError, Webhooks, binding, sign};
use crate::clock;
use entity::{delivery, delivery::Column, webhook};
use futures_util::{StreamExt as _, stream};
use gateway_core::id::{self, Kind};
use reqwest::{Url, header::CONTENT_TYPE, redirect};
use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, QueryFilter, Statement,
    sea_query::{Expr, ExprTrait as _},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// How often one looks for what is due.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long an address may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// How long a process may take for one delivery before another one tries it, in milliseconds.
const CLAIM_MS: i64 = 60_000;
/// Older than this, a delivery is given up, in milliseconds.
const LIFE_MS: i64 = 24 * 3_600_000;
/// How long rows are kept, in milliseconds.
const KEEP_MS: i64 = 30 * 24 * 3_600_000;

/// What is due, every team's first delivery before anybody's second: at most five a team and a hundred a round, so that no
/// team keeps the others waiting.
const DUE: &str = "SELECT * FROM (SELECT d.*, ROW_NUMBER() OVER (PARTITION BY team_id ORDER BY next_at, id) AS place \
     FROM delivery d WHERE next_at <= {now}) ranked WHERE place <= 5 ORDER BY place, next_at LIMIT 100";
/// Teams that are told at once.
const TEAMS_AT_ONCE: usize = 16;

/// The time that goes on from where a round began.
#[derive(Clone, Copy)]
struct Clock {
    began_ms: i64,
    began: Instant,
}

impl Clock {
    fn now_ms(self) -> i64 {
        let passed = i64::try_from(self.began.elapsed().as_millis());
        self.began_ms.saturating_add(passed.unwrap_or(i64::MAX))
    }
}

/// The JSON of a delivery.
pub(super) fn body(id: i64, (team_id, event): (i64, &str), what: Value, now_ms: i64) -> Value {
    json!({
        "id": id::render(Kind::Delivery, id),
        "event": event,
        "team": id::render(Kind::Team, team_id),
        "created_at_ms": now_ms,
        "data": what,
    })
}

impl Webhooks {
    /// Delivers what is due until it is dropped.
    pub async fn run(self) {
        loop {
            if let Err(error) = self.deliver_due(clock::now_ms()).await {
                tracing::warn!(%error, "what is to be told to webhooks could not be looked for");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Tries some of what is due at `now_ms` once, for all teams that wait; returns how many were taken.
    ///
    /// # Errors
    /// [`WebhookError::Secrets`], [`WebhookError::Database`].
    pub async fn deliver_due(&self, now_ms: i64) -> Result<u64, WebhookError> {
        let clock = Clock {
            began_ms: now_ms,
            began: Instant::now(),
        };
        let text = DUE.replace("{now}", &now_ms.to_string());
        let statement = Statement::from_string(self.0.db.get_database_backend(), text);
        let due = delivery::Entity::find().from_raw_sql(statement).all(&self.0.db).await?;
        let mut of_teams = BTreeMap::<i64, Vec<delivery::Model>>::new();
        for row in due {
            of_teams.entry(row.team_id).or_default().push(row);
        }
        let told = stream::iter(of_teams.into_values()).map(|rows| self.deliver_to_team(rows, clock));
        // All of them end, whichever fails.
        let told: Vec<_> = told.buffer_unordered(TEAMS_AT_ONCE).collect().await;
        told.into_iter().sum()
    }

    /// Tries the `rows` of one team, one after the other; how many were taken.
    async fn deliver_to_team(&self, rows: Vec<delivery::Model>, clock: Clock) -> Result<u64, WebhookError> {
        let mut taken = 0;
        for row in rows {
            if let Some(until_ms) = self.claim(&row, clock.now_ms()).await?
                && self.try_once(&row, until_ms, clock).await?
            {
                taken += 1;
            }
        }
        Ok(taken)
    }

    /// Deletes rows that are too old to be of interest.
    ///
    /// # Errors
    /// [`WebhookError::Database`].
    pub async fn tidy(&self, now_ms: i64) -> Result<(), WebhookError> {
        delivery::Entity::delete_many()
            .filter(Column::CreatedAt.lt(now_ms - KEEP_MS))
            .exec(&self.0.db)
            .await?;
        Ok(())
    }

    /// Until when this process is the one that tries `row`, as it was read, if it is.
    async fn claim(&self, row: &delivery::Model, now_ms: i64) -> Result<Option<i64>, DbErr> {
        let until_ms = now_ms + CLAIM_MS;
        let claimed = delivery::Entity::update_many()
            .col_expr(Column::NextAt, Expr::value(until_ms))
            .col_expr(Column::Attempts, Expr::col(Column::Attempts).add(1))
            .filter(Column::Id.eq(row.id))
            .filter(Column::NextAt.eq(row.next_at))
            .filter(Column::SentAt.is_null())
            .exec(&self.0.db)
            .await?;
        Ok((claimed.rows_affected == 1).then_some(until_ms))
    }

    async fn try_once(&self, row: &delivery::Model, until_ms: i64, clock: Clock) -> Result<bool, WebhookError> {
        let hook = webhook::Entity::find_by_id(row.team_id).one(&self.0.db).await?;
        let outcome = match hook {
            None => Err("The webhook was removed.".to_owned()),
            Some(hook) => self.send(&hook, row).await?,
        };
        let now_ms = clock.now_ms();
        let again = Some(now_ms + clock::delivery_pause_ms(row.attempts)).filter(|at| *at < row.created_at + LIFE_MS);
        let (sent_at, next_at, error) = match &outcome {
            Ok(()) => (Some(now_ms), None, None),
            Err(error) => (None, again, Some(error.clone())),
        };
        let mut noted = delivery::Entity::update_many()
            .col_expr(Column::SentAt, Expr::value(sent_at))
            .col_expr(Column::NextAt, Expr::value(next_at))
            .col_expr(Column::LastError, Expr::value(error))
            .filter(Column::Id.eq(row.id));
        if outcome.is_err() {
            // Another process may have tried it since, with more luck.
            noted = noted.filter(Column::NextAt.eq(until_ms));
        }
        noted.exec(&self.0.db).await?;
        Ok(outcome.is_ok())
    }

    /// Sends `row` to `hook`: why it was not taken is told without what the address answered.
    async fn send(&self, hook: &webhook::Model, row: &delivery::Model) -> Result<Result<(), String>, WebhookError> {
        // Checked anew: the rule may be stricter than when the URL was typed.
        let Ok(url) = self.check(&hook.url) else {
            return Ok(Err("The address is not public.".to_owned()));
        };
        let origin = url.origin().ascii_serialization();
        let secret = self.0.master.open(&hook.secret, &binding(hook.team_id, &origin))?;
        let signature = sign::signature(secret.expose(), clock::now_ms() / 1_000, &row.body);
        Ok(self.post(url, (&signature, row)).await)
    }

    async fn post(&self, url: Url, (signature, row): (&str, &delivery::Model)) -> Result<(), String> {
        // Fails where a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .timeout(ANSWER_TIME)
            .dns_resolver(self.0.guard.clone())
            .build()
            .map_err(|error| error.without_url().to_string())?;
        let request = client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header("x-ourhub-event", &row.event)
            .header("x-ourhub-delivery", id::render(Kind::Delivery, row.id))
            .header(sign::SIGNATURE, signature)
            .body(row.body.clone());
        match request.send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(format!("The address answered {}.", answer.status().as_u16())),
            Err(error) if error.is_timeout() => Err("The address did not answer within 10 s.".to_owned()),
            Err(_) => Err("The address cannot be reached, or is not public.".to_owned()),
        }
    }
}
