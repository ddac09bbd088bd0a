//! Strict compact JWS (RFC 7515 section 7.1) with ES256, for every signed statement of the contract.
//!
//! A statement is a [`Claims`] type: it fixes `typ`, the size limit and the members. [`Unverified`] is a statement that
//! was read; [`Signed`] one whose signature was checked, or that was signed here. Nothing else gives out a [`Signed`].

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::b64;
use crate::digest::Sha256Hash;
use crate::json::form::NOT_SECONDS;
use crate::json::{self, JsonError};
use crate::keys::{BadSignature, KeyError, KeyId, PublicKey, Signer};

/// What a kind of statement says, and its form.
pub trait Claims: Serialize + DeserializeOwned {
    /// The `typ` header member.
    const TYP: &'static str;
    /// The `cty` header member; `None` for tokens, which stock JWT libraries write without it.
    const CTY: Option<&'static str> = Some("json");
    /// The longest accepted text, in bytes.
    const MAX_BYTES: usize;

    /// Checks what the members' types alone cannot express.
    ///
    /// # Errors
    /// A sentence that names the member and the rule.
    fn check(&self) -> Result<(), &'static str> {
        Ok(())
    }
}

/// Why a text is not a statement of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// Longer than the kind allows.
    #[error("longer than {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// Not three parts of strict base64url, or not a 64-byte signature.
    #[error("not a compact JWS: expected three base64url parts without padding, joined by dots")]
    NotCompact,
    /// Another algorithm than ES256.
    #[error("the algorithm is not ES256, the only one allowed")]
    Algorithm,
    /// The header has other members than allowed, or lacks one.
    #[error("the protected header is not allowed: {0}")]
    Header(JsonError),
    /// The header says another `typ` or `cty`.
    #[error("the header's typ or cty is not {expected}")]
    WrongKind {
        /// The expected `typ`.
        expected: &'static str,
    },
    /// The payload has other members than allowed, lacks one, or has one of another form.
    #[error("the payload is not allowed: {0}")]
    Payload(JsonError),
    /// The payload breaks a rule of its kind.
    #[error("the payload is not allowed: {0}")]
    Rule(&'static str),
}

/// A statement that was read and is well-formed; whether its signer made it is not known yet.
#[derive(Clone)]
pub struct Unverified<C> {
    text: Arc<str>,
    kid: KeyId,
    claims: Arc<C>,
    signature: [u8; 64],
}

impl<C: Claims> Unverified<C> {
    /// Reads a compact JWS strictly.
    ///
    /// # Errors
    /// See [`JwsError`].
    pub fn parse(text: &str) -> Result<Self, JwsError> {
        if text.len() > C::MAX_BYTES {
            return Err(JwsError::TooLong { limit: C::MAX_BYTES });
        }
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(JwsError::NotCompact);
        };
        let signature = b64::decode_url_array(signature).map_err(|_| JwsError::NotCompact)?;
        let kid = parse_header::<C>(&b64::decode_url(header).map_err(|_| JwsError::NotCompact)?)?;
        let payload = b64::decode_url(payload).map_err(|_| JwsError::NotCompact)?;
        let claims: C = json::parse_typed(&payload).map_err(JwsError::Payload)?;
        claims.check().map_err(JwsError::Rule)?;
        Ok(Self { text: text.into(), kid, claims: Arc::new(claims), signature })
    }

    /// The key that the statement says it was signed with.
    #[must_use]
    pub const fn kid(&self) -> KeyId {
        self.kid
    }

    /// What it says; not to be believed before [`Self::verify`].
    #[must_use]
    pub fn claims(&self) -> &C {
        &self.claims
    }

    /// The same, to keep.
    #[must_use]
    pub fn shared_claims(&self) -> Arc<C> {
        Arc::clone(&self.claims)
    }

    /// The exact text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Checks the signature.
    ///
    /// # Errors
    /// [`BadSignature`] when `key` did not sign this text.
    pub fn verify(self, key: &PublicKey) -> Result<Signed<C>, BadSignature> {
        key.verify(signing_input(&self.text).as_bytes(), &self.signature)?;
        Ok(Signed { text: self.text, kid: self.kid, claims: self.claims })
    }
}

impl<C: fmt::Debug> fmt::Debug for Unverified<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unverified").field("kid", &self.kid).field("claims", &self.claims).finish_non_exhaustive()
    }
}

/// A statement whose signature holds. Cheap to clone.
#[derive(Clone)]
pub struct Signed<C> {
    text: Arc<str>,
    kid: KeyId,
    claims: Arc<C>,
}

