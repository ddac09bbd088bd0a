//! Checking one message in a file, part by part, offline: what `saphan verify` shows.

mod checks;
mod trusted;

use saphan_schemas::log::Policy;
use saphan_schemas::message::{self, MessageFile, Parts};
use serde::Serialize;

pub use checks::{Check, Part, Verdict};
pub use trusted::{NotTrustedKeys, TrustedKeys};

/// What is shown about one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MessageReport {
    /// Whether everything holds. A body that is not there, such as an erased one, does not count against
    /// it.
    pub verified: bool,
    /// What the envelope says, when it can be read; to be believed only if `verified`.
    pub message: Option<MessageFacts>,
    /// Every check, in the order of the chain from the sender's signature to the signed checkpoint.
    pub checks: Vec<Check>,
}

/// What an envelope says, as text, and the message's place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MessageFacts {
    /// The message id.
    pub id: String,
    /// The sending system.
    pub sender: String,
    /// The receiving system.
    pub recipient: String,
    /// The message type.
    #[serde(rename = "type")]
    pub message_type: String,
    /// The case it belongs to.
    pub case: Option<String>,
    /// The public service it is about.
    pub service: Option<String>,
    /// When it was signed, in seconds since 1970.
    pub signed_at: u64,
    /// When the hub accepted it by its receipt, in seconds since 1970.
    pub accepted_at: Option<u64>,
    /// Its place in the log by its receipt.
    pub index: Option<u64>,
}

/// Checks a message. `file` may come from anyone; `keys` are what the verifier trusts, and `policy`, if it is given, says which
/// witnesses must have cosigned a checkpoint that the message is in.
#[must_use]
pub fn check_message(file: &MessageFile, keys: &TrustedKeys, policy: Option<&Policy>) -> MessageReport {
    let (facts, mut checks) = checks::run(file, keys, policy);
    let holds = checks.iter().all(|check| check.verdict != Verdict::Failed);
    // The last word is the one that connectors use; the parts above only say where it fails.
    let whole = verify_whole(file, keys);
    if let (true, Err(reason)) = (holds, &whole) {
        checks.push(Check { part: Part::Whole, verdict: Verdict::Failed, says: reason.clone() });
    }
    MessageReport { verified: holds && whole.is_ok(), message: facts, checks }
}

fn verify_whole(file: &MessageFile, keys: &TrustedKeys) -> Result<(), String> {
    let opened = file.opened().map_err(|error| error.to_string())?;
    let parts = Parts {
        envelope: &file.envelope,
        body: opened.as_ref().map(|(salt, body)| (salt, body.as_slice())),
        receipt: &file.receipt,
        proof: &file.proof,
    };
    let verified = message::verify(&parts, &keys.trust(), |system, kid| keys.sender_key(system, kid).copied());
    verified.map(|_| ()).map_err(|error| error.to_string())
}
