//! The contents of a request as items.
//!
//! Invariant: an outcome belongs to a call before it, found by its id or else by name and order; calls without an id get the same one each
//! time the conversation is sent; the pieces of an answer that was streamed become one text again. Pure.
//! Wire facts: Google's `Content` and `Part`; SDKs keep each chunk of a stream as a content of its own.

use super::super::super::exchange::{
    Call, CallKind, Item, Message, Outcome, Part, PartKind, Role, Source, Thought, Untranslatable,
};
use super::super::fields::Fields;
use super::super::opaque;
use serde_json::Value;
use std::collections::{HashMap, VecDeque};

/// Parts of tools that ran at Google: their effect is in the text that follows.
const HOSTED: [&str; 4] = ["executableCode", "codeExecutionResult", "toolCall", "toolResponse"];
/// Where files are that Google alone can read.
const OWN_FILES: [&str; 2] = ["gs://", "https://generativelanguage.googleapis.com/"];

/// The conversation until now.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    items: Vec<Item>,
    asked: Vec<Asked>,
    /// Calls by their id, and by the name of their tool those with an id of ours and those with one of the model's, in order.
    by_id: HashMap<String, VecDeque<usize>>,
    by_name: HashMap<String, [VecDeque<usize>; 2]>,
    /// The last number in an id of ours.
    number: usize,
    /// Whether the next part of a person begins a message.
    is_fresh: bool,
}

/// A call that was made.
#[derive(Debug)]
struct Asked {
    id: String,
    is_answered: bool,
}

impl Conversation {
    /// Everything that was said.
    pub(super) fn into_items(self) -> Vec<Item> {
        self.items
    }

    /// The conversation goes on with `content`.
    pub(super) fn read(&mut self, mut content: Fields) -> Result<(), Untranslatable> {
        let role = match content.text("role")?.as_deref() {
            None | Some("" | "user" | "function") => Role::User,
            Some("model") => Role::Assistant,
            Some(_) => return Err(Untranslatable::wrong(content.path("role"), "“user” or “model”")),
        };
        self.is_fresh = true;
        for (path, part) in content.list("parts") {
            let part = match part {
                Value::String(text) => {
                    self.say(role, PartKind::Text(text));
                    continue;
                }
                part => Fields::read(path, part)?,
            };
            self.part(role, part)?;
        }
        Ok(())
    }

    fn part(&mut self, role: Role, mut part: Fields) -> Result<(), Untranslatable> {
        let is_thought = part.flag("thought")?.unwrap_or(false);
        let signature = part.text("thoughtSignature")?;
        let signature = signature.filter(|signature| role == Role::Assistant && !opaque::is_none(signature));
        let signature = signature.map(opaque::open);
        if HOSTED.into_iter().any(|name| part.take(name).is_some()) {
            return Ok(());
        }
        if is_thought {
            let words = part.text("text")?.unwrap_or_default();
            self.think(words, signature);
            return Ok(());
        }
        if let Some(signature) = signature {
            self.sign(signature);
        }
        if let Some(text) = part.text("text")? {
            self.say(role, PartKind::Text(text));
        } else if let Some(call) = part.object("functionCall")? {
            self.call(role, call)?;
        } else if let Some(outcome) = part.object("functionResponse")? {
            self.outcome(outcome)?;
        } else if let Some(kind) = medium(&mut part)? {
            self.say(role, kind);
        } else {
            // Nothing but a mark of how to look at nothing is no part at all.
            let is_empty = ["videoMetadata", "mediaResolution", "partMetadata"]
                .into_iter()
                .fold(true, |_, name| {
                    part.take(name);
                    part.is_empty()
                });
            if !is_empty {
                return Err(Untranslatable::no_counterpart(part.place(), "its kind is not known"));
            }
        }
        Ok(())
    }

    fn say(&mut self, role: Role, kind: PartKind) {
        let is_fresh = std::mem::take(&mut self.is_fresh);
        // Chunks without words are how a stream ends; what a person sent is left to the encoder.
        if role == Role::Assistant && kind == PartKind::Text(String::new()) {
            return;
        }
        if let Some(Item::Message(message)) = self.items.last_mut()
            && message.role == role
            && (role == Role::Assistant || !is_fresh)
        {
            match (message.parts.last_mut().map(|part| &mut part.kind), kind) {
                (Some(PartKind::Text(text)), PartKind::Text(more)) if role == Role::Assistant => text.push_str(&more),
                (_, kind) => message.parts.push(kind.into()),
            }
            return;
        }
        self.items.push(Item::Message(Message {
            role,
            parts: vec![kind.into()],
            name: None,
        }));
    }

    fn think(&mut self, words: String, signature: Option<String>) {
        if let Some(Item::Thought(thought)) = self.items.last_mut()
            && thought.blob.is_none()
        {
            thought.text.push_str(&words);
            thought.blob = signature;
        } else if !words.is_empty() || signature.is_some() {
            self.items.push(Item::Thought(Thought {
                text: words,
                is_summary: true,
                blob: signature,
                ..Thought::default()
            }));
        }
    }

    /// What follows is signed: a signature is of the thought before.
    fn sign(&mut self, signature: String) {
        self.think(String::new(), Some(signature));
    }

