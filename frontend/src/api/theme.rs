//! Light or dark, where a visitor prefers another than the system does.
//!
//! Invariant: kept in a cookie of the browser alone, and written into the page by the server, so that nothing flashes.

use super::ApiError;
#[cfg(feature = "ssr")]
use super::flash::{self, Done};
#[cfg(feature = "ssr")]
use super::session::SetCookie;
use leptos::prelude::*;

/// The cookie's name.
#[cfg(feature = "ssr")]
const COOKIE: &str = "ourhub-theme";
/// How long the choice is kept, in seconds: a year.
#[cfg(feature = "ssr")]
const LIFE_S: u32 = 365 * 24 * 3_600;
/// What can be chosen; anything else leaves it to the system.
#[cfg(feature = "ssr")]
const THEMES: [&str; 2] = ["light", "dark"];

/// What this visitor chose; none: the system decides.
#[cfg(feature = "ssr")]
#[must_use]
pub fn chosen() -> Option<&'static str> {
    let cookie = flash::cookie(COOKIE)?;
    THEMES.into_iter().find(|theme| *theme == cookie)
}

/// The choice on the settings page: light, dark, or anything else for the system's.
#[server(prefix = "/fn", endpoint = "set_theme")]
pub async fn set_theme(#[server(default)] theme: String) -> Result<(), ApiError> {
    let (theme, life_s) = match THEMES.into_iter().find(|known| *known == theme) {
        Some(theme) => (theme, LIFE_S),
        None => ("", 0),
    };
    let cookie = flash::cookie_text(COOKIE, theme, life_s);
    let done = Done::to("/settings").with_cookie(SetCookie(cookie));
    flash::finish("/settings", flash::typed([]), Ok(done))
}
