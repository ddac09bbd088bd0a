//! What an authority is asked (RFC 3161 section 2.4.1).

use std::fmt;
use std::str::FromStr;

use der::Encode as _;
use der::asn1::{Int, ObjectIdentifier, OctetString};
use der::oid::db::rfc5912::ID_SHA_256;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::asn1::{AlgorithmIdentifier, MessageImprint, TimeStampReq};
use crate::token::Timestamp;

/// The policy of an authority: an object identifier such as `1.3.6.1.4.1.13762.3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyId(pub(crate) ObjectIdentifier);

/// A text is not an object identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an object identifier, such as 1.3.6.1.4.1.13762.3")]
pub struct NotAPolicy;

impl FromStr for PolicyId {
    type Err = NotAPolicy;

    fn from_str(text: &str) -> Result<Self, NotAPolicy> {
        ObjectIdentifier::new(text).map(Self).map_err(|_| NotAPolicy)
    }
}

impl fmt::Display for PolicyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A request for a token, with a nonce of its own.
#[derive(Debug, Clone)]
pub struct TimestampRequest {
    der: Vec<u8>,
    nonce: Int,
    policy: Option<PolicyId>,
}

impl TimestampRequest {
    /// Asks for a token on the SHA-256 of `data`, with the authority's certificates in it.
    ///
    /// # Errors
    /// `None` when the machine has no random numbers.
    #[must_use]
    pub fn new(data: &[u8], policy: Option<PolicyId>) -> Option<Self> {
        let mut random = [0; NONCE_BYTES];
        SystemRandom::new().fill(&mut random).ok()?;
        // A positive INTEGER in its shortest form.
        random[0] = random[0] & 0x3f | 0x40;
        let nonce = Int::new(&random).ok()?;
        let request = TimeStampReq {
            version: 1,
            message_imprint: MessageImprint {
                hash_algorithm: AlgorithmIdentifier { oid: ID_SHA_256, parameters: Some(der::Any::null()) },
                hashed_message: OctetString::new(digest(&SHA256, data).as_ref()).ok()?,
            },
            req_policy: policy.map(|policy| policy.0),
            nonce: Some(nonce.clone()),
            cert_req: true,
        };
        Some(Self { der: request.to_der().ok()?, nonce, policy })
    }

    /// What is sent.
    #[must_use]
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// Whether a token that holds bears this request's nonce, and the policy that it asked for: it was made for this request, and now.
    #[must_use]
    pub fn is_answered_by(&self, token: &Timestamp) -> bool {
        token.nonce.as_ref() == Some(&self.nonce) && self.policy.is_none_or(|policy| token.policy == policy.to_string())
    }
}

const NONCE_BYTES: usize = 8;
