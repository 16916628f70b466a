//! The items of a stream that is written: which are open, and what was written of them.
//!
//! Invariant: texts and refusals that follow each other are parts of one message, everything else is an item of its own; what is done is
//! done once. Pure.

use super::super::super::exchange::{Ask, Call, CallKind, Delta, Kind};
use super::super::outgoing;
use super::writer::{Piece, Writer};
use serde_json::{Value, json};

/// Every item of a stream.
#[derive(Debug, Default)]
pub(super) struct Items {
    open: Vec<Item>,
    /// What is done, by place in the output; null where it is not.
    done: Vec<Value>,
}

#[derive(Debug)]
struct Item {
    index: usize,
    id: String,
    /// Whether another item has begun after it, so that it gets no further part.
    is_last: bool,
    body: Body,
}

/// What an item is.
#[derive(Debug)]
pub(super) enum Body {
    /// A message of parts.
    Message(Vec<Part>),
    /// A thought.
    Thought(Thought),
    /// A call.
    Call(u32, Call),
    /// A picture: its type and base64.
    Image(u32, String, String),
}

/// A part of a message.
#[derive(Debug, Default)]
pub(super) struct Part {
    block: u32,
    is_refusal: bool,
    is_done: bool,
    text: String,
    annotations: Vec<Value>,
    logprobs: Vec<Value>,
}

/// A thought, as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Thought {
    block: u32,
    id: Option<String>,
    text: String,
    blob: Option<String>,
    is_redacted: bool,
}

impl Body {
    /// What a block of `kind` makes.
    pub(super) fn of(block: u32, kind: &Kind) -> Self {
        match kind {
            Kind::Text => Self::Message(vec![Part {
                block,
                ..Part::default()
            }]),
            Kind::Refusal => Self::Message(vec![Part {
                block,
                is_refusal: true,
                ..Part::default()
            }]),
            Kind::Thought { id, is_redacted, .. } => Self::Thought(Thought {
                block,
                id: id.clone(),
                is_redacted: *is_redacted,
                ..Thought::default()
            }),
            Kind::Call {
                id,
                name,
                namespace,
                kind,
            } => {
                let call = Call {
                    id: id.clone(),
                    name: name.clone(),
                    namespace: namespace.clone(),
                    kind: *kind,
                    arguments: String::new(),
                };
                Self::Call(block, call)
            }
            Kind::Image { media_type } => Self::Image(block, media_type.clone(), String::new()),
        }
    }

    fn has(&self, number: u32) -> bool {
        match self {
            Self::Message(parts) => place_of(parts, number).is_some(),
            Self::Thought(thought) => thought.block == number,
            Self::Call(block, _) | Self::Image(block, ..) => *block == number,
        }
    }

    /// Whether nothing of it is still to come.
    fn is_done(&self) -> bool {
        matches!(self, Self::Message(parts) if parts.iter().all(|part| part.is_done))
    }
}

impl Part {
    fn value(&self) -> Value {
        if self.is_refusal {
            outgoing::refusal_part(&self.text)
        } else {
            outgoing::text_part(&self.text, &self.annotations, &self.logprobs)
        }
    }
}

impl Items {
    /// Begins what `body` is, or adds it to the message that was begun last.
    pub(super) fn open(&mut self, ask: &Ask, mut body: Body, writer: &mut Writer, out: &mut Vec<u8>) {
        body = match (self.open.iter_mut().find(|item| item.is_last), body) {
            (
                Some(Item {
                    index,
                    id,
                    body: Body::Message(parts),
                    ..
                }),
                Body::Message(more),
            ) => {
                parts.extend(more);
                part_added(*index, id, parts, writer, out);
                return;
            }
            (_, body) => body,
        };
        for item in &mut self.open {
            item.is_last = false;
        }
        self.finish_done(writer, out);
        let index = self.done.len();
        self.done.push(Value::Null);
        let id = match &mut body {
            Body::Message(_) => None,
            Body::Thought(thought) => thought.id.take(),
            Body::Call(..) | Body::Image(..) => None,
        };
        let id = id.unwrap_or_else(|| outgoing::id(ask, prefix(&body), index));
        let item = Item {
            index,
            id,
            is_last: true,
            body,
        };
        item.added(writer, out);
        self.open.push(item);
    }

    /// Adds `delta` to a block.
    pub(super) fn delta(&mut self, block: u32, delta: &Delta, writer: &mut Writer, out: &mut Vec<u8>) {
        if let Some(item) = self.open.iter_mut().find(|item| item.body.has(block)) {
            item.delta(block, delta, writer, out);
        }
    }

