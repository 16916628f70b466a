//! News of a page, empty states and skeletons.
//! Pure.

use leptos::prelude::*;

use super::badge::Tone;
use super::icon::{Glyph, Icon};

/// Page-wide news under the title: at most one, the worst first. Its action ends it.
#[component]
pub fn Notice(
    #[prop(optional)] tone: Tone,
    /// What happened.
    #[prop(into)]
    title: String,
    /// What it means, and what to do.
    #[prop(optional, into)]
    text: Option<String>,
    /// The request id, in mono.
    #[prop(optional, into)]
    request: Option<String>,
    /// The button that ends it.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    let glyph = match tone {
        Tone::Ok => Glyph::Check,
        Tone::Warn | Tone::Bad => Glyph::Alert,
        Tone::Neutral | Tone::Line | Tone::Accent => Glyph::Info,
    };
    let role = if tone == Tone::Bad { "alert" } else { "status" };
    view! {
        <div class=format!("notice notice--{}", tone.suffix()) role=role>
            <Icon of=glyph />
            <div class="grow">
                <strong>{title}</strong>
                {text.map(|text| format!(" {text}"))}
                {request.map(|id| view! { " " <span class="mono t12">{id}</span> })}
            </div>
            {children.map(|children| children())}
        </div>
    }
    .into_any()
}

/// A list with nothing in it: what will appear here, and the one button that makes it appear.
#[component]
pub fn Empty(
    icon: Glyph,
    #[prop(into)] title: String,
    #[prop(into)] text: String,
    #[prop(optional)] children: Option<Children>,
) -> impl IntoView {
    view! {
        <div class="card">
            <div class="empty">
                <span class="empty__art">
                    <Icon of=icon class="icon icon--20" />
                </span>
                <h2>{title}</h2>
                <p>{text}</p>
                {children.map(|children| children())}
            </div>
        </div>
    }
    .into_any()
}

/// A line in the shape of what comes.
#[component]
pub fn Skeleton(
    /// `sk--sm`, `sk--md`, `sk--lg` or `sk--r`.
    size: &'static str,
) -> impl IntoView {
    view! { <span class=format!("sk {size}")></span> }.into_any()
}
