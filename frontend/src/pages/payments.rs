//! Payments: the form on the billing page, the list of all, the page of one, and what platform admins see of disputes and comparisons.
//!
//! Invariant: a payment is shown as the server knows it after it asked Stripe; nobody is led to Stripe but by a link that says so.
//! Reads [`crate::api::payments`]; the forms are sent to `/fn/top_up`, `/fn/set_auto_top_up`, `/fn/remove_card`,
//! `/fn/open_portal` and `/fn/reconcile`.

use leptos::prelude::*;
use leptos_router::hooks::{use_params_map, use_query_map};

use super::frame::{Spot, Visit, signed_in};
use crate::api::payments::{
    DisputeView, PaymentView, PaymentsBoard, ReconciliationView, list_disputes, list_payments, list_reconciliations,
    payment,
};
use crate::api::{ApiError, Flash, Nano, Page, PageQuery};
use crate::ui::*;

/// What the form offers when nothing was typed.
const USUAL: &str = "100.00";

/// The form that begins a payment.
pub fn top_up(flash: &Flash, board: &PaymentsBoard) -> AnyView {
    let amount = flash.typed.get("amount").cloned().unwrap_or_else(|| USUAL.to_owned());
    let (error, keeps) = (flash.error_of("amount"), flash.typed.contains_key("keep_card"));
    let order = flash.typed.get("order").cloned().unwrap_or_else(|| board.order.clone());
    let hint = format!("From {} to {}. You pay at Stripe.", usd(board.least), usd(board.most));
    view! {
        <Card title="Top up">
            <PostForm class="formrow" action="/fn/top_up">
                <Hidden fields=vec![("order", order)] />
                <TextField
                    name="amount"
                    label="Amount"
                    value=amount
                    inputmode="decimal"
                    pre="$"
                    post="USD"
                    required=true
                    hint=hint
                    nostrip:error=error
                />
                <CheckField
                    name="keep_card"
                    label="Keep the card"
                    checked=keeps
                    hint="For automatic top-ups. Stripe keeps it, not we."
                />
                <Button text="Top up" kind=Kind::Primary />
            </PostForm>
        </Card>
    }
    .into_any()
}

/// How the balance is topped up by itself.
pub fn auto(flash: &Flash, board: &PaymentsBoard) -> AnyView {
    let auto = &board.auto;
    let value = |field: &str, stored: Nano| {
        let typed = flash.typed.get(field).cloned();
        typed.unwrap_or_else(|| stored.render())
    };
    let (below, add, max_day) = (
        value("below", auto.below),
        value("add", auto.amount),
        value("max_day", auto.max_day),
    );
    let errors = ["auto_on", "below", "add", "max_day"].map(|field| flash.error_of(field));
    let [on_error, below_error, add_error, max_error] = errors;
    let off = (!auto.note.is_empty() && !auto.is_on).then(|| {
        view! { <Notice tone=Tone::Bad title="Switched off." text=format!("The card is not charged any more: {}", auto.note) /> }
    });
    let on_error = on_error.map(|text| view! { <ErrorText id="auto_on-error" text=text /> });
    let Some(card) = auto.card.clone() else {
        return view! {
            <Card title="Automatic top-ups">
                {off}
                <p class="t13 muted">"Top up once and keep the card; then the balance can be topped up before it runs out."</p>
            </Card>
        }
        .into_any();
    };
    let is_on = auto.is_on;
    view! {
        <Card title="Automatic top-ups">
            {off}
            <PostForm class="stack" action="/fn/set_auto_top_up">
                <CheckField name="auto_on" label="On" checked=is_on hint="Never stop because the balance ran out." />
                {on_error}
                <TextField
                    name="below"
                    label="When below"
                    value=below
                    inputmode="decimal"
                    pre="$"
                    required=true
                    nostrip:error=below_error
                />
                <TextField name="add" label="Add" value=add inputmode="decimal" pre="$" required=true nostrip:error=add_error />
                <TextField
                    name="max_day"
                    label="At most per day"
                    value=max_day
                    inputmode="decimal"
                    pre="$"
                    required=true
                    hint="If the card is declined, this switches off and we mail you."
                    nostrip:error=max_error
                />
                <div class="row">
                    <Button text="Save automatic top-ups" />
                </div>
            </PostForm>
            <PostForm class="row row--wrap" action="/fn/remove_card">
                <span class="t13 muted">{format!("Saved card: {card}")}</span>
                <Button text="Remove card" kind=Kind::Ghost size=Size::Small />
            </PostForm>
        </Card>
    }
    .into_any()
}

