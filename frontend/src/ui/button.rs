//! Buttons and links that look like buttons. One primary button in a view; every button starts with a verb and names
//! its object.
//! Pure.

use leptos::prelude::*;

use super::icon::{Glyph, Icon};

/// How much a button stands out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Bordered.
    #[default]
    Plain,
    /// The one act of the view.
    Primary,
    /// Without a border: cancel.
    Ghost,
    /// It destroys.
    Danger,
}

/// How large a button is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Size {
    /// 34 px.
    #[default]
    Normal,
    /// 28 px.
    Small,
    /// 42 px.
    Large,
    /// 42 px, as wide as its form.
    Block,
}

fn class(kind: Kind, size: Size, icon_only: bool) -> String {
    let kind = match kind {
        Kind::Plain => "",
        Kind::Primary => " btn--primary",
        Kind::Ghost => " btn--ghost",
        Kind::Danger => " btn--danger",
    };
    let size = match size {
        Size::Normal => "",
        Size::Small => " btn--sm",
        Size::Large => " btn--lg",
        Size::Block => " btn--lg btn--block",
    };
    format!("btn{kind}{size}{}", if icon_only { " btn--icon" } else { "" })
}

/// A button that sends the form it stands in.
#[component]
pub fn Button(
    /// Its words. Of an icon-only button, what a screen reader says.
    #[prop(into)]
    text: String,
    #[prop(optional)] kind: Kind,
    #[prop(optional)] size: Size,
    #[prop(optional, into)] icon: Option<Glyph>,
    /// Show the icon alone.
    #[prop(optional)]
    icon_only: bool,
    #[prop(optional)] disabled: bool,
    /// The act runs: a spinner stands in the button.
    #[prop(optional)]
    busy: bool,
    /// Sent with the form when this button is pressed.
    #[prop(optional, into)]
    name: Option<String>,
    #[prop(optional, into)] value: Option<String>,
    /// Another address for the form, when this button is pressed.
    #[prop(optional, into)]
    formaction: Option<String>,
) -> impl IntoView {
    let (label, text) = if icon_only {
        (Some(text), None)
    } else {
        (None, Some(text))
    };
    view! {
        <button
            class=class(kind, size, icon_only)
            type="submit"
            name=name
            value=value
            formaction=formaction
            disabled=disabled
            aria-busy=busy.then_some("true")
            aria-label=label
        >
            {icon.map(|of| view! { <Icon of=of /> })}
            {text}
        </button>
    }
    .into_any()
}

/// A link that looks like a button: it leads somewhere and changes nothing.
#[component]
pub fn LinkButton(
    #[prop(into)] href: String,
    /// Its words. Of an icon-only link, what a screen reader says.
    #[prop(into)]
    text: String,
    #[prop(optional)] kind: Kind,
    #[prop(optional)] size: Size,
    #[prop(optional, into)] icon: Option<Glyph>,
    /// Show the icon alone.
    #[prop(optional)]
    icon_only: bool,
    /// The browser saves what comes instead of showing it.
    #[prop(optional)]
    download: bool,
) -> impl IntoView {
    let (label, text) = if icon_only {
        (Some(text), None)
    } else {
        (None, Some(text))
    };
    view! {
        <a
            class=class(kind, size, icon_only)
            href=href
            download=download.then_some("")
            aria-label=label
        >
            {icon.map(|of| view! { <Icon of=of /> })}
            {text}
        </a>
    }
    .into_any()
}
