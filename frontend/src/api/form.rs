//! What people type into forms, turned into values, with a sentence for each field that is wrong.
//!
//! Invariant: an empty field means "none"; nothing typed is silently changed. Pure.

use super::{ApiError, Code, FieldError, Moment, Nano};
use gateway_core::money::ParseError;

/// Collects the errors of one form.
#[derive(Debug, Default)]
pub struct Form {
    errors: Vec<FieldError>,
}

impl Form {
    /// No error yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what is wrong with `field`.
    pub fn reject(&mut self, field: &str, message: impl Into<String>) {
        self.errors.push(FieldError {
            field: field.to_owned(),
            message: message.into(),
        });
    }

    /// A text that must not be empty.
    pub fn text(&mut self, field: &str, typed: &str) -> String {
        let text = typed.trim();
        if text.is_empty() {
            self.reject(field, "This is empty. Write something here.");
        }
        text.to_owned()
    }

    /// An amount in USD above zero, or none.
    pub fn money(&mut self, field: &str, typed: &str) -> Option<Nano> {
        let text = typed.trim().trim_start_matches('$').trim();
        if text.is_empty() {
            return None;
        }
        match Nano::parse(text) {
            Ok(amount) if amount > Nano::ZERO => return Some(amount),
            Ok(_) => self.reject(
                field,
                format!("“{text}” is not above zero. Write an amount such as 20.00, or leave it empty for no cap."),
            ),
            Err(ParseError::NotANumber) => self.reject(
                field,
                format!("“{text}” is not an amount. Write digits, for example 20.00."),
            ),
            Err(ParseError::TooPrecise) => self.reject(field, "At most nine decimals count."),
            Err(ParseError::TooLarge) => self.reject(
                field,
                "That is more than the ledger can hold. Write at most 9,000,000,000.",
            ),
        }
        None
    }

    /// A whole number of at least 1, or none.
    pub fn count(&mut self, field: &str, typed: &str) -> Option<i64> {
        let text = typed.trim();
        if text.is_empty() {
            return None;
        }
        match text.parse::<i64>() {
            Ok(number) if (1..=1_000_000_000).contains(&number) => Some(number),
            Ok(_) => {
                self.reject(
                    field,
                    format!(
                        "“{text}” is out of range. Write a number from 1 to 1000000000, or leave it empty for no limit."
                    ),
                );
                None
            }
            Err(_) => {
                self.reject(
                    field,
                    format!("“{text}” is not a number. Write digits only, for example 60."),
                );
                None
            }
        }
    }

    /// A day (`2026-12-31`), a date and a time as browsers write them, which are meant in UTC, a moment in RFC 3339, or none.
    pub fn moment_in_utc(&mut self, field: &str, typed: &str) -> Option<Moment> {
        match typed.trim() {
            text if text.len() == 16 => self.moment(field, &format!("{text}:00Z")),
            text => self.moment(field, text),
        }
    }

    /// A day of the team's time zone (`2026-12-31`), a moment in RFC 3339, or none.
    pub fn moment(&mut self, field: &str, typed: &str) -> Option<Moment> {
        let text = typed.trim();
        if text.is_empty() {
            return None;
        }
        let moment = Moment::parse(text);
        if moment.is_none() {
            self.reject_date(field, text);
        }
        moment
    }

    fn reject_date(&mut self, field: &str, text: &str) {
        self.reject(
            field,
            format!("“{text}” is not a date. Write year-month-day, for example 2026-12-31."),
        );
    }

    /// Words separated by commas, spaces or lines.
    #[must_use]
    pub fn words(typed: &str) -> Vec<String> {
        typed
            .split([',', ' ', '\n', '\r', '\t'])
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// `value` if nothing was wrong.
    ///
    /// # Errors
    /// [`Code::Invalid`] with every field that was wrong.
    pub fn finish<T>(self, value: T) -> Result<T, ApiError> {
        if self.errors.is_empty() {
            return Ok(value);
        }
        Err(ApiError {
            fields: self.errors,
            ..ApiError::new(Code::Invalid)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn wrong_numbers_are_named_field_by_field() {
        let mut form = Form::new();
        form.money("cap_day", "-5");
        form.money("cap_month", "1e9");
        form.count("rpm", "6O");
        form.count("tpm", "99999999999999999999");
        let error = form.finish(()).unwrap_err();
        let fields: Vec<&str> = error.fields.iter().map(|field| field.field.as_str()).collect();
        assert_eq!(fields, ["cap_day", "cap_month", "rpm", "tpm"]);
    }

    #[test]
    fn empty_means_none_and_good_values_pass() {
        let mut form = Form::new();
        assert_eq!(form.money("cap_day", ""), None);
        assert_eq!(form.money("cap_day", "$20"), Some(Nano(20_000_000_000)));
        assert_eq!(form.count("rpm", " 60 "), Some(60));
        for (typed, start) in [
            ("2026-12-31", "2026-12-31T00:00:00Z"),
            ("2026-12-31T06:30", "2026-12-31T06:30:00Z"),
            ("2026-12-31T06:30:01+01:00", "2026-12-31T05:30:01Z"),
        ] {
            let moment = form.moment_in_utc("effective_at", typed);
            assert_eq!(
                moment.map(|moment| moment.start("UTC").render()).as_deref(),
                Some(start)
            );
        }
        assert_eq!(form.moment_in_utc("effective_at", " "), None);
        assert!(form.finish(()).is_ok());
    }
}
