//! The use case behind `PUT`: bytes come in, are encrypted and stored part by part, and are checked when all are here.
//!
//! A part is confirmed once its object and then its row are durable. What a cut connection leaves is that, and nothing half.

use std::pin::pin;

use axum::body::Bytes;
use futures_util::stream::{Stream, StreamExt as _};
use saphan_schemas::commitment::{Committing, Salt};
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::SystemId;

use super::chunks::{Chunks, key_binding, new_prefix, salt_binding};
use super::reading::ReadError;
use super::scanner::{ScanError, Verdict};
use super::storage::StorageError;
use super::turns::{Progress, Turn};
use super::{Documents, media};
use crate::sealing::{DataKey, SealError, TAG_BYTES};
use crate::store::{Begun, DocumentId, DocumentRecord, DocumentState, NewDocument, NewPart, Part, StoreError};

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
    /// The system has too many unfinished uploads.
    #[error("the limit is {limit} unfinished uploads")]
    TooMany {
        /// The limit.
        limit: u32,
    },
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
            let _room = self.uploading.try_acquire().map_err(|_| UploadError::Busy)?;
            let stored = self.take_in(&record, chunks, &mut turn, bytes).await?;
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
            Some(record) if record.state == DocumentState::Complete => Ok(None),
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
        match self.index.begin_upload(&new, self.limits.uploads).await? {
            Begun::Yes => {}
            Begun::TooMany => return Err(UploadError::TooMany { limit: self.limits.uploads }),
            Begun::Complete => return Ok(None),
        }
        *turn.progress = Some(Progress { document: id, committing: Committing::new(&upload.salt) });
        Ok(self.index.upload(upload.commit, &upload.uploader).await?)
    }

    /// Stores what comes, in parts. Returns how many bytes are stored by then.
    async fn take_in(
        &self,
        record: &DocumentRecord,
        chunks: Chunks,
        turn: &mut Turn<'_>,
        bytes: impl Stream<Item = Result<Bytes, Interrupted>> + Send,
    ) -> Result<u64, UploadError> {
        let mut bytes = pin!(bytes);
        let mut parts =
            Parts { next: self.index.parts(record.id).await?.len(), stored: record.received, chunks: Some(chunks) };
        let mut waiting = Waiting::new(record.chunk as usize);
        let interrupted = loop {
            let piece = tokio::select! {
                biased;
                () = turn.superseded() => break true,
                piece = bytes.next() => piece,
            };
            let mut piece = match piece {
                None => break false,
                Some(Err(Interrupted)) => break true,
                Some(Ok(piece)) => piece,
            };
            if piece.len() as u64 > record.len - parts.stored - waiting.len as u64 {
                return Err(UploadError::Differs("more bytes came than were announced"));
            }
            while !piece.is_empty() {
                waiting.take_from(&mut piece);
                if waiting.len >= PART_BYTES {
                    self.store(record, &mut parts, waiting.take(), turn).await?;
                }
            }
        };
        let is_all = parts.stored + waiting.len as u64 == record.len;
        let rest = if is_all { waiting.take() } else { waiting.take_whole() };
        if !rest.is_empty() {
            self.store(record, &mut parts, rest, turn).await?;
        }
        if interrupted && parts.stored < record.len {
            return Err(UploadError::Interrupted { stored: parts.stored });
        }
        Ok(parts.stored)
    }

    /// Stores one part.
    async fn store(
        &self,
        record: &DocumentRecord,
        parts: &mut Parts,
        mut waiting: Vec<Vec<u8>>,
        turn: &mut Turn<'_>,
    ) -> Result<(), UploadError> {
        let head = waiting.first().map_or(&[][..], |chunk| &chunk[..chunk.len().min(HEAD_BYTES)]);
        if parts.stored == 0 && !media::fits(&record.media_type, head) {
            self.destroy(record, turn).await?;
            return Err(UploadError::MediaType(record.media_type.clone()));
        }
        let len = waiting.iter().map(Vec::len).sum::<usize>() as u64;
        let number = u32::try_from(parts.next).map_err(|_| SealError::Broken)?;
        let part = Part { number, position: parts.stored, len, prefix: new_prefix()? };
        let is_known =
            |progress: &Progress| progress.document == record.id && progress.committing.len() == part.position;
        let mut committing = turn.progress.take().filter(is_known).map(|progress| progress.committing);
        let chunks = parts.chunks.take().ok_or(UploadError::Lost)?;
        let sealing = part.clone();
        // Milliseconds of work: not on the threads that serve everyone.
        let sealed = tokio::task::spawn_blocking(move || {
            if let Some(committing) = &mut committing {
                waiting.iter().for_each(|chunk| committing.update(chunk));
            }
            let sealed = chunks.seal(&sealing, &mut waiting);
            (chunks, committing, sealed.map(|()| waiting))
        });
        let (chunks, committing, sealed) = sealed.await.map_err(|_| UploadError::Lost)?;
        parts.chunks = Some(chunks);
        self.storage.put(record.id, part.number, sealed?).await?;
        let end = part.position + part.len;
        let new = NewPart { document: record.id, part, now: self.clock.now_ms() };
        if !self.index.add_part(&new).await? {
            return Err(UploadError::Offset { stored: parts.stored });
        }
        (parts.next, parts.stored) = (parts.next + 1, end);
        *turn.progress = committing.map(|committing| Progress { document: record.id, committing });
        Ok(())
    }

    /// Checks a document whose bytes are all here, and makes it readable.
    pub(super) async fn finish(&self, record: &DocumentRecord, turn: &mut Turn<'_>) -> Result<Uploaded, UploadError> {
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
    pub(super) async fn destroy(&self, record: &DocumentRecord, turn: &mut Turn<'_>) -> Result<(), UploadError> {
        *turn.progress = None;
        self.index.refuse_upload(record.id).await?;
        if let Err(error) = self.sweep(record.id).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "the remains of a document are still there");
        }
        Ok(())
    }
}

