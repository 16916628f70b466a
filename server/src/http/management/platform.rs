//! What platform admins manage: accounts, alerts, mail, redeem codes, disputes, revenue, models and prices, and the requests of all teams, and how the server does.
//!
//! Invariant: permissions are the backend's; a handler only passes on. Reads and writes what the backend does.

use super::answer::{Answer, Body, Caller, Find, created, gone, json};
use super::query::{Audit, List, Month, Requests, Search};
use actix_web::web::Path;
use frontend::api::{
    ApiError,
    accounts::{AccountPatch, Accounts, NewAccount, Whose},
    alerts::Alerts,
    audit::AuditReads,
    codes::{Codes, NewCodes},
    factor::Factors,
    health::HealthReads,
    mail::{MailPatch, Mails},
    models::{Models, NewModel, NewPrice},
    payments::Payments,
    revenue::{NewMarkup, Revenues},
    sign_up::{SignUpPatch, SignUps},
    usage::UsageReads,
    users::{UserPatch, Users},
};

/// The fields of a price.
const PRICE_FIELDS: [&str; 10] = [
    "input",
    "output",
    "cache_read",
    "cache_write",
    "image",
    "character",
    "second",
    "search",
    "flex",
    "priority",
];

pub async fn list_accounts(caller: Caller, query: Find<List>) -> Answer {
    json(caller.list_accounts(Whose::Platform, query.0.into()).await?)
}

pub async fn create_account(caller: Caller, body: Body<NewAccount>) -> Answer {
    created(caller.create_account(Whose::Platform, body.0).await?)
}

pub async fn account(caller: Caller, id: Path<String>) -> Answer {
    json(caller.account(Whose::Platform, &id).await?)
}

pub async fn update_account(caller: Caller, id: Path<String>, body: Body<AccountPatch>) -> Answer {
    json(caller.update_account(Whose::Platform, &id, body.0).await?)
}

pub async fn delete_account(caller: Caller, id: Path<String>) -> Answer {
    caller.delete_account(Whose::Platform, &id).await?;
    gone()
}

pub async fn test_account(caller: Caller, id: Path<String>) -> Answer {
    json(caller.test_account(Whose::Platform, &id).await?)
}

pub async fn list_alerts(caller: Caller, query: Find<List>) -> Answer {
    json(caller.list_alerts(query.0.into()).await?)
}

pub async fn dismiss_alert(caller: Caller, id: Path<String>) -> Answer {
    caller.dismiss_alert(&id).await?;
    gone()
}

pub async fn list_codes(caller: Caller, query: Find<List>) -> Answer {
    json(caller.list_codes(query.0.into()).await?)
}

pub async fn create_codes(caller: Caller, body: Body<NewCodes>) -> Answer {
    created(caller.create_codes(body.0).await?)
}

pub async fn revoke_code(caller: Caller, id: Path<String>) -> Answer {
    caller.revoke_code(&id).await?;
    gone()
}

pub async fn revenue(caller: Caller, query: Find<Month>) -> Answer {
    json(caller.revenue(query.0.month.as_deref()).await?)
}

pub async fn list_markups(caller: Caller) -> Answer {
    json(caller.list_markups().await?)
}

pub async fn set_markup(caller: Caller, body: Body<NewMarkup>) -> Answer {
    json(caller.set_markup(body.0).await?)
}

pub async fn delete_markup(caller: Caller, id: Path<String>) -> Answer {
    caller.delete_markup(&id).await?;
    gone()
}

pub async fn list_disputes(caller: Caller) -> Answer {
    json(caller.list_disputes().await?)
}

pub async fn list_reconciliations(caller: Caller) -> Answer {
    json(caller.list_reconciliations().await?)
}

pub async fn reconcile(caller: Caller) -> Answer {
    created(caller.reconcile().await?)
}

pub async fn all_audit(caller: Caller, query: Find<Audit>) -> Answer {
    let (filter, page) = query.0.split();
    json(caller.all_audit(filter, page).await?)
}

pub async fn sign_up_policy(caller: Caller) -> Answer {
    json(caller.sign_up_policy().await?)
}

pub async fn update_sign_up_policy(caller: Caller, body: Body<SignUpPatch>) -> Answer {
    json(caller.update_sign_up_policy(body.0).await?)
}

pub async fn health(caller: Caller) -> Answer {
    json(caller.health().await?)
}

pub async fn mail_settings(caller: Caller) -> Answer {
    json(caller.mail_settings().await?)
}

pub async fn update_mail(caller: Caller, body: Body<MailPatch>) -> Answer {
    json(caller.update_mail(body.0).await?)
}

pub async fn test_mail(caller: Caller) -> Answer {
    json(caller.test_mail().await?)
}

pub async fn list_mails(caller: Caller, query: Find<List>) -> Answer {
    json(caller.list_mails(query.0.into()).await?)
}

pub async fn mail(caller: Caller, id: Path<String>) -> Answer {
    json(caller.mail(&id).await?.row)
}

pub async fn discard_mail(caller: Caller, id: Path<String>) -> Answer {
    caller.discard_mail(&id).await?;
    gone()
}

pub async fn retry_mail(caller: Caller, id: Path<String>) -> Answer {
    caller.retry_mail(&id).await?;
    gone()
}

pub async fn list_models(caller: Caller, query: Find<List>) -> Answer {
    json(caller.list_models(query.0.into()).await?)
}

pub async fn create_model(caller: Caller, body: Body<NewModel>) -> Answer {
    created(caller.create_model(body.0).await.map_err(in_prices)?)
}

/// `error` with the fields of a price named as the body has them: within `prices`.
fn in_prices(mut error: ApiError) -> ApiError {
    error = in_tiers(error);
    for wrong in &mut error.fields {
        if PRICE_FIELDS.contains(&wrong.field.split('.').next().unwrap_or_default()) {
            wrong.field.insert_str(0, "prices.");
        }
    }
    error
}

/// `error` with the fields of a service tier named as the body has them: within `flex` or `priority`.
fn in_tiers(mut error: ApiError) -> ApiError {
    for wrong in &mut error.fields {
        if let Some((tier @ ("flex" | "priority"), field)) = wrong.field.split_once('_') {
            wrong.field = format!("{tier}.{field}");
        }
    }
    error
}

pub async fn add_price(caller: Caller, model: Path<String>, body: Body<NewPrice>) -> Answer {
    created(caller.add_price(&model, body.0).await.map_err(in_tiers)?)
}

pub async fn all_requests(caller: Caller, query: Find<Requests>) -> Answer {
    let (filter, page) = query.0.split();
    json(caller.all_requests(filter, page).await?)
}

pub async fn any_receipt(caller: Caller, id: Path<String>) -> Answer {
    json(caller.any_receipt(&id).await?)
}

pub async fn list_users(caller: Caller, query: Find<Search>) -> Answer {
    let (search, page) = query.0.split();
    json(caller.list_users(search, page).await?)
}

pub async fn user(caller: Caller, user: Path<String>) -> Answer {
    json(caller.user(&user).await?)
}

pub async fn update_user(caller: Caller, user: Path<String>, body: Body<UserPatch>) -> Answer {
    json(caller.update_user(&user, body.0).await?)
}

pub async fn delete_user(caller: Caller, user: Path<String>) -> Answer {
    caller.delete_user(&user).await?;
    gone()
}

pub async fn reset_factor(caller: Caller, user: Path<String>) -> Answer {
    caller.reset_factor(&user).await?;
    gone()
}
