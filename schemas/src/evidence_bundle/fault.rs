//! What does not hold in a bundle.

use super::StampFault;
use crate::ids::SystemId;
use crate::json::JsonError;
use crate::jws::JwsError;
use crate::keys::KeyId;
use crate::log::{CheckpointError, VerifyError};
use crate::registry::{AgreementGap, KeyNotUsable, RejectedEntry};

/// The first thing in a bundle that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleFault {
    /// Not signed by the trusted key, or changed.
    #[error("the checkpoint does not hold: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// Signed with a key of the log that an entry in the bundle revokes.
    #[error("the checkpoint is signed with a key that was revoked before the log had this size")]
    CheckpointKeyRevoked,
    /// The entries are not in the order of the log, or one stands twice.
    #[error("entry {index} stands after one that is not before it in the log")]
    Order {
        /// The entry.
        index: u64,
    },
    /// The first entry of the log is not there, or does not open it.
    #[error("the entry that opens the log is missing, so its keys are not known")]
    NotOpened,
    /// An entry does not hold.
    #[error("entry {index}: {fault}")]
    Entry {
        /// The entry.
        index: u64,
        /// Why.
        fault: EntryFault,
    },
    /// The bundle is about a message whose entry it does not hold.
    #[error("the entry of message {index} is missing")]
    Missing {
        /// The place.
        index: u64,
    },
    /// A text that is not the schema of any of its messages, or not any more.
    #[error("schema text {number} is not that of any of its messages: it was changed, or does not belong here")]
    Schema {
        /// The text, counted from 1.
        number: usize,
    },
    /// A timestamp that is not for a checkpoint of this log with a message of the bundle.
    #[error("the timestamp for {size} entries: {fault}")]
    Timestamp {
        /// The size that it names.
        size: u64,
        /// Why.
        fault: StampFault,
    },
    /// It is about nothing.
    #[error("it names no message")]
    Empty,
}

/// Why an entry in a bundle does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryFault {
    /// Leaf or proof were changed: together they do not lead to the root.
    #[error("leaf and proof do not lead to the root of the checkpoint: {0}")]
    Proof(#[from] VerifyError),
    /// Not a leaf.
    #[error("it is not an entry of a log: {0}")]
    Leaf(#[from] JsonError),
    /// Of no use in a bundle, or not in this order.
    #[error("an entry of this kind does not belong here")]
    Misplaced,
    /// A statement in it cannot be read.
    #[error("what was signed cannot be read: {0}")]
    Statement(#[from] JwsError),
    /// Meant for another hub.
    #[error("it is meant for another hub than the log's")]
    OtherHub,
    /// A registry change that cannot be made, or not by its signer.
    #[error("the registry change cannot be made: {0}")]
    Registry(#[from] RejectedEntry),
    /// No entry before it registers the key.
    #[error("it is signed with the key {kid}, which no entry of the bundle before it registers for {system}")]
    KeyUnknown {
        /// The key.
        kid: KeyId,
        /// Whose it should be.
        system: SystemId,
    },
    /// The key was not valid at that place.
    #[error("it is signed with the key {kid}, which could not be used there: {reason}")]
    KeyNotUsable {
        /// The key.
        kid: KeyId,
        /// Why.
        reason: KeyNotUsable,
    },
    /// Changed, or signed by somebody else.
    #[error("the signature does not hold")]
    Signature,
    /// The schema is not the registered one.
    #[error("it names another text of its schema than an entry of the bundle before it registers")]
    Schema,
    /// Its sender may look, and send nothing.
    #[error("{system} has not the role of a system at this place, and may not send")]
    NotASystem {
        /// The sender.
        system: SystemId,
    },
    /// No agreement in the bundle allowed it.
    #[error("no agreement in the bundle allowed the message: {0}")]
    NotAllowed(AgreementGap),
    /// Only one of salt and body is there, or they are not base64.
    #[error("its salt or its body is not base64, or one of the two is missing")]
    Unreadable,
    /// Not the body, or not the salt, that its sender committed to.
    #[error("body and salt are not those that its sender committed to")]
    Body,
    /// The receipt cannot be read.
    #[error("the receipt cannot be read: {0}")]
    ReceiptUnreadable(#[source] JwsError),
    /// Not the hub's receipt for this entry.
    #[error("the receipt's `{member}` is not that of this entry")]
    Receipt {
        /// The claim that differs.
        member: &'static str,
    },
    /// The receipt was changed, or not signed with a key of the hub.
    #[error("the receipt is not signed with a key that the hub had at this place")]
    ReceiptSignature,
    /// Acknowledged by somebody else than its receiver.
    #[error("it acknowledges message {index}, which was sent to somebody else")]
    NotTheReceivers {
        /// The message.
        index: u64,
    },
}

impl BundleFault {
    /// The name of what was tampered with, for programs.
    #[must_use]
    pub const fn class(&self) -> &'static str {
        match self {
            Self::Checkpoint(_) => "changed-checkpoint",
            Self::CheckpointKeyRevoked => "invalid-key",
            Self::Order { .. } => "reordered-entries",
            Self::NotOpened | Self::Missing { .. } | Self::Empty => "missing-entries",
            Self::Schema { .. } => "wrong-schema",
            Self::Entry { fault, .. } => fault.class(),
            Self::Timestamp { fault, .. } => fault.class(),
        }
    }
}

impl EntryFault {
    const fn class(&self) -> &'static str {
        match self {
            Self::Proof(_) => "changed-leaf",
            Self::Leaf(_) | Self::Misplaced => "malformed-entry",
            Self::Statement(_) | Self::OtherHub | Self::Signature => "changed-envelope",
            Self::Registry(_) => "false-registry-change",
            Self::KeyUnknown { .. } => "unknown-key",
            Self::KeyNotUsable { .. } => "invalid-key",
            Self::Schema => "wrong-schema",
            Self::NotAllowed(_) | Self::NotASystem { .. } => "not-allowed",
            Self::Unreadable | Self::Body => "changed-body",
            Self::ReceiptUnreadable(_) | Self::Receipt { .. } | Self::ReceiptSignature => "changed-receipt",
            Self::NotTheReceivers { .. } => "false-acknowledgement",
        }
    }
}
