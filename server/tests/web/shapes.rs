//! What every server function and every call of the management API takes, read from where it is said: the sources of the functions
//! and the description of the API. A test that walks them tries what is new without being told.
//!
//! Invariant: a function that is registered and not found in the sources fails the test. Reads the sources of the frontend.

use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, path::Path};

/// Fields that name nothing of anybody, and something good to put there; an empty one is left out.
const VALUES: &[(&str, &str)] = &[
    ("add", "5"),
    ("amount", "5"),
    ("below", "5"),
    ("charge", "0.002"),
    ("charged", "0.001"),
    ("code", "000000"),
    ("current", "not-the-password-1"),
    ("dialect", "chat"),
    ("effective_at", "2099-01-01"),
    ("domains", ""),
    ("email", "nobody@example.com"),
    ("emails", "bystander@example.com"),
    ("from", ""),
    ("label", "bystanders"),
    ("max_day", "50"),
    ("mode", "closed"),
    ("month", "2026-11"),
    ("name", "bystanders"),
    ("new", "sunlit-badger-43"),
    ("note", "bystanders"),
    ("order", "tab-1"),
    ("outcome", ""),
    ("password", "not-the-password-1"),
    ("provider", "openai"),
    ("reason", "bystanders"),
    ("role", "viewer"),
    ("secret", "sk-bystanders"),
    ("sender", "bystander@example.com"),
    ("theme", "dark"),
    ("time_zone", "UTC"),
    ("to", ""),
    ("typed", ""),
    ("url", "https://hooks.invalid/bystanders"),
    ("base_url", "https://api.example.com/v1"),
    ("overlap_s", "0"),
    ("input", "1"),
    ("output", "1"),
    ("keep_card", ""),
    ("kept", ""),
    ("whose", "team"),
    ("targets", "gpt-5"),
    ("models", "gpt-5"),
    ("region", ""),
    ("cap_day", "5"),
    ("cap_month", "5"),
    ("cap_total", "5"),
    ("expires_at", ""),
    ("allowed_ips", ""),
];

/// A server function.
pub struct Function {
    pub name: String,
    pub is_read: bool,
    /// Its arguments as they are sent, and what each is.
    fields: Vec<(String, Kind)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Flag,
    Number,
    Text,
}

impl Function {
    /// What to send so that it concerns `id`: every text that may be an id is.
    pub fn body(&self, id: &str) -> String {
        let pairs = self.fields.iter().filter_map(|(name, kind)| {
            let value = match kind {
                Kind::Flag => "true",
                Kind::Number => "5",
                Kind::Text => value(name).unwrap_or(id),
            };
            (!value.is_empty()).then(|| format!("{}={}", quoted(name), quoted(value)))
        });
        pairs.collect::<Vec<_>>().join("&")
    }

    /// Whether it may concern something that an id names.
    pub fn takes_ids(&self) -> bool {
        self.fields
            .iter()
            .any(|(name, kind)| *kind == Kind::Text && value(name).is_none())
    }

    /// What to send so that it concerns what is called `name`.
    pub fn body_about(&self, name: &str) -> Option<String> {
        let is_named = |(field, kind): &&(String, Kind)| *kind == Kind::Text && last(field) == "name";
        let makes_something = ["create", "invite", "sign_up"]
            .iter()
            .any(|verb| self.name.starts_with(verb));
        let field = self.fields.iter().find(is_named).filter(|_| !makes_something)?;
        let own = format!("{}={}", quoted(&field.0), quoted(value(&field.0)?));
        Some(
            self.body(name)
                .replace(&own, &format!("{}={}", quoted(&field.0), quoted(name))),
        )
    }
}

fn last(field: &str) -> &str {
    field.rsplit('[').next().unwrap().trim_end_matches(']')
}

fn value(field: &str) -> Option<&'static str> {
    let found = VALUES.iter().find(|(name, _)| *name == last(field));
    // Amounts and counts of forms are texts.
    let is_count = [
        "rpm",
        "tpm",
        "max_in_flight",
        "count",
        "context",
        "max_output",
        "priority",
        "weight",
        "limit",
    ];
    let is_price = |field: &str| {
        ["cache_", "price_", "reasoning", "image", "audio", "per_"]
            .iter()
            .any(|part| field.contains(part))
    };
    found.map(|(_, value)| *value).or_else(|| {
        let field = last(field);
        (is_count.contains(&field) || is_price(field)).then_some("5")
    })
}

