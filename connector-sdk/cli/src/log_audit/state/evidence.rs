//! What an auditor can show to others.

use std::path::PathBuf;

use saphan_schemas::b64;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::log::SignedCheckpoint;

use super::{AuditState, StateError};
use crate::files::{self, Readers};
use crate::log_check::TamperClass;

impl AuditState {
    /// Keeps two signed checkpoints that exclude each other, once; gives their folder. `proof` is what shows that they do, where
    /// their sizes and roots alone do not.
    pub(in crate::log_audit) fn keep_evidence(
        &self,
        class: TamperClass,
        before: &SignedCheckpoint,
        shown: &SignedCheckpoint,
        proof: &[Sha256Hash],
    ) -> Result<PathBuf, StateError> {
        self.keep_pair(class.name(), before, shown, proof)
    }

    /// Keeps what an abandoned log had shown, beside the last checkpoint of it that its hub knows of.
    pub(in crate::log_audit) fn keep_abandoned(
        &self,
        before: &SignedCheckpoint,
        last: &SignedCheckpoint,
    ) -> Result<PathBuf, StateError> {
        self.keep_pair("abandoned", before, last, &[])
    }

    fn keep_pair(
        &self,
        name: &str,
        before: &SignedCheckpoint,
        shown: &SignedCheckpoint,
        proof: &[Sha256Hash],
    ) -> Result<PathBuf, StateError> {
        let (old, new) = (before.checkpoint(), shown.checkpoint());
        let root: String = new.root.to_string().chars().take(ROOT_CHARACTERS).collect();
        let folder = self.folder.join("evidence").join(format!("{name}-{}-{}-{root}", old.size, new.size));
        let fault = |path: PathBuf| move |source| StateError::Folder { path, source };
        std::fs::create_dir_all(&folder).map_err(fault(folder.clone()))?;
        let proof: String = proof.iter().map(|hash| format!("{}\n", b64::encode_std(hash.as_bytes()))).collect();
        for (name, text) in [("before", before.text()), ("shown", shown.text()), ("proof", &proof)] {
            if !text.is_empty() {
                let path = folder.join(name);
                files::replace(&path, text.as_bytes(), Readers::All).map_err(fault(path))?;
            }
        }
        Ok(folder)
    }
}

/// Enough of a root to tell several forks of one size apart.
const ROOT_CHARACTERS: usize = 12;
