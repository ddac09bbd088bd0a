//! Certificates for development: a CA of one's own, for this machine. Its name says so, and a hub that serves with it warns.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use zeroize::Zeroizing;

use saphan_keys::KeyStoreError;
use saphan_keys::file::write_new;

/// The name of each such CA.
pub const CA_NAME: &str = "Saphan development CA - not for production";

/// Why no certificates were made.
#[derive(Debug, thiserror::Error)]
pub enum DevelopmentError {
    /// A folder or certificate cannot be written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// A key cannot be written.
    #[error(transparent)]
    Key(#[from] KeyStoreError),
    /// A certificate cannot be made, such as one for a name that is none.
    #[error("no certificate could be made: {0}")]
    Certificate(#[from] rcgen::Error),
}

/// Makes in `folder`: a CA (`ca.pem`, `ca.key.pem`), and certificates of it for the hub and for the broker's node (`hub.pem`,
/// `hub.key.pem`, `broker.pem`, `broker.key.pem`). They hold for this machine's own names and addresses and for `hosts`, which
/// are names or addresses, and for 90 days. Keys have mode 0600.
///
/// # Errors
/// [`DevelopmentError`], also when a file exists.
pub fn create(folder: &Path, hosts: &[String]) -> Result<(), DevelopmentError> {
    let failed = |source| DevelopmentError::File { path: folder.into(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    let ca = CertifiedIssuer::self_signed(ca_params()?, KeyPair::generate()?)?;
    write_pair(folder, "ca", &ca.pem(), ca.key())?;
    for (file, name) in [("hub", "Saphan hub (development)"), ("broker", "Saphan broker (development)")] {
        let key = KeyPair::generate()?;
        let certificate = server_params(name, hosts)?.signed_by(&key, &ca)?;
        write_pair(folder, file, &certificate.pem(), &key)?;
    }
    Ok(())
}

fn ca_params() -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    name(&mut params, CA_NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn server_params(common_name: &str, hosts: &[String]) -> Result<CertificateParams, rcgen::Error> {
    let names = THIS_MACHINE.iter().map(|name| (*name).to_owned()).chain(hosts.iter().cloned());
    let mut params = CertificateParams::new(names.collect::<Vec<_>>())?;
    name(&mut params, common_name);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

/// Who it is for, and how long; from an hour ago, for clocks that go behind.
fn name(params: &mut CertificateParams, common_name: &str) {
    params.distinguished_name.push(DnType::CommonName, common_name);
    let now = SystemTime::now();
    params.not_before = now.checked_sub(HOUR).unwrap_or(now).into();
    params.not_after = (now + VALID_FOR).into();
}

fn write_pair(folder: &Path, name: &str, certificate: &str, key: &KeyPair) -> Result<(), DevelopmentError> {
    write_new(&folder.join(format!("{name}.key.pem")), &Zeroizing::new(key.serialize_pem()))?;
    let path = folder.join(format!("{name}.pem"));
    fs::write(&path, certificate).map_err(|source| DevelopmentError::File { path, source })
}

const THIS_MACHINE: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
const HOUR: Duration = Duration::from_secs(60 * 60);
const VALID_FOR: Duration = Duration::from_secs(90 * 24 * 60 * 60);
