//! A problem as it travels.

use serde::{Deserialize, Serialize};

use super::{Fault, ProblemCode};

/// A problem document (RFC 9457), media type `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemDocument {
    /// `urn:saphan:problem:<code>`.
    #[serde(rename = "type")]
    pub problem_type: String,
    /// The code alone.
    pub code: String,
    /// In English.
    pub title: String,
    /// In Thai.
    pub title_th: String,
    /// The HTTP status.
    pub status: u16,
    /// Whose side it is on.
    pub fault: Fault,
    /// Whether the same request may succeed later, unchanged.
    pub retry: bool,
    /// Seconds to wait before it is sent again, where the hub knows: what `Retry-After` says, also for one message of a batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// What exactly; never a value of the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The places in the body, as JSON Pointers (RFC 6901).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ProblemPlace>,
    /// Where the refusal is in the log, if it was logged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
}

/// One place that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemPlace {
    /// JSON Pointer into the body.
    pub pointer: String,
    /// The rule that it breaks; never the value.
    pub detail: String,
}

impl ProblemDocument {
    /// The code, when it is one of the table.
    #[must_use]
    pub fn code(&self) -> Option<ProblemCode> {
        self.code.parse().ok()
    }
}

impl ProblemCode {
    /// A document without detail.
    #[must_use]
    pub fn document(self) -> ProblemDocument {
        ProblemDocument {
            problem_type: self.urn(),
            code: self.as_str().into(),
            title: self.title_en().into(),
            title_th: self.title_th().into(),
            status: self.status(),
            fault: self.fault(),
            retry: self.retry(),
            retry_after: None,
            detail: None,
            errors: Vec::new(),
            index: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_reads_back() {
        let mut document = ProblemCode::SchemaViolation.document();
        document.errors.push(ProblemPlace { pointer: "/applicant".into(), detail: "required".into() });
        let text = serde_json::to_string(&document).unwrap();
        assert_eq!(serde_json::from_str::<ProblemDocument>(&text).unwrap(), document);
    }
}
