//! The members of an object of a request, taken out one by one.
//!
//! Invariant: `null` is absent; an error names the member where it stands. Pure.

use super::super::exchange::Untranslatable;
use serde_json::{Map, Number, Value};

/// What is left of an object.
#[derive(Debug)]
pub(super) struct Fields {
    path: String,
    members: Map<String, Value>,
}

impl Fields {
    /// The members of `value`, which stands at `path`; the body itself stands at an empty one.
    pub(super) fn read(path: impl Into<String>, value: Value) -> Result<Self, Untranslatable> {
        let path = path.into();
        match value {
            Value::Object(members) => Ok(Self { path, members }),
            _ => Err(Untranslatable::wrong(path, "an object")),
        }
    }

    /// Where `name` stands.
    pub(super) fn path(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// Where the object stands.
    pub(super) fn place(&self) -> &str {
        &self.path
    }

    /// The whole object again, without what was taken.
    pub(super) fn into_value(self) -> Value {
        Value::Object(self.members)
    }

    /// Whether `name` is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(|value| !value.is_null())
    }

    /// The member `name`.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name).filter(|value| !value.is_null())
    }

    /// The string at `name`, which stays.
    pub(super) fn word(&self, name: &str) -> Option<&str> {
        self.members.get(name)?.as_str()
    }

    /// A text.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Untranslatable> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(name, "a string")),
        }
    }

    /// A text that must be there.
    pub(super) fn required(&mut self, name: &str) -> Result<String, Untranslatable> {
        self.text(name)?.ok_or_else(|| self.wrong(name, "a string"))
    }

    /// Yes or no.
    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, Untranslatable> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(self.wrong(name, "true or false")),
        }
    }

    /// A number.
    pub(super) fn number(&mut self, name: &str) -> Result<Option<Number>, Untranslatable> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(Some(number)),
            Some(_) => Err(self.wrong(name, "a number")),
        }
    }

    /// A count.
    pub(super) fn count(&mut self, name: &str) -> Result<Option<u64>, Untranslatable> {
        match self.number(name)? {
            None => Ok(None),
            Some(number) => number
                .as_u64()
                .map(Some)
                .ok_or_else(|| self.wrong(name, "a whole number")),
        }
    }

    /// An object.
    pub(super) fn object(&mut self, name: &str) -> Result<Option<Self>, Untranslatable> {
        let path = self.path(name);
        self.take(name).map(|value| Self::read(path, value)).transpose()
    }

    /// The elements of a list; none where there is no list.
    pub(super) fn list(&mut self, name: &str) -> Result<Vec<(String, Value)>, Untranslatable> {
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => Ok(elements(&self.path(name), list)),
            Some(_) => Err(self.wrong(name, "a list")),
        }
    }

    /// `name` is not `expected`.
    pub(super) fn wrong(&self, name: &str, expected: &'static str) -> Untranslatable {
        Untranslatable::wrong(self.path(name), expected)
    }

    /// `name` cannot be carried.
    pub(super) fn no_counterpart(&self, name: &str, why: &'static str) -> Untranslatable {
        Untranslatable::no_counterpart(self.path(name), why)
    }
}

/// The elements of `list`, which stands at `path`, each with its place.
pub(super) fn elements(path: &str, list: Vec<Value>) -> Vec<(String, Value)> {
    let place = |(at, value)| (format!("{path}[{at}]"), value);
    list.into_iter().enumerate().map(place).collect()
}
