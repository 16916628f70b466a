//! Tables: the frame, the head, the menu of a row, the pager. Rows are written where they are known.
//!
//! Columns are marked `p3` (gone below 1020 px) and `p2` (gone below 720 px); what is dropped comes back as
//! `.sub.only-sm` in a cell that stays.
//! Pure.

use leptos::prelude::*;

use super::button::{LinkButton, Size};
use super::field::Hidden;
use super::form::PostForm;
use super::icon::{Glyph, Icon};

/// The head of a column.
#[derive(Clone, Copy, Debug)]
pub struct Th {
    text: &'static str,
    class: &'static str,
}

/// The head of a column. Classes: `r` right aligned, `p2`, `p3`, `act` for the menu (its words are read, not shown).
pub const fn th(text: &'static str, class: &'static str) -> Th {
    Th { text, class }
}

/// A table in its frame.
#[component]
pub fn Table(
    head: Vec<Th>,
    /// Rows of 36 px instead of 44.
    #[prop(optional)]
    tight: bool,
    /// Inside a card: without a frame of its own.
    #[prop(optional)]
    flush: bool,
    /// The sums under the rows.
    #[prop(optional)]
    foot: Option<AnyView>,
    /// Under the table: a pager.
    #[prop(optional)]
    pager: Option<AnyView>,
    children: Children,
) -> impl IntoView {
    let head = head
        .into_iter()
        .map(|th| {
            if th.class == "act" {
                view! { <th class="act"><span class="vh">{th.text}</span></th> }.into_any()
            } else {
                view! { <th class=th.class>{th.text}</th> }.into_any()
            }
        })
        .collect_view();
    let frame = if flush {
        "tablewrap tablewrap--flush"
    } else {
        "tablewrap"
    };
    let tight = if tight { " table--tight" } else { "" };
    let plain = if flush { " table--plain" } else { "" };
    view! {
        <div class=frame>
            <table class=format!("table{tight}{plain}")>
                <thead>
                    <tr>{head}</tr>
                </thead>
                <tbody>{children()}</tbody>
                {foot.map(|foot| view! { <tfoot>{foot}</tfoot> })}
            </table>
            {pager}
        </div>
    }
    .into_any()
}

/// The way to newer and older rows.
#[component]
pub fn Pager(
    /// What is shown: “1–50 of 212”.
    #[prop(into)]
    note: String,
    #[prop(optional, into)] newer: Option<String>,
    #[prop(optional, into)] older: Option<String>,
) -> impl IntoView {
    view! {
        <div class="pager">
            <span class="num">{note}</span>
            <div class="row">
                {newer.map(|href| view! { <LinkButton href=href text="Newer" size=Size::Small icon=Glyph::Left /> })}
                {older.map(|href| view! { <LinkButton href=href text="Older" size=Size::Small /> })}
            </div>
        </div>
    }
    .into_any()
}

/// The acts on one row, behind three dots. It opens without script.
#[component]
pub fn Menu(
    /// Names the object: “Actions for ci-agents”.
    #[prop(into)]
    label: String,
    children: Children,
) -> impl IntoView {
    view! {
        <details class="menu">
            <summary class="btn btn--ghost btn--icon btn--sm" aria-label=label>
                <Icon of=Glyph::Dots />
            </summary>
            <div class="menu__list">{children()}</div>
        </details>
    }
    .into_any()
}

/// One act of a menu that has a page of its own.
#[component]
pub fn MenuItem(
    #[prop(into)] href: String,
    icon: Glyph,
    text: &'static str,
    /// It destroys.
    #[prop(optional)]
    danger: bool,
) -> impl IntoView {
    view! {
        <a class=danger.then_some("danger") href=href>
            <Icon of=icon />
            {text}
        </a>
    }
    .into_any()
}

/// One act of a menu that is done at once, because it can be undone.
#[component]
pub fn MenuPost(
    /// Where the form is sent.
    action: &'static str,
    /// What is sent.
    fields: Vec<(&'static str, String)>,
    icon: Glyph,
    text: &'static str,
) -> impl IntoView {
    view! {
        <PostForm action=action>
            <Hidden fields=fields />
            <button type="submit">
                <Icon of=icon />
                {text}
            </button>
        </PostForm>
    }
    .into_any()
}
