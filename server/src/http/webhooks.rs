//! What payment providers send.
//!
//! Invariant: reads no cookie; what is signed is checked as it came, byte for byte, and what is not is told nothing but its status.

use super::Site;
use crate::{billing::WebhookError, clock};
use actix_web::{HttpRequest, HttpResponse, web};
use std::time::Duration;

/// Where Stripe sends events.
pub const STRIPE: &str = "/webhooks/stripe";
/// The longest event, in bytes.
const BODY_MAX: usize = 64 << 10;
/// How long one may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);

/// The routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config.route(STRIPE, web::post().to(stripe));
}

async fn stripe(site: web::Data<Site>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    if !site.app.billing.takes_payments() {
        return HttpResponse::NotFound().finish();
    }
    let read = payload.to_bytes_limited(BODY_MAX);
    let time = site.relay.body_time().min(BODY_TIME);
    let body = match actix_web::rt::time::timeout(time, read).await {
        Ok(Ok(Ok(body))) => body,
        Ok(Err(_)) => return HttpResponse::PayloadTooLarge().finish(),
        Ok(Ok(Err(_))) => return HttpResponse::BadRequest().finish(),
        Err(_) => return HttpResponse::RequestTimeout().finish(),
    };
    let signature = request.headers().get("stripe-signature");
    let signature = signature.and_then(|value| value.to_str().ok()).unwrap_or_default();
    match site.app.billing.webhook(signature, &body, clock::now_ms()).await {
        Ok(()) => HttpResponse::Ok().finish(),
        Err(WebhookError::Off) => HttpResponse::NotFound().finish(),
        Err(error @ (WebhookError::Signature(_) | WebhookError::Unreadable)) => {
            tracing::warn!(%error, "a webhook was refused");
            HttpResponse::BadRequest().finish()
        }
        Err(error @ WebhookError::Later(_)) => {
            tracing::warn!(%error, "a webhook could not be taken and is to be sent again");
            HttpResponse::ServiceUnavailable().finish()
        }
    }
}
