//! What can go wrong, and for whom. The first question each error answers is: try again, or give up?

use std::path::PathBuf;
use std::sync::Arc;

use saphan_schemas::ids::{Code, MessageId, SystemId};
use saphan_schemas::jws::SignError;
use saphan_schemas::keys::KeyError;
use saphan_schemas::message::VerifyError;
use saphan_schemas::problem::{ProblemCode, ProblemDocument};

use crate::hub_api::HubError;
pub use crate::journal::JournalError;

/// Why a message was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The hub refused the message for good; it is kept in the journal as refused. The document says why, and what to do.
    #[error("the hub refused the message: {} ({})", .0.title, .0.code)]
    Refused(Box<ProblemDocument>),
    /// The message cannot be written as JSON, or its envelope cannot be signed. Nothing was stored.
    #[error("the message cannot be sent as it is: {0}")]
    Invalid(#[from] OutgoingError),
    /// The caller's own id was used before, for a message with another recipient, type, subject or body. Nothing was stored.
    #[error("the id {id} is that of another message, nothing was stored; a new message needs an id of its own")]
    DuplicateId {
        /// The id.
        id: MessageId,
    },
    /// The system's key did not sign: the device that holds it is away, say. Nothing was stored or sent.
    #[error("the message could not be signed, nothing was stored or sent: {0}")]
    Key(#[source] KeyError),
    /// The hub's answer does not verify: someone in between changes answers, or the trusted keys are not this hub's. The
    /// message stays in the outbox and is tried again.
    #[error("the receipt for {id} cannot be trusted, the message stays in the outbox: {source}")]
    Untrusted {
        /// The message.
        id: MessageId,
        /// The part that does not hold.
        source: Arc<VerifyError>,
    },
    /// The journal could not store the message; nothing was sent.
    #[error("the message could not be stored in the journal, nothing was sent: {0}")]
    Journal(#[from] JournalError),
    /// The connector stopped before the receipt came.
    #[error("the connector stopped{}", if .kept.is_some() { "; the message is in the outbox and goes out at the next start" } else { " before the message was stored" })]
    Stopped {
        /// The id of the message when it is in the outbox, or may be; `None` when it was not stored.
        kept: Option<MessageId>,
    },
}

impl SendError {
    /// Whether to call `send` again with the same message: true when nothing was stored and the reason may pass.
    ///
    /// False means: do not. Either it can never succeed as it is, or the message is in the outbox and the connector goes
    /// on trying by itself; sending it again would make a second message.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Key(error) => error.is_retryable(),
            Self::Journal(_) | Self::Stopped { kept: None } => true,
            _ => false,
        }
    }

    /// The problem's code, when there is one: mostly that with which the hub refused.
    #[must_use]
    pub fn problem_code(&self) -> Option<ProblemCode> {
        match self {
            Self::Refused(document) => document.code(),
            Self::DuplicateId { .. } => Some(ProblemCode::DuplicateId),
            _ => None,
        }
    }
}

/// Why a message cannot be sent as it is. A mistake of the caller.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutgoingError {
    /// The body cannot be written as JSON.
    #[error("the body cannot be written as JSON")]
    Body,
    /// The body is not JSON text.
    #[error("the body is not JSON: error at line {line}, column {column}")]
    NotJson {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// A type's own schema name is not a schema id.
    #[error("{name:?} is not a schema id")]
    SchemaId {
        /// The name.
        name: &'static str,
    },
    /// The envelope cannot be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// Why a connector cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectorError {
    /// The builder lacks something.
    #[error("the connector is not configured: call `{method}` on the builder")]
    Missing {
        /// The method to call.
        method: &'static str,
    },
    /// The hub's address is not usable.
    #[error("the hub's address is not usable: {reason}")]
    Address {
        /// Why.
        reason: &'static str,
    },
    /// The certificates for the connection cannot be used.
    #[error("the {what}")]
    Certificates {
        /// Which, and why; never holds any of them.
        what: &'static str,
    },
    /// Another connector works on this folder. One journal has one connector: stop the other, or give this one its own
    /// folder.
    #[error("another connector works on {}; stop it, or give this one its own folder", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The folder belongs to another system.
    #[error("{} holds the journal of {owner}, not of this system", path.display())]
    OtherSystem {
        /// The folder.
        path: PathBuf,
        /// The system that it belongs to.
        owner: SystemId,
    },
    /// The folder cannot be made or locked.
    #[error("cannot use the folder {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// The journal cannot be opened.
    #[error("cannot open the journal: {0}")]
    Journal(#[from] JournalError),
    /// A handler is registered for something that is no message type.
    #[error("{name:?} is not a schema id; a handler cannot be registered for it")]
    SchemaId {
        /// The name.
        name: &'static str,
    },
    /// Two handlers want the same messages.
    #[error("two handlers are registered for {schema}")]
    TwoHandlers {
        /// The schema.
        schema: String,
    },
    /// The HTTP client or the broker client cannot be set up.
    #[error("cannot set up the client: {reason}")]
    Client {
        /// Why; never holds a password.
        reason: String,
    },
    /// The hub's keys cannot be fetched.
    #[error("cannot fetch the hub's keys: {0}")]
    Hub(#[from] HubError),
}

/// The code that this SDK rejects a message with when the agency has no say in it.
pub(crate) fn own_code(problem: ProblemCode) -> Option<Code> {
    problem.to_code().ok()
}
