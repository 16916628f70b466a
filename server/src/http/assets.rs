//! What pages load: the stylesheet, the icon, the script of passkeys, the islands' bundle.
//!
//! Invariant: an address names its content, so it may be kept for good; nothing comes from another host. Embedded in the binary.

use actix_web::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, VARY};
use actix_web::{HttpRequest, HttpResponse, web};
use frontend::script::{PASSKEY_SCRIPT, passkey_script_path};
use frontend::style::{STYLESHEET, STYLESHEET_PATH};

include!(concat!(env!("OUT_DIR"), "/web.rs"));

const FOR_GOOD: (&str, &str) = ("cache-control", "public, max-age=31536000, immutable");
const ICON: &str = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'><rect width='32' height='32' rx='8' fill='#2f5bde'/>\
<circle cx='16' cy='16' r='5' fill='#fff'/><g stroke='#fff' stroke-width='2.5' stroke-linecap='round'><path d='M16 5v4M16 23v4M5 16h4M23 16h4'/></g></svg>";

/// The folder of the bundle, below `/`; none where the server was built without it.
#[must_use]
pub fn bundle_folder() -> Option<String> {
    BUNDLE.as_ref().map(|bundle| format!("pkg/{}", bundle.hash))
}

/// The routes of the assets.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route(STYLESHEET_PATH, web::get().to(stylesheet))
        .route(&passkey_script_path(), web::get().to(passkey))
        .route("/favicon.ico", web::get().to(icon));
    if let Some(bundle) = &BUNDLE {
        let at = |file: &str| format!("/pkg/{}/{file}", bundle.hash);
        config
            .route(&at("ourhub.js"), web::get().to(loader))
            .route(&at("ourhub_bg.wasm"), web::get().to(wasm));
    }
}

async fn stylesheet() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/css; charset=utf-8")
        .insert_header(FOR_GOOD)
        .body(STYLESHEET)
}

async fn passkey() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/javascript; charset=utf-8")
        .insert_header(FOR_GOOD)
        .body(PASSKEY_SCRIPT)
}

async fn icon() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("image/svg+xml")
        .insert_header(FOR_GOOD)
        .body(ICON)
}

async fn loader(request: HttpRequest) -> HttpResponse {
    let Some(bundle) = &BUNDLE else {
        return HttpResponse::NotFound().finish();
    };
    compressed(&request, "text/javascript; charset=utf-8", bundle.js, bundle.js_br)
}

async fn wasm(request: HttpRequest) -> HttpResponse {
    let Some(bundle) = &BUNDLE else {
        return HttpResponse::NotFound().finish();
    };
    compressed(&request, "application/wasm", bundle.wasm, bundle.wasm_br)
}

fn compressed(request: &HttpRequest, kind: &str, plain: &'static [u8], brotli: &'static [u8]) -> HttpResponse {
    let accepted = request
        .headers()
        .get(ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let mut response = HttpResponse::Ok();
    response
        .content_type(kind)
        .insert_header(FOR_GOOD)
        .insert_header((VARY, "accept-encoding"));
    if accepted.split(',').any(|name| name.trim() == "br") {
        return response.insert_header((CONTENT_ENCODING, "br")).body(brotli);
    }
    response.body(plain)
}
