//! Certificate, key and client CA as PEM files.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::VerifierBuilderError;
use saphan_keys::{KeyStoreError, file};

use crate::config::TlsSection;

/// Why the files of `[tls]` cannot be used. No text of a key is ever in it.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// A file holds no certificate.
    #[error("{path} holds no certificate in PEM form that can be read")]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A file that everyone gets holds something else.
    #[error("{path} holds more than certificates, and everyone would get it")]
    NotOnlyCertificates {
        /// The file.
        path: PathBuf,
    },
    /// The private key cannot be read, or everybody can read it.
    #[error(transparent)]
    Key(KeyStoreError),
    /// A file holds no private key.
    #[error("{path} holds no private key in PEM form (PKCS #8, PKCS #1 or SEC 1, without a passphrase)")]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// Certificate and key cannot be served.
    #[error("{certificate} cannot be served with the key of tls.key: {source}")]
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// What rustls says.
        #[source]
        source: rustls::Error,
    },
    /// The CA of client certificates cannot be used.
    #[error("{path} cannot be used as the CA of client certificates: {source}")]
    ClientCa {
        /// The file.
        path: PathBuf,
        /// What rustls says.
        #[source]
        source: VerifierBuilderError,
    },
}

/// What the listener proves itself with.
pub(super) struct Pair {
    /// The hub's own certificate first.
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl Pair {
    pub(super) fn read(section: &TlsSection) -> Result<Self, TlsError> {
        let chain = certificates(&section.certificate)?;
        let pem = file::read_tls_key(&section.key).map_err(TlsError::Key)?;
        // What is wrong with it could quote it.
        let key =
            PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| TlsError::NoKey { path: section.key.clone() })?;
        Ok(Self { chain, key })
    }
}

/// The certificates of a file, at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let none = || TlsError::NoCertificate { path: path.into() };
    let pem = read(path)?;
    let certificates = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>().map_err(|_| none())?;
    if certificates.is_empty() { Err(none()) } else { Ok(certificates) }
}

/// The CA certificates that connectors are told to believe, as text; `None` when they are told nothing.
///
/// # Errors
/// [`TlsError`]; also for a file that holds something else beside.
pub fn authorities(section: &TlsSection) -> Result<Option<String>, TlsError> {
    let path = &section.ca;
    if path.as_os_str().is_empty() {
        return Ok(None);
    }
    let all = certificates(path)?.len();
    let text = String::from_utf8(read(path)?).map_err(|_| TlsError::NoCertificate { path: path.into() })?;
    let sections = text.matches("-----BEGIN ").count();
    if sections == all { Ok(Some(text)) } else { Err(TlsError::NotOnlyCertificates { path: path.into() }) }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::File { path: path.into(), source })
}

/// By what a change of the files is noticed, without reading them: a replaced file has another inode, one that was written to
/// or whose permissions changed another time of change.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stamp([Option<[i64; 4]>; 3]);

impl Stamp {
    pub(super) fn of(section: &TlsSection) -> Self {
        Self([&section.certificate, &section.key, &section.client_ca].map(|path| {
            let metadata = fs::metadata(path).ok()?;
            let (inode, size) = (metadata.ino().cast_signed(), metadata.size().cast_signed());
            Some([inode, size, metadata.ctime(), metadata.ctime_nsec()])
        }))
    }
}
