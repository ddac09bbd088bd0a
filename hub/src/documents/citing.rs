//! Whether a message may cite a document.
//!
//! Commitments stand in the public log, so anybody can write one into an envelope; and who is party of a message that cites a
//! document may read it. So a sender may cite only what it may read itself: what it uploaded, and what it was sent.

use std::time::Duration;

use saphan_schemas::envelope::DocumentReference;
use saphan_schemas::problem::ProblemCode;

use super::Documents;
use crate::ledger::MessageDraft;
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
    pub async fn wrong_citation(&self, message: &MessageDraft) -> Result<Option<WrongCitation>, StoreError> {
        let claims = message.envelope.claims();
        for (at, cited) in claims.documents.iter().enumerate() {
            let Some(record) = self.index.readable(cited.commit, &claims.iss).await? else {
                let detail = format!("documents/{at}: {}", cited.commit);
                return Ok(Some(WrongCitation { code: ProblemCode::DocumentMissing, detail }));
            };
            if self.goes_soon(&record) {
                let detail = format!("documents/{at}: it was uploaded too long ago and is removed; upload it again");
                return Ok(Some(WrongCitation { code: ProblemCode::DocumentMissing, detail }));
            }
            if let Some(difference) = difference(cited, &record) {
                let detail = format!("documents/{at}: {difference}");
                return Ok(Some(WrongCitation { code: ProblemCode::DocumentMismatch, detail }));
            }
        }
        // Of copies that it holds.
        for commit in message.documents.iter().skip(claims.documents.len()) {
            if self.index.readable(*commit, &claims.iss).await?.is_none() {
                let detail = format!("cited by a copy that the body holds: {commit}");
                return Ok(Some(WrongCitation { code: ProblemCode::DocumentMissing, detail }));
            }
        }
        Ok(None)
    }

    /// Whether it is removed before a message that cites it is in the log for certain.
    fn goes_soon(&self, record: &DocumentRecord) -> bool {
        let kept = self.limits.uncited_for.saturating_sub(ON_ITS_WAY);
        let until = |since: u64| since.saturating_add(u64::try_from(kept.as_millis()).unwrap_or(u64::MAX));
        record.uncited_since.is_some_and(|since| until(since) <= self.clock.now_ms())
    }
}

/// Far longer than a message takes from here into the log.
const ON_ITS_WAY: Duration = Duration::from_secs(3600);

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
