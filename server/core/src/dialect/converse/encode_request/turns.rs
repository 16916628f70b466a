//! Items, as turns of a user and a model that take turns.
//!
//! Invariant: turns alternate, begin with the user's, and none is empty; what calls brought stands first in the turn that follows them.
//! Pure. Wire facts: the AWS SDKs' model of the Bedrock runtime.

mod media;

use super::super::super::exchange::{
    Call, CallKind, Item, Message, Notes, Outcome, Part, PartKind, Request, Role as Speaker, Rules, Thought,
    Untranslatable,
};
use super::super::super::turn::{self, NOTHING, Role, push};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// How long an id of a call may be, in bytes.
const ID_BYTES_MAX: usize = 64;

/// What somebody said at a time.
pub(super) type Turn<'a> = turn::Turn<Block<'a>>;

/// Instructions and turns.
#[derive(Default)]
pub(super) struct Conversation<'a> {
    pub(super) system: Vec<Block<'a>>,
    pub(super) turns: Vec<Turn<'a>>,
}

/// A piece of a turn; its name on the wire is the only member.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Block<'a> {
    Text(Cow<'a, str>),
    Image(Image<'a>),
    Document(Document<'a>),
    ReasoningContent(Reasoning<'a>),
    ToolUse(ToolUse<'a>),
    ToolResult(ToolResult<'a>),
    CachePoint(CachePoint),
}

#[derive(Serialize)]
pub(super) struct Image<'a> {
    format: &'static str,
    source: Bytes<'a>,
}

#[derive(Serialize)]
pub(super) struct Document<'a> {
    format: &'static str,
    name: String,
    source: Bytes<'a>,
}

/// In base64.
#[derive(Serialize)]
struct Bytes<'a> {
    bytes: Cow<'a, str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Reasoning<'a> {
    ReasoningText { text: &'a str, signature: &'a str },
    RedactedContent(&'a str),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolUse<'a> {
    tool_use_id: Cow<'a, str>,
    name: Cow<'a, str>,
    input: Input<'a>,
}

/// The arguments of a call, always an object.
#[derive(Serialize)]
#[serde(untagged)]
enum Input<'a> {
    Written(&'a RawValue),
    Made(Value),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolResult<'a> {
    tool_use_id: Cow<'a, str>,
    content: Vec<Block<'a>>,
    status: &'static str,
}

/// A mark up to which the prompt is cached.
#[derive(Serialize)]
pub(super) struct CachePoint {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'static str>,
}

impl CachePoint {
    /// For so long, in the client's word.
    pub(super) fn of(time: &str) -> Self {
        Self {
            kind: "default",
            ttl: (time == "1h").then_some("1h"),
        }
    }
}

impl Block<'_> {
    /// Whether it is a mark.
    pub(super) const fn is_mark(&self) -> bool {
        matches!(self, Self::CachePoint(_))
    }
}

/// What `request` says, for a model that follows `rules`.
pub(super) fn collect<'a>(
    request: &'a Request,
    rules: &Rules,
    notes: &mut Notes,
) -> Result<Conversation<'a>, Untranslatable> {
    let mut conversation = Conversation::default();
    for item in &request.items {
        add(item, &mut conversation, notes)?;
    }
    let mut turns = turn::settle(conversation.turns, rules, notes, wrap);
    for turn in turns.iter_mut().filter(|turn| turn.role == Role::User) {
        turn.content.sort_by_key(|block| !matches!(block, Block::ToolResult(_)));
        let has_document = turn.content.iter().any(|block| matches!(block, Block::Document(_)));
        if has_document && !turn.content.iter().any(|block| matches!(block, Block::Text(_))) {
            // A document without a word beside it is refused.
            turn.content.push(Block::Text(Cow::Borrowed(NOTHING)));
        }
    }
    end(&mut turns, rules)?;
    if turns.first().is_none_or(|turn| turn.role != Role::User) {
        let content = vec![Block::Text(Cow::Borrowed(NOTHING))];
        let role = Role::User;
        turns.insert(0, Turn { role, content });
    }
    conversation.turns = turns;
    Ok(conversation)
}

fn add<'a>(item: &'a Item, conversation: &mut Conversation<'a>, notes: &mut Notes) -> Result<(), Untranslatable> {
    if matches!(item, Item::Message(message) if message.name.is_some()) {
        notes.dropped("the names of who speaks", "the provider does not have them");
    }
    let turns = &mut conversation.turns;
    match item {
        Item::Message(message) => match message.role {
            Speaker::System | Speaker::Developer if turns.is_empty() => {
                conversation.system.extend(words(message, notes))
            }
            Speaker::System | Speaker::Developer => push(turns, Role::System, words(message, notes)),
            Speaker::Assistant => push(turns, Role::Assistant, words(message, notes)),
            Speaker::User => push(turns, Role::User, blocks(&message.parts)?),
        },
        Item::Thought(thought) => push(turns, Role::Assistant, thought_block(thought, notes)),
        Item::Call(call) => push(turns, Role::Assistant, Some(Block::ToolUse(tool_use(call)))),
        Item::Outcome(outcome) => push(turns, Role::User, Some(tool_result(outcome)?)),
    }
    Ok(())
}

fn blocks(parts: &[Part]) -> Result<Vec<Block<'_>>, Untranslatable> {
    let mut blocks = Vec::new();
    for part in parts {
        match media::block(&part.kind)? {
            Some(block) => blocks.push(block),
            // A mark after nothing is refused.
            None if blocks.is_empty() => continue,
            None => {}
        }
        blocks.extend(
            part.cache
                .as_deref()
                .map(|time| Block::CachePoint(CachePoint::of(time))),
        );
    }
    Ok(blocks)
}

