//! Keys of notes: the public one as text, and the signing one.

use std::fmt;
use std::str::FromStr;

use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::NoteSignature;
use crate::b64;
use crate::digest::Sha256Hash;

/// A public Ed25519 key for one signature type: `<name>+<key id as 8 hexadecimal digits>+base64(<type> || <32 bytes of key>)`.
///
/// Keys of different types never stand for each other, whatever their bytes: the type is part of the key id.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Vkey<const TYPE: u8> {
    name: String,
    key_id: [u8; 4],
    public: [u8; 32],
}

/// The public key of a log: it signs the text of a note (signature type 0x01).
pub type VerifierKey = Vkey<0x01>;

/// The public key of a witness or another cosigner: it signs a checkpoint and a time (signature type 0x04).
pub type CosignerKey = Vkey<0x04>;

/// The signing key of a log: Ed25519 under a name. Its `Debug` shows the public key only.
pub struct NoteSigner {
    verifier: VerifierKey,
    pair: Ed25519KeyPair,
}

/// A key of a note cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text is not a verifier key.
    #[error("not a verifier key: expected <name>+<8 hexadecimal digits>+<base64>")]
    BadForm,
    /// The name is empty or has spaces, control characters or `+`.
    #[error("a key name must not be empty, nor contain spaces, control characters or '+'")]
    BadName,
    /// The key is of another signature type.
    #[error("the key is not an Ed25519 key of 32 bytes of signature type 0x{expected:02x}{}", use_of(*expected))]
    WrongType {
        /// The type it should be of.
        expected: u8,
    },
    /// The key id does not belong to name and key: the text was damaged.
    #[error("the key id does not belong to the name and the key: the verifier key was damaged or mistyped")]
    WrongKeyId,
    /// The private key is not PKCS#8 with an Ed25519 key.
    #[error("the private key is not an Ed25519 key in PKCS#8 (RFC 8410)")]
    BadPrivateKey,
    /// The system's random source failed.
    #[error("the system's random source failed")]
    NoRandomness,
}

impl<const TYPE: u8> Vkey<TYPE> {
    /// The key of this name with these 32 bytes of Ed25519 public key.
    ///
    /// # Errors
    /// [`KeyError::BadName`].
    pub fn new(name: &str, public: [u8; 32]) -> Result<Self, KeyError> {
        if !is_key_name(name) {
            return Err(KeyError::BadName);
        }
        let hash = Sha256Hash::of_parts([name.as_bytes(), b"\n", &[TYPE], &public]);
        let [a, b, c, d, ..] = *hash.as_bytes();
        Ok(Self { name: name.to_owned(), key_id: [a, b, c, d], public })
    }

    /// The name, which for a log is its origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first 4 bytes of `SHA-256(<name> || 0x0A || <type> || <public key>)`.
    #[must_use]
    pub const fn key_id(&self) -> &[u8; 4] {
        &self.key_id
    }

    /// The Ed25519 public key.
    #[must_use]
    pub const fn public_key(&self) -> &[u8; 32] {
        &self.public
    }

    /// Whether the key made this Ed25519 signature over these bytes.
    pub(in crate::log) fn made(&self, signature: &[u8], signed: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public).verify(signed, signature).is_ok()
    }

    fn hex_key_id(&self) -> String {
        format!("{:08x}", u32::from_be_bytes(self.key_id))
    }
}

impl<const TYPE: u8> FromStr for Vkey<TYPE> {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut fields = text.splitn(3, '+');
        let (Some(name), Some(key_id), Some(key)) = (fields.next(), fields.next(), fields.next()) else {
            return Err(KeyError::BadForm);
        };
        let key = b64::decode_std(key).map_err(|_| KeyError::BadForm)?;
        let wrong = KeyError::WrongType { expected: TYPE };
        let (_, public) = key.split_first().filter(|(found, _)| **found == TYPE).ok_or(wrong)?;
        let key = Self::new(name, public.try_into().map_err(|_| wrong)?)?;
        if key.hex_key_id() == key_id { Ok(key) } else { Err(KeyError::WrongKeyId) }
    }
}

impl<const TYPE: u8> Serialize for Vkey<TYPE> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, const TYPE: u8> Deserialize<'de> for Vkey<TYPE> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::deserialize(deserializer)
    }
}

impl<const TYPE: u8> fmt::Display for Vkey<TYPE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = b64::encode_std([&[TYPE], self.public.as_slice()].concat());
        write!(f, "{}+{}+{key}", self.name, self.hex_key_id())
    }
}

impl<const TYPE: u8> fmt::Debug for Vkey<TYPE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vkey({self})")
    }
}

