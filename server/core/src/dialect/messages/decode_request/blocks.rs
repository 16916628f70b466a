//! Messages and their blocks, as items.
//!
//! Invariant: each run of words and media between thoughts, calls and outcomes is one message of its role. Pure.

use super::super::super::exchange::{Call, CallKind, Item, Message, Outcome, Part, Role, Thought, Untranslatable};
use super::super::object::{Content, Object, Place};
use super::{cache, media};

/// A message that is being taken apart.
struct Run<'a> {
    role: Role,
    parts: Vec<Part>,
    items: &'a mut Vec<Item>,
}

impl Run<'_> {
    /// Ends the run of words with `item`.
    fn push(&mut self, item: Item) {
        self.flush();
        self.items.push(item);
    }

    fn flush(&mut self) {
        if !self.parts.is_empty() {
            self.items.push(Item::Message(Message {
                role: self.role,
                parts: std::mem::take(&mut self.parts),
                name: None,
            }));
        }
    }
}

/// Adds what `message` says to `items`.
pub(super) fn message(message: &Object<'_, '_>, items: &mut Vec<Item>) -> Result<(), Untranslatable> {
    let role = match message.word("role")?.as_ref() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        _ => return Err(message.at("role").wrong("“user”, “assistant” or “system”")),
    };
    let mut run = Run {
        role,
        parts: Vec::new(),
        items,
    };
    match message.content("content")? {
        None => return Err(message.at("content").wrong("a string or a list of blocks")),
        Some(Content::Text(text)) => run.parts.push(Part::text(text)),
        Some(Content::List(list)) => {
            let place = message.at("content");
            for (index, raw) in list.into_iter().enumerate() {
                block(&Object::read(raw, Place::Element(&place, index))?, &mut run)?;
            }
        }
    }
    run.flush();
    Ok(())
}

fn block(block: &Object<'_, '_>, run: &mut Run<'_>) -> Result<(), Untranslatable> {
    let kind = block.word("type")?;
    match kind.as_ref() {
        "thinking" => run.push(Item::Thought(Thought {
            text: block.text("thinking")?.unwrap_or_default(),
            is_summary: true,
            blob: block.text("signature")?.filter(|signature| !signature.is_empty()),
            ..Thought::default()
        })),
        "redacted_thinking" => run.push(Item::Thought(Thought {
            blob: Some(block.required_text("data")?),
            is_redacted: true,
            ..Thought::default()
        })),
        "tool_use" => run.push(Item::Call(call(block)?)),
        "tool_result" => run.push(Item::Outcome(outcome(block)?)),
        // What ran at Anthropic, whose outcome the words that follow tell, and which tools were offered from here on.
        "server_tool_use" | "mcp_tool_use" | "tool_addition" | "tool_removal" => {}
        kind if kind.ends_with("_tool_result") => {}
        _ => media::parts(block, &mut run.parts)?,
    }
    Ok(())
}

fn call(block: &Object<'_, '_>) -> Result<Call, Untranslatable> {
    let arguments = match block.member("input") {
        None => "{}",
        Some(input) if input.get().starts_with('{') => input.get(),
        Some(_) => return Err(block.at("input").wrong("an object")),
    };
    Ok(Call {
        id: block.required_text("id")?,
        name: block.required_text("name")?,
        namespace: None,
        arguments: arguments.to_owned(),
        kind: CallKind::Function,
    })
}

fn outcome(block: &Object<'_, '_>) -> Result<Outcome, Untranslatable> {
    let mut parts = Vec::new();
    match block.content("content")? {
        None => {}
        Some(Content::Text(text)) => parts.push(Part::text(text)),
        Some(Content::List(list)) => {
            let place = block.at("content");
            for (index, raw) in list.into_iter().enumerate() {
                media::parts(&Object::read(raw, Place::Element(&place, index))?, &mut parts)?;
            }
        }
    }
    // A mark on the outcome covers the same words as one on its last part.
    if let (Some(mark), Some(last)) = (cache(block)?, parts.last_mut()) {
        last.cache = Some(mark);
    }
    Ok(Outcome {
        call_id: block.required_text("tool_use_id")?,
        name: None,
        parts,
        is_error: block.flag("is_error")?.unwrap_or_default(),
        kind: CallKind::Function,
    })
}
