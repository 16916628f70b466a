//! Corrections on a receipt: those that were made, and the form that makes one.
//!
//! Invariant: the form says what is charged as it was shown, so that it is sent to no other figure; amounts given back are
//! shown with their sign, as in the ledger. The form goes to `/fn/adjust`.

use leptos::prelude::*;

use crate::api::Flash;
use crate::api::billing::LedgerLine;
use crate::api::usage::HoldLine;
use crate::ui::*;

/// Who may correct what on this page.
pub enum Desk {
    /// Nobody: a team reads its receipt.
    None,
    /// A platform admin, on the page that has the form.
    Elsewhere(String),
    /// A platform admin, here: the team, the request, and what the form before left.
    Here(String, String, Box<Flash>),
}

/// The corrections made so far.
pub fn made(clock: &Clock, lines: Vec<LedgerLine>) -> Option<AnyView> {
    if lines.is_empty() {
        return None;
    }
    let head = vec![th("Date", ""), th("Why", ""), th("By", "p3"), th("Amount", "r")];
    let rows = lines
        .into_iter()
        .map(|line| {
            view! {
                <tr>
                    <td class="nowrap">
                        <When at=line.at clock=clock.clone() style=Style::TimeOfDay />
                    </td>
                    <td class="main">{line.reason}</td>
                    <td class="p3 muted">{line.actor}</td>
                    <td class="r">
                        <Amount of=line.amount decimals=9 signed=true />
                    </td>
                </tr>
            }
        })
        .collect_view();
    let card = view! {
        <Card title="Corrections" hint="as in the ledger" flush=true>
            <Table head=head tight=true flush=true>
                {rows}
            </Table>
        </Card>
    };
    Some(card.into_any())
}

/// The way to correct `hold`, where there is one.
pub fn form(desk: &Desk, hold: &HoldLine) -> Option<AnyView> {
    if hold.is_own || (hold.state != "posted" && hold.state != "estimated") {
        return None;
    }
    let (team, request, flash) = match desk {
        Desk::None => return None,
        Desk::Elsewhere(page) => {
            let link = view! {
                <p class="t12">
                    <a class="link" href=page.clone()>
                        "Correct this charge"
                    </a>
                </p>
            };
            return Some(link.into_any());
        }
        Desk::Here(team, request, flash) => (team, request, flash),
    };
    let begun = Flash::default();
    let flash = if flash.typed.get("hold") == Some(&hold.id) {
        flash
    } else {
        &begun
    };
    let fields = vec![
        ("team", team.clone()),
        ("request", request.clone()),
        ("hold", hold.id.clone()),
        ("charged", hold.charged.render()),
    ];
    let is_open = !flash.typed.is_empty();
    let (charge, reason) = (flash.value("charge", ""), flash.value("reason", ""));
    let charge_error = flash.error_of("charge").or_else(|| flash.error_of("amount"));
    let reason_error = flash.error_of("reason");
    let form = view! {
        <More title="Correct this charge" hint="" open=is_open>
            <PostForm action="/fn/adjust" class="stack">
                <Hidden fields=fields />
                <TextField
                    name="charge"
                    label="Charge instead"
                    value=charge
                    inputmode="decimal"
                    pre="$"
                    post="USD"
                    required=true
                    hint="The difference goes to the team’s balance and frees its caps."
                    nostrip:error=charge_error
                />
                <TextField
                    name="reason"
                    label="Reason"
                    value=reason
                    required=true
                    hint="The team reads it in its ledger."
                    nostrip:error=reason_error
                />
                <div>
                    <Button text="Correct charge" kind=Kind::Primary />
                </div>
            </PostForm>
        </More>
    };
    Some(form.into_any())
}
