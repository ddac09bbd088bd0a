//! Reading and writing the files of commands.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::outcome::Failure;

/// A text file.
pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::unreadable(path, &error))
}

/// A JSON file; `what` names what it should be.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path, what: &str) -> Result<T, Failure> {
    let bytes = std::fs::read(path).map_err(|error| Failure::unreadable(path, &error))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Failure::caller(format!("{} is not {what}: {error}", path.display()), "Give the right file."))
}

/// Who may read a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    /// The owner only: private keys and personal data.
    Owner = 0o600,
    /// Everybody.
    All = 0o644,
}

/// Writes a file that does not exist yet, durably.
pub(crate) fn write_new(path: &Path, bytes: &[u8], readers: Readers) -> Result<(), Failure> {
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(readers as u32).open(path).map_err(|error| {
            if error.kind() == ErrorKind::AlreadyExists {
                let what = format!("{} exists already, and is not overwritten", path.display());
                return Failure::caller(what, "Choose another name with --out, or move the file away.");
            }
            Failure::unwritable(path, &error)
        })?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|error| {
        // Half a file would only stand in the way; the first error is the one to tell.
        let _ = std::fs::remove_file(path);
        Failure::unwritable(path, &error)
    })
}

/// Writes a file, replacing what was there in one step.
pub(crate) fn replace(path: &Path, bytes: &[u8], readers: Readers) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let draft = path.with_file_name(name);
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(readers as u32)
        .open(&draft)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&draft, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&draft);
    }
    written
}
