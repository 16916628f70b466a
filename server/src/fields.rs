//! What is wrong with the fields of a form or a body: one way to say it for every area.
//!
//! Invariant: a reason names what was typed or what would be right, and never repeats a secret. Pure.

use std::fmt;

/// One field that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Its name in the management API, such as `base_url`.
    pub field: &'static str,
    /// For people, such as "Write a number from 1 to 1000."
    pub reason: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.field, self.reason)
    }
}

/// Collects what is wrong, so that one answer names every field.
#[derive(Debug, Default)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// Notes that `field` is refused for `reason`.
    pub fn refuse(&mut self, field: &'static str, reason: impl Into<String>) {
        self.0.push(FieldError {
            field,
            reason: reason.into(),
        });
    }

    /// Nothing where nothing was refused.
    ///
    /// # Errors
    /// What was refused, in the order it was noted.
    pub fn finish(self) -> Result<(), Vec<FieldError>> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0) }
    }
}
