//! A whole reply for a client of the generate dialect.
//!
//! Invariant: a signature stands on the part that follows its thought; thoughts are shown to who asked for them. Pure.
//! Wire facts: Google's `GenerateContentResponse`.

use super::super::exchange::{Ask, Choice, Finish, Output, Reply};
use super::opaque;
use super::outgoing::{self, Candidate, Chunk, Content, Part};
use super::places::Places;

/// The body of `reply`.
pub(crate) fn encode_reply(reply: &Reply, ask: &Ask) -> Vec<u8> {
    let shows_thoughts = outgoing::shows_thoughts(&ask.request);
    let candidate = |choice| candidate(choice, shows_thoughts);
    let tier = reply.service_tier.as_deref();
    let chunk = Chunk {
        candidates: reply.choices.iter().map(candidate).collect(),
        usage_metadata: reply.usage.as_ref().map(|usage| outgoing::usage(usage, tier)),
        model_version: &reply.model,
        response_id: if ask.id.is_empty() { &reply.id } else { &ask.id },
    };
    serde_json::to_vec(&chunk).unwrap_or_default()
}

fn candidate(choice: &Choice, shows_thoughts: bool) -> Candidate<'_> {
    let mut parts: Vec<Part<'_>> = Vec::new();
    let mut signature: Option<String> = None;
    let mut places = Places::default();
    let mut cited = Vec::new();
    let mut likely = Vec::new();
    for output in &choice.output {
        let part = match output {
            Output::Thought(thought) => {
                if shows_thoughts && !thought.text.is_empty() {
                    parts.push(Part::thought(thought.text.as_str()));
                }
                if let Some(blob) = &thought.blob
                    && let Some(earlier) = signature.replace(opaque::seal(blob))
                {
                    parts.push(Part::text("").signed(Some(earlier)));
                }
                continue;
            }
            Output::Refusal(text) | Output::Text { text, .. } if text.is_empty() => continue,
            Output::Refusal(text) => {
                places.see(text);
                Part::text(text.as_str())
            }
            Output::Text {
                text,
                citations,
                logprobs,
            } => {
                places.see(text);
                cited.extend(citations.iter().cloned());
                likely.extend(logprobs.iter().cloned());
                Part::text(text.as_str())
            }
            Output::Call(call) => Part::call(call.clone()),
            Output::Image { media_type, base64 } => Part::image(media_type.clone(), base64.clone()),
        };
        parts.push(part.signed(signature.take()));
    }
    end(&mut parts, signature);
    // Some upstreams leave out why a whole answer ended.
    let finish = choice.finish.as_ref().unwrap_or(&Finish::Stop);
    let (finish_reason, finish_message) = outgoing::finish(finish);
    Candidate {
        content: Content { parts, role: "model" },
        finish_reason: Some(finish_reason),
        finish_message,
        grounding_metadata: outgoing::grounding(&cited, &places),
        logprobs_result: outgoing::logprobs(&likely),
        index: choice.index,
    }
}

/// Puts a signature that nothing follows onto the last words, or onto empty ones; no answer is without a part.
pub(super) fn end(parts: &mut Vec<Part<'_>>, signature: Option<String>) {
    match parts.last_mut() {
        Some(last) if signature.is_some() && last.takes_signature() => last.thought_signature = signature,
        Some(_) if signature.is_none() => {}
        _ => parts.push(Part::text("").signed(signature)),
    }
}
