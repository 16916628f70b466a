//! The input bound: how many tokens the text, tools and media of a request can be at most.
//!
//! Invariant: never less than the UTF-8 bytes of all text (a byte-level tokenizer makes at least one byte of each token), plus framing per
//! message and tool; media count by the dearest model family, never by their base64. Pure.
//! Wire facts: OpenAI's and Google's image and audio token tables.

use super::envelope::PeekError;
use super::fields::{FREE_TOOLS, FREE_TTLS};
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
const AUDIO_BYTES_PER_TOKEN: u64 = 16;
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

/// What a walk through a request has counted.
#[derive(Debug, Default)]
pub(super) struct Count {
    /// Bytes of text and tokens of framing and media.
    pub tokens: u64,
    /// Image parts.
    pub images: u64,
    /// Messages.
    pub messages: u64,
    /// Something whose tokens do not follow from its bytes.
    pub is_unsized: bool,
    /// The first messages, up to the first of a user, as a number.
    pub conversation: u64,
    /// Why the request is refused.
    pub refusal: Option<PeekError>,
    is_user_seen: bool,
    is_opening_over: bool,
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
        if self.is_opening_over {
            return;
        }
        let bytes = text.as_bytes();
        let mut state = self.conversation ^ bytes.len() as u64;
        for chunk in bytes[..bytes.len().min(HASHED_BYTES)].chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            state = (state ^ u64::from_le_bytes(word))
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .rotate_left(29);
        }
        self.conversation = state.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (state >> 31);
    }
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
            Place::Image => {
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
        if self.place != Place::Aside {
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

    fn name(&mut self, name: &str) -> Place {
        if self.place == Place::Aside {
            return Place::Aside;
        }
        self.count.add(name.len() as u64 + self.punctuation());
        self.place.member(name)
    }

    const fn is_json(&self) -> bool {
        matches!(
            self.place,
            Place::Aside | Place::Json | Place::Tool | Place::ToolType | Place::Tools
        )
    }

    const fn punctuation(&self) -> u64 {
        match self.place {
            Place::Json | Place::Tool | Place::ToolType | Place::Tools => PUNCTUATION_BYTES,
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
            Place::Messages | Place::Message | Place::Input | Place::InputItem | Place::InputToken => self.unexpected(),
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
        self.present();
        if !self.is_json() {
            self.count.mix(text);
        }
        match self.place {
            Place::Aside => return Ok(()),
            Place::Messages | Place::Message | Place::Tool | Place::InputToken => return self.unexpected(),
            Place::ToolType => self.one_of(FREE_TOOLS, "tools.type", text)?,
            Place::Ttl => self.one_of(FREE_TTLS, "ttl", text)?,
            Place::Image | Place::ImageUrl => {
                self.image_url(text);
                return Ok(());
            }
            Place::AudioData => {
                self.count.add((text.len() as u64).div_ceil(AUDIO_BYTES_PER_TOKEN));
                return Ok(());
            }
            Place::PartType => self.count.is_unsized |= !TEXT_PARTS.contains(&text),
            Place::Role => self.count.is_user_seen |= text == "user",
            Place::Input | Place::InputItem => self.count.add(MESSAGE_TOKENS),
            _ => {}
        }
        self.count.add(text.len() as u64 + self.punctuation());
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        self.enter()?;
        if matches!(
            self.place,
            Place::Message | Place::ToolType | Place::Ttl | Place::InputToken
        ) {
            self.unexpected()?;
        }
        let punctuation = self.punctuation();
        self.count.add(punctuation);
        let place = self.place.element();
        let mut elements = 0_u64;
        while seq.next_element_seed(self.inner(place))?.is_some() {
            elements += 1;
            match place {
                Place::Message => {
                    self.count.messages += 1;
                    self.count.add(MESSAGE_TOKENS);
                    self.count.is_opening_over |= self.count.is_user_seen;
                }
                Place::Tool => self.count.add(TOOL_TOKENS),
                _ => self.count.add(punctuation),
            }
        }
        if elements == 0 && matches!(self.place, Place::Messages | Place::Input | Place::InputItem) {
            self.unexpected()?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        self.enter()?;
        if !matches!(self.place, Place::Message | Place::Tool) {
            self.unexpected()?;
        }
        let punctuation = self.punctuation();
        self.count.add(punctuation);
        while let Some(Name(name)) = map.next_key()? {
            let place = self.name(&name);
            map.next_value_seed(self.inner(place))?;
        }
        Ok(())
    }
}
