//! The picture that is ours: how a request went from account to account.
//! Pure.

use leptos::prelude::*;

use super::badge::{Badge, Tone};
use super::icon::{Glyph, Icon};

/// The attempts of one request in a list: small ones failed over, the long one answered.
#[component]
pub fn Pips(
    attempts: u32,
    /// The last attempt answered.
    answered: bool,
) -> impl IntoView {
    let attempts = attempts.max(1);
    let label = match (attempts, answered) {
        (1, true) => "1 attempt".to_owned(),
        (1, false) => "1 attempt, failed".to_owned(),
        (all, true) => format!("{all} attempts, {} failed over", all - 1),
        (all, false) => format!("{all} attempts, all failed"),
    };
    let over = (1..attempts.min(8)).map(|_| view! { <i class="x"></i> }).collect_view();
    view! {
        <span class="pips" role="img" aria-label=label>
            {over}
            <i class=(!answered).then_some("b")></i>
        </span>
        {(attempts > 1).then(|| view! { " " <span class="num faint t12">{attempts}</span> })}
    }
    .into_any()
}

/// One stop of a trail.
pub struct Step {
    /// What was asked: “Anthropic, account 1”.
    pub title: String,
    /// The outcome: “429 rate_limit_error”.
    pub badge: Option<String>,
    /// Ok: it answered. Warn: failed over. Bad: it failed. Neutral: not yet.
    pub tone: Tone,
    /// What followed.
    pub text: Option<String>,
    /// At the right: how long, how much.
    pub side: Option<String>,
}

/// The stops of a request, or of a journey.
#[component]
pub fn Trail(steps: Vec<Step>) -> impl IntoView {
    let items = (1_u32..)
        .zip(steps)
        .map(|(at, step)| {
            view! {
                <li>
                    {number(at, step.tone)}
                    <div>
                        <span class="strong">{step.title}</span>
                        {step.badge.map(|text| view! { " " <Badge tone=step.tone text=text /> })}
                        {step.text.map(|text| view! { <p>{text}</p> })}
                    </div>
                    {step.side.map(|side| view! { <span class="t12 faint num u-right">{side}</span> })}
                </li>
            }
        })
        .collect_view();
    view! { <ol class="trail">{items}</ol> }.into_any()
}

/// A round number, or a check when it is done.
fn number(at: u32, tone: Tone) -> AnyView {
    let content = if tone == Tone::Ok {
        view! { <Icon of=Glyph::Check /> }.into_any()
    } else {
        at.into_any()
    };
    view! { <span class=format!("trail__n trail__n--{}", tone.suffix())>{content}</span> }.into_any()
}

/// Where somebody is in a journey of a few steps.
#[component]
pub fn Progress(
    steps: Vec<&'static str>,
    /// How many are done.
    done: usize,
) -> impl IntoView {
    let items = (0_usize..)
        .zip(steps)
        .map(|(at, text)| {
            let tone = if at < done { Tone::Ok } else { Tone::Neutral };
            let current = (at == done).then_some("step");
            view! {
                <li aria-current=current>
                    {number(u32::try_from(at + 1).unwrap_or(u32::MAX), tone)} <span>{text}</span>
                </li>
            }
        })
        .collect_view();
    view! { <ol class="steps">{items}</ol> }.into_any()
}

/// What a stretch of time was spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneKind {
    /// In the waiting room.
    Waited,
    /// At an account that failed.
    Failed,
    /// Until the first content.
    Pending,
    /// Content came.
    Streamed,
}

/// One stretch of time of a request.
pub struct Lane {
    /// What it was: “First token”.
    pub name: String,
    /// What the time was spent on.
    pub kind: LaneKind,
    /// When it began, ms after the request came.
    pub start_ms: i64,
    /// How long it took, ms.
    pub took_ms: i64,
}

/// Where the time of a request went.
#[component]
pub fn Waterfall(lanes: Vec<Lane>) -> impl IntoView {
    let end = lanes
        .iter()
        .map(|lane| lane.start_ms.saturating_add(lane.took_ms))
        .max()
        .unwrap_or(0)
        .max(1);
    let mille = |ms: i64| u32::try_from(i128::from(ms.max(0)) * 1000 / i128::from(end)).unwrap_or(1000);
    let x = |ms: i64| super::cap::percent(mille(ms));
    // What took next to no time is seen, too.
    let width = |ms: i64| super::cap::percent(mille(ms).max(6));
    let rows = lanes
        .into_iter()
        .map(|lane| {
            let class = match lane.kind {
                LaneKind::Waited => "n",
                LaneKind::Failed => "bad",
                LaneKind::Pending => "soft",
                LaneKind::Streamed => "ok",
            };
            let took = format!("{} ms", super::money::count(lane.took_ms.unsigned_abs()));
            view! {
                <span class="muted">{lane.name}</span>
                <svg class="fall__lane" aria-hidden="true">
                    <rect class=class x=x(lane.start_ms) y="9" width=width(lane.took_ms) height="10" rx="2"></rect>
                </svg>
                <span class="r">{took}</span>
            }
        })
        .collect_view();
    view! { <div class="fall">{rows}</div> }.into_any()
}
