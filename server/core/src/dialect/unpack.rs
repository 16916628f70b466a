//! What only the account that thought it can read, within a request that goes on in its own dialect: opened or cut out where it stands.
//!
//! Invariant: no packed blob reaches an account or a model that did not make it; what was never packed, since it passed as it came, goes
//! out too where the account is known to be another; every other byte stays as the client wrote it. Pure.
//! Wire facts: Anthropic and OpenAI refuse thoughts without their seal, Google calls without a signature.

#[cfg(test)]
mod tests;

use super::exchange::{Notes, Origin, unpack};
use super::generate::{NO_SIGNATURE, opaque};
use super::json::{Elements, Members, member_in, place_in, without};
use super::responses::REDACTED;
use super::rewrite::splice;
use super::{Dialect, UpstreamError};
use memchr::memmem;
use serde_json::Value;
use serde_json::value::RawValue;
use std::ops::Range;

/// How a packed blob begins as a string in JSON: plain, of a thought whose words are withheld, and in base64.
const PACKED: [&[u8]; 3] = [b"\"oh1.", b"\"redacted.oh1.", b"\"b2gxL"];

/// What becomes of a blob that is not packed, and so says nothing of who made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Natives {
    /// The account may have made it.
    Kept,
    /// Another one did.
    Cut,
}

/// `body`, a request in the dialect of `origin`, with the packed blobs of `origin` opened, all others cut out, and what there is to
/// note; `None` where nothing changes.
#[must_use]
pub fn opened_in_place(body: &[u8], origin: Origin, natives: Natives) -> Option<(Vec<u8>, Vec<String>)> {
    type Each<'a> = fn(&mut Edits<'a>, &'a RawValue) -> bool;
    if natives == Natives::Kept && !is_packed(body) {
        return None;
    }
    let text = std::str::from_utf8(body).ok()?;
    let (name, each): (&str, Each<'_>) = match origin.dialect {
        Dialect::Chat => ("messages", Edits::chat_message),
        Dialect::Responses => ("input", Edits::item),
        Dialect::Messages => ("messages", Edits::message),
        Dialect::Generate => ("contents", Edits::content),
        Dialect::Converse => return None,
    };
    let mut edits = Edits {
        text,
        origin,
        natives,
        changed: Vec::new(),
        removed: Vec::new(),
        notes: Notes::default(),
    };
    let top: &RawValue = serde_json::from_str(text.trim_ascii()).ok()?;
    let list = member(top, &[name])?;
    if !edits.list(list, each) {
        edits.changed.push((place_in(text, list.get()), "[]".to_owned()));
    }
    edits.done()
}

/// Whether `error` says that thoughts of the request were made by another account, for another model or in another conversation.
#[must_use]
pub fn is_of_foreign_thoughts(error: &UpstreamError) -> bool {
    if error.code.as_deref() == Some("invalid_encrypted_content") {
        return true;
    }
    let message = error.message.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| message.contains(word));
    let is_of_thoughts = has(&[
        "thought signature",
        "thought_signature",
        "thoughtsignature",
        "encrypted content",
    ]) || (has(&["signature"]) && has(&["thinking"]))
        || has(&["thinking block", "`thinking` or `redacted_thinking` blocks"]);
    let is_amiss = has(&[
        "invalid",
        "not valid",
        "corrupt",
        "could not be verified",
        "did not match",
        "mismatch",
        "cannot be modified",
    ]);
    is_of_thoughts && is_amiss
}

/// Whether a packed blob may be within `bytes`.
fn is_packed(bytes: &[u8]) -> bool {
    PACKED.iter().any(|mark| memmem::find(bytes, mark).is_some())
}

/// The member of `object` that has one of `names`; of several the last, as most read it.
fn member<'a>(object: &'a RawValue, names: &[&str]) -> Option<&'a RawValue> {
    let Members(members) = serde_json::from_str(object.get()).ok()?;
    let found = members
        .into_iter()
        .rev()
        .find(|(name, _)| names.contains(&name.as_ref()));
    found.map(|(_, value)| value)
}

fn string(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

/// What a string turned out to be.
enum Seal {
    /// Not packed by us.
    Plain,
    /// Of the account that is asked.
    Own(String),
    /// Of another one.
    Foreign,
}

/// What to change in a request. What is read says whether anything of it is left; where nothing is, nothing in it is to be changed.
struct Edits<'a> {
    text: &'a str,
    origin: Origin,
    natives: Natives,
    changed: Vec<(Range<usize>, String)>,
    removed: Vec<Range<usize>>,
    notes: Notes,
}

impl<'a> Edits<'a> {
    fn done(self) -> Option<(Vec<u8>, Vec<String>)> {
        let mut edits = self.changed;
        let cuts = without(self.text.as_bytes(), self.removed).into_iter();
        edits.extend(cuts.map(|cut| (cut, String::new())));
        if edits.is_empty() {
            return None;
        }
        Some((splice(self.text.as_bytes(), edits), self.notes.into_vec()))
    }

