//! The input bound: how many tokens the text, tools and media of a request can be at most.
//!
//! Invariant: never less than the UTF-8 bytes of all text (a byte-level tokenizer makes at least one byte of each token), plus framing per
//! message and tool; media count by the dearest model family, never by their base64. Pure.
//! Wire facts: OpenAI's and Google's image and audio token tables.

use super::envelope::PeekError;
use super::fields::{FREE_ITEM_TOOLS, FREE_TOOLS, FREE_TTLS, LONG_TTLS};
use super::json::{DEPTH_MAX, Name, cut};
use super::place::Place;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Tokens of the dearest known image: gpt-4o-mini's 2,833 and eight tiles of 5,667 (newer families: at most 36,000).
pub const IMAGE_TOKENS_MAX: u64 = 48_169;
/// Tokens that frame a message, at most.
pub const MESSAGE_TOKENS: u64 = 16;
/// Tokens that frame a tool, at most.
pub const TOOL_TOKENS: u64 = 64;
/// Bytes of sound that make a token, at least: 8 kbit/s is the thinnest MP3, 32 tokens a second the dearest model, and a margin of two.
pub(super) const AUDIO_BYTES_PER_TOKEN: u64 = 16;
/// Kinds of sound that are never thinner, as OpenAI and as Google call them.
const SIZED_SOUNDS: &[&str] = &["wav", "mp3"];
const SIZED_SOUND_TYPES: &[&str] = &["audio/wav", "audio/x-wav", "audio/mp3", "audio/mpeg"];
/// What a number can be as text.
const NUMBER_BYTES: u64 = 24;
/// Quotes, colon, comma and space around a name or value where a provider renders JSON into the prompt.
const PUNCTUATION_BYTES: u64 = 4;
/// How much of a text names its conversation.
const HASHED_BYTES: usize = 1024;
const QUOTED_BYTES_MAX: usize = 64;
const TEXT_PARTS: &[&str] = &[
    "text",
    "refusal",
    "thinking",
    "reasoning",
    "image_url",
    "input_audio",
    "file",
];

/// Items of Responses that are no more than their text.
const TEXT_ITEMS: &[&str] = &[
    "message",
    "function_call",
    "function_call_output",
    "custom_tool_call",
    "custom_tool_call_output",
    "local_shell_call",
    "local_shell_call_output",
    "shell_call",
    "shell_call_output",
    "apply_patch_call",
    "apply_patch_call_output",
    "reasoning",
];
/// Parts of such items that are no more than their text, or count where their media stand.
const TEXT_ITEM_PARTS: &[&str] = &[
    "input_text",
    "output_text",
    "text",
    "summary_text",
    "reasoning_text",
    "refusal",
    "input_image",
    "input_file",
    "input_audio",
];
/// Blocks of Messages that are no more than their text, or count where their media stand.
const TEXT_BLOCKS: &[&str] = &[
    "text",
    "image",
    "tool_use",
    "tool_result",
    "tool_reference",
    "thinking",
    "redacted_thinking",
    "search_result",
];
/// How Claude Code begins a text that is another one in each request.
const CHANGING_START: &str = "x-anthropic-billing-header";

/// What a walk through a request has counted.
#[derive(Debug, Default)]
pub(super) struct Count {
    /// Bytes of text and tokens of framing and media.
    pub tokens: u64,
    /// Image parts.
    pub images: u64,
    /// Messages.
    pub messages: u64,
    /// Texts and lists of tokens in the input, each of which is answered by itself.
    pub inputs: u64,
    /// Something that only the account knows that answered before.
    pub needs_state: bool,
    /// The ids of earlier items that it names instead of saying them.
    pub refers_to: Vec<String>,
    /// The ids of the item that is being walked through.
    item_ids: Vec<String>,
    /// Something whose tokens do not follow from its bytes.
    pub is_unsized: bool,
    /// The first messages, up to the first of a user, as a number.
    pub conversation: u64,
    /// Why the request is refused.
    pub refusal: Option<PeekError>,
    /// Sound of which the size is known.
    pub has_sound: bool,
    is_user_seen: bool,
    is_opening_over: bool,
    around: Around,
}

