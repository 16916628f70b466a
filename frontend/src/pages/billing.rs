//! Billing: the balance and the ledger, one line each.
//!
//! Invariant: amounts are shown as the ledger has them.
//! Reads [`crate::api::billing`]; the form is sent to `/fn/redeem`.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use leptos_router::location::Url;

use super::{
    frame::{Spot, Visit, signed_in},
    payments,
};
use crate::api::billing::{BalanceView, LedgerFilter, LedgerLine, balance, ledger};
use crate::api::payments::{PaymentsBoard, read_payments_board};
use crate::api::{ApiError, Flash, Moment, Nano, Page, PageQuery};
use crate::ui::*;

/// `/billing`
#[component]
pub fn BillingPage() -> impl IntoView {
    let query = use_query_map().read_untracked();
    let after = query.get("after");
    let asked = |name: &str| query.get(name).filter(|value| !value.is_empty());
    let filter = LedgerFilter {
        kind: asked("kind"),
        from: asked("from").as_deref().and_then(Moment::parse),
        to: asked("to").as_deref().and_then(Moment::parse),
    };
    let typed = Typed {
        kind: asked("kind").unwrap_or_default(),
        from: asked("from").unwrap_or_default(),
        to: asked("to").unwrap_or_default(),
    };
    signed_in(Spot::new(Section::Billing, "Billing", "/billing"), |visit| async move {
        let balance = balance().await?;
        let board = read_payments_board().await?;
        let lines = ledger(filter, PageQuery { limit: None, after }).await?;
        Ok::<_, ApiError>(page(&visit, &balance, board.as_ref(), (lines, typed)))
    })
}

fn page(
    visit: &Visit,
    balance: &BalanceView,
    board: Option<&PaymentsBoard>,
    (lines, typed): (Page<LedgerLine>, Typed),
) -> AnyView {
    let lead = if balance.prepaid {
        "Prepaid: a call needs a balance. Every charge here opens down to its request."
    } else {
        "The balance may go below zero. Every charge here opens down to its request."
    };
    let list = if lines.data.is_empty() {
        nothing(typed.is_any())
    } else {
        table(&visit.clock, lines, &typed)
    };
    let filters = filters(&typed, board.is_some());
    view! {
        <PageHead title="Billing" lead=lead>
            <LinkButton href="/billing/statement" text="Monthly statement" icon=Glyph::Receipt />
        </PageHead>
        {board.and_then(payments::dispute_notice).or_else(|| empty_notice(balance, board.is_some()))}
        {stats(balance)}
        {visit.manages_team().then(|| ways_to_pay(&visit.flash, board))}
        {board.and_then(|board| payments::payments(&visit.clock, board))}
        <section class="stack stack--2">
            <h2>"Ledger"</h2>
            {filters}
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
        per_day,
        ..
    } = *balance;
    let lasts = match (per_day > Nano::ZERO, balance.0.checked_div(per_day.0)) {
        (true, Some(0)) if balance > Nano::ZERO => "less than a day at this pace".to_owned(),
        (true, Some(days)) if days > 0 => format!(
            "the balance lasts {} at this pace",
            counted(days.unsigned_abs(), "day", "days")
        ),
        _ => "on average of the last 7 days".to_owned(),
    };
    let held = if held == Nano::ZERO {
        "nothing held".to_owned()
    } else {
        format!("{} of it held by running requests", usd(held))
    };
    view! {
        <Stats>
            <Stat label="Balance" value=view! { <Amount of=balance /> }.into_any() note=held />
            <Stat label="Paid in, granted, corrected" value=view! { <Amount of=entries /> }.into_any() note="in all" />
            <Stat label="A day costs" value=view! { <Amount of=per_day /> }.into_any() note=lasts />
            <Stat label="Charged" value=view! { <Amount of=posted /> }.into_any() note="in all" />
        </Stats>
    }
    .into_any()
}

/// What fills the wallet: two cards beside each other, where there are two.
fn ways_to_pay(flash: &Flash, board: Option<&PaymentsBoard>) -> AnyView {
    let paid = board.map(|board| {
        view! { <div class="split split--even">{payments::top_up(flash, board)} {payments::auto(flash, board)}</div> }
    });
    let (code, portal) = (redeem(flash), board.and_then(|board| payments::portal(flash, board)));
    let rest = match portal {
        Some(portal) => view! { <div class="split split--even">{code} {portal}</div> }.into_any(),
        None => code,
    };
    view! { {paid} {rest} }.into_any()
}

