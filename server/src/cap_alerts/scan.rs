//! Looking for caps of which a share is spent, and telling it.
//!
//! Invariant: the row that says a share was told, and the mail and the delivery that tell it, are written in one
//! transaction; of several processes, and of several shares passed at once, one mail comes. Reads `bucket` and whose caps they are; writes `cap_alert`.

use super::{CapAlertError, LOW_DAYS, MARKS, ROWS_A_DAY, WALLET, read_addresses};
use crate::{
    clock,
    mail::{Mail, Message, Paragraph},
    teams,
    webhooks::Webhooks,
};
use entity::{account, cap_alert};
use gateway_core::{
    id::{self, Kind},
    money::Nano,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait, FromQueryResult, PaginatorTrait, QueryFilter,
    Set, Statement, TransactionTrait, TryInsertResult,
};
use serde_json::{Value, json};
use std::collections::HashSet;

/// How long a mail about a cap is of use, in milliseconds.
const USEFUL_MS: i64 = 24 * 3_600_000;
/// Over how many days the pace of spending is taken.
const PACE_DAYS: i64 = 7;
/// A day in UTC, in milliseconds.
const DAY_MS: i64 = 24 * 3_600_000;

/// A cap of which half or more is spent in the period that runs.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
struct Spent {
    scope: String,
    scope_id: i64,
    team_id: i64,
    name: String,
    team_name: String,
    kind: String,
    period_start: i64,
    posted: i64,
    cap: i64,
}

/// The columns that say which share of which cap a row is about.
const ONCE: [cap_alert::Column; 7] = [
    cap_alert::Column::TeamId,
    cap_alert::Column::Scope,
    cap_alert::Column::ScopeId,
    cap_alert::Column::Kind,
    cap_alert::Column::PeriodStart,
    cap_alert::Column::Cap,
    cap_alert::Column::Percent,
];

/// What names a share of a cap.
type Key = (i64, String, i64, String, i64, i64, i32);

/// Tells of every share of a cap that is spent and was not told yet; returns how many mails that made.
///
/// # Errors
/// [`CapAlertError::Mail`], [`CapAlertError::Database`].
pub async fn scan(
    db: &DatabaseConnection,
    (mail, webhooks): (&Mail, &Webhooks),
    now_ms: i64,
) -> Result<u64, CapAlertError> {
    let queries = QUERIES.map(|query| query.replace("{now}", &now_ms.to_string()));
    tell_of(db, (mail, webhooks), &queries, now_ms).await
}

/// The same of prepaid balances: told once for what was paid in, when it will not last at the pace of the last days, and when it is
/// used up.
///
/// # Errors
/// As [`scan`].
pub async fn scan_wallets(
    db: &DatabaseConnection,
    (mail, webhooks): (&Mail, &Webhooks),
    now_ms: i64,
) -> Result<u64, CapAlertError> {
    let query = WALLETS
        .replace("{since}", &(now_ms - PACE_DAYS * DAY_MS).to_string())
        .replace("{low}", &LOW_DAYS.to_string())
        .replace("{days}", &PACE_DAYS.to_string());
    tell_of(db, (mail, webhooks), &[query], now_ms).await
}

async fn tell_of(
    db: &DatabaseConnection,
    (mail, webhooks): (&Mail, &Webhooks),
    queries: &[String],
    now_ms: i64,
) -> Result<u64, CapAlertError> {
    let mut spent = Vec::new();
    for query in queries {
        let statement = Statement::from_string(db.get_database_backend(), query);
        spent.extend(Spent::find_by_statement(statement).all(db).await?);
    }
    let known = told(db, &spent).await?;
    let mut mails = 0;
    for spent in spent {
        let is_new = |percent: &&i32| !known.contains(&spent.key(**percent));
        // The highest first: it is the one that is told.
        let passed: Vec<i32> = spent.marks().iter().filter(is_new).copied().rev().collect();
        if !passed.is_empty() {
            mails += tell(db, (mail, webhooks), (&spent, &passed), now_ms).await?;
        }
    }
    Ok(mails)
}

