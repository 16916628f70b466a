//! Redeem codes, for platform admins: the list, the form that makes them, and those just made, once.
//!
//! Invariant: codes come from the flash and are in no address; reloading the page does not show them again.
//! Reads [`crate::api::codes::list_codes`]; the forms are sent to `/fn/create_codes` and `/fn/revoke_code`.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::frame::{Spot, Visit, copy, signed_in};
use crate::api::codes::{CodeView, list_codes};
use crate::api::{ApiError, Code, Page, PageQuery};
use crate::ui::*;

/// `/admin/codes`
#[component]
pub fn CodesPage() -> impl IntoView {
    let after = use_query_map().read_untracked().get("after");
    signed_in(Spot::new(Section::Codes, "Codes", "/admin/codes"), |visit| async move {
        let codes = list_codes(PageQuery { limit: None, after }).await?;
        Ok::<_, ApiError>(list(&visit, codes))
    })
}

fn list(visit: &Visit, codes: Page<CodeView>) -> AnyView {
    let made = visit.flash.secret.clone().map(fresh);
    let body = if codes.data.is_empty() {
        view! {
            <Empty
                icon=Glyph::Ticket
                title="No codes yet"
                text="A code is worth an amount once. Give it to a team, which types it on its billing page."
            >
                <LinkButton href="/admin/codes/new" text="Make codes" icon=Glyph::Plus />
            </Empty>
        }
        .into_any()
    } else {
        table(&visit.clock, codes)
    };
    view! {
        <PageHead title="Codes" lead="Each is worth its amount once, to the team that types it on its billing page.">
            <LinkButton href="/admin/codes/new" text="Make codes" kind=Kind::Primary icon=Glyph::Plus />
        </PageHead>
        {made}
        {body}
    }
    .into_any()
}

/// The codes that were just made.
fn fresh(codes: String) -> AnyView {
    let rows = codes
        .lines()
        .map(|code| view! { <li><Secret value=code.to_owned() /></li> })
        .collect_view();
    let several = codes.lines().count() > 1;
    view! {
        <section class="stack stack--2">
            <div class="row row--between">
                <h2>{if several { "Your new codes" } else { "Your new code" }}</h2>
                <Badge tone=Tone::Warn text="shown once" />
            </div>
            <ul class="stack stack--2">{rows}</ul>
            {copy(codes, "Copy all")}
            <p class="hint">"Copy them now: we store only fingerprints and cannot show them again."</p>
        </section>
    }
    .into_any()
}

fn table(clock: &Clock, codes: Page<CodeView>) -> AnyView {
    let head = vec![
        th("Code", ""),
        th("Amount", "r"),
        th("Status", ""),
        th("For", "p2"),
        th("Made", "p3"),
        th("Valid until", "p3"),
        th("Actions", "act"),
    ];
    let older = codes.next.map(|after| format!("/admin/codes?after={after}"));
    let note = counted_rows(&codes.data, "code", "codes");
    let body = codes.data.into_iter().map(|code| row(clock, code)).collect_view();
    let pager = view! { <Pager note=note nostrip:older=older /> }.into_any();
    view! {
        <Table head=head tight=true pager=pager>
            {body}
        </Table>
    }
    .into_any()
}

fn row(clock: &Clock, code: CodeView) -> AnyView {
    let (tone, word) = match code.state.as_str() {
        "open" => (Tone::Ok, "Open"),
        "redeemed" => (Tone::Accent, "Redeemed"),
        "revoked" => (Tone::Neutral, "Taken back"),
        _ => (Tone::Neutral, "Expired"),
    };
    let by = code.team.map(|team| {
        let when = code.redeemed_at.map(|at| clock.day(at)).unwrap_or_default();
        view! { <span class="sub">{format!("{}, {when}", team.name)}</span> }
    });
    let until = match code.expires_at {
        Some(at) => view! { <When at=at clock=clock.clone() style=Style::Day /> }.into_any(),
        None => "no end".into_any(),
    };
    let menu = (code.state == "open").then(|| {
        view! {
            <Menu label=format!("Actions for the code ending in {}", code.last_four)>
                <MenuPost action="/fn/revoke_code" fields=vec![("id", code.id)] icon=Glyph::Stop text="Take back" />
            </Menu>
        }
    });
    view! {
        <tr>
            <td class="main mono">
                {format!("OH-…{}", code.last_four)} <span class="sub only-sm">{code.note.clone()}</span>
            </td>
            <td class="r">
                <Amount of=code.amount />
            </td>
            <td>
                <Status tone=tone text=word />
                {by}
            </td>
            <td class="p2 muted">{code.note}</td>
            <td class="p3 muted">
                <When at=code.created_at clock=clock.clone() style=Style::Day />
            </td>
            <td class="p3 muted">{until}</td>
            <td class="act">{menu}</td>
        </tr>
    }
    .into_any()
}

/// `/admin/codes/new`
#[component]
pub fn CodeNew() -> impl IntoView {
    let spot = Spot::new(Section::Codes, "Make codes", "/admin/codes/new").via("/admin/codes", "Codes");
    signed_in(spot, |visit| async move {
        if visit.session.is_admin {
            Ok(form(&visit))
        } else {
            Err(ApiError::new(Code::Forbidden))
        }
    })
}

fn form(visit: &Visit) -> AnyView {
    let flash = &visit.flash;
    view! {
        <PageHead title="Make codes" lead="Whoever has a code can turn it into a team’s money, once." />
        <PostForm class="narrow stack" action="/fn/create_codes">
            <TextField
                name="amount"
                label="Worth"
                value=flash.value("amount", "")
                inputmode="decimal"
                pre="$"
                post="USD"
                required=true
                hint="Of each code."
                nostrip:error=flash.error_of("amount")
            />
            <TextField
                name="count"
                label="How many"
                value=flash.value("count", "1")
                inputmode="numeric"
                required=true
                hint="At most 50 at once."
                nostrip:error=flash.error_of("count")
            />
            <TextField
                name="expires_at"
                label="Valid until"
                value=flash.value("expires_at", "")
                kind="date"
                optional=true
                hint="The last day, in UTC. Empty: for good."
                nostrip:error=flash.error_of("expires_at")
            />
            <TextField
                name="note"
                label="What for"
                value=flash.value("note", "")
                optional=true
                hint="Only platform admins read it."
                nostrip:error=flash.error_of("note")
            />
            <div class="row">
                <Button text="Make codes" kind=Kind::Primary />
                <LinkButton href="/admin/codes" text="Cancel" kind=Kind::Ghost />
            </div>
        </PostForm>
    }
    .into_any()
}
