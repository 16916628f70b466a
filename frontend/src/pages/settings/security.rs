//! Settings → Security: the password, passkeys, linked accounts, the second factor and management tokens.
//!
//! Invariant: a token's text comes from the flash and is in no address; reloading the page does not show it again.
//! Reads [`crate::api::factor::factor`] and [`crate::api::profile::list_tokens`]; the forms are sent to `/fn/change_password`, `/fn/create_token` and
//! `/fn/revoke_token`.

use leptos::prelude::*;

use super::super::frame::{Spot, Visit, copy, signed_in};
use super::factor::card;
use super::tabs;
use super::ways::{identities, no_password, passkeys};
use crate::api::factor::{FactorView, factor};
use crate::api::profile::{TokenView, list_tokens};
use crate::api::sign_in::WaysInView;
use crate::api::{ApiError, Flash, backend};
use crate::ui::*;

/// `/settings/security`
#[component]
pub fn SecurityPage() -> impl IntoView {
    let spot = Spot::new(Section::Settings, "Security", "/settings/security")
        .personal()
        .via("/settings", "Settings");
    signed_in(spot, |visit| async move {
        let factor = factor().await?;
        let tokens = list_tokens().await?;
        let backend = backend()?;
        let ways = backend.ways_in().await?;
        // Who acts as somebody makes no passkey of theirs.
        let options = match visit.session.acting_for {
            None => backend.passkey_options("create").await?,
            Some(_) => None,
        };
        Ok::<_, ApiError>(page(&visit, (factor, ways, options), tokens))
    })
}

fn page(
    visit: &Visit,
    (factor, ways, options): (FactorView, WaysInView, Option<String>),
    listed: Vec<TokenView>,
) -> AnyView {
    let password = match ways.has_password {
        true => password(&visit.flash, &visit.session.email),
        false => no_password(visit.session.email.clone()),
    };
    let passkeys = passkeys(visit, ways.passkeys.clone(), options);
    let linked = identities(visit, ways);
    let factor = card(visit, factor);
    let tokens = tokens(visit, listed);
    view! {
        <PageHead title="Security" lead="What proves that it is you." />
        {tabs("/settings/security")}
        <div class="narrow stack stack--6">{password} {passkeys} {linked} {factor} {tokens}</div>
    }
    .into_any()
}

fn password(flash: &Flash, email: &str) -> AnyView {
    let email = email.to_owned();
    let wrong = flash.error_of("current");
    let weak = flash.error_of("new").or_else(|| flash.error_of("password"));
    view! {
        <Card title="Password" hint="other browsers are signed out">
            <PostForm class="stack" action="/fn/change_password">
                // For password managers: it has no name and is not sent.
                <input class="vh" type="email" autocomplete="username" value=email readonly tabindex="-1" aria-label="Email" />
                <div class="cols">
                    <TextField
                        name="current"
                        label="Current password"
                        kind="password"
                        autocomplete="current-password"
                        required=true
                        nostrip:error=wrong
                    />
                    <TextField
                        name="new"
                        label="New password"
                        kind="password"
                        autocomplete="new-password"
                        minlength=8
                        required=true
                        nostrip:error=weak
                    />
                </div>
                <div class="row">
                    <Button text="Change password" />
                </div>
            </PostForm>
        </Card>
    }
    .into_any()
}

fn tokens(visit: &Visit, listed: Vec<TokenView>) -> AnyView {
    let made = visit.flash.secret.clone().map(|token| {
        view! {
            <div class="stack stack--2">
                <div class="row row--between">
                    <h3>"Your new token"</h3>
                    <Badge tone=Tone::Warn text="shown once" />
                </div>
                <Secret value=token.clone()>{copy(token, "Copy token")}</Secret>
            </div>
        }
    });
    let list = (!listed.is_empty()).then(|| {
        let head = vec![th("Token", ""), th("Made", "p2"), th("Revoke", "act")];
        let rows = listed.into_iter().map(|token| row(&visit.clock, token)).collect_view();
        view! {
            <Table head=head tight=true>
                {rows}
            </Table>
        }
    });
    view! {
        <Card title="Management tokens" hint="for programs that call /api/v1">
            <p class="muted t13">"A token may do all that you may. It is not a key: models cannot be called with it."</p>
            {made}
            {list}
            <PostForm action="/fn/create_token">
                <Button text="Create token" />
            </PostForm>
        </Card>
    }
    .into_any()
}

fn row(clock: &Clock, token: TokenView) -> AnyView {
    view! {
        <tr>
            <td class="main mono">{format!("mt-oh-…{}", token.last_four)}</td>
            <td class="p2 muted">
                <When at=token.created_at clock=clock.clone() />
            </td>
            <td class="r">
                <PostForm action="/fn/revoke_token">
                    <Hidden fields=vec![("id", token.id)] />
                    <Button text="Revoke" size=Size::Small />
                </PostForm>
            </td>
        </tr>
    }
    .into_any()
}
