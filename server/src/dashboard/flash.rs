//! Sealing what one page leaves for the next, for the browser of whoever left it.
//!
//! Invariant: a sealed text opens for [`LIFE_MS`] only, and only for the user it was sealed for. Pure, but for randomness.

use super::{Principal, Refusal, Who};
use crate::secrets::{Binding, Secret};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use frontend::api::{ApiError, Code};

/// How long a flash can be opened, in milliseconds.
const LIFE_MS: i64 = 60_000;
/// The longest flash: browsers keep cookies of 4 KiB.
const SEALED_MAX: usize = 3_800;

impl Principal {
    pub(super) fn seal_flash(&self, text: &str) -> Result<String, Refusal> {
        let dated = Secret::new(format!("{} {text}", self.now_ms()));
        let sealed = URL_SAFE_NO_PAD.encode(self.app.master.seal(&dated, &self.flash_binding())?);
        if sealed.len() > SEALED_MAX {
            return Err(ApiError::because(Code::Invalid, "That is too long. Shorten it, then try again.").into());
        }
        Ok(sealed)
    }

    pub(super) fn open_flash(&self, sealed: &str) -> Option<String> {
        if sealed.len() > SEALED_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let dated = self.app.master.open(&bytes, &self.flash_binding()).ok()?;
        let (sealed_at, text) = dated.expose().split_once(' ')?;
        let age_ms = self.now_ms().checked_sub(sealed_at.parse().ok()?)?;
        (0..LIFE_MS).contains(&age_ms).then(|| text.to_owned())
    }

    fn flash_binding(&self) -> Binding<'static> {
        let user_id = match &self.who {
            Who::Browser(session) => session.person.user_id,
            Who::Token(person) => person.user_id,
            Who::Nobody | Who::Unknown => 0,
        };
        Binding {
            table: "flash",
            row: user_id,
            column: "cookie",
            origin: "",
        }
    }
}
