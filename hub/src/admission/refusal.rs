//! Why a message is not accepted.

use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::envelope::Envelope;
use saphan_schemas::ids::{MessageId, SystemId};
use saphan_schemas::keys::KeyId;
use saphan_schemas::problem::{ProblemCode, ProblemPlace};

/// Why a message is not accepted, for its sender and for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The problem.
    pub code: ProblemCode,
    /// What exactly; never a value of the message.
    pub detail: Option<String>,
    /// The places in the body.
    pub errors: Vec<ProblemPlace>,
    /// The message, once a good signature shows who sent it. Only then is the refusal logged: whoever can write into
    /// the log without proving who they are could fill it.
    pub message: Option<Box<RefusedMessage>>,
}

/// The refused message of a known sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedMessage {
    /// The system whose key signed it. With [`ProblemCode::SenderMismatch`], the system it claims to be.
    pub sender: SystemId,
    /// The key that signed it.
    pub key: KeyId,
    /// Its id.
    pub id: MessageId,
    /// SHA-256 of the envelope's exact text.
    pub envelope: Sha256Hash,
    /// What makes two submissions the same.
    pub content: Sha256Hash,
}

impl Refusal {
    /// A refusal of a message whose sender is not known.
    #[must_use]
    pub const fn unknown_sender(code: ProblemCode) -> Self {
        Self { code, detail: None, errors: Vec::new(), message: None }
    }

    /// A refusal of a message whose sender is known.
    #[must_use]
    pub fn of(envelope: &Envelope, code: ProblemCode) -> Self {
        let claims = envelope.claims();
        let message = RefusedMessage {
            sender: claims.iss.clone(),
            key: envelope.kid(),
            id: claims.jti,
            envelope: envelope.hash(),
            content: envelope.content_hash(),
        };
        Self { code, detail: None, errors: Vec::new(), message: Some(Box::new(message)) }
    }

    /// Says what exactly.
    #[must_use]
    pub fn detail(mut self, detail: String) -> Self {
        self.detail = Some(detail);
        self
    }

    /// Says where in the body.
    #[must_use]
    pub fn errors(mut self, errors: Vec<ProblemPlace>) -> Self {
        self.errors = errors;
        self
    }
}
