//! Who may sign up, for platform admins.
//!
//! Reads [`crate::api::sign_up::sign_up_policy`]; the form is sent to `/fn/update_sign_up_policy`.

use leptos::prelude::*;

use super::frame::{Spot, Visit, signed_in};
use crate::api::sign_up::{SignUpView, sign_up_policy};
use crate::api::{ApiError, Code};
use crate::ui::*;

/// `/admin/sign-up`
#[component]
pub fn SignUpPolicyPage() -> impl IntoView {
    let spot = Spot::new(Section::SignUp, "Sign-up", "/admin/sign-up");
    signed_in(spot, |visit| async move {
        if !visit.session.is_admin {
            return Err(ApiError::new(Code::Forbidden));
        }
        Ok::<_, ApiError>(page(&visit, &sign_up_policy().await?))
    })
}

fn page(visit: &Visit, policy: &SignUpView) -> AnyView {
    let flash = &visit.flash;
    let modes = vec![
        Choice::new("open", "Everybody"),
        Choice::new("invited", "Who is invited into a team"),
        Choice::new("closed", "Nobody"),
    ];
    let (mode, mode_error) = (flash.value("mode", &policy.mode), flash.error_of("mode"));
    let domains = flash.value("domains", &policy.domains.join(", "));
    let domains_error = flash.error_of("domains");
    view! {
        <PageHead title="Sign-up" lead="Who may make an account here. Whoever has one already is not concerned." />
        <div class="narrow">
            <Card title="New accounts">
                <PostForm class="stack" action="/fn/update_sign_up_policy">
                    <SelectField
                        name="mode"
                        label="Who may sign up"
                        choices=modes
                        selected=mode
                        hint="Where not everybody may, only platform admins make new teams."
                        nostrip:error=mode_error
                    />
                    <TextField
                        name="domains"
                        label="Domains"
                        value=domains
                        optional=true
                        placeholder="example.com, example.org"
                        hint="Only addresses of these domains may sign up, invited or not. Empty: any address."
                        nostrip:error=domains_error
                    />
                    <div class="row">
                        <Button text="Save sign-up" kind=Kind::Primary />
                    </div>
                </PostForm>
            </Card>
        </div>
    }
    .into_any()
}