/// What was read of the item or medium that is being walked through: what decides may follow.
#[derive(Clone, Copy, Debug, Default)]
struct Around {
    item: Item,
    has_audio_kind: bool,
    blob: Blob,
}

/// An item of Responses.
#[derive(Clone, Copy, Debug, Default)]
struct Item {
    has_kind: bool,
    has_role: bool,
    is_reference: bool,
}

/// Media of Google's, of which the kind may follow the data.
#[derive(Clone, Copy, Debug, Default)]
struct Blob {
    is_image: bool,
    is_sound: bool,
    kinds: u32,
    bytes: u64,
}

impl Count {
    fn add(&mut self, tokens: u64) {
        self.tokens = self.tokens.saturating_add(tokens);
    }

    fn refuse<E: Error>(&mut self, refusal: PeekError) -> E {
        self.refusal = Some(refusal);
        E::custom("refused")
    }

    /// Mixes the start and the length of `text` into the conversation's number: the same on every machine and in every release.
    fn mix(&mut self, text: &str) {
        if self.is_opening_over || text.starts_with(CHANGING_START) {
            return;
        }
        self.conversation = mixed(self.conversation, text);
    }
}

/// `state` with the start and the length of `text` mixed in.
pub(super) fn mixed(state: u64, text: &str) -> u64 {
    let bytes = text.as_bytes();
    let mut state = state ^ bytes.len() as u64;
    for chunk in bytes[..bytes.len().min(HASHED_BYTES)].chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        state = (state ^ u64::from_le_bytes(word))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29);
    }
    state.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (state >> 31)
}

/// One walk through a value at `place`, `depth` deep.
pub(super) struct Walk<'a> {
    /// What it counts into.
    pub count: &'a mut Count,
    /// Where the value stands.
    pub place: Place,
    /// How many arrays and objects are around it.
    pub depth: u32,
}

