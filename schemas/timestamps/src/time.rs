//! The time in a token.

use der::{Any, DateTime, Tag, Tagged as _};

use crate::asn1::Accuracy;
use crate::fault::Unread;

/// When a token was made, by its authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GenTime {
    /// In seconds since 1970, rounded down.
    pub(crate) seconds: u64,
    /// The fraction, in microseconds, rounded up: 0 to 1,000,000.
    micros: u64,
}

impl GenTime {
    /// Reads a `GeneralizedTime` by RFC 3161 section 2.4.2: `YYYYMMDDhhmmss[.s…]Z`, from 1970 on.
    pub(crate) fn read(value: &Any) -> Result<Self, Unread> {
        const WHAT: Unread = Unread("the time");
        let text = (value.tag() == Tag::GeneralizedTime).then(|| std::str::from_utf8(value.value()).ok());
        let text = text.flatten().and_then(|text| text.strip_suffix('Z')).ok_or(WHAT)?;
        let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
        let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.len() != 14 || !is_digits(whole) {
            return Err(WHAT);
        }
        let number = |from: usize, to: usize| whole[from..to].parse::<u16>().map_err(|_| WHAT);
        let small = |from: usize| number(from, from + 2).map(|number| number as u8);
        let time = DateTime::new(number(0, 4)?, small(4)?, small(6)?, small(8)?, small(10)?, small(12)?);
        let seconds = time.map_err(|_| WHAT)?.unix_duration().as_secs();
        let micros = match fraction {
            None => 0,
            // The only form of a fraction in DER: no zeroes at its end.
            Some(digits) if is_digits(digits) && !digits.ends_with('0') => micros_of(digits),
            Some(_) => return Err(WHAT),
        };
        Ok(Self { seconds, micros })
    }

    /// The latest second that the authority's clock may have meant, in seconds since 1970.
    pub(crate) fn latest(self, accuracy: Option<&Accuracy>) -> u64 {
        let part = |part: Option<u16>| part.map_or(0, u64::from);
        let (seconds, micros) = accuracy.map_or((0, 0), |accuracy| {
            (accuracy.seconds.map_or(0, u64::from), part(accuracy.millis) * 1000 + part(accuracy.micros))
        });
        self.seconds + seconds + (self.micros + micros).div_ceil(MICROS)
    }
}

/// The digits after the point as microseconds, rounded up.
fn micros_of(digits: &str) -> u64 {
    let at = |place: usize| digits.as_bytes().get(place).map_or(0, |digit| u64::from(digit - b'0'));
    let micros = (0..6).fold(0, |micros, place| micros * 10 + at(place));
    micros + u64::from(digits.bytes().skip(6).any(|digit| digit != b'0'))
}

const MICROS: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<GenTime> {
        GenTime::read(&Any::new(Tag::GeneralizedTime, text.as_bytes()).unwrap()).ok()
    }

    #[test]
    fn times_are_read_in_their_one_form_and_rounded_up() {
        for (text, expected) in [
            ("20260228235959Z", Some((1_772_323_199, 1_772_323_199))),
            ("20260228235959.5Z", Some((1_772_323_199, 1_772_323_200))),
            ("20260228235959.0000001Z", Some((1_772_323_199, 1_772_323_200))),
            ("20240229000000Z", Some((1_709_164_800, 1_709_164_800))),
            ("20260229000000Z", None),
            ("20260228235960Z", None),
            ("20260228235959", None),
            ("20260228235959.Z", None),
            ("20260228235959.50Z", None),
            ("202602282359Z", None),
            ("20260228235959+0700", None),
            ("+2260228235959Z", None),
            ("19690228235959Z", None),
            ("", None),
        ] {
            let time = read(text).map(|time| (time.seconds, time.latest(None)));
            assert_eq!(time, expected, "{text}");
        }
        assert!(GenTime::read(&Any::new(Tag::Utf8String, *b"20260228235959Z").unwrap()).is_err());
    }

    #[test]
    fn what_the_authority_says_of_its_clock_is_added() {
        let time = read("20260228235959.25Z").unwrap();
        let with = |seconds, millis, micros| time.latest(Some(&Accuracy { seconds, millis, micros }));
        assert_eq!(with(None, None, None), 1_772_323_200);
        assert_eq!(with(None, Some(750), None), 1_772_323_200);
        assert_eq!(with(None, Some(750), Some(1)), 1_772_323_201);
        assert_eq!(with(Some(60), Some(500), None), 1_772_323_260);
    }
}
