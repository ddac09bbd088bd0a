//! Stores that are old copies, and logs that are given up for that.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use saphan_hub::app::{Opened, Opening};
use saphan_hub::shards::abandoning::give_up;
use saphan_hub::shards::closing::publish;
use saphan_hub::shards::taking_over::{TakenOver, take_over};
use saphan_hub::shards::{Shards, origin};
use saphan_hub::store::sqlite::SqliteStore;
use tempfile::TempDir;
use tokio::sync::watch;

use super::{HUB, Site, eventually};

impl Site {
    /// A copy of its store.
    pub(crate) async fn copy_of_store(&self) -> TempDir {
        self.store_is_closed().await;
        let copy = tempfile::tempdir().unwrap();
        copy_all(self.folder.path(), copy.path());
        copy
    }

    /// Brings the copy back in the place of what the store is now.
    pub(crate) async fn bring_back(&self, copy: &TempDir) {
        self.store_is_closed().await;
        store_files(self.folder.path()).iter().for_each(|file| std::fs::remove_file(file).unwrap());
        copy_all(copy.path(), self.folder.path());
    }

    /// A reader that is closed last leaves the write-ahead log beside the store; a writer takes it along.
    async fn store_is_closed(&self) {
        let store = self.config.store_file();
        eventually(async || {
            SqliteStore::open(&store).await.unwrap().close().await.unwrap();
            store_files(self.folder.path()).len() == 1
        })
        .await;
    }

    /// Gives its log up for one with this shard's name, as `saphan-hub shard open --abandon` does.
    pub(crate) async fn abandon_for(&mut self, shard: &str) -> anyhow::Result<TakenOver> {
        shard.clone_into(&mut self.config.log.shard);
        let store = self.open_store().await;
        let shards = Shards::read(&*store).await?.unwrap();
        let next = origin(&HUB.parse()?, shard);
        let lost = give_up(&self.config, &*store, &shards, &next, &[], self.clock.now()).await?;
        let (keys, clock) = (self.config.key_store().open()?, Arc::clone(&self.clock) as _);
        let (_stop, stopping) = watch::channel(false);
        let opening = Opening { config: &self.config, keys, store, clock, stopping, lost: Some(lost) };
        let Opened { app, writer } = opening.open().await?;
        let taken = take_over(&app).await?;
        publish(&app).await;
        drop(app);
        writer.await?;
        Ok(taken)
    }
}

fn store_files(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files.filter(|file| file.file_name().unwrap().to_str().unwrap().starts_with("hub.sqlite")).collect()
}

fn copy_all(from: &Path, to: &Path) {
    for file in store_files(from) {
        std::fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
    }
}
