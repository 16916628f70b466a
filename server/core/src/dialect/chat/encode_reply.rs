//! A reply in no dialect, as a whole chat reply.
//!
//! Invariant: `content` and `refusal` are there, be it as `null`, and each answer says why it ended, as OpenAI's SDKs expect. Pure.

use super::super::exchange::{Ask, Call, CallKind, Choice, Finish, Output, Reply, Thought};
use super::spoken;
use serde_json::{Map, Value, json};

/// `reply` to who asked `ask`.
pub(crate) fn encode_reply(reply: &Reply, ask: &Ask) -> Vec<u8> {
    let choices: Vec<Value> = reply.choices.iter().map(choice).collect();
    let mut body = json!({
        "id": spoken::reply_id(ask),
        "object": "chat.completion",
        "created": ask.created_s,
        "model": spoken::model(&reply.model, ask),
        "choices": choices,
    });
    if let Some(members) = body.as_object_mut() {
        members.extend(
            reply
                .usage
                .as_ref()
                .map(|usage| ("usage".to_owned(), spoken::usage(usage))),
        );
        let tier = reply.service_tier.as_deref().and_then(spoken::tier);
        members.extend(tier.map(|tier| ("service_tier".to_owned(), tier.into())));
    }
    body.to_string().into_bytes()
}

/// The parts of a message that are being gathered.
#[derive(Default)]
struct Gathered {
    text: Option<String>,
    refusal: Option<String>,
    reasoning: String,
    details: Vec<Value>,
    calls: Vec<Value>,
    images: Vec<Value>,
    annotations: Vec<Value>,
    logprobs: Vec<Value>,
}

impl Gathered {
    fn add(&mut self, output: &Output) {
        match output {
            Output::Text {
                text,
                citations,
                logprobs,
            } => {
                self.text.get_or_insert_default().push_str(text);
                self.annotations.extend(citations.iter().map(spoken::annotation));
                self.logprobs.extend(logprobs.iter().map(spoken::logprob));
            }
            Output::Refusal(text) => self.refusal.get_or_insert_default().push_str(text),
            Output::Thought(thought) => self.think(thought),
            Output::Call(made) => self.calls.push(call(made)),
            Output::Image { media_type, base64 } => {
                let index = u32::try_from(self.images.len()).unwrap_or(u32::MAX);
                self.images.push(spoken::picture(media_type, base64, index));
            }
        }
    }

    fn think(&mut self, thought: &Thought) {
        self.reasoning.push_str(&thought.text);
        if let Some(blob) = &thought.blob {
            let format = spoken::thought_format(thought.is_summary, thought.is_redacted);
            let index = u32::try_from(self.details.len()).unwrap_or(u32::MAX);
            self.details
                .push(spoken::sealed(blob, thought.id.as_deref(), format, index));
        }
    }
}

fn choice(choice: &Choice) -> Value {
    let mut gathered = Gathered::default();
    choice.output.iter().for_each(|output| gathered.add(output));
    let finish = choice.finish.clone().unwrap_or(if gathered.calls.is_empty() {
        Finish::Stop
    } else {
        Finish::ToolCalls
    });
    if let Finish::ContentFilter(Some(why)) = &finish {
        gathered.refusal.get_or_insert_with(|| why.clone());
    }
    let mut message = Map::new();
    let mut put = |name: &str, value: Value| message.insert(name.to_owned(), value);
    put("role", "assistant".into());
    put("content", gathered.text.into());
    put("refusal", gathered.refusal.into());
    if !gathered.reasoning.is_empty() {
        put("reasoning_content", gathered.reasoning.into());
    }
    for (name, list) in [
        ("reasoning_details", gathered.details),
        ("tool_calls", gathered.calls),
        ("images", gathered.images),
        ("annotations", gathered.annotations),
    ] {
        if !list.is_empty() {
            put(name, list.into());
        }
    }
    let logprobs = if gathered.logprobs.is_empty() {
        Value::Null
    } else {
        json!({"content": gathered.logprobs, "refusal": null})
    };
    json!({
        "index": choice.index,
        "message": message,
        "logprobs": logprobs,
        "finish_reason": spoken::finish_word(&finish),
    })
}

fn call(call: &Call) -> Value {
    let name = call.full_name();
    match call.kind {
        CallKind::Function => json!({
            "id": call.id, "type": "function", "function": {"name": name, "arguments": call.arguments}
        }),
        CallKind::Custom => json!({
            "id": call.id, "type": "custom", "custom": {"name": name, "input": call.arguments}
        }),
    }
}
