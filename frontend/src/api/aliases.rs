//! Aliases: names that stand for models in order, of all teams or of one.
//!
//! Invariant: targets are models, never aliases; the name of an alias never changes.

#[cfg(feature = "ssr")]
use super::flash::{self, Done};
use super::form::Form;
use super::{ApiError, Page, PageQuery, Time, patch};
use async_trait::async_trait;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// In a form: an alias of the team of whoever sends it. Anything else: of all teams.
pub const OF_TEAM: &str = "team";
/// By what an alias chooses, and how a person is told; the first where nothing is said.
pub const POLICIES: [(&str, &str); 3] = [
    ("balanced", "The first model in the list"),
    ("cheapest", "The cheapest model for the request"),
    ("fastest", "The model that answers soonest"),
];

/// An alias.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AliasView {
    /// The name a customer asks for.
    pub name: String,
    /// The models it stands for, the first to be asked first.
    pub targets: Vec<String>,
    /// By what is chosen among these and their accounts: one of [`POLICIES`].
    pub policy: String,
    /// Whether the next one is asked when a prompt is too long for one.
    pub on_context_too_long: bool,
    /// Whether the next one is asked when one refuses the content.
    pub on_content_filter: bool,
    /// The only region whose accounts are asked.
    pub region: Option<String>,
    /// Whether it replaces a model of its name; one whose first target has its name adds to that model.
    pub replaces_model: bool,
    /// Whether an enabled account serves one of the models at a price.
    pub is_served: bool,
    /// When it was made.
    pub created_at: Time,
}

/// A new alias.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewAlias {
    /// The name a customer asks for.
    pub name: String,
    /// The models it stands for, the first to be asked first.
    pub targets: Vec<String>,
    /// By what is chosen among these and their accounts: one of [`POLICIES`], the first when absent.
    #[serde(default)]
    pub policy: Option<String>,
    /// Whether the next one is asked when a prompt is too long for one; true when absent.
    #[serde(default)]
    pub on_context_too_long: Option<bool>,
    /// Whether the next one is asked when one refuses the content; false when absent.
    #[serde(default)]
    pub on_content_filter: Option<bool>,
    /// The only region whose accounts are asked, such as `eu`.
    #[serde(default)]
    pub region: Option<String>,
    /// Says that a model of this name is to be replaced; platform admins, for all teams.
    #[serde(default)]
    pub replaces_model: Option<bool>,
}

/// What to change of an alias; null clears what can be without a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AliasPatch {
    /// The models it stands for.
    #[serde(deserialize_with = "patch::required")]
    pub targets: Option<Vec<String>>,
    /// By what is chosen among these and their accounts; null means the first of [`POLICIES`].
    #[serde(deserialize_with = "patch::present")]
    pub policy: Option<Option<String>>,
    /// Whether the next one is asked when a prompt is too long for one; null means true.
    #[serde(deserialize_with = "patch::present")]
    pub on_context_too_long: Option<Option<bool>>,
    /// Whether the next one is asked when one refuses the content; null means false.
    #[serde(deserialize_with = "patch::present")]
    pub on_content_filter: Option<Option<bool>>,
    /// The only region whose accounts are asked.
    #[serde(deserialize_with = "patch::present")]
    pub region: Option<Option<String>>,
    /// Whether it replaces a model of its name; null means false.
    #[serde(deserialize_with = "patch::present")]
    pub replaces_model: Option<Option<bool>>,
}

/// What the server offers about aliases. Where no team is named, they are those of all teams: everyone who is signed in reads them,
/// platform admins change them.
#[async_trait]
pub trait Aliases {
    /// The aliases, by name.
    async fn list_aliases(&self, team: Option<&str>, page: PageQuery) -> Result<Page<AliasView>, ApiError>;
    /// One of them.
    async fn alias(&self, team: Option<&str>, name: &str) -> Result<AliasView, ApiError>;
    /// Makes one; a team's owners and admins.
    async fn create_alias(&self, team: Option<&str>, new: NewAlias) -> Result<AliasView, ApiError>;
    /// Changes one; a team's owners and admins.
    async fn update_alias(&self, team: Option<&str>, name: &str, change: AliasPatch) -> Result<AliasView, ApiError>;
    /// Removes one; a team's owners and admins.
    async fn delete_alias(&self, team: Option<&str>, name: &str) -> Result<(), ApiError>;
}

/// Whose aliases a form or a page is about.
#[cfg(feature = "ssr")]
fn team_of(whose: &str) -> Option<&'static str> {
    (whose == OF_TEAM).then_some(super::CURRENT_TEAM)
}

/// The page of the aliases of `whose`.
#[must_use]
pub fn page_of(whose: &str) -> &'static str {
    if whose == OF_TEAM {
        "/team/models"
    } else {
        "/admin/aliases"
    }
}

