//! What OpenAI refuses of a request, in either of its dialects.
//!
//! Invariant: what is refused is left out or put in the nearest word, with a note. Pure.
//! Wire facts: OpenAI's API reference: an end user has 64 characters at most; its pages of models say which words for an effort each
//! family knows.

use super::exchange::{Effort, Notes, Request};

/// The longest name of an end user, in bytes.
const USER_BYTES_MAX: usize = 64;

/// Who asks, where that is a name which others take. An object of JSON tells of a client's machine and account, and is for its maker only.
pub(super) fn end_user<'a>(request: &'a Request, notes: &mut Notes) -> Option<&'a str> {
    let user = request.user.as_deref()?;
    if user.trim_start().starts_with('{') {
        notes.dropped("the end user", "it is no name, and meant for another provider");
        None
    } else if user.len() > USER_BYTES_MAX {
        notes.dropped("the end user", "the name is too long for the provider");
        None
    } else {
        Some(user)
    }
}

/// The effort nearest to `wanted` that `model` knows, where its name tells its family.
pub(super) fn effort(wanted: Effort, model: &str, is_responses: bool, notes: &mut Notes) -> Effort {
    let Some((least, most)) = efforts(model, is_responses) else {
        return wanted;
    };
    let near = wanted.clamp(least, most);
    let near = match near {
        Effort::Minimal if least == Effort::None => Effort::Low,
        near => near,
    };
    if near != wanted {
        notes.changed("reasoning effort", near.as_str());
    }
    near
}

/// The least and the most effort that a model called `model` knows; `minimal` is known where `none` is not, in one family.
fn efforts(model: &str, is_responses: bool) -> Option<(Effort, Effort)> {
    let name = model.rsplit('/').next().unwrap_or(model);
    let Some(version) = name.strip_prefix("gpt-") else {
        let is_o = name.starts_with('o') && name.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
        return is_o.then_some((Effort::Low, Effort::High));
    };
    let version = version.split('-').next().unwrap_or(version);
    let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
    match (major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?) {
        (..=4, _) => None,
        (5, 0) if name.contains("codex") => Some((Effort::Low, Effort::High)),
        (5, 0) => Some((Effort::Minimal, Effort::High)),
        (5, 1) => Some((Effort::None, Effort::High)),
        (5, 2..=5) => Some((Effort::None, Effort::XHigh)),
        _ if is_responses => Some((Effort::None, Effort::Max)),
        _ => Some((Effort::None, Effort::XHigh)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effort_is_put_in_a_word_that_the_family_knows() {
        use Effort::{High, Low, Max, Medium, Minimal, None, XHigh};
        for (model, is_responses, wanted, expected) in [
            ("o4-mini", true, Max, High),
            ("o3", false, Minimal, Low),
            ("o3", false, None, Low),
            ("gpt-5", true, Max, High),
            ("gpt-5-mini", false, None, Minimal),
            ("gpt-5-2025-08-07", false, Minimal, Minimal),
            ("gpt-5-codex", true, Minimal, Low),
            ("gpt-5.1", false, XHigh, High),
            ("gpt-5.1", false, Minimal, Low),
            ("gpt-5.1", false, None, None),
            ("openai/gpt-5.2", true, Max, XHigh),
            ("gpt-5.6-sol", true, Max, Max),
            ("gpt-5.6-sol", false, Max, XHigh),
            ("gpt-6", true, Max, Max),
            ("gpt-6.1-sol", false, Medium, Medium),
            ("gpt-oss-120b", false, Max, Max),
            ("my-deployment", true, Max, Max),
            ("olmo", false, Max, Max),
        ] {
            let mut notes = Notes::default();
            assert_eq!(effort(wanted, model, is_responses, &mut notes), expected, "{model}");
            assert_eq!(notes.into_vec().is_empty(), wanted == expected, "{model}");
        }
    }

    #[test]
    fn an_end_user_is_a_short_name() {
        for (user, expected) in [
            ("u".repeat(64), true),
            ("u".repeat(65), false),
            (r#" {"device_id":"d"}"#.to_owned(), false),
        ] {
            let request = Request {
                user: Some(user.clone()),
                ..Request::default()
            };
            let mut notes = Notes::default();
            assert_eq!(end_user(&request, &mut notes), expected.then_some(user.as_str()));
            assert_eq!(notes.into_vec().is_empty(), expected);
        }
    }
}
