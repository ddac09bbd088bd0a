//! ES256 keys (ECDSA with P-256 and SHA-256, RFC 7518 section 3.4) and their public form as JWK (RFC 7517).

use std::fmt;
use std::str::FromStr;

use ring::rand::SystemRandom;
use ring::signature::{self, ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::b64::{self, NotBase64};
use crate::digest::Sha256Hash;
use crate::json::form;

/// A key cannot be read, made or used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not an ES256 private key in PKCS #8.
    #[error("not an ES256 private key: expected a PEM file with one PKCS #8 `PRIVATE KEY` block")]
    NotAPrivateKey,
    /// Not a point on P-256.
    #[error("not an ES256 public key: x and y are not a point on P-256")]
    NotAPublicKey,
    /// The system's random source failed.
    #[error("the system's random source failed")]
    NoRandomness,
    /// The key is in a device that does not sign now. Nothing was signed; the same later may succeed.
    #[error("the device that holds the key does not sign: {reason}")]
    Unavailable {
        /// What is wrong with the device, for whoever looks after it; never holds a secret.
        reason: &'static str,
    },
}

impl KeyError {
    /// Whether signing the same later, with the same key, may succeed.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::NoRandomness | Self::Unavailable { .. })
    }
}

/// The signature does not fit the key and the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not fit the key and the signed text")]
pub struct BadSignature;

/// A key's name: its RFC 7638 thumbprint with SHA-256, 43 characters of URL-safe base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(Sha256Hash);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl FromStr for KeyId {
    type Err = NotBase64;

    fn from_str(text: &str) -> Result<Self, NotBase64> {
        text.parse().map(Self)
    }
}

/// Whoever can sign with a private ES256 key: a [`SigningKey`] in memory, or a device that never gives its key out.
///
/// Signing takes a shared reference, and may be done from many threads at once.
pub trait Signer: Send + Sync + fmt::Debug {
    /// The public half. It never changes.
    fn public(&self) -> &PublicKey;

    /// Signs `text` with ECDSA on its SHA-256 hash: r and s, 32 bytes each, big-endian (RFC 7518 section 3.4).
    ///
    /// # Errors
    /// [`KeyError`] when nothing was signed; [`KeyError::is_retryable`] says whether the same may succeed later.
    fn sign(&self, text: &[u8]) -> Result<[u8; 64], KeyError>;

    /// Whether [`Self::sign`] may wait for a device. Callers that must not wait then sign on a thread of its own.
    fn waits(&self) -> bool {
        false
    }
}

/// A private ES256 key. Signing takes a shared reference and may be done from many threads.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    random: SystemRandom,
    public: PublicKey,
}

impl SigningKey {
    /// Makes a new key; returns it with its PKCS #8 form as a PEM text, the only copy that can be stored.
    ///
    /// # Errors
    /// [`KeyError::NoRandomness`].
    pub fn generate() -> Result<(Self, Zeroizing<String>), KeyError> {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map_err(|_| KeyError::NoRandomness)?;
        Ok((Self::from_pkcs8(document.as_ref())?, to_pem(document.as_ref())))
    }

    /// Reads a PKCS #8 `PRIVATE KEY` PEM text (RFC 7468 section 10).
    ///
    /// # Errors
    /// [`KeyError::NotAPrivateKey`].
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        Self::from_pkcs8(&from_pem(pem).ok_or(KeyError::NotAPrivateKey)?)
    }

    /// Reads a PKCS #8 `PrivateKeyInfo` (RFC 5208 section 5) in DER.
    ///
    /// # Errors
    /// [`KeyError::NotAPrivateKey`].
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &random)
            .map_err(|_| KeyError::NotAPrivateKey)?;
        let point = pair.public_key().as_ref().try_into().map_err(|_| KeyError::NotAPrivateKey)?;
        Ok(Self { pair, random, public: PublicKey::from_known_point(point) })
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The key's name.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.public.id
    }

    /// Signs `text`: r and s, 32 bytes each (RFC 7518 section 3.4).
    ///
    /// # Errors
    /// [`KeyError::NoRandomness`].
    pub fn sign(&self, text: &[u8]) -> Result<[u8; 64], KeyError> {
        let signature = self.pair.sign(&self.random, text).map_err(|_| KeyError::NoRandomness)?;
        signature.as_ref().try_into().map_err(|_| KeyError::NoRandomness)
    }
}

