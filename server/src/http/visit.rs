//! From an HTTP request to the principal who makes it.
//!
//! Invariant: pages know people by their cookie alone, the management API by its token alone. Reads sessions and tokens.

use super::{Site, client, guard::RequestId};
use crate::{
    auth::{AuthError, Visitor},
    clock,
    config::is_loopback_host,
    dashboard::{ACTING_COOKIE, PLAIN_COOKIE, Principal, SECURE_COOKIE, TEAM_COOKIE, Visit, Who},
};
use actix_web::{
    HttpMessage, HttpRequest,
    http::{
        Method,
        header::{AUTHORIZATION, COOKIE, HOST, USER_AGENT},
    },
};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// The most characters kept of a browser's own description.
const USER_AGENT_MAX: usize = 200;

/// The principal of a page: whoever the cookie names. A form says of which team its page was.
pub async fn of_browser(site: &Site, request: &HttpRequest, team_of_page: Option<String>) -> Principal {
    let visit = Visit {
        team: cookie(request, TEAM_COOKIE),
        team_of_page,
        ..visit(site, request)
    };
    let who = match session(site, request) {
        None => Who::Nobody,
        Some(cookie) => match site.app.auth.verify_session(&cookie, visit.visitor.now_ms).await {
            Ok(Some(session)) => Who::Browser(session),
            Ok(None) => Who::Nobody,
            Err(error) => unknown(&error),
        },
    };
    Principal::new(Arc::clone(&site.app), who, visit)
        .act(cookie(request, ACTING_COOKIE), request.method() == Method::POST)
        .await
}

/// The principal of a management call: whose token `Authorization: Bearer` carries.
pub async fn of_token(site: &Site, request: &HttpRequest) -> Principal {
    let visit = visit(site, request);
    let who = match bearer(request) {
        None => Who::Nobody,
        Some(token) => match site.app.auth.verify_token(token, visit.visitor.now_ms).await {
            Ok(Some(person)) => Who::Token(person),
            Ok(None) => Who::Nobody,
            Err(error) => unknown(&error),
        },
    };
    Principal::new(Arc::clone(&site.app), who, visit)
}

fn unknown(error: &AuthError) -> Who {
    tracing::error!(%error, "it cannot be found out who asks");
    Who::Unknown
}

fn visit(site: &Site, request: &HttpRequest) -> Visit {
    let user_agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
    let address = client::address(&site.app.edge, request);
    Visit {
        visitor: Visitor {
            address: address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            user_agent: user_agent.unwrap_or_default().chars().take(USER_AGENT_MAX).collect(),
            now_ms: clock::now_ms(),
        },
        origin: origin(site, request),
        team: None,
        team_of_page: None,
        is_local: client::may_be_first_admin(&site.app.edge, request),
        request_id: request_id(request),
    }
}

/// What browsers call the server. Without a public URL only this machine is served, by whichever of its names was typed.
fn origin(site: &Site, request: &HttpRequest) -> String {
    let host = request.headers().get(HOST).and_then(|value| value.to_str().ok());
    match host {
        Some(host) if site.app.edge.public.is_none() && is_loopback_host(host) => {
            format!("http://{}", host.to_ascii_lowercase())
        }
        _ => site.url.to_string(),
    }
}

/// The id given to the request when it came.
pub fn request_id(request: &HttpRequest) -> String {
    request
        .extensions()
        .get::<RequestId>()
        .map_or_else(String::new, |id| id.0.clone())
}

fn session(site: &Site, request: &HttpRequest) -> Option<String> {
    let name = if site.app.edge.is_https() {
        SECURE_COOKIE
    } else {
        PLAIN_COOKIE
    };
    cookie(request, name)
}

/// The value of the cookie `name`.
pub fn cookie(request: &HttpRequest, name: &str) -> Option<String> {
    let lines = request.headers().get_all(COOKIE).filter_map(|line| line.to_str().ok());
    let mut pairs = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value.to_owned())
}

fn bearer(request: &HttpRequest) -> Option<&str> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}
