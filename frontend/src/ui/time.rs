//! Times: relative up to seven days, the exact time with its zone on hover and in `<time datetime>`.
//!
//! Invariant: no clock here; now and the zone are arguments.
//! Pure.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use leptos::prelude::*;

use crate::api::Time;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Now, and the zone in which times are shown.
#[derive(Clone, Debug)]
pub struct Clock {
    now: Time,
    zone: TimeZone,
    zone_name: String,
}

impl Clock {
    /// The clock of a team; a zone that is not known is shown as UTC.
    pub fn new(now: Time, zone_name: &str) -> Self {
        let zone = TimeZone::get(zone_name);
        let zone_name = if zone.is_ok() { zone_name } else { "UTC" }.to_owned();
        Self {
            now,
            zone: zone.unwrap_or(TimeZone::UTC),
            zone_name,
        }
    }

    /// The name of the zone: `Europe/Berlin`.
    pub fn zone_name(&self) -> &str {
        &self.zone_name
    }

    /// Now.
    pub const fn now(&self) -> Time {
        self.now
    }

    fn zoned(&self, at: Time) -> Zoned {
        Timestamp::from_millisecond(at.0)
            .unwrap_or(Timestamp::UNIX_EPOCH)
            .to_zoned(self.zone.clone())
    }

    /// `Friday 20 November`.
    pub fn today(&self) -> String {
        self.zoned(self.now).strftime("%A %-d %B").to_string()
    }

    /// `November`.
    pub fn month(&self) -> String {
        self.zoned(self.now).strftime("%B").to_string()
    }

    /// `20 Nov`, with the year when it is another.
    pub fn day(&self, at: Time) -> String {
        let zoned = self.zoned(at);
        let format = if zoned.year() == self.zoned(self.now).year() {
            "%-d %b"
        } else {
            "%-d %b %Y"
        };
        zoned.strftime(format).to_string()
    }

    /// `2026-11-20`, as a date field takes it: the last day of what ends at `end`.
    pub fn last_day(&self, end: Time) -> String {
        self.zoned(Time(end.0.saturating_sub(1))).date().to_string()
    }

    /// `14:02:07`; on another day, with that day.
    pub fn time_of_day(&self, at: Time) -> String {
        let zoned = self.zoned(at);
        let time = zoned.strftime("%H:%M:%S");
        if zoned.date() == self.zoned(self.now).date() {
            time.to_string()
        } else {
            format!("{} {time}", self.day(at))
        }
    }

    /// `20 Nov 2026 14:02:07 CET`.
    pub fn exact(&self, at: Time) -> String {
        self.zoned(at).strftime("%-d %b %Y %H:%M:%S %Z").to_string()
    }

    /// `2 min ago`, `in 3 h`, from eight days on the day.
    pub fn relative(&self, at: Time) -> String {
        let ago = self.now.0.saturating_sub(at.0);
        let size = ago.saturating_abs();
        let amount = match size {
            0..5_000 => return "now".to_owned(),
            5_000..MINUTE => format!("{} s", size / 1000),
            MINUTE..HOUR => format!("{} min", size / MINUTE),
            HOUR..DAY => format!("{} h", size / HOUR),
            _ if size < 2 * DAY => "1 day".to_owned(),
            _ if size < 8 * DAY => format!("{} days", size / DAY),
            _ => return self.day(at),
        };
        if ago >= 0 {
            format!("{amount} ago")
        } else {
            format!("in {amount}")
        }
    }
}

/// `November 2026` of `2026-11`; what is no month stays as it is.
pub fn month_name(month: &str) -> String {
    named(&format!("{month}-01"), "%B %Y").unwrap_or_else(|| month.to_owned())
}

/// `20 Nov` of `2026-11-20`; what is no day stays as it is.
pub fn day_name(day: &str) -> String {
    named(day, "%-d %b").unwrap_or_else(|| day.to_owned())
}

fn named(date: &str, format: &str) -> Option<String> {
    let date: Date = date.parse().ok()?;
    Some(date.strftime(format).to_string())
}

/// How a moment is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// As far from now as it is.
    #[default]
    Relative,
    /// The time of day: lists of requests.
    TimeOfDay,
    /// The day.
    Day,
}

/// A moment; the exact time shows on hover.
#[component]
pub fn When(at: Time, clock: Clock, #[prop(optional)] style: Style) -> impl IntoView {
    let text = match style {
        Style::Relative => clock.relative(at),
        Style::TimeOfDay => clock.time_of_day(at),
        Style::Day => clock.day(at),
    };
    view! {
        <time datetime=at.render() title=clock.exact(at)>
            {text}
        </time>
    }
    .into_any()
}

/// A duration: `0.97 s`; below a tenth `43 ms`, from two minutes on `2 min 5 s`.
pub fn duration(ms: i64) -> String {
    let ms = ms.max(0);
    match ms {
        0..100 => format!("{ms} ms"),
        100..120_000 => format!("{}.{:02} s", ms / 1000, ms % 1000 / 10),
        _ => format!("{} min {} s", ms / 60_000, ms / 1000 % 60),
    }
}

/// A rest that is left: `0:24`.
pub fn countdown(ms: i64) -> String {
    let seconds = (ms.max(0) + 999) / 1000;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 20 Nov 2026, 13:02:07.418 UTC.
    const AT: i64 = 1_795_179_727_418;

    fn clock(later_ms: i64) -> Clock {
        Clock::new(Time(AT + later_ms), "Europe/Berlin")
    }

    #[test]
    fn a_moment_is_exact_in_the_zone_of_the_team() {
        assert_eq!(Time(AT).render(), "2026-11-20T13:02:07.418Z");
        assert_eq!(clock(0).exact(Time(AT)), "20 Nov 2026 14:02:07 CET");
        assert_eq!(
            Clock::new(Time(AT), "Mars/Olympus").exact(Time(AT)),
            "20 Nov 2026 13:02:07 UTC"
        );
        assert_eq!(clock(0).today(), "Friday 20 November");
    }

    #[test]
    fn a_moment_is_relative_up_to_seven_days() {
        let after = |ms| clock(ms).relative(Time(AT));
        assert_eq!(after(2_000), "now");
        assert_eq!(after(12_000), "12 s ago");
        assert_eq!(after(2 * MINUTE), "2 min ago");
        assert_eq!(after(DAY), "1 day ago");
        assert_eq!(after(7 * DAY), "7 days ago");
        assert_eq!(after(9 * DAY), "20 Nov");
        assert_eq!(after(400 * DAY), "20 Nov 2026");
        assert_eq!(after(-3 * HOUR), "in 3 h");
    }

    #[test]
    fn months_and_days_have_names() {
        assert_eq!(month_name("2026-11"), "November 2026");
        assert_eq!(day_name("2026-11-03"), "3 Nov");
        assert_eq!([month_name("now"), day_name("")], ["now", ""]);
    }

    #[test]
    fn a_list_of_requests_shows_the_clock_and_the_day_when_it_is_another() {
        assert_eq!(clock(HOUR).time_of_day(Time(AT)), "14:02:07");
        assert_eq!(clock(DAY).time_of_day(Time(AT)), "20 Nov 14:02:07");
    }

    #[test]
    fn durations_have_two_decimals_and_countdowns_minutes() {
        assert_eq!(duration(0), "0 ms");
        assert_eq!(duration(43), "43 ms");
        assert_eq!(duration(970), "0.97 s");
        assert_eq!(duration(9_594), "9.59 s");
        assert_eq!(duration(125_000), "2 min 5 s");
        assert_eq!(countdown(23_001), "0:24");
        assert_eq!(countdown(-5), "0:00");
    }
}
