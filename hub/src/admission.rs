//! Whether a message is acceptable, and the exact reason if it is not.
//!
//! Two steps, so that a message that can never be accepted is refused before its body is read: [`Admission::envelope`], then
//! [`Admission::body`]. Neither knows how messages are stored or sent.

mod body;
mod refusal;

pub use refusal::{Refusal, RefusedMessage};

use std::num::NonZeroU16;
use std::sync::Arc;

use saphan_schemas::catalogue::Catalogue;
use saphan_schemas::envelope::{Envelope, EnvelopeClaims, UnverifiedEnvelope};
use saphan_schemas::ids::HubId;
use saphan_schemas::jws::JwsError;
use saphan_schemas::leaf::SchemaVersion;
use saphan_schemas::problem::ProblemCode;
use saphan_schemas::registry::{KeyRecord, MessageFacts, RegistryState, Role, TransportKind};

use crate::clock::Clock;
use crate::ledger::{Judgement, MessageDraft};
use crate::registry::{Current, Registry};

/// The limits of a message, and of keeping it.
#[derive(Debug, Clone, Copy)]
pub struct MessageLimits {
    /// The longest body, in bytes.
    pub body_bytes: u64,
    /// The deepest nesting of arrays and objects in a body.
    pub body_depth: usize,
    /// How far in the future an envelope may be signed, in seconds.
    pub future_seconds: u64,
    /// How long ago an envelope may be signed, in seconds.
    pub past_seconds: u64,
    /// For how many days a body is kept of which neither its evidence type nor its agreement says; `None` for ever.
    pub kept_days: Option<NonZeroU16>,
}

/// Decides about messages.
pub struct Admission {
    hub: HubId,
    registry: Arc<Registry>,
    clock: Arc<dyn Clock>,
    limits: MessageLimits,
}

/// A message whose envelope is acceptable; its body is still to come.
#[derive(Debug)]
pub struct Addressed {
    envelope: Envelope,
    /// How long the agreement that allows it lets its body be kept.
    agreed_days: Option<NonZeroU16>,
    schema: SchemaVersion,
    catalogue: Arc<Catalogue>,
    transport: TransportKind,
    judgement: Judgement,
}

impl Addressed {
    /// The length of the body that the envelope announces, in bytes; within the limit.
    #[must_use]
    pub fn body_len(&self) -> u64 {
        self.envelope.claims().body.len()
    }

    /// The envelope.
    #[must_use]
    pub const fn envelope(&self) -> &Envelope {
        &self.envelope
    }
}

impl Admission {
    /// Admission to `hub`.
    #[must_use]
    pub fn new(hub: HubId, registry: Arc<Registry>, clock: Arc<dyn Clock>, limits: MessageLimits) -> Self {
        Self { hub, registry, clock, limits }
    }

    /// The limits in force.
    #[must_use]
    pub const fn limits(&self) -> &MessageLimits {
        &self.limits
    }

    /// Checks everything that the envelope alone shows: its form, its sender, and that an agreement allows it.
    ///
    /// # Errors
    /// [`Refusal`]; with the envelope's hash once the sender is known, so that it is logged.
    pub fn envelope(&self, text: Option<&str>) -> Result<Addressed, Refusal> {
        let text = text.ok_or_else(|| Refusal::unknown_sender(ProblemCode::EnvelopeMissing))?;
        let unverified = UnverifiedEnvelope::parse(text).map_err(|error| malformed(&error))?;
        let Current { state: registry, catalogue } = self.registry.current();
        let kid = unverified.kid();
        let record = registry.key(kid).ok_or_else(|| Refusal::unknown_sender(ProblemCode::KeyUnknown))?;
        let envelope =
            unverified.verify(&record.key.jwk).map_err(|_| Refusal::unknown_sender(ProblemCode::SignatureInvalid))?;
        self.signed_at(envelope, Current { state: Arc::clone(&registry), catalogue })
    }

