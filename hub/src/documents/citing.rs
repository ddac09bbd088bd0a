//! Whether a message may cite a document.
//!
//! Commitments stand in the public log, so anybody can write one into an envelope; and who is party of a message that cites a
//! document may read it. So a sender may cite only what it may read itself: what it uploaded, and what it was sent.

use saphan_schemas::envelope::{DocumentReference, EnvelopeClaims};
use saphan_schemas::problem::ProblemCode;

use super::Documents;
use crate::store::{DocumentRecord, StoreError};

/// A document that a message cites wrongly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongCitation {
    /// What is wrong.
    pub code: ProblemCode,
    /// Which document, and in what.
    pub detail: String,
}

impl Documents {
    /// The first document that the sender of a message may not cite as it does. A message without documents costs nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn wrong_citation(&self, claims: &EnvelopeClaims) -> Result<Option<WrongCitation>, StoreError> {
        for (at, cited) in claims.documents.iter().enumerate() {
            let Some(record) = self.index.readable(cited.commit, &claims.iss).await? else {
                let detail = format!("documents/{at}: {}", cited.commit);
                return Ok(Some(WrongCitation { code: ProblemCode::DocumentMissing, detail }));
            };
            if let Some(difference) = difference(cited, &record) {
                let detail = format!("documents/{at}: {difference}");
                return Ok(Some(WrongCitation { code: ProblemCode::DocumentMismatch, detail }));
            }
        }
        Ok(None)
    }
}

fn difference(cited: &DocumentReference, record: &DocumentRecord) -> Option<String> {
    if cited.len != record.len {
        return Some(format!("the document has {} bytes, the envelope says {}", record.len, cited.len));
    }
    if !cited.media_type.eq_ignore_ascii_case(&record.media_type) {
        return Some(format!(
            "the document was uploaded as {}, the envelope says {}",
            record.media_type, cited.media_type
        ));
    }
    None
}
