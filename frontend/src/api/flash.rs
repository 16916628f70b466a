//! What one page leaves for the next: typed values with their errors, a new key's secret, a sentence.
//!
//! Every form is a plain POST to `/fn/…` that answers with a redirect; the flash is a sealed cookie that lives a minute and is
//! shown once. So forms work without script, and a secret is stored nowhere.
//!
//! Invariant: passwords are never in it, and an upstream secret only sealed once more; a new customer key is, sealed for the
//! browser that made it. Whoever sends a form is led to a page of ours, nowhere else.

use super::ApiError;
use super::accounts::TestView;
#[cfg(feature = "ssr")]
use super::keys::KeyWithSecret;
#[cfg(feature = "ssr")]
use super::{Code, session::SetCookie};
#[cfg(feature = "ssr")]
use leptos::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The cookie's name.
pub const COOKIE: &str = "ourhub-flash";

/// Where a password is asked for once more.
#[cfg(feature = "ssr")]
const CONFIRM: &str = "/confirm";
/// How long the cookie lives, in seconds.
#[cfg(feature = "ssr")]
const LIFE_S: u32 = 60;

/// What the page before left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Flash {
    /// The page it is for; other pages ignore it.
    pub page: String,
    /// Field name → what was typed.
    pub typed: BTreeMap<String, String>,
    /// What was wrong.
    pub error: Option<ApiError>,
    /// The secret of a key, a token or a webhook, the link of an invitation, or codes, one a line, just made.
    pub secret: Option<String>,
    /// The outcome of a test of an upstream account.
    pub test: Option<TestView>,
    /// A finished act, in the past tense.
    pub note: Option<String>,
}

impl Flash {
    /// What was typed into `field`, or `or` where nothing was submitted.
    #[must_use]
    pub fn value(&self, field: &str, or: &str) -> String {
        if self.typed.is_empty() {
            or.to_owned()
        } else {
            self.typed.get(field).cloned().unwrap_or_default()
        }
    }

    /// What is wrong with `field`.
    #[must_use]
    pub fn error_of(&self, field: &str) -> Option<String> {
        self.error.as_ref().and_then(|error| error.of(field)).map(str::to_owned)
    }
}

/// A finished act: where to go, what to leave there.
#[cfg(feature = "ssr")]
#[derive(Clone, Debug, Default)]
pub struct Done {
    to: String,
    cookie: Option<SetCookie>,
    flash: Flash,
}

#[cfg(feature = "ssr")]
impl Done {
    /// Goes to the page `to`.
    #[must_use]
    pub fn to(to: impl Into<String>) -> Self {
        Self {
            to: to.into(),
            ..Self::default()
        }
    }

    /// Sets a cookie too.
    #[must_use]
    pub fn with_cookie(mut self, cookie: SetCookie) -> Self {
        self.cookie = Some(cookie);
        self
    }

    /// Leaves a sentence.
    #[must_use]
    pub fn saying(mut self, note: impl Into<String>) -> Self {
        self.flash.note = Some(note.into());
        self
    }

    /// Leaves the secret of a new key, to show it once.
    #[must_use]
    pub fn showing(mut self, made: KeyWithSecret) -> Self {
        self.flash.secret = Some(made.key);
        self
    }

    /// Leaves secrets just made, one a line, to show them once.
    #[must_use]
    pub fn revealing(mut self, secrets: String) -> Self {
        self.flash.secret = Some(secrets);
        self
    }

    /// Leaves what was typed, to go on with it.
    #[must_use]
    pub fn keeping(mut self, typed: BTreeMap<String, String>) -> Self {
        self.flash.typed = typed;
        self
    }

    /// Leaves the outcome of a test.
    #[must_use]
    pub fn tested(mut self, test: TestView) -> Self {
        self.flash.test = Some(test);
        self
    }
}

