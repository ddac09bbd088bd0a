//! Sending: durable first, then to the hub, as often as it takes.

mod attempt;
mod dispatch;
mod gate;
mod queue;

use std::fmt;
use std::sync::Arc;

use saphan_schemas::ids::{MessageId, SystemId};
use saphan_schemas::jws::SignError;
use saphan_schemas::message::VerifyError;
use saphan_schemas::problem::ProblemDocument;
use saphan_schemas::receipt::{ReceiptClaims, UnverifiedReceipt};
use tokio::sync::oneshot;

pub(crate) use self::attempt::Sending;
pub(crate) use self::dispatch::Dispatcher;
use crate::documents::Documents;
use crate::error::{OutgoingError, SendError};
use crate::hub_api::Answer;
use crate::journal::{Enqueued, Journal, JournalError, OutgoingState};
use crate::outgoing::{Identity, OutgoingMessage, SignedMessage};

/// The outbox of a connector; cheap to clone, and usable from handlers and from anywhere else.
#[derive(Clone)]
pub struct Outbox {
    journal: Journal,
    identity: Arc<Identity>,
    documents: Documents,
}

impl Outbox {
    pub(crate) fn system(&self) -> &SystemId {
        &self.identity.system
    }

    pub(crate) const fn new(journal: Journal, identity: Arc<Identity>, documents: Documents) -> Self {
        Self { journal, identity, documents }
    }

    /// The hub's documents, which messages cite.
    #[must_use]
    pub const fn documents(&self) -> &Documents {
        &self.documents
    }

    /// Stores a message in the outbox and waits until the hub has accepted it: as long as that takes.
    ///
    /// The message is durable before anything goes out. Dropping the future does not take it back: it stays in the outbox
    /// and goes out, also after a restart.
    ///
    /// # Errors
    /// [`SendError`]; [`SendError::is_retryable`] says whether to call again.
    pub async fn send(&self, message: OutgoingMessage) -> Result<Accepted, SendError> {
        let (waiter, answer) = oneshot::channel();
        let (id, is_settled) = self.store(message, Some(waiter)).await?;
        if is_settled {
            return self.settled(id).await;
        }
        match answer.await {
            Ok(outcome) => outcome.into_result(id),
            Err(_) => Err(SendError::Stopped { kept: Some(id) }),
        }
    }

    /// Stores a message in the outbox and returns once it is durable there; it goes out by itself.
    ///
    /// # Errors
    /// [`SendError`]; a refusal by the hub shows only in [`Self::status`].
    pub async fn enqueue(&self, message: OutgoingMessage) -> Result<MessageId, SendError> {
        Ok(self.store(message, None).await?.0)
    }

    /// What became of a message; `None` when the outbox does not know it, or no longer: settled messages are kept for 90
    /// days.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn status(&self, id: MessageId) -> Result<Option<Status>, JournalError> {
        self.journal.outgoing(id).await?.map(Status::try_from).transpose()
    }

    pub(crate) async fn sign(&self, message: OutgoingMessage) -> Result<SignedMessage, SendError> {
        message.sign(&self.identity).await.map_err(|error| match error {
            OutgoingError::Sign(SignError::Key(error)) => SendError::Key(error),
            error => error.into(),
        })
    }

    /// Gives the message's id, and whether it was sent before.
    async fn store(&self, message: OutgoingMessage, waiter: Option<Waiter>) -> Result<(MessageId, bool), SendError> {
        let message = self.sign(message).await?;
        let id = message.envelope.claims().jti;
        match self.journal.enqueue(Arc::new(message), waiter).await {
            Ok(Enqueued::Waiting) => Ok((id, false)),
            Ok(Enqueued::Settled) => Ok((id, true)),
            Ok(Enqueued::OtherMessage) => Err(SendError::DuplicateId { id }),
            Err(JournalError::Closed) => Err(SendError::Stopped { kept: None }),
            Err(JournalError::Interrupted) => Err(SendError::Stopped { kept: Some(id) }),
            Err(error) => Err(error.into()),
        }
    }

    async fn settled(&self, id: MessageId) -> Result<Accepted, SendError> {
        match self.status(id).await? {
            Some(Status::Accepted(accepted)) => Ok(accepted),
            Some(Status::Refused(problem)) => Err(SendError::Refused(problem)),
            Some(Status::Waiting) | None => Err(JournalError::Damaged { column: "state" }.into()),
        }
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("system", &self.identity.system).finish_non_exhaustive()
    }
}

