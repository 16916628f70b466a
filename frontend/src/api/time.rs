//! A moment: Unix milliseconds inside, RFC 3339 in JSON. Who asks may name a day instead.
//!
//! Invariant: text and back keeps the millisecond; a day belongs to a time zone, and ends where the next begins. Pure.

use jiff::{civil::Date, tz::TimeZone};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A moment in Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub i64);

impl Time {
    /// RFC 3339 in UTC, such as `2026-11-24T15:57:30Z`; empty outside of years −9999 to 9999.
    #[must_use]
    pub fn render(self) -> String {
        jiff::Timestamp::from_millisecond(self.0).map_or_else(|_| String::new(), |moment| moment.to_string())
    }

    /// The moment written in RFC 3339.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>()
            .ok()
            .map(|moment| Self(moment.as_millisecond()))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.render())
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| D::Error::custom("not a time: write RFC 3339, for example 2026-11-24T15:57:30Z"))
    }
}

/// A moment as somebody asks for it: exact, or a day of the team's time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Exact.
    At(Time),
    /// A day, whole.
    Day(Date),
}

impl Moment {
    /// The day written `2026-11-24`, or the moment written in RFC 3339.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 10 {
            return Time::parse(text).map(Self::At);
        }
        let day = text.parse::<Date>().ok()?;
        // The last year that calendars know has no end.
        (day.year() < Date::MAX.year()).then_some(Self::Day(day))
    }

    /// As it was written.
    #[must_use]
    pub fn render(self) -> String {
        match self {
            Self::At(time) => time.render(),
            Self::Day(day) => day.to_string(),
        }
    }

    /// Itself, or the first moment of the day in `zone`, an IANA name.
    #[must_use]
    pub fn start(self, zone: &str) -> Time {
        match self {
            Self::At(time) => time,
            Self::Day(day) => midnight(day, zone),
        }
    }

    /// Itself, or the first moment after the day in `zone`, an IANA name.
    #[must_use]
    pub fn end(self, zone: &str) -> Time {
        match self {
            Self::At(time) => time,
            Self::Day(day) => midnight(day.tomorrow().unwrap_or(Date::MAX), zone),
        }
    }
}

/// The first moment of `day`, or of the next day there is, in `zone`. An unknown zone counts as UTC.
fn midnight(day: Date, zone: &str) -> Time {
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    day.to_zoned(zone)
        .and_then(|zoned| zoned.start_of_day())
        .map_or(Time(i64::MAX), |start| Time(start.timestamp().as_millisecond()))
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.render())
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            D::Error::custom("not a time: write a day such as 2026-11-24, or RFC 3339 such as 2026-11-24T15:57:30Z")
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_day_is_whole_in_its_zone_and_a_moment_is_itself_in_any() {
        for (text, zone, start, end) in [
            ("2026-11-24", "UTC", "2026-11-24T00:00:00Z", "2026-11-25T00:00:00Z"),
            (
                "2026-11-24",
                "Europe/Berlin",
                "2026-11-23T23:00:00Z",
                "2026-11-24T23:00:00Z",
            ),
            (
                "2026-10-25",
                "Europe/Berlin",
                "2026-10-24T22:00:00Z",
                "2026-10-25T23:00:00Z",
            ),
            (
                "2026-11-24",
                "no such zone",
                "2026-11-24T00:00:00Z",
                "2026-11-25T00:00:00Z",
            ),
            (
                "2026-11-24T12:00:00+01:00",
                "Asia/Tokyo",
                "2026-11-24T11:00:00Z",
                "2026-11-24T11:00:00Z",
            ),
        ] {
            let moment = Moment::parse(text).unwrap();
            assert_eq!(moment.start(zone).render(), start, "{text} {zone}");
            assert_eq!(moment.end(zone).render(), end, "{text} {zone}");
        }
        for wrong in ["2026-02-30", "2026-11", "24.11.2026", "9999-12-31", "today", ""] {
            assert_eq!(Moment::parse(wrong), None, "{wrong}");
        }
    }
}
