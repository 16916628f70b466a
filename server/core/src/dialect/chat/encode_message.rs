//! Items as the messages of a chat request.
//!
//! Invariant: what an assistant thought, said and called in a row is one message; outcomes follow their calls at once, and what of them
//! is no text comes after them in a message of the user; services other than OpenAI's get one system message, at the head. Pure.
//! Wire facts: OpenAI's SDK types; `tool` messages take text only; DeepSeek wants `reasoning_content` on each earlier message while it
//! thinks; Mistral wants `prefix` on an answer that is begun.

use super::super::exchange::{
    Call, CallKind, Item, Message, Notes, Outcome, Part, PartKind, Role, Source, Thought, Untranslatable,
};
use super::super::turn::call_id;
use super::order::in_order;
use super::provider::{Manner, Thoughts, nine_letters};
use serde_json::{Map, Value, json};

/// The longest id of a call, in bytes.
const CALL_ID_BYTES_MAX: usize = 40;

/// The messages that are being written.
pub(super) struct Messages<'a> {
    pub manner: Manner,
    /// Whether the model thinks, as far as was asked.
    pub is_thinking: bool,
    pub notes: &'a mut Notes,
    pub written: Vec<Value>,
    turn: Turn<'a>,
    /// What outcomes brought that is no text.
    media: Vec<Value>,
}

/// What an assistant said in a row.
#[derive(Default)]
struct Turn<'a> {
    thoughts: Vec<&'a Thought>,
    parts: Vec<&'a Part>,
    name: Option<&'a str>,
    calls: Vec<Value>,
}

impl<'a> Messages<'a> {
    pub(super) fn new(manner: Manner, is_thinking: bool, notes: &'a mut Notes) -> Self {
        Self {
            manner,
            is_thinking,
            notes,
            written: Vec::new(),
            turn: Turn::default(),
            media: Vec::new(),
        }
    }

    /// Every message of `items`.
    pub(super) fn write(mut self, items: &'a [Item]) -> Result<Vec<Value>, Untranslatable> {
        let is_openai = self.manner.is_openai;
        let is_head = |item: &&Item| matches!(item, Item::Message(message) if !is_openai && instructs(message));
        let head = items.iter().take_while(is_head).count();
        self.head(items.iter().take(head))?;
        for item in in_order(items.get(head..).unwrap_or_default()) {
            self.item(item)?;
        }
        self.end_turn()?;
        self.end_outcomes();
        if self.manner.is_mistral
            && let Some(Value::Object(last)) = self.written.last_mut()
            && last.get("role").is_some_and(|role| role == "assistant")
            && !last.contains_key("tool_calls")
        {
            last.insert("prefix".to_owned(), Value::Bool(true));
        }
        Ok(self.written)
    }

    /// What the conversation begins with, as one message: many services take no second one.
    fn head(&mut self, items: impl Iterator<Item = &'a Item>) -> Result<(), Untranslatable> {
        let messages: Vec<&Message> = items
            .filter_map(|item| match item {
                Item::Message(message) => Some(message),
                _ => None,
            })
            .collect();
        let Some(first) = messages.first() else { return Ok(()) };
        let parts: Vec<Part> = messages.iter().flat_map(|message| message.parts.clone()).collect();
        let mut value = Map::new();
        value.insert("role".to_owned(), "system".into());
        value.insert("content".to_owned(), as_one_text(self.content(&parts)?));
        self.name(&mut value, first.name.as_deref().filter(|_| messages.len() == 1));
        self.written.push(Value::Object(value));
        Ok(())
    }

