//! A moment: Unix milliseconds inside, RFC 3339 in JSON.
//!
//! Invariant: text and back keeps the millisecond. Pure.

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
