//! Drawer and dialog. Both are pages with an address of their own, so they work without script.
//! Pure.

use leptos::prelude::*;

use super::button::{Kind, LinkButton, Size};
use super::icon::Glyph;

/// A form beside its list, to make or change one thing. Stands inside the form that it belongs to.
#[component]
pub fn Drawer(
    #[prop(into)] title: String,
    /// Where closing leads: the list.
    #[prop(into)]
    close: String,
    /// The buttons, the act first.
    foot: AnyView,
    /// Above the fields: why the form was refused.
    #[prop(optional)]
    news: Option<AnyView>,
    children: Children,
) -> impl IntoView {
    view! {
        <div class="scrim"></div>
        <div class="drawer" role="dialog" aria-modal="true" aria-labelledby="drawer-title">
            <div class="drawer__head">
                <h1 id="drawer-title">{title}</h1>
                <span class="end"></span>
                <LinkButton href=close text="Close" kind=Kind::Ghost size=Size::Small icon=Glyph::Cross icon_only=true />
            </div>
            <div class="drawer__body">{news} {children()}</div>
            <div class="drawer__foot">{foot}</div>
        </div>
    }
    .into_any()
}

/// A question before an act that cannot be undone. The safe button comes first, the other names the act.
#[component]
pub fn Dialog(
    #[prop(into)] title: String,
    #[prop(into)] text: String,
    /// The buttons: the safe one, then the act in its own form.
    children: Children,
) -> impl IntoView {
    view! {
        <div class="dialogpage">
            <div class="dialog" role="alertdialog" aria-labelledby="dialog-title" aria-describedby="dialog-text">
                <h1 id="dialog-title">{title}</h1>
                <p class="t13 muted" id="dialog-text">
                    {text}
                </p>
                <div class="dialog__foot">{children()}</div>
            </div>
        </div>
    }
    .into_any()
}