/// The caps of teams, members and keys with their buckets. A bucket of a key in all has no end.
const QUERIES: [&str; 3] = [
    "SELECT b.scope, b.scope_id, b.team_id, b.kind, b.period_start, b.posted, c.cap, t.name AS name, t.name AS team_name \
     FROM (SELECT id, 'day' AS kind, cap_day AS cap FROM team WHERE cap_day IS NOT NULL \
     UNION ALL SELECT id, 'month', cap_month FROM team WHERE cap_month IS NOT NULL) c \
     JOIN team t ON t.id = c.id \
     JOIN bucket b ON b.scope = 'team' AND b.scope_id = c.id AND b.team_id = c.id AND b.kind = c.kind \
     WHERE b.period_end > {now} AND b.posted >= c.cap / 2",
    "SELECT b.scope, b.scope_id, b.team_id, b.kind, b.period_start, b.posted, c.cap, u.email AS name, t.name AS team_name \
     FROM (SELECT team_id, user_id, 'day' AS kind, cap_day AS cap FROM member WHERE cap_day IS NOT NULL \
     UNION ALL SELECT team_id, user_id, 'month', cap_month FROM member WHERE cap_month IS NOT NULL) c \
     JOIN team t ON t.id = c.team_id JOIN \"user\" u ON u.id = c.user_id \
     JOIN bucket b ON b.scope = 'member' AND b.scope_id = c.user_id AND b.team_id = c.team_id AND b.kind = c.kind \
     WHERE b.period_end > {now} AND b.posted >= c.cap / 2",
    "SELECT b.scope, b.scope_id, b.team_id, b.kind, b.period_start, b.posted, c.cap, c.name AS name, t.name AS team_name \
     FROM (SELECT id, team_id, name, 'day' AS kind, cap_day AS cap FROM api_key WHERE cap_day IS NOT NULL AND revoked_at IS NULL \
     UNION ALL SELECT id, team_id, name, 'month', cap_month FROM api_key WHERE cap_month IS NOT NULL AND revoked_at IS NULL \
     UNION ALL SELECT id, team_id, name, 'total', cap_total FROM api_key WHERE cap_total IS NOT NULL AND revoked_at IS NULL) c \
     JOIN team t ON t.id = c.team_id \
     JOIN bucket b ON b.scope = 'key' AND b.scope_id = c.id AND b.team_id = c.team_id AND b.kind = c.kind \
     WHERE (b.period_end > {now} OR b.period_end IS NULL) AND b.posted >= c.cap / 2",
];

/// The wallets of teams that used something lately, whose balance is less than some days of that: with nothing left where it is topped
/// up by itself.
const WALLETS: &str = "SELECT b.scope, b.scope_id, b.team_id, b.kind, b.period_start, b.posted, b.credit AS cap, t.name AS name, \
     t.name AS team_name \
     FROM (SELECT team_id, SUM(posted - own_posted) AS used FROM usage_hour WHERE hour >= {since} GROUP BY team_id) u \
     JOIN team t ON t.id = u.team_id JOIN bucket b ON b.team_id = u.team_id AND b.kind = 'wallet' \
     WHERE u.used > 0 AND b.credit - b.posted <= u.used * {low} / {days} AND (b.credit <= b.posted \
     OR NOT EXISTS (SELECT 1 FROM auto_top_up a WHERE a.team_id = u.team_id AND a.is_on = 1))";

impl Spent {
    fn is_wallet(&self) -> bool {
        self.kind == WALLET
    }

    /// What is left: below nothing where more was spent.
    fn left(&self) -> Nano {
        Nano(self.cap.saturating_sub(self.posted))
    }

