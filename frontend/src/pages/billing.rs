//! Billing: the balance and the ledger, one line each.
//!
//! Invariant: amounts are shown as the ledger has them.
//! Reads [`crate::api::billing`]; the form is sent to `/fn/redeem`.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::{
    frame::{Spot, Visit, signed_in},
    payments,
};
use crate::api::billing::{BalanceView, LedgerLine, balance, ledger};
use crate::api::payments::{PaymentsBoard, payments_board};
use crate::api::{ApiError, Flash, Nano, Page, PageQuery};
use crate::ui::*;

/// `/billing`
#[component]
pub fn BillingPage() -> impl IntoView {
    let after = use_query_map().read_untracked().get("after");
    signed_in(Spot::new(Section::Billing, "Billing", "/billing"), |visit| async move {
        let balance = balance().await?;
        let board = payments_board().await?;
        let lines = ledger(PageQuery { limit: None, after }).await?;
        Ok::<_, ApiError>(page(&visit, &balance, board.as_ref(), lines))
    })
}

fn page(visit: &Visit, balance: &BalanceView, board: Option<&PaymentsBoard>, lines: Page<LedgerLine>) -> AnyView {
    let lead = if balance.prepaid {
        "Prepaid: a call needs a balance. Every charge here opens down to its request."
    } else {
        "The balance may go below zero. Every charge here opens down to its request."
    };
    let list = if lines.data.is_empty() {
        nothing()
    } else {
        table(&visit.clock, lines)
    };
    view! {
        <PageHead title="Billing" lead=lead />
        {board.and_then(payments::dispute_notice).or_else(|| empty_notice(balance, board.is_some()))}
        {stats(balance)}
        {board.filter(|_| visit.manages_team()).map(|board| payments::top_up(&visit.flash, board))}
        {visit.manages_team().then(|| redeem(&visit.flash))}
        {board.and_then(|board| payments::payments(&visit.clock, board))}
        <section class="stack stack--2">
            <h2>"Ledger"</h2>
            {list}
        </section>
    }
    .into_any()
}

/// Why calls are refused, where the wallet is the reason.
fn empty_notice(balance: &BalanceView, takes_payments: bool) -> Option<AnyView> {
    if !balance.prepaid || balance.balance > Nano::ZERO {
        return None;
    }
    let (title, why) = if balance.balance < Nano::ZERO {
        (
            "The balance is below zero.",
            "What was given back, disputed or corrected had been spent. ",
        )
    } else {
        ("The balance is used up.", "")
    };
    let way = if takes_payments {
        "Calls are refused until you top up."
    } else {
        "Calls are refused until the platform’s admin adds to it, or a code is redeemed."
    };
    let notice = view! { <Notice tone=Tone::Bad title=title text=format!("{why}{way}") /> };
    Some(notice.into_any())
}

fn stats(balance: &BalanceView) -> AnyView {
    let BalanceView {
        balance,
        held,
        entries,
        posted,
        ..
    } = *balance;
    let held = if held == Nano::ZERO {
        "nothing held".to_owned()
    } else {
        format!("{} of it held by running requests", usd(held))
    };
    view! {
        <Stats>
            <Stat label="Balance" value=view! { <Amount of=balance /> }.into_any() note=held />
            <Stat label="Paid in, granted, corrected" value=view! { <Amount of=entries /> }.into_any() note="in all" />
            <Stat label="Charged" value=view! { <Amount of=posted /> }.into_any() note="in all" />
        </Stats>
    }
    .into_any()
}

/// Where somebody types a code.
fn redeem(flash: &Flash) -> AnyView {
    let (code, error) = (flash.value("code", ""), flash.error_of("code"));
    view! {
        <Card title="Redeem a code">
            <form class="row row--wrap u-top" method="post" action="/fn/redeem">
                <TextField
                    name="code"
                    label="Code"
                    value=code
                    mono=true
                    required=true
                    placeholder="OH-XXXXX-XXXXX-XXXXX-XXXXX"
                    autocomplete="off"
                    hint="Its worth is added to the balance."
                    nostrip:error=error
                />
                <Button text="Redeem code" />
            </form>
        </Card>
    }
    .into_any()
}

fn nothing() -> AnyView {
    view! { <Empty icon=Glyph::Card title="No entries yet" text="Grants and charges are listed here, one line each." /> }
        .into_any()
}

fn table(clock: &Clock, lines: Page<LedgerLine>) -> AnyView {
    let head = vec![
        th("Date", ""),
        th("Entry", ""),
        th("What", "p2"),
        th("By", "p3"),
        th("Amount", "r"),
    ];
    let older = lines.next.map(|after| format!("/billing?after={after}"));
    let note = counted_rows(&lines.data, "entry", "entries");
    let body = lines.data.into_iter().map(|line| row(clock, line)).collect_view();
    let pager = view! { <Pager note=note nostrip:older=older /> }.into_any();
    view! {
        <Table head=head tight=true pager=pager>
            {body}
        </Table>
    }
    .into_any()
}

fn row(clock: &Clock, line: LedgerLine) -> AnyView {
    let entry = match line.kind.as_str() {
        "charge" => view! {
            <a class="link" href=format!("/usage/{}", line.id)>
                "Charge"
            </a>
        }
        .into_any(),
        "grant" => "Grant".into_any(),
        "code" => "Code".into_any(),
        "top_up" => "Payment".into_any(),
        "refund" => "Refund".into_any(),
        "dispute" => "Dispute".into_any(),
        "adjustment" => match line.request {
            Some(request) => view! {
                <a class="link" href=format!("/usage/{request}")>
                    "Correction"
                </a>
            }
            .into_any(),
            None => "Correction".into_any(),
        },
        other => other.to_owned().into_any(),
    };
    view! {
        <tr>
            <td class="nowrap">
                <When at=line.at clock=clock.clone() style=Style::TimeOfDay />
            </td>
            <td class="main">{entry} <span class="sub only-sm">{line.reason.clone()}</span></td>
            <td class="p2 muted">{line.reason}</td>
            <td class="p3 muted">{line.actor.unwrap_or_else(|| "a call".to_owned())}</td>
            <td class="r">
                <Amount of=line.amount decimals=6 signed=true />
            </td>
        </tr>
    }
    .into_any()
}