impl Walk<'_> {
    fn inner(&mut self, place: Place) -> Walk<'_> {
        Walk {
            count: self.count,
            place,
            depth: self.depth + 1,
        }
    }

    fn enter<E: Error>(&mut self) -> Result<(), E> {
        if self.depth >= DEPTH_MAX {
            return Err(self.count.refuse(PeekError::TooDeep));
        }
        self.present();
        Ok(())
    }

    /// A value that is not `null`: what a part of its kind costs, whatever it holds.
    fn present(&mut self) {
        match self.place {
            Place::Image | Place::Source => {
                self.count.images += 1;
                self.count.add(IMAGE_TOKENS_MAX);
            }
            Place::Unsized | Place::FileData => self.count.is_unsized = true,
            _ => {}
        }
    }

    fn unexpected<E: Error>(&mut self) -> Result<(), E> {
        match self.place.expected() {
            Some((field, expected)) => Err(self.count.refuse(PeekError::WrongType { field, expected })),
            None => Ok(()),
        }
    }

    /// A number, `true` or `false`, of at most `bytes` bytes.
    fn scalar<E: Error>(mut self, bytes: u64) -> Result<(), E> {
        self.unexpected()?;
        self.present();
        if !matches!(self.place, Place::Aside | Place::Uncounted) {
            self.count.add(bytes);
        }
        Ok(())
    }

    /// A value that only some texts may be.
    fn one_of<E: Error>(&mut self, free: &[&str], field: &'static str, text: &str) -> Result<(), E> {
        if free.contains(&text) {
            return Ok(());
        }
        let value = cut(text, QUOTED_BYTES_MAX).to_owned();
        Err(self.count.refuse(PeekError::Unpriced { field, value }))
    }

    /// An image: its tokens were counted with the part; a link's text counts, its data does not.
    fn image_url(&mut self, url: &str) {
        if url.starts_with("data:image/") {
            return;
        }
        self.count.is_unsized |= url.starts_with("data:");
        self.count.add(url.len() as u64);
    }

    /// What a text that names a kind says of what is around it.
    fn kind(&mut self, text: &str) {
        match self.place {
            Place::PartType => self.count.is_unsized |= !TEXT_PARTS.contains(&text),
            Place::ItemPartKind => self.count.is_unsized |= !TEXT_ITEM_PARTS.contains(&text),
            Place::BlockKind => self.count.is_unsized |= !TEXT_BLOCKS.contains(&text),
            Place::ItemKind => {
                self.count.around.item.has_kind = true;
                self.count.is_unsized |= !TEXT_ITEMS.contains(&text);
                self.count.around.item.is_reference |= text == "item_reference";
            }
            Place::AudioKind => {
                self.count.around.has_audio_kind = true;
                self.count.is_unsized |= !SIZED_SOUNDS.contains(&text);
            }
            Place::BlobKind => {
                self.count.around.blob.is_image = text.starts_with("image/");
                self.count.around.blob.is_sound = SIZED_SOUND_TYPES.contains(&text);
            }
            Place::Role => {
                self.count.around.item.has_role = true;
                self.count.is_user_seen |= text == "user";
            }
            Place::Input | Place::InputItem => {
                self.count.inputs += 1;
                self.count.add(MESSAGE_TOKENS);
            }
            Place::Items => self.count.add(MESSAGE_TOKENS),
            _ => {}
        }
    }

    /// What media of Google's cost, once their kind is known.
    fn blob(&mut self) {
        let Blob {
            is_image,
            is_sound,
            kinds,
            bytes,
        } = std::mem::take(&mut self.count.around.blob);
        if kinds > 1 {
            // Which of them counts is the provider's choice.
            self.count.is_unsized = true;
        } else if is_image {
            self.count.images += 1;
            self.count.add(IMAGE_TOKENS_MAX);
        } else if is_sound {
            self.count.has_sound = true;
            self.count.add(bytes.div_ceil(AUDIO_BYTES_PER_TOKEN));
        } else {
            self.count.is_unsized = true;
        }
    }

    /// A message is over: its framing, and whether the opening of the conversation is.
    fn message(&mut self) {
        self.count.messages += 1;
        self.count.add(MESSAGE_TOKENS);
        self.count.is_opening_over |= self.count.is_user_seen;
    }

    fn name(&mut self, name: &str) -> Place {
        if matches!(self.place, Place::Aside | Place::Uncounted) {
            return self.place;
        }
        self.count.add(name.len() as u64 + self.punctuation());
        let place = self.place.member(name);
        // Of a name that stands twice, the last value counts.
        let around = &mut self.count.around;
        match place {
            Place::ItemKind => around.item.has_kind = false,
            Place::Role => around.item.has_role = false,
            Place::AudioKind => around.has_audio_kind = false,
            Place::BlobKind => around.blob.kinds += 1,
            _ => {}
        }
        place
    }

    /// An object begins of which more than one member decides what it counts.
    fn begin(&mut self) {
        let around = &mut self.count.around;
        match self.place {
            Place::Item => {
                around.item = Item::default();
                self.count.item_ids.clear();
            }
            Place::Audio => around.has_audio_kind = false,
            Place::Blob => around.blob = Blob::default(),
            _ => {}
        }
    }

    /// An item is over. Without a kind and a role, it only names an earlier one.
    fn item(&mut self) {
        let Item {
            has_kind,
            has_role,
            is_reference,
        } = self.count.around.item;
        if !is_reference && (has_kind || has_role) {
            return;
        }
        self.count.needs_state = true;
        self.count.is_unsized = true;
        self.count.refers_to.append(&mut self.count.item_ids);
    }

    /// Such an object is over.
    fn end(&mut self) {
        match self.place {
            Place::Item => self.item(),
            Place::Audio => self.count.is_unsized |= !self.count.around.has_audio_kind,
            Place::Blob => self.blob(),
            Place::GoogleContents => self.message(),
            _ => {}
        }
    }

    const fn is_json(&self) -> bool {
        matches!(
            self.place,
            Place::Aside
                | Place::Json
                | Place::Tool
                | Place::ToolType
                | Place::Tools
                | Place::ItemTools
                | Place::ItemTool
                | Place::ItemToolType
                | Place::Uncounted
                | Place::BlobData
        )
    }

    const fn punctuation(&self) -> u64 {
        match self.place {
            Place::Json
            | Place::Tool
            | Place::ToolType
            | Place::Tools
            | Place::ItemTools
            | Place::ItemTool
            | Place::ItemToolType => PUNCTUATION_BYTES,
            _ => 0,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.scalar(5 + PUNCTUATION_BYTES)
    }

    fn visit_unit<E: Error>(mut self) -> Result<(), E> {
        match self.place {
            Place::GoogleContent => Ok(()),
            place if place.is_message() || place.is_never_empty() => self.unexpected(),
            Place::Items | Place::InputToken => self.unexpected(),
            _ => Ok(()),
        }
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        match self.place {
            // A list of numbers is one item: each number is a token.
            Place::InputItem | Place::InputToken => {
                self.count.add(1);
                Ok(())
            }
            _ => self.scalar(NUMBER_BYTES),
        }
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.scalar(NUMBER_BYTES)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.scalar(NUMBER_BYTES)
    }

    fn visit_str<E: Error>(mut self, text: &str) -> Result<(), E> {
        // What names a source, such as the one of a search result, is no image.
        if self.place != Place::Source {
            self.present();
        }
        if !self.is_json() {
            self.count.mix(text);
        }
        match self.place {
            Place::Aside | Place::Uncounted => return Ok(()),
            place if place.is_message() => return self.unexpected(),
            Place::Messages | Place::Turns | Place::GoogleContents | Place::Tool | Place::InputToken => {
                return self.unexpected();
            }
            Place::ToolType => self.one_of(FREE_TOOLS, "tools.type", text)?,
            Place::ItemToolType => self.one_of(FREE_ITEM_TOOLS, "input.tools.type", text)?,
            Place::Ttl => self.one_of(FREE_TTLS, "ttl", text)?,
            Place::LongTtl => self.one_of(LONG_TTLS, "cache_control.ttl", text)?,
            Place::Image | Place::ImageUrl => {
                self.image_url(text);
                return Ok(());
            }
            Place::AudioData => {
                self.count.has_sound = true;
                self.count.add((text.len() as u64).div_ceil(AUDIO_BYTES_PER_TOKEN));
                return Ok(());
            }
            Place::BlobData => {
                let blob = &mut self.count.around.blob;
                blob.bytes = blob.bytes.saturating_add(text.len() as u64);
                return Ok(());
            }
            Place::ItemId => self.count.item_ids.push(text.to_owned()),
            _ => self.kind(text),
        }
        self.count.add(text.len() as u64 + self.punctuation());
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        self.enter()?;
        if matches!(
            self.place,
            Place::Message
                | Place::Item
                | Place::Turn
                | Place::GoogleContent
                | Place::ToolType
                | Place::Ttl
                | Place::LongTtl
                | Place::InputToken
        ) {
            self.unexpected()?;
        }
        if self.place == Place::InputItem {
            self.count.inputs += 1;
        }
        let punctuation = self.punctuation();
        self.count.add(punctuation);
        let place = self.place.element();
        let mut elements = 0_u64;
        while seq.next_element_seed(self.inner(place))?.is_some() {
            elements += 1;
            match place {
                place if place.is_message() => self.message(),
                Place::Tool | Place::ItemTool => self.count.add(TOOL_TOKENS),
                _ => self.count.add(punctuation),
            }
        }
        if elements == 0 && self.place.is_never_empty() {
            self.unexpected()?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        self.enter()?;
        if !self.place.is_message() && !matches!(self.place, Place::Tool | Place::GoogleContents) {
            self.unexpected()?;
        }
        self.begin();
        let punctuation = self.punctuation();
        self.count.add(punctuation);
        while let Some(Name(name)) = map.next_key()? {
            let place = self.name(&name);
            map.next_value_seed(self.inner(place))?;
        }
        self.end();
        Ok(())
    }
}
