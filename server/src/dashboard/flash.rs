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
        self.seal_for(self.sealed_for(), seal, text)
    }

    /// The same, for the user `user_id`, who is signed in from now on.
    pub(super) fn seal_for(&self, user_id: i64, seal: &Seal, text: &str) -> Result<String, Refusal> {
        let dated = Secret::new(format!("{} {text}", self.now_ms()));
        let sealed = URL_SAFE_NO_PAD.encode(self.app.master.seal(&dated, &binding(user_id, seal))?);
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
        let dated = self.app.master.open(&bytes, &binding(self.sealed_for(), seal)).ok()?;
        let (sealed_at, text) = dated.expose().split_once(' ')?;
        let age_ms = self.now_ms().checked_sub(sealed_at.parse().ok()?)?;
        (0..seal.life_ms).contains(&age_ms).then(|| text.to_owned())
    }

    /// The user whom sealed texts are for; 0 where nobody is signed in.
    pub(super) const fn sealed_for(&self) -> i64 {
        match &self.who {
            Who::Browser(session) => session.person.user_id,
            Who::Token(person) => person.user_id,
            Who::Nobody | Who::Unknown => 0,
        }
    }
}

const fn binding(user_id: i64, seal: &Seal) -> Binding<'static> {
    Binding {
        table: "flash",
        row: user_id,
        column: seal.name,
        origin: "",
    }
}
