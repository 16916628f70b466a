//! A team's wallet as its members see it: the balance, and every line that led to it.
//!
//! Invariant: the balance is the sum of the lines; a grant or a correction is made by a platform admin and is in the audit log
//! of whoever calls. Reads `entry` and `hold`; writes through the ledger; what pays wallets has tables of its own.

mod auto;
mod codes;
mod credit;
mod events;
mod opening;
mod payments;
mod portal;
mod reconcile;
mod reversals;
mod statement;
mod stripe;

pub use auto::AutoTopUp;
pub use codes::{CodeRow, CodeState, NewCodes};
pub use events::{Outcome, WebhookError};
pub use payments::{LEAST, MOST, PaymentRow, PaymentState};
pub use reconcile::Reconciled;
pub use reversals::DisputeRow;
pub use statement::{Charges, Statement, statement};
pub use stripe::{Settings as StripeSettings, SignatureError, StripeError};

use crate::{
    auth::{
        credential::Pepper,
        throttle::{self, Throttle},
    },
    fields::FieldErrors,
    ledger::{AdjustError, Adjustment, Balance, Grant, Ledger, LedgerError, snapshot},
    mail::{Mail, MailError},
    metering::{self, Charged, Request, Span},
    teams::TeamScope,
};
use entity::{
    entry::{Column, Entity, Model},
    hold,
};
use gateway_core::money::Nano;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, OnceLock},
};
use stripe::Stripe;

/// The most characters of a reason.
const REASON_MAX: usize = 200;
/// What lines of requests are called.
const CHARGE: &str = "charge";

