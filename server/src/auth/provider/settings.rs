//! Which services are configured, and how they are reached.
//!
//! Invariant: a client secret goes to https, or to this machine; it is in no log. Pure.

use super::ProviderError;
use crate::secrets::Secret;
use reqwest::Url;
use serde::{Deserialize, Serialize};

const GOOGLE: &str = "https://accounts.google.com";
const GITHUB: &str = "https://github.com";
const GITHUB_API: &str = "https://api.github.com";
/// The most characters of a name on a button.
const LABEL_MAX: usize = 40;

/// A kind of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderKind {
    /// Google, by OpenID Connect.
    Google,
    /// GitHub, or GitHub Enterprise.
    Github,
    /// Any issuer of OpenID Connect.
    Oidc,
}

impl ProviderKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Google, Self::Github, Self::Oidc];

    /// As it stands in addresses and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Google => "google",
            Self::Github => "github",
            Self::Oidc => "oidc",
        }
    }

    /// Whether it can be asked to have somebody log in anew, and say that they did.
    #[must_use]
    pub const fn confirms(self) -> bool {
        matches!(self, Self::Oidc)
    }

    /// The kind called `name`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One service.
#[derive(Clone, Debug)]
pub struct Provider {
    /// What it is.
    pub kind: ProviderKind,
    /// What people call it.
    pub label: String,
    /// What it calls us.
    pub client_id: String,
    pub(super) client_secret: Secret,
    /// The issuer, letter for letter, or the address of GitHub.
    pub(super) issuer: String,
    /// Where GitHub's API is.
    pub(super) api: String,
}

/// Why a service cannot be configured so: the end of the setting's name, and what would be right.
pub type SettingError = (&'static str, &'static str);

const ID: SettingError = (
    "CLIENT_ID",
    "the client secret is set and this is not; set both, or none",
);
const SECRET: SettingError = (
    "CLIENT_SECRET",
    "the client id is set and this is not; set both, or none",
);
const WHERE: &str = "write an https address without a query, or an http one of this machine for a stand-in";

impl Provider {
    /// Google, or a stand-in at `issuer`.
    ///
    /// # Errors
    /// [`SettingError`].
    pub fn google(id: &str, secret: &str, issuer: Option<&str>) -> Result<Self, SettingError> {
        let issuer = issuer.unwrap_or(GOOGLE).trim();
        demand(is_safe(issuer), ("ISSUER", WHERE))?;
        Self::of(ProviderKind::Google, "Google", (id, secret), issuer)
    }

    /// GitHub, or GitHub Enterprise at `url`, whose API is at `api` unless it is at `url`/api/v3.
    ///
    /// # Errors
    /// [`SettingError`].
    pub fn github(id: &str, secret: &str, url: Option<&str>, api: Option<&str>) -> Result<Self, SettingError> {
        let url = url.unwrap_or(GITHUB).trim().trim_end_matches('/');
        demand(is_safe(url), ("URL", WHERE))?;
        let api = match api {
            Some(api) => api.trim().trim_end_matches('/').to_owned(),
            None if url == GITHUB => GITHUB_API.to_owned(),
            None => format!("{url}/api/v3"),
        };
        demand(is_safe(&api), ("API_URL", WHERE))?;
        let provider = Self::of(ProviderKind::Github, "GitHub", (id, secret), url)?;
        Ok(Self { api, ..provider })
    }

    /// Any issuer, called `label` on buttons.
    ///
    /// # Errors
    /// [`SettingError`].
    pub fn oidc(id: &str, secret: &str, issuer: Option<&str>, label: &str) -> Result<Self, SettingError> {
        let needed = "write the issuer's address as the service names it, for example https://login.example.com";
        let issuer = issuer.map(str::trim).filter(|issuer| !issuer.is_empty());
        let issuer = issuer.ok_or(("ISSUER", needed))?;
        demand(is_safe(issuer), ("ISSUER", WHERE))?;
        let label = label.trim();
        let is_label = !label.is_empty() && label.chars().count() <= LABEL_MAX && !label.contains(char::is_control);
        demand(
            is_label,
            ("NAME", "write a name of at most 40 characters for the button"),
        )?;
        Self::of(ProviderKind::Oidc, label, (id, secret), issuer)
    }

