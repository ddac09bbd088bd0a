//! A token of one's own for tests: SoftHSM (Debian package `softhsm2`), in a folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::source::TokenKey;

/// A token that SoftHSM keeps in a folder. A process sees it when [`SOFTHSM2_CONF`] names [`Self::config`].
#[derive(Debug, Clone)]
pub struct SoftToken {
    folder: PathBuf,
}

impl SoftToken {
    /// Makes a token with the label `saphan` and the PIN [`PIN`] in an existing folder.
    ///
    /// # Errors
    /// When SoftHSM is not installed, with the package's name, or fails.
    pub fn make(folder: &Path) -> io::Result<Self> {
        let token = Self::at(folder);
        fs::create_dir(folder.join("tokens"))?;
        let tokens = folder.join("tokens");
        let config =
            format!("directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n", tokens.display());
        fs::write(token.config(), config)?;
        token.utility(&["--init-token", "--free", "--label", LABEL, "--pin", PIN, "--so-pin", "87654321"])?;
        Ok(token)
    }

    /// The token that [`Self::make`] made in this folder.
    #[must_use]
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.into() }
    }

    /// SoftHSM's configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.join("softhsm2.conf")
    }

    /// The key with this label in it; its PIN is in a file for the owner only.
    ///
    /// # Errors
    /// When that file cannot be written.
    pub fn key(&self, label: &str) -> io::Result<TokenKey> {
        let pin_file = self.folder.join("pin");
        if !pin_file.exists() {
            crate::file::write_new(&pin_file, &format!("{PIN}\n")).map_err(io::Error::other)?;
        }
        Ok(TokenKey {
            module: MODULE.into(),
            token: LABEL.into(),
            key: label.into(),
            pin_env: None,
            pin_file: Some(pin_file),
        })
    }

    /// Runs `softhsm2-util` on this token's folder.
    ///
    /// # Errors
    /// When it is not installed, with the package's name, or fails.
    pub fn utility(&self, arguments: &[&str]) -> io::Result<()> {
        let output = Command::new("softhsm2-util")
            .args(arguments)
            .env(SOFTHSM2_CONF, self.config())
            .stdin(Stdio::null())
            .output()
            .map_err(|error| {
                io::Error::new(
                    error.kind(),
                    format!("softhsm2-util cannot be run ({error}); install the package softhsm2"),
                )
            })?;
        if output.status.success() {
            return Ok(());
        }
        Err(io::Error::other(format!("softhsm2-util failed: {}", String::from_utf8_lossy(&output.stderr))))
    }
}

/// The environment variable by which SoftHSM finds its configuration.
pub const SOFTHSM2_CONF: &str = "SOFTHSM2_CONF";
/// Where Debian's package has the library.
pub const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
/// The PIN of every such token.
pub const PIN: &str = "271828";
const LABEL: &str = "saphan";
