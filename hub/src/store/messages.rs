//! What is known of messages that were accepted.

use saphan_schemas::acknowledgement::Outcome;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::{Code, MessageId, SystemId};

/// What is known of a message that was accepted before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The sender.
    pub sender: SystemId,
    /// The message id.
    pub id: MessageId,
    /// Its content hash.
    pub content: Sha256Hash,
    /// Its place in the log.
    pub index: u64,
}

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageState {
    /// Durable and receipted, on its way.
    Accepted,
    /// The broker confirmed it. Messages that are pulled go from accepted to an outcome.
    Delivered,
    /// The receiver acknowledged it with this outcome.
    Settled(Outcome),
    /// Its `not_after` passed before anyone took it.
    Expired,
}

/// A message's record.
#[derive(Debug, Clone)]
pub struct MessageRecord {
    /// Its place in the log.
    pub index: u64,
    /// The sender.
    pub sender: SystemId,
    /// The recipient.
    pub recipient: SystemId,
    /// Where it stands.
    pub state: MessageState,
    /// The receiver's problem code, if it rejected the message.
    pub code: Option<Code>,
    /// The place of the acknowledgement in the log.
    pub acknowledgement: Option<u64>,
    /// The place of the entry that says that its body was erased.
    pub erased: Option<u64>,
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedEntry {
    /// Its place.
    pub index: u64,
    /// Its exact bytes.
    pub leaf: Vec<u8>,
}
