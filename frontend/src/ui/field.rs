//! Form fields: a label, the control, a hint, and the error next to it. A field's name is its id, so a name stands
//! once on a page.
//! Pure.

use leptos::prelude::*;

use super::icon::{Glyph, Icon};

/// What a field error says: what was typed, and what would be right.
#[component]
pub fn ErrorText(#[prop(into)] id: String, #[prop(into)] text: String) -> impl IntoView {
    view! {
        <p class="error" id=id>
            <Icon of=Glyph::Alert />
            {text}
        </p>
    }
    .into_any()
}

/// Label, control, error and hint in their order.
fn field(about: About, control: AnyView) -> AnyView {
    let About {
        name,
        label,
        optional,
        hint,
        error,
    } = about;
    view! {
        <div class="field">
            <label class="label" for=name.clone()>
                {label}
                {optional.then(|| view! { <span class="opt">"optional"</span> })}
            </label>
            {control}
            {error.map(|text| view! { <ErrorText id=format!("{name}-error") text=text /> })}
            {hint.map(|hint| view! { <p class="hint" id=format!("{name}-hint")>{hint}</p> })}
        </div>
    }
    .into_any()
}

/// The words around a control.
struct About {
    name: String,
    label: String,
    optional: bool,
    hint: Option<String>,
    error: Option<String>,
}

impl About {
    /// The ids of error and hint, for `aria-describedby`.
    fn described_by(&self) -> Option<String> {
        let ids: Vec<_> = [("error", self.error.is_some()), ("hint", self.hint.is_some())]
            .into_iter()
            .filter(|(_, present)| *present)
            .map(|(part, _)| format!("{}-{part}", self.name))
            .collect();
        (!ids.is_empty()).then(|| ids.join(" "))
    }
}

/// One line of text, a number, an amount, a password.
#[component]
pub fn TextField(
    #[prop(into)] name: String,
    #[prop(into)] label: String,
    #[prop(optional, into)] value: String,
    #[prop(optional, into)] error: Option<String>,
    #[prop(optional, into)] hint: Option<String>,
    /// Say “optional” beside the label.
    #[prop(optional)]
    optional: bool,
    #[prop(optional)] required: bool,
    /// `email`, `password`, `date`…
    #[prop(default = "text")]
    kind: &'static str,
    /// `decimal` or `numeric`: digits that line up.
    #[prop(optional, into)]
    inputmode: Option<&'static str>,
    /// Before the value, inside: `$`.
    #[prop(optional, into)]
    pre: Option<&'static str>,
    /// After the value, inside: `USD`.
    #[prop(optional, into)]
    post: Option<&'static str>,
    #[prop(optional, into)] placeholder: Option<String>,
    #[prop(optional, into)] autocomplete: Option<&'static str>,
    #[prop(optional)] minlength: Option<u32>,
    #[prop(optional)] mono: bool,
    /// 42 px high.
    #[prop(optional)]
    large: bool,
) -> impl IntoView {
    let about = About {
        name: name.clone(),
        label,
        optional,
        hint,
        error,
    };
    let class = format!(
        "input{}{}{}",
        if inputmode.is_some() { " num" } else { "" },
        if mono { " mono" } else { "" },
        if large { " input--lg" } else { "" }
    );
    let input = view! {
        <input
            class=class
            id=name.clone()
            name=name
            type=kind
            value=value
            inputmode=inputmode
            placeholder=placeholder
            autocomplete=autocomplete
            minlength=minlength.map(|least| least.to_string())
            required=required
            spellcheck=mono.then_some("false")
            aria-invalid=about.error.is_some().then_some("true")
            aria-describedby=about.described_by()
        />
    };
    let control = if pre.is_none() && post.is_none() {
        input.into_any()
    } else {
        view! {
            <div class="affix">
                {pre.map(|pre| view! { <span class="pre">{pre}</span> })} {input}
                {post.map(|post| view! { <span class="post">{post}</span> })}
            </div>
        }
        .into_any()
    };
    field(about, control)
}

/// Text of several lines.
#[component]
pub fn TextArea(
    #[prop(into)] name: String,
    #[prop(into)] label: String,
    #[prop(optional, into)] value: String,
    #[prop(optional, into)] error: Option<String>,
    #[prop(optional, into)] hint: Option<String>,
    #[prop(optional)] optional: bool,
    #[prop(default = 3)] rows: u32,
    #[prop(optional, into)] placeholder: Option<String>,
) -> impl IntoView {
    let about = About {
        name: name.clone(),
        label,
        optional,
        hint,
        error,
    };
    let control = view! {
        <textarea
            class="textarea input mono"
            id=name.clone()
            name=name
            rows=rows.to_string()
            placeholder=placeholder
            spellcheck="false"
            aria-invalid=about.error.is_some().then_some("true")
            aria-describedby=about.described_by()
        >
            {value}
        </textarea>
    };
    field(about, control.into_any())
}