/// The aliases of `whose`, [`OF_TEAM`] or all teams.
#[server(prefix = "/fn", endpoint = "list_aliases", input = leptos::server_fn::codec::GetUrl)]
pub async fn list_aliases(whose: String) -> Result<Vec<AliasView>, ApiError> {
    let backend = super::backend()?;
    let mut aliases = Vec::new();
    let mut after = None;
    loop {
        let page = PageQuery {
            limit: Some(200),
            after,
        };
        let part = backend.list_aliases(team_of(&whose), page).await?;
        aliases.extend(part.data);
        after = part.next;
        if after.is_none() {
            return Ok(aliases);
        }
    }
}

/// One of them.
#[server(prefix = "/fn", endpoint = "alias", input = leptos::server_fn::codec::GetUrl)]
pub async fn alias(whose: String, name: String) -> Result<AliasView, ApiError> {
    super::backend()?.alias(team_of(&whose), &name).await
}

/// The fields of the alias form, as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AliasForm {
    /// [`OF_TEAM`] or empty.
    pub whose: String,
    /// The name a customer asks for.
    pub name: String,
    /// Models separated by commas, spaces or lines.
    pub targets: String,
    /// One of [`POLICIES`], or empty for the first.
    pub policy: String,
    /// `on` where the next model is asked when a prompt is too long for one.
    pub on_context_too_long: String,
    /// `on` where the next model is asked when one refuses the content.
    pub on_content_filter: String,
    /// The tag of a region or empty.
    pub region: String,
    /// `on` where a model of this name is to be replaced.
    pub replaces_model: String,
}

impl AliasForm {
    /// The new alias that was typed.
    ///
    /// # Errors
    /// [`super::Code::Invalid`] naming every wrong field.
    pub fn parse(&self) -> Result<NewAlias, ApiError> {
        let mut form = Form::new();
        let targets = Form::words(&self.targets);
        if targets.is_empty() {
            form.reject("targets", "This is empty. Name at least one model.");
        }
        let new = NewAlias {
            name: form.text("name", &self.name),
            targets,
            policy: Some(self.policy.clone()).filter(|policy| !policy.is_empty()),
            on_context_too_long: Some(!self.on_context_too_long.is_empty()),
            on_content_filter: Some(!self.on_content_filter.is_empty()),
            region: Some(self.region.trim().to_owned()).filter(|region| !region.is_empty()),
            replaces_model: Some(!self.replaces_model.is_empty()),
        };
        form.finish(new)
    }

    /// The same as a change of every field.
    ///
    /// # Errors
    /// [`super::Code::Invalid`] naming every wrong field.
    pub fn parse_patch(&self) -> Result<AliasPatch, ApiError> {
        let new = self.parse()?;
        Ok(AliasPatch {
            targets: Some(new.targets),
            policy: Some(new.policy),
            on_context_too_long: Some(new.on_context_too_long),
            on_content_filter: Some(new.on_content_filter),
            region: Some(new.region),
            replaces_model: Some(new.replaces_model),
        })
    }
}

/// The form of a new alias.
#[server(prefix = "/fn", endpoint = "create_alias")]
pub async fn create_alias(
    #[server(flatten)]
    #[server(default)]
    form: AliasForm,
) -> Result<(), ApiError> {
    let backend = super::backend()?;
    let page = page_of(&form.whose);
    let result = match form.parse() {
        Ok(new) => backend.create_alias(team_of(&form.whose), new).await,
        Err(error) => Err(error),
    };
    let done = result.map(|view| Done::to(page).saying(format!("Alias {} added.", view.name)));
    flash::finish(&format!("{page}/new"), flash::typed_form(&form), done)
}

/// The edit form.
#[server(prefix = "/fn", endpoint = "update_alias")]
pub async fn update_alias(
    #[server(flatten)]
    #[server(default)]
    form: AliasForm,
) -> Result<(), ApiError> {
    let backend = super::backend()?;
    let page = page_of(&form.whose);
    let result = match form.parse_patch() {
        Ok(change) => backend.update_alias(team_of(&form.whose), &form.name, change).await,
        Err(error) => Err(error),
    };
    let done = result.map(|view| Done::to(page).saying(format!("Alias {} saved.", view.name)));
    let name = leptos_router::location::Url::escape(&form.name);
    flash::finish(&format!("{page}/edit?name={name}"), flash::typed_form(&form), done)
}

/// The delete form.
#[server(prefix = "/fn", endpoint = "delete_alias")]
pub async fn delete_alias(#[server(default)] whose: String, #[server(default)] name: String) -> Result<(), ApiError> {
    let page = page_of(&whose);
    let result = super::backend()?.delete_alias(team_of(&whose), &name).await;
    let done = result.map(|()| Done::to(page).saying(format!("Alias {name} deleted.")));
    flash::finish(page, flash::typed([]), done)
}
