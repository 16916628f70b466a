//! Serves every page with sample data, for work on the design without a server:
//! `cargo run -p frontend --example sample --features ssr -- [visitor|first|member|admin] [port]`.
//!
//! Listens on 127.0.0.1; writes nothing.

mod backend;

use std::sync::Arc;

use actix_web::{App, HttpResponse, HttpServer, web};
use frontend::api::Backend;
use frontend::{Assets, shell, style};
use leptos::config::LeptosOptions;
use leptos::prelude::provide_context;
use leptos_actix::{LeptosRoutes, generate_route_list};

use backend::{Sample, Who};

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let who = match arguments.next().as_deref() {
        Some("visitor") => Who::Visitor,
        Some("first") => Who::FirstAdmin,
        Some("member") => Who::Member,
        _ => Who::Admin,
    };
    let port = arguments.next().and_then(|port| port.parse().ok()).unwrap_or(3001);
    let context = move || {
        provide_context::<Arc<dyn Backend>>(Arc::new(Sample { who }));
        provide_context(Assets {
            bundle: None,
            public_url: format!("http://localhost:{port}"),
        });
    };
    let options = LeptosOptions::builder().output_name("ourhub").build();
    println!("http://localhost:{port} as {who:?}");
    HttpServer::new(move || {
        App::new()
            .route(style::STYLESHEET_PATH, web::get().to(stylesheet))
            .route("/favicon.ico", web::get().to(HttpResponse::NoContent))
            .route("/fn/{name:.*}", leptos_actix::handle_server_fns_with_context(context))
            .leptos_routes_with_context(generate_route_list(frontend::App), context, shell)
            .default_service(leptos_actix::render_app_async_with_context(
                context,
                shell,
                leptos_router::Method::Get,
            ))
            .app_data(web::Data::new(options.clone()))
    })
    .workers(1)
    .bind(("127.0.0.1", port))?
    .run()
    .await
}

async fn stylesheet() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/css; charset=utf-8")
        .body(style::STYLESHEET)
}
