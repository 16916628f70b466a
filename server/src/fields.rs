//! What is wrong with the fields of a form or a body, and the reason to show beside each: one way to say it for every area.
//!
//! Invariant: a reason says what was typed and what would be right, and never repeats a secret. Pure.

use std::fmt;

/// The most characters a shown name has.
pub const NAME_MAX: usize = 80;
/// The most characters the tag of a region has.
pub const REGION_MAX: usize = 32;
/// The highest rate or concurrency that can be set.
pub const RATE_MAX: i64 = 1_000_000;
/// The highest tokens a minute that can be set.
pub const TOKEN_RATE_MAX: i64 = 1_000_000_000_000;

/// Why one field is refused. Its text is a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Nothing was typed.
    #[error("Nothing is entered here.")]
    Missing,
    /// Fewer characters than needed.
    #[error("This is too short. Use at least {min} characters.")]
    TooShort {
        /// Characters needed.
        min: usize,
    },
    /// More characters than allowed.
    #[error("This is too long. Use at most {max} characters.")]
    TooLong {
        /// Characters allowed.
        max: usize,
    },
    /// More entries than allowed.
    #[error("There are too many entries. Enter at most {max}.")]
    TooMany {
        /// Entries allowed.
        max: usize,
    },
    /// A control character is in it.
    #[error("A character in it cannot be shown. Use letters, digits and signs.")]
    Unprintable,
    /// A cap of nothing or less.
    #[error("A cap must be more than zero. Leave it empty for no cap.")]
    NotPositive,
    /// Outside of the range, both ends included.
    #[error("{value} is out of range. Enter a whole number from {min} to {max}.")]
    OutOfRange {
        /// What was typed.
        value: i64,
        /// The lowest allowed.
        min: i64,
        /// The highest allowed.
        max: i64,
    },
    /// Not an IP address or a range of them.
    #[error("“{0}” is not an IP address or range. Write, for example, 203.0.113.7 or 10.0.0.0/8.")]
    NotAnAddressRange(String),
    /// Not a pattern of model names.
    #[error("“{0}” is not a model name or pattern. Write, for example, gpt-6-luna or claude-*.")]
    NotAPattern(String),
    /// Not an IANA time zone.
    #[error("“{0}” is not a time zone. Write, for example, Europe/Berlin or UTC.")]
    NotATimeZone(String),
    /// Not the tag of a region.
    #[error("Write letters, digits and hyphens, at most {REGION_MAX}, for example eu.")]
    NotARegion,
    /// Not an e-mail address.
    #[error("“{0}” is not an e-mail address. Write, for example, mara@example.com.")]
    NotAnEmail(String),
    /// A role that does not exist.
    #[error("“{0}” is not a role. Use owner, admin, member or viewer.")]
    NotARole(String),
    /// A moment that has passed.
    #[error("This moment has passed. Enter one in the future.")]
    InThePast,
    /// A password that everybody tries first.
    #[error("This password is among the first that attackers try. Choose another.")]
    CommonPassword,
    /// Not a member of the team, or one who may not use keys.
    #[error("This person is not in the team or may not use keys. Choose an owner, admin or member.")]
    NoSuchMember,
    /// In words of the area's own.
    #[error("{0}")]
    Said(String),
}

/// One field that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The field's name, as in the form and in JSON.
    pub field: &'static str,
    /// Why.
    pub reason: Reason,
}

/// Every field that is refused; never empty when returned as an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldErrors(pub Vec<FieldError>);

impl FieldErrors {
    /// One refused field.
    #[must_use]
    pub fn one(field: &'static str, reason: Reason) -> Self {
        Self(vec![FieldError { field, reason }])
    }

    /// Notes that `field` is refused, in words for people such as "Write a number from 1 to 1000."
    pub fn refuse(&mut self, field: &'static str, words: impl Into<String>) {
        let reason = Reason::Said(words.into());
        self.0.push(FieldError { field, reason });
    }

    /// Notes the field when `check` refused it.
    pub fn note(&mut self, field: &'static str, check: Result<(), Reason>) {
        if let Err(reason) = check {
            self.0.push(FieldError { field, reason });
        }
    }

    /// Nothing when no field was refused.
    ///
    /// # Errors
    /// All of them otherwise.
    pub fn finish(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for FieldErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, error) in self.0.iter().enumerate() {
            let space = if position == 0 { "" } else { " " };
            write!(formatter, "{space}{}: {}", error.field, error.reason)?;
        }
        Ok(())
    }
}

impl std::error::Error for FieldErrors {}

/// Checks a shown name: 1 to [`NAME_MAX`] printable characters that are not all blank.
///
/// # Errors
/// The reason it is refused.
pub fn check_name(name: &str) -> Result<(), Reason> {
    if name.trim().is_empty() {
        return Err(Reason::Missing);
    }
    if name.chars().count() > NAME_MAX {
        return Err(Reason::TooLong { max: NAME_MAX });
    }
    if name.chars().any(char::is_control) {
        return Err(Reason::Unprintable);
    }
    Ok(())
}

/// Checks the tag of a region, as accounts carry it: 1 to [`REGION_MAX`] letters, digits and hyphens.
///
/// # Errors
/// The reason it is refused.
pub fn check_region(tag: &str) -> Result<(), Reason> {
    let is_tag = tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_tag && (1..=REGION_MAX).contains(&tag.len()) {
        Ok(())
    } else {
        Err(Reason::NotARegion)
    }
}

/// Checks a cap in nano-USD: more than zero, or none.
///
/// # Errors
/// The reason it is refused.
pub fn check_cap(cap: Option<i64>) -> Result<(), Reason> {
    match cap {
        Some(nano) if nano <= 0 => Err(Reason::NotPositive),
        _ => Ok(()),
    }
}

/// Checks a limit: 1 to `max`, or none.
///
/// # Errors
/// The reason it is refused.
pub fn check_limit(limit: Option<i64>, max: i64) -> Result<(), Reason> {
    match limit {
        Some(value) if !(1..=max).contains(&value) => Err(Reason::OutOfRange { value, min: 1, max }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_to_eighty_printable_characters() {
        assert_eq!(check_name("ci agents"), Ok(()));
        assert_eq!(check_name(&"ü".repeat(NAME_MAX)), Ok(()));
        assert_eq!(check_name("  "), Err(Reason::Missing));
        assert_eq!(
            check_name(&"ü".repeat(NAME_MAX + 1)),
            Err(Reason::TooLong { max: NAME_MAX })
        );
        assert_eq!(check_name("a\nb"), Err(Reason::Unprintable));
    }

    #[test]
    fn caps_are_positive_and_limits_are_in_range() {
        assert_eq!(check_cap(None), Ok(()));
        assert_eq!(check_cap(Some(1)), Ok(()));
        assert_eq!(check_cap(Some(0)), Err(Reason::NotPositive));
        assert_eq!(check_limit(Some(RATE_MAX), RATE_MAX), Ok(()));
        assert!(check_limit(Some(0), RATE_MAX).is_err());
        assert!(check_limit(Some(RATE_MAX + 1), RATE_MAX).is_err());
    }

    #[test]
    fn every_refused_field_is_named() {
        let mut errors = FieldErrors::default();
        errors.note("name", check_name(""));
        errors.note("cap_day", check_cap(Some(-1)));
        errors.note("rpm", check_limit(Some(60), RATE_MAX));
        let fields: Vec<_> = errors.0.iter().map(|error| error.field).collect();
        assert_eq!(fields, ["name", "cap_day"]);
        assert!(errors.finish().is_err());
    }
}
