//! What a team manages: itself, its members, invitations, keys and own upstream accounts, its usage and its wallet.
//!
//! Invariant: permissions are the backend's; a handler only passes on. Reads and writes what the backend does.

use super::answer::{Answer, Body, Caller, Find, created, gone, json};
use super::query::{Audit, Ledger, List, Month, Requests, Search, Usage};
use actix_web::web::Path;
use frontend::api::{
    accounts::{AccountPatch, Accounts, NewAccount, Whose},
    audit::AuditReads,
    billing::{Billing, NewAdjustment, NewGrant},
    cap_alerts::{AlertAddresses, CapAlerts},
    codes::{Codes, NewRedemption},
    invitations::{Acceptance, Invitations, NewInvitation},
    keys::{KeyPatch, Keys, NewKey},
    payments::{AutoPatch, NewPayment, Payments},
    statement::Statements,
    team::{HandOver, MemberPatch, NewTeam, TeamPatch, Teams},
    usage::{GroupBy, UsageReads},
    webhooks::{NewWebhook, Webhooks},
};
use serde::Deserialize;

/// The body of a rotation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// Seconds that the secrets before go on working.
    #[serde(default)]
    overlap_s: Option<u32>,
}

pub async fn list_teams(caller: Caller, query: Find<Search>) -> Answer {
    let (search, page) = query.0.split();
    json(caller.list_teams(search, page).await?)
}

pub async fn team(caller: Caller, team: Path<String>) -> Answer {
    json(caller.team(&team).await?)
}

pub async fn update_team(caller: Caller, team: Path<String>, body: Body<TeamPatch>) -> Answer {
    json(caller.update_team(&team, body.0).await?)
}

pub async fn list_members(caller: Caller, team: Path<String>, query: Find<List>) -> Answer {
    json(caller.list_members(&team, query.0.into()).await?)
}

pub async fn update_member(caller: Caller, path: Path<(String, String)>, body: Body<MemberPatch>) -> Answer {
    json(caller.update_member(&path.0, &path.1, body.0).await?)
}

pub async fn remove_member(caller: Caller, path: Path<(String, String)>) -> Answer {
    caller.remove_member(&path.0, &path.1).await?;
    gone()
}

pub async fn create_team(caller: Caller, body: Body<NewTeam>) -> Answer {
    created(caller.create_team(body.0).await?)
}

pub async fn hand_over(caller: Caller, team: Path<String>, body: Body<HandOver>) -> Answer {
    json(caller.hand_over(&team, &body.0.user).await?)
}

pub async fn list_invitations(caller: Caller, team: Path<String>, query: Find<List>) -> Answer {
    json(caller.list_invitations(&team, query.0.into()).await?)
}

pub async fn create_invitation(caller: Caller, team: Path<String>, body: Body<NewInvitation>) -> Answer {
    created(caller.create_invitation(&team, body.0).await?)
}

pub async fn revoke_invitation(caller: Caller, path: Path<(String, String)>) -> Answer {
    caller.revoke_invitation(&path.0, &path.1).await?;
    gone()
}

pub async fn accept_invitation(caller: Caller, body: Body<Acceptance>) -> Answer {
    json(caller.accept_invitation(&body.0.token).await?)
}

pub async fn list_keys(caller: Caller, team: Path<String>, query: Find<List>) -> Answer {
    json(caller.list_keys(&team, query.0.into()).await?)
}

pub async fn create_key(caller: Caller, team: Path<String>, body: Body<NewKey>) -> Answer {
    created(caller.create_key(&team, body.0).await?)
}

pub async fn key(caller: Caller, path: Path<(String, String)>) -> Answer {
    json(caller.key(&path.0, &path.1).await?)
}

pub async fn update_key(caller: Caller, path: Path<(String, String)>, body: Body<KeyPatch>) -> Answer {
    json(caller.update_key(&path.0, &path.1, body.0).await?)
}

pub async fn revoke_key(caller: Caller, path: Path<(String, String)>) -> Answer {
    caller.revoke_key(&path.0, &path.1).await?;
    gone()
}

pub async fn rotate_key(caller: Caller, path: Path<(String, String)>, body: Body<Rotation>) -> Answer {
    json(caller.rotate_key(&path.0, &path.1, body.0.overlap_s).await?)
}

pub async fn list_accounts(caller: Caller, team: Path<String>, query: Find<List>) -> Answer {
    json(caller.list_accounts(Whose::Team(&team), query.0.into()).await?)
}

pub async fn create_account(caller: Caller, team: Path<String>, body: Body<NewAccount>) -> Answer {
    created(caller.create_account(Whose::Team(&team), body.0).await?)
}

pub async fn account(caller: Caller, path: Path<(String, String)>) -> Answer {
    json(caller.account(Whose::Team(&path.0), &path.1).await?)
}

