//! A log as a folder of static files.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::source::{LogSource, MAX_FILE_BYTES, SourceError, SourceFuture};

/// A log in a folder: `checkpoint` and `tile/…` right below it. Those of other shards are in folders beside it.
#[derive(Debug, Clone)]
pub struct FolderLog {
    root: PathBuf,
}

impl FolderLog {
    /// The log in this folder.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    async fn read(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        let path = self.root.join(path);
        let read = tokio::task::spawn_blocking(move || read(&path)).await;
        read.unwrap_or_else(|stopped| Err(unreadable(stopped.into())))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, SourceError> {
    let file = File::open(path).map_err(unreadable)?;
    let announced = file.metadata().map_err(unreadable)?.len();
    let room = usize::try_from(announced).unwrap_or(MAX_FILE_BYTES).min(MAX_FILE_BYTES) + 1;
    let mut bytes = Vec::with_capacity(room);
    file.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > MAX_FILE_BYTES { Err(SourceError::TooLarge { limit: MAX_FILE_BYTES }) } else { Ok(bytes) }
}

impl LogSource for FolderLog {
    fn fetch<'a>(&'a self, path: &'a str) -> SourceFuture<'a> {
        Box::pin(self.read(path))
    }

    fn beside(&self, shard: &str) -> Option<Box<dyn LogSource>> {
        Some(Box::new(Self::new(self.root.join("..").join(shard))))
    }
}

fn unreadable(source: std::io::Error) -> SourceError {
    // A file where a folder should be means the same: nothing is at this path.
    match source.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => SourceError::NotFound,
        _ => SourceError::Unreadable { source },
    }
}
