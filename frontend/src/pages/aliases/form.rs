//! The forms of an alias: to add, to edit, to delete.
//!
//! Invariant: what was typed is shown again with the errors beside it; the name of an alias stays as it is.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::super::frame::{Visit, signed_in};
use super::Whose;
use crate::api::aliases::{AliasView, POLICIES, alias};
use crate::api::{ApiError, Flash};
use crate::ui::*;

/// `/admin/aliases/new`
#[component]
pub fn AliasNew() -> impl IntoView {
    new_page(Whose::Everybody)
}

/// `/team/models/new`
#[component]
pub fn TeamAliasNew() -> impl IntoView {
    new_page(Whose::Team)
}

/// `/admin/aliases/edit?name={name}`
#[component]
pub fn AliasEdit() -> impl IntoView {
    edit_page(Whose::Everybody)
}

/// `/team/models/edit?name={name}`
#[component]
pub fn TeamAliasEdit() -> impl IntoView {
    edit_page(Whose::Team)
}

/// `/admin/aliases/delete?name={name}`
#[component]
pub fn AliasDelete() -> impl IntoView {
    delete_page(Whose::Everybody)
}

/// `/team/models/delete?name={name}`
#[component]
pub fn TeamAliasDelete() -> impl IntoView {
    delete_page(Whose::Team)
}

fn new_page(whose: Whose) -> AnyView {
    let spot = whose.spot("Add alias", format!("{}/new", whose.page()));
    signed_in(spot, move |visit| async move {
        Ok::<_, ApiError>(form(&visit, whose, None))
    })
}

fn edit_page(whose: Whose) -> AnyView {
    let name = use_query_map().read_untracked().get("name").unwrap_or_default();
    let spot = whose.spot("Edit alias", whose.act("edit", &name));
    signed_in(spot, move |visit| async move {
        let alias = alias(whose.word().to_owned(), name).await?;
        Ok::<_, ApiError>(form(&visit, whose, Some(alias)))
    })
}

fn delete_page(whose: Whose) -> AnyView {
    let name = use_query_map().read_untracked().get("name").unwrap_or_default();
    let spot = whose.spot("Delete alias", whose.act("delete", &name));
    signed_in(spot, move |_| async move {
        let alias = alias(whose.word().to_owned(), name).await?;
        let fields = vec![("whose", whose.word().to_owned()), ("name", alias.name.clone())];
        let text = if alias.targets.first() == Some(&alias.name) {
            "The model stays, and falls back to no other."
        } else {
            "Programs that ask for this name are told that there is no such model."
        };
        Ok::<_, ApiError>(
            view! {
                <Dialog title=format!("Delete {}?", alias.name) text=text>
                    <LinkButton href=whose.page() text="Keep alias" />
                    <PostForm action="/fn/delete_alias">
                        <Hidden fields=fields />
                        <Button text="Delete alias" kind=Kind::Danger />
                    </PostForm>
                </Dialog>
            }
            .into_any(),
        )
    })
}

/// The values of `alias`, or of a new one.
fn form(visit: &Visit, whose: Whose, alias: Option<AliasView>) -> AnyView {
    let flash = &visit.flash;
    let (title, action, act) = match &alias {
        Some(alias) => (format!("Edit {}", alias.name), "/fn/update_alias", "Save alias"),
        None => ("Add an alias".to_owned(), "/fn/create_alias", "Add alias"),
    };
    let lead = match whose {
        Whose::Everybody => "A name that every team may ask for. A team's own alias of this name goes before it.",
        Whose::Team => "A name that this team's keys may ask for. A key that names its models must name it too.",
    };
    let name = match &alias {
        Some(alias) => view! { <Hidden fields=vec![("name", alias.name.clone())] /> }.into_any(),
        None => view! {
            <TextField
                name="name"
                label="Name"
                value=flash.value("name", "")
                mono=true
                required=true
                hint="As programs write it: fast. A model's own name gives that model others to fall back to."
                nostrip:error=flash.error_of("name")
            />
        }
        .into_any(),
    };
    let targets = alias.as_ref().map(|alias| alias.targets.join("\n")).unwrap_or_default();
    let policy = alias.as_ref().map(|alias| alias.policy.clone()).unwrap_or_default();
    let region = alias
        .as_ref()
        .and_then(|alias| alias.region.clone())
        .unwrap_or_default();
    let replaces = (whose == Whose::Everybody).then(|| {
        let stored = alias.as_ref().is_some_and(|alias| alias.replaces_model);
        let hint = "Calls of that model then go to those above instead.";
        check(
            flash,
            "replaces_model",
            ("Replace the model of this name", hint),
            stored,
        )
    });
    let name_error = alias.as_ref().and_then(|_| flash.error_of("name"));
    let falls = falls(flash, alias.as_ref());
    view! {
        <PageHead title=title lead=lead />
        <PostForm class="narrow stack stack--6" action=action>
            <Hidden fields=vec![("whose", whose.word().to_owned())] />
            {name}
            {name_error.map(|text| view! { <ErrorText id="name-error" text=text /> })}
            <TextArea
                name="targets"
                label="Models, in order"
                value=flash.value("targets", &targets)
                rows=4
                hint="One a line, by the names in Models. The next is asked where no account of those before can answer now."
                nostrip:error=flash.error_of("targets")
            />
            <SelectField
                name="policy"
                label="Ask first"
                choices=POLICIES.into_iter().map(|(value, text)| Choice::new(value, text)).collect()
                selected=flash.value("policy", &policy)
                hint="The cheapest by its price; the soonest by how long its accounts took until their first content."
                nostrip:error=flash.error_of("policy")
            />
            {falls}
            <TextField
                name="region"
                label="Region"
                value=flash.value("region", &region)
                optional=true
                placeholder="Anywhere"
                hint="Only accounts tagged with this region, such as eu, are asked."
                nostrip:error=flash.error_of("region")
            />
            {replaces}
            <div class="row">
                <Button text=act kind=Kind::Primary />
                <LinkButton href=whose.page() text="Cancel" kind=Kind::Ghost />
            </div>
        </PostForm>
    }
    .into_any()
}

/// When the next model is asked besides.
fn falls(flash: &Flash, alias: Option<&AliasView>) -> AnyView {
    let too_long = check(
        flash,
        "on_context_too_long",
        (
            "When a prompt is too long for a model",
            "Otherwise the client is told so.",
        ),
        alias.is_none_or(|alias| alias.on_context_too_long),
    );
    let filter = check(
        flash,
        "on_content_filter",
        (
            "When a model's provider refuses the content",
            "The same prompt then goes to another provider.",
        ),
        alias.is_some_and(|alias| alias.on_content_filter),
    );
    view! { <Fieldset legend="Go on to the next model also">{too_long} {filter}</Fieldset> }.into_any()
}

fn check(flash: &Flash, name: &'static str, (label, hint): (&'static str, &'static str), stored: bool) -> AnyView {
    let checked = !flash.value(name, if stored { "on" } else { "" }).is_empty();
    view! { <CheckField name=name label=label value="on" checked=checked hint=hint /> }.into_any()
}