    /// A block is whole.
    pub(super) fn close(&mut self, block: u32, writer: &mut Writer, out: &mut Vec<u8>) {
        let Some(at) = self.open.iter().position(|item| item.body.has(block)) else {
            return;
        };
        let item = &mut self.open[at];
        if let Body::Message(parts) = &mut item.body {
            if let Some(place) = place_of(parts, block) {
                part_done((item.index, &item.id, place), &mut parts[place], writer, out);
            }
            if item.is_last || !item.body.is_done() {
                return;
            }
        }
        let item = self.open.remove(at);
        self.put(item, "completed", writer, out);
    }

    /// Ends everything; messages with `status`.
    pub(super) fn finish(&mut self, status: &str, writer: &mut Writer, out: &mut Vec<u8>) {
        for mut item in std::mem::take(&mut self.open) {
            if let Body::Message(parts) = &mut item.body {
                for (place, part) in parts.iter_mut().enumerate() {
                    part_done((item.index, &item.id, place), part, writer, out);
                }
            }
            self.put(item, status, writer, out);
        }
    }

    /// The output.
    pub(super) fn take(&mut self) -> Vec<Value> {
        let mut done = std::mem::take(&mut self.done);
        done.retain(|item| !item.is_null());
        done
    }

    /// Ends the messages that get no further part.
    fn finish_done(&mut self, writer: &mut Writer, out: &mut Vec<u8>) {
        while let Some(at) = self.open.iter().position(|item| item.body.is_done()) {
            let item = self.open.remove(at);
            self.put(item, "completed", writer, out);
        }
    }

    fn put(&mut self, item: Item, status: &str, writer: &mut Writer, out: &mut Vec<u8>) {
        let value = item.done(status, writer, out);
        let body = json!({"output_index": item.index, "item": value});
        writer.write("response.output_item.done", body, out);
        if let Some(place) = self.done.get_mut(item.index) {
            *place = value;
        }
    }
}

const fn prefix(body: &Body) -> &'static str {
    match body {
        Body::Message(_) => "msg",
        Body::Thought(_) => "rs",
        Body::Call(_, call) => outgoing::call_prefix(call.kind),
        Body::Image(..) => "ig",
    }
}

impl Item {
    fn added(&self, writer: &mut Writer, out: &mut Vec<u8>) {
        let item = match &self.body {
            Body::Message(_) => outgoing::message(&self.id, "in_progress", Vec::new()),
            Body::Thought(_) => outgoing::reasoning(&self.id, "", None),
            Body::Call(_, call) => outgoing::call(&self.id, "in_progress", call),
            Body::Image(_, media_type, _) => outgoing::image(&self.id, "in_progress", media_type, None),
        };
        let body = json!({"output_index": self.index, "item": item});
        writer.write("response.output_item.added", body, out);
        if let Body::Message(parts) = &self.body {
            part_added(self.index, &self.id, parts, writer, out);
        }
    }

    fn delta(&mut self, block: u32, delta: &Delta, writer: &mut Writer, out: &mut Vec<u8>) {
        let mut piece = Piece {
            kind: "",
            item_id: &self.id,
            output_index: self.index,
            content_index: None,
            summary_index: None,
            delta: "",
            logprobs: None,
        };
        match (&mut self.body, delta) {
            (_, Delta::Text(more) | Delta::Arguments(more)) if more.is_empty() => {}
            (Body::Message(parts), delta) => {
                if let Some(place) = place_of(parts, block) {
                    piece.content_index = Some(place);
                    parts[place].add(delta, piece, writer, out);
                }
            }
            (Body::Thought(thought), Delta::Text(more)) => {
                if thought.text.is_empty() {
                    let part = outgoing::summary_part("");
                    let body = json!({
                        "item_id": self.id, "output_index": self.index, "summary_index": 0, "part": part,
                    });
                    writer.write("response.reasoning_summary_part.added", body, out);
                }
                thought.text.push_str(more);
                piece.kind = "response.reasoning_summary_text.delta";
                piece.summary_index = Some(0);
                piece.delta = more;
                writer.piece(&piece, out);
            }
            (Body::Thought(thought), Delta::Blob(blob)) => thought.blob = Some(blob.clone()),
            (Body::Call(_, call), Delta::Arguments(more)) => {
                call.arguments.push_str(more);
                piece.kind = match call.kind {
                    CallKind::Function => "response.function_call_arguments.delta",
                    CallKind::Custom => "response.custom_tool_call_input.delta",
                };
                piece.delta = more;
                writer.piece(&piece, out);
            }
            (Body::Image(_, _, base64), Delta::Text(more)) => base64.push_str(more),
            _ => {}
        }
    }

