//! The overview: spend against caps, requests, what failed over, and the newest requests. Before the first key it shows
//! the way to the first call instead.
//!
//! Reads [`crate::api::usage::overview`].

use leptos::prelude::*;

use super::alerts;
use super::frame::{Spot, Visit, signed_in};
use super::keys::create;
use super::usage::request_table;
use crate::api::usage::{DayBar, Overview, UsageGroup, read_overview};
use crate::api::{ApiError, Nano};
use crate::islands::{ChartTip, TipColumn};
use crate::shell::has_islands;
use crate::ui::*;

/// `/overview`
#[component]
pub fn OverviewPage() -> impl IntoView {
    signed_in(
        Spot::new(Section::Overview, "Overview", "/overview"),
        |visit| async move {
            let news = alerts::notice(&visit, &[]).await?;
            let session = &visit.session;
            if session.key_count == 0 || (session.is_admin && !session.has_accounts) {
                return Ok::<_, ApiError>(first_steps(&visit, news));
            }
            let overview = read_overview().await?;
            Ok(page(&visit, overview, news))
        },
    )
}

/// The way to the first call. An admin adds an account first, others make a key.
fn first_steps(visit: &Visit, news: Option<AnyView>) -> AnyView {
    let session = &visit.session;
    let step = |title: &str, text: &str, is_done: bool| Step {
        title: title.to_owned(),
        badge: None,
        tone: if is_done { Tone::Ok } else { Tone::Neutral },
        text: Some(text.to_owned()),
        side: None,
    };
    let account = session.is_admin.then(|| {
        let text = "OurHub needs at least one account at a provider to answer calls. It takes a minute.";
        step("Add an upstream account", text, session.has_accounts)
    });
    let key = step(
        "Create a key",
        "A key is what your app sends instead of a provider’s. It is shown once, with snippets.",
        session.key_count > 0,
    );
    let call = step(
        "Make a call",
        "Change one line in your client. The receipt appears here.",
        false,
    );
    let act = if session.is_admin && !session.has_accounts {
        let add =
            view! { <LinkButton href="/admin/accounts/new" text="Add account" kind=Kind::Primary icon=Glyph::Plus /> };
        Some(add.into_any())
    } else {
        create(visit)
    };
    let steps: Vec<_> = account.into_iter().chain([key, call]).collect();
    view! {
        <PageHead title="Ready when you are" lead="Make a call with your key, and spend, speed and failovers show up here." />
        {news}
        <div class="narrow">
            <Card title="From here to the first answer">
                <Trail steps=steps />
                {act.map(|act| view! { <div class="row">{act}</div> })}
            </Card>
        </div>
    }
    .into_any()
}

fn page(visit: &Visit, overview: Overview, news: Option<AnyView>) -> AnyView {
    let lead = format!("{}, {}", visit.clock.today(), visit.clock.zone_name());
    let stats = stats(visit, &overview);
    let chart = chart(overview.series, &overview.bars);
    let (by_key, by_member) = (shares(&overview.by_key), shares(&overview.by_member));
    let shares = view! {
        <div class="split split--even">
            <Card title="By key" hint="30 days">{by_key}</Card>
            <Card title="By member" hint="30 days">{by_member}</Card>
        </div>
    };
    let latest = request_table(&visit.clock, overview.latest, "/usage", None);
    let create = create(visit);
    view! {
        <PageHead title="Overview" lead=lead>
            {create}
        </PageHead>
        {news}
        {stats}
        {chart}
        {shares}
        <section class="stack stack--2">
            <div class="row row--between">
                <h2>"Latest requests"</h2>
                <a class="link t13" href="/usage">
                    "All usage"
                </a>
            </div>
            {latest}
        </section>
    }
    .into_any()
}