    fn of(kind: ProviderKind, label: &str, (id, secret): (&str, &str), issuer: &str) -> Result<Self, SettingError> {
        demand(!id.trim().is_empty(), ID)?;
        demand(!secret.trim().is_empty(), SECRET)?;
        Ok(Self {
            kind,
            label: label.to_owned(),
            client_id: id.trim().to_owned(),
            client_secret: Secret::new(secret.trim().to_owned()),
            issuer: issuer.to_owned(),
            api: String::new(),
        })
    }

    /// What is asked for: the address, and nothing that could be changed there.
    pub(super) const fn scope(&self) -> &'static str {
        match self.kind {
            ProviderKind::Github => "user:email",
            ProviderKind::Google | ProviderKind::Oidc => "openid email",
        }
    }

    /// Who vouches, as it stands in the database.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whether it is on this machine, without TLS.
    pub(super) fn is_plain(&self) -> bool {
        self.issuer.starts_with("http:")
    }

    pub(super) fn invalid(&self, reason: &'static str) -> ProviderError {
        ProviderError::Invalid {
            label: self.label.clone(),
            reason,
        }
    }

    pub(super) fn down(&self, reason: impl Into<String>) -> ProviderError {
        ProviderError::Down {
            label: self.label.clone(),
            reason: reason.into(),
        }
    }
}

fn demand(is_so: bool, error: SettingError) -> Result<(), SettingError> {
    if is_so { Ok(()) } else { Err(error) }
}

/// Whether a secret may be sent to `base`: over TLS, or to this machine.
fn is_safe(base: &str) -> bool {
    let Ok(url) = Url::parse(base) else { return false };
    let is_bare = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    let is_here = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    is_bare && url.password().is_none() && (url.scheme() == "https" || url.scheme() == "http" && is_here)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_service_has_its_own_address_unless_another_is_named() {
        let google = Provider::google("id", "secret", None).unwrap();
        assert_eq!(google.issuer(), "https://accounts.google.com");
        let github = Provider::github(" id ", "secret", None, None).unwrap();
        assert_eq!(
            (github.client_id.as_str(), github.issuer(), github.api.as_str()),
            ("id", "https://github.com", "https://api.github.com")
        );
        let enterprise = Provider::github("id", "secret", Some("https://git.example.com/"), None).unwrap();
        assert_eq!(enterprise.api, "https://git.example.com/api/v3");
        // The slash at the end is a part of an issuer's name.
        let other = Provider::oidc("id", "secret", Some("https://login.example.com/"), "Example").unwrap();
        assert_eq!(other.issuer(), "https://login.example.com/");
        assert!(!format!("{other:?}").contains("\"secret\""));
    }

    #[test]
    fn half_of_a_service_and_a_secret_in_the_clear_are_refused() {
        for (id, secret, issuer, setting) in [
            ("", "s", "https://x.example", "CLIENT_ID"),
            ("i", " ", "https://x.example", "CLIENT_SECRET"),
            ("i", "s", "", "ISSUER"),
            ("i", "s", "http://x.example", "ISSUER"),
            ("i", "s", "https://user:pw@x.example", "ISSUER"),
            ("i", "s", "https://x.example?a=b", "ISSUER"),
        ] {
            let refused = Provider::oidc(id, secret, Some(issuer), "X").unwrap_err();
            assert_eq!(refused.0, setting, "{id} {secret} {issuer}");
        }
        assert!(Provider::oidc("i", "s", Some("http://127.0.0.1:4000"), "X").is_ok());
        assert_eq!(Provider::oidc("i", "s", Some("https://x"), "").unwrap_err().0, "NAME");
        assert_eq!(
            Provider::github("i", "s", None, Some("http://api.example.com"))
                .unwrap_err()
                .0,
            "API_URL"
        );
    }
}
