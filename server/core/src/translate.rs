//! Translation: a request of one dialect said in another, and the reply said back.
//!
//! Invariant: where both sides speak the same dialect nothing is translated, bytes pass; otherwise a request goes through the hub
//! ([`exchange`](crate::dialect::exchange)) once each way, and what cannot be carried is refused or noted, never silently lost. Pure.

mod blobs;
mod bounds;
mod codecs;
mod names;
mod through;

pub use through::Through;

use crate::dialect::exchange::{Notes, Origin, Request, Target, Untranslatable};
use crate::dialect::media::Reader;
use crate::dialect::{Dialect, LineTooLong, Observed, Step, Tally};
use bytes::Bytes;
use names::Names;

/// A request as its upstream is to read it.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The body.
    pub body: Vec<u8>,
    /// What was dropped or changed.
    pub notes: Vec<String>,
}

/// The request in `body`, which a client of `client` sent; `path` is the model and whether to stream, where the path says so.
///
/// # Errors
/// [`Untranslatable`] where it does not follow its dialect or asks for what no other has.
pub fn decode(client: Dialect, body: &[u8], path: Option<(&str, bool)>) -> Result<Request, Untranslatable> {
    codecs::decode_request(client, body, path)
}

/// `request` as an upstream that speaks `origin.dialect` is to read it.
///
/// # Errors
/// [`Untranslatable`] where leaving something out would change what was asked.
pub fn encode(request: &Request, origin: Origin, target: &Target<'_>) -> Result<Encoded, Untranslatable> {
    let mut notes = Notes::default();
    for name in &request.untold {
        notes.dropped(name, "no other dialect has it");
    }
    let opened = blobs::opened(request, origin, &mut notes);
    let renamed = Names::of(request, origin.dialect).map(|names| names.rename(opened.as_ref()));
    let request = renamed.as_ref().unwrap_or(opened.as_ref());
    let body = codecs::encode_request(origin.dialect, request, target, &mut notes)?;
    Ok(Encoded {
        body,
        notes: notes.into_vec(),
    })
}

/// The way of a reply from its upstream to its client.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "most replies pass through, and need no box")]
pub enum Translator {
    /// Both speak the same dialect: the bytes pass, and are read on their way.
    PassThrough(Tally),
    /// They are taken apart and put together anew.
    Through(Box<Through>),
    /// Of rerank, images or sound, which has a form of its own.
    Media(Box<Reader>),
}

impl Translator {
    /// Takes a piece of the reply in.
    ///
    /// # Errors
    /// [`LineTooLong`] where a stream has an event over the limits; it cannot go on.
    pub fn push(&mut self, piece: Bytes) -> Result<Step, LineTooLong> {
        match self {
            Self::PassThrough(tally) => tally.push(piece),
            Self::Through(through) => through.push(piece),
            Self::Media(reader) => reader.push(piece),
        }
    }

    /// The upstream answers in no events, though it was asked for them. Whether its answer can still be handed on as it comes.
    pub fn without_events(&mut self) -> bool {
        match self {
            Self::Media(reader) => reader.without_events(),
            Self::PassThrough(_) | Self::Through(_) => true,
        }
    }

    /// The ids by which the answer can be referred to, once it is whole and where they are the upstream's own.
    #[must_use]
    pub fn ids(&self) -> &[String] {
        match self {
            Self::PassThrough(tally) => tally.ids(),
            Self::Through(_) | Self::Media(_) => &[],
        }
    }

    /// The model that the upstream says is answering, as far as it was read.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        match self {
            Self::PassThrough(tally) => tally.model(),
            Self::Through(through) => through.model(),
            Self::Media(reader) => reader.model(),
        }
    }

    /// What the reply was, after its last byte or after it was cut; `rest` is what the client has still to get.
    #[must_use]
    pub fn finish(self) -> Observed {
        match self {
            Self::PassThrough(tally) => tally.finish(),
            Self::Through(through) => through.finish(),
            Self::Media(reader) => reader.finish(),
        }
    }
}

#[cfg(test)]
mod tests;
