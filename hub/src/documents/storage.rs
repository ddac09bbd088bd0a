//! Where the content of documents is: objects in a folder, or in a bucket of an S3 service.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload};

use crate::config::DocumentsConfig;
use crate::objects::Objects;
use crate::store::DocumentId;

/// The content of documents, in encrypted parts.
#[derive(Debug, Clone)]
pub struct Storage(Objects);

/// Why a part cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// No room is left.
    #[error("the storage of documents is full")]
    Full(#[source] object_store::Error),
    /// It failed, or the part is not there.
    #[error("the storage of documents failed")]
    Failed(#[source] object_store::Error),
}

impl From<object_store::Error> for StorageError {
    fn from(error: object_store::Error) -> Self {
        let causes = std::iter::successors(Some(&error as &(dyn std::error::Error + 'static)), |cause| cause.source());
        let mut of_the_system = causes.filter_map(|cause| cause.downcast_ref::<io::Error>());
        let full =
            |error: &io::Error| matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        if of_the_system.any(full) { Self::Full(error) } else { Self::Failed(error) }
    }
}

impl Storage {
    /// These objects.
    #[must_use]
    pub fn new(objects: Arc<dyn ObjectStore>, prefix: &str) -> Self {
        Self(Objects { store: objects, prefix: prefix.into() })
    }

    /// As configured; a folder is made if it is not there.
    pub(super) fn open(config: &DocumentsConfig, data: &Path) -> anyhow::Result<Self> {
        if let Some(bucket) = config.storage.strip_prefix("s3://") {
            return Ok(Self(Objects::in_bucket(bucket, "documents.storage")?));
        }
        let folder =
            data.join(if config.folder.as_os_str().is_empty() { Path::new("documents") } else { &config.folder });
        Ok(Self(Objects::in_folder(&folder, 0o700)?))
    }

    /// Stores a part; durable on return. One that is there already is replaced.
    pub(super) async fn put(&self, document: DocumentId, part: u32, chunks: Vec<Vec<u8>>) -> Result<(), StorageError> {
        let payload: PutPayload = chunks.into_iter().map(axum::body::Bytes::from).collect();
        self.0.store.put(&self.object(document, part), payload).await?;
        Ok(())
    }

    /// Reads some bytes of a part.
    pub(super) async fn get(
        &self,
        document: DocumentId,
        part: u32,
        range: Range<u64>,
    ) -> Result<Vec<u8>, StorageError> {
        Ok(self.0.store.get_range(&self.object(document, part), range).await?.into())
    }

    /// Removes all parts of a document, also those that were never confirmed.
    pub(super) async fn remove(&self, document: DocumentId) -> Result<(), StorageError> {
        let objects: Vec<_> = self.0.store.list(Some(&self.folder(document))).try_collect().await?;
        for object in objects {
            match self.0.store.delete(&object.location).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn folder(&self, document: DocumentId) -> ObjectPath {
        self.0.prefix.clone().join(document.to_string())
    }

    fn object(&self, document: DocumentId, part: u32) -> ObjectPath {
        self.folder(document).join(format!("{part:06}"))
    }
}
