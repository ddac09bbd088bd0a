//! Bytes that come in, encrypted and stored part by part.

use std::pin::pin;
use std::sync::Arc;

use axum::body::Bytes;
use futures_util::stream::{Stream, StreamExt as _};

use super::{Interrupted, UploadError};
use crate::documents::chunks::{Chunks, new_prefix};
use crate::documents::turns::{Progress, Turn};
use crate::documents::{Documents, media};
use crate::sealing::{SealError, TAG_BYTES};
use crate::store::{DocumentRecord, NewPart, Part};

impl Documents {
    /// Stores what comes, in parts. Returns how many bytes are stored by then.
    pub(super) async fn take_in(
        &self,
        record: &DocumentRecord,
        chunks: Arc<Chunks>,
        turn: &mut Turn<'_>,
        bytes: impl Stream<Item = Result<Bytes, Interrupted>> + Send,
    ) -> Result<u64, UploadError> {
        let mut bytes = pin!(bytes);
        let mut parts = Parts { next: self.index.parts(record.id).await?.len(), stored: record.received, chunks };
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
        let (chunks, sealing) = (Arc::clone(&parts.chunks), part.clone());
        // Milliseconds of work: not on the threads that serve everyone.
        let sealed = tokio::task::spawn_blocking(move || {
            if let Some(committing) = &mut committing {
                waiting.iter().for_each(|chunk| committing.update(chunk));
            }
            chunks.seal(&sealing, &mut waiting).map(|()| (committing, waiting))
        });
        let (committing, sealed) = sealed.await.map_err(|_| UploadError::Lost)??;
        self.storage.put(record.id, part.number, sealed).await?;
        let end = part.position + part.len;
        let new = NewPart { document: record.id, part, now: self.clock.now_ms() };
        if !self.index.add_part(&new).await? {
            return Err(UploadError::Offset { stored: parts.stored });
        }
        (parts.next, parts.stored) = (parts.next + 1, end);
        *turn.progress = committing.map(|committing| Progress { document: record.id, committing });
        Ok(())
    }
}

/// The parts of an upload.
struct Parts {
    /// The number of the next.
    next: usize,
    /// How many bytes those before hold.
    stored: u64,
    chunks: Arc<Chunks>,
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

/// What is stored, and confirmed, at once. A multiple of every length that a chunk may have.
pub(crate) const PART_BYTES: usize = 4 << 20;
/// What a media type is judged by.
const HEAD_BYTES: usize = 4096;
