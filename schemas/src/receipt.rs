//! The receipt: the hub's signed statement that it accepted a message, with the message's place in the log.

use serde::{Deserialize, Serialize};

use crate::digest::Sha256Hash;
use crate::ids::{HubId, MessageId, SchemaId};
use crate::json::form;
use crate::jws::{Claims, Signed, Unverified};

/// A verified receipt.
pub type Receipt = Signed<ReceiptClaims>;
/// A receipt as it was received.
pub type UnverifiedReceipt = Unverified<ReceiptClaims>;

/// What a receipt says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptClaims {
    /// The hub that accepted the message.
    pub iss: HubId,
    /// When, in seconds since 1970.
    #[serde(with = "form::seconds")]
    pub iat: u64,
    /// The message.
    pub jti: MessageId,
    /// The log's origin.
    pub log: String,
    /// The message's place in the log, from 0.
    #[serde(deserialize_with = "form::count")]
    pub index: u64,
    /// The leaf hash (RFC 6962 section 2.1).
    pub leaf: Sha256Hash,
    /// SHA-256 of the envelope's exact text.
    pub env: Sha256Hash,
    /// The size of the log of the proof's checkpoint.
    #[serde(deserialize_with = "form::count")]
    pub size: u64,
    /// The root hash at that size.
    pub root: Sha256Hash,
    /// The schema that the body was validated against.
    pub schema: SchemaId,
}

impl Claims for ReceiptClaims {
    const TYP: &'static str = "saphan-receipt+jws";
    const MAX_BYTES: usize = 4 * 1024;

    fn check(&self) -> Result<(), &'static str> {
        if self.index >= self.size { Err("`index` must be below `size`") } else { Ok(()) }
    }
}
