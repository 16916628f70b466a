//! A button that copies a text.
//!
//! Writes to the browser's clipboard.

use leptos::prelude::*;

/// A button that copies a text and says so.
#[island]
pub fn CopyButton(
    /// What is copied.
    text: String,
    /// The words on the button.
    label: String,
) -> impl IntoView {
    let is_copied = RwSignal::new(false);
    let copy = move |_| {
        write_to_clipboard(&text);
        is_copied.set(true);
    };
    view! {
        <button class="btn btn--sm" type="button" on:click=copy>
            {move || if is_copied.get() { "Copied".to_owned() } else { label.clone() }}
        </button>
    }
}

#[cfg(feature = "hydrate")]
fn write_to_clipboard(text: &str) {
    // The answer is a promise that needs no waiting for: the browser asks the visitor where it must.
    let _ = web_sys::window().map(|window| window.navigator().clipboard().write_text(text));
}

#[cfg(not(feature = "hydrate"))]
fn write_to_clipboard(_: &str) {}
