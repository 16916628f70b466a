//! The monthly statement: to read, to print, to save.
//!
//! Invariant: amounts are shown with all their decimals, so that they can be added up. Reads [`crate::api::statement`].

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::frame::{Spot, signed_in};
use crate::api::ApiError;
use crate::api::billing::LedgerLine;
use crate::api::statement::{ChargesView, StatementView, statement};
use crate::ui::*;

/// `/billing/statement`; with `?month=2026-11` another month than the current one.
#[component]
pub fn StatementPage() -> impl IntoView {
    let month = use_query_map()
        .read_untracked()
        .get("month")
        .filter(|month| !month.is_empty());
    let spot = Spot::new(Section::Billing, "Statement", "/billing/statement").via("/billing", "Billing");
    signed_in(spot, |visit| async move {
        let statement = statement(month).await?;
        Ok::<_, ApiError>(page(&visit.clock, statement))
    })
}

fn page(clock: &Clock, statement: StatementView) -> AnyView {
    let lead = format!(
        "{}, {} to {}, in the time zone {}. Print it to keep it as a PDF.",
        statement.team,
        clock.day(statement.from),
        clock.day(crate::api::Time(statement.to.0 - 1)),
        statement.time_zone
    );
    let save = format!("/billing/statement.csv?month={}", statement.month);
    let sums = vec![
        Fact::new("Balance at the beginning", exact(statement.opening)),
        Fact::new("Paid in, granted, corrected", exact(statement.entered)),
        Fact::new("Charged", exact(crate::api::Nano(statement.charged.0.saturating_neg()))),
        Fact::new("Balance at the end", exact(statement.closing)),
    ];
    view! {
        <PageHead title=format!("Statement, {}", month_name(&statement.month)) lead=lead>
            <LinkButton href=save text="Save as CSV" icon=Glyph::Download download=true />
        </PageHead>
        <form class="filters filters--form" method="get" action="/billing/statement">
            <TextField name="month" label="Month" value=statement.month.clone() kind="month" />
            <Button text="Show month" />
        </form>
        <Card title="Summary">
            <Facts of=sums wide=true />
        </Card>
        {charges("Charges by day", "Day", days(statement.days))}
        {charges("Charges by model", "Model", statement.models)}
        {entries(clock, statement.entries)}
    }
    .into_any()
}

/// Days as the other lists write them: `20 Nov`.
fn days(of: Vec<ChargesView>) -> Vec<ChargesView> {
    let named = |day: ChargesView| ChargesView {
        of: day_name(&day.of),
        ..day
    };
    of.into_iter().map(named).collect()
}

fn exact(amount: crate::api::Nano) -> AnyView {
    view! { <Amount of=amount decimals=9 /> }.into_any()
}

fn charges(title: &'static str, of: &'static str, charges: Vec<ChargesView>) -> AnyView {
    if charges.is_empty() {
        return view! { <Empty icon=Glyph::Receipt title=title text="Nothing was charged in this month." /> }
            .into_any();
    }
    let head = vec![th(of, ""), th("Requests", "r"), th("Charged", "r")];
    let rows = charges
        .into_iter()
        .map(|charge| {
            view! {
                <tr>
                    <td class="main">{charge.of}</td>
                    <td class="r">{count(charge.requests.unsigned_abs())}</td>
                    <td class="r">{exact(charge.charged)}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="stack stack--2">
            <h2>{title}</h2>
            <Table head=head tight=true>
                {rows}
            </Table>
        </section>
    }
    .into_any()
}

fn entries(clock: &Clock, entries: Vec<LedgerLine>) -> Option<AnyView> {
    if entries.is_empty() {
        return None;
    }
    let head = vec![th("Date", ""), th("Entry", ""), th("Amount", "r")];
    let rows = entries
        .into_iter()
        .map(|line| {
            let kind = super::billing::kind_word(&line.kind);
            view! {
                <tr>
                    <td class="nowrap">
                        <When at=line.at clock=clock.clone() style=Style::Day />
                    </td>
                    <td class="main">{kind} <span class="sub">{line.reason}</span></td>
                    <td class="r">
                        <Amount of=line.amount decimals=9 signed=true />
                    </td>
                </tr>
            }
        })
        .collect_view();
    let list = view! {
        <section class="stack stack--2">
            <h2>"Entries"</h2>
            <Table head=head tight=true>
                {rows}
            </Table>
        </section>
    };
    Some(list.into_any())
}
