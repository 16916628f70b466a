//! Items as contents and instructions.
//!
//! Invariant: a signature goes onto the part that follows its thought, an empty one at worst; an outcome bears the name of the tool that was
//! called. Pure.
//! Wire facts: Google's `Content` and `Part`; ids of calls from Gemini 3 on, older models refuse them.

use super::super::super::exchange::{
    Call, CallKind, Item, Message, Notes, Outcome, Part, PartKind, Request, Role, Target, ThinkingRule, Thought,
    Untranslatable,
};
use super::super::family::Family;
use super::media::{self, Place};
use super::turn::Turns;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::HashMap;

/// The conversation on the wire.
pub(super) struct Conversation {
    /// The turns.
    pub contents: Value,
    /// What the system says.
    pub system: Option<Value>,
}

/// What was said in `request`, for `target`.
pub(super) fn encode(
    request: &Request,
    target: &Target<'_>,
    family: Family,
    notes: &mut Notes,
) -> Result<Conversation, Untranslatable> {
    let mut writer = Writer {
        place: Place {
            family,
            is_vertex: target.provider.contains("vertex"),
        },
        takes_thoughts: target.rules.thinking != ThinkingRule::Never && !family.is_old(),
        notes,
        turns: Turns::default(),
        system: Vec::new(),
        signature: None,
        names: HashMap::new(),
    };
    let mut is_head = true;
    for item in &request.items {
        let is_system =
            matches!(item, Item::Message(message) if matches!(message.role, Role::System | Role::Developer));
        is_head &= is_system;
        match item {
            Item::Message(message) if is_system => writer.instruct(message, is_head)?,
            Item::Message(message) => writer.message(message)?,
            Item::Thought(thought) => writer.thought(thought),
            Item::Call(call) => writer.call(call),
            Item::Outcome(outcome) => writer.outcome(outcome)?,
        }
    }
    writer.flush();
    if writer.turns.ends_with_model() && !target.rules.takes_prefill {
        let why = "this model does not go on with an answer that was begun";
        return Err(Untranslatable::no_counterpart("the last message", why));
    }
    let system = (!writer.system.is_empty()).then(|| json!({"parts": writer.system}));
    Ok(Conversation {
        contents: writer.turns.render(family.is_third()),
        system,
    })
}

struct Writer<'a, 'r> {
    place: Place,
    takes_thoughts: bool,
    notes: &'a mut Notes,
    turns: Turns,
    system: Vec<Value>,
    /// For the next part of the model.
    signature: Option<&'r str>,
    /// For each call the tool.
    names: HashMap<&'r str, Cow<'r, str>>,
}

