//! What only the account that thought it can read, wrapped on its way through a client of another dialect.
//!
//! Invariant: a blob goes back only to the account and model it came from; any other is recognised and left out, never forwarded. Pure.
//! Wire facts: providers bind reasoning signatures and encrypted thoughts to organisation and model, and refuse or drop foreign ones.

use super::super::Dialect;

const MARK: &str = "oh1";

/// Where a blob is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The dialect it is from.
    pub dialect: Dialect,
    /// A number of the account and the model, which tells nothing about either.
    pub account: u64,
}

/// `blob` from `origin`, as a client is to send it back.
#[must_use]
pub fn pack(origin: Origin, blob: &str) -> String {
    format!("{MARK}.{}.{:016x}.{blob}", origin.dialect.as_str(), origin.account)
}

/// The blob in `packed` and where it is from; `None` where we did not pack it.
#[must_use]
pub fn unpack(packed: &str) -> Option<(Origin, &str)> {
    let mut parts = packed.splitn(4, '.');
    if parts.next()? != MARK {
        return None;
    }
    let dialect = Dialect::parse(parts.next()?)?;
    let account = u64::from_str_radix(parts.next()?, 16).ok()?;
    Some((Origin { dialect, account }, parts.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_comes_out() {
        let origin = Origin {
            dialect: Dialect::Generate,
            account: 0xfe,
        };
        let packed = pack(origin, "a.b.c==");
        assert_eq!(unpack(&packed), Some((origin, "a.b.c==")));
        for foreign in ["", "abc", "oh1", "oh1.x.00.b", "oh1.chat.zz.b", "oh2.chat.00.b"] {
            assert_eq!(unpack(foreign), None, "{foreign}");
        }
    }
}
