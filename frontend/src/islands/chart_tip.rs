//! The figures of the bar under the pointer.
//!
//! Reads where the pointer is. Places the tip through the style object, which the content security policy allows.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// The figures of one bar, as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TipColumn {
    /// The day.
    pub title: String,
    /// Of each series that has some: its swatch (`sw--1`), its name and its amount.
    pub lines: Vec<(String, String, String)>,
    /// All series together.
    pub total: String,
}

/// Lies over a plot and shows a tip for the bar under the pointer.
#[island]
pub fn ChartTip(
    /// The bars, from left to right.
    columns: Vec<TipColumn>,
) -> impl IntoView {
    let shown = RwSignal::new(None::<usize>);
    let count = columns.len();
    let follow = move |event: leptos::ev::PointerEvent| shown.set(column_under(&event, count));
    let tip = move || {
        let at = shown.get()?;
        let column = columns.get(at)?.clone();
        Some(tip(column, at, count))
    };
    view! {
        <div class="chart__hover" on:pointermove=follow on:pointerleave=move |_| shown.set(None)>
            {tip}
        </div>
    }
}

/// Which of `count` equal columns the pointer is in.
#[cfg(feature = "hydrate")]
fn column_under(event: &leptos::ev::PointerEvent, count: usize) -> Option<usize> {
    use leptos::wasm_bindgen::JsCast;
    let plot = event.current_target()?.dyn_into::<web_sys::Element>().ok()?;
    let width = usize::try_from(plot.client_width()).ok()?.max(1);
    let x = usize::try_from(event.offset_x()).ok()?;
    Some(x * count / width).filter(|at| *at < count)
}

#[cfg(not(feature = "hydrate"))]
fn column_under(_: &leptos::ev::PointerEvent, _: usize) -> Option<usize> {
    None
}

/// The tip beside column `at`: at its right in the left half, else at its left.
fn tip(column: TipColumn, at: usize, count: usize) -> AnyView {
    let per_mille = |columns: usize| columns * 1000 / count.max(1);
    let percent = |mille: usize| format!("{}.{}%", mille / 10, mille % 10);
    let is_left = at * 2 < count;
    let left = if is_left {
        percent(per_mille(at + 1))
    } else {
        "auto".to_owned()
    };
    let right = if is_left {
        "auto".to_owned()
    } else {
        percent(1000 - per_mille(at))
    };
    let lines = column
        .lines
        .into_iter()
        .map(|(swatch, name, amount)| {
            view! {
                <div class="row">
                    <span class="row">
                        <i class=format!("sw {swatch}")></i>
                        {name}
                    </span>
                    <span class="num">{amount}</span>
                </div>
            }
        })
        .collect_view();
    view! {
        <div class="chart__tip" style:left=left style:right=right>
            <b>{column.title}</b>
            {lines}
            <div class="row">
                <span>"Together"</span>
                <b class="num">{column.total}</b>
            </div>
        </div>
    }
    .into_any()
}
