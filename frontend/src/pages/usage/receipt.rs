//! The receipt of one request: attempts, where the time went, tokens by price, hold and charge.
//!
//! Invariant: amounts are shown as they are stored; only the charges of a request's holds are added up here.
//! Reads [`crate::api::usage::receipt`], for admins [`crate::api::usage::any_receipt`].

mod correction;

use correction::Desk;
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::super::frame::{Spot, copy, signed_in};
use super::outcome;
use crate::api::usage::{
    AttemptView, ChargeLine, HoldLine, MarginView, Receipt, RequestRow, any_receipt, read_receipt,
};
use crate::api::{ApiError, Nano};
use crate::ui::*;
use gateway_core::usage::ServiceTier;

/// `/usage/{id}`
#[component]
pub fn ReceiptPage() -> impl IntoView {
    let id = use_params_map().read_untracked().get("id").unwrap_or_default();
    let spot = Spot::new(Section::Usage, id.clone(), format!("/usage/{id}")).via("/usage", "Usage");
    signed_in(spot, move |visit| async move {
        let receipt = read_receipt(id).await?;
        let desk = if visit.session.is_admin {
            Desk::Elsewhere(format!("/admin/requests/{}", receipt.row.id))
        } else {
            Desk::None
        };
        Ok::<_, ApiError>(page(&visit.clock, &desk, receipt))
    })
}

/// `/admin/requests/{id}`
#[component]
pub fn AnyReceiptPage() -> impl IntoView {
    let id = use_params_map().read_untracked().get("id").unwrap_or_default();
    let spot =
        Spot::new(Section::Requests, id.clone(), format!("/admin/requests/{id}")).via("/admin/requests", "Requests");
    signed_in(spot, move |visit| async move {
        let receipt = any_receipt(id).await?;
        let team = receipt
            .row
            .team
            .as_ref()
            .map(|team| team.id.clone())
            .unwrap_or_default();
        let desk = Desk::Here(team, receipt.row.id.clone(), Box::new(visit.flash.clone()));
        Ok::<_, ApiError>(page(&visit.clock, &desk, receipt))
    })
}

fn page(clock: &Clock, desk: &Desk, receipt: Receipt) -> AnyView {
    let Receipt {
        row,
        trail,
        lines,
        price_since,
        holds,
        adjustments,
        notes,
        margin,
    } = receipt;
    let since = price_since.map(|at| format!("price of {}", clock.day(at)));
    let attempts = attempts(&row, trail);
    let charge = charge(&row, lines, since);
    let corrections = correction::made(clock, adjustments);
    let stats = stats(&row, &holds);
    // What only wrote a refusal down held nothing and says nothing, unless it is all there is.
    let is_empty = |line: &HoldLine| line.held == Nano::ZERO && line.posted == Nano::ZERO;
    let shows_all = holds.iter().all(is_empty);
    let told = holds.into_iter().filter(|line| shows_all || !is_empty(line));
    let holds = told.map(|line| hold(clock, desk, line)).collect_view();
    let facts = facts(&row);
    let margin = margin.map(earned);
    let notes = (!notes.is_empty()).then(|| {
        let notes = notes.into_iter().map(|note| view! { <li>{note}</li> }).collect_view();
        view! {
            <Card title="Notes">
                <ul class="stack stack--2 t12 muted">{notes}</ul>
            </Card>
        }
    });
    view! {
        {head(clock, &row)}
        {stats}
        <div class="split">
            <div class="stack stack--6">{attempts} {charge} {corrections}</div>
            <div class="stack stack--6">
                {holds} <Card title="Request">
                    <Facts of=facts />
                </Card> {margin} {notes}
            </div>
        </div>
    }
    .into_any()
}

fn head(clock: &Clock, row: &RequestRow) -> AnyView {
    let (tone, ended) = outcome(&row.outcome);
    let status = row.status.map_or(ended.clone(), |status| format!("{status} · {ended}"));
    let streamed = if row.is_stream {
        format!("{status} · streamed")
    } else {
        status
    };
    let over = u64::from(row.attempts.saturating_sub(1));
    let over = (over > 0).then(|| counted(over, "failover", "failovers"));
    let id = row.id.clone();
    let by = row.answered_by.as_ref().map(|model| format!("answered by {model}"));
    view! {
        <div class="page__head">
            <div>
                <div class="row row--wrap">
                    <h1 class="mono u-t18">{row.model.clone()}</h1>
                    <Badge tone=tone text=streamed />
                    {by.map(|text| view! { <Badge tone=Tone::Neutral text=text /> })}
                    {over.map(|text| view! { <Badge tone=Tone::Warn text=text /> })}
                </div>
                <p class="num">{clock.exact(row.started_at)} " · " <span class="mono">{id.clone()}</span></p>
            </div>
            <div class="row">{copy(id, "Copy id")}</div>
        </div>
    }
    .into_any()
}

