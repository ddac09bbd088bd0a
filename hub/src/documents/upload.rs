//! The use case behind `PUT`: bytes come in, are encrypted and stored part by part, and are checked when all are here.
//!
//! A part is confirmed once its object and then its row are durable. What a cut connection leaves is that, and nothing half.

mod finishing;
mod taking_in;

use std::sync::Arc;

use axum::body::Bytes;
use futures_util::stream::Stream;
use saphan_schemas::commitment::{Committing, Salt};
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::SystemId;

use super::Documents;
use super::chunks::{key_binding, salt_binding};
use super::reading::ReadError;
use super::scanner::ScanError;
use super::storage::StorageError;
use super::turns::{Progress, Turn};
use crate::limits::Exhausted;
use crate::sealing::{DataKey, SealError};
use crate::store::{Begun, DocumentId, DocumentRecord, DocumentState, NewDocument, Quota, StoreError};

/// An upload, or a part of one.
#[derive(Debug)]
pub struct Upload {
    /// The document's commitment.
    pub commit: Sha256Hash,
    /// Who uploads it.
    pub uploader: SystemId,
    /// The commitment's salt.
    pub salt: Salt,
    /// The media type that is stated for it.
    pub media_type: String,
    /// The length of the whole, in bytes.
    pub len: u64,
    /// Where the bytes that come belong.
    pub from: Position,
}

/// Where the bytes of a request belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// They are the whole, or its beginning: what came before is forgotten.
    Beginning,
    /// They go on from here.
    At(u64),
    /// None come: all are here, and are to be checked.
    End,
}

/// The bytes of a request ended before their time: cut off, or too slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interrupted;

/// How far an upload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uploaded {
    /// The document is readable. `first`: since this request.
    Complete {
        /// Whether this request made it so.
        first: bool,
    },
    /// So many bytes are stored; more are to come.
    Partly {
        /// Where to go on.
        offset: u64,
    },
}

/// Why an upload does not go on. What was confirmed before is kept, unless a variant says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// Longer than the limit; nothing was stored.
    #[error("the limit is {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The system has too many unfinished uploads, or too many requests that upload.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
    /// The hub has enough to do.
    #[error("the hub takes in as many documents as it can")]
    Busy,
    /// The bytes do not go on where the stored ones end.
    #[error("{stored} bytes are stored; go on from there")]
    Offset {
        /// How many are stored.
        stored: u64,
    },
    /// It is not the upload that was begun, or more bytes came than were announced.
    #[error("{0}")]
    Differs(&'static str),
    /// Bytes and salt do not open the commitment. The document was destroyed.
    #[error("the bytes and the salt are not those of the commitment; the hub has destroyed what it had")]
    Commitment,
    /// The content is of another type. The document was destroyed.
    #[error("the content does not begin as {0} does, or that says nothing about it")]
    MediaType(String),
    /// The scanner found something. The document was destroyed.
    #[error("the scanner calls it {0}")]
    Infected(String),
    /// The bytes ended early, or another request goes on with the upload.
    #[error("the bytes ended early, came too slowly, or another request goes on with the upload")]
    Interrupted {
        /// How many are stored.
        stored: u64,
    },
    /// All bytes are here, and the scanner does not answer.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A key failed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is stored cannot be read back.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The work was lost.
    #[error("the work on an upload did not finish")]
    Lost,
}

