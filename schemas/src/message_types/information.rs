//! Bodies of `information.*`.

use serde::{Deserialize, Serialize};

use super::{BilingualText, Date, Document, FactValue, Office, Timestamp};
use crate::ids::{Code, EvidenceTypeId};

/// `information.requested`: the competent authority asks the applicant for more.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InformationRequested {
    /// When.
    pub requested_at: Timestamp,
    /// By whom.
    pub requested_by: Office,
    /// What the applicant reads.
    pub text: BilingualText,
    /// The questions; at least one.
    pub items: Vec<Item>,
    /// Last day to answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_by: Option<Date>,
    /// What follows if no answer comes in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_not_answered: Option<BilingualText>,
}

/// One question.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Its name within the message.
    pub item: Code,
    /// What the applicant reads.
    pub question: BilingualText,
    /// The form of the answer.
    pub answer: AnswerForm,
    /// Whether it must be answered.
    pub required: bool,
    /// What to choose from, with [`AnswerForm::Choice`]; at least two.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Choice>,
    /// What a document must prove, with [`AnswerForm::Document`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence_type: Option<EvidenceTypeId>,
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AnswerForm {
    /// Free text.
    Text,
    /// A number.
    Number,
    /// Yes or no.
    YesNo,
    /// A date.
    Date,
    /// One of the choices, by its code.
    Choice,
    /// A document.
    Document,
}

/// Something to choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// What the answer says.
    pub code: Code,
    /// What the applicant reads.
    pub label: BilingualText,
}

/// `information.supplied`: the applicant answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InformationSupplied {
    /// When.
    pub supplied_at: Timestamp,
    /// The answers; at least one.
    pub answers: Vec<Answer>,
}

/// One answer.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub enum Answer {
    /// A value.
    Value {
        /// The question.
        item: Code,
        /// The answer.
        value: FactValue,
    },
    /// A document.
    Document {
        /// The question.
        item: Code,
        /// The answer.
        document: Document,
    },
    /// The applicant cannot answer.
    Unavailable {
        /// The question.
        item: Code,
        /// Why.
        note: String,
    },
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (kind, item) = match self {
            Self::Value { item, .. } => ("Value", item),
            Self::Document { item, .. } => ("Document", item),
            Self::Unavailable { item, .. } => ("Unavailable", item),
        };
        f.debug_struct(kind).field("item", item).finish_non_exhaustive()
    }
}

redacted_debug! {
    InformationRequested { requested_at, requested_by, answer_by }
    Item { item, answer, required, evidence_type }
}

message_body!(InformationRequested, "information.requested", "information.requested@1");
message_body!(InformationSupplied, "information.supplied", "information.supplied@1");
