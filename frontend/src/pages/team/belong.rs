//! What is asked before somebody leaves, is removed or takes the team over; and the form for another team.
//!
//! Reads [`crate::api::team::list_members`]; the forms are sent to `/fn/leave_team`, `/fn/remove_member`, `/fn/hand_over` and
//! `/fn/create_team`.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::super::frame::{Spot, Visit, signed_in};
use crate::api::team::list_members;
use crate::api::{ApiError, Code};
use crate::ui::*;

/// `/team/leave`
#[component]
pub fn TeamLeave() -> impl IntoView {
    let spot = Spot::new(Section::Team, "Leave team", "/team/leave").via("/team", "Team");
    signed_in(spot, |visit| async move {
        let name = &visit.session.team_name;
        let team = visit.session.team_id.clone();
        Ok::<_, ApiError>(
            view! {
                <Dialog
                    title=format!("Leave {name}?")
                    text="Your keys in this team are refused within a second. To come back you need an invitation."
                >
                    <LinkButton href="/team" text="Stay in team" />
                    <PostForm action="/fn/leave_team">
                        <Hidden fields=vec![("team", team)] />
                        <Button text="Leave team" kind=Kind::Danger />
                    </PostForm>
                </Dialog>
            }
            .into_any(),
        )
    })
}

/// `/team/{user}/remove`
#[component]
pub fn MemberRemove() -> impl IntoView {
    ask("Remove member", "remove", |email| Question {
        title: format!("Remove {email} from the team?"),
        text: "Their keys in this team are refused within a second, and they see nothing of the team any more.",
        action: "/fn/remove_member",
        keep: "Keep member",
        act: view! { <Button text="Remove member" kind=Kind::Danger /> }.into_any(),
    })
}

/// `/team/{user}/hand-over`
#[component]
pub fn MemberHandOver() -> impl IntoView {
    ask("Hand team over", "hand-over", |email| Question {
        title: format!("Hand the team over to {email}?"),
        text: "They become an owner, and you become an admin. Only they can undo this.",
        action: "/fn/hand_over",
        keep: "Stay owner",
        act: view! { <Button text="Hand team over" kind=Kind::Danger /> }.into_any(),
    })
}

/// What is asked before an act on somebody.
struct Question {
    title: String,
    text: &'static str,
    action: &'static str,
    keep: &'static str,
    act: AnyView,
}

fn ask(title: &'static str, path: &'static str, question: fn(&str) -> Question) -> AnyView {
    let user = use_params_map().read_untracked().get("user").unwrap_or_default();
    let spot = Spot::new(Section::Team, title, format!("/team/{user}/{path}")).via("/team", "Team");
    signed_in(spot, move |visit| async move {
        if !visit.manages_team() {
            return Err(ApiError::new(Code::Forbidden));
        }
        let members = list_members().await?;
        let member = members.into_iter().find(|member| member.user_id == user);
        let member = member.ok_or_else(|| ApiError::new(Code::NotFound))?;
        Ok(dialog(&visit, question(&member.email), member.user_id))
    })
}

fn dialog(visit: &Visit, question: Question, user: String) -> AnyView {
    let Question {
        title,
        text,
        action,
        keep,
        act,
    } = question;
    // The team is named, for another may be shown by the time the form is sent.
    let fields = vec![("user", user), ("team", visit.session.team_id.clone())];
    view! {
        <Dialog title=title text=text>
            <LinkButton href="/team" text=keep />
            <PostForm action=action>
                <Hidden fields=fields />
                {act}
            </PostForm>
        </Dialog>
    }
    .into_any()
}

/// `/teams/new`
#[component]
pub fn TeamNew() -> impl IntoView {
    signed_in(
        Spot::new(Section::Team, "New team", "/teams/new").personal(),
        |visit| async move { Ok::<_, ApiError>(new_team(&visit)) },
    )
}

fn new_team(visit: &Visit) -> AnyView {
    let flash = &visit.flash;
    let (name, name_error) = (flash.value("name", ""), flash.error_of("name"));
    let zone = flash.value("time_zone", &visit.session.time_zone);
    let zone_error = flash.error_of("time_zone");
    view! {
        <PageHead title="New team" lead="A team has its own members, keys, caps and bill. You own it." />
        <div class="narrow">
            <Card title="Team">
                <PostForm class="stack" action="/fn/create_team">
                    <div class="cols">
                        <TextField
                            name="name"
                            label="Name"
                            value=name
                            required=true
                            nostrip:error=name_error
                        />
                        <TextField
                            name="time_zone"
                            label="Time zone"
                            value=zone
                            required=true
                            hint="Days and months of caps begin here. For example Europe/Berlin."
                            nostrip:error=zone_error
                        />
                    </div>
                    <div class="row">
                        <Button text="Make team" kind=Kind::Primary />
                    </div>
                </PostForm>
            </Card>
        </div>
    }
    .into_any()
}