fn stats(row: &RequestRow, holds: &[HoldLine]) -> AnyView {
    let sum = holds.iter().map(|hold| hold.charged.0).fold(0, i64::saturating_add);
    let (charged, tokens) = (Nano(sum), count(row.usage.total()));
    let took = row.total_ms.map_or_else(|| "running".to_owned(), duration);
    let first = row.ttft_ms.map(|ms| format!("first token after {}", duration(ms)));
    let cached = (row.usage.without_rare().cache_read > 0).then(|| {
        let share = u128::from(row.usage.without_rare().cache_read) * 100 / u128::from(row.usage.prompt().max(1));
        format!("{share}% of the input came from cache")
    });
    let streaming = row
        .total_ms
        .zip(row.ttft_ms)
        .map(|(total, first)| total - first)
        .filter(|ms| *ms > 0);
    let speed = streaming
        .and_then(|ms| u128::try_from(ms).ok())
        .map(|ms| u128::from(row.usage.answer()) * 1000 / ms);
    let speed = speed.map_or_else(|| "not known".to_owned(), |speed| speed.to_string());
    let note = if charged != row.counted() {
        format!("corrected, {} before", usd(row.counted()))
    } else if holds.iter().any(|hold| hold.is_own && hold.posted > Nano::ZERO) {
        "by an own account, not off the balance".to_owned()
    } else if row.is_estimate {
        "an estimate".to_owned()
    } else {
        format!("to key {}", row.key.name)
    };
    let is_all_own = holds.iter().all(|hold| hold.is_own || hold.posted == Nano::ZERO) && charged > Nano::ZERO;
    let label = if is_all_own { "Counted" } else { "Charged" };
    view! {
        <Stats>
            <Stat label=label value=view! { <Amount of=charged decimals=9 /> }.into_any() note=note />
            <Stat label="Took" value=took.into_any() nostrip:note=first />
            <Stat label="Tokens" value=tokens.into_any() nostrip:note=cached />
            <Stat label="Tokens per second" value=speed.into_any() note="after the first token" />
        </Stats>
    }
    .into_any()
}

fn attempts(row: &RequestRow, trail: Vec<AttemptView>) -> AnyView {
    let lanes = lanes(row, &trail);
    let hint = match trail.len() {
        0 => "no account was asked".to_owned(),
        1 => "one".to_owned(),
        many => format!("{many}, one after another"),
    };
    let last = trail.len();
    let steps = (1_usize..)
        .zip(trail)
        .map(|(at, attempt)| Step {
            title: match attempt.model {
                Some(model) => format!("{model} at {}", attempt.account),
                None => attempt.account,
            },
            badge: Some(words(&attempt.outcome, attempt.status)),
            tone: match (attempt.outcome.as_str(), at == last) {
                ("ok", _) => Tone::Ok,
                (_, true) => Tone::Bad,
                (_, false) => Tone::Warn,
            },
            text: told(attempt.note, attempt.ttft_ms),
            side: Some(duration(attempt.took_ms)),
        })
        .collect();
    view! {
        <Card title="Attempts" hint=hint>
            <Trail steps=steps />
            <Waterfall lanes=lanes />
        </Card>
    }
    .into_any()
}

/// What followed from an attempt, and when its first content came.
fn told(note: String, ttft_ms: Option<i64>) -> Option<String> {
    let first = ttft_ms.map(|ms| format!("first content after {}", duration(ms)));
    let words: Vec<String> = first
        .into_iter()
        .chain(Some(note).filter(|note| !note.is_empty()))
        .collect();
    (!words.is_empty()).then(|| words.join("; "))
}

/// `200`, `429 rate limited`, `timed out`.
fn words(outcome: &str, status: Option<u16>) -> String {
    let text = if outcome == "ok" {
        "answered".to_owned()
    } else {
        outcome.replace('_', " ")
    };
    match status {
        Some(status) if outcome == "ok" => status.to_string(),
        Some(status) => format!("{status} {text}"),
        None => text,
    }
}

