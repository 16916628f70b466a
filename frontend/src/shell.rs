//! The HTML around every page: doctype, head, and the scripts of the islands when their bundle is there.
//!
//! Invariant: no inline script or style but those of the islands, which carry the response's nonce.
//! Reads [`Assets`] from Leptos's context and the visitor's theme from its cookie.

use leptos::config::LeptosOptions;
use leptos::hydration::HydrationScripts;
use leptos::prelude::*;
use leptos_meta::MetaTags;

use crate::api::theme;
use crate::app::App;
use crate::style::STYLESHEET_PATH;

/// What the server serves beside the pages; put into Leptos's context for each request.
#[derive(Clone, Debug, Default)]
pub struct Assets {
    /// The folder of the islands' bundle below `/`, such as `pkg/0f3a`; none: the pages work without.
    pub bundle: Option<String>,
    /// Where clients reach the gateway, without a slash at the end: `http://localhost:3000`.
    pub public_url: String,
}

/// Whether islands come to life on this page. Where not, what they would draw is left out.
pub fn has_islands() -> bool {
    use_context::<Assets>().is_some_and(|assets| assets.bundle.is_some())
}

/// A whole page.
pub fn shell() -> impl IntoView {
    let assets = use_context::<Assets>().unwrap_or_default();
    let theme = theme::chosen();
    view! {
        <!DOCTYPE html>
        <html lang="en" data-theme=theme>
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="color-scheme" content="light dark" />
                <link rel="stylesheet" href=STYLESHEET_PATH />
                <link rel="icon" href="/favicon.ico" sizes="any" />
                {scripts(assets.bundle)}
                <MetaTags />
            </head>
            <body>
                <a class="skip" href="#main">
                    "Skip to content"
                </a>
                <App />
            </body>
        </html>
    }
}

/// The loader of the islands. Without them nothing is sent for a script to pick up.
fn scripts(bundle: Option<String>) -> AnyView {
    match bundle {
        Some(folder) => {
            let options = LeptosOptions::builder()
                .output_name("ourhub")
                .site_pkg_dir(folder)
                .build();
            view! { <HydrationScripts options=options islands=true /> }.into_any()
        }
        None => {
            if let Some(context) = Owner::current_shared_context() {
                context.set_is_hydrating(false);
            }
            ().into_any()
        }
    }
}
