//! Writing the static copy of a log.

use std::path::{Path, PathBuf};

use saphan_schemas::log::Stamped;

use super::error::LogCheckError;
use super::source::LogSource;
use crate::timestamps;

/// A folder that gets the files of a log under their C2SP paths.
#[derive(Debug)]
pub(super) struct Export {
    root: PathBuf,
}

impl Export {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Copies the timestamps on checkpoints of up to `size` entries. What they prove is not looked at here.
    pub(super) async fn copy_timestamps(&self, source: &dyn LogSource, size: u64) -> Result<(), LogCheckError> {
        let mut number = 0;
        while let Some(mut page) = timestamps::page(source, number).await? {
            page.retain(|stamped| stamped.size <= size);
            for Stamped { size, .. } in &page {
                self.write(&Stamped::token_path(*size), &timestamps::token(source, *size).await?).await?;
            }
            if !page.is_empty() {
                self.write(&Stamped::page_path(number), Stamped::to_page(&page).as_bytes()).await?;
            }
            number += 1;
        }
        Ok(())
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
