//! What stands before every handler: the headers that tell browsers to be careful, and the refusal of forged requests.
//!
//! Invariant: a request that a cookie could authenticate and that may change something passes only if the browser says it comes
//! from our own origin; API paths do not read cookies and are exempt.

use super::{Site, webhooks};
use crate::clock::new_id;
use crate::config::{Edge, is_loopback_host};
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpResponse, web};
use gateway_core::id::{Kind, render};

/// Where nothing may be loaded from but here; pages add the nonce of their scripts.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The content security policy of a page whose scripts carry `nonce`.
#[must_use]
pub fn page_policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; \
         font-src 'self'; connect-src 'self'; form-action 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
    )
}

/// The id a request is given when it comes, for logs and for people to quote.
#[derive(Clone)]
pub struct RequestId(pub String);

/// Gives the request an id, and the answer the headers that every one has. While the process is about to end, the connection
/// closes behind the answer, so that its client goes elsewhere.
///
/// # Errors
/// Those of the handler.
pub async fn headers<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, Error> {
    let site = request.app_data::<web::Data<Site>>().cloned();
    let app = site.as_ref().map(|site| &site.app);
    let is_https = app.is_some_and(|app| app.edge.is_https());
    let _under_way = app.map(|app| app.enter());
    let id = render(Kind::Request, new_id());
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.call(request).await?;
    if app.is_some_and(|app| app.is_draining()) {
        response
            .response_mut()
            .head_mut()
            .set_connection_type(ConnectionType::Close);
    }
    let headers = response.headers_mut();
    add(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    add(headers, header::REFERRER_POLICY, "same-origin");
    add(headers, header::X_FRAME_OPTIONS, "DENY");
    add(headers, header::CONTENT_SECURITY_POLICY, POLICY);
    if is_https {
        add(headers, header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    if !headers.contains_key(REQUEST_ID)
        && let Ok(id) = HeaderValue::from_str(&id)
    {
        headers.insert(REQUEST_ID, id);
    }
    Ok(response)
}

fn add(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    if !headers.contains_key(&name) {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// Refuses what another site may have sent in our visitor's name.
///
/// # Errors
/// Those of the handler.
pub async fn forgery<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let is_ours = match request.app_data::<web::Data<Site>>() {
        Some(site) => is_harmless(&request) || is_same_origin(&site.app.edge, request.headers()),
        None => false,
    };
    if is_ours {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let refusal = "This request did not come from a page of this site, so it was refused.\n";
    Ok(request
        .into_response(
            HttpResponse::Forbidden()
                .content_type("text/plain; charset=utf-8")
                .body(refusal),
        )
        .map_into_right_body())
}

/// Reading changes nothing; the APIs and webhooks take no cookie.
fn is_harmless(request: &ServiceRequest) -> bool {
    let is_read = [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
    is_read
        || request.path() == webhooks::STRIPE
        || ["/v1/", "/v1beta/", "/api/"]
            .iter()
            .any(|prefix| request.path().starts_with(prefix))
}

/// Whether a page of ours led to this request: what a link elsewhere must not begin is asked so.
pub fn is_from_us(edge: &Edge, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin";
    }
    let from = text("referer").map(str::to_ascii_lowercase).unwrap_or_default();
    let origin = match &edge.public {
        Some(public) => public.to_string(),
        None => text("host").map(|host| format!("http://{host}")).unwrap_or_default(),
    };
    from.strip_prefix(&origin.to_ascii_lowercase())
        .is_some_and(|rest| rest.starts_with('/'))
}

fn is_same_origin(edge: &Edge, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    // Without a public URL only this machine is served: a name that was made to point here is not ours.
    if edge.public.is_none() && !text("host").is_some_and(is_loopback_host) {
        return false;
    }
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin";
    }
    let Some(origin) = text("origin").map(str::to_ascii_lowercase) else {
        return false;
    };
    match &edge.public {
        Some(public) => origin == public.to_string(),
        None => text("host")
            .is_some_and(|host| is_loopback_host(host) && origin == format!("http://{}", host.to_ascii_lowercase())),
    }
}
