//! The log as static files.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use saphan_schemas::log::{Checkpoint, LogRebuilder, RebuiltTile, VerifierKey};

use super::{BLOCKS_AT_ONCE, Begun, Pattern, Writers, now_ms};

/// A log in a folder, as `saphan audit log` reads it. It grows when asked.
pub struct PublishedLog {
    folder: PathBuf,
    tree: LogRebuilder,
    ts: u64,
    writers: Arc<Writers>,
}

impl PublishedLog {
    /// Publishes what the hub has begun.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn new(begun: &Begun, folder: &Path) -> anyhow::Result<Self> {
        let writers = Arc::clone(&begun.writers);
        let mut log = Self { folder: folder.to_owned(), tree: LogRebuilder::new(), ts: begun.last_ts()?, writers };
        for leaf in &begun.leaves {
            log.push(leaf)?;
        }
        log.end()?;
        Ok(log)
    }

    /// How many entries it has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.tree.size()
    }

    /// The key that signs its checkpoints.
    #[must_use]
    pub fn vkey(&self) -> &VerifierKey {
        self.writers.log.verifier_key()
    }

    /// Appends blocks until it has so many entries, or up to 64 more, and signs a checkpoint.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn grow_to(&mut self, entries: u64) -> anyhow::Result<()> {
        let pattern = Pattern::Exchanged;
        while self.size() < entries {
            let missing = (entries - self.size()).div_ceil(pattern.entries());
            let blocks = usize::try_from(missing)?.min(BLOCKS_AT_ONCE);
            self.ts = now_ms()?.max(self.ts);
            for block in self.writers.blocks(pattern, self.size(), blocks, self.ts)? {
                for made in &block {
                    self.push(&made.leaf)?;
                }
            }
        }
        self.end()
    }

    fn push(&mut self, leaf: &[u8]) -> anyhow::Result<()> {
        for tile in self.tree.push_entry(leaf)? {
            self.write(&tile)?;
        }
        Ok(())
    }

    /// The partial tiles of this size, and the checkpoint.
    fn end(&self) -> anyhow::Result<()> {
        for tile in self.tree.partial_tiles() {
            self.write(&tile)?;
        }
        let checkpoint = Checkpoint::new(self.writers.origin.clone(), self.tree.size(), self.tree.root());
        fs::write(self.folder.join("checkpoint"), checkpoint.sign(&self.writers.log)?)?;
        Ok(())
    }

    fn write(&self, tile: &RebuiltTile) -> anyhow::Result<()> {
        let path = self.folder.join(tile.path.to_string());
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        Ok(fs::write(path, &tile.bytes)?)
    }
}
