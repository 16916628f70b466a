//! Alerts, for platform admins: what happened, since when, and the way to what ends it; and the notice of them on other pages.
//!
//! Reads [`crate::api::alerts::list_alerts`]; the button is sent to `/fn/dismiss_alert`.

use leptos::prelude::*;
use leptos_router::location::Url;

use super::frame::{Spot, Visit, signed_in};
use super::models::price_page;
use crate::api::ApiError;
use crate::api::alerts::{AlertView, list_alerts};
use crate::ui::*;

/// What is known of a kind of alert: how grave, in a word, and the button that leads to what ends it.
struct About {
    tone: Tone,
    word: &'static str,
    act: &'static str,
    href: String,
}

impl About {
    fn of(alert: &AlertView) -> Self {
        let subject = &alert.subject;
        let (tone, word, act, href) = match alert.kind.as_str() {
            "price_unknown" => (Tone::Warn, "No price", "Add price", price_page(subject)),
            "overrun" => (
                Tone::Warn,
                "Dearer than expected",
                "Show model",
                format!("/admin/models?show=all&q={}", Url::escape(subject)),
            ),
            "account_parked" => (
                Tone::Bad,
                "Account parked",
                "Show account",
                format!("/admin/accounts/{subject}"),
            ),
            "account_unusable" => (
                Tone::Bad,
                "Account unusable",
                "Edit account",
                format!("/admin/accounts/{subject}"),
            ),
            "mail_failing" => (Tone::Bad, "Mail", "Show mail", "/admin/mail".to_owned()),
            "payment_mismatch" => (
                Tone::Bad,
                "Payment differs at Stripe",
                "Show payments",
                "/admin/payments".to_owned(),
            ),
            "unreconciled" => (Tone::Warn, "Books differ", "Show report", "/admin/payments".to_owned()),
            _ => (
                Tone::Bad,
                "Out of service",
                "Show requests",
                "/admin/requests".to_owned(),
            ),
        };
        Self { tone, word, act, href }
    }
}

/// `/admin/alerts`
#[component]
pub fn AlertsPage() -> impl IntoView {
    signed_in(
        Spot::new(Section::Alerts, "Alerts", "/admin/alerts"),
        |visit| async move {
            let alerts = list_alerts().await?;
            Ok::<_, ApiError>(list(&visit, alerts))
        },
    )
}

fn list(visit: &Visit, alerts: Vec<AlertView>) -> AnyView {
    let body = if alerts.is_empty() {
        view! {
            <Empty
                icon=Glyph::Check
                title="Nothing needs you"
                text="A parked account, a model without a price or a call dearer than expected would be listed here."
            />
        }
        .into_any()
    } else {
        let rows = alerts.into_iter().map(|alert| row(&visit.clock, alert)).collect_view();
        view! { <ul class="card alerts">{rows}</ul> }.into_any()
    };
    view! {
        <PageHead title="Alerts" lead="What needs a platform admin. An alert goes away by itself once its cause is gone." />
        {body}
    }
    .into_any()
}

fn row(clock: &Clock, alert: AlertView) -> AnyView {
    let about = About::of(&alert);
    let often = match alert.count {
        1 => "once".to_owned(),
        times => format!("{} times", count(times.unsigned_abs())),
    };
    let last = (alert.count > 1).then(|| format!(", last {}", clock.relative(alert.last_at)));
    view! {
        <li>
            <div class="grow">
                <div class="row row--between">
                    <Status tone=about.tone text=about.word />
                    <span class="t12 faint num">
                        <When at=alert.first_at clock=clock.clone() />
                        {format!(", {often}")}
                        {last}
                    </span>
                </div>
                <p class="t13 muted u-mt1">{alert.message}</p>
            </div>
            <LinkButton href=about.href text=about.act size=Size::Small />
            <PostForm action="/fn/dismiss_alert">
                <Hidden fields=vec![("id", alert.id)] />
                <Button text="Dismiss" kind=Kind::Ghost size=Size::Small />
            </PostForm>
        </li>
    }
    .into_any()
}

/// The notice of the open alerts of `kinds` (of all, where none is named), for platform admins: one in its own words, more
/// by number.
pub async fn notice(visit: &Visit, kinds: &[&str]) -> Result<Option<AnyView>, ApiError> {
    if !visit.session.is_admin || visit.session.alerts == 0 {
        return Ok(None);
    }
    let mut alerts = list_alerts().await?;
    alerts.retain(|alert| kinds.is_empty() || kinds.contains(&alert.kind.as_str()));
    Ok(match alerts.as_slice() {
        [] => None,
        [only] => {
            let about = About::of(only);
            let act = view! { <LinkButton href=about.href text=about.act size=Size::Small /> };
            Some(banner(about.tone, only.message.clone(), None, act.into_any()))
        }
        [latest, ..] => {
            let tone = if alerts.iter().any(|alert| About::of(alert).tone == Tone::Bad) {
                Tone::Bad
            } else {
                Tone::Warn
            };
            let title = format!("{} things need you.", alerts.len());
            let act = view! { <LinkButton href="/admin/alerts" text="Show alerts" size=Size::Small /> };
            Some(banner(tone, title, Some(latest.message.clone()), act.into_any()))
        }
    })
}

fn banner(tone: Tone, title: String, text: Option<String>, act: AnyView) -> AnyView {
    view! {
        <Notice tone=tone title=title nostrip:text=text>
            {act}
        </Notice>
    }
    .into_any()
}