    fn call(&mut self, role: Role, mut call: Fields) -> Result<(), Untranslatable> {
        if role != Role::Assistant {
            return Err(Untranslatable::wrong(call.place(), "in a content of the model"));
        }
        let name = required(&mut call, "name")?;
        let arguments = match call.take("args") {
            None => "{}".to_owned(),
            Some(arguments @ Value::Object(_)) => arguments.to_string(),
            Some(_) => return Err(Untranslatable::wrong(call.path("args"), "an object")),
        };
        let given = call.text("id")?.filter(|id| !id.is_empty());
        let is_ours = given.is_none();
        let id = given.unwrap_or_else(|| self.new_id());
        let at = self.asked.len();
        self.asked.push(Asked {
            id: id.clone(),
            is_answered: false,
        });
        self.by_id.entry(id.clone()).or_default().push_back(at);
        let [ours, given] = self.by_name.entry(name.clone()).or_default();
        if is_ours { ours } else { given }.push_back(at);
        self.items.push(Item::Call(Call {
            id,
            name,
            arguments,
            ..Call::default()
        }));
        Ok(())
    }

    fn new_id(&mut self) -> String {
        self.number = self.number.max(self.asked.len());
        loop {
            self.number += 1;
            let id = format!("call_{}", self.number);
            if !self.by_id.contains_key(&id) {
                return id;
            }
        }
    }

    fn outcome(&mut self, mut outcome: Fields) -> Result<(), Untranslatable> {
        let name = required(&mut outcome, "name")?;
        let id = outcome.text("id")?.filter(|id| !id.is_empty());
        let Some(call_id) = self.answered(id, &name) else {
            return Err(Untranslatable::wrong(
                outcome.place(),
                "the outcome of a call before it",
            ));
        };
        let (mut parts, is_error) = outcome_of(outcome.take("response"));
        for (path, part) in outcome.list("parts") {
            let mut part = Fields::read(path, part)?;
            match medium(&mut part)? {
                Some(kind) => parts.push(kind.into()),
                None => return Err(Untranslatable::wrong(part.place(), "inlineData or fileData")),
            }
        }
        self.items.push(Item::Outcome(Outcome {
            call_id,
            name: Some(name),
            parts,
            is_error,
            kind: CallKind::Function,
        }));
        Ok(())
    }

    /// The id of the call that an outcome with `id` of the tool `name` answers.
    fn answered(&mut self, id: Option<String>, name: &str) -> Option<String> {
        let asked = &mut self.asked;
        let open = |calls: &mut VecDeque<usize>| {
            while calls.front().is_some_and(|at| asked[*at].is_answered) {
                calls.pop_front();
            }
            calls.front().copied()
        };
        let mut found = id.as_ref().and_then(|id| open(self.by_id.get_mut(id)?));
        if found.is_none()
            && let Some([ours, given]) = self.by_name.get_mut(name)
        {
            let given = if id.is_none() { open(given) } else { None };
            found = open(ours).into_iter().chain(given).min();
        }
        match found {
            Some(at) => {
                asked[at].is_answered = true;
                Some(asked[at].id.clone())
            }
            None => id,
        }
    }
}

fn required(fields: &mut Fields, name: &str) -> Result<String, Untranslatable> {
    let text = fields.text(name)?.filter(|text| !text.is_empty());
    text.ok_or_else(|| Untranslatable::wrong(fields.path(name), "a name"))
}

/// What a tool brought, and whether that is an error.
fn outcome_of(response: Option<Value>) -> (Vec<Part>, bool) {
    let text = |value: Value| match value {
        Value::String(text) => Part::text(text),
        other => Part::text(other.to_string()),
    };
    match response {
        None => (Vec::new(), false),
        Some(Value::Object(mut members)) if members.len() == 1 => {
            let output = members.remove("output").map(|output| (vec![text(output)], false));
            let error = members.remove("error").map(|error| (vec![text(error)], true));
            output
                .or(error)
                .unwrap_or_else(|| (vec![text(Value::Object(members))], false))
        }
        Some(other) => (vec![text(other)], false),
    }
}

/// A picture, sound or file.
fn medium(part: &mut Fields) -> Result<Option<PartKind>, Untranslatable> {
    let (mut data, source, media_type) = if let Some(mut data) = part.object("inlineData")? {
        let Some(media_type) = data.text("mimeType")? else {
            return Err(Untranslatable::wrong(data.path("mimeType"), "a media type"));
        };
        let Some(base64) = data.text("data")? else {
            return Err(Untranslatable::wrong(data.path("data"), "base64"));
        };
        let source = Source::Data {
            media_type: media_type.clone(),
            base64: opaque::usual(base64),
        };
        (data, source, media_type)
    } else if let Some(mut data) = part.object("fileData")? {
        let media_type = data.text("mimeType")?.unwrap_or_default();
        let Some(address) = data.text("fileUri")? else {
            return Err(Untranslatable::wrong(data.path("fileUri"), "an address"));
        };
        let is_own = OWN_FILES.into_iter().any(|start| address.starts_with(start));
        let source = if is_own {
            Source::Id(address)
        } else {
            Source::Url(address)
        };
        (data, source, media_type)
    } else {
        return Ok(None);
    };
    let name = data.text("displayName")?;
    let class = media_type.split('/').next().unwrap_or_default();
    Ok(Some(match class.to_ascii_lowercase().as_str() {
        "image" => PartKind::Image { source, detail: None },
        "audio" => PartKind::Audio(source),
        _ => PartKind::File { source, name },
    }))
}
