//! The pages, their server functions and the export of requests: whatever a browser signed in by cookie asks for.
//!
//! Invariant: a page for people who are signed in is shown to nobody else; answers are kept by no cache.
//! Reads sessions; renders on the server.

use super::{Site, assets, export, guard, sign_in, visit};
use crate::dashboard::Principal;
use actix_web::{
    Error, HttpMessage, HttpResponse,
    body::{EitherBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    error::ErrorRequestTimeout,
    http::{
        Method,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, LOCATION, SET_COOKIE},
    },
    middleware::{Next, from_fn},
    rt::time::timeout,
    web,
};
use frontend::{App, Assets, api::Backend, shell, ui::SHOWN_TEAM};
use futures_util::{future::ready, stream};
use leptos::prelude::{provide_context, use_context};
use leptos_actix::{
    ActixRouteListing, LeptosRoutes, Request, ResponseOptions, generate_route_list, render_app_async_with_context,
};
use std::{sync::Arc, time::Duration};

/// How long a page, or a form on its way here, may take.
const REQUEST_TIME: Duration = Duration::from_secs(60);
/// Pages that anybody may see.
const PUBLIC: [&str; 14] = [
    "/",
    "/models",
    "/docs",
    "/gallery",
    "/signup",
    "/login",
    "/setup",
    "/invite/{token}",
    "/forgot",
    "/reset",
    "/verify",
    "/login/code",
    sign_in::ASK,
    sign_in::BACK,
];
/// Pages for those who are not signed in.
const ENTRIES: [&str; 4] = ["/signup", "/login", "/login/code", sign_in::ASK];

/// Every page's path. Call it once: it runs the whole router.
#[must_use]
pub fn list() -> Vec<ActixRouteListing> {
    generate_route_list(App)
}

/// The routes of the pages `listed`, and the page for paths that lead nowhere.
pub fn routes(config: &mut web::ServiceConfig, listed: &[ActixRouteListing], site: &Site) {
    let assets = Assets {
        bundle: assets::bundle_folder(),
        public_url: site.url.to_string(),
    };
    let context = move || enter(&assets);
    let nowhere = render_app_async_with_context(context.clone(), shell, leptos_router::Method::Get);
    config.service(
        web::scope("")
            .wrap(from_fn(know))
            .route("/usage.csv", web::get().to(export::requests))
            .route("/billing/statement.csv", web::get().to(export::statement))
            .route("/admin/revenue.csv", web::get().to(export::revenue))
            .route("/profile.json", web::get().to(export::profile))
            .configure(sign_in::routes)
            .configure(|pages| {
                pages.leptos_routes_with_context(listed.to_vec(), context, shell);
            })
            .default_service(nowhere),
    );
}

/// What the page is rendered with: who asks, where assets are, the nonce of its scripts.
fn enter(assets: &Assets) {
    provide_context(assets.clone());
    if let Some(request) = use_context::<Request>()
        && let Some(principal) = request.extensions().get::<Arc<Principal>>()
    {
        let backend: Arc<dyn Backend> = Arc::clone(principal) as _;
        provide_context(backend);
    }
    if let (Some(nonce), Some(response)) = (leptos::nonce::use_nonce(), use_context::<ResponseOptions>())
        && let Ok(policy) = HeaderValue::from_str(&guard::page_policy(&nonce))
    {
        response.insert_header(CONTENT_SECURITY_POLICY, policy);
    }
}

/// Finds out who asks, and leads those who are on the wrong side of the log-in to the other.
async fn know<B: MessageBody>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let Some(site) = request.app_data::<web::Data<Site>>().cloned() else {
        return Ok(request
            .into_response(HttpResponse::InternalServerError())
            .map_into_right_body());
    };
    let form_time = site.relay.body_time().min(REQUEST_TIME);
    let of_page = timeout(form_time, team_of_page(&mut request));
    let Ok(of_page) = of_page.await else { return Err(late()) };
    let principal = visit::of_browser(&site, request.request(), of_page?).await;
    if let Some(elsewhere) = elsewhere(&request, &principal) {
        let redirect = HttpResponse::SeeOther().insert_header((LOCATION, elsewhere)).finish();
        return Ok(request.into_response(redirect).map_into_right_body());
    }
    let forgotten = principal.forget_acting();
    request.extensions_mut().insert(Arc::new(principal));
    let mut response = match timeout(REQUEST_TIME, next.call(request)).await {
        Ok(response) => response?,
        Err(_) => return Err(late()),
    };
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(Ok(cookie)) = forgotten.map(|text| HeaderValue::from_str(&text)) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response.map_into_left_body())
}

fn late() -> Error {
    ErrorRequestTimeout("The request did not arrive in time.\n")
}

/// The team that a form says its page showed. What was read of the form is there for who reads it next.
async fn team_of_page(request: &mut ServiceRequest) -> Result<Option<String>, Error> {
    let kind = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let is_form = kind.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    if request.method() != Method::POST || !is_form {
        return Ok(None);
    }
    let body = request.extract::<web::Bytes>().await?;
    let fields = str::from_utf8(&body).ok();
    let fields = fields.and_then(|text| web::Query::<Vec<(String, String)>>::from_query(text).ok());
    let of_page = fields.and_then(|fields| fields.0.into_iter().find(|(name, _)| name == SHOWN_TEAM));
    request.set_payload(Payload::Stream {
        payload: Box::pin(stream::once(ready(Ok(body)))),
    });
    Ok(of_page.map(|(_, team)| team))
}

fn elsewhere(request: &ServiceRequest, principal: &Principal) -> Option<&'static str> {
    if request.method() != Method::GET || request.path().starts_with("/fn/") {
        return None;
    }
    let page = request.match_pattern()?;
    match (principal.is_nobody(), principal.is_signed_in()) {
        (true, _) if !PUBLIC.contains(&page.as_str()) => Some("/login"),
        (_, true) if ENTRIES.contains(&page.as_str()) => Some("/overview"),
        _ => None,
    }
}
