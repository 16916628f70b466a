//! Aliases: those of all teams, for platform admins, and a team's models with the aliases it may use and its own.
//!
//! Invariant: who may not change an alias sees no form for it. (The server checks every call anyway.)
//! Reads [`crate::api::aliases`] and [`crate::api::models::list_models`]; the forms are sent to `/fn/create_alias`,
//! `/fn/update_alias` and `/fn/delete_alias`.

mod form;

pub use form::{AliasDelete, AliasEdit, AliasNew, TeamAliasDelete, TeamAliasEdit, TeamAliasNew};

use leptos::prelude::*;
use leptos_router::location::Url;

use super::frame::{Spot, signed_in};
use super::models::catalogue_table;
use crate::api::aliases::{AliasView, OF_TEAM, list_aliases, page_of};
use crate::api::models::list_models;
use crate::api::{ApiError, Code};
use crate::ui::*;

/// Whose an alias is, for its pages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Everybody,
    Team,
}

impl Whose {
    /// As forms write it.
    const fn word(self) -> &'static str {
        match self {
            Self::Everybody => "",
            Self::Team => OF_TEAM,
        }
    }

    fn page(self) -> &'static str {
        page_of(self.word())
    }

    /// The page `act` of its alias `name`.
    fn act(self, act: &str, name: &str) -> String {
        format!("{}/{act}?name={}", self.page(), Url::escape(name))
    }

    /// A page below the list.
    fn spot(self, title: &str, path: String) -> Spot {
        match self {
            Self::Everybody => Spot::new(Section::Models, title, path)
                .via("/admin/models", "Models & prices")
                .via("/admin/aliases", "Aliases"),
            Self::Team => Spot::new(Section::TeamModels, title, path).via("/team/models", "Models"),
        }
    }
}

/// `/admin/aliases`
#[component]
pub fn AliasesPage() -> impl IntoView {
    let spot = Spot::new(Section::Models, "Aliases", "/admin/aliases").via("/admin/models", "Models & prices");
    signed_in(spot, |visit| async move {
        if !visit.session.is_admin {
            return Err(ApiError::new(Code::Forbidden));
        }
        let aliases = list_aliases(String::new()).await?;
        let list = if aliases.is_empty() {
            nothing(Some(Whose::Everybody))
        } else {
            table(aliases, Some(Whose::Everybody))
        };
        Ok::<_, ApiError>(
            view! {
                <PageHead
                    title="Aliases"
                    lead="Names for models, for all teams. Where the first model cannot answer, the next one does, at its own price."
                >
                    {add(Whose::Everybody, Kind::Primary)}
                </PageHead>
                {list}
            }
            .into_any(),
        )
    })
}

/// `/team/models`
#[component]
pub fn TeamModelsPage() -> impl IntoView {
    signed_in(
        Spot::new(Section::TeamModels, "Models", "/team/models"),
        |visit| async move {
            let own = list_aliases(OF_TEAM.to_owned()).await?;
            let all = list_aliases(String::new()).await?;
            let models = list_models().await?;
            let served: Vec<_> = models
                .into_iter()
                .filter(|model| model.is_served && model.prices.is_some())
                .collect();
            let may_change = visit.manages_team();
            let owner = may_change.then_some(Whose::Team);
            let own = if own.is_empty() {
                nothing(owner)
            } else {
                table(own, owner)
            };
            let all = (!all.is_empty()).then(|| section("Aliases of all teams", None, table(all, None)));
            // Platform admins set prices, and are shown what they set.
            let markup = visit
                .session
                .is_admin
                .then_some("priced without markups, as platform admins see them");
            let served = if served.is_empty() {
                view! {
                    <Empty
                        icon=Glyph::Models
                        title="No model can be called yet"
                        text="An upstream account brings its models. The platform admin adds the first one."
                    />
                }
                .into_any()
            } else {
                catalogue_table(served)
            };
            Ok::<_, ApiError>(
            view! {
                <PageHead
                    title="Models"
                    lead="What this team may ask for by name. An alias stands for models in order; its calls cost what the model that answers costs."
                >
                    {may_change.then(|| add(Whose::Team, Kind::Primary))}
                </PageHead>
                {section("This team’s aliases", None, own)}
                {all}
                {section("Models", markup, served)}
            }
            .into_any(),
        )
        },
    )
}