/// The way to Stripe's own pages: a button that opens them, then a link that leads there.
pub fn portal(flash: &Flash, board: &PaymentsBoard) -> Option<AnyView> {
    if !board.has_portal {
        return None;
    }
    let opened = flash.secret.clone().filter(|url| url.starts_with("https://"));
    let way = match opened {
        Some(url) => view! {
            <LinkButton href=url text="Go to your pages at Stripe" kind=Kind::Primary icon=Glyph::Outside />
            <span class="t13 muted">"The link is good for some minutes, for whoever has it."</span>
        }
        .into_any(),
        None => view! {
            <PostForm action="/fn/open_portal">
                <Button text="Open your pages at Stripe" />
            </PostForm>
        }
        .into_any(),
    };
    Some(
        view! {
            <Card title="Cards, address and invoices">
                <div class="stack">
                    <p class="t13 muted">
                        "Stripe keeps the team’s cards, its billing address, its tax number and all invoices."
                    </p>
                    <div class="row row--wrap">{way}</div>
                </div>
            </Card>
        }
        .into_any(),
    )
}

/// Why calls are refused, where a dispute is the reason.
pub fn dispute_notice(board: &PaymentsBoard) -> Option<AnyView> {
    let taken = board.disputes.iter().find(|dispute| dispute.is_taken)?;
    let title = format!("A payment of {} is disputed.", usd(taken.amount));
    let text = "The bank of the card’s holder took the money back, so it is gone from the balance and the team’s keys are \
                refused until this is settled. The platform’s admin can resume the team.";
    Some(view! { <Notice tone=Tone::Bad title=title text=text /> }.into_any())
}

/// The newest payments, on the billing page.
pub fn payments(clock: &Clock, board: &PaymentsBoard) -> Option<AnyView> {
    if board.payments.is_empty() {
        return None;
    }
    let rows = board.payments.iter().map(|payment| row(clock, payment)).collect_view();
    Some(
        view! {
            <section class="stack stack--2">
                <h2>"Payments and receipts"</h2>
                <Table head=heads() tight=true>
                    {rows}
                </Table>
                <p>
                    <a class="link" href="/billing/payments">
                        "All payments"
                    </a>
                </p>
            </section>
        }
        .into_any(),
    )
}

fn heads() -> Vec<Th> {
    vec![th("Date", ""), th("Payment", ""), th("Status", ""), th("Amount", "r")]
}

/// `/billing/payments`
#[component]
pub fn PaymentList() -> impl IntoView {
    let after = use_query_map().read_untracked().get("after");
    let spot = Spot::new(Section::Billing, "Payments", "/billing/payments").via("/billing", "Billing");
    signed_in(spot, |visit| async move {
        let payments = list_payments(PageQuery { limit: None, after }).await?;
        Ok::<_, ApiError>(list(&visit.clock, payments))
    })
}

fn list(clock: &Clock, payments: Page<PaymentView>) -> AnyView {
    let list = if payments.data.is_empty() {
        view! {
            <Empty icon=Glyph::Card title="No payments yet" text="Each top-up is listed here, with its receipt.">
                <LinkButton href="/billing" text="Back to billing" />
            </Empty>
        }
        .into_any()
    } else {
        let older = payments.next.map(|after| format!("/billing/payments?after={after}"));
        let note = counted_rows(&payments.data, "payment", "payments");
        let pager = view! { <Pager note=note nostrip:older=older /> }.into_any();
        let rows = payments.data.iter().map(|payment| row(clock, payment)).collect_view();
        view! {
            <Table head=heads() tight=true pager=pager>
                {rows}
            </Table>
        }
        .into_any()
    };
    view! {
        <PageHead title="Payments" lead="Every top-up of this team, newest first, with receipts and invoices." />
        {list}
    }
    .into_any()
}

