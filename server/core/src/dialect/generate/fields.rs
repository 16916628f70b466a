//! The members of an object of a request, taken out one by one.
//!
//! Invariant: a member is found under either spelling; `null` is absent; an error names the member where it stands. Pure.
//! Wire facts: protobuf's JSON: `camelCase` and `snake_case`, whole numbers also as strings; Google also takes one where a list belongs.

use super::super::exchange::Untranslatable;
use super::super::object::{Object, elements};
use serde_json::{Map, Number, Value};

/// What is left of an object.
#[derive(Debug)]
pub(super) struct Fields(Object);

impl Fields {
    /// The members of `value`, which stands at `path`.
    pub(super) fn read(path: impl Into<String>, value: Value) -> Result<Self, Untranslatable> {
        Object::new(value, path).map(Self)
    }

    /// Where `name` stands.
    pub(super) fn path(&self, name: &str) -> String {
        self.0.at(name)
    }

    /// Where the object stands.
    pub(super) fn place(&self) -> &str {
        self.0.place()
    }

    /// The object, in which `name`, in camel case, is spelt so.
    fn of(&mut self, name: &str) -> &mut Object {
        let snake = snake_case(name);
        if snake != name {
            self.0.respell(&snake, name);
        }
        &mut self.0
    }

    /// The member `name`, in camel case.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.of(name).take(name)
    }

    /// What nobody took, its names as they came.
    pub(super) fn rest(self) -> Map<String, Value> {
        self.0.into_members()
    }

    /// Whether everything was taken.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// An object.
    pub(super) fn object(&mut self, name: &str) -> Result<Option<Self>, Untranslatable> {
        Ok(self.of(name).object(name)?.map(Self))
    }

    /// A list; one value stands for a list of it.
    pub(super) fn list(&mut self, name: &str) -> Vec<(String, Value)> {
        let list = match self.take(name) {
            None => Vec::new(),
            Some(Value::Array(list)) => list,
            Some(value) => vec![value],
        };
        elements(&self.path(name), list)
    }

    /// A text.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Untranslatable> {
        self.of(name).text(name)
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, name: &str) -> Result<Vec<String>, Untranslatable> {
        let text = |(path, value)| match value {
            Value::String(text) => Ok(text),
            _ => Err(Untranslatable::wrong(path, "a string")),
        };
        self.list(name).into_iter().map(text).collect()
    }

    /// Whether it is so.
    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, Untranslatable> {
        self.of(name).flag(name)
    }

    /// A number as it was written.
    pub(super) fn number(&mut self, name: &str) -> Result<Option<Number>, Untranslatable> {
        let number = match self.take(name) {
            None => return Ok(None),
            Some(Value::Number(number)) => Some(number),
            Some(Value::String(text)) => serde_json::from_str(&text).ok(),
            Some(_) => None,
        };
        number.map(Some).ok_or_else(|| self.0.wrong(name, "a number"))
    }

    /// A whole number that is not negative.
    pub(super) fn count(&mut self, name: &str) -> Result<Option<u64>, Untranslatable> {
        let Some(number) = self.number(name)? else {
            return Ok(None);
        };
        let count = number.as_u64().map(Some);
        count.ok_or_else(|| self.0.wrong(name, "a whole number"))
    }
}

/// `name`, in camel case, as protobuf names it.
fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for character in name.chars() {
        if character.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}

/// `name` in camel case.
pub(super) fn camel_case(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut is_next_upper = false;
    for character in name.chars() {
        if character == '_' {
            is_next_upper = true;
        } else if std::mem::take(&mut is_next_upper) {
            camel.push(character.to_ascii_uppercase());
        } else {
            camel.push(character);
        }
    }
    camel
}
