//! What can be seen on this machine: the private key, the folder of the journal.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use super::finding::Finding;
use crate::config::{Config, Settings};
use crate::outcome::Side;

/// Opens the private key; without it there is nothing to go on with.
pub(super) fn private_key(settings: Settings) -> (Finding, Option<Config>) {
    let source = settings.key_source().to_string();
    match settings.open() {
        Ok(config) => (Finding::ok("private key", format!("{source} opens, and is for its owner only")), Some(config)),
        Err(failure) => (Finding::failure("private key", failure), None),
    }
}

/// Writes and removes a file there, as the journal will. A folder that is missing is made as the journal makes it: for this user
/// only.
pub(super) fn data_folder(folder: &Path) -> Finding {
    let probe = folder.join(format!(".doctor.{}", std::process::id()));
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    let tried = made.and_then(|()| fs::write(&probe, b"probe")).and_then(|()| fs::remove_file(&probe));
    match tried {
        Ok(()) => Finding::ok("data folder", format!("{} can be written", folder.display())),
        Err(error) => {
            let says = format!("{} cannot be written: {error}", folder.display());
            Finding::failed("data folder", says, Side::Machine, "check its owner, its permissions and the free space")
        }
    }
}