fn quoted(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    text.bytes()
        .map(|byte| {
            if plain(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

/// Every server function, as the server registers them.
pub fn functions() -> Vec<Function> {
    let source = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../frontend/src"));
    let structs = structs(&source);
    let mut told: BTreeMap<String, Vec<(String, Kind)>> = BTreeMap::new();
    for part in source.split("#[server(").skip(1) {
        let Some((_, rest)) = part.split_once("endpoint = \"") else {
            continue;
        };
        let (name, rest) = rest.split_once('"').unwrap();
        let (_, rest) = rest.split_once("pub async fn ").unwrap();
        let (_, rest) = rest.split_once('(').unwrap();
        let mut fields = Vec::new();
        for argument in split(until_closed(rest)) {
            let is_flat = argument.contains("#[flat]");
            let (name, of) = argument.rsplit(']').next().unwrap().split_once(':').unwrap();
            add(&mut fields, &structs, (name.trim(), of.trim()), is_flat);
        }
        told.insert(name.to_owned(), fields);
    }
    let registered = leptos::server_fn::actix::server_fn_paths();
    let mut functions: Vec<Function> = registered
        .map(|(path, method)| {
            let name = path.strip_prefix("/fn/").unwrap().to_owned();
            let fields = told
                .remove(&name)
                .unwrap_or_else(|| panic!("{name}: its source is not found"));
            Function {
                is_read: method.as_str() == "GET",
                name,
                fields,
            }
        })
        .collect();
    functions.sort_by(|one, other| one.name.cmp(&other.name));
    functions
}

fn sources(folder: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all += &sources(&path);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            // An attribute within an argument list is not the beginning of a function.
            all += &fs::read_to_string(&path)
                .unwrap()
                .replace("#[server(default)]", "")
                .replace("#[server(flatten)]", "FLAT]");
        }
    }
    all.replace("FLAT]", "#[flat]")
}

/// What stands before the parenthesis that closes.
fn until_closed(text: &str) -> &str {
    let mut depth = 1;
    let end = text.char_indices().find(|(_, letter)| {
        depth += i32::from("([{<".contains(*letter)) - i32::from(")]}>".contains(*letter));
        depth == 0
    });
    &text[..end.unwrap().0]
}

/// The arguments of a list.
fn split(list: &str) -> Vec<&str> {
    let (mut depth, mut from, mut parts) = (0, 0, Vec::new());
    for (at, letter) in list.char_indices() {
        depth += i32::from("([{<".contains(letter)) - i32::from(")]}>".contains(letter));
        if letter == ',' && depth == 0 {
            parts.push(&list[from..at]);
            from = at + 1;
        }
    }
    parts.push(&list[from..]);
    parts
        .into_iter()
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect()
}

/// The fields of every struct: name, type, and whether it is flat.
fn structs(source: &str) -> BTreeMap<String, Vec<(String, String, bool)>> {
    let mut found = BTreeMap::new();
    for part in source.split("pub struct ").skip(1) {
        let Some((name, rest)) = part.split_once(" {\n") else {
            continue;
        };
        let Some((body, _)) = rest.split_once("\n}") else {
            continue;
        };
        let mut fields = Vec::new();
        let mut is_flat = false;
        for line in body.lines().map(str::trim) {
            if line.starts_with("#[serde(flatten") {
                is_flat = true;
            }
            if let Some((field, of)) = line.strip_prefix("pub ").and_then(|line| line.split_once(": ")) {
                fields.push((field.to_owned(), of.trim_end_matches(',').to_owned(), is_flat));
                is_flat = false;
            }
        }
        found.insert(name.to_owned(), fields);
    }
    found
}

fn add(
    fields: &mut Vec<(String, Kind)>,
    structs: &BTreeMap<String, Vec<(String, String, bool)>>,
    (name, of): (&str, &str),
    is_flat: bool,
) {
    let of = of.strip_prefix("Option<").map_or(of, |rest| rest.trim_end_matches('>'));
    match of {
        "bool" => fields.push((name.to_owned(), Kind::Flag)),
        "u16" | "u32" | "u64" | "i32" | "i64" | "usize" => fields.push((name.to_owned(), Kind::Number)),
        "String" => fields.push((name.to_owned(), Kind::Text)),
        other => {
            for (field, of, is_flat_too) in structs.get(other).into_iter().flatten() {
                let field = if is_flat {
                    field.clone()
                } else {
                    format!("{name}[{field}]")
                };
                add(
                    fields,
                    structs,
                    (&field, of),
                    *is_flat_too || is_flat && structs.contains_key(of),
                );
            }
        }
    }
}

/// A good body for `method` of `path` as `document` describes it, in which every text that may be an id is `id`.
pub fn body(document: &Value, method: &str, path: &str, id: &str) -> Value {
    let path = path.replace(":.+", "");
    let call = &document["paths"][&path][method];
    match call.pointer("/requestBody/content/application~1json/schema") {
        Some(schema) => sample(document, schema, "", id),
        None => Value::Null,
    }
}

fn sample(document: &Value, schema: &Value, name: &str, id: &str) -> Value {
    if let Some(pointer) = schema["$ref"].as_str() {
        return match pointer.rsplit('/').next().unwrap() {
            "Money" => json!("5"),
            "Moment" => json!("2099-01-01"),
            _ => sample(document, document.pointer(&pointer[1..]).unwrap(), name, id),
        };
    }
    if let Some(ways) = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array()) {
        return sample(document, &ways[0], name, id);
    }
    if let Some(known) = schema["enum"].as_array() {
        return known[0].clone();
    }
    let kind = schema["type"]
        .as_str()
        .or_else(|| schema["type"][0].as_str())
        .unwrap_or_default();
    match kind {
        "object" => {
            let required: Vec<&str> = schema["required"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            let mut fields = schema["properties"].as_object().cloned().unwrap_or_default();
            let first = fields.keys().next().cloned();
            let is_sent = |field: &String| {
                required.contains(&field.as_str()) || required.is_empty() && Some(field) == first.as_ref()
            };
            fields.retain(|field, _| is_sent(field));
            fields
                .iter()
                .map(|(field, schema)| (field.clone(), sample(document, schema, field, id)))
                .collect()
        }
        "array" => json!([sample(document, &schema["items"], name, id)]),
        "boolean" => json!(true),
        "integer" | "number" => json!(5),
        _ => json!(value(name).unwrap_or(id)),
    }
}
