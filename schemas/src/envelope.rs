//! The envelope: the sender's signed statement about a body.

use serde::{Deserialize, Serialize};

use crate::commitment::BodyCommitment;
use crate::digest::Sha256Hash;
use crate::ids::{
    CaseId, Code, EvidenceTypeId, HubId, LegalBasis, MessageId, MessageType, SchemaId, ServiceId, SystemId,
};
use crate::json::form;
use crate::jws::{Claims, Signed, Unverified};

/// A verified envelope.
pub type Envelope = Signed<EnvelopeClaims>;
/// An envelope as it was received.
pub type UnverifiedEnvelope = Unverified<EnvelopeClaims>;

/// The longest envelope, in bytes.
pub const MAX_ENVELOPE_BYTES: usize = 8 * 1024;

/// The most documents one envelope may cite.
pub const MAX_DOCUMENTS: usize = 16;

/// What an envelope says. It holds no personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvelopeClaims {
    /// The sending system.
    pub iss: SystemId,
    /// The receiving system.
    pub aud: SystemId,
    /// The hub it is meant for.
    pub hub: HubId,
    /// The message id, minted once and kept across retries.
    pub jti: MessageId,
    /// When it was signed, in seconds since 1970.
    #[serde(with = "form::seconds")]
    pub iat: u64,
    /// After this time (seconds since 1970) the message is no longer delivered.
    #[serde(default, with = "form::seconds", skip_serializing_if = "Option::is_none")]
    pub not_after: Option<u64>,
    /// The message type.
    #[serde(rename = "type")]
    pub message_type: MessageType,
    /// The schema of the body.
    pub schema: SchemaId,
    /// The public service it is about.
    #[serde(default, deserialize_with = "form::there", skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceId>,
    /// The case it belongs to.
    #[serde(default, deserialize_with = "form::there", skip_serializing_if = "Option::is_none")]
    pub case: Option<CaseId>,
    /// The message it answers.
    #[serde(default, deserialize_with = "form::there", skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageId>,
    /// Why this data may travel: a purpose code.
    #[serde(default, deserialize_with = "form::there", skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Code>,
    /// Why this data may travel: law and section.
    #[serde(default, deserialize_with = "form::there", skip_serializing_if = "Option::is_none")]
    pub legal_basis: Option<LegalBasis>,
    /// The id of the signed consent that allows it.
    #[serde(default, deserialize_with = "form::there", skip_serializing_if = "Option::is_none")]
    pub consent: Option<MessageId>,
    /// The commitment to the body.
    #[serde(deserialize_with = "form::object")]
    pub body: BodyCommitment,
    /// Documents that travel beside the message.
    #[serde(default, deserialize_with = "form::objects", skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<DocumentReference>,
}

/// A document cited by an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentReference {
    /// The commitment to the document, which is also its name.
    pub commit: Sha256Hash,
    /// Its length in bytes.
    #[serde(deserialize_with = "form::count")]
    pub len: u64,
    /// Its media type, e.g. `application/pdf`.
    pub media_type: String,
    /// What it proves.
    #[serde(default, deserialize_with = "form::there", skip_serializing_if = "Option::is_none")]
    pub evidence_type: Option<EvidenceTypeId>,
}

impl Claims for EnvelopeClaims {
    const TYP: &'static str = "saphan-envelope+jws";
    const MAX_BYTES: usize = MAX_ENVELOPE_BYTES;

    fn check(&self) -> Result<(), &'static str> {
        if self.schema.name() != self.message_type.as_str() {
            return Err("`schema` must be the message type with a major version, e.g. application.submitted@1");
        }
        if self.documents.len() > MAX_DOCUMENTS {
            return Err("`documents` lists more than 16 documents");
        }
        if self.documents.iter().any(|document| !is_media_type(&document.media_type)) {
            return Err("`media_type` of a document is not type/subtype");
        }
        Ok(())
    }
}

/// Whether a text is `type/subtype`, without parameters, as an envelope may state it (RFC 9110 section 8.3.1).
#[must_use]
pub fn is_media_type(text: &str) -> bool {
    let token =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b));
    text.len() <= 100 && text.split_once('/').is_some_and(|(kind, subtype)| token(kind) && token(subtype))
}
