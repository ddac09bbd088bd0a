//! Down, piece by piece.

use std::path::Path;

use saphan_schemas::commitment::{Committing, Salt};
use saphan_schemas::envelope::DocumentReference;
use saphan_schemas::problem::ProblemCode;
use tokio::fs::{self, OpenOptions};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::{DocumentError, Documents, Failures, PIECE};
use crate::hub_api::HubError;

impl Documents {
    /// Downloads a document into a new file of mode 0600. The file is there when all of the document came and is what the reference
    /// says; nothing of it is there before.
    ///
    /// # Errors
    /// [`DocumentError`]; of kind [`std::io::ErrorKind::AlreadyExists`] when there is a file.
    pub async fn download_file(&self, document: &DocumentReference, path: &Path) -> Result<(), DocumentError> {
        if fs::try_exists(path).await? {
            return Err(std::io::Error::from(std::io::ErrorKind::AlreadyExists).into());
        }
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", document.commit));
        let part = path.with_file_name(name);
        let done = self.download_part(document, &part).await;
        let done = match done {
            Ok(()) => fs::rename(&part, path).await.map_err(DocumentError::from),
            failed => failed,
        };
        if done.is_err() {
            // The first error is the one to tell.
            let _ = fs::remove_file(&part).await;
        }
        done
    }

    async fn download_part(&self, document: &DocumentReference, part: &Path) -> Result<(), DocumentError> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(part).await?;
        self.download(document, &mut file).await?;
        Ok(file.sync_all().await?)
    }

    /// Downloads a document. Only when this answers well, what was written is what the reference says.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub async fn download(
        &self,
        document: &DocumentReference,
        to: &mut (impl AsyncWrite + Unpin + Send),
    ) -> Result<(), DocumentError> {
        let mut failures = Failures::new(self.backoff);
        let mut begun: Option<(Salt, Committing)> = None;
        let mut position = 0;
        while position < document.len {
            let range = position..document.len.min(position + PIECE);
            let piece = match self.hub.get_document(document.commit, range.clone()).await {
                Ok(piece) => piece,
                Err(error) => {
                    failures.bear(error).await.map_err(|error| not_there(document, error))?;
                    continue;
                }
            };
            let len = piece.bytes.len() as u64;
            if piece.len != document.len || len == 0 || len > range.end - range.start {
                return Err(DocumentError::Untrusted);
            }
            let (salt, committing) = begun.get_or_insert_with(|| (piece.salt.clone(), Committing::new(&piece.salt)));
            if *salt != piece.salt {
                return Err(DocumentError::Untrusted);
            }
            committing.update(&piece.bytes);
            to.write_all(&piece.bytes).await?;
            position += len;
            failures.ended();
        }
        to.flush().await?;
        let committed = begun.map(|(_, committing)| committing.finish());
        if committed == Some((document.commit, document.len)) { Ok(()) } else { Err(DocumentError::Untrusted) }
    }
}

fn not_there(document: &DocumentReference, error: HubError) -> DocumentError {
    match error.problem_code() {
        Some(ProblemCode::NotFound) => DocumentError::NotThere { commit: document.commit },
        _ => error.into(),
    }
}
