//! Sealing what one page leaves for the next, for the browser of whoever left it.
//!
//! Invariant: a sealed text opens for its kind's time only, only as what it was sealed as, and only for the user it was
//! sealed for. Pure, but for randomness.

use super::{Principal, Refusal, Who};
use crate::secrets::{Binding, Secret};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use frontend::api::{ApiError, Code};

/// The longest sealed text: browsers keep cookies of 4 KiB.
const SEALED_MAX: usize = 3_800;

/// A kind of sealed text.
pub(super) struct Seal {
    pub name: &'static str,
    pub life_ms: i64,
}

/// A cookie from one page to the next.
pub(super) const FLASH: Seal = Seal {
    name: "cookie",
    life_ms: 60_000,
};
/// A field of a form that is sent again.
pub(super) const KEPT: Seal = Seal {
    name: "kept",
    life_ms: 15 * 60_000,
};

impl Principal {
    pub(super) fn seal_text(&self, seal: &Seal, text: &str) -> Result<String, Refusal> {
        let dated = Secret::new(format!("{} {text}", self.now_ms()));
        let sealed = URL_SAFE_NO_PAD.encode(self.app.master.seal(&dated, &self.binding(seal))?);
        if sealed.len() > SEALED_MAX {
            return Err(ApiError::because(Code::Invalid, "That is too long. Shorten it, then try again.").into());
        }
        Ok(sealed)
    }

    pub(super) fn open_text(&self, seal: &Seal, sealed: &str) -> Option<String> {
        if sealed.len() > SEALED_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let dated = self.app.master.open(&bytes, &self.binding(seal)).ok()?;
        let (sealed_at, text) = dated.expose().split_once(' ')?;
        let age_ms = self.now_ms().checked_sub(sealed_at.parse().ok()?)?;
        (0..seal.life_ms).contains(&age_ms).then(|| text.to_owned())
    }

    fn binding(&self, seal: &Seal) -> Binding<'static> {
        let user_id = match &self.who {
            Who::Browser(session) => session.person.user_id,
            Who::Token(person) => person.user_id,
            Who::Nobody | Who::Unknown => 0,
        };
        Binding {
            table: "flash",
            row: user_id,
            column: seal.name,
            origin: "",
        }
    }
}
