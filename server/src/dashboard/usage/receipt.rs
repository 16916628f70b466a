//! The receipt of one request: attempts, charge line by line, holds with what they were held against, corrections.
//!
//! Invariant: a team sees "OpenAI, account 2", never the label of an account that is not its own. Reads what `metering` and `accounts` do.

use super::{Principal, Refusal, request_id, rows};
use crate::{
    accounts::Account,
    billing::{self, Line},
    dashboard::billing::line_view,
    metering::{self, Against, Attempt, Papers, Request, Whose},
    teams,
};
use frontend::api::{
    Code, Nano, Time,
    billing::LedgerLine,
    usage::{AttemptView, ChargeLine, HoldLine, MarginView, Receipt, RequestRow},
};
use gateway_core::{
    catalog,
    id::{self, Kind},
};

impl Principal {
    pub(super) async fn read_receipt(&self, team: &str, id: &str) -> Result<Receipt, Refusal> {
        let scope = self.reader(team).await?;
        let request = metering::find(&self.app.db, Whose::Team(&scope), request_id(id)?).await?;
        let request = request.ok_or(Code::NotFound)?;
        let row = rows::row(&request, &self.names_of(&scope).await?);
        self.receipt_of(&request, row, Labels::Numbers).await
    }

    pub(super) async fn read_any_receipt(&self, id: &str) -> Result<Receipt, Refusal> {
        self.admin()?;
        let request = metering::find(&self.app.db, Whose::Everybody, request_id(id)?).await?;
        let request = request.ok_or(Code::NotFound)?;
        let row = self.row_of_any(&request, &mut rows::NamesByTeam::default()).await?;
        self.receipt_of(&request, row, Labels::Own).await
    }

    async fn receipt_of(&self, request: &Request, row: RequestRow, labels: Labels) -> Result<Receipt, Refusal> {
        let papers = metering::papers(&self.app.db, request).await?;
        let corrections = billing::corrections(&self.app.db, request).await?;
        let team_id = request.first().team_id;
        let accounts = Known {
            platform: self.app.fleet.list().await?,
            own: self.app.fleet.of(Some(team_id)).list().await?,
        };
        let trail = request.attempts().into_iter().map(|mut attempt| {
            attempt.model = attempt.model.take().filter(|model| model != request.asked_for());
            attempt_view(attempt, &accounts, labels)
        });
        Ok(Receipt {
            row,
            trail: trail.collect(),
            lines: papers.lines.iter().map(charge_line).collect(),
            price_since: papers.price_since_ms.filter(|since| *since > 0).map(Time),
            holds: hold_lines(request, &papers, &corrections),
            adjustments: self.adjustment_lines(request, corrections).await?,
            notes: request.notes(),
            margin: (labels == Labels::Own).then(|| MarginView {
                markup: papers.markup.percent(),
                cost: papers.cost,
            }),
        })
    }
}

impl Principal {
    async fn adjustment_lines(
        &self,
        request: &Request,
        corrections: Vec<(i64, Line)>,
    ) -> Result<Vec<LedgerLine>, Refusal> {
        if corrections.is_empty() {
            return Ok(Vec::new());
        }
        let scope = teams::scope(&self.app.db, self.person()?, request.first().team_id).await?;
        let emails = self.emails(&scope).await?;
        let lines = corrections.into_iter().map(|(_, line)| line_view(line, &emails));
        Ok(lines.collect())
    }
}

/// What an account is called on a receipt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Labels {
    /// Its own label: for admins.
    Own,
    /// Its provider and its number among that provider's accounts.
    Numbers,
}

/// The accounts that a receipt may name.
struct Known {
    platform: Vec<Account>,
    /// The team's own.
    own: Vec<Account>,
}

fn attempt_view(attempt: Attempt, accounts: &Known, labels: Labels) -> AttemptView {
    AttemptView {
        account: account_name(&attempt, accounts, labels),
        provider: attempt.provider,
        model: attempt.model,
        outcome: attempt.outcome.name().to_owned(),
        status: attempt.status,
        started_ms: attempt.started_ms,
        took_ms: attempt.took_ms,
        ttft_ms: attempt.ttft_ms,
        note: attempt.note,
    }
}

fn account_name(
    attempt: &Attempt,
    Known {
        platform: accounts,
        own,
    }: &Known,
    labels: Labels,
) -> String {
    let provider = catalog::preset(&attempt.provider).map_or(attempt.provider.as_str(), |preset| preset.name);
    let is_it = |account: &&Account| Some(account.id) == attempt.account_id();
    if let Some(account) = own.iter().find(is_it) {
        return format!("{}, the team’s own", account.label);
    }
    let account = accounts.iter().find(is_it);
    match (account, labels) {
        (Some(account), Labels::Own) => account.label.clone(),
        (Some(account), Labels::Numbers) => {
            let is_before = |other: &&Account| other.provider == account.provider && other.id <= account.id;
            format!("{provider}, account {}", accounts.iter().filter(is_before).count())
        }
        (None, _) => format!("{provider}, an account that is gone"),
    }
}

fn charge_line(line: &metering::ChargeLine) -> ChargeLine {
    ChargeLine {
        kind: line.kind.to_owned(),
        tokens: line.tokens,
        price: line.price(),
        amount: line.amount(),
    }
}

fn hold_lines(request: &Request, papers: &Papers, corrections: &[(i64, Line)]) -> Vec<HoldLine> {
    let given = |hold_id| {
        let of_hold = corrections.iter().filter(|(corrected, _)| *corrected == hold_id);
        of_hold.map(|(_, line)| line.amount.0).fold(0, i64::saturating_add)
    };
    let lines = request.holds().zip(&papers.against).map(|(hold, against)| HoldLine {
        id: id::render(Kind::Request, hold.id),
        charged: Nano(hold.posted.saturating_sub(given(hold.id))),
        is_own: hold.is_own,
        estimate: metering::estimate_of(hold),
        at: Time(hold.started_at),
        ended_at: hold.finished_at.map(Time),
        state: match hold.state {
            0 => "held",
            1 => "posted",
            2 => "voided",
            _ => "estimated",
        }
        .to_owned(),
        held: Nano(hold.held),
        posted: Nano(hold.posted),
        overrun: Nano(hold.overrun),
        against: against.iter().map(against_text).collect(),
    });
    lines.collect()
}

/// Such as "key, day of 24 Nov".
fn against_text(against: &Against) -> String {
    let zoned = || {
        let zone = jiff::tz::TimeZone::get(&against.time_zone).unwrap_or(jiff::tz::TimeZone::UTC);
        let start = jiff::Timestamp::from_millisecond(against.period_start_ms).unwrap_or_default();
        start.to_zoned(zone)
    };
    let scope = &against.scope;
    match against.kind.as_str() {
        "day" => format!("{scope} on {}", zoned().strftime("%-d %b")),
        "month" => format!("{scope} in {}", zoned().strftime("%B %Y")),
        kind => format!("{scope} {kind}"),
    }
}
