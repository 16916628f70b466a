//! How the next token is chosen, where the answer ends, and whom it is for.
//!
//! Invariant: what a model refuses is not sent; a value that changes nothing is left out without a note. Pure.
//! Wire facts: Anthropic's API reference; newer models take no sampling at all, none takes temperature and top_p together or with
//! thinking, and a user's id must not be an address or a telephone number.

use super::super::super::exchange::{Notes, Request, Rules};
use serde::Serialize;
use serde_json::{Number, Value};

/// How long a user's id may be, in characters.
const USER_CHARS_MAX: usize = 256;

/// These members of a request.
#[derive(Serialize)]
pub(super) struct Options<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<&'a Number>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    user_id: &'a str,
}

/// The options of `request` for a model that follows `rules`, thinking or not.
pub(super) fn options<'a>(request: &'a Request, rules: &Rules, is_thinking: bool, notes: &mut Notes) -> Options<'a> {
    unknown(request, notes);
    let sampling = &request.sampling;
    let mut temperature = sampling.temperature.clone();
    if temperature
        .as_ref()
        .and_then(Number::as_f64)
        .is_some_and(|value| value > 1.0)
    {
        temperature = Some(Number::from(1));
        notes.changed("temperature", "1 is the highest");
    }
    let mut top_p = sampling.top_p.as_ref();
    let mut top_k = sampling.top_k.as_ref();
    let refused = match (rules.takes_sampling, is_thinking) {
        (false, _) => Some("the model does not take it"),
        (true, true) => Some("not together with thinking"),
        (true, false) => None,
    };
    if let Some(why) = refused {
        for (name, number) in [
            ("temperature", temperature.as_ref()),
            ("top_p", top_p),
            ("top_k", top_k),
        ] {
            if number.is_some_and(|number| name == "top_k" || !is(number, 1.0)) {
                notes.dropped(name, why);
            }
        }
        (temperature, top_p, top_k) = (None, None, None);
    }
    if let (Some(_), Some(number)) = (&temperature, top_p) {
        if !is(number, 1.0) {
            notes.dropped("top_p", "not together with temperature");
        }
        top_p = None;
    }
    Options {
        temperature,
        top_p,
        top_k,
        stop_sequences: stop(request, notes),
        metadata: user(request, notes).map(|user_id| Metadata { user_id }),
        service_tier: tier(request, notes),
    }
}

fn is(number: &Number, value: f64) -> bool {
    number.as_f64().is_some_and(|number| number.total_cmp(&value).is_eq())
}

/// Notes what the dialect has nothing for.
fn unknown(request: &Request, notes: &mut Notes) {
    let sampling = &request.sampling;
    let is_set = |number: &Option<Number>| {
        number
            .as_ref()
            .is_some_and(|number| !is(number, 0.0) && !is(number, -0.0))
    };
    let biases = sampling.logit_bias.as_ref().and_then(Value::as_object);
    for (name, is_asked) in [
        ("presence_penalty", is_set(&sampling.presence_penalty)),
        ("frequency_penalty", is_set(&sampling.frequency_penalty)),
        ("seed", sampling.seed.is_some()),
        ("logit_bias", biases.is_some_and(|biases| !biases.is_empty())),
        ("logprobs", request.logprobs.is_some()),
        ("prompt_cache_key", request.cache_key.is_some()),
        (
            "verbosity",
            request.verbosity.as_deref().is_some_and(|word| word != "medium"),
        ),
        (
            "metadata",
            request.metadata.as_ref().is_some_and(|labels| !labels.is_empty()),
        ),
    ] {
        if is_asked {
            notes.dropped(name, "the messages dialect has nothing like it");
        }
    }
}

fn stop<'a>(request: &'a Request, notes: &mut Notes) -> Vec<&'a str> {
    let (blank, texts): (Vec<&str>, Vec<&str>) = request
        .stop
        .iter()
        .map(String::as_str)
        .partition(|text| text.trim().is_empty());
    if !blank.is_empty() {
        notes.dropped("stop", "a text of white space only is refused");
    }
    texts
}

/// The user's id, unless it would be refused for telling who it is.
fn user<'a>(request: &'a Request, notes: &mut Notes) -> Option<&'a str> {
    let user = request.user.as_deref().filter(|user| !user.is_empty())?;
    let digits = user.chars().filter(char::is_ascii_digit).count();
    let is_number = digits >= 7
        && user
            .chars()
            .all(|letter| letter.is_ascii_digit() || "+-() ./".contains(letter));
    if user.contains('@') || is_number || user.chars().count() > USER_CHARS_MAX {
        notes.dropped("user", "an address, a telephone number or a long text is refused");
        return None;
    }
    Some(user)
}

fn tier(request: &Request, notes: &mut Notes) -> Option<&'static str> {
    match request.service_tier.as_deref()? {
        "auto" => Some("auto"),
        "default" | "standard_only" => Some("standard_only"),
        _ => {
            notes.dropped("service_tier", "the provider has no such class");
            None
        }
    }
}