/// Why something about money is refused.
#[derive(Debug, thiserror::Error)]
pub enum BillingError {
    /// The amount is nothing, or more than a wallet can count.
    #[error("the amount is nothing or too large")]
    Amount,
    /// No reason, or one that is too long or has control characters.
    #[error("a reason has 1 to {REASON_MAX} printable characters")]
    Reason,
    /// What was typed breaks a rule.
    #[error(transparent)]
    Invalid(#[from] FieldErrors),
    /// No such code was made.
    #[error("no such code")]
    CodeUnknown,
    /// The code is redeemed, taken back or past its time.
    #[error("the code is worth nothing any more")]
    CodeSpent(CodeState),
    /// There is no such thing.
    #[error("not found")]
    NotFound,
    /// Stripe refused, or did not answer.
    #[error(transparent)]
    Stripe(StripeError),
    /// Others changed the same again and again.
    #[error("the same was changed by others again and again")]
    Busy,
    /// A mail could not be put into the outbox.
    #[error(transparent)]
    Mail(MailError),
    /// The HTTP client cannot be made.
    #[error("the HTTP client for Stripe cannot be made: {0}")]
    Client(#[from] reqwest::Error),
    /// Too many wrong codes.
    #[error("too many attempts, the next in {retry_after_s} s")]
    Throttled {
        /// Seconds until the next attempt may be let through.
        retry_after_s: u64,
    },
    /// The system gives no randomness.
    #[error("the system gives no randomness")]
    Randomness,
    /// The request was charged several times, and none was named.
    #[error("the request has several charges")]
    Several,
    /// The charge cannot be corrected so.
    #[error(transparent)]
    Adjust(AdjustError),
    /// The ledger cannot.
    #[error(transparent)]
    Ledger(LedgerError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// What this area is told at the start.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// How often a team or an address may try a code: as often as a log-in.
    pub limits: throttle::Limits,
    /// How payments are taken; none: they are not.
    pub stripe: Option<StripeSettings>,
    /// What people type to reach the server, without a path.
    pub site: String,
}

/// The handle of this area; clones share everything.
#[derive(Clone)]
pub struct Billing(Arc<Inner>);

struct Inner {
    db: DatabaseConnection,
    ledger: Ledger,
    mail: Mail,
    pepper: Pepper,
    throttle: Throttle,
    stripe: Option<Stripe>,
    site: OnceLock<String>,
    /// What the site is called before it listens.
    expected_site: String,
}

impl Billing {
    /// The handle on `db`, ledger and mail; `master` is the key from which the pepper of codes is derived.
    ///
    /// # Errors
    /// [`BillingError::Client`].
    pub fn new(
        db: DatabaseConnection,
        (ledger, mail): (Ledger, Mail),
        master: &[u8; 32],
        config: Config,
    ) -> Result<Self, BillingError> {
        Ok(Self(Arc::new(Inner {
            db,
            ledger,
            mail,
            pepper: Pepper::derive(master, "ourhub redeem code v1"),
            throttle: Throttle::new(config.limits),
            stripe: config.stripe.map(Stripe::new).transpose()?,
            site: OnceLock::new(),
            expected_site: config.site,
        })))
    }

    /// Notes what people type to reach the server, once it listens.
    pub fn listens_at(&self, site: &str) {
        self.0.site.get_or_init(|| site.to_owned());
    }

    fn site(&self) -> &str {
        self.0.site.get().unwrap_or(&self.0.expected_site)
    }

    /// Whether payments are taken.
    #[must_use]
    pub fn takes_payments(&self) -> bool {
        self.0.stripe.is_some()
    }

    /// What to do about an empty wallet, as the beginning of a sentence.
    #[must_use]
    pub fn way_out(&self) -> String {
        let act = if self.takes_payments() {
            "Top up at"
        } else {
            "The balance is at"
        };
        format!("{act} {}/billing", self.site())
    }

    /// Stripe, where payments are taken.
    fn stripe(&self) -> Result<&Stripe, BillingError> {
        self.0.stripe.as_ref().ok_or(BillingError::NotFound)
    }

    /// Forgets counts of attempts that are too old to matter; to be called about every minute.
    pub fn tidy(&self, now_ms: i64) {
        self.0.throttle.tidy(now_ms);
    }
}

/// What is not as it must be between the wallets' entries and what they were made for, one sentence each.
///
/// # Errors
/// [`BillingError::Database`].
pub async fn verify(db: &DatabaseConnection) -> Result<Vec<String>, BillingError> {
    let snapshot = snapshot(db).await?;
    let mut found = Vec::new();
    let entries = entries_of(&snapshot, codes::KIND).await?;
    found.extend(codes::differences(&snapshot, &entries).await?);
    let entries = entries_of(&snapshot, payments::KIND).await?;
    found.extend(payments::differences(&snapshot, &entries).await?);
    found.extend(reversals::differences(&snapshot).await?);
    snapshot.rollback().await?;
    Ok(found)
}

/// The team and the amount of each entry of a kind.
async fn entries_of(db: &impl ConnectionTrait, kind: &str) -> Result<BTreeMap<i64, (i64, i64)>, DbErr> {
    let entries = Entity::find().filter(Column::Kind.eq(kind)).all(db).await?;
    let one = |entry: Model| (entry.id, (entry.team_id, entry.amount));
    Ok(entries.into_iter().map(one).collect())
}

/// One line of a wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The entry or hold: what lines are ordered by.
    pub line_id: i64,
    /// When, in Unix milliseconds.
    pub at_ms: i64,
    /// Signed: charges are negative.
    pub amount: Nano,
    /// What it is.
    pub what: What,
}

/// What a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A request was charged.
    Charge {
        /// The request.
        request_id: i64,
        /// The name asked for.
        model: String,
    },
    /// Somebody gave or took, or corrected.
    Entry {
        /// `grant`, `adjustment`, `code`, `top_up`, `refund` or `dispute`.
        kind: String,
        /// Why, for people.
        reason: String,
        /// The user who did it; none for the system.
        actor_id: Option<i64>,
        /// The request it corrects; none where that is gone.
        request_id: Option<i64>,
    },
}

/// A correction of what a request was charged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correction {
    /// Which of its holds; `None`: the only one that was charged.
    pub hold_id: Option<i64>,
    /// Signed as in the wallet: positive gives back, negative charges more.
    pub amount: Nano,
    /// What the charge is as far as the caller knows.
    pub seen: Option<Nano>,
    /// Why, for people.
    pub reason: String,
}

