//! The cost in a reply's usage: ours where the client asked for one, and never an upstream's.
//!
//! Invariant: every other byte stays as the upstream wrote it; the number is written from whole nano-USD; what an upstream says of its
//! own costs is left out. Pure.
//! Wire facts: OpenRouter's `cost`, `cost_details` and `is_byok`, xAI's `cost_in_usd_ticks`, DeepInfra's `estimated_cost`.

use super::chat::frame::Frame;
use super::json::{Members, place_in};
use super::rewrite::splice;
use super::sse;
use crate::money::Nano;
use serde_json::value::RawValue;
use std::ops::Range;

const NAME: &str = "cost";

/// `reply`, a whole one, with `cost` in its usage, or with none where that is none; `None` where nothing changes.
#[must_use]
pub fn with_cost(reply: &[u8], cost: Option<Nano>) -> Option<Vec<u8>> {
    if cost.is_none() && memchr::memmem::find(reply, NAME.as_bytes()).is_none() {
        return None;
    }
    let edits = edits(reply, Frame::read(reply)?.usage?, cost)?;
    (!edits.is_empty()).then(|| splice(reply, edits))
}

/// `event`, in whose data stands `usage`, with `cost` in it, or with none where that is none; `None` where nothing changes.
pub(super) fn event_with_cost(event: &[u8], data: &[u8], usage: &RawValue, cost: Option<Nano>) -> Option<Vec<u8>> {
    let edits = edits(data, usage, cost)?.into_iter().map(|(place, text)| {
        let (start, end) = (sse::place_of(event, place.start)?, sse::place_of(event, place.end)?);
        Some((start..end, text))
    });
    let edits = edits.collect::<Option<Vec<_>>>()?;
    (!edits.is_empty()).then(|| splice(event, edits))
}

/// What to change in `data`, in which `usage` stands; `None` where that is none.
fn edits(data: &[u8], usage: &RawValue, cost: Option<Nano>) -> Option<Vec<(Range<usize>, String)>> {
    let text = std::str::from_utf8(data).ok()?;
    let Members(members) = serde_json::from_str(usage.get()).ok()?;
    let within = place_in(text, usage.get());
    let (open, close) = (within.start + 1, within.end - 1);
    let mut amount = cost.map(Nano::render);
    let mut edits = Vec::new();
    // The end of the last member that stays, and of those before the first that does.
    let mut kept = None;
    let mut cut = open;
    for (name, value) in members {
        let place = place_in(text, value.get());
        let end = place.end;
        if name == NAME
            && let Some(amount) = amount.take()
        {
            edits.push((place, amount));
        } else if is_a_cost(&name) {
            if let Some(kept) = &mut kept {
                edits.push((*kept..end, String::new()));
                *kept = end;
            } else {
                let after = text[end..close].trim_ascii_start();
                cut = close - after.strip_prefix(',').unwrap_or(after).len();
            }
            continue;
        }
        kept = Some(end);
    }
    if cut > open {
        edits.push((open..cut, String::new()));
    }
    if let Some(amount) = amount {
        let comma = if kept.is_some() { "," } else { "" };
        edits.push((close..close, format!(r#"{comma}"{NAME}":{amount}"#)));
    }
    Some(edits)
}

/// Whether a member of a usage called `name` tells what the request cost whoever pays the upstream.
fn is_a_cost(name: &str) -> bool {
    name.contains(NAME) || name == "is_byok"
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const COST: Nano = Nano(1_000_000_001);

    #[test]
    fn only_the_cost_is_new() {
        for (reply, expected) in [
            (
                r#" {"usage" : { "prompt_tokens":1 } ,"x":1.50} "#,
                Some(r#" {"usage" : { "prompt_tokens":1 ,"cost":1.000000001} ,"x":1.50} "#),
            ),
            (r#"{"usage":{}}"#, Some(r#"{"usage":{"cost":1.000000001}}"#)),
            (
                r#"{"usage":{"cost": 9e-9, "a":1}}"#,
                Some(r#"{"usage":{"cost": 1.000000001, "a":1}}"#),
            ),
            (r#"{"usage":null}"#, None),
            (r#"{"usage":7}"#, None),
            (r#"{"choices":[]}"#, None),
            ("no json", None),
        ] {
            let found = with_cost(reply.as_bytes(), Some(COST)).map(|bytes| String::from_utf8(bytes).unwrap());
            assert_eq!(found.as_deref(), expected);
        }
    }

    #[test]
    fn what_an_upstream_says_of_its_costs_is_left_out() {
        for (usage, bare, priced) in [
            (
                r#"{"a":1, "cost" : 9e-9}"#,
                r#"{"a":1}"#,
                r#"{"a":1, "cost" : 1.000000001}"#,
            ),
            (
                r#"{ "cost":null , "a":1}"#,
                r#"{ "a":1}"#,
                r#"{ "cost":1.000000001 , "a":1}"#,
            ),
            (
                r#"{"a":1,"cost":2,"is_byok":false,"cost_details":{"upstream_inference_cost":2,"x":{}} }"#,
                r#"{"a":1 }"#,
                r#"{"a":1,"cost":1.000000001 }"#,
            ),
            (
                r#"{"cost_in_usd_ticks":7,"estimated_cost":0.5,"a":1,"\u0063ost":2,"b":2}"#,
                r#"{"a":1,"b":2}"#,
                r#"{"a":1,"\u0063ost":1.000000001,"b":2}"#,
            ),
            (r#"{"cost":1,"cost":2}"#, "{}", r#"{"cost":1.000000001}"#),
            (r#"{"cost_details":{}}"#, "{}", r#"{"cost":1.000000001}"#),
            (
                r#"{"a":{"cost":1}}"#,
                r#"{"a":{"cost":1}}"#,
                r#"{"a":{"cost":1},"cost":1.000000001}"#,
            ),
        ] {
            for (cost, expected) in [(None, bare), (Some(COST), priced)] {
                let reply = format!(r#"{{"choices":[{{"text":"cost"}}],"usage":{usage},"x":1}}"#);
                let expected = reply.replace(usage, expected);
                let found = with_cost(reply.as_bytes(), cost).map(|bytes| String::from_utf8(bytes).unwrap());
                assert_eq!(found.unwrap_or_else(|| reply.clone()), expected);
                serde_json::from_str::<serde_json::Value>(&expected).unwrap();
            }
        }
        assert_eq!(
            with_cost(br#"{"usage":{"a":1},"x":"cost"}"#, None),
            None,
            "nothing changes"
        );
    }

    #[test]
    fn an_event_keeps_its_other_lines() {
        for (event, expected) in [
            (
                "id: 7\r\ndata:{\"usage\":{\"a\":1}}\r\n\r\n",
                "id: 7\r\ndata:{\"usage\":{\"a\":1,\"cost\":1.000000001}}\r\n\r\n",
            ),
            (
                "data: {\"usage\":{\n: aside\ndata: \"a\":1\ndata: }}\n\n",
                "data: {\"usage\":{\n: aside\ndata: \"a\":1\ndata: ,\"cost\":1.000000001}}\n\n",
            ),
        ] {
            let data = sse::data(event.as_bytes()).unwrap();
            let frame = Frame::read(&data).unwrap();
            let found = event_with_cost(event.as_bytes(), &data, frame.usage.unwrap(), Some(COST)).unwrap();
            assert_eq!(String::from_utf8(found).unwrap(), expected);
        }
    }
}