    /// The elements of a list, each as `each` reads it.
    fn list(&mut self, list: &'a RawValue, each: fn(&mut Self, &'a RawValue) -> bool) -> bool {
        let Ok(Elements(elements)) = serde_json::from_str(list.get()) else {
            return true;
        };
        let all = elements.len();
        let mut gone = Vec::new();
        for element in elements {
            let is_in_question = self.natives == Natives::Cut || is_packed(element.get().as_bytes());
            if is_in_question && !each(self, element) {
                gone.push(place_in(self.text, element.get()));
            }
        }
        if all > 0 && gone.len() == all {
            return false;
        }
        self.removed.append(&mut gone);
        true
    }

    fn open(&mut self, sealed: &str) -> Seal {
        match unpack(sealed) {
            None if self.natives == Natives::Kept => Seal::Plain,
            Some((from, blob)) if from == self.origin => Seal::Own(blob.to_owned()),
            _ => {
                self.notes
                    .dropped("signatures of earlier thoughts", "another account made them");
                Seal::Foreign
            }
        }
    }

    fn change(&mut self, value: &RawValue, text: &str) {
        let place = place_in(self.text, value.get());
        self.changed.push((place, Value::from(text).to_string()));
    }

    /// A thought, which is nothing without its seal in the member `name`.
    fn thought(&mut self, thought: &'a RawValue, name: &str) -> bool {
        let Some((value, sealed)) = member(thought, &[name]).and_then(|value| Some((value, string(value)?))) else {
            return true;
        };
        match self.open(sealed.strip_prefix(REDACTED).unwrap_or(&sealed)) {
            Seal::Plain => true,
            Seal::Own(blob) => {
                self.change(value, &blob);
                true
            }
            Seal::Foreign => false,
        }
    }

    fn message(&mut self, message: &'a RawValue) -> bool {
        member(message, &["content"]).is_none_or(|content| self.list(content, Self::block))
    }

    fn block(&mut self, block: &'a RawValue) -> bool {
        match member(block, &["type"]).and_then(string).as_deref() {
            Some("thinking") => self.thought(block, "signature"),
            Some("redacted_thinking") => self.thought(block, "data"),
            _ => true,
        }
    }

    fn item(&mut self, item: &'a RawValue) -> bool {
        match member(item, &["type"]).and_then(string).as_deref() {
            Some("reasoning") => self.thought(item, "encrypted_content"),
            _ => true,
        }
    }

    fn content(&mut self, content: &'a RawValue) -> bool {
        member(content, &["parts"]).is_none_or(|parts| self.list(parts, Self::part))
    }

    fn part(&mut self, part: &'a RawValue) -> bool {
        let value = member(part, &["thoughtSignature", "thought_signature"]);
        let Some((value, sealed)) = value.and_then(|value| Some((value, string(value)?))) else {
            return true;
        };
        if sealed == NO_SIGNATURE {
            return true;
        }
        match self.open(&opaque::open(sealed)) {
            Seal::Plain => return true,
            Seal::Own(blob) => {
                self.change(value, &blob);
                return true;
            }
            Seal::Foreign => {}
        }
        if member(part, &["functionCall", "function_call"]).is_some() {
            self.change(value, NO_SIGNATURE);
            return true;
        }
        let is_thought = member(part, &["thought"]).is_some_and(|thought| thought.get() == "true");
        let is_wordless = member(part, &["text"]).is_some_and(|text| text.get() == r#""""#);
        if is_thought || is_wordless {
            return false;
        }
        self.removed.push(member_in(self.text, value.get()));
        true
    }

    fn chat_message(&mut self, message: &'a RawValue) -> bool {
        if let Some(details) = member(message, &["reasoning_details"])
            && !self.list(details, Self::detail)
        {
            self.removed.push(member_in(self.text, details.get()));
        }
        true
    }

    /// A detail; the blob of an own one is a list of details.
    fn detail(&mut self, detail: &'a RawValue) -> bool {
        let Some(sealed) = member(detail, &["data"]).and_then(string) else {
            return member(detail, &["signature"])
                .and_then(string)
                .is_none_or(|sealed| self.details(detail, &sealed));
        };
        self.details(detail, &sealed)
    }

    fn details(&mut self, detail: &'a RawValue, sealed: &str) -> bool {
        let blob = match self.open(sealed) {
            Seal::Plain => return true,
            Seal::Own(blob) => blob,
            Seal::Foreign => return false,
        };
        let is_list = serde_json::from_str::<Vec<&RawValue>>(&blob).is_ok_and(|list| !list.is_empty());
        let Some(list) = blob
            .trim_ascii()
            .strip_prefix('[')
            .and_then(|list| list.strip_suffix(']'))
        else {
            return false;
        };
        if is_list {
            self.changed.push((place_in(self.text, detail.get()), list.to_owned()));
        }
        is_list
    }
}
