//! Which codec speaks for which dialect.
//!
//! Invariant: the only place that lists them; a new dialect is missing here until the compiler is content. Pure.

use super::bounds::Bounds;
use crate::dialect::exchange::{Ask, Event, Notes, Reply, Request, Target, Unreadable, Untranslatable};
use crate::dialect::{Dialect, chat, converse, generate, messages, responses};

pub(super) fn decode_request(
    client: Dialect,
    body: &[u8],
    path: Option<(&str, bool)>,
) -> Result<Request, Untranslatable> {
    match client {
        Dialect::Chat | Dialect::Converse => chat::decode_request(body),
        Dialect::Responses => responses::decode_request(body),
        Dialect::Messages => messages::decode_request(body),
        Dialect::Generate => {
            let (model, stream) = path.ok_or_else(|| Untranslatable::wrong("model", "in the path"))?;
            generate::decode_request(body, model, stream)
        }
    }
}

pub(super) fn encode_request(
    upstream: Dialect,
    request: &Request,
    target: &Target<'_>,
    notes: &mut Notes,
) -> Result<Vec<u8>, Untranslatable> {
    match upstream {
        Dialect::Chat => chat::encode_request(request, target, notes),
        Dialect::Responses => responses::encode_request(request, target, notes),
        Dialect::Messages => messages::encode_request(request, target, notes),
        Dialect::Generate => generate::encode_request(request, target, notes),
        Dialect::Converse => converse::encode_request(request, target, notes),
    }
}

pub(super) fn decode_reply(upstream: Dialect, body: &[u8]) -> Result<Reply, Unreadable> {
    match upstream {
        Dialect::Chat => chat::decode_reply(body),
        Dialect::Responses => responses::decode_reply(body),
        Dialect::Messages => messages::decode_reply(body),
        Dialect::Generate => generate::decode_reply(body),
        Dialect::Converse => converse::decode_reply(body),
    }
}

pub(super) fn encode_reply(client: Dialect, reply: &Reply, ask: &Ask) -> Vec<u8> {
    match client {
        Dialect::Chat | Dialect::Converse => chat::encode_reply(reply, ask),
        Dialect::Responses => responses::encode_reply(reply, ask),
        Dialect::Messages => messages::encode_reply(reply, ask),
        Dialect::Generate => generate::encode_reply(reply, ask),
    }
}

/// The reader of an upstream's stream, which is no longer read where it comes to more than an answer can.
#[derive(Debug)]
pub(super) struct Decoder {
    speaker: Speaker,
    bounds: Bounds,
}

#[derive(Debug)]
enum Speaker {
    Chat(chat::Decoder),
    Responses(responses::Decoder),
    Messages(messages::Decoder),
    Generate(generate::Decoder),
    Converse(converse::Decoder),
}

impl Decoder {
    pub(super) fn new(upstream: Dialect) -> Self {
        let speaker = match upstream {
            Dialect::Chat => Speaker::Chat(chat::Decoder::default()),
            Dialect::Responses => Speaker::Responses(responses::Decoder::default()),
            Dialect::Messages => Speaker::Messages(messages::Decoder::default()),
            Dialect::Generate => Speaker::Generate(generate::Decoder::default()),
            Dialect::Converse => Speaker::Converse(converse::Decoder::default()),
        };
        Self {
            speaker,
            bounds: Bounds::default(),
        }
    }

    pub(super) fn push(&mut self, event: Option<&str>, data: &[u8], out: &mut Vec<Event>) {
        let before = out.len();
        match &mut self.speaker {
            Speaker::Chat(decoder) => decoder.push(event, data, out),
            Speaker::Responses(decoder) => decoder.push(event, data, out),
            Speaker::Messages(decoder) => decoder.push(event, data, out),
            Speaker::Generate(decoder) => decoder.push(event, data, out),
            Speaker::Converse(decoder) => decoder.push(event, data, out),
        }
        self.bounds.keep(data.len(), before, out);
    }

    pub(super) fn finish(&mut self, out: &mut Vec<Event>) {
        match &mut self.speaker {
            Speaker::Chat(decoder) => decoder.finish(out),
            Speaker::Responses(decoder) => decoder.finish(out),
            Speaker::Messages(decoder) => decoder.finish(out),
            Speaker::Generate(decoder) => decoder.finish(out),
            Speaker::Converse(decoder) => decoder.finish(out),
        }
    }
}

/// The writer of a client's stream.
#[derive(Debug)]
pub(super) enum Encoder {
    Chat(chat::Encoder),
    Responses(responses::Encoder),
    Messages(messages::Encoder),
    Generate(generate::Encoder),
}

impl Encoder {
    pub(super) fn new(client: Dialect, ask: Ask) -> Self {
        match client {
            Dialect::Chat | Dialect::Converse => Self::Chat(chat::Encoder::new(ask)),
            Dialect::Responses => Self::Responses(responses::Encoder::new(ask)),
            Dialect::Messages => Self::Messages(messages::Encoder::new(ask)),
            Dialect::Generate => Self::Generate(generate::Encoder::new(ask)),
        }
    }

    pub(super) fn push(&mut self, event: &Event, out: &mut Vec<u8>) {
        match self {
            Self::Chat(encoder) => encoder.push(event, out),
            Self::Responses(encoder) => encoder.push(event, out),
            Self::Messages(encoder) => encoder.push(event, out),
            Self::Generate(encoder) => encoder.push(event, out),
        }
    }
}