    fn item(&mut self, item: &'a Item) -> Result<(), Untranslatable> {
        match item {
            Item::Thought(thought) => {
                self.end_outcomes();
                self.turn.thoughts.push(thought);
            }
            Item::Message(message) if message.role == Role::Assistant => {
                self.end_outcomes();
                if !self.turn.parts.is_empty() && self.turn.calls.is_empty() {
                    self.end_turn()?;
                }
                self.turn.parts.extend(&message.parts);
                self.turn.name = message.name.as_deref();
            }
            Item::Call(call) => {
                self.end_outcomes();
                let call = self.call(call);
                self.turn.calls.push(call);
            }
            Item::Outcome(outcome) => {
                self.end_turn()?;
                self.outcome(outcome)?;
            }
            Item::Message(message) => {
                self.end_turn()?;
                self.end_outcomes();
                if instructs(message) && !self.manner.is_openai {
                    self.remind(message);
                } else {
                    let message = self.message(message)?;
                    self.written.push(message);
                }
            }
        }
        Ok(())
    }

    /// Instructions in the middle: most services take none there.
    fn remind(&mut self, message: &Message) {
        let texts: Vec<&str> = message.parts.iter().filter_map(Part::as_text).collect();
        if texts.len() < message.parts.len() {
            self.notes
                .dropped("media of the system", "only users may send them there");
        }
        let text = texts.join("\n\n");
        if !text.is_empty() {
            self.notes
                .changed("a later system message", "the user's text, within <system-reminder>");
            let text = format!("<system-reminder>\n{text}\n</system-reminder>");
            self.written.push(json!({"role": "user", "content": text}));
        }
    }

    /// Where the message stands that is written next.
    fn path(&self) -> String {
        format!("messages[{}]", self.written.len())
    }

    fn message(&mut self, message: &Message) -> Result<Value, Untranslatable> {
        let role = match message.role {
            Role::Developer if self.manner.is_openai => "developer",
            Role::System | Role::Developer => "system",
            Role::User | Role::Assistant => "user",
        };
        let mut value = Map::new();
        value.insert("role".to_owned(), role.into());
        value.insert("content".to_owned(), self.content(&message.parts)?);
        self.name(&mut value, message.name.as_deref());
        Ok(Value::Object(value))
    }

    fn name(&mut self, value: &mut Map<String, Value>, name: Option<&str>) {
        let Some(name) = name else { return };
        if self.manner.is_mistral {
            self.notes.dropped("name", "the provider has no names");
        } else {
            value.insert("name".to_owned(), name.into());
        }
    }

