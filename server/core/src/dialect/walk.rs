//! A walk through JSON of any shape that looks at its texts where they stand, and builds nothing.
//!
//! Invariant: nothing is taken apart that is not looked at; what is no text does no harm. Pure.

use super::json::Name;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Who looks.
pub(super) trait Look {
    /// Where a value stands, as far as it matters.
    type Place: Copy;

    /// Where the member `name` of an object at `place` stands; `None` where it is passed over.
    fn member(place: Self::Place, name: &str) -> Option<Self::Place>;

    /// Looks at a text.
    fn text(&mut self, place: Self::Place, text: &str);

    /// Looks at a list, which has one more element.
    fn element(&mut self, _: Self::Place) {}
}

/// A value at `place`, for `look` to look at.
pub(super) struct Walk<'a, L: Look> {
    pub(super) look: &'a mut L,
    pub(super) place: L::Place,
}

impl<'de, L: Look> DeserializeSeed<'de> for Walk<'_, L> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, L: Look> Visitor<'de> for Walk<'_, L> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.look.text(self.place, text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self { look, place } = self;
        while seq.next_element_seed(Walk { look, place })?.is_some() {
            look.element(place);
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { look, place } = self;
        while let Some(Name(name)) = map.next_key()? {
            match L::member(place, &name) {
                Some(place) => map.next_value_seed(Walk { look, place })?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}