fn row(clock: &Clock, payment: &PaymentView) -> AnyView {
    let (tone, word) = state(payment);
    let paper = |url: &Option<String>, word: String| {
        url.clone().map(|url| {
            view! {
                " · "
                <a class="link nowrap" href=url rel="noreferrer">
                    {word}
                </a>
            }
        })
    };
    let receipt = paper(&payment.receipt_url, "Receipt".to_owned());
    let invoice = paper(&payment.invoice_url, invoice_word(payment));
    let gone = || {
        [(payment.refunded, "given back"), (payment.disputed, "disputed")]
            .into_iter()
            .filter(|(amount, _)| *amount > Nano::ZERO)
            .map(|(amount, how)| view! { <span class="sub">{format!("{} {how}", usd(amount))}</span> })
            .collect_view()
    };
    let title = format!("Payment of {}", usd(payment.amount));
    view! {
        <tr>
            <td class="nowrap">
                <When at=payment.created_at clock=clock.clone() style=Style::Day />
            </td>
            <td class="main">
                <a class="link" href=format!("/billing/payments/{}", payment.id) aria-label=title>
                    "Payment"
                </a>
                {receipt} {invoice}
                <span class="sub only-sm">
                    <Status tone=tone text=word />
                    {gone()}
                </span>
            </td>
            <td class="p2">
                <Status tone=tone text=word />
                {gone()}
            </td>
            <td class="r">
                <Amount of=payment.amount />
            </td>
        </tr>
    }
    .into_any()
}

fn invoice_word(payment: &PaymentView) -> String {
    match &payment.invoice {
        Some(number) => format!("Invoice {number}"),
        None => "Invoice".to_owned(),
    }
}

fn state(payment: &PaymentView) -> (Tone, &'static str) {
    match payment.state.as_str() {
        "paid" => (Tone::Ok, "Paid"),
        "open" | "new" => (Tone::Warn, "Not paid yet"),
        "expired" => (Tone::Neutral, "Not paid in time"),
        _ => (Tone::Bad, "Failed"),
    }
}

/// `/billing/payments/{id}`
#[component]
pub fn PaymentPage() -> impl IntoView {
    let id = use_params_map().read_untracked().get("id").unwrap_or_default();
    let spot = Spot::new(Section::Billing, "Payment", format!("/billing/payments/{id}")).via("/billing", "Billing");
    signed_in(spot, |_| async move { Ok::<_, ApiError>(page(payment(id).await?)) })
}

fn page(payment: PaymentView) -> AnyView {
    let amount = usd(payment.amount);
    let (title, lead) = match payment.state.as_str() {
        "paid" => (
            format!("{amount} is paid"),
            "It was added to the balance. Calls can spend it now.",
        ),
        "open" => (
            format!("Pay {amount}"),
            "Not paid yet. Once you have paid, look again: it can take a moment.",
        ),
        "new" => (
            format!("Pay {amount}"),
            "Stripe has not answered yet. Look again in a moment, or top up anew. Nothing was charged.",
        ),
        "expired" => (
            format!("{amount} was not paid"),
            "The time to pay it is over, and nothing was charged. Top up anew if you like.",
        ),
        _ => (
            format!("{amount} was not paid"),
            "Stripe refused the payment, and nothing was charged.",
        ),
    };
    let (tone, word) = state(&payment);
    let pay = payment.url.clone().map(|url| {
        view! { <LinkButton href=url text=format!("Pay {amount} at Stripe") kind=Kind::Primary icon=Glyph::Outside /> }
    });
    let receipt = payment
        .receipt_url
        .clone()
        .map(|url| view! { <LinkButton href=url text="Show receipt" icon=Glyph::Outside /> });
    let invoice = payment
        .invoice_url
        .clone()
        .map(|url| view! { <LinkButton href=url text=invoice_word(&payment) icon=Glyph::Outside /> });
    let is_open = matches!(payment.state.as_str(), "open" | "new");
    let again = is_open.then(|| {
        view! { <LinkButton href=format!("/billing/payments/{}", payment.id) text="Look again" icon=Glyph::Refresh /> }
    });
    let gone = [(payment.refunded, "was given back"), (payment.disputed, "is disputed")]
        .into_iter()
        .filter(|(amount, _)| *amount > Nano::ZERO)
        .map(|(amount, how)| {
            let title = format!("{} of it {how}.", usd(amount));
            view! { <Notice title=title text="It is gone from the balance." /> }
        })
        .collect_view();
    let note = (!payment.note.is_empty()).then(|| view! { <Notice tone=Tone::Bad title=payment.note.clone() /> });
    view! {
        <div class="narrow stack">
            <PageHead title=title lead=lead />
            {note}
            {gone}
            <p class="row row--wrap">
                <Status tone=tone text=word />
                <span class="mono t12 faint">{payment.id.clone()}</span>
            </p>
            <div class="row row--wrap">
                {pay} {receipt} {invoice} {again} <LinkButton href="/billing" text="Back to billing" kind=Kind::Ghost />
            </div>
        </div>
    }
    .into_any()
}