    /// The shares that are spent, the lowest first.
    fn marks(&self) -> &'static [i32] {
        if self.is_wallet() {
            let end = if self.left() > Nano::ZERO { 2 } else { 3 };
            return &MARKS[1..end];
        }
        let percent = i128::from(self.posted) * 100 / i128::from(self.cap.max(1));
        let count = MARKS.iter().filter(|mark| i128::from(**mark) <= percent).count();
        &MARKS[..count]
    }

    fn key(&self, percent: i32) -> Key {
        (
            self.team_id,
            self.scope.clone(),
            self.scope_id,
            self.kind.clone(),
            self.period_start,
            self.cap,
            percent,
        )
    }

    fn row(&self, percent: i32, now_ms: i64) -> cap_alert::ActiveModel {
        cap_alert::ActiveModel {
            id: Set(clock::new_id()),
            team_id: Set(self.team_id),
            scope: Set(self.scope.clone()),
            scope_id: Set(self.scope_id),
            name: Set(self.name.clone()),
            kind: Set(self.kind.clone()),
            period_start: Set(self.period_start),
            percent: Set(percent),
            cap: Set(self.cap),
            posted: Set(self.posted),
            created_at: Set(now_ms),
        }
    }

    /// What a webhook is told.
    fn told(&self, percent: i32) -> Value {
        let kind = match self.scope.as_str() {
            "team" => Kind::Team,
            "member" => Kind::User,
            _ => Kind::Key,
        };
        if self.is_wallet() {
            return json!({
                "team": id::render(Kind::Team, self.team_id),
                "name": self.team_name,
                "balance": self.left().render(),
                "is_used_up": percent == 100,
            });
        }
        json!({
            "scope": self.scope,
            "subject": id::render(kind, self.scope_id),
            "name": self.name,
            "period": self.kind,
            "percent": percent,
            "cap": Nano(self.cap).render(),
            "spent": Nano(self.posted).render(),
        })
    }

    /// “the daily cap of the key ci-agents”.
    fn words(&self) -> String {
        let period = match self.kind.as_str() {
            "day" => "daily cap",
            "month" => "monthly cap",
            _ => "cap in all",
        };
        match self.scope.as_str() {
            "team" => format!("the {period} of the team {}", self.team_name),
            scope => format!("the {period} of the {scope} {}", self.name),
        }
    }
}

/// The shares of `spent` that were told.
async fn told(db: &impl ConnectionTrait, spent: &[Spent]) -> Result<HashSet<Key>, DbErr> {
    let teams: HashSet<i64> = spent.iter().map(|spent| spent.team_id).collect();
    let starts: HashSet<i64> = spent.iter().map(|spent| spent.period_start).collect();
    let rows = cap_alert::Entity::find()
        .filter(cap_alert::Column::TeamId.is_in(teams))
        .filter(cap_alert::Column::PeriodStart.is_in(starts))
        .all(db)
        .await?;
    let key = |row: cap_alert::Model| {
        let cap = (row.kind, row.period_start, row.cap, row.percent);
        (row.team_id, row.scope, row.scope_id, cap.0, cap.1, cap.2, cap.3)
    };
    Ok(rows.into_iter().map(key).collect())
}

/// Notes that the shares `passed`, the highest first, are told, and writes to the team about the highest.
async fn tell(
    db: &DatabaseConnection,
    (mail, webhooks): (&Mail, &Webhooks),
    (spent, passed): (&Spent, &[i32]),
    now_ms: i64,
) -> Result<u64, CapAlertError> {
    let transaction = db.begin().await?;
    let mut told = None;
    for percent in passed {
        let noted = cap_alert::Entity::insert(spent.row(*percent, now_ms))
            .on_conflict_do_nothing_on(ONCE)
            .exec_without_returning(&transaction)
            .await?;
        if told.is_none() && matches!(noted, TryInsertResult::Inserted(1)) {
            told = Some(*percent);
        }
    }
    let today = cap_alert::Entity::find()
        .filter(cap_alert::Column::TeamId.eq(spent.team_id))
        .filter(cap_alert::Column::CreatedAt.gte(now_ms - now_ms.rem_euclid(DAY_MS)));
    // After the write, which takes the lock.
    let is_enough = today.count(&transaction).await? > ROWS_A_DAY;
    let mut mails = 0;
    // Another process may have noticed it at the same time.
    if let Some(percent) = told.filter(|_| !is_enough) {
        let has_own = spent.is_wallet() && has_own_accounts(&transaction, spent.team_id).await?;
        for to in readers(&transaction, spent.team_id).await? {
            let letter = if spent.is_wallet() {
                wallet_letter(spent, has_own, to, now_ms)
            } else {
                letter(spent, percent, to, now_ms)
            };
            mail.enqueue(&transaction, &letter, now_ms).await?;
            mails += 1;
        }
        let event = if spent.is_wallet() { "balance.low" } else { "cap.alert" };
        let told = (spent.team_id, event);
        webhooks
            .enqueue(&transaction, told, spent.told(percent), now_ms)
            .await?;
    }
    transaction.commit().await?;
    Ok(mails)
}