    /// One text where that says the same, else a list of parts.
    fn content(&mut self, parts: &[Part]) -> Result<Value, Untranslatable> {
        let is_marked = self.manner.takes_cache_marks && parts.iter().any(|part| part.cache.is_some());
        if parts.iter().any(|part| part.cache.is_some()) && !is_marked {
            self.notes.dropped("cache marks", "the provider caches as it likes");
        }
        let texts: Option<Vec<&str>> = parts.iter().map(Part::as_text).collect();
        match texts.as_deref() {
            Some([]) => return Ok("".into()),
            Some([text]) if !is_marked => return Ok((*text).into()),
            Some(texts) if self.manner.wants_texts => return Ok(texts.join("\n\n").into()),
            _ => {}
        }
        let path = format!("{}.content", self.path());
        let mut list = Vec::with_capacity(parts.len());
        for (index, part) in parts.iter().enumerate() {
            let mut value = part_value(&part.kind, &format!("{path}[{index}]"))?;
            if let (true, Some(ttl), Some(object)) = (is_marked, part.cache.as_deref(), value.as_object_mut()) {
                object.insert("cache_control".to_owned(), cache_control(ttl));
            }
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn call(&mut self, call: &Call) -> Value {
        let id = self.call_id(&call.id);
        let name = call.full_name();
        if call.kind == CallKind::Custom && self.manner.is_openai {
            return json!({"id": id, "type": "custom", "custom": {"name": name, "input": call.arguments}});
        }
        let arguments = match call.kind {
            CallKind::Custom => json!({"input": call.arguments}).to_string(),
            CallKind::Function if call.arguments.trim_ascii().is_empty() => "{}".to_owned(),
            CallKind::Function => call.arguments.clone(),
        };
        json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
    }

    fn call_id(&self, id: &str) -> String {
        if self.manner.is_mistral {
            nine_letters(id)
        } else {
            call_id(id, CALL_ID_BYTES_MAX, |_| true).into_owned()
        }
    }

    fn outcome(&mut self, outcome: &Outcome) -> Result<(), Untranslatable> {
        let (texts, others): (Vec<&Part>, Vec<&Part>) = outcome.parts.iter().partition(|part| part.as_text().is_some());
        if outcome.is_error {
            self.notes
                .dropped("is_error", "the chat dialect says in words that a tool failed");
        }
        let mut texts: Vec<Part> = texts.into_iter().cloned().collect();
        if !others.is_empty() {
            self.notes.changed(
                "media in the outcome of a tool",
                "they follow it in a message of the user",
            );
            if texts.is_empty() {
                texts.push(Part::text("The output follows in the next message of the user."));
            }
            let path = self.path();
            self.media.push(
                json!({"type": "text", "text": format!("Output of the tool call {}:", self.call_id(&outcome.call_id))}),
            );
            for part in others {
                self.media.push(part_value(&part.kind, &format!("{path}.content"))?);
            }
        }
        let content = self.content(&texts)?;
        let id = self.call_id(&outcome.call_id);
        self.written
            .push(json!({"role": "tool", "tool_call_id": id, "content": content}));
        Ok(())
    }

    fn end_outcomes(&mut self) {
        if !self.media.is_empty() {
            let media = std::mem::take(&mut self.media);
            self.written.push(json!({"role": "user", "content": media}));
        }
    }

    fn end_turn(&mut self) -> Result<(), Untranslatable> {
        let Turn {
            thoughts,
            parts,
            name,
            calls,
        } = std::mem::take(&mut self.turn);
        if parts.is_empty() && calls.is_empty() {
            if !thoughts.is_empty() {
                self.notes.dropped("a thought", "nothing was said after it");
            }
            return Ok(());
        }
        let mut value = Map::new();
        value.insert("role".to_owned(), "assistant".into());
        let content = self.said(&parts)?;
        value.insert("content".to_owned(), content);
        self.name(&mut value, name);
        self.thoughts(&mut value, &thoughts);
        if self.manner.is_mistral && value.get("content").is_some_and(Value::is_null) {
            value.insert("content".to_owned(), "".into());
        }
        if !calls.is_empty() {
            value.insert("tool_calls".to_owned(), Value::Array(calls));
        }
        self.written.push(Value::Object(value));
        Ok(())
    }

    /// What an assistant said; only OpenAI takes a refusal back as one.
    fn said(&mut self, parts: &[&Part]) -> Result<Value, Untranslatable> {
        if parts.is_empty() {
            return Ok(Value::Null);
        }
        let is_openai = self.manner.is_openai;
        let parts: Vec<Part> = parts
            .iter()
            .map(|part| match &part.kind {
                PartKind::Refusal(text) if !is_openai => Part::text(text.as_str()),
                _ => (*part).clone(),
            })
            .collect();
        let texts: Option<Vec<&str>> = parts.iter().map(Part::as_text).collect();
        match texts {
            Some(texts) if parts.iter().all(|part| part.cache.is_none()) => Ok(texts.concat().into()),
            _ => self.content(&parts),
        }
    }

    fn thoughts(&mut self, value: &mut Map<String, Value>, thoughts: &[&Thought]) {
        let texts: Vec<&str> = thoughts.iter().map(|thought| thought.text.as_str()).collect();
        let words = texts.concat();
        match self.manner.thoughts {
            Thoughts::Dropped if !thoughts.is_empty() => {
                self.notes
                    .dropped("earlier thoughts", "the provider does not take them back");
            }
            Thoughts::Field(field) if !words.is_empty() => {
                value.insert(field.to_owned(), words.into());
            }
            Thoughts::Field(field) if self.manner.wants_texts && self.is_thinking => {
                value.insert(field.to_owned(), " ".into());
            }
            Thoughts::Details => {
                let read = |thought: &&Thought| serde_json::from_str::<Vec<Value>>(thought.blob.as_deref()?).ok();
                let details: Vec<Value> = thoughts.iter().filter_map(read).flatten().collect();
                if !details.is_empty() {
                    value.insert("reasoning_details".to_owned(), Value::Array(details));
                }
                if !words.is_empty() {
                    value.insert("reasoning".to_owned(), words.into());
                }
            }
            Thoughts::Parts if !words.is_empty() => {
                let mut list = vec![json!({"type": "thinking", "thinking": [{"type": "text", "text": words}]})];
                match value.remove("content") {
                    Some(Value::String(text)) if !text.is_empty() => list.push(json!({"type": "text", "text": text})),
                    Some(Value::Array(parts)) => list.extend(parts),
                    _ => {}
                }
                value.insert("content".to_owned(), Value::Array(list));
            }
            _ => {}
        }
    }
}

const fn instructs(message: &Message) -> bool {
    matches!(message.role, Role::System | Role::Developer)
}

/// Parts that are text without a mark as one text.
fn as_one_text(content: Value) -> Value {
    let read = |part: &Value| {
        let text = part.get("text")?.as_str()?.to_owned();
        part.get("cache_control").is_none().then_some(text)
    };
    let texts: Option<Vec<String>> = content.as_array().and_then(|parts| parts.iter().map(read).collect());
    texts.map_or(content, |texts| texts.join("\n\n").into())
}

/// The mark of a cache in Anthropic's words.
pub(super) fn cache_control(ttl: &str) -> Value {
    match ttl {
        "5m" | "1h" => json!({"type": "ephemeral", "ttl": ttl}),
        _ => json!({"type": "ephemeral"}),
    }
}

fn part_value(kind: &PartKind, path: &str) -> Result<Value, Untranslatable> {
    let data_url = |media_type: &str, base64: &str| format!("data:{media_type};base64,{base64}");
    let refuse = |why| Err(Untranslatable::no_counterpart(path, why));
    match kind {
        PartKind::Text(text) => Ok(json!({"type": "text", "text": text})),
        PartKind::Refusal(text) => Ok(json!({"type": "refusal", "refusal": text})),
        PartKind::Image { source, detail } => {
            let url = match source {
                Source::Url(url) => url.clone(),
                Source::Data { media_type, base64 } => data_url(media_type, base64),
                Source::Text(_) | Source::Id(_) => return refuse("a picture must be a URL or base64"),
            };
            let mut image = json!({"url": url});
            if let (Some(detail), Some(object)) = (detail, image.as_object_mut()) {
                object.insert("detail".to_owned(), detail.as_str().into());
            }
            Ok(json!({"type": "image_url", "image_url": image}))
        }
        PartKind::Audio(Source::Data { media_type, base64 }) => {
            let format = match media_type.rsplit(['/', ';']).next().unwrap_or_default() {
                "mpeg" | "mp3" => "mp3",
                "wav" | "x-wav" | "wave" => "wav",
                _ => return refuse("sound must be WAV or MP3"),
            };
            Ok(json!({"type": "input_audio", "input_audio": {"data": base64, "format": format}}))
        }
        PartKind::Audio(_) => refuse("sound must be base64"),
        PartKind::File { source, name } => match source {
            Source::Text(text) => {
                let head = name.as_deref().map(|name| format!("{name}:\n")).unwrap_or_default();
                Ok(json!({"type": "text", "text": format!("{head}{text}")}))
            }
            Source::Data { media_type, base64 } => {
                let name = name.as_deref().unwrap_or("document.pdf");
                Ok(json!({"type": "file", "file": {"filename": name, "file_data": data_url(media_type, base64)}}))
            }
            Source::Url(_) => refuse("a file must be base64"),
            Source::Id(_) => refuse("a file of another provider is not known there"),
        },
    }
}
