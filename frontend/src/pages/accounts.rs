//! Upstream accounts, for platform admins: health, and the acts on each.
//!
//! Reads [`crate::api::accounts`]; the acts are sent to `/fn/test_account`, `/fn/set_account_disabled` and
//! `/fn/delete_account`.

mod form;

pub use form::{AccountEdit, AccountNew, ProviderChoice};

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::frame::{Spot, signed_in};
use crate::api::ApiError;
use crate::api::accounts::{AccountView, account, list_accounts};
use crate::ui::*;

/// `/admin/accounts`
#[component]
pub fn AccountList() -> impl IntoView {
    signed_in(
        Spot::new(Section::Accounts, "Upstream accounts", "/admin/accounts"),
        |visit| async move {
            let accounts = list_accounts().await?;
            Ok::<_, ApiError>(list(&visit.clock, accounts))
        },
    )
}

fn list(clock: &Clock, accounts: Vec<AccountView>) -> AnyView {
    let body = if accounts.is_empty() {
        view! {
            <Empty
                icon=Glyph::Server
                title="No upstream account yet"
                text="OurHub needs at least one account at a provider to answer calls. It takes a minute."
            >
                <LinkButton href="/admin/accounts/new" text="Add account" kind=Kind::Primary icon=Glyph::Plus />
            </Empty>
        }
        .into_any()
    } else {
        table(clock, accounts)
    };
    view! {
        <PageHead title="Upstream accounts" lead="Your credentials at providers. Requests go to the healthiest with room to spare.">
            <LinkButton href="/admin/accounts/new" text="Add account" kind=Kind::Primary icon=Glyph::Plus />
        </PageHead>
        {body}
    }
    .into_any()
}

fn table(clock: &Clock, accounts: Vec<AccountView>) -> AnyView {
    let ready = accounts.iter().filter(|account| account.state == "ready").count();
    let needs_you = worst(&accounts);
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
    let body = accounts.into_iter().map(|account| row(clock, account)).collect_view();
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
fn worst(accounts: &[AccountView]) -> Option<AnyView> {
    let parked = accounts.iter().find(|account| account.state == "parked")?;
    let reason = parked
        .reason
        .clone()
        .unwrap_or_else(|| "It takes no traffic.".to_owned());
    let fields = vec![("id", parked.id.clone())];
    Some(
        view! {
            <Notice tone=Tone::Bad title=format!("{} is parked.", parked.label) text=reason>
                <form method="post" action="/fn/test_account">
                    <Hidden fields=fields />
                    <Button text="Test again" size=Size::Small icon=Glyph::Refresh />
                </form>
            </Notice>
        }
        .into_any(),
    )
}

fn row(clock: &Clock, account: AccountView) -> AnyView {
    let href = format!("/admin/accounts/{}", account.id);
    let models = models(&account);
    let error = match (&account.last_error, account.last_error_at) {
        (Some(error), Some(at)) => format!("{error}, {}", clock.relative(at)),
        (Some(error), None) => error.clone(),
        (None, _) => "none".to_owned(),
    };
    let health = health(clock, &account);
    let mut told = format!("{} · priority {}", account.provider, account.priority);
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
                    <Mark name=account.provider.clone() />
                    <span class="grow">
                        <a href=href>{account.label.clone()}</a>
                        <span class="sub">{told}</span>
                    </span>
                </span>
            </td>
            <td>{health} {reason}</td>
            <td class="r p2">{count(account.in_flight)}</td>
            <td class="p3 muted">{models}</td>
            <td class="p3 muted t12 u-max190">{error}</td>
            <td class="act">{menu(&account)}</td>
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

fn menu(account: &AccountView) -> AnyView {
    let id = account.id.clone();
    let is_disabled = account.state == "disabled";
    let (glyph, text) = if is_disabled {
        (Glyph::Play, "Enable")
    } else {
        (Glyph::Pause, "Disable")
    };
    let fields = vec![("id", id.clone()), ("disabled", (!is_disabled).to_string())];
    view! {
        <Menu label=format!("Actions for {}", account.label)>
            <MenuItem href=format!("/admin/accounts/{id}") icon=Glyph::Edit text="Edit account" />
            <MenuPost action="/fn/test_account" fields=vec![("id", id.clone())] icon=Glyph::Pulse text="Test account" />
            <MenuPost action="/fn/set_account_disabled" fields=fields icon=glyph text=text />
            <hr />
            <MenuItem href=format!("/admin/accounts/{id}/delete") icon=Glyph::Trash text="Delete account…" danger=true />
        </Menu>
    }
    .into_any()
}

/// `/admin/accounts/{id}/delete`
#[component]
pub fn AccountDelete() -> impl IntoView {
    let id = use_params_map().read_untracked().get("id").unwrap_or_default();
    let spot = Spot::new(Section::Accounts, "Delete", format!("/admin/accounts/{id}/delete"))
        .via("/admin/accounts", "Upstream accounts");
    signed_in(spot, |_| async move {
        let account = account(id).await?;
        let title = format!("Delete {}?", account.label);
        let text = "Its secret is forgotten and it takes no more requests. Those that run come to their end. This cannot be undone.";
        Ok::<_, ApiError>(
            view! {
                <Dialog title=title text=text>
                    <LinkButton href="/admin/accounts" text="Keep account" />
                    <form method="post" action="/fn/delete_account">
                        <Hidden fields=vec![("id", account.id)] />
                        <Button text="Delete account" kind=Kind::Danger />
                    </form>
                </Dialog>
            }
            .into_any(),
        )
    })
}
