//! Identifiers: 63-bit, time-ordered integers, shown to people as a prefix and 13 letters.
//!
//! Invariant: ids made later sort later (to the millisecond), in the database and as text. Pure.

/// Milliseconds of 2025-01-01T00:00:00Z since the Unix epoch: the zero of the time part.
pub const EPOCH_MS: i64 = 1_735_689_600_000;
/// Bits below the time part, filled by a sequence or by randomness.
pub const SEQUENCE_BITS: u32 = 20;
/// Of them, those that tell the nodes of a database apart where they number by themselves.
pub const SLOT_BITS: u32 = 6;
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LETTERS: usize = 13;

/// What an id names; its prefix in text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An upstream account.
    Account,
    /// An alert for the operator.
    Alert,
    /// An audit record.
    Audit,
    /// A redeem code.
    Code,
    /// Something told to a webhook.
    Delivery,
    /// A wallet entry.
    Entry,
    /// An account elsewhere that signs a user in.
    Identity,
    /// An invitation into a team.
    Invitation,
    /// A customer's API key.
    Key,
    /// A mail of the outbox.
    Mail,
    /// A markup.
    Markup,
    /// A process that serves.
    Node,
    /// A passkey.
    Passkey,
    /// A payment into a wallet.
    Payment,
    /// A price row.
    Price,
    /// A relayed request.
    Request,
    /// A signed-in session.
    Session,
    /// A team.
    Team,
    /// A management token.
    Token,
    /// A user.
    User,
}

impl Kind {
    /// The text before the underscore.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Account => "acc",
            Self::Alert => "alr",
            Self::Audit => "aud",
            Self::Code => "code",
            Self::Delivery => "dlv",
            Self::Entry => "ent",
            Self::Identity => "idn",
            Self::Invitation => "inv",
            Self::Key => "key",
            Self::Mail => "mail",
            Self::Markup => "mku",
            Self::Node => "node",
            Self::Passkey => "psk",
            Self::Payment => "pay",
            Self::Price => "prc",
            Self::Request => "req",
            Self::Session => "ses",
            Self::Team => "team",
            Self::Token => "tok",
            Self::User => "usr",
        }
    }
}

/// The id of time `now_ms` (Unix milliseconds) and `low`, of which the lowest [`SEQUENCE_BITS`] count.
#[must_use]
pub const fn at(now_ms: i64, low: u32) -> i64 {
    let time = now_ms - EPOCH_MS;
    let time = if time < 0 { 0 } else { time };
    (time << SEQUENCE_BITS) | (low as i64 & ((1 << SEQUENCE_BITS) - 1))
}

/// The id after `last` of the node numbered `slot`: later than every id of an earlier millisecond, and no other node's.
#[must_use]
pub const fn next(last: i64, now_ms: i64, slot: i16) -> i64 {
    const STEP: i64 = 1 << SLOT_BITS;
    let after = (last & !(STEP - 1)) + STEP;
    let now = at(now_ms, 0);
    let free = if now > after { now } else { after };
    free | (slot as i64 & (STEP - 1))
}

/// The Unix milliseconds at which `id` was made.
#[must_use]
pub const fn made_at_ms(id: i64) -> i64 {
    (id >> SEQUENCE_BITS) + EPOCH_MS
}

/// `id` as text, such as `key_0h4kf6r7t2c9a`.
#[must_use]
pub fn render(kind: Kind, id: i64) -> String {
    let mut letters = [b'0'; LETTERS];
    let mut rest = id.cast_unsigned();
    for letter in letters.iter_mut().rev() {
        *letter = ALPHABET[(rest & 31) as usize];
        rest >>= 5;
    }
    let mut text = String::with_capacity(kind.prefix().len() + 1 + LETTERS);
    text.push_str(kind.prefix());
    text.push('_');
    text.extend(letters.iter().map(|letter| char::from(*letter)));
    text
}

/// The id written in `text`, or `None` where the prefix, the length or a letter is off.
#[must_use]
pub fn parse(kind: Kind, text: &str) -> Option<i64> {
    let letters = text.strip_prefix(kind.prefix())?.strip_prefix('_')?;
    if letters.len() != LETTERS {
        return None;
    }
    let mut value: u64 = 0;
    for letter in letters.bytes() {
        let digit = ALPHABET.iter().position(|known| *known == letter)?;
        value = value.checked_mul(32)?.checked_add(digit as u64)?;
    }
    i64::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        for id in [0, 1, at(1_790_000_000_000, 77), i64::MAX] {
            assert_eq!(parse(Kind::Key, &render(Kind::Key, id)), Some(id));
        }
        assert_eq!(parse(Kind::Team, &render(Kind::Key, 5)), None);
        assert_eq!(parse(Kind::Key, "key_"), None);
        assert_eq!(parse(Kind::Key, "key_zzzzzzzzzzzzz"), None);
    }

    #[test]
    fn nodes_number_apart_and_upwards() {
        let now_ms = 1_790_000_000_000;
        let mut seen = std::collections::BTreeSet::new();
        for slot in [0, 1, 63] {
            let mut last = at(now_ms, 12_345);
            for _ in 0..20_000 {
                let id = next(last, now_ms, slot);
                assert!(id > last && seen.insert(id));
                last = id;
            }
        }
        assert_eq!(made_at_ms(next(0, now_ms, 63)), now_ms);
    }

    #[test]
    fn later_sorts_later() {
        let early = at(1_790_000_000_000, u32::MAX);
        let late = at(1_790_000_000_001, 0);
        assert!(early < late);
        assert!(render(Kind::Request, early) < render(Kind::Request, late));
        assert_eq!(made_at_ms(late), 1_790_000_000_001);
    }
}
