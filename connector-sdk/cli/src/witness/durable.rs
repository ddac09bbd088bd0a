//! Files that are there, whole, also after the power failed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Why a file was not replaced for certain.
#[derive(Debug)]
pub(super) enum Unsaved {
    /// The file is what it was.
    AsBefore(io::Error),
    /// It may be the old or the new one after a crash.
    Unknown(io::Error),
}

/// Replaces a file, or makes it, and returns when the new one is sure to last: whoever reads it at any moment, also after a
/// crash, finds the old text or the new one, and after the return the new one.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), Unsaved> {
    let draft = path.with_extension("new");
    let folder = path.parent().unwrap_or(Path::new(""));
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(Unsaved::AsBefore)?;
    fs::rename(&draft, path).map_err(Unsaved::Unknown)?;
    sync_folder(folder).map_err(Unsaved::Unknown)
}

/// Makes a file that must not be there yet, durably.
pub(super) fn create(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    sync_folder(path.parent().unwrap_or(Path::new("")))
}

/// That the names in a folder last.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
