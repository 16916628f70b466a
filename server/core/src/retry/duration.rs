//! Durations and moments as upstreams write them.
//!
//! Invariant: milliseconds rounded up, within 0 and 24 hours; what is negative or no such text is `None`. Pure, without floats.
//! Wire facts: RFC 9110 §10.2.3, RFC 3339, Go's and protobuf's duration text.

use jiff::{Timestamp, fmt::rfc2822};

/// The longest wait that is believed, in milliseconds.
pub(super) const LONGEST_MS: i64 = 86_400_000;
/// Numbers from here on are moments in Unix seconds, not durations (the year 2001).
const EPOCH_S: i64 = 1_000_000_000;
/// Numbers from here on are Unix milliseconds.
const EPOCH_MS: i64 = 1_000_000_000_000;
const UNITS: [(&str, i64); 4] = [("ms", 1_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000)];

/// A decimal number of milliseconds, such as `1500` or `20.5`.
pub(super) fn millis(text: &str) -> Option<i64> {
    scaled(text.trim(), 1_000).map(to_ms)
}

/// How long from `now_ms` until what `text` says: seconds, a duration such as `6m0s` or `1h2m3.5s`, an RFC 3339 or HTTP date, or
/// Unix seconds or milliseconds.
pub(super) fn wait_ms(text: &str, now_ms: i64) -> Option<i64> {
    let text = text.trim();
    if let Some(micros) = scaled(text, 1_000_000) {
        let moment = |unix_ms: i64| (unix_ms.saturating_sub(now_ms)).clamp(0, LONGEST_MS);
        return Some(match micros / 1_000_000 {
            whole if whole >= EPOCH_MS => moment(whole),
            whole if whole >= EPOCH_S => moment(micros / 1_000),
            _ => to_ms(micros),
        });
    }
    if let Some(micros) = with_units(text) {
        return Some(to_ms(micros));
    }
    let at = text.parse::<Timestamp>().ok().or_else(|| http_date(text))?;
    Some(at.as_millisecond().saturating_sub(now_ms).clamp(0, LONGEST_MS))
}

/// The duration with units that `text` begins with, such as the `1.2s` of `1.2s. Then …`.
pub(super) fn leading_ms(text: &str) -> Option<i64> {
    let allowed = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'h' | b'm' | b's');
    let end = text.bytes().take_while(|byte| allowed(byte)).count();
    with_units(text[..end].trim_end_matches('.')).map(to_ms)
}

fn http_date(text: &str) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

/// Microseconds of a chain such as `1h2m3.5s` or `12ms`.
fn with_units(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let number = rest
            .bytes()
            .take_while(|byte| byte.is_ascii_digit() || *byte == b'.')
            .count();
        let (digits, after) = rest.split_at(number);
        let (unit, scale) = UNITS.into_iter().find(|(unit, _)| after.starts_with(unit))?;
        total = total.saturating_add(scaled(digits, scale)?);
        rest = &after[unit.len()..];
    }
    (!text.is_empty()).then_some(total)
}

/// The decimal number in `text` times `scale`, rounded up; saturating. `scale` has at most ten digits.
fn scaled(text: &str, scale: i64) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 15 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let kept = &fraction[..fraction.len().min(9)];
    let nano: i128 = format!("{kept:0<9}").parse().ok()?;
    let lost = i128::from(fraction.bytes().skip(9).any(|byte| byte != b'0'));
    let whole: i128 = whole.parse().ok()?;
    let value = (whole * 1_000_000_000 + nano + lost) * i128::from(scale);
    let up = value.div_euclid(1_000_000_000) + i128::from(value.rem_euclid(1_000_000_000) != 0);
    Some(i64::try_from(up).unwrap_or(i64::MAX))
}

fn to_ms(micros: i64) -> i64 {
    (micros / 1_000 + i64::from(micros % 1_000 != 0)).clamp(0, LONGEST_MS)
}
