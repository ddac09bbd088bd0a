//! Bodies of `evidence.*`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Applicant, BilingualText, Date, Document, FactValue, Office, Subject, Timestamp};
use crate::ids::{Code, EvidenceTypeId, MemberId, MessageId, SchemaId};

/// `evidence.requested`: evidence is requested from the authority that holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceRequested {
    /// When.
    pub requested_at: Timestamp,
    /// What is to be proven.
    pub evidence_type: EvidenceTypeId,
    /// About whom.
    pub subject: Subject,
    /// The day that the facts should be true for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Date>,
    /// When it is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed_by: Option<Timestamp>,
    /// The officer who answers for the request; absent when a system made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub officer: Option<Officer>,
}

/// An officer, by staff number.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Officer {
    /// Staff number within the member.
    pub staff_number: String,
    /// Where the officer works.
    pub office: Office,
}

/// `evidence.provided`: the authority that holds it provides evidence.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceProvided {
    /// When.
    pub provided_at: Timestamp,
    /// What it proves.
    pub evidence_type: EvidenceTypeId,
    /// About whom.
    pub subject: Subject,
    /// The moment at which the register said so.
    pub as_of: Timestamp,
    /// Last day of validity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Date>,
    /// Number of the record in the register.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_number: Option<String>,
    /// The person's own record, when the evidence is about that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Applicant>,
    /// The schema of `content`: the one that the evidence type names in the catalogue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_schema: Option<SchemaId>,
    /// The evidence itself, as its schema says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Map<String, Value>>,
    /// Facts of the register.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<Fact>,
    /// Documents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<Document>,
}

/// One fact of a register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// What it is.
    pub name: Code,
    /// Its value.
    pub value: FactValue,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<BilingualText>,
}

/// `evidence.declined`: requested evidence is not provided.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceDeclined {
    /// When.
    pub declined_at: Timestamp,
    /// What was requested.
    pub evidence_type: EvidenceTypeId,
    /// Why not.
    pub reason: NotProvided,
    /// What people read.
    pub text: BilingualText,
    /// Who may hold it instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_by: Option<MemberId>,
}

/// Why evidence is not provided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum NotProvided {
    /// The register does not know the person.
    SubjectNotFound,
    /// The register knows several such persons.
    SubjectAmbiguous,
    /// The register does not hold such evidence.
    NotHeld,
    /// The person has not consented.
    ConsentMissing,
    /// The legal basis does not cover it.
    LegalBasisInsufficient,
    /// The record is being corrected.
    RecordUnderReview,
    /// Another reason.
    Other,
}

/// `evidence.pending`: requested evidence will come later.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidencePending {
    /// When the provider said so.
    pub noted_at: Timestamp,
    /// What was requested.
    pub evidence_type: EvidenceTypeId,
    /// When the provider expects to have it.
    pub expected_by: Timestamp,
    /// What people read.
    pub text: BilingualText,
}

/// `evidence.reused`: evidence that was provided before is used again; its provider is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceReused {
    /// When.
    pub reused_at: Timestamp,
    /// What it proves.
    pub evidence_type: EvidenceTypeId,
    /// The message `evidence.provided` that is used again.
    pub message: MessageId,
}

redacted_debug! {
    EvidencePending { noted_at, evidence_type, expected_by }
    Officer { office }
    EvidenceProvided { provided_at, evidence_type, subject, as_of, valid_until, content_schema }
    EvidenceDeclined { declined_at, evidence_type, reason, held_by }
}

message_body!(EvidenceRequested, "evidence.requested", "evidence.requested@1");
message_body!(EvidenceProvided, "evidence.provided", "evidence.provided@1");
message_body!(EvidenceDeclined, "evidence.declined", "evidence.declined@1");
message_body!(EvidencePending, "evidence.pending", "evidence.pending@1");
message_body!(EvidenceReused, "evidence.reused", "evidence.reused@1");
