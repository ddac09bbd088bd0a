//! Dates and moments. Years are Gregorian, never of the Buddhist era.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::catalogue::format;

/// A text is not a date or moment of the expected form. It does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a {kind}: expected {expected}; subtract 543 from a year of the Buddhist era")]
pub struct InvalidTime {
    /// What was looked for.
    pub kind: &'static str,
    /// The form that it must have.
    pub expected: &'static str,
}

macro_rules! time_text {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $expected:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// The text, as it was sent.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidTime;

            fn from_str(text: &str) -> Result<Self, InvalidTime> {
                if $check(text) { Ok(Self(text.into())) } else { Err(InvalidTime { kind: $kind, expected: $expected }) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::text::deserialize(deserializer)
            }
        }
    };
}

time_text!(
    /// A full date, ISO 8601 `YYYY-MM-DD`, of the years 1800 to 2299.
    Date, "date", "YYYY-MM-DD, a real day of the years 1800 to 2299", format::is_date
);
time_text!(
    /// What is known of a date: `YYYY`, `YYYY-MM` or `YYYY-MM-DD`, of the years 1800 to 2299.
    PartialDate, "partial date", "YYYY, YYYY-MM or YYYY-MM-DD of the years 1800 to 2299", format::is_partial_date
);
time_text!(
    /// A moment, RFC 3339 with offset, of the years 2000 to 2299, e.g. `2026-11-24T09:30:00+07:00`.
    Timestamp, "moment", "RFC 3339 with offset, in the years 2000 to 2299", is_timestamp
);

impl Timestamp {
    /// A clock's time in UTC, cut to milliseconds.
    ///
    /// # Errors
    /// [`InvalidTime`] outside the years 2000 to 2299.
    pub fn from_system_time(time: SystemTime) -> Result<Self, InvalidTime> {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        format!("{}.{:03}Z", clock_text(since.as_secs()), since.subsec_millis()).parse()
    }

    /// Seconds since 1970 in UTC, without a fraction, e.g. `2026-11-24T21:04:09Z`.
    ///
    /// # Errors
    /// [`InvalidTime`] outside the years 2000 to 2299.
    pub fn from_unix_seconds(seconds: u64) -> Result<Self, InvalidTime> {
        format!("{}Z", clock_text(seconds)).parse()
    }

    /// Milliseconds since 1970, what is finer cut off.
    #[must_use]
    pub fn unix_ms(&self) -> u64 {
        let text = self.as_str();
        let field = |at: usize| text.get(at..at + 2).and_then(format::number).map_or(0, i64::from);
        let (year, month, day) = text.get(..10).and_then(format::day_of).unwrap_or((1970, 1, 1));
        let seconds = days_from_civil(year, month, day) * 86_400 + field(11) * 3600 + field(14) * 60 + field(17);
        let fraction = text[19..].strip_prefix('.').unwrap_or_default().bytes().take_while(u8::is_ascii_digit);
        let millis = fraction.chain(*b"000").take(3).fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
        let offset = match text.bytes().rev().nth(5) {
            Some(sign @ (b'+' | b'-')) => {
                let at = text.len() - 5;
                let minutes = field(at) * 60 + field(at + 3);
                if sign == b'+' { minutes } else { -minutes }
            }
            _ => 0,
        };
        u64::try_from((seconds - offset * 60) * 1000 + millis).unwrap_or_default()
    }
}

impl Date {
    /// The day that it is in Thailand at this moment, in milliseconds since 1970.
    ///
    /// # Errors
    /// [`InvalidTime`] beyond the year 2299.
    pub fn in_thailand(unix_ms: u64) -> Result<Self, InvalidTime> {
        let (year, month, day) = civil_from_days((unix_ms + THAILAND_MS) / 86_400_000);
        format!("{year:04}-{month:02}-{day:02}").parse()
    }

    /// The moment at which the day ends in Thailand, in milliseconds since 1970; 0 for days before.
    #[must_use]
    pub fn ends_at(&self) -> u64 {
        let (year, month, day) = format::day_of(self.as_str()).unwrap_or((1970, 1, 1));
        let ends =
            (days_from_civil(year, month, day) + 1) * 86_400_000 - i64::try_from(THAILAND_MS).unwrap_or_default();
        u64::try_from(ends).unwrap_or_default()
    }
}

/// Days since 1970-01-01 of a real day, by counting in 400-year eras that begin on 1 March.
const fn days_from_civil(year: u16, month: u16, day: u16) -> i64 {
    let year = if month <= 2 { year as i64 - 1 } else { year as i64 };
    let month_from_march = if month > 2 { month as i64 - 3 } else { month as i64 + 9 };
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * month_from_march + 2) / 5 + day as i64 - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * DAYS_IN_ERA as i64 + day_of_era - DAYS_TO_1970 as i64
}