/// A message that the hub accepted: its receipt, verified, and the evidence that anyone else can verify. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted(Arc<Acceptance>);

#[derive(Debug, PartialEq, Eq)]
struct Acceptance {
    receipt: Arc<ReceiptClaims>,
    envelope: String,
    answer: Answer,
}

impl Accepted {
    fn new(receipt: Arc<ReceiptClaims>, envelope: String, answer: Answer) -> Self {
        Self(Arc::new(Acceptance { receipt, envelope, answer }))
    }

    /// The message's id.
    #[must_use]
    pub fn id(&self) -> MessageId {
        self.0.receipt.jti
    }

    /// Its place in the log.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.0.receipt.index
    }

    /// What the hub stated.
    #[must_use]
    pub fn receipt(&self) -> &ReceiptClaims {
        &self.0.receipt
    }

    /// The envelope as it was sent, a compact JWS.
    #[must_use]
    pub fn envelope_text(&self) -> &str {
        &self.0.envelope
    }

    /// The receipt as it came, a compact JWS.
    #[must_use]
    pub fn receipt_text(&self) -> &str {
        &self.0.answer.receipt
    }

    /// The proof that the message is in the log, a `tlog-proof@v1` text.
    #[must_use]
    pub fn proof_text(&self) -> &str {
        &self.0.answer.proof
    }
}

/// What became of a message in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// It has no receipt yet; the connector goes on trying.
    Waiting,
    /// The hub accepted it.
    Accepted(Accepted),
    /// The hub refused it for good. It is kept with its content for 90 days, for whoever repairs it.
    Refused(Box<ProblemDocument>),
}

impl TryFrom<OutgoingState> for Status {
    type Error = JournalError;

    fn try_from(state: OutgoingState) -> Result<Self, JournalError> {
        match state {
            OutgoingState::Waiting => Ok(Self::Waiting),
            OutgoingState::Accepted { envelope, answer } => {
                // It was verified before it was stored.
                let receipt = UnverifiedReceipt::parse(&answer.receipt)
                    .map_err(|_| JournalError::Damaged { column: "receipt" })?
                    .shared_claims();
                Ok(Self::Accepted(Accepted::new(receipt, envelope, answer)))
            }
            OutgoingState::Refused { problem } => serde_json::from_str(&problem)
                .map(Self::Refused)
                .map_err(|_| JournalError::Damaged { column: "problem" }),
        }
    }
}

/// Whoever waits for a message's receipt.
pub(crate) type Waiter = oneshot::Sender<Outcome>;

/// How an attempt ended, as far as somebody who waits must know.
#[derive(Clone)]
pub(crate) enum Outcome {
    Accepted(Accepted),
    Refused(Box<ProblemDocument>),
    Untrusted(Arc<VerifyError>),
}

impl Outcome {
    fn into_result(self, id: MessageId) -> Result<Accepted, SendError> {
        match self {
            Self::Accepted(accepted) => Ok(accepted),
            Self::Refused(problem) => Err(SendError::Refused(problem)),
            Self::Untrusted(source) => Err(SendError::Untrusted { id, source }),
        }
    }
}

/// What the journal tells the dispatcher after a commit.
pub(crate) enum Notice {
    /// A message is in the outbox; numbers only grow.
    New { seq: i64, message: Arc<SignedMessage>, waiter: Option<Waiter> },
    /// Somebody waits for a message that was there already.
    Watch { id: MessageId, waiter: Waiter },
}
