//! Code to copy: a block, a set of snippets under tabs that are radios, and a secret that is shown once.
//! Pure.

use leptos::prelude::*;

/// One way to use a key.
pub struct Snippet {
    /// The name of the client: “Python”.
    pub client: &'static str,
    /// What to paste.
    pub code: String,
    /// The button that copies it, where there is one.
    pub copy: Option<AnyView>,
}

/// A block of code with a title.
#[component]
pub fn CodeBlock(
    #[prop(into)] title: String,
    code: String,
    /// Lines that contain one of these are marked.
    #[prop(optional)]
    mark: Vec<String>,
    /// Prose: long lines wrap.
    #[prop(optional)]
    wrap: bool,
) -> impl IntoView {
    view! {
        <div class=if wrap { "code code--wrap" } else { "code" }>
            <div class="code__bar">
                <span class="t12 muted u-pl6">{title}</span>
                <span class="end"></span>
            </div>
            <pre tabindex="0">
                <code>{lines(&code, &mark)}</code>
            </pre>
        </div>
    }
    .into_any()
}

/// Snippets under tabs: at most seven.
#[component]
pub fn Snippets(
    /// Tells two sets on one page apart.
    name: &'static str,
    of: Vec<Snippet>,
    /// Lines that contain one of these are marked: the base URL, the key.
    mark: Vec<String>,
) -> impl IntoView {
    let mut of = of;
    let tabs = (1_usize..)
        .zip(&of)
        .map(|(at, snippet)| {
            view! {
                <label>
                    <input type="radio" name=name value=at.to_string() checked=at == 1 />
                    {snippet.client}
                </label>
            }
        })
        .collect_view();
    let copies = (1_usize..)
        .zip(&mut of)
        .map(|(at, snippet)| {
            let button = snippet.copy.take();
            button.map(|button| view! { <span class="end" data-p=at.to_string()>{button}</span> })
        })
        .collect_view();
    let blocks = (1_usize..)
        .zip(&of)
        .map(|(at, snippet)| {
            view! {
                <pre data-p=at.to_string() tabindex="0">
                    <code>{lines(&snippet.code, &mark)}</code>
                </pre>
            }
        })
        .collect_view();
    view! {
        <div class="code">
            <div class="code__bar">
                <div class="code__tabs" role="radiogroup" aria-label="Client">
                    {tabs}
                </div>
                {copies}
            </div>
            {blocks}
        </div>
    }
    .into_any()
}

/// Lines of code; those that contain one of `mark` are marked.
fn lines(code: &str, mark: &[String]) -> AnyView {
    code.lines()
        .map(|line| {
            if mark.iter().any(|part| line.contains(part.as_str())) {
                view! { <span class="tk-hl">{format!("{line}\n")}</span> }.into_any()
            } else {
                format!("{line}\n").into_any()
            }
        })
        .collect_view()
        .into_any()
}

/// A secret that is shown once: selected by one click, copied whole.
#[component]
pub fn Secret(#[prop(into)] value: String, #[prop(optional)] children: Option<Children>) -> impl IntoView {
    view! {
        <div class="secret">
            <code class="secret__value">{value}</code>
            {children.map(|children| children())}
        </div>
    }
    .into_any()
}
