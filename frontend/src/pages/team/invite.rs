//! Inviting: the form, the invitations that wait, and the link that was just made.
//!
//! Reads [`crate::api::invitations::list_invitations`]; the forms are sent to `/fn/invite` and `/fn/revoke_invitation`.

use leptos::prelude::*;

use super::super::frame::{Spot, Visit, capitalised, copy, news, signed_in};
use super::super::snippets::public_url;
use super::{ROLES, list};
use crate::api::invitations::{InvitationView, list_invitations};
use crate::api::team::list_members;
use crate::api::{ApiError, Code, Flash, Nano};
use crate::ui::*;

/// `/team/invite`
#[component]
pub fn InvitePage() -> impl IntoView {
    let spot = Spot::new(Section::Team, "Invite people", "/team/invite").via("/team", "Team");
    signed_in(spot.quiet(), |visit| async move {
        if !visit.manages_team() {
            return Err(ApiError::new(Code::Forbidden));
        }
        let members = list_members().await?;
        let invitations = list_invitations().await?;
        let page = list(&visit, members, invitations);
        let form = form(&visit);
        Ok::<_, ApiError>(
            view! {
                <div class="stack stack--6" inert="" aria-hidden="true">
                    {page}
                </div>
                {form}
            }
            .into_any(),
        )
    })
}

fn form(visit: &Visit) -> AnyView {
    let flash = &visit.flash;
    let news = news(flash);
    // Only owners invite owners.
    let offered = ROLES
        .iter()
        .filter(|role| **role != "owner" || visit.session.role == "owner");
    let roles = offered.map(|role| Choice::new(*role, capitalised(role))).collect();
    let (email, role) = (flash.value("email", ""), flash.value("role", "member"));
    let (email_error, role_error) = (flash.error_of("email"), flash.error_of("role"));
    let day = cap(flash, "cap_day", "Per day");
    let month = cap(flash, "cap_month", "Per month");
    let foot = view! {
        <Button text="Make invitation" kind=Kind::Primary />
        <LinkButton href="/team" text="Cancel" kind=Kind::Ghost />
    };
    view! {
        <PostForm action="/fn/invite">
            <Drawer title="Invite somebody" close="/team" foot=foot.into_any() nostrip:news=news>
                <TextField
                    name="email"
                    label="Email"
                    kind="email"
                    value=email
                    optional=true
                    hint="Only this address can accept. Left empty, whoever has the link can."
                    nostrip:error=email_error
                />
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
            </Drawer>
        </PostForm>
    }
    .into_any()
}

fn cap(flash: &Flash, name: &'static str, label: &'static str) -> AnyView {
    view! {
        <TextField
            name=name
            label=label
            value=flash.value(name, "")
            inputmode="decimal"
            pre="$"
            post="USD"
            placeholder="No cap"
            nostrip:error=flash.error_of(name)
        />
    }
    .into_any()
}

/// The link of an invitation just made.
pub fn link_made(flash: &Flash) -> Option<AnyView> {
    let link = format!("{}{}", public_url(), flash.secret.as_ref()?);
    let button = copy(link.clone(), "Copy link");
    Some(
        view! {
            <Card title="Invitation made" hint="the link is shown once">
                <p class="t13 muted">"Send this link. It works once, for 7 days."</p>
                <div class="row">
                    <input class="input mono grow" readonly aria-label="Link of the invitation" value=link />
                    {button}
                </div>
            </Card>
        }
        .into_any(),
    )
}

/// The invitations that wait, and those that ended lately.
pub fn waiting(visit: &Visit, invitations: Vec<InvitationView>) -> Option<AnyView> {
    if invitations.is_empty() {
        return None;
    }
    let head = vec![
        th("For", ""),
        th("Role", "p2"),
        th("Invited by", "p3"),
        th("Status", ""),
        th("Actions", "act"),
    ];
    let rows = invitations.into_iter().map(|one| row(&visit.clock, one)).collect_view();
    Some(
        view! {
            <Card title="Invitations" hint="the latest first" flush=true>
                <Table head=head tight=true flush=true>
                    {rows}
                </Table>
            </Card>
        }
        .into_any(),
    )
}

fn row(clock: &Clock, invitation: InvitationView) -> AnyView {
    let whom = invitation
        .email
        .clone()
        .unwrap_or_else(|| "Anybody with the link".to_owned());
    let (tone, word) = match invitation.state.as_str() {
        "open" => (Tone::Accent, "Open"),
        "accepted" => (Tone::Ok, "Accepted"),
        "revoked" => (Tone::Neutral, "Taken back"),
        _ => (Tone::Warn, "Expired"),
    };
    let is_open = invitation.state == "open";
    let fields = vec![("id", invitation.id.clone())];
    let act = is_open.then(|| {
        view! {
            <PostForm action="/fn/revoke_invitation">
                <Hidden fields=fields />
                <Button text="Take back" size=Size::Small />
            </PostForm>
        }
    });
    let when = is_open.then(|| {
        view! {
            <span class="sub">
                "ends " <When at=invitation.expires_at clock=clock.clone() />
            </span>
        }
    });
    view! {
        <tr>
            <td class="main">
                {whom}
                <span class="sub only-sm">{terms(&invitation)}</span>
            </td>
            <td class="p2 muted">{terms(&invitation)}</td>
            <td class="p3 muted">{invitation.invited_by.clone()}</td>
            <td>
                <Status tone=tone text=word />
                {when}
            </td>
            <td class="r">{act}</td>
        </tr>
    }
    .into_any()
}

/// “Member, $5.00 a day, $50.00 a month”.
fn terms(invitation: &InvitationView) -> String {
    let cap = |cap: Option<Nano>, period| cap.map(|cap| format!(", {} {period}", usd(cap)));
    let role = capitalised(&invitation.role);
    let day = cap(invitation.cap_day, "a day").unwrap_or_default();
    let month = cap(invitation.cap_month, "a month").unwrap_or_default();
    format!("{role}{day}{month}")
}
