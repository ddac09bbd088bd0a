//! What goes into the journal and comes out of it.

use std::sync::Arc;

use saphan_schemas::commitment::Salt;
use saphan_schemas::ids::{Code, MessageId};
use saphan_schemas::receipt::{ReceiptClaims, UnverifiedReceipt};

use super::JournalError;
use crate::message::Received;
use crate::outgoing::SignedMessage;

/// Where a message stands in the outbox after [`super::Journal::enqueue`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Enqueued {
    /// It waits, now or already before; whoever waits for its receipt will be told.
    Waiting,
    /// It was sent before under the caller's own id.
    Settled,
    /// The caller's own id is that of another message; nothing was stored.
    OtherMessage,
}

/// A message of the outbox that is read back after a restart, or because it did not fit into memory.
pub(crate) struct StoredOutgoing {
    pub(crate) seq: i64,
    pub(crate) id: MessageId,
    pub(crate) envelope: String,
    pub(crate) salt: Salt,
    pub(crate) body: Vec<u8>,
}

/// A verified message on its way into the inbox.
pub(crate) struct ReceivedRow {
    pub(crate) received: Arc<Received>,
    /// What its handler made of it already. Then its content is not needed any more, and is not stored.
    pub(crate) ended: Option<Ending>,
}

/// The end of a message, with what its handler wants sent.
pub(crate) struct Ending {
    /// The code of a rejection; `None` when the message was processed.
    pub(crate) code: Option<Code>,
    pub(crate) replies: Vec<Arc<SignedMessage>>,
}

/// What the inbox says about a received message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Filed {
    /// Stored now, under this number.
    New {
        /// The row.
        id: i64,
    },
    /// It was there before.
    Known(InboxState),
}

/// How far a message in the inbox is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum InboxState {
    /// Stored, not handled.
    Pending,
    /// Handled; its acknowledgement is on its way.
    Handled,
    /// The hub had its acknowledgement.
    Acknowledged {
        /// The row.
        id: i64,
        /// The code of a rejection.
        code: Option<Code>,
    },
}

/// The end of a message that is in the inbox.
pub(crate) struct Settled {
    pub(crate) acknowledge: ToAcknowledge,
    pub(crate) replies: Vec<Arc<SignedMessage>>,
}

/// A message's place, as in its receipt. A hub has one log after the other, and each counts from 0.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct LogPlace {
    /// The log's origin.
    pub(crate) log: Arc<str>,
    pub(crate) index: u64,
}

impl LogPlace {
    pub(crate) fn of(receipt: &ReceiptClaims) -> Self {
        Self { log: receipt.log.as_str().into(), index: receipt.index }
    }
}

/// An outcome as the hub is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToAcknowledge {
    pub(crate) id: i64,
    pub(crate) place: LogPlace,
    /// The code of a rejection; `None` when the message was processed.
    pub(crate) code: Option<Code>,
}

pub(super) fn read_code(code: Option<String>) -> Result<Option<Code>, JournalError> {
    code.map(|code| code.parse().map_err(|_| JournalError::Damaged { column: "code" })).transpose()
}

/// Of a stored receipt, which was verified before it was stored.
pub(super) fn read_place(receipt: &str) -> Result<LogPlace, JournalError> {
    let receipt = UnverifiedReceipt::parse(receipt).map_err(|_| JournalError::Damaged { column: "receipt" })?;
    Ok(LogPlace::of(receipt.claims()))
}

pub(super) fn read_salt(bytes: &[u8]) -> Result<Salt, JournalError> {
    bytes.try_into().map(Salt::from_bytes).map_err(|_| JournalError::Damaged { column: "salt" })
}
