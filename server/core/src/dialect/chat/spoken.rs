//! Words of the chat dialect that whole replies and streams to a client share.
//!
//! Invariant: the shapes are OpenAI's, besides `reasoning_content`, `reasoning_details` and `images`, which compatible services have made
//! customary. Pure.

use super::super::exchange::{Ask, Citation, Finish, Logprob};
use crate::usage::Usage;
use serde_json::{Value, json};

/// The id of a reply.
pub(super) fn reply_id(ask: &Ask) -> String {
    format!("chatcmpl-{}", ask.id)
}

/// The model that answers: as the upstream says, else as was asked for.
pub(super) fn model<'a>(upstream: &'a str, ask: &'a Ask) -> &'a str {
    if upstream.is_empty() {
        &ask.request.model
    } else {
        upstream
    }
}

/// The class of service in OpenAI's words, outside of which its SDK's types know none; `None` where there is no word for it.
pub(super) fn tier(tier: &str) -> Option<&'static str> {
    const KNOWN: [&str; 6] = ["auto", "default", "flex", "scale", "priority", "fast"];
    match tier {
        "standard" | "on_demand" => Some("default"),
        _ => KNOWN.into_iter().find(|known| *known == tier),
    }
}

/// The word for why an answer ended.
pub(super) const fn finish_word(finish: &Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::StopSequence(_) => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::ContentFilter(_) => "content_filter",
        Finish::Failed(_) => "error",
    }
}

/// Usage as OpenAI counts it: the cache's share is within the prompt, reasoning within the completion.
pub(super) fn usage(usage: &Usage) -> Value {
    let read = usage.cache_read.saturating_add(usage.cache_read_audio);
    let written = usage.cache_write.saturating_add(usage.cache_write_long);
    let sound = usage.audio_input.saturating_add(usage.cache_read_audio);
    let mut prompt = json!({"cached_tokens": read, "cache_write_tokens": written, "audio_tokens": sound});
    let mut answer = json!({"reasoning_tokens": usage.reasoning, "audio_tokens": usage.audio_output});
    let others = [
        (&mut prompt, "image_tokens", usage.image_input),
        (&mut answer, "image_tokens", usage.image_output),
    ];
    for (details, name, count) in others {
        if let Some(members) = details.as_object_mut().filter(|_| count > 0) {
            members.insert(name.to_owned(), count.into());
        }
    }
    if usage.cache_write_long > 0
        && let Some(members) = prompt.as_object_mut()
    {
        let by_time = json!({"ttl_30m_tokens": usage.cache_write, "ttl_12h_tokens": usage.cache_write_long});
        members.insert("cache_write_tokens_details".to_owned(), by_time);
    }
    json!({
        "prompt_tokens": usage.prompt(),
        "completion_tokens": usage.answer(),
        "total_tokens": usage.total(),
        "prompt_tokens_details": prompt,
        "completion_tokens_details": answer,
    })
}

/// Where words are from.
pub(super) fn annotation(citation: &Citation) -> Value {
    json!({
        "type": "url_citation",
        "url_citation": {
            "url": citation.url.as_deref().unwrap_or_default(),
            "title": citation.title.as_deref().unwrap_or_default(),
            "start_index": citation.start.unwrap_or(0),
            "end_index": citation.end.unwrap_or(0),
        },
    })
}

/// How likely a token was.
pub(super) fn logprob(logprob: &Logprob) -> Value {
    let top: Vec<Value> = logprob
        .top
        .iter()
        .map(|(token, number)| json!({"token": token, "logprob": number, "bytes": token.as_bytes()}))
        .collect();
    json!({
        "token": logprob.token,
        "logprob": logprob.logprob,
        "bytes": logprob.token.as_bytes(),
        "top_logprobs": top,
    })
}

/// A thought that only the account can read, under its number within the answer.
pub(super) fn sealed(blob: &str, id: Option<&str>, format: Option<&str>, index: u32) -> Value {
    let mut detail = json!({"type": "reasoning.encrypted", "data": blob, "index": index});
    if let Some(members) = detail.as_object_mut() {
        for (name, word) in [("id", id), ("format", format)] {
            members.extend(word.map(|word| (name.to_owned(), word.into())));
        }
    }
    detail
}

/// What a sealed thought says of itself, so that it comes back as what it was.
pub(super) const fn thought_format(is_summary: bool, is_redacted: bool) -> Option<&'static str> {
    if is_redacted {
        Some("redacted")
    } else if is_summary {
        Some("summary")
    } else {
        None
    }
}

/// A picture, under its number within the answer.
pub(super) fn picture(media_type: &str, base64: &str, index: u32) -> Value {
    let url = format!("data:{media_type};base64,{base64}");
    json!({"type": "image_url", "image_url": {"url": url}, "index": index})
}
