//! What is published beside a log: other logs of the hub, and whatever else stands there.

use std::io;
use std::path::Path;
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use object_store::ObjectStore as _;
use object_store::path::Path as ObjectPath;
use saphan_schemas::registry::is_shard_name;
use tokio::fs;

use super::{PublicationError, PublishedLog, bundle_path, size_of};
use crate::objects::Objects;

impl PublishedLog {
    /// That of another shard, beside this one.
    #[must_use]
    pub fn beside(&self, shard: &str) -> Self {
        let mut parts: Vec<_> = self.objects.prefix.parts().collect();
        parts.pop();
        let prefix = parts.into_iter().collect::<ObjectPath>().join(shard);
        let place = self.place.rsplit_once('/').map_or("", |(place, _)| place);
        let objects = Objects { store: Arc::clone(&self.objects.store), prefix };
        Self { objects, place: format!("{place}/{shard}"), folder: self.folder.clone() }
    }

    /// The names of all folders beside this one that may be those of shards, and this one's, in no order.
    ///
    /// # Errors
    /// [`PublicationError`]: it is not known what is there.
    pub async fn shards(&self) -> Result<Vec<String>, PublicationError> {
        match &self.folder {
            // Not as objects: one file whose name no object can have would hide all of them.
            Some(folder) => shards_in(folder).await.map_err(PublicationError::Listing),
            None => self.prefixes().await,
        }
    }

    async fn prefixes(&self) -> Result<Vec<String>, PublicationError> {
        let mut parts: Vec<_> = self.objects.prefix.parts().collect();
        parts.pop();
        let place: ObjectPath = parts.into_iter().collect();
        let folders = self.objects.store.list_with_delimiter(Some(&place)).await?.common_prefixes;
        let names = folders.iter().filter_map(ObjectPath::filename).filter(|name| is_shard_name(name));
        Ok(names.map(str::to_owned).collect())
    }

    /// Whether there are files of a log, whatever its checkpoint is: that comes last, and can be damaged.
    ///
    /// # Errors
    /// [`PublicationError`].
    pub async fn has_tiles(&self) -> Result<bool, PublicationError> {
        Ok(self.objects.store.list(Some(&self.path("tile"))).try_next().await?.is_some())
    }

    /// The first entry of the log that is published with this checkpoint.
    ///
    /// # Errors
    /// [`PublicationError`], also where it is not there: whoever has a checkpoint may expect it.
    pub async fn first_entry(&self, checkpoint: &str) -> Result<Vec<u8>, PublicationError> {
        let size = size_of(checkpoint).ok_or(PublicationError::NoSize)?;
        let path = bundle_path(0, size).ok_or(PublicationError::NoSize)?;
        let first = self.bundle(0, size).await?.and_then(|entries| entries.into_iter().next());
        first.ok_or_else(|| PublicationError::Missing { path: path.to_string() })
    }
}

/// The names of what may be folders of shards in this one.
async fn shards_in(folder: &Path) -> io::Result<Vec<String>> {
    let (mut names, mut found) = (Vec::new(), fs::read_dir(folder).await?);
    while let Some(entry) = found.next_entry().await? {
        let Some(name) = entry.file_name().into_string().ok().filter(|name| is_shard_name(name)) else { continue };
        // It may be a link.
        match fs::metadata(entry.path()).await {
            Ok(metadata) if !metadata.is_dir() => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // Whoever looks into it meets the error again.
            Ok(_) | Err(_) => names.push(name),
        }
    }
    Ok(names)
}