/// Seconds since 1970 as date and time in UTC, without the offset.
fn clock_text(since: u64) -> String {
    let (days, seconds) = (since / 86_400, since % 86_400);
    let (year, month, day) = civil_from_days(days);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

/// Year, month and day of a number of days since 1970-01-01, by counting in 400-year eras that begin on 1 March.
const fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let from_year_0 = days + DAYS_TO_1970;
    let (era, day_of_era) = (from_year_0 / DAYS_IN_ERA, from_year_0 % DAYS_IN_ERA);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + (month <= 2) as u64;
    (year, month, day)
}

fn is_timestamp(text: &str) -> bool {
    let (Some(date), Some(time)) = (text.get(..10), text.get(10..19)) else { return false };
    let clock = |text: &str| {
        let field = |at: usize, most: u16| text.get(at..at + 2).and_then(format::number).is_some_and(|n| n <= most);
        let colons = text.bytes().skip(2).step_by(3).all(|byte| byte == b':');
        colons && field(0, 23) && field(3, 59) && (text.len() == 5 || field(6, 59))
    };
    let rest = &text[19..];
    let fraction = rest.strip_prefix('.').map_or(0, |rest| 1 + rest.bytes().take_while(u8::is_ascii_digit).count());
    let offset = &rest[fraction..];
    format::day_of(date).is_some_and(|(year, _, _)| (2000..=2299).contains(&year))
        && time.strip_prefix('T').is_some_and(clock)
        && fraction != 1
        && fraction <= 10
        && (offset == "Z" || (offset.len() == 6 && offset.strip_prefix(['+', '-']).is_some_and(clock)))
}

/// Thailand is seven hours ahead of UTC, the year round.
const THAILAND_MS: u64 = 7 * 3_600_000;
const DAYS_IN_ERA: u64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: u64 = 719_468;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clocks_time_becomes_rfc_3339() {
        let at = |seconds, millis| {
            let time = UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_millis(millis);
            Timestamp::from_system_time(time).map(|moment| moment.to_string())
        };
        assert_eq!(at(951_782_399, 5).unwrap(), "2000-02-28T23:59:59.005Z");
        assert_eq!(at(951_782_400, 0).unwrap(), "2000-02-29T00:00:00.000Z");
        assert_eq!(at(1_795_490_999, 999).unwrap(), "2026-11-24T03:29:59.999Z");
        assert!(at(0, 0).is_err(), "1970 is no time at which a message was sent");
    }

    #[test]
    fn whole_seconds_have_no_fraction_and_only_times_of_the_range_are_moments() {
        let at = |seconds| Timestamp::from_unix_seconds(seconds).map(|moment| moment.to_string());
        for (seconds, text) in [
            (946_684_800, "2000-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_554_249, "2026-11-24T21:04:09Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (10_413_791_999, "2299-12-31T23:59:59Z"),
        ] {
            assert_eq!(at(seconds).unwrap(), text);
        }
        for seconds in [0, 946_684_799, 10_413_792_000, u64::MAX] {
            assert!(at(seconds).is_err(), "{seconds}");
        }
    }

    #[test]
    fn a_moment_is_the_same_number_whatever_its_offset() {
        for (text, ms) in [
            ("2000-01-01T00:00:00Z", 946_684_800_000),
            ("2000-02-29T23:59:59.5Z", 951_868_799_500),
            ("2026-11-24T21:04:09Z", 1_795_554_249_000),
            ("2026-11-25T04:04:09.0419+07:00", 1_795_554_249_041),
            ("2026-11-24T11:34:09-09:30", 1_795_554_249_000),
            ("2299-12-31T23:59:59Z", 10_413_791_999_000),
        ] {
            assert_eq!(text.parse::<Timestamp>().unwrap().unix_ms(), ms, "{text}");
        }
    }

    #[test]
    fn a_day_begins_and_ends_in_thailand() {
        let date = Date::in_thailand(1_795_554_249_000).unwrap();
        assert_eq!(date.as_str(), "2026-11-25");
        assert_eq!(date.ends_at(), "2026-11-26T00:00:00+07:00".parse::<Timestamp>().unwrap().unix_ms());
        assert_eq!(Date::in_thailand(date.ends_at() - 1).unwrap(), date);
        assert_ne!(Date::in_thailand(date.ends_at()).unwrap(), date);
        assert_eq!("1800-01-01".parse::<Date>().unwrap().ends_at(), 0);
    }

    #[test]
    fn a_moment_needs_a_real_day_a_time_and_an_offset() {
        for text in ["2026-11-24T09:30:00+07:00", "2026-11-24T02:30:00Z", "2024-02-29T23:59:59.123456789-12:00"] {
            assert!(text.parse::<Timestamp>().is_ok(), "{text}");
        }
        for text in [
            "2026-11-24",
            "2026-11-24T09:30:00",
            "2026-02-29T09:30:00Z",
            "2569-11-24T09:30:00Z",
            "2026-11-24T24:00:00Z",
            "2026-11-24T09:60:00Z",
            "2026-11-24T23:59:60Z",
            "2026-11-24t09:30:00z",
            "2026-11-24T09:30:00.Z",
            "2026-11-24T09:30:00+0700",
            "2026-11-24T09:30:00+24:00",
            "2026-11-24T09:30:00.1234567890Z",
            "๒๕๖๙-11-24T09:30:00Z",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }
}
