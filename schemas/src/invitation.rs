//! Invitations: how an agency's machine registers its first key without anyone carrying a certificate.
//!
//! The operator hands out a code of 16 random bytes. An Ed25519 key (RFC 8032) is derived from it; its public half, the
//! [`InvitationId`], stands in the log, from which the code cannot be found. Whoever joins signs its new key with the derived
//! key: the code itself never travels, and what is signed is worth nothing for another key, system or hub.

use std::fmt;
use std::str::FromStr;

use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::b64::{self, NotBase64};
use crate::digest::Sha256Hash;
use crate::ids::{HubId, SystemId};
use crate::keys::KeyId;

/// A text is not a code, or no code could be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvitationError {
    /// Not 32 hexadecimal digits with or without hyphens.
    #[error("not an invitation code: expected 8 groups of 4 digits 0-9 and a-f, such as 0f1e-2d3c-…")]
    Form,
    /// The system's random source failed.
    #[error("no code could be made: the system's random source failed")]
    NoRandomness,
}

/// A one-time code, 16 random bytes. Shown with [`Self::text`] once, and nowhere else: `Debug` hides it.
pub struct InvitationCode(Zeroizing<[u8; 16]>);

/// The public half of the key derived from a code: 32 bytes, 43 characters of URL-safe base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InvitationId([u8; 32]);

/// The signature made with a code: 64 bytes, 86 characters of URL-safe base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvitationSignature([u8; 64]);

impl InvitationCode {
    /// A new code.
    ///
    /// # Errors
    /// [`InvitationError::NoRandomness`].
    pub fn generate() -> Result<Self, InvitationError> {
        let mut code = Zeroizing::new([0; 16]);
        SystemRandom::new().fill(&mut *code).map_err(|_| InvitationError::NoRandomness)?;
        Ok(Self(code))
    }

    /// The code as people copy it: 8 groups of 4 hexadecimal digits.
    #[must_use]
    pub fn text(&self) -> Zeroizing<String> {
        let groups: Vec<String> = self.0.chunks(2).map(|pair| format!("{:02x}{:02x}", pair[0], pair[1])).collect();
        Zeroizing::new(groups.join("-"))
    }

    /// The invitation that the code belongs to.
    ///
    /// # Errors
    /// None with what [`Self::generate`] and parsing make.
    pub fn id(&self) -> Result<InvitationId, InvitationError> {
        let public = self.pair()?.public_key().as_ref().try_into().map_err(|_| InvitationError::Form)?;
        Ok(InvitationId(public))
    }

    /// Lets `key` join as `system` at `hub`.
    ///
    /// # Errors
    /// None with what [`Self::generate`] and parsing make.
    pub fn sign(&self, hub: &HubId, system: &SystemId, key: KeyId) -> Result<InvitationSignature, InvitationError> {
        let signature = self.pair()?.sign(statement(hub, system, key).as_bytes());
        Ok(InvitationSignature(signature.as_ref().try_into().map_err(|_| InvitationError::Form)?))
    }

    fn pair(&self) -> Result<Ed25519KeyPair, InvitationError> {
        let seed = Sha256Hash::of(&[DERIVATION.as_bytes(), &*self.0].concat());
        Ed25519KeyPair::from_seed_unchecked(seed.as_bytes()).map_err(|_| InvitationError::Form)
    }
}

impl FromStr for InvitationCode {
    type Err = InvitationError;

    fn from_str(text: &str) -> Result<Self, InvitationError> {
        let digits: Zeroizing<String> =
            Zeroizing::new(text.trim().chars().filter(|c| *c != '-').map(|c| c.to_ascii_lowercase()).collect());
        if digits.len() != 32 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(InvitationError::Form);
        }
        let mut code = Zeroizing::new([0; 16]);
        for (byte, at) in code.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| InvitationError::Form)?;
        }
        Ok(Self(code))
    }
}

impl fmt::Debug for InvitationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InvitationCode(redacted)")
    }
}

impl InvitationId {
    /// Whether the holder of the code let `key` join as `system` at `hub`.
    #[must_use]
    pub fn signed(&self, signature: &InvitationSignature, hub: &HubId, system: &SystemId, key: KeyId) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(statement(hub, system, key).as_bytes(), &signature.0).is_ok()
    }
}

impl FromStr for InvitationId {
    type Err = NotBase64;

    fn from_str(text: &str) -> Result<Self, NotBase64> {
        b64::decode_url_array(text).map(Self)
    }
}

impl fmt::Display for InvitationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&b64::encode_url(self.0))
    }
}

impl Serialize for InvitationId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&b64::encode_url(self.0))
    }
}

impl<'de> Deserialize<'de> for InvitationId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::deserialize(deserializer)
    }
}

impl Serialize for InvitationSignature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&b64::encode_url(self.0))
    }
}

impl<'de> Deserialize<'de> for InvitationSignature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        b64::decode_url_array(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

fn statement(hub: &HubId, system: &SystemId, key: KeyId) -> String {
    format!("saphan-join-v1\n{hub}\n{system}\n{key}\n")
}

const DERIVATION: &str = "saphan-invitation-v1\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::SigningKey;

    #[test]
    fn a_code_reads_back_from_its_text_and_lets_one_key_join_as_one_system_at_one_hub() {
        let code = InvitationCode::generate().unwrap();
        let again: InvitationCode = code.text().to_uppercase().parse().unwrap();
        assert_eq!(again.id().unwrap(), code.id().unwrap());
        let [key, other] = [(); 2].map(|()| SigningKey::generate().unwrap().0.id());
        let hub = "hub.example".parse().unwrap();
        let system = "th.dlt/licensing".parse().unwrap();
        let signature = again.sign(&hub, &system, key).unwrap();
        let id = code.id().unwrap();
        assert!(id.signed(&signature, &hub, &system, key));
        assert!(!id.signed(&signature, &hub, &system, other));
        assert!(!id.signed(&signature, &hub, &"th.dlt/archive".parse().unwrap(), key));
        assert!(!id.signed(&signature, &"test.hub.example".parse().unwrap(), &system, key));
        assert!(!InvitationCode::generate().unwrap().id().unwrap().signed(&signature, &hub, &system, key));
    }

    #[test]
    fn a_code_is_shown_on_purpose_only() {
        let code = InvitationCode::generate().unwrap();
        assert!(!format!("{code:?}").contains(&code.text()[..4]));
    }

    #[test]
    fn what_is_no_code_is_refused() {
        for text in ["", "0f1e", "0f1e-2d3c-4b5a-6978-8796-a5b4-c3d2-e1f", "zzzz-2d3c-4b5a-6978-8796-a5b4-c3d2-e1f0"] {
            assert_eq!(text.parse::<InvitationCode>().unwrap_err(), InvitationError::Form, "{text}");
        }
    }
}