/// Where the time went: waiting, failing, until the first content, and content.
fn lanes(row: &RequestRow, trail: &[AttemptView]) -> Vec<Lane> {
    let lane = |name: String, kind, start_ms, took_ms| Lane {
        name,
        kind,
        start_ms,
        took_ms,
    };
    let mut lanes = Vec::new();
    if let Some(wait) = trail.first().map(|attempt| attempt.started_ms).filter(|ms| *ms > 0) {
        lanes.push(lane("Before".to_owned(), LaneKind::Waited, 0, wait));
    }
    for (at, attempt) in (1_usize..).zip(trail) {
        let (start, took) = (attempt.started_ms, attempt.took_ms);
        if attempt.outcome != "ok" {
            lanes.push(lane(format!("Attempt {at}"), LaneKind::Failed, start, took));
            continue;
        }
        let first = row
            .ttft_ms
            .filter(|first| row.is_stream && *first > start && *first < start + took);
        match first {
            Some(first) => {
                lanes.push(lane("First token".to_owned(), LaneKind::Pending, start, first - start));
                lanes.push(lane(
                    "Stream".to_owned(),
                    LaneKind::Streamed,
                    first,
                    start + took - first,
                ));
            }
            None => lanes.push(lane("Answer".to_owned(), LaneKind::Streamed, start, took)),
        }
    }
    lanes
}

fn charge(row: &RequestRow, lines: Vec<ChargeLine>, since: Option<String>) -> AnyView {
    let head = vec![
        th("Tokens", ""),
        th("Count", "r"),
        th("Per million", "r"),
        th("Amount", "r"),
    ];
    let decimals = lines
        .iter()
        .map(|line| decimals_of(&line.amount))
        .max()
        .unwrap_or(0)
        .max(9);
    let rows = lines
        .into_iter()
        .map(|line| {
            view! {
                <tr>
                    <td>{kind(&line.kind)}</td>
                    <td class="r">{count(line.tokens)}</td>
                    <td class="r">{format!("${}", line.price)}</td>
                    <td class="r">{exact(&line.amount, decimals)}</td>
                </tr>
            }
        })
        .collect_view();
    let foot = view! {
        <tr>
            <td>"Total"</td>
            <td class="r">{count(row.usage.total())}</td>
            <td></td>
            <td class="r">
                <Amount of=row.counted() decimals=9 />
            </td>
        </tr>
    };
    view! {
        <Card title="Charge" nostrip:hint=since flush=true>
            <Table head=head tight=true flush=true foot=foot.into_any()>
                {rows}
            </Table>
            <div class="card__foot">"Tokens × price, added exactly, rounded up once to the nano-dollar."</div>
        </Card>
    }
    .into_any()
}

fn decimals_of(amount: &str) -> usize {
    amount.split_once('.').map_or(0, |(_, decimals)| decimals.len())
}

/// An exact amount with so many decimals; those below a cent step back.
fn exact(amount: &str, decimals: usize) -> AnyView {
    let (dollars, below) = amount.split_once('.').unwrap_or((amount, ""));
    let padded = format!("{below:0<decimals$}");
    let (cents, rest) = padded.split_at(2.min(padded.len()));
    let (whole, rest) = (format!("${dollars}.{cents}"), rest.to_owned());
    view! { <span class="money">{whole} <i>{rest}</i></span> }.into_any()
}

fn kind(of: &str) -> String {
    let words = match of {
        "input" => "Input",
        "cache_read" => "Cache read",
        "cache_read_audio" => "Cache read, sound",
        "cache_write" => "Cache write",
        "cache_write_long" => "Cache write, kept for hours",
        "audio_input" => "Input, sound",
        "image_input" => "Input, images",
        "output" => "Output",
        "audio_output" => "Output, sound",
        "image_output" => "Output, images",
        "images" => "Images, each",
        "characters" => "Characters",
        "seconds" => "Seconds of sound, each",
        "searches" => "Searches, each",
        other => other,
    };
    words.to_owned()
}

