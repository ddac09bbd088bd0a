//! How the hub knows a person again without keeping the person's number.

use std::fmt;

use ring::hmac;
use saphan_schemas::b64;
use saphan_schemas::message_types::Subject;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A person, as far as the hub's tables know: HMAC-SHA-256 of the person's number under a key of this hub. Worth nothing
/// without the key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pseudonym([u8; 32]);

impl Pseudonym {
    /// From 32 stored bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pseudonym(redacted)")
    }
}

impl Serialize for Pseudonym {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&b64::encode_url(self.0))
    }
}

impl<'de> Deserialize<'de> for Pseudonym {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        b64::decode_url_array(&*text).map(Self).map_err(serde::de::Error::custom)
    }
}

/// The key of all pseudonyms of a hub.
#[derive(Clone)]
pub struct PseudonymKey(hmac::Key);

impl PseudonymKey {
    /// From 32 random bytes.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The pseudonym of a person. A foreigner is known by nationality and passport number: a new passport is a new person here.
    #[must_use]
    pub fn of(&self, subject: &Subject) -> Pseudonym {
        let text = match subject {
            Subject::Citizen { national_id } => format!("citizen:{}", national_id.as_str()),
            Subject::Juristic { number } => format!("juristic:{}", number.as_str()),
            Subject::Foreigner { passport_number, nationality, .. } => {
                format!("foreigner:{nationality}:{passport_number}")
            }
        };
        let tag = hmac::sign(&self.0, text.as_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(tag.as_ref());
        Pseudonym(bytes)
    }
}

impl fmt::Debug for PseudonymKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PseudonymKey(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_has_one_pseudonym_for_a_key_and_shows_it_to_nobody() {
        let key = PseudonymKey::new(&[1; 32]);
        let citizen = Subject::Citizen { national_id: "1990100010008".parse().unwrap() };
        let company = Subject::Juristic { number: "0105556000011".parse().unwrap() };
        assert_eq!(key.of(&citizen), key.of(&citizen.clone()));
        assert_ne!(key.of(&citizen), key.of(&company));
        assert_ne!(key.of(&citizen), PseudonymKey::new(&[2; 32]).of(&citizen));
        assert_eq!(format!("{:?} {key:?}", key.of(&citizen)), "Pseudonym(redacted) PseudonymKey(redacted)");
    }
}