impl<C: Claims> Signed<C> {
    /// Signs a statement.
    ///
    /// # Errors
    /// [`SignError`] when the claims break a rule of their kind or the key does not sign.
    pub fn sign(claims: C, key: &dyn Signer) -> Result<Self, SignError> {
        let kid = key.public().id();
        claims.check().map_err(SignError::Rule)?;
        let payload = serde_json::to_vec(&claims).map_err(|error| unwritten(&error))?;
        let header = match C::CTY {
            Some(cty) => format!(r#"{{"alg":"ES256","cty":"{cty}","kid":"{kid}","typ":"{}"}}"#, C::TYP),
            None => format!(r#"{{"alg":"ES256","kid":"{kid}","typ":"{}"}}"#, C::TYP),
        };
        let mut text = String::with_capacity((header.len() + payload.len()) * 4 / 3 + SIGNATURE_TEXT_BYTES);
        b64::push_url(&mut text, header);
        text.push('.');
        b64::push_url(&mut text, payload);
        let signature = key.sign(text.as_bytes())?;
        text.push('.');
        b64::push_url(&mut text, signature);
        if text.len() > C::MAX_BYTES {
            return Err(SignError::TooLong { limit: C::MAX_BYTES });
        }
        Ok(Self { text: text.into(), kid, claims: Arc::new(claims) })
    }

    /// The key it was signed with.
    #[must_use]
    pub const fn kid(&self) -> KeyId {
        self.kid
    }

    /// What it says.
    #[must_use]
    pub fn claims(&self) -> &C {
        &self.claims
    }

    /// The same, to keep.
    #[must_use]
    pub fn shared_claims(&self) -> Arc<C> {
        Arc::clone(&self.claims)
    }

    /// The exact text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// SHA-256 of the exact text, signature included.
    #[must_use]
    pub fn hash(&self) -> Sha256Hash {
        Sha256Hash::of(self.text.as_bytes())
    }

    /// SHA-256 of what was signed, without the signature: equal for two signings of the same statement by the same key.
    /// ECDSA signatures are malleable, so sameness is judged by this and never by [`Self::hash`].
    #[must_use]
    pub fn content_hash(&self) -> Sha256Hash {
        Sha256Hash::of(signing_input(&self.text).as_bytes())
    }
}

impl<C: fmt::Debug> fmt::Debug for Signed<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signed").field("kid", &self.kid).field("claims", &self.claims).finish_non_exhaustive()
    }
}

/// Why a statement cannot be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The claims break a rule of their kind.
    #[error("cannot be signed: {0}")]
    Rule(&'static str),
    /// The text would be longer than the kind allows.
    #[error("cannot be signed: the text would be longer than {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// The key did not sign.
    #[error(transparent)]
    Key(#[from] KeyError),
}

fn unwritten(error: &serde_json::Error) -> SignError {
    let time = error.to_string() == NOT_SECONDS;
    SignError::Rule(if time { NOT_SECONDS } else { "it cannot be written as JSON" })
}

/// Two dots and a signature of 64 bytes, and what rounding leaves out.
const SIGNATURE_TEXT_BYTES: usize = 96;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    cty: Option<String>,
    kid: KeyId,
    typ: String,
}

#[derive(Deserialize)]
struct Algorithm {
    alg: String,
}

fn parse_header<C: Claims>(bytes: &[u8]) -> Result<KeyId, JwsError> {
    if let Some(kid) = usual_header::<C>(bytes) {
        return Ok(kid);
    }
    // The algorithm first: whoever sent `none` or `HS256` shall read that, and not a complaint about a missing `kid`.
    let algorithm: Algorithm = json::parse_typed(bytes).map_err(JwsError::Header)?;
    if algorithm.alg != "ES256" {
        return Err(JwsError::Algorithm);
    }
    let header: Header = json::parse_typed(bytes).map_err(JwsError::Header)?;
    if header.alg != "ES256" {
        return Err(JwsError::Algorithm);
    }
    if header.typ != C::TYP || header.cty.as_deref() != C::CTY {
        return Err(JwsError::WrongKind { expected: C::TYP });
    }
    Ok(header.kid)
}