/// Who is written to: those of the team that it names, else its owners.
async fn readers(db: &impl ConnectionTrait, team_id: i64) -> Result<Vec<String>, DbErr> {
    let mut named = read_addresses(db, team_id).await?;
    let known = teams::emails(db, team_id).await?;
    named.retain(|email| known.contains(email));
    if !named.is_empty() {
        return Ok(named);
    }
    teams::owners(db, team_id).await
}

/// Whether upstream accounts of the team's own may serve it, which no balance pays.
async fn has_own_accounts(db: &impl ConnectionTrait, team_id: i64) -> Result<bool, DbErr> {
    let own = account::Entity::find()
        .filter(account::Column::TeamId.eq(team_id))
        .filter(account::Column::DisabledAt.is_null());
    Ok(own.count(db).await? > 0)
}

fn letter(spent: &Spent, percent: i32, to: String, now_ms: i64) -> Message {
    let words = spent.words();
    let share = if percent == 100 {
        "All".to_owned()
    } else {
        format!("{percent}%")
    };
    let figures = format!("{} of {} USD", Nano(spent.posted).render(), Nano(spent.cap).render());
    let next = if percent == 100 {
        "Calls that it covers are refused until the period ends or the cap is raised."
    } else {
        "Nothing is refused yet."
    };
    Message {
        kind: "cap_alert",
        to,
        subject: format!("{share} of {words} is spent"),
        body: vec![
            Paragraph::text(format!(
                "{share} of {words} is spent: {figures}, in the team {}. {next}",
                spent.team_name
            )),
            Paragraph::link("Show alerts of the team", "/alerts"),
        ],
        expires_at_ms: now_ms + USEFUL_MS,
    }
}

fn wallet_letter(spent: &Spent, has_own: bool, to: String, now_ms: i64) -> Message {
    let calls = if has_own {
        "calls that the platform’s accounts serve"
    } else {
        "calls"
    };
    let (team, left) = (&spent.team_name, spent.left().render());
    let (subject, text) = if spent.left() > Nano::ZERO {
        (
            format!("The balance of {team} will not last {LOW_DAYS} days"),
            format!(
                "{left} USD are left in the team {team}. At the pace of the last days that is less than {LOW_DAYS} days. Once it is used up, {calls} are refused."
            ),
        )
    } else {
        (
            format!("The balance of {team} is used up"),
            format!("{left} USD are left in the team {team}, so {calls} are refused until something is added."),
        )
    };
    Message {
        kind: "balance_low",
        to,
        subject,
        body: vec![Paragraph::text(text), Paragraph::link("Show the balance", "/billing")],
        expires_at_ms: now_ms + USEFUL_MS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_counts_once_it_is_reached_however_large_the_figures() {
        let marks = |posted, cap| {
            let spent = Spent {
                scope: "team".into(),
                scope_id: 1,
                team_id: 1,
                name: String::new(),
                team_name: String::new(),
                kind: "day".into(),
                period_start: 0,
                posted,
                cap,
            };
            spent.marks().len()
        };
        assert_eq!([marks(499, 1_000), marks(500, 1_000), marks(799, 1_000)], [0, 1, 1]);
        assert_eq!([marks(800, 1_000), marks(999, 1_000), marks(1_000, 1_000)], [2, 2, 3]);
        assert_eq!(marks(i64::MAX, i64::MAX), 3);
        assert_eq!(marks(i64::MAX, 1), 3);
    }
}
