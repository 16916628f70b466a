//! Schemas of answers, as far as the provider can enforce them.
//!
//! Invariant: what is dropped of a schema is told in its description; a schema that would then mean something else has no form here. Pure.
//! Wire facts: Anthropic's "Structured outputs", and what its SDKs do to a schema.

use serde_json::{Map, Value};

/// Formats of strings that are enforced.
const FORMATS: &[&str] = &[
    "date-time",
    "time",
    "date",
    "duration",
    "email",
    "hostname",
    "uri",
    "ipv4",
    "ipv6",
    "uuid",
];

/// `schema` with every object closed; `None` where objects are open on purpose, a definition holds itself, or a word is not known here.
pub(super) fn closed(schema: &Value) -> Option<Value> {
    let whole = close(schema)?;
    let none = Map::new();
    let definitions = whole.get("$defs").and_then(Value::as_object).unwrap_or(&none);
    let holds_itself = |name: &String| reaches(definitions, name, name, &mut Vec::new());
    (!definitions.keys().any(holds_itself)).then_some(whole)
}

fn close(schema: &Value) -> Option<Value> {
    let schema = schema.as_object().filter(|schema| !schema.is_empty())?;
    if let Some(reference) = schema.get("$ref") {
        let name = reference.as_str()?;
        let name = name
            .strip_prefix("#/$defs/")
            .or_else(|| name.strip_prefix("#/definitions/"))?;
        return Some(serde_json::json!({ "$ref": format!("#/$defs/{name}") }));
    }
    let mut kept = Map::new();
    let mut told = Vec::new();
    for (word, value) in schema {
        match word.as_str() {
            "$schema" | "$id" | "$comment" | "examples" | "additionalProperties" | "description" => {}
            "type" | "enum" | "const" | "title" | "default" | "required" => {
                kept.insert(word.clone(), value.clone());
            }
            "$defs" | "definitions" => {
                kept.insert("$defs".to_owned(), each(value)?);
            }
            "properties" => {
                kept.insert(word.clone(), each(value)?);
            }
            "anyOf" | "oneOf" => {
                kept.insert("anyOf".to_owned(), all(value)?);
            }
            "allOf" => {
                kept.insert(word.clone(), all(value)?);
            }
            "items" => {
                kept.insert(word.clone(), close(value)?);
            }
            "format" if value.as_str().is_some_and(|format| FORMATS.contains(&format)) => {
                kept.insert(word.clone(), value.clone());
            }
            "minItems" if matches!(value.as_u64(), Some(0 | 1)) => {
                kept.insert(word.clone(), value.clone());
            }
            "format" | "pattern" | "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf"
            | "minLength" | "maxLength" | "minItems" | "maxItems" | "uniqueItems" => {
                told.push(format!("{word}: {value}"));
            }
            _ => return None,
        }
    }
    if is_object(schema) {
        let is_open = schema
            .get("additionalProperties")
            .is_some_and(|open| *open != Value::Bool(false));
        let has_words = schema.contains_key("properties") || schema.contains_key("additionalProperties");
        if is_open || !has_words {
            return None;
        }
        kept.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    let description = schema.get("description").and_then(Value::as_str).map(str::to_owned);
    let told = (!told.is_empty()).then(|| format!("{{{}}}", told.join(", ")));
    let words: Vec<String> = description.into_iter().chain(told).collect();
    if !words.is_empty() {
        kept.insert("description".to_owned(), Value::String(words.join("\n")));
    }
    Some(Value::Object(kept))
}

fn is_object(schema: &Map<String, Value>) -> bool {
    match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        Some(kind) => kind == "object",
        None => schema.contains_key("properties"),
    }
}

fn each(schemas: &Value) -> Option<Value> {
    let closed = schemas
        .as_object()?
        .iter()
        .map(|(name, schema)| Some((name.clone(), close(schema)?)));
    closed.collect::<Option<Map<_, _>>>().map(Value::Object)
}

fn all(schemas: &Value) -> Option<Value> {
    let closed = schemas.as_array()?.iter().map(close);
    closed.collect::<Option<Vec<_>>>().map(Value::Array)
}

/// Whether the definition `from` refers to `to`, itself or through others; `seen` are those that were looked at.
fn reaches<'a>(definitions: &'a Map<String, Value>, from: &str, to: &str, seen: &mut Vec<&'a str>) -> bool {
    let mut found = Vec::new();
    if let Some(schema) = definitions.get(from) {
        references(schema, &mut found);
    }
    found.into_iter().any(|name| {
        name == to
            || (!seen.contains(&name) && {
                seen.push(name);
                reaches(definitions, name, to, seen)
            })
    })
}

fn references<'a>(schema: &'a Value, found: &mut Vec<&'a str>) {
    match schema {
        Value::Object(members) => {
            let reference = members.get("$ref").and_then(Value::as_str);
            found.extend(reference.and_then(|reference| reference.strip_prefix("#/$defs/")));
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}
