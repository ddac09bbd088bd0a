//! Writing the static copy of a log.

use std::path::{Path, PathBuf};

use super::error::LogCheckError;

/// A folder that gets the files of a log under their C2SP paths.
#[derive(Debug)]
pub(super) struct Export {
    root: PathBuf,
}

impl Export {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Writes one file, with its folders.
    pub(super) async fn write(&self, path: &str, bytes: &[u8]) -> Result<(), LogCheckError> {
        let target = self.root.join(path);
        let fault = |source| LogCheckError::Export { path: target.clone(), source };
        if let Some(folder) = target.parent() {
            tokio::fs::create_dir_all(folder).await.map_err(fault)?;
        }
        tokio::fs::write(&target, bytes).await.map_err(fault)
    }
}
