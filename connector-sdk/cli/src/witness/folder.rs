//! The state folder of a witness.
//!
//! ```text
//! key.pem            its private key, Ed25519, mode 0600
//! witness.json       its public key, and the keys of the logs that it knows
//! logs/<hash>.note   for each log: the checkpoint that was cosigned last, with the cosignature
//! evidence/…         two checkpoints of one size that a log signed
//! lock               held by the process that uses the folder
//! ```
//!
//! `<hash>` is the SHA-256 of the log's origin in URL-safe base64. A log of which nothing was cosigned yet has a record that
//! says so; a record that is missing was lost, and the witness does not start without it.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use saphan_keys::{KEY_PASSPHRASE, KeyStoreError, Passphrase, file as key_file, nobody};
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::log::{Cosigner, CosignerKey, KeyError, NoteSigner, VerifierKey};
use serde::{Deserialize, Serialize};

use super::durable::{self, Unsaved};
use super::log::{Conflict, WitnessedLog};

/// A state folder, held by this process alone.
#[derive(Debug)]
pub struct StateFolder {
    path: PathBuf,
    manifest: Manifest,
    lock: File,
}

impl Drop for StateFolder {
    fn drop(&mut self) {
        // Closing the file is not enough: a process that was forked meanwhile has it open until it becomes another program.
        let _ = self.lock.unlock();
    }
}

/// `witness.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    key: CosignerKey,
    logs: Vec<VerifierKey>,
}

/// A state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
    /// Another process uses it.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// There is a witness in it already.
    #[error("{} holds a witness already", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// A part of the state is missing, or is not what the witness wrote.
    #[error("{}: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The private key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyStoreError),
    /// A key cannot be made.
    #[error(transparent)]
    NewKey(#[from] KeyError),
}

