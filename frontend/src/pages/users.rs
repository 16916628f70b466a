//! All users, for platform admins: search, suspend, delete, act as.
//!
//! Reads [`crate::api::users::list_users`]; the forms are sent to `/fn/set_user_suspended`, `/fn/delete_user`,
//! `/fn/act_as` and `/fn/reset_factor`.

use leptos::prelude::*;
use leptos_router::hooks::{use_params_map, use_query_map};
use leptos_router::params::ParamsMap;

use super::frame::{Spot, Visit, signed_in};
use crate::api::users::{UserView, list_users, user};
use crate::api::{ApiError, Code, Page, PageQuery};
use crate::ui::*;

/// The two lists of the section.
pub fn tabs(current: &str) -> AnyView {
    let link = |href: &str, text: &str| (href.to_owned(), text.to_owned(), href == current);
    let links = vec![link("/admin/teams", "Teams"), link("/admin/users", "Users")];
    view! { <Segment label="Teams or users" links=links /> }.into_any()
}

/// The search box of a list at `path`.
pub fn search_box(path: &'static str, label: &'static str, search: Option<&str>) -> AnyView {
    let value = search.unwrap_or_default().to_owned();
    view! {
        <form class="filters" method="get" action=path>
            <SearchField name="q" label=label placeholder=label value=value />
            <Button text="Search" />
        </form>
    }
    .into_any()
}

/// The address of the next page of a search.
pub fn older(path: &str, search: Option<&str>, after: &str) -> String {
    let mut query = ParamsMap::new();
    if let Some(search) = search {
        query.insert("q", search.to_owned());
    }
    query.insert("after", after.to_owned());
    format!("{path}{}", query.to_query_string())
}

/// `/admin/users`
#[component]
pub fn UsersPage() -> impl IntoView {
    let query = use_query_map().read_untracked();
    let search = query.get("q").filter(|search| !search.trim().is_empty());
    let after = query.get("after");
    signed_in(Spot::new(Section::Teams, "Users", "/admin/users"), |visit| async move {
        if !visit.session.is_admin {
            return Err(ApiError::new(Code::Forbidden));
        }
        let users = list_users(search.clone(), PageQuery { limit: None, after }).await?;
        Ok::<_, ApiError>(list(&visit, search.as_deref(), users))
    })
}

fn list(visit: &Visit, search: Option<&str>, users: Page<UserView>) -> AnyView {
    let head = vec![
        th("User", ""),
        th("Teams", "p2"),
        th("Status", "p2"),
        th("Since", "p3"),
        th("Actions", "act"),
    ];
    let older = users.next.as_deref().map(|after| older("/admin/users", search, after));
    let note = counted_rows(&users.data, "user", "users");
    let body = if users.data.is_empty() {
        view! {
            <Empty icon=Glyph::Search title="Nobody is called so" text="Search for a part of an address.">
                <LinkButton href="/admin/users" text="Show all users" />
            </Empty>
        }
        .into_any()
    } else {
        let rows = users.data.into_iter().map(|user| row(visit, user)).collect_view();
        let pager = view! { <Pager note=note nostrip:older=older /> }.into_any();
        view! {
            <Table head=head pager=pager>
                {rows}
            </Table>
        }
        .into_any()
    };
    let tabs = tabs("/admin/users");
    let search = search_box("/admin/users", "Search addresses", search);
    view! {
        <PageHead title="Users" lead="Who has an account. Who is suspended opens nothing, and their keys are refused." />
        {tabs}
        {search}
        {body}
    }
    .into_any()
}

fn row(visit: &Visit, user: UserView) -> AnyView {
    let is_suspended = user.suspended_at.is_some();
    let (tone, word) = if is_suspended {
        (Tone::Bad, "Suspended")
    } else {
        (Tone::Ok, "Active")
    };
    let badge = user.is_admin.then(|| view! { <Badge text="admin" /> });
    let teams: Vec<String> = user
        .teams
        .iter()
        .map(|team| format!("{} ({})", team.name, team.role))
        .collect();
    let menu = (user.id != visit.session.user_id).then(|| menu(&user, is_suspended));
    view! {
        <tr>
            <td class="main">
                {user.email.clone()}
                {badge}
                <span class="sub mono">{user.id.clone()}</span>
                <span class="sub only-sm">
                    <Status tone=tone text=word />
                </span>
            </td>
            <td class="p2 muted">{teams.join(", ")}</td>
            <td class="p2">
                <Status tone=tone text=word />
            </td>
            <td class="p3 muted">
                <When at=user.created_at clock=visit.clock.clone() style=Style::Day />
            </td>
            <td class="act">{menu}</td>
        </tr>
    }
    .into_any()
}

fn menu(user: &UserView, is_suspended: bool) -> AnyView {
    let (glyph, text) = if is_suspended {
        (Glyph::Play, "Resume user")
    } else {
        (Glyph::Pause, "Suspend user")
    };
    let fields = vec![("user", user.id.clone()), ("suspended", (!is_suspended).to_string())];
    let act_as = (!user.is_admin && !is_suspended).then(|| {
        let fields = vec![("user", user.id.clone())];
        view! { <MenuPost action="/fn/act_as" fields=fields icon=Glyph::Eye text="Act as user" /> }
    });
    let delete = format!("/admin/users/{}/delete", user.id);
    let whose = vec![("user", user.id.clone())];
    view! {
        <Menu label=format!("Actions for {}", user.email)>
            {act_as}
            <MenuPost action="/fn/set_user_suspended" fields=fields icon=glyph text=text />
            <MenuPost action="/fn/reset_factor" fields=whose icon=Glyph::Lock text="Turn off authenticator app" />
            <hr />
            <MenuItem href=delete icon=Glyph::Trash text="Delete user…" danger=true />
        </Menu>
    }
    .into_any()
}

/// `/admin/users/{id}/delete`
#[component]
pub fn UserDelete() -> impl IntoView {
    let id = use_params_map().read_untracked().get("id").unwrap_or_default();
    let spot =
        Spot::new(Section::Teams, "Delete user", format!("/admin/users/{id}/delete")).via("/admin/users", "Users");
    signed_in(spot, move |visit| async move {
        if !visit.session.is_admin {
            return Err(ApiError::new(Code::Forbidden));
        }
        let user = user(id).await?;
        Ok::<_, ApiError>(
            view! {
                <Dialog
                    title=format!("Delete {}?", user.email)
                    text="Their keys are revoked, and teams that have nobody else are closed. Charges and the audit log stay. This cannot be undone."
                >
                    <LinkButton href="/admin/users" text="Keep user" />
                    <PostForm action="/fn/delete_user">
                        <Hidden fields=vec![("user", user.id)] />
                        <Button text="Delete user" kind=Kind::Danger />
                    </PostForm>
                </Dialog>
            }
            .into_any(),
        )
    })
}