/// Reads a header that is written as [`Signed::sign`] writes it, which almost all are.
fn usual_header<C: Claims>(bytes: &[u8]) -> Option<KeyId> {
    let rest = bytes.strip_prefix(br#"{"alg":"ES256","#)?;
    let rest = match C::CTY {
        Some(cty) => rest.strip_prefix(br#""cty":""#)?.strip_prefix(cty.as_bytes())?.strip_prefix(br#"","#)?,
        None => rest,
    };
    let (kid, rest) = rest.strip_prefix(br#""kid":""#)?.split_at_checked(KEY_ID_CHARACTERS)?;
    let typ = rest.strip_prefix(br#"","typ":""#)?.strip_suffix(br#""}"#)?;
    if typ == C::TYP.as_bytes() { std::str::from_utf8(kid).ok()?.parse().ok() } else { None }
}

const KEY_ID_CHARACTERS: usize = 43;

/// Everything before the last dot.
fn signing_input(text: &str) -> &str {
    text.rsplit_once('.').map_or(text, |(input, _)| input)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keys::SigningKey;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Greeting {
        text: String,
    }

    impl Claims for Greeting {
        const TYP: &'static str = "greeting+jws";
        const MAX_BYTES: usize = 1024;
    }

    fn signed() -> (SigningKey, String) {
        let (key, _) = SigningKey::generate().unwrap();
        let text = Signed::sign(Greeting { text: "สวัสดี".into() }, &key).unwrap().as_str().to_owned();
        (key, text)
    }

    fn with_header(text: &str, header: &str) -> String {
        format!("{}.{}", b64::encode_url(header), text.split_once('.').unwrap().1)
    }

    #[test]
    fn a_signed_statement_reads_back_and_verifies() {
        let (key, text) = signed();
        let read = Unverified::<Greeting>::parse(&text).unwrap().verify(key.public()).unwrap();
        assert_eq!(read.claims().text, "สวัสดี");
        assert_eq!(read.kid(), key.id());
    }

    #[test]
    fn a_header_is_read_alike_in_any_order() {
        let (key, text) = signed();
        let usual = format!(r#"{{"alg":"ES256","cty":"json","kid":"{}","typ":"greeting+jws"}}"#, key.id());
        assert_eq!(usual_header::<Greeting>(usual.as_bytes()), Some(key.id()));
        let other = format!(r#"{{"typ":"greeting+jws","kid":"{}","cty":"json","alg":"ES256"}}"#, key.id());
        assert_eq!(usual_header::<Greeting>(other.as_bytes()), None);
        for header in [usual, other] {
            assert_eq!(Unverified::<Greeting>::parse(&with_header(&text, &header)).unwrap().kid(), key.id());
            for (from, to) in [("json", "jsom"), ("greeting+jws", "greeting"), ("ES256", "ES384"), ("kid", "k1d")] {
                let header = header.replace(from, to);
                assert!(Unverified::<Greeting>::parse(&with_header(&text, &header)).is_err(), "{header}");
            }
        }
    }

    #[test]
    fn every_other_algorithm_is_refused_as_such() {
        let (key, text) = signed();
        for alg in ["none", "HS256", "ES384", "RS256", "es256", ""] {
            let header = format!(r#"{{"alg":"{alg}","cty":"json","kid":"{}","typ":"greeting+jws"}}"#, key.id());
            let error = Unverified::<Greeting>::parse(&with_header(&text, &header)).unwrap_err();
            assert_eq!(error, JwsError::Algorithm, "{alg}");
        }
    }

    #[test]
    fn foreign_header_members_are_refused() {
        let (key, text) = signed();
        for member in
            [r#""jwk":{}"#, r#""jku":"x""#, r#""x5u":"x""#, r#""x5c":[]"#, r#""crit":["b64"]"#, r#""b64":false"#]
        {
            let header =
                format!(r#"{{"alg":"ES256","cty":"json","kid":"{}","typ":"greeting+jws",{member}}}"#, key.id());
            let error = Unverified::<Greeting>::parse(&with_header(&text, &header)).unwrap_err();
            assert!(matches!(error, JwsError::Header(_)), "{member}: {error:?}");
        }
    }

    #[test]
    fn a_duplicate_header_or_payload_member_is_refused() {
        let (key, text) = signed();
        let header =
            format!(r#"{{"alg":"ES256","alg":"ES256","cty":"json","kid":"{}","typ":"greeting+jws"}}"#, key.id());
        assert!(Unverified::<Greeting>::parse(&with_header(&text, &header)).is_err());
        let mut parts = text.split('.');
        let payload = b64::encode_url(r#"{"text":"a","text":"b"}"#);
        let doubled = format!("{}.{payload}.{}", parts.next().unwrap(), parts.nth(1).unwrap());
        assert!(matches!(Unverified::<Greeting>::parse(&doubled), Err(JwsError::Payload(_))));
    }

    #[test]
    fn the_content_hash_is_the_same_for_two_signings_of_the_same_statement() {
        let (key, _) = SigningKey::generate().unwrap();
        let first = Signed::sign(Greeting { text: "a".into() }, &key).unwrap();
        let second = Signed::sign(Greeting { text: "a".into() }, &key).unwrap();
        assert_ne!(first.hash(), second.hash());
        assert_eq!(first.content_hash(), second.content_hash());
    }

    proptest! {
        #[test]
        fn a_changed_text_never_verifies(at in 0usize..200, to in prop::char::range(' ', '~')) {
            let (key, text) = signed();
            let at = at % text.len();
            prop_assume!(text.as_bytes()[at] != to as u8);
            let mut changed = text.into_bytes();
            changed[at] = to as u8;
            let changed = String::from_utf8(changed).unwrap();
            let verified = Unverified::<Greeting>::parse(&changed).ok().and_then(|read| read.verify(key.public()).ok());
            prop_assert!(verified.is_none());
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,200}") {
            let _ = Unverified::<Greeting>::parse(&text);
        }
    }
}
