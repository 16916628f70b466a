//! A JSON object of a request, taken apart by name, with the place where it stands.
//!
//! Invariant: a member of the wrong type is refused with its whole path; `null` counts as left out. Pure.

use super::exchange::Untranslatable;
use serde_json::{Map, Number, Value};

/// An object and where it stands; the path of the request itself is empty.
#[derive(Debug)]
pub(super) struct Object {
    members: Map<String, Value>,
    path: String,
}

impl Object {
    /// `value`, which stands at `path`.
    pub(super) fn new(value: Value, path: impl Into<String>) -> Result<Self, Untranslatable> {
        let path = path.into();
        match value {
            Value::Object(members) => Ok(Self { members, path }),
            _ => Err(Untranslatable::wrong(path, "an object")),
        }
    }

    /// The path of the member `name`.
    pub(super) fn at(&self, name: &str) -> String {
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

    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Puts what is called `other`, a second spelling, under `name`, unless that is there too.
    pub(super) fn respell(&mut self, other: &str, name: &str) {
        if let Some(value) = self.take(other)
            && !self.has(name)
        {
            self.members.insert(name.to_owned(), value);
        }
    }

    /// Whether `name` is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(|value| !value.is_null())
    }

    /// The text at `name`, which stays.
    pub(super) fn word(&self, name: &str) -> Option<&str> {
        self.members.get(name)?.as_str()
    }

    /// The member `name`, of any type.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name).filter(|value| !value.is_null())
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
    pub(super) fn needed_text(&mut self, name: &str) -> Result<String, Untranslatable> {
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

    /// A number, as it was written.
    pub(super) fn number(&mut self, name: &str) -> Result<Option<Number>, Untranslatable> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(Some(number)),
            Some(_) => Err(self.wrong(name, "a number")),
        }
    }

    /// A whole number from 0.
    pub(super) fn count(&mut self, name: &str) -> Result<Option<u64>, Untranslatable> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => value
                .as_u64()
                .map(Some)
                .ok_or_else(|| self.wrong(name, "a whole number")),
        }
    }

    /// A list; empty where it is left out.
    pub(super) fn list(&mut self, name: &str) -> Result<Vec<Value>, Untranslatable> {
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => Ok(list),
            Some(_) => Err(self.wrong(name, "a list")),
        }
    }

    /// The elements of a list, each with its place; none where it is left out.
    pub(super) fn elements(&mut self, name: &str) -> Result<Vec<(String, Value)>, Untranslatable> {
        let list = self.list(name)?;
        Ok(elements(&self.at(name), list))
    }

    /// An object.
    pub(super) fn object(&mut self, name: &str) -> Result<Option<Self>, Untranslatable> {
        let path = self.at(name);
        self.take(name).map(|value| Self::new(value, path)).transpose()
    }

    /// An object that must be there.
    pub(super) fn needed_object(&mut self, name: &str) -> Result<Self, Untranslatable> {
        self.object(name)?.ok_or_else(|| self.wrong(name, "an object"))
    }

    /// The member `name` is not `expected`.
    pub(super) fn wrong(&self, name: &str, expected: &'static str) -> Untranslatable {
        Untranslatable::wrong(self.at(name), expected)
    }

    /// `name` cannot be carried, because of `why`.
    pub(super) fn no_counterpart(&self, name: &str, why: &'static str) -> Untranslatable {
        Untranslatable::no_counterpart(self.at(name), why)
    }

    /// What is left of it.
    pub(super) fn into_value(self) -> Value {
        Value::Object(self.members)
    }

    /// The members that are left of it.
    pub(super) fn into_members(self) -> Map<String, Value> {
        self.members
    }
}

/// The elements of `list`, which stands at `path`, each with its place.
pub(super) fn elements(path: &str, list: Vec<Value>) -> Vec<(String, Value)> {
    let place = |(at, value)| (format!("{path}[{at}]"), value);
    list.into_iter().enumerate().map(place).collect()
}