/// `/admin/payments`
#[component]
pub fn PaymentsPage() -> impl IntoView {
    signed_in(
        Spot::new(Section::Payments, "Payments", "/admin/payments"),
        |visit| async move {
            let reports = list_reconciliations().await?;
            let disputes = list_disputes().await?;
            Ok::<_, ApiError>(admin(&visit, reports, disputes))
        },
    )
}

fn admin(visit: &Visit, reports: Vec<ReconciliationView>, disputes: Vec<DisputeView>) -> AnyView {
    view! {
        <PageHead title="Payments" lead="Disputes of payments, and the hourly comparison of all wallets with Stripe’s books.">
            <PostForm action="/fn/reconcile">
                <Button text="Compare now" kind=Kind::Primary icon=Glyph::Refresh />
            </PostForm>
        </PageHead>
        {compared(&visit.clock, reports)}
        {disputed(&visit.clock, disputes)}
    }
    .into_any()
}

fn compared(clock: &Clock, reports: Vec<ReconciliationView>) -> AnyView {
    if reports.is_empty() {
        return view! {
            <Empty
                icon=Glyph::Shield
                title="Not compared yet"
                text="A minute after the start, and each hour, payments are compared with Stripe’s books. Differences are listed here."
            />
        }
        .into_any();
    }
    let head = vec![
        th("When", ""),
        th("Outcome", ""),
        th("Payments", "r p2"),
        th("Here", "r p2"),
        th("At Stripe", "r p2"),
        th("Events caught up", "r p3"),
    ];
    let rows = reports
        .into_iter()
        .map(|report| report_row(clock, report))
        .collect_view();
    view! {
        <section class="stack stack--2">
            <h2>"Comparisons"</h2>
            <Table head=head tight=true>
                {rows}
            </Table>
        </section>
    }
    .into_any()
}

fn report_row(clock: &Clock, report: ReconciliationView) -> AnyView {
    let (tone, word) = match (&report.failure, report.findings.len()) {
        (Some(_), _) => (Tone::Bad, "Not finished".to_owned()),
        (None, 0) => (Tone::Ok, "No difference".to_owned()),
        (None, 1) => (Tone::Warn, "1 difference".to_owned()),
        (None, many) => (Tone::Warn, format!("{many} differences")),
    };
    let told = report
        .failure
        .into_iter()
        .chain(report.findings)
        .map(|finding| view! { <span class="sub">{finding}</span> })
        .collect_view();
    view! {
        <tr>
            <td class="nowrap">
                <When at=report.at clock=clock.clone() />
            </td>
            <td class="main">
                <Status tone=tone text=word />
                {told}
            </td>
            <td class="r p2">{count(report.payments.unsigned_abs())}</td>
            <td class="r p2">
                <Amount of=report.ours />
            </td>
            <td class="r p2">
                <Amount of=report.theirs />
            </td>
            <td class="r p3">{count(report.events.unsigned_abs())}</td>
        </tr>
    }
    .into_any()
}

fn disputed(clock: &Clock, disputes: Vec<DisputeView>) -> AnyView {
    if disputes.is_empty() {
        return view! {
            <Empty icon=Glyph::Check title="No disputes" text="A payment that a card’s holder disputes would be listed here." />
        }
        .into_any();
    }
    let head = vec![
        th("Since", ""),
        th("Team", ""),
        th("Dispute", "p2"),
        th("Status", ""),
        th("Amount", "r"),
    ];
    let rows = disputes
        .into_iter()
        .map(|dispute| {
            let (tone, word) = match (dispute.is_taken, dispute.status.as_str()) {
                (true, "lost") => (Tone::Bad, "Lost"),
                (true, _) => (Tone::Warn, "Open"),
                (false, "won") => (Tone::Ok, "Won"),
                (false, _) => (Tone::Neutral, "Closed"),
            };
            view! {
                <tr>
                    <td class="nowrap">
                        <When at=dispute.created_at clock=clock.clone() style=Style::Day />
                    </td>
                    <td class="main">{dispute.team.name} <span class="sub mono">{dispute.payment}</span></td>
                    <td class="p2 mono t12">{dispute.id}</td>
                    <td>
                        <Status tone=tone text=word />
                    </td>
                    <td class="r">
                        <Amount of=dispute.amount />
                    </td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="stack stack--2">
            <h2>"Disputes"</h2>
            <Table head=head tight=true>
                {rows}
            </Table>
        </section>
    }
    .into_any()
}
