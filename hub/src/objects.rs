//! Where the hub keeps files that are no part of its store: a folder, or a bucket of an S3 service.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;

/// A place for objects.
#[derive(Debug, Clone)]
pub(crate) struct Objects {
    /// The service, or the folder.
    pub(crate) store: Arc<dyn ObjectStore>,
    /// What the names of all objects begin with.
    pub(crate) prefix: ObjectPath,
}

impl Objects {
    /// A folder; it is made if it is not there, with this mode. What is written is durable.
    pub(crate) fn in_folder(folder: &Path, mode: u32) -> anyhow::Result<Self> {
        let made = DirBuilder::new().recursive(true).mode(mode).create(folder);
        made.with_context(|| format!("{} cannot be made", folder.display()))?;
        let store = LocalFileSystem::new_with_prefix(folder)
            .with_context(|| format!("{} cannot be used", folder.display()))?
            .with_fsync(true)
            .with_automatic_cleanup(true);
        Ok(Self { store: Arc::new(store), prefix: ObjectPath::default() })
    }

    /// `bucket` or `bucket/prefix`, of the setting with this name. Whose it is, where it is and with which keys, the usual AWS_*
    /// variables say.
    #[cfg(feature = "s3")]
    pub(crate) fn in_bucket(bucket: &str, setting: &str) -> anyhow::Result<Self> {
        let (bucket, prefix) = bucket.split_once('/').unwrap_or((bucket, ""));
        let store = object_store::aws::AmazonS3Builder::from_env().with_bucket_name(bucket).build();
        let store = store.with_context(|| format!("{setting} cannot be used"))?;
        Ok(Self { store: Arc::new(store), prefix: prefix.into() })
    }

    #[cfg(not(feature = "s3"))]
    pub(crate) fn in_bucket(_: &str, setting: &str) -> anyhow::Result<Self> {
        anyhow::bail!("{setting} names a bucket, and this program was built without the feature `s3`")
    }
}
