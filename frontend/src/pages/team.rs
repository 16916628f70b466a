//! The team's people: roles and caps, and who is invited.
//!
//! Reads [`crate::api::team::list_members`] and [`crate::api::invitations::list_invitations`]; the form is sent to
//! `/fn/update_member`.

mod belong;
mod invite;

pub use belong::{MemberHandOver, MemberRemove, TeamLeave, TeamNew};
pub use invite::InvitePage;

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::frame::{Spot, Visit, capitalised, news, signed_in};
use crate::api::invitations::{InvitationView, list_invitations};
use crate::api::team::{MemberView, list_members};
use crate::api::{ApiError, Nano};
use crate::ui::*;

const ROLES: [&str; 4] = ["owner", "admin", "member", "viewer"];

/// `/team`; with `?edit={user}` the form of one person is open.
#[component]
pub fn TeamPage() -> impl IntoView {
    let asked = use_query_map().read_untracked().get("edit");
    signed_in(Spot::new(Section::Team, "Team", "/team").quiet(), |visit| async move {
        let members = list_members().await?;
        let begun = visit.flash.typed.get("user").cloned();
        let open = begun.or(asked);
        let edited = open.and_then(|id| members.iter().find(|member| member.user_id == id).cloned());
        let invitations = match visit.manages_team() {
            true => list_invitations().await?,
            false => Vec::new(),
        };
        let page = list(&visit, members, invitations);
        Ok::<_, ApiError>(match edited {
            Some(member) => view! {
                <div class="stack stack--6" inert="" aria-hidden="true">
                    {page}
                </div>
                {drawer(&visit, member)}
            }
            .into_any(),
            None => view! {
                {news(&visit.flash)}
                {page}
            }
            .into_any(),
        })
    })
}

fn list(visit: &Visit, members: Vec<MemberView>, invitations: Vec<InvitationView>) -> AnyView {
    let people = match members.len() {
        1 => "One person".to_owned(),
        many => format!("{many} people"),
    };
    let lead = format!(
        "{people} in {}. A member’s caps and limits cover all keys of that person.",
        visit.session.team_name
    );
    let head = vec![
        th("Member", ""),
        th("Role", "p2"),
        th("Today", "p2"),
        th("This month", ""),
        th("Since", "p3"),
        th("Actions", "act"),
    ];
    let rows = members.into_iter().map(|member| row(visit, member)).collect_view();
    let invite = visit.manages_team().then(|| {
        view! { <LinkButton href="/team/invite" text="Invite people" kind=Kind::Primary icon=Glyph::Plus /> }
    });
    let waiting = invite::waiting(visit, invitations);
    view! {
        <PageHead title="Team" lead=lead>
            <LinkButton href="/team/leave" text="Leave team" kind=Kind::Ghost />
            {invite}
        </PageHead>
        {invite::link_made(&visit.flash)}
        <Table head=head>{rows}</Table>
        {waiting}
    }
    .into_any()
}

fn row(visit: &Visit, member: MemberView) -> AnyView {
    let is_you = member.user_id == visit.session.user_id;
    let role = capitalised(&member.role);
    let email = member.email.clone();
    let menu = visit.manages_team().then(|| {
        let may_hand_over = visit.session.role == "owner" && !is_you;
        let hand_over = may_hand_over.then(|| {
            let href = format!("/team/{}/hand-over", member.user_id);
            view! { <MenuItem href=href icon=Glyph::Shield text="Hand team over…" /> }
        });
        let remove = (!is_you).then(|| {
            let href = format!("/team/{}/remove", member.user_id);
            view! { <MenuItem href=href icon=Glyph::Trash text="Remove member…" danger=true /> }
        });
        view! {
            <Menu label=format!("Actions for {email}")>
                <MenuItem href=format!("/team?edit={}", member.user_id) icon=Glyph::Edit text="Edit role, caps and limits" />
                <MenuItem href=format!("/usage?member={}", member.user_id) icon=Glyph::Receipt text="Show usage" />
                {hand_over}
                {remove}
            </Menu>
        }
    });
    view! {
        <tr>
            <td class="main">
                <span class="row u-gap">
                    <span class="only-lg">
                        <Avatar name=email.clone() />
                    </span>
                    <span class="grow">
                        {email.clone()} " " {is_you.then(|| view! { <Badge text="you" /> })}
                        <span class="sub only-sm">{role.clone()}</span>
                    </span>
                </span>
            </td>
            <td class="p2">{role}</td>
            <td class="p2">
                <CapCell label=format!("{email}, today") spent=member.day.posted held=member.day.held cap=member.day.cap />
            </td>
            <td>
                <CapCell label=format!("{email}, this month") spent=member.month.posted held=member.month.held cap=member.month.cap />
            </td>
            <td class="p3 muted">
                <When at=member.created_at clock=visit.clock.clone() style=Style::Day />
            </td>
            <td class="act">{menu}</td>
        </tr>
    }
    .into_any()
}

fn drawer(visit: &Visit, member: MemberView) -> AnyView {
    let flash = &visit.flash;
    let news = news(flash);
    let money = |cap: Option<Nano>| cap.map(Nano::render).unwrap_or_default();
    let cap = |name: &'static str, label: &'static str, stored: Option<Nano>| {
        view! {
            <TextField
                name=name
                label=label
                value=flash.value(name, &money(stored))
                inputmode="decimal"
                pre="$"
                post="USD"
                placeholder="No cap"
                nostrip:error=flash.error_of(name)
            />
        }
        .into_any()
    };
    let limit = |name: &'static str, label: &'static str, stored: Option<i64>| {
        let stored = stored.map(|limit| limit.to_string()).unwrap_or_default();
        view! {
            <TextField
                name=name
                label=label
                value=flash.value(name, &stored)
                inputmode="numeric"
                placeholder="No limit"
                nostrip:error=flash.error_of(name)
            />
        }
        .into_any()
    };
    let rpm = limit("rpm", "Requests per minute", member.rpm);
    let tpm = limit("tpm", "Tokens per minute", member.tpm);
    let at_once = limit("max_in_flight", "Requests at once", member.max_in_flight);
    let day = cap("cap_day", "Per day", member.cap_day);
    let month = cap("cap_month", "Per month", member.cap_month);
    let roles = ROLES.iter().map(|role| Choice::new(*role, capitalised(role))).collect();
    let (role, role_error) = (flash.value("role", &member.role), flash.error_of("role"));
    let foot = view! {
        <Button text="Save member" kind=Kind::Primary />
        <LinkButton href="/team" text="Cancel" kind=Kind::Ghost />
    };
    view! {
        <PostForm action="/fn/update_member">
            <Hidden fields=vec![("user", member.user_id)] />
            <Drawer title=member.email close="/team" foot=foot.into_any() nostrip:news=news>
                <SelectField
                    name="role"
                    label="Role"
                    choices=roles
                    selected=role
                    hint="Owners and admins manage the team. Members make keys. Viewers only look."
                    nostrip:error=role_error
                />
                <Fieldset legend="Caps" hint="They cover all keys of this person.">
                    <div class="cols cols--keep">{day} {month}</div>
                </Fieldset>
                <Fieldset legend="Limits" hint="All keys of this person together, beside what each key may.">
                    <div class="cols cols--keep">{rpm} {tpm}</div>
                    {at_once}
                </Fieldset>
            </Drawer>
        </PostForm>
    }
    .into_any()
}
