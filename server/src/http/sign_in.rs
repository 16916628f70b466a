//! Leaving for a service that vouches for people, and coming back from it.
//!
//! Invariant: what changes an account begins on a page of ours; what comes back counts only with what this browser kept. Reads and
//! writes one cookie of its own.

use super::{Site, guard, visit};
use crate::{
    auth::Returned,
    dashboard::{Led, Principal, Purpose},
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{LOCATION, SET_COOKIE},
    web,
};
use serde::Deserialize;
use std::sync::Arc;

/// Where somebody leaves to sign in or up.
pub const ASK: &str = "/login/with/{provider}";
/// Where the service leads them back to.
pub const BACK: &str = "/login/with/{provider}/back";

/// The routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route(ASK, web::get().to(enter))
        .route(BACK, web::get().to(back))
        .route("/settings/link/{provider}", web::get().to(link))
        .route("/confirm/with/{provider}", web::get().to(confirm));
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Asked {
    invite: Option<String>,
    to: Option<String>,
}

async fn enter(
    principal: web::ReqData<Arc<Principal>>,
    provider: web::Path<String>,
    asked: web::Query<Asked>,
) -> HttpResponse {
    let invite = asked.into_inner().invite;
    lead(principal.leave_for(&provider, Purpose::Enter { invite }).await)
}

async fn link(
    site: web::Data<Site>,
    request: HttpRequest,
    principal: web::ReqData<Arc<Principal>>,
    provider: web::Path<String>,
) -> HttpResponse {
    if !guard::is_from_us(&site.app.edge, request.headers()) {
        return lead(Led::to("/settings/security"));
    }
    lead(principal.leave_for(&provider, Purpose::Link).await)
}

async fn confirm(
    site: web::Data<Site>,
    request: HttpRequest,
    principal: web::ReqData<Arc<Principal>>,
    provider: web::Path<String>,
    asked: web::Query<Asked>,
) -> HttpResponse {
    if !guard::is_from_us(&site.app.edge, request.headers()) {
        return lead(Led::to("/settings/security"));
    }
    let to = asked.into_inner().to.unwrap_or_default();
    lead(principal.leave_for(&provider, Purpose::Confirm { to }).await)
}

async fn back(
    request: HttpRequest,
    principal: web::ReqData<Arc<Principal>>,
    provider: web::Path<String>,
    returned: web::Query<Returned>,
) -> HttpResponse {
    let kept = visit::cookie(&request, principal.away_cookie());
    lead(principal.come_back(&provider, kept, &returned).await)
}

fn lead(led: Led) -> HttpResponse {
    let mut response = HttpResponse::SeeOther();
    response.insert_header((LOCATION, led.to));
    for cookie in led.cookies {
        response.append_header((SET_COOKIE, cookie));
    }
    response.finish()
}
