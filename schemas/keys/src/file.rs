//! Key files: PEM, PKCS #8, for their owner's eyes only.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use saphan_schemas::keys::{self, SigningKey};
use zeroize::Zeroizing;

use crate::error::KeyStoreError;
use crate::passphrase::Passphrase;
use crate::pbes2::{self, Locked};

/// Reads an ES256 key. `passphrase` is called once if the file is protected, and else not.
///
/// # Errors
/// [`KeyStoreError`].
pub fn read_signing_key(
    path: &Path,
    passphrase: impl FnOnce() -> Result<Passphrase, KeyStoreError>,
) -> Result<SigningKey, KeyStoreError> {
    let der = read_pkcs8(path, "ES256", passphrase)?;
    SigningKey::from_pkcs8(&der).map_err(|_| KeyStoreError::Content { path: path.into(), kind: "ES256" })
}

/// Reads a private key of any kind as PKCS #8 in DER; `kind` is what an error says was expected.
///
/// # Errors
/// [`KeyStoreError`].
pub fn read_pkcs8(
    path: &Path,
    kind: &'static str,
    passphrase: impl FnOnce() -> Result<Passphrase, KeyStoreError>,
) -> Result<Zeroizing<Vec<u8>>, KeyStoreError> {
    let pem = read_secret(path)?;
    if !pbes2::is_protected(&pem) {
        return keys::from_pem(&pem).ok_or_else(|| KeyStoreError::Content { path: path.into(), kind });
    }
    pbes2::unlock(&pem, &passphrase()?).map_err(|locked| match locked {
        Locked::NotProtected => KeyStoreError::Content { path: path.into(), kind },
        Locked::UnknownScheme => KeyStoreError::Protection { path: path.into() },
        Locked::WrongPassphrase => KeyStoreError::WrongPassphrase { path: path.into() },
    })
}

/// Whether a key file needs a passphrase.
///
/// # Errors
/// [`KeyStoreError`] when it cannot be read, or lies open.
pub fn is_protected(path: &Path) -> Result<bool, KeyStoreError> {
    Ok(pbes2::is_protected(&read_secret(path)?))
}

/// The PEM text of a private key as it is to be stored: under `passphrase`, if there is one.
///
/// # Errors
/// [`KeyStoreError::NoRandomness`].
pub fn to_pem(pkcs8: &[u8], passphrase: Option<&Passphrase>) -> Result<Zeroizing<String>, KeyStoreError> {
    match passphrase {
        None => Ok(keys::to_pem(pkcs8)),
        Some(passphrase) => pbes2::lock(pkcs8, passphrase).ok_or(KeyStoreError::NoRandomness),
    }
}

/// Makes an ES256 key in a new file, durably. An existing file is never overwritten.
///
/// # Errors
/// [`KeyStoreError`]; of kind [`io::ErrorKind::AlreadyExists`] when there is a file.
pub fn make_signing_key(path: &Path, passphrase: Option<&Passphrase>) -> Result<SigningKey, KeyStoreError> {
    let (key, pem) = SigningKey::generate().map_err(|_| KeyStoreError::NoRandomness)?;
    let pem = match passphrase {
        None => pem,
        Some(_) => to_pem(&keys::from_pem(&pem).ok_or(KeyStoreError::NoRandomness)?, passphrase)?,
    };
    write_new(path, &pem)?;
    Ok(key)
}

/// Writes a secret to a file of mode 0600 that does not exist yet, durably.
///
/// # Errors
/// [`KeyStoreError::File`].
pub fn write_new(path: &Path, text: &str) -> Result<(), KeyStoreError> {
    let failed = |source: io::Error| KeyStoreError::File { path: path.into(), source };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| {
        // Half a key would only stand in the way; the first error is the one to tell.
        let _ = std::fs::remove_file(path);
        failed(error)
    })
}

/// Reads the private key of a TLS certificate as PEM. Its group may read it, because the tools that renew certificates hand keys
/// to servers by a group; when everybody can get at it, it is refused.
///
/// # Errors
/// [`KeyStoreError::File`], [`KeyStoreError::OpenToAll`].
pub fn read_tls_key(path: &Path) -> Result<Zeroizing<String>, KeyStoreError> {
    let (mode, text) = read(path, EVERYBODY)?;
    text.ok_or_else(|| KeyStoreError::OpenToAll { path: path.into(), mode })
}

/// Reads a secret, and refuses it when its file lies open to others.
pub(crate) fn read_secret(path: &Path) -> Result<Zeroizing<String>, KeyStoreError> {
    let (mode, text) = read(path, OTHERS)?;
    text.ok_or_else(|| KeyStoreError::Open { path: path.into(), mode })
}

/// The permission bits of a file, and its text unless they give one of the `refused` rights.
fn read(path: &Path, refused: u32) -> Result<(u32, Option<Zeroizing<String>>), KeyStoreError> {
    let failed = |source: io::Error| KeyStoreError::File { path: path.into(), source };
    let mut file = File::open(path).map_err(failed)?;
    // Of the file that was opened, not of the path: between two looks somebody may exchange it.
    let mode = file.metadata().map_err(failed)?.mode() & 0o777;
    if mode & refused != 0 {
        return Ok((mode, None));
    }
    let mut text = Zeroizing::new(String::with_capacity(4096));
    file.read_to_string(&mut text).map_err(failed)?;
    Ok((mode, Some(text)))
}

/// Any right of the group or of everybody.
const OTHERS: u32 = 0o077;
/// Any right of everybody.
const EVERYBODY: u32 = 0o007;
