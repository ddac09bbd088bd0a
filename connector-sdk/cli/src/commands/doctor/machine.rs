//! What can be seen on this machine: the key's file, the folder of the journal.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::finding::Finding;
use crate::config::Config;
use crate::outcome::Side;

pub(super) fn examine(config: &Config) -> [Finding; 2] {
    [key_file(config), data_folder(config)]
}

fn key_file(config: &Config) -> Finding {
    let path = config.key_file();
    let mode = match fs::metadata(path) {
        Ok(metadata) => metadata.permissions().mode() & 0o777,
        Err(error) => {
            let says = format!("{} cannot be looked at: {error}", path.display());
            return Finding::failed("key file", says, Side::Machine, "check the file and its folder");
        }
    };
    if mode & 0o077 == 0 {
        return Finding::ok("key file", format!("{} is readable by its owner only", path.display()));
    }
    let says = format!("{} may be read by others (mode {mode:04o})", path.display());
    let advice = format!("chmod 600 {}; if others had access, rotate the key: `saphan keys rotate`", path.display());
    Finding::failed("key file", says, Side::Caller, advice)
}

/// Writes and removes a file there, as the journal will.
fn data_folder(config: &Config) -> Finding {
    let folder = config.data_dir();
    let probe = folder.join(format!(".doctor.{}", std::process::id()));
    let tried =
        fs::create_dir_all(folder).and_then(|()| fs::write(&probe, b"probe")).and_then(|()| fs::remove_file(&probe));
    match tried {
        Ok(()) => Finding::ok("data folder", format!("{} can be written", folder.display())),
        Err(error) => {
            let says = format!("{} cannot be written: {error}", folder.display());
            Finding::failed("data folder", says, Side::Machine, "check its owner, its permissions and the free space")
        }
    }
}
