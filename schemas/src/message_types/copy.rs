//! Messages inside messages.

use serde::{Deserialize, Serialize};

use super::MessageBody;
use crate::b64::{self, NotBase64};
use crate::commitment::Salt;
use crate::envelope::{Envelope, EnvelopeClaims, UnverifiedEnvelope};
use crate::ids::{HubId, SystemId};
use crate::keys::{KeyId, PublicKey};
use crate::message::{VerifyError, verify_envelope};

/// A message as its sender signed it. Envelope, salt and body verify without the hub; log and index show where it is in the log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedCopy {
    /// The origin of its log. Without it the message is in the hub's first log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// Its index in that log.
    pub index: u64,
    /// The sender's compact JWS.
    pub envelope: String,
    /// The salt of the commitment.
    salt: String,
    /// The exact body, base64.
    body: String,
}

/// A copy is not what it is said to be.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// A part does not hold.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// Salt or body are not base64.
    #[error("copy: salt or body are not base64")]
    Base64(#[from] NotBase64),
    /// It is a message of another type.
    #[error("copy: not a message {expected}")]
    Type {
        /// The type that was looked for.
        expected: &'static str,
    },
    /// The body is not of its type's shape.
    #[error("copy: the body is not of its type's shape")]
    Shape,
    /// It is a message, but not one that belongs there.
    #[error("copy: the {what} is a message that does not belong there")]
    Misplaced {
        /// Where.
        what: &'static str,
    },
}

impl SignedCopy {
    /// A copy of the message at `index` of the log with this origin; of the hub's first log without one.
    #[must_use]
    pub fn new(log: Option<String>, index: u64, envelope: String, salt: &Salt, body: &[u8]) -> Self {
        Self { log, index, envelope, salt: salt.to_text(), body: b64::encode_std(body) }
    }

    /// Salt and exact body.
    ///
    /// # Errors
    /// [`NotBase64`].
    pub fn opened(&self) -> Result<(Salt, Vec<u8>), NotBase64> {
        Ok((self.salt.parse()?, b64::decode_std(&self.body)?))
    }

    /// What its sender signed. In a message that a connector handed to its handler the signature was verified; elsewhere
    /// [`Self::verify`] it first.
    ///
    /// # Errors
    /// [`CopyError::Verify`] when the envelope is not one.
    pub fn envelope_claims(&self) -> Result<EnvelopeClaims, CopyError> {
        let envelope = UnverifiedEnvelope::parse(&self.envelope).map_err(VerifyError::Envelope)?;
        Ok(envelope.claims().clone())
    }

    /// The body with its type, which the envelope must name. As to signatures, see [`Self::envelope_claims`].
    ///
    /// # Errors
    /// [`CopyError`].
    pub fn body<B: MessageBody>(&self) -> Result<B, CopyError> {
        let claims = self.envelope_claims()?;
        if claims.schema.as_str() != B::SCHEMA {
            return Err(CopyError::Type { expected: B::TYPE });
        }
        let (salt, body) = self.opened()?;
        claims.body.open(&salt, &body).map_err(|_| VerifyError::Body)?;
        serde_json::from_slice(&body).map_err(|_| CopyError::Shape)
    }

    /// Verifies what can be verified without the log: that the key is the sender's, that the signature is the key's, that the
    /// message was meant for this hub, and that salt and body are those that were signed.
    ///
    /// # Errors
    /// [`CopyError::Verify`] with the part that does not hold, [`CopyError::Base64`].
    pub fn verify(
        &self,
        hub: &HubId,
        sender_key: impl FnOnce(&SystemId, KeyId) -> Option<PublicKey>,
    ) -> Result<Envelope, CopyError> {
        let envelope = verify_envelope(&self.envelope, sender_key)?;
        if envelope.claims().hub != *hub {
            return Err(VerifyError::HubMismatch.into());
        }
        let (salt, body) = self.opened()?;
        envelope.claims().body.open(&salt, &body).map_err(|_| VerifyError::Body)?;
        Ok(envelope)
    }
}

redacted_debug! {
    SignedCopy { log, index }
}
