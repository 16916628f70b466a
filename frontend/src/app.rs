//! Every page and its path.
//!
//! Invariant: pages are rendered whole before the first byte is sent, so that they need no script, and may redirect
//! and set their status.

use leptos::prelude::*;
use leptos_meta::provide_meta_context;
use leptos_router::SsrMode::Async;
use leptos_router::components::{FlatRoutes, Route, Router};
use leptos_router::path;

use crate::pages::accounts::{
    AccountDelete, AccountEdit, AccountList, AccountNew, ProviderChoice, TeamAccountDelete, TeamAccountEdit,
    TeamAccountList, TeamAccountNew, TeamProviderChoice,
};
use crate::pages::alerts::AlertsPage;
use crate::pages::aliases::{
    AliasDelete, AliasEdit, AliasNew, AliasesPage, TeamAliasDelete, TeamAliasEdit, TeamAliasNew, TeamModelsPage,
};
use crate::pages::audit::{AllAuditPage, AuditPage};
use crate::pages::billing::BillingPage;
use crate::pages::cap_alerts::CapAlertsPage;
use crate::pages::codes::{CodeNew, CodesPage};
use crate::pages::docs::Docs;
use crate::pages::errors::NotFound;
use crate::pages::forgot::{ConfirmEmail, Forgot, Reset, Verify};
use crate::pages::gallery::Gallery;
use crate::pages::health::HealthPage;
use crate::pages::invite::Invite;
use crate::pages::keys::{KeyCreated, KeyEdit, KeyList, KeyNew, KeyRevoke, KeyRotate};
use crate::pages::landing::Landing;
use crate::pages::mail::{MailPage, MailReadPage};
use crate::pages::models::{Catalogue, ModelNew, ModelsPage, PriceNew};
use crate::pages::overview::OverviewPage;
use crate::pages::payments::{PaymentList, PaymentPage, PaymentsPage};
use crate::pages::revenue::{MarkupsPage, RevenuePage};
use crate::pages::session::{Confirm, LogIn, Setup, SignUp};
use crate::pages::settings::{
    AuthenticatorPage, DeletePage, ProfilePage, RecoveryPage, SecurityPage, SessionsPage, SettingsPage,
};
use crate::pages::sign_up_policy::SignUpPolicyPage;
use crate::pages::statement::StatementPage;
use crate::pages::team::{InvitePage, MemberHandOver, MemberRemove, TeamLeave, TeamNew, TeamPage};
use crate::pages::teams::TeamsPage;
use crate::pages::usage::{AllRequestsPage, AnyReceiptPage, ReceiptPage, UsagePage};
use crate::pages::users::{UserDelete, UsersPage};
use crate::pages::ways::LogInCode;