impl Signer for SigningKey {
    fn public(&self) -> &PublicKey {
        Self::public(self)
    }

    fn sign(&self, text: &[u8]) -> Result<[u8; 64], KeyError> {
        Self::sign(self, text)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, private part redacted)", self.id())
    }
}

/// A public ES256 key; serialized as a JWK with the members `kty`, `crv`, `x`, `y`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey {
    point: [u8; 65],
    id: KeyId,
}

impl PublicKey {
    /// From the affine coordinates.
    ///
    /// # Errors
    /// [`KeyError::NotAPublicKey`] when they are not a point on the curve.
    pub fn from_coordinates(x: &[u8; 32], y: &[u8; 32]) -> Result<Self, KeyError> {
        let mut point = [4; 65];
        point[1..33].copy_from_slice(x);
        point[33..].copy_from_slice(y);
        if is_on_curve(&point)? { Ok(Self::from_known_point(point)) } else { Err(KeyError::NotAPublicKey) }
    }

    /// The key's name.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// Checks a signature made by [`SigningKey::sign`].
    ///
    /// # Errors
    /// [`BadSignature`].
    pub fn verify(&self, text: &[u8], signature: &[u8; 64]) -> Result<(), BadSignature> {
        signature::UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.point)
            .verify(text, signature)
            .map_err(|_| BadSignature)
    }

    fn from_known_point(point: [u8; 65]) -> Self {
        let (x, y) = (b64::encode_url(&point[1..33]), b64::encode_url(&point[33..]));
        // RFC 7638 section 3: the required members in lexicographic order, without white space.
        let id = Sha256Hash::of(format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#).as_bytes());
        Self { point, id: KeyId(id) }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Jwk {
            kty: "EC".into(),
            crv: "P-256".into(),
            x: b64::encode_url(&self.point[1..33]),
            y: b64::encode_url(&self.point[33..]),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        form::object::<Jwk, D>(deserializer)?.key()
    }
}

/// The four members of an EC public JWK, and no others.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Jwk {
    kty: String,
    crv: String,
    x: String,
    y: String,
}

impl Jwk {
    fn key<E: serde::de::Error>(&self) -> Result<PublicKey, E> {
        if (&*self.kty, &*self.crv) != ("EC", "P-256") {
            return Err(E::custom("expected a JWK with kty EC and crv P-256"));
        }
        let x = b64::decode_url_array(&self.x).map_err(E::custom)?;
        let y = b64::decode_url_array(&self.y).map_err(E::custom)?;
        PublicKey::from_coordinates(&x, &y).map_err(E::custom)
    }
}

/// Among other members: published sets add `kid`, `use`, validity, and what is not known is ignored there (RFC 7517 section 4).
fn among_others<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PublicKey, D::Error> {
    // Not by `form::object`: a flattened struct is given the members that it names, a map all of them, which `Jwk` would refuse.
    Jwk::deserialize(deserializer)?.key()
}

/// A JWK Set (RFC 7517 section 5) as the hub publishes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JwkSet {
    /// Whose keys they are: a system id, or the hub's id.
    pub issuer: String,
    /// The keys.
    pub keys: Vec<PublishedKey>,
}

/// One key of a [`JwkSet`], with its validity.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PublishedKey {
    /// The key's name.
    pub kid: KeyId,
    /// Always `ES256`.
    pub alg: String,
    /// Always `sig`.
    #[serde(rename = "use")]
    pub usage: String,
    /// The public key itself.
    #[serde(flatten, deserialize_with = "among_others")]
    pub key: PublicKey,
    /// Not valid before, in seconds since 1970.
    #[serde(default, deserialize_with = "form::there", skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// Not valid at or after, in seconds since 1970.
    #[serde(default, deserialize_with = "form::there", skip_serializing_if = "Option::is_none")]
    pub exp: Option<u64>,
    /// Revoked at, in seconds since 1970.
    #[serde(default, deserialize_with = "form::there", skip_serializing_if = "Option::is_none")]
    pub revoked: Option<u64>,
}