impl<'r> Writer<'_, 'r> {
    /// The model goes on with `part`.
    fn add(&mut self, mut part: Map<String, Value>) {
        if let Some(signature) = self.signature.take() {
            part.insert("thoughtSignature".to_owned(), signature.into());
        }
        self.turns.at(true).parts.push(part.into());
    }

    /// A signature that nothing follows gets an empty part.
    fn flush(&mut self) {
        if self.signature.is_some() {
            self.add(Map::from_iter([("text".to_owned(), "".into())]));
        }
    }

    fn instruct(&mut self, message: &Message, is_head: bool) -> Result<(), Untranslatable> {
        if !is_head {
            self.flush();
        }
        for part in &message.parts {
            self.see(part);
            let Some(text) = part.as_text() else {
                return Err(Untranslatable::no_counterpart(
                    "a system message",
                    "instructions are text",
                ));
            };
            if text.is_empty() {
                continue;
            }
            if is_head {
                self.system.push(json!({"text": text}));
            } else {
                let text = format!("<system-reminder>\n{text}\n</system-reminder>");
                self.turns.at(false).parts.push(json!({"text": text}));
                self.notes
                    .changed("a later system message", "the user's text, within <system-reminder>");
            }
        }
        Ok(())
    }

    fn message(&mut self, message: &'r Message) -> Result<(), Untranslatable> {
        let is_model = message.role == Role::Assistant;
        if !is_model {
            self.flush();
        }
        if message.name.is_some() {
            self.notes.dropped("name", "messages have none there");
        }
        for part in &message.parts {
            self.see(part);
            let Some(part) = self.part(&part.kind)? else { continue };
            if is_model {
                self.add(part);
            } else {
                self.turns.at(false).parts.push(part.into());
            }
        }
        Ok(())
    }

    /// Notes what of `part` stays behind.
    fn see(&mut self, part: &Part) {
        if part.cache.is_some() {
            self.notes
                .dropped("cache marks", "Google caches by itself or by a resource of its own");
        }
    }

    fn part(&mut self, kind: &PartKind) -> Result<Option<Map<String, Value>>, Untranslatable> {
        match kind {
            PartKind::Text(text) | PartKind::Refusal(text) if text.is_empty() => Ok(None),
            PartKind::Text(text) | PartKind::Refusal(text) => {
                Ok(Some(Map::from_iter([("text".to_owned(), text.as_str().into())])))
            }
            _ => media::encode(kind, self.place, self.notes).map(Some),
        }
    }

    fn thought(&mut self, thought: &'r Thought) {
        if !self.takes_thoughts || thought.blob.is_none() {
            if !thought.text.is_empty() || thought.blob.is_some() {
                self.notes
                    .dropped("thoughts", "the model takes only such as it signed itself");
            }
            return;
        }
        self.flush();
        if !thought.text.is_empty() {
            let part = json!({"text": thought.text, "thought": true});
            self.turns.at(true).parts.push(part);
        }
        self.signature = thought.blob.as_deref();
    }

    fn call(&mut self, call: &'r Call) {
        let name = call.full_name();
        let args = self.args(call);
        let mut inner = Map::from_iter([("name".to_owned(), name.clone().into()), ("args".to_owned(), args)]);
        if self.place.family.is_third() {
            inner.insert("id".to_owned(), call.id.as_str().into());
        }
        self.add(Map::from_iter([("functionCall".to_owned(), inner.into())]));
        self.turns.at(true).calls.push(call.id.clone());
        self.names.insert(&call.id, name);
    }

    fn args(&mut self, call: &Call) -> Value {
        if call.kind == CallKind::Custom {
            return json!({"input": call.arguments});
        }
        if call.arguments.trim().is_empty() {
            return json!({});
        }
        match serde_json::from_str(&call.arguments) {
            Ok(args @ Value::Object(_)) => args,
            _ => {
                self.notes
                    .changed("arguments of a call", "they are no JSON object and stand in `_raw`");
                json!({"_raw": call.arguments})
            }
        }
    }

    fn outcome(&mut self, outcome: &'r Outcome) -> Result<(), Untranslatable> {
        self.flush();
        let called = self.names.get(outcome.call_id.as_str()).cloned();
        let Some(name) = called.or_else(|| outcome.name.as_deref().map(Cow::Borrowed)) else {
            let why = "the call that this is the outcome of is not in the conversation";
            return Err(Untranslatable::no_counterpart("the outcome of a call", why));
        };
        let mut text = String::new();
        let mut files = Vec::new();
        for part in &outcome.parts {
            self.see(part);
            match &part.kind {
                PartKind::Text(words) | PartKind::Refusal(words) => text.push_str(words),
                kind => files.push(Value::from(media::encode(kind, self.place, self.notes)?)),
            }
        }
        let mut inner = Map::from_iter([
            ("name".to_owned(), name.into()),
            ("response".to_owned(), response(text, outcome.is_error)),
        ]);
        let turn = self.turns.at(false);
        if self.place.family.is_third() {
            inner.insert("id".to_owned(), outcome.call_id.as_str().into());
            if !files.is_empty() {
                inner.insert("parts".to_owned(), files.into());
            }
        } else if !files.is_empty() {
            self.notes
                .changed("media in outcomes of calls", "they stand beside the outcome");
            turn.parts.extend(files);
        }
        let part = json!({"functionResponse": inner});
        turn.outcomes.push((outcome.call_id.clone(), part));
        Ok(())
    }
}

fn response(text: String, is_error: bool) -> Value {
    if is_error {
        return json!({"error": text});
    }
    match serde_json::from_str(&text) {
        Ok(object @ Value::Object(_)) => object,
        _ => json!({"output": text}),
    }
}
