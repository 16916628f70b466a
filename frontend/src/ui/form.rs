//! Forms that change something.
//!
//! Invariant: a form says which team its page shows, so that it is refused once the browser shows another one, in another tab; a page
//! of nobody's team says none. No page writes a form that is posted by itself.
//! Pure.

use leptos::children::ToChildren;
use leptos::prelude::*;

use super::field::Hidden;

/// The field that names the team its page shows.
pub const SHOWN_TEAM: &str = "shown_team";

/// The id of the team that the page shows, for its forms: put into the context by whoever draws the page.
#[derive(Clone, Debug)]
pub struct ShownTeam(pub String);

/// What stands in a form: put together at once, so that it may borrow.
pub struct Fields(AnyView);

impl<F, V> ToChildren<F> for Fields
where
    F: FnOnce() -> V,
    V: IntoAny,
{
    fn to_children(fields: F) -> Self {
        Self(fields().into_any())
    }
}

/// A form that is posted.
#[component]
pub fn PostForm(
    /// Where it is sent.
    #[prop(into)]
    action: String,
    #[prop(optional, into)] class: Option<String>,
    children: Fields,
) -> impl IntoView {
    let shown = use_context::<ShownTeam>().filter(|team| !team.0.is_empty());
    let shown = shown.map(|team| view! { <Hidden fields=vec![(SHOWN_TEAM, team.0)] /> });
    view! {
        <form method="post" action=action class=class>
            {shown}
            {children.0}
        </form>
    }
    .into_any()
}
