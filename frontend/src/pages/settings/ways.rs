//! Settings → Security: passkeys, and accounts elsewhere that sign one in.
//!
//! The forms are sent to `/fn/add_passkey`, `/fn/remove_passkey` and `/fn/unlink`; linking begins at `/settings/link/…`.

use leptos::prelude::*;

use super::super::frame::Visit;
use super::super::ways::PasskeyForm;
use crate::api::sign_in::{IdentityView, PasskeyView, WaysInView};
use crate::ui::*;

/// The card of the passkeys; `options` are what a new one is made with, none where this address has no passkeys.
pub(super) fn passkeys(visit: &Visit, listed: Vec<PasskeyView>, options: Option<String>) -> AnyView {
    let list = (!listed.is_empty()).then(|| {
        let head = vec![
            th("Passkey", ""),
            th("Made", "p2"),
            th("Last used", "p2"),
            th("Remove", "act"),
        ];
        let rows = listed.into_iter().map(|row| passkey(&visit.clock, row)).collect_view();
        view! {
            <Table head=head tight=true>
                {rows}
            </Table>
        }
    });
    let form = match options {
        Some(options) => {
            let (value, wrong) = (visit.flash.value("name", ""), visit.flash.error_of("name"));
            let name = view! {
                <TextField
                    name="name"
                    label="Name"
                    required=true
                    value=value
                    placeholder="Laptop"
                    hint="So that you know it later."
                    nostrip:error=wrong
                />
            };
            let form = PasskeyForm {
                ask: "create",
                action: "/fn/add_passkey",
                options,
                fields: Vec::new(),
                button: "Add passkey",
                size: Size::Normal,
            };
            form.draw(Some(name.into_any()))
        }
        None => view! {
            <p class="muted t13">"Passkeys belong to a name. Open this server by one, such as localhost, to add some."</p>
        }
        .into_any(),
    };
    view! {
        <Card title="Passkeys" hint="no password, no code">
            <p class="muted t13">"Your device or password manager signs you in, once it has recognised you."</p>
            {list}
            {form}
        </Card>
    }
    .into_any()
}

fn passkey(clock: &Clock, row: PasskeyView) -> AnyView {
    view! {
        <tr>
            <td class="main">{row.name}</td>
            <td class="p2 muted">
                <When at=row.created_at clock=clock.clone() />
            </td>
            <td class="p2 muted">{used(clock, row.last_used_at)}</td>
            <td class="r">
                <PostForm action="/fn/remove_passkey">
                    <Hidden fields=vec![("id", row.id)] />
                    <Button text="Remove" size=Size::Small />
                </PostForm>
            </td>
        </tr>
    }
    .into_any()
}

fn used(clock: &Clock, at: Option<crate::api::Time>) -> AnyView {
    match at {
        Some(at) => view! { <When at=at clock=clock.clone() /> }.into_any(),
        None => "never".into_any(),
    }
}

/// The card of the accounts elsewhere; none where nothing is configured and nothing linked.
pub(super) fn identities(visit: &Visit, ways: WaysInView) -> Option<AnyView> {
    if ways.providers.is_empty() && ways.identities.is_empty() {
        return None;
    }
    let links = ways
        .providers
        .into_iter()
        .filter(|provider| ways.identities.iter().all(|linked| linked.provider != provider.id))
        .map(|provider| {
            let href = format!("/settings/link/{}", provider.id);
            view! { <a class="btn" href=href rel="external">{format!("Link {}", provider.label)}</a> }
        })
        .collect_view();
    let list = (!ways.identities.is_empty()).then(|| {
        let head = vec![
            th("Account", ""),
            th("Linked", "p2"),
            th("Last used", "p2"),
            th("Unlink", "act"),
        ];
        let rows = ways
            .identities
            .into_iter()
            .map(|row| identity(&visit.clock, row))
            .collect_view();
        view! {
            <Table head=head tight=true>
                {rows}
            </Table>
        }
    });
    let card = view! {
        <Card title="Linked accounts" hint="they sign you in">
            {list}
            <div class="row row--wrap">{links}</div>
        </Card>
    };
    Some(card.into_any())
}

fn identity(clock: &Clock, row: IdentityView) -> AnyView {
    view! {
        <tr>
            <td class="main">
                {row.label} <span class="sub">{row.email}</span>
            </td>
            <td class="p2 muted">
                <When at=row.created_at clock=clock.clone() />
            </td>
            <td class="p2 muted">{used(clock, row.last_used_at)}</td>
            <td class="r">
                <PostForm action="/fn/unlink">
                    <Hidden fields=vec![("id", row.id)] />
                    <Button text="Unlink" size=Size::Small />
                </PostForm>
            </td>
        </tr>
    }
    .into_any()
}

/// In place of the form for a new password, for who has none.
pub(super) fn no_password(email: String) -> AnyView {
    view! {
        <Card title="Password" hint="you have none">
            <PostForm class="stack" action="/fn/ask_reset">
                <Hidden fields=vec![("email", email)] />
                <p class="muted t13">"You log in without one. A link in a mail to you lets you choose one."</p>
                <div class="row">
                    <Button text="Mail me a link" />
                </div>
            </PostForm>
        </Card>
    }
    .into_any()
}
