//! What is said in each dialect, by clients and by accounts, and whether an answer is whole.
//!
//! Invariant: an answer names the request that it is for, so that none is taken for another's. Pure.

use serde_json::{Value, json};

/// Who speaks how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// OpenAI's chat completions.
    Chat,
    /// Anthropic's messages.
    Messages,
}

/// What is said about the request of a number.
#[derive(Clone, Copy)]
pub struct Words {
    /// By whom.
    pub dialect: Dialect,
    /// The request's.
    pub number: u64,
}

/// How an answer ended, as its client reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// It is all there.
    Whole,
    /// It ends in an error event of the client's dialect.
    ErrorEvent,
    /// Anything else, for people.
    Odd(String),
}

impl Dialect {
    /// Where it is asked.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Messages => "/v1/messages",
        }
    }
}

impl Words {
    /// The body of the request.
    pub fn request(self, is_stream: bool) -> Value {
        json!({
            "model": "truth", "stream": is_stream, "max_tokens": 50,
            "messages": [{ "role": "user", "content": format!("request {}.", self.number) }],
        })
    }

    fn text(self) -> String {
        format!("answer {}.", self.number)
    }

    /// An answer in one piece.
    pub fn whole(self) -> String {
        let text = self.text();
        match self.dialect {
            Dialect::Chat => json!({
                "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "truth",
                "choices": [{ "index": 0, "message": { "role": "assistant", "content": text }, "finish_reason": "stop" }],
                "usage": { "prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13 },
            }),
            Dialect::Messages => json!({
                "id": "msg_1", "type": "message", "role": "assistant", "model": "truth",
                "content": [{ "type": "text", "text": text }], "stop_reason": "end_turn", "stop_sequence": null,
                "usage": { "input_tokens": 9, "output_tokens": 4 },
            }),
        }
        .to_string()
    }

    /// What a stream begins with, before its content.
    pub fn opening(self) -> String {
        match self.dialect {
            Dialect::Chat => chunk(&json!({ "role": "assistant", "content": "" }), &Value::Null),
            Dialect::Messages => {
                let message = json!({
                    "id": "msg_1", "type": "message", "role": "assistant", "model": "truth", "content": [],
                    "stop_reason": null, "stop_sequence": null, "usage": { "input_tokens": 9, "output_tokens": 1 },
                });
                let start = json!({ "type": "message_start", "message": message });
                let block = json!({
                    "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" },
                });
                event(&start) + &event(&block) + &event(&json!({ "type": "ping" }))
            }
        }
    }

    /// Its content.
    pub fn content(self) -> String {
        let text = self.text();
        match self.dialect {
            Dialect::Chat => chunk(&json!({ "content": text }), &Value::Null),
            Dialect::Messages => event(&json!({
                "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": text },
            })),
        }
    }

    /// What it ends with.
    pub fn ending(self) -> String {
        match self.dialect {
            Dialect::Chat => {
                let usage = json!({
                    "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "truth", "choices": [],
                    "usage": { "prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13 },
                });
                let finish = chunk(&json!({}), &json!("stop"));
                format!("{finish}data: {usage}\n\ndata: [DONE]\n\n")
            }
            Dialect::Messages => {
                let delta = json!({
                    "type": "message_delta", "delta": { "stop_reason": "end_turn", "stop_sequence": null },
                    "usage": { "output_tokens": 4 },
                });
                let stop = json!({ "type": "content_block_stop", "index": 0 });
                event(&stop) + &event(&delta) + &event(&json!({ "type": "message_stop" }))
            }
        }
    }

    /// The body of an error.
    pub fn error(self, kind: &str, message: &str) -> Value {
        match self.dialect {
            Dialect::Chat => json!({ "error": { "message": message, "type": kind, "code": null, "param": null } }),
            Dialect::Messages => json!({ "type": "error", "error": { "type": kind, "message": message } }),
        }
    }

    /// `error` as an event.
    pub fn error_event(self, error: &Value) -> String {
        match self.dialect {
            Dialect::Chat => format!("data: {error}\n\n"),
            Dialect::Messages => event(error),
        }
    }

    /// How the answer `text` of a client of this dialect ended.
    pub fn read(self, text: &str, is_stream: bool) -> Read {
        if !is_stream {
            let answer: Value = serde_json::from_str(text).unwrap_or_default();
            let said = match self.dialect {
                Dialect::Chat => &answer["choices"][0]["message"]["content"],
                Dialect::Messages => &answer["content"][0]["text"],
            };
            return if *said == self.text() {
                Read::Whole
            } else {
                Read::Odd(text.to_owned())
            };
        }
        let (end, error) = match self.dialect {
            Dialect::Chat => ("data: [DONE]\n\n", "data: {\"error\":"),
            Dialect::Messages => ("event: message_stop\n", "event: error\n"),
        };
        let last = text.trim_end().rsplit("\n\n").next().unwrap_or_default();
        if last.starts_with(error) {
            Read::ErrorEvent
        } else if text.contains(&self.text()) && text.contains(end) {
            Read::Whole
        } else {
            Read::Odd(text.to_owned())
        }
    }
}

fn chunk(delta: &Value, finish: &Value) -> String {
    let chunk = json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "truth",
        "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }],
    });
    format!("data: {chunk}\n\n")
}

fn event(data: &Value) -> String {
    let name = data["type"].as_str().unwrap_or_default();
    format!("event: {name}\ndata: {data}\n\n")
}
