//! Calendar periods: the day or month of an IANA zone in which a moment falls.
//!
//! Invariant: the periods of one zone cover all time and never overlap, through gaps, folds and skipped days. Pure.

use super::bucket::Kind;
use jiff::{Timestamp, civil::Date, tz::TimeZone};

/// From `start_ms` up to, not including, `end_ms` (Unix milliseconds).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The first millisecond.
    pub start_ms: i64,
    /// The first millisecond after it; [`Period::NEVER`] if it does not end.
    pub end_ms: i64,
}

impl Period {
    /// The end of a period that does not end.
    pub const NEVER: i64 = i64::MAX;
    /// The one period of a wallet or a total.
    pub const ALWAYS: Self = Self {
        start_ms: 0,
        end_ms: Self::NEVER,
    };

    /// The end, if there is one.
    #[must_use]
    pub fn end(self) -> Option<i64> {
        (self.end_ms != Self::NEVER).then_some(self.end_ms)
    }

    /// The period of `kind` in `zone` that `now_ms` falls in. An unknown zone counts as UTC.
    #[must_use]
    pub fn at(kind: Kind, zone: &str, now_ms: i64) -> Self {
        let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
        match kind {
            Kind::Wallet | Kind::Total => Self::ALWAYS,
            Kind::Day => Self::cut(&zone, now_ms, |date| date, |date| date.tomorrow().unwrap_or(Date::MAX)),
            Kind::Month => Self::cut(&zone, now_ms, Date::first_of_month, |date| {
                date.last_of_month().tomorrow().unwrap_or(Date::MAX)
            }),
        }
    }

    /// The period of `now_ms`, cut short at the front so that it begins where the last one ended.
    #[must_use]
    pub fn after(last_end_ms: i64, kind: Kind, zone: &str, now_ms: i64) -> Self {
        let period = Self::at(kind, zone, now_ms);
        Self {
            start_ms: period.start_ms.max(last_end_ms),
            end_ms: period.end_ms,
        }
    }

    /// `floor`: the first date of the period a date is in; `next`: the first date of the following one.
    fn cut(zone: &TimeZone, now_ms: i64, floor: fn(Date) -> Date, next: fn(Date) -> Date) -> Self {
        let now = Timestamp::from_millisecond(now_ms).unwrap_or(Timestamp::UNIX_EPOCH);
        let mut from = floor(now.to_zoned(zone.clone()).date());
        let mut until = next(from);
        // Where clocks go back across midnight, the later passage of the evening belongs to the day already begun.
        while until < Date::MAX && midnight(zone, until) <= now_ms {
            (from, until) = (until, next(until));
        }
        Self {
            start_ms: midnight(zone, from),
            end_ms: midnight(zone, until),
        }
    }
}

/// The first instant of `date`, or of the next date that exists.
fn midnight(zone: &TimeZone, date: Date) -> i64 {
    date.to_zoned(zone.clone())
        .and_then(|zoned| zoned.start_of_day())
        .map_or(Period::NEVER, |start| start.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR_MS: i64 = 3_600_000;
    /// Zones with gaps and folds at midnight, a skipped day, odd offsets.
    const ZONES: [&str; 12] = [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "America/Sao_Paulo",
        "America/St_Johns",
        "America/Havana",
        "Asia/Kathmandu",
        "Asia/Beirut",
        "Africa/Cairo",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "Pacific/Kwajalein",
    ];

    fn ms(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    fn day(zone: &str, text: &str) -> (i64, i64) {
        let period = Period::at(Kind::Day, zone, ms(text));
        (period.start_ms, period.end_ms)
    }

    #[test]
    fn the_days_of_a_clock_change_have_23_and_25_hours() {
        let (start, end) = day("Europe/Berlin", "2026-03-29T12:00:00Z");
        assert_eq!((start, end - start), (ms("2026-03-28T23:00:00Z"), 23 * HOUR_MS));
        let (start, end) = day("Europe/Berlin", "2026-10-25T12:00:00Z");
        assert_eq!((start, end - start), (ms("2026-10-24T22:00:00Z"), 25 * HOUR_MS));
    }

    #[test]
    fn a_day_without_midnight_begins_at_its_first_instant() {
        let (start, _) = day("America/Sao_Paulo", "2018-11-04T12:00:00Z");
        assert_eq!(start, ms("2018-11-04T03:00:00Z"));
    }

    #[test]
    fn an_evening_lived_twice_stays_in_the_day_already_begun() {
        let first = day("America/St_Johns", "2010-11-07T02:30:30Z");
        let again = day("America/St_Johns", "2010-11-07T02:45:00Z");
        assert_eq!(first, again);
    }

    #[test]
    fn a_month_ends_where_the_next_begins() {
        let period = Period::at(Kind::Month, "Asia/Kathmandu", ms("2024-02-29T12:00:00Z"));
        assert_eq!(period.start_ms, ms("2024-01-31T18:15:00Z"));
        assert_eq!(period.end_ms, ms("2024-02-29T18:15:00Z"));
    }

    #[test]
    fn a_wallet_never_ends_and_an_unknown_zone_is_utc() {
        assert_eq!(Period::at(Kind::Wallet, "UTC", 5).end(), None);
        assert_eq!(
            day("Mars/Olympus", "2026-01-01T05:00:00Z"),
            day("UTC", "2026-01-01T23:00:00Z")
        );
    }

    proptest! {
        #[test]
        fn periods_cover_all_time_and_never_overlap(
            zone in prop::sample::select(ZONES.to_vec()),
            month in any::<bool>(),
            now_ms in ms("1950-01-01T00:00:00Z")..ms("2100-01-01T00:00:00Z"),
        ) {
            let kind = if month { Kind::Month } else { Kind::Day };
            let here = Period::at(kind, zone, now_ms);
            prop_assert!(here.start_ms <= now_ms && now_ms < here.end_ms);
            prop_assert_eq!(Period::at(kind, zone, here.start_ms), here);
            prop_assert_eq!(Period::at(kind, zone, here.end_ms - 1), here);
            prop_assert_eq!(Period::at(kind, zone, here.end_ms).start_ms, here.end_ms);
            prop_assert_eq!(Period::at(kind, zone, here.start_ms - 1).end_ms, here.start_ms);
        }
    }
}
