//! The management API under `/api/v1`: every route on one screen, each a call of the same backend as the pages.
//!
//! Invariant: only management tokens are accepted, never a cookie or a customer's key; the routes here and in
//! `openapi.json` are the same, and a test says so.

mod aliases;
pub mod answer;
mod platform;
pub mod query;
mod team;

use actix_web::{HttpResponse, web};

/// The largest body of a call, in bytes.
const BODY_MAX: usize = 32 << 20;
/// The description of the API.
const OPENAPI: &str = include_str!("management/openapi.json");

macro_rules! routes {
    ($($method:ident $path:literal $handler:path;)*) => {
        /// Method and path, below `/api/v1`, of every route.
        pub const ROUTES: &[(&str, &str)] = &[$((stringify!($method), $path)),*];

        fn register(config: &mut web::ServiceConfig) {
            config$(.route($path, web::$method().to($handler)))*;
        }
    };
}

routes! {
    get    "/accounts"                        platform::list_accounts;
    post   "/accounts"                        platform::create_account;
    get    "/accounts/{id}"                   platform::account;
    patch  "/accounts/{id}"                   platform::update_account;
    delete "/accounts/{id}"                   platform::delete_account;
    post   "/accounts/{id}/test"              platform::test_account;
    get    "/alerts"                          platform::list_alerts;
    delete "/alerts/{id}"                     platform::dismiss_alert;
    get    "/codes"                           platform::list_codes;
    post   "/codes"                           platform::create_codes;
    delete "/codes/{id}"                      platform::revoke_code;
    get    "/aliases"                         aliases::list;
    post   "/aliases"                         aliases::create;
    get    "/aliases/{name:.+}"               aliases::one;
    patch  "/aliases/{name:.+}"               aliases::update;
    delete "/aliases/{name:.+}"               aliases::delete;
    get    "/audit"                           platform::all_audit;
    get    "/health"                          platform::health;
    get    "/mail"                            platform::mail_settings;
    patch  "/mail"                            platform::update_mail;
    post   "/mail/test"                       platform::test_mail;
    get    "/mail/outbox"                     platform::list_mails;
    get    "/mail/outbox/{id}"                platform::mail;
    delete "/mail/outbox/{id}"                platform::discard_mail;
    post   "/mail/outbox/{id}/retry"          platform::retry_mail;
    get    "/models"                          platform::list_models;
    post   "/models"                          platform::create_model;
    post   "/models/{model:.+}/prices"        platform::add_price;
    get    "/payments/disputes"               platform::list_disputes;
    get    "/payments/reconciliations"        platform::list_reconciliations;
    post   "/payments/reconciliations"        platform::reconcile;
    get    "/revenue"                         platform::revenue;
    get    "/markups"                         platform::list_markups;
    put    "/markups"                         platform::set_markup;
    delete "/markups/{id}"                    platform::delete_markup;
    get    "/requests"                        platform::all_requests;
    get    "/requests/{id}"                   platform::any_receipt;
    post   "/invitations/accept"              team::accept_invitation;
    get    "/settings/sign-up"                platform::sign_up_policy;
    patch  "/settings/sign-up"                platform::update_sign_up_policy;
    get    "/teams"                           team::list_teams;
    post   "/teams"                           team::create_team;
    get    "/teams/{team}"                    team::team;
    patch  "/teams/{team}"                    team::update_team;
    get    "/teams/{team}/members"            team::list_members;
    patch  "/teams/{team}/members/{user}"     team::update_member;
    delete "/teams/{team}/members/{user}"     team::remove_member;
    post   "/teams/{team}/transfer"           team::hand_over;
    get    "/teams/{team}/invitations"        team::list_invitations;
    post   "/teams/{team}/invitations"        team::create_invitation;
    delete "/teams/{team}/invitations/{id}"   team::revoke_invitation;
    get    "/teams/{team}/keys"               team::list_keys;
    post   "/teams/{team}/keys"               team::create_key;
    get    "/teams/{team}/keys/{id}"          team::key;
    patch  "/teams/{team}/keys/{id}"          team::update_key;
    delete "/teams/{team}/keys/{id}"          team::revoke_key;
    post   "/teams/{team}/keys/{id}/rotate"   team::rotate_key;
    get    "/teams/{team}/aliases"            aliases::list_of_team;
    post   "/teams/{team}/aliases"            aliases::create_of_team;
    get    "/teams/{team}/aliases/{name:.+}"  aliases::one_of_team;
    patch  "/teams/{team}/aliases/{name:.+}"  aliases::update_of_team;
    delete "/teams/{team}/aliases/{name:.+}"  aliases::delete_of_team;
    get    "/teams/{team}/accounts"           team::list_accounts;
    post   "/teams/{team}/accounts"           team::create_account;
    get    "/teams/{team}/accounts/{id}"      team::account;
    patch  "/teams/{team}/accounts/{id}"      team::update_account;
    delete "/teams/{team}/accounts/{id}"      team::delete_account;
    post   "/teams/{team}/accounts/{id}/test" team::test_account;
    get    "/teams/{team}/overview"           team::overview;
    get    "/teams/{team}/usage"              team::usage;
    get    "/teams/{team}/requests"           team::requests;
    get    "/teams/{team}/requests/{id}"      team::receipt;
    post   "/teams/{team}/requests/{id}/adjustments" team::adjust;
    get    "/teams/{team}/alerts"             team::list_cap_alerts;
    get    "/teams/{team}/alert-addresses"    team::alert_addresses;
    put    "/teams/{team}/alert-addresses"    team::set_alert_addresses;
    get    "/teams/{team}/webhook"            team::webhook;
    put    "/teams/{team}/webhook"            team::set_webhook;
    delete "/teams/{team}/webhook"            team::remove_webhook;
    post   "/teams/{team}/webhook/test"       team::test_webhook;
    get    "/teams/{team}/audit"              team::audit;
    get    "/users"                           platform::list_users;
    get    "/users/{user}"                    platform::user;
    patch  "/users/{user}"                    platform::update_user;
    delete "/users/{user}"                    platform::delete_user;
    get    "/teams/{team}/balance"            team::balance;
    get    "/teams/{team}/ledger"             team::ledger;
    get    "/teams/{team}/statement"          team::statement;
    post   "/teams/{team}/grants"             team::grant;
    get    "/teams/{team}/auto-top-up"        team::auto_top_up;
    patch  "/teams/{team}/auto-top-up"        team::update_auto_top_up;
    delete "/teams/{team}/card"               team::remove_card;
    post   "/teams/{team}/portal"             team::open_portal;
    get    "/teams/{team}/payments"           team::list_payments;
    post   "/teams/{team}/payments"           team::create_payment;
    get    "/teams/{team}/payments/{id}"      team::payment;
    post   "/teams/{team}/redemptions"        team::redeem;
    delete "/users/{user}/second-factor"      platform::reset_factor;
}

/// The API and its description.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/api/openapi.json", web::get().to(openapi))
        .service(
            web::scope("/api/v1")
                .app_data(web::PayloadConfig::new(BODY_MAX))
                .configure(register)
                .default_service(web::route().to(answer::nowhere)),
        )
        .service(web::scope("/api").default_service(web::route().to(answer::nowhere)));
}

async fn openapi() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(OPENAPI)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_description_names_every_route_and_no_other() {
        let document: serde_json::Value = serde_json::from_str(OPENAPI).unwrap();
        let mut described = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for method in methods.as_object().unwrap().keys().filter(|key| *key != "parameters") {
                described.insert(format!("{method} {path}"));
            }
        }
        let routes = ROUTES
            .iter()
            .map(|(method, path)| format!("{method} {}", path.replace(":.+", "")));
        assert_eq!(described, routes.collect::<BTreeSet<_>>());
    }

    #[test]
    fn every_reference_of_the_description_leads_somewhere() {
        let document: serde_json::Value = serde_json::from_str(OPENAPI).unwrap();
        let mut count = 0;
        for rest in OPENAPI.split("\"$ref\": \"#").skip(1) {
            let pointer = rest.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
            count += 1;
        }
        assert!(count > 50, "{count}");
    }
}