pub async fn update_account(caller: Caller, path: Path<(String, String)>, body: Body<AccountPatch>) -> Answer {
    json(caller.update_account(Whose::Team(&path.0), &path.1, body.0).await?)
}

pub async fn delete_account(caller: Caller, path: Path<(String, String)>) -> Answer {
    caller.delete_account(Whose::Team(&path.0), &path.1).await?;
    gone()
}

pub async fn test_account(caller: Caller, path: Path<(String, String)>) -> Answer {
    json(caller.test_account(Whose::Team(&path.0), &path.1).await?)
}

pub async fn overview(caller: Caller, team: Path<String>) -> Answer {
    json(caller.overview(&team).await?)
}

pub async fn usage(caller: Caller, team: Path<String>, query: Find<Usage>) -> Answer {
    let by = query.0.group_by.unwrap_or(GroupBy::Model);
    let groups = caller.usage(&team, query.0.from, query.0.to, by).await?;
    json(query.0.page(groups))
}

pub async fn requests(caller: Caller, team: Path<String>, query: Find<Requests>) -> Answer {
    let (filter, page) = query.0.split();
    json(caller.requests(&team, filter, page).await?)
}

pub async fn receipt(caller: Caller, path: Path<(String, String)>) -> Answer {
    json(caller.receipt(&path.0, &path.1).await?)
}

pub async fn list_cap_alerts(caller: Caller, team: Path<String>, query: Find<List>) -> Answer {
    json(caller.list_cap_alerts(&team, query.0.into()).await?)
}

pub async fn alert_addresses(caller: Caller, team: Path<String>) -> Answer {
    json(caller.alert_addresses(&team).await?)
}

pub async fn set_alert_addresses(caller: Caller, team: Path<String>, body: Body<AlertAddresses>) -> Answer {
    json(caller.set_alert_addresses(&team, body.0).await?)
}

pub async fn webhook(caller: Caller, team: Path<String>) -> Answer {
    json(caller.webhook(&team).await?)
}

pub async fn set_webhook(caller: Caller, team: Path<String>, body: Body<NewWebhook>) -> Answer {
    json(caller.set_webhook(&team, body.0).await?)
}

pub async fn remove_webhook(caller: Caller, team: Path<String>) -> Answer {
    caller.remove_webhook(&team).await?;
    gone()
}

pub async fn test_webhook(caller: Caller, team: Path<String>) -> Answer {
    caller.test_webhook(&team).await?;
    gone()
}

pub async fn audit(caller: Caller, team: Path<String>, query: Find<Audit>) -> Answer {
    let (filter, page) = query.0.split();
    json(caller.audit(&team, filter, page).await?)
}

pub async fn balance(caller: Caller, team: Path<String>) -> Answer {
    json(caller.balance(&team).await?)
}

pub async fn ledger(caller: Caller, team: Path<String>, query: Find<Ledger>) -> Answer {
    let (filter, page) = query.0.split();
    json(caller.ledger(&team, filter, page).await?)
}

pub async fn statement(caller: Caller, team: Path<String>, query: Find<Month>) -> Answer {
    json(caller.statement(&team, query.0.month.as_deref()).await?)
}

pub async fn grant(caller: Caller, team: Path<String>, body: Body<NewGrant>) -> Answer {
    created(caller.grant(&team, body.0).await?)
}

pub async fn auto_top_up(caller: Caller, team: Path<String>) -> Answer {
    json(caller.auto_top_up(&team).await?)
}

pub async fn update_auto_top_up(caller: Caller, team: Path<String>, body: Body<AutoPatch>) -> Answer {
    json(caller.update_auto_top_up(&team, body.0).await?)
}

pub async fn open_portal(caller: Caller, team: Path<String>) -> Answer {
    created(caller.open_portal(&team).await?)
}

pub async fn remove_card(caller: Caller, team: Path<String>) -> Answer {
    caller.remove_card(&team).await?;
    gone()
}

pub async fn list_payments(caller: Caller, team: Path<String>, query: Find<List>) -> Answer {
    json(caller.list_payments(&team, query.0.into()).await?)
}

pub async fn create_payment(caller: Caller, team: Path<String>, body: Body<NewPayment>) -> Answer {
    created(caller.create_payment(&team, body.0).await?)
}

pub async fn payment(caller: Caller, path: Path<(String, String)>) -> Answer {
    json(caller.payment(&path.0, &path.1).await?)
}

pub async fn redeem(caller: Caller, team: Path<String>, body: Body<NewRedemption>) -> Answer {
    created(caller.redeem(&team, body.0).await?)
}

pub async fn adjust(caller: Caller, path: Path<(String, String)>, body: Body<NewAdjustment>) -> Answer {
    created(caller.adjust(&path.0, &path.1, body.0).await?)
}
