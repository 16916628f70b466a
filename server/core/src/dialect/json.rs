//! Reading JSON without copying it: names, members, and where in the text a value stands.
//!
//! Invariant: names are compared after unescaping, so `"mod\u0065l"` is `model`. Pure.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// How many arrays and objects may stand inside each other.
pub(super) const DEPTH_MAX: u32 = 96;

/// The name of a member, unescaped; borrowed unless it was escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name<'de>(pub(super) Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Name<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Read)
    }
}

/// The elements of a list in order.
pub(super) struct Elements<'de>(pub(super) Vec<&'de RawValue>);

impl<'de> Deserialize<'de> for Elements<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self)
    }
}

/// The members of an object in order, duplicates among them.
pub(super) struct Members<'de>(pub(super) Vec<(Cow<'de, str>, &'de RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(Name(name)) = map.next_key()? {
                    members.push((name, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Read)
    }
}

/// Where `inner`, a slice of `outer`, stands in it, in bytes.
pub(super) fn place_in(outer: &str, inner: &str) -> Range<usize> {
    let start = inner.as_ptr().addr() - outer.as_ptr().addr();
    start..start + inner.len()
}

/// Where the member with the value `value` stands in `text`, without a comma.
pub(super) fn member_in(text: &str, value: &str) -> Range<usize> {
    let Range { start, end } = place_in(text, value);
    let name_end = text[..start].rfind('"').unwrap_or(start);
    let mut name = name_end;
    while let Some(quote) = text[..name].rfind('"') {
        name = quote;
        let before = &text[..quote];
        let escapes = before.len() - before.trim_end_matches('\\').len();
        if escapes.is_multiple_of(2) {
            break;
        }
    }
    name..end
}

/// What to cut out of `text` so that its members or elements at `places` are gone, commas too, and the rest is whole.
pub(super) fn without(text: &[u8], mut places: Vec<Range<usize>>) -> Vec<Range<usize>> {
    places.sort_unstable_by_key(|place| place.start);
    let mut cuts: Vec<Range<usize>> = Vec::with_capacity(places.len());
    for place in places {
        let is_next = cuts.last().is_some_and(|last| {
            let between = text[last.end..place.start].trim_ascii();
            between.is_empty() || between == b","
        });
        match cuts.last_mut() {
            Some(last) if is_next => last.end = place.end,
            _ => cuts.push(place),
        }
    }
    for cut in &mut cuts {
        let before = text[..cut.start].trim_ascii_end();
        if before.ends_with(b",") {
            cut.start = before.len() - 1;
        } else {
            let after = text[cut.end..].trim_ascii_start();
            let comma = usize::from(after.starts_with(b","));
            cut.end = text.len() - after.len() + comma;
        }
    }
    cuts
}

/// Whether `raw` is `null`.
pub(super) fn is_null(raw: &RawValue) -> bool {
    raw.get() == "null"
}

/// `text` cut to at most `bytes_max` bytes, between characters.
pub(super) fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_member_knows_where_it_stands() {
        let text = r#"{ "a" : [1, 2] , "\u0062": null }"#;
        let Members(members) = serde_json::from_str(text).unwrap();
        assert_eq!(&text[place_in(text, members[0].1.get())], "[1, 2]");
        assert_eq!(members[1].0, "b");
        assert!(is_null(members[1].1));
    }

    #[test]
    fn an_object_is_whole_without_some_members() {
        for (text, rest) in [
            (r#"{"u" : {"x":1} , "b":2}"#, r#"{ "b":2}"#),
            (r#"{"b":2 , "u":null }"#, r#"{"b":2  }"#),
            (r#"{"b":2,"\u0075":1,"c":3}"#, r#"{"b":2,"c":3}"#),
            (r#"{"u":1}"#, "{}"),
            (r#"{"u":1 ,"u":2, "b":3}"#, r#"{ "b":3}"#),
            (r#"{"b":3,"u":1 ,"u":2}"#, r#"{"b":3}"#),
            (r#"{"u":1,"b":3,"u":2,"c":4,"u":5 , "u":6}"#, r#"{"b":3,"c":4}"#),
        ] {
            let Members(members) = serde_json::from_str(text).unwrap();
            let gone = members.iter().filter(|(name, _)| name == "u");
            let places = gone.map(|(_, value)| member_in(text, value.get())).collect();
            let mut left = text.to_owned();
            for cut in without(text.as_bytes(), places).into_iter().rev() {
                left.replace_range(cut, "");
            }
            assert_eq!(left, rest);
        }
    }

    #[test]
    fn a_name_with_quotes_within_goes_whole() {
        for name in [r#"\""#, r#"a\"b"#, r#"a\\"#, r#"a\\\"b\\"#, r#"\"\":1,"#] {
            let text = format!(r#"{{"b":2, "{name}" : {{"x":1}}}}"#);
            let Members(members) = serde_json::from_str(&text).unwrap();
            let place = member_in(&text, members[1].1.get());
            assert_eq!(&text[place], format!(r#""{name}" : {{"x":1}}"#));
        }
    }

    #[test]
    fn a_cut_keeps_characters_whole() {
        assert_eq!(cut("añb", 2), "a");
        assert_eq!(cut("añb", 3), "añ");
        assert_eq!(cut("a", 9), "a");
    }
}