    /// The same for an envelope whose signature holds.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn signed(&self, envelope: Envelope) -> Result<Addressed, Refusal> {
        self.signed_at(envelope, self.registry.current())
    }

    fn signed_at(&self, envelope: Envelope, current: Current) -> Result<Addressed, Refusal> {
        let Current { state: registry, catalogue } = current;
        let refuse = |code| Refusal::of(&envelope, code);
        let record = registry.key(envelope.kid()).ok_or_else(|| refuse(ProblemCode::KeyUnknown))?;
        let now = self.clock.now_ms() / 1000;
        check_key(record, envelope.claims(), now).map_err(refuse)?;
        let sender = registry.system(&envelope.claims().iss);
        if !sender.is_some_and(|system| system.roles.contains(&Role::System)) {
            return Err(refuse(ProblemCode::Forbidden).detail("the sender has not the role of a system".to_owned()));
        }
        self.check_address(&registry, envelope.claims(), now).map_err(refuse)?;
        let facts = MessageFacts { claims: envelope.claims(), now };
        let agreement =
            registry.allows(facts).map_err(|gap| refuse(ProblemCode::AgreementMissing).detail(gap.to_string()))?;
        let until = [record.key.not_after, agreement.not_after].into_iter().flatten().min();
        let agreed_days = agreement.retention_days;
        let judgement = Judgement::new(registry.next(), until);
        let system = registry.system(&envelope.claims().aud);
        let transport = system.ok_or_else(|| refuse(ProblemCode::RecipientUnknown))?.transport;
        let schema = registry.schema(&envelope.claims().schema);
        let schema = schema.ok_or_else(|| refuse(ProblemCode::TypeUnknown))?;
        if catalogue.schema(&schema.id).is_none_or(|text| text.sha256 != schema.sha256) {
            let detail = "the hub does not have the text of this schema that its registry names; its operator must publish it again";
            return Err(refuse(ProblemCode::TypeUnknown).detail(detail.to_owned()));
        }
        let schema = SchemaVersion { id: schema.id.clone(), sha256: schema.sha256 };
        if envelope.claims().body.len() > self.limits.body_bytes {
            let limit = format!("the limit is {} bytes", self.limits.body_bytes);
            return Err(refuse(ProblemCode::BodyTooLarge).detail(limit));
        }
        Ok(Addressed { envelope, agreed_days, schema, catalogue, transport, judgement })
    }

    /// Checks salt and exact body.
    ///
    /// # Errors
    /// [`Refusal`], with the envelope's hash.
    pub fn body(&self, message: Addressed, salt: Option<&str>, body: Vec<u8>) -> Result<MessageDraft, Refusal> {
        let checked = body::check(&message.envelope, salt, &body, &message.catalogue, self.limits.body_depth)?;
        let Addressed { envelope, agreed_days, schema, transport, judgement, .. } = message;
        let stated = [agreed_days, checked.evidence_days].into_iter().flatten().min();
        let kept_days = stated.or(self.limits.kept_days);
        let body::Checked { salt, documents, .. } = checked;
        Ok(MessageDraft { judgement, envelope, schema, transport, kept_days, documents, salt, body })
    }

    fn check_address(&self, registry: &RegistryState, claims: &EnvelopeClaims, now: u64) -> Result<(), ProblemCode> {
        if claims.hub != self.hub {
            return Err(ProblemCode::HubMismatch);
        }
        if claims.iat > now.saturating_add(self.limits.future_seconds) {
            return Err(ProblemCode::IssuedInFuture);
        }
        if claims.iat < now.saturating_sub(self.limits.past_seconds) {
            return Err(ProblemCode::IssuedTooLongAgo);
        }
        if claims.not_after.is_some_and(|end| end <= now) {
            return Err(ProblemCode::MessageExpired);
        }
        if registry.system(&claims.aud).is_none() {
            return Err(ProblemCode::RecipientUnknown);
        }
        if registry.schema(&claims.schema).is_none() {
            return Err(ProblemCode::TypeUnknown);
        }
        if claims.service.as_ref().is_some_and(|service| registry.service(service).is_none()) {
            return Err(ProblemCode::ServiceUnknown);
        }
        Ok(())
    }
}

/// Whether a key that made a good signature may speak for this sender now.
fn check_key(record: &KeyRecord, claims: &EnvelopeClaims, now: u64) -> Result<(), ProblemCode> {
    if record.key.system != claims.iss {
        return Err(ProblemCode::SenderMismatch);
    }
    record.usable_at(now).map_err(ProblemCode::from)
}

fn malformed(error: &JwsError) -> Refusal {
    let code = match error {
        JwsError::TooLong { .. } => ProblemCode::EnvelopeTooLarge,
        JwsError::Algorithm => ProblemCode::AlgorithmNotAllowed,
        _ => ProblemCode::EnvelopeMalformed,
    };
    Refusal::unknown_sender(code).detail(error.to_string())
}
