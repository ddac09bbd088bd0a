//! Numbers of persons. Their `Debug` never shows them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::catalogue::format;

/// A text is not a number of the expected kind. It does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a {kind}: expected {expected}")]
pub struct InvalidNumber {
    /// What was looked for.
    pub kind: &'static str,
    /// The form that it must have.
    pub expected: &'static str,
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $expected:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// The 13 digits. They are personal data: keep them out of logs, URLs and metrics.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidNumber;

            fn from_str(text: &str) -> Result<Self, InvalidNumber> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(text.into())) } else { Err(InvalidNumber { kind: $kind, expected: $expected }) }
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(redacted)"))
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

number!(
    /// The national ID number of a Thai citizen: 13 digits, the first 1 to 8, the last a check digit.
    NationalId,
    "national ID number",
    "13 digits, the first 1 to 8, the last the right check digit",
    |text| format::is_national_id(text) && matches!(text.as_bytes()[0], b'1'..=b'8')
);
number!(
    /// Any number of a person in the civil registry, also of one without Thai nationality: 13 digits with a check digit.
    PersonNumber,
    "person number",
    "13 digits, the last the right check digit",
    format::is_national_id
);
number!(
    /// The number of a juristic person: 13 digits, the first 0.
    JuristicNumber,
    "juristic-person number",
    "13 digits, the first of them 0",
    format::is_juristic_number
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_citizens_number_begins_with_1_to_8_and_is_never_shown() {
        let number: NationalId = "1990100010008".parse().unwrap();
        assert_eq!(format!("{number:?}"), "NationalId(redacted)");
        assert!("0990100010000".parse::<PersonNumber>().is_ok());
        let refused = "0990100010000".parse::<NationalId>().unwrap_err();
        assert!(!refused.to_string().contains("0990100010000"));
    }
}
