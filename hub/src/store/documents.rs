//! Which documents the hub has, how far their uploads are, and who may read them. Their content is elsewhere.

use std::fmt;

use futures_util::future::BoxFuture;
use ring::rand::{SecureRandom as _, SystemRandom};
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::SystemId;

use super::StoreError;
use crate::sealing::{Binding, SealError, Sealed, WrappedKey};

/// The name of one upload: 16 random bytes, never used twice. An upload that begins anew has another one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DocumentId([u8; 16]);

impl DocumentId {
    /// A new one.
    ///
    /// # Errors
    /// [`SealError::NoRandomness`].
    pub fn generate() -> Result<Self, SealError> {
        let mut bytes = [0; 16];
        SystemRandom::new().fill(&mut bytes).map_err(|_| SealError::NoRandomness)?;
        Ok(Self(bytes))
    }

    /// From 16 stored bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DocumentId({self})")
    }
}

/// Where an upload stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentState {
    /// Bytes are missing.
    Uploading,
    /// All bytes are here; they were not checked yet, or not all checks could be made.
    Received,
    /// Checked, and readable.
    Complete,
}

/// A document that begins to be uploaded.
#[derive(Debug, Clone)]
pub struct NewDocument {
    /// Its name here.
    pub id: DocumentId,
    /// Its commitment, which is its name on the wire.
    pub commit: Sha256Hash,
    /// The system that uploads it.
    pub uploader: SystemId,
    /// Its length in bytes.
    pub len: u64,
    /// Its media type.
    pub media_type: String,
    /// The length of its chunks in bytes.
    pub chunk: u32,
    /// The salt of its commitment, sealed with its key.
    pub salt: Sealed,
    /// What its key is wrapped for.
    pub binding: Binding,
    /// Its key.
    pub key: WrappedKey,
    /// The time, in milliseconds since 1970.
    pub now: u64,
}

/// A document as it is stored; one that was refused is not told of.
#[derive(Debug, Clone)]
pub struct DocumentRecord {
    /// Its name here.
    pub id: DocumentId,
    /// Its commitment.
    pub commit: Sha256Hash,
    /// The system that uploaded it.
    pub uploader: SystemId,
    /// Its length in bytes.
    pub len: u64,
    /// Its media type.
    pub media_type: String,
    /// The length of its chunks in bytes.
    pub chunk: u32,
    /// The salt of its commitment, sealed with its key.
    pub salt: Sealed,
    /// Its key.
    pub key: WrappedKey,
    /// Where its upload stands.
    pub state: DocumentState,
    /// How many of its bytes are stored.
    pub received: u64,
    /// Since when no message has cited it, in milliseconds since 1970: when it was uploaded last; `None` once one has.
    pub uncited_since: Option<u64>,
}

/// What one system may have.
#[derive(Debug, Clone, Copy)]
pub struct Quota {
    /// Uploads that are not finished.
    pub unfinished: u32,
    /// Bytes of documents that no message cites.
    pub uncited_bytes: u64,
}

/// A piece of a document that was stored as one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its number, from 0.
    pub number: u32,
    /// Where it begins in the document, in bytes; a multiple of the chunk's length.
    pub position: u64,
    /// How many of the document's bytes it holds.
    pub len: u64,
    /// What the nonces of its chunks begin with.
    pub prefix: [u8; 7],
}

/// A part whose object is durable.
#[derive(Debug, Clone)]
pub struct NewPart {
    /// Its document.
    pub document: DocumentId,
    /// The part.
    pub part: Part,
    /// The time, in milliseconds since 1970.
    pub now: u64,
}

/// What came of beginning an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// It has begun; an unfinished one of the same name and uploader was refused for it.
    Yes,
    /// Its uploader has as many unfinished ones as one may have.
    TooMany,
    /// Its uploader has as much as one may have that no message cites.
    TooMuch,
    /// It is complete already.
    Complete,
}

/// Which unfinished uploads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfinished {
    /// Those whose bytes are all here.
    Received,
    /// Those that lack bytes and got none since this time, in milliseconds since 1970.
    Abandoned(u64),
}

/// What is known of documents. Every method is durable on return.
pub trait DocumentIndex: Send + Sync {
    /// A system's own upload under this commitment, however far it is.
    fn upload<'a>(
        &'a self,
        commit: Sha256Hash,
        uploader: &'a SystemId,
    ) -> BoxFuture<'a, Result<Option<DocumentRecord>, StoreError>>;

    /// Begins an upload, if its uploader has less than `most` beside it.
    fn begin_upload<'a>(&'a self, new: &'a NewDocument, most: Quota) -> BoxFuture<'a, Result<Begun, StoreError>>;

    /// Notes a part that goes on where the document's bytes ended. `false`, and nothing is noted, if they do not end there, or
    /// the upload is over.
    fn add_part<'a>(&'a self, part: &'a NewPart) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// The parts of a document, in order.
    fn parts(&self, document: DocumentId) -> BoxFuture<'_, Result<Vec<Part>, StoreError>>;

    /// Makes a document readable whose bytes are all here. `false` if they are not, or it was refused.
    fn complete_upload(&self, document: DocumentId) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Destroys the key of a document, if it is not complete. Its objects are left over.
    fn refuse_upload(&self, document: DocumentId) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Documents whose key was destroyed and whose objects may still be there, at most `limit`.
    fn left_over(&self, limit: u32) -> BoxFuture<'_, Result<Vec<DocumentId>, StoreError>>;

    /// Forgets a document that is left over, once its objects are gone.
    fn forget_document(&self, document: DocumentId) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Unfinished uploads, the oldest first, at most `limit`.
    fn unfinished(&self, which: Unfinished, limit: u32) -> BoxFuture<'_, Result<Vec<DocumentRecord>, StoreError>>;

    /// Notes that a complete document was uploaded once more. `false` if it was removed meanwhile.
    fn touch(&self, document: DocumentId, now: u64) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Destroys the keys of documents, at most `limit`, whose bytes were all here before `before` (ms) and which no message has
    /// cited. Their objects are left over. Returns how many.
    fn remove_uncited(&self, before: u64, limit: u32) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// The complete document of this commitment, for a system that may read it: it uploaded it, or is sender or recipient of a
    /// message in the log that cites it.
    fn readable<'a>(
        &'a self,
        commit: Sha256Hash,
        reader: &'a SystemId,
    ) -> BoxFuture<'a, Result<Option<DocumentRecord>, StoreError>>;
}
