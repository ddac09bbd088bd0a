//! What does not hold in a bundle.

use super::StampFault;
use crate::ids::SystemId;
use crate::jws::JwsError;
use crate::keys::KeyId;
use crate::leaf::{LeafError, NotVouched};
use crate::log::{CheckpointError, VerifyError};
use crate::registry::{AgreementGap, KeyNotUsable, RejectedEntry};
use crate::succession::NotNext;

/// The first thing in a bundle that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleFault {
    /// Not signed by the trusted key, or changed.
    #[error("the checkpoint does not hold: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// That of another log than the trusted key's is not signed by a key that the bundle names for it.
    #[error("the checkpoint of {log} is signed neither by the trusted key nor by one that an entry here names for it")]
    NotSigned {
        /// The log that it names.
        log: String,
    },
    /// Signed with a key of the log that an entry in the bundle revokes.
    #[error("the checkpoint of {log} is signed with a key that was not the log's when it had this size")]
    CheckpointKeyRevoked {
        /// The log.
        log: String,
    },
    /// Entries or messages are not in the order of their log, or one stands twice.
    #[error("entry {index} stands after one that is not before it in its log")]
    Order {
        /// The entry.
        index: u64,
    },
    /// The first entry of the log is not there, or does not open it.
    #[error("the entry that opens the log is missing, or those of the logs before it, so its keys are not known")]
    NotOpened,
    /// The last entry of a log is not there, with which the next one begins.
    #[error("the last entry of {log} is missing, which says what log comes next")]
    NotEnded {
        /// The log.
        log: String,
    },
    /// An entry does not hold.
    #[error("entry {index}{}: {fault}", of(log))]
    Entry {
        /// The origin of its log, if the bundle has several.
        log: Option<String>,
        /// Its index in its log.
        index: u64,
        /// Why.
        fault: EntryFault,
    },
    /// The bundle is about a message whose entry it does not hold.
    #[error("the entry of message {index}{} is missing", of(log))]
    Missing {
        /// The origin of its log, if the message says which.
        log: Option<String>,
        /// Its index.
        index: u64,
    },
    /// A text that is not the schema of any of its messages, or not any more.
    #[error("schema text {number} is not that of any of its messages: it was changed, or does not belong here")]
    Schema {
        /// The text, counted from 1.
        number: usize,
    },
    /// A timestamp that is not for a checkpoint of this log with a message of the bundle.
    #[error("the timestamp for {size} entries{}: {fault}", of(log))]
    Timestamp {
        /// The origin of the log, if the bundle has several.
        log: Option<String>,
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
    Leaf(#[from] LeafError),
    /// Of no use in a bundle, or not in this order.
    #[error("an entry of this kind does not belong here")]
    Misplaced,
    /// It opens a log, and its names do not belong together.
    #[error("the names of hub, log and key in it do not fit together")]
    OtherNames,
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
    /// Acknowledged by somebody else than its receiver, or no message.
    #[error("it acknowledges entry {index}, which is no message before it to whoever says so")]
    NotTheReceivers {
        /// The index that it names.
        index: u64,
    },
    /// Acknowledges what is in no log of the hub so far.
    #[error("it acknowledges entry {index}, and names none of this hub's logs so far that has one")]
    AcknowledgesInNoLog {
        /// The index that it names.
        index: u64,
    },
    /// Acknowledges otherwise than before.
    #[error("an acknowledgement before it says otherwise of message {index}")]
    OtherOutcome {
        /// The index that it names.
        index: u64,
    },
    /// A statement that stood before.
    #[error("the same statement, by its id, stands before it")]
    Repeated,
    /// A later log does not follow from the one before it.
    #[error(transparent)]
    NotNext(#[from] NotNext),
}

fn of(log: &Option<String>) -> String {
    log.as_ref().map(|log| format!(" of {log}")).unwrap_or_default()
}

impl BundleFault {
    /// The name of what was tampered with, for programs.
    #[must_use]
    pub const fn class(&self) -> &'static str {
        match self {
            Self::Checkpoint(_) | Self::NotSigned { .. } => "changed-checkpoint",
            Self::CheckpointKeyRevoked { .. } => "invalid-key",
            Self::Order { .. } => "reordered-entries",
            Self::NotOpened | Self::NotEnded { .. } | Self::Missing { .. } | Self::Empty => "missing-entries",
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
            Self::Leaf(_) | Self::Misplaced | Self::OtherNames => "malformed-entry",
            Self::Statement(_) | Self::OtherHub | Self::Signature => "changed-envelope",
            Self::Repeated => "duplicated-entries",
            Self::Registry(fault) => class_of_change(fault),
            Self::KeyUnknown { .. } => "unknown-key",
            Self::KeyNotUsable { .. } => "invalid-key",
            Self::Schema => "wrong-schema",
            Self::NotAllowed(_) | Self::NotASystem { .. } => "not-allowed",
            Self::Unreadable | Self::Body => "changed-body",
            Self::ReceiptUnreadable(_) | Self::Receipt { .. } | Self::ReceiptSignature => "changed-receipt",
            Self::NotTheReceivers { .. } | Self::AcknowledgesInNoLog { .. } | Self::OtherOutcome { .. } => {
                "false-acknowledgement"
            }
            Self::NotNext(fault) => class_of_next(fault),
        }
    }
}

const fn class_of_change(fault: &RejectedEntry) -> &'static str {
    match fault {
        RejectedEntry::Repeated => "duplicated-entries",
        _ => "false-registry-change",
    }
}

const fn class_of_next(fault: &NotNext) -> &'static str {
    match fault {
        NotNext::NotClosed | NotNext::Again => "misplaced-entry",
        NotNext::NotVouched(NotVouched::Malformed(_)) => "changed-envelope",
        NotNext::NotVouched(NotVouched::OtherChange) | NotNext::OtherRoot => "unknown-key",
        NotNext::Rejected(fault) => class_of_change(fault),
        NotNext::PreviousNotSigned => "changed-checkpoint",
        NotNext::OtherPrevious | NotNext::NothingLost { .. } => "fork",
    }
}
