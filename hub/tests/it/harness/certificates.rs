//! Certificate authorities of a test, and what they issue.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use tempfile::TempDir;

/// A certificate authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key, as PEM texts.
#[derive(Clone)]
pub(crate) struct Issued {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// The files that a hub's `[tls]` names, and who issued them.
pub(crate) struct TlsFiles {
    pub(crate) authority: Authority,
    pub(crate) hub: Issued,
    folder: TempDir,
}

impl Authority {
    /// One of this name: two of the same name differ in their keys.
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these names.
    pub(crate) fn issue(&self, names: &[&str]) -> Issued {
        self.issue_until(names, SystemTime::now() + Duration::from_secs(90 * DAY))
    }

    /// A certificate that expires then; it began ten days ago.
    pub(crate) fn issue_until(&self, names: &[&str], not_after: SystemTime) -> Issued {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = (SystemTime::now() - Duration::from_secs(10 * DAY)).into();
        params.not_after = not_after.into();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Issued { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

impl Issued {
    /// Certificate and key in one text.
    pub(crate) fn identity(&self) -> reqwest::Identity {
        reqwest::Identity::from_pem(format!("{}{}", self.certificate, self.key).as_bytes()).unwrap()
    }

    /// Whether a text holds a part of the private key.
    pub(crate) fn is_given_away_by(&self, text: &str) -> bool {
        self.key.lines().filter(|line| !line.starts_with('-')).any(|line| text.contains(line))
    }
}

impl TlsFiles {
    pub(crate) fn new() -> Self {
        let authority = Authority::new("Authority");
        let hub = authority.issue(&THIS_MACHINE);
        let files = Self { authority, hub: hub.clone(), folder: tempfile::tempdir().unwrap() };
        files.put(&hub.certificate, &hub.key);
        files
    }

    /// Replaces certificate and key, whatever they are.
    pub(crate) fn put(&self, certificate: &str, key: &str) {
        std::fs::write(self.certificate(), certificate).unwrap();
        std::fs::write(self.key(), key).unwrap();
        self.set_mode_of_key(0o640);
    }

    /// Gives the key's file these permissions.
    pub(crate) fn set_mode_of_key(&self, mode: u32) {
        std::fs::set_permissions(self.key(), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn key(&self) -> PathBuf {
        self.folder().join("hub.key.pem")
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder().join("hub.pem")
    }

    /// The section of a configuration.
    pub(crate) fn settings(&self) -> String {
        let folder = self.folder().display();
        format!("[tls]\ncertificate = \"{folder}/hub.pem\"\nkey = \"{folder}/hub.key.pem\"\n")
    }

    /// The section, with client certificates of this authority.
    pub(crate) fn settings_with_clients(&self, clients: &Authority, mode: &str) -> String {
        let path = self.folder().join("clients.pem");
        std::fs::write(&path, clients.pem()).unwrap();
        let path = path.display();
        format!("{}client_ca = \"{path}\"\nclient_certificates = \"{mode}\"\n", self.settings())
    }

    /// A client that believes this authority alone, on a connection of its own for each request.
    pub(crate) fn client(&self) -> reqwest::ClientBuilder {
        let authority = reqwest::Certificate::from_pem(self.authority.pem().as_bytes()).unwrap();
        reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).tls_certs_only([authority])
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

pub(crate) const THIS_MACHINE: [&str; 2] = ["localhost", "127.0.0.1"];
const DAY: u64 = 24 * 60 * 60;