fn hold(clock: &Clock, desk: &Desk, line: HoldLine) -> AnyView {
    let form = correction::form(desk, &line);
    let HoldLine {
        charged,
        is_own,
        estimate,
        at,
        ended_at,
        state,
        held,
        posted,
        overrun,
        against,
        ..
    } = line;
    let (title, after) = match is_own {
        true => ("Hold and count", "Counted in caps"),
        false => ("Hold and charge", "Charged after it"),
    };
    let own = is_own.then(|| {
        let text = "The team pays its provider itself. This figure, at our price, counts in caps and is not taken off the balance.";
        view! { <p class="t12 faint">{text}</p> }
    });
    let mut sums = vec![
        Fact::new("Held before the call", view! { <Amount of=held decimals=6 /> }),
        Fact::new(after, view! { <Amount of=posted decimals=6 /> }),
    ];
    if overrun.0 > 0 {
        sums.push(Fact::new("Above the hold", view! { <Amount of=overrun decimals=6 /> }));
    }
    if charged != posted {
        sums.push(Fact::new(
            "After corrections",
            view! { <Amount of=charged decimals=6 /> },
        ));
    }
    let estimate = (!estimate.is_empty()).then(|| {
        view! { <Notice tone=Tone::Warn title="This charge is an estimate" text=format!("Why: {estimate}.") /> }
    });
    let ended = ended_at.map_or_else(|| "still held".to_owned(), |ended| clock.time_of_day(ended));
    let time = format!("From {} to {ended}. ", clock.time_of_day(at));
    let against = (!against.is_empty()).then(|| format!("Held against {}.", against.join(", ")));
    view! {
        <Card title=title hint=state>
            <Facts of=sums wide=true />
            {(held > Nano::ZERO)
                .then(|| view! { <CapBar label="Share of the hold that was charged" spent=posted cap=held plain=true /> })}
            <p class="t12 faint">{time} {against}</p>
            {own}
            {estimate}
            {form}
        </Card>
    }
    .into_any()
}

/// What the platform adds, and what the provider takes.
fn earned(margin: MarginView) -> AnyView {
    let facts = vec![
        Fact::new("Markup", format!("{}%", margin.markup)),
        Fact::new("Cost", view! { <Amount of=margin.cost decimals=9 /> }),
    ];
    view! {
        <Card title="Margin" hint="for platform admins">
            <Facts of=facts />
        </Card>
    }
    .into_any()
}

fn facts(row: &RequestRow) -> Vec<Fact> {
    let member = row
        .member
        .as_ref()
        .map_or_else(|| "Service".to_owned(), |member| member.name.clone());
    let key = view! {
        <a class="link" href=format!("/keys/{}", row.key.id)>
            {row.key.name.clone()}
        </a>
    };
    let mut facts = vec![
        Fact::new("Key", key),
        Fact::new("Member", member),
        Fact::new("Operation", row.operation.clone()),
    ];
    if row.usage.tier != ServiceTier::Standard {
        facts.push(Fact::new("Service tier", row.usage.tier.as_str()));
    }
    if let Some(team) = &row.team {
        facts.insert(0, Fact::new("Team", team.name.clone()));
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Named, Time};
    use gateway_core::usage::Usage;

    fn attempt(outcome: &str, started_ms: i64, took_ms: i64) -> AttemptView {
        AttemptView {
            provider: "openai".to_owned(),
            model: None,
            account: "OpenAI, account 1".to_owned(),
            outcome: outcome.to_owned(),
            status: Some(200),
            started_ms,
            took_ms,
            ttft_ms: None,
            note: String::new(),
        }
    }

    fn row(is_stream: bool, ttft_ms: Option<i64>) -> RequestRow {
        RequestRow {
            id: "req_1".to_owned(),
            team: None,
            started_at: Time(0),
            model: "m".to_owned(),
            answered_by: None,
            key: Named {
                id: "key_1".to_owned(),
                name: "k".to_owned(),
            },
            member: None,
            operation: "chat".to_owned(),
            is_stream,
            outcome: "ok".to_owned(),
            status: Some(200),
            attempts: 2,
            usage: Usage::default(),
            held: Nano::ZERO,
            charged: Nano::ZERO,
            own_counted: Nano::ZERO,
            is_estimate: false,
            ttft_ms,
            total_ms: Some(1_000),
        }
    }

    #[test]
    fn the_time_of_a_request_is_split_where_the_first_token_came() {
        let trail = [attempt("rate_limited", 2, 180), attempt("ok", 182, 818)];
        let lanes = lanes(&row(true, Some(400)), &trail);
        let shown: Vec<_> = lanes
            .iter()
            .map(|lane| (lane.name.as_str(), lane.start_ms, lane.took_ms))
            .collect();
        assert_eq!(
            shown,
            [
                ("Before", 0, 2),
                ("Attempt 1", 2, 180),
                ("First token", 182, 218),
                ("Stream", 400, 600)
            ]
        );
    }

    #[test]
    fn an_answer_without_a_stream_is_one_lane() {
        let lanes = lanes(&row(false, Some(900)), &[attempt("ok", 0, 1_000)]);
        assert_eq!(lanes.len(), 1);
        assert_eq!(lanes[0].kind, LaneKind::Streamed);
    }
}
