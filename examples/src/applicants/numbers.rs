//! Numbers of people and companies that can never belong to anybody.
//!
//! A national ID number begins with the kind of person and the code of the office that issued it: two digits for the
//! province, two for the district. Provinces have the codes 10 to 96. All numbers here say province 99, which does not
//! exist; their check digit is right.

use saphan_schemas::catalogue::format::check_digit;
use saphan_schemas::message_types::{InvalidNumber, JuristicNumber, NationalId};

/// The national ID number of the citizen with this serial number, below 10,000,000.
///
/// # Errors
/// [`InvalidNumber`] would be a defect of this module.
pub fn national_id(serial: u32) -> Result<NationalId, InvalidNumber> {
    with_check_digit(&format!("19901{:07}", serial % 10_000_000)).parse()
}

/// The number of the company with this serial number, below 100,000: 0, the province, the kind 5 (limited company), the
/// year 569 (BE 2569, without its first digit), a serial number and a check digit.
///
/// # Errors
/// [`InvalidNumber`] would be a defect of this module.
pub fn juristic(serial: u32) -> Result<JuristicNumber, InvalidNumber> {
    with_check_digit(&format!("0995569{:05}", serial % 100_000)).parse()
}

/// A passport number that no country gives out: it begins with `ZZ`, which ISO 3166-1 keeps free for private use.
#[must_use]
pub fn passport(serial: u32) -> String {
    format!("ZZ{:07}", serial % 10_000_000)
}

/// The number of the driving licence with this serial number, below 1,000,000: 99, and six digits.
#[must_use]
pub fn driving_licence(serial: u32) -> String {
    format!("99{:06}", serial % 1_000_000)
}

fn with_check_digit(first_twelve: &str) -> String {
    let mut digits = [0; 12];
    for (digit, byte) in digits.iter_mut().zip(first_twelve.bytes()) {
        *digit = byte - b'0';
    }
    format!("{first_twelve}{}", check_digit(digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_say_a_province_that_does_not_exist() {
        for serial in [0, 1, 4711, 9_999_999, u32::MAX] {
            assert_eq!(&national_id(serial).unwrap().as_str()[1..3], "99");
            assert_eq!(&juristic(serial).unwrap().as_str()[..3], "099");
        }
        assert!(super::super::PLACES.iter().all(|place| !place.area_code.starts_with("99")));
    }

    #[test]
    fn the_check_digit_is_that_of_the_civil_registry() {
        assert_eq!(with_check_digit("199010001000"), "1990100010008");
    }
}
