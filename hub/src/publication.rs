//! The log as static files (C2SP tlog-tiles), in a folder or a bucket: any file server can serve it, also when the hub is gone.
//!
//! About once a second what is new is written: first tiles and bundles, then the checkpoint that needs them, so that whoever reads
//! a checkpoint finds all of its files. Nothing waits for it. What was published last is what [`crate::continuity`] holds the
//! store against at the next start.

mod beside;
mod earlier;
mod timestamps;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use futures_util::future::{BoxFuture, FutureExt as _};
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload};
use saphan_schemas::log::{
    BundleError, TILE_WIDTH, TileContent, TilePath, decode_bundle, partial_tiles, tiles_completed,
};
use tokio::time::timeout;

use self::earlier::Earlier;
use crate::app::App;
use crate::ledger::file;
use crate::objects::Objects;
use crate::shards::Shard;
use crate::store::sqlite::Copies;
use crate::store::{Store, StoreError};

/// Where the log is published.
#[derive(Debug)]
pub struct PublishedLog {
    objects: Objects,
    /// As the operator wrote it.
    place: String,
    /// What the folders of all shards are in, where that is a folder.
    folder: Option<PathBuf>,
}

/// The log could not be published, or what is published cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PublicationError {
    /// The folder or the bucket failed.
    #[error("the published log cannot be written or read: {0}")]
    Objects(#[from] object_store::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A checkpoint in the place is not text.
    #[error("the published checkpoint is not text")]
    NotText,
    /// A checkpoint in the place is none.
    #[error("the published checkpoint states no size")]
    NoSize,
    /// A file that the checkpoint needs is not there.
    #[error("the published file {path} is missing")]
    Missing {
        /// Where it should be, in the log's folder.
        path: String,
    },
    /// The folder of all shards failed.
    #[error("the folder cannot be listed")]
    Listing(#[source] io::Error),
    /// A file that is published is not what it should be.
    #[error("the published file {path} is damaged")]
    Damaged {
        /// Where, in the log's folder.
        path: String,
        /// What is wrong with it.
        source: BundleError,
    },
}

/// A checkpoint and its size.
type Head = (u64, String);

impl PublishedLog {
    /// The folder of a shard in the place that `[log] publish` names: a folder, which is made if it is not there, or
    /// `s3://bucket/prefix`; `None` for none.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn open(place: &str, shard: &str) -> anyhow::Result<Option<Self>> {
        if place.is_empty() {
            return Ok(None);
        }
        let (mut objects, folder) = match place.strip_prefix(BUCKET) {
            Some(bucket) => (Objects::in_bucket(bucket, "log.publish")?, None),
            None => (Objects::in_folder(Path::new(place), PUBLIC)?, Some(PathBuf::from(place))),
        };
        objects.prefix = objects.prefix.join(shard);
        Ok(Some(Self { objects, place: format!("{}/{shard}", place.trim_end_matches('/')), folder }))
    }

    /// Whether the place is a folder that is not there.
    #[must_use]
    pub fn is_missing(place: &str) -> bool {
        !place.is_empty() && !place.starts_with(BUCKET) && !Path::new(place).is_dir()
    }

    /// In these objects, without a folder of its own; `place` is what people call them.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>, place: &str) -> Self {
        Self { objects: Objects { store, prefix: ObjectPath::default() }, place: place.to_owned(), folder: None }
    }

    /// The place, as the operator wrote it.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The checkpoint that was published last.
    ///
    /// # Errors
    /// [`PublicationError`].
    pub async fn checkpoint(&self) -> Result<Option<String>, PublicationError> {
        let Some(bytes) = self.get(CHECKPOINT).await? else { return Ok(None) };
        String::from_utf8(bytes).map(Some).map_err(|_| PublicationError::NotText)
    }

    /// Publishes this log up to `newest`, and up to `cosigned`, the newest that a quorum of witnesses has cosigned; `before` entries
    /// are there.
    ///
    /// # Errors
    /// [`PublicationError`]; what is there then is as before, or more.
    pub async fn publish(
        &self,
        store: &dyn Store,
        shard: &Shard,
        before: u64,
        newest: &Head,
        cosigned: Option<&Head>,
    ) -> Result<(), PublicationError> {
        for path in tiles_completed(before, newest.0).chain(partial_tiles(newest.0)) {
            self.put_file(store, shard, &path).await?;
        }
        // One that is newer than what is published now comes with the next round.
        let cosigned = cosigned.filter(|(size, _)| *size <= newest.0);
        for path in cosigned.into_iter().flat_map(|(size, _)| partial_tiles(*size)) {
            // Where its own partial files are full by now, those are there.
            if !path.full().exists_at(newest.0) {
                self.put_file(store, shard, &path).await?;
            }
        }
        // This one first: at the next start it says how much others have seen.
        self.put(CHECKPOINT, newest.1.clone().into_bytes()).await?;
        if let Some((_, text)) = cosigned {
            self.put(COSIGNED, text.clone().into_bytes()).await?;
        }
        for path in partial_tiles(before).map(TilePath::full).filter(|path| path.exists_at(newest.0)) {
            self.remove_below(&format!("{path}.p")).await?;
        }
        Ok(())
    }

    /// A bundle's entries, full or as far as the log was published; `None` if it is not there.
    ///
    /// # Errors
    /// It cannot be read, or is no bundle of so many entries.
    pub(crate) async fn bundle(&self, index: u64, published: u64) -> Result<Option<Vec<Vec<u8>>>, PublicationError> {
        let Some(path) = bundle_path(index, published) else { return Ok(None) };
        let Some(bytes) = self.get(&path.to_string()).await? else { return Ok(None) };
        let entries = decode_bundle(&bytes, path.width());
        let entries = entries.map_err(|source| PublicationError::Damaged { path: path.to_string(), source })?;
        Ok(Some(entries.into_iter().map(<[u8]>::to_vec).collect()))
    }

    /// Publishes what is not published yet of an earlier log: the hub was stopped in a moment of trouble, or killed. What is there of an
    /// abandoned one beyond what the store has stays.
    ///
    /// # Errors
    /// [`PublicationError`].
    pub async fn complete(&self, store: &dyn Store, shard: &Shard, size: u64) -> Result<(), PublicationError> {
        let Some(last) = store.checkpoint(shard.first + size).await? else { return Ok(()) };
        let published = self.checkpoint().await?.unwrap_or_default();
        let published = size_of(&published).unwrap_or(0);
        if published >= size { Ok(()) } else { self.publish(store, shard, published, &(size, last), None).await }
    }

    async fn put_file(&self, store: &dyn Store, shard: &Shard, path: &TilePath) -> Result<(), PublicationError> {
        let bytes = file(store, shard, path).await?;
        self.put(&path.to_string(), bytes).await
    }

    async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, PublicationError> {
        match self.objects.store.get(&self.path(name)).await {
            Ok(found) => Ok(Some(found.bytes().await?.to_vec())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), PublicationError> {
        self.objects.store.put(&self.path(name), PutPayload::from(bytes)).await?;
        Ok(())
    }

    async fn remove_below(&self, name: &str) -> Result<(), PublicationError> {
        let objects: Vec<_> = self.objects.store.list(Some(&self.path(name))).try_collect().await?;
        for object in objects {
            match self.objects.store.delete(&object.location).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn path(&self, name: &str) -> ObjectPath {
        name.split('/').fold(self.objects.prefix.clone(), |path, part| path.join(part))
    }
}

impl Copies for PublishedLog {
    fn entries(&self, first: u64, count: u16) -> BoxFuture<'_, Vec<Vec<u8>>> {
        async move {
            let text = self.checkpoint().await.ok().flatten().unwrap_or_default();
            let size = size_of(&text).unwrap_or(0);
            // One that cannot be read is no copy.
            let bundle = self.bundle(first / u64::from(TILE_WIDTH), size).await;
            let mut entries = bundle.ok().flatten().unwrap_or_default();
            entries.truncate(count.into());
            entries
        }
        .boxed()
    }
}

/// Where a bundle is in a log of which so many entries are published; `None` if it has none of them.
fn bundle_path(index: u64, published: u64) -> Option<TilePath> {
    let width = published.saturating_sub(index * u64::from(TILE_WIDTH)).min(u64::from(TILE_WIDTH));
    TilePath::new(TileContent::Entries, index, width as u16).ok()
}

/// The number of entries that a checkpoint (a signed note) states, whoever signed it.
pub(crate) fn size_of(checkpoint: &str) -> Option<u64> {
    checkpoint.lines().nth(1)?.parse().ok()
}

/// Publishes once what is new.
///
/// # Errors
/// [`PublicationError`]; what is there then is as before, or more.
pub async fn once(app: &App) -> Result<(), PublicationError> {
    let Some((publication, published)) = &app.publication else { return Ok(()) };
    Done::new(app, *published).publish(app, publication).await
}

/// Publishes what is new, until the hub stops, and once more then. `published` entries are there.
pub async fn run(app: Arc<App>, publication: Arc<PublishedLog>, published: u64) {
    let mut stopping = app.stopping.clone();
    let mut done = Done::new(&app, published);
    let mut trouble = false;
    loop {
        let is_last = app.is_stopping();
        match done.publish(&app, &publication).await {
            Ok(()) => {
                if std::mem::take(&mut trouble) {
                    tracing::info!(place = publication.place(), "the log is published again");
                }
            }
            Err(error) => {
                app.metrics.log_publish_failures.inc();
                if !std::mem::replace(&mut trouble, true) {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(
                        error,
                        place = publication.place(),
                        "the log is not published; messages are accepted all the same"
                    );
                }
            }
        }
        if is_last {
            return;
        }
        let _ = timeout(PAUSE, stopping.wait_for(|stop| *stop)).await;
    }
}

/// What is published.
struct Done<'a> {
    /// Earlier logs, closed or abandoned, oldest first, of which not all may be published, or more is to come.
    earlier: Vec<Earlier<'a>>,
    size: u64,
    heads: Option<(Head, Option<Head>)>,
    /// How many timestamps, once that is known.
    timestamps: Option<u64>,
}

impl<'a> Done<'a> {
    fn new(app: &'a App, published: u64) -> Self {
        let earlier = app.shards.all().filter_map(Earlier::of).collect();
        Self { earlier, size: published, heads: None, timestamps: None }
    }

    async fn publish(&mut self, app: &App, publication: &PublishedLog) -> Result<(), PublicationError> {
        let heads = (app.newest_checkpoint(), app.cosigned().map(|cosigned| (cosigned.size, cosigned.text.clone())));
        let mut failed = None;
        for earlier in &mut self.earlier {
            if let Err(error) = earlier.publish(app, publication).await {
                // What a log begins with must be there for whoever reads it.
                if !earlier.is_complete() {
                    return Err(error);
                }
                failed = failed.or(Some(error));
            }
        }
        self.earlier.retain(|earlier| !earlier.is_done());
        if heads.0.0 > 0 && self.heads.as_ref() != Some(&heads) {
            publication.publish(&*app.store, app.shards.present(), self.size, &heads.0, heads.1.as_ref()).await?;
            self.size = heads.0.0;
            app.metrics.log_published_size.set(i64::try_from(self.size).unwrap_or(i64::MAX));
            self.heads = Some(heads);
        }
        // Once at the start, for those of earlier days; and then as long as there may be more.
        if self.timestamps.is_none() || app.timestamps.is_some() {
            self.timestamps = Some(
                publication.publish_timestamps(&*app.store, app.shards.present(), self.timestamps, self.size).await?,
            );
        }
        failed.map_or(Ok(()), Err)
    }
}

const BUCKET: &str = "s3://";
const CHECKPOINT: &str = "checkpoint";
const COSIGNED: &str = "checkpoint.cosigned";
/// Everybody may read it: a file server does.
const PUBLIC: u32 = 0o755;
const PAUSE: Duration = Duration::from_secs(1);