impl PublishedKey {
    /// A key that is valid without limits.
    #[must_use]
    pub fn unlimited(key: PublicKey) -> Self {
        Self { kid: key.id(), alg: "ES256".into(), usage: "sig".into(), key, nbf: None, exp: None, revoked: None }
    }

    /// Whether it may sign at `now` (seconds since 1970) or will later: it was not revoked, and has not expired.
    #[must_use]
    pub fn stands_at(&self, now: u64) -> bool {
        self.revoked.is_none() && self.exp.is_none_or(|end| now < end)
    }
}

fn is_on_curve(point: &[u8; 65]) -> Result<bool, KeyError> {
    // ring offers no check of its own; a key agreement checks the peer's point.
    use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
    let ours = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).map_err(|_| KeyError::NoRandomness)?;
    Ok(agree_ephemeral(ours, &UnparsedPublicKey::new(&ECDH_P256, point), |_| ()).is_ok())
}

/// Writes a PKCS #8 document as a PEM text.
#[must_use]
pub fn to_pem(der: &[u8]) -> Zeroizing<String> {
    let base64 = Zeroizing::new(b64::encode_std(der));
    let mut pem = Zeroizing::new(String::with_capacity(base64.len() + 80));
    pem.push_str(PEM_BEGIN);
    pem.push('\n');
    for (at, character) in base64.chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            pem.push('\n');
        }
        pem.push(character);
    }
    pem.push('\n');
    pem.push_str(PEM_END);
    pem.push('\n');
    pem
}

/// Reads the one `PRIVATE KEY` block of a PEM text; `None` when there is none or more than one.
#[must_use]
pub fn from_pem(pem: &str) -> Option<Zeroizing<Vec<u8>>> {
    let (_, rest) = pem.split_once(PEM_BEGIN)?;
    let (block, rest) = rest.split_once(PEM_END)?;
    let base64: Zeroizing<String> = Zeroizing::new(block.split_ascii_whitespace().collect());
    (!rest.contains(PEM_BEGIN)).then(|| b64::decode_std(base64.as_bytes()).ok().map(Zeroizing::new)).flatten()
}

const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_members_are_ignored_in_a_published_set_and_nowhere_else() {
        let (key, _) = SigningKey::generate().unwrap();
        let mut jwk = serde_json::to_value(PublishedKey::unlimited(*key.public())).unwrap();
        jwk["more"] = "anything".into();
        let read: PublishedKey = serde_json::from_value(jwk.clone()).unwrap();
        assert_eq!(read.key.id(), key.id());
        assert!(serde_json::from_value::<PublicKey>(jwk).is_err());
        let jwk = serde_json::to_value(key.public()).unwrap();
        assert_eq!(serde_json::from_value::<PublicKey>(jwk).unwrap().id(), key.id());
    }

    #[test]
    fn a_point_off_the_curve_is_refused() {
        assert_eq!(PublicKey::from_coordinates(&[1; 32], &[2; 32]), Err(KeyError::NotAPublicKey));
    }

    #[test]
    fn a_key_survives_its_pem_form_and_signs_for_its_public_half() {
        let (key, pem) = SigningKey::generate().unwrap();
        let again = SigningKey::from_pem(&pem).unwrap();
        let signature = again.sign(b"text").unwrap();
        assert_eq!(key.public().verify(b"text", &signature), Ok(()));
        assert_eq!(key.public().verify(b"texts", &signature), Err(BadSignature));
    }

    #[test]
    fn debug_shows_no_private_part() {
        let (key, pem) = SigningKey::generate().unwrap();
        let shown = format!("{key:?}");
        assert_eq!(shown, format!("SigningKey({}, private part redacted)", key.id()));
        assert!(!pem.lines().filter(|line| !line.starts_with('-')).any(|line| shown.contains(line)));
    }

    #[test]
    fn a_pem_with_two_keys_or_none_is_refused() {
        let (_, pem) = SigningKey::generate().unwrap();
        assert!(SigningKey::from_pem(&format!("{}{}", *pem, *pem)).is_err());
        assert!(SigningKey::from_pem("").is_err());
    }
}
