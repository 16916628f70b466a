//! Who may sign up: everybody, who is invited, or nobody; and from which domains.
//!
//! Invariant: the domains hold for whoever signs up, invited or not; who has an account already is not concerned. Reads and
//! writes the setting `sign_up`.

use super::{Auth, AuthError, Person};
use crate::fields::FieldErrors;
use entity::setting;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, Set};
use serde::{Deserialize, Serialize};

const NAME: &str = "sign_up";
/// Domains that can be listed.
const DOMAINS_MAX: usize = 100;

/// Who may sign up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignUpMode {
    /// Everybody.
    #[default]
    Open,
    /// Who has an invitation into a team.
    Invited,
    /// Nobody.
    Closed,
}

impl SignUpMode {
    /// Its name in forms and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Invited => "invited",
            Self::Closed => "closed",
        }
    }

    /// The mode called `name`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Open, Self::Invited, Self::Closed]
            .into_iter()
            .find(|mode| mode.name() == name)
    }
}

/// Who may sign up, and from where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignUpPolicy {
    /// Who.
    pub mode: SignUpMode,
    /// The part after the `@` of addresses that may; empty: any. In lower case.
    pub domains: Vec<String>,
}

impl SignUpPolicy {
    /// Refuses whoever may not sign up with the address `email`.
    ///
    /// # Errors
    /// [`AuthError::SignUpRefused`]; [`AuthError::Invalid`] for the field `email` where its domain may not.
    pub(super) fn demand(&self, email: &str, is_invited: bool) -> Result<(), AuthError> {
        match self.mode {
            SignUpMode::Open => {}
            SignUpMode::Invited if is_invited => {}
            mode => return Err(AuthError::SignUpRefused(mode)),
        }
        let domain = email.rsplit_once('@').map_or("", |(_, domain)| domain);
        if self.domains.is_empty() || self.domains.iter().any(|allowed| allowed == domain) {
            return Ok(());
        }
        let mut errors = FieldErrors::default();
        errors.refuse(
            "email",
            format!("Sign up with an address at {}.", self.domains.join(", ")),
        );
        Err(errors.into())
    }

    fn check(self) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::default();
        let mut domains = Vec::new();
        for typed in &self.domains {
            let domain = typed.trim().trim_start_matches('@').to_lowercase();
            if super::parse_email(&format!("a@{domain}")).is_err() {
                errors.refuse(
                    "domains",
                    format!("“{typed}” is not a domain. Write, for example, example.com."),
                );
            } else if !domains.contains(&domain) {
                domains.push(domain);
            }
        }
        if domains.len() > DOMAINS_MAX {
            errors.refuse(
                "domains",
                format!("There are too many domains. Enter at most {DOMAINS_MAX}."),
            );
        }
        errors.finish()?;
        Ok(Self { domains, ..self })
    }
}

impl Auth {
    /// Who may sign up.
    ///
    /// # Errors
    /// [`AuthError::Database`].
    pub async fn sign_up_policy(&self) -> Result<SignUpPolicy, AuthError> {
        Ok(read(&self.0.db).await?)
    }

    /// Sets who may sign up; returns the policy as it was and as it is.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`] unless an admin does it, [`AuthError::Invalid`] for the field `domains`,
    /// [`AuthError::Database`].
    pub async fn set_sign_up_policy(
        &self,
        admin: &Person,
        policy: SignUpPolicy,
    ) -> Result<(SignUpPolicy, SignUpPolicy), AuthError> {
        if !admin.is_admin {
            return Err(AuthError::Forbidden);
        }
        let after = policy.check()?;
        let before = read(&self.0.db).await?;
        let value = serde_json::to_string(&after).map_err(|error| DbErr::Type(error.to_string()))?;
        let row = setting::ActiveModel {
            name: Set(NAME.to_owned()),
            value: Set(value),
        };
        let replace = OnConflict::column(setting::Column::Name)
            .update_column(setting::Column::Value)
            .to_owned();
        setting::Entity::insert(row)
            .on_conflict(replace)
            .exec_without_returning(&self.0.db)
            .await?;
        Ok((before, after))
    }
}

async fn read(db: &impl ConnectionTrait) -> Result<SignUpPolicy, DbErr> {
    let Some(row) = setting::Entity::find_by_id(NAME).one(db).await? else {
        return Ok(SignUpPolicy::default());
    };
    // What cannot be read must not open what somebody closed.
    serde_json::from_str(&row.value).map_err(|error| DbErr::Type(format!("setting {NAME}: {error}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn policy(mode: SignUpMode, domains: &[&str]) -> SignUpPolicy {
        let domains = domains.iter().map(|domain| (*domain).to_owned()).collect();
        SignUpPolicy { mode, domains }
    }

    #[test]
    fn each_mode_lets_in_whom_it_says_and_domains_hold_for_all() {
        use SignUpMode::{Closed, Invited, Open};
        for (mode, alone, invited) in [(Open, true, true), (Invited, false, true), (Closed, false, false)] {
            let any = policy(mode, &[]);
            assert_eq!(any.demand("a@example.com", false).is_ok(), alone, "{mode:?}");
            assert_eq!(any.demand("a@example.com", true).is_ok(), invited, "{mode:?}");
            let ours = policy(mode, &["example.com"]);
            assert_eq!(ours.demand("a@example.com", true).is_ok(), invited, "{mode:?}");
            for other in ["a@sub.example.com", "a@example.com.evil.org", "a@notexample.com"] {
                assert!(ours.demand(other, true).is_err(), "{mode:?} {other}");
            }
        }
    }

    #[test]
    fn domains_are_kept_in_one_form_and_refused_by_name() {
        let kept = policy(SignUpMode::Open, &[" @Example.COM", "example.com", "b.org"]).check();
        assert_eq!(kept.unwrap().domains, ["example.com", "b.org"]);
        let error = policy(SignUpMode::Open, &["exa mple"]).check().unwrap_err();
        assert_eq!(error.0[0].field, "domains");
    }
}
