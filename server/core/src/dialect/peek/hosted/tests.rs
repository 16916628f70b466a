//! Which tools stay that run at the provider, the limits that are set for them, and what they can come to.
#![allow(clippy::unwrap_used)]

use super::super::peek;
use crate::dialect::{Asked, Body, Envelope, Hosted, MaxOutputField, Operation, PeekError, Rewrite, Running};
use serde_json::Value;

const SEARCH: &str = "max_tool_calls set to 10: a tool runs at the provider";
const USES: &str = "max_uses set to 10: a tool runs at the provider";

fn read(hosted: Hosted, operation: Operation, body: &str) -> Result<(Envelope, Body), PeekError> {
    let asked = Asked {
        operation,
        model: (operation == Operation::Generate).then_some("m"),
        stream: false,
        hosted,
    };
    peek(asked, body.as_bytes())
}

fn body(operation: Operation, fields: &str) -> String {
    match operation {
        Operation::Responses => format!(r#"{{"model":"m",{fields}"input":"hi"}}"#),
        Operation::Messages => {
            format!(r#"{{"model":"m","max_tokens":9,{fields}"messages":[{{"role":"user","content":"hi"}}]}}"#)
        }
        Operation::Generate => format!(r#"{{{fields}"contents":[{{"parts":[{{"text":"hi"}}]}}]}}"#),
        _ => format!(r#"{{"model":"m",{fields}"messages":[{{"role":"user","content":"hi"}}]}}"#),
    }
}

fn sent(body: &Body, original: &str) -> String {
    let rewrite = Rewrite {
        model: "m",
        max_output: None,
        max_output_field: MaxOutputField::MaxTokens,
        include_usage: false,
        keep_cost_option: false,
    };
    let sent = String::from_utf8(body.rewrite(original.as_bytes(), &rewrite)).unwrap();
    serde_json::from_str::<Value>(&sent).unwrap_or_else(|error| panic!("{error}: {sent}"));
    sent
}

fn running(searches: u64, readings: u64, notes: &[&str]) -> Running {
    Running {
        searches,
        readings,
        untold: 0,
        notes: notes.iter().map(|note| (*note).to_owned()).collect(),
    }
}

/// What goes upstream and what it can come to where tools with a fee may stay, and where only those without may.
#[test]
fn what_stays_has_a_bound_and_the_rest_is_left_out() {
    use Operation::{Generate, Messages, Responses};
    let search = r#"{"type":"web_search"}"#;
    let mcp = r#"{"type":"mcp","server_label":"s","server_url":"https://x"}"#;
    let found = r#"{"type":"web_search_20250305","name":"web_search"}"#;
    let found_limited = r#"{"max_uses":10,"type":"web_search_20250305","name":"web_search"}"#;
    let fetch = r#"{"type":"web_fetch_20250910","name":"web_fetch"}"#;
    let tools = |list: &str| format!(r#""tools":[{list}],"#);
    let calls = |list: &str, limit: &str| format!(r#""max_tool_calls":{limit},"tools":[{list}],"#);
    for (operation, before, with_fee, without_fee) in [
        // OpenAI: one limit for all calls.
        (
            Responses,
            calls(search, "3"),
            (calls(search, "3"), Some(running(3, 4, &[]))),
            (r#""max_tool_calls":3,"#.to_owned(), None),
        ),
        (
            Responses,
            calls(&format!("{search},{mcp}"), "null"),
            (
                calls(&format!("{search},{mcp}"), "10"),
                Some(running(10, 11, &[SEARCH])),
            ),
            (calls(mcp, "10"), Some(running(0, 11, &[SEARCH]))),
        ),
        (
            Responses,
            calls(r#"{"type":"code_interpreter","container":"c"}"#, "3"),
            (r#""max_tool_calls":3,"#.to_owned(), None),
            (r#""max_tool_calls":3,"#.to_owned(), None),
        ),
        (
            Responses,
            calls(&format!(r#"{search},{{"type":"tool_search"}}"#), "0"),
            (
                calls(&format!(r#"{search},{{"type":"tool_search"}}"#), "0"),
                Some(running(0, 11, &[])),
            ),
            (calls(r#"{"type":"tool_search"}"#, "0"), None),
        ),
        // Anthropic: a limit in each tool; a use beyond it is answered with an error, which is read.
        (
            Messages,
            tools(&format!("{found}, {fetch}")),
            (
                tools(&format!("{found_limited}, {fetch}")),
                Some(running(10, 10, &[USES])),
            ),
            (tools(&format!(" {fetch}")), Some(running(0, 10, &[]))),
        ),
        (
            Messages,
            tools(r#"{"type":"web_search_20260209","name":"web_search","max_uses":2}"#),
            (
                tools(r#"{"type":"web_search_20260209","name":"web_search","max_uses":2}"#),
                Some(running(2, 10, &[])),
            ),
            (String::new(), None),
        ),
        (
            Messages,
            tools(
                r#"{"type":"web_search_20250305","max_uses": null ,"name":"s"},{"type":"code_execution_20250825","name":"c"}"#,
            ),
            (
                tools(r#"{"type":"web_search_20250305","max_uses": 10 ,"name":"s"}"#),
                Some(running(10, 10, &[USES])),
            ),
            (String::new(), None),
        ),
        // Google: no limit; what a search finds is not billed, so that nothing is read again for it.
        (
            Generate,
            tools(r#"{"google_search":{}},{"functionDeclarations":[{"name":"f"}]}"#),
            (
                tools(r#"{"google_search":{}},{"functionDeclarations":[{"name":"f"}]}"#),
                Some(running(10, 1, &[])),
            ),
            (tools(r#"{"functionDeclarations":[{"name":"f"}]}"#), None),
        ),
        (
            Generate,
            tools(r#"{"googleSearch":{},"urlContext":{},"googleMaps":{}}"#),
            (
                tools(r#"{"googleSearch":{},"urlContext":{}}"#),
                Some(running(10, 10, &[])),
            ),
            (tools(r#"{"urlContext":{}}"#), Some(running(0, 10, &[]))),
        ),
    ] {
        let original = body(operation, &before);
        for (hosted, (after, running)) in [(Hosted::WithFee, with_fee), (Hosted::WithoutFee, without_fee)] {
            let (envelope, places) = read(hosted, operation, &original).unwrap();
            assert_eq!(sent(&places, &original), body(operation, &after), "{hosted:?}");
            assert_eq!(envelope.hosted, running, "{hosted:?}: {original}");
            // What is sent is read the same, but for what we set.
            let again = read(hosted, operation, &sent(&places, &original)).unwrap().0.hosted;
            let bounds = |of: &Option<Running>| of.as_ref().map(|of| (of.searches, of.readings, of.untold));
            assert_eq!(bounds(&again), bounds(&running));
        }
        let (envelope, _) = read(Hosted::None, operation, &original).unwrap();
        assert_eq!(envelope.hosted, None);
    }
}

#[test]
fn a_limit_is_added_where_the_request_has_none() {
    let original = " {\"model\":\"m\",\"input\":\"hi\",\"tools\":[{\"type\":\"web_search\"}]}\n";
    let (_, places) = read(Hosted::WithFee, Operation::Responses, original).unwrap();
    let expected = original.replace("]}\n", "],\"max_tool_calls\":10}\n");
    assert_eq!(sent(&places, original), expected);
}

#[test]
fn options_of_a_search_stand_for_one_search_that_no_answer_tells_of() {
    let original = body(
        Operation::Chat,
        r#""web_search_options":{"search_context_size":"high"},"#,
    );
    let (envelope, places) = read(Hosted::WithFee, Operation::Chat, &original).unwrap();
    let running = envelope.hosted.unwrap();
    assert_eq!((running.searches, running.readings, running.untold), (1, 1, 1));
    assert_eq!(sent(&places, &original), original);
    for hosted in [Hosted::None, Hosted::WithoutFee] {
        let refused = read(hosted, Operation::Chat, &original).map(|_| ()).unwrap_err();
        assert_eq!(refused.field(), Some("web_search_options"));
    }
    assert!(
        read(
            Hosted::WithFee,
            Operation::Embeddings,
            r#"{"model":"m","input":"x","web_search_options":{}}"#
        )
        .is_err()
    );
}

#[test]
fn a_limit_that_is_none_or_stands_twice_is_refused_by_name() {
    let limit = |limit: &str| format!(r#""tools":[{{"type":"web_search_20250305","name":"s",{limit}}}],"#);
    for (operation, fields, field) in [
        (Operation::Messages, limit(r#""max_uses":-1"#), "tools.max_uses"),
        (Operation::Messages, limit(r#""max_uses":"3""#), "tools.max_uses"),
        (
            Operation::Messages,
            limit(r#""max_uses":1,"max_uses":9"#),
            "tools.max_uses",
        ),
        (
            Operation::Messages,
            limit(r#""type":"web_search_20250305""#),
            "tools.type",
        ),
        (
            Operation::Responses,
            r#""max_tool_calls":1.5,"tools":[{"type":"mcp"}],"#.to_owned(),
            "max_tool_calls",
        ),
        (
            Operation::Responses,
            r#""Max_tool_calls":9,"tools":[{"type":"mcp"}],"#.to_owned(),
            "Max_tool_calls",
        ),
    ] {
        let refused = read(Hosted::WithFee, operation, &body(operation, &fields))
            .map(|_| ())
            .unwrap_err();
        let named = match &refused {
            PeekError::Lookalike { field, .. } => Some(field.as_str()),
            other => other.field(),
        };
        assert_eq!(named, Some(field), "{refused}");
    }
}

#[test]
fn a_choice_may_name_what_stays_and_nothing_else() {
    let tools = r#""tools":[{"type":"web_search"},{"type":"code_interpreter"}],"#;
    let fields = |choice: &str| format!(r#"{tools}"tool_choice":{{"type":"{choice}"}},"#);
    let read = |hosted, choice| {
        read(
            hosted,
            Operation::Responses,
            &body(Operation::Responses, &fields(choice)),
        )
    };
    assert!(read(Hosted::WithFee, "web_search").is_ok());
    for (hosted, choice) in [
        (Hosted::WithFee, "code_interpreter"),
        (Hosted::WithoutFee, "web_search"),
    ] {
        assert_eq!(
            read(hosted, choice).map(|_| ()).unwrap_err().field(),
            Some("tool_choice")
        );
    }
}