/// One option of a select.
#[derive(Clone, Debug)]
pub struct Choice {
    /// What is sent.
    pub value: String,
    /// What is read.
    pub text: String,
}

impl Choice {
    /// An option.
    pub fn new(value: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            text: text.into(),
        }
    }
}

/// One of many.
#[component]
pub fn SelectField(
    #[prop(into)] name: String,
    #[prop(into)] label: String,
    choices: Vec<Choice>,
    #[prop(optional, into)] selected: String,
    #[prop(optional, into)] error: Option<String>,
    #[prop(optional, into)] hint: Option<String>,
    #[prop(optional)] optional: bool,
) -> impl IntoView {
    let about = About {
        name: name.clone(),
        label,
        optional,
        hint,
        error,
    };
    let options = choices
        .into_iter()
        .map(|choice| {
            let chosen = choice.value == selected;
            view! { <option value=choice.value selected=chosen>{choice.text}</option> }
        })
        .collect_view();
    let control = view! {
        <span class="selectbox">
            <select
                class="select"
                id=name.clone()
                name=name
                aria-invalid=about.error.is_some().then_some("true")
                aria-describedby=about.described_by()
            >
                {options}
            </select>
            <Icon of=Glyph::Down />
        </span>
    };
    field(about, control.into_any())
}

/// Yes or no, in a form with a save button.
#[component]
pub fn CheckField(
    #[prop(into)] name: String,
    #[prop(into)] label: String,
    #[prop(default = "true")] value: &'static str,
    #[prop(optional)] checked: bool,
    #[prop(optional, into)] hint: Option<String>,
) -> impl IntoView {
    view! {
        <label class="check">
            <input type="checkbox" name=name value=value checked=checked />
            <span>{label} {hint.map(|hint| view! { <small>{hint}</small> })}</span>
        </label>
    }
    .into_any()
}

/// Values that are sent with a form and not shown.
#[component]
pub fn Hidden(fields: Vec<(&'static str, String)>) -> impl IntoView {
    fields
        .into_iter()
        .map(|(name, value)| view! { <input type="hidden" name=name value=value /> })
        .collect_view()
        .into_any()
}

/// Fields that belong together, under one title.
#[component]
pub fn Fieldset(
    #[prop(into)] legend: String,
    #[prop(optional, into)] hint: Option<String>,
    children: Children,
) -> impl IntoView {
    view! {
        <fieldset class="fieldset">
            <legend>{legend}</legend>
            {children()}
            {hint.map(|hint| view! { <p class="hint">{hint}</p> })}
        </fieldset>
    }
    .into_any()
}

/// The part of a form that is good as it is, folded away.
#[component]
pub fn More(
    #[prop(into)] title: String,
    /// What is inside.
    #[prop(into)]
    hint: String,
    #[prop(optional)] open: bool,
    children: Children,
) -> impl IntoView {
    view! {
        <details class="more" open=open>
            <summary>
                <Icon of=Glyph::Right />
                {title}
                <span class="end t12 faint u-reg">{hint}</span>
            </summary>
            <div class="stack u-mt4">{children()}</div>
        </details>
    }
    .into_any()
}

/// Two to five exclusive views of a page, as links.
#[component]
pub fn Segment(
    /// What is chosen: “Period”.
    label: &'static str,
    /// Address, words, and whether it is the one shown.
    links: Vec<(String, String, bool)>,
) -> impl IntoView {
    let links = links
        .into_iter()
        .map(|(href, text, current)| view! { <a href=href aria-current=current.then_some("true")>{text}</a> })
        .collect_view();
    view! { <nav class="seg" aria-label=label>{links}</nav> }.into_any()
}

/// A search box in a row of filters.
#[component]
pub fn SearchField(
    name: &'static str,
    /// What is searched, for a screen reader.
    label: &'static str,
    placeholder: &'static str,
    #[prop(optional, into)] value: String,
) -> impl IntoView {
    view! {
        <div class="affix u-w240">
            <span class="pre pre--icon">
                <Icon of=Glyph::Search />
            </span>
            <input class="input" type="search" name=name aria-label=label placeholder=placeholder value=value />
        </div>
    }
    .into_any()
}