/// The words of a message whose role may have nothing else.
fn words<'a>(message: &'a Message, notes: &mut Notes) -> Vec<Block<'a>> {
    let mut blocks = Vec::new();
    for part in &message.parts {
        match &part.kind {
            PartKind::Text(text) | PartKind::Refusal(text) if !text.is_empty() => {
                blocks.push(Block::Text(Cow::Borrowed(text)));
                blocks.extend(
                    part.cache
                        .as_deref()
                        .map(|time| Block::CachePoint(CachePoint::of(time))),
                );
            }
            PartKind::Text(_) | PartKind::Refusal(_) => {}
            PartKind::Image { .. } | PartKind::Audio(_) | PartKind::File { .. } => {
                notes.dropped("media of the model or of the system", "only users may send them");
            }
        }
    }
    blocks
}

/// A thought that its account can read; others are left out, since the provider refuses them.
fn thought_block<'a>(thought: &'a Thought, notes: &mut Notes) -> Option<Block<'a>> {
    let reasoning = match &thought.blob {
        Some(data) if thought.is_redacted => Reasoning::RedactedContent(data),
        Some(signature) => Reasoning::ReasoningText {
            text: &thought.text,
            signature,
        },
        None => {
            notes.dropped("an earlier thought", "the account cannot check where it is from");
            return None;
        }
    };
    Some(Block::ReasoningContent(reasoning))
}

fn tool_use(call: &Call) -> ToolUse<'_> {
    let input = match call.kind {
        CallKind::Custom => Input::Made(json!({"input": call.arguments})),
        CallKind::Function => match serde_json::from_str::<&RawValue>(&call.arguments) {
            Ok(raw) if raw.get().starts_with('{') => Input::Written(raw),
            _ if call.arguments.trim().is_empty() => Input::Made(Value::Object(Map::new())),
            _ => Input::Made(json!({"_raw": call.arguments})),
        },
    };
    ToolUse {
        tool_use_id: id(&call.id),
        name: call.full_name(),
        input,
    }
}

fn tool_result(outcome: &Outcome) -> Result<Block<'_>, Untranslatable> {
    let mut content = blocks(&outcome.parts)?;
    // Marks stand between blocks of turns, not within what a tool brought.
    content.retain(|block| !block.is_mark());
    if content.is_empty() {
        content.push(Block::Text(Cow::Borrowed(NOTHING)));
    }
    Ok(Block::ToolResult(ToolResult {
        tool_use_id: id(&outcome.call_id),
        content,
        status: if outcome.is_error { "error" } else { "success" },
    }))
}

/// `call_id` in letters that Bedrock takes.
fn id(call_id: &str) -> Cow<'_, str> {
    turn::call_id(call_id, ID_BYTES_MAX, |byte| {
        turn::is_word(byte) || matches!(byte, b'.' | b':')
    })
}

fn wrap(block: Block<'_>) -> Block<'_> {
    match block {
        Block::Text(text) => Block::Text(Cow::Owned(turn::reminder(&text))),
        other => other,
    }
}

/// Makes the last turn one that the model can answer, or go on with.
fn end(turns: &mut Vec<Turn<'_>>, rules: &Rules) -> Result<(), Untranslatable> {
    while let Some(turn) = turns.last_mut().filter(|turn| turn.role == Role::Assistant) {
        turn.content.pop_if(|block| block.is_mark());
        let Some(Block::Text(text)) = turn.content.last_mut() else {
            return Ok(());
        };
        if !rules.takes_prefill {
            let why = "the model does not go on with an answer that the client has begun";
            return Err(Untranslatable::no_counterpart("messages", why));
        }
        let trimmed = text.trim_end();
        if !trimmed.is_empty() {
            *text = Cow::Owned(trimmed.to_owned());
            return Ok(());
        }
        turn.content.pop();
        if turn.content.is_empty() {
            turns.pop();
        }
    }
    Ok(())
}
