//! Places in a text: Google counts bytes, everybody else characters.
//!
//! Invariant: a text of ASCII costs nothing; a place within a character is the place of its end. Pure.
//! Wire facts: Google's `Segment.startIndex` and `endIndex`.

/// What was seen of a text.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    /// Bytes until now.
    bytes: u64,
    /// For each character of more than one byte: where it ends, in bytes, and how many bytes more than characters there are until there.
    wide: Vec<(u64, u64)>,
}

impl Places {
    /// The text goes on with `text`.
    pub(super) fn see(&mut self, text: &str) {
        if !text.is_ascii() {
            for (at, character) in text.char_indices().filter(|(_, character)| !character.is_ascii()) {
                let length = character.len_utf8() as u64;
                let more = self.wide.last().map_or(0, |(_, more)| *more) + length - 1;
                self.wide.push((self.bytes + at as u64 + length, more));
            }
        }
        self.bytes += text.len() as u64;
    }

    /// How many characters end at `byte` or before.
    pub(super) fn characters(&self, byte: u64) -> u64 {
        let before = self.wide.partition_point(|(end, _)| *end <= byte);
        byte.saturating_sub(self.more(before))
    }

    /// At which byte `character` begins.
    pub(super) fn bytes(&self, character: u64) -> u64 {
        let before = self
            .wide
            .partition_point(|(end, more)| end.saturating_sub(*more) <= character);
        character.saturating_add(self.more(before))
    }

    fn more(&self, before: usize) -> u64 {
        let last = before.checked_sub(1).and_then(|last| self.wide.get(last));
        last.map_or(0, |(_, more)| *more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_characters_and_back() {
        let text = "aä€b😀c";
        let mut places = Places::default();
        text.char_indices()
            .for_each(|(at, character)| places.see(&text[at..at + character.len_utf8()]));
        for (character, (byte, _)) in text.char_indices().enumerate() {
            assert_eq!(places.characters(byte as u64), character as u64, "{byte}");
            assert_eq!(places.bytes(character as u64), byte as u64, "{character}");
        }
        assert_eq!(places.characters(text.len() as u64), 6);
        assert_eq!(Places::default().bytes(7), 7);
    }
}
