//! Objects in memory, in a storage that fills up and whose bytes can be changed.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::TryStreamExt as _;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// [`InMemory`] with faults.
#[derive(Debug, Default)]
pub(crate) struct FaultyObjects {
    inner: InMemory,
    full: AtomicBool,
}

impl FaultyObjects {
    /// Nothing more is written while it is full.
    pub(crate) fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }

    /// The names of all objects, in order.
    pub(crate) async fn names(&self) -> Vec<Path> {
        let objects: Vec<ObjectMeta> = self.inner.list(None).try_collect().await.unwrap();
        let mut names: Vec<_> = objects.into_iter().map(|object| object.location).collect();
        names.sort();
        names
    }

    pub(crate) async fn bytes(&self, name: &Path) -> Vec<u8> {
        self.inner.get(name).await.unwrap().bytes().await.unwrap().to_vec()
    }

    /// Puts other bytes in an object's place.
    pub(crate) async fn replace(&self, name: &Path, bytes: Vec<u8>) {
        self.inner.put(name, bytes.into()).await.unwrap();
    }
}

impl fmt::Display for FaultyObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultyObjects")
    }
}

#[async_trait::async_trait]
impl ObjectStore for FaultyObjects {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if self.full.load(Ordering::SeqCst) {
            // As the file system says it.
            let source = io::Error::from_raw_os_error(28);
            return Err(Error::Generic { store: "FaultyObjects", source: source.into() });
        }
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
