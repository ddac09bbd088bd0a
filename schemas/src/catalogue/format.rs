//! Custom `format` checks of the schemas: Thai numbers and partial dates.

/// Whether `text` is 13 ASCII digits of which the last is the right check digit.
///
/// The same form is used for the national ID number and for numbers of other persons in the civil registry.
#[must_use]
pub fn is_national_id(text: &str) -> bool {
    let Some(digits) = thirteen_digits(text) else { return false };
    let [first_twelve @ .., last] = digits;
    check_digit(first_twelve) == last
}

/// The check digit d13 of a national ID number: (11 − (Σ d_i × (14 − i), i = 1..12) mod 11) mod 10.
///
/// `first_twelve` are digits as numbers, 0 to 9. The third digit weighs 11, so the check digit does not guard it.
#[must_use]
pub fn check_digit(first_twelve: [u8; 12]) -> u8 {
    let sum: u32 = first_twelve.iter().zip((2..=13).rev()).map(|(digit, weight)| u32::from(*digit) * weight).sum();
    ((11 - sum % 11) % 10) as u8
}

/// Whether `text` is the number of a juristic person: 13 ASCII digits, the first of them 0.
#[must_use]
pub fn is_juristic_number(text: &str) -> bool {
    thirteen_digits(text).is_some_and(|digits| digits[0] == 0)
}

/// Whether `text` is `YYYY`, `YYYY-MM` or `YYYY-MM-DD`, a real month or day of the Gregorian years 1800 to 2299.
///
/// The range refuses years of the Buddhist era (Gregorian + 543) of everybody alive.
#[must_use]
pub fn is_partial_date(text: &str) -> bool {
    let field = |range: std::ops::Range<usize>| number(text.get(range)?);
    let year = field(0..4).filter(|year| YEARS.contains(year));
    match text.len() {
        4 => year.is_some(),
        7 => year.is_some() && text[4..].starts_with('-') && field(5..7).is_some_and(|month| MONTHS.contains(&month)),
        10 => is_date(text),
        _ => false,
    }
}

/// Whether `text` is `YYYY-MM-DD`, a real day of the Gregorian years 1800 to 2299.
#[must_use]
pub fn is_date(text: &str) -> bool {
    day_of(text).is_some_and(|(year, _, _)| YEARS.contains(&year))
}

/// Year, month and day of a real day written `YYYY-MM-DD`.
pub(crate) fn day_of(text: &str) -> Option<(u16, u16, u16)> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let (year, month, day) = (number(text.get(0..4)?)?, number(text.get(5..7)?)?, number(text.get(8..10)?)?);
    (MONTHS.contains(&month) && (1..=days_in(year, month)).contains(&day)).then_some((year, month, day))
}

/// The value of a text that consists of ASCII digits only.
pub(crate) fn number(text: &str) -> Option<u16> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn thirteen_digits(text: &str) -> Option<[u8; 13]> {
    let digits: [u8; 13] = text.as_bytes().try_into().ok()?;
    digits.iter().all(u8::is_ascii_digit).then(|| digits.map(|byte| byte - b'0'))
}

const fn days_in(year: u16, month: u16) -> u16 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

const YEARS: std::ops::RangeInclusive<u16> = 1800..=2299;
const MONTHS: std::ops::RangeInclusive<u16> = 1..=12;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn digits() -> impl Strategy<Value = [u8; 12]> {
        proptest::array::uniform12(0_u8..=9)
    }

    fn text(first_twelve: [u8; 12], last: u8) -> String {
        first_twelve.iter().chain([&last]).map(|digit| char::from(b'0' + digit)).collect()
    }

    /// The remainder that the check digit is made from, computed without [`check_digit`].
    fn remainder(first_twelve: [u8; 12]) -> u32 {
        (1..=12).map(|i| u32::from(first_twelve[i as usize - 1]) * (14 - i)).sum::<u32>() % 11
    }

    proptest! {
        #[test]
        fn of_the_ten_last_digits_exactly_one_is_right(first_twelve in digits()) {
            let right: Vec<u8> = (0..=9).filter(|last| is_national_id(&text(first_twelve, *last))).collect();
            prop_assert_eq!(right, vec![((11 - remainder(first_twelve)) % 10) as u8]);
        }

        /// A change of one of the first twelve digits escapes in two cases only: the third digit, which weighs 11,
        /// and a change between the remainders 0 and 10, which share the check digit 1.
        #[test]
        fn a_changed_digit_is_refused_unless_the_algorithm_cannot_see_it(
            first_twelve in digits(), place in 0_usize..12, add in 1_u8..=9,
        ) {
            let mut changed = first_twelve;
            changed[place] = (changed[place] + add) % 10;
            let (before, after) = (remainder(first_twelve), remainder(changed));
            let invisible = place == 2 || (before.min(after), before.max(after)) == (0, 10);
            prop_assert_eq!(is_national_id(&text(changed, check_digit(first_twelve))), invisible);
        }

        #[test]
        fn a_partial_date_of_full_length_is_a_date(text in "[12][0-9]{3}-[01][0-9]-[0-3][0-9]") {
            prop_assert_eq!(is_partial_date(&text), is_date(&text));
        }

        #[test]
        fn no_text_makes_a_check_panic(text in "\\PC{0,14}") {
            let _ = (is_national_id(&text), is_juristic_number(&text), is_partial_date(&text));
        }
    }

    #[test]
    fn digits_of_other_scripts_are_not_digits() {
        assert!(!is_national_id("๑๒๓๔"));
        assert!(!is_juristic_number("０１２３"));
        assert!(!is_partial_date("๒๕๓๘"));
    }

    #[test]
    fn a_partial_date_holds_what_is_known_and_no_buddhist_year() {
        for text in ["1995", "1995-05", "1995-05-12", "2000-02-29"] {
            assert!(is_partial_date(text), "{text}");
        }
        for text in
            ["2538", "2538-05-12", "1995-13", "1995-00", "1995-02-29", "1900-02-29", "1995-5", "1995/05", "", "+199"]
        {
            assert!(!is_partial_date(text), "{text}");
        }
    }
}
