//! Cards, big figures and key-value lists.
//! Pure.

use leptos::prelude::*;

/// A group of things that are read or changed together.
#[component]
pub fn Card(
    #[prop(into)] title: String,
    /// A remark beside the title.
    #[prop(optional, into)]
    hint: Option<String>,
    /// At the right of the title: a link, a segment.
    #[prop(optional, into)]
    side: Option<AnyView>,
    /// The children stand at the edge, as a table does, without padding.
    #[prop(optional)]
    flush: bool,
    children: Children,
) -> impl IntoView {
    let body = children();
    view! {
        <section class="card">
            <div class="card__head">
                <h2>{title}</h2>
                {hint.map(|hint| view! { <span class="hint">{hint}</span> })}
                {side.map(|side| view! { <div class="row end">{side}</div> })}
            </div>
            {if flush { body.into_any() } else { view! { <div class="card__body stack">{body}</div> }.into_any() }}
        </section>
    }
    .into_any()
}

/// A row of big figures.
#[component]
pub fn Stats(children: Children) -> impl IntoView {
    view! { <dl class="stats">{children()}</dl> }.into_any()
}

/// One big figure.
#[component]
pub fn Stat(
    #[prop(into)] label: String,
    value: AnyView,
    /// Behind the figure, small: “of $60”.
    #[prop(optional, into)]
    of: Option<String>,
    /// Between figure and note: a bar or a spark line.
    #[prop(optional, into)]
    figure: Option<AnyView>,
    #[prop(optional, into)] note: Option<String>,
) -> impl IntoView {
    view! {
        <div class="stat">
            <dt>{label}</dt>
            <dd class="stat__value">{value} {of.map(|of| view! { <small>" " {of}</small> })}</dd>
            {figure.map(|figure| view! { <dd>{figure}</dd> })}
            {note.map(|note| view! { <dd class="stat__note">{note}</dd> })}
        </div>
    }
    .into_any()
}

/// One fact of a thing: its name and its value.
pub struct Fact {
    name: &'static str,
    value: AnyView,
}

impl Fact {
    /// A fact with a value of any shape.
    pub fn new(name: &'static str, value: impl IntoView + 'static) -> Self {
        Self {
            name,
            value: value.into_any(),
        }
    }
}

/// The facts of one thing.
#[component]
pub fn Facts(
    of: Vec<Fact>,
    /// Values at the right edge, for sums.
    #[prop(optional)]
    wide: bool,
    /// Names are code: headers, fields.
    #[prop(optional)]
    mono: bool,
) -> impl IntoView {
    let class = match (wide, mono) {
        (true, _) => "kv kv--wide",
        (false, true) => "kv kv--mono",
        (false, false) => "kv",
    };
    let rows = of
        .into_iter()
        .map(|fact| view! { <dt>{fact.name}</dt><dd>{fact.value}</dd> })
        .collect_view();
    view! { <dl class=class>{rows}</dl> }.into_any()
}
