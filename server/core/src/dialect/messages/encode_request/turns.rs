//! Items, as turns of a user and a model that take turns.
//!
//! Invariant: turns alternate, begin with the user's, and none is empty; what calls brought stands first in the turn that follows them;
//! nothing is moved in front of a thought. Pure.
//! Wire facts: Anthropic's API reference; system messages within a conversation stand between a user's turn and the model's, or last.

use super::super::super::exchange::{
    Item, Message, Notes, Outcome, PartKind, Request, Role as Speaker, Rules, Thought, Untranslatable,
};
use super::super::super::turn::{self, NOTHING, Role, push};
use super::super::block::{Block, Input};
use super::media;
use std::borrow::Cow;

/// How long an id of a call may be, in bytes.
const ID_BYTES_MAX: usize = 64;

/// What somebody said at a time.
pub(super) type Turn<'a> = turn::Turn<Block<'a>>;

/// Instructions and turns.
#[derive(Debug, Default)]
pub(super) struct Conversation<'a> {
    pub(super) system: Vec<Block<'a>>,
    pub(super) turns: Vec<Turn<'a>>,
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
        turn.content
            .sort_by_key(|block| !matches!(block, Block::ToolResult { .. }));
    }
    end(&mut turns, rules)?;
    if turns.first().is_none_or(|turn| turn.role != Role::User) {
        let content = media::text(Cow::Borrowed(NOTHING)).into_iter().collect();
        turns.insert(
            0,
            Turn {
                role: Role::User,
                content,
            },
        );
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
                conversation.system.extend(words(message, notes)?);
            }
            Speaker::System | Speaker::Developer => push(turns, Role::System, words(message, notes)?),
            Speaker::Assistant => push(turns, Role::Assistant, words(message, notes)?),
            Speaker::User => {
                let mut blocks = Vec::new();
                for part in &message.parts {
                    blocks.extend(media::block(part, notes)?);
                }
                push(turns, Role::User, blocks);
            }
        },
        Item::Thought(thought) => push(turns, Role::Assistant, thought_block(thought, notes)),
        Item::Call(call) => {
            let block = Block::ToolUse {
                id: id(&call.id),
                name: call.full_name(),
                input: Input::of(call),
            };
            push(turns, Role::Assistant, Some(block));
        }
        Item::Outcome(outcome) => push(turns, Role::User, Some(outcome_block(outcome, notes)?)),
    }
    Ok(())
}

/// The words of a message whose role may have nothing else.
fn words<'a>(message: &'a Message, notes: &mut Notes) -> Result<Vec<Block<'a>>, Untranslatable> {
    let mut blocks = Vec::new();
    for part in &message.parts {
        match &part.kind {
            PartKind::Text(_) | PartKind::Refusal(_) => blocks.extend(media::block(part, notes)?),
            PartKind::Image { .. } | PartKind::Audio(_) | PartKind::File { .. } => {
                notes.dropped("media of the model or of the system", "only users may send them");
            }
        }
    }
    Ok(blocks)
}

/// A thought that its account can read; others are left out, since the provider refuses them.
fn thought_block<'a>(thought: &'a Thought, notes: &mut Notes) -> Option<Block<'a>> {
    match &thought.blob {
        Some(data) if thought.is_redacted => Some(Block::RedactedThinking { data }),
        Some(signature) => Some(Block::Thinking {
            thinking: &thought.text,
            signature,
        }),
        None => {
            notes.dropped("an earlier thought", "the account cannot check where it is from");
            None
        }
    }
}

fn outcome_block<'a>(outcome: &'a Outcome, notes: &mut Notes) -> Result<Block<'a>, Untranslatable> {
    let mut content = Vec::new();
    let mut cache_control = None;
    for part in &outcome.parts {
        let mut block = media::block(part, notes)?;
        // A mark within covers the same words as one on the whole, or a few less.
        if let Some(mark) = block.as_mut().and_then(super::marks::of) {
            cache_control = mark.take().or(cache_control);
        }
        content.extend(block);
    }
    Ok(Block::ToolResult {
        tool_use_id: id(&outcome.call_id),
        content,
        is_error: outcome.is_error,
        cache_control,
    })
}

/// `call_id` in letters that the provider takes.
fn id(call_id: &str) -> Cow<'_, str> {
    turn::call_id(call_id, ID_BYTES_MAX, turn::is_word)
}

fn wrap(block: Block<'_>) -> Block<'_> {
    match block {
        Block::Text {
            text,
            citations,
            cache_control,
        } => Block::Text {
            text: Cow::Owned(turn::reminder(&text)),
            citations,
            cache_control,
        },
        other => other,
    }
}

/// Makes the last turn one that the model can answer, or go on with.
fn end(turns: &mut Vec<Turn<'_>>, rules: &Rules) -> Result<(), Untranslatable> {
    while let Some(turn) = turns.last_mut().filter(|turn| turn.role == Role::Assistant) {
        let Some(Block::Text { text, .. }) = turn.content.last_mut() else {
            return Ok(());
        };
        if !rules.takes_prefill {
            let why = "the model does not go on with an answer that the client has begun";
            return Err(Untranslatable::no_counterpart("messages", why));
        }
        let trimmed = text.trim_end();
        if !trimmed.is_empty() {
            if trimmed.len() < text.len() {
                *text = Cow::Owned(trimmed.to_owned());
            }
            return Ok(());
        }
        turn.content.pop();
        if turn.content.is_empty() {
            turns.pop();
        }
    }
    Ok(())
}