/// A correction that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corrected {
    /// Its line in the wallet.
    pub line: Line,
    /// What the charge is now.
    pub charge: Nano,
    /// Whether it had been made before this call.
    pub is_repeat: bool,
}

/// The wallet of the team of `scope`.
///
/// # Errors
/// [`BillingError::Ledger`].
pub async fn balance(ledger: &Ledger, scope: &TeamScope) -> Result<Balance, BillingError> {
    ledger.balance(scope.team_id()).await.map_err(BillingError::Ledger)
}

/// Which lines of a wallet are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Which {
    /// `charge` or the kind of an entry.
    pub kind: Option<String>,
    /// From this moment on, Unix milliseconds.
    pub from_ms: Option<i64>,
    /// Before this moment, Unix milliseconds.
    pub to_ms: Option<i64>,
    /// With ids below this.
    pub before: i64,
    /// So many at most.
    pub limit: u64,
}

/// The lines of the wallet that `which` means, newest first.
///
/// # Errors
/// [`BillingError::Database`].
pub async fn lines(
    db: &DatabaseConnection,
    scope: &TeamScope,
    which: &Which,
    now_ms: i64,
) -> Result<Vec<Line>, BillingError> {
    let kind = which.kind.as_deref();
    let mut lines = Vec::new();
    if kind != Some(CHARGE) {
        let mut query = Entity::find()
            .filter(Column::TeamId.eq(scope.team_id()))
            .filter(Column::Id.lt(which.before));
        if let Some(kind) = kind {
            query = query.filter(Column::Kind.eq(kind));
        }
        if let Some(from_ms) = which.from_ms {
            query = query.filter(Column::CreatedAt.gte(from_ms));
        }
        if let Some(to_ms) = which.to_ms {
            query = query.filter(Column::CreatedAt.lt(to_ms));
        }
        let entries = query.order_by_desc(Column::Id).limit(which.limit).all(db).await?;
        let requests = requests_of(db, &entries).await?;
        lines.extend(entries.into_iter().map(|entry| Line::new(entry, &requests)));
    }
    if kind.is_none_or(|kind| kind == CHARGE) {
        let span = Span {
            from_ms: which.from_ms,
            to_ms: which.to_ms,
        };
        let charges = metering::charges(db, scope, span, (which.before, which.limit), now_ms).await?;
        lines.extend(charges.into_iter().map(Line::from));
    }
    lines.sort_by_key(|line| std::cmp::Reverse(line.line_id));
    lines.truncate(usize::try_from(which.limit).unwrap_or(usize::MAX));
    Ok(lines)
}

/// Gives the team of `scope` an amount, or takes a negative one away; the caller has checked that a platform admin asks.
///
/// # Errors
/// [`BillingError`].
pub async fn grant(
    ledger: &Ledger,
    scope: &TeamScope,
    amount: Nano,
    reason: &str,
    now_ms: i64,
) -> Result<Line, BillingError> {
    let reason = checked(reason, amount)?;
    let grant = Grant {
        team_id: scope.team_id(),
        kind: "grant".to_owned(),
        amount,
        reason: reason.to_owned(),
        actor_id: Some(scope.user_id()),
    };
    let line_id = ledger.grant(grant).await.map_err(|error| match error {
        LedgerError::TooLarge => BillingError::Amount,
        other => BillingError::Ledger(other),
    })?;
    Ok(Line {
        line_id,
        at_ms: now_ms,
        amount,
        what: What::Entry {
            kind: "grant".to_owned(),
            reason: reason.to_owned(),
            actor_id: Some(scope.user_id()),
            request_id: None,
        },
    })
}

/// The reason as it is kept, if it is one and the amount is something.
fn checked(reason: &str, amount: Nano) -> Result<&str, BillingError> {
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON_MAX || reason.chars().any(char::is_control) {
        return Err(BillingError::Reason);
    }
    if amount == Nano::ZERO {
        return Err(BillingError::Amount);
    }
    Ok(reason)
}

