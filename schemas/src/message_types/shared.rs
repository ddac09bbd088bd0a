//! Parts that several message types share.

use serde::{Deserialize, Serialize};
use serde_json::Number;

use crate::digest::Sha256Hash;
use crate::ids::{EvidenceTypeId, MemberId, MessageId};

/// The same text in Thai and English.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BilingualText {
    /// In Thai.
    pub th: String,
    /// In English.
    pub en: String,
}

impl BilingualText {
    /// Both texts, 1 to 2,000 characters each.
    #[must_use]
    pub fn new(th: impl Into<String>, en: impl Into<String>) -> Self {
        Self { th: th.into(), en: en.into() }
    }
}

/// A language that a person wants to be answered in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Thai.
    Th,
    /// English.
    En,
}

/// How a person can be reached about a case; at least one of the two.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Telephone number, 9 to 15 digits, perhaps after a `+`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// E-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// A document that goes with a message.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// Its commitment, as in the envelope.
    pub commit: Sha256Hash,
    /// Its length in bytes.
    pub len: u64,
    /// Its media type, e.g. `application/pdf`.
    pub media_type: String,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// A piece of evidence that supports an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Its kind.
    pub evidence_type: EvidenceTypeId,
    /// Who it comes from.
    pub source: EvidenceSource,
    /// The message `evidence.provided` that brought it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageId>,
    /// The document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<Document>,
}

/// Who a piece of evidence comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EvidenceSource {
    /// The authority that holds it.
    Authority,
    /// The applicant.
    Applicant,
}

/// Where the law says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegalReference {
    /// The law.
    pub law: BilingualText,
    /// The section, e.g. `37`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
}

/// The office that acted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Office {
    /// The member that it belongs to.
    pub member: MemberId,
    /// Its name.
    pub name: BilingualText,
    /// Position of the officer who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<BilingualText>,
}

/// A text, a number or a yes or no.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FactValue {
    /// Yes or no.
    YesNo(bool),
    /// A number.
    Number(Number),
    /// A text, at most 4,000 characters.
    Text(String),
}

impl std::fmt::Debug for FactValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FactValue(redacted)")
    }
}

redacted_debug! {
    Contact {}
    Document { commit, len, media_type }
}
