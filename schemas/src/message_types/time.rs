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
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
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