impl StateFolder {
    /// Makes a folder with a new key under this name, which knows no log. The key is under the passphrase in
    /// `SAPHAN_KEY_PASSPHRASE`, if there is one.
    ///
    /// # Errors
    /// [`StateError`]; also if there is a witness in it.
    pub fn create(path: &Path, name: &str) -> Result<Self, StateError> {
        // Before anything is made: a bad name is found here.
        let pkcs8 = NoteSigner::generate_pkcs8()?;
        let key = Cosigner::from_pkcs8(name, &pkcs8)?.key().clone();
        for folder in [path.to_owned(), path.join(LOGS), path.join(EVIDENCE)] {
            DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed(&folder))?;
        }
        let lock = lock(path)?;
        let (key_path, manifest_path) = (path.join(KEY), path.join(MANIFEST));
        if key_path.exists() || manifest_path.exists() {
            return Err(StateError::Exists { path: path.into() });
        }
        let passphrase = Passphrase::from_env(KEY_PASSPHRASE)?;
        key_file::write_new(&key_path, &key_file::to_pem(&pkcs8, passphrase.as_ref())?)?;
        let mut folder = Self { path: path.into(), manifest: Manifest { key, logs: Vec::new() }, lock };
        folder.write_manifest(Vec::new())?;
        let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        durable::sync_folder(above).map_err(failed(above))?;
        Ok(folder)
    }

    /// Takes a folder that is there.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn take(path: &Path) -> Result<Self, StateError> {
        let manifest_path = path.join(MANIFEST);
        let text = fs::read_to_string(&manifest_path).map_err(failed(&manifest_path))?;
        let lock = lock(path)?;
        let manifest =
            serde_json::from_str(&text).map_err(|_| damaged(&manifest_path, "it is not the list of a witness"))?;
        Ok(Self { path: path.into(), manifest, lock })
    }

    /// The witness's public key.
    #[must_use]
    pub const fn key(&self) -> &CosignerKey {
        &self.manifest.key
    }

    /// Opens the private key.
    pub(super) fn cosigner(&self) -> Result<Cosigner, StateError> {
        let path = self.path.join(KEY);
        let pkcs8 = key_file::read_pkcs8(&path, "Ed25519", || Passphrase::of_key(&path, None, &nobody))?;
        let cosigner = Cosigner::from_pkcs8(self.manifest.key.name(), &pkcs8)
            .map_err(|_| damaged(&path, "it holds no Ed25519 key"))?;
        if *cosigner.key() == self.manifest.key {
            return Ok(cosigner);
        }
        Err(damaged(&path, "it is the key of another witness"))
    }

    /// Reads what was cosigned last of each log that is known, and verifies it.
    ///
    /// # Errors
    /// [`StateError`]; a record that is missing is an error too.
    pub fn logs(&self, witness: &CosignerKey) -> Result<Vec<WitnessedLog>, StateError> {
        let mut logs: Vec<WitnessedLog> = Vec::new();
        for key in &self.manifest.logs {
            if logs.iter().any(|log| log.origin() == key.name()) {
                continue;
            }
            let more = self.manifest.logs.iter().filter(|other| other.name() == key.name() && *other != key);
            let log = WitnessedLog::new(key.clone(), more.cloned().collect());
            let path = self.record_path(key.name());
            let record = match fs::read_to_string(&path) {
                Ok(record) => record,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(damaged(&path, LOST)),
                Err(error) => return Err(failed(&path)(error)),
            };
            logs.push(if record == unwitnessed(key.name()) {
                log
            } else {
                log.resumed(record, witness).ok_or_else(|| damaged(&path, NOT_OURS))?
            });
        }
        Ok(logs)
    }

    /// Adds a log, or another key of a log that is known. Gives whether there was something to add.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn add_log(&mut self, key: VerifierKey) -> Result<bool, StateError> {
        if self.manifest.logs.contains(&key) {
            return Ok(false);
        }
        let known = self.manifest.logs.iter().any(|other| other.name() == key.name());
        let path = self.record_path(key.name());
        // The record first: a log in the list whose record is missing keeps the witness from starting. One that is there
        // already, of a log that was in the list before, is where the witness goes on.
        if !known && !path.exists() {
            durable::create(&path, &unwitnessed(key.name())).map_err(failed(&path))?;
        }
        let mut logs = self.manifest.logs.clone();
        logs.push(key);
        self.write_manifest(logs)?;
        Ok(true)
    }

    /// Replaces the record of a log.
    pub(super) fn save(&self, origin: &str, record: &str) -> Result<(), Unsaved> {
        durable::replace(&self.record_path(origin), record)
    }

    /// Keeps two checkpoints that contradict each other, once for each size. Gives the file.
    pub(super) fn keep_evidence(&self, conflict: &Conflict) -> io::Result<PathBuf> {
        let Conflict { origin, size, cosigned, other } = conflict;
        let path = self.path.join(EVIDENCE).join(format!("{}-{size}.json", hash_of(origin)));
        let text = serde_json::json!({ "origin": origin, "size": size, "cosigned": cosigned, "other": other });
        match durable::create(&path, &format!("{text:#}\n")) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(path),
        }
    }

    fn write_manifest(&mut self, logs: Vec<VerifierKey>) -> Result<(), StateError> {
        let manifest = Manifest { key: self.manifest.key.clone(), logs };
        let path = self.path.join(MANIFEST);
        let text = serde_json::to_string_pretty(&manifest).map_err(|error| failed(&path)(error.into()))?;
        durable::replace(&path, &format!("{text}\n")).map_err(|unsaved| match unsaved {
            Unsaved::AsBefore(error) | Unsaved::Unknown(error) => failed(&path)(error),
        })?;
        self.manifest = manifest;
        Ok(())
    }

    fn record_path(&self, origin: &str) -> PathBuf {
        self.path.join(LOGS).join(format!("{}.note", hash_of(origin)))
    }
}

/// Kept until the file is dropped; a process that dies gives it up.
fn lock(folder: &Path) -> Result<File, StateError> {
    let path = folder.join("lock");
    let file = File::create(&path).map_err(failed(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StateError::InUse { path: folder.into() }),
        Err(TryLockError::Error(error)) => Err(failed(&path)(error)),
    }
}

/// The record of a log of which nothing was cosigned. No note looks like it.
fn unwitnessed(origin: &str) -> String {
    format!("nothing cosigned yet of {origin}\n")
}

fn hash_of(origin: &str) -> Sha256Hash {
    Sha256Hash::of(origin.as_bytes())
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> StateError {
    let path = path.to_owned();
    |source| StateError::File { path, source }
}

fn damaged(path: &Path, what: &'static str) -> StateError {
    StateError::Damaged { path: path.into(), what }
}

const KEY: &str = "key.pem";
const MANIFEST: &str = "witness.json";
const LOGS: &str = "logs";
const EVIDENCE: &str = "evidence";
const LOST: &str = "the record of a log is missing; without it the witness cannot know what it has cosigned";
const NOT_OURS: &str = "the record is not one that this log signed and this witness cosigned";
