//! The way back: whole documents and ranges, decrypted chunk by chunk.

use std::ops::Range;

use axum::body::Bytes;
use futures_util::stream::{self, Stream};
use saphan_schemas::commitment::Salt;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::SystemId;

use super::Documents;
use super::chunks::{Chunks, key_binding, salt_binding};
use super::storage::{Storage, StorageError};
use crate::sealing::SealError;
use crate::store::{DocumentId, DocumentRecord, DocumentState, Part, StoreError};

/// Why a document cannot be read. All of it is on the hub's side.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Its content or its key was changed, or its storage key is not here.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A part of it is not known.
    #[error("the store lacks a part of a document")]
    PartMissing,
}

/// What a system may know of a document.
#[derive(Debug, Clone)]
pub enum Seen {
    /// It may read it.
    Readable(Box<DocumentRecord>),
    /// It uploads it; so many bytes of so many are stored.
    Uploading {
        /// Bytes that are stored.
        received: u64,
        /// Bytes of the whole.
        len: u64,
    },
}

/// The content of a document.
#[derive(Debug)]
pub struct Content {
    chunks: Chunks,
    document: DocumentId,
    parts: Vec<Part>,
    storage: Storage,
}

impl Documents {
    /// What a system may know of the document of this commitment; `None` if nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn look(&self, commit: Sha256Hash, reader: &SystemId) -> Result<Option<Seen>, StoreError> {
        if let Some(record) = self.index.readable(commit, reader).await? {
            return Ok(Some(Seen::Readable(Box::new(record))));
        }
        let upload = self.index.upload(commit, reader).await?;
        let unfinished = upload.filter(|record| record.state != DocumentState::Complete);
        Ok(unfinished.map(|record| Seen::Uploading { received: record.received, len: record.len }))
    }

    /// The content of a document.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn content(&self, record: &DocumentRecord) -> Result<Content, ReadError> {
        let parts = self.index.parts(record.id).await?;
        Ok(Content { chunks: self.chunks(record)?, document: record.id, parts, storage: self.storage.clone() })
    }

    pub(super) fn chunks(&self, record: &DocumentRecord) -> Result<Chunks, SealError> {
        Ok(Chunks::new(self.keys.unwrap(&record.key, &key_binding(record.id))?, record))
    }
}

impl Chunks {
    /// The salt of the document's commitment.
    pub(super) fn salt(&self, record: &DocumentRecord) -> Result<Salt, SealError> {
        let salt = self.key().open(&salt_binding(record.id), &record.salt)?;
        salt.as_slice().try_into().map(Salt::from_bytes).map_err(|_| SealError::Broken)
    }
}

impl Content {
    /// The salt of the document's commitment.
    ///
    /// # Errors
    /// [`SealError::Broken`].
    pub fn salt(&self, record: &DocumentRecord) -> Result<Salt, SealError> {
        self.chunks.salt(record)
    }

    /// The bytes of a range that is not beyond the end, chunk by chunk; it ends with the first error.
    pub fn read(self, range: Range<u64>) -> impl Stream<Item = Result<Bytes, ReadError>> + Send {
        stream::unfold((self, range), |(content, mut range)| async move {
            if range.is_empty() {
                return None;
            }
            let read = content.piece(&range).await;
            // An error is the last that is heard.
            range.start = read.as_ref().map_or(range.end, |bytes| range.start + bytes.len() as u64);
            Some((read, (content, range)))
        })
    }

    /// As much of the range as the chunk holds that it begins in.
    async fn piece(&self, range: &Range<u64>) -> Result<Bytes, ReadError> {
        let size = self.chunks.chunk();
        let number = range.start / size;
        let after = self.parts.partition_point(|part| part.position <= range.start);
        let part = after.checked_sub(1).and_then(|at| self.parts.get(at));
        let part = part.filter(|part| range.start < part.position + part.len).ok_or(ReadError::PartMissing)?;
        let sealed = self.storage.get(self.document, part.number, self.chunks.range(part, number)).await?;
        let chunk = Bytes::from(self.chunks.open(part, number, sealed)?);
        let begin = number * size;
        let within = |position: u64| usize::try_from(position - begin).unwrap_or(usize::MAX).min(chunk.len());
        let (from, to) = (within(range.start), within(range.end));
        if from >= to { Err(ReadError::PartMissing) } else { Ok(chunk.slice(from..to)) }
    }
}
