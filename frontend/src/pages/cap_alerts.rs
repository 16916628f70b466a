//! Alerts about the team's caps, and who is written to.
//!
//! Reads [`crate::api::cap_alerts::list_cap_alerts`], [`crate::api::cap_alerts::read_alert_addresses`] and
//! [`crate::api::webhooks::webhook`]; the form is sent to
//! `/fn/set_alert_addresses`.

mod webhook;

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::frame::{Spot, Visit, signed_in};
use crate::api::cap_alerts::{CapAlertView, list_cap_alerts, read_alert_addresses};
use crate::api::webhooks::webhook;
use crate::api::{ApiError, Nano, Page, PageQuery};
use crate::ui::*;

/// `/alerts`
#[component]
pub fn CapAlertsPage() -> impl IntoView {
    let after = use_query_map().read_untracked().get("after");
    signed_in(
        Spot::new(Section::CapAlerts, "Cap alerts", "/alerts"),
        |visit| async move {
            let alerts = list_cap_alerts(PageQuery { limit: None, after }).await?;
            let emails = read_alert_addresses().await?.emails;
            let webhook = match visit.manages_team() {
                true => Some(webhook::card(&visit, webhook().await?)),
                false => None,
            };
            Ok::<_, ApiError>(page(&visit, alerts, &emails, webhook))
        },
    )
}

fn page(visit: &Visit, alerts: Page<CapAlertView>, emails: &[String], webhook: Option<AnyView>) -> AnyView {
    let list = list(&visit.clock, alerts);
    let readers = if visit.manages_team() {
        form(visit, emails)
    } else {
        facts(emails)
    };
    view! {
        <PageHead
            title="Cap alerts"
            lead="Told once a period, when half, 80% and all of a cap of the team, a member or a key is spent. A prepaid balance is told of when it will not last three days, and when it is used up."
        />
        {list}
        <div class="narrow stack stack--6">{readers} {webhook}</div>
    }
    .into_any()
}

fn list(clock: &Clock, alerts: Page<CapAlertView>) -> AnyView {
    if alerts.data.is_empty() {
        return view! {
            <Empty
                icon=Glyph::Check
                title="No cap is half spent"
                text="Set caps for keys, members or the team: once half of one is spent, it is listed here and written about."
            >
                <LinkButton href="/keys" text="Show keys" />
            </Empty>
        }
        .into_any();
    }
    let head = vec![th("Cap", ""), th("Share", ""), th("Spent", "p2"), th("When", "r")];
    let older = alerts.next.as_ref().map(|after| format!("/alerts?after={after}"));
    let note = counted_rows(&alerts.data, "alert", "alerts");
    let rows = alerts.data.into_iter().map(|alert| row(clock, alert)).collect_view();
    let pager = view! { <Pager note=note nostrip:older=older /> }.into_any();
    view! {
        <Table head=head pager=pager>
            {rows}
        </Table>
    }
    .into_any()
}

fn row(clock: &Clock, alert: CapAlertView) -> AnyView {
    let period = match alert.period.as_str() {
        "day" => "Daily cap",
        "month" => "Monthly cap",
        _ => "Cap in all",
    };
    let tone = match alert.percent {
        100.. => Tone::Bad,
        80.. => Tone::Warn,
        _ => Tone::Neutral,
    };
    let is_wallet = alert.period == "wallet";
    let (what, share, figures) = if is_wallet {
        let left = Nano(alert.cap.0.saturating_sub(alert.spent.0));
        let word = if alert.percent >= 100 { "Used up" } else { "Low" };
        (
            "Prepaid balance".to_owned(),
            word.to_owned(),
            format!("{} left", usd(left)),
        )
    } else {
        let figures = format!("{} of {}", usd(alert.spent), usd(alert.cap));
        (
            format!("{period} of the {}", alert.scope),
            format!("{}%", alert.percent),
            figures,
        )
    };
    view! {
        <tr>
            <td class="main">
                {alert.name} <span class="sub">{what}</span>
                <span class="sub only-sm num">{figures.clone()}</span>
            </td>
            <td>
                <Status tone=tone text=share />
            </td>
            <td class="p2 num">{figures}</td>
            <td class="r muted">
                <When at=alert.at clock=clock.clone() />
            </td>
        </tr>
    }
    .into_any()
}

fn form(visit: &Visit, emails: &[String]) -> AnyView {
    let flash = &visit.flash;
    let (value, error) = (flash.value("emails", &emails.join(", ")), flash.error_of("emails"));
    view! {
        <Card title="Who is written to">
            <PostForm class="stack" action="/fn/set_alert_addresses">
                <TextField
                    name="emails"
                    label="Addresses of people of the team"
                    value=value
                    optional=true
                    placeholder="lena@example.com, mara@example.com"
                    hint="Empty: the owners of the team. Nobody else is written to."
                    nostrip:error=error
                />
                <div class="row">
                    <Button text="Save addresses" kind=Kind::Primary />
                </div>
            </PostForm>
        </Card>
    }
    .into_any()
}

fn facts(emails: &[String]) -> AnyView {
    let who = match emails {
        [] => "the owners of the team".to_owned(),
        named => named.join(", "),
    };
    view! {
        <Card title="Who is written to" hint="owners and admins may change it">
            <p class="t13">{who}</p>
        </Card>
    }
    .into_any()
}
