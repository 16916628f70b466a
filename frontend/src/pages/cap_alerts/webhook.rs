//! The webhook of the team: its address, its secret when it was just set, and its last deliveries.
//!
//! Drawn with [`crate::api::webhooks::webhook`]; the forms are sent to `/fn/set_webhook`, `/fn/test_webhook` and
//! `/fn/remove_webhook`.

use leptos::prelude::*;

use super::super::frame::{Visit, copy};
use crate::api::Flash;
use crate::api::webhooks::{DeliveryView, WebhookView};
use crate::ui::*;

/// The card.
pub fn card(visit: &Visit, webhook: WebhookView) -> AnyView {
    let flash = &visit.flash;
    let has_one = webhook.url.is_some();
    let form = form(flash, webhook.url.unwrap_or_default());
    let secret = secret(flash);
    let acts = has_one.then(acts);
    let deliveries = deliveries(&visit.clock, webhook.deliveries);
    view! {
        <Card title="Webhook" hint="signed with HMAC-SHA-256">
            {secret}
            {form}
            {acts}
        </Card>
        {deliveries}
    }
    .into_any()
}

fn form(flash: &Flash, url: String) -> AnyView {
    let text = if url.is_empty() {
        "Set webhook"
    } else {
        "Set webhook, with a new secret"
    };
    let (value, error) = (flash.value("url", &url), flash.error_of("url"));
    view! {
        <PostForm class="stack" action="/fn/set_webhook">
            <TextField
                name="url"
                label="URL"
                value=value
                required=true
                placeholder="https://example.com/hooks/ourhub"
                hint="Called with each alert, for a day at most until it answers 2xx. It must be a public address."
                nostrip:error=error
            />
            <div class="row">
                <Button text=text />
            </div>
        </PostForm>
    }
    .into_any()
}

/// The secret of a webhook just set.
fn secret(flash: &Flash) -> Option<AnyView> {
    let secret = flash.secret.clone()?;
    let button = copy(secret.clone(), "Copy secret");
    Some(
        view! {
            <Notice tone=Tone::Ok title="Webhook set." text="This is its secret. It is shown once." />
            <div class="row">
                <input class="input mono grow" readonly aria-label="Secret of the webhook" value=secret />
                {button}
            </div>
            <p class="t12 muted">
                "The header x-ourhub-signature is t=TIME,v1=HEX: HMAC-SHA-256 of TIME, a point and the body, under this secret."
            </p>
        }
        .into_any(),
    )
}

fn acts() -> AnyView {
    view! {
        <div class="row">
            <PostForm action="/fn/test_webhook">
                <Button text="Send test" />
            </PostForm>
            <PostForm action="/fn/remove_webhook">
                <Button text="Remove webhook" kind=Kind::Ghost />
            </PostForm>
        </div>
    }
    .into_any()
}

fn deliveries(clock: &Clock, deliveries: Vec<DeliveryView>) -> Option<AnyView> {
    if deliveries.is_empty() {
        return None;
    }
    let head = vec![th("Event", ""), th("Status", ""), th("Tries", "r p2"), th("When", "r")];
    let rows = deliveries.into_iter().map(|one| row(clock, one)).collect_view();
    Some(
        view! {
            <Card title="Last deliveries" flush=true>
                <Table head=head tight=true flush=true>
                    {rows}
                </Table>
            </Card>
        }
        .into_any(),
    )
}

fn row(clock: &Clock, delivery: DeliveryView) -> AnyView {
    let (tone, word) = match delivery.state.as_str() {
        "sent" => (Tone::Ok, "Sent"),
        "waiting" => (Tone::Accent, "Waiting"),
        _ => (Tone::Bad, "Given up"),
    };
    let error = delivery.error.map(|error| view! { <span class="sub">{error}</span> });
    view! {
        <tr>
            <td class="main">{delivery.event} {error}</td>
            <td>
                <Status tone=tone text=word />
            </td>
            <td class="r p2 num">{delivery.attempts}</td>
            <td class="r muted">
                <When at=delivery.at clock=clock.clone() />
            </td>
        </tr>
    }
    .into_any()
}
