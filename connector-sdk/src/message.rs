//! A message that arrived, as a handler sees it: everything in it is verified.

use std::fmt;
use std::sync::Arc;

use saphan_schemas::commitment::Salt;
use saphan_schemas::envelope::EnvelopeClaims;
use saphan_schemas::ids::{CaseId, MessageId, SystemId};
use saphan_schemas::message::MessageFile;
use saphan_schemas::message_types::MessageBody;
use saphan_schemas::receipt::ReceiptClaims;

use crate::documents::Documents;
use crate::effects::EffectKey;
use crate::outbox::Outbox;
use crate::outgoing::OutgoingMessage;

/// A verified message with its typed body.
///
/// Sender's signature, commitment to the body, receipt and proof were checked before it came here.
#[derive(Clone)]
pub struct Message<T> {
    received: Arc<Received>,
    body: T,
}

impl<T> Message<T> {
    pub(crate) const fn new(received: Arc<Received>, body: T) -> Self {
        Self { received, body }
    }

    /// The body.
    #[must_use]
    pub const fn body(&self) -> &T {
        &self.body
    }

    /// The body, by value.
    #[must_use]
    pub fn into_body(self) -> T {
        self.body
    }

    /// What the sender signed: who, to whom, which type, for which service and case, and why.
    #[must_use]
    pub fn envelope(&self) -> &EnvelopeClaims {
        &self.received.claims
    }

    /// What the hub said when it accepted the message.
    #[must_use]
    pub fn receipt(&self) -> &ReceiptClaims {
        &self.received.receipt
    }

    /// The message's id.
    #[must_use]
    pub fn id(&self) -> MessageId {
        self.received.claims.jti
    }

    /// The system that sent it.
    #[must_use]
    pub fn sender(&self) -> &SystemId {
        &self.received.claims.iss
    }

    /// The case it belongs to, if it names one.
    #[must_use]
    pub fn case(&self) -> Option<CaseId> {
        self.received.claims.case
    }

    /// Its index in its log: a total order over all messages of that log. Arrival may differ from it. A hub has one log after the other, and
    /// each counts from 0: it takes [`Self::log`] too to name a message.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.received.receipt.index
    }

    /// The origin of its log.
    #[must_use]
    pub fn log(&self) -> &str {
        &self.received.receipt.log
    }

    /// What the agency claims in its own transaction, so that the effect happens once. See [`crate::effects`].
    #[must_use]
    pub fn effect(&self) -> EffectKey {
        EffectKey::new(self.received.claims.iss.clone(), self.received.claims.jti)
    }

    /// The exact bytes of the body.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.received.parts.body
    }

    /// An answer to its sender, about the same case and service. Return it in [`crate::Handled::Reply`].
    #[must_use]
    pub fn reply<B: MessageBody>(&self, body: &B) -> OutgoingMessage {
        self.received.answer(OutgoingMessage::new(self.received.claims.iss.clone(), body))
    }

    /// Any message that goes on from this one, set to the same case and service and to answer this one.
    #[must_use]
    pub fn answer(&self, message: OutgoingMessage) -> OutgoingMessage {
        self.received.answer(message)
    }

    /// The outbox, for messages that do not belong to this one's outcome. Those that do go into
    /// [`crate::Handled::Reply`], which is crash-safe.
    #[must_use]
    pub fn outbox(&self) -> &Outbox {
        &self.received.outbox
    }

    /// The hub's documents, to read those that [`Self::envelope`] cites.
    #[must_use]
    pub fn documents(&self) -> &Documents {
        self.received.outbox.documents()
    }

    /// The message with receipt and proof as the one file that auditors verify. It holds the body: personal data.
    #[must_use]
    pub fn file(&self) -> MessageFile {
        let Parts { envelope, salt, body, receipt, proof } = &self.received.parts;
        MessageFile::new(envelope.clone(), salt, body, receipt.clone(), proof.clone())
    }
}

impl<T> fmt::Debug for Message<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id())
            .field("sender", self.sender())
            .field("type", &self.envelope().message_type)
            .field("index", &self.index())
            .finish_non_exhaustive()
    }
}

/// A verified message before its body is given a type.
pub(crate) struct Received {
    pub(crate) claims: Arc<EnvelopeClaims>,
    pub(crate) receipt: Arc<ReceiptClaims>,
    pub(crate) parts: Parts,
    pub(crate) outbox: Outbox,
}

impl Received {
    pub(crate) fn claims(&self) -> &EnvelopeClaims {
        &self.claims
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.parts.body
    }

    fn answer(&self, message: OutgoingMessage) -> OutgoingMessage {
        let mut message = message.reply_to(self.claims.jti);
        if let Some(case) = self.claims.case {
            message = message.case(case);
        }
        if let Some(service) = &self.claims.service {
            message = message.service(service.clone());
        }
        message
    }
}

/// The parts of a message as they travelled.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) envelope: String,
    pub(crate) salt: Salt,
    pub(crate) body: Vec<u8>,
    pub(crate) receipt: String,
    pub(crate) proof: String,
}
