//! As much CBOR (RFC 8949) as authenticators write: definite lengths, integers, bytes, texts, lists and maps.
//!
//! Invariant: what is not whole is nothing; no more is kept than was read, and no deeper than [`DEPTH`]. Pure.

/// How deep lists and maps may stand in each other; authenticators use four levels.
const DEPTH: usize = 8;

/// One item.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item<'a> {
    /// A whole number.
    Int(i64),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A text.
    Text(&'a str),
    /// A list.
    List(Vec<Self>),
    /// Pairs, in their order.
    Map(Vec<(Self, Self)>),
    /// Anything else: true, null, a number with decimals.
    Other,
}

impl<'a> Item<'a> {
    /// What stands in this map under `key`.
    pub(super) fn get(&self, key: &Item<'_>) -> Option<&Self> {
        match self {
            Self::Map(pairs) => pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The whole number under `key`.
    pub(super) fn int(&self, key: i64) -> Option<i64> {
        match self.get(&Item::Int(key))? {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The bytes under `key`.
    pub(super) fn bytes(&self, key: i64) -> Option<&'a [u8]> {
        match self.get(&Item::Int(key))? {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

/// The first item in `bytes`, and what follows it.
pub(super) fn read(bytes: &[u8]) -> Option<(Item<'_>, &[u8])> {
    item(bytes, DEPTH)
}

fn item(bytes: &[u8], depth: usize) -> Option<(Item<'_>, &[u8])> {
    let depth = depth.checked_sub(1)?;
    let (first, rest) = bytes.split_first()?;
    let (major, info) = (first >> 5, first & 31);
    let (number, rest) = number(info, rest)?;
    match major {
        0 => Some((Item::Int(i64::try_from(number).ok()?), rest)),
        1 => Some((Item::Int(-1 - i64::try_from(number).ok()?), rest)),
        2 | 3 => {
            let (taken, rest) = rest.split_at_checked(usize::try_from(number).ok()?)?;
            let item = match major {
                2 => Item::Bytes(taken),
                _ => Item::Text(std::str::from_utf8(taken).ok()?),
            };
            Some((item, rest))
        }
        4 => {
            let mut list = Vec::new();
            let mut rest = rest;
            for _ in 0..number {
                let (next, after) = item(rest, depth)?;
                list.push(next);
                rest = after;
            }
            Some((Item::List(list), rest))
        }
        5 => {
            let mut pairs = Vec::new();
            let mut rest = rest;
            for _ in 0..number {
                let (key, after) = item(rest, depth)?;
                let (value, after) = item(after, depth)?;
                pairs.push((key, value));
                rest = after;
            }
            Some((Item::Map(pairs), rest))
        }
        7 => Some((Item::Other, rest)),
        _ => None,
    }
}

/// The number behind the first byte, whose lower bits are `info`.
fn number(info: u8, bytes: &[u8]) -> Option<(u64, &[u8])> {
    let width = match info {
        0..=23 => return Some((u64::from(info), bytes)),
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        _ => return None,
    };
    let (taken, rest) = bytes.split_at_checked(width)?;
    let number = taken.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
    Some((number, rest))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_authenticators_write_is_read_and_what_follows_is_left() {
        // {1: 2, 3: -7, -1: h'0102', "fmt": ["none", true]} and one byte more.
        let bytes = [
            0xa4, 0x01, 0x02, 0x03, 0x26, 0x20, 0x42, 1, 2, 0x63, b'f', b'm', b't', 0x82, 0x64, b'n', b'o', b'n', b'e',
            0xf5, 9,
        ];
        let (map, rest) = read(&bytes).unwrap();
        assert_eq!(
            (map.int(1), map.int(3), map.bytes(-1)),
            (Some(2), Some(-7), Some([1, 2].as_slice()))
        );
        let list = Item::List(vec![Item::Text("none"), Item::Other]);
        assert_eq!((map.get(&Item::Text("fmt")), rest), (Some(&list), [9].as_slice()));
        assert_eq!(map.int(-1), None, "bytes are no number");
    }

    #[test]
    fn what_is_cut_boundless_or_deep_is_nothing() {
        let whole = [0xa2, 0x01, 0x19, 0x01, 0x00, 0x02, 0x43, 1, 2, 3];
        assert!(read(&whole).is_some());
        for length in 0..whole.len() {
            assert!(read(&whole[..length]).is_none(), "{length}");
        }
        assert!(read(&[0x9f, 0x01, 0xff]).is_none(), "no end is told");
        assert!(read(&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]).is_none());
        assert!(read(&[0x81; 9]).is_none());
        assert!(
            read(&[0x1b, 0xff, 0, 0, 0, 0, 0, 0, 0]).is_none(),
            "larger than any number of ours"
        );
    }
}
