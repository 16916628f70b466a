//! All teams, for platform admins: balance, grants, suspension.
//!
//! Reads [`crate::api::team::list_teams`]; the forms are sent to `/fn/grant` and `/fn/set_team_suspended`.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::frame::{Spot, Visit, news, signed_in};
use super::users::{older, search_box, tabs};
use crate::api::team::{TeamView, list_teams};
use crate::api::{ApiError, Code, Page, PageQuery};
use crate::ui::*;

/// `/admin/teams`; with `?grant={team}` the grant form is open.
#[component]
pub fn TeamsPage() -> impl IntoView {
    let query = use_query_map().read_untracked();
    let (asked, after) = (query.get("grant"), query.get("after"));
    let search = query.get("q").filter(|search| !search.trim().is_empty());
    signed_in(
        Spot::new(Section::Teams, "Teams & users", "/admin/teams").quiet(),
        |visit| async move {
            if !visit.session.is_admin {
                return Err(ApiError::new(Code::Forbidden));
            }
            let teams = list_teams(search.clone(), PageQuery { limit: None, after }).await?;
            let begun = visit.flash.typed.get("team").cloned();
            let open = begun.or(asked);
            let granted = open.and_then(|id| teams.data.iter().find(|team| team.id == id).cloned());
            let page = list(&visit, search.as_deref(), teams);
            Ok::<_, ApiError>(match granted {
                Some(team) => view! {
                    <div class="stack stack--6" inert="" aria-hidden="true">
                        {page}
                    </div>
                    {drawer(&visit, team)}
                }
                .into_any(),
                None => view! {
                    {news(&visit.flash)}
                    {page}
                }
                .into_any(),
            })
        },
    )
}

fn list(visit: &Visit, search: Option<&str>, teams: Page<TeamView>) -> AnyView {
    let head = vec![
        th("Team", ""),
        th("Members", "r p2"),
        th("Balance", "r"),
        th("This month", "p2"),
        th("Status", "p2"),
        th("Since", "p3"),
        th("Actions", "act"),
    ];
    let older = teams.next.as_deref().map(|after| older("/admin/teams", search, after));
    let note = counted_rows(&teams.data, "team", "teams");
    let body = teams
        .data
        .into_iter()
        .map(|team| row(&visit.clock, team))
        .collect_view();
    let pager = view! { <Pager note=note nostrip:older=older /> }.into_any();
    let tabs = tabs("/admin/teams");
    let search = search_box("/admin/teams", "Search names", search);
    view! {
        <PageHead title="Teams & users" lead="Who calls through this platform. A suspended team’s keys are refused." />
        {tabs}
        {search}
        <Table head=head pager=pager>
            {body}
        </Table>
    }
    .into_any()
}

fn row(clock: &Clock, team: TeamView) -> AnyView {
    let is_suspended = team.suspended_at.is_some();
    let (tone, word) = if is_suspended {
        (Tone::Bad, "Suspended")
    } else {
        (Tone::Ok, "Active")
    };
    let (glyph, text) = if is_suspended {
        (Glyph::Play, "Resume team")
    } else {
        (Glyph::Pause, "Suspend team")
    };
    let fields = vec![("team", team.id.clone()), ("suspended", (!is_suspended).to_string())];
    view! {
        <tr>
            <td class="main">
                {team.name.clone()} <span class="sub mono">{team.id.clone()}</span>
                <span class="sub only-sm">
                    <Status tone=tone text=word />
                </span>
            </td>
            <td class="r p2">{count(team.members)}</td>
            <td class="r">
                <Amount of=team.balance />
            </td>
            <td class="p2">
                <CapCell label=format!("{}, this month", team.name) spent=team.month.posted held=team.month.held cap=team.month.cap />
            </td>
            <td class="p2">
                <Status tone=tone text=word />
            </td>
            <td class="p3 muted">
                <When at=team.created_at clock=clock.clone() style=Style::Day />
            </td>
            <td class="act">
                <Menu label=format!("Actions for {}", team.name)>
                    <MenuItem href=format!("/admin/teams?grant={}", team.id) icon=Glyph::Plus text="Grant money" />
                    <MenuPost action="/fn/set_team_suspended" fields=fields icon=glyph text=text />
                </Menu>
            </td>
        </tr>
    }
    .into_any()
}

fn drawer(visit: &Visit, team: TeamView) -> AnyView {
    let flash = &visit.flash;
    let news = news(flash);
    let (amount, reason) = (flash.value("amount", ""), flash.value("reason", ""));
    let (amount_error, reason_error) = (flash.error_of("amount"), flash.error_of("reason"));
    let foot = view! {
        <Button text="Grant money" kind=Kind::Primary />
        <LinkButton href="/admin/teams" text="Cancel" kind=Kind::Ghost />
    };
    view! {
        <PostForm action="/fn/grant">
            <Hidden fields=vec![("team", team.id)] />
            <Drawer title=format!("Grant to {}", team.name) close="/admin/teams" foot=foot.into_any() nostrip:news=news>
                <TextField
                    name="amount"
                    label="Amount"
                    value=amount
                    inputmode="decimal"
                    pre="$"
                    post="USD"
                    required=true
                    hint="A negative amount takes money back."
                    nostrip:error=amount_error
                />
                <TextField
                    name="reason"
                    label="Reason"
                    value=reason
                    required=true
                    hint="The team reads it in its ledger."
                    nostrip:error=reason_error
                />
            </Drawer>
        </PostForm>
    }
    .into_any()
}
