//! Turns of a conversation, as Google wants them: by person and model alternately.
//!
//! Invariant: the first turn is a person's; outcomes stand first in their turn, in the order of the calls; no part is empty. Pure.
//! Wire facts: Google's API reference for function calling; an empty conversation and one that begins with the model are refused.

use super::super::NO_SIGNATURE;
use serde_json::{Value, json};
use std::collections::HashMap;

/// The turns until now.
#[derive(Debug, Default)]
pub(super) struct Turns(Vec<Turn>);

/// One turn.
#[derive(Debug, Default)]
pub(super) struct Turn {
    is_model: bool,
    /// What was said and called.
    pub parts: Vec<Value>,
    /// The ids of what was called.
    pub calls: Vec<String>,
    /// What calls brought, with their ids.
    pub outcomes: Vec<(String, Value)>,
}

impl Turns {
    /// The turn that goes on, the model's or a person's.
    pub(super) fn at(&mut self, is_model: bool) -> &mut Turn {
        if self.0.last().is_none_or(|turn| turn.is_model != is_model) {
            self.0.push(Turn {
                is_model,
                ..Turn::default()
            });
        }
        let last = self.0.len() - 1;
        &mut self.0[last]
    }

    /// Whether the model has the last word.
    pub(super) fn ends_with_model(&self) -> bool {
        self.0.last().is_some_and(|turn| turn.is_model)
    }

    /// The turns on the wire; `is_signed` where each step's first call must carry a signature.
    pub(super) fn render(self, is_signed: bool) -> Value {
        let mut contents = Vec::with_capacity(self.0.len() + 1);
        if self.0.first().is_none_or(|turn| turn.is_model) {
            contents.push(json!({"role": "user", "parts": [{"text": " "}]}));
        }
        let mut calls: HashMap<String, usize> = HashMap::new();
        for mut turn in self.0 {
            turn.outcomes
                .sort_by_key(|(id, _)| calls.get(id).copied().unwrap_or(usize::MAX));
            let outcomes = turn.outcomes.into_iter().map(|(_, outcome)| outcome);
            let mut parts: Vec<Value> = outcomes.chain(turn.parts).collect();
            if is_signed {
                sign(&mut parts);
            }
            calls.clear();
            for (place, call) in turn.calls.into_iter().enumerate() {
                calls.entry(call).or_insert(place);
            }
            let role = if turn.is_model { "model" } else { "user" };
            contents.push(json!({"role": role, "parts": parts}));
        }
        contents.into()
    }
}

/// Puts something in place of the signature that the first call among `parts` lacks.
fn sign(parts: &mut [Value]) {
    let first = parts
        .iter_mut()
        .filter_map(Value::as_object_mut)
        .find(|part| part.contains_key("functionCall"));
    if let Some(part) = first {
        part.entry("thoughtSignature").or_insert_with(|| NO_SIGNATURE.into());
    }
}
