//! A message on its way out, before it is signed.

use std::fmt;
use std::sync::Arc;

use saphan_schemas::commitment::{BodyCommitment, Salt};
use saphan_schemas::envelope::{DocumentReference, Envelope, EnvelopeClaims};
use saphan_schemas::ids::{CaseId, Code, HubId, LegalBasis, MessageId, SchemaId, ServiceId, SystemId};
use saphan_schemas::jws::{Claims, SignError, Signed};
use saphan_schemas::keys::{KeyError, Signer};
use saphan_schemas::message_types::MessageBody;
use serde_json::Value;

use crate::clock;
use crate::error::OutgoingError;

/// A message to another system: a body, and what its envelope will say.
///
/// It is signed once, when it enters the outbox; every retry sends the same bytes.
#[derive(Clone)]
pub struct OutgoingMessage {
    to: SystemId,
    content: Result<Content, Refused>,
    id: Option<MessageId>,
    service: Option<ServiceId>,
    case: Option<CaseId>,
    reply_to: Option<MessageId>,
    purpose: Option<Code>,
    legal_basis: Option<LegalBasis>,
    consent: Option<MessageId>,
    not_after: Option<u64>,
    documents: Vec<DocumentReference>,
}

#[derive(Clone)]
struct Content {
    schema: SchemaId,
    body: Vec<u8>,
}

/// Why there is no content: kept until the message is sent, so that building one needs no `?` at each step.
#[derive(Clone, Copy)]
enum Refused {
    Body,
    NotJson { line: usize, column: usize },
    SchemaId { name: &'static str },
}

impl OutgoingMessage {
    /// A message of one of the exchange's types; the body's type says which.
    #[must_use]
    pub fn new<T: MessageBody>(to: SystemId, body: &T) -> Self {
        let content = T::SCHEMA.parse().map_err(|_| Refused::SchemaId { name: T::SCHEMA }).and_then(|schema| {
            let body = serde_json::to_vec(body).map_err(|_| Refused::Body)?;
            Ok(Content { schema, body })
        });
        Self::with_content(to, content)
    }

    /// A message of any schema, from a JSON value. The message type is the schema's name.
    #[must_use]
    pub fn json(to: SystemId, schema: SchemaId, body: &Value) -> Self {
        let content = serde_json::to_vec(body).map(|body| Content { schema, body }).map_err(|_| Refused::Body);
        Self::with_content(to, content)
    }

    /// A message of any schema, from the exact bytes of its JSON body; they are sent as they are.
    #[must_use]
    pub fn bytes(to: SystemId, schema: SchemaId, body: Vec<u8>) -> Self {
        let content = match serde_json::from_slice::<serde::de::IgnoredAny>(&body) {
            Ok(_) => Ok(Content { schema, body }),
            Err(error) => Err(Refused::NotJson { line: error.line(), column: error.column() }),
        };
        Self::with_content(to, content)
    }

    fn with_content(to: SystemId, content: Result<Content, Refused>) -> Self {
        Self {
            to,
            content,
            id: None,
            service: None,
            case: None,
            reply_to: None,
            purpose: None,
            legal_basis: None,
            consent: None,
            not_after: None,
            documents: Vec::new(),
        }
    }

    /// Gives the message an id of the caller's own, minted once and kept in the caller's database.
    ///
    /// A message whose id is already in the journal is not stored again: the call continues the first one. So a caller that
    /// crashed between its own commit and `send` may simply send again. Another message under the same id is an error
    /// ([`crate::SendError::DuplicateId`]); `not_after` makes no other message of it.
    #[must_use]
    pub const fn id(mut self, id: MessageId) -> Self {
        self.id = Some(id);
        self
    }

    /// The public service it is about.
    #[must_use]
    pub fn service(mut self, service: ServiceId) -> Self {
        self.service = Some(service);
        self
    }

    /// The case it belongs to.
    #[must_use]
    pub const fn case(mut self, case: CaseId) -> Self {
        self.case = Some(case);
        self
    }

    /// The message it answers.
    #[must_use]
    pub const fn reply_to(mut self, message: MessageId) -> Self {
        self.reply_to = Some(message);
        self
    }

    /// Why the data may travel: a purpose code.
    #[must_use]
    pub fn purpose(mut self, purpose: Code) -> Self {
        self.purpose = Some(purpose);
        self
    }

    /// Why the data may travel: law and section.
    #[must_use]
    pub fn legal_basis(mut self, basis: LegalBasis) -> Self {
        self.legal_basis = Some(basis);
        self
    }

    /// The id of the signed consent that allows it.
    #[must_use]
    pub const fn consent(mut self, consent: MessageId) -> Self {
        self.consent = Some(consent);
        self
    }

    /// After this time (seconds since 1970) the message is no longer delivered.
    #[must_use]
    pub const fn not_after(mut self, seconds: u64) -> Self {
        self.not_after = Some(seconds);
        self
    }

