//! An object of a request, and where in the request it stands.
//!
//! Invariant: a value of the wrong type is an error that names its place; one that is `null` is as good as none. Pure.

use super::super::exchange::Untranslatable;
use super::super::json::{Members, Name, is_null};
use serde::de::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Number, Value};
use std::borrow::Cow;
use std::fmt;

/// Where a value stands, such as `messages[2].content`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place<'a> {
    /// The whole body.
    Top,
    /// A member of an object.
    Member(&'a Place<'a>, &'a str),
    /// An element of a list.
    Element(&'a Place<'a>, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top => formatter.write_str("body"),
            Self::Member(Self::Top, name) => formatter.write_str(name),
            Self::Member(outer, name) => write!(formatter, "{outer}.{name}"),
            Self::Element(outer, index) => write!(formatter, "{outer}[{index}]"),
        }
    }
}

impl Place<'_> {
    /// What stands here is not `expected`.
    pub(super) fn wrong(&self, expected: &'static str) -> Untranslatable {
        Untranslatable::wrong(self.to_string(), expected)
    }

    /// What stands here has no counterpart.
    pub(super) fn no_counterpart(&self, why: &'static str) -> Untranslatable {
        Untranslatable::no_counterpart(self.to_string(), why)
    }
}

/// An object whose members have been found, but not yet read.
pub(super) struct Object<'a, 'de> {
    /// Where it stands.
    pub(super) place: Place<'a>,
    members: Vec<(Cow<'de, str>, &'de RawValue)>,
}

/// What may be one text or a list.
pub(super) enum Content<'de> {
    /// One text.
    Text(String),
    /// A list.
    List(Vec<&'de RawValue>),
}

impl<'a, 'de> Object<'a, 'de> {
    /// The object in `raw`, which stands at `place`.
    pub(super) fn read(raw: &'de RawValue, place: Place<'a>) -> Result<Self, Untranslatable> {
        match serde_json::from_str(raw.get()) {
            Ok(Members(members)) => Ok(Self { place, members }),
            Err(_) => Err(place.wrong("an object")),
        }
    }

    /// The member called `name`; of several the last.
    pub(super) fn member(&self, name: &str) -> Option<&'de RawValue> {
        let found = self.members.iter().rev().find(|(found, _)| found == name);
        found.map(|(_, value)| *value).filter(|value| !is_null(value))
    }

    /// Where the member called `name` stands.
    pub(super) fn at<'b>(&'b self, name: &'b str) -> Place<'b> {
        Place::Member(&self.place, name)
    }

    /// A member's text.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Untranslatable> {
        self.read_as(name, "a string")
    }

    /// The text of a member that must be there.
    pub(super) fn required_text(&self, name: &str) -> Result<String, Untranslatable> {
        self.text(name)?.ok_or_else(|| self.at(name).wrong("a string"))
    }

    /// A member's text where it is to be compared only; empty where there is none.
    pub(super) fn word(&self, name: &str) -> Result<Cow<'de, str>, Untranslatable> {
        let word: Option<Name<'de>> = self.read_as(name, "a string")?;
        Ok(word.map(|Name(word)| word).unwrap_or_default())
    }

    /// A member that is true or false.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Untranslatable> {
        self.read_as(name, "true or false")
    }

    /// A member that counts something.
    pub(super) fn count(&self, name: &str) -> Result<Option<u64>, Untranslatable> {
        self.read_as(name, "a whole number, 0 or more")
    }

    /// A number as it was written.
    pub(super) fn number(&self, name: &str) -> Result<Option<Number>, Untranslatable> {
        self.read_as(name, "a number")
    }

    /// A member that may be anything.
    pub(super) fn value(&self, name: &str) -> Result<Option<Value>, Untranslatable> {
        self.read_as(name, "valid JSON")
    }

    /// The elements of a member that is a list; none where it is not there.
    pub(super) fn list(&self, name: &str) -> Result<Vec<&'de RawValue>, Untranslatable> {
        Ok(self.read_as(name, "a list")?.unwrap_or_default())
    }

    /// A member that is an object.
    pub(super) fn object<'b>(&'b self, name: &'b str) -> Result<Option<Object<'b, 'de>>, Untranslatable> {
        self.member(name)
            .map(|raw| Object::read(raw, self.at(name)))
            .transpose()
    }

    /// A member that is a text or a list.
    pub(super) fn content(&self, name: &str) -> Result<Option<Content<'de>>, Untranslatable> {
        let Some(raw) = self.member(name) else { return Ok(None) };
        let read = match raw.get().as_bytes().first() {
            Some(b'"') => serde_json::from_str(raw.get()).map(Content::Text),
            _ => serde_json::from_str(raw.get()).map(Content::List),
        };
        read.map(Some)
            .map_err(|_| self.at(name).wrong("a string or a list of blocks"))
    }

    fn read_as<T: Deserialize<'de>>(&self, name: &str, expected: &'static str) -> Result<Option<T>, Untranslatable> {
        let Some(raw) = self.member(name) else { return Ok(None) };
        serde_json::from_str(raw.get())
            .map(Some)
            .map_err(|_| self.at(name).wrong(expected))
    }
}
