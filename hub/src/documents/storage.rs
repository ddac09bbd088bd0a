//! Where the content of documents is: objects in a folder, or in a bucket of an S3 service.

use std::fs::DirBuilder;
use std::io;
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use futures_util::TryStreamExt as _;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload};

use crate::config::DocumentsConfig;
use crate::store::DocumentId;

/// The content of documents, in encrypted parts.
#[derive(Debug, Clone)]
pub struct Storage {
    objects: Arc<dyn ObjectStore>,
    /// What the names of all objects begin with.
    prefix: ObjectPath,
}

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
        Self { objects, prefix: prefix.into() }
    }

    /// As configured; a folder is made if it is not there.
    pub(super) fn open(config: &DocumentsConfig, data: &Path) -> anyhow::Result<Self> {
        if let Some(bucket) = config.storage.strip_prefix("s3://") {
            return Self::in_bucket(bucket);
        }
        let folder =
            data.join(if config.folder.as_os_str().is_empty() { Path::new("documents") } else { &config.folder });
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.with_context(|| format!("{} cannot be made", folder.display()))?;
        let objects = LocalFileSystem::new_with_prefix(&folder)
            .with_context(|| format!("{} cannot be used", folder.display()))?
            .with_fsync(true)
            .with_automatic_cleanup(true);
        Ok(Self::new(Arc::new(objects), ""))
    }

    /// `bucket` or `bucket/prefix`. Whose it is, where it is and with which keys, the usual AWS_* variables say.
    #[cfg(feature = "s3")]
    fn in_bucket(bucket: &str) -> anyhow::Result<Self> {
        let (bucket, prefix) = bucket.split_once('/').unwrap_or((bucket, ""));
        let objects = object_store::aws::AmazonS3Builder::from_env().with_bucket_name(bucket).build();
        Ok(Self::new(Arc::new(objects.context("documents.storage cannot be used")?), prefix))
    }

    #[cfg(not(feature = "s3"))]
    fn in_bucket(_: &str) -> anyhow::Result<Self> {
        anyhow::bail!("documents.storage names a bucket, and this program was built without the feature `s3`")
    }

    /// Stores a part; durable on return. One that is there already is replaced.
    pub(super) async fn put(&self, document: DocumentId, part: u32, chunks: Vec<Vec<u8>>) -> Result<(), StorageError> {
        let payload: PutPayload = chunks.into_iter().map(axum::body::Bytes::from).collect();
        self.objects.put(&self.object(document, part), payload).await?;
        Ok(())
    }

    /// Reads some bytes of a part.
    pub(super) async fn get(
        &self,
        document: DocumentId,
        part: u32,
        range: Range<u64>,
    ) -> Result<Vec<u8>, StorageError> {
        Ok(self.objects.get_range(&self.object(document, part), range).await?.into())
    }

    /// Removes all parts of a document, also those that were never confirmed.
    pub(super) async fn remove(&self, document: DocumentId) -> Result<(), StorageError> {
        let objects: Vec<_> = self.objects.list(Some(&self.folder(document))).try_collect().await?;
        for object in objects {
            match self.objects.delete(&object.location).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn folder(&self, document: DocumentId) -> ObjectPath {
        self.prefix.clone().join(document.to_string())
    }

    fn object(&self, document: DocumentId, part: u32) -> ObjectPath {
        self.folder(document).join(format!("{part:06}"))
    }
}