fn stats(visit: &Visit, overview: &Overview) -> AnyView {
    let spent = |label: String, spend: &crate::api::keys::Spend| {
        let meter = label.clone();
        let bar = spend
            .cap
            .map(|cap| view! { <CapBar label=meter spent=spend.posted held=spend.held cap=cap /> }.into_any());
        let note = if spend.held > Nano::ZERO {
            format!("{} held by running requests", usd(spend.held))
        } else {
            "nothing held".to_owned()
        };
        let of = spend.cap.map(|cap| format!("of {}", usd(cap)));
        view! {
            <Stat
                label=label
                value=view! { <Amount of=spend.posted /> }.into_any()
                nostrip:of=of
                nostrip:figure=bar
                note=note
            />
        }
        .into_any()
    };
    let today = spent("Spent today".to_owned(), &overview.day);
    let month = spent(format!("Spent in {}", visit.clock.month()), &overview.month);
    let failed = match overview.failed {
        0 => "none failed".to_owned(),
        failed => format!("{} ended with an error", count(failed)),
    };
    let (requests, failovers) = (count(overview.requests), count(overview.failovers));
    let ttft = overview.ttft_ms.map_or_else(
        || "another account answered".to_owned(),
        |ms| format!("first token after {} on average", duration(ms)),
    );
    view! {
        <Stats>
            {today}
            {month}
            <Stat label="Requests, 30 days" value=requests.into_any() note=failed />
            <Stat label="429s you never saw" value=failovers.into_any() note=ttft />
        </Stats>
    }
    .into_any()
}

fn chart(series: Vec<String>, bars: &[DayBar]) -> AnyView {
    let has_others = series.last().is_some_and(|name| name == "others");
    let last = bars.len().saturating_sub(1);
    let columns: Vec<_> = bars
        .iter()
        .enumerate()
        .map(|(at, bar)| Column {
            label: if at == last {
                "Today".to_owned()
            } else {
                short_day(&bar.day)
            },
            parts: bar.charged.clone(),
            running: at == last,
        })
        .collect();
    let first = columns.first().map(|column| column.label.clone()).unwrap_or_default();
    let today = columns.last().map(|column| usd(column.sum())).unwrap_or_default();
    let label = format!("Spend per day by model, {first} to today. Today: {today}.");
    let over = has_islands().then(|| {
        let tips = columns
            .iter()
            .map(|column| tip_of(column, &series, has_others))
            .collect();
        view! { <ChartTip columns=tips /> }.into_any()
    });
    view! {
        <Card title="Spend by model" hint="30 days">
            <StackedBars label=label columns=columns others=has_others nostrip:over=over />
            <Legend names=series others=has_others />
        </Card>
    }
    .into_any()
}

/// The figures of one day, as text.
fn tip_of(column: &Column, series: &[String], has_others: bool) -> TipColumn {
    let line = |(at, (name, amount)): (usize, (&String, &Nano))| {
        (
            format!("sw--{}", swatch(at, series.len(), has_others)),
            name.clone(),
            usd(*amount),
        )
    };
    let parts = (1_usize..).zip(series.iter().zip(&column.parts));
    TipColumn {
        title: column.label.clone(),
        lines: parts.filter(|(_, (_, amount))| amount.0 > 0).map(line).collect(),
        total: usd(column.sum()),
    }
}

/// `2026-11-24` as `24 Nov`.
fn short_day(day: &str) -> String {
    day.parse::<jiff::civil::Date>()
        .map_or_else(|_| day.to_owned(), |date| date.strftime("%-d %b").to_string())
}

fn shares(groups: &[UsageGroup]) -> AnyView {
    let mut groups: Vec<_> = groups.iter().filter(|group| group.charged > Nano::ZERO).collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.charged));
    if groups.is_empty() {
        return view! { <p class="t13 faint">"Nothing was spent yet."</p> }.into_any();
    }
    let mut bars: Vec<_> = groups
        .iter()
        .take(5)
        .map(|group| Bar {
            name: group.label.clone(),
            value: group.charged,
        })
        .collect();
    if groups.len() > 5 {
        let rest = groups
            .iter()
            .skip(5)
            .fold(0_i64, |sum, group| sum.saturating_add(group.charged.0));
        bars.push(Bar {
            name: format!("{} others", groups.len() - 5),
            value: Nano(rest),
        });
    }
    view! { <Bars of=bars /> }.into_any()
}

#[cfg(test)]
mod tests {
    use super::short_day;

    #[test]
    fn a_day_is_written_for_people() {
        assert_eq!(short_day("2026-11-04"), "4 Nov");
        assert_eq!(short_day("someday"), "someday");
    }
}
