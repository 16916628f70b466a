//! The services elsewhere that sign people in, as they are configured.
//!
//! Invariant: a service is configured whole or not at all. Pure.

use super::{ConfigError, flags::SignInFlags};
use crate::auth::{Provider, SettingError};

/// The services that `flags` configure, in the order in which they are shown.
pub(super) fn providers(flags: &SignInFlags) -> Result<Vec<Provider>, ConfigError> {
    let google = whole(&flags.google_client_id, &flags.google_client_secret)
        .map(|(id, secret)| Provider::google(id, secret, flags.google_issuer.as_deref()));
    let github = whole(&flags.github_client_id, &flags.github_client_secret).map(|(id, secret)| {
        let (url, api) = (flags.github_url.as_deref(), flags.github_api_url.as_deref());
        Provider::github(id, secret, url, api)
    });
    let oidc = whole(&flags.oidc_client_id, &flags.oidc_client_secret)
        .map(|(id, secret)| Provider::oidc(id, secret, flags.oidc_issuer.as_deref(), &flags.oidc_name));
    let services = [("GOOGLE", google), ("GITHUB", github), ("OIDC", oidc)];
    let made = services
        .into_iter()
        .filter_map(|(service, made)| Some(made?.map_err(|error| named(service, error))));
    made.collect()
}

/// Both where either is set.
fn whole<'a>(id: &'a Option<String>, secret: &'a Option<String>) -> Option<(&'a str, &'a str)> {
    let is_set = id.is_some() || secret.is_some();
    is_set.then(|| (id.as_deref().unwrap_or_default(), secret.as_deref().unwrap_or_default()))
}

fn named(service: &str, (end, reason): SettingError) -> ConfigError {
    let setting = match (service, end) {
        ("GOOGLE", "CLIENT_ID") => "OURHUB_GOOGLE_CLIENT_ID",
        ("GOOGLE", "CLIENT_SECRET") => "OURHUB_GOOGLE_CLIENT_SECRET",
        ("GOOGLE", _) => "OURHUB_GOOGLE_ISSUER",
        ("GITHUB", "CLIENT_ID") => "OURHUB_GITHUB_CLIENT_ID",
        ("GITHUB", "CLIENT_SECRET") => "OURHUB_GITHUB_CLIENT_SECRET",
        ("GITHUB", "API_URL") => "OURHUB_GITHUB_API_URL",
        ("GITHUB", _) => "OURHUB_GITHUB_URL",
        (_, "CLIENT_ID") => "OURHUB_OIDC_CLIENT_ID",
        (_, "CLIENT_SECRET") => "OURHUB_OIDC_CLIENT_SECRET",
        (_, "NAME") => "OURHUB_OIDC_NAME",
        _ => "OURHUB_OIDC_ISSUER",
    };
    ConfigError::new(setting, reason)
}
