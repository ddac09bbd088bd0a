//! The acknowledgement: the receiver's signed statement that it processed or rejected messages, many at a time.

use serde::{Deserialize, Serialize};

use crate::ids::{Code, HubId, MessageId, SystemId};
use crate::json::form;
use crate::jws::{Claims, Signed, Unverified};

/// A verified batch of acknowledgements.
pub type Acknowledgement = Signed<AcknowledgementClaims>;
/// A batch as it was received.
pub type UnverifiedAcknowledgement = Unverified<AcknowledgementClaims>;

/// The most messages one batch may settle.
pub const MAX_ACKNOWLEDGED: usize = 256;

/// What a batch says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcknowledgementClaims {
    /// The receiving system.
    pub iss: SystemId,
    /// The hub.
    pub aud: HubId,
    /// The batch's own id; the same batch sent twice counts once.
    pub jti: MessageId,
    /// When it was signed, in seconds since 1970.
    #[serde(with = "form::seconds")]
    pub iat: u64,
    /// The origin of the log that the messages are in, as in their receipts. One batch is about one log. In the first log of a hub
    /// it may be left out; in later ones it must not, so that no place of an earlier log is taken for one of this.
    #[serde(default, deserialize_with = "form::there", skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// The messages, each once, by their place in that log.
    #[serde(deserialize_with = "form::objects")]
    pub messages: Vec<Acknowledged>,
}

/// One message's outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acknowledged {
    /// The message's place in the log, as in its receipt.
    #[serde(deserialize_with = "form::count")]
    pub index: u64,
    /// What became of it.
    #[serde(deserialize_with = "form::word")]
    pub outcome: Outcome,
    /// The receiver's problem code, for a rejected message only.
    #[serde(default, deserialize_with = "form::there", skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
}

/// What became of a message at its receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Its effect is durable at the receiver.
    Processed,
    /// The receiver will never process it; the code says why.
    Rejected,
}

impl Outcome {
    /// The word in the acknowledgement.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Processed => "processed",
            Self::Rejected => "rejected",
        }
    }
}

impl Claims for AcknowledgementClaims {
    const TYP: &'static str = "saphan-ack+jws";
    // A leaf holds the whole batch, and a leaf ends at 16 KiB.
    const MAX_BYTES: usize = 15 * 1024;

    fn check(&self) -> Result<(), &'static str> {
        if self.messages.is_empty() || self.messages.len() > MAX_ACKNOWLEDGED {
            return Err("`messages` must hold 1 to 256 entries");
        }
        let mut indices: Vec<u64> = self.messages.iter().map(|message| message.index).collect();
        indices.sort_unstable();
        if indices.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err("`messages` names an index twice");
        }
        if self.messages.iter().any(|message| message.code.is_some() != (message.outcome == Outcome::Rejected)) {
            return Err("`code` belongs to a rejected message, and to no other");
        }
        Ok(())
    }
}