/// All pages.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    view! {
        <Router>
            <FlatRoutes fallback=NotFound>
                <Route path=path!("/") view=Landing ssr=Async />
                <Route path=path!("/models") view=Catalogue ssr=Async />
                <Route path=path!("/docs") view=Docs ssr=Async />
                <Route path=path!("/gallery") view=Gallery ssr=Async />
                <Route path=path!("/signup") view=SignUp ssr=Async />
                <Route path=path!("/login") view=LogIn ssr=Async />
                <Route path=path!("/login/code") view=LogInCode ssr=Async />
                <Route path=path!("/setup") view=Setup ssr=Async />
                <Route path=path!("/invite/:token") view=Invite ssr=Async />
                <Route path=path!("/forgot") view=Forgot ssr=Async />
                <Route path=path!("/reset") view=Reset ssr=Async />
                <Route path=path!("/verify") view=Verify ssr=Async />

                <Route path=path!("/confirm") view=Confirm ssr=Async />
                <Route path=path!("/overview") view=OverviewPage ssr=Async />
                <Route path=path!("/keys") view=KeyList ssr=Async />
                <Route path=path!("/keys/new") view=KeyNew ssr=Async />
                <Route path=path!("/keys/:id") view=KeyEdit ssr=Async />
                <Route path=path!("/keys/:id/created") view=KeyCreated ssr=Async />
                <Route path=path!("/keys/:id/rotate") view=KeyRotate ssr=Async />
                <Route path=path!("/keys/:id/revoke") view=KeyRevoke ssr=Async />
                <Route path=path!("/usage") view=UsagePage ssr=Async />
                <Route path=path!("/usage/:id") view=ReceiptPage ssr=Async />
                <Route path=path!("/billing") view=BillingPage ssr=Async />
                <Route path=path!("/billing/statement") view=StatementPage ssr=Async />
                <Route path=path!("/billing/payments") view=PaymentList ssr=Async />
                <Route path=path!("/billing/payments/:id") view=PaymentPage ssr=Async />
                <Route path=path!("/team") view=TeamPage ssr=Async />
                <Route path=path!("/team/accounts") view=TeamAccountList ssr=Async />
                <Route path=path!("/team/accounts/new") view=TeamProviderChoice ssr=Async />
                <Route path=path!("/team/accounts/new/:provider") view=TeamAccountNew ssr=Async />
                <Route path=path!("/team/accounts/:id") view=TeamAccountEdit ssr=Async />
                <Route path=path!("/team/accounts/:id/delete") view=TeamAccountDelete ssr=Async />
                <Route path=path!("/team/models") view=TeamModelsPage ssr=Async />
                <Route path=path!("/team/models/new") view=TeamAliasNew ssr=Async />
                <Route path=path!("/team/models/edit") view=TeamAliasEdit ssr=Async />
                <Route path=path!("/team/models/delete") view=TeamAliasDelete ssr=Async />
                <Route path=path!("/team/invite") view=InvitePage ssr=Async />
                <Route path=path!("/team/leave") view=TeamLeave ssr=Async />
                <Route path=path!("/team/:user/remove") view=MemberRemove ssr=Async />
                <Route path=path!("/team/:user/hand-over") view=MemberHandOver ssr=Async />
                <Route path=path!("/teams/new") view=TeamNew ssr=Async />
                <Route path=path!("/alerts") view=CapAlertsPage ssr=Async />
                <Route path=path!("/audit") view=AuditPage ssr=Async />
                <Route path=path!("/settings") view=SettingsPage ssr=Async />
                <Route path=path!("/settings/profile") view=ProfilePage ssr=Async />
                <Route path=path!("/settings/delete") view=DeletePage ssr=Async />
                <Route path=path!("/settings/security") view=SecurityPage ssr=Async />
                <Route path=path!("/settings/authenticator") view=AuthenticatorPage ssr=Async />
                <Route path=path!("/settings/recovery") view=RecoveryPage ssr=Async />
                <Route path=path!("/settings/sessions") view=SessionsPage ssr=Async />
                <Route path=path!("/settings/email") view=ConfirmEmail ssr=Async />

                <Route path=path!("/admin/alerts") view=AlertsPage ssr=Async />
                <Route path=path!("/admin/accounts") view=AccountList ssr=Async />
                <Route path=path!("/admin/accounts/new") view=ProviderChoice ssr=Async />
                <Route path=path!("/admin/accounts/new/:provider") view=AccountNew ssr=Async />
                <Route path=path!("/admin/accounts/:id") view=AccountEdit ssr=Async />
                <Route path=path!("/admin/accounts/:id/delete") view=AccountDelete ssr=Async />
                <Route path=path!("/admin/models") view=ModelsPage ssr=Async />
                <Route path=path!("/admin/models/new") view=ModelNew ssr=Async />
                <Route path=path!("/admin/models/price") view=PriceNew ssr=Async />
                <Route path=path!("/admin/payments") view=PaymentsPage ssr=Async />
                <Route path=path!("/admin/revenue") view=RevenuePage ssr=Async />
                <Route path=path!("/admin/revenue/markups") view=MarkupsPage ssr=Async />
                <Route path=path!("/admin/codes") view=CodesPage ssr=Async />
                <Route path=path!("/admin/codes/new") view=CodeNew ssr=Async />
                <Route path=path!("/admin/aliases") view=AliasesPage ssr=Async />
                <Route path=path!("/admin/aliases/new") view=AliasNew ssr=Async />
                <Route path=path!("/admin/aliases/edit") view=AliasEdit ssr=Async />
                <Route path=path!("/admin/aliases/delete") view=AliasDelete ssr=Async />
                <Route path=path!("/admin/teams") view=TeamsPage ssr=Async />
                <Route path=path!("/admin/users") view=UsersPage ssr=Async />
                <Route path=path!("/admin/users/:id/delete") view=UserDelete ssr=Async />
                <Route path=path!("/admin/requests") view=AllRequestsPage ssr=Async />
                <Route path=path!("/admin/requests/:id") view=AnyReceiptPage ssr=Async />
                <Route path=path!("/admin/mail") view=MailPage ssr=Async />
                <Route path=path!("/admin/mail/:id") view=MailReadPage ssr=Async />
                <Route path=path!("/admin/health") view=HealthPage ssr=Async />
                <Route path=path!("/admin/audit") view=AllAuditPage ssr=Async />
                <Route path=path!("/admin/sign-up") view=SignUpPolicyPage ssr=Async />
            </FlatRoutes>
        </Router>
    }
}