impl NoteSigner {
    /// A new Ed25519 private key as PKCS#8 (RFC 8410), to be stored and given to [`Self::from_pkcs8`].
    ///
    /// # Errors
    /// [`KeyError::NoRandomness`].
    pub fn generate_pkcs8() -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| KeyError::NoRandomness)?;
        Ok(Zeroizing::new(document.as_ref().to_vec()))
    }

    /// The key of this name from PKCS#8 in DER, version 1 (as OpenSSL writes it) or 2.
    ///
    /// # Errors
    /// [`KeyError::BadName`] and [`KeyError::BadPrivateKey`].
    pub fn from_pkcs8(name: &str, pkcs8: &[u8]) -> Result<Self, KeyError> {
        let (pair, public) = pair_from_pkcs8(pkcs8)?;
        Ok(Self { verifier: VerifierKey::new(name, public)?, pair })
    }

    /// The name, which for a log is its origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.verifier.name
    }

    /// The key that verifies what this one signs.
    #[must_use]
    pub const fn verifier_key(&self) -> &VerifierKey {
        &self.verifier
    }

    pub(super) fn signature(&self, text: &str) -> NoteSignature {
        NoteSignature::by(&self.verifier, self.pair.sign(text.as_bytes()).as_ref().to_vec())
    }
}

impl fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NoteSigner").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}

/// A private key from PKCS#8 in DER, with its public half.
pub(in crate::log) fn pair_from_pkcs8(pkcs8: &[u8]) -> Result<(Ed25519KeyPair, [u8; 32]), KeyError> {
    // "Maybe unchecked": version 1 has no public key to check against; one that is there is checked.
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).map_err(|_| KeyError::BadPrivateKey)?;
    let public = pair.public_key().as_ref().try_into().map_err(|_| KeyError::BadPrivateKey)?;
    Ok((pair, public))
}

/// What keys of a type are for, as far as it is known here.
const fn use_of(signature_type: u8) -> &'static str {
    match signature_type {
        0x01 => ", a log's key",
        0x04 => ", a witness's key",
        _ => "",
    }
}

/// Whether a text can name a key: not empty, no spaces, no `+`, and nothing that a note may not hold. C2SP signed-note allows the rest, DEL
/// too.
pub(super) fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c < ' ' || c == '+')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::log::naive;

    /// The key of the Go checksum database, which everybody who builds Go programs trusts.
    const PUBLISHED: &str = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";

    #[test]
    fn a_published_key_is_read() {
        let key: VerifierKey = PUBLISHED.parse().unwrap();
        assert_eq!((key.name(), key.key_id()), ("sum.golang.org", &[0x03, 0x3d, 0xe0, 0xae]));
        assert_eq!(key.to_string(), PUBLISHED);
    }

    #[test]
    fn texts_that_are_not_keys_are_refused_with_the_reason() {
        let key = b64::encode_std([2; 33]);
        for (text, expected) in [
            ("", KeyError::BadForm),
            ("name+033de0ae", KeyError::BadForm),
            (&format!("name+033de0ae+{key}"), KeyError::WrongType { expected: 0x01 }),
            ("name+033de0ae+AQ==", KeyError::WrongType { expected: 0x01 }),
            ("name+033de0ae+", KeyError::WrongType { expected: 0x01 }),
            (&PUBLISHED.replace("sum.", "sum "), KeyError::BadName),
            (&PUBLISHED.replace("sum.golang.org", ""), KeyError::BadName),
            (&PUBLISHED.replace("033de0ae", "033DE0AE"), KeyError::WrongKeyId),
            (&PUBLISHED.replace("sum", "mus"), KeyError::WrongKeyId),
        ] {
            assert_eq!(text.parse::<VerifierKey>(), Err(expected), "{text}");
        }
    }

    #[test]
    fn a_private_key_of_openssl_is_accepted_and_rubbish_is_not() {
        let generated = NoteSigner::generate_pkcs8().unwrap();
        // RFC 8410 section 7: the version 1 form is this header and the 32-byte seed, which is at 16..48 in both.
        let header = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
        let version_1 = [&header, &generated[16..48]].concat();
        let (a, b) =
            (NoteSigner::from_pkcs8("n", &generated).unwrap(), NoteSigner::from_pkcs8("n", &version_1).unwrap());
        assert_eq!(a.verifier_key(), b.verifier_key());
        assert_eq!(NoteSigner::from_pkcs8("n", &version_1[1..]).err(), Some(KeyError::BadPrivateKey));
        assert_eq!(NoteSigner::from_pkcs8("a b", &generated).err(), Some(KeyError::BadName));
    }

    #[test]
    fn debug_shows_nothing_of_the_private_key() {
        let pkcs8 = NoteSigner::generate_pkcs8().unwrap();
        let signer = NoteSigner::from_pkcs8("hub/log", &pkcs8).unwrap();
        assert_eq!(format!("{signer:?}"), format!("NoteSigner {{ verifier: Vkey({}), .. }}", signer.verifier_key()));
    }

    proptest! {
        #[test]
        fn a_key_round_trips(name in "[a-z./0-9ก-ฮ]{1,20}", public: [u8; 32]) {
            let key = VerifierKey::new(&name, public).unwrap();
            prop_assert_eq!(key.to_string().parse(), Ok(key));
        }

        #[test]
        fn a_key_with_one_changed_byte_is_refused(at: usize, flip in 1u8..) {
            if let Some(changed) = naive::mutate(PUBLISHED, at, flip) {
                prop_assert!(changed.parse::<VerifierKey>().is_err(), "{}", changed);
            }
        }
    }
}