/// Where somebody types a code.
fn redeem(flash: &Flash) -> AnyView {
    let (code, error) = (flash.value("code", ""), flash.error_of("code"));
    view! {
        <Card title="Redeem a code">
            <PostForm class="formrow" action="/fn/redeem">
                <TextField
                    name="code"
                    label="Code"
                    value=code
                    mono=true
                    required=true
                    placeholder="OH-…"
                    autocomplete="off"
                    hint="Its worth is added to the balance."
                    nostrip:error=error
                />
                <Button text="Redeem code" />
            </PostForm>
        </Card>
    }
    .into_any()
}

/// Which lines were asked for, as it was typed.
struct Typed {
    kind: String,
    from: String,
    to: String,
}

impl Typed {
    fn is_any(&self) -> bool {
        [&self.kind, &self.from, &self.to].iter().any(|value| !value.is_empty())
    }

    /// The page of the lines after `after`.
    fn after(&self, after: &str) -> String {
        let Self { kind, from, to } = self;
        format!(
            "/billing?kind={}&from={}&to={}&after={after}",
            Url::escape(kind),
            Url::escape(from),
            Url::escape(to)
        )
    }
}

/// Kinds of entries that anybody may have, and those of payments.
const KINDS: [&str; 4] = ["charge", "grant", "code", "adjustment"];
const PAID: [&str; 3] = ["top_up", "refund", "dispute"];

fn filters(typed: &Typed, takes_payments: bool) -> AnyView {
    let paid = PAID.into_iter().filter(|_| takes_payments);
    let mut choices = vec![Choice::new("", "Everything")];
    choices.extend(
        KINDS
            .into_iter()
            .chain(paid)
            .map(|kind| Choice::new(kind, format!("{}s", kind_word(kind)))),
    );
    view! {
        <form class="filters filters--form" method="get" action="/billing">
            <SelectField name="kind" label="Entries" choices=choices selected=typed.kind.clone() />
            <TextField name="from" label="From" kind="date" value=typed.from.clone() />
            <TextField name="to" label="To" kind="date" value=typed.to.clone() />
            <Button text="Filter entries" icon=Glyph::Filter />
        </form>
    }
    .into_any()
}

fn nothing(is_filtered: bool) -> AnyView {
    if is_filtered {
        return view! {
            <Empty icon=Glyph::Card title="Nothing fits" text="No entry of this kind in this time.">
                <LinkButton href="/billing" text="Show all entries" />
            </Empty>
        }
        .into_any();
    }
    view! { <Empty icon=Glyph::Card title="No entries yet" text="Grants and charges are listed here, one line each." /> }
        .into_any()
}

fn table(clock: &Clock, lines: Page<LedgerLine>, typed: &Typed) -> AnyView {
    let head = vec![
        th("Date", ""),
        th("Entry", ""),
        th("What", "p2"),
        th("By", "p3"),
        th("Amount", "r"),
    ];
    let older = lines.next.map(|after| typed.after(&after));
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

/// What a line is, in a word.
pub fn kind_word(kind: &str) -> &'static str {
    match kind {
        "charge" => "Charge",
        "grant" => "Grant",
        "adjustment" => "Correction",
        "code" => "Code",
        "top_up" => "Payment",
        "refund" => "Refund",
        "dispute" => "Dispute",
        _ => "Entry",
    }
}

/// What made a line that no user did.
fn doer(kind: &str) -> &'static str {
    match kind {
        "charge" => "a call",
        "top_up" | "refund" | "dispute" => "Stripe",
        _ => "the server",
    }
}

fn row(clock: &Clock, line: LedgerLine) -> AnyView {
    let word = kind_word(&line.kind);
    let href = match line.kind.as_str() {
        "charge" => Some(format!("/usage/{}", line.id)),
        _ => line.request.map(|request| format!("/usage/{request}")),
    };
    let entry = match href {
        Some(href) => view! {
            <a class="link" href=href>
                {word}
            </a>
        }
        .into_any(),
        None => word.into_any(),
    };
    view! {
        <tr>
            <td class="nowrap">
                <When at=line.at clock=clock.clone() style=Style::TimeOfDay />
            </td>
            <td class="main">{entry} <span class="sub only-sm">{line.reason.clone()}</span></td>
            <td class="p2 muted">{line.reason}</td>
            <td class="p3 muted">{line.actor.unwrap_or_else(|| doer(&line.kind).to_owned())}</td>
            <td class="r">
                <Amount of=line.amount decimals=6 signed=true />
            </td>
        </tr>
    }
    .into_any()
}
