//! What an account may look like.
//!
//! Invariant: a checked account has a URL that the guard permits, a dialect we can speak, and numbers in range. Pure.

use super::{Grants, Models, NewAccount, Served, Standing, guard::Guard};
use crate::{fields::FieldErrors, secrets::Secret};
use gateway_core::{
    catalog::{Preset, preset},
    dialect::Dialect,
};
use reqwest::{Url, header::HeaderName};
use std::collections::HashSet;

const LABEL_MAX: usize = 80;
const SECRET_MAX: usize = 4_096;
const NAME_MAX: usize = 200;
const MODELS_MAX: usize = 1_000;
const REGION_MAX: usize = 32;
const WEIGHT_MAX: i32 = 1_000;
const PRIORITY_MAX: i32 = 1_000;
const GRANT_MAX: i64 = 1_000_000_000_000;
const HEADER_MAX: usize = 64;
/// The way to send a key that most providers know: `Authorization: Bearer …`.
pub(super) const BEARER: &str = "bearer";
/// What carries no key: words that are no headers, and headers that mean something to HTTP, as do all that begin with one of [`KINDS`].
const TAKEN: [&str; 13] = [
    "basic",
    "none",
    "connection",
    "cookie",
    "date",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];
const KINDS: [&str; 4] = ["accept", "content-", "proxy-", "x-forwarded-"];
/// The dialects that requests go out in.
const SPOKEN: [Dialect; 1] = [Dialect::Chat];

/// An account's address and key, checked.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    pub(super) dialect: Dialect,
    pub(super) base_url: Url,
    pub(super) secret: Secret,
    pub(super) auth_scheme: String,
    pub(super) proxy: Option<Secret>,
}

/// What `new` can be reached by; every field that is refused goes to `errors`.
pub(super) fn reach(new: &NewAccount, guard: &Guard, errors: &mut FieldErrors) -> Option<Reach> {
    let preset = preset(&new.provider);
    if preset.is_none() {
        errors.refuse(
            "provider",
            format!("“{}” is not a known provider. Use custom for others.", new.provider),
        );
    }
    let preset_url = preset.map_or("", |preset| preset.base_url);
    let dialect = dialect(new.dialect.as_deref().or(preset.map(|preset| preset.dialect)), errors);
    let base_url = match new.base_url.as_deref().unwrap_or(preset_url).trim() {
        "" => {
            errors.refuse(
                "base_url",
                "Write where the provider is, for example https://api.example.com/v1.",
            );
            None
        }
        text => base_url(text, guard, errors),
    };
    check_secret(&new.secret, preset, errors);
    let auth_scheme = auth_scheme(new.auth_scheme.as_deref().unwrap_or(BEARER), errors);
    check_proxy(new.proxy_url.as_ref(), guard, errors);
    Some(Reach {
        dialect: dialect?,
        base_url: base_url?,
        secret: new.secret.clone(),
        auth_scheme,
        proxy: new.proxy_url.clone(),
    })
}

fn dialect(name: Option<&str>, errors: &mut FieldErrors) -> Option<Dialect> {
    let name = name.unwrap_or(Dialect::Chat.as_str());
    let spoken = Dialect::parse(name).filter(|dialect| SPOKEN.contains(dialect));
    if spoken.is_none() {
        let names: Vec<_> = SPOKEN.iter().map(|dialect| dialect.as_str()).collect();
        errors.refuse(
            "dialect",
            format!("“{name}” cannot be used upstream. Use {}.", names.join(" or ")),
        );
    }
    spoken
}

/// The base URL in `text`, or `None` with the reason noted.
pub(super) fn base_url(text: &str, guard: &Guard, errors: &mut FieldErrors) -> Option<Url> {
    match guard.base_url(text) {
        Ok(url) => Some(url),
        Err(refusal) => {
            errors.refuse("base_url", refusal.to_string());
            None
        }
    }
}

/// Notes what is wrong with a secret.
pub(super) fn check_secret(secret: &Secret, preset: Option<&Preset>, errors: &mut FieldErrors) {
    let text = secret.expose();
    if text.is_empty() && preset.is_some_and(|preset| preset.needs_key) {
        errors.refuse("secret", "This provider answers nobody without a key.");
    }
    if text.len() > SECRET_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        errors.refuse(
            "secret",
            "A key has no spaces and only letters, digits and signs of ASCII.",
        );
    }
}

