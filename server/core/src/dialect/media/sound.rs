//! How long a file of sound lasts at most, by its first bytes.
//!
//! Invariant: a duration is never below what the file can hold by its own header; a header that bounds nothing is refused by name. Pure.
//! Wire facts: RIFF/WAVE, FLAC's STREAMINFO, ID3v2, the lowest bit rates of MPEG audio.

use super::super::envelope::PeekError;

/// How much of a file is kept, in bytes, behind its tags.
const HEAD_BYTES: usize = 4 << 10;
/// Length of the header of an ID3 tag, in bytes.
const TAG_HEAD: usize = 10;
/// Bytes of MPEG audio that last a second, at least: its lowest bit rate is 8 kbit/s. Also the least that is taken of a WAV.
const BYTES_PER_SECOND: u64 = 750;
/// Bytes of any other sound that last a second, at least. AMR takes 594; Opus takes 100 where it sends next to nothing for silence, a byte
/// and its length every 20 ms. Their containers do not say at the beginning how long they last.
const BYTES_PER_SECOND_MIN: u64 = 100;

/// The first bytes of a file, tags of music left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    kept: Vec<u8>,
    /// Bytes of a tag that are still to come.
    tag: usize,
}

impl Head {
    /// Takes in what came next.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.kept.len() < HEAD_BYTES {
            let skipped = self.tag.min(bytes.len());
            self.tag -= skipped;
            bytes = &bytes[skipped..];
            let until = if self.kept.len() < TAG_HEAD {
                TAG_HEAD
            } else {
                HEAD_BYTES
            };
            let taken = (until - self.kept.len()).min(bytes.len());
            self.kept.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.kept.len() == TAG_HEAD && self.kept.starts_with(b"ID3") {
                let length = self.kept[6..].iter();
                self.tag = length.fold(0, |length, byte| (length << 7) | usize::from(byte & 0x7f));
                self.tag += usize::from((self.kept[5] >> 4) & 1) * TAG_HEAD;
                self.kept.clear();
            }
        }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.kept
    }
}

/// The seconds that a file of so many `bytes` lasts at most, which begins with `head`.
pub(super) fn seconds(bytes: u64, head: &[u8]) -> Result<u64, PeekError> {
    let refused = |expected| PeekError::WrongType {
        field: "file",
        expected,
    };
    let rate = match head {
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', chunks @ ..]
        | [b'R', b'F', b'6', b'4', _, _, _, _, b'W', b'A', b'V', b'E', chunks @ ..] => wave_rate(chunks)
            .filter(|rate| *rate >= BYTES_PER_SECOND)
            .ok_or_else(|| refused("a WAV whose header tells of plain samples, and of at least 750 bytes a second"))?,
        [b'f', b'L', b'a', b'C', ..] => {
            return flac_seconds(head).ok_or_else(|| refused("a FLAC whose header says how long it is"));
        }
        [0xff, second, ..] if second >> 5 == 7 && second & 0b110 != 0 => BYTES_PER_SECOND,
        _ => BYTES_PER_SECOND_MIN,
    };
    Ok(bytes.div_ceil(rate))
}

/// Bytes a second of a WAV of plain samples, the least that its header can be read as.
fn wave_rate(mut chunks: &[u8]) -> Option<u64> {
    loop {
        let (name, rest) = chunks.split_at_checked(4)?;
        let (length, rest) = rest.split_at_checked(4)?;
        let length = usize::try_from(u32::from_le_bytes(length.try_into().ok()?)).ok()?;
        if name == b"fmt " {
            let short = |at: usize| Some(u64::from(u16::from_le_bytes(rest.get(at..at + 2)?.try_into().ok()?)));
            let long = |at: usize| Some(u64::from(u32::from_le_bytes(rest.get(at..at + 4)?.try_into().ok()?)));
            let kind = match short(0)? {
                0xfffe => short(24)?,
                kind => kind,
            };
            let (channels, samples, told, block, bits) = (short(2)?, long(4)?, long(8)?, short(12)?, short(14)?);
            let by_bits = samples.saturating_mul(channels).saturating_mul(bits) / 8;
            // Integers, floats and the two laws of telephony take what they say; what is compressed may last longer.
            return matches!(kind, 1 | 3 | 6 | 7).then(|| told.min(samples.saturating_mul(block)).min(by_bits));
        }
        chunks = rest.get(length.checked_add(length & 1)?..)?;
    }
}

/// The seconds that the first block of a FLAC tells of.
fn flac_seconds(head: &[u8]) -> Option<u64> {
    let packed = u64::from_be_bytes(head.get(18..26)?.try_into().ok()?);
    let (rate, samples) = (packed >> 44, packed & ((1 << 36) - 1));
    let is_told = head[4] & 0x7f == 0 && rate > 0 && samples > 0;
    is_told.then(|| samples.div_ceil(rate))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn wave(kind: u16, rate: u32, told: u32) -> Vec<u8> {
        let mut file = b"RIFF\0\0\0\0WAVEJUNK\x03\0\0\0abc\0fmt \x10\0\0\0".to_vec();
        file.extend_from_slice(&kind.to_le_bytes());
        file.extend_from_slice(&1_u16.to_le_bytes());
        file.extend_from_slice(&rate.to_le_bytes());
        file.extend_from_slice(&told.to_le_bytes());
        file.extend_from_slice(&2_u16.to_le_bytes());
        file.extend_from_slice(&16_u16.to_le_bytes());
        file
    }

    fn flac(rate: u64, samples: u64) -> Vec<u8> {
        let mut file = b"fLaC\0\0\0\x22".to_vec();
        file.extend_from_slice(&[0; 10]);
        file.extend_from_slice(&((rate << 44) | samples).to_be_bytes());
        file
    }

    #[test]
    fn a_file_is_never_held_to_be_shorter_than_it_can_be() {
        assert_eq!(seconds(32_000, &wave(1, 8_000, 16_000)), Ok(2));
        // It says more than its samples take.
        assert_eq!(seconds(32_000, &wave(1, 1_000, 1 << 30)), Ok(16));
        assert_eq!(seconds(100, &flac(44_100, 441_000)), Ok(10), "of silence");
        assert_eq!(seconds(7_500, b"\xff\xfb\x90"), Ok(10));
        for other in [b"#!AMR\n".as_slice(), b"OggS", b"\x1a\x45\xdf\xa3", b"\xff\xf1", b""] {
            assert_eq!(seconds(1_000, other), Ok(10), "{other:?}");
        }
    }

    #[test]
    fn a_header_that_bounds_nothing_is_refused_by_name() {
        for head in [
            wave(1, 100, 200),
            wave(1, 8_000, 200),
            wave(0x31, 8_000, 16_000),
            wave(1, 8_000, 16_000)[..30].to_vec(),
            flac(44_100, 0),
            flac(0, 9),
            b"fLaC".to_vec(),
        ] {
            let refused = seconds(9, &head);
            assert!(
                matches!(refused, Err(PeekError::WrongType { field: "file", .. })),
                "{head:?}"
            );
        }
    }

    #[test]
    fn tags_are_passed_over_however_they_are_cut() {
        let mut file = b"ID3\x04\0\0\0\0\x02\x01".to_vec();
        file.extend_from_slice(&[b'x'; 257]);
        file.extend_from_slice(&flac(1, 9));
        for size in 1..file.len() {
            let mut head = Head::default();
            for piece in file.chunks(size) {
                head.push(piece);
            }
            assert_eq!((seconds(9, head.bytes()), head.tag), (Ok(9), 0), "{size}");
        }
    }
}
