//! Google's subset of OpenAPI schemas as JSON schemas.
//!
//! Invariant: what both have in common stays as it is, whatever its name. Pure.
//! Wire facts: Google's `Schema`: types in capitals, `nullable`, whole numbers as strings, names in either spelling.

use serde_json::{Map, Value, json};

/// `schema` as a JSON schema.
pub(super) fn json_schema(schema: Value) -> Value {
    let Value::Object(members) = schema else {
        return schema;
    };
    let mut found = Map::new();
    let mut is_nullable = false;
    for (name, value) in members {
        match name.as_str() {
            "nullable" => is_nullable = value == Value::Bool(true),
            "propertyOrdering" | "property_ordering" | "example" => {}
            "type" => {
                found.extend(lower(value).map(|kind| (name, kind)));
            }
            "format" if value == "enum" => {}
            "items" | "additionalProperties" | "not" => {
                found.insert(name, json_schema(value));
            }
            "additional_properties" => {
                found.insert("additionalProperties".to_owned(), json_schema(value));
            }
            "anyOf" | "any_of" => {
                found.insert("anyOf".to_owned(), each(value));
            }
            "oneOf" | "allOf" | "prefixItems" => {
                found.insert(name, each(value));
            }
            "properties" | "$defs" | "defs" | "definitions" | "patternProperties" => {
                found.insert(name, members_of(value));
            }
            _ => {
                let (name, value) = bound(name, value);
                found.insert(name, value);
            }
        }
    }
    if is_nullable {
        or_null(&mut found);
    }
    Value::Object(found)
}

fn each(value: Value) -> Value {
    match value {
        Value::Array(list) => list.into_iter().map(json_schema).collect(),
        other => other,
    }
}

fn members_of(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .map(|(name, schema)| (name, json_schema(schema)))
            .collect(),
        other => other,
    }
}

fn lower(kind: Value) -> Option<Value> {
    match kind {
        Value::String(kind) if kind == "TYPE_UNSPECIFIED" => None,
        Value::String(kind) => Some(kind.to_ascii_lowercase().into()),
        Value::Array(kinds) => Some(kinds.into_iter().filter_map(lower).collect()),
        other => Some(other),
    }
}

/// A bound of a length or a number, which Google also takes as a string and in the other spelling.
fn bound(name: String, value: Value) -> (String, Value) {
    const BOUNDS: [(&str, &str); 6] = [
        ("minItems", "min_items"),
        ("maxItems", "max_items"),
        ("minLength", "min_length"),
        ("maxLength", "max_length"),
        ("minProperties", "min_properties"),
        ("maxProperties", "max_properties"),
    ];
    let Some((usual, _)) = BOUNDS.iter().find(|(usual, other)| name == *usual || name == *other) else {
        return (name, value);
    };
    let whole = value.as_str().and_then(|text| text.parse::<u64>().ok());
    ((*usual).to_owned(), whole.map_or(value, Value::from))
}

fn or_null(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.push(Value::Null);
    }
    if let Some(Value::Array(schemas)) = schema.get_mut("anyOf") {
        schemas.push(json!({"type": "null"}));
    }
    if let Some(kind) = schema.get_mut("type") {
        match kind {
            Value::String(name) => *kind = json!([std::mem::take(name), "null"]),
            Value::Array(kinds) => kinds.push("null".into()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_of_google_as_json_schemas() {
        for (given, expected) in [
            (json!({"type": "STRING"}), json!({"type": "string"})),
            (json!({"type": "TYPE_UNSPECIFIED", "title": "t"}), json!({"title": "t"})),
            (
                json!({"type": "INTEGER", "nullable": true}),
                json!({"type": ["integer", "null"]}),
            ),
            (
                json!({"type": "STRING", "format": "enum", "enum": ["a"], "nullable": true}),
                json!({"type": ["string", "null"], "enum": ["a", null]}),
            ),
            (
                json!({"type": "OBJECT", "property_ordering": ["type"], "required": ["type"],
                       "properties": {"type": {"type": "ARRAY", "min_items": "2", "items": {"type": "NUMBER", "format": "float"}}}}),
                json!({"type": "object", "required": ["type"],
                       "properties": {"type": {"type": "array", "minItems": 2, "items": {"type": "number", "format": "float"}}}}),
            ),
            (
                json!({"any_of": [{"type": "BOOLEAN"}, {"type": "STRING"}], "nullable": true}),
                json!({"anyOf": [{"type": "boolean"}, {"type": "string"}, {"type": "null"}]}),
            ),
            (
                json!({"type": "object", "additionalProperties": false, "$ref": "#/$defs/A", "$defs": {"A": {"type": "OBJECT"}}}),
                json!({"type": "object", "additionalProperties": false, "$ref": "#/$defs/A", "$defs": {"A": {"type": "object"}}}),
            ),
            (json!(true), json!(true)),
        ] {
            assert_eq!(json_schema(given.clone()), expected, "{given}");
        }
    }
}