/// How a key is sent, in lower case; what is wrong with it is noted.
pub(super) fn auth_scheme(text: &str, errors: &mut FieldErrors) -> String {
    let name = text.trim().to_ascii_lowercase();
    let is_header = name.len() <= HEADER_MAX && HeaderName::from_bytes(name.as_bytes()).is_ok();
    let is_taken = TAKEN.contains(&name.as_str()) || KINDS.iter().any(|kind| name.starts_with(kind));
    if !is_header || is_taken {
        errors.refuse(
            "auth_scheme",
            "Write bearer, or the name of the header that carries the key alone, for example api-key.",
        );
    }
    name
}

/// Notes what is wrong with a proxy.
pub(super) fn check_proxy(proxy: Option<&Secret>, guard: &Guard, errors: &mut FieldErrors) {
    if let Some(Err(refusal)) = proxy.map(|proxy| guard.proxy_url(proxy.expose())) {
        errors.refuse("proxy_url", refusal.to_string());
    }
}

/// Notes what is wrong with a label.
pub(super) fn check_label(label: &str, errors: &mut FieldErrors) {
    let is_shown = !label.trim().is_empty() && !label.chars().any(char::is_control);
    if !is_shown || label.chars().count() > LABEL_MAX {
        errors.refuse(
            "label",
            format!("Write 1 to {LABEL_MAX} characters, for example OpenAI main."),
        );
    }
}

/// Notes what is wrong with an account's standing and grants.
pub(super) fn check_numbers(standing: &Standing, grants: &Grants, errors: &mut FieldErrors) {
    if !(-PRIORITY_MAX..=PRIORITY_MAX).contains(&standing.priority) {
        errors.refuse(
            "priority",
            format!("Write a number from -{PRIORITY_MAX} to {PRIORITY_MAX}; lower goes first."),
        );
    }
    if !(1..=WEIGHT_MAX).contains(&standing.weight) {
        errors.refuse("weight", format!("Write a number from 1 to {WEIGHT_MAX}."));
    }
    let is_tag = |region: &str| {
        let letters = region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        !region.is_empty() && region.len() <= REGION_MAX && letters
    };
    if standing.region.as_deref().is_some_and(|region| !is_tag(region)) {
        errors.refuse("region", "Write letters, digits and hyphens, for example eu.");
    }
    let grants = [
        ("rpm", grants.rpm),
        ("tpm", grants.tpm),
        ("max_in_flight", grants.max_in_flight),
    ];
    for (field, grant) in grants {
        if grant.is_some_and(|grant| !(1..=GRANT_MAX).contains(&grant)) {
            errors.refuse(
                field,
                "Write a whole number above zero, or leave it empty for no limit.",
            );
        }
    }
}

/// Notes what is wrong with a list of models.
pub(super) fn check_models(models: &Models, errors: &mut FieldErrors) {
    let Models::Named(named) = models else { return };
    if named.is_empty() || named.len() > MODELS_MAX {
        errors.refuse("models", format!("Name 1 to {MODELS_MAX} models, or “*” for all."));
    }
    let is_name = |name: &str| {
        let printable = !name.chars().any(|letter| letter.is_control() || letter.is_whitespace());
        !name.is_empty() && name.len() <= NAME_MAX && printable && name != "*"
    };
    let mut seen = HashSet::new();
    for Served { model, upstream_model } in named {
        if !is_name(model) || upstream_model.as_deref().is_some_and(|name| !is_name(name)) {
            errors.refuse("models", format!("“{model}” is not a model's name."));
        } else if !seen.insert(model) {
            errors.refuse("models", format!("“{model}” is named twice."));
        }
    }
}

/// Scheme, host and port of `url`: what a secret is bound to.
pub(super) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// `url` as rows keep it: without a trailing slash.
pub(super) fn stored(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

/// `proxy` as people see it: without user name and password.
pub(super) fn shown_proxy(proxy: &Secret) -> Option<String> {
    let url = Url::parse(proxy.expose()).ok()?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{}://{}{port}", url.scheme(), url.host_str()?))
}