    /// Cites a document that was uploaded before, or that this system was sent: the recipient may read it from then on. At most 16
    /// ([`MAX_DOCUMENTS`](saphan_schemas::envelope::MAX_DOCUMENTS)).
    #[must_use]
    pub fn document(mut self, document: DocumentReference) -> Self {
        self.documents.push(document);
        self
    }

    /// The receiving system.
    #[must_use]
    pub const fn to(&self) -> &SystemId {
        &self.to
    }

    /// Signs the envelope and makes the salt. This happens once for each message.
    pub(crate) async fn sign(self, from: &Identity) -> Result<SignedMessage, OutgoingError> {
        let content = self.content.map_err(OutgoingError::from)?;
        let salt = Salt::generate().map_err(SignError::from)?;
        let message_type = content.schema.name().parse().map_err(|_| OutgoingError::Body)?;
        let claims = EnvelopeClaims {
            iss: from.system.clone(),
            aud: self.to,
            hub: from.hub.clone(),
            jti: self.id.unwrap_or_default(),
            iat: clock::unix_seconds(),
            not_after: self.not_after,
            message_type,
            schema: content.schema,
            service: self.service,
            case: self.case,
            reply_to: self.reply_to,
            purpose: self.purpose,
            legal_basis: self.legal_basis,
            consent: self.consent,
            body: BodyCommitment::new(&salt, &content.body),
            documents: self.documents,
        };
        let envelope = from.sign(claims).await?;
        Ok(SignedMessage { envelope, salt, body: content.body, own_id: self.id.is_some() })
    }
}

impl fmt::Debug for OutgoingMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let schema = self.content.as_ref().ok().map(|content| content.schema.as_str());
        f.debug_struct("OutgoingMessage").field("to", &self.to).field("schema", &schema).finish_non_exhaustive()
    }
}

impl From<Refused> for OutgoingError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Body => Self::Body,
            Refused::NotJson { line, column } => Self::NotJson { line, column },
            Refused::SchemaId { name } => Self::SchemaId { name },
        }
    }
}

/// Who signs.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) system: SystemId,
    pub(crate) hub: HubId,
    pub(crate) key: Arc<dyn Signer>,
}

impl Identity {
    /// Signs a statement; on a thread of its own when the key is in a device that signing waits for.
    pub(crate) async fn sign<C: Claims + Send + Sync + 'static>(&self, claims: C) -> Result<Signed<C>, SignError> {
        if !self.key.waits() {
            return Signed::sign(claims, &*self.key);
        }
        let key = Arc::clone(&self.key);
        let ended = |_| SignError::Key(KeyError::Unavailable { reason: "the thread that asked it ended abnormally" });
        tokio::task::spawn_blocking(move || Signed::sign(claims, &*key)).await.map_err(ended)?
    }
}

/// A message with everything that travels; no personal data shows in its `Debug`.
pub(crate) struct SignedMessage {
    pub(crate) envelope: Envelope,
    pub(crate) salt: Salt,
    pub(crate) body: Vec<u8>,
    /// The caller chose the id, so it may be in the journal already.
    pub(crate) own_id: bool,
}

#[cfg(test)]
mod tests {
    use saphan_schemas::keys::SigningKey;

    use super::*;

    fn identity() -> Identity {
        Identity {
            system: "th.dlt/licensing".parse().unwrap(),
            hub: "hub.local".parse().unwrap(),
            key: Arc::new(SigningKey::generate().unwrap().0),
        }
    }

    #[tokio::test]
    async fn exact_bytes_are_committed_to_as_they_are() {
        let body = b"{ \"a\" : 1 }".to_vec();
        let message = OutgoingMessage::bytes("th.dopa/x".parse().unwrap(), "a.b@1".parse().unwrap(), body.clone());
        let signed = message.sign(&identity()).await.unwrap();
        assert_eq!(signed.body, body);
        assert_eq!(signed.envelope.claims().message_type.as_str(), "a.b");
        assert_eq!(signed.envelope.claims().body.open(&signed.salt, &body), Ok(()));
    }

    #[tokio::test]
    async fn a_body_that_is_not_json_is_refused_with_its_place() {
        let body = b"{\n x".to_vec();
        let message = OutgoingMessage::bytes("th.dopa/x".parse().unwrap(), "a.b@1".parse().unwrap(), body);
        assert!(matches!(message.sign(&identity()).await, Err(OutgoingError::NotJson { line: 2, .. })));
    }

    #[test]
    fn debug_shows_nothing_of_the_body() {
        let body = serde_json::json!({ "name": "secret" });
        let message = OutgoingMessage::json("th.dopa/x".parse().unwrap(), "a.b@1".parse().unwrap(), &body);
        assert!(!format!("{message:?}").contains("secret"));
    }
}
