//! Conversations of very many calls, and very many tools.
//!
//! Invariant: each is carried once, whatever the order. Pure.

use super::*;
use crate::dialect::exchange::Outcome;

const MANY: usize = 5_000;

/// A conversation in which the model calls so many tools at once, whose outcomes come last first.
fn conversation() -> Request {
    let id = |number: usize| format!("call_{number}");
    let calls = (0..MANY).map(|number| Item::Call(call(&id(number), "look_up", "{}")));
    let outcomes = (0..MANY).rev().map(|number| {
        Item::Outcome(Outcome {
            call_id: id(number),
            parts: vec![Part::text(number.to_string())],
            ..Outcome::default()
        })
    });
    let mut request = request();
    request.items.extend(calls.chain(outcomes));
    request
}

fn encoded(request: &Request, dialect: Dialect, model: &str) -> Vec<u8> {
    let target = Target {
        model,
        max_output: Some(64),
        max_output_field: MaxOutputField::MaxTokens,
        rules: &Rules::default(),
        provider: "openai",
    };
    encode(request, origin(dialect), &target).unwrap().body
}

#[test]
fn many_calls_and_outcomes_find_each_other_in_every_dialect() {
    let request = conversation();
    for (dialect, model) in [
        (Dialect::Chat, "m"),
        (Dialect::Responses, "m"),
        (Dialect::Messages, "m"),
        // Calls have no ids there, so that they are found by the names of their tools.
        (Dialect::Generate, "gemini-2.5-pro"),
        (Dialect::Generate, "gemini-3-pro"),
    ] {
        let body = encoded(&request, dialect, model);
        let read = decode(dialect, &body, Some((model, false))).unwrap();
        let said: Vec<(&str, Option<&str>)> = read.items.iter().filter_map(brought).collect();
        assert_eq!(said.len(), MANY, "{dialect:?}");
        let is_right = |(id, text): &(&str, Option<&str>)| {
            let number = id.strip_prefix("call_").and_then(|number| number.parse::<usize>().ok());
            let told = text.and_then(|text| text.parse::<usize>().ok());
            // Where we make the ids, they count from 1.
            number == told || number == told.map(|told| told + 1)
        };
        assert!(said.iter().all(is_right), "{dialect:?}");
    }
    encoded(&request, Dialect::Converse, "m");
}

/// What a call brought, and its id.
fn brought(item: &Item) -> Option<(&str, Option<&str>)> {
    match item {
        Item::Outcome(outcome) => Some((&outcome.call_id, outcome.parts.first().and_then(Part::as_text))),
        _ => None,
    }
}

#[test]
fn many_tools_of_which_many_may_be_called_are_all_offered() {
    let mut request = request();
    request.tools = (0..MANY).map(|number| function(&format!("f{number}"), None)).collect();
    request.tool_choice = ToolChoice::Allowed {
        names: (0..MANY).rev().map(|number| format!("f{number}")).collect(),
        is_required: false,
    };
    for dialect in [Dialect::Chat, Dialect::Responses, Dialect::Messages, Dialect::Converse] {
        let body: serde_json::Value = serde_json::from_slice(&encoded(&request, dialect, "m")).unwrap();
        let tools = body.pointer("/toolConfig/tools").or(body.get("tools"));
        assert_eq!(tools.unwrap().as_array().unwrap().len(), MANY, "{dialect:?}");
        if dialect == Dialect::Responses {
            assert_eq!(
                decode(dialect, body.to_string().as_bytes(), None).unwrap().tools.len(),
                MANY
            );
        }
    }
}
