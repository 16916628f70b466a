//! What an account may look like.
//!
//! Invariant: a checked account has a URL that the guard permits, a dialect we can speak, and numbers in range. Pure.

use super::{
    Grants, Models, NewAccount, Served, Standing,
    google::{self, ServiceAccount},
    guard::Guard,
    sign::Keys,
};
use crate::{
    fields::{FieldErrors, check_region},
    secrets::Secret,
};
use gateway_core::{
    catalog::{Preset, auth, preset},
    dialect::Dialect,
};
use reqwest::{Url, header::HeaderName};
use std::collections::HashSet;

const LABEL_MAX: usize = 80;
const SECRET_MAX: usize = 4_096;
/// A key file has about 2,400 bytes.
const FILE_MAX: usize = 16_384;
const NAME_MAX: usize = 200;
const MODELS_MAX: usize = 1_000;
const WEIGHT_MAX: i32 = 1_000;
const PRIORITY_MAX: i32 = 1_000;
const GRANT_MAX: i64 = 1_000_000_000_000;
const HEADER_MAX: usize = 64;
/// The provider that is none of those known.
pub(super) const CUSTOM: &str = "custom";
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
    let dialect = dialect(new.dialect.as_deref(), preset, errors);
    let base_url = match new.base_url.as_deref().unwrap_or(preset_url).trim() {
        "" => {
            let example = preset.map(|preset| preset.base_url_example);
            let example = example
                .filter(|example| !example.is_empty())
                .unwrap_or("https://api.example.com/v1");
            errors.refuse(
                "base_url",
                format!("Write where the provider is, for example {example}."),
            );
            None
        }
        text => base_url(text, guard, errors),
    };
    let typed = new.auth_scheme.as_deref().unwrap_or_else(|| scheme_of(preset));
    let auth_scheme = auth_scheme(typed, preset, errors);
    let secret = secret(&new.secret, preset, &auth_scheme, guard, errors);
    if let Some(url) = &base_url {
        check_place(url, preset, errors);
    }
    check_proxy(new.proxy_url.as_ref(), guard, errors);
    Some(Reach {
        dialect: dialect?,
        base_url: base_url?,
        secret,
        auth_scheme,
        proxy: new.proxy_url.clone(),
    })
}

/// How keys are sent to the provider of `preset` where nobody says otherwise.
pub(super) fn scheme_of(preset: Option<&Preset>) -> &'static str {
    preset.map_or(auth::BEARER, |preset| preset.auth)
}

fn dialect(name: Option<&str>, preset: Option<&Preset>, errors: &mut FieldErrors) -> Option<Dialect> {
    let spoken = preset.map_or(&[Dialect::Chat][..], |preset| preset.dialects);
    let Some(name) = name else {
        return spoken.first().copied();
    };
    let found = Dialect::parse(name).filter(|dialect| spoken.contains(dialect));
    if found.is_none() {
        let names: Vec<_> = spoken.iter().map(|dialect| dialect.as_str()).collect();
        errors.refuse(
            "dialect",
            format!("“{name}” cannot be used upstream. Use {}.", names.join(" or ")),
        );
    }
    found
}

/// Notes where the address of a provider lacks what only the operator knows.
pub(super) fn check_place(url: &Url, preset: Option<&Preset>, errors: &mut FieldErrors) {
    let Some(preset) = preset else { return };
    let path = url.path().trim_end_matches('/');
    let has = |word: &str| {
        path.split('/')
            .skip_while(|part| *part != word)
            .nth(1)
            .is_some_and(|part| !part.is_empty())
    };
    let is_right = match preset.id {
        "vertex" => has("projects") && has("locations") && !path.contains("/publishers"),
        "bedrock" => path.is_empty(),
        "azure" if path.contains("/deployments") => url.query().is_some(),
        _ => url.query().is_none(),
    };
    if !is_right {
        let why = match preset.id {
            "vertex" => "The address of Vertex AI names a project and a location",
            "bedrock" => "The address of Bedrock has no path",
            "azure" => "The address of a deployment has an api-version, and other addresses of Azure have none",
            _ => "Only Azure's addresses have an api-version",
        };
        let example = match preset.base_url_example {
            "" => preset.base_url,
            example => example,
        };
        let example = if example.is_empty() {
            "https://api.example.com/v1"
        } else {
            example
        };
        errors.refuse("base_url", format!("{why}, for example {example}."));
    }
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

/// The secret as it is kept; what is wrong with it is noted.
pub(super) fn secret(
    secret: &Secret,
    preset: Option<&Preset>,
    auth_scheme: &str,
    guard: &Guard,
    errors: &mut FieldErrors,
) -> Secret {
    let text = secret.expose();
    if text.is_empty() && preset.is_some_and(|preset| preset.needs_key) {
        errors.refuse("secret", "This provider answers nobody without a key.");
    }
    if auth_scheme == auth::SERVICE_ACCOUNT && !text.is_empty() {
        if text.len() > FILE_MAX {
            errors.refuse("secret", "That is too long for a service account's key file.");
        } else if let Err(reason) = ServiceAccount::parse(text, guard) {
            errors.refuse("secret", reason.to_string());
        }
        return google::compact(secret);
    }
    if text.len() > SECRET_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        errors.refuse(
            "secret",
            "A key has no spaces and only letters, digits and signs of ASCII.",
        );
    } else if auth_scheme == auth::SIGV4 && text.contains(':') && Keys::parse(text, "").is_none() {
        errors.refuse(
            "secret",
            "Write ACCESS_KEY_ID:SECRET_ACCESS_KEY, with :SESSION_TOKEN behind where they are temporary, or a Bedrock API key.",
        );
    }
    secret.clone()
}

/// How a key is sent, in lower case; what is wrong with it is noted.
pub(super) fn auth_scheme(text: &str, preset: Option<&Preset>, errors: &mut FieldErrors) -> String {
    let name = text.trim().to_ascii_lowercase();
    let own = scheme_of(preset);
    if [auth::SERVICE_ACCOUNT, auth::SIGV4]
        .iter()
        .any(|scheme| [own, &name].contains(scheme))
    {
        if name != own && name != auth::BEARER {
            errors.refuse("auth_scheme", format!("Write {own}, which this provider knows."));
        }
        return name;
    }
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
    if let Some(region) = &standing.region {
        errors.note("region", check_region(region));
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
pub(super) fn check_models(models: &Models, preset: Option<&Preset>, errors: &mut FieldErrors) {
    let Models::Named(named) = models else {
        if let Some(preset) = preset.filter(|preset| preset.names_models) {
            let example = match preset.id {
                "azure" => "gpt-5 = my-deployment",
                "vertex" => "claude-haiku-4-5 = claude-haiku-4-5@20251001",
                _ => "claude-haiku-4-5 = eu.anthropic.claude-haiku-4-5-20251001-v1:0",
            };
            errors.refuse(
                "models",
                format!("Name the models, for they have names of their own there: {example}."),
            );
        }
        return;
    };
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
