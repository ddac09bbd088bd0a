//! Up, piece by piece.

use std::io::SeekFrom;

use saphan_schemas::envelope::DocumentReference;
use saphan_schemas::problem::ProblemCode;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncSeek, AsyncSeekExt as _};

use super::{DocumentError, Documents, Failures, PIECE, PreparedDocument};
use crate::hub_api::{DocumentPiece, DocumentState, HubError};

impl Documents {
    /// Uploads a document that was prepared, from wherever an earlier attempt ended. `document` gives the same bytes again.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub async fn upload(
        &self,
        prepared: &PreparedDocument,
        document: &mut (impl AsyncRead + AsyncSeek + Unpin + Send),
    ) -> Result<DocumentReference, DocumentError> {
        let mut failures = Failures::new(self.backoff);
        let begun = failures.until_answered(|| self.hub.document(prepared.commit)).await?;
        let mut offset = begun.as_ref().map_or(Some(0), stored);
        while let Some(stored_before) = offset {
            let piece = DocumentPiece {
                commit: prepared.commit,
                salt: &prepared.salt,
                media_type: &prepared.media_type,
                len: prepared.len,
                offset: stored_before,
                bytes: piece(document, stored_before, prepared.len).await?,
            };
            offset = match self.hub.put_document(piece).await {
                Ok(state) => stored(&state),
                Err(error) => {
                    self.after(error, &mut failures).await?;
                    let state = failures.until_answered(|| self.hub.document(prepared.commit)).await?;
                    // What the hub does not know of, it may have had to destroy: from the beginning.
                    state.as_ref().map_or(Some(0), stored)
                }
            };
            if offset.is_none_or(|now| now > stored_before) {
                failures.ended();
            }
        }
        Ok(prepared.reference())
    }

    /// Waits, unless the hub's no is final. That the upload stands elsewhere is no reason to give up: an answer was lost.
    async fn after(&self, error: HubError, failures: &mut Failures) -> Result<(), HubError> {
        if error.problem_code() == Some(ProblemCode::DocumentOffset) && failures.count < super::PATIENCE {
            failures.count += 1;
            return Ok(());
        }
        failures.bear(error).await
    }
}

/// Where the upload stands; `None` when it is complete.
fn stored(state: &DocumentState) -> Option<u64> {
    match state {
        DocumentState::Complete { .. } => None,
        DocumentState::Uploading { offset } => Some(*offset),
    }
}

async fn piece(
    document: &mut (impl AsyncRead + AsyncSeek + Unpin),
    offset: u64,
    len: u64,
) -> Result<Vec<u8>, DocumentError> {
    let want = len.saturating_sub(offset).min(PIECE);
    document.seek(SeekFrom::Start(offset)).await?;
    let mut bytes = Vec::with_capacity(usize::try_from(want).unwrap_or(0));
    document.take(want).read_to_end(&mut bytes).await?;
    if bytes.len() as u64 == want {
        Ok(bytes)
    } else {
        Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into())
    }
}
