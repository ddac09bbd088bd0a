//! A document that is ready to go up.

use std::fmt;

use saphan_schemas::commitment::{Committing, Salt};
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::envelope::{DocumentReference, is_media_type};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::DocumentError;

/// A document with a fresh salt and the commitment to it. Kept, an upload can be gone on with after a crash; its salt is as secret as
/// the document.
#[derive(Clone)]
pub struct PreparedDocument {
    pub(super) salt: Salt,
    pub(super) commit: Sha256Hash,
    pub(super) len: u64,
    pub(super) media_type: String,
}

impl PreparedDocument {
    /// Reads a document to its end, and commits to it.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub async fn read(document: &mut (impl AsyncRead + Unpin), media_type: &str) -> Result<Self, DocumentError> {
        Self::read_with(document, media_type, Salt::generate()?).await
    }

    /// The same with the salt of an earlier attempt, which may have got some way.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub async fn read_with(
        document: &mut (impl AsyncRead + Unpin),
        media_type: &str,
        salt: Salt,
    ) -> Result<Self, DocumentError> {
        if !is_media_type(media_type) {
            return Err(DocumentError::MediaType { media_type: media_type.to_owned() });
        }
        let mut committing = Committing::new(&salt);
        let mut buffer = vec![0; BUFFER];
        loop {
            let read = document.read(&mut buffer).await?;
            if read == 0 {
                break;
            }
            committing.update(buffer.get(..read).unwrap_or_default());
        }
        if committing.is_empty() {
            return Err(DocumentError::Empty);
        }
        let (commit, len) = committing.finish();
        Ok(Self { salt, commit, len, media_type: media_type.to_ascii_lowercase() })
    }

    /// What a message will cite it by.
    #[must_use]
    pub fn reference(&self) -> DocumentReference {
        let Self { commit, len, media_type, .. } = self;
        DocumentReference { commit: *commit, len: *len, media_type: media_type.clone(), evidence_type: None }
    }

    /// The salt, to keep for another attempt.
    #[must_use]
    pub const fn salt(&self) -> &Salt {
        &self.salt
    }
}

impl fmt::Debug for PreparedDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedDocument")
            .field("commit", &self.commit)
            .field("len", &self.len)
            .field("media_type", &self.media_type)
            .finish_non_exhaustive()
    }
}

const BUFFER: usize = 256 * 1024;
