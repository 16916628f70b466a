//! The cost in a reply's usage, where the client asked for one.
//!
//! Invariant: every other byte stays as the upstream wrote it; the number is written from whole nano-USD; an upstream's own cost is
//! replaced. Pure.

use super::chat::Frame;
use super::json::{Members, place_in};
use super::rewrite::splice;
use super::sse;
use crate::money::Nano;
use std::ops::Range;

const NAME: &str = "cost";

/// `reply`, a whole one, with `cost` in its usage; `None` where it has no usage.
#[must_use]
pub fn with_cost(reply: &[u8], cost: Nano) -> Option<Vec<u8>> {
    Some(splice(reply, edits(reply, &Frame::read(reply)?, cost)?))
}

/// `event`, whose data holds `frame`, with `cost` in its usage; `None` where it has no usage.
pub(super) fn event_with_cost(event: &[u8], data: &[u8], frame: &Frame<'_>, cost: Nano) -> Option<Vec<u8>> {
    let edits = edits(data, frame, cost)?.into_iter().map(|(place, text)| {
        let (start, end) = (sse::place_of(event, place.start)?, sse::place_of(event, place.end)?);
        Some((start..end, text))
    });
    Some(splice(event, edits.collect::<Option<_>>()?))
}

/// What to change in `data`, of which `frame` was read.
fn edits(data: &[u8], frame: &Frame<'_>, cost: Nano) -> Option<Vec<(Range<usize>, String)>> {
    let text = std::str::from_utf8(data).ok()?;
    let usage = frame.usage?;
    let Members(members) = serde_json::from_str(usage.get()).ok()?;
    let amount = cost.render();
    let known = members.iter().filter(|(name, _)| name == NAME);
    let replaced: Vec<_> = known
        .map(|(_, value)| (place_in(text, value.get()), amount.clone()))
        .collect();
    if !replaced.is_empty() {
        return Some(replaced);
    }
    let brace = place_in(text, usage.get()).end - 1;
    let comma = if members.is_empty() { "" } else { "," };
    Some(vec![(brace..brace, format!(r#"{comma}"{NAME}":{amount}"#))])
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
            let found = with_cost(reply.as_bytes(), COST).map(|bytes| String::from_utf8(bytes).unwrap());
            assert_eq!(found.as_deref(), expected);
        }
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
            let found = event_with_cost(event.as_bytes(), &data, &frame, COST).unwrap();
            assert_eq!(String::from_utf8(found).unwrap(), expected);
        }
    }
}