/// The typed values that may be shown again.
#[must_use]
pub fn typed<const N: usize>(fields: [(&str, &str); N]) -> BTreeMap<String, String> {
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The typed values of a form whose fields are all texts.
#[must_use]
pub fn typed_form(form: &impl Serialize) -> BTreeMap<String, String> {
    serde_json::to_value(form)
        .and_then(serde_json::from_value)
        .unwrap_or_default()
}

/// Answers a form: to `done`'s page, or back to `page` with what was typed and what was wrong.
///
/// # Errors
/// The refusal itself, where the caller is a script and not a form.
#[cfg(feature = "ssr")]
pub fn finish(page: &str, typed: BTreeMap<String, String>, result: Result<Done, ApiError>) -> Result<(), ApiError> {
    match result {
        Ok(done) => {
            if let Some(cookie) = &done.cookie {
                set_cookie(&cookie.0);
            }
            let page = path_of(&done.to).to_owned();
            leave(&Flash { page, ..done.flash })?;
            lead_to(&done.to);
            Ok(())
        }
        Err(error) if error.code == Code::Unauthenticated && page != "/login" => {
            lead_to("/login");
            Ok(())
        }
        Err(error) if error.code == Code::Unconfirmed && wants_page() => {
            leave_typed(CONFIRM, None, typed)?;
            lead_to(&confirm_page(page));
            Ok(())
        }
        Err(error) if wants_page() => {
            leave_typed(page, Some(error), typed)?;
            lead_to(page);
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// The page that asks for the password, then leads to `to`.
#[cfg(feature = "ssr")]
#[must_use]
pub fn confirm_page(to: &str) -> String {
    format!("{CONFIRM}?to={}", leptos_router::location::Url::escape(to))
}

/// `to` where it is a page of ours, else the overview: nobody is led elsewhere by a link to us.
#[must_use]
pub fn own_page(to: &str) -> &str {
    let is_own = to.starts_with('/') && !to.starts_with("//") && to.bytes().all(|letter| letter.is_ascii_graphic());
    if is_own && !to.contains('\\') { to } else { "/overview" }
}

#[cfg(feature = "ssr")]
fn path_of(page: &str) -> &str {
    page.split('?').next().unwrap_or_default()
}

/// Leads whoever sent the form to `to`. What cannot stand in a header is no page.
#[cfg(feature = "ssr")]
fn lead_to(to: &str) {
    use actix_web::http::{
        StatusCode,
        header::{HeaderValue, LOCATION},
    };
    if let (Some(response), Ok(to)) = (
        use_context::<leptos_actix::ResponseOptions>(),
        HeaderValue::from_str(own_page(to)),
    ) {
        response.insert_header(LOCATION, to);
        response.set_status(StatusCode::FOUND);
    }
}

/// Leaves for `page` what was wrong and what was typed. That may be longer than a cookie; then at least what was wrong is told.
#[cfg(feature = "ssr")]
fn leave_typed(page: &str, error: Option<ApiError>, typed: BTreeMap<String, String>) -> Result<(), ApiError> {
    let refused = Flash {
        page: path_of(page).to_owned(),
        error,
        ..Flash::default()
    };
    let with_typed = Flash {
        typed,
        ..refused.clone()
    };
    leave(&with_typed).or_else(|_| leave(&refused))
}

/// What the page before left for `page`; shown once. Call it while the page is built, before anything is awaited.
#[must_use]
pub fn take(page: &str) -> Flash {
    #[cfg(feature = "ssr")]
    if let Some(flash) = read().filter(|flash| flash.page == path_of(page)) {
        set_cookie(&cookie_text(COOKIE, "", 0));
        return flash;
    }
    let _ = page;
    Flash::default()
}

#[cfg(feature = "ssr")]
fn read() -> Option<Flash> {
    let text = super::backend().ok()?.open(&cookie(COOKIE)?)?;
    serde_json::from_str(&text).ok()
}

/// The value of the cookie `name` that came with the request.
#[cfg(feature = "ssr")]
pub(super) fn cookie(name: &str) -> Option<String> {
    let request = use_context::<leptos_actix::Request>()?;
    let cookies = request.headers().get("cookie")?.to_str().ok()?;
    let value = |cookie: &str| Some(cookie.strip_prefix(name)?.strip_prefix('=')?.to_owned());
    cookies.split("; ").find_map(value)
}

#[cfg(feature = "ssr")]
fn leave(flash: &Flash) -> Result<(), ApiError> {
    if *flash
        == (Flash {
            page: flash.page.clone(),
            ..Flash::default()
        })
    {
        return Ok(());
    }
    let text = serde_json::to_string(flash).map_err(|_| ApiError::new(Code::Internal))?;
    let sealed = super::backend()?.seal(&text)?;
    set_cookie(&cookie_text(COOKIE, &sealed, LIFE_S));
    Ok(())
}

/// A cookie's text; over https it is sent over https alone.
#[cfg(feature = "ssr")]
pub(super) fn cookie_text(name: &str, value: &str, life_s: u32) -> String {
    let is_https = use_context::<crate::Assets>().is_some_and(|assets| assets.public_url.starts_with("https:"));
    let secure = if is_https { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; Max-Age={life_s}; HttpOnly; SameSite=Lax{secure}")
}

#[cfg(feature = "ssr")]
pub(super) fn set_cookie(text: &str) {
    use actix_web::http::header::{HeaderValue, SET_COOKIE};
    use leptos_actix::ResponseOptions;
    if let (Some(response), Ok(value)) = (use_context::<ResponseOptions>(), HeaderValue::from_str(text)) {
        response.append_header(SET_COOKIE, value);
    }
}

#[cfg(feature = "ssr")]
fn wants_page() -> bool {
    use_context::<leptos_actix::Request>()
        .and_then(|request| {
            request
                .headers()
                .get("accept")
                .and_then(|value| value.to_str().ok().map(str::to_owned))
        })
        .is_some_and(|accept| accept.contains("text/html"))
}
