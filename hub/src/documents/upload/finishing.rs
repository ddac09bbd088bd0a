//! A document whose bytes are all here: checked, and readable or destroyed.

use std::pin::pin;

use futures_util::stream::StreamExt as _;
use saphan_schemas::commitment::Committing;

use super::{UploadError, Uploaded};
use crate::documents::Documents;
use crate::documents::scanner::Verdict;
use crate::documents::turns::Turn;
use crate::store::DocumentRecord;

impl Documents {
    /// Checks a document whose bytes are all here, and makes it readable.
    pub(in crate::documents) async fn finish(
        &self,
        record: &DocumentRecord,
        turn: &mut Turn<'_>,
    ) -> Result<Uploaded, UploadError> {
        let known =
            turn.progress.take().filter(|known| known.document == record.id && known.committing.len() == record.len);
        let committing = match known {
            Some(known) if self.scanner.is_none() => known.committing,
            _ => match self.look_through(record).await? {
                (_, Verdict::Infected(name)) => {
                    tracing::warn!(system = %record.uploader, found = name, "a document was infected, and is destroyed");
                    self.destroy(record, turn).await?;
                    return Err(UploadError::Infected(name));
                }
                (committing, Verdict::Clean) => committing,
            },
        };
        if committing.finish() != (record.commit, record.len) {
            self.destroy(record, turn).await?;
            return Err(UploadError::Commitment);
        }
        if self.index.complete_upload(record.id).await? {
            Ok(Uploaded::Complete { first: true })
        } else {
            Err(UploadError::Offset { stored: 0 })
        }
    }

    /// Reads a document back: what it commits to, and what the scanner says of it, if there is one.
    async fn look_through(&self, record: &DocumentRecord) -> Result<(Committing, Verdict), UploadError> {
        let content = self.content(record).await?;
        let mut committing = Committing::new(&content.salt(record)?);
        let mut scan = match &self.scanner {
            Some(scanner) => Some(scanner.begin().await?),
            None => None,
        };
        let mut bytes = pin!(content.read(0..record.len));
        while let Some(bytes) = bytes.next().await {
            let bytes = bytes?;
            committing.update(&bytes);
            if let Some(scan) = &mut scan {
                scan.feed(&bytes).await?;
            }
        }
        let verdict = match scan {
            Some(scan) => scan.finish().await?,
            None => Verdict::Clean,
        };
        Ok((committing, verdict))
    }

    /// Destroys a document that is not readable. Its objects, which nobody can read any more, go with the next upkeep if not now.
    pub(in crate::documents) async fn destroy(
        &self,
        record: &DocumentRecord,
        turn: &mut Turn<'_>,
    ) -> Result<(), UploadError> {
        *turn.progress = None;
        self.index.refuse_upload(record.id).await?;
        if let Err(error) = self.sweep(record.id).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "the remains of a document are still there");
        }
        Ok(())
    }
}