    /// Writes what comes before the end of the item, and gives the item; the parts of a message are done already.
    fn done(&self, status: &str, writer: &mut Writer, out: &mut Vec<u8>) -> Value {
        let place = json!({"item_id": self.id, "output_index": self.index});
        match &self.body {
            Body::Message(parts) => {
                let content = parts.iter().map(Part::value).collect();
                outgoing::message(&self.id, status, content)
            }
            Body::Thought(thought) => {
                if !thought.text.is_empty() {
                    let mut body = place;
                    body["summary_index"] = json!(0);
                    let mut text = body.clone();
                    text["text"] = json!(thought.text);
                    writer.write("response.reasoning_summary_text.done", text, out);
                    body["part"] = outgoing::summary_part(&thought.text);
                    writer.write("response.reasoning_summary_part.done", body, out);
                }
                let blob = thought.blob.as_deref().map(|blob| (blob, thought.is_redacted));
                outgoing::reasoning(&self.id, &thought.text, blob)
            }
            Body::Call(_, call) => {
                let mut body = place;
                let kind = match call.kind {
                    CallKind::Function => {
                        body["name"] = json!(call.name);
                        body["arguments"] = json!(call.arguments);
                        "response.function_call_arguments.done"
                    }
                    CallKind::Custom => {
                        body["input"] = json!(call.arguments);
                        "response.custom_tool_call_input.done"
                    }
                };
                writer.write(kind, body, out);
                outgoing::call(&self.id, status, call)
            }
            Body::Image(_, media_type, base64) => {
                writer.write("response.image_generation_call.completed", place, out);
                outgoing::image(&self.id, status, media_type, Some(base64))
            }
        }
    }
}

impl Part {
    fn add(&mut self, delta: &Delta, mut piece: Piece<'_>, writer: &mut Writer, out: &mut Vec<u8>) {
        match delta {
            Delta::Text(more) => {
                self.text.push_str(more);
                piece.kind = if self.is_refusal {
                    "response.refusal.delta"
                } else {
                    piece.logprobs = Some([]);
                    "response.output_text.delta"
                };
                writer.piece(&Piece { delta: more, ..piece }, out);
            }
            Delta::Citation(citation) if !self.is_refusal => {
                let Some(annotation) = outgoing::annotation(citation, self.text.chars().count()) else {
                    return;
                };
                let body = json!({
                    "item_id": piece.item_id,
                    "output_index": piece.output_index,
                    "content_index": piece.content_index,
                    "annotation_index": self.annotations.len(),
                    "annotation": annotation,
                });
                writer.write("response.output_text.annotation.added", body, out);
                self.annotations.push(annotation);
            }
            Delta::Logprob(logprob) if !self.is_refusal => self.logprobs.push(outgoing::logprob(logprob)),
            _ => {}
        }
    }
}

/// Which of `parts`, whose numbers rise, is the block `number`.
fn place_of(parts: &[Part], number: u32) -> Option<usize> {
    parts.binary_search_by_key(&number, |part| part.block).ok()
}

/// The last of `parts` begins.
fn part_added(index: usize, id: &str, parts: &[Part], writer: &mut Writer, out: &mut Vec<u8>) {
    let Some((part, before)) = parts.split_last() else {
        return;
    };
    let body = json!({"item_id": id, "output_index": index, "content_index": before.len(), "part": part.value()});
    writer.write("response.content_part.added", body, out);
}

/// A part at `place` (its item, that one's id, its own place) is whole.
fn part_done((index, id, place): (usize, &str, usize), part: &mut Part, writer: &mut Writer, out: &mut Vec<u8>) {
    if part.is_done {
        return;
    }
    part.is_done = true;
    let body = json!({"item_id": id, "output_index": index, "content_index": place});
    let mut whole = body.clone();
    let kind = if part.is_refusal {
        whole["refusal"] = json!(part.text);
        "response.refusal.done"
    } else {
        whole["text"] = json!(part.text);
        whole["logprobs"] = json!(part.logprobs);
        "response.output_text.done"
    };
    writer.write(kind, whole, out);
    let mut ended = body;
    ended["part"] = part.value();
    writer.write("response.content_part.done", ended, out);
}
