//! Upstream accounts: health, and the acts on each. The platform's are for platform admins, a team's own for its owners and admins.
//!
//! Reads [`crate::api::accounts`]; the acts are sent to `/fn/test_account`, `/fn/set_account_disabled` and
//! `/fn/delete_account`.

mod form;
mod team;

pub use form::{AccountEdit, AccountNew, ProviderChoice};
pub use team::{TeamAccountDelete, TeamAccountEdit, TeamAccountList, TeamAccountNew, TeamProviderChoice};

use gateway_core::catalog::preset;
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::frame::{Spot, signed_in};
use crate::api::ApiError;
use crate::api::accounts::{AccountView, Whose, account, list_accounts};
use crate::ui::*;

const PLATFORM: Whose<'static> = Whose::Platform;

/// `/admin/accounts`
#[component]
pub fn AccountList() -> impl IntoView {
    signed_in(
        Spot::new(Section::Accounts, title(PLATFORM), "/admin/accounts"),
        |visit| async move {
            let accounts = list_accounts(PLATFORM.word().to_owned()).await?;
            let empty = "OurHub needs at least one account at a provider to answer calls. It takes a minute.";
            let body = list(&visit.clock, (PLATFORM, accounts), empty);
            let lead = "Your credentials at providers. Requests go to the healthiest with room to spare.";
            Ok::<_, ApiError>(framed(PLATFORM, lead, body))
        },
    )
}

/// The title, and the way to another account, above `body`.
fn framed(whose: Whose<'static>, lead: &'static str, body: AnyView) -> AnyView {
    let new = format!("{}/new", whose.root());
    view! {
        <PageHead title=title(whose) lead=lead>
            <LinkButton href=new text="Add account" kind=Kind::Primary icon=Glyph::Plus />
        </PageHead>
        {body}
    }
    .into_any()
}