impl Documents {
    /// Takes in bytes of a document, and checks it when all are here. To be run to its end even if nobody waits for it any more.
    ///
    /// # Errors
    /// [`UploadError`].
    pub async fn upload(
        &self,
        upload: Upload,
        bytes: impl Stream<Item = Result<Bytes, Interrupted>> + Send,
    ) -> Result<Uploaded, UploadError> {
        if upload.len > self.limits.bytes {
            return Err(UploadError::TooLarge { limit: self.limits.bytes });
        }
        let mut turn = self.turns.take((upload.commit, upload.uploader.clone())).await;
        let Some(record) = self.continued(&upload, &mut turn).await? else {
            return Ok(Uploaded::Complete { first: false });
        };
        let chunks = self.chunks(&record)?;
        if upload.from != Position::Beginning && !is_same(&upload, &record, &chunks.salt(&record)?) {
            return Err(UploadError::Differs(
                "the upload was begun with another salt, length or media type; send the whole",
            ));
        }
        if record.state == DocumentState::Uploading {
            let _share = self.shares.take(&upload.uploader, 1)?;
            let _room = self.room.try_acquire().map_err(|_| UploadError::Busy)?;
            let stored = self.take_in(&record, Arc::new(chunks), &mut turn, bytes).await?;
            if stored < record.len {
                return Ok(Uploaded::Partly { offset: stored });
            }
        }
        self.finish(&record, &mut turn).await
    }

    /// The upload that this request goes on with, or begins; `None` when the document is complete.
    async fn continued(&self, upload: &Upload, turn: &mut Turn<'_>) -> Result<Option<DocumentRecord>, UploadError> {
        let begun = self.index.upload(upload.commit, &upload.uploader).await?;
        let stored = begun.as_ref().map_or(0, |record| record.received);
        match begun {
            Some(record) if record.state == DocumentState::Complete => {
                if record.uncited_since.is_none() || self.index.touch(record.id, self.clock.now_ms()).await? {
                    Ok(None)
                } else {
                    Err(UploadError::Offset { stored: 0 })
                }
            }
            Some(record) => match upload.from {
                Position::Beginning => self.begin(upload, turn).await,
                // A request whose answer was lost is made again, when all is here.
                Position::End if record.state == DocumentState::Received => Ok(Some(record)),
                Position::At(from) if from == stored && record.state == DocumentState::Uploading => Ok(Some(record)),
                Position::At(_) | Position::End => Err(UploadError::Offset { stored }),
            },
            None if upload.from == Position::Beginning => self.begin(upload, turn).await,
            None => Err(UploadError::Offset { stored: 0 }),
        }
    }

    async fn begin(&self, upload: &Upload, turn: &mut Turn<'_>) -> Result<Option<DocumentRecord>, UploadError> {
        let (id, key) = (DocumentId::generate()?, DataKey::generate()?);
        let binding = key_binding(id);
        let new = NewDocument {
            id,
            commit: upload.commit,
            uploader: upload.uploader.clone(),
            len: upload.len,
            media_type: upload.media_type.clone(),
            chunk: self.limits.chunk,
            salt: key.seal(&salt_binding(id), upload.salt.as_bytes())?,
            key: self.keys.wrap(&key, &binding)?,
            binding,
            now: self.clock.now_ms(),
        };
        let most = Quota { unfinished: self.limits.uploads, uncited_bytes: self.limits.uncited_bytes };
        match self.index.begin_upload(&new, most).await? {
            Begun::Yes => {}
            Begun::TooMany => return Err(Exhausted { what: "unfinished uploads", seconds: UNFINISHED_SECONDS }.into()),
            Begun::TooMuch => {
                return Err(
                    Exhausted { what: "bytes of documents that no message cites", seconds: UNCITED_SECONDS }.into()
                );
            }
            Begun::Complete => return Ok(None),
        }
        *turn.progress = Some(Progress { document: id, committing: Committing::new(&upload.salt) });
        Ok(self.index.upload(upload.commit, &upload.uploader).await?)
    }
}

fn is_same(upload: &Upload, record: &DocumentRecord, salt: &Salt) -> bool {
    (upload.len, &*upload.media_type, &upload.salt) == (record.len, &*record.media_type, salt)
}

/// When to look whether an upload can be begun in the place of one that was finished.
const UNFINISHED_SECONDS: u64 = 10;
/// When to look whether messages cite what was uploaded before.
const UNCITED_SECONDS: u64 = 60;