/// Corrects what `request` was charged; the caller has checked that a platform admin asks.
///
/// # Errors
/// [`BillingError`].
pub async fn correct(
    ledger: &Ledger,
    scope: &TeamScope,
    request: &Request,
    correction: Correction,
) -> Result<Corrected, BillingError> {
    let reason = checked(&correction.reason, correction.amount)?;
    let adjustment = Adjustment {
        team_id: scope.team_id(),
        hold_id: charged_hold(request, correction.hold_id)?,
        amount: correction.amount,
        seen: correction.seen,
        reason: reason.to_owned(),
        actor_id: Some(scope.user_id()),
    };
    let adjusted = ledger.adjust(adjustment).await.map_err(|error| match error {
        AdjustError::Ledger(LedgerError::TooLarge) => BillingError::Amount,
        AdjustError::Ledger(error) => BillingError::Ledger(error),
        other => BillingError::Adjust(other),
    })?;
    let line = Line {
        line_id: adjusted.entry_id,
        at_ms: adjusted.at_ms,
        amount: correction.amount,
        what: What::Entry {
            kind: "adjustment".to_owned(),
            reason: reason.to_owned(),
            actor_id: Some(scope.user_id()),
            request_id: Some(request.first().id),
        },
    };
    Ok(Corrected {
        line,
        charge: adjusted.charge,
        is_repeat: adjusted.is_repeat,
    })
}

/// The hold of `request` that is meant.
fn charged_hold(request: &Request, named: Option<i64>) -> Result<i64, BillingError> {
    if let Some(named) = named {
        let is_its = request.holds().any(|hold| hold.id == named);
        return is_its
            .then_some(named)
            .ok_or(BillingError::Adjust(AdjustError::NotFound));
    }
    let mut charged = request.holds().filter(|hold| hold.posted > 0);
    match (charged.next(), charged.next()) {
        (Some(only), None) => Ok(only.id),
        (None, _) => Ok(request.first().id),
        _ => Err(BillingError::Several),
    }
}

/// The corrections of `request`, the first one first.
///
/// # Errors
/// [`BillingError::Database`].
pub async fn corrections(db: &DatabaseConnection, request: &Request) -> Result<Vec<(i64, Line)>, BillingError> {
    let first = request.first();
    let entries = Entity::find()
        .filter(Column::TeamId.eq(first.team_id))
        .filter(Column::HoldId.is_in(request.holds().map(|hold| hold.id)))
        .order_by_asc(Column::Id)
        .all(db)
        .await?;
    let requests: HashMap<i64, i64> = request.holds().map(|hold| (hold.id, first.id)).collect();
    let with_hold = |entry: Model| Some((entry.hold_id?, Line::new(entry, &requests)));
    Ok(entries.into_iter().filter_map(with_hold).collect())
}

/// The request of each hold that one of `entries` corrects.
async fn requests_of(db: &impl ConnectionTrait, entries: &[Model]) -> Result<HashMap<i64, i64>, DbErr> {
    let hold_ids: Vec<i64> = entries.iter().filter_map(|entry| entry.hold_id).collect();
    if hold_ids.is_empty() {
        return Ok(HashMap::new());
    }
    let holds = hold::Entity::find()
        .filter(hold::Column::Id.is_in(hold_ids))
        .all(db)
        .await?;
    Ok(holds.into_iter().map(|hold| (hold.id, hold.request_id)).collect())
}

impl Line {
    /// The line of an entry; `requests` has the request of each hold.
    fn new(row: Model, requests: &HashMap<i64, i64>) -> Self {
        Self {
            line_id: row.id,
            at_ms: row.created_at,
            amount: Nano(row.amount),
            what: What::Entry {
                kind: row.kind,
                reason: row.reason,
                actor_id: row.actor_id,
                request_id: row.hold_id.and_then(|hold_id| requests.get(&hold_id).copied()),
            },
        }
    }
}

impl From<Charged> for Line {
    fn from(charged: Charged) -> Self {
        Self {
            line_id: charged.hold_id,
            at_ms: charged.at_ms,
            amount: Nano(charged.amount.0.saturating_neg()),
            what: What::Charge {
                request_id: charged.request_id,
                model: charged.model,
            },
        }
    }
}