/// The accounts, or what to do where there are none.
fn list(clock: &Clock, (whose, accounts): (Whose<'static>, Vec<AccountView>), empty: &'static str) -> AnyView {
    if !accounts.is_empty() {
        return table(clock, (whose, accounts));
    }
    let new = format!("{}/new", whose.root());
    view! {
        <Empty icon=Glyph::Server title="No upstream account yet" text=empty>
            <LinkButton href=new text="Add account" kind=Kind::Primary icon=Glyph::Plus />
        </Empty>
    }
    .into_any()
}

fn table(clock: &Clock, (whose, accounts): (Whose<'static>, Vec<AccountView>)) -> AnyView {
    let ready = accounts.iter().filter(|account| account.state == "ready").count();
    let needs_you = worst(whose, &accounts);
    let running = accounts
        .iter()
        .fold(0_u64, |sum, account| sum.saturating_add(account.in_flight));
    let total = accounts.len();
    let head = vec![
        th("Account", ""),
        th("Health", ""),
        th("In flight", "r p2"),
        th("Models", "p3"),
        th("Last error", "p3"),
        th("Actions", "act"),
    ];
    let body = accounts
        .into_iter()
        .map(|account| row(clock, (whose, account)))
        .collect_view();
    view! {
        {needs_you}
        <Stats>
            <Stat label="Taking traffic" value=ready.to_string().into_any() of=format!("of {total}") />
            <Stat label="In flight" value=count(running).into_any() note="requests running now" />
        </Stats>
        <Table head=head>{body}</Table>
    }
    .into_any()
}

/// The first parked account, and the button that ends it.
fn worst(whose: Whose<'static>, accounts: &[AccountView]) -> Option<AnyView> {
    let parked = accounts.iter().find(|account| account.state == "parked")?;
    let reason = parked
        .reason
        .clone()
        .unwrap_or_else(|| "It takes no traffic.".to_owned());
    let fields = of_account(whose, &parked.id);
    Some(
        view! {
            <Notice tone=Tone::Bad title=format!("{} is parked.", parked.label) text=reason>
                <PostForm action="/fn/test_account">
                    <Hidden fields=fields />
                    <Button text="Test again" size=Size::Small icon=Glyph::Refresh />
                </PostForm>
            </Notice>
        }
        .into_any(),
    )
}

fn row(clock: &Clock, (whose, account): (Whose<'static>, AccountView)) -> AnyView {
    let href = format!("{}/{}", whose.root(), account.id);
    let models = models(&account);
    let error = match (&account.last_error, account.last_error_at) {
        (Some(error), Some(at)) => format!("{error}, {}", clock.relative(at)),
        (Some(error), None) => error.clone(),
        (None, _) => "none".to_owned(),
    };
    let health = health(clock, &account);
    let provider = provider_name(&account.provider);
    let mut told = format!("{provider} · priority {}", account.priority);
    if !account.last_four.is_empty() {
        told.push_str(&format!(" · key …{}", account.last_four));
    }
    let reason = account
        .reason
        .clone()
        .map(|reason| view! { <span class="sub u-dot">{reason}</span> });
    view! {
        <tr>
            <td class="main">
                <span class="row u-gap">
                    <Mark name=provider />
                    <span class="grow">
                        <a href=href>{account.label.clone()}</a>
                        <span class="sub">{told}</span>
                    </span>
                </span>
            </td>
            <td>{health} {reason}</td>
            <td class="r p2">{count(account.in_flight)}</td>
            <td class="p3 muted nowrap">{models}</td>
            <td class="p3 muted t12 u-max190">{error}</td>
            <td class="act">{menu(whose, &account)}</td>
        </tr>
    }
    .into_any()
}

fn models(account: &AccountView) -> String {
    use crate::api::accounts::ModelEntry;
    match account.models.as_slice() {
        [] => "All".to_owned(),
        entries
            if entries
                .iter()
                .any(|entry| matches!(entry, ModelEntry::Pattern(pattern) if pattern == "*")) =>
        {
            "All".to_owned()
        }
        entries => counted_rows(entries, "model", "models"),
    }
}

/// The state in a word, with the time until it is tried again.
pub(super) fn health(clock: &Clock, account: &AccountView) -> AnyView {
    let rest = account
        .until
        .map(|until| until.0.saturating_sub(clock.now().0))
        .filter(|rest| *rest > 0);
    match (account.state.as_str(), rest) {
        ("cooling", Some(rest)) => {
            let share = u8::try_from((rest / 600).min(100)).unwrap_or(100);
            view! { <Cooling left=share.max(5) text=format!("Cooling down, {}", countdown(rest)) /> }.into_any()
        }
        ("cooling", None) => view! { <Status tone=Tone::Warn text="Cooling down" /> }.into_any(),
        ("probing", _) => view! { <Status tone=Tone::Accent text="Probing" /> }.into_any(),
        ("parked", Some(rest)) => {
            view! { <Status tone=Tone::Bad text=format!("Parked, tried again in {}", countdown(rest)) /> }.into_any()
        }
        ("parked", None) => view! { <Status tone=Tone::Bad text="Parked" /> }.into_any(),
        ("disabled", _) => view! { <Status text="Disabled" /> }.into_any(),
        _ => view! { <Status tone=Tone::Ok text="Ready" /> }.into_any(),
    }
}

/// A provider's own name.
pub(super) fn provider_name(id: &str) -> String {
    preset(id).map_or(id, |preset| preset.name).to_owned()
}

/// What names an account in a form.
fn of_account(whose: Whose<'static>, id: &str) -> Vec<(&'static str, String)> {
    vec![("whose", whose.word().to_owned()), ("id", id.to_owned())]
}

fn menu(whose: Whose<'static>, account: &AccountView) -> AnyView {
    let page = format!("{}/{}", whose.root(), account.id);
    let is_disabled = account.state == "disabled";
    let (glyph, text) = if is_disabled {
        (Glyph::Play, "Enable")
    } else {
        (Glyph::Pause, "Disable")
    };
    let tested = of_account(whose, &account.id);
    let mut fields = of_account(whose, &account.id);
    fields.push(("disabled", (!is_disabled).to_string()));
    view! {
        <Menu label=format!("Actions for {}", account.label)>
            <MenuItem href=page.clone() icon=Glyph::Edit text="Edit account" />
            <MenuPost
                action="/fn/test_account"
                fields=tested
                icon=Glyph::Pulse
                text="Test account"
            />
            <MenuPost action="/fn/set_account_disabled" fields=fields icon=glyph text=text />
            <hr />
            <MenuItem href=format!("{page}/delete") icon=Glyph::Trash text="Delete account…" danger=true />
        </Menu>
    }
    .into_any()
}

/// `/admin/accounts/{id}/delete`
#[component]
pub fn AccountDelete() -> impl IntoView {
    delete_page(PLATFORM)
}

fn delete_page(whose: Whose<'static>) -> AnyView {
    let id = use_params_map().read_untracked().get("id").unwrap_or_default();
    let root = whose.root();
    let spot = Spot::new(section(whose), "Delete", format!("{root}/{id}/delete")).via(root, title(whose));
    signed_in(spot, move |_| async move {
        let account = account(whose.word().to_owned(), id).await?;
        let title = format!("Delete {}?", account.label);
        let text = "Its secret is forgotten and it takes no more requests. Those that run come to their end. This cannot be undone.";
        let fields = of_account(whose, &account.id);
        Ok::<_, ApiError>(
            view! {
                <Dialog title=title text=text>
                    <LinkButton href=root text="Keep account" />
                    <PostForm action="/fn/delete_account">
                        <Hidden fields=fields />
                        <Button text="Delete account" kind=Kind::Danger />
                    </PostForm>
                </Dialog>
            }
            .into_any(),
        )
    })
}

/// What the accounts are called in the menu and above their pages.
pub(super) const fn title(whose: Whose<'static>) -> &'static str {
    match whose {
        Whose::Platform => "Upstream accounts",
        _ => "Own accounts",
    }
}

/// Where its pages stand in the nav.
const fn section(whose: Whose<'_>) -> Section {
    match whose {
        Whose::Platform => Section::Accounts,
        Whose::Team(_) => Section::TeamAccounts,
    }
}