/// The parts of an upload.
struct Parts {
    /// The number of the next.
    next: usize,
    /// How many bytes those before hold.
    stored: u64,
    /// Not there while it is lent to another thread.
    chunks: Option<Chunks>,
}

/// Bytes that are not stored yet, cut into chunks that have room for their tags.
struct Waiting {
    chunks: Vec<Vec<u8>>,
    /// The length of a chunk.
    chunk: usize,
    /// Of all of them.
    len: usize,
}

impl Waiting {
    const fn new(chunk: usize) -> Self {
        Self { chunks: Vec::new(), chunk, len: 0 }
    }

    /// Takes bytes up to the end of a chunk.
    fn take_from(&mut self, piece: &mut Bytes) {
        if self.chunks.last().is_none_or(|last| last.len() == self.chunk) {
            self.chunks.push(Vec::with_capacity(self.chunk + TAG_BYTES));
        }
        let Some(last) = self.chunks.last_mut() else { return };
        let taken = piece.split_to(piece.len().min(self.chunk - last.len()));
        last.extend_from_slice(&taken);
        self.len += taken.len();
    }

    fn take(&mut self) -> Vec<Vec<u8>> {
        self.len = 0;
        std::mem::take(&mut self.chunks)
    }

    /// Only whole chunks: a nonce is for one content, so a chunk is sealed when all of it is here.
    fn take_whole(&mut self) -> Vec<Vec<u8>> {
        let mut chunks = self.take();
        chunks.retain(|chunk| chunk.len() == self.chunk);
        chunks
    }
}

fn is_same(upload: &Upload, record: &DocumentRecord, salt: &Salt) -> bool {
    (upload.len, &*upload.media_type, &upload.salt) == (record.len, &*record.media_type, salt)
}

/// What is stored, and confirmed, at once. A multiple of every length that a chunk may have.
pub(crate) const PART_BYTES: usize = 4 << 20;
/// What a media type is judged by.
const HEAD_BYTES: usize = 4096;