/// A list with its heading, and a remark beside it.
fn section(title: &'static str, hint: Option<&'static str>, list: AnyView) -> AnyView {
    view! {
        <section class="stack stack--2">
            <div class="row row--wrap">
                <h2>{title}</h2>
                {hint.map(|hint| view! { <span class="hint">{hint}</span> })}
            </div>
            {list}
        </section>
    }
    .into_any()
}

fn add(whose: Whose, kind: Kind) -> AnyView {
    view! { <LinkButton href=format!("{}/new", whose.page()) text="Add alias" kind=kind icon=Glyph::Plus /> }.into_any()
}

/// An empty list, with the button to fill it for those who may.
fn nothing(owner: Option<Whose>) -> AnyView {
    view! {
        <Empty
            icon=Glyph::Tag
            title="No alias yet"
            text="An alias such as fast stands for models in order: programs ask for it, and you change what it means here. A model's own name works too: then the others are what it falls back to."
        >
            {owner.map(|whose| add(whose, Kind::Plain))}
        </Empty>
    }
    .into_any()
}

/// Aliases by name; with acts on each where they are `owner`'s.
fn table(aliases: Vec<AliasView>, owner: Option<Whose>) -> AnyView {
    let head = [
        Some(th("Name", "")),
        Some(th("Models, in order", "")),
        Some(th("Goes on also", "p3")),
        Some(th("Region", "p2")),
        Some(th("Status", "p2")),
        owner.map(|_| th("Actions", "act")),
    ];
    let rows = aliases.into_iter().map(|alias| row(alias, owner)).collect_view();
    view! {
        <Table head=head.into_iter().flatten().collect() tight=true>
            {rows}
        </Table>
    }
    .into_any()
}

fn row(alias: AliasView, owner: Option<Whose>) -> AnyView {
    let (tone, word) = if alias.is_served {
        (Tone::Ok, "Served")
    } else {
        (Tone::Neutral, "Not served")
    };
    let also = match (alias.on_context_too_long, alias.on_content_filter) {
        (true, true) => "when a prompt is too long or refused",
        (true, false) => "when a prompt is too long",
        (false, true) => "when a prompt is refused",
        (false, false) => "never",
    };
    let kind = if alias.replaces_model {
        Some("replaces the model")
    } else if alias.targets.first() == Some(&alias.name) {
        Some("fallbacks of the model")
    } else {
        None
    };
    let policy = match alias.policy.as_str() {
        "cheapest" => Some("cheapest first"),
        "fastest" => Some("soonest first"),
        _ => None,
    };
    let region = alias.region.clone().unwrap_or_else(|| "anywhere".to_owned());
    let acts = owner.map(|whose| view! { <td class="act">{menu(whose, &alias.name)}</td> });
    view! {
        <tr>
            <td class="main mono">
                {alias.name} {kind.map(|text| view! { <span class="sub">{text}</span> })}
                <span class="sub only-sm">
                    <Status tone=tone text=word />
                </span>
            </td>
            <td class="mono t12">{alias.targets.join(", ")} {policy.map(|text| view! { <span class="sub">{text}</span> })}</td>
            <td class="p3 muted t12">{also}</td>
            <td class="p2 muted">{region}</td>
            <td class="p2">
                <Status tone=tone text=word />
            </td>
            {acts}
        </tr>
    }
    .into_any()
}

fn menu(whose: Whose, name: &str) -> AnyView {
    let (edit, delete) = (whose.act("edit", name), whose.act("delete", name));
    let label = format!("Actions for {name}");
    view! {
        <Menu label=label>
            <MenuItem href=edit icon=Glyph::Edit text="Edit alias" />
            <MenuItem href=delete icon=Glyph::Trash text="Delete alias…" danger=true />
        </Menu>
    }
    .into_any()
}
